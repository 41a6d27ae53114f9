"""A call that holds a live conversation up is named, with its line."""

import time

import pytest

import voicelab as vl
from voicelab.errors import BlockingCallWarning
from voicelab.session import watchdog


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(watchdog, "PATIENCE_S", 0.02)


def busy(seconds):
    # Not time.sleep(), which is seen without a watchdog: this is what a call of a service looks like from outside.
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_call_that_blocks_is_named_with_the_users_line():
    async def handler(event, context):
        if event.name == "start":
            busy(0.3)
            yield vl.sdk.TextToSpeechEvent(text="", voice="nova")

    with pytest.warns(BlockingCallWarning, match=r"test_watchdog.py:\d+: "):
        record = vl.run(handler, [vl.hang_up()], clock="wall")
    (note,) = {note.rule: note for note in record.notes if note.rule == "blocking_call"}.values()
    assert note.file == "test_watchdog.py"


def test_a_handler_that_awaits_is_not_named(recwarn):
    async def handler(event, context):
        if event.name == "start":
            await vl.offload(time.perf_counter)
            yield vl.sdk.TextToSpeechEvent(text="", voice="nova")

    record = vl.run(handler, [vl.hang_up()], clock="wall")
    assert not [note for note in record.notes if note.rule == "blocking_call"]
    assert not [warning for warning in recwarn if warning.category is BlockingCallWarning]
