"""Turn-taking: who may speak, what was heard, when silence counts. One synchronous object, told the time.

It knows no event loop, no SDK and no clock. Every method takes the time in seconds, and tells its effects to an object
(`Effects`: the runner, or a test that writes them down) in the order in which they are to happen.
"""

from typing import Protocol

from voicelab.callers.gate import closed_because
from voicelab.session.inputs import Given, Timeout
from voicelab.session.utterance import Utterance, joined

NEVER = float("inf")
SILENCE_S = 5.0
"""Silence after which the handler gets a timeout, where the SDK's `Configuration` gives no `timeout`, in seconds."""


class Effects(Protocol):
    """What turn-taking decides, performed by somebody else."""

    def deliver(self, time_s: float, turn: int, given: Given, heard: str | None) -> None:
        """Call the handler with an input; `heard` is what was heard of the turn that the input interrupted, or None."""

    def said(self, time_s: float, turn: int, text: str, interrupted: bool) -> None:
        """Note what the caller has heard of the agent."""

    def turn_end(self, time_s: float, turn: int, duration_s: float) -> None:
        """Note that a turn is over."""

    def turn_interrupted(self, time_s: float, turn: int) -> None:
        """Note that the caller spoke over the agent."""

    def cut(self, time_s: float, turn: int, cut: list[tuple[Utterance, float]]) -> None:
        """Note what was cleared before its end, with the seconds that were played of it."""

    def held(self, time_s: float, turn: int, reason: str) -> None:
        """Note that the caller's input waits."""

    def dropped(self, time_s: float, turn: int, given: Given) -> None:
        """Note an input that came after the end, or still waited at it."""

    def cancel_turn(self, time_s: float, turn: int) -> None:
        """Stop the handler."""

    def cancel_tasks(self, time_s: float, turn: int) -> None:
        """Stop the interruptible background tasks."""


