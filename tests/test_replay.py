"""Logged callers against another version: the same rows where nothing differs, and what becomes of them where something does."""

import json
import shutil
import warnings

import pandas as pd
import pytest
from same_rows import settings
from same_rows.draws import case_of
from same_rows.player import Here

import voicelab as vl
from tests import test_voicerun
from voicelab import voicerun
from voicelab.base.errors import InputError
from voicelab.base.records import TABLES
from voicelab.change.heard_words import share_that_differs
from voicelab.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")

STOCK = vl.mix(
    *((getattr(vl.personas, n), 1) for n in ("cooperative", "hesitant", "impatient", "interrupter", "silent"))
)
PERSONA = vl.Persona("asker", opening="an appointment please", replies={r"day\?": {"on Tuesday": 1, "Friday": 1}})


def simulated(handler, callers, sessions=None, **options):
    return vl.simulate(handler, callers, sessions, executor=Here(), workers=1, progress=False, **options)


def files(log):
    return {
        path.relative_to(log.path).as_posix(): path.read_bytes()
        for table in TABLES
        for path in sorted((log.path / table).glob("*.parquet"))
    }


def agent(*questions, breaks_on=""):
    """Return a handler that greets, asks one question after another, and books."""

    async def handler(event, context):
        asked = context.get_data("asked") or 0
        if event.name == "start":
            yield vl.sdk.TextToSpeechEvent(text="Good day.")
        elif event.name == "text":
            context.set_data("asked", asked + 1)
            if breaks_on and breaks_on in event.data["text"]:
                raise ValueError("no such day")
            if asked < len(questions):
                yield vl.sdk.TextToSpeechEvent(text=questions[asked])
            else:
                context.set_outcome("booked", True)
                yield vl.sdk.TextToSpeechEvent(text="You are booked.")
                yield vl.sdk.StopEvent()

    return handler


@pytest.fixture(scope="module")
def logged():
    return simulated(agent("Which day?"), PERSONA, 12, seed=3)


@pytest.mark.parametrize("sample", ["clinic", "greeting"])
def test_a_replay_with_its_handler_world_and_seed_writes_the_same_files_to_the_byte(sample):
    world = vl.World(recognition_errors=0.1, handler_delay_s=(0.1, 0.4), handler_faults=0.02)
    log = simulated(vl.load_handler(sample), STOCK, 60, seed=7, world=world)
    again = simulated(vl.load_handler(sample), vl.Replay(log), seed=7, world=world)
    assert files(again) == files(log)
    assert again.manifest["replay"]["changed"] == []


# Further on: signals that wait or come to nobody, words behind words, several things at one moment, events of the background.
_TELLING = (54, 121, 124, 135, 158, 173, 190, 191, 194, 203, 219, 324, 349, 436)


@pytest.mark.parametrize("number", [*range(45), *_TELLING])
def test_random_conversations_are_replayed_row_by_row(number):
    case = case_of(1, number) | {"sessions": 2}
    handler, options = settings.handler(case), settings.options_of(case)
    try:
        log = simulated(handler, settings.caller_of(case["caller"]), 2, **options)
    except vl.VoicelabError:
        pytest.skip("a case that is refused")
    assert files(simulated(handler, vl.Replay(log), **options)) == files(log)


def test_callers_that_really_spoke_are_heard_as_they_were(monkeypatch):
    from voicelab.simulation import simulating

    monkeypatch.setattr(simulating, "_telephone", lambda *_, **__: settings.telephone())
    line = {"audio": vl.PhoneLine(), "seed": 2}
    log = simulated(agent("Which day?"), PERSONA, 3, **line)
    again = simulated(agent("Which day?"), vl.Replay(log), **line)
    heard = ["session_index", "said", "heard"]
    assert again.utterances()[heard[1:]].equals(log.utterances()[heard[1:]])
    in_text = simulated(agent("Which day?"), vl.Replay(log), seed=2)
    assert in_text.utterances()["heard"].tolist() == log.utterances()["heard"].tolist()


def test_any_number_of_workers_writes_the_same_rows(logged):
    handler = agent("Which day?", "Morning or afternoon?")
    one, two = (vl.simulate(handler, vl.Replay(logged), workers=n, progress=False) for n in (1, 2))
    assert files(one) == files(two)


def test_a_single_logged_caller_runs_by_itself_and_keeps_its_streams_of_chance(logged):
    replay = vl.Replay(logged, sessions=logged.sessions()["session_index"].iloc[5])  # as a frame has it
    assert repr(replay).endswith(", 1 caller)")
    record = vl.run(agent("Which day?"), replay, seed=3)
    assert list(record.events) == list(logged.session(5).events)
    assert record.outcomes == {"booked": True, "divergence": 0.0, "diverged_turn": None}


