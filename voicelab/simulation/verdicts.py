"""Verdicts: the rows of sessions that ended their process, or were ended by a limit, kept so that no later run meets them again.

A verdict stands in the log's folder before it counts: one file of JSON a session, for good. A run that is resumed, or that
runs a damaged shard again, takes the rows from there. What stands in it was found in a process of the session's own, and
holds nothing that was measured.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voicelab.base.records import TABLES, SessionRows
from voicelab.log import disk
from voicelab.log.checksums import is_as_sealed, sealed
from voicelab.log.write import cannot_write

FOLDER = "verdicts"
_TABLES = tuple(table for table in TABLES if table != "sessions")


@dataclass(frozen=True)
class Verdict:
    """What became of a session that isn't to be run again.

    Attributes:
        index: The session.
        kind: How it was reached: a key of `suspects._SAID`.
        stops: The tests that had stopped before it: with others it is another session.
        rows: Its rows.
    """

    index: int
    kind: str
    stops: Mapping[str, int]
    rows: SessionRows

    def holds(self, stops: Mapping[str, int]) -> bool:
        """Return whether it is about the session as it is when some tests have stopped."""
        return dict(self.stops) == stops_before(self.index, stops)


def stops_before(index: int, stops: Mapping[str, int]) -> dict[str, int]:
    """Return the tests that have stopped before a session."""
    return {test: at for test, at in stops.items() if at < index}


def store(root: Path, run_id: str, verdict: Verdict) -> None:
    """Keep a verdict in the log's folder.

    Raises:
        LogError: it can't be written.
    """
    rows = verdict.rows
    facts = {
        "run_id": run_id,
        "session": verdict.index,
        "kind": verdict.kind,
        "stops": dict(verdict.stops),
        "rows": {"sessions": rows.session, **{table: getattr(rows, table) for table in _TABLES}, "aside": rows.aside},
    }
    path = _path(root, verdict)
    try:
        disk.make(path.parent)
        disk.write_whole(path, (json.dumps(sealed(facts), indent=1) + "\n").encode(), f"_{path.name}.tmp")
    except OSError as error:
        raise cannot_write(path, error) from None


def stored(root: Path, run_id: str) -> list[Verdict]:
    """Return the verdicts of a run; what isn't as it was written is left out, and its session runs again."""
    found = []
    for path in sorted((root / FOLDER).glob("session-*.json")):
        try:
            facts = json.loads(path.read_bytes())
            if facts["run_id"] != run_id or "sha256" not in facts or not is_as_sealed(facts):
                continue
            rows = facts["rows"]
            events = [(time_s, turn, tuple(label), data) for time_s, turn, label, data in rows["events"]]
            exposures, outcomes, metrics = (
                list(map(tuple, rows[table])) for table in ("exposures", "outcomes", "metrics")
            )
            aside = tuple(map(tuple, rows["aside"]))
            whole = SessionRows(tuple(rows["sessions"]), events, exposures, outcomes, metrics, aside)
            found.append(Verdict(facts["session"], facts["kind"], facts["stops"], whole))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
    return found


def _path(root: Path, verdict: Verdict) -> Path:
    tag = "-".join(str(at) for at in sorted(verdict.stops.values())) or "all"
    return root / FOLDER / f"session-{verdict.index:09d}-{tag}.json"
