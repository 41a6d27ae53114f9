"""The measures of one session: off its timeline, or where it is a plain conversation while its rows are read."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from voicelab.base.records import EventRow, Row, SessionRows, column
from voicelab.measures.definitions import DEAD_AIR_S, EPSILON_S, SAME_WORDS
from voicelab.measures.followed import FOLLOWED, Followed, followed
from voicelab.measures.percentiles import spread
from voicelab.measures.plain import plain_measures
from voicelab.measures.timeline import WORDS, AgentSound, FromCaller, Timeline, timeline_of

PAUSE_S = 0.2
"""Sounds no further apart than this are one stretch of speech; and nobody reacts faster, in seconds."""
_BY_START = attrgetter("start_s")
_SOURCE, _INDEX, _DURATION = (column("sessions", name) for name in ("source", "session_index", "duration_s"))


def measures_of(rows: SessionRows) -> Row:
    """Return the measures of a session in the order of `voicelab.base.records.MEASURES`: its index first."""
    if rows.measures is None:
        session = rows.session
        rows.measures = measures_from_events(rows.events, session[_INDEX], session[_DURATION], session[_SOURCE])
    return rows.measures


def measures_from_events(events: Sequence[EventRow], session_index: int, duration_s: float, source: str) -> Row:
    """Return the measures of a session in the order of `voicelab.base.records.MEASURES`.

    Args:
        events: Its rows, in order.
        session_index: Its index.
        duration_s: Its length in seconds.
        source: Where it is from, such as `simulated`.
    """
    # What was recognised elsewhere is known; what was said there is not.
    exact = source != "imported"
    plain = plain_measures(events, session_index, duration_s, exact=exact)
    return measures_of_timeline(timeline_of(events), session_index, duration_s, exact=exact) if plain is None else plain


def measures_of_timeline(timeline: Timeline, session_index: int, duration_s: float, *, exact: bool) -> Row:
    """Return the measures of a session in the order of `voicelab.base.records.MEASURES`.

    Args:
        timeline: Who was heard when.
        session_index: The session's index.
        duration_s: Its length in seconds.
        exact: Whether words of which nothing else is said were recognised as they were said.
    """
    words = [heard for heard in timeline.caller if heard.kind in WORDS]
    sounds = [sound for sound in timeline.agent if not sound.pause]
    aloud = [heard for heard in timeline.caller if heard.aloud]
    answers = [seconds for seconds in _answer_times(sounds, words) if seconds is not None]
    dead = [after_s - before_s for before_s, after_s in dead_air_of(timeline, duration_s)] if duration_s > 0 else None
    found = _interruptions(timeline, sounds, words, aloud)
    agent, caller = _of_agent(sounds), _of_caller(timeline, exact=exact)
    talk_s = agent.talk_s + caller.talk_s
    heard_first = sounds and (not words or sounds[0].start_s <= words[0].start_s)
    both = bool(sounds and aloud)
    return (
        session_index,
        *spread(answers),
        len(answers),
        sounds[0].start_s if heard_first else None,
        None if dead is None else sum(dead, 0.0),
        None if dead is None else max(dead, default=0.0),
        overlap_s(sounds, aloud) if both else None,
        spread(found.yields)[0],
        len(found.yields) if sounds else None,
        found.n_cut_offs if both else None,
        found.n_false if sounds else None,
        *([found.then.count(kind) for kind in FOLLOWED] if found.then else [None] * len(FOLLOWED)),
        agent.n_repeats if agent.text_s is not None else None,
        caller.n_repeats if words else None,
        caller.n_words,
        caller.n_errors if caller.n_words else None,
        agent.talk_s / talk_s if talk_s else None,
        agent.talk_s,
        caller.talk_s,
        agent.n_words,
        60 * agent.n_words / agent.text_s if agent.text_s else None,
        60 * caller.n_aloud / caller.aloud_s if caller.aloud_s else None,
    )


def turns_of_timeline(timeline: Timeline) -> list[tuple[int, float | None, float | None, Followed | None]]:
    """Return the measures of each turn that the caller's words or keys began: turn, answer_s, yield_s, followed."""
    words = [heard for heard in timeline.caller if heard.kind in WORDS]
    sounds = [sound for sound in timeline.agent if not sound.pause]
    found = _interruptions(timeline, sounds, words, [heard for heard in timeline.caller if heard.aloud])
    interrupted = {turn: own for turn, *own in zip(found.turns, found.yields, found.then, strict=True)}
    answers = zip(words, _answer_times(sounds, words), strict=True)
    return [(heard.turn, answer_s, *interrupted.get(heard.turn, (None, None))) for heard, answer_s in answers]


