"""Turn-taking: who may speak, what was heard, when silence counts. Told the time; no event loop, no SDK, no clock.

Theory of operation
-------------------
**The floor.** The agent has it while its handler works (`running`) or something plays (`queue`). The caller has it from a
first sound (`speaking`) until the words are there and delivered. Else nobody has, and silence counts (`silent_since`).

**A turn** begins with each input that is put before the handler (`_deliver`), and is open until the handler has finished
and all that it said has been played. Turns overlap only by signals: a custom event doesn't wait for the speech of the turn
before, so that both are open, and each ends with its own last word.

**Interruption.** Words, keys or a first sound take the floor (`_take_floor`), if the gate is open: the handler is stopped,
the queue cleared, every open turn ends, interruptible tasks are cancelled. What was heard until then is the transcript's,
and is told to the handler with the next input. Signals never interrupt: they wait in `signals` for the handler.

**The gate** (`playback.gate`, the one place that says so) is closed while the agent lets no input in (`allowed`), or plays
what may not be interrupted. Words against it wait in `held`, and later ones behind them, until the agent has finished; the end of
the handler lets input in again. Each change is a row, written when it happens: `gate_due` is when playing on changes it.

**Silence** counts while no handler works, nothing plays, input is allowed and the caller isn't about to say something.
After `timeout_s` the handler is told, again and again, until it ends the session or the caller is heard.

**The end.** `ending` commits: what is queued is still played, nothing more is taken in or queued, and then the session ends.
`ended` is final: `completed` (the agent stopped, or the caller's script is used up), `transferred` (the agent passed it on),
`hangup` (the caller left, in the middle or not), `timeout` (it reached a limit), `error` (it could not go on). Only the
first of them counts; from `ending` on inputs are dropped, and inputs that still waited at the end.

**Together** may be true: `running` and `queue` (it speaks as it goes on), `queue` without `running` (the most common: all is
said and plays), `running` and `ending`. Never: `silent_since` with `running` or `queue`; `held` with neither `running` nor
`queue`, but for the instant in which it is delivered; `ended` with any of `running`, `queue`, `open`, `held`, `signals`.

What holds in every session, each tested for random handlers, callers and worlds (tests/test_invariants.py):

 1. each turn ends exactly once;
 2. inputs and the engine's own rows stand in the order of their times;
 3. nobody speaks over himself: no two of the agent's outputs play at a time;
 4. who is interrupted is silent from then on;
 5. only what was said is heard, and the transcript holds no word that was not;
 6. the gate's rows alternate: it opens only when closed, and no caller's words come in while it is closed;
 7. every error is one of the handler's or the world's own.
"""

from voicelab.session import rows
from voicelab.session.inputs import Given, Timeout
from voicelab.session.playback import (
    close_turn,
    cut_queue,
    gate,
    play_until,
    report_said,
    tell_gate,
)
from voicelab.session.rows import add_flat_row, add_row
from voicelab.session.session_state import Session
from voicelab.session.utterance import NEVER, joined


def is_idle(s: Session) -> bool:
    """Return whether no handler works and nothing is left to play."""
    return not s.running and not s.queue and s.ended is None


# --- what the caller does --------------------------------------------------------------------------------------------


def begin_conversation(s: Session, given: Given) -> None:
    """Deliver the first input of the session."""
    _deliver(s, 0.0, given)


def offer(s: Session, now: float, given: Given, *, speech: bool) -> None:
    """Take an input: the caller's words or keys (`speech`), which may interrupt, or a signal, which never does.

    Words that may not interrupt now wait until the agent has finished; a signal waits until the handler has.
    """
    if s.queue:
        play_until(s, now)
    if s.ended is not None or s.ending is not None:
        _drop(s, now, given)
    elif not speech:
        if s.running:
            s.signals.append(given)
        else:
            _deliver(s, now, given)
    else:
        s.speaking = False
        if not s.running and not s.queue and s.allowed and not s.held:
            if s.silent_since is None:
                _settle(s, now)
            _deliver(s, now, given, words=True)
        elif s.held or gate(s, now):
            _wait(s, now, given)
        else:
            _take_floor(s, now)
            _deliver(s, now, given, words=True)


def first_sound(s: Session, now: float) -> None:
    """Take the caller's first sound, some time before the words are complete and offered."""
    play_until(s, now)
    if s.ended is None and s.ending is None:
        s.speaking = True
        if not s.held and not gate(s, now):
            _take_floor(s, now)


def no_words(s: Session, now: float) -> None:
    """Take back a first sound that turned out to be no words: silence counts from now on."""
    s.speaking = False
    if s.silent_since is not None:
        s.silent_since = now


# --- what the agent does ---------------------------------------------------------------------------------------------


def clear_speech(s: Session, now: float) -> None:
    """Clear the speech queue, as the agent itself asks; the handler goes on."""
    play_until(s, now)
    cut_queue(s, now)
    tell_gate(s, now)


