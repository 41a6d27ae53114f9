"""`auto`: of the recognisers that are installed and work offline the best one, chosen for each turn by what is known of it.

What decides was measured (`benchmarks/speech.py`, docs/speech.md has the tables). In open English moonshine makes few errors, and
takes a third of whisper's time; whisper knows other languages. In phrases that it was told a grammar of sphinx makes fewest,
in a car's noise too. It has three weaknesses, and for each moonshine is asked as well:

- It hears nothing in what isn't among its phrases, and in some short words. Where it hears nothing, moonshine's words stand.
- It loses the last word of a phrase ("I will think about"): what it hears is no whole phrase then.
- In noise of all pitches it takes one phrase for another. In these two the phrase is taken that moonshine's words are nearest
  to; where they are near to none, the grammar's stands. So in noise `auto` has never been worse than sphinx alone.
"""

import multiprocessing
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from voicelab.base.errors import MissingEngineError, SpeechError, SpeechWarning
from voicelab.speech.audio import Audio
from voicelab.speech.heard import checked_length, checked_phrases
from voicelab.speech.languages import is_english
from voicelab.speech.protocols import SpeechToText
from voicelab.speech.transcript import Transcript
from voicelab.speech.words import normalized, words_and_errors

# What each is best at, in the order in which they are asked.
OPEN = ("moonshine", "whisper", "sphinx")
EXPECTED = ("sphinx", "moonshine", "whisper")
ELSEWHERE = ("whisper",)
REASONS = {
    "open English": (OPEN, "few words wrong, at a third of the cost of whisper"),
    "expected phrases": (
        EXPECTED,
        "it goes by a grammar of them, and in noise, or where it hears nothing, another is asked too",
    ),
    "other languages": (ELSEWHERE, "it knows about 100"),
}
# A turn is noisy where its loud moments are no further above its quiet ones; at 20 dB of speech over noise it is 22 dB, and
# on a quiet telephone 40.
_NOISY_DB = 25.0
_FRAME_S, _QUIET, _LOUD = 0.02, 10, 90
# Words are near to a phrase that they differ from in so many of its words.
_NEAR = 0.5
_said: set[str] = set()


