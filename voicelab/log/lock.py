"""Who writes a log: a file `_lock` in its folder, there as long as somebody does.

What keeps others out is the operating system's own lock on that file. It ends with the process that holds it, however that
process ends, so that a killed run is gone on with at once and no process number has to be trusted. What stands in the
file is for people: who holds it, where, since when and for what. The one thing that is taken at its word is the machine's
name: locks don't reach other machines on every shared disk, so a lock from elsewhere is never taken over.
"""

import contextlib
import errno
import json
import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicelab.base.errors import LogError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = "_lock"
BRIEFLY_S = 10.0
"""How long single sessions and late outcomes wait for each other: each is written in a moment."""
ENDING_S = 1.0
"""How long a run waits for another holder: a process that was killed keeps its files for a moment."""
_POLL_S = 0.05
# Windows locks bytes against reading too; one far behind the text leaves that readable.
_LOCKED_BYTE = 1 << 30
# Files that this process holds open.
_handles: set[int] = set()


class Lock:
    """A lock that is held.

    Args:
        folder: The log's folder.
        handle: The lock file, open.
        text: What stands in it.
    """

    def __init__(self, folder: Path, handle: int, text: str) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._handle = handle
        self._text = text

    def check(self) -> None:
        """Make sure that the folder is still the one that was locked.

        Raises:
            LogError: somebody has removed or replaced it, or its lock.
        """
        if _text(self._path) != self._text:
            raise LogError(
                f"{self._folder} was removed or replaced while this run wrote it: its lock {NAME} is now that of "
                f"{_who(self._path)}. Nothing more is written; run it again into a folder of its own."
            )

    def release(self) -> None:
        """Give the folder back."""
        if self._handle not in _handles:
            return  # a forked child leaves its parent's lock alone
        _handles.discard(self._handle)
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                os.close(self._handle)  # an open file can't be removed there, and nobody else's is
                self._path.unlink()
            else:
                # Removed while it is still held: whoever waits for this file then sees that it is none any more.
                try:
                    if _is_at(self._handle, self._path):
                        _remove(self._path)
                finally:
                    os.close(self._handle)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except KeyboardInterrupt:  # Ctrl-C came just now: on a disk without locks the name would hold others up
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def hold(folder: Path, what: str, wait_s: float = 0.0) -> Iterator[Lock]:
    """Hold the lock of a log's folder.

    Args:
        folder: The folder; it is there.
        what: What it is held for, as others are told.
        wait_s: How long to wait for another holder.

    Raises:
        LogError: another process or thread holds it, and who; or the folder can't be written.
    """
    lock = _acquired(folder, what, time.monotonic() + wait_s)
    try:
        yield lock
    finally:
        lock.release()


def _acquired(folder: Path, what: str, deadline: float) -> Lock:
    while True:
        try:
            return _taken(folder, what)
        except _HeldError as error:
            if error.here and time.monotonic() < deadline:
                time.sleep(_POLL_S)
                continue
            raise LogError(f"{folder} is being written by {error}") from None
        except _RemovedError:
            continue
        except OSError as error:
            raise LogError(f"{folder / NAME} can't be written: {error.strerror}.") from None


class _HeldError(Exception):
    def __init__(self, path: Path, *, here: bool) -> None:
        self.here = here
        super().__init__(
            f"{_who(path)}. Wait until it has ended, or give another folder; vl.open_log reads it meanwhile."
            if here
            else f"{_who(path)}. Whether that still runs can't be seen from here: if it doesn't, remove the file {path}."
        )


class _RemovedError(Exception):
    """The file was another holder's, and was removed just when this one got hold of it."""


def _taken(folder: Path, what: str) -> Lock:
    path = folder / NAME
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        locked = _lock(handle)
        if locked is False:
            raise _HeldError(path, here=True)
        if not _is_at(handle, path):
            raise _RemovedError
        holder = _holder(path)
        if holder and (locked is None or holder.get("host") != platform.node()):
            raise _HeldError(path, here=False)
        try:
            text = _written(handle, what)
        except BaseException:
            # The disk is full, or Ctrl-C came: nobody holds it, and nobody shall find it.
            with contextlib.suppress(OSError):
                path.unlink()
            raise
    except BaseException:
        os.close(handle)
        raise
    _handles.add(handle)
    return Lock(folder, handle, text)


def _lock(handle: int) -> bool | None:
    """Lock an open file; return False if another holder has it, None if its disk knows no locks."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return None
    return True


def _written(handle: int, what: str) -> str:
    facts = {
        "pid": os.getpid(),
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        "id": secrets.token_hex(8),
    }
    text = json.dumps(facts, indent=1)
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text.encode())
    return text


def _is_at(handle: int, path: Path) -> bool:
    """Return whether an open file is the one that stands at a path."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _holder(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(_text(path))
    except ValueError:
        return {}  # it died between locking and writing
    return facts if isinstance(facts, dict) and facts.get("host") else {}


def _who(path: Path) -> str:
    facts = _holder(path)
    if not facts:
        return "somebody who has left no name" if path.exists() else "nobody"
    return f"process {facts.get('pid')} on {facts.get('host')} since {facts.get('since')} ({facts.get('what')})"


def _leave_to_parent() -> None:
    # A forked child has its parent's open files, and would go on holding the lock when the parent is killed.
    for handle in _handles:
        with contextlib.suppress(OSError):
            os.close(handle)
    _handles.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
