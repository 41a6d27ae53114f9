"""One logged caller in a session: what it did, done again when the same has been heard.

Theory of operation
-------------------
**In step.** As long as every row of the session is the logged one, at the logged time, each act comes at its logged instant, to
the last bit: so a replay with the same handler, world and seed writes the same rows. What it does at the very moment at which
the agent has finished it does when it is asked; all else has a fixed time.

**Out of step.** From the first row that differs on, an act comes as long after what it followed as it did: after the end of the
agent's last words, or work; or after the beginning of the speech into which it cut. It waits until the agent has finished as
often as it had before (`CallerAct.rests`), unless the agent is told of a silence that it wasn't told of then.

**Difference.** Words are compared as they are heard, from one act to the next. Where they differ for the first time a row says
so, and `on_difference` decides what the caller does from then on.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import orjson

from voicelab.base.records import EventRow, Label, Row, table_row
from voicelab.callers import Heard, KnownCaller
from voicelab.callers.actions import Again, HangUp, Input, Silence
from voicelab.change.heard_words import may_become, same_words, share_that_differs
from voicelab.change.logged_acts import do_again
from voicelab.record.caller_acts import CallerAct
from voicelab.session import rows
from voicelab.session.rows import add_row
from voicelab.session.session_state import Session
from voicelab.session.turns import end_conversation
from voicelab.session.utterance import NEVER


class _Going(Enum):
    ON = "on"


_GO_ON: Final = _Going.ON
"""In place of an input: the caller does what it would have done."""

OnDifference: TypeAlias = Literal["keep", "stop"] | KnownCaller
DIVERGED: Label = ("system", "replay_diverged", False, None)
OUTCOMES = ("divergence", "diverged_turn")
"""What each replayed session has a value of: the share of the agent's words that differ, and in which turn they first did."""


@dataclass(frozen=True)
class LoggedCall:
    """What a session's log says of its caller.

    Attributes:
        acts: What it did, in order.
        after: What it heard after its last act.
        rows: The session's events; none where these can't come again as they are.
        n_replies: Replies of a persona; `n_otherwise`: those that no pattern matched.
    """

    acts: Sequence[CallerAct]
    after: CallerAct
    rows: Sequence[EventRow] = ()
    n_replies: int = 0
    n_otherwise: int = 0


