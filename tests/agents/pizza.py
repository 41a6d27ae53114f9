"""A pizza shop: an order in several questions, placed by a background task."""

import asyncio

from primfunctions.context import Context
from primfunctions.events import Event, StartEvent, StopEvent, TextEvent, TextToSpeechEvent, TimeoutEvent

MENU = {"margherita": 9.0, "pepperoni": 11.5, "quattro formaggi": 12.0}
SIZES = ["small", "medium", "large"]


async def place_order(context: Context):
    await asyncio.sleep(1.5)
    context.set_outcome("ordered", True)
    yield TextToSpeechEvent(text="Your pizza is on its way and takes 25 minutes. Enjoy!", voice="nova")
    yield StopEvent(closing_speech="Goodbye!", voice="nova")


async def handler(event: Event, context: Context):
    if isinstance(event, StartEvent):
        greeting = context.experiment(
            "greeting",
            {"short": 0.5, "friendly": 0.5},
            stop={"max_iterations": 2000, "max_confidence": 95, "target_outcome": "ordered", "default": "short"},
        )
        context.experiments.add_manual_outcome("ordered", "boolean")
        hello = "Pizza Presto." if greeting == "short" else "Ciao and welcome to Pizza Presto, so good that you call!"
        yield TextToSpeechEvent(text=f"{hello} What would you like to eat tonight?", voice="nova")
        context.set_data("state", "pizza")
    elif isinstance(event, TimeoutEvent):
        yield TextToSpeechEvent(text="Are you still there?", voice="nova")
    elif isinstance(event, TextEvent):
        text = event.data["text"].lower()
        state = context.get_data("state", "pizza")
        if state == "pizza":
            pizza = next((name for name in MENU if name in text), None)
            if pizza is None:
                yield TextToSpeechEvent(text="Sorry, we don't have that. Which pizza may I bring you?", voice="nova")
                return
            context.set_data("pizza", pizza)
            context.set_data("state", "size")
            yield TextToSpeechEvent(text=f"A {pizza}, good choice. What size?", voice="nova")
        elif state == "size":
            size = next((size for size in SIZES if size in text), None)
            if size is None:
                yield TextToSpeechEvent(text="I have small, medium and large. What size?", voice="nova")
                return
            context.set_data("size", size)
            context.set_data("state", "address")
            yield TextToSpeechEvent(text="And what's the delivery address?", voice="nova")
        elif state == "address":
            if not any(character.isdigit() for character in text):
                yield TextToSpeechEvent(
                    text="I need a street with a number. What's the delivery address?", voice="nova"
                )
                return
            context.set_data("address", text)
            context.set_data("state", "confirm")
            price = MENU[context.get_data("pizza", "margherita")]
            yield TextToSpeechEvent(
                text=f"One {context.get_data('size', '')} {context.get_data('pizza', '')} for {price} dollars, "
                f"to {text}. Shall I place the order?",
                voice="nova",
            )
        elif state == "confirm":
            if "yes" in text or "sure" in text:
                context.set_data("state", "placed")
                context.create_task(place_order(context), name="place_order")
                yield TextToSpeechEvent(text="One moment, I'm placing your order.", voice="nova")
            else:
                context.set_data("state", "pizza")
                yield TextToSpeechEvent(text="No problem. What would you like to eat instead?", voice="nova")
