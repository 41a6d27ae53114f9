"""Evidence about the means of bounded outcomes: exact at every look, whatever their distributions.

Where an outcome has declared bounds (a score from 1 to 5, a duration capped at ten minutes), "the arms have the same
mean" can be bet against fairly without any assumption on shapes: the arms may be skewed, have different variances, or
be nearly always 0. Only the assignment probabilities must be known.

Sources: Waudby-Smith & Ramdas 2024, "Estimating means of bounded random variables by betting", for the bets and for
the interval (section 3.2; the inequality is that of Fan, Grama & Liu 2015); Karampatziakis, Mineiro & Ramdas 2021 for
known assignment probabilities; Browne 1999, "Reaching goals by a deadline", for the bets towards a horizon.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.eprocess import Floats, Ints, mean_of_e, sums_before

Sums = dict[str, list[float]]

TARGET = 40.0
"""The e-value that a direction is to reach: at 2 / alpha, alpha = 5 %, the average of both refutes that the means are equal."""
KEPT = 0.05
"""Share of its stake that no bet may risk."""
SCALES = (100.0, 600.0, 3600.0, 21600.0, 129600.0)
"""Sessions of the pair at which bets are most sensitive, where no number is expected; their e-values are averaged."""
GOAL_WEIGHT = 0.9
"""Share of the stake that bets towards the horizon; the rest bets steadily, and is there still if the first is lost."""
REFRESHED = 512
"""How often the bets towards a horizon are set anew on the way, if not at every session."""
SINGLY = 4096
"""Horizon up to which they are set anew at every session."""
CENTRE_PRIOR, SPREAD_PRIOR = 50.0, 10.0
"""Sessions that the common mean, and the common spread, count for when an arm's are predicted."""
INTERVAL_SCALES = (100.0, 800.0, 6400.0, 51200.0)
LARGEST_RISK = 0.6
"""Share of the stake that the interval's bets may risk: its inequality grows loose towards 1."""
_CHUNK = 1 << 15
_NORMAL = NormalDist()


# Why the bet is fair. Of a pair (a, b), a session's arm is drawn with the known probabilities p_a, p_b after the past is
# settled. Its score is X = (Y - c) / p_a if it is a's, -(Y - c) / p_b if it is b's; averaged over the draw that is (mean
# of a - c) - (mean of b - c), the difference of the means, for any c whatever. (The usual doubly robust score with
# predicted means m_a, m_b is this one with c = p_b m_a + p_a m_b, which makes its variance smallest.) So 1 + lambda X has
# the expectation 1 while the means are equal, and at most 1 while a's is below b's, if lambda >= 0 and c come from the
# past. No other assumption is made: shapes may differ, and levels may drift, as long as both means drift together.
#
# Why bounds are needed: 1 + lambda X must stay positive for every outcome that might come, else the stake could be lost
# beyond nothing. No fairer bet is left out: if S(arm, y) has expectation <= 1 for all pairs of distributions of one
# mean, a line above each arm's S has too, and two such lines are lambda and c.
class _Predicted(NamedTuple):
    """What the past says before each session, and the session itself; outcomes in units of the bounds, from 0 to 1."""

    outcome: Floats
    second: npt.NDArray[np.bool_]
    p: tuple[Floats, Floats]
    possible: npt.NDArray[np.bool_]
    before: Floats
    lead: Floats
    centre: Floats
    variance: Floats

    def part(self, start: int, stop: int) -> "_Predicted":
        part = slice(start, stop)
        return _Predicted(
            outcome=self.outcome[part],
            second=self.second[part],
            p=(self.p[0][part], self.p[1][part]),
            possible=self.possible[part],
            before=self.before[part],
            lead=self.lead[part],
            centre=self.centre[part],
            variance=self.variance[part],
        )

    def plain(self) -> "zip[tuple[float, bool, float, float, bool, float, float]]":
        """Return, of each session, what `_log_bet` takes."""
        own = (self.outcome, self.second, *self.p, self.possible, self.centre, self.variance)
        return zip(*(each.tolist() for each in own), strict=True)


