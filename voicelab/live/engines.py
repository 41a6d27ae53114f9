"""The engines a console can hear and speak with, and what each means."""

from typing import Any

from voicelab import speech
from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, VoicelabError, did_you_mean
from voicelab.speech import SpeechToText, TextToSpeech

OFF, BROWSER, AUTO = "off", "browser", "auto"

_BROWSER_VOICE = "the page's own voices; some browsers send the text to a service of theirs"
_BROWSER_EARS = "the page's own recognition: most browsers send your voice to their maker's servers"
_NO_VOICE = "text only"
_NO_EARS = "type; the microphone is not used"


GivenEngine = str | TextToSpeech | SpeechToText | None
"""What names an engine, or is one; None for none."""


def pickers() -> dict[str, list[dict[str, Any]]]:
    """Return the engines by what they are for (`stt`, `tts`): name, label, offline, installed, note."""
    table = speech.engines()
    found: dict[str, list[dict[str, Any]]] = {"stt": [], "tts": []}
    for row in table.to_dict("records"):
        if row["name"] in {"fake", BROWSER}:
            continue
        kind = "tts" if row["kind"] == "tts" else "stt"
        note = "" if row["installed"] else f"not installed: {row['install']}"
        if not row["offline"] and row["installed"]:
            note = "online: audio leaves this machine" if kind == "stt" else "online: text leaves this machine"
        engine = {"name": row["name"], "label": row["name"], "offline": bool(row["offline"])}
        found[kind].append(engine | {"installed": bool(row["installed"]), "note": note})
    taken = table[(table["kind"] == "stt") & (table["auto"] != "")]
    if len(taken):
        why = ", ".join(f"{row['name']} for {row['auto']}" for row in taken.to_dict("records"))
        found["stt"].insert(0, _always(AUTO, AUTO, why, offline=True))
    for kind, browser, none in (("stt", _BROWSER_EARS, _NO_EARS), ("tts", _BROWSER_VOICE, _NO_VOICE)):
        found[kind].append(_always(BROWSER, "browser", browser, offline=False))
        found[kind].append(_always(OFF, "off", none, offline=True))
    return found


def _made(kind: str, given: Any) -> TextToSpeech | SpeechToText:
    """Return an engine; the registry refuses what is none, and says what it was given."""
    return speech.text_to_speech(given) if kind == "tts" else speech.speech_to_text(given)


def choose_engine(kind: str, given: GivenEngine | Json) -> tuple[str, Any, str]:
    """Return an engine's name, the engine (None for the page's own, or none), and a remark for the person.

    Args:
        kind: `tts` or `stt`.
        given: A name, `auto`, `off`, `browser`, or an engine.

    Raises:
        VoicelabError: there is no such engine, or it isn't installed.
    """
    if given in (OFF, None):
        return OFF, None, ""
    if given == BROWSER:
        return BROWSER, None, _BROWSER_VOICE if kind == "tts" else _BROWSER_EARS
    if given == AUTO:
        try:
            engine = _made(kind, AUTO)
        except VoicelabError as error:
            # No engine that works offline: the page speaks, which it can everywhere; it listens only when asked to.
            name = BROWSER if kind == "tts" else OFF
            return name, None, f"{error} Until then {_BROWSER_VOICE if kind == 'tts' else _NO_EARS}."
    elif isinstance(given, str):
        known = [engine["name"] for engine in pickers()[kind]] + ["fake"]
        if given not in known:
            raise InputError(f"{kind} is {given!r}, must be one of {', '.join(known)}.{did_you_mean(given, known)}")
        engine = _made(kind, given)
    else:
        engine = _made(kind, given)
    return engine.name, engine, ""


def own(name: str) -> dict[str, Any]:
    """Return an engine that was given as an object, as `pickers` has them."""
    return {"name": name, "label": name, "offline": True, "installed": True, "note": "your own"}


def _always(name: str, label: str, note: str, *, offline: bool) -> dict[str, Any]:
    return {"name": name, "label": label, "offline": offline, "installed": True, "note": note}