@dataclass
class ReplayedCall:
    """A logged caller in one session.

    Args:
        logged: What it did.
        on_difference: What it does where the agent's words differ.
        rng: What another caller draws from that takes over.
        same_run: Whether nothing but chance beyond the seed can differ: then a session that doesn't is told nothing of.
    """

    logged: LoggedCall
    on_difference: OnDifference
    rng: random.Random
    same_run: bool
    timed: tuple[()] = ()
    _next: int = 0
    _rests: int = 0
    _read: int = 0
    _done_seq: int = 0
    _speech_s: float = 0.0
    _said: list[str] = field(default_factory=list)
    _pairs: list[tuple[str, str]] = field(default_factory=list)
    _turn: int | None = None
    _other: Any = None
    _is_over: bool = False

    def attend(self, s: Session) -> None:
        """Take part in a session that is about to begin."""
        self._s = s
        self._in_step = bool(self.logged.rows)
        self._last_s = 0.0
        if self._in_step:
            self._plan_logged(0.0)
        else:
            self._plan_work(0.0)

    # --- what the engine asks ---

    @property
    def n_replies(self) -> int:
        """Replies of the logged caller, or of the one that took over."""
        return getattr(self._other, "n_replies", 0) or self.logged.n_replies

    @property
    def n_otherwise(self) -> int:
        """Those that no pattern matched."""
        return getattr(self._other, "n_otherwise", 0) if self._other else self.logged.n_otherwise

    def reply(self, heard: Heard) -> Input | None:
        """Return what the caller does now that the agent has finished."""
        if self._other is not None:
            given: Input | None = self._other.reply(heard)
            return given
        self._look(heard.time_s)
        act = self._act
        if self._in_step:
            if act is None or self._waits:
                return Silence()
            if act.begins_s <= heard.time_s:
                return self._planned(act, heard.time_s)
            if not _answers(act):  # else it will be asked again
                self._at(act, act.begins_s)
            return Silence()
        return self._reply_out_of_step(heard)

    def interrupts_after(self) -> float | None:
        """Cut into the agent's speech where the logged caller did."""
        if self._other is not None:
            after: float | None = self._other.interrupts_after()
            return after
        now = self._speech_s = self._s.now()
        self._look(now)
        act = self._act
        cuts_in = not self._in_step and act is not None and act.during == "speech" and not self._waits
        if cuts_in and act is not None and (self._rests >= act.rests or self._s.timeouts > act.timeouts):
            self._at(act, now + max(0.0, act.begins_s - act.since_s))
        return None

    def replay_outcomes(self) -> list[Row]:
        """Return what the session has come to, as rows of the table `outcomes`."""
        self._look(self._s.now())
        if self._turn is None and not self._in_step:
            self._compare_end()
        if self._in_step:
            self._pairs = []
        elif self._other is None and not self._is_over:
            self._pairs.append((self._expected.heard, self._heard))
        if self.same_run and self._turn is None:
            return []
        values = (("float", share_that_differs(self._pairs)), ("integer", self._turn))
        return [
            table_row(
                "outcomes",
                session_index=self._s.index,
                outcome=name,
                type=kind,
                value=None if value is None else float(value),
                text=None,
                written=True,
            )
            for name, (kind, value) in zip(OUTCOMES, values, strict=True)
        ]

    # --- what is so now ---

    @property
    def _act(self) -> CallerAct | None:
        """What comes next; None after the last."""
        acts = self.logged.acts
        return acts[self._next] if self._next < len(acts) else None

    @property
    def _expected(self) -> CallerAct:
        return self._act or self.logged.after

    @property
    def _heard(self) -> str:
        """What was heard of the agent since the act before."""
        return " ".join(self._said)

    @property
    def _waits(self) -> bool:
        return any(isinstance(action, Again) for _, action in self._s.timed)

    def _look(self, now: float) -> None:
        """Read the rows that are new, and see whether they are the logged ones."""
        events, logged = self._s.events, self.logged.rows
        for seq in range(self._read, len(events)):
            row = events[seq]
            if row[2] == rows.TRANSCRIPT:
                part = orjson.loads(row[3])
                if part.get("role") == "agent":
                    self._said.append(str(part.get("content", "")))
            if self._in_step and not (seq < len(logged) and _same(row, logged[seq])):
                self._fall_out(now)
        self._read = len(events)
        act = self._act
        if self._in_step and act is not None and act.begins_s < now - _ROUNDING_S:
            self._fall_out(now)

    def _fall_out(self, now: float) -> None:
        """Go by what is heard from now on, and no longer by the logged times."""
        self._in_step = False
        s = self._s
        s.timed = [timed for timed in s.timed if not isinstance(timed[1], Again)]
        if isinstance(s.plan, Again):
            s.plan, s.plan_at, s.answered = None, NEVER, True
        self._rests = sum(row[2][1] == "turn_end" for row in s.events[self._done_seq :]) - (
            not s.queue and not s.running
        )
        self._rests = max(0, self._rests)
        self._plan_work(now)

    # --- what comes next ---

    def _plan_logged(self, now: float) -> None:
        """In step: give an act its logged time; what the caller does as soon as the agent has finished, it does when asked."""
        act = self._act
        if act is None:
            return
        at_once = act.begins_s <= now
        is_asked = at_once and act.during == "silence" and not self._s.saying and not isinstance(act.reached, HangUp)
        if not is_asked and (at_once or not _answers(act)):
            self._at(act, act.begins_s)

    def _plan_work(self, now: float) -> None:
        """Out of step: give an act that comes while the agent works its time after the act before."""
        act = self._act
        if act is not None and act.during == "work" and not self._waits:
            before_s = self.logged.acts[self._next - 1].begins_s if self._next else 0.0
            self._at(act, max(now, self._last_s + act.begins_s - before_s))

    def _at(self, act: CallerAct, time_s: float) -> None:
        s = self._s
        s.timed = sorted([*s.timed, (time_s, Again(self._doing(act), time_s))], key=_due_at)

    def _doing(self, act: CallerAct) -> Any:
        return lambda now: self._do(act, now)

    def _planned(self, act: CallerAct, at_s: float) -> Input:
        """Return an act of the agent's silence as the engine waits for its moment."""
        return Again(self._doing(act), at_s)

    def _reply_out_of_step(self, heard: Heard) -> Input | None:
        if self._is_over:
            return None
        self._rests += 1
        if self._waits:
            return Silence()
        act = self._expected
        more_silence = heard.timeouts > act.timeouts
        if self._rests < act.rests and not more_silence:
            if not may_become(self._heard, act.heard) and (taken := self._differs(heard)) is not _GO_ON:
                return taken
            return Silence()
        if self._act is None:
            return self._after_last(heard, more_silence)
        if not self._fits(act) and (taken := self._differs(heard)) is not _GO_ON:
            return taken
        if act.during == "work":
            return self._planned(act, heard.time_s)
        return self._planned(act, heard.time_s + max(0.0, act.begins_s - act.since_s))

    def _after_last(self, heard: Heard, more_silence: bool) -> Input | None:
        """Listen on as the logged caller did, who was left by the agent; end when there is nothing more to hear."""
        if not may_become(self._heard, self._expected.heard) and (taken := self._differs(heard)) is not _GO_ON:
            return taken
        return None if more_silence or self._turn is not None else Silence()

    def _fits(self, act: CallerAct) -> bool:
        """Return whether what was heard is what was heard before this act."""
        return (same_words if act.during == "silence" else may_become)(self._heard, act.heard)

    # --- an act is done ---

    def _do(self, act: CallerAct, now: float) -> None:
        s = self._s
        was_in_step = self._in_step
        self._look(now)
        if was_in_step and not self._in_step:
            self._plan_anew(act, now)
            return
        if not self._in_step:
            heard = self._heard_so_far(now)
            if self._turn is None and act.during != "silence" and not may_become(heard, act.heard):
                taken = self._differs(Heard(heard, s.timeouts, bool(s.queue), now))
                if taken is not _GO_ON:
                    _take_over(s, now, taken)
                    return
        self._done(act, now)
        arrives_s = act.arrives_s if self._in_step else now + act.arrives_s - act.begins_s
        do_again(s, now, act, arrives_s, self._row_of(act))
        self._done_seq = len(s.events)
        if self._in_step:
            self._plan_logged(now)
        elif (after := self._act) is not None and after.during == "speech" and after.since_s == act.since_s:
            self._at(after, now + after.begins_s - act.begins_s)
        else:
            self._plan_work(now)

    def _row_of(self, act: CallerAct) -> EventRow | None:
        """Return the row that tells of an act, in step."""
        return self.logged.rows[act.seq] if self._in_step and act.seq < len(self.logged.rows) else None

    def _plan_anew(self, act: CallerAct, now: float) -> None:
        """Wait again with an act whose logged time has come while something is no longer as it was logged."""
        s = self._s
        if act.during == "speech" and s.queue:
            self._at(act, max(now, self._speech_s + act.begins_s - act.since_s))
        elif act.during != "work":
            s.answered = True  # asked as soon as the agent has finished

    def _done(self, act: CallerAct, now: float) -> None:
        self._pairs.append((act.heard, self._heard_so_far(now)))
        self._said = []
        self._next += 1
        self._rests = 0
        self._last_s = now

    def _heard_so_far(self, now: float) -> str:
        """Return what was heard since the act before, with what plays just now."""
        s = self._s
        playing = s.queue[0].heard_by(now) if s.queue else ""
        return " ".join(filter(None, [*self._said, *s.said, playing]))

    # --- a difference ---

    def _differs(self, heard: Heard) -> Input | _Going | None:
        """Note that the agent's words differ, and return what the caller does about it; `_GO_ON` where it does nothing."""
        if self._turn is not None:
            return _GO_ON
        other = self.on_difference
        self._note(heard.time_s, other if isinstance(other, str) else other.name)
        if other == "keep":
            return _GO_ON
        self._pairs.append((self._expected.heard, self._heard_so_far(heard.time_s)))
        self._is_over = True
        if other == "stop":
            return HangUp()
        self._other = other.begin(self.rng)  # type: ignore[attr-defined]  # every caller has it
        s = self._s
        own = [(at.time_s, at.input) for at in getattr(self._other, "timed", ())]
        s.timed = sorted([*s.timed, *own], key=_due_at)
        answer: Input | None = self._other.reply(heard)
        return answer

    def _note(self, now: float, then: str) -> None:
        s = self._s
        self._turn = max(0, s.turn)
        facts = {"turn": self._turn, "logged": self._expected.heard, "said": self._heard_so_far(now), "then": then}
        add_row(s, now, self._turn, DIVERGED, facts)

    def _compare_end(self) -> None:
        """See at the end whether the agent's last words were the logged ones, and whether it left anything unsaid."""
        as_logged = self._act is None and same_words(self._heard, self._expected.heard)
        if not as_logged and not self._is_over:
            self._note(self._s.ended_s, "end")


