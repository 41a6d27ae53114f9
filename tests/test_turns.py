"""Turn-taking promises: who may speak, what was heard, when silence counts, and how a session ends.

Each table row is a list of calls and what the last of them returns. Times are seconds; an utterance of ten words that
takes ten seconds plays a word a second.
"""

import json
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicelab.base.seeds import Seeds
from voicelab.session import playback, turns
from voicelab.session.engine import next_due
from voicelab.session.inputs import Timeout
from voicelab.session.rows import SPEECH, ToldRows
from voicelab.session.run_settings import RunSettings
from voicelab.session.session_state import Session
from voicelab.session.utterance import NEVER

TEN = "w1 w2 w3 w4 w5 w6 w7 w8 w9 w10"
BEGIN = ("begin", 0.0, "start")
DONE = ("finish", 0.0)


def speech(now, text=TEN, seconds=10.0, interruptible=True, turn=0):
    return ("enqueue", now, turn, text, seconds, interruptible)


def words(now, given="hi"):
    return ("offer", now, given, True)


def signal(now, given="ping"):
    return ("offer", now, given, False)


class Silent:
    """A caller that does nothing by itself, on a clock that stands still."""

    virtual = True

    def now(self):
        return 0.0

    def reply(self, heard):
        del heard

    def interrupts_after(self):
        return None


def session_of(timeout_s=5.0, **options):
    """Return a session as it begins, of no handler and no caller."""
    settings = RunSettings(lambda event, context: None, lambda note: None, configuration={"timeout": timeout_s})
    return Session(settings, Silent(), Seeds(0, 0), Silent(), **options)


class Talk:
    """A conversation that takes one call after another.

    `call` returns what came of it as (what, time_s, turn, value): new rows of the log by short names, rows that were
    amended as one cut, what the engine is asked to do, and the end of the session last.
    """

    def __init__(self, timeout_s=5.0, **options):
        self.told = []
        self.s = s = session_of(timeout_s, events=ToldRows(self.row), **options)
        s.limit_s = NEVER
        s.deliver = lambda s, now, given, heard: self.tell("deliver", now, s.turn, (given, heard))
        s.stop_handler = lambda s: self.tell("cancel_turn", self.now, s.turn, None)
        s.context = SimpleNamespace(
            cancel_interruptible_tasks=lambda: self.tell("cancel_tasks", self.now, s.turn, None)
        )
        self.known = 0
        self.items = {}

    def tell(self, *what):
        self.told.append(what)

    def row(self, seq):
        time_s, turn, (kind, name, *_), text = self.s.events[seq]
        data = json.loads(text)
        if seq < self.known:
            if seq not in self.items:
                return  # what was heard of it has been settled
            if not self.told or self.told[-1][0] != "cut":
                self.tell("cut", self.now, self.s.turn, [])
            self.told[-1][3].append((self.items[seq], data["played_s"]))
            return
        self.known = seq + 1
        if kind == "system":
            what, value = SHORT[name]
            self.tell(what, time_s, turn, value(data))

    def call(self, method, now, *args):
        self.told, self.now, was, s = [], now, self.s.ended, self.s
        if method == "begin":
            turns.begin_conversation(s, *args)
        elif method == "offer":
            given, speech = args
            turns.offer(s, now, given, speech=speech)
        elif method == "stop":
            turns.end_when_played(s, now)
        elif method == "enqueue":
            self.enqueue(now, *args)
        else:
            CALLS_OF.get(method, getattr(turns, method, None))(s, now, *args)
        if s.ended != was:
            self.tell("end", now, s.turn, s.ended)
        return self.told

    def enqueue(self, now, turn, text, seconds, interruptible=True):
        """Return the utterance, or None if the session takes no more speech; as the agent's side does it."""
        self.told, self.now, row, s = [], now, len(self.s.events), self.s
        if playback.enqueue(s, now, turn, text, seconds, interruptible, row) is None:
            return None
        self.items[row] = s.queue[-1]
        s.events.append((now, turn, SPEECH, json.dumps({"text": text})))
        if not interruptible:
            playback.tell_gate(s, now)
        return s.queue[-1]

    def let_time_pass(self, now):
        """Do what is due, as the engine does."""
        s = self.s
        if s.gate_due <= now:
            told = self.call("tell_gate", now)
            if next_due(s) > now:
                return told
            return [*told, *self.due(now)]
        return self.due(now)

    def due(self, now):
        s = self.s
        return self.call("end", now, s.ending) if s.running and s.ending else self.call("advance", now)


SHORT = {
    "transcript_part": ("said", lambda data: (data["content"], data.get("interrupted", False))),
    "turn_end": ("turn_end", lambda data: data["duration"] / 1000),
    "turn_interrupted": ("turn_interrupted", lambda _: None),
    "input_gate": ("gate", lambda data: data.get("reason", "")),
    "input_held": ("held", lambda data: data["reason"]),
    "input_dropped": ("dropped", lambda data: data["input"]),
}
CALLS_OF = {
    "speak": turns.first_sound,
    "clear": turns.clear_speech,
    "finish": turns.handler_finished,
    "end": turns.end_conversation,
}


