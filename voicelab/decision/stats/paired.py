"""Two versions that met the same sessions: evidence from the pairs' differences, valid after every pair.

With D the new version's value minus the old one's in the same session, everything is asked of the mean of D alone: is it
above some d, is it below. d = 0 asks which version is better, d = -margin whether the new one is not worse by more than that.

Rates have D in {-1, 0, 1}, so that three counts say all: new only, old only, both alike. Numbers have the t statistic of D.
A declared horizon is watched by the boundary of `boundary`, anything else by bets (`eprocess` says why these are fair).

Sources: McNemar 1947 and Tango 1998, "Equivalence test and confidence interval for the difference in proportions for the
paired-sample design", for the score; Waudby-Smith & Ramdas 2024 for the bets on bounded means.
"""

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.boundary import crossing_p_value, threshold
from voicelab.decision.stats.eprocess import mean_of_e, prior_weight, rate_sequence, reach
from voicelab.decision.stats.scores import SKEWED, score_of_t

Floats = npt.NDArray[np.float64]
PairedKind = Literal["binary", "float"]

STAKES = tuple(0.99 * 0.8**at for at in range(25))
"""Shares of the largest possible bet that are averaged: the smallest, .005, suits differences that show in 10,000s of pairs."""
BURN_IN, BURN_IN_WITH_HORIZON = 25, 40
"""Pairs that must differ before the mean of numbers is judged."""
_EXPECTED = 400.0
"""Differing pairs at which the mixture over t is most sensitive."""


