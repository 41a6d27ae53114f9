"""A session as VoiceRun's debugger exports one, and back."""

import json

import pytest
from harness import agent
from test_analyze import declaration, session, write_log

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import InputError
from voicelab.cli import main

DESK = agent(
    """
async def look_up(context):
    await asyncio.sleep(1)
    yield LogEvent("found")
    raise ValueError("no such order")
if event.name == 'start':
    context.experiment('t', {'a': .25, 'b': .75}, conversion_metrics=['booked'], stop={'max_iterations': 40, 'target_outcome': 'score', 'default': 'a'})
    context.add_outcome('score', 'float')
    context.add_outcome('mood', 'string')
    context.add_outcome('never', 'boolean')
    context.set_data('plan', {'name': 'gold', 'of': context.get_data('customer')})
    context.create_task(look_up(context), name='look_up')
    yield TextToSpeechEvent('Welcome to the desk, what may I do for you today?')
    yield SilenceEvent(duration=500)
elif event.name == 'text':
    metrics.counter('booked', value=1)
    context.set_outcome('score', 0.5)
    context.set_outcome('mood', 'glad')
    context.set_output({'ok': True})
    yield TextToSpeechEvent('You said ' + event.data['text'])
"""
)
SAME = ("status", "caller", "n_turns", "n_errors", "duration_s", "environment", "data", "output_data", "parameters", "variants", "assignments", "declarations", "outcomes")  # fmt: skip


def back(record, folder):
    """Return the record that an import of the export has."""
    path = record.to_debugger(folder / "session.json")
    log = voicerun.read(path, log=folder / "log")
    return log.session(record.session_id)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["drawn", "forced", "default_after_stop"])
def test_an_import_of_an_export_gives_the_session_back(tmp_path, how):
    given = {"drawn": {}, "forced": {"variants": {"t": "b"}}, "default_after_stop": {"run_test": {"t": False}}}[how]
    said = ["hello", vl.silence(6), 'a "quoted" line\nand é', vl.hang_up()]
    record = vl.run(DESK, said, seed=3, parameters={"customer": "Ann"}, **given)
    found = back(record, tmp_path)
    for name in SAME:
        assert getattr(found, name) == getattr(record, name), name
    before = sorted(record.events, key=lambda event: event.time_s)
    assert [(e.kind, e.name, e.data, e.turn, e.background, e.task_name) for e in found.events] == [
        (e.kind, e.name, e.data, e.turn, e.background, e.task_name) for e in before
    ]
    assert [e.time_s for e in found.events] == pytest.approx([e.time_s for e in before], abs=1e-5)
    assert [(m["metric"], m["type"], m["value"]) for m in found.metrics] == [("booked", "counter", 1.0)] * 2
    assert {task for e in found.events if (task := e.task_name)} == {"look_up"}
    assert found.source == "imported"


COUNTING = """
async def handler(event, context):
    if event.name == "start":
        context.experiment("tone", {"a": 0.5, "b": 0.5}, conversion_metrics=["booked"])
        metrics.counter("booked", value=1)
        yield TextToSpeechEvent(text="hi")
"""


@pytest.mark.filterwarnings("ignore")
def test_sessions_come_back_in_the_order_of_their_log_with_outcomes_that_no_metric_contradicts(tmp_path):
    world = vl.World(truth={"tone": {"booked": {"a": 0.5, "b": 0.5}}})
    caller = vl.mix((vl.Script([vl.silence(seconds=7), "hello"]), 0.5), (vl.Script(["hi"]), 0.5))
    log = vl.simulate(
        COUNTING, caller, sessions=12, seed=1, world=world, log=tmp_path / "log", workers=1, progress=False
    )
    for index in range(12):
        log.session(index).to_debugger(tmp_path / f"session-{index:02}.json")
    found = voicerun.read(str(tmp_path / "*.json"), log=tmp_path / "back")
    before, after = log.sessions(), found.sessions()
    assert before["duration_s"].nunique() > 1
    assert list(after["session_id"]) == list(before["session_id"])
    assert list(after["outcome.booked"]) == list(before["outcome.booked"])
    assert 0 < before["outcome.booked"].sum() < 12


def test_a_test_without_a_draw_is_exported_as_one(tmp_path):
    log = write_log(tmp_path, [session(0, exposures=[("t", None, "unassigned", declaration())], status="transferred")])
    found = back(log.session(0), _made(tmp_path / "back"))
    assert (found.status, found.assignments) == ("transferred", {"t": "unassigned"})


def _made(folder):
    folder.mkdir()
    return folder


@pytest.mark.filterwarnings("ignore")
def test_the_rows_are_those_that_the_debugger_draws():
    rows = vl.run(DESK, ["hello"], seed=3).debugger_rows()
    assert all(row["event"] == "debug" and isinstance(row["name"], str) for row in rows)
    times = [row["_clientTime"] for row in rows]
    assert times == sorted(times)
    assert times[0] > 1e9  # 0 would be no time to it
    tasks = [row for row in rows if row.get("background")]
    assert {row["background_task_name"] for row in tasks} == {"look_up"}
    (speech,) = [row for row in rows if row["name"] == "text_to_speech" and row["turn"] == 1]
    assert (speech["type"], speech["data"]["text"]) == ("output", "You said hello")


def test_the_command_writes_and_prints_a_session(tmp_path, capsys):
    log = write_log(tmp_path, [session(0), session(1)])
    assert main(["export", str(tmp_path), "--session", "s001"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == log.session(1).debugger_rows()
    file = tmp_path / "session.json"
    assert main(["export", str(tmp_path), "--session", "1", "--output", str(file)]) == 0
    assert file.read_text(encoding="utf-8") == printed
    assert main(["export", str(tmp_path), "--session", "7"]) == 1
    assert "There is no session 7" in capsys.readouterr().err
    with pytest.raises(InputError, match="can't be written"):
        log.session(0).to_debugger(tmp_path / "nowhere" / "session.json")
