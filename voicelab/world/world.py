"""What lies between caller and agent: recognition errors, delays, faults, and the effects that a test truly has."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeAlias

from voicelab.base.accepted_types import Cell
from voicelab.base.checks import is_number, probability, span
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.seeds import Seeds

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.world.word_errors import WordErrors

Effect: TypeAlias = float | Callable[[random.Random], Cell]
"""How probable a true outcome is, or a function that draws its value."""
Truth: TypeAlias = Mapping[str, Mapping[str, Mapping[str, Effect]]]
"""Effects by test, outcome and variant."""

# What a recogniser makes of a word that it mishears: words that sound alike.
_SOUND_ALIKES = {
    "two": "to", "to": "two", "too": "two", "four": "for", "for": "four", "one": "won", "eight": "ate", "six": "sits",
    "buy": "by", "by": "buy", "bye": "by", "hear": "here", "here": "hear", "right": "write", "no": "know",
    "know": "no", "yes": "yet", "book": "look", "call": "cold", "cancel": "council", "tuesday": "two days",
    "thursday": "thirsty", "monday": "one day", "pay": "play", "bill": "bell", "their": "there", "there": "their",
    "week": "weak", "meet": "meat", "purchase": "purpose", "want": "won't", "like": "light", "please": "police",
    "hello": "yellow", "account": "a count", "appointment": "a pointment", "help": "health", "thank": "sank",
}  # fmt: skip
_VOWELS = str.maketrans("aeiou", "eaoie")


_OFTEN = 5
"""What was said so often in a log is heard as it was there."""

MISNAMED = "World(truth=) names "
"""Begins what is said of a name in `truth` that no session knows."""


class SimulatedFault(RuntimeError):  # noqa: N818 - a fault, as `handler_faults` says
    """Raised inside a handler or a background task by `World(handler_faults=...)`."""


class SpokenLog(Protocol):
    """The log of an audio simulation, or of spoken sessions whose words are known."""

    def utterances(self) -> "pd.DataFrame":
        """Return what was said and what was heard, one row an utterance: session_id, said, heard."""


class World:
    """The world that sessions happen in. It can't be changed; `replace` makes another of it.

    Args:
        recognition_errors: Probability that a word of the caller is dropped, swapped with its neighbour or misheard; or how
            a recogniser errs word by word, as `World.fit` finds it.
        handler_delay_s: Time that passes before the handler gets an input, drawn evenly: (shortest, longest) or one
            number, in seconds.
        handler_faults: Probability that a call of the handler, or a background task, raises at its first output, or, without
            outputs, at its first `await` or its end. Or which calls do, counted from 0 in each session: `[2]` for the third.
        confusions: `{what was said: {what was recognised: weight}}`, as `World.fit` finds them in a log; an empty text
            stands for words that were not heard at all. Other words err by `recognition_errors`.
        truth: `{test: {outcome: {variant: p}}}`: at its end each session gets the outcome True with the probability of
            its variant; instead of p a function of a `random.Random` may return the value. A name that the sessions don't
            have is warned of, with the nearest that they have.

    Raises:
        InputError: a probability is not from 0 to 1, a range is none, or the truth has another shape.
    """

    def __init__(
        self,
        recognition_errors: "float | WordErrors" = 0.0,
        handler_delay_s: float | tuple[float, float] = 0.0,
        handler_faults: float | Sequence[int] = 0.0,
        truth: Truth | None = None,
        confusions: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        vars(self).update(
            recognition_errors=_checked_errors(recognition_errors),
            handler_delay_s=span("handler_delay_s", handler_delay_s),
            handler_faults=_checked_faults(handler_faults),
            truth=_checked_truth(truth or {}),
            confusions=_checked_confusions(confusions or {}),
        )

    recognition_errors: "float | WordErrors"
    handler_delay_s: tuple[float, float]
    handler_faults: float | tuple[int, ...]
    truth: dict[str, dict[str, dict[str, Effect]]]
    confusions: dict[str, dict[str, float]]

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"A World can't be changed. Make another of it: world.replace({name}={value!r:.60})")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"A World can't be changed, so its {name} can't be taken away.")

    def replace(self, **changes: Any) -> "World":
        """Return a world like this one but for some arguments, e.g. `vl.worlds.mobile.replace(handler_delay_s=0.4)`.

        Args:
            changes: Arguments of `World`.

        Raises:
            InputError: there is no such argument, or it can't be that.
        """
        known = vars(self)
        for name in changes:
            if name not in known:
                raise InputError(
                    f"World has no argument {name!r}; it has {', '.join(known)}.{did_you_mean(name, known)}"
                )
        return World(**{**known, **changes})

    @classmethod
    def fit(cls, log: "SpokenLog", **others: Any) -> "World":
        """Return a world in text that mishears as the recogniser of an audio simulation did.

        What was said there five times or more is heard as it was there, as often. Everything else is misheard word by word:
        words that were said there as they were there, others as words of their kind, and some callers more than others; see
        `voicelab.world.word_errors`.

        Args:
            log: The log of `vl.simulate(..., audio=...)`, or of spoken sessions whose words are known.
            others: Other arguments of `World`, such as `truth`.

        Raises:
            InputError: it is no log, or knows of no word that was said and recognised.
        """
        from voicelab.world.word_errors import WordErrors

        if not callable(getattr(log, "utterances", None)):
            raise InputError(f"log is {shown(log)}, must be the log of vl.simulate(..., audio=vl.PhoneLine()).")
        spoken = log.utterances()
        sessions: dict[str, list[tuple[str, str]]] = {}
        for session, said, heard in zip(spoken["session_id"], spoken["said"], spoken["heard"], strict=True):
            sessions.setdefault(session, []).append((said, heard))
        if not spoken["said"].str.contains(r"\w").any():
            raise InputError(
                f"{log!r} holds no words that were said and recognised. Give the log of vl.simulate(..., audio=vl.PhoneLine())."
            )
        counted = Counter(pair for pairs in sessions.values() for pair in pairs)
        confusions: dict[str, dict[str, float]] = {}
        for (said, heard), n in counted.items():
            confusions.setdefault(said, {})[heard] = n
        often = {said: heard for said, heard in confusions.items() if sum(heard.values()) >= _OFTEN}
        return cls(recognition_errors=WordErrors.found_in(sessions.values()), confusions=often, **others)

    def specified(self, variants: Mapping[str, Sequence[str]], outcomes: Collection[str]) -> dict[str, list[str]]:
        """Return the outcomes by test whose effects the sessions have as `truth` specifies them, every name being there.

        Args:
            variants: The variants of each test that was reached.
            outcomes: The outcomes that the handler knows, or is judged by; of none any may be specified.
        """
        return {
            test: found
            for test, effects in self.truth.items()
            if (
                found := [
                    outcome
                    for outcome, effect in effects.items()
                    if set(effect) <= set(variants.get(test, ())) and (outcome in outcomes or not outcomes)
                ]
            )
        }

    def misnamed(self, variants: Mapping[str, Sequence[str]], outcomes: Collection[str]) -> list[str]:
        """Return a sentence for each test, variant and outcome that `truth` names and that isn't there.

        Args:
            variants: As of `specified`.
            outcomes: As of `specified`.
        """
        found = []
        for test, effects in self.truth.items():
            if test not in variants:
                reached = ", ".join(variants) or "none"
                found.append(
                    f"{MISNAMED}the test {test!r}, which no session has reached (reached: {reached}): its effects "
                    f"are in no session.{did_you_mean(test, variants)}"
                )
                continue
            for variant in dict.fromkeys(name for effect in effects.values() for name in effect):
                if variant not in variants[test]:
                    has = ", ".join(dict.fromkeys(variants[test]))
                    found.append(
                        f"{MISNAMED}the variant {variant!r}, which the test {test!r} doesn't have (it has {has}): "
                        f"its effect is in no session.{did_you_mean(variant, variants[test])}"
                    )
            for outcome in effects:
                if outcomes and outcome not in outcomes:
                    has = ", ".join(sorted(outcomes))
                    found.append(
                        f"{MISNAMED}the outcome {outcome!r}, which no session has declared or set (they have {has}): "
                        f"it is a new outcome beside them.{did_you_mean(outcome, outcomes)}"
                    )
        return found

    @property
    def mishears(self) -> bool:
        """Whether words may reach the agent as others."""
        return bool(self.recognition_errors or self.confusions)

    def begin(self, seeds: Seeds) -> "_WorldInSession":
        """Return the world of one session."""
        return _WorldInSession(self, seeds)

    def __repr__(self) -> str:
        confusions = self.confusions and f"of {len(self.confusions)} utterances"
        errors = self.recognition_errors
        rate = errors if isinstance(errors, float) else errors.rate
        shown = {**vars(self), "recognition_errors": round(rate, 4)}
        facts = [
            f"{name}={value!r}"
            for name, value in shown.items()
            if name != "confusions" and value and value != (0.0, 0.0)
        ]
        if not isinstance(errors, float):
            facts.append(f"word by word as {sum(errors.said.values()):,} words were heard")
        return f"World({', '.join([*facts, *([f'confusions {confusions}'] if confusions else [])])})"


class _WorldInSession:
    """The world of one session: what chance makes of `World` there.

    Args:
        world: The world.
        seeds: The session's streams of chance.
    """

    __slots__ = ("_caller", "_n_calls", "_seeds", "_streams", "_world")

    def __init__(self, world: World, seeds: Seeds) -> None:
        self._world = world
        self._seeds = seeds
        self._caller: float | None = None  # how many times as often as others this caller is misheard
        self._streams: dict[str, random.Random] = {}
        self._n_calls = 0

    @property
    def mishears(self) -> bool:
        """Whether words may reach the agent as others."""
        return self._world.mishears

    def recognised(self, text: str) -> str:
        """Return what the recogniser makes of the caller's words; nothing at all only where `confusions` say so."""
        known, rate = self._world.confusions.get(text), self._world.recognition_errors
        if known is not None:
            return self._stream("recognition").choices(list(known), list(known.values()))[0]
        if not rate:
            return text
        rng = self._stream("recognition")
        if not isinstance(rate, float):
            if self._caller is None:
                self._caller = rate.factor(self._seeds.random("world:caller"), rate.callers)
            return rate.misheard(text, rng, self._caller)
        heard: list[str] = []
        swapped: list[int] = []
        for word in text.split():
            error = rng.choice(("drop", "swap", "mishear")) if rng.random() < rate else ""
            if error == "swap":
                swapped.append(len(heard))
            if error != "drop":
                heard.append(_misheard(word, rng) if error == "mishear" else word)
        for at in swapped:
            heard[at : at + 2] = heard[at : at + 2][::-1]
        return " ".join(heard) or _misheard(text.split(maxsplit=1)[0], rng)

    def delay_s(self) -> float:
        """Return the seconds before the handler gets its next input."""
        low, high = self._world.handler_delay_s
        return low + (high - low) * self._stream("delay").random() if high else 0.0

    def fault(self, where: str) -> BaseException | None:
        """Return an exception to raise in the handler or a task, or None."""
        rate = self._world.handler_faults
        if rate and self._is_hit(rate):
            return SimulatedFault(f"a fault of the simulated world in {where}")
        return None

    def _is_hit(self, rate: float | tuple[int, ...]) -> bool:
        if not isinstance(rate, tuple):
            return self._stream("faults").random() < rate
        self._n_calls += 1
        return self._n_calls - 1 in rate

    def outcomes(self, variants: Mapping[str, str]) -> list[tuple[str, Any]]:
        """Return the true outcomes of a session with these variants."""
        drawn = []
        for test, effects in self._world.truth.items():
            for outcome, by_variant in effects.items():
                if test in variants and variants[test] in by_variant:
                    drawn.append((outcome, self._draw(test, outcome, by_variant[variants[test]])))
        return drawn

    def _draw(self, test: str, outcome: str, effect: Effect) -> Any:
        stream = f"world:truth:{test}:{outcome}"
        if callable(effect):
            return effect(self._seeds.random(stream))
        return self._seeds.uniform(stream) < effect

    def _stream(self, name: str) -> random.Random:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = self._seeds.random(f"world:{name}")
        return stream


