"""Closed testing for `best`: the leader must beat every rival, and chance gets no credit for the number of variants.

"a is no better than b" is rejected when every intersection of such hypotheses that contains it is. An intersection of
equalities is a partition of the variants into blocks of equals; it is tested by Bonferroni over the pairs inside its
blocks. With two variants that is the pair's own p, with three max(p of the pair, 3 times the smallest p).
Source: Marcus, Peritz & Gabriel 1976; Shaffer 1986.
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.eprocess import mean_of_e, means_of_e

Floats = npt.NDArray[np.float64]
Pair = tuple[int, int]

MOST_ENUMERATED = 6
"""Variants up to which every intersection of hypotheses is tested by itself."""
SHARE_OF_BEST = 0.8
"""Share of the error, above that many variants, that "one beats every other" may make; the rest is for single pairs."""


# Why not simply "the leader beats each rival at 5 %": who leads was chosen by looking. Among many equal variants the luckiest
# has a good chance to be far above some of them. Closed testing controls that exactly: "a beats b" is believed only when
# every way in which the variants might be equal, and a and b with them, is refuted too. For three variants the ways are
# "a = b" alone and "all three equal"; there are no others to be protected from, which is why it costs so little
# there, and less than Holm's method over all pairs.
def beats_all(p: dict[Pair, Floats], k: int) -> Floats:
    """Return, for each variant, the adjusted p-value of "it beats every other".

    Args:
        p: p-value of "the first beats the second" for every ordered pair; arrays of one shape (T,).
        k: Number of variants.

    Returns:
        Array of shape (k, T).
    """
    if k == 1:
        return np.ones((1, 1))
    levels = _levels(p, k)
    return np.array([np.maximum.reduce([_beats(p, levels, a, b) for b in range(k) if b != a]) for a in range(k)])


def beats_all_of(p: list[list[float]]) -> list[float]:
    """Return `beats_all` of single p-values, `p[a][b]` for "a beats b" among at least two, to the last digit."""
    k = len(p)
    levels = [(pairs, len(pairs) * min([min(p[a][b], p[b][a]) for a, b in pairs])) for pairs in _intersections(k)]
    best = []
    for a in range(k):
        worst = max([p[a][b] for b in range(k) if b != a])
        for pairs, level in levels:
            if level > worst and any(a in pair for pair in pairs):
                worst = level
        best.append(min(worst, 1.0))
    return best


def beats(p: dict[Pair, Floats], k: int, a: int, b: int) -> Floats:
    """Return the adjusted p-value of "a beats b" among k variants; arguments as for `beats_all`."""
    return _beats(p, _levels(p, k), a, b)


def either_beats(p: Floats) -> Floats:
    """Return, of each pair in order, the smaller adjusted p-value of its two directions, from `p[a, b]` of shape (k, k)."""
    k = len(p)
    each = {(a, b): p[np.newaxis, a, b] for a in range(k) for b in range(k) if a != b}
    levels = _levels(each, k)
    return np.array(
        [min(_beats(each, levels, a, b)[0], _beats(each, levels, b, a)[0]) for a in range(k) for b in range(a + 1, k)]
    )


def _levels(p: dict[Pair, Floats], k: int) -> list[tuple[frozenset[Pair], Floats]]:
    """Return Bonferroni's p-value of every intersection with more than one pair."""
    # An equality is refuted by either direction, so the smaller p of both counts; Bonferroni then pays for the choice among
    # the intersection's pairs. The p-values depend on each other in ways that nobody knows: Bonferroni doesn't ask.
    either = {pair: np.minimum(p[pair], p[pair[1], pair[0]]) for pair in p if pair[0] < pair[1]}
    return [
        (pairs, len(pairs) * np.minimum.reduce([either[pair] for pair in sorted(pairs)])) for pairs in _intersections(k)
    ]


def _beats(p: dict[Pair, Floats], levels: list[tuple[frozenset[Pair], Floats]], a: int, b: int) -> Floats:
    pair = _ordered(a, b)
    # The hardest of the hypotheses to refute decides: all of them have to go.
    worst: Floats = np.maximum.reduce([p[a, b], *(level for pairs, level in levels if pair in pairs)])
    return np.asarray(np.minimum(worst, 1.0))


def _ordered(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)


@lru_cache(maxsize=16)
def _intersections(k: int) -> tuple[frozenset[Pair], ...]:
    """Return the pairs that each intersection hypothesis with more than one pair holds equal."""
    assert k <= MOST_ENUMERATED, "the number of partitions explodes"  # noqa: S101 - see `shaffer`
    # Equality is transitive: "a = b and b = c" says "a = c" too. So the intersections are the partitions into blocks of
    # equals, far fewer than the sets of pairs (Shaffer 1986): 15 for four variants, not 64. Several partitions may leave
    # the same pairs equal: a set keeps one of each.
    found = set()
    for blocks in _partitions(list(range(k))):
        pairs = frozenset(_ordered(a, b) for block in blocks for a in block for b in block if a < b)
        if len(pairs) > 1:
            found.add(pairs)
    return tuple(sorted(found, key=sorted))


