"""Plots: each returns labelled Axes, draws into those it is given, and says clearly what it can't draw."""

from dataclasses import replace

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab import plots
from voicelab.base.errors import InputError
from voicelab.decision.stats import boundary


def analysed(k=3, n=600, kind="binary", outcome="user_satisfied", max_iterations=500):
    rng = np.random.default_rng(5)
    names = [f"variant_{at:02d}" for at in range(k)]
    arms = rng.integers(0, k, n)
    value = rng.random(n) < 0.3 + 0.3 * arms / k if kind == "binary" else rng.lognormal(3, 1, n) * (1 + arms)
    frame = pd.DataFrame({"variant": np.array(names)[arms], outcome: value})
    rule = vl.StopRule(max_iterations=max_iterations, max_confidence=95, default=names[0])
    return vl.analyze(frame, outcome=outcome, weights=dict.fromkeys(names, 1 / k), rule=rule)


def on_the_way(result):
    n = result.path["sessions"].to_numpy()
    half = 2 / np.sqrt(n)
    path = result.path.assign(
        difference=0.2, difference_cs_lower=0.2 - half, difference_cs_upper=0.2 + half, statistic=np.sqrt(n / n.max())
    )
    path.loc[0, "difference_cs_lower"] = -np.inf
    path.attrs["pair"] = ("variant_02", "variant_00")
    return replace(result, path=path)


SEGMENTS = pd.DataFrame(
    [(s, v, 0.1, -0.1, 0.3) for s in ("inbound", "outbound") for v in ("b", "c")],
    columns=["segment", "variant", "difference", "difference_cs_lower", "difference_cs_upper"],
)
SIZES = pd.DataFrame({"effect": [0.02, 0.05, 0.1], "sessions": [20_000, 3_200, 800]})
CALIBRATION = pd.DataFrame(
    {"setting": ["binary", "floats"], "false_stops": [0.04, 0.09], "bound": [0.06, 0.07], "low": [0.03, 0.08], "high": [0.05, 0.1]}
)  # fmt: skip


def funnel(k):
    rows = [(f"v{at:02d}", metric, rate) for at in range(k) for metric, rate in (("greeted", 0.9), ("booked", 0.3))]
    return pd.DataFrame(rows, columns=["variant", "metric", "rate"])


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def result():
    return on_the_way(analysed())


def assert_drawn(ax):
    assert ax.get_title(loc="left")
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    ax.figure.draw_without_rendering()
    written = [text.get_text() for text in ax.findobj(mpl.text.Text)]
    assert not any("nan" in text.split() or "None" in text for text in written)


FROM_RESULT = ["confidence", "difference", "variants", "shares", "boundary", "distribution"]
FROM_FRAME = {"segments": SEGMENTS, "sample_size": SIZES, "calibration": CALIBRATION, "funnel": funnel(3)}


def test_every_kind_is_tested():
    assert set(FROM_RESULT) | set(FROM_FRAME) == set(plots.KINDS)


@pytest.mark.parametrize("kind", FROM_RESULT)
def test_plots_of_a_result_are_labelled(result, kind):
    ax = plots.plot(result, kind)
    assert_drawn(ax)
    assert "your data · variant · user_satisfied" in " ".join(t.get_text() for t in ax.texts)


@pytest.mark.parametrize("kind", FROM_FRAME)
def test_plots_of_a_frame_are_labelled(kind):
    assert_drawn(plots.KINDS[kind](FROM_FRAME[kind]))


@pytest.mark.parametrize("kind", plots.KINDS)
def test_plots_draw_into_given_axes(result, kind):
    _, (left, right) = plt.subplots(1, 2)
    assert plots.KINDS[kind](FROM_FRAME.get(kind, result), ax=right) is right
    assert right.has_data()
    assert not left.has_data()
    assert plt.get_fignums() == [1]


@pytest.mark.parametrize("kind", ["confidence", "variants", "shares", "distribution"])
def test_twenty_variants_are_drawn(kind):
    ax = plots.plot(analysed(k=20), kind)
    assert_drawn(ax)
    if kind != "confidence":
        assert len(ax.get_yticklabels()) == 20


