"""Frames as people have them: sorted by variant, put below each other, with a time or without, empty or misnamed."""

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import InputError

HALVES = {"a": 0.5, "b": 0.5}
RULE = vl.StopRule(max_iterations=600, max_confidence=95, default="a")


def sessions(n=600, seed=1):
    rng = np.random.default_rng(seed)
    arm = rng.permutation(np.repeat(["a", "b"], n // 2))
    frame = pd.DataFrame({"variant": arm, "booked": rng.random(n) < np.where(arm == "b", 0.45, 0.3)})
    frame["seconds"] = rng.gamma(2.0, 60, n)
    frame["started_at"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.arange(n), unit="min")
    return frame


def ways(frame, tmp_path, **asked):
    """The result of a frame, of files of it, and of the sums of each."""
    frame.to_parquet(tmp_path / "f.parquet")
    frame.to_csv(tmp_path / "f.csv", index=False)
    for data in (frame, str(tmp_path / "f.parquet"), str(tmp_path / "f.csv")):
        for path in (True, False):
            yield vl.analyze(data, outcome=["booked", "seconds"], weights=HALVES, path=path, **asked)


@pytest.mark.parametrize("files", [1, 4])
def test_a_frame_sorted_by_variant_is_decided_by_its_sums_however_it_is_read(files, tmp_path):
    whole = sessions()
    parts = [part.sort_values("variant", kind="stable") for _, part in whole.groupby(whole.index % files)]
    first, *others = ways(pd.concat(parts), tmp_path, rule=RULE)
    assert (first.decision.conclusion, first.srm["alarm"], len(first.path)) == ("winner", False, 0)
    assert any("rows are in groups" in told and "order='started_at'" in told for told in first.warnings)
    for other in others:
        assert other.decision == first.decision
        assert other.warnings == first.warnings
        for ours, theirs in ((first.comparisons, other.comparisons), (first.outcomes, other.outcomes)):
            pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)


def test_what_is_missing_of_grouped_rows_is_told_alike_by_both_ways():
    grouped = sessions().sort_values("variant", kind="stable")
    lost = (np.arange(len(grouped)) % 4 == 0) & (grouped["variant"] == "a").to_numpy()
    grouped["booked"] = grouped["booked"].astype(float).mask(lost)
    one, other = (vl.analyze(grouped, outcome="booked", weights=HALVES, rule=RULE, path=path) for path in (True, False))
    assert "missing unevenly (a 25.0%, b 0.0%" in one.decision.sentence
    assert one.decision == other.decision
    pd.testing.assert_frame_equal(one.comparisons, other.comparisons, rtol=1e-9)


def test_a_picture_says_that_the_sums_have_no_path():
    import matplotlib as mpl

    mpl.use("Agg")
    result = vl.analyze(sessions().sort_values("variant"), outcome="booked", weights=HALVES, rule=RULE)
    assert "one look at the sums" in " ".join(text.get_text() for text in result.plot("confidence").texts)
    with pytest.raises(InputError, match="nor of rows in groups without order="):
        result.plot("difference")


def test_sorted_by_its_time_the_usual_path_stands(tmp_path):
    whole = sessions()
    usual = vl.analyze(whole, outcome=["booked", "seconds"], weights=HALVES, rule=RULE)
    shuffled = whole.sort_values("variant", kind="stable")
    found = list(ways(shuffled, tmp_path, rule=RULE, order="started_at"))
    for result in found[::2]:
        assert result.decision == usual.decision
        pd.testing.assert_frame_equal(result.path, usual.path)
    as_text = shuffled.assign(started_at=shuffled["started_at"].dt.strftime("%Y-%m-%dT%H:%M"))
    assert (
        vl.analyze(as_text, outcome="booked", weights=HALVES, rule=RULE, order="started_at").decision == usual.decision
    )
    # The first 200 sessions are those of the time, not of the rows.
    short = vl.StopRule(max_iterations=200, max_confidence=95, default="a")
    (one, *rest) = ways(shuffled, tmp_path, rule=short, order="started_at")
    for result in rest[::2]:
        assert result.variants["sessions"].tolist() == whole["variant"][:200].value_counts()[["a", "b"]].tolist()
    assert one.decision.sessions <= 200


@pytest.mark.parametrize("path", [True, False])
def test_rows_of_one_day_that_stand_in_groups_are_not_in_the_order_of_time(path, tmp_path):
    # 200 sessions a day, and within each day sorted by variant: the column of days doesn't say who came first.
    days = sessions().assign(day=np.repeat(["2026-03-01", "2026-03-02", "2026-03-03"], 200))
    days.sort_values("variant", kind="stable").to_parquet(tmp_path / "days.parquet")
    for data in (pd.read_parquet(tmp_path / "days.parquet"), str(tmp_path / "days.parquet")):
        result = vl.analyze(data, outcome="booked", weights=HALVES, rule=RULE, order="day", path=path)
        assert not result.srm["alarm"]
        assert any("(6 stretches" in told and "finer column than order='day'" in told for told in result.warnings)


def test_shares_that_disagree_say_what_was_seen():
    grouped = sessions().sort_values("variant")
    result = vl.analyze(grouped, outcome="booked", weights={"a": 0.7, "b": 0.3})
    assert result.decision.conclusion == "invalid_srm"
    assert "a had 50.0 % of all 600 sessions and should have had 70.0 %" in result.decision.sentence
    # Begun with one variant alone: not whole blocks, so that the order may well be that of time.
    ours = sessions()
    late = pd.concat([ours[ours["variant"] == "a"][:150], ours.drop(ours.index[ours["variant"] == "a"][:150])])
    result = vl.analyze(late, outcome="booked", weights=HALVES)
    assert "a had 100.0 % of the first" in result.decision.sentence
    assert "over all 600 the shares agree" in result.decision.sentence
    assert any("order='started_at'" in told for told in result.warnings)


@pytest.mark.parametrize(
    ("frame", "asked", "message"),
    [
        (sessions(), {}, "outcome='booked' or 'seconds' or 'started_at'"),
        (sessions()[:0], {}, "The frame is empty"),
        (sessions().rename(columns={"variant": "v"}), {}, r"There are: v, booked, .*variant='v'"),
        (sessions().rename(columns={"variant": "arm"}), {"variant": "amr"}, "Did you mean 'arm'"),
        (sessions()[["variant"]], {}, "no column is left"),
        (sessions(), {"outcome": "booked", "order": "start"}, "Did you mean 'started_at'"),
        (sessions(), {"outcome": "booked", "order": "variant"}, "neither numbers nor times, e.g. '[ab]'"),
        (sessions().assign(t=np.nan), {"outcome": "booked", "order": "t"}, "no value in 600 rows"),
        (
            sessions().sort_values("variant"),
            {"outcome": "booked", "rule": vl.StopRule(max_iterations=200)},
            "which came first can't be told",
        ),
    ],
)
@pytest.mark.parametrize("path", [True, False])
def test_what_is_wrong_with_a_frame_is_said_with_what_it_has(frame, asked, message, path):
    with pytest.raises(InputError, match=message):
        vl.analyze(frame, weights=HALVES, path=path, **asked)


def test_limits_need_the_order_of_the_sessions():
    grouped = sessions().sort_values("variant")
    with pytest.raises(InputError, match="bet on every session"):
        vl.analyze(grouped, outcome="seconds", weights=HALVES, cap=600)
    result = vl.analyze(grouped, outcome="seconds", weights=HALVES, cap=600, order="started_at")
    assert result.decision.conclusion != "invalid_srm"


def test_segments_and_callers_of_grouped_rows_are_judged_by_their_sums():
    grouped = sessions().assign(kind=np.repeat(["x", "y"], 300)).sort_values("variant")
    grouped["caller_id"] = np.repeat(np.arange(300), 2)
    result = vl.analyze(grouped, outcome="booked", weights=HALVES, by="kind", unit="caller_id")
    assert result.segments["difference"].notna().all()
    assert not result.srm["alarm"]


@pytest.mark.parametrize("runs", [[30] * 2, [1] * 60, [3] * 200])
def test_only_rows_that_no_drawing_orders_like_that_are_grouped(runs):
    from voicelab.analysis.row_order import are_grouped, groups_in

    arms = np.repeat(np.arange(len(runs)) % 2, runs)
    assert are_grouped(groups_in(arms), np.bincount(arms)) == (runs == [30] * 2)
    drawn = np.random.default_rng(3).integers(0, 2, (2000, 40))
    assert not any(are_grouped(groups_in(row), np.bincount(row)) for row in drawn)


def test_what_the_first_alarm_saw_hangs_on_no_chunks_and_is_kept_as_json():
    from voicelab.decision.stats.sample_ratio import SampleRatio

    arms = np.concatenate([np.random.default_rng(5).integers(0, 3, 70), np.zeros(120, dtype=np.int64)])
    whole, parts, single, told = (SampleRatio(np.array([0.2, 0.3, 0.5])) for _ in range(4))
    whole.extend(arms)
    for at in range(0, len(arms), 37):
        parts.extend(arms[at : at + 37])
    for arm in arms:
        single.add(int(arm))
    told.extend(arms, np.tile([0.2, 0.3, 0.5], (len(arms), 1)))
    restored = SampleRatio(np.array([1.0, 0.0, 0.0]))
    restored.restore(whole.to_json())
    assert whole.first_alarm is not None
    for other in (parts, single, restored):
        assert [part.tolist() for part in other.first_alarm] == [part.tolist() for part in whole.first_alarm]
    assert told.first_alarm.counts.tolist() == whole.first_alarm.counts.tolist()
    assert told.first_alarm.promised == pytest.approx(whole.first_alarm.promised)
    assert whole.first_alarm.worst == 0


def by_time_first_a_then_b(n=400, seed=5):
    """Rows of which the first half is a, the second b, by a time of which hardly a value repeats."""
    rng = np.random.default_rng(seed)
    first = np.arange(n) < n // 2
    frame = pd.DataFrame({"variant": np.where(first, "a", "b"), "booked": rng.random(n) < np.where(first, 0.2, 0.5)})
    frame["seconds"] = rng.gamma(2.0, 60, n)
    frame["t"] = pd.Timestamp("2026-03-01") + pd.to_timedelta(np.sort(rng.integers(0, 5000, n)), unit="s")
    return frame


@pytest.mark.parametrize("unit", [None, "who"])
@pytest.mark.parametrize("ties", ["none", "few", "hours", "one day of two"])
def test_a_broken_assignment_is_not_excused_by_times_that_repeat(ties, unit, tmp_path):
    frame = by_time_first_a_then_b()
    assert 0 < frame["t"].duplicated().sum() < 40
    # All of a came on one day, all of it before any of b; or the second day is mixed, and sorted by variant within.
    if ties == "none":
        frame["t"] = np.arange(len(frame))
    if ties == "hours":
        frame["t"] = np.arange(len(frame)) // 10
    if ties == "one day of two":
        more = by_time_first_a_then_b()
        frame = pd.concat([frame[:200].assign(t=1), more.assign(t=2)])
    frame["who"] = np.arange(len(frame)) // 2
    rule = vl.StopRule(max_iterations=len(frame), max_confidence=95, default="a")
    weights_hold = {"a": 0.5, "b": 0.5} if ties != "one day of two" else {"a": 2 / 3, "b": 1 / 3}
    frame.to_parquet(tmp_path / "f.parquet")
    frame.to_csv(tmp_path / "f.csv", index=False)
    for data in (frame, str(tmp_path / "f.parquet"), str(tmp_path / "f.csv")):
        for path in (True, False):
            asked = {"order": "t", "unit": unit, "path": path}
            result = vl.analyze(data, outcome="booked", weights=weights_hold, rule=rule, **asked)
            assert result.decision.conclusion == "invalid_srm", (data, path)
            assert "a had 100.0 % of the first" in result.decision.sentence
            if ties != "one day of two":
                assert not any("in groups" in told for told in result.warnings)


def test_totals_of_grouped_rows_are_held_against_the_weights_by_the_test_of_one_look(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"variant": ["a"] * 133 + ["b"] * 67, "booked": rng.random(200) < 0.5})
    frame["seconds"], frame["day"] = rng.gamma(2.0, 60, 200), np.tile([1, 2], 100)
    by_day = frame.sort_values(["day", "variant"])
    for rows, asked in ((frame, {}), (by_day, {"order": "day"})):
        for result in ways(rows, tmp_path, rule=RULE, **asked):
            assert result.decision.conclusion == "invalid_srm"
            assert result.srm["p_value"] < 0.001
            assert "a had 66.5 % of all 200 sessions" in result.decision.sentence
    fair = pd.concat([frame[:115], frame[100:]])  # 115 of 215 and 100: the shares of a drawing
    for result in ways(fair.assign(variant=np.repeat(["a", "b"], [115, 100])), tmp_path, rule=RULE):
        assert not result.srm["alarm"]
        assert "shares agree" in result.method
    # Row by row one may look again and again: the sums alone raise no alarm, but nobody says that the shares agree.
    mixed = frame.sample(frac=1, random_state=1)
    result = vl.analyze(mixed, outcome="booked", weights=HALVES, rule=RULE, path=False)
    assert not result.srm["alarm"]
    assert "shares agree" not in result.method
    assert any("unlikely under their weights (p 3.1e-06" in told for told in result.warnings)


