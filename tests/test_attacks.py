"""Inputs made to break an analysis: each gives the right number or a stated error, alike with and without the path."""

import datetime as dt
import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats
from test_analyze import declaration, session, write_log

import voicelab as vl
from voicelab.analysis import check_srm
from voicelab.base.errors import InputError
from voicelab.decision.stats import fixed
from voicelab.decision.stats.compare import Moments

N = 200
RNG = np.random.default_rng(17)
VARIANTS = np.array(["a", "b"])[RNG.integers(0, 2, N)]
BITS = RNG.integers(0, 2, N)
NORMAL = RNG.normal(size=N)
SHIFTED = NORMAL + (VARIANTS == "b") * 0.5
WEIGHTS = {"a": 0.5, "b": 0.5}
COMPARED = ["difference", "difference_cs_lower", "difference_cs_upper", "p_value_fixed", "difference_ci_lower",
            "difference_ci_upper", "lift"]  # fmt: skip
BOTH_WAYS = pytest.mark.parametrize("path", [True, False], ids=["path", "sums"])


def frame(values, variants=VARIANTS, **more):
    return pd.DataFrame({"variant": variants, "y": values} | more)


def objects(*values):
    """Return a column of objects: the values that are given, and then bits."""
    return pd.Series([*values, *map(int, BITS[len(values) :])], dtype=object)


def numbers(*values):
    return np.array([*values, *BITS[len(values) :]], dtype=float)


def analyze(data, path, **arguments):
    """Analyse, and check what holds of every result: no NaN in JSON, no 100 %, no interval of width 0."""
    result = vl.analyze(data, path=path, **({"outcome": "y", "weights": WEIGHTS} | arguments))
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    for name in ("comparisons", "outcomes", "guardrails"):
        for row in written[name] or []:
            for key in ("confidence", "confidence_fixed"):
                assert row.get(key) is None or 0 <= row[key] < 100
            for kind in ("cs", "ci"):
                low, high = row.get(f"difference_{kind}_lower"), row.get(f"difference_{kind}_upper")
                assert low is None or low < high
    assert written["decision"]["confidence"] is None or 0 <= written["decision"]["confidence"] < 100
    assert (result.path["confidence"] < 100).all()
    return result


def same(result, expected):
    """Say whether two results have the same numbers: all but the confidence, which the path may have raised."""
    assert result.kind == expected.kind
    assert list(result.variants["n"]) == list(expected.variants["n"])
    assert list(result.variants["sessions"]) == list(expected.variants["sessions"])
    for column in COMPARED:
        one, other = (pd.to_numeric(r.comparisons[column]).to_numpy(float) for r in (result, expected))
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12, err_msg=column)


# --- what a column holds ---------------------------------------------------------------------------------------------