# --- waiting ---------------------------------------------------------------------------------------------------------


def _answer_times(sounds: Sequence[AgentSound], words: Sequence[FromCaller]) -> list[float | None]:
    """Return how long each answer took, from the end of the words to the first sound before the next ones; None for none."""
    found: list[float | None] = []
    at = 0
    for heard, later in zip(words, [*words, None][1:], strict=True):
        while at < len(sounds) and sounds[at].seq < heard.seq:
            at += 1
        answered = at < len(sounds) and (later is None or sounds[at].seq < later.seq)
        found.append(max(0.0, sounds[at].start_s - heard.end_s) if answered else None)
    return found


def dead_air_of(timeline: Timeline, duration_s: float) -> list[tuple[float, float]]:
    """Return the silences that are dead air: from and to. A pause that the agent plays is none.

    Args:
        timeline: Who was heard when.
        duration_s: The session's length in seconds.
    """
    heard = sorted([(s.start_s, s.end_s) for s in timeline.agent] + [(h.start_s, h.end_s) for h in timeline.caller])
    found, until_s = [], 0.0
    for start_s, end_s in (*heard, (duration_s, duration_s)):
        if start_s - until_s > DEAD_AIR_S + EPSILON_S:
            found.append((until_s, start_s))
        until_s = max(until_s, end_s)
    return found


# --- speaking at once ------------------------------------------------------------------------------------------------


def overlap_s(sounds: Sequence[AgentSound], aloud: Sequence[FromCaller]) -> float:
    """Return for how many seconds both spoke."""
    overlaps_s, first = 0.0, 0
    for heard in sorted(aloud, key=_BY_START):
        while first < len(sounds) and sounds[first].end_s <= heard.start_s:
            first += 1  # no two sounds of the agent's at a time: this one is over
        for sound in sounds[first:]:
            if sound.start_s >= heard.end_s:
                break
            seconds = min(sound.end_s, heard.end_s) - max(sound.start_s, heard.start_s)
            if seconds > EPSILON_S:
                overlaps_s += seconds
    return overlaps_s


class _Interruptions(NamedTuple):
    """What came of interruptions.

    Attributes:
        yields: Of the caller's: how long the agent went on, in seconds.
        then: What followed each of them.
        turns: The turn that each began.
        n_false: How often the agent was stopped by what was none.
        n_cut_offs: How often the agent interrupted the caller.
    """

    yields: list[float]
    then: list[Followed]
    turns: list[int]
    n_false: int
    n_cut_offs: int


def _interruptions(
    timeline: Timeline, sounds: Sequence[AgentSound], words: Sequence[FromCaller], aloud: Sequence[FromCaller]
) -> _Interruptions:
    yields: list[float] = []
    then: list[Followed] = []
    turns: list[int] = []
    n_false = len([1 for heard in timeline.caller if heard.cut is not None and heard.kind == "unheard"])
    begun = _begun_in_words(sounds, aloud)
    for heard, later in zip(words, [*words, None][1:], strict=True):
        stopped = heard.cut or (_sound_at(sounds, heard) if heard.held else None)
        if stopped is None:
            continue
        if stopped.seq in begun:
            continue  # the caller went on
        if _goes_on(stopped, heard):
            begun.add(stopped.seq)
        elif heard.cut is not None and _listens(heard, stopped):
            n_false += 1
        else:
            yields.append(max(0.0, _silent_from(sounds, stopped, heard) - heard.start_s))
            then.append(followed(timeline, heard, stopped, None if later is None else later.seq))
            turns.append(heard.turn)
    return _Interruptions(yields, then, turns, n_false, len(begun))


