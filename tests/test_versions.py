"""`vl.compare`: two versions of a handler on the same callers."""

import json
import subprocess
from xml.etree import ElementTree as ET

import pytest

import voicelab as vl
from voicelab.base.errors import InputError, LogError
from voicelab.cli import main

CALLERS = vl.mix(
    (vl.Script(["yes please"], name="yes"), 0.5),
    (vl.Script(["no"], name="no"), 0.3),
    (vl.Script(["hm"], name="hm"), 0.2),
)
AGENT = """
import random
from primfunctions.events import StartEvent, TextEvent, TextToSpeechEvent, StopEvent

async def handler(event, context):
    if isinstance(event, StartEvent):
        variant = context.experiment("greeting", {"formal": 0.5, "casual": 0.5}, conversion_metrics=["booked"])
        context.set_outcome("luck", random.random())
        yield TextToSpeechEvent(text=f"{variant}: shall I book?", voice="nova")
    if isinstance(event, TextEvent):
        booked = event.data["text"].startswith("yes")
        context.set_outcome("booked", booked)
        yield TextToSpeechEvent(text="You are booked." if booked else "Which day?", voice="nova")
        yield StopEvent()
"""
FAULTY = AGENT.replace('.startswith("yes")', '.startswith("yes") and random.random() > 0.2')
QUIET = {"seed": 5, "progress": False, "workers": 1}


@pytest.fixture(scope="module")
def worse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs") / "runs"
    return vl.compare(AGENT, FAULTY, CALLERS, outcome="booked", guardrails={"duration_s": 30.0}, log=folder, **QUIET)


@pytest.fixture(scope="module")
def same():
    return vl.compare(AGENT, AGENT, CALLERS, outcome="booked", margin=0.05, guardrails={"n_errors": 0.05}, **QUIET)


def test_a_planted_fault_is_found_and_ends_the_run(worse):
    decision = worse.decision
    assert (decision.conclusion, decision.decided, worse.passed) == ("worse", True, False)
    assert 20 < decision.sessions <= worse.n_pairs == 500  # of 10,000
    assert decision.confidence >= 95
    assert decision.sentence.startswith("The new version is worse: booked ")
    assert repr(worse) == f"VersionComparison({decision.sentence})"


def test_what_both_versions_draw_is_the_same(worse, same):
    # The versions differ in one more draw, after all that is compared here.
    old, new = (log.sessions() for log in (worse.old, worse.new))
    for column in ("caller", "variant.greeting", "outcome.luck"):
        assert (old[column] == new[column]).all()
    assert same.divergence.n_same == same.n_pairs
    assert not len(same.diverging)


def test_equal_versions_are_held_by_a_margin_and_so_are_errors_that_never_come(same):
    assert same.decision.conclusion == "held"
    assert same.passed
    row = same.differences.set_index("outcome").loc["n_errors"]
    assert (row["role"], row["verdict"]) == ("guardrail", "held")


def test_each_outcome_has_its_row(worse):
    frame = worse.differences.set_index("outcome")
    assert list(frame["role"]) == ["target", "guardrail", "check", "check", "check"]
    booked = frame.loc["booked"]
    old, new = (log.sessions()["outcome.booked"] for log in (worse.old, worse.new))
    assert booked["difference"] == pytest.approx(new.mean() - old.mean())
    assert booked["difference_cs_lower"] < booked["difference"] < booked["difference_cs_upper"] < 0
    assert (booked["old_only"], booked["new_only"]) == (((old == 1) & (new == 0)).sum(), 0)
    assert booked["unpaired_sessions"] > 3 * 2 * booked["pairs"]
    assert frame.loc["duration_s", "verdict"] == "held"
    assert frame.loc["luck", "difference"] == 0
    assert worse.to_frame().equals(worse.differences)


def test_conversations_are_grouped_by_the_first_event_that_differs(worse):
    (row,) = worse.diverging.to_dict("records")
    assert (row["old_event"], row["new_event"], row["turn"]) == ("You are booked.", "Which day?", 1)
    assert (row["old"], row["new"]) == (1, 0)
    assert row["sessions"] == worse.differences["old_only"].iloc[0]
    both = worse.session(row["session_index"])
    assert list(both) == ["old", "new"]
    assert [record.outcomes["booked"] for record in both.values()] == [True, False]
    assert worse.session(row["session_id"])["new"].session_id == both["new"].session_id
    assert "`You are booked.` -> `Which day?` in " in str(worse)