READ = {
    "float16": (BITS.astype(np.float16), BITS),
    "float16 with fractions": ((BITS * 1.5).astype(np.float16), BITS * 1.5),
    "longdouble": (BITS.astype(np.longdouble), BITS),
    "big-endian": (BITS.astype(">f8"), BITS),
    "int beyond float": (objects(10**400), numbers(np.inf)),
    "int of 31 digits": (objects(10**30), numbers(1e30)),
    "uint64": (BITS.astype("uint64") * np.uint64(2**63), BITS * 2.0**63),
    "uint8": ((BITS + 254).astype("uint8"), BITS + 254),
    "sparse": (pd.arrays.SparseArray(BITS), BITS),
    "sparse floats": (pd.arrays.SparseArray(BITS * 1.5), BITS * 1.5),
    "categories of numbers": (pd.Categorical(BITS * 1.5), BITS * 1.5),
    "categories of booleans": (pd.Categorical(BITS == 1), BITS),
    "categories of text": (pd.Categorical(BITS.astype(str), categories=["0", "1", "never"]), BITS),
    "booleans with NA": (pd.array([None, *(BITS[1:] == 1)], dtype="boolean"), numbers(np.nan)),
    "Int64 with NA": (pd.array([None, *BITS[1:]], dtype="Int64"), numbers(np.nan)),
    "text with NA": (pd.array([None, *map(str, BITS[1:])], dtype="string"), numbers(np.nan)),
    "Arrow's float16": (
        pd.arrays.ArrowExtensionArray(pa.array([None, *map(np.float16, BITS[1:])], pa.float16())),
        numbers(np.nan),
    ),
    "Arrow's decimals": (
        pd.arrays.ArrowExtensionArray(pa.array([None, *map(Decimal, BITS[1:].tolist())], pa.decimal128(9, 2))),
        numbers(np.nan),
    ),
    "decimals": (objects(Decimal("0.25"), Decimal("NaN"), Decimal("1e400")), numbers(0.25, np.nan, np.inf)),
    "fractions": (objects(Fraction(1, 3)), numbers(1 / 3)),
    "numpy's numbers": (objects(np.float32(0.5), np.int8(1), np.str_("2")), numbers(0.5, 1, 2)),
    "bool, int and str": (objects(True, "0", "true", None, 2.5), numbers(1, 0, 1, np.nan, 2.5)),
    "negative zero": (np.where(BITS == 1, -0.0, 0.0), np.zeros(N)),
    "subnormal among others": (np.where(BITS == 1, 5e-324, NORMAL), np.where(BITS == 1, 0.0, NORMAL)),
    "only None": ([None] * N, np.full(N, np.nan)),
    "only NaT": (pd.Series([pd.NaT] * N), np.full(N, np.nan)),
    "only infinities": (np.full(N, -np.inf), np.full(N, np.nan)),
    "float constant": (np.full(N, 7.3), np.full(N, 7.3)),
    "text constant": (["7.3"] * N, np.full(N, 7.3)),
    "constant far from 0": (np.full(N, 1e9 + 0.3), np.full(N, 1e9 + 0.3)),
    "1e95": (SHIFTED * 1e95, SHIFTED * 1e95),
}
for _text, _number in {
    "nan": np.nan, "NaN": np.nan, "1e400": np.inf, "-1e400": -np.inf, "inf": np.inf, "Infinity": np.inf, " 1 ": 1,
    "\t1\n": 1, "1.": 1, ".5": 0.5, "+1": 1, "1e2": 100, "1e-400": 0, "TRUE": 1, "false ": 0,
}.items():  # fmt: skip
    READ[f"text {_text!r}"] = ([_text, *map(str, BITS[1:] * 2)], np.array([_number, *BITS[1:] * 2], dtype=float))


@BOTH_WAYS
@pytest.mark.parametrize(("given", "meant"), READ.values(), ids=READ)
def test_a_column_is_read_as_the_numbers_that_it_means(given, meant, path):
    same(analyze(frame(given), path), analyze(frame(np.asarray(meant, dtype=float)), True))


REFUSED = {
    "1e-300": (BITS * 1e-300, "'y' has values about 1.0e-300, too small to compare"),
    "subnormal": (BITS * 5e-324, "too small to compare"),
    "1e151": (SHIFTED * 1e151, "'y' has values about .*e.151, too large to compare"),
    "complex": (BITS * 1j, "'y' holds values of type complex"),
    "periods": (pd.period_range("2020", periods=N, freq="D"), "'y' holds values of type Period"),
    "intervals": (pd.cut(BITS, [-1, 0, 1]), "'y' holds values of type Interval"),
    "dates": (pd.date_range("2020", periods=N), "'y' holds values of type Timestamp.*give a number, e.g. seconds"),
    "dates of a zone": (pd.date_range("2020", periods=N, tz="Europe/Rome"), "'y' holds values of type Timestamp"),
    "days": ([dt.date(2020, 1, 1)] * N, "'y' holds values of type date"),
    "times": ([dt.time(3)] * N, "'y' holds values of type time,"),
    "lengths of time": (pd.to_timedelta(BITS, unit="s"), "'y' holds values of type Timedelta"),
    "bytes": ([b"1"] * N, "'y' holds values of type bytes"),
    "lists": ([[1]] * N, "'y' holds values of type list"),
    "dicts": ([{"a": 1}] * N, "'y' holds values of type dict"),
    "signalling NaN": (objects(Decimal("sNaN")), r"'y' holds Decimal\('sNaN'\)"),
    "underscores": (["1_000", *map(str, BITS[1:])], "'y' holds text.* 'y=1_000'"),
    "other scripts' digits": (["\u0661", *map(str, BITS[1:])], "'y' holds text"),
    "empty text": (["", *map(str, BITS[1:])], "'y' holds text"),
    "mixed with a word": (objects(True, "yes", 2.5), "'y' holds text"),
}


