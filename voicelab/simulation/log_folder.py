"""What lies in a simulation's folder already: nothing, this run's log, finished or not, or something else."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import LogError
from voicelab.base.paths import path_of
from voicelab.log import late, lock
from voicelab.log.checksums import KIND, is_as_sealed
from voicelab.log.clear import check_clear, drop_unfinished, is_blank
from voicelab.log.manifest import read_manifest
from voicelab.log.parts import Part, settled_parts
from voicelab.log.verify import Damage, read_through
from voicelab.log.write import remove_part, sync_settled
from voicelab.simulation.fingerprint import VERSION
from voicelab.simulation.simulation_run import SimulationRun

if TYPE_CHECKING:
    from voicelab.log.read import Log

_MOST_NAMED = 5


def log_folder(log: str | Path | None) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    """Return the folder of a run's log, and the temporary one that it lies in if none was given.

    Raises:
        InputError: it is no path.
    """
    if log is None:
        temporary = tempfile.TemporaryDirectory(prefix="voicelab-")
        return Path(temporary.name) / "log", temporary
    return path_of("log", log, "runs/greeting"), None


def existing_log(folder: Path, run: SimulationRun, *, resume: bool, overwrite: bool) -> "Log | None":
    """Return the log if it is there and finished; None if the run is to go on, or to begin.

    Raises:
        LogError: the folder holds something else, or an unfinished log that is not to be resumed.
    """
    if is_blank(folder):
        return None
    if is_replaced(folder, run, resume=resume, overwrite=overwrite):
        check_clear(folder)
        return None
    manifest = read_manifest(folder)
    differing = _differing(manifest, run)
    if differing == {"fingerprint"} and (why := _of_another_version(manifest, run)):
        raise LogError(_cant_tell(folder, manifest, why))
    if differing:
        raise LogError(
            f"{folder} holds another run ({manifest.get('sessions')} sessions of {manifest.get('handler')!r}, seed "
            f"{manifest.get('seed')}{_other_options(manifest, run)}). Choose another folder, or replace it with "
            "overwrite=True."
        )
    if manifest.get("status") == "finished":
        if resume and (_damaged_shards(folder, manifest) or not (is_as_sealed(manifest) or manifest.get("redacted"))):
            return None
        if resume:
            _tidy(folder)
        sys.stderr.write(f"{folder} holds these {run.sessions:,} sessions already: it is opened, nothing is run.\n")
        return open_folder(folder)
    if not resume:
        raise LogError(f"{folder} holds an unfinished log of this run. Go on with it by resume=True.")
    return None


def _other_options(manifest: Mapping[str, Any], run: SimulationRun) -> str:
    """Return which options differ from this run's, for the message."""
    known = manifest.get("options") or {}
    names = [name for name, digest in run.fingerprints.items() if name in known and known[name] != digest]
    return f"; other options: {', '.join(names)}" if names else ""


def _of_another_version(manifest: Mapping[str, Any], run: SimulationRun) -> str:
    """Return why a log's fingerprint can't be compared with this run's though the run may be the same; empty if it can."""
    found, known = manifest.get("fingerprint_version", 1), manifest.get("options") or {}
    if "fingerprint" not in manifest:
        return ""
    if found != VERSION:
        return f"its fingerprint is of version {found}, this voicelab's of version {VERSION}"
    names = known.keys() ^ run.fingerprints.keys()
    if not names or _other_options(manifest, run):
        return ""
    return f"the options {', '.join(sorted(names))} are known to one of them alone"


def _cant_tell(folder: Path, manifest: Mapping[str, Any], why: str) -> str:
    """Return what there is to say of a log that may hold this run or another one."""
    finished = manifest.get("status") == "finished"
    return (
        f"{folder} holds {'a finished' if finished else 'an unfinished'} log ({manifest['sessions']} sessions of "
        f"{manifest.get('handler')!r}, seed {manifest['seed']}) that another version of voicelab wrote ({why}): "
        + ("whether it is of this run can't be told. " if finished else "it can't be resumed by this version. ")
        + f"Read it by vl.open_log({str(folder)!r}), choose another folder, or replace it with overwrite=True."
    )


