"""How the sessions of a log failed: by cause, with who they are and one to open; and what may be called a failure."""

import json

import pytest
from harness import agent

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.cli import main
from voicelab.record.failure import Cause, Failure, last_words

BODY = """
if event.name == "start":
    context.add_test("tone", {"warm": 0.5, "cool": 0.5})
    yield TextToSpeechEvent("Hello.")
text = event.data.get("text", "")
if "refund" in text:
    raise KeyError(text)
if "number" in text:
    raise ValueError("no order 17")
if event.name == "text":
    context.set_outcome("booked", "book" in text)
    yield TextToSpeechEvent("You are booked for 4 o'clock." if "book" in text else f"I have no slot at {len(text)}. Sorry!")
if "bye" in text:
    yield StopEvent()
"""
CALLERS = vl.mix(
    (vl.Script(["hello", "a refund"], name="refunder"), 0.3),
    (vl.Script(["the number", "what number", "book"], name="counter"), 0.2),
    (vl.Script(["well", "nothing", vl.hang_up()], name="leaver"), 0.5),
)


@pytest.fixture(scope="module")
def log():
    handler = vl.load_handler(agent(BODY))
    world = vl.World(handler_faults=0.02)
    evaluators = {"booked_at_all": {"outcomes": {"booked": True}}}
    return vl.simulate(
        handler, CALLERS, sessions=200, seed=4, world=world, workers=1, progress=False, evaluators=evaluators
    )


def test_each_cause_is_a_row_with_counts_that_are_those_of_the_records(log):
    frame = log.failures("errors")
    records = [log.session(index) for index in range(200)]
    counts = {}
    for record in records:
        for cause in {failed.cause for failed in Failure.parse("errors").all_of(record)}:
            counts.setdefault(str(cause), []).append(record)
    assert dict(zip(frame["cause"], frame["n_sessions"], strict=True)) == {k: len(v) for k, v in counts.items()}
    assert frame["n_sessions"].tolist() == sorted(frame["n_sessions"], reverse=True)
    for row in frame.to_dict("records"):
        own = counts[row["cause"]]
        for by, of in (("by_caller", lambda r: r.caller), ("by_variant", lambda r: f"tone={r.variants['tone']}")):
            assert row[by] == {name: sum(of(r) == name for r in own) for name in {of(r) for r in own}}
        assert row["share"] == len(own) / 200
        one = log.session(row["session_id"])
        assert one.session_index == row["session_index"]
        assert one.events[row["seq"]].name == "error"
        assert one.events[row["seq"]].data["message"] == row["message"]
        assert one.n_turns == min(record.n_turns for record in own)
        # What stands there as a cause is what shrinks the session by it.
        assert str(one.shrink(row["cause"]).failed.cause) == row["cause"]


@pytest.mark.parametrize(
    "failure",
    [
        "booked < 1", "booked", "booked == false", "status == hangup", "hangup", "status != completed", "n_turns >= 3",
        "duration_s > 4.5", "first_sound_s > 100", "talk_share > 0.5", "KeyError", KeyError, "errors", "booked_at_all",
        {"turn_count": {"$lte": 3}}, {"outcomes": {"booked": True}},
    ],
)  # fmt: skip
def test_a_log_and_its_records_say_alike_which_sessions_fail_and_by_what(log, failure):
    asked = Failure.parse(failure)
    expected = {}
    for index in range(200):
        for cause in {str(failed.cause) for failed in asked.all_of(log.session(index))}:
            expected[cause] = expected.get(cause, 0) + 1
    frame = log.failures(failure)
    assert dict(zip(frame["cause"], frame["n_sessions"], strict=True)) == expected
    assert set(frame["failure"]) <= {str(asked)}


def test_by_itself_a_failure_is_an_error_an_early_end_or_an_evaluator_that_says_no(log):
    frame = log.failures()
    assert set(frame["failure"]) == {"errors", "booked_at_all"}
    assert (
        len(
            vl.simulate(
                agent("yield TextToSpeechEvent('Hm.')"), ["hi"], sessions=3, workers=1, progress=False
            ).failures()
        )
        == 0
    )
    raising = vl.simulate(agent("raise SystemExit"), ["hi"], sessions=3, workers=1, progress=False)
    assert raising.failures()["failure"].tolist() == ["errors"]  # and not once more by their status
    assert raising.failures("status == error")["n_sessions"].tolist() == [3]


def test_numbers_in_the_last_words_make_no_other_cause(log):
    causes = log.failures("booked < 1")["cause"].tolist()
    assert "“Sorry!”" in causes
    assert last_words("We open at 9:30. Your order 17 costs 3.50 pounds.  ") == "Your order # costs # pounds."
    assert (last_words(""), last_words("well"), last_words("Hm. Ah...")) == ("", "well", "Ah...")
    assert str(Cause()) == "the agent said nothing"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bokked < 1", r"no session has an outcome 'bokked'.*Did you mean 'booked'"),
        ("status == hangupp", r"must be 'status == S'.*Did you mean 'hangup'"),
        ("status < 3", r"must be 'status == S'"),
        ("booked > many", r"'many' is no number"),
        ("booked > nan", r"'nan' is no number"),
        ("p95(answer_s_median) > 2", r"asked of one session at a time"),
        ("word_errors / words > 0.1", r"asked of one session at a time"),
        ("", r"must be 'errors', 'KeyError'"),
        (17, r"failure is 17, must be"),
        ({"turn_cuont": {"$gte": 3}, "$lol": 3}, r"operator"),
        ("nowhere.yaml", r"no such file"),
    ],
)
def test_what_is_no_failure_is_refused_with_what_is_one(log, given, message):
    with pytest.raises(InputError, match=message):
        log.failures(given)


def test_the_commands_show_causes_and_shrink_a_session(tmp_path, capsys):
    file = tmp_path / "handler.py"
    file.write_text(agent(BODY))
    folder = str(tmp_path / "log")
    vl.simulate(file, CALLERS, sessions=30, seed=4, workers=1, progress=False, log=folder)
    assert main(["failures", folder]) == 0
    said = capsys.readouterr().out
    assert "errors  KeyError at handler.py:" in said
    assert "callers: refunder" in said
    assert "variants: tone=" in said
    assert main(["failures", folder, "--failure", '{"turn_count": {"$gte": 1}}']) == 0
    assert capsys.readouterr().out == "No session failed.\n"
    assert main(["failures", folder, "--failure", "KeyError", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["failures"]
    test = tmp_path / "test_refund.py"
    line = ["shrink", str(file), folder, str(row["session_index"]), "--failure", "KeyError", "--test", str(test)]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "fails with 1 input of 2" in said
    assert '"refund",' in said
    assert "def test_keyerror_at_handler_py_" in test.read_text()
    assert main([*line[:3], row["session_id"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_inputs"] == 1
    assert main([*line[:-1], str(tmp_path / "nowhere" / "test_refund.py")]) == 1
    assert "nowhere/test_refund.py: there is no folder" in capsys.readouterr().err
    assert main([*line[:3], "999"]) == 1
    assert "There is no session 999" in capsys.readouterr().err
    assert main([*line[:4], "--failure", "booked > 5"]) == 1
    assert "doesn't fail by booked > 5" in capsys.readouterr().err