def allow(s: Session, now: float, allowed: bool) -> None:
    """Open or close the gate for the caller's input; the end of the handler opens it again."""
    if allowed and not s.allowed and s.silent_since is not None:
        s.silent_since = now
    s.allowed = allowed
    tell_gate(s, now)


def end_when_played(s: Session, status: str) -> None:
    """Commit to end the session as soon as what is queued has been played."""
    if s.ending is None:
        s.ending = status


def handler_finished(s: Session, now: float) -> None:
    """Take the end of the handler's work on its input."""
    s.running = False
    if not s.allowed:
        s.allowed = True
        tell_gate(s, now)
    if not s.queue or s.signals:
        advance(s, now)
    elif s.queue[-1].turn != s.turn:
        _close_unspoken(s, now)


# --- what time does --------------------------------------------------------------------------------------------------


def advance(s: Session, now: float) -> None:
    """Let time pass up to `now`: finish playback, deliver what waited, count silence."""
    queue = s.queue
    if queue and queue[0].end_s <= now:
        play_until(s, now)
    if s.running or s.ended is not None:
        return
    if s.signals and s.ending is None:
        _deliver(s, now, s.signals.pop(0))
    elif not queue:
        if s.silent_since is None:
            _settle(s, now)
        if s.ending is not None:
            end_conversation(s, now, s.ending)
        elif s.held and s.allowed:
            _deliver(s, now, s.held.pop(0), words=True)
        elif not s.speaking and s.allowed and s.silent_since + s.timeout_s <= now:  # type: ignore[operator]
            s.timeouts += 1
            _deliver(s, now, Timeout(s.timeouts, round((now - s.last_input_s) * 1000)))


def end_conversation(s: Session, now: float, status: str) -> None:
    """End the session at once: the caller has left, the script is used up, or a limit is reached."""
    if s.ended is not None:
        return
    if s.queue:
        play_until(s, now)
    if s.running:
        s.running = False
        s.stop_handler(s)
    interrupted = bool(s.queue)
    cut_queue(s, now)
    report_said(s, now, interrupted=interrupted)
    _close_all(s, now)
    for given in (*s.held, *s.signals):
        _drop(s, now, given)
    s.held.clear()
    s.signals.clear()
    s.gate_due = NEVER
    s.ended, s.ended_s = status, now


# --- inside ----------------------------------------------------------------------------------------------------------


def _settle(s: Session, now: float) -> None:
    """Close the agent's turn: everything has been played, and silence begins."""
    if s.said:
        report_said(s, now)
    _close_all(s, now)
    s.silent_since = now


def _take_floor(s: Session, now: float) -> None:
    """Give the floor to the caller: the agent's turn is cancelled and its queue cleared."""
    if not s.running and not s.queue:
        return
    if s.running:
        s.running = False
        s.stop_handler(s)
    cut_queue(s, now)
    tell_gate(s, now)
    s.heard_of_interrupted = joined(s.said)
    report_said(s, now, interrupted=True)
    add_flat_row(s, now, s.turn, rows.TURN_INTERRUPTED, {})
    _close_all(s, now)
    s.silent_since = now
    s.context.cancel_interruptible_tasks()


def _wait(s: Session, now: float, given: Given) -> None:
    """Have words wait at the closed gate; or behind what was said before, if it has opened since."""
    behind = bool(s.held)
    s.held.append(given)
    if reason := gate(s, now):
        add_row(s, now, s.turn, rows.INPUT_HELD, {"reason": reason, "input": str(given)})
    else:
        _take_floor(s, now)
    if behind:
        advance(s, now)


def _drop(s: Session, now: float, given: Given) -> None:
    """Write down an input that nobody will hear."""
    add_row(s, now, s.turn, rows.INPUT_DROPPED, {"reason": "the session has ended", "input": str(given)})


def _close_all(s: Session, now: float) -> None:
    for turn in tuple(s.open):
        close_turn(s, now, turn)


def _close_unspoken(s: Session, now: float) -> None:
    """End the turns of which nothing is left to play; a signal's turn may begin while others still speak."""
    speaking = {item.turn for item in s.queue}
    for turn in [turn for turn in s.open if turn not in speaking]:
        close_turn(s, now, turn)


def _deliver(s: Session, now: float, given: Given, *, words: bool = False) -> None:
    """Put an input before the handler; the caller's own `words`, or keys, end the silence that it was told of."""
    if words:
        s.timeouts = 0
        s.last_input_s = now
    if s.open:
        _close_unspoken(s, now)
    s.turn += 1
    s.running = True
    s.open[s.turn] = now
    s.silent_since = None
    heard, s.heard_of_interrupted = s.heard_of_interrupted, None
    s.deliver(s, now, given, heard)
