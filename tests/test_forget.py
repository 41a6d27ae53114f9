"""A session that is over is let go of at once, and leaves the handler what the handler keeps."""

import gc
import json

from voicelab.base.session_limits import Limits
from voicelab.callers import Script
from voicelab.handlers import load_handler
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import Job, play
from voicelab.runs.options import SessionOptions
from voicelab.simulation.worker import ShardTask, run_sessions

KEEPS = """
from primfunctions.events import *

kept = []

async def later(context):
    yield LogEvent("from a task")

async def handler(event, context):
    if event.name == "start":
        for number, one in enumerate(kept):
            context.set_data(f"before {number}", {
                "data": dict(one.data), "plan": one.get_data("plan"), "variable": one.variables.get("city"),
                "variant": one.get_experiment("greeting"), "outcomes": one.get_outcome("booked"),
                "transcript": len(one.transcript_parts), "tasks": list(one.tasks), "waits": one.has_unfinished_tasks(),
            })
            one.set_data("seen again", number)
            one.set_outcome("booked", number)
            one.experiment("late", {"x": 1, "y": 1})
            one.add_outcome("late", "integer")
            one.create_task(later(one), name="late")
        kept.append(context)
        context.add_outcome("booked", "integer")
        context.experiment("greeting", {"a": 1, "b": 1})
        context.set_data("plan", f"plan {len(kept)}")
        context.create_task(later(context), name="task")
        yield TextToSpeechEvent(text="Hello")
"""


def job(text):
    handler = load_handler(text, variables={"city": "Graz"})
    return Job(SessionOptions(handler, Script(["hi"])))


def shown(rows):
    return logged(SessionRecord.from_rows(rows))


def logged(record):
    """Return all that a session's log holds of it; the notes are the handler's."""
    return json.loads(record.to_json()) | {"notes": None}


def test_a_context_that_a_handler_keeps_is_the_same_in_run_and_simulate(tmp_path):
    one = job(KEEPS)
    ran = [play(one, index) for index in range(3)]
    simulated = run_sessions(job(KEEPS), ShardTask(tmp_path, 0, "", 0, 3, {}), []).rows
    assert [shown(rows) for rows in simulated] == [logged(record) for record in ran]
    assert [record.n_errors for record in ran] == [0, 0, 0]
    assert ran[2].data["before 0"]["data"]["seen again"] == 0
    assert ran[2].data["before 1"]["plan"] == "plan 2"


def test_a_session_that_is_over_stays_as_it_was_logged_whatever_is_done_with_its_context(tmp_path):
    alone = run_sessions(job(KEEPS), ShardTask(tmp_path, 0, "", 0, 1, {}), []).rows
    followed = run_sessions(job(KEEPS), ShardTask(tmp_path, 0, "", 0, 3, {}), []).rows
    assert shown(followed[0]) == shown(alone[0])


TALKS_ON = """
from primfunctions.events import *

kept = []

async def handler(event, context):
    kept.append(context)
    if event.name == "start":
        for _ in range(4):
            kept[0].on_event(LogEvent("still here"))
            kept[0].record_metric("gauge", "still_here", 1.0, None)
    yield TextToSpeechEvent(text="Hello")
"""


def test_what_is_said_by_a_session_that_is_over_ends_no_other(tmp_path):
    one = Job(SessionOptions(load_handler(TALKS_ON), Script(["hi"]), limits=Limits(outputs=12)))
    ran = [logged(play(one, index)) for index in range(3)]
    simulated = [shown(rows) for rows in run_sessions(one, ShardTask(tmp_path, 0, "", 0, 3, {}), []).rows]
    for session in ran[1:] + simulated:
        assert (session["session"]["status"], session["session"]["n_errors"]) == ("completed", 0)
        assert [event["name"] for event in session["events"]].count("text_to_speech") == 3


LEAVES = """
from primfunctions.events import *
import asyncio

async def left_behind():
    try:
        await asyncio.sleep(100)
    finally:
        print("tidied up")

async def handler(event, context):
    if event.name == "start":
        context.held = asyncio.get_running_loop().create_task(left_behind())
        yield TextToSpeechEvent(text="Hello")
"""


def test_what_a_session_leaves_behind_still_speaks_in_its_log_as_it_is_ended(tmp_path):
    simulated = [shown(rows) for rows in run_sessions(job(LEAVES), ShardTask(tmp_path, 0, "", 0, 2, {}), []).rows]
    for session in [logged(play(job(LEAVES), 0)), *simulated]:
        assert session["events"][-1]["data"] == {"message": "tidied up"}


SEEN = """
from primfunctions.events import *
import gc, weakref

seen = []

async def handler(event, context):
    if event.name == "start":
        alive = [one() for one in seen]
        context.set_data("alive", sum(one is not None for one in alive))
        seen.append(weakref.ref(context))
        context.add_outcome("booked", "integer")
        context.experiment("greeting", {"a": 1, "b": 1})
        yield TextToSpeechEvent(text="Hello")
"""


def test_a_session_is_freed_at_once_when_it_is_forgotten(tmp_path):
    one = job(SEEN)
    gc.collect()
    gc.disable()
    try:
        sessions = run_sessions(one, ShardTask(tmp_path, 0, "", 0, 5, {}), []).rows
    finally:
        gc.enable()
    # The clock keeps the last one until its own session has begun to attend to it.
    assert {SessionRecord.from_rows(rows).data["alive"] for rows in sessions} == {0}