class TurnTaking:
    """The state of one conversation.

    Args:
        effects: Performs what is decided.
        timeout_s: Seconds of silence after which the handler gets a timeout; 0 for never.

    Attributes:
        turn: The present turn; -1 before the first.
        queue: What the agent is saying, and what waits behind it.
        running: Whether the handler works.
        allowed: Whether the agent lets the caller's input in.
        ending: The status with which the session ends once the queue has been played, None if it goes on.
        ended: The status with which it has ended, or None.
        ended_s: When it ended.
        timeouts: Timeouts in a row.
    """

    __slots__ = (
        "_effects",
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
        "ended_s",
        "ending",
        "queue",
        "running",
        "timeouts",
        "turn",
    )

    def __init__(self, effects: Effects, timeout_s: float = SILENCE_S) -> None:
        self._effects = effects
        self._timeout_s = timeout_s or NEVER
        self.queue: list[Utterance] = []
        self._held: list[Given] = []
        self._signals: list[Given] = []
        self._said: list[str] = []
        self.turn = -1
        self.running = False
        self.allowed = True
        self.ending: str | None = None
        self.ended: str | None = None
        self.ended_s = 0.0
        self.timeouts = 0
        self._speaking = False
        self._open: dict[int, float] = {}  # turns that have not ended, and when each began
        self._said_turn = 0
        self._silent_since: float | None = None
        self._last_input_s = 0.0
        self._heard_of_interrupted: str | None = None

    def forget(self) -> None:
        """Let go of what performs the decisions, when none is left to be made."""
        del self._effects

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
        if self.running or self._silent_since is None or not self.allowed or self._speaking:
            return NEVER
        return self._silent_since + self._timeout_s

    def closed(self) -> str:
        """Return why the caller's words can't reach the agent now (see `voicelab.callers.gate`), or an empty string."""
        return closed_because(allowed=self.allowed, interruptible=not self.queue or self.queue[0].interruptible)

    def speaks_for(self, now: float) -> float | None:
        """Return for how many seconds the agent goes on speaking, or None if it doesn't speak, or can't be interrupted."""
        queue = self.queue
        if not queue or self.closed() or not queue[0].start_s <= now < queue[-1].end_s:
            return None
        return queue[-1].end_s - now

    def silent_s(self, now: float) -> float:
        """Return the seconds since the caller's last input, or since the session began."""
        return now - self._last_input_s

    # What the caller does.

    def offer(self, now: float, given: Given, *, speech: bool) -> None:
        """Take an input: the caller's words or keys (`speech`), which may interrupt, or a signal, which never does.

        Words that may not interrupt now wait until the agent has finished; a signal waits until the handler has.
        """
        if self.queue:
            self._play(now)
        if self.ended is not None or self.ending is not None:
            self._effects.dropped(now, self.turn, given)
        elif not speech:
            if self.running:
                self._signals.append(given)
            else:
                self._deliver(now, given)
        else:
            self._speaking = False
            if self._held:
                self._held.append(given)  # behind what was said before
                if not self.closed():
                    self._take_over(now)
                self.advance(now)
            elif not self.running and not self.queue and self.allowed:
                if self._silent_since is None:
                    self._settle(now)
                self._deliver(now, given, speech=True)
            elif reason := self.closed():
                self._held.append(given)
                self._effects.held(now, self.turn, reason)
            else:
                self._take_over(now)
                self._deliver(now, given, speech=True)

    def speak(self, now: float) -> None:
        """Take the caller's first sound, some time before the words are complete and offered."""
        self._play(now)
        if self.ended is None and self.ending is None:
            self._speaking = True
            if not self._held and not self.closed():
                self._take_over(now)

    def hush(self, now: float) -> None:
        """Take back a first sound that turned out to be no words: silence counts from now on."""
        self._speaking = False
        if self._silent_since is not None:
            self._silent_since = now

    # What the agent does.

    def begin(self, now: float, given: Given) -> None:
        """Deliver the first input of the session."""
        self._deliver(now, given)

    def enqueue(
        self, now: float, turn: int, text: str | None, duration_s: float, interruptible: bool = True, row: int = -1
    ) -> float | None:
        """Queue speech, audio or silence; return when it begins to play, or None if the session is past speaking.

        `advance` comes first, where something is queued. `row` is the caller's own mark.
        """
        if self.ended is not None or self.ending is not None:
            return None
        queue = self.queue
        start = max(now, queue[-1].end_s) if queue else now
        # As Utterance(...) makes it, in half the time.
        queue.append(tuple.__new__(Utterance, (turn, text, start, start + duration_s, interruptible, row)))
        self._silent_since = None
        return start

    def retime(self, row: int, start_s: float, end_s: float) -> Utterance | None:
        """Learn when a queued item plays, where that isn't known as it is queued; what stands behind it moves along.

        Args:
            row: The item's mark.
            start_s: When it begins to play; not before the item in front of it has been played.
            end_s: When it has been played if it begins at `start_s`.

        Returns:
            The item, or None if it isn't queued any more.
        """
        queue = self.queue
        at = next((at for at, item in enumerate(queue) if item.row == row), None)
        if at is None:
            return None
        end_before = queue[at - 1].end_s if at else 0.0
        begin = max(start_s, end_before)
        queue[at] = queue[at]._replace(start_s=begin, end_s=begin + max(0.0, end_s - start_s))
        for later in range(at + 1, len(queue)):
            item, begin = queue[later], queue[later - 1].end_s
            if item.end_s == NEVER:
                break
            queue[later] = item._replace(start_s=begin, end_s=begin + item.end_s - item.start_s)
        return queue[at]

    def clear(self, now: float) -> None:
        """Clear the speech queue, as the agent itself asks; the handler goes on."""
        self._play(now)
        self._cut(now)

    def allow(self, now: float, allowed: bool) -> None:
        """Open or close the gate for the caller's input; the end of the handler opens it again."""
        if allowed and not self.allowed and self._silent_since is not None:
            self._silent_since = now
        self.allowed = allowed

    def stop(self, status: str) -> None:
        """Commit to end the session as soon as what is queued has been played."""
        if self.ending is None:
            self.ending = status

    def finish(self, now: float) -> None:
        """Take the end of the handler's work on its input."""
        self.running = False
        self.allowed = True
        if not self.queue or self._signals:
            self.advance(now)
        elif self.queue[-1].turn != self.turn:
            self._close_unspoken(now)

    # What time does.

    def advance(self, now: float) -> None:
        """Let time pass up to `now`: finish playback, deliver what waited, count silence."""
        queue = self.queue
        if queue and queue[0].end_s <= now:
            self._play(now)
        if self.running or self.ended is not None:
            return
        if self._signals and self.ending is None:
            self._deliver(now, self._signals.pop(0))
        elif not queue:
            if self._silent_since is None:
                self._settle(now)
            if self.ending is not None:
                self.end(now, self.ending)
            elif self._held and self.allowed:
                self._deliver(now, self._held.pop(0), speech=True)
            elif self._silent_since + self._timeout_s <= now and self.deadline() <= now:  # type: ignore[operator]
                self.timeouts += 1
                since_ms = round((now - self._last_input_s) * 1000)
                self._deliver(now, Timeout(self.timeouts, since_ms))

    def end(self, now: float, status: str) -> None:
        """End the session at once: the caller has left, the script is used up, or a limit is reached."""
        if self.ended is not None:
            return
        if self.queue:
            self._play(now)
        if self.running:
            self.running = False
            self._effects.cancel_turn(now, self.turn)
        interrupted = bool(self.queue)
        self._cut(now)
        self._report_said(now, interrupted=interrupted)
        self._close_all(now)
        for given in (*self._held, *self._signals):
            self._effects.dropped(now, self.turn, given)
        self._held.clear()
        self._signals.clear()
        self.ended, self.ended_s = status, now

    # Inside.

    def _play(self, now: float) -> None:
        queue = self.queue
        while queue and queue[0].end_s <= now:
            turn, text, _, end_s, _, _ = queue.pop(0)
            if text:
                if self._said and turn != self._said_turn:
                    self._report_said(now)
                self._said.append(text)
                self._said_turn = turn
            if turn != self.turn and turn in self._open and all(item.turn != turn for item in queue):
                self._report_said(end_s)
                self._close(end_s, turn)

    def _settle(self, now: float) -> None:
        """Close the agent's turn: everything has been played, and silence begins."""
        if self._said:
            self._report_said(now)
        if self._open:
            self._close_all(now)
        self._silent_since = now

    def _take_over(self, now: float) -> None:
        """Give the floor to the caller: the agent's turn is cancelled and its queue cleared."""
        if not self.running and not self.queue:
            return
        if self.running:
            self.running = False
            self.allowed = True
            self._effects.cancel_turn(now, self.turn)
        self._cut(now)
        self._heard_of_interrupted = joined(self._said)
        self._report_said(now, interrupted=True)
        self._effects.turn_interrupted(now, self.turn)
        self._close_all(now)
        self._silent_since = now
        self._effects.cancel_tasks(now, self.turn)

    def _cut(self, now: float) -> None:
        if not self.queue:
            return
        heard = self.queue[0].heard_by(now)
        if heard:
            if self._said and self.queue[0].turn != self._said_turn:
                self._report_said(now)
            self._said.append(heard)
            self._said_turn = self.queue[0].turn
        cut = [(utterance, max(0.0, now - utterance.start_s)) for utterance in self.queue]
        self.queue.clear()
        self._effects.cut(now, self.turn, cut)

    def _report_said(self, now: float, *, interrupted: bool = False) -> None:
        if self._said:
            said, self._said = self._said, []
            self._effects.said(now, self._said_turn, joined(said), interrupted)

    def _close(self, now: float, turn: int) -> None:
        self._effects.turn_end(now, turn, now - self._open.pop(turn))

    def _close_all(self, now: float) -> None:
        for turn, began_s in self._open.items():
            self._effects.turn_end(now, turn, now - began_s)
        self._open.clear()

    def _close_unspoken(self, now: float) -> None:
        """End the turns of which nothing is left to play; a signal's turn may begin while others still speak."""
        speaking = {item.turn for item in self.queue}
        for turn in [turn for turn in self._open if turn not in speaking]:
            self._close(now, turn)

    def _deliver(self, now: float, given: Given, *, speech: bool = False) -> None:
        if speech:
            self.timeouts = 0
            self._last_input_s = now
        if self._open:
            self._close_unspoken(now)
        self.turn += 1
        self.running = True
        self._open[self.turn] = now
        self._silent_since = None
        heard, self._heard_of_interrupted = self._heard_of_interrupted, None
        self._effects.deliver(now, self.turn, given, heard)
