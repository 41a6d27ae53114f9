"""The measures of one session, off its timeline."""

import re
from collections.abc import Iterable, Sequence

from voicelab.base.records import EventRow, Row, SessionRows, column
from voicelab.callers.backchannels import interrupts
from voicelab.measures.definitions import DEAD_AIR_S
from voicelab.measures.followed import followed
from voicelab.measures.timeline import AgentSound, FromCaller, Timeline, timeline_of

PAUSE_S = 0.2
"""Sounds no further apart than this are one stretch of speech; and nobody reacts faster, in seconds."""
_SAME_WORDS = 3
"""From so many words on a caller who says the same again repeats himself; "yes" is an answer each time."""
_EPSILON_S = 1e-6
_AGAIN = re.compile(
    r"\b(pardon|come again|say (that|it) again|repeat (that|it)|once more|what did you say|what was that|didn.?t (hear|catch))\b"
    r"|^\W*(sorry|what|excuse me)\W*$",
    re.IGNORECASE,
)
_SOURCE, _INDEX, _DURATION = (column("sessions", name) for name in ("source", "session_index", "duration_s"))


def measures_of(rows: SessionRows) -> Row:
    """Return the measures of a session in the order of `voicelab.base.records.MEASURES`: its index first."""
    if rows.measures is None:
        session = rows.session
        rows.measures = measures_from_events(rows.events, session[_INDEX], session[_DURATION], session[_SOURCE])
    return rows.measures


def measures_from_events(events: Iterable[EventRow], session_index: int, duration_s: float, source: str) -> Row:
    """Return the measures of a session in the order of `voicelab.base.records.MEASURES`.

    Args:
        events: Its rows, in order.
        session_index: Its index.
        duration_s: Its length in seconds.
        source: Where it is from, such as `simulated`.
    """
    timeline = timeline_of(events, exact=source != "imported")
    words = [heard for heard in timeline.caller if heard.kind in {"text", "dtmf"}]
    sounds = [sound for sound in timeline.agent if not sound.pause]
    answers = answer_times(sounds, words)
    silences = [after - before for before, after in silences_of(timeline, duration_s)]
    aloud = [h for h in timeline.caller if h.said is not None and (h.said.aloud or h.kind != "text")]
    yields, false, cut_offs, then = _interruptions(timeline, sounds, words, aloud)
    texts = [sound for sound in sounds if sound.speech.words]
    spoken_s = sum(h.end_s - h.start_s for h in aloud)
    typed_s = sum(
        h.said.assumed_s for h in timeline.caller if h.said is not None and h.kind == "text" and not h.said.aloud
    )
    agent_s = sum(sound.end_s - sound.start_s for sound in sounds)
    text_s = sum(sound.end_s - sound.start_s for sound in texts)
    n_agent_words = sum(len(sound.speech.heard) for sound in texts)
    n_words, n_errors = _words(timeline)
    first = sounds[0].start_s if sounds and (not words or sounds[0].start_s <= words[0].start_s) else None
    both = bool(sounds and aloud)
    counted = {
        kind: then.count(kind) if yields else None for kind in ("went_on", "repeated", "started_over", "ignored")
    }
    talk_s = agent_s + spoken_s + typed_s
    aloud_words = sum(len(h.said.words) for h in aloud if h.said is not None)
    return (
        session_index,
        quantile(answers, 0.5),
        quantile(answers, 0.95),
        len(answers),
        first,
        sum(silences) if duration_s > 0 else None,
        max(silences, default=0.0) if duration_s > 0 else None,
        overlap_s(sounds, aloud) if both else None,
        quantile(yields, 0.5),
        len(yields) if sounds else None,
        cut_offs if both else None,
        false if sounds else None,
        counted["went_on"],
        counted["repeated"],
        counted["started_over"],
        counted["ignored"],
        _agent_repeats(texts) if texts else None,
        _caller_repeats(timeline) if timeline.caller else None,
        n_words,
        n_errors,
        agent_s / talk_s if talk_s else None,
        agent_s,
        spoken_s + typed_s,
        n_agent_words,
        60 * n_agent_words / text_s if text_s else None,
        60 * aloud_words / spoken_s if spoken_s else None,
    )


def answer_times(sounds: Sequence[AgentSound], words: Sequence[FromCaller]) -> list[float]:
    """Return how long each answer took: from the end of the words to the first sound that begins before the next ones."""
    found = []
    for at, heard in enumerate(words):
        next_seq = words[at + 1].seq if at + 1 < len(words) else None
        for sound in sounds:
            if sound.seq > heard.seq:
                if next_seq is None or sound.seq < next_seq:
                    found.append(max(0.0, sound.start_s - heard.end_s))
                break
    return found