_ROUNDING_S = 1e-9
"""So near to each other two times are one, in seconds: when words began is known as a difference of floats."""


def _answers(act: CallerAct) -> bool:
    """Return whether the caller did something at the very moment at which the agent had finished."""
    leaves = act.reached is None or isinstance(act.reached, HangUp)  # that may happen unasked, with the same rows
    return act.during == "silence" and act.begins_s <= act.since_s and not leaves


def _take_over(s: Session, now: float, taken: Any) -> None:
    """Have the caller who takes over do what it does, in the middle of what the agent says."""
    if isinstance(taken, HangUp):
        end_conversation(s, now, "hangup")
    elif taken is not None and not isinstance(taken, Silence):
        s.timed = sorted([*s.timed, (now, taken)], key=_due_at)


def _same(row: EventRow, logged: EventRow) -> bool:
    """Return whether a row is the logged one; what becomes of speech that is cut is written into its row later."""
    if row[:3] != logged[:3]:
        return False
    if row[3] == logged[3] or row[2][1] not in {"text_to_speech", "transcript_part"}:
        return True
    one, other = orjson.loads(row[3]), orjson.loads(logged[3])
    return bool(one.get("text") == other.get("text") and one.get("content") == other.get("content"))


def _due_at(timed: tuple[float, Any]) -> float:
    return timed[0]
