"""How a recogniser errs, word by word: found in what was said and heard, and done again to words in text.

What is found: how often each word is heard as something else, and as what, or as two words; words left out and put in;
utterances of which nothing is heard; and that errors come together: some callers, and some utterances, are understood worse
than others, and after a word that was misheard the next one is, too, more often than elsewhere.

Words are compared as they are said (`voicelab.speech.spoken_english`), so a number is one word and "3" is no error for "three".
A word that was said often errs as it did; one that was said seldom or never errs as words of its kind do (number, name, short
or long word), and is then heard as a known word that is spelled alike. In between both count, by how often it was said:

    p(word) = (errors + 20 p(kind)) / (times said + 20)

How much worse one caller or utterance is understood than another is a factor of mean 1, gamma distributed; the two variances
are found by the method of moments: of the squares, and of the products within a session, of errors less those expected.

Errors in a row are a chain. Of the words after a misheard one the share `runs` is misheard for that reason alone: what the next
word is misheard more often than the next but one tells it apart from what both share, the utterance. Other words are misheard
so much more seldom that as many are in all: with p of a word as above, after a right one it is p (1 - runs) / (1 - p runs).
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from voicelab.base.checks import is_number, names, probability
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.speech.spoken_english import as_said
from voicelab.speech.words import words_and_errors

Pair = tuple[str, str]
"""What was said, and what was heard."""

_KINDS = ("number", "name", "short", "long")
_SHORT_LETTERS = 3
# So many times said, a word's own errors count as much as those of its kind.
_OWN = 20
# Of words that are spelled alike so many are candidates, the likest first in weight.
_ALIKE = 4
_MOST = 0.95
_NO_VARIANCE = 1e-9  # below, everybody is understood alike, and 1 over it may be no number
_WORDS_NAMED = 3
"""Utterances of so many words or more are heard as nothing equally often."""


@dataclass(frozen=True)
class WordErrors:
    """How a recogniser errs, word by word. `World.fit` finds it in a log; `World(recognition_errors=...)` takes it.

    Attributes:
        rate: Word errors over words, of all that it was found in.
        kinds: How probable it is that a word of each kind is heard as something else.
        said: How often each word was said.
        heard: What each word that was misheard was heard as, and how often; an empty text where it was left out.
        left_out: Of the misheard words, the share that was left out.
        put_in: How many words are put in for each that is said.
        put_in_words: Which, and how often; with what is heard beside another where there was one word.
        nothing: How probable it is that nothing is heard of an utterance of one word, two, three or more.
        vocabulary: Words that were heard rightly: what others may be taken for.
        callers: Variance of the factor by which callers are understood worse than others.
        utterances: The same of utterances of one caller.
        runs: Of the words after a misheard one, the share that is misheard because of it.
        split: Of the words that are heard as another, the share that is heard as that and one more: words too many over them.

    Raises:
        InputError: one of them is something else, as in a file that was written by hand.
    """

    rate: float
    kinds: Mapping[str, float]
    said: Mapping[str, int]
    heard: Mapping[str, Mapping[str, int]]
    left_out: float
    put_in: float
    put_in_words: Mapping[str, int]
    nothing: Sequence[float]
    vocabulary: tuple[str, ...]
    callers: float
    utterances: float
    runs: float = 0.0
    split: float = 0.0

    def __post_init__(self) -> None:
        told = {name: getattr(self, name) for name in ("rate", "left_out", "runs", "split")}
        told |= {f"kinds[{kind!r}]": _of(self.kinds, kind) for kind in _KINDS}
        told |= {f"nothing[{index}]": _of(self.nothing, index) for index in range(_WORDS_NAMED)}
        for name, given in told.items():
            probability(name, given)
        for name in ("put_in", "callers", "utterances"):
            given = getattr(self, name)
            if not is_number(given) or given < 0:
                raise InputError(f"{name} is {shown(given)}, must be a number of 0 or more.")
        _check_counts("said", self.said)
        _check_counts("put_in_words", self.put_in_words)
        if not isinstance(self.heard, Mapping):
            raise InputError(f"heard is {shown(self.heard)}, must be {{a word: {{what it was heard as: how often}}}}.")
        for word, counts in self.heard.items():
            _check_counts(f"heard[{word!r}]", counts)
        names("vocabulary", self.vocabulary)

    @classmethod
    def found_in(cls, sessions: Iterable[Sequence[Pair]]) -> "WordErrors":
        """Return how a recogniser errs that made this of what was said, session by session.

        Raises:
            InputError: there are no words.
        """
        return _found([[_compared(*pair) for pair in session] for session in sessions])

    def factor(self, rng: random.Random, variance: float) -> float:
        """Return how many times as often as usual a caller, or an utterance, is misheard."""
        return rng.gammavariate(1 / variance, variance) if variance > _NO_VARIANCE else 1.0

    def misheard(self, text: str, rng: random.Random, caller: float) -> str:
        """Return what the recogniser makes of a text; nothing where it hears nothing.

        Args:
            text: What is said.
            rng: What chance is drawn from.
            caller: The caller's factor.
        """
        units = _units(text)
        words = sum(len(unit.words) for unit in units)
        if not words:
            return text
        if rng.random() < self.nothing[min(words, _WORDS_NAMED) - 1]:
            return ""
        factor = caller * self.factor(rng, self.utterances)
        heard: list[str] = []
        misheard: bool | None = None  # the word before; None where there is none
        for unit in units:
            made = []
            for word in unit.words:
                usual = min(_MOST, factor * self.expected(word, name=unit.name))
                misheard = rng.random() < (usual if misheard is None else _in_a_row(usual, self.runs, misheard))
                made.append(self._instead_of(word, rng) if misheard else word)
            heard.append(unit.written if made == list(unit.words) else " ".join(filter(None, made)))
            if self.put_in_words and rng.random() < min(_MOST, self.put_in * factor):
                heard.append(_drawn(self.put_in_words, rng))
        return " ".join(filter(None, heard))

    def expected(self, word: str, *, name: bool) -> float:
        """Return how probable it is that a word is heard as something else, of the average caller.

        Args:
            word: As it is said.
            name: Whether it is written with a capital within a sentence.
        """
        errors, n = sum(self.heard.get(word, {}).values()), self.said.get(word, 0)
        return (errors + _OWN * self.kinds[_kind(word, name=name)]) / (n + _OWN)

    def _instead_of(self, word: str, rng: random.Random) -> str:
        """Return what a misheard word is heard as; nothing where it is left out."""
        own = self.heard.get(word, {})
        errors = sum(own.values())
        # Heard as it was before, the surer the more often it was; else as another word might be.
        if errors and rng.random() < errors / (errors + 1):
            return _drawn(own, rng)
        if rng.random() < self.left_out:
            return ""
        if word[0].isdigit():
            other = _other_number(word, rng)
        else:
            alike = _alike(word, self.vocabulary)
            other = rng.choices(alike, range(len(alike), 0, -1))[0] if alike else ""
        if self.put_in_words and rng.random() < self.split:
            return f"{_drawn(self.put_in_words, rng)} {other}".rstrip()
        return other


def _in_a_row(usual: float, runs: float, misheard: bool) -> float:
    """Return how probable it is that a word is misheard after one that was, or wasn't; on the whole it is as usual."""
    calm = usual * (1 - runs) / (1 - usual * runs)
    return calm + (1 - calm) * runs if misheard else calm