def _partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for blocks in _partitions(rest):
        yield [[first], *blocks]
        for at in range(len(blocks)):
            yield [*blocks[:at], [first, *blocks[at]], *blocks[at + 1 :]]


# For e-values Bonferroni is replaced by averaging, which is where they are better: the average of e-values is an e-value
# however they depend on each other, and one large one among few small ones is hardly thinned out. A p-value that holds
# at every look is then 1 / the largest average so far (Ville's inequality). The order matters: an average of the
# largest would count each pair at its own luckiest moment, and no bet at all made that gain. Source: Vovk & Wang 2021.
Running = dict[frozenset[Pair], Floats]
Peaks = dict[frozenset[Pair], float]
_ROUNDING = 1e-6


@lru_cache(maxsize=64)
def _sets(k: int) -> dict[frozenset[Pair], tuple[Pair, ...]]:
    """Return every ordered pair, every pair both ways and every intersection: their members, in order."""
    sets = [frozenset([(a, b)]) for a in range(k) for b in range(k) if a != b]
    sets += [_both_ways([(a, b)]) for a in range(k) for b in range(a + 1, k)]
    sets += [_both_ways(pairs) for pairs in _intersections(k)]
    return {members: tuple(sorted(members)) for members in sets}


def running_e(log_e: Floats, peaks: Peaks) -> Running:
    """Return the largest log E so far of every intersection, and of every ordered pair, after each session.

    The current e-values of an intersection are averaged, over its pairs and both directions; then the largest average
    so far counts, never the average of the largest. Source: Vovk & Wang 2021.

    Args:
        log_e: Log E of "the first beats the second" for every ordered pair, shape (T, k, k).
        peaks: Where the last call ended; brought up to date.
    """
    running = {}
    for members, ordered in _sets(log_e.shape[1]).items():
        parts = [log_e[:, a, b] for a, b in ordered]
        path = mean_of_e(parts) if len(parts) > 1 else parts[0]
        # 0 at the start: a bet begins with a stake of 1, whose logarithm it is, so that p is never above 1.
        path = np.maximum.accumulate(np.maximum(path, peaks.get(members, 0.0)))
        peaks[members] = float(path[-1])
        running[members] = path
    return running


@lru_cache(maxsize=64)
def _touched(k: int, arm: int) -> list[tuple[frozenset[Pair], tuple[Pair, ...], bool]]:
    """Return the sets that a session of an arm belongs to, their pairs with that arm, and whether they have others."""
    found = []
    for members, pairs in _sets(k).items():
        mine = tuple(pair for pair in pairs if arm in pair)
        if mine:
            found.append((members, mine, len(mine) < len(pairs)))
    return found


def may_grow(bounds: Peaks, peaks: Peaks, gains: dict[Pair, float], k: int, arm: int) -> list[frozenset[Pair]]:
    """Return the intersections whose largest average may have grown by a session of an arm.

    The logarithm of an average grows by no more than the largest of its parts does.

    Args:
        bounds: Of every intersection, a number that its present log E does not exceed; brought up to date.
        peaks: Largest log E so far, as `running_e` leaves it.
        gains: By how much log E of each ordered pair has grown at most; without those that are as they were.
        k: Number of variants.
        arm: The arm.
    """
    growing = []
    for members, mine, others in _touched(k, arm):
        changed = [gains[pair] for pair in mine if pair in gains]
        if not changed:
            continue
        # Averaging is costly, so most sessions are shown to change nothing by this bound alone. A set that also has pairs
        # which stay as they are doesn't fall below them: its gain is 0 at least.
        gain = max(changed)
        gain = 0.0 if gain < 0 and (others or len(changed) < len(mine)) else gain
        bounds[members] = bound = bounds.get(members, math.inf) + gain
        if bound > peaks.get(members, 0.0) - _ROUNDING:
            growing.append(members)
    return growing


def grow(log_e: list[list[float]], bounds: Peaks, peaks: Peaks, growing: list[frozenset[Pair]]) -> bool:
    """Bring averages and the largest so far up to date for one session, as `running_e`; return whether one has grown.

    Args:
        log_e: Log E of every ordered pair.
        bounds: Set to the present log E of the intersections.
        peaks: Largest log E so far; brought up to date.
        growing: What `may_grow` found.
    """
    sets = _sets(len(log_e))
    several = [[log_e[a][b] for a, b in sets[members]] for members in growing if len(members) > 1]
    means = iter(means_of_e(several) if several else ())
    grown = False
    for members in growing:
        if len(members) > 1:
            value = next(means)
        else:
            (a, b) = sets[members][0]
            value = log_e[a][b]
        bounds[members] = value
        if value > peaks.get(members, 0.0):
            peaks[members] = value
            grown = True
    return grown


