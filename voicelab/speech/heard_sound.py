"""A sound with the words that were recognised in it, shown as a waveform with the words under it."""

import html
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Protocol

from voicelab.speech.transcript import Transcript
from voicelab.speech.words import normalized, word_counts, words_and_errors

# Of the quiet around the words, as `Audio.trimmed` takes it.
_QUIET_DB = 30
# Words that may be the same as one: "seven thirty p m".
_GROUP = 4
# Of longer texts only the places where they differ are tried, and of long places none.
_MOST_TRIED = 400


class ShownSound(Protocol):
    """A sound that can be drawn and played: an `Audio`, which is built upon this module."""

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""

    def loud_part(self, below_db: float) -> tuple[float, float]:
        """Return when its first sound begins and its last one ends, in seconds."""

    def waveform(self) -> str:
        """Return a drawing of it."""

    def player(self) -> str:
        """Return HTML that plays it."""


@dataclass(frozen=True, eq=False)
class HeardSound:
    """A sound, and what was heard in it. In a notebook it shows itself: the words stand about where they were said.

    Attributes:
        audio: The sound.
        transcript: What was heard.
        said: What was said, where that is known: what was misheard is shown in red then, with what it was.
        language: Of the words, such as "en".
    """

    audio: ShownSound
    transcript: Transcript
    said: str | None = None
    language: str | None = None

    @property
    def text(self) -> str:
        """The words that were heard."""
        return self.transcript.text

    @property
    def word_errors(self) -> int | None:
        """How many words are wrong, as `word_error_rate` compares them; None where it isn't known what was said."""
        return None if self.said is None else word_counts(self.said, self.text, self.language)["word_errors"]

    def __repr__(self) -> str:
        wrong = "" if self.said is None else f", {self.word_errors} wrong"
        return f"HeardSound({self.audio.duration_s:.2f} s, {self.transcript.engine}: {self.text!r}{wrong})"

    def _repr_html_(self) -> str:
        begins_s, ends_s = self.audio.loud_part(_QUIET_DB)
        whole_s = max(self.audio.duration_s, 1e-9)
        words = "".join(map(_shown, compared_words(self.said, self.text, self.language))) or "<i>no words</i>"
        # Each word gets the room that its letters need, so it stands about where it was said, and none on top of another.
        row = (
            f"<div style='margin-left:{begins_s / whole_s:.1%};min-width:{(ends_s - begins_s) / whole_s:.1%};"
            "width:fit-content;box-sizing:border-box;display:flex;flex-wrap:wrap;justify-content:space-between;"
            f"column-gap:.5em;line-height:1.5'>{words}</div>"
        )
        return (
            f"<div style='max-width:640px;margin-bottom:12px'>{self.audio.waveform()}{row}"
            f"<div style='opacity:.65;font-size:85%;margin:2px 0 4px'>{html.escape(self._facts())}</div>"
            f"{self.audio.player()}</div>"
        )

    def _facts(self) -> str:
        told = [f"heard by {self.transcript.engine}"]
        if self.transcript.confidence is not None:
            told.append(f"confidence {self.transcript.confidence:.2f}")
        if self.said is not None:
            counts = word_counts(self.said, self.text, self.language)
            wrong, n = counts["word_errors"], counts["words"]
            told.append(
                f"{wrong} of {n} words wrong" if wrong and n else "every word right" if n else "nothing was said"
            )
        return " · ".join(told)


def compared_words(said: str | None, heard: str, language: str | None = None) -> Iterator[tuple[str, str]]:
    """Give the words that were heard, each with what was said instead: the same word where it is right.

    A word that was said and not heard comes as ("", word); one that nobody said as (word, "").

    Args:
        said: What was said; None where that isn't known, and every word counts as right.
        heard: What was heard.
        language: As for `word_error_rate`.
    """
    got = heard.split()
    if said is None:
        yield from ((word, word) for word in got)
        return
    wanted = said.split()
    if len(wanted) * len(got) <= _MOST_TRIED:
        yield from _in_pairs(wanted, got, language)
        return
    plain_wanted, plain_got = (["".join(normalized(word)) for word in words] for words in (wanted, got))
    matcher = SequenceMatcher(None, plain_wanted, plain_got, autojunk=False)
    for kind, first, last, start, stop in matcher.get_opcodes():
        theirs, ours = wanted[first:last], got[start:stop]
        if kind == "equal":
            yield from ((word, word) for word in ours)
        elif len(theirs) * len(ours) <= _MOST_TRIED:
            yield from _in_pairs(theirs, ours, language)
        else:
            yield from itertools.zip_longest(ours, theirs, fillvalue="")


def _in_pairs(theirs: Sequence[str], ours: Sequence[str], language: str | None) -> Iterator[tuple[str, str]]:
    """Give the words of a place where said and heard differ in pairs, as few of them wrong as can be.

    Several words may be the same as several others, or as none: "2:30" is "two thirty", and "um" nothing.
    """
    n, m = len(theirs), len(ours)
    # By how many words of either are left: how many of them are wrong at least, how many of the first pair are (of two
    # ways as good, right words come first), and how many words it takes.
    best: dict[tuple[int, int], tuple[int, int, int, int]] = {(n, m): (0, 0, 0, 0)}
    for i, j in itertools.product(range(n, -1, -1), range(m, -1, -1)):
        if (i, j) in best:
            continue
        steps = []
        for a, b in itertools.product(range(min(_GROUP, n - i) + 1), range(min(_GROUP, m - j) + 1)):
            if a or b:
                wrong = 0 if _are_alike(theirs[i : i + a], ours[j : j + b], language) else max(a, b)
                steps.append((best[i + a, j + b][0] + wrong, wrong, a, b))
        best[i, j] = min(steps)
    i = j = 0
    while i < n or j < m:
        _, _, a, b = best[i, j]
        group = ours[j : j + b]
        if _are_alike(theirs[i : i + a], group, language):
            yield from ((word, word) for word in group)
        else:
            yield from itertools.zip_longest(group, theirs[i : i + a], fillvalue="")
        i, j = i + a, j + b


def _are_alike(said: Sequence[str], heard: Sequence[str], language: str | None) -> bool:
    return words_and_errors(" ".join(said), " ".join(heard), language)[1] == 0


def _shown(pair: tuple[str, str]) -> str:
    heard, said = map(html.escape, pair)
    if heard == said:
        return f"<span>{heard}</span>"
    right = f" <s style='opacity:.6'>{said}</s>" if said else ""
    return f"<span style='white-space:nowrap'><b style='color:#D55E00'>{heard}</b>{right}</span>"