@BOTH_WAYS
@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_number_is_refused_by_name(given, message, path):
    with pytest.raises(InputError, match=message):
        analyze(frame(given), path)


def errors_of_both(data, **arguments):
    found = []
    for path in (True, False):
        with pytest.raises(InputError) as error:
            analyze(data, path, **arguments)
        found.append(str(error.value))
    return found


@pytest.mark.parametrize("given", [given for given, _ in REFUSED.values()], ids=REFUSED)
def test_both_ways_refuse_in_the_same_words(given):
    assert len(set(errors_of_both(frame(given)))) == 1


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda f: pd.concat([f, f[["y"]] * 2], axis=1), {}, "more than one column 'y'"),
        (lambda f: pd.concat([f, f[["variant"]]], axis=1), {}, "more than one column 'variant'"),
        (lambda f: pd.concat([f.assign(session_id=1), f.assign(session_id=1)[["session_id"]]], axis=1), {}, "'session_id'"),
        (lambda f: f.assign(session_id=[[1]] * N), {}, "session ids stand more than once"),
        (lambda f: f, {"variant": None}, "variant is None"),
        (lambda f: f, {"variant": 5}, "variant is 5"),
        (lambda f: f.set_axis(pd.MultiIndex.from_product([["x"], f.columns]), axis=1), {}, "no column 'variant'"),
        (lambda f: f, {"outcome": "z"}, "no column 'z'"),
        (lambda f: f, {"outcome": "y=2"}, "no level '2'. It has: 0, 1"),
        (lambda f: f.assign(y=np.where(BITS, "x", "0")), {"kind": "binary"}, "'y' holds text, e.g. 'x'"),
        (lambda f: f.assign(variant=[[v] for v in VARIANTS]), {}, "'variant' holds values of type list"),
        (lambda f: f.assign(variant=[{"v": v} for v in VARIANTS]), {}, "'variant' holds values of type dict"),
    ],
)  # fmt: skip
def test_a_frame_that_cannot_be_analysed_is_refused_alike(change, arguments, message):
    one, other = errors_of_both(change(frame(BITS)), **arguments)
    assert message in one
    assert one == other


@BOTH_WAYS
def test_columns_that_nobody_asks_for_are_not_read(path):
    unread = {"z": BITS * 1j, "p": pd.period_range("2020", periods=N, freq="D")}
    same(analyze(frame(BITS, **unread), path), analyze(frame(BITS), True))


LEVELS = {
    "floats": (np.where(BITS == 1, 0.1 + 0.2, 2), "0.3", BITS),
    "float32": (np.where(BITS == 1, 0.1, 0.25).astype("float32"), "0.1", BITS),
    "negative zero": (np.where(BITS == 1, -0.0, 2.5), "0", BITS),
    "1e20": (BITS * 1e20, "1e+20", BITS),
    "booleans": (BITS == 1, "true", BITS),
    "mixed": (objects(True, "yes", None, 2.5), "yes", [0, 1, np.nan, 0] + [0] * (N - 4)),
    "a quote": (np.where(BITS, "it's", "no"), "it's", BITS),
    "NaN and infinity": (np.where(BITS, np.inf, np.where(np.arange(N) < 9, np.nan, 1.0)), "inf",
                         np.where(BITS, 1.0, np.where(np.arange(N) < 9, np.nan, 0.0))),
}  # fmt: skip


