"""Planning a test: how many sessions it needs, what it can find, and whether its rule keeps what it promises."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.result import Result
from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.decision.guardrails import ALPHA
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule, switched_on, weight_shares, word_of
from voicelab.decision.stats import detectable, eprocess, fixed, forecast
from voicelab.handlers import HandlerLike

Floats = npt.NDArray[np.float64]

_MOST_SESSIONS = 10**9
_PERCENT = 100
_GUARDED = _PERCENT * (1 - ALPHA)


def required_sessions(
    baseline: float | Result,
    effect: float | None = None,
    *,
    margin: float | None = None,
    sd: float | None = None,
    weights: Mapping[Any, float] | int = 2,
    power: float = 0.8,
    max_confidence: float = 95.0,
) -> int:
    """Return the number of sessions, over all variants, to declare as `max_iterations`; or that a guardrail needs.

    For an effect: for the boundary that is watched after every session; the best variant is better than each of the others,
    which are equal, by `effect`, and has to beat them all. For a margin: until a guardrail that the variant doesn't harm is
    known to be held, looked at after every session.

    Args:
        baseline: Rate of the others (binary outcomes), or their mean, ratio or quantile; or the result of an earlier test,
            a pilot, of which the default variant's is taken, with its sd.
        effect: Difference to be found, absolute: 0.06 for six points.
        margin: Instead of an effect, by how much a guardrail may be worse, in the outcome's units.
        sd: Standard deviation of a count or float; None for a binary outcome. Of a ratio that of (x - R y) / (mean of y), of
            a quantile sqrt(q (1 - q)) over the density there: `sd` of a pilot's `variants`.
        weights: Weights of the variants, of which the first is taken to be the best; or their number, equally weighted.
        power: Probability with which it is found, or known.
        max_confidence: Confidence in percent at which the test stops; guardrails are judged at 95.

    Raises:
        InputError: a value is not allowed.

    Example:
        >>> import voicelab as vl
        >>> 700 < vl.required_sessions(0.30, 0.10) < 900
        True
        >>> 1200 < vl.required_sessions(2.0, margin=0.3, sd=1.4) < 1500
        True
    """
    baseline, sd = _of_pilot(baseline, sd)
    shares = _shares(weights)
    if (effect is None) == (margin is None):
        raise InputError(
            "required_sessions() takes effect=, the difference that is to be found, or margin=, by how much a guardrail may be "
            "worse: give one of them."
        )
    if effect is None:
        return _until_held(baseline, margin, sd, shares, power, max_confidence)
    _check_plan(baseline, effect, sd, power, max_confidence)
    low, high = 2, 4
    while detectable.chance_to_win(high, baseline, effect, sd, shares, max_confidence) < power:
        low, high = high, high * 2
        if high > _MOST_SESSIONS:
            raise InputError(
                f"An effect of {effect:g} needs more than {_MOST_SESSIONS:,} sessions. Look for a larger one."
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high)
            if detectable.chance_to_win(middle, baseline, effect, sd, shares, max_confidence) < power
            else (low, middle)
        )
    return high


def _until_held(
    baseline: float, margin: float | None, sd: float | None, shares: Floats, power: float, max_confidence: float
) -> int:
    """Return how many sessions it takes until the first variant's guardrail is known to be held, whichever is the default."""
    if not checks.is_number(margin) or margin <= 0:
        raise InputError(
            f"margin is {margin!r}, must be above 0, in the outcome's units: 0.01 for one point of a rate."
        )
    if max_confidence != _GUARDED:
        raise InputError(
            f"max_confidence is {max_confidence!r}, and guardrails are judged at {_GUARDED:g}: leave it out."
        )
    _check_plan(baseline, 1e-9, sd, power, max_confidence)
    deviation = math.sqrt(baseline * (1 - baseline)) if sd is None else sd
    both = float(shares[0] + shares[1:].min())
    pair = forecast.sessions_until_held(
        margin, deviation, float(shares[0]) / both, power, eprocess.prior_weight(eprocess.EXPECTED_STOP), ALPHA
    )
    least = eprocess.BURN_IN / float(min(shares[0], shares[1:].min()))
    return math.ceil(max(pair / both, least))


