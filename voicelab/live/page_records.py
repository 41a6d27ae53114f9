"""What stands in the fields of the messages between kernel and page (`voicelab.live.page_messages`): records, by name.

Types are written as there.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Record:
    """What stands in a message's fields.

    Attributes:
        name: Its name among the types.
        meaning: What it is.
        fields: Its fields: type, and meaning.
    """

    name: str
    meaning: str
    fields: Mapping[str, tuple[str, str]]


_ANY = "Record<string, unknown>"

RECORDS = (
    Record(
        "State",
        "What there is to know of the console, key by key.",
        {
            "phase": ('"idle" | "live" | "ended"', "`idle`: no session yet"),
            "session": (
                "number",
                "number of the session that is shown, from 1; when it changes, conversation and timeline begin anew",
            ),
            "sessions": ("SessionEntry[]", "those that have ended, in order"),
            "waiting": ("WaitingWords[]", "typed words that wait until the agent has spoken, in order"),
            "phrases": ("string[]", "what the caller is expected to say"),
            "next": ("NextSession", "what the next session is given"),
            "agent": ("string", "the handler's name"),
            "log": ("string | null", "name of the log's folder"),
            "blind": ("boolean", "whether the variant is hidden until the session has been rated"),
            "tests": ("Test[]", ""),
            "outcomes": (_ANY, "by name"),
            "metrics": ("Metric[]", ""),
            "data": (_ANY, "what the handler keeps in its context"),
            "output_data": (_ANY, ""),
            "parameters": (_ANY, "what the session was given"),
            "variables": ("Record<string, string>", "by name, each masked"),
            "notes": ("Note[]", "portability notes"),
            "engine": ("string | null", "id of the page that has the sound"),
            "settings": ("Settings", ""),
            "uses": (
                "Uses",
                "what the running session hears with and how time passes in it, else the next one: what is set while a "
                "session runs counts from the next one on",
            ),
            "engines": ("Engines", "to choose from"),
            "gate": ("Gate", "whether the caller's words reach the agent now"),
            "latency": ("Latency[]", "of the turns"),
            "status": ("string | null", "of the ended session"),
            "duration_s": ("number | null", "of the ended session"),
            "ask": ("Question | null", "after a blind session, what its person is asked"),
            "message": ("Notice | null", "one sentence for the user"),
        },
    ),
    Record(
        "Settings",
        "What the person can set.",
        {
            "stt": ("string", "name of what listens: an engine, `off` or `browser`"),
            "tts": ("string", "name of what speaks"),
            "mode": ('"push" | "hands_free"', ""),
            "typing_interrupts": ("boolean", "typed words cut the agent off; else they wait until it has spoken"),
            "speed": ("number", "how many times as fast as real ones a session's seconds pass, where nothing speaks"),
            "volume": ("number", "0 to 1"),
            "muted": ("boolean", ""),
            "echo_cancellation": ("boolean", ""),
            "noise_suppression": ("boolean", ""),
            "auto_gain": ("boolean", ""),
        },
    ),
    Record(
        "SessionEntry",
        "A session that has ended, as an entry of a list.",
        {
            "number": ("number", "its number, from 1"),
            "began_ms": ("number", "when it began, in milliseconds since 1970"),
            "status": ("string", ""),
            "duration_s": ("number", ""),
            "n_turns": ("number", ""),
            "n_errors": ("number", ""),
            "variants": ("string[]", "each test with its variant; empty until a blind session has been rated"),
            "opening": ("string", "the beginning of what the caller said first"),
            "has_sound": ("boolean", "whether its sound is still kept"),
        },
    ),
    Record("WaitingWords", "", {"number": ("number", "tells them from others"), "text": ("string", "")}),
    Record(
        "NextSession",
        "What is edited for the next session. Values of variables come in, and are never sent out.",
        {
            "parameters": ("string", "text of a JSON object, as it stands in its box"),
            "input_data": ("string", "the same"),
            "changed": ("string[]", "names of the variables whose values were given here"),
            "problems": ("Record<string, string>", "what is wrong, by `parameters`, `input_data` and `variables`"),
        },
    ),
    Record(
        "Uses",
        "What a session hears with.",
        {
            "stt": ("string", "name of what listens"),
            "pace": ("number", "how many times as fast as real ones its seconds pass"),
        },
    ),
    Record("Engines", "What can listen and speak.", {"stt": ("SpeechEngine[]", ""), "tts": ("SpeechEngine[]", "")}),
    Record(
        "SpeechEngine",
        "One of them.",
        {
            "name": ("string", ""),
            "label": ("string", ""),
            "offline": ("boolean", ""),
            "installed": ("boolean", ""),
            "note": ("string", "what to install, or where audio goes"),
        },
    ),
    Record(
        "Test",
        "An A/B test that the session reached.",
        {
            "test": ("string", ""),
            "variants": ("Record<string, number>", "weight by name"),
            "variant": ("string | null", "null until drawn, in blind mode until it may be shown"),
            "assignment": ("string | null", "how it was drawn"),
            "forced": ("string | null", "the variant forced for the next session"),
        },
    ),
    Record(
        "Metric",
        "What the handler measured.",
        {"type": ("string", ""), "name": ("string", ""), "value": ("unknown", "")},
    ),
    Record(
        "Note",
        "A portability note.",
        {"line": ("number | null", ""), "rule": ("string", ""), "text": ("string", "")},
    ),
    Record("Gate", "", {"open": ("boolean", ""), "reason": ("string", "why not")}),
    Record(
        "Latency",
        "How long a turn's answer took.",
        {"turn": ("number", ""), "total_ms": ("number", "the sum of the parts"), "parts": ("Part[]", "")},
    ),
    Record("Part", "", {"name": ("string", ""), "ms": ("number", "")}),
    Record(
        "Question",
        "The outcome that the person of a blind session is asked for.",
        {"test": ("string", ""), "outcome": ("string", ""), "type": ('"boolean" | "number" | "text"', "")},
    ),
    Record("Notice", "", {"level": ('"info" | "warning" | "error"', ""), "text": ("string", "")}),
    Record(
        "Event",
        "The record's event, and what the page needs to show it.",
        {
            "seq": ("number", "its number; an amended event comes again under it"),
            "time_s": ("number", ""),
            "turn": ("number", ""),
            "kind": ("string", ""),
            "name": ("string", ""),
            "data": ("Data", "the record's data, an object: what is in it follows from the name"),
            "background": ("boolean", ""),
            "task_name": ("string | null", ""),
            "lines": ("Line[]", "the lines of conversation that it makes"),
            "spans": (
                "Span[]",
                "what it draws on the timeline; an event whose spans change is sent again, though its data is the same",
            ),
            "why": ("string", "why it came when it did, in words"),
        },
    ),
    Record(
        "Line",
        "A line of conversation.",
        {
            "who": ("string", "`agent`, `caller`, `task`, `error` or `note`"),
            "text": ("string", ""),
            "lost": ("string", "what was not heard"),
            "label": ("string", ""),
            "time_s": ("number", ""),
        },
    ),
    Record(
        "Span",
        "One thing of the timeline, times in seconds of the session. The kernel derives spans, for the console as for the "
        "saved card; the page only draws them.",
        {
            "lane": ('"caller" | "agent" | "tasks" | "gate" | "log" | "turns"', "`turns`: a mark across all lanes"),
            "kind": ('"span" | "mark" | "tick" | "turn"', "`tick`: a moment on something that takes time"),
            "tone": ("string", "what it means, and so its colour"),
            "start_s": ("number", ""),
            "end_s": ("number | null", "null while it goes on: it grows with the page's clock until its end is sent"),
            "label": ("string", "what stands in it or beside it"),
            "detail": ("string", "what is read out"),
            "row": ("number", "its row in the lane, from 0"),
            "cut": ("string", "how much of it was not heard, in words; empty where all of it was"),
        },
    ),
)
