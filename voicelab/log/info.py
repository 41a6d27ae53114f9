"""What stands in a log, in words and as data: for `voicelab log info`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from voicelab.base.records import DERIVED
from voicelab.log.manifest import read_manifest
from voicelab.log.parts import settled_parts
from voicelab.log.read import Log, open_log
from voicelab.log.schema import STORED_SCHEMAS


def describe_log(root: Path) -> str:
    """Return what stands in a log: where it is from, its tables and their sizes, statuses, tests.

    Args:
        root: The log's folder.

    Raises:
        LogError: the folder is no log, or is damaged.
    """
    lines = list(_lines(facts_of_log(root)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}".rstrip() for name, text in lines)


def facts_of_log(root: Path) -> dict[str, Any]:
    """Return the same as data.

    Args:
        root: The log's folder.

    Raises:
        LogError: the folder is no log, or is damaged.
    """
    log = open_log(root)
    manifest = log.manifest
    statuses = log.sql("SELECT status, count(*) AS n FROM sessions GROUP BY status ORDER BY n DESC, status")
    return {
        "log": str(root),
        "sessions": int(log.sql("SELECT count(*) AS n FROM sessions")["n"][0]),
        "finished": log.finished,
        "planned": manifest.get("sessions"),
        **{name: manifest[name] for name in _OF_THE_RUN if manifest.get(name) is not None},
        "version": manifest.get("versions", {}).get("voicelab"),
        "schema": manifest["schema_version"],
        "checksums": manifest.get("checksums") or None,
        "redacted": bool(manifest.get("redacted")),
        "statuses": {status: int(n) for status, n in statuses.itertuples(index=False)},
        "tables": dict(_tables(root)),
        "tests": dict(_tests(log)),
    }


_OF_THE_RUN = ("source", "handler", "callers", "world", "audio", "seed", "run_id", "created_at")


def _lines(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    planned = facts["planned"]
    state = f" of {planned:,} so far: the run is unfinished" if isinstance(planned, int) else ""
    yield "log", facts["log"]
    yield "sessions", f"{facts['sessions']:,}{'' if facts['finished'] else state}"
    for name in _OF_THE_RUN:
        if name in facts:
            yield name.replace("_", " "), str(facts[name])
    yield "version", f"voicelab {facts['version'] or 'unknown'}, schema {facts['schema']}"
    yield "checksums", facts["checksums"] or "none: an earlier version wrote it"
    if facts["redacted"]:
        yield "redacted", "yes"
    yield "statuses", ", ".join(f"{n:,} {status}" for status, n in facts["statuses"].items()) or "none"
    for table, sizes in facts["tables"].items():
        n_files = sizes["files"]
        what = _LATER.get(table) or f"{sizes['rows']:,} rows"
        yield table, f"{what}, {n_files:,} file{'' if n_files == 1 else 's'}, {sizes['bytes'] / 1e6:,.1f} MB"
    for test, known in facts["tests"].items():
        shares = ", ".join(f"{n:,} {variant}" for variant, n in known["sessions"].items())
        yield f"test {test}", shares + (f". {known['decision']}" if known["decision"] else "")


_LATER = {"late": "outcomes that were added afterwards", "audio": "recordings"}


def _tables(root: Path) -> Iterator[tuple[str, dict[str, int]]]:
    parts = settled_parts(root)
    for table in STORED_SCHEMAS:
        files = [path for part in parts if (path := part.file(root, table)).exists()]
        if not files and table in DERIVED:
            continue
        yield table, {"rows": sum(pq.read_metadata(path).num_rows for path in files), **_sizes(files)}
    for name, pattern in (("late", "part-*.parquet"), ("audio", "*.wav")):
        if files := sorted((root / name).glob(pattern)):
            yield name, _sizes(files)


def _tests(log: Log) -> Iterator[tuple[str, dict[str, Any]]]:
    counts = log.sql("SELECT test, variant, count(*) AS n FROM exposures GROUP BY test, variant ORDER BY test, variant")
    decisions = read_manifest(log.path).get("decisions", {})
    for test, rows in counts.groupby("test", observed=True):
        sessions = dict(zip(rows["variant"].astype(str), map(int, rows["n"]), strict=True))
        yield str(test), {"sessions": sessions, "decision": decisions.get(test, {}).get("sentence")}


def _sizes(files: list[Path]) -> dict[str, int]:
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}
