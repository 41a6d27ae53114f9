"""What callers say and what sessions are given: script files, lists of inputs, parameters and input data."""

import ast
import random
from typing import Any

import voicelab as vl
from fuzz import hostile
from fuzz.judge import PARSED, Refused, Walk
from voicelab.record.script_text import messages_of, python_of

_SCRIPT = ["hello", "I would like a table", "for two", "bye"]
_GIVEN = {"name": "Ann", "n": 3, "list": [1, {"a": None}]}


async def echo(event: Any, context: Any) -> Any:
    """Answer whatever comes."""
    from voicelab import sdk

    if event.name == "start":
        context.set_data("given", context.get_data("name"))
    if event.name == "text":
        yield sdk.TextToSpeechEvent(text=f"You said {event.data['text']}", voice="nova")


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case."""
    where = rng.choice(["file", "list", "parameters", "input_data", "shared_data", "variables"])
    document = hostile.mutated(rng, _SCRIPT if where in {"file", "list"} else _GIVEN)
    return {"where": where, "document": document, "operations": hostile.some_operations(rng)}


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Run a session with it, and show it."""
    where, text = case["where"], hostile.text_of(case["document"])
    script: Any = ["hi"]
    options: dict[str, Any] = {}
    if where != "file":
        try:
            value = it.json(text)
        except Exception:
            raise Refused("no JSON that Python reads") from None
        script, options = (value, {}) if where == "list" else (script, {where: value})
    with it.door():
        if where == "file":
            path = it.folder / "script.json"
            path.write_bytes(hostile.as_bytes(text, case.get("operations", [])))
            script = vl.Script.load(path)
        record = vl.run(echo, script, seed=1, **options)
    it.text(f"{record!r}{record}")
    it.html(record._repr_html_())
    it.json(record.to_json())
    ast.parse(python_of(record.to_script()), PARSED)
    it.json(messages_of(record.to_script()))
