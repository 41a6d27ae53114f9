"""Simulates thousands to millions of sessions in virtual time: `vl.simulate`."""

import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab import __version__
from voicelab.base import checks
from voicelab.base.errors import InputError, LogError
from voicelab.handlers import HandlerLike
from voicelab.log.clear import check_clear, clear, is_blank
from voicelab.log.lock import Lock, hold
from voicelab.log.manifest import check_run, read_manifest, write_manifest
from voicelab.log.write import drop_speculative, make_folder, settled_shards
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import Job, play, warn_of_unknown_tests
from voicelab.runs.options import Rows, SessionOptions
from voicelab.simulation.driver import Driver, Plan
from voicelab.simulation.fingerprint import VERSION, of_options
from voicelab.simulation.pool import Executor, Pool, default_workers
from voicelab.simulation.progress import Progress
from voicelab.simulation.ship import pack
from voicelab.simulation.stops import Watch, settled_facts
from voicelab.simulation.worker import ShardReport
from voicelab.world.model import Model
from voicelab.world.world import World

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.log.read import Log
    from voicelab.speech import PhoneLine
    from voicelab.world.telephone import Telephone

__all__ = ["SHARD_SIZE", "simulate"]

SHARD_SIZE = 2_000
"""Sessions a shard: part of what makes two logs byte-identical, and so not an option."""
AUDIO_SHARD_SIZE = 20
"""The same where callers really speak, which takes a thousand times as long."""


def simulate(
    handler: HandlerLike,
    callers: Any,
    sessions: int = 10_000,
    seed: int = 0,
    log: str | Path | None = None,
    parameters: "Mapping[str, Any] | pd.DataFrame | Callable[[int], Mapping[str, Any]] | None" = None,
    variables: Mapping[str, str] | str | Path | None = None,
    environment: str | None = None,
    variants: Mapping[str, str] | str | None = None,
    start: datetime | str | None = None,
    world: World | None = None,
    stopping: bool = True,
    audio: "PhoneLine | None" = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    configuration: Mapping[str, Any] | None = None,
    tts: Any = "auto",
    stt: Any = "auto",
    phrases: Sequence[str] | None = None,
    input_data: Mapping[str, Any] | None = None,
    model: Model | Callable[[Mapping[str, Any]], Any] | None = None,
    shared_data: Mapping[str, Any] | None = None,
) -> "Log":
    """Simulate sessions and return their log.

    The same seed, handler, callers, world and library versions give byte-identical shards, for any number of workers.

    Args:
        handler: A handler, or what `vl.load_handler` takes.
        callers: A caller, a mixture of them, or a list of inputs.
        sessions: How many.
        seed: Everything random follows from it.
        log: Folder of the log; None for a temporary one that lives as long as the returned log.
        parameters: What the handler reads with `context.get_data`: a dict for all sessions, a DataFrame with one row a
            session, or a function of the session's index.
        variables: What it reads with `context.variables`; a dict or a .env file. Masked wherever they would show.
        environment: What it reads as `context.environment`.
        variants: `{test: variant}` forces variants; forced sessions decide nothing.
        start: Date and time at which every session begins.
        world: What lies between caller and agent.
        stopping: Honour the tests' own stop rules, as if each were decided after every session in order.
        audio: A line, `vl.PhoneLine(...)`: callers really speak over it, are cut into turns and recognised, and what
            was recognised reaches the handler. None for callers in text.
        executor: Where shards run: anything with `submit(function, bytes)`, e.g. a Dask executor. None for child
            processes.
        workers: Child processes; None for one a processor.
        progress: Show the progress line.
        resume: Go on with an unfinished log, or start a new one.
        overwrite: Replace a log of other sessions.
        configuration: Arguments of the SDK's `Configuration`, such as `{"timeout": 8}`.
        tts: With `audio`: what speaks, `auto` for an engine that works offline.
        stt: With `audio`: what recognises.
        phrases: With `audio`: what the recogniser is told to expect, besides what the callers may say.
        input_data: What the handler reads as `context.input_data`: what the caller of an entrypoint passed in.
        model: What answers its completion requests: `vl.Model(...)`, or a function of the request.
        shared_data: What it reads with `primfunctions.shared_data`, by key.

    Returns:
        The log.

    Raises:
        InputError: an argument is not allowed.
        ShippingError: something can't be sent to a worker process.
        LogError: `log` holds something else; the message names `resume=True` or `overwrite=True`.
    """
    checks.whole("sessions", sessions)
    switches = {"stopping": stopping, "progress": progress, "resume": resume, "overwrite": overwrite}
    for name, value in switches.items():
        checks.switch(name, value)
    if executor is not None and not hasattr(executor, "submit"):
        raise InputError(f"executor is {executor!r}, must have a method submit(function, bytes), or be None.")
    n_workers = default_workers() if workers is None else checks.whole("workers", workers)
    if variants == "each":
        raise InputError("variants='each' is for vl.run; give {test: variant} here, or leave it out to draw variants.")
    options = SessionOptions.checked(
        handler,
        callers,
        variables=variables,
        environment=environment,
        parameters=parameters,
        sessions=sessions,
        telephone=None if audio is None else _telephone(audio, tts, stt, phrases, world),
        seed=seed,
        variants=variants,
        world=world,
        start=start,
        configuration=configuration,
        input_data=input_data,
        model=model,
        shared_data=shared_data,
    )
    run = _Run(options, sessions, stopping=stopping)
    folder, temporary = _folder(log)
    finished = _existing(folder, run, resume=resume, overwrite=overwrite)
    if finished is None:
        packed = run.packed()
        n_workers = min(n_workers, run.plan(folder).n_shards)
        make_folder(folder)
        with hold(folder, f"vl.simulate of {options.handler.name!r}, {sessions:,} sessions") as lock:
            # Whoever held the lock until now may have changed what is there.
            finished = _existing(folder, run, resume=resume, overwrite=overwrite)
            if finished is None:
                if _is_replaced(folder, run, resume=resume, overwrite=overwrite):
                    clear(folder)
                _simulate(run, folder, lock, packed, executor, n_workers, progress=progress)
                finished = _open(folder)
    if options.variants:
        warn_of_unknown_tests(options.variants, finished.exposures()["test"].unique().tolist())
    return _with_job(finished, run, temporary)