@pytest.mark.parametrize("k", [2, 7, 8, 20])
def test_funnel_tells_any_number_of_variants_apart(k):
    ax = plots.funnel(funnel(k))
    assert_drawn(ax)
    colours = [handle.get_color() for handle in ax.get_legend().get_lines()]
    assert len(set(colours)) == len(colours)


def test_confidence_path_marks_threshold_and_stop():
    decided = analysed(k=2, n=900, max_iterations=900)
    assert decided.decision.stopped_at
    ax = plots.confidence_path(decided)
    assert 95.0 in ax.get_yticks()
    assert 100.0 not in ax.get_yticks()
    assert any(f"stopped after {decided.decision.stopped_at}" in text.get_text() for text in ax.texts)


def test_boundary_stands_at_the_threshold(result):
    ax = plots.boundary(result)
    assert any(np.allclose(line.get_ydata(), boundary.threshold(0.05)) for line in ax.lines)


@pytest.mark.parametrize("kind", ["confidence", "variants", "shares", "distribution"])
def test_an_outcome_never_recorded_is_said(tmp_path, result, kind):
    nothing = result.variants.assign(mean=None, mean_ci_lower=None, mean_ci_upper=None)
    decision = replace(result.decision, confidence=None, leader=None, winner=None)
    empty = replace(result, variants=nothing, kind=None, decision=decision, path=result.path.iloc[:0])
    ax = plots.plot(empty, kind)
    assert_drawn(ax)
    if kind != "shares":
        assert any("recorded" in text.get_text() for text in ax.texts)


def test_an_arm_without_sessions_is_said():
    frame = pd.DataFrame({"variant": ["a", "b"] * 20, "y": [0, 1] * 20})
    weights = {"a": 0.4, "b": 0.4, "empty": 0.2}
    result = vl.analyze(frame, outcome="y", weights=weights, rule=vl.StopRule(max_iterations=99, default="empty"))
    for kind in ("confidence", "variants", "shares", "distribution"):
        assert_drawn(plots.plot(result, kind))
    assert any("no value" in text.get_text() for text in plots.variants(result).texts)


@pytest.mark.parametrize("kind", ["difference", "boundary", "segments", "sample_size", "calibration", "funnel"])
def test_what_a_result_lacks_is_a_clear_error(kind):
    bare = analysed()
    bare = replace(bare, path=bare.path[["sessions", "confidence"]])
    with pytest.raises(InputError, match=r"no (column|segments|sample size|calibration|funnel)"):
        plots.plot(bare, kind)


@pytest.mark.parametrize("kind", ["difference", "boundary"])
def test_an_empty_path_is_a_clear_error(result, kind):
    unknown = result.path.assign(difference=None, statistic=None)
    with pytest.raises(InputError, match="no rows"):
        plots.plot(replace(result, path=unknown), kind)
    with pytest.raises(InputError, match="no rows"):
        plots.plot(replace(result, path=result.path.iloc[:0]), kind)


def test_an_unknown_kind_names_the_nearest(result):
    with pytest.raises(InputError, match=r"must be confidence, difference.*Did you mean 'variants'"):
        plots.plot(result, "varants")
    with pytest.raises(InputError, match="kind is None"):
        plots.plot(result, None)


def test_function_names_are_kinds_too(result):
    assert_drawn(plots.plot(result, "confidence_path"))


def test_axes_of_another_kind_are_refused(result):
    with pytest.raises(InputError, match="must be the Axes"):
        plots.variants(result, ax="here")


def test_distribution_takes_sessions_one_by_one_or_counted():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"variant": rng.choice(["a", "b"], 400), "value": rng.poisson(3, 400)})
    counted = frame.groupby(["variant", "value"]).size().rename("sessions").reset_index()
    heights = [[patch.get_data()[0] for patch in plots.distribution(f).patches] for f in (frame, counted)]
    assert np.allclose(heights[0], heights[1])


@pytest.mark.parametrize("values", [[5.0] * 8, [0, 1] * 4, [np.nan] * 8, [1.5, np.inf, 2, 3, -4, 1e6, 2, 3]])
def test_distribution_of_odd_values(values):
    assert_drawn(plots.distribution(pd.DataFrame({"variant": ["a", "b"] * 4, "value": values})))


