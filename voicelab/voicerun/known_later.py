"""What is known of a session only after it has ended: the rulings of evaluators, and what a trace says of cost and time.

They become outcomes that were added late: a session without a ruling, or whose evaluation was skipped, is left out of
their analysis, where an outcome that the handler didn't write counts as 0.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voicelab.voicerun import shapes
from voicelab.voicerun.entries import Entry
from voicelab.voicerun.export_values import first, mapping, number, snake_keys, text_of, wall_seconds
from voicelab.voicerun.gather import Draft

if TYPE_CHECKING:
    import pandas as pd

_TRUTH = {"true": True, "false": False}
_COST, _DURATION, _SPAN = "trace_cost_usd", "trace_duration_s", "span_"
_MOST_SPANS = 20
"""Names of spans that become outcomes: those that most sessions have."""


class KnownLater:
    """What is known of sessions later, session by session."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, bool | float]] = {}

    def take(self, draft: Draft) -> None:
        """Take what is known of a session."""
        found: dict[str, bool | float] = {}
        # Lists have the newest first or last: of an evaluator that was asked again what it said last counts.
        for entry in sorted(draft.streams.get(shapes.EVALUATION, ()), key=_ruled_s):
            ruling = _ruling(entry)
            if any(found.get(name, said) != said for name, said in ruling.items()):
                _note(
                    entry, "evaluations that rule otherwise than an earlier one of the same session: the latest counts"
                )
            found |= ruling
        for entry in draft.streams.get(shapes.TRACE, ()):
            if entry.name == "trace":
                found |= _totals(entry)
        found |= _span_means(draft.streams.get(shapes.TRACE, ()))
        # An evaluator that was asked while the session ran is an outcome of its own already.
        own = draft.tests.outcomes
        found = {name: value for name, value in found.items() if own.get(name, {}).get("value") != value}
        if found:
            self._rows[draft.session_id] = found

    def frame(self, taken: Iterable[str]) -> "pd.DataFrame | None":
        """Return a column `session_id` and a column an outcome, None where a session has none; None if there is nothing.

        Args:
            taken: Names of outcomes that the log has already.
        """
        import pandas as pd

        counts = Counter(name for found in self._rows.values() for name in found)
        spans = [name for name in counts if name.startswith(_SPAN)]
        few = sorted(spans, key=lambda name: -counts[name])[_MOST_SPANS:]
        names = [name for name in counts if name not in few]
        if not names:
            return None
        taken = set(taken)
        columns = {
            (name if name not in taken else f"{name} (known later)"): [found.get(name) for found in self._rows.values()]
            for name in names
        }
        return pd.DataFrame({"session_id": list(self._rows), **columns}, dtype=object)


def _span_means(entries: Sequence[Entry]) -> dict[str, bool | float]:
    """Return the mean seconds of the spans of each name, the whole session's aside; numbers in names make no other name."""
    found: dict[str, list[float]] = {}
    for entry in entries:
        span = snake_keys(entry.data) if entry.name == "span" else {}
        ms = number(span.get("duration_ms"))
        if ms is not None and ms >= 0 and span.get("parent_id") is not None:
            name = re.sub(r"[\W\d_]+", "_", text_of(span.get("name") or "")).strip("_").lower()
            found.setdefault(f"{_SPAN}{name or 'unnamed'}_s", []).append(ms / 1000)
    return {name: sum(seconds) / len(seconds) for name, seconds in found.items()}


def _ruled_s(entry: Entry) -> float:
    """Return when an evaluation ended, else when it was made; those that don't say it come first, as they are listed."""
    facts = snake_keys(entry.data)
    ended = (wall_seconds(facts.get(key)) for key in ("completed_at", "updated_at", "created_at", "timestamp"))
    return next((seconds for seconds in ended if seconds is not None), -math.inf)


def _ruling(entry: Entry) -> dict[str, bool | float]:
    """Return what an evaluation came to, by the evaluator's name; nothing if it came to nothing."""
    facts = snake_keys(entry.data)
    if str(facts.get("status")).lower() not in {"complete", "completed"}:
        _note(entry, f"evaluations {text_of(facts.get('status') or 'without a status')}: no ruling")
        return {}
    success = _TRUTH.get(str(facts.get("success")).lower())
    if success is None:
        _note(entry, "evaluations without success or failure: no ruling")
        return {}
    return {evaluator_of(facts): success}


def evaluator_of(facts: Mapping[str, Any]) -> str:
    """Return what an evaluator is called: its name where the export says it, else its id."""
    return text_of(first(facts, ("evaluator_name", "evaluator_title", "title", "name", "evaluator_id")))


def _totals(entry: Entry) -> dict[str, bool | float]:
    totals = snake_keys(mapping(entry.data.get("trace")))
    cost, ms = number(totals.get("total_cost_usd")), number(totals.get("duration_ms"))
    found: dict[str, bool | float] = {} if cost is None else {_COST: cost}
    return found if ms is None else found | {_DURATION: ms / 1000}


def _note(entry: Entry, why: str) -> None:
    """Count in the file's report what has no value."""
    if entry.report is not None:
        entry.report.without_value[why] += 1