class BestRecogniser:
    """Recognises with the best engine for each turn; where one fails that is said once, and the next takes the turn.

    What it chose stands in each transcript's `engine`; `why` says in a sentence what it takes for what.

    Args:
        engines: What makes them, by name; each is made when it is first needed.

    Raises:
        MissingEngineError: there is none.
    """

    name = "auto"
    version = "2"
    offline = True

    def __init__(self, engines: Mapping[str, Callable[[], SpeechToText]]) -> None:
        if not engines:
            raise MissingEngineError(
                "No recogniser that works offline is installed. Install one by: pip install pocketsphinx, or for open "
                "speech by: pip install 'voicelab[ears]'."
            )
        self._makers = dict(engines)
        self._made: dict[str, SpeechToText] = {}
        self._lock = threading.Lock()
        for name in list(self._makers):
            # What is wrong with its weights is said now, and not in the middle of a call or by each worker.
            check = getattr(self._makers[name], "check", None)
            if check is not None:
                self._try(name, check)

    @property
    def why(self) -> str:
        """What is taken for what, and why."""
        said = []
        for what, (order, reason) in REASONS.items():
            best = next((name for name in order if name in self._makers), None)
            if best is not None:
                others = len(self._makers) > 1
                said.append(f"{best} for {what} ({reason})" if others else f"{best} for {what}")
        return "auto takes " + ", ".join(said) + "."

    @property
    def early(self) -> bool:
        """Whether what it takes for open speech is so quick that it may be asked in vain: before a turn is surely over."""
        best = next((name for name in OPEN if name in self._makers), None)
        return best is not None and getattr(self._makers[best], "early", False)

    def warm_up(self) -> None:
        """Load now what open speech is recognised with, which the first recognition would wait for."""
        for name in OPEN:
            engine = self._engine(name)
            if engine is not None:
                getattr(engine, "warm_up", lambda: None)()
                return

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound, by the best engine for it.

        Raises:
            InputError: the audio is none, the phrases are no list, or the language is no text.
            SpeechError: it is empty or longer than two minutes, or none of the engines can take it.
        """
        checked_length(self.name, audio)  # which no engine could help
        phrases = checked_phrases(phrases)
        order = self._order(phrases, language)
        found = self._first(order, audio, phrases, language)
        if found.engine != "sphinx" or not phrases or order[0] != "sphinx":
            return found
        if found.text and _is_whole(found.text, phrases) and not noisy(audio):
            return found
        others = [name for name in OPEN if name != "sphinx" and name in self._makers]
        if not others:
            return found
        words = self._first([*others, "sphinx"], audio, phrases, language)
        return words if not found.text else _nearest(found, words, phrases)

    def _first(
        self, order: Sequence[str], audio: Audio, phrases: Sequence[str] | None, language: str | None
    ) -> Transcript:
        """Return what the first engine hears that can take a sound.

        Raises:
            SpeechError: none can.
        """
        failed: Exception | None = None
        for engine in self._engines(order):
            try:
                return engine.transcribe(audio, phrases=phrases, language=language)
            except Exception as error:  # noqa: BLE001 - libraries raise of every kind; the first is raised if no engine is left
                # It stays: else what a worker hears would depend on what it heard before.
                failed = failed or error
                _tell_once(
                    f"{engine.name} can't recognise this ({_sentence(error)}); another engine is asked.", by_all=True
                )
        if failed is not None:
            raise failed if isinstance(failed, SpeechError) else SpeechError(_sentence(failed))
        if not self._makers:
            raise SpeechError(
                "No recogniser is left: none of those that are installed works here. See: voicelab doctor"
            )
        have = ", ".join(self._makers)
        raise SpeechError(
            f"No recogniser here knows the language {language!r} (installed: {have}). Install one that does by: "
            "pip install 'voicelab[ears]'."
        )

    def _order(self, phrases: Sequence[str] | None, language: str | None) -> Sequence[str]:
        if not is_english(language):
            return ELSEWHERE
        if not phrases:
            return OPEN
        sphinx = self._engine("sphinx")
        knows = getattr(sphinx, "knows", None)
        # A phrase that isn't in its dictionary would be heard as one of the others.
        return EXPECTED if knows is None or knows(phrases) else OPEN

    def _engines(self, order: Sequence[str]) -> Iterator[SpeechToText]:
        for name in order:
            engine = self._engine(name)
            if engine is not None:
                yield engine

    def _engine(self, name: str) -> SpeechToText | None:
        """Return an engine, made once; None where it isn't there, or can't be made."""
        with self._lock:
            if name not in self._made and name in self._makers:
                made = self._try(name, self._makers[name])
                if made is not None:
                    self._made[name] = made
            return self._made.get(name)

    def _try(self, name: str, make: Callable[[], SpeechToText]) -> SpeechToText | None:
        try:
            return make()
        except Exception as error:  # noqa: BLE001 - a library that doesn't load raises of every kind
            del self._makers[name]
            rest = f"auto goes on with {', '.join(self._makers)}." if self._makers else "No other recogniser is left."
            _tell_once(f"{_sentence(error)} {rest}")
            return None


def noisy(audio: Audio) -> bool:
    """Return whether a turn is noisy: its loud moments are less than 25 dB above its quiet ones."""
    size = max(1, round(audio.rate * _FRAME_S))
    frames = audio.floats()[: len(audio.samples) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return False
    levels = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    quiet, loud = np.percentile(levels, [_QUIET, _LOUD])
    return bool(loud - quiet < _NOISY_DB)


def _is_whole(text: str, phrases: Sequence[str]) -> bool:
    """Return whether a text is one of the phrases, or several in a row."""
    words, known = normalized(text), {tuple(normalized(phrase)) for phrase in phrases}
    reached = {0}
    for end in range(1, len(words) + 1):
        if any(begin in reached and tuple(words[begin:end]) in known for begin in range(end)):
            reached.add(end)
    return len(words) in reached


def _nearest(grammar: Transcript, words: Transcript, phrases: Sequence[str]) -> Transcript:
    """Return the phrase that words are nearest to, if they are near to one; else what the grammar found."""
    if not words.text:
        return grammar
    # What the grammar found may be several phrases in a row; of two that are equally near it is the one.
    shares = {phrase: _difference(phrase, words.text) for phrase in (grammar.text, *phrases)}
    best = min(shares, key=shares.__getitem__)
    if shares[best] > _NEAR or best == grammar.text:
        return grammar
    return replace(words, text=best)


@lru_cache(maxsize=20_000)
def _difference(phrase: str, text: str) -> float:
    """Return the share of a phrase's words that are others in a text."""
    n, errors = words_and_errors(phrase, text)
    return errors / n if n else 1.0


def _sentence(error: Exception) -> str:
    return (
        str(error) if isinstance(error, SpeechError) else f"{type(error).__name__}: {str(error) or 'no reason given'}"
    )


def _tell_once(sentence: str, *, by_all: bool = False) -> None:
    """Say what is wrong, once a process.

    Args:
        sentence: What is said.
        by_all: Whether workers say it too. What can't be started their driver can't start either, and has said so; but
            what breaks at a turn breaks where that is heard.
    """
    if sentence not in _said and (by_all or multiprocessing.current_process().name == "MainProcess"):
        _said.add(sentence)
        warnings.warn(sentence, SpeechWarning, stacklevel=5)
