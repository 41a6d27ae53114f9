"""The messages between the kernel and the pages of the widgets: the one table that both sides are held to.

The page's types (`widgets/static/protocol.d.ts`) and the tables of docs/console-protocol.md are written from it by
`make format`. Tests hold what the kernel sends and reads to it, the type checker what the page sends and reads.
`page_records` is the table of what stands in the messages' fields.

Types are written as the page has them: `string`, `number`, `boolean`, `unknown`, `null`, a text in quotes, a record's
name, `X[]`, `Record<string, X>`, `Partial<X>`, and alternatives with ` | `. A `?` after a field's name: it may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """A message from the kernel to a page, or from a page to the kernel.

    Attributes:
        k: What kind of message it is, its field `k`.
        meaning: What it says, or asks for.
        fields: Its other fields and their types.
        buffer: What comes with it in binary; empty for nothing.
        of_sound: Whether only the page that has the sound takes it, or is believed: it carries that page's `engine`.
    """

    k: str
    meaning: str
    fields: Mapping[str, str] = field(default_factory=dict)
    buffer: str = ""
    of_sound: bool = False

    @property
    def all_fields(self) -> dict[str, str]:
        """Return the fields and their types, `engine` among them where it carries it."""
        return dict(self.fields) | ({"engine": "string | null"} if self.of_sound else {})


@dataclass(frozen=True)
class Widget:
    """What one widget and its pages say to each other.

    Attributes:
        name: The widget's name.
        to_page: The kernel's messages, by kind.
        to_kernel: The page's messages, by kind.
    """

    name: str
    to_page: Mapping[str, Message]
    to_kernel: Mapping[str, Message]


def _by_kind(*messages: Message) -> dict[str, Message]:
    return {message.k: message for message in messages}


_ENGINE = {"engine": "string"}
_PCM16 = "PCM16 mono"

CONSOLE = Widget(
    "Console",
    _by_kind(
        Message(
            "all",
            "everything, on `hello`: after a page reload, or for a second view; `now_s` is a running session's clock",
            {"state": "State", "events": "Event[]", "now_s?": "number"},
        ),
        Message("state", "these keys have new values, whole", {"state": "Partial<State>"}),
        Message(
            "events",
            "new events, or known ones (same `seq`) that have been amended",
            {"events": "Event[]", "now_s": "number"},
        ),
        Message("partial", "what the recogniser has so far; empty text removes it", {"text": "string"}),
        Message(
            "audio",
            "a piece of the audio of the event with `seq == row`; pieces of a row come in order, and rows are played one "
            "after the other",
            {"row": "number", "rate": "number", "interruptible": "boolean", "last": "boolean"},
            _PCM16,
            of_sound=True,
        ),
        Message(
            "speak",
            "say it with the page's own speechSynthesis",
            {
                "row": "number",
                "text": "string",
                "voice": "string | null",
                "language": "string | null",
                "speed": "number | null",
                "interruptible": "boolean",
            },
            of_sound=True,
        ),
        Message(
            "ping",
            "a page came during a session: answer with `pong`; if the page that has the sound doesn't, the new one gets it",
            of_sound=True,
        ),
        Message("clear", "stop playback and forget what is queued", of_sound=True),
        Message(
            "duck",
            "play softly while the caller sounds over the agent, until it is known whether that interrupts; or as before",
            {"on": "boolean"},
            of_sound=True,
        ),
        Message("file", "save it on the user's disk", {"name": "string", "mime": "string"}, "the file"),
        Message(
            "script",
            "what the caller did as a Python list of inputs and as a JSON array of messages, and what was said as text; "
            "for the page that asked",
            {"python": "string", "messages": "string", "transcript": "string", **_ENGINE},
        ),
        Message(
            "replay",
            "play it and move the timeline's cursor with it; for the page that asked",
            {"rate": "number", "duration_s": "number"},
            "PCM16 stereo (caller left, agent right), may be empty",
            of_sound=True,
        ),
    ),
    _by_kind(
        Message("hello", "on `initialize`, and when the kernel comes back: `engine` is a random id", _ENGINE),
        Message("pong", "answer to `ping`", _ENGINE),
        Message("connect", "start a session, heard and spoken on this page", _ENGINE),
        Message("new", "end the running session and start another", _ENGINE),
        Message("hang_up", "end the session"),
        Message(
            "say",
            "typed: said as soon as the agent has spoken, or over its words where `typing_interrupts`",
            {"text": "string"},
        ),
        Message("say_now", "say these words of `waiting` at once, over the agent's", {"number": "number"}),
        Message("take_back", "don't say these words of `waiting`", {"number": "number"}),
        Message("key", "keypad: it interrupts, as on a phone", {"digit": "string"}),
        Message("event", "a custom event", {"name": "string", "data": "Record<string, unknown>"}),
        Message("timeout", "a timeout by hand"),
        Message("force", "for the next session; null draws it", {"test": "string", "variant": "string | null"}),
        Message(
            "next",
            "the text of a JSON object that the next session gets; what is wrong with it comes back in `next`",
            {"name": '"parameters" | "input_data"', "text": "string"},
        ),
        Message(
            "variable",
            "a variable's value for the next session; null takes back what was given here",
            {"name": "string", "value": "string | null"},
        ),
        Message("open", "show a session of `sessions`, where none runs", {"session": "number"}),
        Message("set", "one of `settings`", {"name": "keyof Settings", "value": "unknown"}),
        Message("rate", "answer to `ask`; value null: no answer", {"value": "unknown", "note": "string"}),
        Message("download", "ask for a `file`", {"what": '"json" | "wav"'}),
        Message("script", "ask for `script`", _ENGINE),
        Message("replay", "ask for `replay`", _ENGINE),
        Message(
            "microphone",
            "it was opened, closed, or could not be opened, with a sentence that says why: what was being said is over",
            {"on": "boolean", "error": "string | null"},
            of_sound=True,
        ),
        Message(
            "pcm", "while the microphone is on", {}, "PCM16 mono 16 kHz, 100 ms, and 40 ms in a pause", of_sound=True
        ),
        Message("talk", "push-to-talk: held, released", {"on": "boolean"}, of_sound=True),
        Message(
            "onset",
            "the worklet's detector hears the caller begin (hands-free), or push-to-talk is pressed; playback that may be "
            "interrupted has been lowered already, or by the button stopped",
            of_sound=True,
        ),
        Message("started", "playback of a row began", {"row": "number"}, of_sound=True),
        Message("ended", "it was played to its end", {"row": "number"}, of_sound=True),
        Message(
            "stopped",
            "it was cut, after so many seconds; rows behind it: `played_s` 0",
            {"row": "number", "played_s": "number"},
            of_sound=True,
        ),
        Message("heard", "by the page's own recognition", {"text": "string", "final": "boolean"}, of_sound=True),
    ),
)

MICROPHONE = Widget(
    "Microphone",
    _by_kind(
        Message("record", "begin to record; for so long, or until `stop`", {"seconds": "number | null", **_ENGINE}),
        Message("stop", "end the recording, and switch the microphone off", {"engine?": "string"}),
    ),
    _by_kind(
        Message("hello", "the page shows the widget", _ENGINE),
        Message("bye", "it no longer does", _ENGINE),
        Message("recording", "the microphone is on", _ENGINE),
        Message("trouble", "it could not be opened, and why", {"text": "string", **_ENGINE}),
        Message("piece", "of a recording that has ended, from its sample `at` on", {"at": "number", **_ENGINE}, _PCM16),
        Message("done", "these were all pieces", {"rate": "number", "samples": "number", **_ENGINE}),
    ),
)

SPEAKER = Widget(
    "Speaker",
    _by_kind(
        Message(
            "audio",
            "a piece of a row's audio; `text` is shown while it plays",
            {
                "row": "number",
                "rate": "number",
                "text": "string",
                "interruptible": "boolean",
                "last": "boolean",
                **_ENGINE,
            },
            _PCM16,
        ),
        Message(
            "speak",
            "say it with the page's own speechSynthesis",
            {"row": "number", "text": "string", "interruptible": "boolean", **_ENGINE},
        ),
        Message("clear", "stop, and forget what waits", _ENGINE),
    ),
    _by_kind(Message("hello", "the page shows the widget: the last one that did is heard", _ENGINE)),
)

WIDGETS = (CONSOLE, MICROPHONE, SPEAKER)
