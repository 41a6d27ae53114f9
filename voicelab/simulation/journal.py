"""What a session leaves that ends its process: the rows that it had written, and the line that its code was at.

Where the disk is full neither can be kept, and a session of which nothing is left would look like one that ended its process.
So it is told that something could not be written, in the one way that needs no room: a file that lies there is renamed.
"""

import contextlib
import errno
import mmap
import os
import pickle
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from voicelab.base.records import EventRow, SessionRows
from voicelab.runtime.tracebacks import is_users
from voicelab.session.finished_rows import rows_so_far
from voicelab.session.rows import ToldRows
from voicelab.session.session_state import Session

_WRITTEN, _UNWRITTEN = "written", "unwritten-"
_DISK = {errno.ENOSPC, errno.EIO, *([errno.EDQUOT] if hasattr(errno, "EDQUOT") else [])}
"""What is the disk's fault, and not of a session that has used up all descriptors. A disk that became read-only keeps no
verdict either."""


def may_be_unwritten(folder: Path) -> None:
    """Prepare a folder for `telling_unwritten`."""
    (folder / _WRITTEN).touch()


@contextlib.contextmanager
def telling_unwritten(folder: Path) -> Iterator[None]:
    """Have `check_written` know if something can't be written meanwhile; the error goes on."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK:
            with contextlib.suppress(OSError):
                (folder / _WRITTEN).rename(folder / f"{_UNWRITTEN}{error.errno}")
        raise


def check_written(folder: Path) -> None:
    """Make sure that all could be written.

    Raises:
        OSError: it could not.
    """
    for path in folder.glob(f"{_UNWRITTEN}*"):
        number = int(path.name.removeprefix(_UNWRITTEN))
        raise OSError(number, os.strerror(number))


class Journal:
    """Writes the rows of a session to a file as soon as it has them.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session: Session | None = None
        self.events = ToldRows(self._write)
        """What the session shall put its rows into."""

    def follow(self, session: Session) -> None:
        """Follow a session that is about to run."""
        self._session = session

    def _write(self, seq: int) -> None:
        if self._session is None:
            return
        entry = (seq, self.events[seq], replace(rows_so_far(self._session), events=[]))
        # Opened each time: a handler may have closed every file of the process.
        with contextlib.suppress(OSError), telling_unwritten(self._path.parent), self._path.open("ab") as file:
            file.write(pickle.dumps(entry, protocol=5))


def read_journal(path: Path) -> SessionRows | None:
    """Return the rows of a session as far as its journal goes; None if it has none."""
    events: list[EventRow] = []
    rows: SessionRows | None = None
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError), path.open("rb") as file:
        while True:
            seq, event, rows = pickle.load(file)  # noqa: S301 - our own child wrote it just now
            events[seq : seq + 1] = [event]
    if rows is not None:
        rows.events = events
    return rows


_LONGEST = 4096


class Trace:
    """Keeps the line that the user's code is at in a file, where the process's death leaves it to be read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        with path.open("w+b") as file:
            file.write(bytes(_LONGEST))
            file.flush()
            self._bytes = mmap.mmap(file.fileno(), _LONGEST)

    def __enter__(self) -> None:
        threading.settrace(self._enter)
        sys.settrace(self._enter)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        del event, arg
        return self._line if is_users(frame.f_code) else None

    def _line(self, frame: FrameType, event: str, arg: Any) -> Any:
        del arg
        if event == "line":
            code = frame.f_code
            text = os.fsencode(f"{code.co_filename}\0{frame.f_lineno}\0{code.co_name}\0")
            if len(text) <= _LONGEST:
                self._bytes[: len(text)] = text
        return self._line


def read_trace(path: Path) -> tuple[str, int, str] | None:
    """Return file, line and function of the user's code as a trace has kept them; None if it has none."""
    with contextlib.suppress(OSError, ValueError):
        file, line, function, *_ = path.read_bytes().split(b"\0", 3)
        if file:
            return os.fsdecode(file), int(line), os.fsdecode(function)
    return None
