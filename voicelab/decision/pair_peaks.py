"""How far each pair of many variants ever came, and what the rule makes of it, in little more time than few variants take.

A session of one arm tells something of the k - 1 pairs it belongs to, and of no other: each pair is looked at after its own
sessions alone. What the rule asks is then found where the pairs stand (the larger, the surer), so that of the costly
p-values there is one a session, not one for every pair.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from voicelab.decision.evidence import Floats, Ints, Path
from voicelab.decision.stats import criteria

_BLOCK = 1 << 19


class Looks(NamedTuple):
    """Looks at pairs, one pair after the other and each in order of time, shape (N,) each.

    Attributes:
        at: Position of the session.
        i: The pair's first arm.
        j: Its second, above the first.
    """

    at: Ints
    i: Ints
    j: Ints


def at_own_sessions(arms: Ints, k: int) -> Looks:
    """Return a look at each of k - 1 pairs after every session of an arm."""
    own = np.asarray(arms, dtype=np.int64)[:, np.newaxis]
    other = (own + np.arange(1, k)) % k
    i, j = np.minimum(own, other).ravel(), np.maximum(own, other).ravel()
    # Small numbers are sorted by their digits, in the time of a few passes.
    order = np.argsort((i * k + j).astype(np.min_scalar_type(k * k)), kind="stable")
    return Looks(order // (k - 1), i[order], j[order])


def at_every_pair(n: int, k: int) -> Looks:
    """Return a look at every pair after each of n sessions."""
    i, j = np.triu_indices(k, 1)
    return Looks(np.tile(np.arange(n), len(i)), np.repeat(i, n), np.repeat(j, n))


class PairPeaks:
    """The furthest that every ordered pair came.

    Args:
        k: Number of arms.
        criterion: What the rule asks for.
        default: Arm of the default.
        p_of: Returns the p-value of a peak; falls from 1 at 0.

    Attributes:
        reached: What counts of each ordered pair, shape (k, k).
    """

    def __init__(self, k: int, criterion: str, default: int, p_of: Callable[[Floats], Floats]) -> None:
        self._k, self._criterion, self._default, self._p_of = k, criterion, default, p_of
        self.reached = np.zeros((k, k))
        # Largest so far of either direction, and of both together where that limits what a direction counts.
        self._one, self._both = np.zeros((k, k)), np.zeros((k, k))

    def extend(self, n: int, looks: Looks, forward: Floats, back: Floats, both: Floats | None = None) -> Path:
        """Take what the looks at the pairs found.

        Args:
            n: Number of sessions.
            looks: The looks.
            forward: What each says of "the first is better", shape (N,); overwritten.
            back: What it says of "the second is better"; overwritten.
            both: What it says of both together, which a direction may not exceed; overwritten.
        """
        at, i, j = looks
        code = i * self._k + j
        starts = np.flatnonzero(np.diff(code, prepend=-1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(code)], strict=True):
            a, c = int(i[start]), int(j[start])
            self._one[a, c] = _rising(forward[start:end], self._one[a, c])
            self._one[c, a] = _rising(back[start:end], self._one[c, a])
            if both is not None:
                self._both[a, c] = self._both[c, a] = _rising(both[start:end], self._both[a, c])
        moves = []
        for path, first, second in ((forward, i, j), (back, j, i)):
            reached = path if both is None else np.minimum(path, both)
            before = np.empty_like(reached)
            before[1:] = reached[:-1]
            before[starts] = self.reached[first[starts], second[starts]]
            moved = reached > before
            moves.append((at[moved], (first * self._k + second)[moved], reached[moved]))
        when, where, height = (np.concatenate(parts) for parts in zip(*moves, strict=True))
        order = np.argsort(when, kind="stable")
        return self._path(n, when[order], where[order], height[order])

    def _path(self, n: int, when: Ints, where: Ints, height: Floats) -> Path:
        """Return how the rule's p-value goes on, given the moves of pairs in order of time."""
        k, now = self._k, self.reached.ravel()
        length = max(1, _BLOCK // k**2)
        ats, found = [], []
        for first in range(0, n, length):
            size = min(length, n - first)
            some = slice(*np.searchsorted(when, [first, first + size]))
            if first and some.start == some.stop:
                continue
            # At sessions at which nothing moves all stays as it was: those are left out from the first.
            moments, rows = np.unique(np.concatenate([[first], when[some]]), return_inverse=True)
            stand = np.zeros((len(moments), k * k))
            stand[rows[1:], where[some]] = height[some]
            stand[0] = np.maximum(stand[0], now)
            np.maximum.accumulate(stand, axis=0, out=stand)
            now = stand[-1].copy()
            ats.append(moments)
            found.append(criteria.decisive_peaks(stand.reshape(-1, k, k), self._criterion, self._default))
        self.reached = now.reshape(k, k)
        decisive, at = np.concatenate(found), np.concatenate(ats)
        moved = np.ones(len(at), dtype=np.bool_)
        moved[1:] = (decisive[1:] != decisive[:-1]).any(axis=1)
        p = criteria.p_value_of_decisive(self._p_of(decisive[moved]), self._criterion, k)
        pairs = self._p_of(self.reached)
        return Path(at[moved], p, pairs, criteria.best_of_many(pairs))

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {"reached": self.reached.tolist(), "one": self._one.tolist(), "both": self._both.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""
        self.reached, self._one, self._both = (np.array(state[name]) for name in ("reached", "one", "both"))


def _rising(path: Floats, start: float) -> float:
    """Turn a path into its running maximum from a start; return the last."""
    path[0] = max(path[0], start)
    np.maximum.accumulate(path, out=path)
    return float(path[-1])
