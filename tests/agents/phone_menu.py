"""A phone menu: keys alone, an account number, a transfer."""

from primfunctions.context import Context
from primfunctions.events import (
    DTMFEvent,
    Event,
    StartEvent,
    StopEvent,
    TextEvent,
    TextToSpeechEvent,
    TransferSessionEvent,
)

MAIN = "For opening hours, press 1. For your account balance, press 2. To speak to somebody, press 0."


async def handler(event: Event, context: Context):
    if isinstance(event, StartEvent):
        context.experiment(
            "voice",
            {"nova": 0.5, "alloy": 0.5},
            stop={"max_iterations": 1000, "target_outcome": "helped", "default": "nova"},
        )
        context.experiments.add_manual_outcome("helped", "boolean")
        context.set_data("menu", "main")
        yield TextToSpeechEvent(text=f"Welcome to City Bank. {MAIN}", voice="nova")
    elif isinstance(event, TextEvent):
        yield TextToSpeechEvent(text=f"Please use the keys of your telephone. {MAIN}", voice="nova")
        context.set_data("menu", "main")
    elif isinstance(event, DTMFEvent):
        digits = event.data["digits"]
        menu = context.get_data("menu", "main")
        if menu == "main":
            if digits == "1":
                yield TextToSpeechEvent(
                    text="We are open from nine to five. To hear the menu again, press star.", voice="nova"
                )
                context.set_data("menu", "again")
            elif digits == "2":
                yield TextToSpeechEvent(
                    text="Enter your six digit account number, followed by the pound key.", voice="nova"
                )
                context.set_data("menu", "account")
            elif digits == "0":
                yield TransferSessionEvent(phone_number="+15550100", data={})
            else:
                yield TextToSpeechEvent(text=f"That is not a valid choice. {MAIN}", voice="nova")
        elif menu == "again":
            context.set_data("menu", "main")
            yield TextToSpeechEvent(text=MAIN, voice="nova")
        elif menu == "account":
            if len(digits.rstrip("#")) == 6:
                context.set_outcome("helped", True)
                yield TextToSpeechEvent(text="Your balance is 1,204 dollars and 12 cents.", voice="nova")
                yield StopEvent(closing_speech="Thank you for calling City Bank.", voice="nova")
            else:
                yield TextToSpeechEvent(
                    text="I'm sorry, that number is too short. Enter your six digit account number, followed by the pound key.",
                    voice="nova",
                )