def test_the_card_says_the_verdict_and_escapes_what_handlers_say(worse, tmp_path):
    card = worse._repr_html_()
    assert "The new version is worse." in card
    assert "Which day?" in card
    assert worse.to_html(tmp_path / "card.html").read_text().count("vl-card") >= 1
    odd = AGENT.replace("Which day?", "<script>alert(1)</script>")
    compared = vl.compare(AGENT, odd, CALLERS, sessions=20, outcome="booked", **QUIET)
    assert "<script>" not in compared._repr_html_()


def test_both_logs_are_those_that_simulate_writes(worse):
    log = vl.simulate(AGENT, CALLERS, worse.n_pairs, seed=5, stopping=False, progress=False, workers=2)
    assert log.sessions().equals(vl.open_log(worse.old.path).sessions())
    assert log.events().equals(worse.old.events())
    assert worse.old.rerun(7).to_frame().equals(worse.old.session(7).to_frame())


def test_logs_that_are_there_are_compared_again_and_grow_where_more_is_asked(worse, capfd):
    folder = worse.old.path.parent
    again = vl.compare(AGENT, FAULTY, CALLERS, outcome="duration_s", sessions=700, log=folder, **QUIET)
    assert again.n_pairs in {500, 700}
    assert again.decision.outcome == "duration_s"
    fewer = vl.compare(AGENT, FAULTY, CALLERS, outcome="booked", sessions=40, log=folder, **QUIET)
    assert fewer.n_pairs == 40
    with pytest.raises(LogError, match=r"overwrite=True"):
        vl.compare(FAULTY, AGENT, CALLERS, outcome="booked", log=folder, **QUIET)


def test_an_odd_number_of_sessions_grows_into_a_whole_log(tmp_path):
    for sessions in (30, 60):
        vl.compare(AGENT, AGENT, CALLERS, outcome="booked", sessions=sessions, log=tmp_path / "r", **QUIET)
    log = vl.open_log(tmp_path / "r" / "new")
    assert len(log.sessions()) == log.manifest["sessions"] == 60
    assert log.verify().sound


def test_an_interrupted_comparison_goes_on(tmp_path, monkeypatch):
    from voicelab.change import two_versions

    with monkeypatch.context() as patch:
        patch.setattr(two_versions, "compared_versions", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            vl.compare(AGENT, FAULTY, CALLERS, outcome="booked", sessions=60, log=tmp_path / "r", **QUIET)
    compared = vl.compare(
        AGENT, FAULTY, CALLERS, outcome="booked", sessions=60, log=tmp_path / "r", resume=True, **QUIET
    )
    assert compared.n_pairs == 60


def test_versions_with_other_tests_and_outcomes_are_told_apart_in_words():
    other = AGENT.replace(
        '"greeting", {"formal": 0.5, "casual": 0.5}', '"greeting", {"formal": 0.5, "warm": 0.5}'
    ).replace('"luck"', '"fate"')
    compared = vl.compare(AGENT, other, CALLERS, outcome="booked", sessions=20, **QUIET)
    said = " ".join(compared.warnings)
    assert "'greeting' has other variants in the new version (formal, casual and formal, warm)" in said
    assert "Only the old version writes 'luck'." in said
    assert "Only the new version writes 'fate'." in said
    moved = AGENT.replace("0.5", "0.4", 1)
    assert "other weights" in " ".join(
        vl.compare(AGENT, moved, CALLERS, outcome="booked", sessions=20, **QUIET).warnings
    )


def test_an_outcome_that_one_version_never_writes_counts_as_unwritten_and_is_said():
    silent = AGENT.replace('context.set_outcome("luck", random.random())', "pass")
    compared = vl.compare(AGENT, silent, CALLERS, outcome="luck", sessions=40, **QUIET)
    assert "The new version never wrote 'luck'" in " ".join(compared.warnings)
    assert compared.differences["new"].iloc[0] == 0


def test_pairs_in_which_a_side_has_no_value_are_left_out_and_counted():
    failing = AGENT.replace(
        'context.set_outcome("luck", random.random())',
        'context.set_outcome("luck", random.random() if "y" in context.get_data("k", "") else float("nan"))',
    )
    compared = vl.compare(AGENT, failing, CALLERS, outcome="luck", sessions=10, **QUIET)
    row = compared.differences.iloc[0]
    assert (row["pairs"], row["excluded"]) == (0, 10)
    assert compared.decision.sentence == "No decision: luck has a value on both sides of no pair."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sessions": 0}, "sessions is 0"),
        ({"callers": None}, "None is no caller"),
        ({"margin": -0.1}, "margin is -0.1, must be a number from 0 on"),
        ({"direction": "up"}, "direction is 'up', must be"),
        ({"outcome": "bookd"}, "Neither version has an outcome 'bookd'.*Did you mean 'booked'"),
        ({"outcome": "booked", "guardrails": ["booked"]}, "needs no guardrail"),
        ({"outcome": "booked", "guardrails": ["lucky"]}, "Neither version has an outcome 'lucky'"),
    ],
)
def test_what_is_not_allowed_is_said(arguments, said):
    with pytest.raises(InputError, match=said):
        vl.compare(AGENT, AGENT, **{"callers": CALLERS, "sessions": 10, **QUIET, **arguments})