@lru_cache(maxsize=64)
def _limits(k: int) -> tuple[list[list[frozenset[Pair]]], list[list[frozenset[Pair]]]]:
    """Return the sets of which the smallest counts: for each ordered pair, then for each variant."""
    pairs = [[] if a == b else [frozenset([(a, b)]), _both_ways([(a, b)])] for a in range(k) for b in range(k)]
    best = [[members for members in _sets(k) if any((a, b) in members for b in range(k))] for a in range(k)]
    return pairs, best


def p_values_of(peaks: Peaks, k: int) -> tuple[Floats, Floats]:
    """Return what `pairs_by_e` and `best_by_e` say after the last session: shapes (k, k) and (k,)."""
    pairs, best = _limits(k)
    smallest = [min([peaks.get(members, 0.0) for members in sets], default=0.0) for sets in (*pairs, *best)]
    p = np.exp(-np.array(smallest))
    return p[: k * k].reshape(k, k), p[k * k :]


def pairs_by_e(running: Running, k: int) -> Floats:
    """Return p-values of the ordered pairs, (T, k, k): a direction counts no more than both directions together."""
    some = next(iter(running.values()))
    p = np.ones((len(some), k, k))
    for a in range(k):
        for b in range(k):
            if a != b:
                p[:, a, b] = np.exp(-np.minimum(running[frozenset([(a, b)])], running[_both_ways([(a, b)])]))
    return p


def best_by_e(running: Running, k: int) -> Floats:
    """Return the adjusted p-values of "it beats every other" for each variant, shape (T, k)."""
    worst = {
        (a, b): np.minimum.reduce([path for members, path in running.items() if (a, b) in members])
        for a in range(k)
        for b in range(k)
        if a != b
    }
    return np.stack([np.exp(-np.minimum.reduce([worst[a, b] for b in range(k) if b != a])) for a in range(k)], axis=1)


def _both_ways(pairs: Iterable[Pair]) -> frozenset[Pair]:
    return frozenset(ordered for a, b in pairs for ordered in ((a, b), (b, a)))


def holm(p: Floats) -> Floats:
    """Return Holm's adjusted p-values, over the last axis; values that hold at every look stay so."""
    # The smallest p is paid for m times, the next m - 1 times: once it is refuted, only the others can be true. Running
    # maximum, since a larger p must not come out smaller. Source: Holm 1979.
    m = p.shape[-1]
    order = np.argsort(p, axis=-1, kind="stable")
    ranked = np.take_along_axis(p, order, axis=-1) * (m - np.arange(m))
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(np.maximum.accumulate(ranked, axis=-1), 1.0), axis=-1)
    return adjusted


# Above `MOST_ENUMERATED` variants there are too many partitions to test, and closing over them would ask a winner among 40
# for 700 times the evidence of one pair. So the error is shared out, four parts to one. The larger part is for "a beats
# every other": were there two variants or more tied at the top, some one of them would have to beat the others that it
# is equal to, and with two that is a single pair's error, with more even less. Else nobody but the true best wins,
# and all that is said of it is true. No number of variants is paid for. The smaller part is for each pair by itself, with
# all pairs paid for. A pair's p-value is the smaller of both, so that whoever wins is shown as sure of every pair.
def shaffer(p: Floats, k: int) -> Floats:
    """Return the adjusted p-values of all pairs of k variants; values that hold at every look stay so.

    Holm's method, with what equality allows: once one pair differs, at least k - 1 of them do. Source: Shaffer 1986.

    Args:
        p: p-value of each pair, shape (k (k - 1) / 2,).
        k: Number of variants.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * _most_equal(k)), 1.0)
    return adjusted


@lru_cache(maxsize=128)
def _most_equal(k: int) -> Floats:
    """Return how many pairs can still be equal once 0, 1, 2, ... of them are known to differ."""
    possible: list[set[int]] = [{0}]
    for n in range(1, k + 1):
        # A block of some size, and however the others are tied.
        possible.append({size * (size - 1) // 2 + rest for size in range(1, n + 1) for rest in possible[n - size]})
    total = k * (k - 1) // 2
    most = np.array(sorted(possible[k]))
    return np.asarray(most[np.searchsorted(most, total - np.arange(total), side="right") - 1], dtype=np.float64)
