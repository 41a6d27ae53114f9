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

**The gate** (`gate`, the one place that says so) is closed while the agent lets no input in (`allowed`), or plays what may
not be interrupted. Words against it wait in `held`, and later ones behind them, until the agent has finished; the end of
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

from voicelab.callers.gate import NOT_ALLOWED, NOT_INTERRUPTIBLE
from voicelab.session import rows
from voicelab.session.inputs import Given, Timeout
from voicelab.session.rows import add_flat_row, add_row
from voicelab.session.session_state import Session
from voicelab.session.utterance import NEVER, Cut, Utterance, joined

# --- what is so now --------------------------------------------------------------------------------------------------


def is_idle(s: Session) -> bool:
    """Return whether no handler works and nothing is left to play."""
    return not s.running and not s.queue and s.ended is None


def gate(s: Session, now: float) -> str:
    """Return why the caller's words can't reach the agent now (see `voicelab.callers.gate`), or an empty string."""
    if not s.allowed:
        return NOT_ALLOWED
    for item in s.queue:
        if item.end_s > now:
            return "" if item.interruptible else NOT_INTERRUPTIBLE
    return ""


def speaks_for(s: Session, now: float) -> float | None:
    """Return for how many seconds the agent goes on speaking, or None if it doesn't speak, or can't be interrupted."""
    queue = s.queue
    if not queue or not queue[0].start_s <= now < queue[-1].end_s or gate(s, now):
        return None
    return queue[-1].end_s - now


# --- what the caller does --------------------------------------------------------------------------------------------


def begin_conversation(s: Session, given: Given) -> None:
    """Deliver the first input of the session."""
    _deliver(s, 0.0, given)


def offer(s: Session, now: float, given: Given, *, speech: bool) -> None:
    """Take an input: the caller's words or keys (`speech`), which may interrupt, or a signal, which never does.

    Words that may not interrupt now wait until the agent has finished; a signal waits until the handler has.
    """
    if s.queue:
        _play(s, now)
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
    _play(s, now)
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


def enqueue(
    s: Session, now: float, turn: int, text: str | None, duration_s: float, interruptible: bool = True, row: int = -1
) -> float | None:
    """Queue speech, audio or silence; return when it begins to play, or None if the session is past speaking.

    `advance` comes first, where something is queued; `tell_gate` afterwards, where it may not be interrupted. `row` is its
    seq in the log.
    """
    if s.ended is not None or s.ending is not None:
        return None
    queue = s.queue
    start_s = max(now, queue[-1].end_s) if queue else now
    # As Utterance(...) makes it, in half the time.
    queue.append(tuple.__new__(Utterance, (turn, text, start_s, start_s + duration_s, interruptible, row)))
    s.silent_since = None
    return start_s


def retime(s: Session, now: float, row: int, start_s: float, end_s: float) -> Utterance | None:
    """Learn when a queued item plays, where that isn't known as it is queued; what stands behind it moves along.

    Args:
        s: The session.
        now: The time.
        row: The item's row.
        start_s: When it begins to play; not before the item in front of it has been played.
        end_s: When it has been played if it begins at `start_s`.

    Returns:
        The item, or None if it isn't queued any more.
    """
    queue = s.queue
    at = next((at for at, item in enumerate(queue) if item.row == row), None)
    if at is None:
        return None
    end_before = queue[at - 1].end_s if at else 0.0
    begin = max(start_s, end_before)
    queue[at] = queue[at]._replace(start_s=begin, end_s=begin + max(0.0, end_s - start_s))
    for later in range(at + 1, len(queue)):
        item, begin = queue[later], queue[later - 1].end_s
        if item.end_s == NEVER:
            queue[later] = item._replace(start_s=begin)
            break
        queue[later] = item._replace(start_s=begin, end_s=begin + item.end_s - item.start_s)
    found = queue[at]
    tell_gate(s, now)
    return found


def settle_heard(s: Session, row: int, played_s: float) -> None:
    """Learn how much was really played of an item that has been cut: that decides what was heard of it.

    The kernel knew it by its own clock when it cut; who plays knows better, a moment later. The item's row, the transcript,
    and what the next input tells of the interrupted turn are put right.
    """
    cut = s.last_cut
    item = None if cut is None else next((item for item in cut.items if item.row == row), None)
    if cut is None or item is None:
        return
    whole = played_s >= item.end_s - item.start_s
    if whole:
        played_s = item.end_s - item.start_s
    heard = item.text or "" if whole else item.heard_by(item.start_s + played_s)
    facts: dict[str, float | str | bool] = {"played_s": played_s, "spoken": played_s > 0}
    rows.amend(s, row, facts if item.text is None else facts | {"heard": heard})
    if not cut.settle(row, heard):
        return
    if cut.said is s.said:  # not reported yet: the agent itself has cut it, and goes on
        s.said_turn = item.turn
    elif cut.part is not None:
        seq, part = cut.part
        text = joined(cut.said)
        rows.amend(s, seq, {"content": text})
        # The part itself, not its place: a handler may have changed the list.
        part["content"] = text
        if s.heard_of_interrupted is not None and cut.turn == s.turn and part.get("interrupted"):
            s.heard_of_interrupted = text


def clear_speech(s: Session, now: float) -> None:
    """Clear the speech queue, as the agent itself asks; the handler goes on."""
    _play(s, now)
    _cut(s, now)
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
        _play(s, now)
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


