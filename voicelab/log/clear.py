"""Empties the folder of a log that is to be replaced: of what a log consists of, and of nothing else."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from voicelab.base.errors import LogError
from voicelab.base.records import STORED
from voicelab.log import disk, lock
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.write import drop_speculative

_TABLE = f"({'|'.join(STORED)})"
_RUN = r"_spec/run-[0-9a-f]{16}(\.gone)?"
_STAGED = rf"(_spec|{_RUN})/\d{{6,}}-[\w-]+(\.tmp)?"
_PART = r"part-\d{6,}(-\d{6,})?"
_ALONE = rf"{_RUN}/alone"
# What is there only while something is written, and stays behind where that was killed.
_UNFINISHED = (
    rf"{lock.NAME}|{_RUN}/\d{{6,}}-[\w-]+\.note|{_ALONE}/[a-z]+(\.tmp)?|_manifest\.json\.tmp"
    rf"|{_STAGED}/({_TABLE}\.parquet|checksums\.json)"
)
_FILE = re.compile(
    rf"{_UNFINISHED}|manifest\.json|{_TABLE}/{_PART}\.parquet|late/(part-\d{{6,}}\.parquet|_part-\d{{6,}}\.tmp)"
    rf"|checksums/({_PART}\.json|late-\d{{6,}}\.json|_(late-\d{{6,}}|{_PART})\.json\.tmp)|audio/_?[0-9a-f]{{16}}\.wav"
    rf"|verdicts/_?session-\d{{9,}}-[\w-]+\.json(\.tmp)?"
)
_FOLDER = re.compile(rf"{_TABLE}|late|audio|checksums|verdicts|_spec|{_RUN}|{_ALONE}|{_STAGED}|_spec/claims(/\d+)?")
_JUNCTION = 0xA0000003  # the tag of Windows' own links between folders
_MOST_NAMED = 5


def is_blank(folder: Path) -> bool:
    """Return whether a log can begin in a folder: it isn't there, or empty but for what a killed beginning left."""
    if not folder.is_dir():
        return not folder.exists()
    if (folder / "manifest.json").exists():
        return False
    return all(name.startswith("_") and _is_ours(name, entry) for name, entry in _entries(folder))


def check_clear(folder: Path) -> None:
    """Make sure that a folder is a log and holds nothing else, so that it can be cleared.

    Raises:
        LogError: it isn't, or is a link to one; the message names what is in the way.
    """
    if _is_link(folder):
        raise LogError(f"{folder} is a link, and overwrite=True follows none. Give the folder that it leads to.")
    try:
        read_manifest(folder)
    except LogError as error:
        raise LogError(f"{error} overwrite=True replaces logs alone: nothing was removed.") from None
    foreign = sorted(name for name, entry in _entries(folder) if not _is_ours(name, entry))
    if foreign:
        more = f" and {len(foreign) - _MOST_NAMED} more" if len(foreign) > _MOST_NAMED else ""
        raise LogError(
            f"{folder} holds what is no part of a log: {', '.join(foreign[:_MOST_NAMED])}{more}. overwrite=True replaces "
            "logs alone, and nothing was removed: move it elsewhere, or give another folder."
        )


def clear(folder: Path) -> None:
    """Remove the sessions of a log, its late outcomes and its sound.

    Its manifest stays until another is written, and calls the log unfinished: wherever this is interrupted, the folder
    is a log that can be replaced. What is staged stays too.

    Args:
        folder: The log's folder; its lock is held.

    Raises:
        LogError: as `check_clear`, and nothing is removed; or something can't be removed.
    """
    check_clear(folder)
    write_manifest(folder, read_manifest(folder) | {"status": "running"})
    ours = [entry for name, entry in _entries(folder) if not name.startswith(("_", "manifest.json"))]
    try:
        # Sessions first: a shard without them counts as not there, rather than as damaged.
        for entry in sorted(ours, key=lambda entry: entry.parent.name != "sessions"):
            if not entry.is_dir():
                disk.remove(entry)
        for entry in ours:
            if entry.is_dir():
                disk.remove_folder(entry)
        # Before a manifest of another run stands there: a loss of power must not bring the old sessions back to that.
        disk.sync(folder)
    except OSError as error:
        raise LogError(f"{error.filename} can't be removed: {error.strerror}. Part of {folder} is gone.") from None


def drop_unfinished(folder: Path) -> None:
    """Remove what somebody left behind who was killed while he wrote, as far as that can be done.

    Args:
        folder: The log's folder; its lock is held.
    """
    for name, entry in list(_entries(folder)):
        if entry.name.startswith("_") and name != lock.NAME and _is_ours(name, entry) and not entry.is_dir():
            disk.remove_tree(entry)
    drop_speculative(folder)


def _entries(folder: Path, under: str = "") -> Iterator[tuple[str, Path]]:
    """Yield files and folders with their names from the log's folder on; what is no part of a log isn't looked into."""
    try:
        entries = list((folder / under).iterdir())
    except FileNotFoundError:
        return  # staged, and settled meanwhile by whoever writes here
    except OSError as error:
        raise LogError(f"{error.filename} can't be read: {error.strerror}.") from None
    for entry in entries:
        name = f"{under}{entry.name}"
        yield name, entry
        if not _is_link(entry) and entry.is_dir() and _FOLDER.fullmatch(name):
            yield from _entries(folder, f"{name}/")


def _is_ours(name: str, entry: Path) -> bool:
    if _is_link(entry):
        return False
    return bool((_FOLDER if entry.is_dir() else _FILE).fullmatch(name)) or not entry.exists()


def _is_link(path: Path) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return stat.S_ISLNK(found.st_mode) or getattr(found, "st_reparse_tag", 0) == _JUNCTION