@BOTH_WAYS
@pytest.mark.parametrize(("given", "level", "meant"), LEVELS.values(), ids=LEVELS)
def test_a_level_has_one_name(given, level, meant, path):
    result = analyze(frame(given), path, outcome=f"y={level}", kind="string")
    same(result, analyze(frame(np.asarray(meant, dtype=float)), True))


# --- what variants are called ----------------------------------------------------------------------------------------

_TIMES = pd.to_datetime(np.where(VARIANTS == "a", "2020-06-01", "2020-06-02"))
_SECOND = VARIANTS == "b"
NAMED = {
    "dates": (_TIMES, ["2020-06-01 00:00:00", "2020-06-02 00:00:00"]),
    "dates of a zone": (_TIMES.tz_localize("Europe/Rome"), ["2020-06-01 00:00:00+02:00", "2020-06-02 00:00:00+02:00"]),
    "days": ([t.date() for t in _TIMES], ["2020-06-01", "2020-06-02"]),
    "lengths of time": (pd.to_timedelta(_SECOND + 1, unit="h"), ["0 days 01:00:00", "0 days 02:00:00"]),
    "intervals": (pd.cut(_SECOND * 1, [-1, 0, 1]), ["(-1, 0]", "(0, 1]"]),
    "float16": (_SECOND.astype(np.float16), ["0.0", "1.0"]),
    "float32": (np.where(_SECOND, 0.25, 0.1).astype("float32"), ["0.1", "0.25"]),
    "big-endian": ((_SECOND + 1).astype(">i4"), ["1", "2"]),
    "infinity": (np.where(_SECOND, np.inf, 1.0), ["1.0", "inf"]),
    "text nan": (np.where(_SECOND, "nan", "b"), ["b", "nan"]),
    "empty text": (np.where(_SECOND, "b", ""), ["", "b"]),
    "unused category": (pd.Categorical(VARIANTS, categories=["zzz", "a", "b"]), ["a", "b"]),
    "categories of numbers": (pd.Categorical(_SECOND + 1), ["1", "2"]),
    "mixed": (pd.Series(np.where(_SECOND, "b", None)).where(_SECOND, 1), ["1", "b"]),
}


@BOTH_WAYS
@pytest.mark.parametrize(("given", "names"), NAMED.values(), ids=NAMED)
def test_variants_are_called_alike(given, names, path):
    result = analyze(frame(BITS, given), path, weights=dict.fromkeys(names, 0.5))
    assert list(result.variants["variant"]) == names
    same(result, analyze(frame(BITS), True))


@BOTH_WAYS
@pytest.mark.parametrize("weights", [{1: 0.5, 2: 0.5}, {"1": 0.5, "2": 0.5}])
def test_whole_numbers_that_pandas_made_floats_are_the_variants_of_the_weights(weights, path):
    variants = np.where(np.arange(N) == 0, np.nan, _SECOND + 1.0)
    result = analyze(frame(BITS, variants), path, weights=weights)
    assert list(result.variants["variant"]) == ["1", "2"]
    same(result, analyze(frame(BITS, [None, *VARIANTS[1:]]), True))


@BOTH_WAYS
def test_floats_in_weights_are_the_whole_numbers_of_the_column(path):
    result = analyze(frame(BITS, _SECOND + 1), path, weights={1.0: 0.5, 2.0: 0.5})
    assert list(result.variants["variant"]) == ["1.0", "2.0"]


# --- other sources ---------------------------------------------------------------------------------------------------

