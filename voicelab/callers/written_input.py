"""What a caller does, as files write it: text, or a map such as `{silence: 6}`, `{press: "1"}`, `{interrupt: wait}`."""

from collections.abc import Callable, Mapping

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.callers.actions import Custom, HangUp, Input, as_input, at, interrupt, press, silence

_EXAMPLE = 'Write text, or one of {say: "hello"}, {silence: 6}, {press: "1"}, {interrupt: "no, wait"}, {hang_up: true}.'


def _press(digits: Given) -> Input:
    # YAML takes 0123 for a number of base eight.
    if not isinstance(digits, str) and not (checks.is_number(digits) and 0 <= digits <= 9):  # noqa: PLR2004 - a digit
        raise InputError(f"press is {shown(digits)}, must be keys in quotes, e.g. press: '0123'.")
    return press(str(digits))


def _hang_up(given: Given) -> HangUp:
    if given is not True:
        raise InputError(f"hang_up is {shown(given)}, must be true.")
    return HangUp()


def _event(name: Given, data: Given = None) -> Custom:
    if data is not None and not (isinstance(data, Mapping) and all(isinstance(key, str) for key in data)):
        raise InputError(f"data is {shown(data)}, must be a map whose keys are text.")
    return Custom(checks.name("event", name), dict(data or {}))


_KINDS: dict[str, tuple[Callable[..., Input], tuple[str, ...]]] = {
    "say": (as_input, ()),
    "silence": (silence, ()),
    "press": (_press, ()),
    "interrupt": (interrupt, ("after_s",)),
    "hang_up": (_hang_up, ()),
    "event": (_event, ("data",)),
}
"""What makes an input of each kind, and what may stand beside it."""


def written_input(entry: Given) -> Input:
    """Return the input that an entry of a file stands for.

    Args:
        entry: Text, or a map with one of say, silence (seconds, or null), press, interrupt (with after_s), hang_up and event
            (with data); `at` beside it is the second of the session at which it happens.

    Raises:
        InputError: it is none; what to write.
    """
    if isinstance(entry, str):
        if entry in _KINDS:
            raise InputError(
                f"{entry!r} would be said. Write it with what it takes; or {{say: {entry}}} to have it said."
            )
        return as_input(entry)
    if isinstance(entry, bool):
        raise InputError(
            f"An input is {str(entry).lower()}: YAML reads yes, no, on and off so. Put the word in quotes."
        )
    if not isinstance(entry, Mapping):
        raise InputError(f"{shown(entry)} is no input: put it in quotes if it shall be said. {_EXAMPLE}")
    kinds = [key for key in entry if key in _KINDS]
    if len(kinds) != 1:
        near = "".join(did_you_mean(str(key), _KINDS) for key in entry if key not in _KINDS)
        raise InputError(f"{shown(dict(entry))} is no input.{near} {_EXAMPLE}")
    kind = kinds[0]
    make, beside = _KINDS[kind]
    for key in entry:
        if key not in {kind, "at", *beside}:
            allowed = ", ".join((*beside, "at"))
            raise InputError(
                f"{key!r} stands beside {kind}.{did_you_mean(str(key), (*beside, 'at'))} May stand there: {allowed}."
            )
    made = make(entry[kind], **{key: entry[key] for key in beside if key in entry})
    return at(entry["at"], made) if "at" in entry else made
