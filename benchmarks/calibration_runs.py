"""Plays the tests of one cell of `calibration` and counts what came of them."""

import math
import zlib
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from calibration_cells import Cell
from calibration_draws import Draw

from voicelab.analysis.missing import missing_in
from voicelab.analysis.sessions import TestData
from voicelab.decision.doubts import doubts_of
from voicelab.decision.evidence_with_horizon import Horizon
from voicelab.decision.monitor import Monitor
from voicelab.decision.quantile_tally import QuantileTally
from voicelab.decision.rules import quantile_of
from voicelab.decision.stats import boundary, closed, compare, criteria, fixed, scores, stagewise
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.moments import difference
from voicelab.decision.tally import Tally, arm_moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_LOOKS = 500
"""Looks at an interval in one test: every session, or of longer tests as many that are evenly spread."""
ROUNDING = 1e-9
"""How far a truth may lie outside of an interval for the digits of floats alone."""
FEW_LOOKS, OF_BOUNDED = 5, 4
"""Of bounded means and quantiles, whose intervals are told one by one: looks in a test, and every how many tests there are
any."""


class Sessions(NamedTuple):
    """The sessions of one test.

    Attributes:
        arms: Arm of each, shape (T,).
        values: What it brought; NaN for nothing.
        units: Its caller; None where none calls again.
        epochs: Sessions of each epoch, with the weights that begin there (None: the first ones).
    """

    arms: Ints
    values: Floats
    units: Ints | None
    epochs: list[tuple[slice, tuple[float, ...] | None]]


def generator(cell: Cell, with_effect: bool, chunk: int) -> np.random.Generator:
    """Return the random numbers of some replications of a cell: the same wherever and in whatever order they run."""
    return np.random.default_rng([zlib.crc32(f"{cell.group}: {cell.name}".encode()), with_effect, chunk])


def drawn(cell: Cell, draw: Draw, rng: np.random.Generator) -> Sessions:
    """Draw the sessions of one test."""
    begins = [(round(share * cell.m), weights) for share, weights in cell.epochs] or [(0, cell.weights)]
    ends = [at for at, _ in begins[1:]] + [cell.m]
    n = cell.m // cell.calls
    arms = np.concatenate(
        [
            np.searchsorted(np.cumsum(weights)[:-1] / sum(weights), rng.random(min(end, n) - at), side="right")
            for (at, weights), end in zip(begins, ends, strict=True)
        ]
    )
    units = None
    if cell.calls > 1:
        units = rng.permutation(np.repeat(np.arange(n), cell.calls))
        arms = arms[units]
    epochs = [
        (slice(at, end), None if not number else weights)
        for number, ((at, weights), end) in enumerate(zip(begins, ends, strict=True))
    ]
    return Sessions(arms, draw.values(rng, arms, units), units, epochs)


def played(cell: Cell, sessions: Sessions) -> Monitor:
    """Have the monitor that decides tests watch these sessions, look by look."""
    monitor = Monitor(
        cell.rule,
        dict(zip(cell.names, cell.weights, strict=True)),
        kind=cell.kind,
        with_units=sessions.units is not None,
        **dict(cell.limits),
    )
    everywhere, nowhere = np.ones(sessions.values.shape, dtype=np.bool_), np.zeros(len(sessions.arms), dtype=np.bool_)
    for part, weights in sessions.epochs:
        if weights is not None:
            monitor.new_weights(dict(zip(cell.names, weights, strict=True)))
        units = None if sessions.units is None else sessions.units[part]
        monitor.extend(
            sessions.arms[part], sessions.values[part], everywhere[part], nowhere[part],
            np.arange(part.start, part.stop), units=units,
        )  # fmt: skip
        if monitor.stopped:
            break
    return monitor


class Epoch(NamedTuple):
    """Moments of the arms (see `voicelab.decision.stats.moments`) in one epoch.

    Attributes:
        looks: After each of the sessions looked at, shape (rows, L, k).
        past: At the end of each epoch before, shape (rows, k).
        centres: What they are measured from, shape (k,).
    """

    looks: Floats
    past: list[Floats]
    centres: Floats


