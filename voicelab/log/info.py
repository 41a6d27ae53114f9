"""What stands in a log, in words: for `voicelab log info`."""

from collections.abc import Iterator
from pathlib import Path

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
    log = open_log(root)
    lines = [("log", str(root)), *_facts(log), *_tables(root), *_tests(log)]
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {text}".rstrip() for name, text in lines)


def _facts(log: Log) -> Iterator[tuple[str, str]]:
    manifest = log.manifest
    n_sessions = int(log.sql("SELECT count(*) AS n FROM sessions")["n"][0])
    planned = manifest.get("sessions")
    state = "" if log.finished else f" of {planned:,} so far: the run is unfinished" if isinstance(planned, int) else ""
    yield "sessions", f"{n_sessions:,}{state}"
    for name in ("source", "handler", "callers", "world", "audio", "seed", "run_id", "created_at"):
        if manifest.get(name) is not None:
            yield name.replace("_", " "), str(manifest[name])
    yield (
        "version",
        f"voicelab {manifest.get('versions', {}).get('voicelab', 'unknown')}, schema {manifest['schema_version']}",
    )
    yield "checksums", manifest.get("checksums") or "none: an earlier version wrote it"
    if manifest.get("redacted"):
        yield "redacted", "yes"
    statuses = log.sql("SELECT status, count(*) AS n FROM sessions GROUP BY status ORDER BY n DESC, status")
    yield "statuses", ", ".join(f"{n:,} {status}" for status, n in statuses.itertuples(index=False)) or "none"


def _tables(root: Path) -> Iterator[tuple[str, str]]:
    parts = settled_parts(root)
    for table in STORED_SCHEMAS:
        files = [path for part in parts if (path := part.file(root, table)).exists()]
        if not files and table in DERIVED:
            continue
        n_rows = sum(pq.read_metadata(path).num_rows for path in files)
        yield table, _sized(f"{n_rows:,} rows", files)
    for name, pattern in (("late", "part-*.parquet"), ("audio", "*.wav")):
        if files := sorted((root / name).glob(pattern)):
            yield name, _sized({"late": "outcomes that were added afterwards", "audio": "recordings"}[name], files)


def _tests(log: Log) -> Iterator[tuple[str, str]]:
    counts = log.sql("SELECT test, variant, count(*) AS n FROM exposures GROUP BY test, variant ORDER BY test, variant")
    decisions = read_manifest(log.path).get("decisions", {})
    for test, rows in counts.groupby("test", observed=True):
        shares = ", ".join(f"{n:,} {variant}" for variant, n in zip(rows["variant"], rows["n"], strict=True))
        sentence = decisions.get(test, {}).get("sentence")
        yield f"test {test}", shares + (f". {sentence}" if sentence else "")


def _sized(what: str, files: list[Path]) -> str:
    n_bytes = sum(path.stat().st_size for path in files)
    return f"{what}, {len(files):,} file{'' if len(files) == 1 else 's'}, {n_bytes / 1e6:,.1f} MB"
