"""Logs whose tables, manifest, checksums and late outcomes were replaced by hostile ones that are validly sealed too."""

import functools
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import voicelab as vl
from fuzz import hostile, samples
from fuzz.exports import FRAMES
from fuzz.judge import Refused, Walk, check_message
from voicelab import voicerun
from voicelab.base.errors import VoicelabError
from voicelab.base.records import TABLES
from voicelab.log.checksums import of_file, sealed
from voicelab.log.compact import compact
from voicelab.log.info import describe_log
from voicelab.log.redact import redact

_FILES = [
    "sessions/part-abc.parquet", "sessions/part-000001.parquet", "events/part-000000.parquet", "late/part-000000.parquet",
    "late/part-x.parquet", "checksums/part-000000.json", "sessions/part-000000-999999.parquet", "_spec/claims/x", "x/vlx.parquet",
    "sessions/part-99999999999999999999.parquet", "checksums/part-000007.json", "manifest.json",
]  # fmt: skip


@functools.cache
def base() -> dict[str, bytes]:
    """Return the files of a sound log, by their names."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "log"
        exports = Path(folder) / "exports"
        exports.mkdir()
        for name, document in samples.exports().items():
            (exports / f"{name}.json").write_text(json.dumps(document))
        voicerun.read(exports, root)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: edits, and whether the log is sealed again after them."""
    edits = [_edit(rng) for _ in range(rng.choice([1, 1, 2, 3]))]
    return {"edits": edits, "seal": rng.random() < 0.9, "strict": rng.random() < 0.8}


