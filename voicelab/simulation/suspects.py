"""Who killed the worker: sessions that may have are run alone, until it is known; then the shard goes on behind them.

A worker that dies leaves a note of the session that it was at (`note`). That session runs in a process of its own (`alone`).
If it ends that one too, it runs there once more, watched line by line: only what dies twice with nothing beside it is
guilty, so that neither a kill from outside nor a machine that is out of memory makes a verdict. The rows that it had
written until then, and an error that names the line, are its verdict. It is kept in the log (`verdicts`) before it counts,
and from then on the session is not run any more. Sessions whose processor time or memory ran out run alone as well: what
counts is what they use in a process that no other session was in.
"""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from voicelab.base.errors import SimulationError
from voicelab.base.masking import Masker
from voicelab.base.records import SessionRows, column, table_row
from voicelab.base.seeds import session_id
from voicelab.runs.jobs import Job
from voicelab.simulation import oversight
from voicelab.simulation.alone import run_alone
from voicelab.simulation.fitness import met_limit
from voicelab.simulation.lone_process import LoneProcesses
from voicelab.simulation.note import Noted, drop_note, read_note
from voicelab.simulation.oversight import Oversight
from voicelab.simulation.verdict_rows import of_death, with_error
from voicelab.simulation.verdicts import Verdict, stops_before, store, stored
from voicelab.simulation.worker import ShardReport, ShardTask, only

_ERROR = column("sessions", "error")
_MOST_NAMED = 5
_LOOKS = oversight.LOOKS
_REPLACED_OFTEN = 3
_MOST_LOSSES = 3
"""How often a session may be at work when its worker is lost, before it is taken for the reason, though it lives alone."""


_SAID = {
    "death": ("ended the process that it ran in", "ended the process that they ran in"),
    "cpu": (
        "was ended in a call that used up its processor time",
        "were ended in calls that used up their processor time",
    ),
    "still": ("came to a standstill", "came to a standstill"),
    "failed": ("failed where no handler is asked", "failed where no handler is asked"),
    "unfit": ("left its process unfit for others", "left their process unfit for others"),
    "apart": ("failed beside others, and ran in a process of its own",) * 2,
    "limit": (
        "reached its limit of processor time or memory, alone too",
        "reached their limit of processor time or memory, alone too",
    ),
}
"""What is said of one session with a verdict of a kind, and of several."""
_Key = tuple[int, tuple[tuple[str, int], ...]]