_AWARE = [t.tz_localize("Europe/Rome").to_pydatetime() for t in _TIMES]
TABLES = {
    "decimals": ({"y": pa.array([Decimal(int(bit)) / 4 for bit in BITS])}, {}, BITS / 4),
    "text": ({"y": pa.array(["nan", *map(str, BITS[1:])], pa.large_string())}, {}, numbers(np.nan)),
    "a constant": ({"y": pa.array([7.3] * N)}, {}, np.full(N, 7.3)),
    "only null": ({"y": pa.nulls(N)}, {}, np.full(N, np.nan)),
    "null dates": ({"y": pa.nulls(N, pa.date32())}, {}, np.full(N, np.nan)),
    "NaN and infinity": ({"y": pa.array([math.nan, math.inf, *map(float, BITS[2:])])}, {}, numbers(np.nan, np.nan)),
    "whole numbers": ({"variant": pa.array([None, *(_SECOND[1:] + 1)])}, {1: 1, 2: 1}, BITS),
    "dictionary": ({"variant": pa.array(list(VARIANTS)).dictionary_encode()}, {}, BITS),
    "float32": ({"variant": pa.array(np.where(_SECOND, 0.25, 0.1), pa.float32())}, {0.1: 1, 0.25: 1}, BITS),
    "times of a zone": (
        {"variant": pa.array(_AWARE)},
        {"2020-05-31 22:00:00+00:00": 1, "2020-06-01 22:00:00+00:00": 1},
        BITS,
    ),
    "NaN as a variant": ({"variant": pa.array([math.nan, *map(float, _SECOND[1:] + 1)])}, {1: 1, 2: 1}, BITS),
}


@BOTH_WAYS
@pytest.mark.parametrize("stored", [False, True], ids=["table", "parquet"])
@pytest.mark.parametrize(("columns", "weights", "meant"), TABLES.values(), ids=TABLES)
def test_tables_and_files_are_read_alike(columns, weights, meant, stored, path, tmp_path):
    table = pa.table({"variant": list(VARIANTS), "y": BITS} | columns)
    data = table
    if stored:
        data = tmp_path / "sessions.parquet"
        pq.write_table(table, data)
    known = ~pd.isna(pd.Series(table.column("variant").to_pylist(), dtype=object)).to_numpy()
    result = analyze(data, path, weights=weights or WEIGHTS)
    same(result, analyze(frame(np.asarray(meant, dtype=float), np.where(known, VARIANTS, None)), True))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("y", pa.array([[1]] * N), "'y' holds values of type"),
        ("y", pa.array([[Decimal("1.5")]] * N), "'y' holds values of type"),
        ("y", pa.array([{"a": 1}] * N), "'y' holds values of type dict"),
        ("y", pa.array([dt.date(2020, 1, 1)] * N), "'y' holds values of type date"),
        ("y", pa.array(_AWARE), "'y' holds values of type Timestamp"),
        ("y", pa.array([b"1"] * N), "'y' holds values of type bytes"),
        ("y", pa.array(BITS.astype(np.float16)), "A column of the Table can't be read"),
        ("variant", pa.array([["a"]] * N), "'variant' holds values of type list"),
        ("variant", pa.array([{"a": 1}] * N), "'variant' holds values of type struct"),
    ],
)
def test_tables_are_refused_alike(column, values, message):
    table = pa.table({"variant": list(VARIANTS), "y": BITS} | {column: values})
    one, other = errors_of_both(table)
    assert message in one
    assert one == other


@pytest.mark.parametrize("variant", [None, 5])
def test_a_table_needs_the_name_of_its_variants(variant):
    for message in errors_of_both(pa.table({"variant": list(VARIANTS), "y": BITS}), variant=variant):
        assert f"variant is {variant}" in message


# --- weights ---------------------------------------------------------------------------------------------------------


@BOTH_WAYS
@pytest.mark.parametrize("number", [np.float32, np.int64, np.uint8, Decimal, Fraction])
def test_weights_are_numbers_of_any_type(number, path):
    weights = {"a": number(3), "b": number(1), "c": number(0)}
    result = analyze(frame(BITS), path, weights=weights)
    assert list(result.variants["weight"]) == [0.75, 0.25]
    assert check_srm({"a": 3, "b": 1}, {"a": number(3), "b": number(1)})["p_value_fixed"] == pytest.approx(1)
    assert any("Switched off by weight 0" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([0.5, 0.5], "must be weights by variant, epochs such as"),
        ({"a": True, "b": True}, "weight of 'a' is True"),
        ({"a": np.nan, "b": 1}, "weight of 'a' is nan"),
        ({"a": Decimal("sNaN"), "b": 1}, "weight of 'a' is Decimal"),
        ({"a": 10**400, "b": 1}, "weight of 'a' is 1000"),
        ({"a": 1e308, "b": 1e308}, "add up to more than a float holds"),
        ({"a": -np.int64(1), "b": 1}, "weight of 'a' is np.int64"),
        ({1: 1, "1": 1}, "names the variant '1' twice"),
    ],
)
def test_weights_that_are_none_are_refused_alike(weights, message):
    variants = np.full(N, "1") if 1 in weights else VARIANTS
    one, other = errors_of_both(frame(BITS, variants), weights=weights)
    assert message in one
    assert one == other


