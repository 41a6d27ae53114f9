"""What a session hands over when it has ended: its outcomes, its row in the table of sessions, and all of its rows."""

import contextlib
import itertools
from typing import Any

from voicelab.base.ctrl_c import is_ctrl_c
from voicelab.base.plain_json import class_name, written_text
from voicelab.base.records import Row, SessionRows, table_row, unwritten_value
from voicelab.runtime.context import SessionContext
from voicelab.session.early_end import limit_reached
from voicelab.session.rows import masked_json, no_text_for, own_text
from voicelab.session.session_state import Session


def all_rows(s: Session, data: str, output_data: str, outcomes: list[Row]) -> SessionRows:
    """Return the rows of a session.

    Args:
        s: The session.
        data: Its data as JSON text; `output_data` likewise.
        outcomes: Its outcomes, of `outcome_rows`.
    """
    settings = s.settings
    session = table_row(
        "sessions",
        run_id=settings.run_id,
        session_id=s.session_id,
        session_index=s.index,
        source=settings.source,
        caller=s.caller_name,
        status=s.status or s.ended,
        n_errors=s.n_errors,
        error=s.error,
        n_turns=s.turn + 1,
        n_replies=getattr(s.conversation, "n_replies", 0),
        n_otherwise=getattr(s.conversation, "n_otherwise", 0),
        duration_s=s.ended_s,
        environment=settings.environment,
        direction=settings.direction,
        origin="simulation" if settings.source == "simulated" else "debugger",
        tags="[]",
        parameters=masked_json(s, s.parameters) if s.parameters else "{}",
        data=data,
        output_data=output_data,
    )
    return SessionRows(session, s.events, s.exposures, outcomes, s.metrics, s.aside)


def rows_so_far(s: Session) -> SessionRows:
    """Return the rows of a session as they are now, without a status: for whoever can't wait until it has ended."""
    data, outcomes = "{}", []
    with contextlib.suppress(Exception):  # what the handler has damaged is said when the session ends
        data, outcomes = masked_json(s, s.context.data), outcome_rows(s, s.context)
    return all_rows(s, data, "{}", outcomes)


def outcome_rows(s: Session, context: SessionContext) -> list[Row]:
    """Return the outcomes that were declared or written, as rows of the log."""
    experiments, masked = context.experiments, s.masker.text
    most = s.settings.limits.outputs
    if len(experiments.outcomes) > most and s.outputs_left >= 0:
        s.outputs_left = -1
        limit_reached(s, "outputs", None)
    found = []
    for name, outcome in itertools.islice(experiments.outcomes.items(), most):
        written = name in experiments.written
        kind, value, text = _value_of(s, outcome, written)
        found.append(
            table_row(
                "outcomes",
                session_index=s.index,
                outcome=masked(name),
                type=kind,
                value=value,
                text=text,
                written=written,
            )
        )
    return found


_Value = tuple[str, float | None, str | None]
"""Type, value and text of an outcome."""


def _value_of(s: Session, outcome: Any, written: bool) -> _Value:
    """Return type, value and text, whatever the handler has set."""
    try:
        return _plain_value_of(s, outcome, written)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        text = written_text(outcome.value)
        no_text_for(s, f"{text}: its value can't be had, {class_name(error)}")
        return "string", None, own_text(s, text)


def _plain_value_of(s: Session, outcome: Any, written: bool) -> _Value:
    """Return type, value and text; the type is that of the value, unless the outcome was declared to hold text."""
    value = outcome.value
    if not written:
        declared = {"count": "integer"}.get(outcome.type, outcome.type)
        # Whether the session crashes isn't known yet, and is for the reader: the row says that nothing was written.
        return declared, unwritten_value(declared, crashed=False), None
    if hasattr(value, "item"):
        value = value.item()
    if value is None:
        return {"count": "integer"}.get(outcome.type, outcome.type), None, None
    if outcome.type == "string" or not isinstance(value, bool | int | float):
        text = str(value).lower() if isinstance(value, bool) else written_text(value)
        return "string", None, own_text(s, text)
    kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "float"
    return kind, float(value), None