class _Run:
    """A run as its log's manifest describes it."""

    def __init__(self, options: SessionOptions, sessions: int, *, stopping: bool) -> None:
        self.options = options
        self.sessions = sessions
        self.stopping = stopping
        self.fingerprint = of_options(options)
        identity = f"{self.fingerprint}:{options.seed}:{stopping}"
        self.job = Job(options, run_id=blake2b(identity.encode(), digest_size=8).hexdigest())

    def plan(self, folder: Path) -> Plan:
        """Return how the sessions are cut into shards."""
        return Plan(folder, self.sessions, self.shard_size, self._rows)

    def packed(self) -> bytes:
        """Return what worker processes get, all alike: rows of parameters go with the shards that they belong to."""
        shared = self.job if self._rows is None else replace(self.job, options=replace(self.options, parameters=None))
        return pack(shared)

    @property
    def _rows(self) -> Rows | None:
        return self.options.parameters if isinstance(self.options.parameters, tuple) else None

    @property
    def shard_size(self) -> int:
        """Sessions a shard: few where each takes a second."""
        return SHARD_SIZE if self.options.telephone is None else AUDIO_SHARD_SIZE

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a log to hold this run."""
        return {
            "fingerprint": self.fingerprint,
            "seed": self.options.seed,
            "sessions": self.sessions,
            "shard_size": self.shard_size,
            "stopping": self.stopping,
        }

    def manifest(self, workers: int) -> dict[str, Any]:
        """Return the manifest at the beginning of the run."""
        libraries = ("primfunctions", "pyarrow", "orjson")
        world = self.options.world
        return {
            **self.identity(),
            "fingerprint_version": VERSION,
            "run_id": self.job.run_id,
            "status": "running",
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": self.job.source,
            "handler": self.options.handler.name,
            "callers": self.options.callers.name,
            "world": None if world is None else repr(world),
            "audio": None if self.options.telephone is None else repr(self.options.telephone),
            "has_truth": bool(world is not None and world.truth),
            "workers": workers,
            "host": platform.node(),
            "python": platform.python_version(),
            "versions": {"voicelab": __version__, **{name: version(name) for name in libraries}},
        }


def _simulate(
    run: _Run, folder: Path, lock: Lock, packed: bytes, executor: Executor | None, workers: int, *, progress: bool
) -> None:
    def check() -> None:
        lock.check()
        check_run(folder, run.job.run_id)

    plan = run.plan(folder)
    settled = _settled_prefix(folder)
    manifest = run.manifest(workers)
    write_manifest(folder, manifest)
    drop_speculative(folder)
    watch = Watch(stopping=run.stopping)
    totals = _Totals()
    for facts in settled_facts(folder, settled):
        watch.replay(facts)
        totals.add(facts)
    done = min(settled * plan.shard_size, plan.sessions)
    started = time.perf_counter()
    pool = Pool(packed, executor, workers)
    with Progress(plan.sessions, done, shown=progress) as line:

        def take(report: ShardReport) -> None:
            totals.add(report)
            for note in report.notes:
                run.options.handler.add_note(note)

        try:
            Driver(plan, pool, watch, line, ahead=2 * workers + 2, check=check, take=take).run(settled)
        except KeyboardInterrupt:
            logged = min(_settled_prefix(folder) * plan.shard_size, plan.sessions)
            sys.stderr.write(
                f"\nStopped: {logged:,} of {plan.sessions:,} sessions are logged in {folder}. "
                "The same call with resume=True goes on from there.\n"
            )
            raise
    check()
    drop_speculative(folder)
    seconds = round(time.perf_counter() - started, 3)
    manifest |= {"status": "finished", "seconds": seconds, "decisions": watch.decisions(), **totals.manifest()}
    write_manifest(folder, manifest)


class _Totals:
    """Counts over settled shards, for the manifest."""

    def __init__(self) -> None:
        self._statuses: Counter[str] = Counter()
        self._n_errors = 0
        self._replies: dict[str, list[int]] = {}

    def add(self, report: ShardReport) -> None:
        self._statuses.update(report.statuses)
        self._n_errors += report.n_errors
        for caller, (replies, otherwise) in report.replies.items():
            counts = self._replies.setdefault(caller, [0, 0])
            counts[0] += replies
            counts[1] += otherwise

    def manifest(self) -> dict[str, Any]:
        shares = {caller: round(otherwise / replies, 4) for caller, (replies, otherwise) in self._replies.items()}
        return {"statuses": dict(self._statuses), "n_errors": self._n_errors, "otherwise_share": shares}


def _telephone(audio: Any, tts: Any, stt: Any, phrases: Sequence[str] | None, world: World | None) -> "Telephone":
    # Workers import this package; those of a simulation in text load no engines of speech.
    from voicelab.world import telephone

    return telephone.checked(audio, tts, stt, phrases, mishears=world is not None and world.mishears)


# --- the log's folder ------------------------------------------------------------------------------------------------


def _folder(log: str | Path | None) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    if log is None:
        temporary = tempfile.TemporaryDirectory(prefix="voicelab-")
        return Path(temporary.name) / "log", temporary
    if not isinstance(log, str | Path) or not str(log):
        raise InputError(f"log is {log!r}, must be the path of a folder, e.g. 'runs/greeting'.")
    return Path(log), None


def _existing(folder: Path, run: _Run, *, resume: bool, overwrite: bool) -> "Log | None":
    """Return the log if it is there and finished; None if the run is to go on, or to begin."""
    if is_blank(folder):
        return None
    if _is_replaced(folder, run, resume=resume, overwrite=overwrite):
        check_clear(folder)
        return None
    manifest = read_manifest(folder)
    differing = _differing(manifest, run)
    if differing == {"fingerprint"} and _of_another_version(manifest):
        raise LogError(_cant_tell(folder, manifest))
    if differing:
        raise LogError(
            f"{folder} holds another run ({manifest.get('sessions')} sessions of {manifest.get('handler')!r}, seed "
            f"{manifest.get('seed')}). Choose another folder, or replace it with overwrite=True."
        )
    if manifest.get("status") == "finished":
        sys.stderr.write(f"{folder} holds these {run.sessions:,} sessions already: it is opened, nothing is run.\n")
        return _open(folder)
    if not resume:
        raise LogError(f"{folder} holds an unfinished log of this run. Go on with it by resume=True.")
    return None


def _of_another_version(manifest: Mapping[str, Any]) -> bool:
    """Return whether a run's log has a fingerprint that this version computes otherwise."""
    return "fingerprint" in manifest and manifest.get("fingerprint_version", 1) != VERSION


