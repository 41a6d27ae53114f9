"""Scenarios and expectations: what is asked of a session, what is said where it isn't so, and mistakes in files, with their lines."""

import re
import textwrap
from pathlib import Path

import pytest
from harness import agent

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.callers.actions import At, Custom, HangUp, Interrupt, Press, Say, Silence
from voicelab.callers.written_input import written_input
from voicelab.testing import Scenario, UnmetExpectationError, expect, read_scenarios
from voicelab.testing.scenario_result import FailedRun, ScenarioResult

SAMPLE = Path(__file__).parent.parent / "data" / "scenarios" / "clinic.scenario.yaml"
DESK = agent(
    """
    if event.name == "start":
        yield TextToSpeechEvent("Hello! Which day suits you?")
    elif event.name == "text" and "person" in event.data["text"]:
        yield TextToSpeechEvent("One moment.")
        yield TransferSessionEvent(phone_number="+15550100")
    elif event.name == "text" and "crash" in event.data["text"]:
        raise ValueError("no such day")
    elif event.name == "text":
        await asyncio.sleep(2)
        context.add_outcome("booked", "boolean")
        context.set_outcome("booked", random.random() < 0.5 or "surely" in event.data["text"])
        yield TextToSpeechEvent("You are booked")
        yield TextToSpeechEvent("for Monday. Anything else?")
    """
)
TALK = ["Monday, surely"]


@pytest.fixture(scope="module")
def desk():
    return vl.load_handler(DESK)


def session(desk, *inputs):
    return vl.run(desk, list(inputs), seed=1)


# --- expect(record) --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asks",
    [
        lambda e: e.said("YOU ARE  booked"),
        lambda e: e.said({"$contains": "Monday"}),
        lambda e: e.said("booked for Monday"),  # in two pieces of one turn
        lambda e: e.not_said("Tuesday"),
        lambda e: e.asked("which day").then.said("booked").within_s(2.5),
        lambda e: e.asked("anything else").no_errors().within_s(3),
        lambda e: e.transferred(to=False).status("completed"),
        lambda e: e.outcome("booked").outcome("n_turns", 2).outcome("duration_s", {"$lt": 60}),
        lambda e: e.outcome("answer_s_median", {"$gte": 2}),
        lambda e: e.predicate({"turn_count": 2}),
        lambda e: e.within_s(2),
    ],
)
def test_a_session_as_expected_raises_nothing(desk, asks):
    asks(expect(session(desk, *TALK)))


@pytest.mark.parametrize(
    ("inputs", "asks", "message", "marked"),
    [
        (TALK, lambda e: e.said("Tuesday"), 'The agent never says "Tuesday".', 'nowhere in it: "Tuesday"'),
        (TALK, lambda e: e.said("you are bookt"), "never says", "You are booked"),
        (TALK, lambda e: e.said("booked").within_s(1), "2.00 s after the caller, must say it within 1 s", "You are booked"),
        (TALK, lambda e: e.within_s(1), "must say it within 1 s", "You are booked"),
        (TALK, lambda e: e.said("booked").then.asked("which day"), "never asks", "Which day suits you?"),
        (TALK, lambda e: e.said("booked").then.said("Hello"), "says \"Hello\" earlier", "Hello!"),
        (TALK, lambda e: e.not_said("Monday"), "must not", "for Monday"),
        (TALK, lambda e: e.asked("booked"), "doesn't ask", "You are booked"),
        (TALK, lambda e: e.transferred(), "never transfers the call: the session ended as completed", "completed after"),
        (TALK, lambda e: e.status("hangup"), "ended as completed, must end as hangup", "completed after"),
        (TALK, lambda e: e.outcome("booked", False), "booked is true, must be false.", "booked = True"),
        (TALK, lambda e: e.outcome("boked"), "Did you mean 'booked'?", "booked = True"),
        (TALK, lambda e: e.outcome("answer_s_median", {"$lte": 1}), "must be at most 1", "answer_s_median  2.0"),
        (TALK, lambda e: e.outcome("yield_s_median", {"$lte": 1}), "no chance for it", "not applicable"),
        (TALK, lambda e: e.predicate({"turn_count": {"$gte": 9}}), "turn_count is 2, must be at least 9", "2 turns"),
        (["a person"], lambda e: e.transferred("+15550199"), "to +15550100, must transfer it to +15550199", "transfers"),
        (["a person"], lambda e: e.transferred(to=False), "transfers the call, and must not", "transfers"),
        (["crash", "crash"], lambda e: e.no_errors(), "2 errors, the first: ", "no such day"),
    ],
)  # fmt: skip
def test_a_failure_says_what_is_wrong_and_marks_the_row_concerned(desk, inputs, asks, message, marked):
    with pytest.raises(UnmetExpectationError, match=re.escape(message)) as raised:
        asks(expect(session(desk, *inputs)))
    assert any(marked in line for line in str(raised.value).splitlines() if line.startswith("▶"))
    assert "Hello! Which day suits you?" in str(raised.value)


