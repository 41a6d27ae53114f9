"""Whatever a session has a value of is an outcome by its name: written, evaluated, added late, measured, or counted."""

import json
import warnings

import pandas as pd
import pytest
from harness import agent

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.log.checksums import sealed
from voicelab.simulation.stops import Watch, settled_facts

CALLERS = vl.mix((vl.Script(["hello", "bye"]), 0.5), (vl.Script(["hello there, are you listening", "so", "bye"]), 0.5))


def judged_by(target, more=""):
    """Return a handler with a test of two paces, one of them slow to answer and long, judged by a target."""
    return agent(f"""
        if event.name == "start":
            stop = {{"max_iterations": 400, "max_confidence": 95, "target_outcome": {target!r}, "default": "quick"}}
            context.set_data("pace", context.experiment("pace", {{"quick": 0.5, "slow": 0.5}}, stop=stop))
            yield TextToSpeechEvent("Hello and welcome." * (3 if context.get_data("pace") == "slow" else 1), voice="nova")
        elif event.name == "text":
            {more or "pass"}
            if context.get_data("pace") == "slow":
                await asyncio.sleep(2.5)
            yield TextToSpeechEvent("I see.", voice="nova")
    """)


def simulated(folder, target, sessions=450, **options):
    more = options.pop("more", "")
    return vl.simulate(judged_by(target, more=more), CALLERS, sessions=sessions, seed=3, log=folder, progress=False,
                       **{"workers": 1} | options)  # fmt: skip


def offline(log, **asked):
    """Return the decision of the sessions afterwards."""
    return vl.analyze(log, "pace", **asked)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    """Have tests go over several shards."""
    monkeypatch.setattr("voicelab.simulation.simulation_run.SHARD_SIZE", 60)


TARGETS = ["duration_s", "n_turns", "dead_air_s", "answer_s_median", "yield_s_median", "long_call"]
LONG = {"long_call": {"duration_seconds": {"$gte": 11}}}


@pytest.mark.parametrize("target", TARGETS)
def test_a_test_is_decided_by_any_outcome_on_the_run_as_afterwards(tmp_path, target):
    options = {"evaluators": LONG} if target == "long_call" else {}
    log = simulated(tmp_path / "log", target, **options)
    [on_the_run] = log.manifest["decisions"].values()
    afterwards = offline(log).decision
    for name in ("should_stop", "conclusion", "winner", "confidence", "stopped_at", "stopped_session_index"):
        assert on_the_run[name] == getattr(afterwards, name), name
    if target in {"duration_s", "dead_air_s", "answer_s_median", "long_call"}:
        assert afterwards.winner == "slow"
        assert afterwards.stopped_at < 400
        assert set(log.exposures().tail(20)["assignment"]) == {"default_after_stop"}


def test_a_stop_by_a_measure_is_the_same_for_any_number_of_workers_and_after_a_resume(tmp_path):
    one = simulated(tmp_path / "one", "dead_air_s")
    two = simulated(tmp_path / "two", "dead_air_s", workers=2)
    assert one.manifest["decisions"] == two.manifest["decisions"]
    assert one.manifest["decisions"]["pace"]["winner"] == "slow"
    pd.testing.assert_frame_equal(
        one.exposures().drop(columns="session_id"), two.exposures().drop(columns="session_id")
    )
    # What a resumed run reads back of a settled part says what its worker had said.
    [part, *_] = one._parts
    facts = settled_facts(one.path, part)
    watch = Watch(stopping=True)
    for settled in one._parts:
        watch.replay(settled_facts(one.path, settled))
    assert json.loads(json.dumps(watch.decisions())) == one.manifest["decisions"]
    assert facts.numbers["dead_air_s"][0] == one.measures()["dead_air_s"].iloc[0]


def test_a_run_that_an_earlier_version_began_is_decided_by_measures_of_its_events(tmp_path):
    log = simulated(tmp_path / "log", "dead_air_s", 120)
    [part, *_] = log._parts
    stored = settled_facts(log.path, part)
    facts = json.loads(part.checksums(log.path).read_text())
    del facts["tables"]["measures"], facts["sha256"]
    part.checksums(log.path).write_text(json.dumps(sealed(facts)))
    part.file(log.path, "measures").unlink()
    assert settled_facts(log.path, part).numbers == stored.numbers
    assert len(stored.numbers["dead_air_s"]) == 60