def minimum_detectable_effect(
    baseline: float | Result,
    sessions: int,
    *,
    sd: float | None = None,
    weights: Mapping[Any, float] | int = 2,
    power: float = 0.8,
    max_confidence: float = 95.0,
) -> float:
    """Return the smallest difference that a test of so many sessions finds with a given probability.

    Args:
        baseline: As for `required_sessions`: a number, or the result of a pilot.
        sessions: Declared number of sessions, over all variants.
        sd: Standard deviation of a count or float; None for a binary outcome.
        weights: Weights of the variants, of which the first is taken to be the best; or their number.
        power: Probability with which it is found.
        max_confidence: Confidence in percent at which the test stops.

    Returns:
        The absolute difference; infinity if a rate can't grow that much.

    Raises:
        InputError: a value is not allowed.
    """
    baseline, sd = _of_pilot(baseline, sd)
    shares = _shares(weights)
    checks.whole("sessions", sessions)
    _check_plan(baseline, 1e-9, sd, power, max_confidence)
    return detectable.smallest_found(sessions, baseline, sd, shares, power, max_confidence)


def sample_sizes(baseline: float, *, sd: float | None = None, points: int = 24, **plan: Any) -> pd.DataFrame:
    """Return how many sessions find which effect, for `voicelab.plots.sample_size`: columns effect, sessions."""
    largest = min(0.25, 0.9 - baseline) if sd is None else sd
    effects = np.geomspace(largest / 12, largest, points)
    needed = [required_sessions(baseline, float(effect), sd=sd, **plan) for effect in effects]
    return pd.DataFrame({"effect": effects, "sessions": needed})


def _of_pilot(baseline: float | Result, sd: float | None) -> tuple[float, float | None]:
    """Return what a plan starts from: as given, or the default variant's of a pilot, the first one's without a default.

    Raises:
        InputError: the pilot says too little.
    """
    if not isinstance(baseline, Result):
        return baseline, sd
    rows = baseline.variants
    row = (rows[rows["is_default"].astype(bool)] if rows["is_default"].any() else rows).iloc[0]
    mean, own = row["mean"], row["sd"] if sd is None else sd
    if pd.isna(mean) or (baseline.kind != "binary" and (pd.isna(own) or not own)):
        raise InputError(
            f"The pilot says too little of {baseline.outcome!r} with {row['variant']}: its {word_of(baseline.kind)} or how "
            "much it varies is not known. Give a longer one, or baseline and sd= as numbers."
        )
    return float(mean), None if baseline.kind == "binary" else float(own)


def _shares(weights: Mapping[Any, float] | int) -> Floats:
    if isinstance(weights, Mapping):
        shares = np.array(list(switched_on(weight_shares(weights)).values()))
    else:
        shares = np.full(checks.whole("weights", weights), 1.0 / weights)
    if len(shares) < 2:  # noqa: PLR2004 - a comparison needs two
        raise InputError("A test needs at least two variants that are not switched off by weight 0.")
    return shares


def _check_plan(baseline: float, effect: float, sd: float | None, power: float, max_confidence: float) -> None:
    for name, value in {"baseline": baseline, "effect": effect, "power": power}.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{name} is {value!r}, must be a number.")
    if effect <= 0:
        raise InputError(f"effect is {effect!r}, must be above 0: the absolute difference to be found, e.g. 0.06.")
    if sd is None and not 0 < baseline < 1:
        share = baseline / _PERCENT
        meant = f" Did you mean {share:g}, which is {baseline:g} %?" if 1 < baseline < _PERCENT else ""
        raise InputError(
            f"baseline is {baseline!r}, must be a rate between 0 and 1.{meant} Of a count or float, a ratio or a "
            "quantile give sd= too, or a pilot's result."
        )
    if sd is None and baseline + effect >= 1:
        raise InputError(
            f"baseline {baseline!r} and effect {effect!r} come to {baseline + effect:g}, and a rate ends at 1: give a smaller "
            "effect. Of a count or float give sd= too."
        )
    if sd is not None and not sd > 0:
        raise InputError(f"sd is {sd!r}, must be above 0.")
    if not 0 < power < 1:
        raise InputError(f"power is {power!r}, must lie between 0 and 1.")
    StopRule(max_confidence=max_confidence)


# --- calibration -----------------------------------------------------------------------------------------------------


