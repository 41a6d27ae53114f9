"""The messages between kernel and page: one table, which both sides, the page's types and the docs are held to."""

import re
from functools import partial
from unittest.mock import MagicMock

import protocol_copies
import pytest
from protocol_check import wrong

from voicelab.live.dispatch import dispatch
from voicelab.live.page_messages import CONSOLE, MICROPHONE, SPEAKER, WIDGETS
from voicelab.live.page_records import RECORDS
from voicelab.widgets import Microphone, Speaker
from voicelab.widgets.esm import STATIC


class Read(dict):
    """A message that remembers what was read of it."""

    def __init__(self, fields):
        super().__init__(fields)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.read.add(name)
        return super().get(name, default)


def a_value_of(kind):
    if kind.startswith("keyof"):
        return "parameters"
    if kind.startswith('"'):
        return kind.split('"')[1]  # the first of the words that it may be
    return {"string": "page", "keyof Settings": "voice", "number": 1, "boolean": True}.get(kind.split(" | null")[0], {})


@pytest.mark.parametrize("message", CONSOLE.to_kernel.values(), ids=lambda message: message.k)
def test_the_kernel_reads_each_field_of_a_pages_message_and_no_other(message):
    given = Read({"k": message.k, **{name: a_value_of(kind) for name, kind in message.all_fields.items()}})
    asked = MagicMock()
    dispatch(asked.conversation, asked.call, "page", given, [b"\0\0"] if message.buffer else [])
    assert given.read == {"k", *message.all_fields}
    assert len(asked.method_calls) == 1


def test_what_another_page_says_of_sound_is_not_taken():
    asked = MagicMock()
    for k in ("started", "microphone"):
        dispatch(
            asked.conversation,
            asked.call,
            "page",
            {"k": k, "row": 1, "on": False, "error": None, "engine": "another"},
            [],
        )
    assert not asked.method_calls


def test_sound_is_not_missed_while_no_session_runs():
    asked = MagicMock()
    dispatch(asked.conversation, None, "page", {"k": "started", "row": 1, "engine": "page"}, [])
    assert not asked.method_calls


def test_the_pages_types_and_the_docs_are_written_from_the_table():
    text = protocol_copies.DOCS.read_text(encoding="utf-8")
    assert protocol_copies.TYPES.read_text(encoding="utf-8") == protocol_copies.types(), "run `make format`"
    assert text == protocol_copies.docs(text), "run `make format`"


@pytest.mark.parametrize(
    ("widget", "table"), [(Microphone, MICROPHONE), (partial(Speaker, tts="browser"), SPEAKER)], ids=["mic", "speaker"]
)
def test_the_small_widgets_read_each_field_of_their_pages_messages(widget, table):
    for message in table.to_kernel.values():
        given = Read({"k": message.k, **{name: a_value_of(kind) for name, kind in message.all_fields.items()}})
        widget()._receive(None, given, [b"\0\0"] if message.buffer else [])
        assert given.read == {"k", *message.all_fields}


def test_whatever_is_in_the_table_is_sent():
    page = page_code()
    folders = [STATIC.parent, STATIC.parent.parent / "live"]
    kernel = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py"))
    for widget in WIDGETS:
        assert [k for k in widget.to_kernel if f'"{k}"' not in page] == []
        assert [k for k in widget.to_page if f'"k": "{k}"' not in kernel] == []


def page_code():
    page = "\n".join(path.read_text(encoding="utf-8") for path in STATIC.glob("*.js"))
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", page, flags=re.DOTALL)


def test_whatever_the_kernel_sends_has_a_reader_in_the_page():
    words = set(re.findall(r"\w+", page_code()))
    sent = {name for widget in WIDGETS for message in widget.to_page.values() for name in message.fields}
    shown = {name for record in RECORDS for name in record.fields}
    assert {name.removesuffix("?") for name in sent | shown} - words == set()


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ({"k": "nonsense"}, "no message 'nonsense'"),
        ({"k": "partial"}, "partial.text: missing"),
        ({"k": "partial", "text": "a", "more": 1}, "partial.more: not in the table"),
        ({"k": "partial", "text": 7}, "partial.text: 7 is no string"),
        ({"k": "state", "state": {"phase": "gone"}}, "is not"),
        ({"k": "state", "state": {"gate": {"open": True}}}, "state.state.gate.reason: missing"),
        ({"k": "state", "state": {"latency": [{"turn": None}]}}, "None is no number"),
    ],
)
def test_a_message_that_the_table_does_not_have_would_be_seen(message, problem):
    assert problem in "; ".join(wrong(CONSOLE.to_page, message))


def test_a_message_of_the_table_is_right():
    assert wrong(CONSOLE.to_page, {"k": "state", "state": {"log": None, "variables": {"KEY": "•"}}}) == []
    assert wrong(CONSOLE.to_page, {"k": "clear", "engine": None}) == []