@pytest.mark.parametrize(
    ("asks", "message"),
    [
        (lambda e: e.said(""), "said is ''"),
        (lambda e: e.said({"$regex": "x"}), "has the operator '$regex'"),
        (lambda e: e.status("transfered"), "Did you mean 'transferred'?"),
        (lambda e: e.within_s(-1), "within_s is -1"),
        (lambda e: e.outcome("booked", {"$gt": "x"}), "takes a number"),
        (lambda e: e.predicate(3), "predicate is 3"),
    ],
)
def test_what_cannot_be_asked_is_refused(desk, asks, message):
    with pytest.raises(InputError, match=re.escape(message)):
        asks(expect(session(desk, *TALK)))
    with pytest.raises(InputError, match="must be one session"):
        expect([1])


def test_of_words_that_were_cut_off_those_count_that_were_heard(desk):
    record = session(desk, vl.interrupt("Monday", after_s=0.2))
    with pytest.raises(UnmetExpectationError, match="never asks"):
        expect(record).asked("which day")


def test_of_a_long_conversation_the_part_around_the_mark_is_shown(desk):
    talker = vl.load_handler(
        agent("if event.name == 'text':\n    yield TextToSpeechEvent('number ' + event.data['text'])")
    )
    record = vl.run(talker, [f"n{i}." for i in range(100)])
    with pytest.raises(UnmetExpectationError) as raised:
        expect(record).not_said("number n50.")
    lines = str(raised.value).splitlines()
    assert any(line.startswith("▶") and "number n50." in line for line in lines)
    assert len(lines) < 70
    assert sum("… " in line for line in lines) == 2


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "least", "verdict"),
    [(TALK, 1, "passes"), (["Monday"], 1, "flaky"), (["Monday"], 0.3, "passes"), (["crash"], 0.3, "broken")],
)
def test_many_runs_tell_flaky_from_broken(desk, inputs, least, verdict):
    result = Scenario(desk, inputs, [{"outcome": "booked"}], runs=50, least_pass_rate=least, seed=3).run()
    assert result.verdict == verdict
    low, high = result.interval
    assert 0 <= low <= result.pass_rate <= high <= 1
    assert len(result.seeds) == 50 - result.n_passed
    if result.seeds:  # each of them fails by itself, and the others don't
        assert Scenario(desk, inputs, [{"outcome": "booked"}]).run(seed=result.seeds[0]).verdict == "fails"
        passing = set(range(3, 53)) - set(result.seeds)
        assert all(Scenario(desk, inputs, [{"outcome": "booked"}]).run(seed=seed).passed for seed in list(passing)[:2])