def test_one_sentence_that_differs_is_measured_and_the_lines_go_on(logged):
    again = simulated(agent("Which day would suit you?"), vl.Replay(logged), seed=3)
    sessions = again.sessions()
    assert set(sessions["outcome.diverged_turn"]) == {1}
    # "Good day." + "Which day?" + "You are booked." are 2 + 2 + 3 words; three more are said.
    assert set(sessions["outcome.divergence"]) == {3 / 10}
    assert sessions["outcome.booked"].all()
    (told,) = [event for event in again.session(0).events if event.name == "replay_diverged"]
    assert told.data == {"turn": 1, "logged": "Which day?", "said": "Which day would suit you?", "then": "keep"}


@pytest.mark.parametrize(
    ("on_difference", "status", "booked"),
    [
        ("keep", "completed", False),
        ("stop", "hangup", False),
        (vl.Persona("helper", replies={"name": "Ann", r"day\?": "Friday"}), "completed", True),
    ],
)
def test_one_question_more_is_met_as_asked_for(logged, on_difference, status, booked):
    handler = agent("Your name, please?", "Which day?")
    again = simulated(handler, vl.Replay(logged, on_difference=on_difference), seed=3)
    sessions = again.sessions()
    assert set(sessions["status"]) == {status}
    assert bool("outcome.booked" in sessions and sessions["outcome.booked"].fillna(0).all()) is booked
    assert set(sessions["outcome.diverged_turn"]) == {1}
    assert sessions["caller"].eq("asker").all()


def test_a_planted_fault_of_the_new_version_is_found(logged):
    again = simulated(agent("Which day?", breaks_on="Tuesday"), vl.Replay(logged), seed=3)
    said = logged.sql("SELECT DISTINCT session_id FROM events WHERE data LIKE '%on Tuesday%'")
    sessions = again.sessions()
    failed = sessions[sessions["n_errors"] > 0]
    hit = logged.sessions().set_index("session_id").loc[said["session_id"], "session_index"]
    assert sorted(failed["session_index"]) == sorted(hit)
    assert failed["outcome.diverged_turn"].notna().all()
    assert sessions[sessions["n_errors"] == 0]["outcome.divergence"].eq(0).all()


def test_what_the_caller_waits_for_follows_a_longer_answer(logged):
    slow = simulated(agent("Which day would suit you? " * 5), vl.Replay(logged), seed=3)
    for at in range(3):
        gaps = [_gap(log.session(at)) for log in (logged, slow)]
        assert gaps[0] == pytest.approx(gaps[1])


def _gap(record):
    """Return how long after the agent's second answer the caller's words arrived."""
    ends = [e.time_s for e in record.events if e.name == "turn_end" and e.turn == 1]
    said = [e.time_s for e in record.events if e.kind == "input" and e.turn == 2]
    return said[0] - ends[0]


def test_keys_silences_interruptions_and_hang_ups_come_again():
    async def before(event, context):
        if event.name in {"start", "text", "dtmf", "timeout"}:
            yield vl.sdk.TextToSpeechEvent(text=f"You have reached us, this is the answer to {event.name}.")

    async def after(event, context):
        async for output in before(event, context):
            yield output
        if event.name == "start":
            yield vl.sdk.TextToSpeechEvent(text="Calls may be recorded.")

    script = [vl.press("1"), vl.silence(7), "hello", vl.interrupt("no, wait", 0.9), vl.hang_up()]
    log = simulated(before, script, 1)
    record = simulated(after, vl.Replay(log)).session(0)
    inputs = [event.name for event in record.events if event.kind == "input"]
    assert inputs == [event.name for event in log.session(0).events if event.kind == "input"]
    assert record.status == "hangup"
    (cut,) = [event for event in record.events if event.name == "turn_interrupted"]
    spoken = [event.time_s for event in record.events if event.name == "text_to_speech" and event.turn == cut.turn]
    assert cut.time_s - spoken[0] == pytest.approx(0.9)


def test_recognition_errors_come_from_the_log(logged):
    log = simulated(agent("Which day?"), PERSONA, 20, seed=1, world=vl.World(recognition_errors=0.5))
    again = simulated(agent("Which day?"), vl.Replay(log), seed=99, world=vl.World(recognition_errors=0.9))
    asked = "SELECT data->>'text' AS heard, data->>'said' AS said FROM events WHERE kind='input' AND name='text' ORDER BY session_id, seq"
    counts = [log_.sql(asked).value_counts(dropna=False).to_dict() for log_ in (log, again)]
    assert counts[0] == counts[1]