def tallied(cell: Cell, monitor: Monitor, sessions: Sessions) -> tuple[Tally, list[Epoch]]:
    """Return the sums of all sessions, beyond the stop as well, and what they were on the way."""
    quantile = quantile_of(cell.kind)
    if quantile is not None:
        values = QuantileTally(len(cell.weights), cell.kind, quantile)
        values.extend(sessions.arms, sessions.values)
        return values, []
    tally = Tally(len(cell.weights), cell.kind, with_units=sessions.units is not None)
    counted = monitor.limits.applied(sessions.values)
    step = max(1, cell.m // MOST_LOOKS)
    went = []
    for part, weights in sessions.epochs:
        if weights is not None:
            tally.new_epoch()
        units = None if sessions.units is None else sessions.units[part]
        parts = tally.extend(sessions.arms[part], counted[part], units).parts
        # The last look first: from there on backwards, so that the end is always among them.
        went.append((parts[:, ::-step], list(tally.past)))
    return tally, [Epoch(looks, past, tally.centres) for looks, past in went]


def held_in_each(cell: Cell, monitor: Monitor, pair: tuple[int, int], truth: float, tests: list[list[Epoch]]) -> Any:
    """Return in which tests the interval that holds at every look held at every look, also beyond the stop.

    All tests at once: what an interval takes hardly grows with the number of looks.
    """
    held = np.ones(len(tests), dtype=np.bool_)
    for epochs in zip(*tests, strict=True):
        n = epochs[0].looks.shape[1]
        centres = np.repeat([epoch.centres for epoch in epochs], n, axis=0)
        parts = [np.repeat(np.stack(past, axis=1), n, axis=1) for past in zip(*(e.past for e in epochs), strict=True)]
        parts.append(np.concatenate([epoch.looks for epoch in epochs], axis=1))
        strata = [tuple(arm_moments(of_epoch[:, :, arm], centres[:, arm]) for arm in pair) for of_epoch in parts]
        low, high = monitor.evidence.interval(strata, pair, cell.alpha)
        inside = (low <= truth + ROUNDING) & (high >= truth - ROUNDING)
        held &= inside.reshape(len(tests), n).all(axis=1)
    return held


def covers_bounded(cell: Cell, sessions: Sessions, pair: tuple[int, int], truth: float) -> bool:
    """Return the same of bounded means and of quantiles, whose intervals hang on more than sums: by a monitor that never stops."""
    rule = cell.rule.__class__(max_iterations=cell.m) if cell.horizon else cell.rule.__class__()
    monitor = Monitor(rule, dict(zip(cell.names, cell.weights, strict=True)), kind=cell.kind, **dict(cell.limits))
    everywhere = np.ones(len(sessions.arms), dtype=np.bool_)
    for part in np.array_split(np.arange(cell.m), FEW_LOOKS):
        monitor.extend(sessions.arms[part], sessions.values[part], everywhere[part], ~everywhere[part], part)
        low, high = monitor.evidence.interval(monitor.strata(*pair), pair, cell.alpha)
        if not low <= truth <= high:
            return False
    return True


# --- what one look at the end would have found -----------------------------------------------------------------------


def fixed_p(strata: list[Stratum], kind: str, margin: float) -> float:
    """Return the two-sided p-value of one look: z of rates or Fisher's test, Welch's t, over epochs Cochran's, of callers
    that of their sums."""
    (a, b), *more = strata
    if not more and a.units is None and not margin:
        return fixed.p_value(a, b, kind)
    contrast = compare.contrast(strata, kind)
    freedom = sum(float(arm.independent) for pair in strata for arm in pair) - 2 * len(strata)
    return fixed.by_error(float(contrast.difference) - margin, float(contrast.null_se), 0.0, 0.0, freedom)[0]


def found_by_one_look(cell: Cell, draw: Draw, tally: Tally) -> bool:
    """Return whether the fixed-sample test, adjusted for several variants as the criterion is, finds the best variant."""
    k, rule = len(cell.weights), cell.rule
    sign = 1.0 if rule.direction == "maximize" else -1.0
    pairs = np.ones((k, k))
    for i in range(k):
        for j in range(k):
            strata = tally.strata(i, j)
            if i != j and sign * apart(strata, cell.kind) > rule.margin:
                pairs[i, j] = fixed_p(strata, cell.kind, sign * rule.margin)
    best = draw.right[0] if draw.right else k - 1
    if cell.claims == "pair":
        order = [(i, j) for i in range(k) for j in range(i)]
        adjusted = closed.holm(np.array([min(pairs[i, j], pairs[j, i]) for i, j in order]))
        return bool(adjusted[order.index((k - 1, 0))] <= cell.alpha)
    if cell.claims == "harm":
        return bool(pairs[best, 0] <= cell.alpha)
    if rule.criterion == "vs_default":
        return best in criteria.winners_against_default(pairs, 0, cell.alpha)
    if rule.criterion == "any_difference":
        return bool(criteria.stopping_p_value(pairs[np.newaxis], np.ones((1, k)), "any_difference", 0)[0] <= cell.alpha)
    beats = closed.beats_all({(i, j): pairs[np.newaxis, i, j] for i in range(k) for j in range(k) if i != j}, k)
    return bool(beats[best][0] <= cell.alpha)


def apart(strata: list[Stratum], kind: str) -> float:
    """Return the difference that one look sees."""
    (a, b), *more = strata
    plain = not more and a.units is None and kind != "ratio"
    return float(difference(a, b)) if plain else float(compare.contrast(strata, kind).difference)


# --- what a test claims ----------------------------------------------------------------------------------------------


def claims_wrongly(cell: Cell, draw: Draw, monitor: Monitor, sessions: Sessions) -> bool:
    """Return whether the test says what isn't so."""
    if cell.claims == "harm":
        return bool(monitor.pairs[1, 0] <= cell.alpha)
    if cell.claims == "named missing":
        return named_missing(cell, monitor, sessions)
    if cell.claims == "shares":
        return monitor.ratio.p_value <= cell.alpha
    if cell.claims == "pair":
        equal = [(a, b) for a in range(len(draw.means)) for b in range(a) if draw.means[a] == draw.means[b]]
        adjusted = monitor.p_values_adjusted()
        return any(adjusted[pair] <= cell.alpha for pair in equal)
    if cell.rule.criterion == "any_difference":
        return monitor.p_value <= cell.alpha
    wrong = monitor.winner is not None and monitor.variants.index(monitor.winner) not in draw.right
    if cell.claims == "unnamed winner":
        return wrong and not named_missing(cell, monitor, sessions)
    return wrong


def claims_rightly(cell: Cell, draw: Draw, monitor: Monitor, sessions: Sessions) -> bool:
    """Return whether the test finds the last variant, or what else there is to be found."""
    if cell.claims in {"harm", "named missing"}:
        return claims_wrongly(cell, draw, monitor, sessions)
    if cell.claims == "unnamed winner":
        return named_missing(cell, monitor, sessions)
    if cell.claims == "pair":
        return bool(monitor.p_values_adjusted()[len(draw.means) - 1, 0] <= cell.alpha)
    if cell.rule.criterion == "any_difference":
        return monitor.p_value <= cell.alpha
    return monitor.winner is not None and monitor.variants.index(monitor.winner) in draw.right


def named_missing(cell: Cell, monitor: Monitor, sessions: Sessions) -> bool:
    """Return whether outcomes are said to be missing unevenly, of the sessions up to the stop."""
    n = monitor.sessions
    everywhere = np.ones(n, dtype=np.bool_)
    data = TestData(
        "test", dict(zip(cell.names, cell.weights, strict=True)), cell.rule, "outcome", cell.kind, sessions.arms[:n],
        sessions.values[:n], everywhere, ~everywhere, np.arange(n),
    )  # fmt: skip
    missing = missing_in(data)
    return missing is not None and missing.is_uneven


def uneven_by_one_look(tally: Tally, sessions: Sessions) -> bool:
    """Return whether the fixed-sample test says at 1 % that outcomes are missing unevenly."""
    lost = Tally(len(tally.centres), "binary")
    lost.extend(sessions.arms, np.isnan(sessions.values) * 1.0)
    return fixed.p_value(*lost.strata(1, 0)[0], "binary") <= 0.01


def counts_of(cell: Cell, with_effect: bool, replications: int, chunk: int) -> "Counter[str]":
    """Play some replications of a cell and count what came of them.

    Returns:
        Counts of: tests; claims that are wrong, of them those without a doubt, and right; tests with a doubt; sessions;
        intervals, and those that held; estimates, and those above the truth; effects found by one look, and by both.
    """
    draw = cell.effect if with_effect else cell.null
    assert draw is not None
    rng, counts = generator(cell, with_effect, chunk), Counter()
    pair, truth, epochs = (len(draw.means) - 1, 0), true_difference(cell, draw), []
    ends: list[End] = []
    for number in range(replications):
        sessions = drawn(cell, draw, rng)
        monitor = played(cell, sessions)
        tally, went = tallied(cell, monitor, sessions)
        counts.update(_counts_of_one(cell, draw, sessions, monitor, tally))
        if truth is None:
            continue
        # Without a difference estimates are right by symmetry, and each takes as long as the test itself.
        end = end_of(cell, monitor, pair) if draw is cell.effect else None
        if end is not None:
            ends.append(end)
            last = monitor, pair
        if monitor.limits.ends is None and went:
            epochs.append(went)
        elif not number % OF_BOUNDED:
            counts.update({"intervals": 1, "held": covers_bounded(cell, sessions, pair, truth)})
    if ends:
        counts.update(estimated(cell, ends, last, truth))
    if epochs:
        counts.update({"intervals": len(epochs), "held": int(held_in_each(cell, monitor, pair, truth, epochs).sum())})
    return counts


def _counts_of_one(cell: Cell, draw: Draw, sessions: Sessions, monitor: Monitor, tally: Tally) -> dict[str, Any]:
    marked = bool(doubts_of(monitor))
    wrong = claims_wrongly(cell, draw, monitor, sessions)
    found = {
        "tests": 1, "marked": marked, "wrong": wrong, "wrong, unmarked": wrong and not marked, "sessions": monitor.sessions,
    }  # fmt: skip
    if draw is cell.effect:
        missing = cell.claims in {"named missing", "unnamed winner"}
        right = claims_rightly(cell, draw, monitor, sessions)
        seen = uneven_by_one_look(tally, sessions) if missing else found_by_one_look(cell, draw, tally)
        found |= {"right": right, "by one look": seen, "by both": right and seen}
    return found


class End(NamedTuple):
    """What the estimate of a stopped test is made of: arguments of `stagewise.estimate`."""

    difference: float
    se: float
    tested_se: float
    tau: float
    c: float
    crossed: bool
    few: bool


def end_of(cell: Cell, monitor: Monitor, pair: tuple[int, int]) -> End | None:
    """Return how a test has ended, as `Horizon.estimate` sees it; None where it makes no estimate."""
    evidence = monitor.evidence
    if not isinstance(evidence, Horizon) or not evidence.by_moments or not monitor.stopped or cell.rule.margin:
        return None
    strata = when_sure(monitor, pair)
    if len(cell.weights) > closed.MOST_ENUMERATED:
        return None
    found = compare.contrast(strata, cell.kind)
    score, tau = evidence._standing(strata, pair)
    if not score or not found.se:
        return None
    c = boundary.threshold(cell.alpha)
    apart, few = float(found.difference), not compare.is_burnt_in(strata, scores.FEW)
    return End(apart, float(found.se), abs(apart / score), tau, c, abs(score) * math.sqrt(tau) >= c, few)


def when_sure(monitor: Monitor, pair: tuple[int, int]) -> list[Stratum]:
    """Return the moments of a pair where it first reached its threshold, at the stop if it never did."""
    return monitor.tally.strata(*pair, *(monitor.evidence.crossing(pair) or ()))


def estimated(cell: Cell, ends: list[End], last: tuple[Monitor, tuple[int, int]], truth: float) -> dict[str, Any]:
    """Count the median-unbiased estimates, those above the truth, and the intervals that belong to them and hold it.

    All at once, which is faster; the last is compared with what its monitor says.
    """
    monitor, pair = last
    *told, few = map(np.array, zip(*ends, strict=True))
    found = stagewise.estimate(*told, cell.alpha)
    alone = monitor.evidence.estimate(when_sure(monitor, pair), pair, cell.alpha)
    shown = 1 if few[-1] else 3
    if alone is None or not np.allclose([part[-1] for part in found][:shown], alone[:shown]):
        raise AssertionError(f"{cell.name}: the estimates {alone} and {[part[-1] for part in found]} are not the same")
    # Where a count is even, the estimate may be the truth.
    above = np.where(np.abs(found.value - truth) <= ROUNDING, 0.5, found.value > truth)
    held = (found.lower <= truth) & (truth <= found.upper) & ~few
    return {
        "estimates": len(ends), "above": float(above.sum()), "its intervals": int((~few).sum()),
        "its interval held": int(held.sum()),
    }  # fmt: skip


def true_difference(cell: Cell, draw: Draw) -> float | None:
    """Return the true difference of the last and the first arm; None where the draw doesn't say that of what is judged."""
    if dict(cell.limits).get("cap") is not None and draw.means[0] != draw.means[-1]:
        return None
    if cell.claims == "unnamed winner":
        return None
    return draw.means[-1] - draw.means[0]