# --- what it is made of ---


def _of(given: Any, key: Any) -> Any:
    """Return a part of what is given, or all of it where it has no such part."""
    try:
        return given[key]
    except (LookupError, TypeError):
        return given


def _check_counts(name: str, given: Any) -> None:
    counts = given.items() if isinstance(given, Mapping) else [(None, None)]
    if not all(isinstance(word, str) and is_number(count) and count > 0 for word, count in counts):
        raise InputError(f"{name} is {shown(given)}, must be {{a word: how often}}.")


# --- texts, in words ---


@dataclass(frozen=True)
class _Unit:
    """A word of a text, or several that are one number.

    Attributes:
        written: As it stands there.
        words: As it is said.
        name: Whether it is written as a name is.
    """

    written: str
    words: tuple[str, ...]
    name: bool


@lru_cache(maxsize=20_000)
def _units(text: str) -> tuple[_Unit, ...]:
    """Return the units of a text."""
    groups: list[list[str]] = []
    begins = True
    names: list[bool] = []
    for word in text.split():
        number = _is_number(word)
        if number and groups and _is_number(groups[-1][-1]) and groups[-1][-1][-1].isalnum():
            groups[-1].append(word)
        else:
            groups.append([word])
            names.append(not begins and word[0].isupper() and word.partition("'")[0] != "I")
        begins = word[-1] in ".?!"
    written = [" ".join(group) for group in groups]
    return tuple(_Unit(part, _said_alone(part), name) for part, name in zip(written, names, strict=True))


