"""Evidence without a horizon: e-processes, whose reciprocal is a p-value at every look, for as long as one likes.

An e-process bets against "the variants are equal" and multiplies its stake; were they equal, it would exceed 1/alpha at
any time with probability alpha at most (Ville's inequality).

Binary outcomes: each session's bet is the ratio of what the arm's own past predicts to what the weights' mixture of all
arms predicts. Exact, also under base rates that drift and weights that change in a way known beforehand. (The idea of
the 2x2 e-variables of Turner & Gruenwald 2023, with the block replaced by the randomisation weights.)
Counts and floats: the g-prior t statistic and a normal mixture over Welch's statistic, the smaller of both.
"""

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.compare import pooled_and_welch, standard_error
from voicelab.decision.stats.moments import Moments, difference
from voicelab.decision.stats.scores import mean_score, rate_score_beyond

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PRIORS = (10.0, 50.0, 250.0, 1000.0)
"""Sessions that the common rate counts for when an arm's rate is predicted; the e-values of all four are averaged."""
BURN_IN = 25
"""Sessions an arm needs before its mean is judged."""
EXPECTED_STOP = 1000
"""Sessions at which a test without a horizon is tuned to be most sensitive."""


# Why it stays true at every look. Were the variants equal, each bet would multiply the stake by a factor whose expectation
# is 1, given all that came before: a fair game. A stake in a fair game can't be made to grow by choosing when to stop;
# it reaches 1/alpha with probability alpha at most, ever (Ville 1939). So 1 / the largest stake so far is a p-value that
# may be looked at after every session, for ever, without a horizon and without a correction for looking.
#
# Why the binary bet is fair. A session's arm is drawn with known weights w after the past is settled. If equal variants
# have the rate r in this session (any r: it may drift), the outcome y says nothing of the arm. The factor is
# P_arm(y) / sum over arms of w P_arm(y); its average over the draw of the arm is sum(w P(y)) / sum(w P(y)) = 1 for either
# y, whatever was predicted. That is why the predictions may come from the data so far, and why a base rate
# that changes over the day does no harm: only differences between arms at the same moment earn anything.
def mean_of_e(log_e: Sequence[Floats]) -> Floats:
    """Return the log of the average of e-values, given the logs of each."""
    # The largest is taken out before exp: e-values of long tests are far beyond what a float holds.
    highest = reduce(np.maximum, log_e)
    finite = np.where(np.isfinite(highest), highest, 0.0)
    # One after the other: `sum` orders eight terms and more differently for one session than for many.
    total = np.zeros_like(finite)
    for part in log_e:
        total += np.exp(part - finite)
    with np.errstate(divide="ignore"):
        average: Floats = finite + np.log(total) - math.log(len(log_e))
    return average


