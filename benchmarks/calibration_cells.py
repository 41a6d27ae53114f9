"""The cells of `calibration`: settings in which a rule's promise is tried, each without and with a difference."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from calibration_draws import (
    Draw,
    best_of,
    betas,
    lognormal,
    missing,
    mostly_zero,
    negative_binomial,
    normal,
    normal_of_callers,
    poisson,
    rates,
    rates_of_callers,
    rounded_up,
    satisfaction,
    steady_or_rare,
    talk_over,
    two_bumps,
    with_quantiles,
    word_errors,
)

from voicelab.decision.rules import StopRule

EVEN, SEVEN, NINE, FEW = (0.5, 0.5), (0.7, 0.3), (0.9, 0.1), (0.95, 0.05)
THIRDS, FOURTHS = (0.33, 0.33, 0.34), (0.25,) * 4
DESCENDING = (0.4, 0.3, 0.2, 0.1)
TWICE = ((0.0, EVEN), (1 / 3, (0.1, 0.9)), (2 / 3, SEVEN))
"""Weights that change twice: the share of sessions from which they hold."""
FEW_HITS = 5.0
"""Expected hits (or failures) in an arm below which an estimate of rates is not required to be median-unbiased."""


@dataclass(frozen=True)
class Cell:
    """One setting.

    Attributes:
        name: What it is, in a line.
        group: Its heading in the report.
        null: Sessions of which nothing is to be found.
        effect: Sessions whose best variant is to be found; the same as `null` where there is both to be right and wrong; None for a cell without a floor of power.
        weights: Weights of the variants.
        m: Sessions.
        kind: Kind of the outcome.
        confidence: The rule's `max_confidence`.
        horizon: Whether `m` is declared; else the test is only observed for so long.
        bound: False stops at most, in percent; by default what the confidence leaves.
        epochs: Shares of the sessions from which other weights hold.
        calls: Calls of each caller.
        claims: What counts as a stop: `winner` (as the criterion has it), `harm` (a guardrail's), `pair` (a confidence
            shown for some pair), `named missing` or `shares` (that they are not those of the weights).
        exact: Whether no doubt may be said: rates, and means within bounds.
        strict: Whether the bound holds for stops that carry a doubt as well.
        known: Percent of tests that statistics.md says to find the effect; None if it doesn't say.
        reached: Percent of tests that find it where nine tenths of one look's are not reached; it must not become less.
        more: Further arguments of the stop rule.
        limits: Further arguments of the monitor: `bounds` or `cap`.
    """

    name: str
    group: str
    null: Draw
    effect: Draw | None
    weights: tuple[float, ...]
    m: int
    kind: Any = "binary"
    confidence: float = 95.0
    horizon: bool = True
    bound: float | None = None
    epochs: tuple[tuple[float, tuple[float, ...]], ...] = ()
    calls: int = 1
    claims: str = "winner"
    exact: bool = False
    strict: bool = False
    known: float | None = None
    reached: float | None = None
    more: tuple[tuple[str, Any], ...] = ()
    limits: tuple[tuple[str, Any], ...] = ()

    @property
    def alpha(self) -> float:
        """What the confidence leaves to error."""
        return 1 - self.confidence / 100

    @property
    def bound_percent(self) -> float:
        """The bound of its false stops."""
        return 100 - self.confidence if self.bound is None else self.bound

    @property
    def rule(self) -> StopRule:
        """Its stop rule."""
        open_end = self.claims == "harm"
        return StopRule(
            max_iterations=self.m if self.horizon and not open_end else None,
            max_confidence=None if open_end else self.confidence,
            default="v0",
            **dict(self.more),
        )

    def has_median(self, draw: Draw) -> bool:
        """Return whether an estimate can have the truth as its median: not one of rates where an arm has but a few hits.

        Most tests there see no hit, or one, in that arm: estimates take few values, and none of them is the truth.
        """
        hits = min(self.m * w * min(p, 1 - p) for w, p in zip(self.weights, draw.means, strict=True))
        return self.kind != "binary" or hits >= FEW_HITS

    @property
    def names(self) -> list[str]:
        """Its variants."""
        return [f"v{arm}" for arm in range(len(self.weights))]


def percent(*weights: float) -> str:
    """Return weights in words."""
    return "/".join(f"{100 * weight:.0f}" for weight in weights)


def _rate(p, to, weights, m, confidence=95.0, known=None, group="Rates") -> Cell:
    # Where not even one hit is expected in the smaller arm, a test says something by the first hit or not at all: a
    # discrete chance that no boundary meets exactly.
    few = m * min(weights) * min(p, 1 - p) < 1 and confidence == 95.0
    return Cell(
        f"rate {p:g} (to {to:g}), {percent(*weights)}, M = {m:,}" + ("" if confidence == 95.0 else f", {confidence:g} %"),
        group, rates(p, p), best_of(rates(p, to)), weights, m, confidence=confidence, exact=True, known=known,
        bound=5.5 if few else None,
    )  # fmt: skip


def _rates() -> Iterator[Cell]:
    yield _rate(0.01, 0.40, FEW, 300)
    yield _rate(0.01, 0.12, FEW, 1_000)
    yield _rate(0.01, 0.05, EVEN, 1_000)
    yield _rate(0.02, 0.40, FEW, 300)
    yield _rate(0.02, 0.60, FEW, 300, 99.0)
    yield _rate(0.02, 0.20, FEW, 1_000, 99.0)
    yield _rate(0.02, 0.10, FEW, 2_000)
    yield _rate(0.02, 0.20, NINE, 300)
    yield _rate(0.02, 0.12, SEVEN, 300)
    yield _rate(0.02, 0.12, EVEN, 300, 99.0)
    yield _rate(0.05, 0.40, FEW, 300)
    yield _rate(0.05, 0.15, NINE, 1_000)
    yield _rate(0.05, 0.07, EVEN, 1_000, known=23.0)
    yield _rate(0.15, 0.30, SEVEN, 300)
    yield _rate(0.15, 0.35, SEVEN, 300, 99.0)
    yield _rate(0.15, 0.55, FEW, 300)
    yield _rate(0.15, 0.28, FEW, 2_000)
    yield _rate(0.30, 0.36, EVEN, 500, known=27.0)
    yield _rate(0.30, 0.36, EVEN, 1_000, known=47.0)
    yield _rate(0.30, 0.36, EVEN, 1_926, known=77.0)
    yield _rate(0.30, 0.40, EVEN, 712, known=74.0)
    yield _rate(0.30, 0.34, NINE, 10_000)
    yield _rate(0.50, 0.70, NINE, 300)
    yield _rate(0.50, 0.62, EVEN, 500)
    yield _rate(0.70, 0.82, SEVEN, 300, 99.0)
    yield _rate(0.85, 0.45, FEW, 300)
    yield _rate(0.85, 0.92, SEVEN, 1_000)
    yield _rate(0.98, 0.60, FEW, 300)
    yield _rate(0.98, 0.94, SEVEN, 2_000, 99.0)
    yield _rate(0.98, 0.94, EVEN, 1_000)
    yield Cell(
        f"rate .15 that rises to .85 (lift .2), {percent(*FEW)}, M = 1,000",
        "Rates", rates(0.15, 0.15, drift=0.7), best_of(rates(0.05, 0.28, drift=0.7)), FEW, 1_000, exact=True,
    )  # fmt: skip


def _several() -> Iterator[Cell]:
    group = "Several variants"

    def cell(name, null, effect, weights, m, criterion="best", kind="binary", **more):
        name = f"{name}, {percent(*weights)}, {criterion}, M = {m:,}"
        exact = kind == "binary"
        return Cell(
            name,
            group,
            null,
            best_of(effect),
            weights,
            m,
            kind=kind,
            exact=exact,
            more=(("criterion", criterion),),
            **more,
        )

    tied, better = rates(0.3, 0.3, 0.3), rates(0.3, 0.3, 0.4)
    yield cell("three tied at .30 (one at .40)", tied, better, THIRDS, 500, bound=3.0, known=25.5)
    yield cell("three tied at .30 (one at .40)", tied, better, THIRDS, 1_000, bound=3.0, known=57.6)
    yield cell("three tied at .30 (one at .40)", tied, better, THIRDS, 3_000, bound=3.0, known=99.1)
    yield cell("two best of three tied at .40", rates(0.3, 0.4, 0.4), rates(0.3, 0.4, 0.6), THIRDS, 500)
    yield cell("three tied (one at .45)", tied, rates(0.3, 0.3, 0.45), THIRDS, 500, "vs_default")
    yield cell("three tied (one at .45)", tied, rates(0.3, 0.3, 0.45), THIRDS, 500, "any_difference")
    four = rates(0.15, 0.15, 0.15, 0.15)
    yield cell("four tied at .15 (one at .50)", four, rates(0.15, 0.15, 0.15, 0.5), DESCENDING, 300)
    yield cell("two best of four tied at .45, the rest at .05", rates(0.05, 0.05, 0.45, 0.45), rates(0.05, 0.05, 0.25, 0.7),
               FOURTHS, 300)  # fmt: skip
    yield cell("four tied at .15 (one at .50)", four, rates(0.15, 0.15, 0.15, 0.5), DESCENDING, 300, "vs_default")
    counts = poisson(0.3, 0.3, 0.3, 0.3)
    yield cell("four tied, counts of mean .3 (one .8)", counts, poisson(0.3, 0.3, 0.3, 0.8), FOURTHS, 300, "any_difference",
               "count")  # fmt: skip
    yield cell("six tied at .15 (one at .55)", rates(*[0.15] * 6), rates(*[0.15] * 5, 0.55), (1 / 6,) * 6, 300)
    eight = rates(*[0.3] * 7, 0.02)
    yield Cell(
        "eight: seven at .30, one at .02; an equal pair shown as different, M = 400",
        group, eight, eight, (1 / 8,) * 8, 400, claims="pair", exact=True, reached=65.0,
    )  # fmt: skip


def _margins() -> Iterator[Cell]:
    group = "Margins"

    def cell(name, null, effect, margin, weights, m, kind="binary", **more):
        name = f"{name}, {percent(*weights)}, M = {m:,}"
        return Cell(
            name,
            group,
            null,
            best_of(effect),
            weights,
            m,
            kind=kind,
            exact=kind == "binary",
            more=(("margin", margin),),
            **more,
        )

    yield cell("margin .05, rates .15 and .20 (.35)", rates(0.15, 0.2), rates(0.15, 0.35), 0.05, SEVEN, 300)
    yield cell("margin .05, rates .15 and .20 (.65)", rates(0.15, 0.2), rates(0.15, 0.65), 0.05, FEW, 300)
    yield cell(
        "margin -.05, rates .20 and .15 (.25)", rates(0.2, 0.15, right=(0,)), rates(0.2, 0.25), -0.05, SEVEN, 1_000
    )
    yield cell("margin .2, normal means 0 and .2 (.7)", normal(0, 0.2), normal(0, 0.7), 0.2, SEVEN, 300, "float")
    yield cell("margin .05 without a horizon, rates .15 and .20 (.60)", rates(0.15, 0.2), rates(0.15, 0.6), 0.05, SEVEN, 1_000,
               horizon=False)  # fmt: skip


def _changed_weights() -> Iterator[Cell]:
    group = "Weights that change twice, .5/.5 to .1/.9 to .7/.3"

    def cell(name, null, effect, kind="binary", m=600, **more):
        more = {"exact": kind == "binary", "strict": True} | more
        return Cell(f"{name}, M = {m:,}", group, null, best_of(effect), EVEN, m, kind=kind, epochs=TWICE, **more)

    drifting, better = rates(0.15, 0.15, drift=0.35), rates(0.15, 0.35, drift=0.35)
    level, higher = normal(0, 0, drift=2.0), normal(0, 0.5, drift=2.0)
    yield cell("rate .15 that stays (.30)", rates(0.15, 0.15), rates(0.15, 0.3))
    yield cell("rate .15 that rises to .50 (lift .2)", drifting, better)
    yield cell("rate .15 that rises to .50 (lift .4)", drifting, rates(0.15, 0.55, drift=0.35), m=300)
    yield cell("normal, level +2 sd (.5)", level, higher, "float")
    yield cell("counts of mean .3 (.6)", poisson(0.3, 0.3), poisson(0.3, 0.6), "count")
    yield cell(
        "no horizon, rate .15 that rises to .50 (lift .3)", drifting, rates(0.15, 0.45, drift=0.35), horizon=False
    )
    yield cell("no horizon, normal, level +2 sd (1.2)", level, normal(0, 1.2, drift=2.0), "float", horizon=False)
    margin = (("margin", 0.01),)
    yield cell("no horizon, margin .01, rate .15 that rises to .50 (lift .4)", drifting, rates(0.15, 0.55, drift=0.35),
               horizon=False, more=margin)  # fmt: skip
    guard = {"horizon": False, "claims": "harm", "more": (("criterion", "vs_default"),)}
    yield cell("guardrail, rate .15 that rises to .50 (lift .3)", drifting, rates(0.15, 0.45, drift=0.35), **guard)
    yield cell("guardrail, normal, level +2 sd (1.2)", level, normal(0, 1.2, drift=2.0), "float", **guard)


def _bounded_means() -> Iterator[Cell]:
    group = "Means with bounds or a cap"

    def cell(name, null, effect, weights, m=300, bounds=(0.0, 1.0), **more):
        limits = more.pop("limits", (("bounds", bounds),))
        name = f"{name}, {percent(*weights)}, M = {m:,}"
        return Cell(name, group, null, best_of(effect), weights, m, kind="float", exact=True, limits=limits, **more)

    yield cell("marks 1 to 5", satisfaction(0, 0), satisfaction(0, 0.75), SEVEN, bounds=(1.0, 5.0))
    yield cell("beta of unlike shapes, mean .5 (.75)", betas(0.5, 0.5, strength=(10, 1)), betas(0.5, 0.75, strength=(10, 1)), NINE)  # fmt: skip
    yield cell("always .1 against 1 in 10 (.4)", steady_or_rare(0.1, 0.1), steady_or_rare(0.1, 0.4), EVEN)
    cap = (("cap", 5.0),)
    yield cell("lognormal, log-sd 1.5, cap 5 (mean times 10)", lognormal(1, 1, log_sd=(1.5, 1.5)),
               lognormal(1, 10, log_sd=(1.5, 1.5)), SEVEN, limits=cap)  # fmt: skip
    yield cell("no horizon, beta, mean .5 (.85)", betas(0.5, 0.5, strength=(2, 2)), betas(0.5, 0.85, strength=(2, 2)), SEVEN,
               m=500, horizon=False)  # fmt: skip


def _means() -> Iterator[Cell]:
    group = "Means"

    def cell(name, null, effect, weights, m=300, kind="float", group=group, **more):
        lowest = dict(more.get("more", ())).get("direction") == "minimize"
        effect = None if effect is None else best_of(effect, lowest=lowest)
        return Cell(f"{name}, {percent(*weights)}, M = {m:,}", group, null, effect, weights, m, kind=kind, **more)

    same = normal(0, 0)
    yield cell("normal (+.4)", same, normal(0, 0.4), SEVEN)
    yield cell("normal (+.6), 99 %", same, normal(0, 0.6), SEVEN, confidence=99.0)
    yield cell("normal (+.5)", same, normal(0, 0.5), FEW, 1_000)
    yield cell("normal, sd 1 and 4 (+4)", normal(0, 0, sd=(1, 4)), normal(0, 4, sd=(1, 4)), FEW, reached=76.0)
    yield cell("normal, sd 1 and 4 (+1.5)", normal(0, 0, sd=(1, 4)), normal(0, 1.5, sd=(1, 4)), SEVEN)
    yield cell("normal, sd 1 and 4 (+1.5)", normal(0, 0, sd=(1, 4)), normal(0, 1.5, sd=(1, 4)), FEW, 2_000)
    yield cell("counts of mean .3 (.55)", poisson(0.3, 0.3), poisson(0.3, 0.55), EVEN, kind="count")
    yield cell("counts of mean .3 (.45)", poisson(0.3, 0.3), poisson(0.3, 0.45), SEVEN, 1_000, kind="count")
    yield cell("counts of mean .3 (1.0)", poisson(0.3, 0.3), poisson(0.3, 1.0), FEW, kind="count")
    yield cell("skewed counts, mean 2, size .3 (3.5)", negative_binomial(2, 2, size=0.3), negative_binomial(2, 3.5, size=0.3), SEVEN,
               1_000, kind="count")  # fmt: skip
    yield cell(
        "lognormal, log-sd .6 (+30 %)", lognormal(1, 1, log_sd=(0.6, 0.6)), lognormal(1, 1.3, log_sd=(0.6, 0.6)), SEVEN
    )
    yield cell(
        "lognormal, log-sd .6 (+35 %)",
        lognormal(1, 1, log_sd=(0.6, 0.6)),
        lognormal(1, 1.35, log_sd=(0.6, 0.6)),
        FEW,
        2_000,
    )
    minimise = (("direction", "minimize"),)
    yield cell("lognormal, log-sd .6 (-20 %), minimize", lognormal(1, 1, log_sd=(0.6, 0.6)), lognormal(1, 0.8, log_sd=(0.6, 0.6)),
               EVEN, 500, more=minimise)  # fmt: skip
    yield cell("marks 1 to 5", satisfaction(0, 0), satisfaction(0, 0.45), SEVEN)
    yield cell("marks 1 to 5", satisfaction(0, 0), satisfaction(0, 0.5), FEW, 1_000, reached=65.0)
    unlike = "lognormal of equal means, log-sd {} and {}"
    for a, b, weights, m in (
        (0.3, 1.5, SEVEN, 300), (0.3, 1.5, FEW, 300), (1.5, 0.3, SEVEN, 300), (0.4, 0.8, SEVEN, 300), (0.6, 1.0, SEVEN, 300),
        (0.5, 1.0, EVEN, 1_000), (0.3, 1.5, SEVEN, 2_000),
    ):  # fmt: skip
        yield cell(unlike.format(a, b), lognormal(1, 1, log_sd=(a, b)), None, weights, m)
    yield cell("lognormal, log-sd 1.5", lognormal(1, 1, log_sd=(1.5, 1.5)), None, NINE, 1_000)
    yield cell("95 % zeros", mostly_zero(1, 1), None, NINE, 1_000)
    yield cell("skewed counts, mean .5, size .1", negative_binomial(0.5, 0.5, size=0.1), None, SEVEN, kind="count")
    yield cell("normal, level +2 sd", normal(0, 0, drift=2.0), None, SEVEN)
    yield cell("normal, level +5 sd", normal(0, 0, drift=5.0), None, SEVEN)


def _callers() -> Iterator[Cell]:
    group = f"Callers who call again and keep their variant, {percent(*SEVEN)}, 1,000 sessions"

    def cell(calls, draw, to, kind, **more):
        name = f"{'rates .3' if kind == 'binary' else 'normal means'} ({to:g}), {calls} calls a caller"
        name = name if more.get("horizon", True) else f"no horizon, {name}"
        base = 0.3 if kind == "binary" else 0.0
        return Cell(
            name, group, draw(base, base), best_of(draw(base, to)), SEVEN, 1_000, kind=kind, calls=calls, exact=kind == "binary",
            **more,
        )  # fmt: skip

    yield cell(2, rates_of_callers, 0.45, "binary")
    yield cell(5, rates_of_callers, 0.5, "binary")
    yield cell(2, normal_of_callers, 0.3, "float")
    yield cell(5, normal_of_callers, 0.4, "float")
    yield cell(5, rates_of_callers, 0.8, "binary", horizon=False)
    yield cell(5, normal_of_callers, 1.0, "float", horizon=False)


def _missing() -> Iterator[Cell]:
    group = f"Missing outcomes, rates, {percent(*SEVEN)}, M = 1,000"
    base, better = rates(0.15, 0.15), rates(0.15, 0.27)

    def cell(name, null, effect, **more):
        return Cell(name, group, null, effect, SEVEN, 1_000, exact=True, **more)

    alike, uneven = (0.15, 0.15), (0.05, 0.30)
    yield cell("15 % missing at random: false winners (.27)", missing(base, alike), missing(best_of(better), alike))
    yield cell(
        "5 and 30 % missing at random: false winners (.27)", missing(base, uneven), missing(best_of(better), uneven)
    )
    failures = missing(base, (0.0, 0.2), failures_only=True)
    # What is to be found is the missingness itself.
    yield cell("15 % missing at random (5 and 15 %): said to be uneven", missing(base, alike), missing(base, (0.05, 0.15)),
               claims="named missing", bound=1.0)  # fmt: skip
    yield cell(
        "20 % of one arm's failures missing: false winners without a word", failures, failures, claims="unnamed winner"
    )


def _no_horizon() -> Iterator[Cell]:
    group = "No horizon"

    def cell(name, null, effect, weights, m=1_000, kind="binary", **more):
        effect = None if effect is None else best_of(effect)
        name = f"{name}, {percent(*weights)}, {m:,} sessions"
        return Cell(name, group, null, effect, weights, m, kind=kind, horizon=False, exact=kind == "binary", **more)

    yield cell("rate .02 (.40)", rates(0.02, 0.02), rates(0.02, 0.4), FEW)
    yield cell("rate .15 (.35)", rates(0.15, 0.15), rates(0.15, 0.35), SEVEN)
    yield cell("rate .15 (.40), 99 %", rates(0.15, 0.15), rates(0.15, 0.4), SEVEN, confidence=99.0)
    yield cell("three tied at .30 (.60)", rates(0.3, 0.3, 0.3), rates(0.3, 0.3, 0.6), THIRDS, bound=3.0)
    yield cell(
        "shares said to be others than the weights'", rates(0.3, 0.3, 0.3), None, (0.2, 0.3, 0.5), claims="shares"
    )
    yield cell("normal (+1)", normal(0, 0), normal(0, 1), NINE, kind="float")
    yield cell("normal, sd 1 and 4 (+4)", normal(0, 0, sd=(1, 4)), normal(0, 4, sd=(1, 4)), NINE, kind="float")
    yield cell("counts of mean .3 (.8)", poisson(0.3, 0.3), poisson(0.3, 0.8), SEVEN, kind="count")
    yield cell("lognormal, log-sd .6 (+60 %)", lognormal(1, 1, log_sd=(0.6, 0.6)), lognormal(1, 1.6, log_sd=(0.6, 0.6)), SEVEN,
               kind="float")  # fmt: skip
    for a, b, weights in ((0.3, 1.5, FEW), (1.5, 0.3, SEVEN)):
        yield cell(
            f"lognormal of equal means, log-sd {a} and {b}", lognormal(1, 1, log_sd=(a, b)), None, weights, kind="float"
        )


def _ratios() -> Iterator[Cell]:
    group = "Ratios"

    def cell(name, null, effect, weights, m=1_000, **more):
        name = f"{name}, {percent(*weights)}, {'M =' if more.get('horizon', True) else 'no horizon,'} {m:,}"
        return Cell(name, group, null, best_of(effect), weights, m, kind="ratio", **more)

    words = word_errors(0.1, 0.1)
    yield cell("word errors over words .10 (.125)", words, word_errors(0.1, 0.125), EVEN)
    yield cell("word errors over words .10 (.14)", words, word_errors(0.1, 0.14), NINE)
    own = word_errors(0.1, 0.1, own=0.1)
    yield cell("words of callers' own rates .10 (.13)", own, word_errors(0.1, 0.13, own=0.1), SEVEN)
    silent = word_errors(0.1, 0.1, silent=0.1)
    yield cell("one in ten without a word .10 (.13)", silent, word_errors(0.1, 0.13, silent=0.1), SEVEN)
    for alike in (0.5, -0.5):
        null, effect = talk_over(0.05, 0.05, alike=alike), talk_over(0.05, 0.068, alike=alike)
        yield cell(f"talk-over over duration, correlated {alike:+g}, .05 (.068)", null, effect, EVEN)
    null, effect = talk_over(0.05, 0.05, alike=0.5), talk_over(0.05, 0.1, alike=0.5)
    yield cell("talk-over over duration, correlated +0.5, .05 (.1)", null, effect, NINE)
    yield cell("word errors over words .10 (.17)", words, word_errors(0.1, 0.17), NINE, horizon=False)


def _quantiles() -> Iterator[Cell]:
    group = "Quantiles across sessions"

    def cell(name, kind, draws, weights, m=1_000, **more):
        null, effect = draws
        name = f"{kind}, {name}, {percent(*weights)}, {'M =' if more.get('horizon', True) else 'no horizon,'} {m:,}"
        effect = None if effect is None else best_of(effect)
        return Cell(name, group, null, effect, weights, m, kind=kind, exact=True, **more)

    z = 1.6448536269514722
    bell = with_quantiles(normal(0, 0), z, z), with_quantiles(normal(0, 0.5), z, 0.5 + z)
    yield cell("normal (+.5)", "p95", bell, EVEN)
    times = [
        with_quantiles(lognormal(1, more, log_sd=(0.8, 0.8)), *np.array([1, more]) * math.exp(0.8 * at - 0.32))
        for at in (z, 0.0)
        for more in (1.0, 1.5, 2.5)
    ]
    yield cell("lognormal (+50 %)", "p95", (times[0], times[1]), EVEN)
    yield cell("lognormal (+50 %)", "p95", (times[0], times[1]), NINE)
    yield cell("lognormal (+50 %)", "p50", (times[3], times[4]), SEVEN, 300)
    yield cell(
        "counts of mean 4 (5)", "p95", (with_quantiles(poisson(4, 4), 8, 8), with_quantiles(poisson(4, 5), 8, 9)), EVEN
    )
    whole = [rounded_up(with_quantiles(lognormal(9, more, log_sd=(0.8, 0.8)), *[math.ceil(own * math.exp(0.8 * z - 0.32)) for own in (9, more)])) for more in (9, 13.5)]  # fmt: skip
    yield cell("whole seconds, lognormal (+50 %)", "p95", (whole[0], whole[1]), SEVEN)
    yield cell("one in ten of another kind (+1)", "p95", (two_bumps(0, 0), two_bumps(0, 1)), EVEN)
    unlike = [with_quantiles(normal(0, more, sd=(1, 3)), 0, more) for more in (0, 1)]
    yield cell("normal, sd 1 and 3, equal (+1)", "p50", (unlike[0], unlike[1]), EVEN, 300)
    unlike = [with_quantiles(normal(2 * z, more, sd=(1, 3)), 3 * z, 3 * z + more) for more in (0, 2)]
    yield cell("normal, sd 1 and 3, equal (+2)", "p95", (unlike[0], unlike[1]), SEVEN)
    yield cell("lognormal (+150 %)", "p95", (times[0], times[2]), EVEN, horizon=False)
    yield cell("lognormal (+150 %)", "p50", (times[3], times[5]), NINE, horizon=False)


CELLS: tuple[Cell, ...] = (
    *_rates(), *_several(), *_margins(), *_changed_weights(), *_bounded_means(), *_means(), *_callers(), *_missing(),
    *_no_horizon(), *_ratios(), *_quantiles(),
)  # fmt: skip


def monte_carlo_error(share: float, n: float) -> float:
    """Return the standard error of a share of n replications."""
    return math.sqrt(max(share * (1 - share), 0.0) / n) if n else math.inf
