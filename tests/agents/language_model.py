"""A language model with a tool: what it says comes from `model=`."""

from primfunctions.completions import configure_provider, generate_chat_completion
from primfunctions.context import Context
from primfunctions.events import Event, StartEvent, StopEvent, TextEvent, TextToSpeechEvent

import voicelab as vl

BOOK = {"name": "book_table", "description": "Books a table.", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": BOOK}]


async def handler(event: Event, context: Context):
    if isinstance(event, StartEvent):
        configure_provider("openai", voicerun_managed=True)
        context.experiment(
            "tone",
            {"calm": 0.5, "lively": 0.5},
            stop={"max_iterations": 500, "target_outcome": "booked", "default": "calm"},
        )
        context.experiments.add_manual_outcome("booked", "boolean")
        context.set_data("messages", [{"role": "system", "content": "You book tables at Chez Luc."}])
        yield TextToSpeechEvent(text="Chez Luc, good evening. How can I help you?", voice="nova")
    elif isinstance(event, TextEvent):
        messages = context.get_data("messages", [])
        messages.append({"role": "user", "content": event.data["text"]})
        answer = await generate_chat_completion(
            {"provider": "openai", "model": "gpt-5-mini", "messages": messages, "tools": TOOLS}
        )
        if answer.message.tool_calls:
            context.set_outcome("booked", True)
            yield TextToSpeechEvent(text="Wonderful, your table is booked. See you soon!", voice="nova")
            yield StopEvent()
            return
        messages.append({"role": "assistant", "content": answer.message.content})
        yield TextToSpeechEvent(text=answer.message.content, voice="nova")


model = vl.Model(
    replies={
        r"\b(table|reserv\w*|book)\b": "Gladly. For how many people, and on which day?",
        r"\b(\d+|two|four)\b": {"And at what time shall I expect you?": 2, "Fine. What time would suit you?": 1},
        r"\b(pm|o'clock|noon)\b": "May I have your name?",
        r"\b(lopez|smith|ann)\b": vl.tool_call("book_table", people=2),
        r"\bhours|open\b": "We are open from six to eleven. Would you like a table?",
        r"\byes\b": "For how many people, and on which day?",
    },
    otherwise="I can book a table for you, or tell you our opening hours. What would you like?",
)
