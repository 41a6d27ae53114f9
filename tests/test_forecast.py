"""How much longer: the forecast agrees with what is simulated from where the test stands."""

import math

import numpy as np
import pytest

from voicelab.decision.stats import boundary, compare, eprocess, forecast, moments

C = boundary.threshold(0.05)
G = eprocess.prior_weight(1000)


def agrees(told, sessions, within_look=2.0):
    """Check quantiles and chance against simulated numbers of sessions (infinite: undecided), to 3.5 standard errors."""
    n = len(sessions)
    assert told.undecided == pytest.approx(np.isinf(sessions).mean(), abs=3.5 * math.sqrt(0.25 / n))
    for share, value in zip(forecast.QUANTILES, (told.median, told.low, told.high), strict=True):
        # Of the simulated numbers those just below and above the share, by its own error.
        error = 3.5 * math.sqrt(share * (1 - share) / n)
        low, high = (np.quantile(sessions, min(max(share + side * error, 0), 1), method="nearest") for side in (-1, 1))
        assert low - within_look <= (math.inf if value is None else value) <= high + within_look


def continued(b, tau, horizon, n, drift, tests=3000, seed=1):
    random = np.random.default_rng(seed)
    pace, left = tau / n, horizon - n
    drifts = b / tau + random.standard_normal((tests, 1)) / math.sqrt(tau) if drift is None else drift
    steps = random.standard_normal((tests, left)) * math.sqrt(pace) + drifts * pace
    beyond = np.abs(b + np.cumsum(steps, axis=1)) >= C
    return np.where(beyond.any(axis=1), beyond.argmax(axis=1) + 1, np.inf)


@pytest.mark.parametrize(
    ("b", "tau", "horizon", "n", "drift"),
    [
        (1.0, 0.3, 500, 150, None),
        (1.0, 0.3, 500, 150, 2.5),
        (1.0, 0.3, 500, 150, 0.0),
        (2.1, 0.5, 1000, 500, None),
        (-1.5, 0.4, 1000, 400, 2.8),
        (0.2, 0.02, 300, 6, 4.0),
        (-0.4, 0.2, 600, 150, None),
    ],
)
def test_with_a_horizon_it_is_what_simulation_finds(b, tau, horizon, n, drift):
    agrees(forecast.with_horizon(b, tau, C, horizon, n, drift), continued(b, tau, horizon, n, drift))


def test_what_happens_between_two_sessions_is_seen_by_nobody():
    # Few sessions, so large steps: without the correction 3 of 100 more would be thought decided.
    b, tau, horizon, n, drift = 0.6, 0.3, 50, 15, 2.5
    sessions = continued(b, tau, horizon, n, drift, tests=40_000)
    agrees(forecast.with_horizon(b, tau, C, horizon, n, drift), sessions, within_look=0.0)


def test_with_a_horizon_it_holds_for_sessions_that_succeed_or_fail():
    random = np.random.default_rng(3)
    n, horizon, tests = np.array([100.0, 100.0]), 800, 1500
    hits, rates = np.array([30.0, 38.0]), np.array([0.30, 0.40])
    second = random.random((tests, horizon - 200)) < 0.5
    success = random.random(second.shape) < np.where(second, rates[1], rates[0])
    arms = []
    for arm, mine in enumerate((~second, second)):
        made = hits[arm] + np.cumsum(mine & success, axis=1)
        arms.append(moments.Moments(n[arm] + np.cumsum(mine, axis=1), made, made))
    apart, se = moments.difference(arms[1], arms[0]), compare.standard_error(arms[1], arms[0], "binary")
    tau = boundary.share_of(compare.information(arms[0].n, arms[1].n), 0.5, 0.5, horizon)
    beyond = np.abs(apart / se * np.sqrt(tau)) >= C
    sessions = np.where(beyond.any(axis=1), beyond.argmax(axis=1) + 1, np.inf)

    now = [moments.Moments(*np.array([n[arm], hits[arm], hits[arm]])) for arm in (0, 1)]
    se_now = float(compare.standard_error(now[1], now[0], "binary"))
    tau_now = float(boundary.share_of(50.0, 0.5, 0.5, horizon))
    drift = forecast.drift_of(0.10, se_now, tau_now)
    told = forecast.with_horizon(0.08 / se_now * math.sqrt(tau_now), tau_now, C, horizon, 200, drift)
    # The error changes a little as the rates become known: a few sessions.
    agrees(told, sessions, within_look=12.0)


@pytest.mark.parametrize("drift", [None, 0.0, 3.0])
def test_with_a_horizon_the_other_side_is_the_mirror_image(drift):
    mirrored = None if drift is None else -drift
    one, other = (forecast.with_horizon(sign * 0.7, 0.2, C, 1000, 200, d) for sign, d in ((1, drift), (-1, mirrored)))
    assert one[:3] == other[:3]
    assert one.undecided == pytest.approx(other.undecided, abs=1e-12)