def _edit(rng: random.Random) -> list[Any]:
    table = rng.choice(list(TABLES))
    column = rng.choice([*TABLES[table], "session_id"])
    how = rng.random()
    if how < 0.5:
        value = hostile.some(rng)
        if TABLES[table].get(column) == "json" and rng.random() < 0.7:
            value = hostile.text_of(
                hostile.mutated(
                    rng,
                    {
                        "text": "a",
                        "source": "speech",
                        "message": "m",
                        "line": 3,
                        "variants": {"a": 1, "b": 1},
                        "stop": {},
                        "conversion_metrics": [],
                    },
                )
            )[:50_000]
        return ["cell", table, rng.randrange(6), column, value]
    if how < 0.75:
        manifest = json.loads(base()["manifest.json"])
        paths = [path for path in hostile.paths_in(manifest) if path]
        own = rng.choice(paths) if rng.random() < 0.4 else (rng.choice(list(manifest)),)
        extra = rng.choice(
            [
                "decisions",
                "statuses",
                "otherwise_share",
                "live",
                "late",
                "remarks",
                "n_errors",
                "world",
                "versions",
                "imports",
            ]
        )
        return ["manifest", list(own) if rng.random() < 0.7 else [extra], hostile.some(rng)]
    if how < 0.8:
        return ["row", table, rng.choice(["drop", "double"]), rng.randrange(6)]
    if how < 0.88:
        return ["column", table, column, rng.choice(["drop", "rename", "text", "int", "null", "list"])]
    name = rng.choice([*_FILES, *base()])
    return rng.choice(
        [
            ["file", name, hostile.mutated(rng, [{"a": 1}, "x"])],
            ["operate", name, hostile.some_operations(rng, 1)],
            ["remove", name],
            ["folder", name],
        ]
    )


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Write the log, open it, and use whatever of it can be used."""
    root = it.folder / "log"
    for name, data in base().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    manifest = json.loads(base()["manifest.json"])
    for edit in case["edits"]:
        manifest = _edited(root, manifest, edit)
    _seal(root, manifest, sealed_too=case.get("seal", True))
    use = _Use(it)
    log = use.tries(lambda: vl.open_log(root, strict=case.get("strict", True)))
    if log is not None:
        _use(it, use, log)
    if it.depth:
        for step in (
            lambda: describe_log(root),
            lambda: redact(root, it.folder / "copy", [r"\d{3,}"]),
            lambda: compact(root),
        ):
            use.tries(step)
    if use.refused:
        raise Refused(use.refused[0])


class _Use:
    """Takes steps of which each may be refused: a log is read when it is asked, not when it is opened."""

    def __init__(self, it: Walk) -> None:
        self._it = it
        self.refused: list[str] = []

    def tries(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except VoicelabError as error:
            check_message(str(error))
            self.refused.append(str(error))
            return None


def _use(it: Walk, use: _Use, log: Any) -> None:
    use.tries(lambda: it.text(repr(log)))
    use.tries(lambda: it.html(log._repr_html_()))
    for index in range(3):
        record = use.tries(lambda index=index: log.session(index))
        if record is not None:
            it.text(f"{record!r}{record}")
            it.html(record._repr_html_())
            it.json(record.to_json())
            record.to_script()
            record.to_frame()
    use.tries(log.verify)
    if it.depth < 1:
        return
    for name in FRAMES:
        use.tries(getattr(log, name))
    exposures = use.tries(log.exposures)
    for test in [] if exposures is None else list(exposures["test"].unique())[:2]:
        result = use.tries(lambda test=test: vl.analyze(log, test))
        if result is not None:
            it.html(result._repr_html_())
    if it.depth > 2 and use.tries(log.plot) is not None:
        use.tries(lambda: it.html(log.to_html(it.folder / "log.html").read_text(encoding="utf-8")))


def _edited(root: Path, manifest: Any, edit: list[Any]) -> Any:
    what, *rest = edit or ["nothing"]
    if what == "manifest" and len(rest) == 2:
        return _with(manifest, *rest)
    if what in {"cell", "row", "column"} and rest and rest[0] in TABLES:
        _edit_table(root / rest[0] / "part-000000.parquet", what, rest[1:])
    elif what in {"file", "operate", "remove", "folder"} and rest:
        _edit_file(root / str(rest[0]), what, rest[1:])
    return manifest


def _with(manifest: Any, path: list[Any], value: Any) -> Any:
    value = _readable(value)
    if not path:
        return value
    try:
        hostile.at(manifest, tuple(path[:-1]))[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return manifest
    return manifest


def _readable(value: Any) -> Any:
    """Return a value with its markers written out, as far as Python can read them again."""
    try:
        return json.loads(hostile.text_of(value))
    except (ValueError, RecursionError):
        return hostile.text_of(value)[:10_000]


def _edit_table(path: Path, what: str, rest: list[Any]) -> None:
    try:
        table = pq.read_table(path)
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        if what == "cell":
            row, column, value = rest
            columns[column][row % len(columns[column])] = _readable(value) if not isinstance(value, str) else value
        elif what == "row":
            for values in columns.values():
                at = rest[1] % len(values)
                values.pop(at) if rest[0] == "drop" else values.insert(at, values[at])
        arrays = {field.name: _array(columns[field.name], field.type) for field in table.schema}
        if what == "column":
            _edit_column(arrays, *rest)
        pq.write_table(pa.table(arrays), path)
    except (OSError, KeyError, IndexError, ZeroDivisionError, pa.ArrowException, ValueError, TypeError, OverflowError):
        return  # nothing was changed: such a table can't be written at all


def _array(values: list[Any], type_: Any) -> Any:
    if pa.types.is_string(type_) or pa.types.is_dictionary(type_):
        texts = [v if v is None or isinstance(v, str) else str(v) for v in values]
        texts = [None if t is None else t.encode("utf-8", "surrogatepass") for t in texts]
        # Bytes that are no UTF-8 too: files hold whatever somebody has written.
        array = pa.Array.from_buffers(pa.string(), len(texts), pa.array(texts, pa.binary()).buffers())
        return array.dictionary_encode() if pa.types.is_dictionary(type_) else array
    return pa.array(values, type_)


def _edit_column(arrays: dict[str, Any], column: str, how: str) -> None:
    array = arrays.pop(column)
    n = len(array)
    if how == "rename":
        arrays["vlx"] = array
    elif how != "drop":
        made = {"text": ["x"] * n, "int": [3] * n, "null": [None] * n, "list": [[1]] * n}[how]
        arrays[column] = pa.array(made, array.type) if how == "null" else pa.array(made)


def _edit_file(path: Path, what: str, rest: list[Any]) -> None:
    try:
        if what == "remove":
            path.unlink()
            return
        data = path.read_bytes() if path.is_file() else b"PAR1"
        path.parent.mkdir(parents=True, exist_ok=True)
        if what == "folder":
            path.unlink(missing_ok=True)
            path.mkdir()
        elif what == "file":
            path.write_bytes(hostile.as_bytes(hostile.text_of(rest[0]), []))
        else:
            for operation in rest[0]:
                data = hostile._operated(data, *operation)
            path.write_bytes(data)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def _seal(root: Path, manifest: Any, *, sealed_too: bool) -> None:
    path = root / "manifest.json"
    if path.is_file() and path.read_bytes() == base()["manifest.json"]:
        facts = {k: v for k, v in manifest.items() if k != "sha256"} if isinstance(manifest, dict) else manifest
        path.write_text(json.dumps(sealed(facts) if sealed_too and isinstance(facts, dict) else facts))
    if sealed_too:
        for name in [name for name in base() if name.startswith("checksums/")]:
            _seal_part(root, root / name, base()[name])


def _seal_part(root: Path, path: Path, before: bytes) -> None:
    """Write the checksums of a part anew, unless somebody has replaced them."""
    if not path.is_file() or path.read_bytes() != before:
        return
    facts = {key: value for key, value in json.loads(before).items() if key != "sha256"}
    for table, own in facts["tables"].items():
        file = root / ("late" if path.stem.startswith("late") else table) / "part-000000.parquet"
        if file.is_file():
            own["bytes"], own["sha256"] = of_file(file)
            own["rows"] = _n_rows(file, own["rows"])
    path.write_text(json.dumps(sealed(facts)))


def _n_rows(file: Path, otherwise: int) -> int:
    try:
        return int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowException):
        return otherwise
