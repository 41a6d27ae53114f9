"""Who was heard when: the agent's sounds and the caller's, read off a session's rows in one pass.

Typed words take no time. Spoken ones end where the recogniser says, or where their row stands; they begin so long before as
their sound takes, or where they interrupted the agent. Words that waited at the closed gate ended when they came to it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from voicelab.base.records import EventRow
from voicelab.measures.row_facts import Said, Speech, data_of, read_file, read_pause, read_said, read_speech, row_number

WORDS = frozenset({"text", "dtmf"})
"""What the handler hears of the caller: words and keys."""
CUT_S = 0.5
"""So much later than the agent's silence the row may stand that says that it was cut, in seconds."""


@dataclass(slots=True)
class AgentSound:
    """Something that the agent played: words, a file, or a pause.

    Attributes:
        start_s: When it began.
        end_s: When it had been played, or was cut.
        seq: Its row.
        turn: Its turn.
        speech: What is known of it.
        pause: Whether it is a silence that the agent plays.
    """

    start_s: float
    end_s: float
    seq: int
    turn: int
    speech: Speech
    pause: bool


@dataclass(slots=True)
class FromCaller:
    """Something of the caller's: words, keys, or a sound without words.

    Attributes:
        kind: `text`, `dtmf`, `unheard` or `backchannel`.
        start_s: When it began.
        end_s: When it ended.
        seq: Its row: when it reached the agent.
        turn: Its turn.
        said: What is known of it; None for keys.
        cut: The sound of the agent's that it stopped; None if it stopped none.
        held: Whether it waited at the closed gate.
        recognised: Whether a recogniser at the console heard it.
        aloud: Whether it is a sound: no keys, and no typed words.
    """

    kind: str
    start_s: float
    end_s: float
    seq: int
    turn: int
    said: Said | None
    cut: AgentSound | None
    held: bool = False
    recognised: bool = False
    aloud: bool = False


@dataclass(slots=True)
class Timeline:
    """A session's sounds.

    Attributes:
        agent: What the agent played, in order; no two at a time.
        caller: What came from the caller, in order of rows.
        ended_seq: The row in which the agent ended or passed on the session; None if it didn't.
    """

    agent: list[AgentSound] = field(default_factory=list)
    caller: list[FromCaller] = field(default_factory=list)
    ended_seq: int | None = None


class _Recognition(NamedTuple):
    """What a recogniser at the console says: how long its sound is and it took, and when the speech began and ended."""

    audio_s: float | None
    took_s: float | None
    began_s: float | None
    ended_s: float | None


