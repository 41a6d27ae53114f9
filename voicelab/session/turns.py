"""Turn-taking: who may speak, what was heard, when silence counts. One synchronous object, told the time.

It knows no event loop, no SDK and no clock. Every method takes the time in seconds and returns effects, which the
runner performs in order. An effect is a tuple `(what, time_s, turn, value)`:

    cancel_turn     stop the handler                                    None
    cancel_tasks    stop the interruptible background tasks             None
    cut             speech that was cleared before its end              list of (utterance, seconds played)
    said            what the caller heard of the agent                  (text, interrupted)
    turn_interrupted  the caller spoke over the agent                   None
    turn_end        a turn is over                                      its duration in seconds
    held            the caller's input waits                            reason
    dropped         input came after, or still waited at, the end       the input
    deliver         call the handler                                    (input, what was heard of an interrupted turn)
    end             the session is over                                 status
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

Effect = tuple[str, float, int, Any]

NEVER = float("inf")


@dataclass(slots=True)
class Utterance:
    """One item of the speech queue.

    Attributes:
        turn: The turn it belongs to.
        text: Its words; None for audio and silence.
        start_s: When it begins to play.
        end_s: When it has been played.
        interruptible: Whether the caller may speak over it.
        row: The runner's own mark (where the item stands in the log).
    """

    turn: int
    text: str | None
    start_s: float
    end_s: float
    interruptible: bool = True
    row: int = -1

    def heard_by(self, now: float) -> str:
        """Return the whole words that have been played by a time."""
        if not self.text or now <= self.start_s:
            return ""
        if now >= self.end_s:
            return self.text
        reached = int(len(self.text) * (now - self.start_s) / (self.end_s - self.start_s))
        return self.text[:reached].rpartition(" ")[0]


@dataclass(frozen=True, slots=True)
class Timeout:
    """The silence that the handler is told of.

    Attributes:
        count: How many in a row.
        ms_since_input: Milliseconds since the caller's last input, or since the session began.
    """

    count: int
    ms_since_input: int


class TurnTaking:
    """The state of one conversation.

    Args:
        timeout_s: Seconds of silence after which the handler gets a timeout; 0 for never.
    """

    __slots__ = (
        "_began_s",
        "_heard_of_interrupted",
        "_held",
        "_last_input_s",
        "_open",
        "_said",
        "_said_turn",
        "_signals",
        "_silent_since",
        "_speaking",
        "_timeout_s",
        "allowed",
        "ended",
        "ending",
        "queue",
        "running",
        "timeouts",
        "turn",
    )

    def __init__(self, timeout_s: float = 5.0) -> None:
        self.turn = -1
        self.queue: deque[Utterance] = deque()
        self.running = False
        self.allowed = True
        self.ending: str | None = None
        self.ended: str | None = None
        self.timeouts = 0
        self._timeout_s = timeout_s
        self._speaking = False
        self._held: deque[Any] = deque()
        self._signals: deque[Any] = deque()
        self._said: list[str] = []
        self._said_turn = 0
        self._open = False
        self._began_s = 0.0
        self._silent_since: float | None = None
        self._last_input_s = 0.0
        self._heard_of_interrupted: str | None = None

    # What the runner asks.

    @property
    def idle(self) -> bool:
        """Whether no handler runs and nothing is left to play."""
        return not self.running and not self.queue and self.ended is None

    def deadline(self) -> float:
        """Return when something happens by itself, in seconds; infinity if nothing does."""
        if self.ended is not None:
            return NEVER
        if self.queue:
            return self.queue[-1].end_s if self.ending is not None or not self.running else NEVER
        if self.ending is not None:
            return 0.0
        if self.running or self._silent_since is None or not self.allowed or self._speaking or not self._timeout_s:
            return NEVER
        return self._silent_since + self._timeout_s

    # What the caller does.

    def offer(self, now: float, given: Any, *, speech: bool) -> list[Effect]:
        """Take an input: the caller's words or keys (`speech`), which may interrupt, or a signal, which never does.

        Words that may not interrupt now wait until the agent has finished; a signal waits until the handler has.
        """
        effects: list[Effect] = []
        if self.queue:
            self._play(now, effects)
        if self.ended is not None or self.ending is not None:
            effects.append(("dropped", now, self.turn, given))
        elif not speech:
            if self.running:
                self._signals.append(given)
            else:
                self._deliver(now, given, effects)
        else:
            self._speaking = False
            if self._held:
                self._held.append(given)  # behind what was said before
                if not self._closed():
                    self._take_over(now, effects)
                effects.extend(self.advance(now))
            elif not self.running and not self.queue and self.allowed:
                if self._silent_since is None:
                    self._settle(now, effects)
                self._deliver_speech(now, given, effects)
            elif reason := self._closed():
                self._held.append(given)
                effects.append(("held", now, self.turn, reason))
            else:
                self._take_over(now, effects)
                self._deliver_speech(now, given, effects)
        return effects

    def speak(self, now: float) -> list[Effect]:
        """Take the caller's first sound, some time before the words are complete and offered."""
        effects: list[Effect] = []
        self._play(now, effects)
        if self.ended is None and self.ending is None:
            self._speaking = True
            if not self._held and not self._closed():
                self._take_over(now, effects)
        return effects

    # What the agent does.

    def begin(self, now: float, given: Any) -> list[Effect]:
        """Deliver the first input of the session."""
        effects: list[Effect] = []
        self._deliver(now, given, effects)
        return effects

    def enqueue(
        self, now: float, turn: int, text: str | None, duration_s: float, interruptible: bool = True
    ) -> Utterance | None:
        """Queue speech, audio or silence; return it with its times, or None if the session is past speaking."""
        if self.ended is not None or self.ending is not None:
            return None
        start = max(now, self.queue[-1].end_s) if self.queue else now
        utterance = Utterance(turn, text, start, start + duration_s, interruptible)
        self.queue.append(utterance)
        self._silent_since = None
        return utterance

    def clear(self, now: float) -> list[Effect]:
        """Clear the speech queue, as the agent itself asks; the handler goes on."""
        effects: list[Effect] = []
        self._play(now, effects)
        self._cut(now, effects)
        return effects

    def allow(self, now: float, allowed: bool) -> None:
        """Open or close the gate for the caller's input; the end of the handler opens it again."""
        if allowed and not self.allowed and self._silent_since is not None:
            self._silent_since = now
        self.allowed = allowed

    def stop(self, status: str) -> None:
        """Commit to end the session as soon as what is queued has been played."""
        if self.ending is None:
            self.ending = status

    def finish(self, now: float) -> list[Effect]:
        """Take the end of the handler's work on its input."""
        self.running = False
        self.allowed = True
        if self.queue and not self._signals:
            return []
        return self.advance(now)

    # What time does.

    def advance(self, now: float) -> list[Effect]:
        """Let time pass up to `now`: finish playback, deliver what waited, count silence."""
        effects: list[Effect] = []
        if self.queue and self.queue[0].end_s <= now:
            self._play(now, effects)
        if self.running or self.ended is not None:
            return effects
        if self._signals and self.ending is None:
            self._deliver(now, self._signals.popleft(), effects)
        elif not self.queue:
            self._fall_silent(now, effects)
        return effects

    def end(self, now: float, status: str) -> list[Effect]:
        """End the session at once: the caller has left, the script is used up, or a limit is reached."""
        effects: list[Effect] = []
        if self.ended is not None:
            return effects
        self._play(now, effects)
        if self.running:
            self.running = False
            effects.append(("cancel_turn", now, self.turn, None))
        interrupted = bool(self.queue)
        self._cut(now, effects)
        self._report_said(now, effects, interrupted=interrupted)
        self._close_turn(now, effects)
        effects.extend(("dropped", now, self.turn, given) for given in (*self._held, *self._signals))
        self._held.clear()
        self._signals.clear()
        self.ended = status
        effects.append(("end", now, self.turn, status))
        return effects

    # Inside.

    def _play(self, now: float, effects: list[Effect]) -> None:
        queue = self.queue
        while queue and queue[0].end_s <= now:
            utterance = queue.popleft()
            if utterance.text:
                if self._said and utterance.turn != self._said_turn:
                    self._report_said(now, effects)
                self._said.append(utterance.text)
                self._said_turn = utterance.turn

    def _fall_silent(self, now: float, effects: list[Effect]) -> None:
        if self._silent_since is None:
            self._settle(now, effects)
        if self.ending is not None:
            effects.extend(self.end(now, self.ending))
        elif self._held and self.allowed:
            self._deliver_speech(now, self._held.popleft(), effects)
        elif now >= self.deadline():
            self.timeouts += 1
            since_ms = round((now - self._last_input_s) * 1000)
            self._deliver(now, Timeout(self.timeouts, since_ms), effects)

    def _settle(self, now: float, effects: list[Effect]) -> None:
        """Close the agent's turn: everything has been played, and silence begins."""
        if self._said:
            self._report_said(now, effects)
        if self._open:
            self._close_turn(now, effects)
        self._silent_since = now

    def _closed(self) -> str:
        """Return why the caller's words can't reach the agent now, or an empty string."""
        if not self.allowed:
            return "input_not_allowed"
        if self.queue and not self.queue[0].interruptible:
            return "not_interruptible"
        return ""

    def _take_over(self, now: float, effects: list[Effect]) -> None:
        """Give the floor to the caller: the agent's turn is cancelled and its queue cleared."""
        if not self.running and not self.queue:
            return
        if self.running:
            self.running = False
            self.allowed = True
            effects.append(("cancel_turn", now, self.turn, None))
        self._cut(now, effects)
        self._heard_of_interrupted = " ".join(self._said)
        self._report_said(now, effects, interrupted=True)
        effects.append(("turn_interrupted", now, self.turn, None))
        self._close_turn(now, effects)
        self._silent_since = now
        effects.append(("cancel_tasks", now, self.turn, None))

    def _cut(self, now: float, effects: list[Effect]) -> None:
        if self.queue:
            heard = self.queue[0].heard_by(now)
            if heard:
                if self._said and self.queue[0].turn != self._said_turn:
                    self._report_said(now, effects)
                self._said.append(heard)
                self._said_turn = self.queue[0].turn
            effects.append(("cut", now, self.turn, [(u, max(0.0, now - u.start_s)) for u in self.queue]))
            self.queue.clear()

    def _report_said(self, now: float, effects: list[Effect], *, interrupted: bool = False) -> None:
        if self._said:
            effects.append(("said", now, self._said_turn, (" ".join(self._said), interrupted)))
            self._said.clear()

    def _close_turn(self, now: float, effects: list[Effect]) -> None:
        if self._open:
            self._open = False
            effects.append(("turn_end", now, self.turn, now - self._began_s))

    def _deliver_speech(self, now: float, given: Any, effects: list[Effect]) -> None:
        self.timeouts = 0
        self._last_input_s = now
        self._deliver(now, given, effects)

    def _deliver(self, now: float, given: Any, effects: list[Effect]) -> None:
        if self._open:
            self._close_turn(now, effects)
        self.turn += 1
        self.running = self._open = True
        self._began_s = now
        self._silent_since = None
        effects.append(("deliver", now, self.turn, (given, self._heard_of_interrupted)))
        self._heard_of_interrupted = None