def shown(effects):
    """Return effects with the utterances of a cut as (text, seconds played)."""
    return [
        (what, time_s, turn, [(u.text, played) for u, played in value] if what == "cut" else value)
        for what, time_s, turn, value in effects
    ]


def after(*ops, timeout_s=5.0):
    talk = Talk(timeout_s)
    for op in ops:
        talk.call(*op)
    return talk


def last(*ops):
    return shown(effect for effect in after(*ops[:-1]).call(*ops[-1]) if effect[0] != "gate")


OPENED = [BEGIN, DONE]  # the opening is over at 0.0, nothing was said
SPOKEN = [BEGIN, speech(0.0), DONE]  # the handler is done at once, its ten words play until 10.0
TALKING = [*OPENED, words(1.0), speech(1.0, turn=1)]  # the handler works on turn 1 and is heard from 1.0 to 11.0

TABLE = {
    "the opening is turn 0": ([BEGIN], [("deliver", 0.0, 0, ("start", None))]),
    "an empty opening ends at once": ([BEGIN, DONE], [("turn_end", 0.0, 0, 0.0)]),
    "a turn lasts until its speech has been played": ([BEGIN, speech(0.0), DONE], []),
    "playback ends the turn and reports what was said": (
        [*SPOKEN, ("advance", 10.0)],
        [("said", 10.0, 0, (TEN, False)), ("turn_end", 10.0, 0, 10.0)],
    ),
    "nothing happens in the middle of playback": ([*SPOKEN, ("advance", 9.0)], []),
    "a handler that outlasts its speech ends the turn": (
        [BEGIN, speech(0.0), ("advance", 10.0), ("finish", 12.0)],
        [("said", 12.0, 0, (TEN, False)), ("turn_end", 12.0, 0, 12.0)],
    ),
    "speech that follows speech is one part of the transcript": (
        [BEGIN, speech(0.0, "one", 1.0), speech(0.0, "two", 1.0), DONE, ("advance", 2.0)],
        [("said", 2.0, 0, ("one two", False)), ("turn_end", 2.0, 0, 2.0)],
    ),
    "a silence is played and not said": (
        [BEGIN, speech(0.0, None, 2.0), DONE, ("advance", 2.0)],
        [("turn_end", 2.0, 0, 2.0)],
    ),
    "input is delivered at once when the agent is idle": (
        [*OPENED, words(1.0)],
        [("deliver", 1.0, 1, ("hi", None))],
    ),
    "a signal is delivered when the agent is idle": (
        [*OPENED, signal(1.0)],
        [("deliver", 1.0, 1, ("ping", None))],
    ),
    # interruptions
    "words over playing speech cut it at a whole word": (
        [*SPOKEN, words(4.5)],
        [
            ("cut", 4.5, 0, [(TEN, 4.5)]),
            ("said", 4.5, 0, ("w1 w2 w3 w4", True)),
            ("turn_interrupted", 4.5, 0, None),
            ("turn_end", 4.5, 0, 4.5),
            ("cancel_tasks", 4.5, 0, None),
            ("deliver", 4.5, 1, ("hi", "w1 w2 w3 w4")),
        ],
    ),
    "the first sound already takes the floor": (
        [*SPOKEN, ("speak", 4.5)],
        [
            ("cut", 4.5, 0, [(TEN, 4.5)]),
            ("said", 4.5, 0, ("w1 w2 w3 w4", True)),
            ("turn_interrupted", 4.5, 0, None),
            ("turn_end", 4.5, 0, 4.5),
            ("cancel_tasks", 4.5, 0, None),
        ],
    ),
    "the words that took the floor tell what was heard": (
        [*SPOKEN, ("speak", 4.5), words(6.0)],
        [("deliver", 6.0, 1, ("hi", "w1 w2 w3 w4"))],
    ),
    "the next input is told of an interruption once": (
        [*SPOKEN, words(4.5), ("finish", 4.5), words(5.0, "again")],
        [("deliver", 5.0, 2, ("again", None))],
    ),
    "an interruption before the first word was heard in vain": (
        [*SPOKEN, words(0.5)],
        [
            ("cut", 0.5, 0, [(TEN, 0.5)]),
            ("turn_interrupted", 0.5, 0, None),
            ("turn_end", 0.5, 0, 0.5),
            ("cancel_tasks", 0.5, 0, None),
            ("deliver", 0.5, 1, ("hi", "")),
        ],
    ),
    "what waits behind the cut speech is cleared unheard": (
        [BEGIN, speech(0.0), speech(0.0, "later", 1.0), DONE, ("speak", 2.5)],
        [
            ("cut", 2.5, 0, [(TEN, 2.5), ("later", 0.0)]),
            ("said", 2.5, 0, ("w1 w2", True)),
            ("turn_interrupted", 2.5, 0, None),
            ("turn_end", 2.5, 0, 2.5),
            ("cancel_tasks", 2.5, 0, None),
        ],
    ),
    "what had been played of the turn counts as heard": (
        [BEGIN, speech(0.0, "all of it", 1.0), speech(0.0), DONE, words(3.5)],
        [
            ("cut", 3.5, 0, [(TEN, 2.5)]),
            ("said", 3.5, 0, ("all of it w1 w2", True)),
            ("turn_interrupted", 3.5, 0, None),
            ("turn_end", 3.5, 0, 3.5),
            ("cancel_tasks", 3.5, 0, None),
            ("deliver", 3.5, 1, ("hi", "all of it w1 w2")),
        ],
    ),
    "words interrupt a handler that works in silence": (
        [*OPENED, words(1.0), words(3.0, "wait")],
        [
            ("cancel_turn", 3.0, 1, None),
            ("turn_interrupted", 3.0, 1, None),
            ("turn_end", 3.0, 1, 2.0),
            ("cancel_tasks", 3.0, 1, None),
            ("deliver", 3.0, 2, ("wait", "")),
        ],
    ),
    "words interrupt a handler that is speaking": (
        [*TALKING, words(3.5, "wait")],
        [
            ("cancel_turn", 3.5, 1, None),
            ("cut", 3.5, 1, [(TEN, 2.5)]),
            ("said", 3.5, 1, ("w1 w2", True)),
            ("turn_interrupted", 3.5, 1, None),
            ("turn_end", 3.5, 1, 2.5),
            ("cancel_tasks", 3.5, 1, None),
            ("deliver", 3.5, 2, ("wait", "w1 w2")),
        ],
    ),
    # what may not be interrupted
    "words over speech that may not be interrupted wait": (
        [BEGIN, speech(0.0, interruptible=False), DONE, words(4.0)],
        [("held", 4.0, 0, "not_interruptible")],
    ),
    "a sound over speech that may not be interrupted changes nothing": (
        [BEGIN, speech(0.0, interruptible=False), DONE, ("speak", 4.0)],
        [],
    ),
    "words that waited are delivered when the agent has finished": (
        [BEGIN, speech(0.0, interruptible=False), DONE, words(4.0), ("advance", 10.0)],
        [("said", 10.0, 0, (TEN, False)), ("turn_end", 10.0, 0, 10.0), ("deliver", 10.0, 1, ("hi", None))],
    ),
    "words that waited for the handler are delivered when it has finished": (
        [BEGIN, ("allow", 0.0, False), words(4.0), ("finish", 6.0)],
        [("turn_end", 6.0, 0, 6.0), ("deliver", 6.0, 1, ("hi", None))],
    ),
    "words against a closed gate wait": (
        [BEGIN, ("allow", 0.0, False), words(4.0)],
        [("held", 4.0, 0, "input_not_allowed")],
    ),
    "the second of two that waited is delivered after the first": (
        [BEGIN, ("allow", 0.0, False), words(1.0, "a"), words(2.0, "b"), ("finish", 3.0), ("finish", 4.0)],
        [("turn_end", 4.0, 1, 1.0), ("deliver", 4.0, 2, ("b", None))],
    ),
    "the speech behind what may not be interrupted may be": (
        [BEGIN, speech(0.0, "legal", 1.0, False), speech(0.0), DONE, words(3.5)],
        [
            ("cut", 3.5, 0, [(TEN, 2.5)]),
            ("said", 3.5, 0, ("legal w1 w2", True)),
            ("turn_interrupted", 3.5, 0, None),
            ("turn_end", 3.5, 0, 3.5),
            ("cancel_tasks", 3.5, 0, None),
            ("deliver", 3.5, 1, ("hi", "legal w1 w2")),
        ],
    ),
    # signals
    "a signal doesn't interrupt a handler": ([BEGIN, signal(1.0)], []),
    "a signal waits until the handler has finished": (
        [BEGIN, signal(1.0), ("finish", 3.0)],
        [("turn_end", 3.0, 0, 3.0), ("deliver", 3.0, 1, ("ping", None))],
    ),
    "a signal during playback reaches the handler and cuts nothing": (
        [*SPOKEN, signal(4.0)],
        [("deliver", 4.0, 1, ("ping", None))],
    ),
    "a turn whose speech still plays under a signal ends when it has been played": (
        [*SPOKEN, signal(4.0), ("enqueue", 4.5, 1, "Ping heard.", 2.0), ("finish", 5.0), ("advance", 12.0)],
        [
            ("said", 10.0, 0, (TEN, False)),
            ("turn_end", 10.0, 0, 10.0),
            ("said", 12.0, 1, ("Ping heard.", False)),
            ("turn_end", 12.0, 1, 8.0),
        ],
    ),
    "a silent turn of a signal ends with its handler": (
        [*SPOKEN, signal(4.0), ("finish", 5.0)],
        [("turn_end", 5.0, 1, 1.0)],
    ),
    "an interruption ends all turns that still speak": (
        [*SPOKEN, signal(4.0), ("enqueue", 4.5, 1, "Ping heard.", 2.0), ("finish", 5.0), words(6.0)],
        [
            ("cut", 6.0, 1, [(TEN, 6.0), ("Ping heard.", 0.0)]),
            ("said", 6.0, 0, ("w1 w2 w3 w4 w5 w6", True)),
            ("turn_interrupted", 6.0, 1, None),
            ("turn_end", 6.0, 0, 6.0),
            ("turn_end", 6.0, 1, 2.0),
            ("cancel_tasks", 6.0, 1, None),
            ("deliver", 6.0, 2, ("hi", "w1 w2 w3 w4 w5 w6")),
        ],
    ),
    "signals that waited come in their order": (
        [BEGIN, signal(1.0, "a"), signal(1.0, "b"), ("finish", 2.0), ("finish", 2.0)],
        [("turn_end", 2.0, 1, 0.0), ("deliver", 2.0, 2, ("b", None))],
    ),
    # silence
    "silence is told after five seconds": (
        [*OPENED, ("advance", 5.0)],
        [("deliver", 5.0, 1, (Timeout(1, 5000), None))],
    ),
    "silence counts from the end of playback": ([*SPOKEN, ("advance", 10.0), ("advance", 14.9)], []),
    "timeouts in a row are counted from the last real input": (
        [*OPENED, words(1.0), ("finish", 1.0), ("advance", 6.0), ("finish", 6.0), ("advance", 11.0)],
        [("deliver", 11.0, 3, (Timeout(2, 10_000), None))],
    ),
    "words reset the count": (
        [*OPENED, ("advance", 5.0), ("finish", 5.0), words(6.0), ("finish", 6.0), ("advance", 11.0)],
        [("deliver", 11.0, 3, (Timeout(1, 5000), None))],
    ),
    "a signal doesn't reset the count": (
        [*OPENED, ("advance", 5.0), ("finish", 5.0), signal(6.0), ("finish", 6.0), ("advance", 11.0)],
        [("deliver", 11.0, 3, (Timeout(2, 11_000), None))],
    ),
    "a handler's early timeout isn't told": ([*OPENED, ("advance", 4.999)], []),
    # the end
    "the agent's stop ends an idle session at once": (
        [BEGIN, ("stop", "completed"), DONE],
        [("turn_end", 0.0, 0, 0.0), ("end", 0.0, 0, "completed")],
    ),
    "the agent's stop lets what is queued be heard": (
        [BEGIN, speech(0.0), ("stop", "completed"), DONE],
        [],
    ),
    "the agent's stop ends the session when all has been heard": (
        [BEGIN, speech(0.0), ("stop", "completed"), DONE, ("advance", 10.0)],
        [("said", 10.0, 0, (TEN, False)), ("turn_end", 10.0, 0, 10.0), ("end", 10.0, 0, "completed")],
    ),
    "the first of two endings counts": (
        [BEGIN, ("stop", "transferred"), ("stop", "completed"), DONE],
        [("turn_end", 0.0, 0, 0.0), ("end", 0.0, 0, "transferred")],
    ),
    "words after the agent's stop are dropped": (
        [BEGIN, speech(0.0), ("stop", "completed"), DONE, words(4.0)],
        [("dropped", 4.0, 0, "hi")],
    ),
    "a signal after the agent's stop is dropped": (
        [BEGIN, ("stop", "completed"), signal(0.0)],
        [("dropped", 0.0, 0, "ping")],
    ),
    "a sound after the agent's stop doesn't cut the closing words": (
        [BEGIN, speech(0.0), ("stop", "completed"), DONE, ("speak", 4.0)],
        [],
    ),
    "a caller who leaves in the middle has heard the beginning": (
        [*SPOKEN, ("end", 4.5, "hangup")],
        [
            ("cut", 4.5, 0, [(TEN, 4.5)]),
            ("said", 4.5, 0, ("w1 w2 w3 w4", True)),
            ("turn_end", 4.5, 0, 4.5),
            ("end", 4.5, 0, "hangup"),
        ],
    ),
    "a caller who leaves stops the handler": (
        [*OPENED, words(1.0), ("end", 2.0, "hangup")],
        [("cancel_turn", 2.0, 1, None), ("turn_end", 2.0, 1, 1.0), ("end", 2.0, 1, "hangup")],
    ),
    "a caller who leaves after the agent has finished interrupts nothing": (
        [*SPOKEN, ("advance", 10.0), ("end", 12.0, "hangup")],
        [("end", 12.0, 0, "hangup")],
    ),
    "a session ends once": ([*OPENED, ("end", 1.0, "hangup"), ("end", 2.0, "timeout")], []),
    "words after the end are dropped": (
        [*OPENED, ("end", 1.0, "hangup"), words(2.0)],
        [("dropped", 2.0, 0, "hi")],
    ),
    "the limit ends whatever is going on": (
        [*TALKING, ("end", 3.5, "timeout")],
        [
            ("cancel_turn", 3.5, 1, None),
            ("cut", 3.5, 1, [(TEN, 2.5)]),
            ("said", 3.5, 1, ("w1 w2", True)),
            ("turn_end", 3.5, 1, 2.5),
            ("end", 3.5, 1, "timeout"),
        ],
    ),
    # the agent clears its own speech
    "the agent clears its speech and its handler goes on": (
        [BEGIN, speech(0.0), ("clear", 2.5)],
        [("cut", 2.5, 0, [(TEN, 2.5)])],
    ),
    "what was heard of cleared speech is said, not interrupted": (
        [BEGIN, speech(0.0), ("clear", 2.5), speech(2.5, "better", 1.0), ("finish", 2.5), ("advance", 3.5)],
        [("said", 3.5, 0, ("w1 w2 better", False)), ("turn_end", 3.5, 0, 3.5)],
    ),
    "clearing an empty queue does nothing": ([BEGIN, ("clear", 1.0)], []),
}


