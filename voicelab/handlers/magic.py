"""The cell magic `%%handler NAME`: a sample of the Developer Guide, pasted as printed, becomes a handler.

A plain cell fails in Python's parser before any code of the lab runs; a magic gets the cell's text.
"""

import keyword
import re
import shlex
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError, VoicelabError
from voicelab.handlers import ROOT, load_cell
from voicelab.handlers.notes import Notes

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_USAGE = "The cell's first line is `%%handler NAME`, or `%%handler NAME --strict`"

# The inputs and outputs of cells: _, __, _12, _i12, _ih, ...
_OF_IPYTHON = re.compile(r"_+|_i*\d*|_[dio]h")


def load_ipython_extension(ipython: "InteractiveShell") -> None:
    """Register `%%handler` (IPython calls this at `%load_ext voicelab`)."""
    ipython.register_magic_function(_magic(ipython), magic_kind="cell", magic_name="handler")


class _Visible(Mapping[str, Any]):
    """The user's namespace without what IPython has put there, looked up anew each time."""

    def __init__(self, names: Mapping[str, Any], hidden: Mapping[str, Any]) -> None:
        self._names = names
        self._hidden = hidden

    def __getitem__(self, name: str) -> Any:
        value = self._names[name]
        if _OF_IPYTHON.fullmatch(name) or self._hidden.get(name, self) is value:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in list(self._names) if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _magic(ipython: "InteractiveShell") -> Callable[[str, str], None]:
    def handler(line: str, cell: str) -> None:
        """Make the cell's code a handler and bind it to NAME: %%handler NAME [--strict]."""
        from IPython.display import display

        try:
            name, strict = _arguments(line)
            notebook = _Visible(ipython.user_ns, ipython.user_ns_hidden)
            loaded = load_cell(name, cell, notebook, strict=strict)
        except Exception as error:  # noqa: BLE001 - raised again, shown without the lab's own frames
            raise _brief(error) from None
        ipython.push({name: loaded})
        if notes := loaded.new_notes():
            display(Notes(name, notes))

    return handler


def _arguments(line: str) -> tuple[str, bool]:
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    options = [word for word in words if word.startswith("-")]
    names = [word for word in words if not word.startswith("-")]
    unknown = [option for option in options if option != "--strict"]
    if unknown:
        raise InputError(f"%%handler has no option {unknown[0]}. {_USAGE}.")
    if len(names) != 1:
        raise InputError(f"%%handler got {len(names)} names, must get one. {_USAGE}.")
    if not names[0].isidentifier() or keyword.iskeyword(names[0]):
        raise InputError(f"%%handler: {names[0]!r} can't be a variable's name. {_USAGE}.")
    return names[0], bool(options)


def _brief(error: Exception) -> Exception:
    """Have IPython show an error with the user's own lines only."""
    if isinstance(error, VoicelabError):
        shown = [f"{type(error).__name__}: {error}"]
    else:
        frames = traceback.TracebackException.from_exception(error)
        kept = [frame for frame in frames.stack if frame.filename.startswith(ROOT)]
        frames.stack = traceback.StackSummary.from_list(kept)
        shown = "".join(frames.format(chain=False)).splitlines()
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined]
    return error