class BoundedPairBets:
    """The exact e-process between two arms with bounded outcomes, in both directions, carried from session to session.

    A direction's E is an average: over several `SCALES` of steady bets, or with an expected number of sessions over
    bets towards reaching the target by then (nine tenths) and steady ones.

    Args:
        bounds: Least and greatest possible outcome. Outcomes beyond them break the promise, and are to be refused before.
        expected_sessions: Sessions of the two arms expected at the horizon; None without one. The promise holds beyond
            it, and before; only the sensitivity is tuned to it.
        target: The e-value of a direction that decides, 2 / alpha for two variants.

    Attributes:
        n: Sessions of each arm.
    """

    def __init__(
        self, bounds: tuple[float, float], expected_sessions: float | None = None, target: float = TARGET
    ) -> None:
        self._low, self._high = float(bounds[0]), float(bounds[1])
        self._horizon = None if expected_sessions is None else max(1.0, math.floor(expected_sessions))
        self._target = float(target)
        self.n = [0.0, 0.0]
        # Sums of outcomes, and of their squared distances from the centre of their moment.
        self._s, self._q = [0.0, 0.0], [0.0, 0.0]
        # Log E of each scale, of the direction "the first is greater", then of "the second is greater".
        self._log_e = [[0.0] * len(self._scales), [0.0] * len(self._scales)]
        self._goal = Goal(self._horizon, self._target) if self._horizon else None
        self._interval = IntervalSums(self._interval_scales)

    @property
    def _scales(self) -> tuple[float, ...]:
        return (self._horizon,) if self._horizon else SCALES

    @property
    def _interval_scales(self) -> tuple[float, ...]:
        return (self._horizon / 8, self._horizon) if self._horizon else INTERVAL_SCALES

    def extend(self, second: Ints, values: Floats, weights: Floats) -> Floats:
        """Take sessions of the two arms in order.

        Args:
            second: 1 for a session of the second arm, 0 for the first, shape (T,).
            values: Outcomes within the bounds, shape (T,).
            weights: Probabilities of the two arms among the two, shape (2,), or of each session, known before its draw,
                shape (T, 2).

        Returns:
            Log E of "the first has the greater mean" and of "the second has" after each session, shape (2, T).
        """
        weights = np.broadcast_to(np.asarray(weights, dtype=np.float64), (len(values), 2))
        # In portions that a processor's cache holds; they give the same floats as the whole.
        portions = [slice(at, at + _CHUNK) for at in range(0, len(values), _CHUNK)]
        parts = [self._extend(second[one], values[one], weights[one]) for one in portions]
        return np.concatenate(parts, axis=1) if parts else np.empty((2, 0))

    def _extend(self, second: Ints, values: Floats, weights: Floats) -> Floats:
        predicted = self._predict(second > 0, (values - self._low) / (self._high - self._low), weights)
        self._interval.add(predicted)
        sd = np.sqrt(predicted.variance)
        # A steady bet would take the straight way to the target in n sessions with the least effect that gets there.
        rates = [math.sqrt(2 * math.log(self._target) / n) for n in self._scales]
        paths = np.empty((len(rates), 2, len(values)))
        for at, rate in enumerate(rates):
            wanted = rate / sd
            for direction in (0, 1):
                paths[at, direction] = _carried(self._log_e[direction][at], _log_bets(wanted, direction, predicted))
        self._log_e = paths[:, :, -1].T.tolist()
        if self._goal is None:
            return mean_of_e(list(paths))
        goal = self._goal.extend(predicted, sd)
        # `mean_of_e` halves them.
        return mean_of_e([goal + math.log(2 * GOAL_WEIGHT), paths[0] + math.log(2 * (1 - GOAL_WEIGHT))])

    def _predict(self, second: npt.NDArray[np.bool_], outcome: Floats, weights: Floats) -> _Predicted:
        """Return what the past says before each session, and carry the sums on."""
        # A session that only one arm could get says nothing of the difference. It is counted, and no bet is placed.
        possible = (weights[:, 0] > 0) & (weights[:, 1] > 0)
        p_0, p_1 = np.where(possible, weights[:, 0], 0.5), np.where(possible, weights[:, 1], 0.5)
        of = (~second, second)
        n = [sums_before(mine * 1.0, start) for mine, start in zip(of, self.n, strict=True)]
        s = [sums_before(mine * outcome, start) for mine, start in zip(of, self._s, strict=True)]
        total = n[0][:-1] + n[1][:-1]
        common = (s[0][:-1] + s[1][:-1] + 0.25) / (total + 0.5)
        means = [(s[i][:-1] + CENTRE_PRIOR * common) / (n[i][:-1] + CENTRE_PRIOR) for i in (0, 1)]
        centre = p_1 * means[0] + p_0 * means[1]
        squares = (outcome - centre) ** 2
        q = [sums_before(mine * squares, start) for mine, start in zip(of, self._q, strict=True)]
        # Begins at the largest variance there is, so that the first bets are small ones.
        spread = (q[0][:-1] + q[1][:-1] + 0.25) / (total + 1)
        spreads = [(q[i][:-1] + SPREAD_PRIOR * spread) / (n[i][:-1] + SPREAD_PRIOR) for i in (0, 1)]
        self.n, self._s, self._q = ([float(each[-1]) for each in sums] for sums in (n, s, q))
        variance = spreads[0] / p_0 + spreads[1] / p_1
        return _Predicted(outcome, second, (p_0, p_1), possible, total, means[0] - means[1], centre, variance)

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the interval for the mean of the first minus that of the second, valid at every look.

        It inverts bets of its own, whose sums hold every hypothesis at once (see `IntervalSums`): with a horizon it may
        still hold 0 when the evidence, which bets with more skill, has refuted it.

        Args:
            alpha: Error probability, over all looks together.
        """
        low, high = self._interval.limits(alpha, (0.3, 0.7) if self._horizon else None)
        width = self._high - self._low
        return low * width, high * width

    def state(self) -> dict[str, Any]:
        """Return all that is carried, as plain numbers and lists."""
        return {
            "bounds": [self._low, self._high],
            "expected_sessions": self._horizon,
            "target": self._target,
            "n": list(self.n),
            "s": list(self._s),
            "q": list(self._q),
            "log_e": [list(logs) for logs in self._log_e],
            "goal": self._goal and self._goal.state(),
            "interval": self._interval.state(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "BoundedPairBets":
        """Return bets that go on where `state` was taken."""
        made = cls((state["bounds"][0], state["bounds"][1]), state["expected_sessions"], state["target"])
        made.n, made._s, made._q = list(state["n"]), list(state["s"]), list(state["q"])
        made._log_e = [list(logs) for logs in state["log_e"]]
        if made._goal:
            made._goal.take(state["goal"])
        made._interval.take(state["interval"])
        return made


# With a horizon the best steady bet finds an effect in 62 of 100 tests where one look at the end would find it in 80. A
# bet that knows the deadline does better: the boundary that Brownian motion crosses before the horizon with probability
# alpha is itself a fair game, of stake P(it will be crossed | what was seen) / alpha. To play that game, bet at each
# session what the stake would change by: with P = 2 Phi(-u) and a share r of the sessions left, the hazard of the
# normal at u over sqrt(r), in standard deviations of the horizon's sum. P is read off the stake itself. So an outcome
# that isn't normal, or a variance that was misjudged, costs some power and never the promise.
class Goal:
    """Bets, in both directions, towards reaching a target by a number of sessions."""

    def __init__(self, horizon: float, target: float) -> None:
        self._horizon, self._log_target = horizon, math.log(target / GOAL_WEIGHT)
        self._block = 1 if horizon <= SINGLY else int(horizon) // REFRESHED
        self._log_e, self._rates = [0.0, 0.0], [0.0, 0.0]
        self._reached = [False, False]

    def extend(self, predicted: _Predicted, sd: Floats) -> Floats:
        """Return log E of both directions after each session, shape (2, T)."""
        before = predicted.before
        paths = np.empty((2, len(sd)))
        at, late = 0, int(np.searchsorted(before, self._horizon))
        if self._block == 1 and late:
            paths[:, :late] = self._play_singly(predicted.part(0, late), sd[:late])
            at = late
        while at < late:
            # Blocks begin at fixed sessions, however they arrive: chunks must give the same floats.
            within = int(before[at]) % self._block
            if not within:
                self._rates = [self._rate(direction, before[at]) for direction in (0, 1)]
            stop = min(late, at + self._block - within)
            self._play(predicted.part(at, stop), [rate / sd[at:stop] for rate in self._rates], paths[:, at:stop])
            at = stop
        if late < len(sd):
            steady = 2.0 / np.sqrt(before[late:]) / sd[late:]
            self._play(predicted.part(late, len(sd)), [steady, steady], paths[:, late:])
        return paths

    def _rate(self, direction: int, before: float) -> float:
        """Return the bet on a direction in standard deviations of a session's score."""
        if self._reached[direction]:
            return 2.0 / math.sqrt(self._horizon)
        log_p = self._log_e[direction] - self._log_target
        # A stake of e^-600 has lost; that no bet risks more than it may is seen to later.
        p = math.exp(max(-600.0, min(0.0, log_p)))
        u = -_NORMAL.inv_cdf(p / 2)
        hazard = math.sqrt(2 / math.pi) * math.exp(-u * u / 2) / p
        return hazard / math.sqrt(self._horizon - before)

    def _play(self, predicted: _Predicted, wanted: Sequence[Floats], paths: Floats) -> None:
        for direction in (0, 1):
            path = _carried(self._log_e[direction], _log_bets(wanted[direction], direction, predicted))
            paths[direction] = path
            self._log_e[direction] = float(path[-1])
            if path.max() >= self._log_target:
                self._reached[direction] = True

    def _play_singly(self, predicted: _Predicted, sd: Floats) -> Floats:
        """Set the bets anew at every session: with plain numbers, a tenth of the time of arrays of one."""
        log_e, inputs = [], predicted.plain()
        for before, spread, session in zip(predicted.before.tolist(), sd.tolist(), inputs, strict=True):
            for direction in (0, 1):
                self._log_e[direction] += _log_bet(self._rate(direction, before) / spread, direction, *session)
                if self._log_e[direction] >= self._log_target:
                    self._reached[direction] = True
            log_e.append(tuple(self._log_e))
        return np.array(log_e).T

    def state(self) -> dict[str, Any]:
        """Return all that is carried, as plain numbers and lists."""
        return {"log_e": list(self._log_e), "rates": list(self._rates), "reached": list(self._reached)}

    def take(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._log_e, self._rates = list(state["log_e"]), list(state["rates"])
        self._reached = list(state["reached"])


def _log_bets(wanted: Floats, direction: int, predicted: _Predicted) -> Floats:
    """Return log(1 + lambda X) of each session, for bets that some direction has the greater mean.

    Args:
        wanted: Lambda, if outcomes had no bounds, above 0, shape (T,).
        direction: 0 if the first arm is bet on, 1 if the second is.
        predicted: The sessions.
    """
    better, other = predicted.p[direction], predicted.p[1 - direction]
    centre, variance = predicted.centre, predicted.variance
    # What the stake can lose most: lambda c / p of the arm bet on, at outcome 0; lambda (1 - c) / p of the other, at 1.
    # Where that is too much, as it is soon for an arm of few sessions, moving c allows a larger lambda, at the price of a
    # larger variance. What is gained, lambda (wanted V) - lambda^2 (V + (moved)^2 / (p_a p_b)) / 2, is largest at:
    weight = 1 / (better * other)
    lam = wanted
    for room, most in ((centre, (1 - KEPT) * better), (1 - centre, (1 - KEPT) * other)):
        moved = (wanted * variance + room * most * weight) / (variance + room * room * weight)
        lam = np.minimum(lam, np.where(wanted * room > most, moved, wanted))
    lam = np.minimum(lam, 1 - KEPT)
    centre = np.minimum(np.maximum(centre, 1 - (1 - KEPT) * other / lam), (1 - KEPT) * better / lam)
    of_better = predicted.second if direction else ~predicted.second
    score = (predicted.outcome - centre) / np.where(of_better, better, -other)
    bets: Floats = np.log(1 + np.where(predicted.possible, lam * score, 0.0))
    return bets


def _log_bet(
    lam: float,
    direction: int,
    outcome: float,
    second: bool,
    p_0: float,
    p_1: float,
    possible: bool,
    centre: float,
    variance: float,
) -> float:
    """Return what `_log_bets` does, of one session."""
    if not possible:
        return 0.0
    better, other = (p_1, p_0) if direction else (p_0, p_1)
    most_better, most_other = (1 - KEPT) * better, (1 - KEPT) * other
    wanted = lam
    for room, most in ((centre, most_better), (1 - centre, most_other)):
        if wanted * room > most:
            weight = room / (better * other)
            lam = min(lam, (wanted * variance + most * weight) / (variance + room * weight))
    lam = min(lam, 1 - KEPT)
    centre = min(max(centre, 1 - most_other / lam), most_better / lam)
    return math.log(1 + lam * (outcome - centre) / (better if second == bool(direction) else -other))


def _carried(start: Any, steps: Floats) -> Floats:
    """Return the running sum of steps from a start."""
    # Carried on by adding to the first step, so that chunks and single sessions give the same floats.
    steps[0] += start
    return np.cumsum(steps)


# To invert the bets above, every difference d would need a stake of its own. Where 1 + lambda (X - d) is replaced by
# the smaller exp(lambda (X - d) - psi (X - guess)^2), the logarithm is linear in d, and three sums hold all stakes at
# once. With B the most that X can fall short of the guess, and lambda B = m < 1, psi is (-log(1 - m) - m) / B^2.
class IntervalSums:
    """The sums from which an interval for the difference of means follows: an empirical-Bernstein confidence sequence.

    Args:
        scales: Sessions at which each of the averaged bets makes the interval narrowest.
    """

    def __init__(self, scales: tuple[float, ...]) -> None:
        self._scales = scales
        # Of each scale, for the lower limit and the upper one: sums of lambda, lambda X, and psi (X - guess)^2.
        self._sums = [[[0.0, 0.0, 0.0] for _ in scales] for _ in (0, 1)]

    def add(self, predicted: _Predicted) -> None:
        """Take sessions in order."""
        p_0, p_1 = predicted.p
        score = (predicted.outcome - predicted.centre) / np.where(predicted.second, -p_1, p_0)
        sd, squares = np.sqrt(predicted.variance), (score - predicted.lead) ** 2
        lowest = np.maximum(predicted.centre / p_0, (1 - predicted.centre) / p_1)
        highest = np.maximum((1 - predicted.centre) / p_0, predicted.centre / p_1)
        for side, short in enumerate((lowest + predicted.lead, highest - predicted.lead)):
            # A guess beyond what X can be leaves nothing to fall short of; a larger B holds as well.
            most = np.maximum(short, 0.5)
            for scale, sums in zip(self._scales, self._sums[side], strict=True):
                lam = np.minimum(math.sqrt(2 * math.log(TARGET) / scale) / sd, LARGEST_RISK / most)
                lam = np.where(predicted.possible, lam, 0.0)
                risk = lam * most
                psi = (-np.log1p(-risk) - risk) / most**2
                for at, steps in enumerate((lam * 1.0, lam * score, psi * squares)):
                    sums[at] = float(_carried(sums[at], steps)[-1])

    def limits(self, alpha: float, shares: tuple[float, ...] | None) -> tuple[float, float]:
        """Return the interval in units of the bounds, from -1 to 1.

        Args:
            alpha: Error probability.
            shares: Weights of the scales, or None for equal ones.
        """
        log_shares = np.log(np.array(shares or [1 / len(self._scales)] * len(self._scales)))
        ends = []
        for side, sign in enumerate((1.0, -1.0)):
            sums = np.array(self._sums[side])
            fixed = log_shares + sign * sums[:, 1] - sums[:, 2]

            def ruled_out(d: float, fixed: Floats = fixed, slopes: Floats = sign * sums[:, 0]) -> bool:
                return bool(np.logaddexp.reduce(fixed - d * slopes) >= math.log(2 / alpha))

            # Evidence for "above d" falls as d grows: what is ruled out lies together at the end.
            out, kept = -sign, sign
            if not ruled_out(out):
                kept = out
            for _ in range(60 if kept != out else 0):  # halves the rest, down to the precision of a float
                middle = (out + kept) / 2
                out, kept = (middle, kept) if ruled_out(middle) else (out, middle)
            ends.append(kept)
        return ends[0], ends[1]

    def state(self) -> list[list[list[float]]]:
        """Return all that is carried, as plain lists."""
        return [[list(sums) for sums in side] for side in self._sums]

    def take(self, state: list[list[list[float]]]) -> None:
        """Go on where `state` was taken."""
        self._sums = [[list(sums) for sums in side] for side in state]
