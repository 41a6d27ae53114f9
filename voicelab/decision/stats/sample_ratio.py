"""Sample-ratio mismatch: do the variants get the shares of sessions that their weights promise?

The sequential check may be looked at after every session. Source: Lindon & Malek 2022, "Anytime-valid inference for
multinomial count data": E_t is the product of ((kappa w_a + n_a) / (kappa + t - 1)) / w_a over the arms drawn.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.eprocess import sums_before

Floats = npt.NDArray[np.float64]

KAPPA = 100.0
ALARM = 1000.0
"""The e-value at which the shares can't be trusted: one false alarm in a thousand tests, however often one looks."""
_LOG_ALARM = float(np.log(ALARM))
_MANY = 25
"""Sessions that each arm is to get from which Pearson's p-value holds far out: of fewer, chance is too skewed."""
FIRST_SHOWN = 20
"""Sessions before which no alarm is raised."""


class Alarm(NamedTuple):
    """What the check saw when it first raised the alarm.

    Attributes:
        counts: Sessions of each arm by then, shape (k,).
        promised: Sessions that each arm was to get by then, the same shape.
    """

    counts: Floats
    promised: Floats

    @property
    def worst(self) -> int:
        """The arm whose share of the sessions was farthest from what it was promised."""
        return int(np.argmax(np.abs(self.counts - self.promised)))