@lru_cache(maxsize=20_000)
def _said_alone(word: str) -> tuple[str, ...]:
    return tuple(as_said(word))


def _is_number(word: str) -> bool:
    said = _said_alone(word.strip(".,?!"))
    return bool(said) and (said[0][0].isdigit() or said[0] in {"hundred", "thousand", "point", "oh", "double"})


def _kind(word: str, *, name: bool) -> str:
    if word[0].isdigit():
        return "number"
    if name:
        return "name"
    return "short" if len(word) <= _SHORT_LETTERS else "long"


# --- what is found in utterances ---


@dataclass(frozen=True)
class _Compared:
    """An utterance: its words, whether each is a name, what was heard in place of each, what was put in, all errors."""

    words: tuple[str, ...]
    names: tuple[bool, ...]
    heard: tuple[str, ...]
    put_in: tuple[str, ...]
    errors: int

    @property
    def nothing(self) -> bool:
        """Whether nothing was heard."""
        return not any(self.heard)

    @property
    def wrong(self) -> int:
        """How many words were heard as something else, or put in."""
        return sum(h != w for w, h in zip(self.words, self.heard, strict=True)) + len(self.put_in)


@lru_cache(maxsize=50_000)  # a script's sentences come again in every session
def _compared(said: str, heard: str) -> _Compared:
    words, got = as_said(said), as_said(heard)
    _, errors = words_and_errors(said, heard)
    capitals = {word for unit in _units(said) if unit.name for word in unit.words}
    result, put_in = list(words), list[str]()
    for same, begin, end, at, until in SequenceMatcher(None, words, got, autojunk=False).get_opcodes():
        if same == "equal":
            continue
        new, n = got[at:until], end - begin
        if not n:
            put_in += new
        for number in range(n):
            # One for one; what is left over belongs to the last.
            last = number == n - 1
            result[begin + number] = " ".join(new[number:] if last else new[number : number + 1])
    names = tuple(word in capitals for word in words)
    return _Compared(tuple(words), names, tuple(result), tuple(put_in), errors)


def _found(sessions: Sequence[Sequence[_Compared]]) -> WordErrors:
    spoken = [utterance for session in sessions for utterance in session if utterance.words]
    if not spoken:
        raise InputError("There are no words to find a recogniser's errors in. Give what was said, and what was heard.")
    understood = [utterance for utterance in spoken if not utterance.nothing]
    said: Counter[str] = Counter()
    heard: dict[str, Counter[str]] = {}
    kinds = {kind: [0, 0] for kind in _KINDS}
    put_in: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for utterance in understood:
        put_in.update(utterance.put_in)
        for word, name, got in zip(utterance.words, utterance.names, utterance.heard, strict=True):
            said[word] += 1
            counts = kinds[_kind(word, name=name)]
            counts[0] += got != word
            counts[1] += 1
            if got == word:
                right[word] += not word[0].isdigit()
            else:
                heard.setdefault(word, Counter())[got] += 1
                *more, _ = got.split() or [""]
                beside.update(more)
    words, errors = sum(said.values()), sum(counts[0] for counts in kinds.values())
    overall = errors / max(1, words)
    n_left_out = sum(counts[""] for counts in heard.values())
    found = WordErrors(
        rate=min(1.0, sum(u.errors for u in spoken) / sum(len(u.words) for u in spoken)),
        # A kind of which little was heard errs as all words do.
        kinds={kind: (wrong + overall) / (n + 1) for kind, (wrong, n) in kinds.items()},
        said=dict(said),
        heard={word: dict(counts) for word, counts in heard.items()},
        left_out=n_left_out / max(1, errors),
        put_in=put_in.total() / max(1, words),
        put_in_words=dict(put_in + beside),
        nothing=_nothing(spoken),
        vocabulary=tuple(sorted(word for word, n in right.items() if n)),
        callers=0.0,
        utterances=0.0,
        runs=_runs(understood),
        split=min(_MOST, beside.total() / max(1, errors - n_left_out)),
    )
    callers, utterances = _variances(found, sessions)
    return WordErrors(**{**vars(found), "callers": callers, "utterances": utterances})


