"""The rows of one session, checked as they come from the files: checksums say that they are unchanged, not who wrote them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from voicelab.base.errors import LogError
from voicelab.base.masking import shown
from voicelab.base.records import TABLES, Row
from voicelab.log.declarations import read_declaration

_MAY_LACK = {
    "sessions": {"error"},
    "events": {"task_name"},
    "exposures": {"variant", "weight", "probability"},
    "outcomes": {"value", "text"},
    "metrics": set(),
}
"""Columns in which nothing may stand."""
_LISTS = {("sessions", "tags")}
"""Columns of JSON that holds a list; the others hold an object."""
LONGEST_S = 1e12


def check_rows(rows: Mapping[str, Sequence[Row]], whose: str) -> None:
    """Make sure that a session's rows are what its record counts on.

    Args:
        rows: Its rows by table.
        whose: The session and its log, in words.

    Raises:
        LogError: they aren't; the message names table, column and what stands there.
    """
    if len(rows["sessions"]) != 1:
        raise LogError(f"{whose} stands there {len(rows['sessions'])} times: it is no log as voicelab writes it.")
    for table, own in rows.items():
        for at, name, value in _wrong(table, own):
            raise LogError(
                f"{whose}: {name!r} of row {at} of {table} is {shown(value)}, which voicelab never writes there. Take the log "
                "from where it came from again; its other sessions can be read."
            )


def _wrong(table: str, rows: Sequence[Row]) -> Iterator[tuple[int, str, Any]]:
    columns = list(TABLES[table].items())
    for at, row in enumerate(rows):
        for (name, kind), value in zip(columns, row, strict=True):
            if value is None:
                fits = name in _MAY_LACK[table]
            elif kind == "float64":
                fits = math.isfinite(value) and (not name.endswith("_s") or abs(value) <= LONGEST_S)
            elif name == "declaration":
                fits = bool(read_declaration(value))
            elif kind == "json":
                fits = _is_json(value, list if (table, name) in _LISTS else dict)
            else:
                fits = True
            if not fits:
                yield at, name, value


def _is_json(text: str, type_: type[Any]) -> bool:
    try:
        return isinstance(orjson.loads(text), type_)
    except ValueError:
        return False