def test_parameters_environment_and_direction_are_those_of_the_log():
    async def handler(event, context):
        yield vl.sdk.TextToSpeechEvent(text=f"{context.get_data('plan')} {context.get_data('n')} {context.environment}")

    rows = pd.DataFrame({"plan": ["gold", "tin"], "n": [1, 2]})
    log = simulated(handler, ["hello"], 2, parameters=rows, environment="staging", direction="outbound")
    again = simulated(handler, vl.Replay(log), parameters={"n": 7})
    assert [again.session(i).transcript[0]["content"] for i in (0, 1)] == ["gold 7 staging", "tin 7 staging"]
    assert set(again.sessions()["direction"]) == {"outbound"}


def test_imported_calls_are_replayed(tmp_path):
    for name in ("s1", "s2"):
        test_voicerun.write(tmp_path, **{f"{name}.json": test_voicerun.call(name, "formal", True)})
    log = voicerun.read(tmp_path, tmp_path / "log")
    again = simulated(agent("Which day?"), vl.Replay(log))
    for at in range(len(again.sessions())):
        said, logged_said = (
            [e.data["text"] for e in each.session(at).events if e.kind == "input" and e.name == "text"]
            for each in (again, log)
        )
        assert said == logged_said


def test_the_share_of_words_that_differ_counts_the_longer_side():
    assert share_that_differs([("Which day?", "which day")]) == 0
    assert share_that_differs([("a red house", "a red mouse")]) == pytest.approx(1 / 3)
    assert share_that_differs([("", "hello there")]) == 1
    assert share_that_differs([]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sessions": 99}, r"sessions has 99, which .* doesn't hold: .*it has 12, from 0 to 11"),
        ({"sessions": []}, "sessions is empty"),
        ({"sessions": pd.DataFrame({"id": [1]})}, "a frame without a column 'session_id'"),
        ({"on_difference": "go"}, "on_difference is 'go', must be 'keep', 'stop', or a caller"),
    ],
)
def test_what_cant_be_replayed_is_refused(logged, options, message):
    with pytest.raises(InputError, match=message):
        vl.Replay(logged, **options)


def test_more_sessions_than_callers_are_refused(logged):
    with pytest.raises(InputError, match=r"sessions is 13, and Replay\(.*\) has 12 callers: give at most as many"):
        simulated(agent(), vl.Replay(logged), 13)
    with pytest.raises(
        InputError, match=r"has 12 callers, and this is one session: name it, e.g. vl.Replay\(log, sessions=0\)"
    ):
        vl.run(agent(), vl.Replay(logged))
    with pytest.raises(InputError, match="simulate it by itself"):
        vl.mix((vl.Replay(logged), 1), (vl.personas.cooperative, 1))
    with pytest.raises(InputError, match="the log that is replayed"):
        simulated(agent(), vl.Replay(logged), log=logged.path, overwrite=True)


def test_redacted_words_and_sessions_without_events_are_left_out_or_refused(logged, tmp_path):
    vl.simulate(agent("Which day?"), PERSONA, 6, seed=3, log=tmp_path / "log", progress=False, workers=1)
    assert main(["log", "redact", str(tmp_path / "log"), str(tmp_path / "masked"), "--pattern", "Tuesday"]) in {0, None}
    with pytest.warns(UserWarning, match="sessions are left out. Session .* has redacted words of its caller's"):
        replay = vl.Replay(tmp_path / "masked")
    assert 0 < replay.n_callers < 6
    (other,) = {*range(6)} - {*replay.indexes} - {*range(1, 6)} or {next(iter({*range(6)} - {*replay.indexes}))}
    with pytest.raises(InputError, match="can't be replayed. Session .* Replay the log from which this copy was made"):
        vl.Replay(tmp_path / "masked", sessions=[other])


def test_a_damaged_log_names_what_is_damaged(logged, tmp_path):
    shutil.copytree(logged.path, tmp_path / "log")
    (path,) = (tmp_path / "log" / "events").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(vl.VoicelabError, match="events"):
        vl.Replay(tmp_path / "log")


def test_the_command_replays_a_log_with_its_seed(logged, tmp_path, capsys):
    handler = tmp_path / "handler.py"
    handler.write_text(
        "from primfunctions.events import *\n\nasync def handler(event, context):\n"
        "    yield TextToSpeechEvent(text='Good day to you.', voice='nova')\n"
    )
    main(
        [
            "simulate",
            str(handler),
            "--replay",
            str(logged.path),
            "--on-difference",
            "stop",
            "--log",
            str(tmp_path / "b"),
            "--quiet",
        ]
    )
    log = vl.open_log(tmp_path / "b")
    assert set(log.sessions()["status"]) == {"hangup"}
    assert log.manifest["seed"] == 3
    assert json.dumps(log.manifest["replay"]["on_difference"]) == '"stop"'
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert main(["simulate", str(handler), "--replay", str(logged.path), "--caller", "silent", "--log", "x"]) != 0
