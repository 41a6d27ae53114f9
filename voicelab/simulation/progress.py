"""The line that a simulation shows while it runs: sessions, rate, errors, tests that have stopped."""

from types import TracebackType
from typing import Any


class Progress:
    """A progress line, or none.

    Args:
        total: Sessions in all.
        done: Sessions that were logged before.
        shown: Whether to show it.
    """

    def __init__(self, total: int, done: int, *, shown: bool) -> None:
        from tqdm.auto import tqdm

        self._errors = 0
        self._stops: dict[str, int] = {}
        self._bar: Any = tqdm(total=total, initial=done, unit=" sessions", unit_scale=True, disable=not shown)

    def settled(self, sessions: int, errors: int) -> None:
        """Count sessions that are logged for good."""
        self._errors += errors
        self._bar.update(sessions)
        self._show()

    def stopped(self, test: str, session: int) -> None:
        """Say that a test has stopped after a session."""
        self._stops[test] = session
        self._show()

    def _show(self) -> None:
        facts = [f"{self._errors:,} errors"]
        facts += [f"{test} stopped at session {session + 1:,}" for test, session in self._stops.items()]
        self._bar.set_postfix_str(", ".join(facts), refresh=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
