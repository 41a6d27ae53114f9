"""Which session a worker is at, where its death leaves it to be read: a few bytes of a file in the log's staging folder.

The file is mapped into the worker's memory: to write there costs no call of the system, a handler that closes all
descriptors doesn't close it, and what was written stays when the process is killed. A worker on another machine shares
nothing with the driver but the log's folder, and leaves its note there as well.
"""

import contextlib
import mmap
import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voicelab.log import disk
from voicelab.log.write import SPECULATIVE, cannot_write

_FORM = struct.Struct("<qqq64s")
_put_number = struct.Struct("<q").pack_into
_NONE = -1


@dataclass(frozen=True)
class Noted:
    """What a worker has noted.

    Attributes:
        index: The session under way; None before the first.
        offender: A session before it that left its process unfit, as far as the worker has seen; else None.
        pid: The worker's process number, if it runs on this machine; else None.
    """

    index: int | None
    offender: int | None
    pid: int | None


class Note:
    """The note of the shard that this process runs.

    Args:
        handle: The file, open.
    """

    def __init__(self, handle: int) -> None:
        self._pid = os.getpid()
        os.write(handle, _FORM.pack(_NONE, _NONE, self._pid, platform.node().encode()[:64]))
        self._bytes = mmap.mmap(handle, _FORM.size)

    def begin(self, index: int) -> None:
        """Note that a session begins."""
        _put_number(self._bytes, 0, index)

    def blame(self, index: int) -> None:
        """Note that a session has left the process unfit."""
        _put_number(self._bytes, 8, index)


def note_path(root: Path, staging: str, number: int, tag: str) -> Path:
    """Return where the note of a shard stands: where the run stages it.

    Args:
        root: The log's folder.
        staging: Of `log.write.staging`.
        number: Number of the shard.
        tag: Tells shards of one number apart that ran with different stops.
    """
    return root / SPECULATIVE / staging / f"{number:06d}-{tag}.note"


@contextlib.contextmanager
def noting(path: Path) -> Iterator[Note]:
    """Keep a note meanwhile; it stays where the process dies.

    Raises:
        LogError: it can't be written.
    """
    try:
        if path.parent.name == SPECULATIVE:
            disk.make(path.parent)
        # A file of its own: a worker that was taken for dead may still have the one before mapped, and cut short it would
        # end that worker.
        disk.remove(path)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        yield _begun(handle, path)
    finally:
        with contextlib.suppress(OSError):  # a handler may have closed it
            os.close(handle)
        with contextlib.suppress(OSError):  # it goes with the folder of the run, if not now
            disk.remove(path)


def drop_note(path: Path) -> None:
    """Remove the note of a worker that is gone.

    Raises:
        LogError: it can't be removed.
    """
    try:
        disk.remove(path)
    except OSError as error:
        raise cannot_write(path, error) from None


def _begun(handle: int, path: Path) -> Note:
    try:
        return Note(handle)
    except OSError as error:
        raise cannot_write(path, error) from None


def read_note(path: Path) -> Noted | None:
    """Return what stands in a note; None if there is none, or it was hardly begun."""
    try:
        index, offender, pid, host = _FORM.unpack(path.read_bytes())
    except (OSError, struct.error):
        return None
    here = host.rstrip(b"\0") == platform.node().encode()[:64]
    return Noted(_known(index), _known(offender), pid if here else None)


def _known(index: int) -> int | None:
    return None if index == _NONE else index
