"""The few things that writers do to a disk, each so that it outlasts a machine that loses its power.

A disk keeps what a process writes in memory for a while, and may put it down in another order. What is written is there for
good once its file is synced; that it bears its name, once its folder is. Everything that changes a log goes through here;
tests run it on a disk that loses and reorders whatever was not synced.
"""

import contextlib
import hashlib
import io
import os
import stat
from pathlib import Path
from typing import Any


class NewFile(io.RawIOBase):
    """A file that is written once and hashed meanwhile; closing it puts it on the disk.

    Args:
        path: Where; what is there is replaced.

    Attributes:
        n_bytes: How much was written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.n_bytes = 0
        self._hash = hashlib.sha256()
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)

    @property
    def sha256(self) -> str:
        """SHA-256 of what was written, as `sha256sum` prints it."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Write all of the data."""
        if self.closed:
            # Where a disk was full, Arrow tries once more when it lets go of the file; by then its number is another's.
            raise ValueError("The file is closed.")
        view = memoryview(data).cast("B")
        self._hash.update(view)
        at = 0
        while at < len(view):
            at += os.write(self._handle, view[at:])
        self.n_bytes += len(view)
        return len(view)

    def close(self) -> None:
        """Sync and close the file."""
        if self.closed:
            return
        super().close()
        try:
            os.fsync(self._handle)
        finally:
            os.close(self._handle)


def write_whole(path: Path, data: bytes, unfinished: str) -> None:
    """Write a file whole or not at all, for good.

    Args:
        path: Where; what is there is replaced.
        data: All of it.
        unfinished: Its name while it is written, in the same folder.
    """
    beside = path.with_name(unfinished)
    try:
        with NewFile(beside) as file:
            file.write(data)
        rename(beside, path)
    except OSError:
        remove_tree(beside)
        raise
    sync(path.parent)


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name, in the place of the file that has it."""
    source.replace(target)


def sync(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make(folder: Path) -> None:
    """Make a folder for good, if it isn't there; the one above it has to be."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        sync(folder.parent)


def make_folders(folder: Path) -> None:
    """Make a folder for good, and those above it, if they aren't there."""
    if not folder.parent.is_dir():
        make_folders(folder.parent)
    make(folder)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def remove_folder(folder: Path) -> None:
    """Remove an empty folder."""
    folder.rmdir()


def remove_tree(path: Path) -> None:
    """Remove a file, or a folder with all that is in it, as far as that can be done."""
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            for entry in path.iterdir():
                remove_tree(entry)
            path.rmdir()
        else:
            path.unlink()
