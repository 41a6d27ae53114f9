"""A triage desk with two tests: how it opens, and what it offers."""

import re

from primfunctions.context import Context
from primfunctions.events import Event, StartEvent, StopEvent, TextEvent, TextToSpeechEvent, TransferSessionEvent

URGENT = r"chest pain|can't breathe|bleeding|unconscious"


async def handler(event: Event, context: Context):  # noqa: PLR0912 - as people write them
    if isinstance(event, StartEvent):
        opening = context.experiment(
            "opening",
            {"open": 0.4, "guided": 0.6},
            stop={"max_iterations": 1500, "target_outcome": "routed", "default": "open"},
        )
        context.experiments.add_manual_outcome("routed", "boolean")
        context.experiments.add_manual_outcome("accepted", "boolean")
        context.set_data("state", "problem")
        if opening == "open":
            yield TextToSpeechEvent(text="Riverside Clinic. Please describe what is wrong.", voice="nova")
        else:
            yield TextToSpeechEvent(
                text="Riverside Clinic. Are you calling about an appointment, a prescription, or something urgent?",
                voice="nova",
            )
    elif isinstance(event, TextEvent):
        text = event.data["text"].lower()
        state = context.get_data("state", "")
        if state == "problem":
            if re.search(URGENT, text):
                context.set_outcome("routed", True)
                yield TransferSessionEvent(phone_number="+15550911", data={"reason": text})
            elif "urgent" in text:
                yield TextToSpeechEvent(text="Tell me what happened, please.", voice="nova")
            elif any(word in text for word in ("appointment", "checkup", "see a doctor")):
                context.set_outcome("routed", True)
                context.set_data("state", "offer")
                offer = context.experiment(
                    "offer",
                    {"early": 0.5, "choice": 0.5},
                    stop={"max_iterations": 1500, "target_outcome": "accepted", "default": "early"},
                )
                if offer == "early":
                    yield TextToSpeechEvent(
                        text="Dr. Wong is free tomorrow at 8. Does that work for you?", voice="nova"
                    )
                else:
                    yield TextToSpeechEvent(text="Would Tuesday morning or Thursday afternoon suit you?", voice="nova")
            elif "prescription" in text or "refill" in text:
                context.set_outcome("routed", True)
                context.set_data("state", "birth")
                yield TextToSpeechEvent(text="What is your date of birth?", voice="nova")
            else:
                yield TextToSpeechEvent(text="I didn't understand. Please describe what is wrong.", voice="nova")
        elif state == "offer":
            accepted = any(word in text for word in ("yes", "tuesday", "thursday", "works"))
            context.set_outcome("accepted", accepted)
            words = "You're all set" if accepted else "The front desk will call you back"
            yield StopEvent(closing_speech=f"{words}. Goodbye.", voice="nova")
        elif state == "birth":
            yield TextToSpeechEvent(text="Thank you, your doctor will send it today. Goodbye.", voice="nova")
            yield StopEvent()
