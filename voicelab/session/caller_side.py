"""The caller's side of a session: what the caller plans to do, when it is due, and when to ask for more.

The caller itself is asked by the protocol of `callers/protocol.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from voicelab.callers.actions import (
    BEGINS,
    Action,
    At,
    HangUp,
    Interrupt,
    Press,
    Recognised,
    Say,
    Silence,
    Sound,
    Unheard,
)
from voicelab.callers.pace import speech_seconds
from voicelab.callers.protocol import Conversation, Heard
from voicelab.session.backchannels import interrupts
from voicelab.session.turns import NEVER, TurnTaking
from voicelab.session.utterance import joined


class SoundPath(Protocol):
    """The way of the caller's words as sound; see `voicelab.world.telephone`."""

    def say(self, text: str) -> list[Sound]:
        """Return what reaches the agent when the caller says something, and when: seconds from its first word."""

    def agent_seconds(self, data: Mapping[str, Any]) -> float:
        """Return how long the agent's speech takes, in seconds."""

    def settings(self, data: Mapping[str, Any]) -> None:
        """Take the agent's settings of the recogniser."""


def _ignore_unheard(now: float, what: Unheard) -> None:
    """Take no note of sound without words."""


class CallerSide:
    """Plans and times one caller's actions, and takes the floor with them.

    Args:
        conversation: The caller in this session.
        turns: The session's turn-taking.
        on_unheard: Called with sound in which no words were found.
        recognise: Returns what the agent's side makes of the caller's words; None where it gets them as they are.
        telephone: Makes sound of the caller's words; None where they simply take time.

    Attributes:
        heard: What was heard of the agent since the caller's last words.
        answered: Whether the agent has spoken or worked since the caller was last asked; the session sets it.
        next_at: When the caller does something whatever the agent does, in seconds.
        plan_at: When it does what it has planned for the agent's silence.
    """

    __slots__ = (
        "_cut_in_at",
        "_interrupts_after",
        "_on_unheard",
        "_plan",
        "_recognise",
        "_reply",
        "_saying",
        "_timed",
        "_turns",
        "answered",
        "heard",
        "next_at",
        "plan_at",
        "telephone",
    )

    def __init__(
        self,
        conversation: Conversation,
        turns: TurnTaking,
        on_unheard: Callable[[float, Unheard], None] = _ignore_unheard,
        recognise: Callable[[Say | Interrupt], Action | Recognised | Unheard] | None = None,
        telephone: SoundPath | None = None,
    ) -> None:
        self._on_unheard = on_unheard
        self._recognise = recognise
        self._reply = conversation.reply
        self._interrupts_after = conversation.interrupts_after
        self._turns = turns
        self.heard: list[str] = []
        self.answered = True
        self.next_at = NEVER
        self.plan_at = NEVER
        self._plan: Action | None = None
        # What is being said reaches the agent at these times.
        self._saying: list[tuple[float, Action | Recognised | Unheard | None]] = []
        self.telephone = telephone
        self._cut_in_at = NEVER
        # What happens at fixed times, known from the start.
        timed = getattr(conversation, "timed", ())
        self._timed: list[tuple[float, Action]] = [(at.time_s, at.input) for at in timed] if timed else []
        if timed:
            self._schedule()

    def agent_begins(self, now: float) -> None:
        """Be told that the agent begins to speak."""
        after = self._interrupts_after()
        if after is not None and not self._saying:
            self._cut_in_at = min(self._cut_in_at, now + after)
            self._schedule()

    def leave(self) -> None:
        """Be told that the conversation is over: whatever was planned doesn't happen any more."""
        self._plan, self._cut_in_at = None, NEVER
        self._saying.clear()
        self._timed.clear()
        self.next_at = self.plan_at = NEVER

    def act(self, action: Action | Recognised, now: float) -> None:
        """Do what a live caller does at this moment; words are complete when they come."""
        if isinstance(action, Say | Recognised):
            self.heard.clear()
            self._turns.offer(now, action, speech=True)
        else:
            self._do(action, now)

    def due(self) -> float:
        """Return when the caller does something next, in seconds; infinity while it waits for the agent."""
        if self.plan_at < self.next_at and not self._saying and self._turns.idle:
            return self.plan_at
        return self.next_at

    def move(self, now: float) -> bool:
        """Do the next thing that the caller does at this time; return whether there was any."""
        if now >= self.next_at:
            return self._do_scheduled(now)
        turns = self._turns
        if turns.running or turns.queue or self._saying or turns.ended is not None:
            return False
        if self.plan_at == NEVER:
            return self.answered and self._ask(now)
        if now < self.plan_at:
            return False
        plan, self._plan, self.plan_at = self._plan, None, NEVER
        # Without a plan, what was waited for is the end of a silence of fixed length.
        return self._ask(now) if plan is None else self._do(plan, now)

    def _schedule(self) -> None:
        saying = self._saying[0][0] if self._saying else NEVER
        timed = self._timed[0][0] if self._timed else NEVER
        self.next_at = min(saying, timed, self._cut_in_at)

    def _do_scheduled(self, now: float) -> bool:
        done = True
        if self._saying and now >= self._saying[0][0]:
            self._arrives(self._saying.pop(0)[1], now)
        elif now >= self._cut_in_at:
            done = self._cut_in(now)
        else:
            done = self._do(self._timed.pop(0)[1], now)
        self._schedule()
        return done

    def _ask(self, now: float) -> bool:
        self.answered = False
        if self._cut_in_at != NEVER:  # the agent was faster: it had finished before the caller cut in
            self._cut_in_at = NEVER
            self._schedule()
        heard = Heard(joined(self.heard), self._turns.timeouts, False, now)
        action = self._reply(heard)
        if type(action) is Say and not action.after_s:  # nearly always
            return self._do(action, now)
        while isinstance(action, At):
            timed: tuple[float, Action] = (max(now, action.time_s), action.input)  # type: ignore[assignment]
            self._timed = sorted([*self._timed, timed], key=_due_at)
            self._schedule()
            action = self._reply(heard)
        if action is None:
            if not self._timed:
                self._turns.end(now, "completed")
            return not self._timed
        if isinstance(action, Silence):
            self.plan_at = NEVER if action.seconds is None else now + action.seconds
            return False
        after_s = 0.0 if isinstance(action, Interrupt) else action.after_s
        if not after_s:
            return self._do(action, now)
        self._plan, self.plan_at = action, now + after_s
        return False

    def _cut_in(self, now: float) -> bool:
        self._cut_in_at = NEVER
        if self._turns.idle:  # the agent was faster; the caller is asked as usual
            self._schedule()
            return self.move(now)
        queue = self._turns.queue
        heard = joined([*self.heard, *([queue[0].heard_by(now)] if queue else [])])
        action = self._reply(Heard(heard.strip(), self._turns.timeouts, True, now))
        if action is None or isinstance(action, At | Silence):
            return False
        return self._do(action, now)

    def _do(self, action: Action, now: float) -> bool:
        speech = True
        if isinstance(action, _WORDS):
            self._plan, self.plan_at = None, NEVER
            if self.telephone is not None:
                self.heard.clear()
                self._speak(self.telephone.say(action.text), now)
                return True
            what = action if self._recognise is None else self._recognise(action)
            if action.source == "speech" and (listens := self._listens(now, what, speech_seconds(action.text))):
                self._saying.append((now + speech_seconds(action.text), listens))
                self._schedule()
                return True
            self.heard.clear()
            if action.source == "speech":
                self._saying.append((now + speech_seconds(action.text), what))
                self._schedule()
                self._turns.speak(now)
            elif what is action:
                self._turns.offer(now, action, speech=True)
            else:
                self._arrives(what, now)
            return True
        elif isinstance(action, Press):
            self.heard.clear()
        elif isinstance(action, HangUp):
            self._turns.end(now, "hangup")
            return True
        else:
            speech = False
        self._turns.offer(now, action, speech=speech)
        return True

    def _speak(self, sounds: list[Sound], now: float) -> None:
        """Have words reach the agent as sound does: a beginning, and what was recognised a while later."""
        self._saying += [(now + at_s, what) for at_s, what in sounds]
        self._schedule()
        if self._saying[0][0] <= now:
            self._do_scheduled(now)

    def _arrives(self, what: Action | Recognised | Unheard | None, now: float) -> None:
        if what is BEGINS:
            self._begins(now)
        elif isinstance(what, Unheard):
            self._turns.hush(now)
            self._on_unheard(now, what)
        else:
            self._turns.offer(now, what, speech=True)

    def _begins(self, now: float) -> None:
        """Take the floor with a first sound, unless it turns out to be a sign of listening.

        A real agent lowers its voice until it knows, and stops then; what it has said meanwhile counts as not heard.
        """
        at_s, what = self._saying[0]
        seconds = at_s - now
        if isinstance(what, Recognised | Unheard):
            seconds -= float(what.facts.get("end_of_turn_s", 0.0))
            if listens := self._listens(now, what, seconds):
                self._saying[0] = (at_s, listens)
                return
        self._turns.speak(now)

    def _listens(self, now: float, what: Action | Recognised | Unheard | None, seconds: float) -> Unheard | None:
        """Return words over the agent's as a sign of listening, if they are one."""
        left_s = self._turns.speaks_for(now)
        text = getattr(what, "text", "")
        if left_s is None or interrupts(seconds, text, left_s):
            return None
        if isinstance(what, Unheard):
            return what
        facts = dict(what.facts) if isinstance(what, Recognised) else {}
        said = {"said": what.said} if isinstance(what, Recognised) and what.said != text else {}
        return Unheard({**facts, **said} | ({"text": text, "backchannel": True} if text else {}))


_WORDS = (Say, Interrupt)


def _due_at(timed: tuple[float, Action]) -> float:
    return timed[0]
