"""Makes a failing case small: whatever can be left out, or be simpler, while it fails in the same place."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from fuzz.hostile import Path, at, paths_in

_MOST_TRIES = 400


def shrunk(case: Any, still_fails: Callable[[Any], bool], tries: int = _MOST_TRIES) -> Any:
    """Return the smallest case that was found within so many tries.

    Args:
        case: JSON's types.
        still_fails: Says whether a case fails as the first one did.
        tries: How often it may be asked.
    """
    left = tries
    while True:
        for smaller in _smaller(case):
            if left <= 0:
                return case
            left -= 1
            if still_fails(smaller):
                case = smaller
                break
        else:
            return case


def _smaller(case: Any) -> Iterator[Any]:
    """Yield simpler cases, the greatest steps first: nothing of a list, half of it, all but one, a shorter text."""
    paths = sorted(paths_in(case), key=lambda path: (len(path), -_size(at(case, path))))
    for path in paths[1:]:
        yield _without(case, path)
    for path in paths:
        value = at(case, path)
        if isinstance(value, list | str) and len(value) > 3:
            yield _with(case, path, value[: len(value) // 2])
            yield _with(case, path, value[len(value) // 2 :])
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) > 9:
            yield _with(case, path, value // 2)


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str)) if isinstance(value, dict | list | str) else 1


def _without(case: Any, path: Path) -> Any:
    copy = json.loads(json.dumps(case))
    del at(copy, path[:-1])[path[-1]]
    return copy


def _with(case: Any, path: Path, value: Any) -> Any:
    copy = json.loads(json.dumps(case))
    if not path:
        return value
    at(copy, path[:-1])[path[-1]] = value
    return copy
