"""What of an import waits on the disk, so that a gigabyte of exports takes no more memory than a few: rows of files that
speak of many sessions until their session is put together, and sessions until all of them are known, and with them the
tests and their order.

It lies in a file without a name in the system's temporary folder, which is gone with the import, however that ends.
"""

import pickle
import sys
import tempfile
from types import TracebackType
from typing import Any, NamedTuple

_DEEPEST = 8


class Stored(NamedTuple):
    """Where something is stored.

    Attributes:
        offset: Its first byte.
        length: How many bytes it has.
    """

    offset: int
    length: int


def packed(thing: Any) -> bytes:
    """Return a thing as bytes for `pickle.loads`, also if it is nested as deeply as JSON may be."""
    try:
        return pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
    except RecursionError:  # to write it takes more of Python's stack than to parse it took
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(_DEEPEST * limit)
        try:
            return pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        finally:
            sys.setrecursionlimit(limit)


class StoredRows:
    """A file of things, each written once and read once or never."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - `__exit__` closes it
        self._end = 0

    def put(self, thing: Any) -> Stored:
        """Write something down and return where."""
        content = packed(thing)
        self._file.seek(self._end)
        self._file.write(content)
        place = Stored(self._end, len(content))
        self._end += len(content)
        return place

    def get(self, place: Stored) -> Any:
        """Return what is stored at a place."""
        self._file.seek(place.offset)
        return pickle.loads(self._file.read(place.length))  # noqa: S301 - nobody else can write to it

    def __enter__(self) -> "StoredRows":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