def _begun_in_words(sounds: Sequence[AgentSound], aloud: Sequence[FromCaller]) -> set[int]:
    """Return the rows of sounds with which the agent began to speak while the caller did."""
    found: set[int] = set()
    said = [(h.start_s + EPSILON_S, h.end_s - EPSILON_S) for h in aloud if h.kind == "text"]
    until_s = -PAUSE_S
    for sound in sounds if said else ():
        start_s = sound.start_s
        if start_s - until_s > PAUSE_S:
            for from_s, to_s in said:
                if from_s < start_s < to_s:
                    found.add(sound.seq)
                    break
        until_s = sound.end_s
    return found


def _goes_on(stopped: AgentSound, heard: FromCaller) -> bool:
    """Return whether the caller had only paused: nobody reacts so fast to what the agent says."""
    return heard.recognised and stopped.turn > 0 and heard.start_s - stopped.start_s <= PAUSE_S


def _listens(heard: FromCaller, stopped: AgentSound) -> bool:
    """Return whether words that stopped the agent say no more than that the caller listens."""
    left_s = stopped.speech.whole_s - (stopped.end_s - stopped.start_s)
    return heard.said is not None and left_s > heard.said.listens_above_s


def _sound_at(sounds: Sequence[AgentSound], heard: FromCaller) -> AgentSound | None:
    return next((s for s in sounds if s.seq < heard.seq and s.start_s <= heard.start_s < s.end_s - EPSILON_S), None)


def _silent_from(sounds: Sequence[AgentSound], stopped: AgentSound, heard: FromCaller) -> float:
    """Return when the agent was silent, who was speaking when it was interrupted."""
    until_s = stopped.end_s
    for sound in sounds:
        if stopped.seq < sound.seq < heard.seq and sound.start_s - until_s <= PAUSE_S:
            until_s = sound.end_s
    return until_s


# --- talking ---------------------------------------------------------------------------------------------------------


class _Agent(NamedTuple):
    """What the agent said: how long, how long of it words, how many of these, and how often the same again."""

    talk_s: float
    text_s: float | None
    n_words: int
    n_repeats: int


def _of_agent(sounds: Sequence[AgentSound]) -> _Agent:
    before: set[str] = set()
    talk_s, text_s, n_words, n_repeats = 0.0, None, 0, 0
    for sound in sounds:
        speech, seconds = sound.speech, sound.end_s - sound.start_s
        talk_s += seconds
        if speech.n_words:
            text_s = seconds if text_s is None else text_s + seconds
            n_words += speech.n_heard
            n_repeats += speech.key in before and speech.n_words > 1
            before.add(speech.key)
    return _Agent(talk_s, text_s, n_words, n_repeats)


class _Caller(NamedTuple):
    """What the caller said: how long, how long of it aloud, words, those aloud, errors (None if unknown), repeats."""

    talk_s: float
    aloud_s: float
    n_words: int
    n_aloud: int
    n_errors: int | None
    n_repeats: int


def _of_caller(timeline: Timeline, *, exact: bool) -> _Caller:
    before: set[str] = set()
    typed_s, aloud_s, n_words, n_aloud, n_errors, n_repeats, known = 0.0, 0.0, 0, 0, 0, 0, True
    for heard in timeline.caller:
        said = heard.said
        if said is None:
            continue
        if heard.aloud:
            aloud_s += heard.end_s - heard.start_s
            n_aloud += said.n_words or 0
        else:
            typed_s += said.assumed_s
        if heard.kind == "text":
            n_repeats += said.asks_again or (said.key.count(" ") + 1 >= SAME_WORDS and said.key in before)
            before.add(said.key)
        n_words += said.n_words or 0
        if said.n_errors is not None:
            n_errors += said.n_errors
        elif said.n_words is not None and (said.unheard_of or (heard.aloud and not exact)):
            known = False
    return _Caller(aloud_s + typed_s, aloud_s, n_words, n_aloud, n_errors if known else None, n_repeats)
