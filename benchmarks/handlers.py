"""The handler that the benchmarks measure: five turns, one test, one outcome, with and without a background task."""

import asyncio
import random
import time

from primfunctions.context import Context
from primfunctions.events import Event, LogEvent, StartEvent, TextEvent, TextToSpeechEvent

TEXTS = ["hello", "what times do you have", "tuesday please", "yes book it", "thank you"]


async def five_turns(event: Event, context: Context):
    if isinstance(event, StartEvent):
        context.add_outcome("booked", "boolean")
        context.add_test(
            "greeting",
            {"formal": 0.5, "casual": 0.5},
            stop={"max_iterations": 10_000_000, "target_outcome": "booked", "default": "formal"},
        )
        greeting = "Good day." if context.get_test("greeting") == "formal" else "Hey there!"
        yield TextToSpeechEvent(text=greeting, voice="nova")

    if isinstance(event, TextEvent):
        text = event.data.get("text", "")
        if "book" in text:
            context.set_outcome("booked", True)
        yield TextToSpeechEvent(text=f"You said: {text}", voice="nova")


async def background_task(context: Context):
    yield LogEvent("Processing background task...", location="handler.py:1")
    context.set_data("task_completed", False)
    await asyncio.sleep(random.random() * 10)
    context.set_data("task_completed", True)
    context.set_data("completion_time", time.time())
    yield LogEvent("Background task done", location="handler.py:6")


async def five_turns_and_a_task(event: Event, context: Context):
    if isinstance(event, StartEvent):
        context.create_task(background_task(context), name="background_task")
    async for output in five_turns(event, context):
        yield output
