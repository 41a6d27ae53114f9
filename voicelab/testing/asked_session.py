"""A session as expectations ask it: what the agent said, how long it took to answer, and every value that it has."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from voicelab.base.named_numbers import COLUMNS
from voicelab.base.records import unwritten_value
from voicelab.record.lines import lines_of
from voicelab.record.session_record import SessionRecord

_SENTENCE = re.compile(r"[^.!?]*[.!?]+")
_OWN_INPUTS = frozenset({"stop", "start", "timeout"})
"""Inputs that nobody has given: the session itself sends them."""


@dataclass(frozen=True)
class AgentWords:
    """What the caller heard of one thing that the agent said.

    Attributes:
        seq: The row's number.
        time_s: When it began.
        turn: Its turn.
        text: What was heard of it.
    """

    seq: int
    time_s: float
    turn: int
    text: str

    @property
    def questions(self) -> list[str]:
        """The sentences of it that ask."""
        return [sentence.strip() for sentence in _SENTENCE.findall(self.text) if "?" in sentence]


class AskedSession:
    """A session that expectations are asked of.

    Args:
        record: The session.
        known: Outcomes that its handler sets somewhere: where it didn't, the session counts as 0.
    """

    def __init__(self, record: SessionRecord, known: Iterable[str] = ()) -> None:
        self.record = record
        self._known = known

    @cached_property
    def utterances(self) -> list[AgentWords]:
        """What the agent said, as far as the caller heard it, in order."""
        return [
            AgentWords(event.seq, event.time_s, event.turn, line.text)
            for event in self.record.events
            if event.name == "text_to_speech" and event.kind == "output"
            for line in lines_of(event)
            if line.text.strip()
        ]

    @cached_property
    def values(self) -> dict[str, Any]:
        """Every value that the session has, by name: what the handler and evaluators wrote, measures, numbers of its row.

        None stands for a measure that there was no chance for.
        """
        crashed = self.record.status == "error"
        return {
            **{name: self.record.facts[name] for name in COLUMNS},
            **self.record.measures,
            **{name: unwritten_value("boolean", crashed=crashed) for name in self._known},
            **self.record.outcomes,
        }

    def answered_after_s(self, utterance: AgentWords) -> float:
        """Return how long an utterance came after the input before it, in seconds; from the session's start without one."""
        before = [event.time_s for event in self.record.events[: utterance.seq] if event.kind == "input"]
        return utterance.time_s - (before[-1] if before else 0.0)

    def answers(self) -> Iterator[AgentWords]:
        """Yield the first that the agent said after each input of the caller, and after the start."""
        waits = True
        spoken = {utterance.seq: utterance for utterance in self.utterances}
        for event in self.record.events:
            if event.kind == "input" and (event.name not in _OWN_INPUTS or event.seq == 0):
                waits = True
            elif waits and event.seq in spoken:
                waits = False
                yield spoken[event.seq]