@pytest.mark.parametrize(
    ("n_passed", "n_runs", "interval"),
    # As statsmodels' proportion_confint(method="wilson") has them.
    [(7, 20, (0.181192, 0.567146)), (0, 20, (0.0, 0.161125)), (50, 50, (0.928653, 1.0)), (0, 1, (0.0, 0.793451))],
)
def test_the_interval_is_wilsons(n_passed, n_runs, interval):
    failed = tuple(FailedRun(seed, ()) for seed in range(n_runs - n_passed))
    result = ScenarioResult("", "", n_runs, failed, 1.0, None)
    assert result.interval == pytest.approx(interval, abs=1e-6)


def test_a_report_says_how_often_which_seeds_and_shows_the_first(desk):
    result = Scenario(desk, ["Monday"], [{"outcome": "booked"}, {"said": "Tuesday"}], runs=20, seed=5).run()
    text = str(result)
    assert text.startswith("broken: 0 of 20 runs pass, 0% (95% interval 0% to 16%), must be at least 100%")
    assert '20 fail by  said: "Tuesday"  (seeds 5, 6, 7, 8, 9, 10, 11, 12 and 12 more)' in text
    assert "Seed 5, the first that fails:" in text
    assert result.to_dict()["unmet"][-1]["expected"] == {"said": "Tuesday"}
    with pytest.raises(AssertionError, match="broken: 0 of 20"):
        Scenario(desk, ["Monday"], [{"said": "Tuesday"}], runs=20).check()


def test_a_measure_without_a_chance_is_left_out_unless_there_was_none_in_any_run(desk):
    bound = [{"outcome": {"answer_s_median": {"$lte": 5}}}]
    assert Scenario(desk, TALK, bound, runs=3).run().passed
    with pytest.raises(InputError, match="not applicable in any run"):
        Scenario(desk, (), bound, runs=3).run()


def test_an_outcome_that_no_session_has_is_an_error_that_lists_what_there_is(desk):
    with pytest.raises(InputError, match=r"outcome 'boked'\. Did you mean 'booked'\? There are: .*dead_air_s"):
        Scenario(desk, TALK, [{"outcome": "boked"}]).run()
    # The handler sets it somewhere: not here, and so it isn't true.
    assert Scenario(desk, ["crash"], [{"outcome": {"booked": False}}]).run().passed


# --- files -----------------------------------------------------------------------------------------------------------


def test_the_sample_passes_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenarios = read_scenarios(SAMPLE)
    assert [scenario.run().verdict for scenario in scenarios] == ["passes"] * len(scenarios)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("hello", Say("hello")),
        ({"say": "silence"}, Say("silence")),
        ({"silence": 6}, Silence(6)),
        ({"silence": None}, Silence()),
        ({"press": "0123"}, Press("0123")),
        ({"press": 5}, Press("5")),
        ({"interrupt": "wait", "after_s": 0.5}, Interrupt("wait", 0.5)),
        ({"hang_up": True}, HangUp()),
        ({"event": "voicemail", "data": {"a": 1}}, Custom("voicemail", {"a": 1})),
        ({"say": "now", "at": 12}, At(12, Say("now"))),
    ],
)
def test_inputs_are_written_as_text_or_as_a_map_with_one_key(written, means):
    assert written_input(written) == means