def test_before_the_first_session_the_chance_of_no_decision_is_the_power_that_lacks():
    # Without a difference all but 5 % end undecided, a little more since nobody looks between two sessions.
    told = forecast.with_horizon(0.0, 0.0, C, 100_000, 0, 0.0)
    assert told[:3] == (None, None, None)
    assert told.undecided == pytest.approx(0.95, abs=0.001)


def test_what_is_decided_needs_no_session_and_what_is_over_gets_none():
    assert forecast.with_horizon(2.5, 0.4, C, 1000, 400) == (0, 0, 0, 0.0)
    assert forecast.with_horizon(1.0, 1.0, C, 1000, 1000) == (None, None, None, 1.0)
    assert forecast.with_horizon(0.0, 0.0, C, 1000, 0) == (None, None, None, 1.0)
    assert forecast.without_horizon(0.5, 0.05, 400, G, 0.05) == (0, 0, 0, 0.0)
    for n, se in [(0, 0.1), (10, 0.0), (10, math.inf)]:
        assert forecast.without_horizon(0.1, se, n, G, 0.05) == (None, None, None, 1.0)


def test_a_range_under_the_estimate_so_far_is_wider_than_under_a_drift_that_is_known():
    guessed = forecast.with_horizon(1.2, 0.3, C, 4000, 1200)
    known = forecast.with_horizon(1.2, 0.3, C, 4000, 1200, 1.2 / 0.3)
    assert guessed.low < known.low
    assert guessed.undecided > known.undecided


def open_ended(estimate, se, n, difference, tests=2000, seed=2):
    random = np.random.default_rng(seed)
    spare = random.standard_normal(tests)
    drift = estimate / (se * math.sqrt(n)) + spare / math.sqrt(n)
    if difference is not None:
        drift = np.full(tests, difference / (se * math.sqrt(n)))
    at, sessions, alive = np.full(tests, estimate / se * math.sqrt(n)), np.full(tests, np.inf), np.arange(tests)
    for now in range(n + 1, forecast.LIMIT * n + 1):
        at = at + drift + random.standard_normal(len(at))
        # The interval that holds at every look, in units of one session's deviation, leaves 0 out.
        lower, upper = eprocess.confidence_sequence(0.0, math.sqrt(now), now, G, 0.05)
        out = (at <= lower) | (at >= upper)
        sessions[alive[out]] = now - n
        at, drift, alive = at[~out], drift[~out], alive[~out]
    return sessions


@pytest.mark.parametrize(
    ("estimate", "se", "n", "difference"),
    [(0.1, 0.1, 40, None), (0.1, 0.1, 40, 0.15), (0.3, 0.12, 30, None), (0.0, 0.1, 30, 0.0), (-0.05, 0.1, 40, 0.1)],
)
def test_without_a_horizon_it_is_what_simulation_finds(estimate, se, n, difference):
    told = forecast.without_horizon(estimate, se, n, G, 0.05, difference)
    sessions = open_ended(estimate, se, n, difference)
    # The forecast's own paths err as well, by as much as those here; its grid is 5 % wide.
    assert told.undecided == pytest.approx(np.isinf(sessions).mean(), abs=5 * math.sqrt(0.25 / len(sessions)))
    for value, q in zip((told.median, told.low, told.high), forecast.QUANTILES, strict=True):
        error = 5 * math.sqrt(q * (1 - q) / len(sessions))
        low, high = (np.quantile(sessions, min(max(q + s * error, 0), 1), method="nearest") for s in (-1, 1))
        assert low - 2 <= (math.inf if value is None else value) <= high + 2


def test_without_a_horizon_the_same_state_has_the_same_forecast():
    assert forecast.without_horizon(0.1, 0.1, 100, G, 0.05) == forecast.without_horizon(0.1, 0.1, 100, G, 0.05)


def test_without_a_horizon_evidence_that_is_behind_takes_longer():
    n, z = 100, 2.0
    mixture = 0.5 * (math.log(G / (G + n)) + z**2 * n / (n + G))
    plain = forecast.without_horizon(0.2, 0.1, n, G, 0.05, 0.2)
    assert forecast.without_horizon(0.2, 0.1, n, G, 0.05, 0.2, log_e=mixture) == plain
    behind = forecast.without_horizon(0.2, 0.1, n, G, 0.05, 0.2, log_e=mixture - 1)
    # As if the test were to be e times surer.
    assert behind == forecast.without_horizon(0.2, 0.1, n, G, 0.05 / math.e, 0.2)
    assert behind.median > plain.median
    assert forecast.without_horizon(0.2, 0.1, n, G, 0.05, 0.2, log_e=math.log(20) + 1e-9) == (0, 0, 0, 0.0)