def is_replaced(folder: Path, run: SimulationRun, *, resume: bool, overwrite: bool) -> bool:
    """Return whether what lies in the folder makes way for the run."""
    return overwrite and not is_blank(folder) and not (resume and not _differing(read_manifest(folder), run))


def _differing(manifest: Mapping[str, Any], run: SimulationRun) -> set[str]:
    """Return what of a log's identity is not this run's."""
    return {key for key, value in run.identity().items() if manifest.get(key) != value}


def whole_parts(folder: Path, line: Callable[[str], object]) -> list[Part]:
    """Return the parts of a run's log that are as they were written; take the others out, so that they run again.

    Args:
        folder: The log's folder; its lock is held.
        line: Takes what there is to say.

    Raises:
        LogError: a part is damaged and can't be run again, or can't be removed.
    """
    if is_blank(folder):
        return []
    drop_unfinished(folder)
    sync_settled(folder)
    manifest = read_manifest(folder)
    found = read_through(folder, manifest)
    damaged = _damaged(found.damage)
    _say_what_stays(folder, found.damage, line)
    for part in damaged:
        remove_part(folder, part)
    if damaged:
        files = [f"{one.file} {one.problem}" for one in found.damage if one.part is not None]
        more = f"; and {len(files) - _MOST_NAMED:,} files more" if len(files) > _MOST_NAMED else ""
        line(
            f"{folder} is damaged: {found.n_missing:,} sessions are run again ({'; '.join(files[:_MOST_NAMED])}{more}).\n"
        )
    return list(found.parts)


def kept_facts(folder: Path) -> dict[str, Any]:
    """Return what a run that goes on keeps of the manifest that is there."""
    if not settled_parts(folder):
        return {"checksums": KIND}
    manifest = read_manifest(folder)
    if not is_as_sealed(manifest):
        return _facts_of_files(folder)
    return {name: manifest[name] for name in ("checksums", late.COUNT, "evaluated") if name in manifest}


def _facts_of_files(folder: Path) -> dict[str, Any]:
    """Return the facts of a manifest that is to be believed no more, as far as files tell them."""
    sealed = all(part.checksums(folder).exists() for part in settled_parts(folder))
    n_late = sum(late.checksums(folder, path).exists() for path in late.parts(folder))
    return ({"checksums": KIND} if sealed else {}) | ({late.COUNT: n_late} if n_late else {})


def _tidy(folder: Path) -> None:
    """Clear up after whoever was killed when a log was finished, unless somebody is writing it."""
    if any(folder.glob("_*")) or any(folder.glob("*/_*")):
        with contextlib.suppress(LogError), lock.hold(folder, "vl.simulate"):
            drop_unfinished(folder)


def _damaged_shards(folder: Path, manifest: Mapping[str, Any]) -> list[Part]:
    found = read_through(folder, manifest)
    damaged = _damaged(found.damage)
    if not damaged:
        _say_what_stays(folder, found.damage, sys.stderr.write)
    if damaged and manifest.get("redacted"):
        raise LogError(
            f"{folder} is damaged, and was redacted: run again, its sessions would say again what was masked. "
            f"vl.open_log({str(folder)!r}, strict=False) reads what is whole."
        )
    return damaged


def _say_what_stays(folder: Path, damage: Iterable[Damage], line: Callable[[str], object]) -> None:
    """Say which damage no run mends: outcomes that were added late came from elsewhere."""
    for one in damage:
        if one.part is None and one.file != "manifest.json":
            line(
                f"{folder / one.file} {one.problem}. These outcomes came from elsewhere and can't be run again: put the "
                "file back, or add them to a new log.\n"
            )


def _damaged(damage: Iterable[Damage]) -> list[Part]:
    return sorted({one.part for one in damage if one.part is not None})


def open_folder(folder: Path) -> "Log":
    """Return the log in a folder."""
    # Worker processes import this package too, and must not load what reads logs.
    from voicelab.log.read import open_log

    return open_log(folder)