@pytest.mark.parametrize("promise", TABLE)
def test_turn_taking(promise):
    ops, expected = TABLE[promise]
    assert last(*ops) == expected


# --- the gate: each change is a row, when it happens -------------------------------------------------------------------

NOT_ALLOWED, NOT_INTERRUPTIBLE = "input_not_allowed", "not_interruptible"
GATES = {
    "speech that may not be interrupted closes it at once": (
        [BEGIN, speech(0.0, interruptible=False)], [(0.0, NOT_INTERRUPTIBLE)],
    ),
    "it opens when that has been played, also while the handler goes on": (
        [BEGIN, speech(0.0, interruptible=False), ("due", 10.0)], [(0.0, NOT_INTERRUPTIBLE), (10.0, "")],
    ),
    "it closes when the queue comes to what may not be interrupted": (
        [BEGIN, speech(0.0, "one", 2.0), speech(0.0, interruptible=False), DONE, ("due", 2.0), ("due", 12.0)],
        [(2.0, NOT_INTERRUPTIBLE), (12.0, "")],
    ),
    "two that may not be interrupted close it once": (
        [BEGIN, speech(0.0, "one", 2.0, False), speech(0.0, "two", 2.0, False), DONE, ("due", 4.0)],
        [(0.0, NOT_INTERRUPTIBLE), (4.0, "")],
    ),
    "it opens between two when something else is played there": (
        [BEGIN, speech(0.0, "one", 2.0, False), speech(0.0, "two", 2.0), speech(0.0, "three", 2.0, False), DONE,
         ("due", 2.0), ("due", 4.0)],
        [(0.0, NOT_INTERRUPTIBLE), (2.0, ""), (4.0, NOT_INTERRUPTIBLE)],
    ),
    "the agent lets no input in, and in again": (
        [BEGIN, ("allow", 1.0, False), ("allow", 2.0, False), ("allow", 3.0, True)], [(1.0, NOT_ALLOWED), (3.0, "")],
    ),
    "the end of the handler lets input in": ([BEGIN, ("allow", 1.0, False), ("finish", 3.0)], [(1.0, NOT_ALLOWED), (3.0, "")]),
    "another reason is a change": (
        [BEGIN, speech(0.0, interruptible=False), ("allow", 1.0, False), ("finish", 3.0)],
        [(0.0, NOT_INTERRUPTIBLE), (1.0, NOT_ALLOWED), (3.0, NOT_INTERRUPTIBLE)],
    ),
    "cleared speech closes nothing any more": (
        [BEGIN, speech(0.0, interruptible=False), ("clear", 2.0)], [(0.0, NOT_INTERRUPTIBLE), (2.0, "")],
    ),
    "what is cut in front of it never closes it": ([BEGIN, speech(0.0), speech(0.0, "legal", 1.0, False), DONE, words(4.0)], []),
    "speech without length closes nothing": ([BEGIN, speech(0.0, "", 0.0, False)], []),
    "the end of the session is no change": ([BEGIN, speech(0.0, interruptible=False), ("end", 1.0, "hangup")], [(0.0, NOT_INTERRUPTIBLE)]),
}  # fmt: skip