def test_distribution_of_a_result_of_floats_has_its_values():
    result = analysed(kind="float", outcome="duration_s")
    assert "seconds" in plots.variants(result).get_xlabel()
    assert_drawn(result.plot("distribution"))


def test_names_are_no_mathematics():
    odd = analysed(outcome=r"cost $x^{$")
    for kind in ("variants", "shares", "confidence"):
        assert_drawn(plots.plot(odd, kind))


def test_sample_size_marks_what_the_declared_number_detects():
    ax = plots.sample_size(SIZES, kind="binary", horizon=3_200)
    assert any("declared: 3,200, detects 5.0 points" in text.get_text() for text in ax.texts)


def test_calibration_counts_what_lies_above_its_bound():
    assert plots.calibration(CALIBRATION).get_title(loc="left") == "False stops above their bound: 1 of 2"


def decided(default="a", weights=None, n=900, **more):
    rng = np.random.default_rng(2)
    arm = rng.choice(["a", "b"], n)
    frame = pd.DataFrame({"variant": arm, "booked": rng.random(n) < np.where(arm == "b", 0.5, 0.3), "p": 0.5})
    rule = vl.StopRule(max_iterations=900, max_confidence=95, default=default)
    return vl.analyze(frame, outcome="booked", weights=weights or {"a": 0.5, "b": 0.5}, rule=rule, **more)


@pytest.mark.parametrize("default", ["a", "b"])
def test_the_difference_shows_the_estimate_at_the_stop(default):
    result = decided(default)
    assert result.decision.winner == "b"
    ax = plots.plot(result, "difference")
    assert_drawn(ax)
    (label,) = [text for text in ax.texts if "estimate at the stop" in text.get_text()]
    extent = label.get_window_extent().transformed(ax.transData.inverted())
    assert extent.y0 > 0 or extent.y1 < 0, "the line of 0 doesn't cross the words"
    (container,) = ax.containers
    value = abs(result.comparisons["difference_mue"].iloc[0])
    assert container.lines[0].get_ydata() == pytest.approx([value])
    assert container.lines[0].get_xdata() == pytest.approx([result.decision.stopped_at])
    ends = sorted(result.comparisons[["difference_mue_lower", "difference_mue_upper"]].abs().iloc[0])
    assert sorted(line[1] for line in container.lines[2][0].get_segments()[0]) == pytest.approx(ends)
    assert not plots.plot(decided(n=100), "difference").containers


@pytest.mark.parametrize("how", ["bounds", "probabilities"])
def test_a_path_without_intervals_is_drawn_without(how):
    if how == "probabilities":
        result = decided(weights={"a": "p"}, n=300)
    else:
        rng = np.random.default_rng(4)
        frame = pd.DataFrame({"variant": rng.choice(["a", "b"], 300), "stars": rng.integers(1, 6, 300)})
        rule = vl.StopRule(max_iterations=900, max_confidence=95, default="a")
        result = vl.analyze(frame, outcome="stars", weights={"a": 0.5, "b": 0.5}, rule=rule, bounds=(1, 5))
    assert result.path["difference_cs_lower"].isna().all()
    for kind in ("confidence", "difference", "variants", "shares"):
        assert_drawn(plots.plot(result, kind))
    assert "without an interval" in plots.plot(result, "difference").get_title(loc="left")
    title = plots.plot(result, "variants").get_title(loc="left")
    assert title == (
        "Variants, without intervals"
        if how == "probabilities"
        else "Variants with their 95 % intervals, valid at every look"
    )


def test_over_epochs_the_variants_have_intervals_for_one_look():
    result = decided(weights=[(0, {"a": 0.5, "b": 0.5}), (150, {"b": 0.5, "a": 0.5})], n=300)
    assert_drawn(plots.plot(result, "variants"))
    assert "for one look" in plots.plot(result, "variants").get_title(loc="left")
    assert_drawn(plots.plot(result, "difference"))


def test_what_is_approximate_is_not_called_valid_in_a_picture():
    doubted = decided()
    doubted = replace(doubted, decision=doubted.decision.with_doubts("Approximate: too few. Wait."))
    for kind in ("confidence", "difference", "variants"):
        title = plots.plot(doubted, kind).get_title(loc="left")
        assert "approximate at every look" in title
        assert "valid" not in title


