"""What pictures of a log are drawn from, by variant where there is a test."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from voicelab.log import queries
from voicelab.plots.of_log import LogFacts

if TYPE_CHECKING:
    import pandas as pd

_EVERYONE, _NOBODY = "all sessions", "no variant"


def facts_of(
    test: str | None, tests: Sequence[str], source: str, query: Callable[[str, Mapping[str, Any]], Any]
) -> LogFacts:
    """Return what is drawn.

    Args:
        test: The test whose variants are told apart; None for the only one, or for all sessions together.
        tests: The log's tests.
        source: Where its sessions are from.
        query: Asks the log a query with values, and returns DuckDB's result.
    """
    named = test if test is not None else tests[0] if len(tests) == 1 else None
    values = {"test": named or "", "nothing": _EVERYONE if named is None else _NOBODY}
    sessions: pd.DataFrame = query(queries.FACTS, values).df()
    # Sessions that didn't reach the test come last.
    groups = sorted(sessions["variant"].unique(), key=lambda name: (name == values["nothing"], name))
    several = f" · test= tells variants apart: {', '.join(tests)}" if named is None and tests else ""
    return LogFacts(
        sessions=sessions,
        errors=query(queries.COMMON_ERRORS, values).df(),
        groups=groups or [_EVERYONE],
        context=f"{len(sessions):,} sessions · {source if named is None else f'test {named}'}{several}",
        of="" if named is None else "variant",
    )