@pytest.mark.parametrize("promise", GATES)
def test_each_change_of_the_gate_is_a_row(promise):
    ops, expected = GATES[promise]
    talk, told = Talk(), []
    for op in ops:
        if op[0] == "due":
            assert next_due(talk.s) == op[1]
            told += talk.let_time_pass(op[1])
        else:
            told += talk.call(*op)
    assert [(time_s, reason) for what, time_s, _, reason in told if what == "gate"] == expected


# --- when does something happen by itself? ----------------------------------------------------------------------------

DEADLINES = {
    "silence is due five seconds after the opening": (OPENED, 5.0),
    "nothing is due while the handler works in silence": ([BEGIN], NEVER),
    "nothing is due while the handler works and is heard": ([BEGIN, speech(0.0)], NEVER),
    "the end of what may not be interrupted is due while the handler works": (
        [BEGIN, speech(0.0, interruptible=False)],
        10.0,
    ),
    "the end of playback is due": (SPOKEN, 10.0),
    "the end of all that is queued is due": ([*SPOKEN, speech(1.0, "more", 2.0)], 12.0),
    "silence is due five seconds after playback": ([*SPOKEN, ("advance", 10.0)], 15.0),
    "a closed gate stops the timer": ([*OPENED, ("allow", 1.0, False)], NEVER),
    "the timer starts anew when the gate opens": ([*OPENED, ("allow", 1.0, False), ("allow", 3.0, True)], 8.0),
    "an open gate opened again changes nothing": ([*OPENED, ("allow", 3.0, True)], 5.0),
    "the end of the handler opens the gate": ([BEGIN, ("allow", 0.0, False), ("finish", 2.0)], 7.0),
    "a caller who is speaking isn't silent": ([*OPENED, ("speak", 2.0)], NEVER),
    "speech of a task postpones the timer": ([*OPENED, speech(2.0, "busy", 1.0), ("advance", 3.0)], 8.0),
    "an ending is due when all has been heard": ([BEGIN, speech(0.0), ("stop", "completed")], 10.0),
    "an ending with nothing to hear is due now": ([BEGIN, ("stop", "completed")], 0.0),
    "nothing is due after the end": ([*OPENED, ("end", 1.0, "hangup")], NEVER),
}