HEAD = "handler: desk.py\n"
EXPECT = "expect: [no_errors: true]\n"
# Each part is nine times the one before, which would be half a billion lines.
NESTED = "a: &a0 [" + "x, " * 9 + "]\n" + "".join(f"a{n + 1}: &a{n + 1} [{f'*a{n}, ' * 9}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (HEAD + EXPECT + "varients: {greeting: formal}\n", 3, "no key 'varients'. Did you mean 'variants'"),
        (HEAD + "expect:\n  - said: hello\n  - sayd: hello\n", 4, "no expectation 'sayd'. Did you mean 'said'"),
        (HEAD + "expect: {said: hello}\n", 2, "must be a list"),
        (HEAD + "expect: [{said: hello, asked: you}]\n", 2, "said and asked stand in one expectation"),
        (HEAD + "expect: [{status: completed, within_s: 3}]\n", 2, "within_s stands beside status"),
        (HEAD + "expect: [said: 3]\n", 2, "said is 3"),
        (HEAD, 1, "expect is missing"),
        (EXPECT, 1, "handler is missing"),
        (HEAD + EXPECT + "runs: 0\n", 3, "runs is 0"),
        (HEAD + EXPECT + "runs: many\n", 3, "runs is 'many', must be a whole number"),
        (HEAD + EXPECT + "least_pass_rate: 95\n", 3, "Did you mean 0.95?"),
        (HEAD + EXPECT + "least_pass_rate: -1\n", 3, "must be a number from 0 to 1"),
        (HEAD + EXPECT + "seed: x\n", 3, "seed is 'x'"),
        (HEAD + EXPECT + "inputs:\n  - hello\n  - yes\n", 5, "Put the word in quotes"),
        (HEAD + EXPECT + "inputs: [hang_up]\n", 3, "would be said"),
        (HEAD + EXPECT + "inputs: [{pres: 1}]\n", 3, "Did you mean 'press'"),
        (HEAD + EXPECT + "inputs: [press: 0123]\n", 3, "must be keys in quotes"),
        (HEAD + EXPECT + "inputs: [{interrupt: no, after: 3}]\n", 3, "Did you mean 'after_s'"),
        (HEAD + EXPECT + "inputs: hello\n", 3, "must be a list"),
        (HEAD + EXPECT + "inputs: [hello]\ncallers: silent\n", 4, "inputs and callers stand there"),
        (HEAD + EXPECT + "callers: cooperativ\n", 3, "Did you mean 'cooperative'"),
        (HEAD + EXPECT + "callers: {cooperative: -1}\n", 3, "must be a number above 0"),
        (HEAD + EXPECT + "callers: nobody.py:angry\n", 3, "There is no file"),
        (HEAD + EXPECT + "callers: desk.py:angry\n", 3, "desk.py has no 'angry'"),
        (HEAD + EXPECT + "script: nothing.json\n", 3, "There is no script file"),
        (HEAD + EXPECT + "world: {recognition_error: 0.1}\n", 3, "Did you mean 'recognition_errors'"),
        (HEAD + EXPECT + "world: mobil\n", 3, "Did you mean 'mobile'"),
        (HEAD + EXPECT + "limits: {cpu: 3}\n", 3, "Did you mean 'cpu_s'"),
        (HEAD + EXPECT + "patches: {}\n", 3, "patches can't be written in a file"),
        (HEAD + EXPECT + "strict: {a: 1}\n", 3, "strict is {'a': 1}, must be True or False"),
        (HEAD + EXPECT + "replay: nowhere\n", 3, "nowhere"),
        (HEAD + EXPECT + "replay: {log: x, on_diference: stop}\n", 3, "Did you mean 'on_difference'"),
        (HEAD + "expect: [no_failure: 'dead_air_s > much']\n", 2, "is no number"),
        (HEAD + EXPECT + "  bad: [\n", 3, "is no YAML"),
        (HEAD + HEAD + EXPECT, 2, "stands twice"),
        (HEAD + EXPECT + "name: a::b\n", 3, "which divides file and name"),
        (HEAD + "scenarios:\n  - name: a\n    " + EXPECT + "  - name: a\n    " + EXPECT, 5, "two scenarios 'a'"),
        (HEAD + "scenarios:\n  - " + EXPECT, 3, "has no name"),
        (HEAD + "scenarios: []\n", 2, "must be a list of scenarios"),
        (HEAD + "scenarios:\n  - name: a\n    runs: -2\n    " + EXPECT, 4, "runs is -2"),
        (HEAD + EXPECT + "name: \"\\e[31m\"\n", 3, "printable"),
        (HEAD + EXPECT + "name: \"\\ud800\"\n", 3, "printable"),
        (HEAD + EXPECT + "? [a, b]\n: c\n", 3, "unhashable key"),
        (HEAD + EXPECT + "callers: exits.py:angry\n", 3, "exits.py can't be imported: SystemExit: 3"),
        (HEAD + EXPECT + f"callers: {'x' * 5000}.py:angry\n", 3, "can't be reached"),
        (HEAD + EXPECT + "replay: {log: x, on_difference: [stop]}\n", 3, "There is no persona 'stop'"),
        (HEAD + EXPECT + NESTED, 3, "no key 'a'"),
        ("", 1, "holds no maps"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(tmp_path, text, line, message):
    (tmp_path / "desk.py").write_text("other = 1\n")
    (tmp_path / "exits.py").write_text("import sys\nsys.exit(3)\n")
    file = tmp_path / "x.scenario.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=rf"x\.scenario\.yaml:{line}:? .*{re.escape(message)}"):
        read_scenarios(file)


def test_who_calls_comes_from_each_of_its_keys(tmp_path):
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "callers.py").write_text("import voicelab as vl\nangry = vl.Script(['a person'], name='angry')\n")
    (tmp_path / "talk.json").write_text('["a person"]')
    (tmp_path / "v.env").write_text("KEY=value-of-the-key\n")
    file = tmp_path / "all.scenario.yml"
    file.write_text(
        textwrap.dedent(
            """
            handler: desk.py
            variables: v.env
            inputs: [crash]
            expect: [no_errors: true]
            scenarios:
              - {name: script, script: talk.json, expect: [transferred: "+15550100"]}
              - {name: python, callers: "callers.py:angry", expect: [status: transferred]}
              - {name: shares, callers: {"callers.py:angry": 1, silent: 0.0001}, expect: [transferred: true], seed: 1}
              - {name: inputs, inputs: ["a person"], expect: [said: one moment], world: {handler_delay_s: [1, 2]}}
              - {name: of the file, expect: [said: hello]}
            """
        )
    )
    verdicts = {scenario.name: scenario.run().verdict for scenario in read_scenarios(file)}
    assert verdicts == dict.fromkeys(("script", "python", "shares", "inputs"), "passes") | {"of the file": "fails"}


def test_logged_callers_are_played_again_against_what_the_handler_is_now(tmp_path):
    before = tmp_path / "before.py"
    before.write_text(DESK)
    log = vl.simulate(
        before, vl.mix((TALK, 0.5), (["a person"], 0.5)), sessions=6, seed=3, log=tmp_path / "log", progress=False
    )
    persons = [index for index in range(6) if log.session(index).status == "transferred"]
    assert 0 < len(persons) < 6
    (tmp_path / "now.py").write_text(DESK.replace('"person" in', '"anybody" in'))
    file = tmp_path / "again.scenario.yaml"
    file.write_text(
        "handler: now.py\nreplay: log\nleast_pass_rate: 0.1\nexpect: [not_said: booked, no_failure: n_errors > 0]\n"
    )
    (again,) = read_scenarios(file)
    result = again.run()
    assert (result.n_runs, result.seeds, result.kind) == (6, list(range(6)), "session")
    file.write_text(
        "handler: before.py\nreplay: {log: log, on_difference: stop}\nexpect: [outcome: {diverged_turn: 1}]\n"
    )
    with pytest.raises(InputError, match="diverged_turn is not applicable in any run"):
        read_scenarios(file)[0].run()  # nothing differs, and so no session has one
    file.write_text(
        "handler: now.py\nreplay: {log: log, sessions: [0, 1, 2, 3, 4, 5]}\nexpect: [outcome: {divergence: {$lte: 0}}]\n"
    )
    (again,) = read_scenarios(file)
    assert again.run().seeds == persons
    assert again.run(seed=persons[0]).verdict == "fails"
    with pytest.raises(InputError, match="There is no session 6 among those"):
        again.run(seed=6)
    assert "(sessions 0, 1, 2, 3, 4, 5)" in str(result)
    assert "Session 0, the first that fails:" in str(result)