class _Reader:
    """Reads rows one after the other."""

    def __init__(self) -> None:
        self.found = Timeline()
        self._recognition: _Recognition | None = None
        self._cut: tuple[float, AgentSound | None] | None = None
        self._held: list[float] = []
        self._of_turn: dict[int, tuple[FromCaller, float, float]] = {}

    def played(self, seq: int, time_s: float, turn: int, speech: Speech | None, *, pause: bool) -> None:
        if speech is None:
            return
        agent = self.found.agent
        start_s = max(time_s, agent[-1].end_s) if agent else time_s
        agent.append(AgentSound(start_s, start_s + speech.seconds, seq, turn, speech, pause))

    def interrupted(self, time_s: float) -> None:
        """Take the row that says that the caller has the floor: what was to be played from then on is not."""
        agent = self.found.agent
        while agent and agent[-1].start_s >= time_s and not agent[-1].speech.cut:
            agent.pop()
        last = agent[-1] if agent else None
        if last is None or last.pause:
            last = None
        elif not last.speech.cut and last.end_s > time_s:
            last.end_s = time_s
        elif not last.speech.cut or time_s - last.end_s > CUT_S:
            last = None
        self._cut = (time_s, last)

    def text(self, seq: int, time_s: float, turn: int, data: str) -> None:
        said = read_said(data)
        if said.interrupts and self._cut is None:
            self.interrupted(time_s)
        held = bool(self._held)
        arrived_s = self._held.pop(0) if held else time_s
        heard = FromCaller(
            "text", arrived_s, arrived_s, seq, turn, said, None, held, self._recognition is not None, said.aloud
        )
        self._place(heard, said, arrived_s)
        if self._cut is not None:
            heard.cut, self._cut = self._cut[1], None
        self.found.caller.append(heard)

    def keys(self, seq: int, time_s: float, turn: int) -> None:
        held = bool(self._held)
        arrived_s = self._held.pop(0) if held else time_s
        cut, self._cut = self._cut, None
        stopped = None if cut is None else cut[1]
        self.found.caller.append(FromCaller("dtmf", arrived_s, arrived_s, seq, turn, None, stopped, held))

    def sound(self, seq: int, time_s: float, turn: int, kind: str, data: str) -> None:
        """Take a sound that the handler hears nothing of."""
        caller = self.found.caller
        if self._recognition is None and caller and caller[-1].kind == "unheard" and caller[-1].recognised:
            return
        said = read_said(data)
        heard = FromCaller(kind, time_s, time_s, seq, turn, said, None)
        heard.recognised, heard.aloud = self._recognition is not None, True
        self._place(heard, said, time_s)
        if kind == "unheard" and self._cut is not None:
            heard.cut, self._cut = self._cut[1], None
        caller.append(heard)

    def recognition(self, seq: int, time_s: float, turn: int, data: str) -> None:
        facts = data_of(data)
        times = (row_number(facts, name) for name in ("audio_s", "recognition_s", "began_s", "ended_s"))
        self._recognition = _Recognition(*times)
        if not facts.get("text") and "error" not in facts:
            self.sound(seq, time_s, turn, "unheard", data)

    def latency(self, turn: int, data: str) -> None:
        """Take what the console says of an answer: how much of a sound was silence, and how long recognition took."""
        if turn not in self._of_turn:
            return
        heard, arrived_s, audio_s = self._of_turn[turn]
        facts = data_of(data)
        took_s = (row_number(facts, "recognition_ms") or 0.0) / 1000
        silence_s = (row_number(facts, "end_of_turn_ms") or 0.0) / 1000
        sound_ended_s = arrived_s - took_s
        heard.start_s = max(0.0, sound_ended_s - audio_s)
        heard.end_s = max(heard.start_s, sound_ended_s - silence_s)

    def held(self, time_s: float) -> None:
        self._held.append(time_s)

    def ended(self, seq: int) -> None:
        if self.found.ended_seq is None:
            self.found.ended_seq = seq

    def _place(self, heard: FromCaller, said: Said, arrived_s: float) -> None:
        """Say when something was spoken that reached the agent at a time."""
        recognition, self._recognition = self._recognition, None
        if heard.kind == "text" and not said.aloud:
            return
        if recognition is not None and recognition.began_s is not None and recognition.ended_s is not None:
            heard.start_s, heard.end_s = recognition.began_s, max(recognition.began_s, recognition.ended_s)
        elif recognition is not None and recognition.audio_s:
            sound_ended_s = arrived_s - (recognition.took_s or 0.0)
            heard.start_s, heard.end_s = max(0.0, sound_ended_s - recognition.audio_s), sound_ended_s
            if heard.kind == "text":
                self._of_turn[heard.turn] = (heard, arrived_s, recognition.audio_s)
        elif said.audio_s is not None:
            heard.end_s = max(0.0, arrived_s - said.silence_s)
            began_s = arrived_s - said.audio_s if said.speech_s is None else heard.end_s - said.speech_s
            heard.start_s = min(max(0.0, began_s), heard.end_s)
        elif heard.kind == "text" and self._cut is not None and self._cut[0] < arrived_s:
            heard.start_s = self._cut[0]
        else:
            heard.start_s = max(0.0, arrived_s - said.assumed_s)


_Act = Callable[[_Reader, int, float, int, str], None]
_ACTS: dict[str, tuple[str | None, _Act]] = {
    "text_to_speech": ("output", lambda r, seq, s, turn, data: r.played(seq, s, turn, read_speech(data), pause=False)),
    "audio": ("output", lambda r, seq, s, turn, data: r.played(seq, s, turn, read_file(data), pause=False)),
    "silence": ("output", lambda r, seq, s, turn, data: r.played(seq, s, turn, read_pause(data), pause=True)),
    "stop": ("output", lambda r, seq, _s, _turn, _data: r.ended(seq)),
    "transfer_session": ("output", lambda r, seq, _s, _turn, _data: r.ended(seq)),
    "text": ("input", _Reader.text),
    "dtmf": ("input", lambda r, seq, s, turn, _data: r.keys(seq, s, turn)),
    "turn_interrupted": ("system", lambda r, _seq, s, _turn, _data: r.interrupted(s)),
    "input_held": ("system", lambda r, _seq, s, _turn, _data: r.held(s)),
    "recognition": ("system", _Reader.recognition),
    "latency": ("system", lambda r, _seq, _s, turn, data: r.latency(turn, data)),
    "unheard": ("system", lambda r, seq, s, turn, data: r.sound(seq, s, turn, "unheard", data)),
    "backchannel": ("system", lambda r, seq, s, turn, data: r.sound(seq, s, turn, "backchannel", data)),
}
"""What each event says, and of which kind it is: a custom event of the handler's may bear any name."""
NAMES = frozenset(_ACTS)
"""The events that are looked at."""


def timeline_of(events: Iterable[EventRow]) -> Timeline:
    """Return who was heard when.

    Args:
        events: The rows of a session, in order.
    """
    reader = _Reader()
    for seq, (time_s, turn, (kind, name, _background, _task), data) in enumerate(events):
        if name in _ACTS:
            own, act = _ACTS[name]
            if own == kind:
                act(reader, seq, time_s, turn, data)
    return reader.found
