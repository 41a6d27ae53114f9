"""`voicerun.read`: exports of VoiceRun in, one session log out."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError, LogError
from voicelab.base.paths import path_of
from voicelab.base.plain_json import encode
from voicelab.base.records import SessionRows, column
from voicelab.log import Log, open_log
from voicelab.log import lock as locks
from voicelab.log.checksums import KIND
from voicelab.log.clear import check_clear, clear, is_blank
from voicelab.log.lock import Lock
from voicelab.log.manifest import check_run, write_manifest
from voicelab.log.write import SHARD_SIZE, drop_speculative, make_folder, settle_shard, stage_shard
from voicelab.voicerun import files, shapes
from voicelab.voicerun.assemble import assemble
from voicelab.voicerun.declare import Declarations, check_given
from voicelab.voicerun.gather import Gathered, gather
from voicelab.voicerun.known_later import outcomes_known_later

_STAGED = "import"
"""The tag of shards that are staged."""


def read(
    paths: str | Path | Iterable[str | Path],
    log: str | Path,
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
    conversions: Iterable[str] = (),
    overwrite: bool = False,
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

    Returns:
        The log; sessions are in order of their end, their source is `imported`.

    Raises:
        InputError: a file is missing, or none speaks of a session; a file that was named is no JSON, or one of a folder is
            an export that was cut, so that its sessions would be missing.
        LogError: there is a log already, the folder holds something else, or it can't be written. Nothing is written
            before everything was understood.
    """
    folder = path_of("log", log, "runs/live")
    _check_free(folder, overwrite=overwrite)
    given = check_given(weights)
    found = files.find_files(paths, leave_out=folder.resolve())
    gathered = gather([_recognised(file, named=named) for file, named in found.items()])
    if not gathered.drafts:
        unknown = [report for report in gathered.report.files if report.kind == shapes.FOREIGN]
        why = f" {unknown[0].file}: {unknown[0].notes[0]}." if unknown else ""
        raise InputError(
            f"None of the {len(found)} files speaks of a session.{why} Export sessions too, e.g. `vr session list --json`."
        )
    run_id = blake2b("\n".join(sorted(gathered.drafts)).encode(), digest_size=8).hexdigest()
    sessions, declarations = assemble(gathered, given, list(conversions), run_id)
    later = outcomes_known_later(gathered.drafts.values(), _outcomes_in(sessions))
    gathered.report.close()
    make_folder(folder)
    with locks.hold(folder, f"voicerun.read of {len(sessions):,} sessions", locks.ENDING_S) as lock:
        _check_free(folder, overwrite=overwrite)
        _write(folder, lock, sessions, _manifest(gathered, sessions, declarations, run_id))
    gathered.report.say(stacklevel=2)
    made = open_log(folder)
    if later is not None:
        made.add_outcomes(later)
    return made


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


def _outcomes_in(sessions: list[SessionRows]) -> list[str]:
    name = column("outcomes", "outcome")
    return list(dict.fromkeys(str(row[name]) for session in sessions for row in session.outcomes))


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if is_blank(folder):
        return
    if not overwrite:
        raise LogError(f"{folder} is there already. Give another folder, or overwrite=True to replace it.")
    check_clear(folder)


def _write(folder: Path, lock: Lock, sessions: list[SessionRows], manifest: dict[str, Any]) -> None:
    """Write the log where readers don't look, and put it in the place of what is there when it is whole."""
    numbers = range(-(-len(sessions) // SHARD_SIZE))
    try:
        for number in numbers:
            stage_shard(folder, number, _STAGED, sessions[number * SHARD_SIZE : (number + 1) * SHARD_SIZE])
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


def _manifest(
    gathered: Gathered, sessions: list[SessionRows], declarations: Declarations, run_id: str
) -> dict[str, Any]:
    manifest = {
        "status": "finished",
        "run_id": run_id,
        "sessions": len(sessions),
        "shard_size": SHARD_SIZE,
        "checksums": KIND,
        "source": "imported",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "exposures": declarations.summary(),
        "weights_unknown": declarations.weights_unknown,
        "platform": gathered.platform,
        "imports": [report.to_json() | {"file": report.file.name} for report in gathered.report.files],
        "warnings": gathered.report.warnings,
        "decisions": {},
    }
    plain: dict[str, Any] = json.loads(encode(manifest))  # what no file can hold, such as half a character, is replaced
    return plain