# --- revisions and the command ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repository")

    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments],
            cwd=folder,
            check=True,
            capture_output=True,
        )

    git("init", "-b", "main")
    (folder / "agent").mkdir()
    (folder / "agent" / "handler.py").write_text(AGENT)
    (folder / "script.json").write_text('["yes please"]')
    git("add", ".")
    git("commit", "-m", "one")
    (folder / "agent" / "handler.py").write_text(FAULTY)
    git("commit", "-am", "two")
    return folder


@pytest.mark.parametrize(
    ("old", "allowed", "code"),
    [("HEAD~1:agent", "booked=0.1", 1), ("main:agent/handler.py", "booked=0.1", 0), ("HEAD:./agent", "booked=0.05", 0)],
)
def test_the_command_takes_revisions_and_ends_with_what_it_found(repository, monkeypatch, capsys, old, allowed, code):
    monkeypatch.chdir(repository)
    junit = repository / "reports" / "out.xml"
    given = ["compare", old, "agent", "--script", "script.json", "--max-drop", allowed, "--max-rise", "n_errors=0.05"]
    assert main([*given, "-n", "250", "--workers", "1", "--junit", str(junit), "--quiet"]) == code
    out = capsys.readouterr().out
    assert out.startswith(
        "FAIL: The new version is worse" if code else "PASS: The new version is not worse by more than "
    )
    suite = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", str(code))
    assert [case.get("name") for case in suite.iter("testcase")] == ["booked", "n_errors"]


def test_json_is_one_document(repository, monkeypatch, capsys):
    monkeypatch.chdir(repository)
    main(
        [
            "compare",
            "agent",
            "agent",
            "--script",
            "script.json",
            "--max-drop",
            "booked=0.1",
            "-n",
            "100",
            "--workers",
            "1",
            "--json",
        ]
    )
    document = json.loads(capsys.readouterr().out)
    assert document["conclusion"] == "held"
    assert document["differences"][0]["outcome"] == "booked"


@pytest.mark.parametrize(
    ("old", "said"),
    [
        ("mian:agent", "no revision 'mian'. Did you mean 'main'"),
        ("main:agnt", "'agnt' isn't in main.*Did you mean 'agent'"),
        ("main:../agent", "isn't in main"),
    ],
)
def test_revisions_that_do_not_exist_are_said_with_the_nearest(repository, monkeypatch, old, said):
    monkeypatch.chdir(repository)
    with pytest.raises(InputError, match=said):
        vl.compare(old, "agent", ["yes"], sessions=10, **QUIET)


def test_outside_of_a_repository_there_are_no_revisions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="lies in no repository"):
        vl.compare("main:agent", AGENT, ["yes"], sessions=10, **QUIET)


@pytest.mark.parametrize("given", ["booked", "booked=much", "=0.1", "booked=-1"])
def test_a_margin_is_a_number_by_name(capsys, given):
    assert main(["compare", "clinic", "clinic", "--max-drop", given]) == 1
    assert "write NAME=MARGIN" in capsys.readouterr().err


def test_measures_and_ratios_are_compared_and_quantiles_refused():
    slow = AGENT.replace("booked = event", "import asyncio; await asyncio.sleep(1); booked = event")
    guardrails = {"n_turns / duration_s": 0.2}
    compared = vl.compare(
        AGENT, slow, CALLERS, 60, outcome="answer_s_median", direction="minimize", guardrails=guardrails, **QUIET
    )
    frame = compared.differences.set_index("outcome")
    assert compared.decision.conclusion == "worse"
    assert frame.loc["answer_s_median", "difference"] == pytest.approx(1, abs=0.01)
    old, new = (log.sessions() for log in (compared.old, compared.new))
    ratios = [own["n_turns"].sum() / own["duration_s"].sum() for own in (old, new)]
    assert list(frame.loc["n_turns / duration_s", ["old", "new"]]) == pytest.approx(ratios)
    assert frame.loc["n_turns / duration_s", "difference"] == pytest.approx(ratios[1] - ratios[0], rel=0.2)
    with pytest.raises(InputError, match="is a quantile, which has no difference in a pair"):
        vl.compare(AGENT, AGENT, CALLERS, 10, outcome="p95(duration_s)", **QUIET)