# Were the arms drawn with the configured weights w, each session's factor (what the counts so far predict for its arm,
# over w) would have the expectation sum over arms of w * predicted / w = 1: a fair game, so that E exceeds 1000 with
# probability 1/1000 at most, ever (Ville's inequality). The prediction begins at w and follows the counts as they grow;
# KAPPA is the number of sessions that the weights count for in it. A large one is slow to follow, and so catches small
# shifts; a small one catches large shifts at once, and bets against chance for a while first.
class SampleRatio:
    """The sequential check, carried from session to session.

    Args:
        weights: Configured weights of the arms, shape (k,), summing to 1. A session of an arm of weight 0, which is
            switched off, contradicts them for certain.

    Attributes:
        counts: Sessions of each arm, shape (k,).
        peak: The largest logarithm of E so far; after `end_at_one_look` that of 1 / p.
        first_alarm: What was seen when the alarm was first raised; None before.
    """

    def __init__(self, weights: Floats) -> None:
        self._weights = np.asarray(weights, dtype=np.float64)
        self.counts = np.zeros(len(self._weights))
        # Sessions that each arm was to get until these weights, and how many there were under them.
        self._promised = np.zeros(len(self._weights))
        self._since = 0
        self._log_e = 0.0
        self.peak = 0.0
        self.first_alarm: Alarm | None = None

    def new_epoch(self, weights: Floats) -> None:
        """Bet against other weights from now on."""
        self._settle()
        self._weights = np.asarray(weights, dtype=np.float64)

    def _settle(self) -> None:
        self._promised = self._promised + self._since * self._weights
        self._since = 0

    def extend(self, arms: npt.NDArray[np.int64], probabilities: Floats | None = None) -> Floats:
        """Take sessions in order and return log E after each.

        Args:
            arms: The arm of each session, shape (T,).
            probabilities: Of each session, what the arms' probabilities were, known before its draw, shape (T, k); None
                where they are the configured weights.
        """
        t = self.counts.sum() + np.arange(len(arms))
        before, promised, since = self.counts, self._promised, self._since
        steps = self._steps(arms, t) if probabilities is None else self._steps_by_session(arms, probabilities)
        # Carried on by adding to the first step, so that chunks and single sessions give the same floats.
        if len(steps):
            steps[0] += self._log_e
        log_e = np.cumsum(steps)
        self.counts = self.counts + np.bincount(arms, minlength=len(self._weights))
        if len(log_e):
            self._log_e = float(log_e[-1])
            # E of the first sessions is no evidence yet, and would be the peak for ever.
            shown = log_e[t + 1 >= FIRST_SHOWN]
            self.peak = max(self.peak, float(shown.max(initial=-np.inf)))
            if self.first_alarm is None and self.alarm:
                at = int(np.argmax((t + 1 >= FIRST_SHOWN) & (log_e >= _LOG_ALARM))) + 1
                drawn = np.bincount(arms[:at], minlength=len(self._weights))
                # As one session after the other would have it, to the last digit.
                if probabilities is None:
                    promised = promised + (since + at) * self._weights
                else:
                    promised = sums_before(np.asarray(probabilities)[:at], promised + since * self._weights)[-1]
                self.first_alarm = Alarm(before + drawn, promised)
        return log_e

    def _note_alarm(self) -> None:
        if self.first_alarm is None and self.alarm:
            self.first_alarm = Alarm(self.counts.copy(), self.promised)

    def _steps(self, arms: npt.NDArray[np.int64], t: Floats) -> Floats:
        k = len(self._weights)
        drawn = np.bincount(arms, minlength=k)
        # Of each session, how many its arm had before: without a loop over the sessions.
        before = np.empty(len(arms))
        for arm in np.flatnonzero(drawn):
            before[arms == arm] = np.arange(drawn[arm]) + self.counts[arm]
        on = self._weights[arms] > 0
        w = np.where(on, self._weights[arms], 1.0)
        steps = np.log(KAPPA * w + before) - np.log(KAPPA + t)
        steps -= np.log(w)
        steps[~on] = np.inf
        self._since += len(arms)
        return steps

    # With probabilities of each session's own, an arm's share is measured by what it was promised: (kappa w + n) / (kappa w
    # + sum of its past probabilities), which is (kappa w + n) / (kappa + t) / w where they never change. The prediction
    # is w times that, made to sum to 1, so that the factor, prediction over w, is a fair bet all the same.
    def _steps_by_session(self, arms: npt.NDArray[np.int64], probabilities: Floats) -> Floats:
        self._settle()
        w, rows = np.asarray(probabilities, dtype=np.float64), np.arange(len(arms))
        drawn = np.zeros(w.shape)
        drawn[rows, arms] = 1.0
        n = sums_before(drawn, self.counts)
        promised = sums_before(w, self._promised)
        self._promised = promised[-1]
        # Of an arm that has been off so far and is still, anything: it is predicted with probability 0.
        started = w + promised[:-1] > 0
        got = (KAPPA * w + n[:-1]) / np.where(started, KAPPA * w + promised[:-1], 1.0)
        # Added one arm after the other, as `sum` would for few but not for many.
        total = np.zeros(len(arms))
        for arm in range(w.shape[1]):
            total += w[:, arm] * got[:, arm]
        own = got[rows, arms]
        on = w[rows, arms] > 0
        steps = np.log(np.where(on, own, 1.0)) - np.log(np.where(total > 0, total, 1.0))
        steps[~on] = np.inf
        return steps

    def add(self, arm: int) -> None:
        """Add one session; the same floats as `extend`, at a tenth of its cost."""
        counts = self.counts.tolist()
        w, t = float(self._weights[arm]), sum(counts)
        if w:
            # One call for all three: numpy's logarithm, whose last digit need not be that of `math`.
            logs = np.log((KAPPA * w + counts[arm], KAPPA + t, w)).tolist()
            self._log_e = (logs[0] - logs[1] - logs[2]) + self._log_e
        else:
            self._log_e = np.inf
        self.counts[arm] += 1
        self._since += 1
        if t + 1 >= FIRST_SHOWN:
            self.peak = max(self.peak, self._log_e)
            self._note_alarm()

    def look(self, counts: Floats) -> None:
        """Take many sessions in whatever order, for one look at their end: E depends on counts alone.

        Args:
            counts: Sessions of each arm since the last look, or since the present weights began, shape (k,).
        """
        from scipy.special import gammaln

        # A product of (kappa w + n) (kappa w + n + 1) ... is a quotient of gamma functions: the order of the sessions
        # cancels out, within an epoch of weights.
        drawn = np.asarray(counts, dtype=np.float64)
        before, t = self.counts, float(self.counts.sum())
        self.counts = before + drawn
        more = float(drawn.sum())
        self._since += int(more)
        on = self._weights > 0
        w, n = KAPPA * self._weights[on], before[on]
        arms = gammaln(w + n + drawn[on]) - gammaln(w + n) - drawn[on] * np.log(self._weights[on])
        self._log_e += float(arms.sum() - (gammaln(KAPPA + t + more) - gammaln(KAPPA + t)))
        if drawn[~on].any():
            self._log_e = np.inf
        if t + more >= FIRST_SHOWN:
            self.peak = max(self.peak, self._log_e)
            self._note_alarm()

    # Of rows in groups there is one look by construction, and a bet that had to be ready for others would pay for looks
    # that nobody takes: of 200 sessions it lets 133 : 67 pass under equal weights. Where there were looks before, each of
    # the two tests gets half of the error.
    def end_at_one_look(self, looks: int) -> None:
        """Judge all sessions by the fixed-sample test too, since nothing comes after them: its level is 1 / ALARM.

        Args:
            looks: How many looks there were, this last one among them; of a single one the fixed-sample test alone decides.
        """
        if self.counts.sum() < FIRST_SHOWN:
            return
        p_value = one_look_p_value(self.counts, self.promised)
        evidence = -float(np.log(p_value)) if p_value > 0 else np.inf
        self.peak = evidence if looks == 1 else max(self.peak, evidence) - float(np.log(2))
        if not self.alarm:
            self.first_alarm = None
        self._note_alarm()

    @property
    def promised(self) -> Floats:
        """Sessions that each arm was to get, by the weights of each session's own epoch, shape (k,)."""
        promised: Floats = self._promised + self._since * self._weights
        return promised

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {
            "weights": self._weights.tolist(),
            "counts": self.counts.tolist(),
            "promised": self._promised.tolist(),
            "since": self._since,
            "log_e": _written(self._log_e),
            "peak": _written(self.peak),
            "first_alarm": None if self.first_alarm is None else [part.tolist() for part in self.first_alarm],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""
        parts = (np.array(state[name], dtype=np.float64) for name in ("weights", "counts", "promised"))
        self._weights, self.counts, self._promised = parts
        self._since = state["since"]
        self._log_e, self.peak = (np.inf if state[name] is None else state[name] for name in ("log_e", "peak"))
        first = state.get("first_alarm")
        self.first_alarm = None if first is None else Alarm(*(np.array(part, dtype=np.float64) for part in first))

    @property
    def p_value(self) -> float:
        """The p-value that is valid at every look: 1 / the largest E so far, at most 1."""
        return float(min(1.0, np.exp(-self.peak)))

    @property
    def alarm(self) -> bool:
        """Whether the shares can't be trusted."""
        return bool(self.peak >= _LOG_ALARM)

    @property
    def doubtful(self) -> bool:
        """Whether no alarm is raised, and one look would raise it: then nobody should say that the shares agree."""
        return not self.alarm and bool(self.counts.sum()) and fixed_p_value(self.counts, self.promised) < 1 / ALARM


class UncheckedRatio(SampleRatio):
    """Sessions of arms whose weights nobody knows: counted, and checked against nothing."""

    @property
    def p_value(self) -> float:
        """NaN: there is nothing to check."""
        return float("nan")

    @property
    def alarm(self) -> bool:
        """False: there is nothing to check."""
        return False

    @property
    def doubtful(self) -> bool:
        """False: there is nothing to check."""
        return False


def _written(log_e: float) -> float | None:
    """Return a number that JSON has: no infinity."""
    return float(log_e) if np.isfinite(log_e) else None


def one_look_p_value(counts: Floats, weights: Floats) -> float:
    """Return the p-value of counts against weights, for one look, that holds however few sessions an arm is to get.

    Exact for two arms. For more Pearson's where every arm is to get many sessions; else the least of each arm's own exact
    test against all others, times their number.
    """
    from scipy.stats import binomtest

    counts, weights = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    on, n = weights > 0, int(counts.sum())
    expected = weights / weights.sum() * n
    if counts[~on].any() or on.sum() < 2 or (on.sum() > 2 and expected[on].min() >= _MANY):  # noqa: PLR2004 - a pair
        return fixed_p_value(counts, weights)
    shares = weights[on] / weights.sum()
    own = [binomtest(int(count), n, float(share)).pvalue for count, share in zip(counts[on], shares, strict=True)]
    return float(own[0] if len(own) == 2 else min(1.0, len(own) * min(own)))  # noqa: PLR2004 - a pair has one test


def fixed_p_value(counts: Floats, weights: Floats) -> float:
    """Return the p-value of Pearson's chi-square test of counts against weights, for one look."""
    from scipy.stats import chisquare

    counts, weights = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    on = weights > 0
    if counts[~on].any():
        return 0.0
    if counts.sum() == 0 or on.sum() == 1:
        return 1.0
    return float(chisquare(counts[on], weights[on] / weights.sum() * counts.sum()).pvalue)
