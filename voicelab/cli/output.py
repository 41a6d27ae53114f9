"""What the command prints: text, or with `--json` one document on stdout and nothing else.

Meanwhile whatever else would be printed, by a handler as it is loaded, by a worker process or by a library, goes to stderr.
"""

import contextlib
import dataclasses
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from voicelab.base.accepted_types import Given

STDOUT, STDERR = 1, 2


class _Answers:
    """Where answers go, and whether there was one."""

    stream: TextIO | None = None
    said = False


_answers = _Answers()


def say(text: str) -> None:
    """Print a text at once."""
    stream = _answers.stream or sys.stdout
    _answers.said = True
    try:
        # A lone half of a character, and what an old terminal has no letter for, is written out: in JSON that means the same.
        encoding = stream.encoding or "utf-8"
        stream.write(f"{text.encode(encoding, 'backslashreplace').decode(encoding)}\n")
        stream.flush()
    except BrokenPipeError:
        # Who reads has heard enough, as `head -1` has; what was to be done is done, and the exit code tells of it.
        let_go(stream)


def let_go(stream: TextIO) -> None:
    """Lead a stream whose reader is gone nowhere, so that what is left in it fails no more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def say_json(document: Mapping[str, Any] | list[Any]) -> None:
    """Print a document: what JSON knows no form for is written as text, numbers that are none as null."""
    say(json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False))


def say_error(error: BaseException, message: str, exit_code: int) -> None:
    """Print an error as the document, if there is none yet; else it is said on stderr."""
    if _answers.said:
        sys.stderr.write(f"voicelab: {message}\n")
    else:
        name = type(error).__name__.strip("_")
        say_json({"error": {"type": name, "message": message, "exit_code": exit_code}})


@contextlib.contextmanager
def json_alone() -> Iterator[None]:
    """Keep stdout for the document: whatever is printed otherwise meanwhile goes to stderr."""
    stdout = sys.stdout
    with contextlib.ExitStack() as stack:
        _answers.stream, _answers.said = stack.enter_context(_kept_open(stdout)), False
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        try:
            yield
        finally:
            _answers.stream = None


@contextlib.contextmanager
def _kept_open(stdout: TextIO) -> Iterator[TextIO]:
    """Have a stream to what is stdout now, while the descriptor that worker processes inherit leads to stderr."""
    stdout.flush()
    try:
        is_real = stdout.fileno() == STDOUT
    except (OSError, io.UnsupportedOperation):
        is_real = False
    if not is_real:
        yield stdout
        return
    kept = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as stream:
            yield stream
    finally:
        os.dup2(kept, STDOUT)
        os.close(kept)


def _plain(value: Given) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    # Numbers of numpy, and the missing ones of pandas.
    item = getattr(value, "item", None)
    if callable(item):
        return _plain(item())
    return None if str(value) in {"<NA>", "NaT"} else str(value)
