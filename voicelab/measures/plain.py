"""The measures of a plain conversation, which most simulated ones are: one speaks after the other.

What `measuring` finds in a timeline is found here while the rows are read, at a quarter of the cost: there are no two sounds at
a time, and nothing that comes later changes what was. `tests/test_measures.py` holds both against each other.
"""

from collections.abc import Iterable

from voicelab.base.records import EventRow, Row
from voicelab.measures.definitions import DEAD_AIR_S, EPSILON_S, SAME_WORDS
from voicelab.measures.percentiles import spread
from voicelab.measures.row_facts import read_file, read_pause, read_said, read_speech
from voicelab.measures.timeline import NAMES

_SPEECH, _FILE, _PAUSE, _TEXT, _KEYS, _OTHER = range(1, 7)
_LONG_S = DEAD_AIR_S + EPSILON_S
_OF = dict.fromkeys(NAMES, _OTHER) | {
    "text_to_speech": _SPEECH,
    "audio": _FILE,
    "silence": _PAUSE,
    "text": _TEXT,
    "dtmf": _KEYS,
    "stop": 0,
    "transfer_session": 0,
}


def plain_measures(  # noqa: C901, PLR0912, PLR0915 - one pass, which every session of a simulation goes through
    events: Iterable[EventRow], session_index: int, duration_s: float, *, exact: bool
) -> Row | None:
    """Return the measures of a session; None if it is no plain conversation.

    Args:
        events: Its rows, in order.
        session_index: Its index.
        duration_s: Its length in seconds.
        exact: Whether words of which nothing else is said were recognised as they were said.
    """
    kind_of = _OF.get
    answers: list[float] = []
    agent_said: set[str] = set()
    caller_said: set[str] = set()
    first_s: float | None = None
    caller_s: float | None = None
    text_s: float | None = None
    waits_from: float | None = None
    until_s = dead_s = longest_s = typed_s = aloud_s = agent_s = 0.0
    n_agent_words = n_agent_repeats = n_caller_repeats = n_words = n_aloud = n_errors = 0
    known, any_aloud = True, False
    for time_s, _turn, label, data in events:
        what = kind_of(label[1])
        if not what:
            continue
        if what <= _PAUSE:
            if label[0] != "output":
                continue
            speech = (read_speech if what == _SPEECH else read_file if what == _FILE else read_pause)(data)
            if speech is None:
                continue
            seconds, n_heard, key, n_own, _, _, _ = speech
            start_s = time_s
            if start_s < until_s:
                start_s = until_s
            elif start_s - until_s > _LONG_S:
                silence_s = start_s - until_s
                dead_s += silence_s
                if silence_s > longest_s:  # noqa: PLR1730 - `max` would take longer
                    longest_s = silence_s
            until_s = start_s + seconds
            if what == _PAUSE:
                continue
            if first_s is None:
                first_s = start_s
            agent_s += seconds
            if waits_from is not None:
                answers.append(start_s - waits_from)
                waits_from = None
            if n_own:
                text_s = seconds if text_s is None else text_s + seconds
                n_agent_words += n_heard
                if key not in agent_said:
                    agent_said.add(key)
                elif n_own > 1:
                    n_agent_repeats += 1
            continue
        if what == _OTHER or time_s < until_s:
            return None
        if label[0] != "input":
            continue
        start_s = time_s
        if what == _TEXT:
            aloud, assumed_s, n_said, n_own_errors, unheard_of, key, asks_again, interrupts, _, _, audio_s, _ = (
                read_said(data)
            )
            if interrupts or audio_s is not None or n_said is None:
                return None
            if aloud:
                start_s = max(0.0, time_s - assumed_s)
                if start_s < until_s - EPSILON_S:
                    return None
                any_aloud = True
                aloud_s += time_s - start_s
                n_aloud += n_said
            else:
                typed_s += assumed_s
            n_words += n_said
            if n_own_errors is not None:
                n_errors += n_own_errors
            elif unheard_of or (aloud and not exact):
                known = False
            if asks_again or (key in caller_said and key.count(" ") + 1 >= SAME_WORDS):
                n_caller_repeats += 1
            caller_said.add(key)
        if start_s - until_s > _LONG_S:
            silence_s = start_s - until_s
            dead_s += silence_s
            if silence_s > longest_s:  # noqa: PLR1730 - as above
                longest_s = silence_s
        until_s = waits_from = time_s
        if caller_s is None:
            caller_s = start_s
    if duration_s - until_s > _LONG_S:
        silence_s = duration_s - until_s
        dead_s += silence_s
        longest_s = max(longest_s, silence_s)
    said_s = aloud_s + typed_s
    both = any_aloud and first_s is not None
    heard, lasted = first_s is not None, duration_s > 0
    return (
        session_index,
        *spread(answers),
        len(answers),
        first_s if first_s is not None and (caller_s is None or first_s <= caller_s) else None,
        dead_s if lasted else None,
        longest_s if lasted else None,
        0.0 if both else None,
        None,
        0 if heard else None,
        0 if both else None,
        0 if heard else None,
        None,
        None,
        None,
        None,
        n_agent_repeats if text_s is not None else None,
        n_caller_repeats if caller_s is not None else None,
        n_words,
        n_errors if known and n_words else None,
        agent_s / (agent_s + said_s) if agent_s + said_s else None,
        agent_s,
        said_s,
        n_agent_words,
        60 * n_agent_words / text_s if text_s else None,
        60 * n_aloud / aloud_s if aloud_s else None,
    )
