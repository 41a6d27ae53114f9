"""What is known of a session only after it has ended: the rulings of evaluators, and what a trace says of cost and time.

They become outcomes that were added late: a session without a ruling, or whose evaluation was skipped, is left out of
their analysis, where an outcome that the handler didn't write counts as 0.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voicelab.voicerun import shapes
from voicelab.voicerun.entries import Entry
from voicelab.voicerun.export_values import first, mapping, number, snake_keys, text_of
from voicelab.voicerun.gather import Draft

if TYPE_CHECKING:
    import pandas as pd

_TRUTH = {"true": True, "false": False}
_COST, _DURATION = "trace_cost_usd", "trace_duration_s"


def outcomes_known_later(drafts: Iterable[Draft], taken: Sequence[str]) -> "pd.DataFrame | None":
    """Return a column `session_id` and a column an outcome, None where a session has none; None if there is nothing.

    Args:
        drafts: The sessions.
        taken: Names of outcomes that the log has already.
    """
    import pandas as pd

    rows = {}
    for draft in drafts:
        found: dict[str, bool | float] = {}
        for entry in draft.streams.get(shapes.EVALUATION, ()):
            found |= _ruling(entry)
        for entry in draft.streams.get(shapes.TRACE, ()):
            found |= _totals(entry)
        if found:
            rows[draft.session_id] = found
    names = list(dict.fromkeys(name for found in rows.values() for name in found))
    if not names:
        return None
    columns = {
        (name if name not in taken else f"{name} (known later)"): [found.get(name) for found in rows.values()]
        for name in names
    }
    return pd.DataFrame({"session_id": list(rows), **columns}, dtype=object)


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
