"""Writes a copy of a log in which what a pattern finds is masked, wherever texts lie.

Equal texts get equal marks, and different ones different marks, by a key that is thrown away afterwards: callers, levels of
an outcome and segments stay apart, so that an analysis finds the same, and nobody can try out what a mark stands for.
"""

import functools
import hashlib
import json
import re
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from voicelab.base.errors import InputError, LogError
from voicelab.base.masking import shown
from voicelab.base.records import DERIVED, STORED, TABLES
from voicelab.log import late, lock
from voicelab.log.checksums import KIND, read_checksums
from voicelab.log.clear import is_blank
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.measured_parts import stores_measures
from voicelab.log.parts import Part, settled_parts
from voicelab.log.schema import SCHEMAS, UNREADABLE
from voicelab.log.verify import read_through
from voicelab.log.write import drop_speculative, make_folder, settle_part, stage_part

# Columns of free text, besides those that hold JSON. The others are names that a handler's author has chosen, and ids.
_TEXTS = {"sessions": ("caller", "error"), "events": ("task_name",), "outcomes": ("text",)}
_IN_MANIFEST = ("callers", "imports", "warnings", "remarks")
# What a role says is who speaks, which frames go by.
_KEPT = frozenset({"role"})
_STAGED = "redact"
# Letters alone, so that a pattern of digits finds nothing in a mark.
_LETTERS = "abcdefghijklmnop"
_MARK = re.compile(r"(\[redacted:[a-p]{12}\])")


def redact(root: Path, target: Path, patterns: Sequence[str]) -> dict[str, int]:
    """Write a copy of a log in which what the patterns find is masked; recordings of sound are left out.

    Args:
        root: The log's folder.
        target: The copy's folder; it isn't there, or is empty.
        patterns: Regular expressions of Python.

    Returns:
        How many texts were masked, by table and column.

    Raises:
        InputError: a pattern is none, or finds the empty text.
        LogError: the log is damaged, unfinished, or changed meanwhile, or the copy can't be written.
    """
    mask = _Mask(patterns)
    manifest = read_manifest(root)
    if manifest.get("status") != "finished":
        raise LogError(f"{root} is unfinished: it is redacted when its run has ended.")
    if read_through(root, manifest).damage:
        raise LogError(f"{root} is damaged: voicelab log check {root} says how. Nothing was written.")
    if not is_blank(target):
        raise LogError(f"{target} is there already. Give the copy a folder of its own; the log itself stays as it is.")
    make_folder(target)
    with lock.hold(target, "voicelab log redact", lock.ENDING_S):
        copied = manifest | {
            "checksums": KIND,
            "redacted": True,
            **{name: mask.value(manifest[name]) for name in _IN_MANIFEST if name in manifest},
        }
        write_manifest(target, copied | {"status": "running"})
        parts, late_parts = settled_parts(root), late.parts(root)
        try:
            for part in parts:
                tables = {table: _masked(mask, part.file(root, table), table) for table in _tables(root, part)}
                stage_part(target, part, _STAGED, tables)
                settle_part(target, part, _STAGED)
            for number, path in enumerate(late_parts):
                late.write(target, number, mask.table("outcomes", late.read_late([path])))
        except (LogError, *UNREADABLE):
            _check_unchanged(root, target, manifest, parts)
            raise
        # Nothing of the log is locked: it may lie where nobody can write. Whoever replaces it meanwhile is found out here.
        _check_unchanged(root, target, manifest, parts)
        drop_speculative(target)
        write_manifest(target, copied | ({late.COUNT: len(late_parts)} if late_parts else {}))
    return dict(mask.counts)


def _check_unchanged(root: Path, target: Path, manifest: Mapping[str, Any], parts: Sequence[Part]) -> None:
    if read_manifest(root) != manifest or settled_parts(root) != parts:
        raise LogError(
            f"{root} was changed while it was copied: {target} isn't whole. Remove that, and redact the log when nobody "
            "writes it any more."
        )


def _tables(root: Path, part: Part) -> list[str]:
    # What was measured stays: a mark is one word, whatever it stands for.
    return [*TABLES, *(DERIVED if stores_measures(root, part, read_checksums(part.checksums(root))) else ())]


