"""`record.explain(seq)` says of each row why it came when it did: which input, which deadline, which gate."""

import asyncio

import pytest

import voicelab as vl
from voicelab import sdk
from voicelab.base.errors import InputError
from voicelab.base.records import Event
from voicelab.record.svg import svg
from voicelab.record.why import explained

TTS = sdk.TextToSpeechEvent


async def handler(event, context):
    if event.name == "start":
        yield TTS(text="This must be heard.", interruptible=False)
        yield TTS(text="You may speak over this at any time you like.")
    elif event.name == "text":
        if "fail" in event.data["text"]:
            raise ValueError("no")
        if "bye" in event.data["text"]:
            yield sdk.StopEvent(closing_speech="Good bye.")
        else:
            yield TTS(text="Yes.")
            await asyncio.sleep(1)
            yield TTS(text="And more.")
    elif event.name == "timeout":
        yield TTS(text="Hello?")


RECORD = vl.run(
    handler,
    [
        vl.at(0.5, "wait"),
        vl.at(4.0, "stop it"),
        vl.silence(7),
        sdk.CustomEvent("ping", {}),
        "fail",
        "bye",
    ],
)


def why(name, at=0, **data):
    """Return why the row of a name came, of those whose data holds these."""
    found = [e for e in RECORD.events if e.name == name and data.items() <= e.data.items()]
    return RECORD.explain(found[at].seq)


WHYS = {
    "the first": (("start",), "The session began"),
    "what begins at once": (("text_to_speech", 0), "in answer to row 0 (start); nothing else played, and it began at once, at 0.00 s. It has been played at 1.14 s"),
    "what waits for what plays": (("text_to_speech", 1), "it had to wait until row 1 had been played, at 1.14 s."),
    "what closes the gate": (("input_gate", 0), "Row 1 began to play, which may not be interrupted"),
    "what opens it": (("input_gate", 1), "Row 1 had been played"),
    "words that wait": (("input_held",), "the gate was closed since 0.00 s (row 2): the agent may not be interrupted"),
    "words that have waited": (("text", 0), "came at 0.50 s and had to wait (row 4)"),
    "words that interrupt": (("text", 1), "took the floor at once, since the gate was open, at 4.00 s. Of the turn that they interrupted the caller had heard"),
    "the interruption itself": (("turn_interrupted",), "The caller was heard while the agent"),
    "a silence": (("timeout",), "After 5.00 s the handler is told, the first time."),
    "a signal": (("ping",), "A signal interrupts nothing"),
    "an error": (("error",), "The handler raised this at test_why.py:"),
    "the end": (("stop", -1), "the agent ended it"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHYS)
def test_a_row_is_explained(name):
    (event, *at), said = WHYS[name]
    assert said in why(event, *at)


def test_a_turns_end_says_what_it_waited_for():
    said = [RECORD.explain(e.seq) for e in RECORD.events if e.name == "turn_end"]
    assert any("its last word (row 3) had been played" in text for text in said)
    assert any("The caller took the floor" in text for text in said)
    assert any("there was nothing of it to play" in text for text in said)


def test_the_row_of_a_log_is_explained_as_the_one_that_ran(tmp_path):
    script = vl.Script([vl.interrupt("stop it", after_s=0.5), vl.silence(7)])
    log = vl.simulate(handler, script, sessions=1, log=tmp_path / "log", workers=1, progress=False)
    stored, ran = log.session(0), vl.run(handler, script)
    assert [stored.explain(seq) for seq in range(len(stored.events))] == [
        ran.explain(seq) for seq in range(len(ran.events))
    ]


def test_the_picture_says_it_too():
    assert "The caller was heard while the agent" in svg(RECORD.events, RECORD.duration_s)


def test_a_second_interruption_is_of_what_was_cut_then():
    async def talks(event, context):
        if event.name != "stop":
            yield TTS(text="A sentence that takes a while to say.")
            yield TTS(text="And another.")

    record = vl.run(talks, [vl.interrupt("one", after_s=0.5), vl.interrupt("two", after_s=0.5), vl.hang_up()])
    spoken = [event.seq for event in record.events if event.name == "text_to_speech"]
    cuts = [record.explain(event.seq) for event in record.events if event.name == "turn_interrupted"]
    assert [f"spoke (row {seq})" in text for seq, text in zip(spoken[::2], cuts, strict=False)] == [True, True]
    assert record.explain(spoken[1]).endswith(f"it had to wait behind row {spoken[0]}. It was cleared before it began.")


def test_each_of_several_words_that_wait_says_so():
    async def deaf(event, context):
        if event.name == "start":
            yield TTS(text="Nobody may speak over all of this.", interruptible=False)

    record = vl.run(deaf, [vl.at(0.5, "one"), vl.at(0.7, "two"), vl.silence(3)])
    held = [event.seq for event in record.events if event.name == "input_held"]
    said = [record.explain(event.seq) for event in record.events if event.name == "text"]
    assert [f"had to wait (row {seq})" in text for seq, text in zip(held, said, strict=True)] == [True, True]


def test_words_that_waited_are_explained_in_a_log_of_before_too():
    rows = [
        *(
            (0.0, "input", "start", {}),
            (0.0, "output", "text_to_speech", {"text": "Let me finish.", "interruptible": False}),
        ),
        *(
            (0.5, "system", "input_gate", {"allowed": False, "reason": "not_interruptible"}),
            (0.84, "input", "text", {}),
        ),
    ]
    events = [
        Event(seq, time_s, 0, kind, name, data, False, None) for seq, (time_s, kind, name, data) in enumerate(rows)
    ]
    assert "came at 0.50 s and had to wait (row 2)" in explained(events, 3)


def test_a_row_is_named_as_a_frame_has_it():
    assert RECORD.explain(RECORD.to_frame()["seq"].iloc[3]) == RECORD.explain(3)


@pytest.mark.parametrize("seq", [-1, len(RECORD.events), 1.0, True, "1"])
def test_a_row_that_there_is_not_is_refused(seq):
    with pytest.raises(InputError, match=r"^seq is .*, must be the number of one of the session's rows: 0 to"):
        RECORD.explain(seq)
