"""Checksums: what was written, to be told from what is there.

Beside each part of a log stands a file of JSON: of each table how many rows and bytes its file has, and their SHA-256; which
run they are of; of each session a mark of its id, by which it is found. It is on the disk before the part counts as
settled. Its own SHA-256 is in it too, as in the manifest's.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

KIND = "sha256"
"""What a manifest says under `checksums`, if all parts of its log have them."""
SEAL = "sha256"
_MARKS = "marks"
_RUN = "run"


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file has to be.

    Attributes:
        rows: Rows of its table.
        bytes: Its length.
        sha256: SHA-256 of its bytes, as `sha256sum` prints it.
    """

    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checksums:
    """What the files of a part have to be.

    Attributes:
        tables: The checksum of each table.
        marks: A mark of each session's id (`voicelab.log.marks`), in order of rows; None if an earlier version wrote none.
        run: Id of the run that they belong to; None if an earlier version wrote none. Whole files that came in from another
            log are as they were written, and give themselves away by nothing else.
    """

    tables: Mapping[str, Checksum]
    marks: bytes | None = None
    run: str | None = None


class DamagedError(Exception):
    """A file of checksums isn't as it was written."""


def sealed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts with their own checksum at the end."""
    return {**facts, SEAL: _seal(facts)}


def is_as_sealed(facts: Mapping[str, Any]) -> bool:
    """Return whether facts that were read are as they were sealed, or never were."""
    return SEAL not in facts or facts[SEAL] == _digest({name: fact for name, fact in facts.items() if name != SEAL})


def _seal(facts: Mapping[str, Any]) -> str:
    # As they are read back: dates are text by then, and tuples lists.
    return _digest(json.loads(json.dumps(facts, default=str)))


def _digest(plain: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def checksums_json(name: str, checksums: Checksums) -> bytes:
    """Return the file of checksums of a part, or of late outcomes, by its name."""
    facts: dict[str, Any] = {
        "part": name,
        "tables": {table: asdict(checksum) for table, checksum in checksums.tables.items()},
    }
    if checksums.run is not None:
        facts[_RUN] = checksums.run
    if checksums.marks is not None:
        facts[_MARKS] = base64.b64encode(checksums.marks).decode()
    return (json.dumps(sealed(facts), indent=1) + "\n").encode()


def read_checksums(path: Path) -> Checksums | None:
    """Return the checksums of a part; None if there is no such file.

    Raises:
        DamagedError: they aren't as they were written, or those of another part.
    """
    try:
        facts = json.loads(path.read_bytes())
        if facts[SEAL] is None or not is_as_sealed(facts) or facts["part"] != path.stem:
            raise DamagedError
        tables = {table: Checksum(**checksum) for table, checksum in facts["tables"].items()}
        marks = base64.b64decode(facts[_MARKS]) if _MARKS in facts else None
        return Checksums(tables, marks, facts.get(_RUN))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DamagedError from None


def of_file(path: Path) -> tuple[int, str]:
    """Return the length of a file, and the SHA-256 of its bytes."""
    digest, n_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            n_bytes += len(block)
    return n_bytes, digest.hexdigest()