ENDING = """
from primfunctions.events import TextEvent

async def handler(event, context):
    if isinstance(event, TextEvent):
        context.set_outcome("ending", WORDS)
    if False:
        yield
"""


def test_a_level_that_one_version_never_writes_is_no_session_of_its():
    versions = [ENDING.replace("WORDS", words) for words in ('"calls back"', 'event.data["text"]')]
    for old, new, means in ((*versions, (1, 0)), (*versions[::-1], (0, 1))):
        compared = vl.compare(old, new, CALLERS, sessions=20, outcome="ending=calls back", **QUIET)
        row = compared.differences.iloc[0]
        assert (row["kind"], row["pairs"], (row["old"], row["new"])) == ("binary", 20, means)
    with pytest.raises(InputError, match="has no level 'maybe'. It has: "):
        vl.compare(*versions, CALLERS, sessions=20, outcome="ending=maybe", **QUIET)


def test_errors_are_said_of_the_version_that_had_them(capsys):
    vl.compare(AGENT, AGENT.replace("event.data", "event.dat"), CALLERS, sessions=5, outcome="n_turns", **QUIET)
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "had an error" in line]
    assert said.startswith("The new version: 5 of 5 sessions (100 %) had an error, AttributeError: ")
    assert said.endswith("Look at one: comparison.new.session(0).")


def test_a_replay_is_compared_over_the_callers_that_it_has():
    log = vl.simulate(AGENT, CALLERS, sessions=3, seed=5, progress=False)
    compared = vl.compare(AGENT, AGENT, vl.Replay(log), outcome="booked", **QUIET)
    assert (compared.n_pairs, compared.horizon, compared.divergence.n_same) == (3, None, 3)


def test_a_single_pair_is_told_of_in_the_singular():
    said = str(vl.compare(AGENT, AGENT, CALLERS, sessions=1, outcome="booked", **QUIET))
    assert "1 of 1 conversation is the same, " in said
    assert " a declared horizon of 1 pair, " in said


def test_less_is_better_of_what_every_session_has_a_number_of():
    longer = AGENT.replace("shall I book?", "shall I book a table for you this evening, or another day?")
    given = {"sessions": 60, "outcome": "duration_s", **QUIET}
    assert vl.compare(AGENT, longer, CALLERS, **given).decision.conclusion == "worse"
    assert vl.compare(AGENT, longer, CALLERS, direction="maximize", **given).decision.conclusion == "better"
    rows = vl.compare(AGENT, longer, CALLERS, **given | {"outcome": "words / agent_words"}).differences
    assert rows["direction"].iloc[0] == "minimize"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--junit", "."], "can't be written: it is a folder"),
        (["--html", "nowhere/out.html"], "--html nowhere/out.html: there is no folder "),
        (["--max-drop", "booked=0.1", "--max-rise", "booked=0.2"], "booked is named twice"),
    ],
)
def test_what_the_command_cant_do_is_said_before_anything_is_run(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "clinic", "clinic_next", "-n", "4", "--log", "runs", *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_differs_after_many_words_differs_and_is_shown_where_it_does():
    ending = AGENT.replace("yield StopEvent()", 'yield StopEvent(closing_speech="Goodbye.", voice="nova")')
    long = AGENT.replace(
        "Which day?", "Which day would suit you best of all those that we have " + "still " * 20 + "free?"
    )
    given = {"sessions": 20, "outcome": "booked", **QUIET}
    compared = vl.compare(long, long.replace("free?", "open?"), CALLERS, **given)
    (row,) = compared.diverging.to_dict("records")
    assert (row["old_event"], row["new_event"]) == ("…" + "still " * 5 + "free?", "…" + "still " * 5 + "open?")
    assert compared.divergence.n_same == 20 - row["sessions"] > 0
    said = vl.compare(ending, ending.replace("Goodbye.", "Good day."), CALLERS, **given).diverging.iloc[0]
    assert (said["old_event"], said["new_event"]) == ("stop: Goodbye.", "stop: Good day.")
