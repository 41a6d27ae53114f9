"""Finds the files of an import and parses them, whole or not at all."""

import codecs
import contextlib
import glob
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from voicelab.base.errors import InputError
from voicelab.base.paths import path_of

_ENDINGS = {".json", ".jsonl", ".ndjson"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # What `vr ... --json > file` writes in Windows PowerShell.
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class NotParsedError(InputError):
    """A file that is no JSON.

    Attributes:
        why: What is wrong, for a list of files.
        text: As much of its text as can be read.
    """

    def __init__(self, message: str, why: str, text: str) -> None:
        super().__init__(message)
        self.why = why
        self.text = text


def find_files(paths: str | Path | Iterable[str | Path], leave_out: Path | None = None) -> dict[Path, bool]:
    """Return the files that are meant and whether each was named, in the order given and sorted within a folder or glob.

    Args:
        paths: A path, a folder, a glob, or several of them.
        leave_out: A folder whose files are none of them: the log to be written.

    Raises:
        InputError: there is no such file, or nothing to read in a folder.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths) if isinstance(paths, Iterable) else None
    if not given or not all(isinstance(path, str | Path) and str(path) for path in given):
        raise InputError(
            f"paths is {paths!r}, must be a file, a folder, a glob such as 'exports/*.json', or a list of them."
        )
    asked = [path_of("paths", path, "exports/*.json") for path in given]
    found = {file: False for path in asked for file in _files_of(path)}
    named = set(asked)
    return {file: file in named for file in found if leave_out is None or leave_out not in file.parents}


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS and _is_export(file, path))
        if not files:
            raise InputError(f"{path} holds no exports: no .json, .jsonl or .ndjson file is in it.")
        return files
    if glob.has_magic(str(path)):
        files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - an absolute pattern too
        if not any(file.is_file() for file in files):
            raise InputError(f"Nothing matches {str(path)!r}. Check the folder and the ending.")
        return [file for file in files if file.is_file()]
    raise InputError(f"There is no file {path}. Give an export of VoiceRun, a folder of exports, or a glob.")


def _is_export(file: Path, folder: Path) -> bool:
    return file.is_file() and not any(part.startswith(".") for part in file.relative_to(folder).parts)


def load(file: Path) -> tuple[Any, bool]:
    """Return the content of a JSON or JSONL file, and whether it was JSON lines (then a list of them).

    Raises:
        NotParsedError: it is empty, or no JSON, such as an export that was cut in the middle.
        InputError: it can't be read.
    """
    content = _content(file)
    if content[:1] in b"[{" and content:  # most are JSON in UTF-8, as it is
        with contextlib.suppress(ValueError):
            return orjson.loads(content), False
    text = _text(file, content)
    if not text.strip():
        raise NotParsedError(f"{file} is empty. Export it again, or leave it out.", "it is empty", text)
    try:
        return _parse(text), False
    except ValueError as error:
        lines = [(at, line) for at, line in enumerate(text.split("\n"), 1) if line.strip()]
        if len(lines) < 2 or not _is_object(lines[0][1]):  # noqa: PLR2004 - one line is no JSON lines
            raise _broken(file, str(error), text) from None
    try:
        return [_line(at, line, last=at == lines[-1][0]) for at, line in lines], True
    except ValueError as error:
        raise _broken(file, str(error), text) from None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror}.") from None


def _text(file: Path, content: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise NotParsedError(
            f"{file} is no text in UTF-8: it was cut, saved in another encoding, or is no export. Export it again, or leave it "
            "out; nothing was written.",
            "it is no text in UTF-8",
            content.decode(encoding, "replace"),
        ) from None


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        return json.loads(text)  # knows NaN and numbers of any length
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _is_object(line: str) -> bool:
    try:
        return isinstance(_parse(line), dict)
    except ValueError:
        return False


def _line(at: int, line: str, *, last: bool) -> Any:
    try:
        return _parse(line)
    except ValueError as error:
        reason = f"line {at}: {error}"
        raise ValueError(reason if last else f"{reason}, in the middle of the file") from None


def _broken(file: Path, reason: str, text: str) -> NotParsedError:
    return NotParsedError(
        f"{file} is no complete JSON ({reason}): the export was cut, or it is no export. Export it again, or leave it out; "
        "nothing was written.",
        f"it is no JSON: {reason}",
        text,
    )
