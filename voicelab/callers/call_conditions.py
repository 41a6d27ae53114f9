"""Conditions of a call that are not the caller's own: when somebody picks up, and how often the agent is cut off.

A caller under conditions is the same caller with another conversation around its own.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from voicelab.base.errors import InputError
from voicelab.base.pace import speech_seconds
from voicelab.callers.actions import At, Input, Say, Silence, in_order
from voicelab.callers.mix import Mix, mix
from voicelab.callers.protocol import Heard, KnownCaller

INTERJECTIONS = ("Sorry, wait", "Hold on", "Wait a second", "Sorry, can I just ask something")
"""What an interruption consists of that isn't the caller's own."""
HELLO = "Hello?"
"""What somebody says who picks up."""


@dataclass(frozen=True)
class BargeIn:
    """How a caller cuts the agent off.

    Attributes:
        technique: `nudge`: in the caller's own words; `clip`: by an interjection; `both`: an interjection, then its own words.
        probability: Chance of cutting in, drawn as the agent begins to speak.
        after_s: Seconds into the agent's speech.
        cooldown_s: Seconds between two interruptions, at least.
        most: How many there may be in a call; None for any number.
        at_s: Seconds since the session began at which it cuts in whatever the agent does, by an interjection.
    """

    technique: str = "both"
    probability: float = 0.45
    after_s: float = 1.2
    cooldown_s: float = 7.0
    most: int | None = 6
    at_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class BeforePickup:
    """What the agent hears before somebody picks up.

    Attributes:
        seconds: How long nobody picks up; None for ever.
        announcements: What is heard meanwhile: seconds of quiet (ringing, music), or the text of an announcement.
        loops: Whether that begins again when it has ended.
    """

    seconds: float | None
    announcements: tuple[float | str, ...] = ()
    loops: bool = True

    def heard_until(self, end_s: float) -> Iterator[At]:
        """Yield the announcements that begin before an end, each at its time."""
        at_s, end_s = 0.0, end_s if self.seconds is None else min(end_s, self.seconds)
        while self.announcements and at_s < end_s:
            for what in self.announcements:
                if isinstance(what, str) and at_s < end_s:
                    yield At(at_s, Say(what, "speech"))
                at_s += speech_seconds(what) if isinstance(what, str) else what
            if not self.loops:
                return


@dataclass(frozen=True)
class CallConditions:
    """Conditions of a call.

    Attributes:
        barge_in: How the caller cuts in, besides what it does by itself.
        waiting: What comes before somebody picks up; None where the caller is there at once.
        greets: Whether the caller, called by the agent, says hello where the agent doesn't speak first.
        longest_s: How long a session may last: announcements go on no longer.
    """

    barge_in: BargeIn | None = None
    waiting: BeforePickup | None = None
    greets: bool = False
    longest_s: float = 3600.0

    def __bool__(self) -> bool:
        return self.barge_in is not None or self.waiting is not None or self.greets


def under_conditions(caller: KnownCaller, conditions: CallConditions) -> KnownCaller:
    """Return a caller, or a mixture of them, under conditions."""
    if not conditions:
        return caller
    if caller.n_callers is not None:
        raise InputError(f"{caller!r} does what it did in its log: no conditions of a call can be laid on it.")
    if isinstance(caller, Mix):
        return mix(*((under_conditions(one, conditions), weight) for one, weight in caller.weights))
    return _UnderConditions(caller, conditions)


class _UnderConditions(KnownCaller):
    def __init__(self, caller: KnownCaller, conditions: CallConditions) -> None:
        self.caller = caller
        self.conditions = conditions
        self.name = caller.name

    @property
    def phrases(self) -> Sequence[str]:
        """What the caller may say, and what the conditions have it say."""
        own = [HELLO] if self.conditions.waiting or self.conditions.greets else []
        return [*self.caller.phrases, *own, *(INTERJECTIONS if self.conditions.barge_in else ())]

    def begin(self, rng: random.Random) -> "_Call":
        """Return a call under the conditions."""
        return _Call(self.caller.begin(rng), self.conditions, rng)  # type: ignore[attr-defined]  # every caller has it


class _Call:
    """One call: the caller's own conversation, asked as if the conditions were none of its business."""

    def __init__(self, own: Any, conditions: CallConditions, rng: random.Random) -> None:
        self._own = own
        self._conditions = conditions
        self._rng = rng
        self._waiting = conditions.waiting
        self._greets = conditions.greets
        self._cuts_in = False
        self._last_s = float("-inf")
        self._n = 0
        self.timed = in_order([*getattr(own, "timed", ()), *self._at_fixed_times()])

    @property
    def n_replies(self) -> int:
        """Replies of the caller itself."""
        return getattr(self._own, "n_replies", 0)

    @property
    def n_otherwise(self) -> int:
        """Those to what none of its patterns matched."""
        return getattr(self._own, "n_otherwise", 0)

    def reply(self, heard: Heard) -> Input | None:
        """Return what the caller does, or what the conditions have it do."""
        if heard.interrupted and self._cuts_in:
            return self._interruption(heard)
        if self._waiting is not None:
            if self._waiting.seconds is None or heard.time_s < self._waiting.seconds:
                return Silence()
            # Its hello has a time of its own, over whatever the agent is saying then.
            self._waiting, self._greets = None, False
        if self._greets:
            self._greets = False
            if not heard.text:
                return Say(HELLO, "speech")
        reply: Input | None = self._own.reply(heard)
        return reply

    def interrupts_after(self) -> float | None:
        """Return when somebody cuts into the agent's answer."""
        self._cuts_in = False
        if self._waiting is not None:
            return None
        own: float | None = self._own.interrupts_after()
        barge_in = self._conditions.barge_in
        if barge_in is None or (barge_in.most is not None and self._n >= barge_in.most):
            return own
        if not barge_in.probability or self._rng.random() >= barge_in.probability:
            return own
        self._cuts_in = own is None or barge_in.after_s < own
        return barge_in.after_s if self._cuts_in else own

    def _interruption(self, heard: Heard) -> Input | None:
        barge_in = self._conditions.barge_in
        if barge_in is None or heard.time_s - self._last_s < barge_in.cooldown_s:
            return Silence()
        self._last_s = heard.time_s
        self._n += 1
        interjection = self._rng.choice(INTERJECTIONS)
        if barge_in.technique == "clip":
            return Say(interjection, "speech")
        own: Input | None = self._own.reply(heard)
        if not isinstance(own, Say):
            return own
        after = f"{interjection}. {own.text[0].upper()}{own.text[1:]}"
        return Say(own.text if barge_in.technique == "nudge" else after, "speech")

    def _at_fixed_times(self) -> Iterator[At]:
        conditions = self._conditions
        if conditions.waiting is not None:
            yield from conditions.waiting.heard_until(conditions.longest_s)
            if conditions.waiting.seconds is not None:
                yield At(conditions.waiting.seconds, Say(HELLO, "speech"))
        for at_s in conditions.barge_in.at_s if conditions.barge_in else ():
            yield At(at_s, Say(self._rng.choice(INTERJECTIONS), "speech"))