@pytest.mark.parametrize("promise", DEADLINES)
def test_when_something_is_due(promise):
    ops, expected = DEADLINES[promise]
    assert next_due(after(*ops).s) == expected


def test_what_the_caller_does_is_due_too():
    s = after(*OPENED).s
    for attribute, value, due in (
        ("plan_at", 4.0, 4.0), ("timed", [(3.0, None)], 3.0), ("cut_in_at", 2.5, 2.5), ("saying", [(2.0, None)], 2.0), ("limit_s", 1.0, 1.0),
    ):  # fmt: skip
        setattr(s, attribute, value)
        assert next_due(s) == due, attribute


def test_a_timeout_of_zero_seconds_never_comes():
    talk = after(*OPENED, timeout_s=0.0)
    assert next_due(talk.s) == NEVER
    assert talk.call("advance", 1e6) == []


def test_speech_of_a_task_postpones_silence_without_resetting_its_count():
    talk = after(*OPENED, ("advance", 5.0), ("finish", 5.0), ("enqueue", 7.0, 1, "still working", 1.0))
    assert next_due(talk.s) == 8.0
    assert talk.call("advance", 8.0) == [("said", 8.0, 1, ("still working", False))]
    assert talk.call("advance", 12.9) == []
    assert talk.call("advance", 13.0) == [("deliver", 13.0, 2, (Timeout(2, 13_000), None))]


