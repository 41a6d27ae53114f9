"""The engines by name: what is installed, what works offline, how to install the others."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, MissingEngineError, SpeechError, did_you_mean
from voicelab.speech.audio import Audio, recognise_by
from voicelab.speech.auto_voice import first_that_starts
from voicelab.speech.best_recogniser import OPEN, REASONS, BestRecogniser
from voicelab.speech.online import RECOGNISERS, OnlineRecogniser
from voicelab.speech.protocols import SpeechToText, SpeechToTextLike, TextToSpeech, TextToSpeechLike, checked_transcript
from voicelab.speech.transcript import Transcript
from voicelab.speech.voices import NAMES, local_voice
from voicelab.speech.whisper_weights import has_base, has_tiny

if TYPE_CHECKING:
    import pandas as pd


class Browser:
    """The page's own voices and recognition: they work in the console, and nowhere else."""

    name = "browser"
    version = "1"
    offline = False

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Refuse."""
        del text, voice, language, speed
        self._refuse("speak")

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Refuse."""
        del audio, phrases, language
        self._refuse("listen")

    def _refuse(self, what: str) -> NoReturn:
        raise SpeechError(
            f"'browser' can only {what} in vl.Console, where the page does it. Choose another engine here, see speech.engines()."
        )


@dataclass(frozen=True)
class Engine:
    """What is known of an engine without starting it.

    Attributes:
        kind: `tts` or `stt`.
        place: Module and class, such as "voicelab.speech.pico:Pico".
        package: The module that must be installed for it.
        offline: Whether it works without a network.
        languages: In words.
        licence: Of the engine.
        install: The line that installs it.
    """

    kind: str
    place: str
    package: str | None
    offline: bool
    languages: str
    licence: str
    install: str

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return self.package is None or importlib.util.find_spec(self.package) is not None


_HERE = "voicelab.speech"


def _extra(name: str) -> str:
    return f"pip install 'voicelab[{name}]'"


_SERVICE = Engine(
    "stt",
    f"{_HERE}.online:OnlineRecogniser",
    "speech_recognition",
    offline=False,
    languages="many",
    licence="BSD-3; the service's own",
    install="pip install SpeechRecognition",
)
_TTS: dict[str, Engine] = {
    "natural": Engine("tts", f"{_HERE}.natural:Natural", "hibari", True, "en", "Apache-2.0", _extra("voices")),
    "pico": Engine("tts", f"{_HERE}.pico:Pico", "py_nanotts", True, "en de es fr it", "Apache-2.0", "pip install py-nanotts"),
    "espeak": Engine("tts", f"{_HERE}.espeak:Espeak", "espeakng_loader", True, "about 100", "GPL-3", _extra("espeak")),
    "piper": Engine("tts", f"{_HERE}.piper:Piper", "piper", True, "one a voice file", "GPL-3", _extra("piper")),
    "gtts": Engine("tts", f"{_HERE}.gtts:GTTS", "gtts", False, "about 60", "MIT; Google's service", "pip install gtts"),
    "browser": Engine("tts", f"{_HERE}.registry:Browser", None, False, "the browser's", "the browser's", ""),
    "fake": Engine("tts", f"{_HERE}.fakes:FakeTextToSpeech", None, True, "tones", "MIT", ""),
}  # fmt: skip
_STT: dict[str, Engine] = {
    "sphinx": Engine("stt", f"{_HERE}.sphinx:Sphinx", "pocketsphinx", True, "en", "BSD-2", "pip install pocketsphinx"),
    "moonshine": Engine("stt", f"{_HERE}.moonshine:Moonshine", "moonshine_cpp", True, "en", "MIT; weights MIT", _extra("ears")),
    "whisper": Engine("stt", f"{_HERE}.whisper:Whisper", "faster_whisper", True, "about 100", "MIT; weights MIT", _extra("ears")),
    **dict.fromkeys(RECOGNISERS, _SERVICE),
    "browser": Engine("stt", f"{_HERE}.registry:Browser", None, False, "the browser's", "the browser's", ""),
    "fake": Engine("stt", f"{_HERE}.fakes:FakeSpeechToText", None, True, "tones", "MIT", ""),
}  # fmt: skip
# In the order in which `auto` takes them: those that need nothing but to be installed.
_VOICES = {
    "natural": "English, where it is installed: the one voice that sounds like a person",
    "pico": "what no voice before it speaks: small, and part of every installation",
    "espeak": "what no voice before it speaks: nearly every language and script",
}
"""In this order, and why."""


def text_to_speech(engine: TextToSpeechLike = "auto", **options: Any) -> TextToSpeech:
    """Return what speaks.

    Args:
        engine: A name of `engines()`, `auto` for the best that is installed and works offline, or an engine of your
            own, which is returned as it is.
        options: What the engine takes, e.g. `model=` for piper.

    Raises:
        InputError: there is no such engine.
        MissingEngineError: it isn't installed; the message is the install line.
    """
    found: TextToSpeech = _find("tts", _TTS, engine, "synthesize", options)
    return found


