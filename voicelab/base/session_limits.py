"""How much one session may take, so that none costs the others theirs: one record, `vl.Limits`, checked where it is made."""

import os
from dataclasses import dataclass, fields

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import shown

_LONGEST_S = 1e9
"""Thirty years: what is much longer, no system takes as a limit."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one session may take: `limits=` of `vl.run`, `vl.simulate` and `vl.Console`.

    A session that takes more ends with status `timeout`, or `error` where that was memory or its process died, and a row
    that names the limit, what was met and the handler's line, where that can be known. All other sessions are as if it
    had not happened.

    Args:
        cpu_s: Seconds of processor time, its own alone: how busy the machine is, and what the session waits for, doesn't
            count. With `audio=` its engines of speech work in it too, and 120 s are usual.
        memory_mb: Memory that it may add to that of its process, in MB of 1,048,576 bytes (`vl.simulate`).
        conversation_s: Length of the conversation, in seconds of the session's own time.
        outputs: What the handler and its tasks put out: events, and lines that they log or print, metrics, requests.
        text_chars: Characters of all the text that the session writes, counted as the JSON that its log holds; of
            what the engine itself notes, the lengths of turns don't count.
        deaths: How many sessions of a run may each end the process that it runs in, before the run is given up
            (`vl.simulate`).

    Raises:
        InputError: a limit is no number above 0, or more memory than this machine has.

    Example:
        >>> import voicelab as vl
        >>> vl.Limits(cpu_s=60)
        Limits(cpu_s=60.0)
    """

    cpu_s: float = 10.0
    memory_mb: int = 1024
    conversation_s: float = 3600.0
    outputs: int = 10_000
    text_chars: int = 1_000_000
    deaths: int = 20

    def __post_init__(self) -> None:
        for name in ("cpu_s", "conversation_s"):
            object.__setattr__(self, name, _seconds(name, getattr(self, name)))
        for name in ("memory_mb", "outputs", "text_chars", "deaths"):
            object.__setattr__(self, name, checks.whole(f"Limits({name}=)", getattr(self, name)))
        machine_mb = _machine_mb()
        # The default may be more than a small machine has: then the machine itself is the limit.
        if machine_mb is not None and self.memory_mb > max(machine_mb, Limits.memory_mb):
            raise InputError(
                f"Limits(memory_mb=) is {self.memory_mb:,}, more than this machine has ({machine_mb:,} MB). Give what one "
                "session may take, e.g. 2048."
            )

    def __repr__(self) -> str:
        others = (f"{f.name}={value!r}" for f in fields(self) if (value := getattr(self, f.name)) != f.default)
        return f"Limits({', '.join(others)})"


class LimitReached(BaseException):
    """Ends the code of a session that has reached a limit and goes on; it is no Exception, which handlers catch."""


_MET = {
    "cpu_s": "{:g} s of processor time",
    "memory_mb": "{:,} MB of memory",
    "conversation_s": "{:g} s of conversation",
    "outputs": "{:,} outputs",
    "text_chars": "{:,} characters of text",
}


def reached(limits: Limits, name: str, where: str = "") -> str:
    """Return what the row says of a session that has reached a limit.

    Args:
        limits: The session's.
        name: The limit's.
        where: What the session was doing, such as ` at main.py:12`.
    """
    met = getattr(limits, name)
    more = f"{10 * met:_}" if isinstance(met, int) else f"{10 * met:g}"
    if name == "memory_mb" and met < (machine_mb := _machine_mb() or 0) < 10 * met:
        more = f"{machine_mb:_}"
    return (
        f"The session reached its limit of {_MET[name].format(met)}{where}. What needs more is run with "
        f"limits=vl.Limits({name}={more})."
    )


def _seconds(name: str, value: Given) -> float:
    if not checks.is_number(value) or not 0 < value <= _LONGEST_S:
        raise InputError(f"Limits({name}=) is {shown(value)}, must be a number of seconds above 0, at most 1e9.")
    return float(value)


def _machine_mb() -> int | None:
    """Return the machine's memory in MB, None where the system doesn't say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (AttributeError, ValueError, OSError):
        return None


def checked_limits(given: Limits | None) -> Limits:
    """Return the limits of a run; None stands for the usual ones.

    Raises:
        InputError: it is something else.
    """
    if given is None:
        return Limits()
    if not isinstance(given, Limits):
        raise InputError(f"limits is {shown(given)}, must be vl.Limits(...), e.g. vl.Limits(cpu_s=60).")
    return given
