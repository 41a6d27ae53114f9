"""The line that a simulation shows while it runs: sessions, rate, errors, each test's leader and what has stopped."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

Standing = tuple[str | None, float | None]
"""The leader of a test, and the confidence in percent."""


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
        self._standings: Mapping[str, Standing] = {}
        self._bar: Any = tqdm(total=total, initial=done, unit=" sessions", unit_scale=True, disable=not shown)

    def settled(self, sessions: int, errors: int, standings: Mapping[str, Standing]) -> None:
        """Count sessions that are logged for good, and take who leads each test now, with which confidence."""
        self._errors += errors
        self._standings = standings
        self._bar.update(sessions)
        self._show()

    def stopped(self, test: str, session: int) -> None:
        """Say that a test has stopped after a session."""
        self._stops[test] = session
        self._standings = {name: standing for name, standing in self._standings.items() if name != test}
        self._show()

    def _show(self) -> None:
        facts = [f"{self._errors:,} errors"]
        for test, (leader, confidence) in self._standings.items():
            if leader is not None and confidence is not None:
                facts.append(f"{test}: {leader} leads, {confidence:.0f} % sure")
        facts += [f"{test} stopped at session {session + 1:,}" for test, session in self._stops.items()]
        self._bar.set_postfix_str(", ".join(facts), refresh=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