def speech_to_text(engine: SpeechToTextLike = "auto", **options: Any) -> SpeechToText:
    """Return what recognises.

    Args:
        engine: A name of `engines()`, `auto` for the best that is installed and works offline, or an engine of your
            own, which is returned as it is.
        options: What the engine takes, e.g. `model=` for whisper, `key=` for services.

    Raises:
        InputError: there is no such engine.
        MissingEngineError: it isn't installed; the message is the install line.
    """
    found: SpeechToText = _find("stt", _STT, engine, "transcribe", options)
    return found


def engines() -> "pd.DataFrame":
    """Return all engines: name, kind (tts or stt), installed, offline, languages, licence, auto, install.

    `auto` says what the engine is taken for by that name, and why, as far as can be told without loading it.
    """
    import pandas as pd

    return pd.DataFrame(engine_rows())


def engine_rows() -> list[dict[str, Any]]:
    """Return the rows of `engines()`, without pandas, which takes longer to load than all of them."""
    taken = _taken()
    return [
        {
            "name": name,
            "kind": engine.kind,
            "installed": engine.installed,
            "offline": engine.offline,
            "languages": engine.languages,
            "licence": engine.licence,
            "auto": taken.get(name, ""),
            "install": engine.install,
        }
        for known in (_TTS, _STT)
        for name, engine in known.items()
    ]


def _taken() -> dict[str, str]:
    """Return for what `auto` takes which engine, and why."""
    taken = {name: why for name, why in _VOICES.items() if _TTS[name].installed}
    for what, (order, why) in REASONS.items():
        best = next((name for name in order if _STT[name].installed and _has_weights(name, what)), None)
        if best is not None:
            taken[best] = "; ".join(filter(None, (taken.get(best), f"{what}: {why}")))
    return taken


def _has_weights(name: str, what: str) -> bool:
    # Whoever has a model of their own for whisper has its library without those that come in packages.
    return name != "whisper" or has_base() or (what != "other languages" and has_tiny())


def voices() -> "pd.DataFrame":
    """Return how the offline voice speaks each of the platform's voice names: voice, language, pitch, speed."""
    import pandas as pd

    from voicelab.speech.pico import LANGUAGES

    rows = []
    for name in NAMES:
        local = local_voice(name, LANGUAGES["en"])
        rows.append({"voice": name, "language": local.language, "pitch": local.pitch, "speed": local.speed})
    return pd.DataFrame(rows)


def _recognise(audio: Audio, engine: SpeechToTextLike, phrases: list[str] | None) -> Transcript:
    found = speech_to_text(engine)
    return checked_transcript(found, found.transcribe(audio, phrases=phrases))


recognise_by(_recognise)


def _find(kind: str, known: Mapping[str, Engine], given: Given, verb: str, options: dict[str, Any]) -> Any:
    if not isinstance(given, str):
        if not callable(getattr(given, verb, None)) or not isinstance(getattr(given, "name", None), str):
            raise InputError(
                f"{kind} is {given!r}, must be the name of an engine, or an object with `name` and `{verb}()`."
            )
        return given
    if given == "auto" and not options:
        if kind == "stt":
            return BestRecogniser({name: _class(_STT[name]) for name in OPEN if _STT[name].installed})
        return first_that_starts([partial(_made, _TTS, name, {}) for name in _installed_voices()])
    if given not in known:
        if given == "auto":
            raise InputError(
                f"'auto' takes no options, such as {next(iter(options))}. Name an engine of speech.engines()."
            )
        names = ["auto", *known]
        raise InputError(f"{kind} is {given!r}, must be one of {', '.join(names)}.{did_you_mean(given, names)}")
    return _made(known, given, options)


def _made(known: Mapping[str, Engine], name: str, options: dict[str, Any]) -> Any:
    make = _class(known[name])
    if make is OnlineRecogniser:
        options = {"service": name, **options}
    try:
        return make(**options)
    except TypeError as error:
        raise InputError(
            f"The engine {name!r} can't be made with {', '.join(options) or 'nothing'}: {error}."
        ) from None


def _class(engine: Engine) -> Callable[..., Any]:
    module, _, name = engine.place.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found


def _installed_voices() -> list[str]:
    """Return the voices that `auto` takes and that are installed, the best first.

    Raises:
        MissingEngineError: there is none.
    """
    able = [name for name in _VOICES if _TTS[name].installed]
    if able:
        return able
    lines = " or ".join(_TTS[name].install for name in _VOICES)
    raise MissingEngineError(f"No voice that works offline is installed. Install one by: {lines}.")