def _cant_tell(folder: Path, manifest: Mapping[str, Any]) -> str:
    """Return what there is to say of a log that may hold this run or another one."""
    finished = manifest.get("status") == "finished"
    return (
        f"{folder} holds {'a finished' if finished else 'an unfinished'} log ({manifest['sessions']} sessions of "
        f"{manifest.get('handler')!r}, seed {manifest['seed']}) that another version of voicelab wrote (its fingerprint "
        f"is of version {manifest.get('fingerprint_version', 1)}, this voicelab's of version {VERSION}): "
        + ("whether it is of this run can't be told. " if finished else "it can't be resumed by this version. ")
        + f"Read it by vl.open_log({str(folder)!r}), choose another folder, or replace it with overwrite=True."
    )


def _is_replaced(folder: Path, run: _Run, *, resume: bool, overwrite: bool) -> bool:
    return overwrite and not is_blank(folder) and not (resume and not _differing(read_manifest(folder), run))


def _differing(manifest: Mapping[str, Any], run: _Run) -> set[str]:
    """Return what of a log's identity is not this run's."""
    return {key for key, value in run.identity().items() if manifest.get(key) != value}


def _settled_prefix(folder: Path) -> int:
    """Return how many shards are settled from the first on without a gap."""
    numbers = set(settled_shards(folder))
    count = 0
    while count in numbers:
        count += 1
    return count


# --- the log's way back to its options -------------------------------------------------------------------------------


def _open(folder: Path) -> "Log":
    # Worker processes import this package too, and must not load what reads logs.
    from voicelab.log.read import open_log

    return open_log(folder)


def _with_job(log: "Log", run: _Run, temporary: Any) -> "Log":
    """Give a log the way to run its sessions again, and its temporary folder to keep."""

    def rerun(index: int, stops: Mapping[str, int]) -> SessionRecord:
        return play(run.job, index, {test: False for test, at in stops.items() if at < index})

    return log.with_rerun(rerun, temporary)
