"""`auto`: of the recognisers that are installed and work offline the best one, chosen for each turn by what is known of it.

What decides was measured (`benchmarks/speech.py`, docs/speech.md has the tables): a grammar of sphinx makes no errors in phrases
that it was told; in open English moonshine makes few, and takes a third of whisper's time; whisper knows other languages.
"""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence

from voicelab.base.errors import MissingEngineError, SpeechError, SpeechWarning
from voicelab.speech.audio import Audio
from voicelab.speech.protocols import SpeechToText
from voicelab.speech.transcript import Transcript

# What each is best at, in the order in which they are asked.
OPEN = ("moonshine", "whisper", "sphinx")
EXPECTED = ("sphinx", "moonshine", "whisper")
ELSEWHERE = ("whisper",)
REASONS = {
    "open English": (OPEN, "few words wrong, at a third of the cost of whisper"),
    "expected phrases": (EXPECTED, "it goes by a grammar of them"),
    "other languages": (ELSEWHERE, "it knows about 100"),
}


class BestRecogniser:
    """Recognises with the best engine for each turn; one that fails is said once, and the next takes over.

    What it chose stands in each transcript's `engine`; `why` says in a sentence what it takes for what.

    Args:
        engines: What makes them, by name; each is made when it is first needed.

    Raises:
        MissingEngineError: there is none.
    """

    name = "auto"
    version = "1"
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
            SpeechError: no audio, two minutes or more, or none of the engines knows the language.
        """
        order = self._order(phrases, language)
        for name in order:
            engine = self._engine(name)
            if engine is not None:
                return engine.transcribe(audio, phrases=phrases, language=language)
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
        if language is not None and language.replace("_", "-").partition("-")[0].lower() != "en":
            return ELSEWHERE
        if not phrases:
            return OPEN
        sphinx = self._engine("sphinx")
        knows = getattr(sphinx, "knows", None)
        # A phrase that isn't in its dictionary would be heard as one of the others.
        return EXPECTED if knows is None or knows(phrases) else OPEN

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
        except SpeechError as error:
            del self._makers[name]
            rest = f"auto goes on with {', '.join(self._makers)}." if self._makers else "No other recogniser is left."
            warnings.warn(f"{error} {rest}", SpeechWarning, stacklevel=4)
            return None