def _nothing(spoken: Sequence[_Compared]) -> tuple[float, ...]:
    """Return how often nothing was heard of utterances of one word, two, and more; of a length that was never said, of all."""
    rates, of_all = [], sum(u.nothing for u in spoken) / len(spoken)
    for length in range(1, _WORDS_NAMED + 1):
        of_it = [u.nothing for u in spoken if min(len(u.words), _WORDS_NAMED) == length]
        rates.append(sum(of_it) / len(of_it) if of_it else of_all)
    return tuple(rates)


def _runs(understood: Sequence[_Compared]) -> float:
    """Return of words after a misheard one the share that is misheard because of it.

    Of the next word that is its chance b in such an utterance and the share of the rest, 1 - (1 - b)(1 - runs); of the next
    but one, 1 - (1 - b)(1 - runs**2).
    """
    wrong = [[h != w for w, h in zip(u.words, u.heard, strict=True)] for u in understood]
    near, far = (
        (sum(a and b for u in wrong for a, b in zip(u, u[by:], strict=False)), sum(sum(u[:-by]) for u in wrong))
        for by in (1, 2)
    )
    if not near[1] or not far[1] or near[0] == near[1]:
        return 0.0
    return min(_MOST, max(0.0, (1 - far[0] / far[1]) / (1 - near[0] / near[1]) - 1))


def _spread_of_runs(runs: float, words: int) -> float:
    """Return the variance over the mean of how many of so many words are misheard, where few are, because of runs alone."""
    return 1 + 2 * sum((words - by) * runs**by for by in range(1, words)) / words


def _variances(found: WordErrors, sessions: Sequence[Sequence[_Compared]]) -> tuple[float, float]:
    """Return the variances of the callers' factor and of the utterances', by the method of moments."""
    squares = expected_squares = products = expected_products = 0.0
    for session in sessions:
        above, expected = [], []
        for utterance in session:
            if utterance.nothing or not utterance.words:
                continue
            rates = [found.expected(w, name=n) for w, n in zip(utterance.words, utterance.names, strict=True)]
            mean = sum(rates) + found.put_in * len(rates)
            above.append(utterance.wrong - mean)
            expected.append(mean)
            # Of errors that are rare and have nothing to do with each other the variance is their mean; of runs it is more.
            squares += above[-1] ** 2 - found.put_in * len(rates) - sum(rates) * _spread_of_runs(found.runs, len(rates))
            expected_squares += mean**2
        products += sum(above) ** 2 - sum(a * a for a in above)
        expected_products += sum(expected) ** 2 - sum(e * e for e in expected)
    callers = max(0.0, products / expected_products) if expected_products else 0.0
    both = max(0.0, squares / expected_squares) if expected_squares else 0.0
    # The factors are multiplied: (1 + callers)(1 + utterances) = 1 + both.
    return callers, max(0.0, (1 + both) / (1 + callers) - 1)


# --- what is heard instead ---


def _drawn(counts: Mapping[str, int], rng: random.Random) -> str:
    return rng.choices(list(counts), list(counts.values()))[0]


def _other_number(number: str, rng: random.Random) -> str:
    """Return a number of which a digit is another, or left out where it has several."""
    digits = [at for at, letter in enumerate(number) if letter.isdigit()]
    at = rng.choice(digits)  # "4th" stays one, and "7:30" a time
    if len(digits) > 2 and rng.random() < 0.5:  # noqa: PLR2004 - "15" without a digit would be no number misheard
        return number[:at] + number[at + 1 :]
    other = rng.choice([digit for digit in "0123456789" if digit != number[at]])
    return number[:at] + other + number[at + 1 :]


@lru_cache(maxsize=20_000)
def _alike(word: str, vocabulary: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words of a vocabulary that are spelled most like a word, without itself, the likest first."""
    matcher = SequenceMatcher(None, b=word, autojunk=False)
    scored = []
    for other in vocabulary:
        if other != word and abs(len(other) - len(word)) <= _ALIKE:
            matcher.set_seq1(other)
            if matcher.real_quick_ratio() > 0 and matcher.quick_ratio() >= 1 / 3:
                scored.append((-matcher.ratio(), other))
    return tuple(other for _, other in sorted(scored)[:_ALIKE])
