"""Why each row of a session came when it did, in words: which input, which deadline, which gate.

Everything is read off the rows themselves, as the engine decides it (`voicelab.session.turns` has its theory): so a session of
a log is explained as the one that has just run, and a simulation pays nothing for it. `Reasons` takes the events in order, as
a running session has them; `explained` is the same for one row of a whole session.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from voicelab.base.pace import speech_seconds
from voicelab.base.records import Event
from voicelab.callers.gate import NOT_ALLOWED, in_words
from voicelab.record.readable import readable

_PLAYED = frozenset({"text_to_speech", "audio", "silence"})
_SAME_S = 1e-6
_MOST_CHARACTERS = 60


@dataclass(slots=True)
class _Playing:
    """An output that takes time."""

    event: Event
    start_s: float
    end_s: float


@dataclass(slots=True)
class _Course:
    """Where a session stands, as far as its rows have come."""

    inputs: dict[int, Event] = field(default_factory=dict)  # by the turn that each began
    playing: list[_Playing] = field(default_factory=list)
    gate: Event | None = None
    lets_in: Event | None = None  # the last word of the agent's on whether it lets input in
    held: list[Event] = field(default_factory=list)
    interrupted: Event | None = None
    quiet_since: tuple[float, Event | None] = (0.0, None)
    ending: Event | None = None
    limit: Event | None = None
    latest_s: float = 0.0  # of the rows so far, but for what plays later than it was yielded
    status: str = ""


class Reasons:
    """The reasons of one session's rows, kept up as its events come.

    Args:
        status: How the session ended; empty while it runs.
    """

    def __init__(self, status: str = "") -> None:
        self._course = _Course(status=status)
        self._why: dict[int, str] = {}
        self._events: dict[int, Event] = {}

    def take(self, event: Event) -> None:
        """Take an event that is new, or has been amended."""
        event = readable(event)
        known = event.seq in self._events
        self._events[event.seq] = event
        course = self._course
        if known:
            for item in course.playing:
                if item.event.seq == event.seq:
                    item.event, item.start_s, item.end_s = event, event.time_s, _end_s(event)
            return
        self._why[event.seq] = _why(course, event)
        _go_on(course, event)

    def why(self, seq: int) -> str:
        """Return why a row came when it did; what became of it since stands behind."""
        event = self._events[seq]
        return f"{self._why[seq]}{_what_became_of(event)}" if _is_played(event) else self._why[seq]


def explained(events: Iterable[Event], seq: int, status: str = "") -> str:
    """Return why one row of a whole session came when it did.

    Args:
        events: The session's events, in order.
        seq: The row's seq.
        status: How the session ended.
    """
    reasons = Reasons(status)
    for event in events:
        reasons.take(event)
        if event.seq == seq:
            break
    return reasons.why(seq)


# --- the course of a session -----------------------------------------------------------------------------------------


def _go_on(course: _Course, event: Event) -> None:
    data, name = event.data, event.name
    if not _is_played(event):
        course.latest_s = max(course.latest_s, event.time_s)
    if event.kind == "input":
        _come_in(course, event)
    elif _is_played(event):
        course.playing.append(_Playing(event, event.time_s, _end_s(event)))
    elif name in {"stop", "transfer_session"} and event.kind == "output":
        course.ending = course.ending or event
    elif name == "error" and "limit" in data:
        course.limit = course.limit or event
    elif name == "input_allowed":
        course.lets_in = event
    elif name == "input_gate":
        course.gate = None if data.get("allowed") else event
    elif name == "input_held":
        course.held.append(event)
    elif name == "turn_interrupted":
        course.interrupted, course.quiet_since = event, (event.time_s, event)
    elif name in {"turn_end", "unheard", "backchannel"}:
        course.quiet_since = (event.time_s, event)


def _come_in(course: _Course, event: Event) -> None:
    course.inputs[event.turn] = event
    if event.name in {"text", "dtmf"}:
        course.interrupted = None
        if course.held:
            course.held.pop(0)
        else:
            course.gate = None


def _is_played(event: Event) -> bool:
    return event.kind == "output" and event.name in _PLAYED


def _end_s(event: Event) -> float:
    data = event.data
    if data.get("spoken") is False:
        return event.time_s
    for key in ("played_s", "duration_s"):
        if isinstance(data.get(key), int | float):
            return event.time_s + float(data[key])
    if event.name == "silence":
        return event.time_s + float(data.get("duration") or 0) / 1000
    return event.time_s + speech_seconds(str(data.get("text") or ""), data.get("speed"))


# --- in words --------------------------------------------------------------------------------------------------------


def _why(course: _Course, event: Event) -> str:
    say = _BY_NAME.get((event.kind, event.name))
    if say is not None:
        return say(course, event)
    if event.kind == "input":
        return _signal(course, event)
    if event.kind == "system":
        return f"The engine noted this in turn {event.turn}, at {_at(event.time_s)}."
    return _came_of(course, event)


def _start(course: _Course, event: Event) -> str:
    del course, event
    return "The session began: the handler gets its StartEvent, once and first."


def _words(course: _Course, event: Event) -> str:
    what = "These keys" if event.name == "dtmf" else "These words"
    # The gate is never closed when words come in: in a log of before, it was the words that waited which closed it.
    held = course.held[0] if course.held else course.gate
    if held is not None:
        why = in_words(str(held.data.get("reason", "")))
        return (
            f"{what} came at {_at(held.time_s)} and had to wait (row {held.seq}): {why}. They were delivered when the agent "
            f"had finished, at {_at(event.time_s)}."
        )
    if event.data.get("previous_turn_interrupted"):
        cut = course.interrupted
        if cut is not None and event.time_s - cut.time_s > _SAME_S:
            took = f"took the floor with a first sound at {_at(cut.time_s)} (row {cut.seq}), and were complete at"
        else:
            took = "took the floor at once, since the gate was open, at"
        heard = _quoted(str(event.data.get("previous_turn_agent_transcript") or ""))
        return f"{what} {took} {_at(event.time_s)}. Of the turn that they interrupted the caller had heard {heard}."
    return f"{what} came while nothing played and no handler worked: {_since_quiet(course, event)}"


def _since_quiet(course: _Course, event: Event) -> str:
    since_s, row = course.quiet_since
    of = "" if row is None else f" (row {row.seq})"
    waited_s = event.time_s - since_s
    if waited_s <= _SAME_S:
        return f"the caller answered as soon as the agent had finished, at {_at(since_s)}{of}."
    return f"the caller spoke {waited_s:.2f} s after the agent had finished, at {_at(since_s)}{of}."


def _timeout(course: _Course, event: Event) -> str:
    since_s, row = course.quiet_since
    of = "" if row is None else f" (row {row.seq})"
    count = event.data.get("count", 1)
    told = "the first time" if count == 1 else f"for the {_nth(count)} time in a row"
    return (
        f"Silence since {_at(since_s)}{of}: nothing played, no handler worked, and input was allowed. After "
        f"{event.time_s - since_s:.2f} s the handler is told, {told}."
    )


def _nth(count: object) -> str:
    return {2: "second", 3: "third"}.get(count, f"{count}th") if isinstance(count, int) else str(count)


def _signal(course: _Course, event: Event) -> str:
    over = next(
        (item for item in reversed(course.playing) if item.start_s <= event.time_s < item.end_s - _SAME_S), None
    )
    while_ = "" if over is None else f", while row {over.event.seq} still played"
    return f"A signal interrupts nothing: the handler gets it as soon as it works on nothing else{while_}."


def _final_stop(course: _Course, event: Event) -> str:
    if course.limit is not None:
        why = f"it reached a limit (row {course.limit.seq})"
    elif course.ending is not None:
        played = max((item.end_s for item in course.playing), default=0.0)
        after = " and all that was queued had been played" if abs(played - event.time_s) <= _SAME_S else ""
        why = f"the agent ended it (row {course.ending.seq}){after}"
    else:
        why = {"hangup": "the caller left", "completed": "the caller had nothing more to do"}.get(
            course.status, "the caller had left, or had nothing more to do"
        )
    return f"The conversation was over at {_at(event.time_s)}: {why}. The handler gets one StopEvent more, to clean up."


def _came_of(course: _Course, event: Event) -> str:
    """Say whose code it came from, and what that was at."""
    if event.task_name:
        return f"Background task {event.task_name!r}, begun in turn {event.turn}, gave this at {_at(event.time_s)}."
    cause = course.inputs.get(event.turn)
    answer = "" if cause is None else f", in answer to row {cause.seq} ({cause.name})"
    verb = {"log": "logged", "metric": "measured"}.get(event.kind, "yielded")
    return f"Turn {event.turn}'s handler {verb} this at {_at(event.time_s)}{answer}."


def _output(course: _Course, event: Event) -> str:
    who = (
        f"Background task {event.task_name!r} yielded it"
        if event.task_name
        else f"Turn {event.turn}'s handler yielded it"
    )
    cause = course.inputs.get(event.turn)
    answer = "" if cause is None or event.task_name else f" in answer to row {cause.seq} ({cause.name})"
    if event.data.get("spoken") is False and not event.data.get("interrupted"):
        end = course.ending or course.limit
        since = "" if end is None else f" (row {end.seq})"
        return f"{who}{answer} when the session was ending{since}: nothing more is spoken then."
    before = next((item for item in reversed(course.playing) if item.end_s > item.start_s), None)
    if before and event.data.get("interrupted") and event.data.get("spoken") is False:
        waited = f"it had to wait behind row {before.event.seq}"
    elif before and abs(before.end_s - event.time_s) <= _SAME_S and event.time_s - course.latest_s > _SAME_S:
        waited = f"it had to wait until row {before.event.seq} had been played, at {_at(event.time_s)}"
    else:
        waited = f"nothing else played, and it began at once, at {_at(event.time_s)}"
    return f"{who}{answer}; {waited}."


def _what_became_of(event: Event) -> str:
    data = event.data
    if not data.get("interrupted"):
        return "" if data.get("spoken") is False else f" It has been played at {_at(_end_s(event))}."
    if data.get("spoken") is False:
        return " It was cleared before it began."
    played_s = float(data.get("played_s") or 0.0)
    heard = f"; heard of it: {_quoted(str(data['heard']))}" if "heard" in data else ""
    return f" It was cut after {played_s:.2f} s, at {_at(event.time_s + played_s)}{heard}."


def _transcript(course: _Course, event: Event) -> str:
    if event.data.get("role") == "user":
        cause = course.inputs.get(event.turn)
        return "What the caller said" + ("." if cause is None else f" in row {cause.seq}, as the transcript keeps it.")
    if event.data.get("interrupted"):
        return f"The agent was cut at {_at(event.time_s)}: the whole words that had been played by then are the transcript's."
    return f"Nothing of turn {event.turn} was left to play at {_at(event.time_s)}: this is what was heard of it."


def _turn_end(course: _Course, event: Event) -> str:
    if course.interrupted is not None and abs(course.interrupted.time_s - event.time_s) <= _SAME_S:
        return f"The caller took the floor (row {course.interrupted.seq}): every turn that was open ended with it."
    last = next(
        (
            item
            for item in reversed(course.playing)
            if item.event.turn == event.turn and item.end_s <= event.time_s + _SAME_S
        ),
        None,
    )
    if last and abs(last.end_s - event.time_s) <= _SAME_S:
        return f"Turn {event.turn}'s handler had finished, and its last word (row {last.event.seq}) had been played."
    if last:
        return f"All that turn {event.turn} said had been played, and its handler had finished."
    return f"Turn {event.turn}'s handler had finished, and there was nothing of it to play."


def _turn_interrupted(course: _Course, event: Event) -> str:
    began_s = course.inputs[event.turn].time_s if event.turn in course.inputs else 0.0
    over = next((item for item in reversed(course.playing) if _is_cut(item, began_s, event.time_s)), None)
    at = "worked in silence" if over is None else f"spoke (row {over.event.seq})"
    return (
        f"The caller was heard while the agent {at}, and the gate was open: the handler was stopped, and what it still had to "
        "say was cleared."
    )


def _is_cut(item: _Playing, from_s: float, time_s: float) -> bool:
    """Return whether an item was playing at a time when it was cut, not earlier, in a turn that ended before `from_s`."""
    played = item.event.data.get("interrupted") and item.event.data.get("spoken") is not False
    return bool(played) and item.start_s <= time_s and item.end_s > from_s


def _gate(course: _Course, event: Event) -> str:
    data = event.data
    if not data.get("allowed"):
        if data.get("reason") == NOT_ALLOWED:
            by = "" if course.lets_in is None else f" (row {course.lets_in.seq})"
            return (
                f"The agent lets no input in from now on{by}: the caller's words wait until its handler has finished."
            )
        item = _playing_at(course, event.time_s)
        what = "What plays now" if item is None else f"Row {item.event.seq} began to play, which"
        return f"{what} may not be interrupted: until it has been played the caller's words wait."
    before = course.gate
    if before is None or before.data.get("reason") == NOT_ALLOWED:
        if course.lets_in is not None and course.lets_in.data.get("allowed") and course.lets_in.time_s == event.time_s:
            return f"The agent lets input in again (row {course.lets_in.seq})."
        return "The handler had finished, which lets input in again."
    played = next((item for item in reversed(course.playing) if abs(item.end_s - event.time_s) <= _SAME_S), None)
    what = "What could not be interrupted was over" if played is None else f"Row {played.event.seq} had been played"
    return f"{what}: the caller's words come in again."


def _playing_at(course: _Course, time_s: float) -> _Playing | None:
    return next((item for item in course.playing if abs(item.start_s - time_s) <= _SAME_S < item.end_s - time_s), None)


def _held(course: _Course, event: Event) -> str:
    gate = course.gate
    since = "" if gate is None else f" since {_at(gate.time_s)} (row {gate.seq})"
    why = in_words(str(event.data.get("reason", "")))
    return f"The caller said this, and the gate was closed{since}: {why}. It waits until the agent has finished."


def _dropped(course: _Course, event: Event) -> str:
    del event
    end = course.ending or course.limit
    since = "" if end is None else f" (row {end.seq})"
    return f"The session was ending{since}, or had ended: nothing is taken in any more."


def _unheard(course: _Course, event: Event) -> str:
    del course
    if event.name == "backchannel":
        return "Said over the agent's words, short, and of words that say 'go on': a sign of listening stops nobody."
    return "A sound in which no words were found: the handler hears nothing of it, and silence counts from here."


def _error(course: _Course, event: Event) -> str:
    data = event.data
    where = f" at {data['file']}:{data['line']}" if "file" in data and "line" in data else ""
    if "limit" in data:
        return f"The session reached its limit {data['limit']!r}{where}, which ends it."
    if event.task_name:
        return f"Background task {event.task_name!r} raised this{where}; the session goes on."
    cause = course.inputs.get(event.turn)
    at = "" if cause is None else f" while it worked on row {cause.seq} ({cause.name})"
    return f"The handler raised this{where}{at}."


def _outcome_specified(course: _Course, event: Event) -> str:
    del course, event
    return "The world's `truth` sets this outcome, whatever the handler has set; the session's end is when."


_BY_NAME: dict[tuple[str, str], Callable[[_Course, Event], str]] = {
    ("input", "start"): _start,
    ("input", "text"): _words,
    ("input", "dtmf"): _words,
    ("input", "timeout"): _timeout,
    ("input", "stop"): _final_stop,
    **{("output", name): _output for name in _PLAYED},
    ("output", "error"): _error,
    ("system", "transcript_part"): _transcript,
    ("system", "turn_end"): _turn_end,
    ("system", "turn_interrupted"): _turn_interrupted,
    ("system", "input_gate"): _gate,
    ("system", "input_held"): _held,
    ("system", "input_dropped"): _dropped,
    ("system", "unheard"): _unheard,
    ("system", "backchannel"): _unheard,
    ("system", "outcome_specified"): _outcome_specified,
}


def _at(time_s: float) -> str:
    return f"{time_s:.2f} s"


def _quoted(text: str) -> str:
    shown = text if len(text) <= _MOST_CHARACTERS else f"…{text[-_MOST_CHARACTERS:]}"
    return f"“{shown}”" if shown else "nothing"
