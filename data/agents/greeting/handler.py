"""A greeting under test: three wordings, and whether the caller ends up satisfied."""

from primfunctions.events import *

VARIANTS = {"formal": 0.34, "casual": 0.33, "friendly": 0.33}
STOP = {"max_iterations": 2000, "max_confidence": 95, "target_metric": "satisfied", "default": "formal"}


async def handler(event, context):
    if isinstance(event, StartEvent):
        variant = context.experiment("greeting", VARIANTS, conversion_metrics=["satisfied"], stop=STOP)
        yield TextToSpeechEvent(text=GREETINGS[variant], voice="nova")
    if isinstance(event, TextEvent):
        yield TextToSpeechEvent(text="Thank you, goodbye.", voice="nova")
        yield StopEvent()


GREETINGS = {
    "formal": "Good morning. How may I assist you?",
    "casual": "Hey there! What can I do for you?",
    "friendly": "Hello, so good to hear from you. What is on your mind?",
}