@pytest.mark.no_cover
def test_the_test_of_one_look_keeps_its_level_where_few_are_expected():
    from scipy.stats import binom

    from voicelab.decision.stats.sample_ratio import one_look_p_value

    for n, w in ((100, 0.01), (40, 0.2), (200, 0.5)):
        counts = np.arange(n + 1)
        p = np.array([one_look_p_value(np.array([x, n - x]), np.array([w, 1 - w])) for x in counts])
        assert binom.pmf(counts, n, w)[p < 0.001].sum() <= 0.001
        assert (p < 0.001).any()
    of_three = np.random.default_rng(4).multinomial(100, [0.01, 0.02, 0.97], 3000)
    distinct, times = np.unique(of_three, axis=0, return_counts=True)
    low = [one_look_p_value(own, np.array([0.01, 0.02, 0.97])) < 0.01 for own in distinct]
    assert times[low].sum() <= 42
    assert one_look_p_value(np.array([45, 10, 45]), np.array([0.5, 0.0, 0.5])) == 0


@pytest.mark.parametrize("by", [["variant"], ["who", "variant"]])
def test_units_that_switch_say_that_the_order_tells_which_variant_was_first(by, tmp_path):
    rng = np.random.default_rng(6)
    frame = sessions().assign(variant=rng.choice(["a", "b"], 600), who=np.repeat(np.arange(300), 2))
    found = ways(frame.sort_values(by, kind="stable"), tmp_path, rule=RULE, unit="who")
    for result in found:
        assert result.decision.conclusion == "invalid_srm"
        assert any("the first row of theirs" in told and "order='started_at'" in told for told in result.warnings)


def test_the_sums_say_that_evidence_of_before_does_not_count(tmp_path):
    for result in list(ways(sessions().sort_values("variant"), tmp_path, rule=RULE)):
        assert any("may be lower than that of the sessions in their order" in told for told in result.warnings)