def silences_of(timeline: Timeline, duration_s: float) -> list[tuple[float, float]]:
    """Return the silences that are dead air: from and to. A pause that the agent plays is none."""
    heard = [(one.start_s, one.end_s) for one in (*timeline.agent, *timeline.caller)]
    found, until_s = [], 0.0
    for start_s, end_s in (*sorted(heard), (duration_s, duration_s)):
        if start_s - until_s > DEAD_AIR_S:
            found.append((until_s, start_s))
        until_s = max(until_s, end_s)
    return found


def overlap_s(sounds: Sequence[AgentSound], aloud: Sequence[FromCaller]) -> float:
    """Return how long both spoke."""
    return sum(
        max(0.0, min(sound.end_s, heard.end_s) - max(sound.start_s, heard.start_s))
        for heard in aloud
        for sound in sounds
    )


def quantile(values: Sequence[float], q: float) -> float | None:
    """Return a quantile, between two values in proportion; None of no values."""
    if not values:
        return None
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    below = int(at)
    return ordered[below] + (at - below) * (ordered[min(below + 1, len(ordered) - 1)] - ordered[below])


def _interruptions(
    timeline: Timeline, sounds: Sequence[AgentSound], words: Sequence[FromCaller], aloud: Sequence[FromCaller]
) -> tuple[list[float], int, int, list[str]]:
    """Return yield times, the count of false interruptions and of the agent's, and what followed each true one."""
    yields: list[float] = []
    then: list[str] = []
    n_false = sum(heard.kind == "unheard" and heard.cut is not None for heard in timeline.caller)
    n_cut_offs = sum(_begins_in_words(sounds, at, aloud) for at in range(len(sounds)))
    for at, heard in enumerate(words):
        stopped = heard.cut or (_sound_at(sounds, heard) if heard.held else None)
        if stopped is None:
            continue
        if _cut_off(stopped, heard):
            n_cut_offs += not stopped.start_s > heard.start_s
        elif heard.cut is not None and _listens(heard, stopped):
            n_false += 1
        else:
            yields.append(max(0.0, _silent_from(sounds, stopped, heard) - heard.start_s))
            next_seq = words[at + 1].seq if at + 1 < len(words) else None
            then.append(followed(timeline, heard, stopped, next_seq))
    return yields, n_false, n_cut_offs, then


def _begins_in_words(sounds: Sequence[AgentSound], at: int, aloud: Sequence[FromCaller]) -> bool:
    start_s = sounds[at].start_s
    if at and start_s - sounds[at - 1].end_s <= PAUSE_S:
        return False
    return any(h.start_s + _EPSILON_S < start_s < h.end_s - _EPSILON_S for h in aloud if h.kind == "text")


def _cut_off(stopped: AgentSound, heard: FromCaller) -> bool:
    """Return whether it is the agent that interrupted: nobody reacts as fast as the caller then went on."""
    return heard.recognised and stopped.turn > 0 and heard.start_s - stopped.start_s <= PAUSE_S


def _listens(heard: FromCaller, stopped: AgentSound) -> bool:
    if heard.said is None:
        return False
    left_s = stopped.speech.whole_s - (stopped.end_s - stopped.start_s)
    return interrupts(0.0, heard.said.text, left_s) is False


def _sound_at(sounds: Sequence[AgentSound], heard: FromCaller) -> AgentSound | None:
    return next((s for s in sounds if s.seq < heard.seq and s.start_s <= heard.start_s < s.end_s - _EPSILON_S), None)


def _silent_from(sounds: Sequence[AgentSound], stopped: AgentSound, heard: FromCaller) -> float:
    """Return when the agent was silent, who was speaking when it was interrupted."""
    until_s = stopped.end_s
    for sound in sounds:
        if stopped.seq < sound.seq < heard.seq and sound.start_s - until_s <= PAUSE_S:
            until_s = sound.end_s
    return until_s


def _agent_repeats(texts: Sequence[AgentSound]) -> int:
    before: set[tuple[str, ...]] = set()
    n = 0
    for sound in texts:
        words = sound.speech.words
        n += words in before and len(words) > 1
        before.add(words)
    return n


def _caller_repeats(timeline: Timeline) -> int:
    before: set[tuple[str, ...]] = set()
    n = 0
    for heard in timeline.caller:
        if heard.said is not None and heard.kind == "text":
            words = heard.said.words
            n += (len(words) >= _SAME_WORDS and words in before) or bool(_AGAIN.search(heard.said.text))
            before.add(words)
    return n


def _words(timeline: Timeline) -> tuple[int, int | None]:
    """Return how many words the caller said, and how many were recognised wrongly, where that is known of all."""
    n_words, n_errors, known = 0, 0, True
    for heard in timeline.caller:
        if heard.said is not None and heard.said.n_words is not None:
            n_words += heard.said.n_words
            n_errors += heard.said.n_errors or 0
            known = known and heard.said.n_errors is not None
    return n_words, n_errors if known and n_words else None
