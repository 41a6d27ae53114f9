"""What an outcome is asked for by: names, ratios and quantiles, and what is refused at the door."""

import pytest

from voicelab.base.errors import InputError
from voicelab.decision.asked_outcome import parse_outcome


@pytest.mark.parametrize(
    ("text", "form", "names", "quantile"),
    [
        ("booked", "plain", ("booked",), None),
        ("ending=booked", "plain", ("ending=booked",), None),
        ("a/b", "plain", ("a/b",), None),
        ("duration (s)", "plain", ("duration (s)",), None),
        ("word_errors / words", "ratio", ("word_errors", "words"), None),
        ("word_errors  /  words", "ratio", ("word_errors", "words"), None),
        ("p95(answer_s_median)", "quantile", ("answer_s_median",), 0.95),
        ("p99.9(answer_s_median)", "quantile", ("answer_s_median",), 0.999),
        ("p50(duration_s)", "quantile", ("duration_s",), 0.5),
    ],
)
def test_an_outcome_is_a_name_a_ratio_or_a_quantile(text, form, names, quantile):
    asked = parse_outcome(text)
    assert (asked.form, asked.names, asked.quantile) == (form, names, quantile)
    assert parse_outcome(asked.text) == asked


def test_a_name_that_there_is_is_a_name_whatever_it_looks_like():
    assert parse_outcome("cost / call", ["cost / call"]).form == "plain"
    assert parse_outcome("p95(x)", {"p95(x)"}).names == ("p95(x)",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be some text"),
        (3, "must be some text"),
        ("a / ", "no ratio"),
        ("/ b", "no ratio"),
        ("a / b / c", "no ratio"),
        ("a / a", "1 in every session"),
        ("p95(a) / b", "not of quantiles"),
        ("p95(a / b)", "of one outcome"),
        ("p95(p50(a))", "of one outcome"),
        ("p95()", "names no outcome"),
        ("p0(a)", "between p0 and p100"),
        ("p100(a)", "between p0 and p100"),
        ("median(a)", "'p50(a)'"),
        ("P95(a)", "'p95(a)'"),
    ],
)
def test_what_is_neither_is_refused_with_what_to_write(text, said):
    with pytest.raises(InputError, match="outcome is") as error:
        parse_outcome(text)
    assert said in str(error.value)
