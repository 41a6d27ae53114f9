"""A session as VoiceRun's debugger exports one: an array of rows, which its Import opens and our own import reads back.

Each event is a row with its own kind as `type`, which the debugger draws by name, and `_clientTime` in seconds since 1970:
sessions in virtual time have a clock of their own, so all begin when simulated ones do. The last row is the session's
context as the SDK serializes it, with its tests and outcomes, and beside it under `voicelab` what no context says.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.plain_json import whole_characters
from voicelab.base.records import OWN_FACTS, Event

BEGAN_S = datetime(2026, 1, 5, 9, 0, tzinfo=UTC).timestamp()
"""When sessions begin that have no date of their own, in seconds since 1970."""
_APART_S = 3600.0  # as long as a session lasts at most, unless its limits are others
Cells = Mapping[str, Any]


def debugger_rows(
    facts: Cells, events: Sequence[Event], exposures: Sequence[Cells], outcomes: Sequence[Cells]
) -> list[dict[str, Any]]:
    """Return a session as the rows of a debugger's export, in order of time.

    Args:
        facts: The session's row, by column.
        events: Its events.
        exposures: Its exposures, by column.
        outcomes: Its outcomes, by column.
    """
    began_s = exported_s(facts["session_index"])
    end_s = max([facts["duration_s"], *(event.time_s for event in events)])
    turn = max((event.turn for event in events), default=0)
    context = Event(len(events), end_s, turn, "system", "context_update", debugger_context(facts, exposures, outcomes))
    return [
        debugger_row(facts["session_id"], event) | {"_clientTime": round(began_s + event.time_s, 6)}
        for event in (*sorted(events, key=lambda event: event.time_s), context)
    ]


def exported_s(session_index: int) -> float:
    """Return when a session begins by its export, in seconds since 1970: one after the other, in the order of their log.

    All at once, they would come back in the order in which they ended, and so by what came of them.
    """
    return BEGAN_S + _APART_S * session_index


def debugger_row(session_id: str, event: Event) -> dict[str, Any]:
    """Return an event as a row of the debugger, without its time.

    Args:
        session_id: Of its session.
        event: The event.
    """
    row: dict[str, Any] = {
        "event": "debug",
        "type": event.kind,
        "name": event.name,
        "data": event.data,
        "turn": event.turn,
        "session_id": session_id,
    }
    if event.background:
        row |= {"background": True, "background_task_name": event.task_name}
    return row


def debugger_context(facts: Cells, exposures: Sequence[Cells], outcomes: Sequence[Cells]) -> dict[str, Any]:
    """Return what the debugger's `context_update` holds: a session's context with tests and outcomes.

    Args:
        facts: The session's row, by column; it may still run.
        exposures: Its exposures, by column.
        outcomes: Its outcomes, by column.
    """
    return {
        "session_id": facts["session_id"],
        "environment": facts["environment"],
        "data": json.loads(facts["data"]),
        "testing": _testing(exposures, outcomes),
        OWN_FACTS: _own(facts, exposures),
    }


def write_rows(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as a file of JSON and return its path; a file that is there is replaced.

    Raises:
        InputError: the path is none, or can't be written.
    """
    if not isinstance(path, str | Path) or not str(path):
        raise InputError(f"path is {shown(path)}, must be the path of the file to write, e.g. 'session.json'.")
    file = Path(path)
    try:
        file.write_text(rows_as_json(rows), encoding="utf-8")
    except OSError as error:
        raise InputError(f"The file {str(file)!r} can't be written: {error.strerror or error}.") from None
    return file


def rows_as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as the debugger writes them."""
    return whole_characters(json.dumps(rows, indent=2, ensure_ascii=False)) + "\n"


def _testing(exposures: Sequence[Cells], outcomes: Sequence[Cells]) -> dict[str, Any]:
    """Return tests and outcomes as the SDK's context serializes them."""
    declared = {row["test"]: json.loads(row["declaration"]) for row in exposures}
    return {
        "tests": {
            row["test"]: {
                "name": row["test"],
                "description": "",
                "options": declared[row["test"]]["variants"],
                "value": row["variant"],
                "stop": declared[row["test"]]["stop"],
            }
            for row in exposures
        },
        "outcomes": {row["outcome"]: _outcome(row) for row in outcomes if _says_something(row)},
        "runTest": {row["test"]: False for row in exposures if row["assignment"] == "default_after_stop"},
        "metadata": {},
        "experiments": {
            test: {"conversion_metrics": declaration["conversion_metrics"]} for test, declaration in declared.items()
        },
    }


def _outcome(row: Cells) -> dict[str, Any]:
    value = row["text"] if row["type"] == "string" else row["value"]
    if not row["written"]:
        value = None
    elif row["type"] in {"boolean", "integer"}:
        value = bool(value) if row["type"] == "boolean" else int(value)
    return {"name": row["outcome"], "type": row["type"], "description": "", "value": value}


def _says_something(row: Cells) -> bool:
    """Return whether an outcome has a value, or none since nothing was written; one that was left open has no form there."""
    return not row["written"] or row["value"] is not None or row["text"] is not None


def _own(facts: Cells, exposures: Sequence[Cells]) -> dict[str, Any]:
    """Return what no context says, in the names of the platform's record of a session; of one that runs, what is known."""
    ended = {"status": facts["status"], "usage": {"sessionDuration": 1000 * facts["duration_s"]}}
    return {
        **(ended if facts["status"] is not None else {}),
        "direction": facts["direction"],
        "origin": facts["origin"],
        "track": facts["caller"],
        "tags": json.loads(facts["tags"]),
        "inputData": json.loads(facts["parameters"]),
        "outputData": json.loads(facts["output_data"]),
        "assignments": {row["test"]: row["assignment"] for row in exposures},
    }
