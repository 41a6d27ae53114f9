"""Whether sessions come to the same rows when they are run again, and what makes the difference where they don't.

After a run one session of each hundred is run again, in another process with another order of sets, with other sessions before
it and at another time of the day. Nothing of that may show. Where it does, the session is run alone a few times more, and one
thing is held still or varied at a time: the wall clock, chance, the session before, the order of sets. What makes it the same
is the cause. The log has none of it: it is the same, to the byte, whether sessions are checked or not.
"""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from voicelab.base.printable import printable, shortened
from voicelab.base.records import Event, SessionRows
from voicelab.base.seeds import Seeds
from voicelab.log.read import open_log
from voicelab.record.lines import clock_text
from voicelab.record.session_record import SessionRecord
from voicelab.simulation.again import Conditions, Rerun, run_again
from voicelab.simulation.driver import Plan
from voicelab.simulation.lone_process import RERUNS, LoneProcesses
from voicelab.simulation.worker import ShardReport, digest_of

EVERY = 100
"""Of so many sessions one is run again."""
_OTHER_HASH_SEED = "2027"
_AT_ONCE = 500
"""Sessions that one process runs again, whose rows are held in memory meanwhile."""
_MOST_BEFORE = 20
_MOST_NAMED = 3
_LONGEST = 80
_NEAR_S = 2 * 86_400
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_UNITS = (1, 10**3, 10**6, 10**9)
_ADDRESSES = range(0x5500_0000_0000, 0x8000_0000_0000)
"""Where systems of 64 bits put what a process makes."""

_CAUSES = {
    "clock": "the wall clock, which is asked past the session's own: as the handler is loaded, in a thread, in a library "
    "written in C, or by a file's time",
    "chance": "a generator that the run's seed doesn't reach: one that is made as the handler is loaded, in a thread, or in a "
    "library written in C. Make it inside the handler",
    "both": "both the wall clock and a generator that the run's seed doesn't reach",
    "order": "the order of a set, which differs from process to process: go through sorted(...)",
    "global": "a global that survives from session to session{}. Keep what belongs to a session in context.set_data()",
    "file": "a file that sessions write and read{}",
    "changed": "something outside that has changed since the run, such as a file or a variable of the environment",
    "address": "an object's address in memory: id(), or the text of an object that has none of its own",
    "unknown": "none of what can be held still: a process's number, say, or which thread was first",
}


def checked_indexes(seed: int, sessions: int) -> list[int]:
    """Return which sessions of a run are run again: of each hundred one, drawn by the run's seed, and at least one."""
    return [
        first + int(Seeds(seed, first).uniform("check") * min(EVERY, sessions - first))
        for first in range(0, sessions, EVERY)
    ]


class Recheck:
    """Runs sessions of a finished run again.

    Args:
        plan: The run's sessions.
        packed_job: What they are made of, packed.
        cpu_s: Processor time that a session may use, in seconds.
    """

    def __init__(self, plan: Plan, packed_job: bytes, cpu_s: float) -> None:
        self._plan = plan
        self._packed_job = packed_job
        self._cpu_s = cpu_s
        self._digests: dict[int, bytes] = {}
        self._stops: dict[str, int] = {}

    def add(self, report: ShardReport) -> None:
        """Take what the rows of a settled shard's checked sessions come to."""
        self._digests |= report.digests

    def remarks(self, stops: Mapping[str, int]) -> list[str]:
        """Run the sessions again, and return what is to be said of it: nothing where they are the same.

        Args:
            stops: The tests that have stopped: `{test: index of the session after which}`.
        """
        self._stops = dict(stops)
        if not self._digests:
            return ["check=True has nothing to compare: all sessions were in the log already."]
        with (
            contextlib.closing(LoneProcesses(RERUNS, _OTHER_HASH_SEED)) as elsewhere,
            contextlib.closing(LoneProcesses(RERUNS)) as like_here,
        ):
            differing, ended = self._compared(elsewhere)
            if ended is not None and not differing:
                return [
                    f"Session {ended} ended its process when it was run again, and had not before: log.session({ended})."
                ]
            if not differing:
                return []
            index, rows = next(iter(differing.items()))
            logged = open_log(self._plan.root).session(index)
            cause = _Diagnosis(self, like_here, elsewhere).cause_of(index, logged)
        where = first_difference(logged, SessionRecord.from_rows(rows))
        which = f"{len(differing):,} of the {len(self._digests):,} sessions that were run again"
        return [
            f"{which} came to other rows: in session {index} {where}. The cause is {cause}. Look at it: log.session({index})."
        ]

    def before(self, index: int) -> list[int]:
        """Return checked sessions before one, the nearest last."""
        return [other for other in self._digests if other < index][-_MOST_BEFORE:]

    def same(self, index: int, rows: SessionRows | None) -> bool:
        """Return whether rows are those of the log."""
        return rows is not None and digest_of(rows) == self._digests[index]

    def rerun(self, indexes: Sequence[int], processes: LoneProcesses, conditions: Conditions | None = None) -> Rerun:
        """Run some sessions again in one process."""
        tasks = [self._plan.one(index, self._stops) for index in indexes]
        return run_again(self._packed_job, tasks, processes, self._cpu_s, conditions)

    def _compared(self, processes: LoneProcesses) -> tuple[dict[int, SessionRows], int | None]:
        """Return the sessions that came to other rows, with these, and the one that ended its process, if one did."""
        indexes, ended = list(self._digests), None
        differing: dict[int, SessionRows] = {}
        for first in range(0, len(indexes), _AT_ONCE):
            some = indexes[first : first + _AT_ONCE]
            some = [*some, some[0]]  # once more: what a session leaves behind shows in itself as well
            rerun = self.rerun(some, processes)
            for index, rows in zip(some, rerun.rows, strict=False):
                if not self.same(index, rows):
                    differing.setdefault(index, rows)
            if len(rerun.rows) < len(some) and ended is None:
                ended = self._ended_by(some, processes)
        return dict(sorted(differing.items())), ended

    def _ended_by(self, indexes: Sequence[int], processes: LoneProcesses) -> int | None:
        """Return the session that ends a process when it is run again, if one does so alone."""
        return next((index for index in indexes if not self.rerun([index], processes).rows), None)


