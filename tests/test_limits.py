"""One session costs itself alone: how much it may take, and what it does to others when it takes more."""

import pytest

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
