"""What readers count on in a manifest, field by field: one that somebody has written by hand is refused where it is read.

A field may be missing; what stands in it is of its type all the way down. Fields that no reader asks for may be anything.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voicelab.base.accepted_types import Given
from voicelab.base.checks import is_number
from voicelab.base.errors import LogError
from voicelab.base.masking import shown
from voicelab.base.plain_json import encode, has_half_a_character

_Check = Callable[[Any], bool]
MOST_SESSIONS = 10**12


def _is_text(value: Given) -> bool:
    return isinstance(value, str)


def _is_text_or_null(value: Given) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: Given) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_SESSIONS


def _is_size(value: Given) -> bool:
    return _is_count(value) and value != 0


def _is_switch(value: Given) -> bool:
    return isinstance(value, bool)


def _is_scalar(value: Given) -> bool:
    return value is None or isinstance(value, str | bool) or is_number(value)


def _is_map(value: Given) -> bool:
    return isinstance(value, dict)


def _is_list(value: Given) -> bool:
    return isinstance(value, list)


def _list_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _map_of(check: _Check) -> _Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _is_decision(value: Given) -> bool:
    return isinstance(value, dict) and isinstance(value.get("sentence"), str)


_FIELDS: dict[str, tuple[_Check, str]] = {
    **dict.fromkeys(("status", "run_id", "source", "created_at", "began_at"), (_is_text_or_null, "text")),
    **dict.fromkeys(("handler", "callers", "world", "audio", "checksums"), (_is_scalar, "text")),
    **dict.fromkeys(("sessions", "n_errors", "late"), (_is_count, "a whole number from 0 on")),
    "shard_size": (_is_size, "a whole number from 1 on"),
    "live": (_is_switch, "true or false"),
    "statuses": (_map_of(_is_count), "a map of whole numbers"),
    "exposures": (_map_of(_is_count), "a map of whole numbers"),
    "otherwise_share": (_map_of(is_number), "a map of numbers"),
    "versions": (_map_of(_is_text), "a map of texts"),
    "platform": (_map_of(_is_map), "a map of maps"),
    "truth": (_map_of(_is_list), "a map of lists"),
    "options": (_is_map, "a map"),
    "decisions": (_map_of(_is_decision), "a map of decisions, each with a sentence"),
    "imports": (_list_of(_is_map), "a list of maps"),
    **dict.fromkeys(
        ("weights_unknown", "remarks", "warnings", "evaluators", "evaluated"), (_list_of(_is_text), "a list of texts")
    ),
}


def checked_fields(manifest: Given, path: Path) -> dict[str, Any]:
    """Return a manifest that readers can rely on, without what no file or screen can hold.

    Args:
        manifest: What was parsed.
        path: Its file, for the message.

    Raises:
        LogError: a field is of another type.
    """
    if not isinstance(manifest, Mapping):
        raise LogError(f"{path} holds a {type(manifest).__name__}, must be a map: it is no manifest of voicelab's.")
    for name, (check, allowed) in _FIELDS.items():
        if name in manifest and not check(manifest[name]):
            raise LogError(
                f"{path}: {name!r} is {shown(manifest[name])}, must be {allowed}. It isn't as voicelab wrote it: take the log "
                "from where it came from again, or mend that line."
            )
    plain: dict[str, Any] = dict(manifest)
    if has_half_a_character(json.dumps(plain, ensure_ascii=False)):
        plain = json.loads(encode(plain))
    return plain