def _misheard(word: str, rng: random.Random) -> str:
    bare = word.lower().strip(".,!?")
    if bare in _SOUND_ALIKES:
        return _SOUND_ALIKES[bare]
    if len(bare) > 3 and rng.random() < 0.5:  # noqa: PLR2004 - short words lose no syllable
        return bare[:-2]
    changed = bare.translate(_VOWELS)
    return changed if changed != bare else f"{bare}s"


def _checked_errors(given: "float | WordErrors") -> "float | WordErrors":
    if not is_number(given):  # the class is loaded with the tables of spoken English, which few worlds need
        from voicelab.world.word_errors import WordErrors

        if isinstance(given, WordErrors):
            return given
    return probability("recognition_errors", given)


def _checked_faults(given: float | Sequence[int]) -> float | tuple[int, ...]:
    if not isinstance(given, list | tuple):
        return probability("handler_faults", given)
    if all(isinstance(at, int) and not isinstance(at, bool) and at >= 0 for at in given):
        return tuple(sorted(set(given)))
    raise InputError(
        f"handler_faults is {shown(given)}, must be a probability from 0 to 1, or the calls that raise, counted from 0, e.g. [2]."
    )


def _checked_truth(truth: Truth) -> dict[str, dict[str, dict[str, Effect]]]:
    shape = '{"greeting_variant": {"user_satisfied": {"formal": 0.30, "casual": 0.36}}}'
    if not isinstance(truth, Mapping):
        raise InputError(f"truth is {truth!r}, must be {{test: {{outcome: {{variant: probability}}}}}}, e.g. {shape}.")
    checked: dict[str, dict[str, dict[str, Effect]]] = {}
    for test, effects in truth.items():
        if not isinstance(effects, Mapping) or not all(isinstance(v, Mapping) and v for v in effects.values()):
            raise InputError(f"truth of {test!r} must be {{outcome: {{variant: probability}}}}, e.g. {shape}.")
        checked[str(test)] = {
            str(outcome): {
                str(variant): effect
                if callable(effect)
                else probability(f"truth of {test}/{outcome}/{variant}", effect)
                for variant, effect in by_variant.items()
            }
            for outcome, by_variant in effects.items()
        }
    return checked


def _checked_confusions(given: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    checked: dict[str, dict[str, float]] = {}
    if not isinstance(given, Mapping):
        raise InputError(f"confusions is {given!r}, must be {{what was said: {{what was recognised: weight}}}}.")
    for said, heard in given.items():
        weights = list(heard.values()) if isinstance(heard, Mapping) else []
        if not weights or not all(isinstance(w, int | float) and 0 < w < float("inf") for w in weights):
            raise InputError(
                f"confusions has {said!r}: {heard!r}, must be {{what was said: {{what was recognised: weight above 0}}}}."
            )
        checked[str(said)] = {str(text): float(weight) for text, weight in heard.items()}
    return checked