# --- numbers ---------------------------------------------------------------------------------------------------------


def moments(values):
    centre = float(values[0])
    return Moments(float(len(values)), float((values - centre).sum()), float(((values - centre) ** 2).sum()), centre)


@pytest.mark.parametrize("scale", [1e-130, 1e-100, 1e-78, 1.0, 1e77, 1e100, 1e140])
def test_the_fixed_sample_test_and_its_interval_are_welchs_at_any_scale(scale):
    a, b = NORMAL[:7], 3 * NORMAL[7:40] + 1.2
    test = stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval()
    ours = moments(a * scale), moments(b * scale)
    assert fixed.two_means(*ours) == pytest.approx(test.pvalue, rel=1e-9)
    assert fixed.difference_interval(*ours, "float") == pytest.approx((low * scale, high * scale), rel=1e-9)


def test_the_interval_excludes_zero_exactly_where_the_test_says_so():
    rng = np.random.default_rng(5)
    told = []
    for _ in range(300):
        a, b = rng.normal(size=rng.integers(2, 12)), rng.normal(0.8, 2.5, size=rng.integers(2, 12))
        low, high = fixed.difference_interval(moments(a), moments(b), "float")
        told.append((not low <= 0 <= high, fixed.two_means(moments(a), moments(b)) < 0.05))
    assert all(excluded == small for excluded, small in told)
    assert 10 < sum(small for _, small in told) < 290


@BOTH_WAYS
@pytest.mark.parametrize("scale", [1e-95, 1e-78, 1e77, 1e95])
def test_the_unit_of_an_outcome_changes_no_p_value(scale, path):
    one, other = (analyze(frame(values), path).comparisons.iloc[0] for values in (SHIFTED, SHIFTED * scale))
    assert other["p_value_fixed"] == pytest.approx(one["p_value_fixed"], rel=1e-9)
    assert other["confidence"] == pytest.approx(one["confidence"], rel=1e-6)


@BOTH_WAYS
@pytest.mark.parametrize("method", ["auto", "fixed"])
@pytest.mark.parametrize("horizon", [None, N])
def test_nothing_is_ever_100_percent_sure(method, horizon, path):
    rule = vl.StopRule(max_iterations=horizon, max_confidence=95, method=method, stop_on="any")
    result = analyze(frame(NORMAL + 1000 * _SECOND), path, rule=rule)
    assert result.decision.winner == "b"
    assert result.comparisons["confidence_fixed"].iloc[0] > 99.99
    assert (result.path["confidence"] < 100).all()
    assert json.loads(json.dumps(result.to_json()))["comparisons"][0]["confidence_fixed"] < 100


def test_json_keeps_every_digit_and_has_no_nan():
    rule = vl.StopRule.from_stop(
        {"default": "a", "max_iterations": 500, "max_confidence": math.nan, "target_outcome": "y"}
    )
    result = analyze(frame(SHIFTED), True, rule=rule)
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert [row["mean"] for row in written["variants"]] == list(result.variants["mean"])
    assert written["rule"]["max_confidence"] is None


@BOTH_WAYS
def test_a_float_that_never_varies_has_no_leader_and_no_interval(path):
    result = analyze(frame(np.full(N, 7.3)), path)
    assert result.decision.leader is None
    assert any("never varies: nothing can be compared" in warning for warning in result.warnings)
    assert pd.isna(result.comparisons["difference_cs_lower"].iloc[0])
    assert set(result.variants["mean"]) == {7.3}
    assert result.variants["mean_ci_lower"].isna().all()