def test_a_number_that_a_rule_is_judged_by_is_no_target_that_no_session_reached(tmp_path, capsys):
    simulated(tmp_path / "log", "duration_s", 40)
    assert "No session reached" not in capsys.readouterr().err
    with pytest.raises(
        InputError, match=r"The target 'duratoin_s' of a stop rule \(handler.py:\d+\).*Did you mean 'duration_s'"
    ):
        simulated(tmp_path / "other", "duratoin_s", 40)
    simulated(tmp_path / "third", "paid", 40)  # what is never written is what it has been
    assert "No session reached 'paid'" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")
def test_what_the_handler_writes_comes_before_a_measure_of_its_name(tmp_path):
    log = simulated(tmp_path / "log", "dead_air_s", 300, more='context.set_outcome("dead_air_s", 7.5)')
    assert set(offline(log).variants["mean"]) == {7.5}
    assert log.manifest["decisions"]["pace"]["winner"] is None


@pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")
@pytest.mark.parametrize(("target", "name"), [("words", "words"), ("words / duration_s", "words / duration_s")])
def test_a_name_that_sessions_write_first_after_a_test_was_judged_by_it_is_refused(tmp_path, target, name):
    with pytest.raises(
        InputError, match=f"Session [0-9]+ is the first to set the outcome '{name}', and the test 'pace'"
    ):
        simulated(
            tmp_path / "log",
            target,
            200,
            more=f'context.get_data("late") and context.set_outcome({name!r}, 3)',
            parameters=lambda index: {"late": index >= 150},
        )


def test_a_measure_without_a_chance_is_left_out_and_counted(tmp_path):
    log = simulated(tmp_path / "log", "duration_s", 60)
    result = offline(log, outcome="yield_s_median", guardrails={"dead_air_s": 0.5, "n_errors": 0})
    left_out = result.excluded.set_index("reason")["sessions"]
    assert left_out["the outcome is a measure for which there was no chance: left out"] == result.decision.sessions
    assert not result.decision.should_stop
    assert list(result.guardrails["outcome"]) == ["dead_air_s", "n_errors"]


@pytest.mark.parametrize("asked", [{"outcome": "dead_air"}, {"guardrails": ["dead_air"]}])
def test_what_no_session_has_is_named_with_what_there_is(tmp_path, asked):
    log = simulated(tmp_path / "log", "duration_s", 20)
    with pytest.raises(InputError, match=r"no outcome 'dead_air'.*duration_s.*Did you mean 'dead_air_s'"):
        offline(log, **asked)


# --- predicates ---

NAMED = {
    "patient": {"outcomes.dead_air_s": {"$lt": 1}},
    "short": {"outcomes.duration_s": {"$lt": 5}, "outcomes.n_errors": 0},
    "quick": {"outcomes.pace_kept": True},
    "yielded": {"outcomes.yield_s_median": {"$gte": 0}},
    "written": {"outcomes.note": {"$contains": "all"}},
}


def test_a_predicate_asks_any_outcome_by_its_name_alike_on_the_run_of_a_log_and_of_a_record(tmp_path):
    sets = (
        'context.set_outcome("pace_kept", context.get_data("pace") == "quick"); context.set_outcome("note", "all well")'
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log = simulated(tmp_path / "log", "pace_kept", 40, more=sets, evaluators=NAMED)
    on_the_run = log.outcomes().pivot(index="session_id", columns="outcome", values="value")
    for name, predicate in NAMED.items():
        frame = log.evaluate(predicate).set_index("session_id")["success"].astype(float)
        pd.testing.assert_series_equal(frame, on_the_run[name].reindex(frame.index).astype(float), check_names=False)
        for session_id in frame.index[:5]:
            assert float(log.session(session_id).evaluate(predicate).success) == frame[session_id]
    assert on_the_run["written"].all()
    assert on_the_run["patient"].nunique() == 2
    assert not on_the_run["yielded"].any()  # nobody interrupted: there is no value, which is none that fits
    log.add_outcomes(pd.DataFrame({"session_id": on_the_run.index[:3], "stars": [1, 5, 5]}))
    late = vl.open_log(log.path).evaluate({"outcomes.stars": 5})
    assert late["success"].sum() == 2
    assert "outcomes.stars is missing" in late["reason"].dropna().iloc[-1]