class _Diagnosis:
    """Finds out what makes a session differ from itself, varying one thing at a time.

    Args:
        recheck: Runs sessions again.
        like_here: Starts processes as those of the run.
        elsewhere: Starts processes with another order of sets.
    """

    def __init__(self, recheck: Recheck, like_here: LoneProcesses, elsewhere: LoneProcesses) -> None:
        self._recheck = recheck
        self._like_here = like_here
        self._elsewhere = elsewhere

    def cause_of(self, index: int, logged: SessionRecord) -> str:
        """Return what makes the difference, in words.

        Args:
            index: The session.
            logged: What the log has of it.
        """
        first, second = (self._recheck.rerun([index], self._like_here) for _ in range(2))
        if _last(first) != _last(second):
            return self._between_processes(index, first, second)
        for before in ([index], self._recheck.before(index), [max(index - 1, 0)]):
            after = self._recheck.rerun([*before, index], self._like_here)
            if before and _last(after) != _last(first):
                # Two processes may have run within one second, or have been forked with the same addresses.
                told = "" if after.survivors else _told_by_values(_record(first), _record(after))
                return _CAUSES[told or "global"].format(_named(after.survivors))
        if _last(self._recheck.rerun([index], self._elsewhere)) != _last(first):
            return _CAUSES["order"]
        if self._recheck.same(index, first.rows[-1] if first.rows else None):
            return _CAUSES["unknown"]
        return _CAUSES[_told_by_values(logged, _record(first)) or "changed"]

    def _between_processes(self, index: int, first: Rerun, second: Rerun) -> str:
        """Return what differs between two new processes that run the same session."""
        held_still = {
            "clock": Conditions(clock=True),
            "chance": Conditions(chance=True),
            "both": Conditions(clock=True, chance=True),
        }
        for kind, conditions in held_still.items():
            one, other = (self._recheck.rerun([index], self._like_here, conditions) for _ in range(2))
            if _last(one) is not None and _last(one) == _last(other):
                return _CAUSES[kind]
        told = _told_by_values(_record(first), _record(second))
        if told or not first.files:
            return _CAUSES[told or "unknown"]
        return _CAUSES["file"].format(_named(first.files))


def _last(rerun: Rerun) -> bytes | None:
    return digest_of(rerun.rows[-1]) if rerun.rows else None


def _record(rerun: Rerun) -> SessionRecord | None:
    return SessionRecord.from_rows(rerun.rows[-1]) if rerun.rows else None


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f": {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


# --- where it shows ----------------------------------------------------------------------------------------------------


def first_difference(before: SessionRecord, now: SessionRecord) -> str:
    """Return the first event that differs, in words, or what else does."""
    for event, other in zip_longest(before.events, now.events):
        if event != other:
            return _of_events(event, other)
    for name in ("status", "outcomes", "data", "output_data", "metrics"):
        was, here = getattr(before, name), getattr(now, name)
        if was != here:
            return f"all events are the same, and its {name} {_quoted(was)} became {_quoted(here)}"
    return "all events are the same, and what is stored beside them is not"


def _of_events(event: Event | None, other: Event | None) -> str:
    if event is None or other is None:
        at, has = (other, "one more") if event is None else (event, "gone")
        assert at is not None  # noqa: S101 - one of the two is there
        return f"event {at.seq} ({at.name} at {clock_text(at.time_s)}) is {has}"
    where = f"event {event.seq} ({event.name} at {clock_text(event.time_s)})"
    if event.name != other.name:
        return f"{where} became {other.name}"
    for key in event.data | other.data:
        was, here = event.data.get(key), other.data.get(key)
        if was != here:
            return f"{where} differs: its {key} {_quoted(was)} became {_quoted(here)}"
    return f"{where} came at {clock_text(other.time_s)}"


def _quoted(value: Any) -> str:
    return shortened(printable(repr(value)), _LONGEST)


def _told_by_values(one: SessionRecord | None, other: SessionRecord | None) -> str:
    """Return the cause that values which differ between two runs of a session tell: the time of now, or an address."""
    if one is None or other is None:
        return ""
    now, today = time.time(), datetime.now(UTC).date().isoformat()
    for event, again in zip(one.events, other.events, strict=False):
        for text in _differing_texts(event, again):
            numbers = [float(n) for n in _NUMBER.findall(text)]
            if today in text or any(abs(n / unit - now) < _NEAR_S for n in numbers for unit in _UNITS):
                return "clock"
            if "0x7f" in text or any(n in _ADDRESSES for n in map(int, numbers)):
                return "address"
    return ""


def _differing_texts(event: Event, other: Event) -> Iterator[str]:
    for key in event.data | other.data:
        if event.data.get(key) != other.data.get(key):
            yield from (str(event.data.get(key)), str(other.data.get(key)))


__all__ = ["EVERY", "Recheck", "checked_indexes", "first_difference"]
