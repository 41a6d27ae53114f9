"""A practice's reminder line: it calls, and asks whether an appointment stands. How it opens is under test."""

from primfunctions.context import Context
from primfunctions.events import Event, StartEvent, StopEvent, TextEvent, TextToSpeechEvent, TimeoutEvent
from primfunctions.metrics import metrics

OPENINGS = {
    "plain": "Hello {name}. Your appointment is on {when}. Does that still suit you?",
    "warm": "Hi {name}, this is the Riverside practice. We look forward to seeing you on {when}. Does that still suit you?",
}
YES = ("yes", "fine", "suits", "sure", "will be there")
NO = ("no", "another day", "can't", "move")


async def handler(event: Event, context: Context):
    voice = context.variables.get("VOICE", "nova")
    # The caller of an entrypoint passes input data; the guide's curl, parameters.
    details = context.input_data or {"customerName": context.get_data("customerName")}

    if isinstance(event, StartEvent):
        opening = context.experiment(
            "opening",
            {"plain": 0.5, "warm": 0.5},
            conversion_metrics=["confirmed"],
            stop={"max_iterations": 2000, "max_confidence": 95, "target_metric": "confirmed", "default": "plain"},
        )
        text = OPENINGS[opening].format(
            name=details.get("customerName") or "there",
            when=details.get("appointmentTime", "Tuesday at three"),
        )
        yield TextToSpeechEvent(text=text, voice=voice)

    if isinstance(event, TextEvent):
        words = event.data.get("text", "").lower()
        if any(word in words for word in NO):
            context.set_output({"confirmed": False})
            yield StopEvent(closing_speech="We will call you about another day. Goodbye!", voice=voice)
        elif any(word in words for word in YES):
            metrics.counter("confirmed")
            context.set_output({"confirmed": True})
            yield StopEvent(closing_speech="Wonderful, see you then. Goodbye!", voice=voice)
        else:
            yield TextToSpeechEvent(text="It is about your appointment. Does it still suit you?", voice=voice)

    if isinstance(event, TimeoutEvent):
        if event.data["count"] > 1:
            yield StopEvent(closing_speech="We will try again later.", voice=voice)
        else:
            yield TextToSpeechEvent(text="Are you still there?", voice=voice)
