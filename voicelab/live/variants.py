"""The tests that a handler is known to have, and the variants that the person forces."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from voicelab.base.errors import did_you_mean
from voicelab.base.records import Row, column
from voicelab.handlers import Handler
from voicelab.runs.options import forced_variants

_TEST, _VARIANT, _ASSIGNMENT, _DECLARATION = (
    column("exposures", name) for name in ("test", "variant", "assignment", "declaration")
)


class Variants:
    """What is known of a handler's tests: a test is known when a session has reached it.

    Args:
        forced: By test, the variant that is forced from the beginning.

    Attributes:
        forced: By test, the variant that is forced in the next session.

    Raises:
        InputError: forced is no dict.
    """

    def __init__(self, forced: Mapping[str, str] | None) -> None:
        self.forced = forced_variants(forced or {})
        self._declared: dict[str, Any] = {}
        self._fingerprint = ""

    def force(self, test: str, variant: str | None) -> None:
        """Force a variant in the next session; None draws it."""
        self.forced.pop(test, None)
        if variant is not None:
            self.forced[test] = variant

    def begin_session(self, handler: Handler) -> None:
        """Begin a session with a handler; another version of it may have other tests."""
        if handler.fingerprint != self._fingerprint:
            self._fingerprint, self._declared = handler.fingerprint, {}

    def remark(self, exposures: Iterable[Row]) -> str:
        """Return what there is to say after a session, by its exposures, of variants that were forced in vain."""
        self._declared |= _declared(exposures)
        unknown = [test for test in self.forced if test not in self._declared]
        if not unknown:
            return ""
        return (
            f"You force a variant of {unknown[0]!r}, but no session has reached such a test "
            f"(reached: {', '.join(self._declared) or 'none'}).{did_you_mean(unknown[0], self._declared)}"
        )

    def view(self, exposures: Iterable[Row] | None, *, live: object, hidden: bool) -> list[dict[str, Any]]:
        """Return the tests as a front end shows them.

        Args:
            exposures: Of the session that is shown.
            live: Whether it runs: what an earlier one declared may be of an older version of the handler.
            hidden: Whether its variants are to stay unknown for now.
        """
        rows = list(exposures or ())
        if live:
            self._declared |= _declared(rows)
        drawn = {row[_TEST]: (row[_VARIANT], row[_ASSIGNMENT]) for row in rows}
        return [
            {
                "test": test,
                "variants": declaration["variants"],
                "variant": None if hidden else drawn.get(test, (None, None))[0],
                "assignment": drawn.get(test, (None, None))[1],
                "forced": self.forced.get(test),
            }
            for test, declaration in (self._declared | ({} if live else _declared(rows))).items()
        ]


def _declared(exposures: Iterable[Row]) -> dict[str, Any]:
    return {row[_TEST]: orjson.loads(row[_DECLARATION]) for row in exposures}