class PairBets:
    """The exact binary e-process between two arms, in both directions, carried from session to session.

    The bet of a direction is placed only while the past says that direction.

    Attributes:
        n: Sessions of each arm.
        s: Successes of each arm.
        log_e: Log E for each prior, of the direction "the first is better", then of "the second is better".
    """

    def __init__(self) -> None:
        self.n = [0.0, 0.0]
        self.s = [0.0, 0.0]
        self.log_e = [[0.0] * len(PRIORS), [0.0] * len(PRIORS)]

    def extend(self, second: Ints, hits: Floats, weights: Floats) -> Floats:
        """Take sessions of the two arms in order.

        Args:
            second: 1 for a session of the second arm, 0 for the first, shape (T,).
            hits: Outcomes, shape (T,).
            weights: Probabilities of the two arms among the two, shape (2,), or of each session, known before its draw,
                shape (T, 2).

        Returns:
            Log E of both directions after each session, shape (2, T).
        """
        w_0, w_1 = weights[..., 0], weights[..., 1]
        of_second = second > 0
        n_1, s_1 = sums_before(of_second * 1.0, self.n[1]), sums_before(of_second * hits, self.s[1])
        n_0, s_0 = sums_before(1.0 - of_second, self.n[0]), sums_before(hits - of_second * hits, self.s[0])
        # Sums before the session: a bet that knew its own outcome would not be fair.
        common = (s_0[:-1] + s_1[:-1] + 0.5) / (n_0[:-1] + n_1[:-1] + 1)
        hit = hits > 0
        paths = np.empty((len(PRIORS), 2, len(second)))
        # Each arm's rate is pulled towards the common one: strongly (1000), which suits small differences, or hardly (10),
        # which suits large ones that show soon. Which fits isn't known beforehand: all four bet a quarter of the stake.
        for at, prior in enumerate(PRIORS):
            rate_0 = (s_0[:-1] + prior * common) / (n_0[:-1] + prior)
            rate_1 = (s_1[:-1] + prior * common) / (n_1[:-1] + prior)
            predicted, mixture = np.where(of_second, rate_1, rate_0), rate_0 * w_0 + rate_1 * w_1
            bets = np.log(np.where(hit, predicted, 1 - predicted) / np.where(hit, mixture, 1 - mixture))
            # One-sided by placing the bet only while the past says "the first is better": to skip a bet is fair too.
            for direction, placed in enumerate((rate_0 > rate_1, rate_1 > rate_0)):
                steps = bets * placed
                # Carried on by adding to the first step, so that chunks and single sessions give the same floats.
                steps[0] += self.log_e[direction][at]
                np.cumsum(steps, out=paths[at, direction])
        self.log_e = paths[:, :, -1].T.tolist()
        self.n, self.s = [float(n_0[-1]), float(n_1[-1])], [float(s_0[-1]), float(s_1[-1])]
        return mean_of_e(list(paths))

    def state(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {"n": self.n, "s": self.s, "log_e": self.log_e}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "PairBets":
        """Return the bets that `state` was of."""
        made = cls()
        made.n, made.s, made.log_e = list(state["n"]), list(state["s"]), [list(part) for part in state["log_e"]]
        return made

    def gain(self, leads: Sequence[float], steps: Sequence[float]) -> tuple[float | None, float | None]:
        """Add a session's log bets to the direction that each is placed on; return the largest gain of either, if any.

        Args:
            leads: Predicted rate of the first arm minus that of the second, for each prior.
            steps: Log bet for each prior.
        """
        first, second = self.log_e
        gained: list[float] = []
        lost: list[float] = []
        for at, lead in enumerate(leads):
            step = steps[at]
            if lead > 0:
                first[at] += step
                gained.append(step)
            elif lead < 0:
                second[at] += step
                lost.append(step)
        return _largest(gained), _largest(lost)


def _largest(steps: list[float]) -> float | None:
    """Return the largest step of a direction, where a prior that didn't bet on it makes a step of 0."""
    if not steps:
        return None
    return max(steps) if len(steps) == len(PRIORS) else max(0.0, *steps)


def sums_before(steps: Any, start: Any) -> Floats:
    """Return the sums before each session, and after the last, from a start, shape (T + 1, ...)."""
    # Added one after the other from the start on, so that chunks and single sessions give the same floats.
    carried = np.empty((len(steps) + 1, *np.shape(steps)[1:]))
    carried[0] = start
    carried[1:] = steps
    np.cumsum(carried, axis=0, out=carried)
    return carried


def add_session(
    pairs: Sequence[PairBets], second: Sequence[bool], hit: float, weights: Sequence[tuple[float, float]]
) -> list[tuple[float | None, float | None]]:
    """Add one session that belongs to several pairs: what `extend` does, to the last digit.

    Plain numbers are ten times as fast as arrays of one element. Only the logarithms are numpy's, whose last digit
    need not be that of `math.log`.

    Args:
        pairs: The pairs that its arm belongs to.
        second: Of each, whether the arm is its second.
        hit: The session's outcome, 0.0 or 1.0.
        weights: Of each, the probabilities of the two arms among the two.

    Returns:
        By how much log E of either direction, averaged over the priors, grows at most: the largest of their steps; None
        where it stays as it is.
    """
    ratios, leads = [], []
    for bets, mine, (w_0, w_1) in zip(pairs, second, weights, strict=True):
        (n_0, n_1), (s_0, s_1) = bets.n, bets.s
        common = (s_0 + s_1 + 0.5) / (n_0 + n_1 + 1)
        for prior in PRIORS:
            pulled = prior * common
            rate_0, rate_1 = (s_0 + pulled) / (n_0 + prior), (s_1 + pulled) / (n_1 + prior)
            predicted, mixture = rate_1 if mine else rate_0, rate_0 * w_0 + rate_1 * w_1
            ratios.append(predicted / mixture if hit else (1 - predicted) / (1 - mixture))
            leads.append(rate_0 - rate_1)
        bets.n[mine] += 1.0
        bets.s[mine] += hit
    steps, k = np.log(np.array(ratios)).tolist(), len(PRIORS)
    return [bets.gain(leads[k * at : k * at + k], steps[k * at : k * at + k]) for at, bets in enumerate(pairs)]


def means_of_e(log_e: Sequence[Sequence[float]]) -> list[float]:
    """Return `mean_of_e` of several lists of e-values, finite ones, to the last digit."""
    highest = [max(parts) for parts in log_e]
    exps = np.exp(np.array([part - top for parts, top in zip(log_e, highest, strict=True) for part in parts])).tolist()
    totals, first = [], 0
    for parts in log_e:
        total = 0.0
        for part in exps[first : first + len(parts)]:
            total += part
        totals.append(total)
        first += len(parts)
    logs = np.log(np.array(totals)).tolist()
    return [top + log - math.log(len(parts)) for top, log, parts in zip(highest, logs, log_e, strict=True)]


# Counts and floats. There is no exact bet without knowing the distribution; what is known is how the t statistic behaves.
# Evidence is its likelihood ratio: effects spread normally around 0 (with the weight of g sessions) against no effect.
# Averaged over the unknown scale it is a ratio of t densities, and a fair game again, whatever the variance is
# (Lindon, Ham, Tingley & Bojinov 2022). Where variances differ between arms, the pooled one lies; Welch's is right there and
# too bold on skewed values. The smaller of the two is the one that nobody can be misled by.
def prior_weight(expected_stop: float) -> float:
    """Return g, the prior's weight in sessions that is most sensitive at an expected stop (5 %)."""
    return 0.1218 * expected_stop


def mean_log_e(a: Moments, b: Moments, g: float, margin: float = 0.0, kind: str = "float") -> tuple[Floats, Floats]:
    """Return log E against "a is not above b by more than the margin", and the same the other way round.

    The two-sided e-value is the smallest of the g-prior's with the pooled variance and normal mixtures over Welch's
    statistic and over the score of `scores.mean_score`, which takes skewness into account. The direction is brought in by
    giving the prior one side alone, which multiplies by 2 Phi(z sqrt(n / (n + g))): the e-values of both directions have
    the two-sided one as their average.

    Args:
        a: Moments of the first arm, arrays of one shape.
        b: Moments of the second arm.
        g: Weight of the prior in sessions.
        margin: Smallest superiority that counts.
        kind: Kind of the outcome.

    Returns:
        Log E of both directions, of that shape; 0 during the burn-in and without variation.
    """
    a, b = Moments(*a), Moments(*b)
    n, units = a.n + b.n, a.independent + b.independent
    rates = kind == "binary" and a.units is None
    # Rates have the error that they would have were they equal: their own is 0 while an arm has no success, or no failure.
    pooled, welch = (standard_error(a, b, kind) ** 2,) * 2 if rates else pooled_and_welch(a, b)
    ready = (np.minimum(a.independent, b.independent) >= BURN_IN) & (pooled > 0) & (welch > 0)
    log_e = np.zeros((2, *np.shape(n)))
    score_of = rate_score_beyond if rates else mean_score
    scored = [np.asarray(score_of(a, b, margin))[ready], -np.asarray(score_of(a, b, -margin))[ready]]
    n, units, pooled, welch = (np.asarray(part)[ready] for part in (n, units, pooled, welch))
    apart = np.asarray(difference(a, b))[ready]
    se = np.sqrt(np.maximum(welch, pooled))
    # A margin of any size: a thousand standard errors say all that there is to say, and their squares stay numbers.
    shifts = [np.clip(shift - margin, -1000 * se, 1000 * se) for shift in (apart, -apart)]
    two_sided = None
    # Against a margin the two directions test two different hypotheses, each with a statistic of its own.
    for direction, shifted in enumerate(shifts):
        if two_sided is None or margin:
            two_sided = _two_sided_log_e(shifted**2, n, units - 2, pooled, welch, g)
        score = np.clip(scored[direction], -1000.0, 1000.0)
        by_error = two_sided + _one_side(shifted / se, n, g)
        by_score = 0.5 * np.log(g / (g + n)) + 0.5 * score**2 * n / (n + g) + _one_side(score, n, g)
        log_e[direction, ready] = np.minimum(by_error, by_score)
    return log_e[0], log_e[1]


def _one_side(z: Floats, n: Floats, g: float) -> Floats:
    """Return by how much log E of a direction is more than that of both."""
    from scipy.special import log_ndtr

    more: Floats = math.log(2) + log_ndtr(z * np.sqrt(n / (n + g)))
    return more


def _two_sided_log_e(squared: Floats, n: Floats, v: Floats, pooled: Floats, welch: Floats, g: float) -> Floats:
    shrink = g / (g + n)
    t2 = squared / pooled / v
    # log1p, since t2 is tiny for most sessions and 1 + t2 would round it away.
    by_t = (v + 1) / 2 * (np.log1p(t2) - np.log1p(shrink * t2))
    by_welch = 0.5 * squared / welch * n / (n + g)
    log_e: Floats = 0.5 * np.log(shrink) + np.minimum(by_t, by_welch)
    return log_e


def confidence_sequence(estimate: float, se: float, n: float, g: float, alpha: float) -> tuple[float, float]:
    """Return the interval that holds at every look with probability 1 - alpha, without a horizon.

    Inverts the two-sided normal mixture: it reaches sqrt((n + g) / n (2 log(1 / alpha) + log((n + g) / g))) standard
    errors to each side. Source: Robbins 1970.

    Args:
        estimate: Estimate of a difference, a mean or the logarithm of a ratio.
        se: Its standard error.
        n: Sessions that it rests on.
        g: Weight of the prior in sessions.
        alpha: Error probability.
    """
    if n <= 0 or not math.isfinite(se):
        return -math.inf, math.inf
    half = reach(n, g, alpha) * se
    return estimate - half, estimate + half


def reach(n: Any, g: float, alpha: float) -> Any:
    """Return how many standard errors a confidence sequence of n sessions reaches to each side."""
    n = np.maximum(n, 1.0)
    return np.sqrt((n + g) / n * (2 * math.log(1 / alpha) + np.log((n + g) / g)))


def rate_sequence(hits: float, n: float, alpha: float) -> tuple[float, float]:
    """Return the rates that are not ruled out at any look, with probability 1 - alpha: exact, whatever the rate.

    A rate p is ruled out once the chance of these outcomes averaged over all rates (Jeffreys' prior) is 1 / alpha times
    that under p. Source: Robbins 1970; the mixture is a beta-binomial.

    Args:
        hits: Successes.
        n: Sessions.
        alpha: Error probability.
    """
    from scipy.special import betaln, xlog1py, xlogy

    averaged = betaln(hits + 0.5, n - hits + 0.5) - betaln(0.5, 0.5) + math.log(alpha)

    def kept(p: float) -> bool:
        return bool(xlogy(hits, p) + xlog1py(n - hits, -p) > averaged)

    ends = []
    # The rates that are kept lie together around the observed one (the likelihood has one peak): an end on each side.
    for out in (0.0, 1.0):
        within = hits / n if n else 0.5
        if kept(out):
            within = out
        for _ in range(60 if within != out else 0):  # halves the rest, down to the precision of a float
            middle = (out + within) / 2
            out, within = (out, middle) if kept(middle) else (middle, within)
        ends.append(within)
    return ends[0], ends[1]