@pytest.mark.parametrize("ops", [[BEGIN, ("stop", "completed")], [*OPENED, ("end", 0.0, "hangup")]])
def test_a_session_that_is_over_takes_no_more_speech(ops):
    assert after(*ops).enqueue(1.0, 0, "too late", 1.0) is None


@pytest.mark.parametrize(
    ("ops", "idle"),
    [(OPENED, True), ([BEGIN], False), (SPOKEN, False), ([*OPENED, ("end", 0.0, "hangup")], False)],
)
def test_idle_means_that_no_handler_works_and_nothing_plays(ops, idle):
    assert turns.is_idle(after(*ops).s) is idle


def test_an_utterance_begins_when_the_one_before_ends():
    talk = after(BEGIN)
    first = talk.enqueue(1.0, 0, "a", 2.0)
    second = talk.enqueue(1.5, 0, "b", 3.0)
    assert (first.start_s, first.end_s, second.start_s, second.end_s) == (1.0, 3.0, 3.0, 6.0)


@pytest.mark.parametrize(
    ("now", "heard"),
    [(-1.0, ""), (0.0, ""), (0.9, ""), (1.5, "w1"), (9.99, "w1 w2 w3 w4 w5 w6 w7 w8 w9"), (10.0, TEN), (99.0, TEN)],
)
def test_whole_words_are_heard_in_proportion_to_time(now, heard):
    assert after(BEGIN).enqueue(0.0, 0, TEN, 10.0).heard_by(now) == heard


# Corners where a part of the log comes at the wrong place.


class Mute:
    """A voice that nobody hears, and that says nothing by itself of what it plays."""

    def play(self, row, turn, event):
        """Play."""

    def clear(self):
        """Stop."""


def voiced(*seconds):
    """Return a session, and the rows of its first turn's outputs: a word a second each, one after the other from 0 s on."""
    talk = Talk(voice=Mute())
    talk.call("begin", 0.0, "start")
    rows, end_s = [], 0.0
    for length in seconds:
        rows.append(len(talk.s.events))
        talk.enqueue(0.0, 0, " ".join(f"r{len(rows)}w{n}" for n in range(1, length + 1)), NEVER)
        playback.retime(talk.s, 0.0, rows[-1], end_s, end_s + length)
        end_s += length
    return talk.s, talk, rows


def parts(s):
    """Return what the log's transcript and the context's own say that was heard of the agent."""
    rows = [json.loads(data)["content"] for *_, label, data in s.events if label[1] == "transcript_part"]
    assert rows == [part["content"] for part in s.transcript]
    return rows


def test_what_waits_behind_speech_that_grows_moves_along_though_its_own_length_is_unknown():
    s, talk, (first,) = voiced(5)
    talk.enqueue(0.5, 0, "may not be interrupted", NEVER, False)
    playback.retime(s, 1.0, first, 0.0, 9.0)
    assert s.queue[1].start_s == s.gate_due == 9.0
    playback.tell_gate(s, 5.0)
    assert next_due(s) == 9.0  # else the engine would look again and again, until it is