@BOTH_WAYS
@pytest.mark.parametrize(("low", "high"), [(1, 2.5), (0.1, 0.3), (1, 3)])
@pytest.mark.parametrize("horizon", [None, N])
def test_arms_that_never_vary_differ_as_a_fact_without_an_interval(low, high, horizon, path):
    rule = vl.StopRule(max_iterations=horizon, max_confidence=95)
    result = analyze(frame(np.where(_SECOND, high, low)), path, rule=rule)
    row = result.comparisons.iloc[0]
    assert row["difference"] == pytest.approx(high - low)
    assert pd.isna([row["difference_cs_lower"], row["difference_ci_lower"], row["lift_cs_lower"]]).all()
    assert result.decision.confidence is None
    assert row[["confidence", "p_value", "p_value_fixed", "confidence_fixed"]].isna().all()
    assert any("no variation within the variants" in warning for warning in result.warnings)
    assert "nothing can be said of other sessions" in result.decision.sentence or horizon is None


@BOTH_WAYS
@pytest.mark.parametrize("margin", [-1e200, -1e300, 1e200])
@pytest.mark.parametrize("values", [SHIFTED, BITS, SHIFTED * 1e95], ids=["floats", "bits", "large"])
def test_a_margin_of_any_size_gives_a_number(values, margin, path):
    result = analyze(frame(values), path, rule=vl.StopRule(max_confidence=95, margin=margin))
    assert result.decision.confidence is not None
    assert (result.decision.confidence > 95) == (margin < 0)


@BOTH_WAYS
def test_means_that_are_worlds_apart_have_a_lift_or_none(path):
    small, large = 1e-95 * (2 + NORMAL**2), 1e95 * (2 + NORMAL**2)
    for values in (np.where(_SECOND, large, small), np.where(_SECOND, small, large), np.where(_SECOND, 1e-200, large)):
        analyze(frame(values), path)


@BOTH_WAYS
@pytest.mark.parametrize("empty", [np.nan, None, np.inf])
def test_a_guardrail_without_a_value_is_named(empty, path):
    result = analyze(frame(BITS, g=empty), path, guardrails=["g"])
    assert not result.guardrails["harmed"].any()
    assert any("'g' has no value in any session" in warning for warning in result.warnings)
    alone = analyze(frame(BITS, g=empty), path, outcome="g").warnings
    assert any("'g' has no value in any session" in warning for warning in alone)
    assert not any("never varies" in warning for warning in alone)
    named = analyze(frame(BITS, g=empty), path, outcome=["y", "g"])
    assert any("'g' has no value in any session" in warning for warning in named.warnings)


# --- logs ------------------------------------------------------------------------------------------------------------


def logged(folder, values, name="c", more=()):
    text = declaration(stop={"max_iterations": 500, "max_confidence": 95, "target_outcome": "c", "default": "a"})
    sessions = [
        session(
            i,
            exposures=[("t", "ab"[i % 2], "random", text)],
            outcomes=[(name, "float", float(value), None, True), *((m, "float", x, None, True) for m, x in more)],
        )
        for i, value in enumerate(values)
    ]
    return write_log(folder, sessions)


@pytest.mark.parametrize(("scale", "size"), [(1e-300, "small"), (1e160, "large"), (1e300, "large")])
def test_logged_numbers_without_a_variance_are_refused(scale, size, tmp_path):
    with pytest.raises(InputError, match=f"'c' has values about .*, too {size} to compare"):
        vl.analyze(logged(tmp_path, SHIFTED * scale))


def test_another_logged_outcome_without_a_variance_does_not_end_the_analysis(tmp_path):
    result = vl.analyze(logged(tmp_path, SHIFTED, more=[("far", 1e300)]))
    assert result.kind == "float"
    assert any("'far' has values about 1.0e+300" in warning and "left out" in warning for warning in result.warnings)
