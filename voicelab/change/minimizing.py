"""Finds a list of parts that still fails and of which none can be left out or made simpler: delta debugging.

First stretches of parts are left out, halves to begin with, then ever shorter ones, down to single parts and pairs of them
(Zeller and Hildebrandt, *Simplifying and isolating failure-inducing input*, IEEE Transactions on Software Engineering 28, 2002);
then each part is made simpler. Both again, until nothing changes. Nothing is drawn, so that the same list gives the same one.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations

from voicelab.change.removables import CHANCE, DELAY, ENTRIES, INPUT, Removable, Removables
from voicelab.change.simpler import rounder, simpler_inputs, simpler_values, time_weight

_MOST_IN_PAIRS = 10
"""Removables of which all pairs are tried: 45 sessions."""
_MOST_SEEDS = 50
"""Seeds that are tried in place of a session's own streams of chance."""


class Minimizer:
    """Makes a list of parts smaller.

    Args:
        fails: Plays a session of some parts, and returns whether it fails the same way.
        most: The most sessions that are played.

    Attributes:
        n_runs: Sessions that were played.
        finished: Whether there was nothing left to try when it ended.
    """

    def __init__(self, fails: Callable[[Removables], bool], most: int) -> None:
        self._fails = fails
        self._most = most
        self._known: dict[tuple[tuple[str, str, str], ...], bool] = {}
        self.n_runs = 0
        self.finished = True

    def fails(self, parts: Removables) -> bool:
        """Return whether a session of some parts fails the same way; one that was played is not played again."""
        key = tuple(part.key for part in parts)
        if key not in self._known:
            if self.n_runs >= self._most:
                self.finished = False
                return False
            self.n_runs += 1
            self._known[key] = self._fails(parts)
        return self._known[key]

    def smallest(self, parts: Removables) -> Removables:
        """Return the parts of which none can be left out or made simpler, of those that fail."""
        before: Removables | None = None
        while parts != before and self.finished:
            before = parts
            parts = self._without_stretches(parts)
            parts = self._simplified(parts)
            if parts == before and len(parts) <= _MOST_IN_PAIRS:
                parts = self._without_pairs(parts)
        return parts

    def _without_stretches(self, parts: Removables) -> Removables:
        size = max(1, len(parts) // 2)
        while True:
            left = self._without_stretches_of(parts, size)
            if size == 1 and (left == parts or not self.finished):
                return left
            # What could be left out may have stood in the way of what couldn't.
            parts, size = left, max(1, size // 2)

    def _without_stretches_of(self, parts: Removables, size: int) -> Removables:
        end = len(parts)
        while end > 0:
            start = max(0, end - size)
            if self.fails(left := parts[:start] + parts[end:]):
                parts = left
            end = start
        return parts

    def _without_pairs(self, parts: Removables) -> Removables:
        for pair in combinations(range(len(parts)), 2):
            if self.fails(left := tuple(part for at, part in enumerate(parts) if at not in pair)):
                return left
        return parts

    def _simplified(self, parts: Removables) -> Removables:
        for at in range(len(parts)):
            while (simpler := self._with_a_simpler(parts, at)) is not None:
                parts = simpler
        return parts

    def _with_a_simpler(self, parts: Removables, at: int) -> Removables | None:
        candidates = ((*parts[:at], part, *parts[at + 1 :]) for part in _simpler(parts[at]))
        return next((candidate for candidate in candidates if self.fails(candidate)), None)


def _simpler(part: Removable) -> Iterator[Removable]:
    if part.kind == INPUT:
        yield from (replace(part, value=value) for value in simpler_inputs(part.value))
    elif part.kind in ENTRIES and part.kind not in {"variants", "patches", "run_test"}:
        yield from (replace(part, value=value) for value in simpler_values(part.value))
    elif part.kind == DELAY:
        yield from (
            replace(part, value=value) for value in rounder(part.value) if time_weight(value) < time_weight(part.value)
        )
    elif part.kind == CHANCE:
        seed, index = part.value
        # `vl.run` plays the first session of a seed.
        seeds = range(1, _MOST_SEEDS) if index else range(1, min(seed, _MOST_SEEDS))
        yield from (replace(part, value=(other, 0)) for other in seeds)
