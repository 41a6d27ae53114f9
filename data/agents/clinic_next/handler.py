"""The clinic's booking line, changed: a slot at noon is read back before it is booked, since some had heard nine.

Well meant, and a mistake: who is asked twice says no more often. `vl.compare("clinic", "clinic_next", ...)` finds it.
"""

from calendar_service import find_slot, wants_another_day, wants_booking
from primfunctions.context import Context
from primfunctions.events import (
    Event,
    LogEvent,
    StartEvent,
    StopEvent,
    TextEvent,
    TextToSpeechEvent,
    TimeoutEvent,
)
from primfunctions.metrics import metrics

GREETINGS = {
    "formal": "Good day, you have reached the Riverside clinic. How may I assist you?",
    "casual": "Hey, this is the Riverside clinic! What can I do for you?",
    "friendly": "Hi, so glad you called the Riverside clinic! How can I help you today?",
}


async def look_up(context: Context):
    """Look the calendar up in the background, while the caller goes on talking."""
    yield LogEvent("Looking up the calendar")
    context.set_data("slot", await find_slot(context))
    yield LogEvent("Found a slot")


async def handler(event: Event, context: Context):
    voice = context.variables.get("VOICE", "nova")

    if isinstance(event, StartEvent):
        variant = context.experiment(
            "greeting",
            {"formal": 0.33, "casual": 0.33, "friendly": 0.34},
            conversion_metrics=["booked"],
            stop={
                "max_iterations": 6000,
                "max_confidence": 95,
                "target_metric": "booked",
                "default": "formal",
            },
        )
        context.create_task(look_up(context), name="look_up")
        yield TextToSpeechEvent(text=GREETINGS[variant], voice=voice)

    if isinstance(event, TextEvent):
        text = event.data.get("text", "").lower()
        slot = context.get_data("slot")
        if context.get_data("offered") and wants_booking(text) and "noon" in slot and not context.get_data("read_back"):
            context.set_data("read_back", True)
            yield TextToSpeechEvent(text=f"That is {slot}, is that right?", voice=voice)
        elif context.get_data("offered") and wants_booking(text):
            metrics.counter("booked")
            yield TextToSpeechEvent(text=f"You are booked for {slot}.", voice=voice)
            yield StopEvent(closing_speech="Thank you, goodbye!", voice=voice)
        elif slot is None:
            yield TextToSpeechEvent(text="One moment, I am looking at the calendar.", voice=voice)
        elif context.get_data("offered") and wants_another_day(text):
            yield TextToSpeechEvent(text="That is all we have this week. Shall I book it?", voice=voice)
        else:
            context.set_data("offered", True)
            yield TextToSpeechEvent(text=f"We have an opening on {slot}. Would you like it?", voice=voice)

    if isinstance(event, TimeoutEvent):
        if event.data["count"] > 1:
            yield StopEvent(closing_speech="I can't hear you. Please call again.", voice=voice)
        else:
            yield TextToSpeechEvent(text="Are you still there?", voice=voice)