def test_what_was_played_settles_the_cut_that_it_is_of_and_nothing_later():
    s, talk, (old,) = voiced(10)
    talk.call("offer", 5.0, "stop", True)
    new = len(s.events)
    talk.enqueue(5.0, 1, "five six", NEVER)
    playback.retime(s, 5.0, new, 5.0, 7.0)
    talk.call("advance", 8.0)
    talk.call("speak", 8.0)  # while the handler works in silence
    for _ in range(2):  # a page may say it twice
        playback.settle_heard(s, old, 2.5)
    assert parts(s) == ["r1w1 r1w2", "five six"]
    assert s.heard_of_interrupted == "five six"


def test_what_was_played_settles_what_the_agent_itself_has_cleared():
    s, talk, (first, second) = voiced(4, 4)
    talk.call("clear", 3.5)
    playback.settle_heard(s, first, 99.0)  # no more than there is of it
    playback.settle_heard(s, second, 1.5)
    assert json.loads(s.events[first][3])["played_s"] == 4.0
    talk.call("finish", 5.0)
    playback.settle_heard(s, second, 2.5)  # also after it has been reported
    assert parts(s) == ["r1w1 r1w2 r1w3 r1w4 r2w1 r2w2"]


def test_a_cut_is_settled_though_the_handler_has_emptied_its_transcript():
    s, talk, (first,) = voiced(10)
    talk.call("speak", 5.0)
    s.transcript.clear()
    playback.settle_heard(s, first, 2.5)
    assert s.heard_of_interrupted == "r1w1 r1w2"


def test_words_at_the_very_end_of_playback_come_after_what_was_said():
    effects = last(*SPOKEN, words(10.0))
    assert [e[0] for e in effects] == ["said", "turn_end", "deliver"]


def test_an_interruption_reports_each_turns_words_under_its_own_turn():
    ops = [BEGIN, speech(0.0, "first turn", 2.0), DONE, signal(1.0), speech(1.0, TEN, 10.0, turn=1), ("finish", 1.0)]
    said = [(turn, value) for what, _, turn, value in last(*ops, words(4.5)) if what == "said"]
    assert said == [(0, ("first turn", False)), (1, ("w1 w2", True))]


def test_what_a_turn_said_is_reported_before_anything_later():
    ops = [BEGIN, speech(0.0, "first turn", 2.0), DONE, signal(1.0), speech(1.0, "second", 2.0, False, turn=1)]
    talk = after(*ops, ("finish", 1.0))
    times = [e[1] for op in (words(3.0), ("advance", 4.0)) for e in talk.call(*op)]
    assert times == sorted(times)


def test_a_caller_who_began_to_speak_over_closed_ears_isnt_silent_afterwards():
    effects = last(
        BEGIN, speech(0.0, "legal notice", 1.0, False), DONE, ("speak", 0.5), ("advance", 1.0), ("advance", 7.0)
    )
    assert not any(e[0] == "deliver" for e in effects), "a timeout while the caller is speaking"


def test_words_are_delivered_in_the_order_they_were_said():
    ops = [BEGIN, speech(0.0, "legal notice", 1.0, False), speech(0.0), DONE]
    talk = after(*ops)
    effects = [e for op in (words(0.5, "first"), words(3.0, "second"), ("finish", 3.0)) for e in talk.call(*op)]
    assert [e[3][0] for e in effects if e[0] == "deliver"] == ["first", "second"]


# --- properties: whatever is called, in whatever order ---------------------------------------------------------------

SECONDS = st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0, 2.5, 5.0, 7.0])
TEXTS = st.sampled_from(["one", "one two", TEN, None])
OPS = st.one_of(
    st.tuples(st.just("enqueue"), SECONDS, TEXTS, SECONDS, st.booleans()),
    st.tuples(st.just("offer"), SECONDS, st.booleans()),
    st.tuples(st.just("speak"), SECONDS),
    st.tuples(st.just("finish"), SECONDS),
    st.tuples(st.just("advance"), SECONDS),
    st.tuples(st.just("clear"), SECONDS),
    st.tuples(st.just("allow"), SECONDS, st.booleans()),
    st.tuples(st.just("stop"), SECONDS),
    st.tuples(st.just("end"), SECONDS),
)
CALLS = st.lists(OPS, max_size=25)


def history(ops, *, punctual=True):
    """Return [(now, call, effects)] of a session that takes these calls, and its end if it has none.

    Args:
        punctual: Let time pass at every deadline, as the engine does; else only when the calls say so.
    """
    talk, now, told, log = Talk(), 0.0, 0, []
    s = talk.s

    def took(method, *args):
        log.append((now, method, talk.call(method, now, *args)))

    took("begin", "start")
    for name, after_s, *args in ops:
        then = now + after_s
        while punctual and next_due(s) <= then and s.ended is None:
            now = max(now, next_due(s))
            log.append((now, "due", talk.let_time_pass(now)))
        now = then
        if name == "enqueue":
            log.append((now, "enqueue", talk.enqueue(now, max(s.turn, 0), *args)))
        elif name == "offer":
            told += 1
            took("offer", f"input {told}", *args)
        elif name == "stop":
            turns.end_when_played(s, "completed")
        elif name == "end":
            took("end", "hangup")
        elif name != "finish" or s.running:
            took(name, *args)
    took("end", "hangup")
    return log


