"""Rows of two versions in one form, those left out that may differ, and the first difference shown in its place."""

import json
import re
from collections import Counter
from collections.abc import Collection
from itertools import zip_longest
from typing import Any

Tables = dict[str, list[Any]]
_AROUND = 12
"""Rows that are shown before the first that differs, and behind it."""
_WIDEST = 230
_ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}\b")
"""Where an object lay in its process."""


def canonical(tables: Tables, ignored: Collection[str], left_out: Counter[str]) -> list[str]:
    """Return rows as lines of text, one a row.

    Args:
        tables: Rows by table.
        ignored: Labels (`kind/name`) of events that are left out; those behind them move up.
        left_out: Counts them.
    """
    kept = {name: list(rows) for name, rows in tables.items()}
    if ignored and "events" in kept:
        _leave_out(kept, ignored, left_out)
    lines = (f"{name} {json.dumps(row, ensure_ascii=True)}" for name, rows in kept.items() for row in rows)
    return [_ADDRESS.sub("0x...", line) for line in lines]


def _leave_out(tables: Tables, ignored: Collection[str], left_out: Counter[str]) -> None:
    """Leave events out, and number the others, with the metrics that name them, as if those had never been there."""
    numbers: dict[tuple[Any, int], int] = {}
    kept: list[dict[str, Any]] = []
    n: Counter[Any] = Counter()
    for row in tables["events"]:
        session = row.get("session", row.get("session_id"))
        numbers[session, row["seq"]] = n[session]
        label = f"{row['kind']}/{row['name']}"
        if label in ignored:
            left_out[label] += 1
        else:
            kept.append(row | {"seq": n[session]})
            n[session] += 1
    tables["events"] = kept
    tables["metrics"] = [
        row | {"seq": numbers.get((row.get("session", row.get("session_id")), row["seq"]), row["seq"])}
        for row in tables.get("metrics", [])
    ]


def difference(one: list[str], other: list[str]) -> int | None:
    """Return the number of the first line that differs, None where all are the same."""
    return next((at for at, (a, b) in enumerate(zip_longest(one, other)) if a != b), None)


def shown(names: tuple[str, str], one: list[str], other: list[str]) -> str:
    """Return both lists of rows around the first difference, which is marked."""
    at = difference(one, other)
    if at is None:
        return "no difference"
    parts = []
    for name, lines in zip(names, (one, other), strict=True):
        parts.append(f"--- {name}: {len(lines)} rows")
        for number, line in list(enumerate(lines))[max(0, at - _AROUND) : at + _AROUND + 1]:
            parts.append(f"{'>>>' if number == at else '   '} {number:4} {_cut(line, number == at)}")
        if at >= len(lines):
            parts.append(f">>> {at:4} (no more rows)")
    if at < len(one) and at < len(other):
        where = next((i for i, (a, b) in enumerate(zip_longest(one[at], other[at])) if a != b), 0)
        parts.append(
            f"--- differs at: {one[at][max(0, where - 30) : where + 60]!r}\n            and: {other[at][max(0, where - 30) : where + 60]!r}"
        )
    return "\n".join(parts)


def _cut(line: str, whole: bool) -> str:
    return line if whole or len(line) <= _WIDEST else f"{line[:_WIDEST]} …"