def tell_gate(s: Session, now: float) -> None:
    """Write a row if the gate has changed, and see when playing on will change it next."""
    if s.ended is not None:
        return
    reason = gate(s, now)
    if reason != s.gate:
        s.gate = reason
        # Nobody's words, so that they don't count as text of the session.
        s.put(
            (now, s.turn, rows.INPUT_GATE, f'{{"allowed":false,"reason":"{reason}"}}' if reason else '{"allowed":true}')
        )
    s.gate_due = _gate_changes_at(s, now)


def _gate_changes_at(s: Session, now: float) -> float:
    if not s.allowed:
        return NEVER
    playing = [item for item in s.queue if item.end_s > now]
    for item in playing:
        if item.interruptible != playing[0].interruptible:
            return item.start_s
    return playing[-1].end_s if playing and not playing[0].interruptible else NEVER


def end_conversation(s: Session, now: float, status: str) -> None:
    """End the session at once: the caller has left, the script is used up, or a limit is reached."""
    if s.ended is not None:
        return
    if s.queue:
        _play(s, now)
    if s.running:
        s.running = False
        s.stop_handler(s)
    interrupted = bool(s.queue)
    _cut(s, now)
    _report_said(s, now, interrupted=interrupted)
    _close_all(s, now)
    for given in (*s.held, *s.signals):
        _drop(s, now, given)
    s.held.clear()
    s.signals.clear()
    s.gate_due = NEVER
    s.ended, s.ended_s = status, now


# --- inside ----------------------------------------------------------------------------------------------------------


def _play(s: Session, now: float) -> None:
    """Take from the queue what has been played, and end the earlier turns of which that was the last word."""
    queue = s.queue
    while queue and queue[0].end_s <= now:
        turn, text, _, end_s, _, _ = queue.pop(0)
        if text:
            if s.said and turn != s.said_turn:
                _report_said(s, now)
            s.said.append(text)
            s.said_turn = turn
        if turn != s.turn and turn in s.open and all(item.turn != turn for item in queue):
            _report_said(s, end_s)
            _close(s, end_s, turn)
    if s.gate_due <= now:
        tell_gate(s, now)


def _settle(s: Session, now: float) -> None:
    """Close the agent's turn: everything has been played, and silence begins."""
    if s.said:
        _report_said(s, now)
    _close_all(s, now)
    s.silent_since = now


def _take_floor(s: Session, now: float) -> None:
    """Give the floor to the caller: the agent's turn is cancelled and its queue cleared."""
    if not s.running and not s.queue:
        return
    if s.running:
        s.running = False
        s.stop_handler(s)
    _cut(s, now)
    tell_gate(s, now)
    s.heard_of_interrupted = joined(s.said)
    _report_said(s, now, interrupted=True)
    add_flat_row(s, now, s.turn, rows.TURN_INTERRUPTED, {})
    _close_all(s, now)
    s.silent_since = now
    s.context.cancel_interruptible_tasks()


def _cut(s: Session, now: float) -> None:
    """Clear the queue; the words of it that were heard count as said, and each row says how much of it was played."""
    queue = s.queue
    if not queue:
        return
    heard = queue[0].heard_by(now)
    if heard and s.said and queue[0].turn != s.said_turn:
        _report_said(s, now)
    at = len(s.said)
    if heard:
        s.said.append(heard)
        s.said_turn = queue[0].turn
    cut = queue.copy()
    queue.clear()
    if s.voice is not None:
        s.last_cut = Cut(cut, {item.row: item.heard_by(now) for item in cut}, s.said, at, s.turn)
        s.voice.clear()
    for item in cut:
        played_s = max(0.0, now - item.start_s)
        facts: dict[str, float | str | bool] = {"interrupted": True, "played_s": played_s}
        if not played_s:
            facts["spoken"] = False
        elif item.text is not None:
            facts["heard"] = item.heard_by(now)
        rows.amend(s, item.row, facts)


def _report_said(s: Session, now: float, *, interrupted: bool = False) -> None:
    """Write down what the caller has heard of the agent since this was done last."""
    if not s.said:
        if interrupted:
            s.said = []  # what was cut is no part of what comes, however much of it turns out to have been heard
        return
    said, s.said = s.said, []
    text = said[0] if len(said) == 1 else joined(said)
    row: dict[str, str | bool] = {"role": "agent", "content": text}
    if interrupted:
        row["interrupted"] = True
    part = {"role": "assistant", "content": text, "interrupted": interrupted}
    if s.last_cut is not None and s.last_cut.said is said:
        s.last_cut.part = (len(s.events), part)
    (add_flat_row if len(text) < rows.LONG else add_row)(s, now, s.said_turn, rows.TRANSCRIPT, row)
    s.transcript.append(part)
    s.heard.append(text)
    s.answered = True


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
    opened, s.open = s.open, {}
    for turn, began_s in opened.items():
        _write_end(s, now, turn, began_s)


def _close(s: Session, now: float, turn: int) -> None:
    _write_end(s, now, turn, s.open.pop(turn))


def _write_end(s: Session, now: float, turn: int, began_s: float) -> None:
    # Past `put`: there is nothing to mask, and one of these comes with every turn.
    s.events.append((now, turn, rows.TURN_END, f'{{"duration":{round((now - began_s) * 1000)}}}'))


def _close_unspoken(s: Session, now: float) -> None:
    """End the turns of which nothing is left to play; a signal's turn may begin while others still speak."""
    speaking = {item.turn for item in s.queue}
    for turn in [turn for turn in s.open if turn not in speaking]:
        _close(s, now, turn)


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
