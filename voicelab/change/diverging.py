"""Where two versions of the same conversation part: the first event that differs, and what became of those sessions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from voicelab.change.paired_values import PairedValues
from voicelab.log import Log

_AT_ONCE = 20_000
"""Pairs whose events are held in memory at a time."""
_LONGEST = 90
_AROUND = 30
# What callers and agents do, and errors. Log lines, metrics and times are left out: a conversation that says the same a
# little later is the same conversation, and is counted apart.
_SAID = """
SELECT s.session_index, e.turn, e.name,
    coalesce(CASE
        WHEN e.name IN ('text', 'text_to_speech') THEN e.data ->> '$.text'
        WHEN e.name = 'dtmf' THEN e.data ->> '$.digits'
        WHEN e.name = 'timeout' THEN NULL
        WHEN e.name = 'stop' THEN e.data ->> '$.closing_speech'
        WHEN e.name = 'error' THEN e.data ->> '$.message'
        WHEN e.kind = 'output' THEN e.data
    END, '') AS said,
    e.kind
FROM events e JOIN (
    SELECT session_id, session_index FROM sessions WHERE session_index >= {first:d} AND session_index < {stop:d}
) s USING (session_id)
WHERE e.kind IN ('input', 'output') OR e.name = 'error'
ORDER BY s.session_index, e.seq
"""
_ENDS = "SELECT session_index, session_id, status, duration_s FROM sessions ORDER BY session_index"
COLUMNS = (
    "old_event",
    "new_event",
    "sessions",
    "share",
    "turn",
    "old",
    "new",
    "difference",
    "session_index",
    "session_id",
)
SAME, LATER = "the same words", "at other times"


@dataclass(frozen=True)
class Divergence:
    """How conversations differ.

    Attributes:
        groups: One row a first event that differs, the most frequent first: old_event, new_event, sessions, share (of all
            pairs), turn (median), mean of the target in these sessions (old, new, difference), session_index and session_id
            (of the old version's log) of one of them.
        n_same: Pairs that are alike to the last word, and to the time of it.
        outcome: The target.
    """

    groups: pd.DataFrame
    n_same: int
    outcome: str


def divergence_of(old: Log, new: Log, target: PairedValues, n_pairs: int) -> Divergence:
    """Return how the conversations of both logs differ.

    Args:
        old: The old version's log.
        new: The new one's.
        target: The outcome that decides, in all pairs.
        n_pairs: How many pairs there are.
    """
    ends = {side: pd.DataFrame(log.rows(_ENDS)) for side, log in (("old", old), ("new", new))}
    found = pd.concat([_first_differing(old, new, *span, ends) for span in _spans(n_pairs)] or [pd.DataFrame()])
    durations = [ends[side]["duration_s"].to_numpy()[:n_pairs] for side in ("old", "new")]
    differs = np.zeros(n_pairs, dtype=np.bool_)
    if len(found):
        differs[found["session_index"].to_numpy(dtype=np.int64)] = True
    later = np.flatnonzero(~differs & (durations[0] != durations[1]))
    if len(later):
        timed = pd.DataFrame({"session_index": later, "old_event": SAME, "new_event": LATER, "turn": 0})
        found = pd.concat([found, timed]) if len(found) else timed
    groups = _grouped(found, target, n_pairs, ends["old"])
    return Divergence(groups, n_pairs - len(found), target.name)


def _spans(n_pairs: int) -> Iterator[tuple[int, int]]:
    for first in range(0, n_pairs, _AT_ONCE):
        yield first, min(first + _AT_ONCE, n_pairs)


def _first_differing(old: Log, new: Log, first: int, stop: int, ends: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the first event that differs in each of some pairs."""
    sides = []
    for side, log in (("old", old), ("new", new)):
        events = log.sql(_SAID.format(first=first, stop=stop))
        events["at"] = events.groupby("session_index").cumcount()
        events["event"] = _labels(events)
        sides.append(events[["session_index", "at", "event", "turn"]].rename(columns={"event": f"{side}_event"}))
    both = sides[0].merge(sides[1].drop(columns="turn"), on=["session_index", "at"], how="outer")
    both = both[both["old_event"] != both["new_event"]].sort_values(["session_index", "at"])
    both = both.drop_duplicates("session_index").copy()
    for side in ("old", "new"):
        status = ends[side].set_index("session_index")["status"].reindex(both["session_index"])
        gone = both[f"{side}_event"].isna()
        both.loc[gone, f"{side}_event"] = ("the end (" + status.astype(str).to_numpy() + ")")[gone.to_numpy()]
    events = zip(both["old_event"], both["new_event"], strict=True)
    both[["old_event", "new_event"]] = pd.DataFrame(
        [_cut(*pair) for pair in events], both.index, ["old_event", "new_event"]
    )
    return both[["session_index", "old_event", "new_event", "turn"]]


def _labels(events: pd.DataFrame) -> pd.Series:
    """Return each event in words: what the agent says as it stands, all else with its name."""
    # JSON of an output says it all, but for what is empty in it.
    said = events["said"].str.replace(r"\s+", " ", regex=True)
    named = (events["name"] + ": " + said).where(said != "", events["name"])
    named = named.where(events["kind"] != "input", "caller: " + said.where(said != "", events["name"]))
    return said.where(events["name"] == "text_to_speech", named)


def _cut(old: str, new: str) -> tuple[str, str]:
    """Return two different texts as far as there is room for them, so that it shows where they differ."""
    alike = next(
        (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    begins = 0 if alike < _LONGEST - _AROUND else alike - _AROUND
    return _from(old, begins), _from(new, begins)


def _from(text: str, begins: int) -> str:
    ends = begins + _LONGEST
    return f"{'…' if begins else ''}{text[begins:ends]}{'…' if len(text) > ends else ''}"


def _grouped(found: pd.DataFrame, target: PairedValues, n_pairs: int, ends: pd.DataFrame) -> pd.DataFrame:
    if not len(found):
        return pd.DataFrame(columns=list(COLUMNS))
    index = found["session_index"].to_numpy(dtype=np.int64)
    counted = target.counted
    found = found.assign(
        old=np.where(counted, target.old, np.nan)[index], new=np.where(counted, target.new, np.nan)[index]
    )
    groups = (
        found.groupby(["old_event", "new_event"], sort=False)
        .agg(
            sessions=("session_index", "size"),
            turn=("turn", "median"),
            old=("old", "mean"),
            new=("new", "mean"),
            session_index=("session_index", "min"),
        )
        .reset_index()
        .sort_values(["sessions", "session_index"], ascending=[False, True], kind="stable")
        .reset_index(drop=True)
    )
    groups["share"] = groups["sessions"] / n_pairs
    groups["difference"] = groups["new"] - groups["old"]
    groups["session_id"] = ends.set_index("session_index")["session_id"].reindex(groups["session_index"]).to_numpy()
    return groups[list(COLUMNS)]
