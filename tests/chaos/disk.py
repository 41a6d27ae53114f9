"""A disk that can be full, read-only or broken, that a process dies on in the middle, and that forgets when the power goes."""

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

from crashing_disk import CrashingDisk

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_NEEDS_ROOM = ("open", "write", "mkdir")


class FailingDisk(CrashingDisk):
    """A `CrashingDisk` with something to be said before each thing that is done.

    Args:
        root: As there.
        monkeypatch: As there.
        before: Called with the name of what is done next; what it raises is raised in its place.
    """

    def __init__(self, root: Path, monkeypatch, before: Callable[[str], None]) -> None:
        self._before = before
        super().__init__(root, monkeypatch)

    def _open(self, real):
        opened = super()._open(real)

        def gated(path, flags, *more, **options):
            if flags & WRITES and self._place(path) is not None:
                self._before("open")
            return opened(path, flags, *more, **options)

        return gated

    def _write(self, real):
        return self._on_handle("write", super()._write(real))

    def _fsync(self, real):
        return self._on_handle("fsync", super()._fsync(real))

    def _mkdir(self, real):
        return self._on_path("mkdir", super()._mkdir(real))

    def _unlink(self, real):
        return self._on_path("unlink", super()._unlink(real))

    def _replace(self, real):
        return self._on_path("replace", super()._replace(real))

    def _on_handle(self, name, done):
        def gated(handle, *more):
            if handle in self._handles:
                self._before(name)
            return done(handle, *more)

        return gated

    def _on_path(self, name, done):
        def gated(path, *more, **options):
            if self._place(path) is not None:
                self._before(name)
            return done(path, *more, **options)

        return gated


def error_of(trouble: str, doing: str) -> OSError | None:
    """Return how a disk in trouble answers something, or None if it does it.

    Args:
        trouble: `full`, `read_only` or `broken`.
        doing: What is done.
    """
    if trouble == "full" and doing not in _NEEDS_ROOM:
        return None
    number = {"full": errno.ENOSPC, "read_only": errno.EROFS, "broken": errno.EIO}[trouble]
    return OSError(number, os.strerror(number), "disk")


def harm(path: Path, how: str, chance: random.Random) -> None:
    """Damage a file: `flipped` (one bit of it), `cut`, `zeros`, `garbage` or `removed`."""
    data = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
    elif how == "flipped":
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    else:
        cut = data[: chance.randrange(len(data))]
        path.write_bytes({"cut": cut, "zeros": bytes(len(data)), "garbage": chance.randbytes(300)}[how])