# Why the zeros are no evidence, and no harm. Most pairs of two versions are alike: D = 0. Whether the mean of D is 0 is a
# question of those that differ alone, so it is their number that says how well the variance and the shape of D are known: they
# count for the burn-in and the degrees of freedom. (By all pairs, ten thousand zeros and three large values would pass for a
# sample of ten thousand.)
class PairedDifferences:
    """What the differences of pairs say of their mean after each pair.

    Args:
        differences: New minus old, in order of sessions, shape (T,); of rates -1, 0 or 1.
        kind: `binary` for rates, `float` for numbers.
        horizon: Declared number of pairs; None without one.
        widest: The largest difference that there could be between two values of these versions; None where nothing says it.
            Numbers that hardly ever differ can't move their mean by more than its share of the pairs.
    """

    def __init__(
        self, differences: Floats, kind: PairedKind, horizon: int | None = None, widest: float | None = None
    ) -> None:
        self._d = np.asarray(differences, dtype=np.float64)
        self._widest = widest
        self._kind = kind
        self._horizon = horizon
        self.n = len(self._d)
        self._at = np.arange(1.0, self.n + 1)
        self._new_only, self._old_only = (np.cumsum(sign * self._d > 0, dtype=np.float64) for sign in (1, -1))

    @property
    def mean(self) -> float:
        """Mean difference; NaN without pairs."""
        return float(self._d.mean()) if self.n else math.nan

    @property
    def n_new_more(self) -> int:
        """Pairs in which the new version's value is the greater one."""
        return int(self._new_only[-1]) if self.n else 0

    @property
    def n_old_more(self) -> int:
        """Pairs in which the old version's value is the greater one."""
        return int(self._old_only[-1]) if self.n else 0

    def above(self, d: float = 0.0) -> Floats:
        """Return the p-value of "the mean difference is above d" after each pair, valid at every look, shape (T,).

        It is that of a test to both sides: with `below` together no more than alpha of all comparisons are misled.
        """
        return self._p_values(d, 1.0)

    def below(self, d: float = 0.0) -> Floats:
        """Return the p-value of "the mean difference is below d" after each pair, as `above`."""
        return self._p_values(d, -1.0)

    def _p_values(self, d: float, sign: float) -> Floats:
        if not self.n:
            return np.empty(0)
        if self._horizon is not None:
            brownian = sign * self._scores(d) * np.sqrt(np.minimum(1.0, self._at / self._horizon))
            p = crossing_p_value(np.maximum.accumulate(np.maximum(brownian, 0.0)))
        else:
            p = _p_of(self._log_bets(d, sign))
        if self._kind == "float" and self._widest and sign * d < 0:
            p = np.minimum(p, self._hardly_any(-sign * d / self._widest))
        return p

    def _hardly_any(self, share: float) -> Floats:
        """Return the p-value of "fewer pairs than a share differ" after each pair; 1 from where the mean itself is judged."""
        if share >= 1:
            return np.zeros(self.n)
        _, new_only, old_only = self._counts(last=False)
        differing = new_only + old_only
        lam = share / (1 - share)
        paths = [(self._at - differing) * math.log1p(stake * lam) + differing * math.log1p(-stake) for stake in STAKES]
        return _p_of(np.where(differing < self._least, mean_of_e(paths), 0.0))

    @property
    def _least(self) -> int:
        return BURN_IN if self._horizon is None else BURN_IN_WITH_HORIZON

    # --- an interval ---

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the interval for the mean difference after all pairs, valid at every look; infinite where nothing is known.

        Args:
            alpha: Error probability, over all looks together.
        """
        if not self.n:
            return -math.inf, math.inf
        if self._kind == "binary":
            return self._rate_end(alpha, 1.0), self._rate_end(alpha, -1.0)
        mean, se, skewness, df, ready = (part[-1] for part in self._parts())
        if not ready:
            most = (
                math.inf
                if self._widest is None
                else self._widest * rate_sequence(self.n_new_more + self.n_old_more, self.n, alpha)[1]
            )
            return -most, most
        if self._horizon is not None:
            z = threshold(alpha) / math.sqrt(min(1.0, self.n / self._horizon))
        else:
            z = float(reach(df + 1, prior_weight(_EXPECTED), alpha))
        from scipy.optimize import brentq

        ends = []
        for side in (1.0, -1.0):
            # The score rises with t without a bound, so that t is found between 0 and some multiple of z.
            most = 1.0
            while side * float(_cautious(side * most, skewness, df)) < z and most < 1e6:  # noqa: PLR2004 - as far as scores go
                most *= 2
            ends.append(
                brentq(lambda t, side=side: side * float(_cautious(side * t, skewness, df)) - z, -1.0, most)
                if most < 1e6  # noqa: PLR2004 - as above
                else math.inf
            )
        return float(mean - ends[0] * se), float(mean + ends[1] * se)

    def _rate_end(self, alpha: float, sign: float) -> float:
        """Return the lower end (sign 1) or the upper one (-1): the d up to which the evidence now refutes "not beyond d"."""
        if self._horizon is not None:
            limit = threshold(alpha) / math.sqrt(min(1.0, self.n / self._horizon))
        else:
            limit = math.log(2 / alpha)

        def refuted(d: float) -> bool:
            last = (
                self._scores(d, last=True) * sign if self._horizon is not None else self._log_bets(d, sign, last=True)
            )
            return bool(last[-1] >= limit)

        out, kept = -sign * (1 - 1e-9), sign * (1 - 1e-9)
        if not refuted(out):
            return -sign
        for _ in range(50):  # halves the rest, down to the precision of a float
            middle = (out + kept) / 2
            out, kept = (middle, kept) if refuted(middle) else (out, middle)
        return kept

    # --- with a horizon ---

    def _scores(self, d: float, *, last: bool = False) -> Floats:
        """Return the score of "above d" after each pair, or after the last."""
        if self._kind == "float":
            mean, se, skewness, df, ready = self._parts()
            # Cochran's rule for the pairs that differ: 25 of them for each unit of squared skewness, by that of their mean.
            enough = SKEWED * skewness**2 <= 1
            return _score(mean - d, se, skewness, df, ready & enough)
        n, b, c = self._counts(last)
        # The rates that fit best while their difference is d: the variance that the difference has if d is true.
        half, rest = (2 * n - b + c) * d - b - c, -c * d * (1 - d)
        q = (-half + np.sqrt(np.maximum(half * half - 8 * n * rest, 0.0))) / (4 * n)
        square = np.maximum(2 * q + d * (1 - d), 0.0) / n
        apart = (b - c) / n - d
        return np.divide(apart, np.sqrt(square), out=np.zeros_like(apart), where=square > 0)

    def _counts(self, last: bool) -> tuple[Floats, Floats, Floats]:
        part = slice(-1, None) if last else slice(None)
        return self._at[part], self._new_only[part], self._old_only[part]

    def _parts(self) -> tuple[Floats, Floats, Floats, Floats, npt.NDArray[np.bool_]]:
        """Return mean, its standard error and skewness, degrees of freedom, and whether there is enough, after each pair."""
        n, differing = self._at, self._new_only + self._old_only
        # In units of the first difference, so that squares and cubes stay numbers whatever the outcome's unit is.
        unit = np.abs(self._d[self._d != 0][0]) if (self._d != 0).any() else 1.0
        d = self._d / unit
        total, squares, cubes = (np.cumsum(d**power) for power in (1, 2, 3))
        mean = total / n
        df = np.maximum(differing - 1, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # The variance's divisor is that of the pairs that differ: they are what it is known from.
            # Differences that are all one number have none: it is that of one more pair without a difference then.
            within = np.maximum(squares - total * mean, squares / n) * (differing / df)
            se = np.sqrt(within) / n
            third = cubes - 3 * mean * squares + 2 * n * mean**3
            skewness = third / n**3 / se**3
        ready = (differing >= self._least) & (within > 0) & np.isfinite(skewness)
        return mean * unit, se * unit, np.where(ready, skewness, 0.0), df, ready

    # --- without one ---

    def _log_bets(self, d: float, sign: float, *, last: bool = False) -> Floats:
        """Return log E of "the mean is beyond d", above it (sign 1) or below it (-1), after each pair or after the last."""
        if self._kind == "float":
            return self._log_t(d, sign)
        n, b, c = self._counts(last)
        b, c, d = (b, c, d) if sign > 0 else (c, b, -d)
        # While the mean is at most d, 1 + lambda (D - d) is a fair bet for any lambda at which it can't be lost beyond
        # nothing. All pairs together it is a power of three numbers, and so exact whatever their order.
        alike = n - b - c
        paths = []
        for stake in STAKES:
            lam = stake / (1 + d)
            paths.append(b * math.log1p(lam * (1 - d)) + alike * math.log1p(-lam * d) + c * math.log1p(-stake))
        return mean_of_e(paths)

    def _log_t(self, d: float, sign: float) -> Floats:
        from scipy.special import log_ndtr

        mean, se, skewness, df, ready = self._parts()
        n, g = df + 1, prior_weight(_EXPECTED)
        shrink = g / (g + n)
        score = sign * _score(mean - d, se, skewness, df, ready)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(ready, np.clip(sign * (mean - d) / se, -1e6, 1e6), 0.0)
        one_side = math.log(2) + log_ndtr(np.minimum(t, score) * np.sqrt(n / (n + g)))
        by_t = (df + 1) / 2 * (np.log1p(t * t / df) - np.log1p(shrink * t * t / df))
        by_score = 0.5 * score**2 * n / (n + g)
        log_e: Floats = np.where(ready, 0.5 * np.log(shrink) + np.minimum(by_t, by_score) + one_side, 0.0)
        return log_e


def _p_of(log_e: Floats) -> Floats:
    p: Floats = np.minimum(1.0, 2 * np.exp(-np.maximum(np.maximum.accumulate(log_e), 0.0)))
    return p


def _score(apart: Floats, se: Floats, skewness: Floats, df: Floats, ready: npt.NDArray[np.bool_]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(ready, _cautious(apart / se, skewness, df), 0.0)
    return np.where(np.isfinite(z), z, 0.0)


# The skewness that is taken out of t is itself an estimate: of heavy tails to both sides a single large value looks skewed, and
# taking that out makes too much of it. Left in, skewness makes too much of what lacks the rare large values. Of both scores the
# one nearer to 0 is believed, and none where they contradict each other.
def _cautious(t: Any, skewness: Any, df: Any) -> Any:
    plain, unskewed = score_of_t(t, 0.0, df), score_of_t(t, skewness, df)
    nearer = np.where(np.abs(plain) < np.abs(unskewed), plain, unskewed)
    return np.where(plain * unskewed > 0, nearer, 0.0)


def unpaired_factor(old: Any, new: Any) -> float | None:
    """Return how many times as many sessions an unpaired comparison needs for an interval as narrow; None if D never varies.

    Two arms of n sessions each know their difference with the variance (Var old + Var new) / n, n pairs with Var D / n.

    Args:
        old: Values of the old version, shape (T,).
        new: Those of the new one in the same sessions.
    """
    old, new = np.asarray(old, dtype=np.float64), np.asarray(new, dtype=np.float64)
    if len(old) < 2:  # noqa: PLR2004 - one value has no variance
        return None
    of_pairs = float(np.var(new - old))
    of_arms = float(np.var(old) + np.var(new))
    # What is left of a constant difference is rounding.
    return of_arms / of_pairs if of_pairs > 1e-15 * of_arms else None
