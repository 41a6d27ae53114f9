"""A call that holds a live conversation up is named, with its line; a busy machine is not."""

import asyncio
import functools
import threading
import time

import pytest

import voicelab as vl
from voicelab.base.errors import BlockingCallWarning
from voicelab.runtime import watchdog


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(watchdog, "PATIENCE_S", 0.02)


def told_of(monkeypatch, function):
    """Return an event that is set when the watchdog has called one of its functions."""
    called, original = threading.Event(), getattr(watchdog, function)

    def call(*args, **kwargs):
        try:
            return original(*args, **kwargs)
        finally:
            called.set()

    monkeypatch.setattr(watchdog, function, call)
    return called


def blocking(record):
    return [note for note in record.notes if note.rule == "blocking_call"]


def compute_until(event):
    # Not time.sleep(), which is seen without a watchdog: this is what a long computation looks like from outside.
    end = time.monotonic() + 60
    while not event.is_set() and time.monotonic() < end:
        pass


@pytest.mark.parametrize("block", [compute_until, lambda event: event.wait(60)], ids=["computes", "waits"])
def test_a_call_that_blocks_is_named_with_the_users_line(monkeypatch, block):
    named = told_of(monkeypatch, "make_note")

    async def handler(event, context):
        if event.name == "start":
            block(named)
            yield vl.sdk.TextToSpeechEvent(text="", voice="nova")

    with pytest.warns(BlockingCallWarning, match=r"test_watchdog.py:\d+: "):
        record = vl.run(handler, [vl.hang_up()], clock="wall")
    assert {note.file for note in blocking(record)} == {"test_watchdog.py"}


def test_a_handler_that_awaits_is_not_named(recwarn):
    async def handler(event, context):
        if event.name == "start":
            await vl.offload(time.perf_counter)
            yield vl.sdk.TextToSpeechEvent(text="", voice="nova")

    record = vl.run(handler, [vl.hang_up()], clock="wall")
    assert not blocking(record)
    assert not [warning for warning in recwarn if warning.category is BlockingCallWarning]


def test_a_stall_outside_the_users_code_names_nobody(monkeypatch):
    looked = told_of(monkeypatch, "users_frame")

    async def handler(event, context):
        if event.name == "start":
            # The loop itself calls it, with no line of a user's around: only vl.run() below, which waits for the loop.
            asyncio.get_running_loop().call_soon(looked.wait, 60)
            await asyncio.sleep(0)
            yield vl.sdk.TextToSpeechEvent(text="", voice="nova")

    record = vl.run(handler, [vl.hang_up()], clock="wall")
    assert looked.is_set()
    assert not blocking(record)


def test_a_thread_that_the_machine_is_slow_to_start_names_nobody(monkeypatch):
    looked = told_of(monkeypatch, "users_frame")

    class Slow(threading.Thread):
        def run(self):
            """Do nothing."""

    async def handler(event, context):
        if event.name == "start":
            thread = Slow()
            thread._started.wait = functools.partial(looked.wait, 60)
            thread.start()
            yield vl.sdk.TextToSpeechEvent(text="", voice="nova")

    record = vl.run(handler, [vl.hang_up()], clock="wall")
    assert looked.is_set()
    assert not blocking(record)


@pytest.mark.parametrize(
    ("used_s", "starved", "held_up"),
    [
        (0.0, True, False),  # it asks for a processor and gets none: the machine is busy
        (0.002, True, False),
        (0.0, False, True),  # it waits for something else
        (0.02, True, True),  # it computes
        (0.02, False, True),
    ],
)
def test_what_a_busy_machine_does_to_a_thread_is_not_taken_for_a_call(used_s, starved, held_up):
    assert watchdog.is_held_up(used_s, starved=starved) is held_up
