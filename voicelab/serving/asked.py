"""What a request asks for beside its path: pages, filters, times; and how what is found is put into an envelope."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.serving.answer import Answer

LIMIT, MOST = 100, 10_000
"""Rows a page where nobody asks for a number, and the most."""
_FILTER = re.compile(r"filters\[(\w+)\](?:\[(\$\w+)\])?")
_OPERATORS = {"$gte": ">=", "$lte": "<=", "$gt": ">", "$lt": "<", "$eq": "="}
_STEP = re.compile(r"(\d+)\s*(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_MOST_POINTS = 100_000


class NotThereError(InputError):
    """Nothing is there by this name."""


@dataclass(frozen=True)
class Page:
    """A page of a list.

    Attributes:
        number: Which one, from 1.
        limit: Rows a page.
    """

    number: int
    limit: int

    @property
    def offset(self) -> int:
        """Rows before it."""
        return (self.number - 1) * self.limit

    def of(self, rows: Sequence[Any]) -> Answer:
        """Return the answer with this page of some rows."""
        return self.answer(rows[self.offset : self.offset + self.limit], len(rows))

    def answer(self, data: Any, total: int) -> Answer:
        """Return the answer with the page's data.

        Args:
            data: What stands on it.
            total: Rows of all pages.
        """
        return Answer(200, {"data": data, "metadata": {"page": self.number, "limit": self.limit, "total": total}})


def page_of(query: Mapping[str, str]) -> Page:
    """Return the page that is asked for.

    Raises:
        InputError: `page` or `limit` is no whole number from 1 on.
    """
    return Page(_whole(query, "page", 1), min(_whole(query, "limit", LIMIT), MOST))


def _whole(query: Mapping[str, str], name: str, otherwise: int) -> int:
    given = query.get(name, "")
    if not given:
        return otherwise
    if not re.fullmatch(r"[0-9]{1,9}", given) or int(given) < 1:
        raise InputError(f"{name} is {shown(given)}, must be a whole number from 1 on.")
    return int(given)


def filters_of(query: Mapping[str, str], known: Collection[str]) -> list[tuple[str, str, str]]:
    """Return the filters of a query: field, comparison as SQL writes it, and value.

    Args:
        query: The query.
        known: The fields that can be asked for.

    Raises:
        InputError: there is no such field or operator: a list that was not filtered would be taken for one that was.
    """
    found = []
    for key, value in query.items():
        if not key.startswith("filters"):
            continue
        match = _FILTER.fullmatch(key)
        if match is None or match[1] not in known:
            name = match[1] if match else key
            raise InputError(
                f"There is no filter {shown(name)}. There are: {', '.join(known)}.{did_you_mean(name, list(known))}"
            )
        operator = match[2] or "$eq"
        if operator not in _OPERATORS:
            raise InputError(f"There is no operator {shown(operator)} of filters. There are: {', '.join(_OPERATORS)}.")
        found.append((match[1], _OPERATORS[operator], value))
    return found


def needed(query: Mapping[str, str], name: str) -> str:
    """Return what a query must say.

    Raises:
        InputError: it doesn't.
    """
    if not query.get(name):
        raise InputError(f"The query lacks {name}.")
    return query[name]


def moment(name: str, text: str) -> float:
    """Return a point in time as seconds since 1970.

    Raises:
        InputError: it is none.
    """
    try:
        # A plus that was not written as %2B arrives as a blank.
        found = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text.strip()))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise InputError(f"{name} is {shown(text)}, must be a time such as 2026-03-15T00:00:00Z.") from None


def iso(seconds: float) -> str:
    """Return a point in time as text, to the microsecond."""
    return datetime.fromtimestamp(round(seconds, 6), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class Steps:
    """A stretch of time in steps.

    Attributes:
        start_s: Where it begins, in seconds since 1970.
        end_s: Where it ends.
        step_s: Length of a step, in seconds.
    """

    start_s: float
    end_s: float
    step_s: float


def steps_of(query: Mapping[str, str]) -> Steps:
    """Return the time that a series is asked for: `startDate`, `endDate`, and `step` (30m, 1h, 1d; 1h by default).

    Raises:
        InputError: they are missing, or none, or too many steps.
    """
    start_s, end_s = (moment(name, needed(query, name)) for name in ("startDate", "endDate"))
    given = query.get("step") or "1h"
    match = _STEP.fullmatch(given)
    if match is None or not int(match[1]) or len(match[1]) > 6:  # noqa: PLR2004 - digits
        raise InputError(f"step is {shown(given)}, must be a length of time such as 30m, 1h or 1d.")
    if start_s >= end_s:
        raise InputError("startDate must be earlier than endDate.")
    step_s = int(match[1]) * _SECONDS[match[2]]
    if math.ceil((end_s - start_s) / step_s) > _MOST_POINTS:
        raise InputError(f"step is {shown(given)}, which makes more than {_MOST_POINTS:,} points: take a longer one.")
    return Steps(start_s, end_s, step_s)
