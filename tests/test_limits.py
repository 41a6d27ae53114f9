"""One session costs itself alone: how much it may take, and what it does to others when it takes more."""

import re
import textwrap

import pytest
from harness import IMPORTS, agent, play, says

import voicelab as vl
from voicelab.base.errors import InputError

SILENT = "async def handler(event, context):\n    return\n    yield\n"

# --- at the door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cpu_s", "memory_mb", "conversation_s", "outputs", "text_chars", "deaths"])
@pytest.mark.parametrize("value", [0, -1, True, False, None, float("nan"), float("inf"), "10", [10]])
def test_a_limit_is_a_number_above_0(name, value):
    with pytest.raises(InputError, match=rf"^Limits\({name}=\) is .*, must be a "):
        vl.Limits(**{name: value})


@pytest.mark.parametrize("name", ["memory_mb", "outputs", "text_chars", "deaths"])
def test_what_is_counted_is_a_whole_number(name):
    with pytest.raises(InputError, match=rf"Limits\({name}=\) is 2.5, must be a whole number from 1 on"):
        vl.Limits(**{name: 2.5})


def test_no_session_gets_more_memory_than_the_machine_has():
    with pytest.raises(InputError, match=r"is 1,000,000,000, more than this machine has \([\d,]+ MB\)"):
        vl.Limits(memory_mb=10**9)


def test_a_small_machine_refuses_no_default(monkeypatch):
    monkeypatch.setattr("voicelab.base.session_limits._machine_mb", lambda: 512)
    assert vl.Limits().memory_mb == 1024
    with pytest.raises(InputError, match="more than this machine has"):
        vl.Limits(memory_mb=1025)


@pytest.mark.parametrize("given", [10, {"cpu_s": 10}, "10 s"])
def test_limits_are_given_as_limits(given):
    with pytest.raises(InputError, match=r"^limits is .*, must be vl\.Limits"):
        vl.run(SILENT, limits=given)


def test_limits_can_not_be_changed_and_show_what_is_unusual():
    limits = vl.Limits(cpu_s=60, outputs=5)
    with pytest.raises(AttributeError):
        limits.cpu_s = 1
    assert repr(limits) == "Limits(cpu_s=60.0, outputs=5)"
    assert repr(vl.Limits()) == "Limits()"


# --- processor time --------------------------------------------------------------------------------------------------

SPINS = {
    "a loop": "while True: pass",
    "a loop that swallows": "while True:\n    try:\n        while True: pass\n    except: pass",
    "one that swallows twice": (
        "while True:\n    try:\n        while True:\n            try:\n                while True: pass\n"
        "            except BaseException: continue\n    except: pass"
    ),
    "a library": "max(range(10**9), key=lambda n: [i for i in range(100)])",
    "a task": "context.create_task(spin())\nawait asyncio.sleep(5)",
    "a task of its own": "task = asyncio.create_task(spin())\nawait asyncio.sleep(5)",
    "cleanup": "try:\n    await asyncio.sleep(9999)\nfinally:\n    while True: pass",
    "short naps": "while True:\n    await asyncio.sleep(0.0001)",
}
SPIN = "\nasync def spin():\n    while True: pass\n"


def spinning(code):
    body = f"if event.data.get('text') == 'spin':\n{textwrap.indent(code, '    ')}\n{says('ok', 'text')}"
    return agent(body) + SPIN


@pytest.mark.parametrize("code", SPINS.values(), ids=SPINS.keys())
def test_a_session_that_uses_too_much_processor_time_ends_at_its_line_and_the_next_is_as_ever(code):
    limits = vl.Limits(cpu_s=0.1, conversation_s=100)
    one, other = (play(spinning(code), inputs, limits=limits) for inputs in (["spin", "hi"], ["hi"]))
    assert (one.status, other.status) == ("timeout", "completed")
    row = next(error for error in one.errors if error.data.get("limit") == "cpu_s")
    assert re.search(
        r"limit of 0.1 s of processor time, at handler.py:\d+\. .* limits=vl\.Limits\(cpu_s=1\)", row.data["message"]
    )
    assert row.data["line"] > IMPORTS.count("\n")
    assert (other.said, other.errors) == (["ok"], [])


def test_waiting_uses_no_processor_time():
    body = (
        "if event.name == 'text':\n    await asyncio.sleep(0.3)\n    yield TextToSpeechEvent(text='ok', voice='nova')\n"
    )
    played = play(agent(body), ["hi"], clock="wall", limits=vl.Limits(cpu_s=0.2))
    assert (played.status, played.said) == ("completed", ["ok"])