class Suspects:
    """Finds the sessions that a run can't bear, and keeps what is known of them; to be closed.

    Args:
        job: The run's sessions.
        packed_job: The same, packed.
        root: The log's folder; its lock is held.
    """

    def __init__(self, job: Job, packed_job: bytes, root: Path) -> None:
        self._job = job
        self._packed_job = packed_job
        self._root = root
        self._verdicts = {(v.index, _key(v.stops)): v for v in stored(root, job.run_id)}
        self._masker = Masker(job.options.handler.secrets)
        self._cleared: set[_Key] = set()
        self._losses: dict[_Key, int] = {}
        self._oversight = Oversight(_LOOKS, job.options.limits.cpu_s)
        self._replaced = 0
        self._processes = LoneProcesses()

    def close(self) -> None:
        """End what runs sessions alone."""
        self._processes.close()

    @property
    def n_verdicts(self) -> int:
        """How many sessions there is a verdict on."""
        return len(self._verdicts)

    def masked(self, text: str) -> str:
        """Return a text without the handler's secrets."""
        return self._masker.text(text)

    def prepared(self, task: ShardTask) -> ShardTask:
        """Return a task as it is to be submitted: with the rows of sessions that are not to be run."""
        drop_note(task.note_path)
        given = {v.index: v.rows for v in self._verdicts.values() if v.index in _range(task) and v.holds(task.stops)}
        return replace(task, given=given)

    def go_on(self, task: ShardTask, report: ShardReport) -> ShardTask:
        """Return how a shard goes on that a worker has stopped in the middle of."""
        stopped = report.stopped
        assert stopped is not None  # noqa: S101 - such a report alone comes here
        task = replace(task, before=report.before)
        if stopped.why == "full":
            self._replaced += task.most is None  # else it is seen what each half does
            return replace(task, most=None if task.most is None else _half(task.most or task.stop - stopped.at))
        if stopped.why == "unfit" and stopped.until - stopped.at > 1 and task.careful < stopped.until:
            return replace(task, careful=stopped.until)
        self._examine(task, stopped.at, stopped.why)
        return replace(task, most=None)

    def lost(self, tasks: Sequence[ShardTask]) -> list[ShardTask]:
        """Find out which session ended the workers of some shards, all lost at once.

        Returns:
            The shards whose loss isn't explained: one of them may have been the reason, and none is known to be.
        """
        noted = [(task, note) for task in tasks if (note := self._note(task)) is not None]
        suspected = [
            (task, index)
            for task, note in noted
            for index in dict.fromkeys((note.offender, note.index))
            if index is not None
        ]
        # A loss that one of them explains is held against none of the others.
        if any(self._is_guilty(task, index) for task, index in suspected):
            return []
        if any(self._is_taken_for_it(task, index) for task, index in suspected):
            return []
        return [task for task, note in noted if note.index is not None]

    def failed(self, task: ShardTask) -> ShardTask | None:
        """Return how a shard goes on that failed with an error of no session's, in a worker that has been replaced since.

        First each session is looked after. If that shows nothing, it is seen whether the shard fails without any, and then
        half of the sessions run, half of these or of the others, and so on, each time in a new worker, until one is left.

        Returns:
            None if no session is the reason.
        """
        if task.most is None:
            return replace(task, careful=task.stop) if task.careful < task.stop else replace(task, most=0)
        if task.most != 1:
            return replace(task, most=_half(task.most)) if task.most else None
        n_good = len(pickle.loads(task.before)) if task.before else 0  # noqa: S301 - it comes from our own worker
        index = next((index for index in range(task.first + n_good, task.stop) if index not in task.given), None)
        if index is None or not self._examine(task, index, "failed"):
            return None
        return replace(task, most=None, careful=0)

    def stuck(self, tasks: Sequence[ShardTask]) -> list[ShardTask]:
        """Return the shards whose session comes to no end, of those that are under way; asked once a second."""
        found = []
        for task in tasks:
            note = self._note(task)
            if note is None or note.index is None or self._key(task, note.index) in self._cleared:
                self._oversight.forget(task.number)
            elif self._oversight.look(task.number, note.index, note.pid):
                self._oversight.forget(task.number)
                found.append(task)
        return found

    def remarks(self) -> list[str]:
        """Return what is to be said of the sessions with a verdict, a sentence for each kind."""
        found = []
        for kind, words in _SAID.items():
            sessions = self.sessions_of(kind)
            if sessions:
                what, many = words
                named = ", ".join(map(str, sessions[:_MOST_NAMED]))
                more = f" and {len(sessions) - _MOST_NAMED:,} more" if len(sessions) > _MOST_NAMED else ""
                count = "1 session" if len(sessions) == 1 else f"{len(sessions):,} sessions"
                found.append(
                    f"{count} {what if len(sessions) == 1 else many} ({named}{more}); all others are as if it had not "
                    f"happened. Look at one: log.session({sessions[0]})."
                )
        if self._replaced >= _REPLACED_OFTEN:
            found.append(
                f"Worker processes were replaced {self._replaced:,} times, which takes time: sessions leave memory behind, or "
                "spoil what their process writes by. A list or a cache in the handler's module may grow from session to session."
            )
        return found

    def sessions_of(self, kind: str) -> list[int]:
        """Return the sessions with a verdict of a kind."""
        return sorted({verdict.index for verdict in self._verdicts.values() if verdict.kind == kind})

    # --- one session ---

    def _note(self, task: ShardTask) -> Noted | None:
        return read_note(task.note_path)

    def _key(self, task: ShardTask, index: int) -> _Key:
        return index, _key(stops_before(index, task.stops))

    def _is_guilty(self, task: ShardTask, index: int) -> bool:
        key = self._key(task, index)
        return key not in self._verdicts and key not in self._cleared and self._examine(task, index, "lost")

    def _is_taken_for_it(self, task: ShardTask, index: int) -> bool:
        key = self._key(task, index)
        if key in self._verdicts:
            return False
        self._losses[key] = self._losses.get(key, 0) + 1
        if self._losses[key] < _MOST_LOSSES:
            return False
        # It lives where it is alone, and its worker dies on it again and again: in a larger run there is no other way on.
        how = f"Its worker process was lost {_MOST_LOSSES} times while it ran"
        rows = with_error(self._skeleton(index), "error", {"message": f"{how}.", "traceback": f"{how}."}, self._masker)
        self._judge(task, index, "death", rows)
        return True

    def _examine(self, task: ShardTask, index: int, why: str) -> bool:
        """Run a session alone; return whether there is a verdict on it now."""
        key = self._key(task, index)
        if key in self._verdicts:
            return False
        one = only(task, index)
        cpu_s = self._job.options.limits.cpu_s
        outcome = run_alone(self._packed_job, one, self._processes, cpu_s, traced=False)
        if not outcome.lived and outcome.kind != "cpu":
            again = run_alone(self._packed_job, one, self._processes, cpu_s, traced=True)
            # A verdict that was reached by the clock isn't reached otherwise for being watched, which takes its time.
            outcome = again if again.lived or again.kind != "cpu" else outcome
        for note in outcome.notes:
            self._job.options.handler.add_note(note)
        rows = outcome.rows or self._skeleton(index)
        if not outcome.lived:
            limits = self._job.options.limits
            rows = of_death(rows, outcome.kind, outcome.how, outcome.place, limits, self._masker)
            if self._job.options.evaluators:
                rows.outcomes = self._job.options.evaluators.outcomes(rows)
            self._judge(task, index, outcome.kind, rows)
        elif outcome.failure is not None:
            self._judge(task, index, "failed", with_error(rows, "error", outcome.failure, self._masker))
        elif outcome.offence:
            said = {"message": outcome.offence, "traceback": outcome.offence}
            self._judge(task, index, "unfit", with_error(rows, "error", said, self._masker))
        elif why == "lost":
            self._cleared.add(key)
            return False
        else:
            self._judge(task, index, "limit" if why == "suspect" and met_limit(rows) else "apart", rows)
        return True

    def _judge(self, task: ShardTask, index: int, kind: str, rows: SessionRows) -> None:
        """Keep a verdict, first of all on the disk.

        Raises:
            SimulationError: too many sessions have ended their process.
        """
        verdict = Verdict(index, kind, stops_before(index, task.stops), rows)
        store(self._root, self._job.run_id, verdict)
        self._verdicts[index, _key(verdict.stops)] = verdict
        deaths, most = self.sessions_of("death"), self._job.options.limits.deaths
        if kind == "death" and len(deaths) > most:
            named = ", ".join(map(str, deaths[:_MOST_NAMED]))
            raise SimulationError(
                f"{len(deaths):,} sessions have ended the process that they ran in, more than limits.deaths={most} allows: "
                f"sessions {named}{' and more' if len(deaths) > _MOST_NAMED else ''}; the last one: "
                f"{rows.session[_ERROR]} What was logged before stays. Mend the handler and simulate into a new log, or go "
                f"on with resume=True and limits=vl.Limits(deaths={10 * most})."
            )

    def _skeleton(self, index: int) -> SessionRows:
        """Return the rows of a session that has written none."""
        options = self._job.options
        session = table_row(
            "sessions",
            run_id=self._job.run_id,
            session_id=session_id(self._job.run_id, index),
            session_index=index,
            source=self._job.source,
            caller=options.callers.name,
            status=None,
            n_errors=0,
            error=None,
            n_turns=0,
            n_replies=0,
            n_otherwise=0,
            duration_s=None,
            environment=options.handler.environment,
            direction=options.direction,
            origin="simulation",
            tags="[]",
            parameters="{}",
            data="{}",
            output_data="{}",
        )
        return SessionRows(session)


def _half(sessions: int) -> int:
    return (sessions + 1) // 2


def _key(stops: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(stops.items()))


def _range(task: ShardTask) -> range:
    return range(task.first, task.stop)