def effects_of(log):
    return [effect for _, name, effects in log if name != "enqueue" for effect in effects]


BOTH = st.booleans()


@given(CALLS, BOTH)
def test_the_turn_never_decreases_and_counts_deliveries(ops, punctual):
    effects = effects_of(history(ops, punctual=punctual))
    turns = [e[2] for e in effects if e[0] != "said"]
    assert turns == sorted(turns)
    assert [e[2] for e in effects if e[0] == "deliver"] == list(range(sum(e[0] == "deliver" for e in effects)))


@given(CALLS, BOTH)
def test_a_session_ends_exactly_once_and_nothing_is_delivered_after(ops, punctual):
    whats = [e[0] for e in effects_of(history(ops, punctual=punctual))]
    assert whats.count("end") == 1
    assert set(whats[whats.index("end") + 1 :]) <= {"dropped"}


@given(CALLS, BOTH)
def test_every_delivered_turn_ends_exactly_once_before_the_next(ops, punctual):
    marks = [(e[0], e[2]) for e in effects_of(history(ops, punctual=punctual)) if e[0] in {"deliver", "turn_end"}]
    turns = [turn for what, turn in marks if what == "deliver"]
    assert marks == [mark for turn in turns for mark in (("deliver", turn), ("turn_end", turn))]


@given(CALLS, BOTH)
def test_the_length_of_a_turn_is_the_time_from_its_delivery(ops, punctual):
    began = {}
    for what, time_s, turn, value in effects_of(history(ops, punctual=punctual)):
        if what == "deliver":
            began[turn] = time_s
        elif what == "turn_end":
            assert value == pytest.approx(time_s - began[turn])


@given(CALLS, BOTH)
def test_time_never_goes_backwards(ops, punctual):
    times = [e[1] for e in effects_of(history(ops, punctual=punctual))]
    assert times == sorted(times)


@given(CALLS, BOTH)
@example([("enqueue", 0.0, TEN, 7.0, True), ("clear", 2.5), ("enqueue", 0.0, "one two", 1.0, True)], True)
def test_what_was_said_is_what_was_queued_word_for_word_or_a_prefix_of_it(ops, punctual):
    waiting, heard = [], []
    for now, name, effects in history(ops, punctual=punctual):
        if name == "enqueue":
            waiting += [effects] if effects is not None else []
            continue
        for what, _, _, value in effects:
            if what == "cut":
                heard += [u.text for u in waiting if u not in [c for c, _ in value]]
                first, played = value[0]
                prefix = first.heard_by(now) if first.text else ""
                assert prefix == (first.text or "")[: len(prefix)]
                assert played <= first.end_s - first.start_s
                assert all(seconds == 0.0 for _, seconds in value[1:])
                heard += [prefix] if prefix else []
                waiting.clear()
            elif what == "said":
                played = [u for u in waiting if u.end_s <= now]
                waiting = waiting[len(played) :]
                heard = [text for text in [*heard, *(u.text for u in played)] if text]
                fits = [n for n in range(1, len(heard) + 1) if " ".join(heard[:n]) == value[0]]
                assert fits, f"{value[0]!r} was said, but heard is {heard}"
                heard = heard[fits[0] :]
    assert [text for text in heard if text] == [], "heard and never reported"


@given(CALLS, BOTH)
def test_every_input_is_delivered_held_or_dropped_and_at_most_once_delivered(ops, punctual):
    log = history(ops, punctual=punctual)
    delivered = [e[3][0] for e in effects_of(log) if e[0] == "deliver" and isinstance(e[3][0], str)]
    assert len(delivered) == len(set(delivered))


@given(CALLS)
def test_a_call_at_the_deadline_makes_progress(ops):
    """The engine would spin for ever on a deadline that nothing comes of."""
    talk, now = after(BEGIN), 0.0
    s = talk.s

    def state():
        return len(s.queue), s.turn, s.ended, s.gate

    for name, _, *args in ops:
        if name == "enqueue":
            talk.enqueue(now, max(s.turn, 0), *args)
        elif name == "offer":
            talk.call("offer", now, "x", *args)
        elif name in {"speak", "allow"} or (name == "finish" and s.running):
            talk.call(name, now, *args)
        if (due := next_due(s)) < NEVER:
            now, before = max(now, due), state()
            talk.let_time_pass(now)
            assert next_due(s) > now or before != state()


@given(st.text(alphabet="ab ", max_size=30), st.floats(0, 10), st.floats(0.01, 10))
def test_the_heard_prefix_is_a_prefix_of_whole_words(text, now, seconds):
    heard = after(BEGIN).enqueue(0.0, 0, text, seconds).heard_by(now)
    assert text.startswith(heard)
    assert heard == text or len(heard) <= len(text) * now / seconds
    assert heard in {"", text} or text[len(heard)] == " "


@given(st.floats(0, 20), st.floats(0, 20))
def test_more_is_heard_with_time(one, other):
    utterance = after(BEGIN).enqueue(0.0, 0, TEN, 10.0)
    early, late = sorted((one, other))
    assert utterance.heard_by(late).startswith(utterance.heard_by(early))