def _masked(mask: "_Mask", path: Path, table: str) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            yield mask.table(table, file.read_row_group(group))


class _Mask:
    """Puts marks in the place of what patterns find.

    Args:
        patterns: Regular expressions.

    Attributes:
        counts: How many texts were changed, by table and column.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        if not patterns:
            raise InputError(
                "No pattern was given. Give a regular expression of what is to be masked, e.g. '\\+?[0-9]{6,}'."
            )
        self.counts: Counter[str] = Counter()
        self._patterns = [_checked(pattern) for pattern in patterns]
        self._key = secrets.token_bytes(32)

    def table(self, table: str, rows: pa.Table) -> pa.Table:
        """Return a table with marks in its texts."""
        for name in (*_TEXTS.get(table, ()), *(name for name, kind in STORED[table].items() if kind == "json")):
            at = rows.schema.get_field_index(name)
            change = self._json if STORED[table][name] == "json" else self._text
            if table == "events" and name == "data":
                change = self._event
            column = self._column(rows.column(at), f"{table}.{name}", change)
            rows = rows.set_column(at, SCHEMAS[table].field(name), column.cast(SCHEMAS[table].field(name).type))
        return rows

    def value(self, value: Any, *, numbers: bool = True) -> Any:
        """Return a value of JSON with marks in its texts, and for whole numbers that are found from end to end."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if isinstance(value, dict):
            return {
                key: item if key in _KEPT else self.value(item, numbers=numbers or isinstance(item, dict))
                for key, item in value.items()
            }
        if numbers and isinstance(value, int) and not isinstance(value, bool):
            return self._mark(str(value)) if any(p.fullmatch(str(value)) for p in self._patterns) else value
        return value

    def _column(self, column: pa.ChunkedArray, name: str, change: Any) -> pa.Array:
        encoded = column.combine_chunks()
        if not pa.types.is_dictionary(encoded.type):
            encoded = encoded.dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        changed = [None if text is None else change(text) for text in texts]
        different = [at for at, (text, other) in enumerate(zip(texts, changed, strict=True)) if text != other]
        if not different:
            return column
        times = Counter(encoded.indices.to_pylist())
        self.counts[name] += sum(times[at] for at in different)
        return pa.array(changed, pa.string()).take(encoded.indices)

    def _text(self, text: str) -> str:
        for pattern in self._patterns:
            # Nothing is looked for in marks, be they those of a pattern before or of a log that was redacted before.
            pieces = _MARK.split(text)
            pieces[::2] = [pattern.sub(lambda found: found[0] and self._mark(found[0]), piece) for piece in pieces[::2]]
            text = "".join(pieces)
        return text

    def _json(self, text: str) -> str:
        return self._in_json(text, numbers=True)

    def _event(self, text: str) -> str:
        # Numbers at the top of an event's data are its measures: how long, how many, in which line.
        return self._in_json(text, numbers=False)

    def _in_json(self, text: str, *, numbers: bool) -> str:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise LogError(
                f"The log holds {shown(text)} where JSON belongs, which voicelab never writes there."
            ) from None
        changed = self.value(value, numbers=numbers)
        if changed == value:
            return text
        # Half a character can stand in JSON alone, and only as an escape.
        readable = json.dumps(changed, ensure_ascii=False, separators=(",", ":"))
        return json.dumps(changed) if any("\ud800" <= c <= "\udfff" for c in readable) else readable

    @functools.cache  # noqa: B019 - it lives as long as the copying
    def _mark(self, found: str) -> str:
        digest = hashlib.blake2b(found.encode(errors="surrogatepass"), key=self._key, digest_size=6).hexdigest()
        return f"[redacted:{''.join(_LETTERS[int(digit, 16)] for digit in digest)}]"


def _checked(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(f"The pattern {shown(pattern)} is no regular expression: {error}.") from None
    if compiled.fullmatch(""):
        raise InputError(
            f"The pattern {shown(pattern)} finds the empty text. Give one that finds something, e.g. '[0-9]{{6,}}'."
        )
    return compiled