def calibrate(
    subject: StopRule | HandlerLike,
    *,
    weights: Mapping[Any, float] | None = None,
    test: str | None = None,
    baseline: float = 0.3,
    effect: float = 0.06,
    sessions: int | None = None,
    kind: Literal["binary", "float"] = "binary",
    replications: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Run many A/A tests and A/B tests under a stop rule, looking after every session, and count what it does.

    Args:
        subject: A stop rule; or a handler, whose own test is taken.
        weights: Weights of the variants (rules); equal ones for a and b by default.
        test: Name of the test (handlers); may be left out if there is only one.
        baseline: Rate, or mean (floats have a standard deviation of 1), of every variant in A/A tests.
        effect: By how much the last variant is better in A/B tests.
        sessions: Sessions of each run; by default the rule's max_iterations, else 2,000.
        kind: Of the outcome.
        replications: Runs of each setting.
        seed: Everything random follows from it.

    Returns:
        One row a setting: setting, replications, stopped (share that named a winner), low and high (95 %, Wilson),
        wrong (share that named another variant than the best), sessions (mean length), bound (share that A/A tests
        must not exceed; None for A/B tests), false_stops (as stopped; for plots).

    Raises:
        InputError: the subject is neither, or a value is not allowed.
    """
    rule, shares = _subject(subject, weights, test)
    checks.whole("replications", replications)
    checks.whole("sessions", sessions or 1)
    length = sessions or rule.max_iterations or 2000
    bound = 1 - (rule.max_confidence or 95.0) / _PERCENT
    rows = []
    for number, (setting, lift) in enumerate((("A/A: all equal", 0.0), (f"A/B: {effect:+g}", effect))):
        levels = np.array([baseline] * (len(shares) - 1) + [baseline + lift])
        rng = np.random.default_rng([seed, number])
        runs = [_one_run(rule, shares, levels, length, kind, rng) for _ in range(replications)]
        stopped = sum(winner is not None for winner, _ in runs)
        low, high = fixed.wilson(stopped, replications)
        rows.append(
            {
                "setting": setting,
                "replications": replications,
                "stopped": stopped / replications,
                "false_stops": stopped / replications,
                "low": low,
                "high": high,
                "wrong": sum(winner not in {None, list(shares)[-1]} for winner, _ in runs) / replications,
                "sessions": float(np.mean([n for _, n in runs])),
                "bound": None if lift else bound,
            }
        )
    return pd.DataFrame(rows)


def _subject(
    subject: StopRule | HandlerLike, weights: Mapping[str, float] | None, test: str | None
) -> tuple[StopRule, dict[str, float]]:
    if isinstance(subject, StopRule):
        rule, given = subject, weights or {"a": 0.5, "b": 0.5}
    else:
        rule, given = _declared(subject, test)
    if rule.max_confidence is None:
        remarks = "".join(f" The rule's {remark}" for remark in rule.remarks)
        raise InputError(
            f"The rule has no max_confidence, so that it never names a winner: there is nothing to calibrate.{remarks}"
        )
    return rule, switched_on(weight_shares(given))


def _declared(handler: HandlerLike, test: str | None) -> tuple[StopRule, dict[str, float]]:
    """Return the rule and the weights of a handler's test, from one session of it."""
    from voicelab.runs.jobs import run

    tests = run(handler).declarations  # type: ignore[union-attr]
    if not tests:
        raise InputError(
            "The handler declares no test at its start. Give the rule itself: vl.calibrate(vl.StopRule(...))."
        )
    if test is None and len(tests) == 1:
        test = next(iter(tests))
    if test is None or test not in tests:
        raise InputError(f"Name the test: test={' or '.join(map(repr, tests))}.")
    return StopRule.from_stop(tests[test]["stop"]), tests[test]["variants"]


def _one_run(
    rule: StopRule,
    shares: Mapping[str, float],
    levels: Floats,
    length: int,
    kind: Literal["binary", "float"],
    rng: np.random.Generator,
) -> tuple[str | None, int]:
    monitor = Monitor(rule, shares, kind=kind)
    arms = rng.choice(len(shares), length, p=list(shares.values()))
    means = levels[arms]
    values = (rng.random(length) < means).astype(np.float64) if kind == "binary" else rng.normal(means, 1.0)
    everywhere = np.ones(length, dtype=np.bool_)
    monitor.extend(arms, values, everywhere, ~everywhere, np.arange(length))
    decision = monitor.decision
    return (decision.winner if decision.should_stop else None), decision.sessions
