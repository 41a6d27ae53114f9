"""`voicerun.read`: exports of VoiceRun in, one session log out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from voicelab.base import checks
from voicelab.base.errors import InputError, LogError
from voicelab.base.paths import path_of
from voicelab.base.plain_json import encode
from voicelab.base.progress_line import progress_line
from voicelab.base.records import column
from voicelab.log import Log, open_log
from voicelab.log import lock as locks
from voicelab.log.checksums import KIND
from voicelab.log.clear import check_clear, clear, is_blank
from voicelab.log.lock import Lock
from voicelab.log.manifest import check_run, write_manifest
from voicelab.log.write import SHARD_SIZE, drop_speculative, make_folder, settle_shard, stage_shard
from voicelab.voicerun import files, shapes
from voicelab.voicerun.assemble import Assembled
from voicelab.voicerun.declare import Declarations, SeenTests, check_given
from voicelab.voicerun.gather import Gathered, gather
from voicelab.voicerun.stored_rows import StoredRows

_SHARD_BYTES = 32_000_000
"""Of exports, about, whose sessions are one shard."""
_OUTCOME = column("outcomes", "outcome")
_STAGED = "import"
"""The tag of shards that are staged."""


def read(
    paths: str | Path | Iterable[str | Path],
    log: str | Path,
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
    conversions: Iterable[str] = (),
    overwrite: bool = False,
    progress: bool = False,
) -> Log:
    """Read exports of VoiceRun into a session log, which opens and is analysed like any other.

    Files are recognised by what they hold: exports of the debugger, and of `vr session events`, `transcript`, `list`, `info`
    and `trace`, `vr metrics session`, `vr evaluation list` and `vr experiments describe`, each with `--json`. Several files
    may speak of the same session; a file of another kind is left out, with a warning, and so is what is no JSON in a folder or
    glob. What evaluators ruled and traces cost are outcomes that were added late. Nothing is dropped: what the log has no
    column for stands under `extra` in an event's data, and `log.manifest["imports"]` says file by file what was not
    understood. A session's variant is found in its serialized context, else in the tags of its metrics, else in the SDK's log
    lines; without any it is counted as unassigned.

    Args:
        paths: A file, a folder, a glob, or several of them.
        log: Folder of the log to be written.
        weights: `{test: {variant: weight}}`, for tests whose exports don't say their weights. Without them the log says that
            they are unknown, and `vl.analyze` decides without a check of the shares, or asks for them where it bets.
        conversions: Names of metrics that are conversions, beyond those that the exports name.
        overwrite: Replace a log that is there.
        progress: Show how far it is.

    Returns:
        The log; sessions are in order of their end, their source is `imported`.

    Raises:
        InputError: a file is missing, or none speaks of a session; a file that was named is no JSON, or one of a folder is
            an export that was cut, so that its sessions would be missing.
        LogError: there is a log already, the folder holds something else, or it can't be written. Nothing is written
            before everything was understood.
    """
    folder = path_of("log", log, "runs/live")
    shown = checks.switch("progress", progress)
    _check_free(folder, overwrite=overwrite)
    seen = SeenTests(check_given(weights))
    found = files.find_files(paths, leave_out=folder.resolve())
    with StoredRows() as store:
        with _Stages(shown) as stages:
            stages.begin(len(found), "files looked through")
            gathered = gather(stages.each(_recognised(file, named=named) for file, named in found.items()), store)
            _check_sessions(gathered, len(found))
            run_id = blake2b("\n".join(sorted(gathered.records)).encode(), digest_size=8).hexdigest()
            stages.begin(len(gathered.records), "sessions read")
            sessions = Assembled(gathered, seen, run_id, stages.done)
            declarations = sessions.declared(list(conversions))
            make_folder(folder)
            stages.begin(len(sessions), "sessions written")
            with locks.hold(folder, f"voicerun.read of {len(sessions):,} sessions", locks.ENDING_S) as lock:
                _check_free(folder, overwrite=overwrite)
                taken = _write(
                    folder,
                    lock,
                    _Import(gathered, sessions, declarations, run_id, _shard_size(found, sessions)),
                    stages,
                )
        gathered.report.say(stacklevel=2)
        made = open_log(folder)
        later = sessions.later.frame(taken)
        if later is not None:
            made.add_outcomes(later)
        return made


def _check_sessions(gathered: Gathered, n_files: int) -> None:
    if not gathered.records:
        unknown = [report for report in gathered.report.files if report.kind == shapes.FOREIGN]
        why = f" {unknown[0].file}: {unknown[0].notes[0]}." if unknown else ""
        raise InputError(
            f"None of the {n_files} files speaks of a session.{why} Export sessions too, e.g. `vr session list --json`."
        )


class _Import(NamedTuple):
    """What is written.

    Attributes:
        gathered: What the files say.
        sessions: The sessions.
        declarations: Their tests.
        run_id: Id of the import.
        shard_size: How many sessions a shard holds.
    """

    gathered: Gathered
    sessions: Assembled
    declarations: Declarations
    run_id: str
    shard_size: int


class _Stages:
    """How far an import is, stage by stage; nothing where it isn't shown."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown
        self._line: Any = None

    def begin(self, total: int, unit: str) -> None:
        """Begin a stage."""
        self._end()
        self._line = progress_line(total, unit=unit) if self._shown else None

    def done(self, n: int = 1) -> None:
        """Count what is done."""
        if self._line is not None:
            self._line.update(n)

    def each(self, things: Iterable[shapes.Export]) -> Iterator[shapes.Export]:
        """Yield things, and count them."""
        for thing in things:
            yield thing
            self.done()

    def _end(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def __enter__(self) -> "_Stages":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


def _shard_size(found: Iterable[Path], sessions: Assembled) -> int:
    """Return how many sessions a shard holds: fewer where they are long, since a shard is in memory while it is written."""
    total = sum(file.stat().st_size for file in found if file.exists())
    return max(1, min(SHARD_SIZE, _SHARD_BYTES * len(sessions) // max(1, total)))


def _recognised(file: Path, *, named: bool) -> shapes.Export:
    """Return what a file is; one that is no JSON and stands by chance in the folder refuses no others.

    Raises:
        InputError: it can't be parsed, and was named or looks like an export.
    """
    try:
        return shapes.recognise(file, files.load(file)[0])
    except files.NotParsedError as error:
        if named or shapes.looks_like_export(error.text):
            raise
        return shapes.Export(file, shapes.FOREIGN, [error.why])


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if is_blank(folder):
        return
    if not overwrite:
        raise LogError(f"{folder} is there already. Give another folder, or overwrite=True to replace it.")
    check_clear(folder)


def _write(folder: Path, lock: Lock, given: _Import, stages: _Stages) -> set[str]:
    """Write the log where readers don't look, and put it in the place of what is there when it is whole.

    Returns the names of its outcomes.
    """
    n, size = len(given.sessions), given.shard_size
    numbers = range(-(-n // size))
    taken: set[str] = set()
    try:
        for number in numbers:
            rows = given.sessions.rows(number * size, (number + 1) * size, given.declarations)
            taken.update(str(row[_OUTCOME]) for session in rows for row in session.outcomes)
            stage_shard(folder, number, _STAGED, rows)
            stages.done(len(rows))
        given.gathered.report.close()
        manifest = _manifest(given)
        lock.check()
        if not is_blank(folder):
            clear(folder)
        write_manifest(folder, manifest | {"status": "running"})
        for number in numbers:
            lock.check()
            check_run(folder, manifest["run_id"])
            settle_shard(folder, number, _STAGED)
    except BaseException:
        drop_speculative(folder, _STAGED)
        raise
    drop_speculative(folder)
    write_manifest(folder, manifest)
    return taken


def _began_at(began_s: float | None) -> dict[str, str]:
    """Return when the first session began, if that is known, and a date that there is."""
    try:
        return {} if began_s is None else {"began_at": datetime.fromtimestamp(began_s, UTC).isoformat()}
    except (ValueError, OverflowError, OSError):
        return {}


def _manifest(given: _Import) -> dict[str, Any]:
    gathered, began_s = given.gathered, given.sessions.began_s
    manifest = {
        "status": "finished",
        "run_id": given.run_id,
        "sessions": len(given.sessions),
        "shard_size": given.shard_size,
        "checksums": KIND,
        "source": "imported",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **_began_at(began_s),
        "exposures": given.declarations.summary(),
        "weights_unknown": given.declarations.weights_unknown,
        "platform": gathered.platform,
        "imports": [report.to_json() | {"file": report.file.name} for report in gathered.report.files],
        "warnings": gathered.report.warnings,
        "decisions": {},
    }
    plain: dict[str, Any] = json.loads(encode(manifest))  # what no file can hold, such as half a character, is replaced
    return plain
