"""Events as everything here counts on them: numbers where times are measured, text where words are shown.

What the lab writes is so. Exports of other systems, logs that somebody else has written, and custom events that bear a name of
the platform's need not be: what can't be measured is left out then, as if nobody had said it, and what isn't text becomes it.
"""

from dataclasses import replace
from typing import Any

from voicelab.base.checks import is_number
from voicelab.base.plain_json import encode
from voicelab.base.records import Event

_LARGEST = 1e12
"""Seconds or milliseconds beyond are none: thirty years and more."""
_NUMBERS = frozenset(
    {
        "audio_s",
        "recognition_s",
        "recognition_ms",
        "end_of_turn_ms",
        "end_of_turn_s",
        "speech_s",
        "began_s",
        "ended_s",
        "played_s",
        "duration_s",
        "duration",
        "count",
        "speed",
    }
)
_TEXTS = frozenset({"text", "said", "heard", "content", "role", "source", "digits", "reason", "outcome"})
_NAMES = frozenset(
    {
        *("text", "text_to_speech", "audio", "silence", "timeout", "dtmf", "recognition", "latency", "transcript_part"),
        *("turn_end", "turn_interrupted", "input_gate", "input_held", "unheard", "backchannel", "outcome_specified"),
    }
)
"""Events in whose data something is counted on; of the others all is only shown."""


def readable(event: Event) -> Event:
    """Return an event of which every known key holds what it should; nearly always the event itself."""
    if event.name not in _NAMES:
        return event
    data = event.data
    odd = [key for key, value in data.items() if not _fits(key, value)]
    return replace(event, data=_mended(data, odd)) if odd else event


def _fits(key: str, value: Any) -> bool:
    if key in _NUMBERS:
        return value is None or (is_number(value) and abs(value) <= _LARGEST)
    return key not in _TEXTS or isinstance(value, str)


def _mended(data: dict[str, Any], odd: list[str]) -> dict[str, Any]:
    left = {key: value for key, value in data.items() if key not in odd}
    return left | {key: "" if data[key] is None else encode(data[key]) for key in odd if key in _TEXTS}