# --- the theme of the page ---


def drawn_kinds():
    told = on_the_way(analysed())
    yield from ((kind, lambda kind=kind: told.plot(kind)) for kind in FROM_RESULT)
    yield "ridges", lambda: analysed(kind="float").plot("distribution")
    yield from ((kind, lambda kind=kind, f=frame: plots.KINDS[kind](f)) for kind, frame in FROM_FRAME.items())


def test_every_picture_stands_on_the_notebooks_own_background():
    inline = pytest.importorskip("matplotlib_inline.backend_inline")
    for kind, draw in drawn_kinds():
        figure = draw().figure
        assert inline._fetch_figure_metadata(figure) is None, kind  # else Jupyter puts a white or a black box behind it
        assert figure.get_facecolor()[3] == 0, kind


def test_given_axes_follow_the_theme_unless_somebody_chose_a_colour_or_drew_in_others(result):
    figure, axes = plt.subplots(1, 2)
    result.plot("shares", ax=axes[0])
    assert (figure.get_facecolor()[3], axes[1].get_facecolor()[3]) == (0, 0)
    result.plot("variants", ax=axes[1])
    for figure, axes in (plt.subplots(1, 2, facecolor="navy"), plt.subplots(1, 2)):
        axes[1].plot([1, 2])
        result.plot("shares", ax=axes[0])
        assert figure.get_facecolor()[3] == 1


def test_nothing_of_a_narrow_plot_lies_over_something_else(result):
    figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
    for ax, kind in zip(axes, ("shares", "confidence", "difference"), strict=True):
        result.plot(kind, ax=ax)
    figure.draw_without_rendering()
    for ax in axes:
        texts = [ax._left_title, *(text for text in ax.texts if "·" in text.get_text())]
        boxes = [text.get_window_extent() for text in texts]
        assert len(boxes) == 2
        assert not boxes[0].overlaps(boxes[1])
        others = [other._left_title.get_window_extent() for other in axes if other is not ax]
        assert not any(box.overlaps(other) for box in boxes for other in others)


def test_a_bound_that_chance_may_have_passed_is_not_said_to_hold():
    frame = CALIBRATION.assign(false_stops=[0.057, 0.8], low=[0.039, 0.7], high=[0.08, 0.9], bound=[0.05, None])
    ax = plots.calibration(frame)
    assert "1 of 1 a little above the bound, none surely so" in ax.get_title(loc="left")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["binary"]
    assert "stay within" in plots.calibration(CALIBRATION[:1]).get_title(loc="left")


# --- logs ---


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    from test_analyze import declaration, session, write_log

    text = declaration()
    statuses = ["completed", "hangup", "error", "transferred", "timeout"]
    rows = [
        session(at, status=statuses[at % 5], exposures=[("t", "ab"[at % 2], "random", text)] if at % 7 else [])
        for at in range(40)
    ]
    return write_log(tmp_path_factory.mktemp("log"), rows)


def test_a_log_is_drawn_by_variant(log):
    pictures = log.plot()
    assert repr(pictures) == f"<{len(pictures)} Axes of one figure>"
    assert len(pictures) == len(plots.of_log.LOG_KINDS)
    for ax in [*pictures, *(log.plot(kind) for kind in plots.of_log.LOG_KINDS)]:
        assert ax.get_title(loc="left")
        ax.figure.canvas.draw()
    rows = [label.get_text() for label in log.plot("statuses").get_yticklabels()]
    assert rows == ["a (17)", "b (17)", "no variant (6)"]
    reached = log.plot("drop_off").lines[0].get_ydata()
    assert reached[0] == 1
    assert (np.diff(reached) <= 0).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"kind": "dropoff"}, "Did you mean 'drop_off'"),
        ({"test": "tt"}, "no test 'tt'"),
        ({"ax": plt.gca}, "The overview is a figure of its own"),
        ({"kind": "turns", "ax": 5}, "ax is 5"),
    ],
)
def test_what_a_log_cannot_draw_is_said(log, asked, message):
    with pytest.raises(InputError, match=message):
        log.plot(**asked)
