"""An outbound survey: it calls a customer by name and asks a few questions."""

from primfunctions.context import Context
from primfunctions.events import Event, StartEvent, StopEvent, TextEvent, TextToSpeechEvent

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def score_in(text: str) -> int | None:
    for word in text.lower().replace(".", "").split():
        if word.isdigit() and 1 <= int(word) <= 5:
            return int(word)
        if word in NUMBERS:
            return NUMBERS[word]
    return None


async def handler(event: Event, context: Context):
    step = context.get_data("step", "start")
    if isinstance(event, StartEvent):
        context.experiment(
            "wording",
            {"plain": 0.5, "warm": 0.5},
            stop={"max_iterations": 1000, "target_outcome": "survey_done", "default": "plain"},
        )
        context.experiments.add_manual_outcome("survey_done", "boolean")
        name = context.get_data("customerName")
        yield TextToSpeechEvent(
            text=f"Hello {name}, this is Anna from Green Power. Do you have two minutes for a short survey?",
            voice="nova",
        )
        context.set_data("step", "consent")
    elif isinstance(event, TextEvent):
        text = event.data["text"].lower()
        if step == "consent":
            if text.startswith(("no", "not")):
                yield StopEvent(closing_speech="I understand. Have a nice day!", voice="nova")
            elif "yes" in text or "sure" in text or "okay" in text:
                context.set_data("step", "score")
                yield TextToSpeechEvent(
                    text="Great. On a scale from one to five, how satisfied are you with our service?", voice="nova"
                )
            else:
                yield TextToSpeechEvent(text="Is now a good time, yes or no?", voice="nova")
        elif step == "score":
            score = score_in(text)
            if score is None:
                yield TextToSpeechEvent(text="Please give me a number between 1 and 5.", voice="nova")
                return
            context.set_data("score", score)
            context.set_data("step", "again")
            yield TextToSpeechEvent(text="Thank you. Would you recommend us to a friend?", voice="nova")
        elif step == "again":
            context.set_data("recommends", "yes" in text)
            context.set_data("step", "why")
            yield TextToSpeechEvent(text="Please tell me in a few words what we could do better.", voice="nova")
        elif step == "why":
            context.set_data("comment", text)
            context.set_outcome("survey_done", True)
            yield TextToSpeechEvent(text="Thanks a lot for your time. Goodbye!", voice="nova")
            yield StopEvent()
