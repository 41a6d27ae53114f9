"""The manifest of a session log: what was run, when, with which versions, and what was decided."""

import json
from pathlib import Path
from typing import Any

from voicelab.base.errors import LogError
from voicelab.base.masking import shown
from voicelab.base.records import SCHEMA_VERSION
from voicelab.log import disk
from voicelab.log.checksums import SEAL, sealed
from voicelab.log.manifest_fields import checked_fields

_NAME = "manifest.json"


def read_manifest(root: Path) -> dict[str, Any]:
    """Return a log's manifest.

    Args:
        root: The log's folder.

    Raises:
        LogError: the folder is no session log, its manifest is broken, or it was written with another schema.
    """
    path = root / _NAME
    if not root.exists():
        raise LogError(f"There is no folder {root}. Give the folder of a session log.")
    if not path.is_file():
        raise LogError(f"{root} is no session log: it has no {_NAME}. Give a folder that vl.simulate() has written.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found = manifest["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LogError(f"{path} can't be read as a manifest: {type(error).__name__}: {error}.") from None
    if type(found) is not int or found < 1:
        raise LogError(
            f"{path} can't be read as a manifest: schema_version is {shown(found)}, must be a whole number from 1."
        )
    if found > SCHEMA_VERSION:
        wrote = manifest.get("versions")
        version = f" ({wrote['voicelab']})" if isinstance(wrote, dict) and "voicelab" in wrote else ""
        raise LogError(
            f"{root} was written by a newer voicelab{version}: its schema version is {found}, and this voicelab reads those "
            f"up to {SCHEMA_VERSION}. Update voicelab to open it; its tables are plain Parquet meanwhile."
        )
    return checked_fields(manifest, path)


def check_run(root: Path, run_id: str) -> None:
    """Make sure that a log is still that of a run, before the run adds to it.

    Raises:
        LogError: its folder was removed, or holds another run.
    """
    try:
        found = read_manifest(root).get("run_id")
    except LogError as error:
        raise LogError(f"{root} was removed or replaced while run {run_id} wrote it. {error}") from None
    if found != run_id:
        raise LogError(
            f"{root} was replaced while run {run_id} wrote it: it holds run {found} now. Nothing more is written; run it "
            "again into a folder of its own."
        )


def write_manifest(root: Path, manifest: dict[str, Any]) -> None:
    """Write a log's manifest, whole or not at all.

    Args:
        root: The log's folder.
        manifest: Everything; the schema version is added where it has none, as that of a new log.

    Raises:
        LogError: it can't be written.
    """
    path = root / _NAME
    facts = sealed(
        {"schema_version": SCHEMA_VERSION, **{name: fact for name, fact in manifest.items() if name != SEAL}}
    )
    try:
        text = json.dumps(facts, indent=1, ensure_ascii=False, default=str)
        disk.write_whole(path, text.encode(errors="replace"), f"_{_NAME}.tmp")
    except OSError as error:
        raise LogError(f"{path} can't be written: {error.strerror}.") from None
