"""What the agent says, as it plays: queued, heard, cut, and told in the transcript; and the gate, which it may close.

All is told the time. An item of the queue plays from `start_s` to `end_s`, one after another, and is looked at when that
matters: `play_until` takes out what has been played, `cut_queue` what will not be. What was heard of both gathers in
`Session.said`, and `report_said` makes a part of the transcript of it, a turn at a time.

Where a voice plays, nobody knows beforehand how long an item takes: it is queued without an end, `retime` learns when it
plays, and `settle_heard` how much of what was cut was really heard.
"""

from voicelab.callers.gate import NOT_ALLOWED, NOT_INTERRUPTIBLE
from voicelab.session import rows
from voicelab.session.rows import add_flat_row, add_row
from voicelab.session.session_state import Session
from voicelab.session.utterance import NEVER, Cut, Utterance, joined

# --- the queue -------------------------------------------------------------------------------------------------------


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


def speaks_for(s: Session, now: float) -> float | None:
    """Return for how many seconds the agent goes on speaking, or None if it doesn't speak, or can't be interrupted."""
    queue = s.queue
    if not queue or not queue[0].start_s <= now < queue[-1].end_s or gate(s, now):
        return None
    return queue[-1].end_s - now


def play_until(s: Session, now: float) -> None:
    """Take from the queue what has been played, and end the earlier turns of which that was the last word."""
    queue = s.queue
    while queue and queue[0].end_s <= now:
        turn, text, _, end_s, _, _ = queue.pop(0)
        if text:
            if s.said and turn != s.said_turn:
                report_said(s, now)
            s.said.append(text)
            s.said_turn = turn
        if turn != s.turn and turn in s.open and all(item.turn != turn for item in queue):
            report_said(s, end_s)
            close_turn(s, end_s, turn)
    if s.gate_due <= now:
        tell_gate(s, now)


def cut_queue(s: Session, now: float) -> None:
    """Clear the queue; the words of it that were heard count as said, and each row says how much of it was played."""
    queue = s.queue
    if not queue:
        return
    heard = queue[0].heard_by(now)
    if heard and s.said and queue[0].turn != s.said_turn:
        report_said(s, now)
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


# --- what was heard --------------------------------------------------------------------------------------------------


def report_said(s: Session, now: float, *, interrupted: bool = False) -> None:
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


def close_turn(s: Session, now: float, turn: int) -> None:
    """End a turn: its last word has been played, or cut."""
    duration_ms = round((now - s.open.pop(turn)) * 1000)
    # Past `put`: there is nothing to mask, and one of these comes with every turn.
    s.events.append((now, turn, rows.TURN_END, f'{{"duration":{duration_ms}}}'))


# --- what a voice says of what it plays ------------------------------------------------------------------------------


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


# --- the gate --------------------------------------------------------------------------------------------------------


def gate(s: Session, now: float) -> str:
    """Return why the caller's words can't reach the agent now (see `voicelab.callers.gate`), or an empty string."""
    if not s.allowed:
        return NOT_ALLOWED
    for item in s.queue:
        if item.end_s > now:
            return "" if item.interruptible else NOT_INTERRUPTIBLE
    return ""


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
