"""What must be true of a log, whatever has happened: held against the bytes that an undisturbed run leaves."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.runs import Size, late_outcomes
from chaos.schedule import require
from voicelab.base.errors import LogError
from voicelab.base.records import STORED
from voicelab.log import Log
from voicelab.log.checksums import is_as_sealed
from voicelab.log.compact import compact
from voicelab.log.manifest import read_manifest
from voicelab.log.parts import CHECKSUMS, Part, settled_parts, shards_of
from voicelab.log.verify import read_through

MANIFEST = "manifest.json"
_OF_THE_MOMENT = ("created_at", "seconds", "workers", "sha256", "late", "host")
"""What two manifests of the same run may differ in."""


@dataclass(frozen=True)
class Expected:
    """What a run leaves that nothing disturbs.

    Attributes:
        run_id: Its id.
        size: How large it is.
        ids: The ids of its sessions.
        files: The log's files with their SHA-256, but for its manifest.
        joined: The same when it has been compacted.
        late: The files of late outcomes, of as many as are ever added.
        manifest: What its manifest says.
    """

    run_id: str
    size: Size
    ids: tuple[str, ...]
    files: Mapping[str, str]
    joined: Mapping[str, str]
    late: Mapping[str, str]
    manifest: Mapping[str, Any]

    @property
    def any(self) -> Mapping[str, str]:
        """All files that there may be at some time."""
        return {**self.files, **self.joined, **self.late}

    def is_told_by(self, manifest: Mapping[str, Any]) -> bool:
        """Return whether a manifest says what that of an undisturbed run says."""
        return _lasting(manifest) == _lasting(self.manifest)


LATE = 3
"""How many times outcomes are added late, at most."""


def expected_of(log: Path, size: Size, run: Callable[[Path], Log]) -> Expected:
    """Return what a run leaves, from running it.

    Args:
        log: A folder for it.
        size: How large it is.
        run: Runs it.
    """
    opened = run(log)
    manifest, files, ids = read_manifest(log), files_of(log), opened.sessions()["session_id"].tolist()
    for number in range(LATE):
        opened.add_outcomes(late_outcomes(number, ids))
    late = {name: digest for name, digest in files_of(log).items() if name not in files}
    compact(log)
    joined = {name: digest for name, digest in files_of(log).items() if name not in late}
    return Expected(opened.run_id, size, tuple(ids), files, joined, late, manifest)


def _lasting(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in manifest.items() if name not in _OF_THE_MOMENT}


@dataclass
class Promises:
    """What whoever writes a log was told, and what was done to it since.

    Attributes:
        runs: The runs that it may hold, by id.
        run_id: The one that it was told of last.
        shards: Shards that were settled.
        late: How many times outcomes were added.
        harmed: Files that were damaged, until they are whole again.
        manifest_harmed: Whether its manifest was.
        replaced: The run that makes way for another, whose sessions are nobody's any more.
    """

    runs: Mapping[str, Expected]
    run_id: str | None = None
    shards: set[int] = field(default_factory=set)
    late: int = 0
    harmed: set[str] = field(default_factory=set)
    manifest_harmed: bool = False
    replaced: str | None = None

    @property
    def is_refused(self) -> bool:
        """Whether nobody can run again what was damaged: what the log is, or outcomes that came from elsewhere."""
        return self.manifest_harmed or any("late" in name for name in self.harmed)

    def settled(self, run_id: str, number: int) -> None:
        """Take note that a shard was settled."""
        if self.run_id != run_id:
            self.forget()
        self.run_id = run_id
        self.shards.add(number)
        self.replaced = None

    def harm(self, name: str) -> None:
        """Take note that a file was damaged."""
        if name == MANIFEST:
            self.manifest_harmed = True
        else:
            self.harmed.add(name)
            self.shards -= set(_shards(name))  # until they are settled again

    def forget(self, replaced: str | None = None) -> None:
        """Take note that the log is replaced."""
        self.run_id, self.replaced = None, replaced
        self.shards.clear()
        self.harmed.clear()
        self.late = 0
        self.manifest_harmed = False


def files_of(log: Path) -> dict[str, str]:
    """Return a log's files with their SHA-256, but for its manifest and what is unfinished."""
    return {
        str(path.relative_to(log)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (*STORED, CHECKSUMS, "late")
        for path in (log / folder).glob("*")
        if not path.name.startswith("_")
    }


def leftovers(log: Path) -> list[str]:
    """Return what is there that is unfinished, or nobody's."""
    known = {*STORED, CHECKSUMS, "late", "verdicts", MANIFEST}
    return sorted(
        str(path.relative_to(log))
        for path in log.rglob("*")
        if path.name.startswith("_") or (path.parent == log and path.name not in known)
    )


def check(log: Path, promises: Promises) -> None:
    """Hold a log against what was promised: no session lost, doubled or changed, and all damage told, and no other.

    Raises:
        Failed: it isn't so.
    """
    try:
        manifest = read_manifest(log)
    except LogError as error:
        require(promises.manifest_harmed or not promises.shards, f"the log is gone: {error}")
        return
    if promises.manifest_harmed:
        read_through(log, manifest)
        return
    require(is_as_sealed(manifest), "the manifest isn't as it was sealed")
    run = promises.runs.get(manifest["run_id"])
    require(run is not None, f"the log holds the unknown run {manifest['run_id']}")
    if run.run_id == promises.replaced:
        return
    parts = settled_parts(log)
    bad = _bad(log, run, parts, promises)
    _check_verification(log, manifest, parts, bad)
    promised = promises.shards if promises.run_id == run.run_id else set()
    whole = set(shards_of(parts)) | {number for file in promises.harmed for number in _shards(file)}
    require(promised <= whole, f"settled shards are lost: {sorted(promised - whole)}")
    if manifest["status"] == "finished":
        require(run.is_told_by(manifest), f"the manifest differs: {_difference(manifest, run.manifest)}")
        require(set(range(run.size.n_shards)) <= whole, "a finished log lacks shards")
    if promises.run_id == run.run_id:
        there = {f"late/part-{number:06d}.parquet" for number in range(promises.late)}
        missing = there - {str(path.relative_to(log)) for path in log.glob("late/part-*")} - promises.harmed
        require(not missing, f"late outcomes are lost: {missing}")


def check_whole(log: Path, run: Expected, *, joined: bool) -> None:
    """Hold a finished log against that of an undisturbed run: byte for byte, and nothing else in its folder.

    Args:
        log: Its folder.
        run: The run.
        joined: Whether it was compacted.
    """
    late = {name: digest for name, digest in run.late.items() if (log / name).exists()}
    expected = {**(run.joined if joined else run.files), **late}
    found = files_of(log)
    require(found.keys() == expected.keys(), f"other files: {sorted(found.keys() ^ expected.keys())}")
    changed = [name for name in found if found[name] != expected[name]]
    require(not changed, f"other bytes: {changed}")
    require(not leftovers(log), f"left behind: {leftovers(log)}")
    manifest = read_manifest(log)
    require(is_as_sealed(manifest), "the manifest isn't as it was sealed")
    require(run.is_told_by(manifest), f"the manifest differs: {_difference(manifest, run.manifest)}")
    require(read_through(log, manifest).sound, "verify finds damage in a whole log")


def _bad(log: Path, run: Expected, parts: Iterable[Part], promises: Promises) -> set[str]:
    """Return the files of a log that aren't as they must be, all of which were harmed from outside."""
    found = files_of(log)
    owned = {name for part in parts for name in _names(part)}
    owned |= {name for name in found if name.startswith("late/")}
    owned |= {
        f"{CHECKSUMS}/{Path(name).stem.replace('part', 'late')}.json" for name in owned if name.startswith("late/")
    }
    bad = {name for name in owned if found.get(name) != run.any.get(name)}
    require(bad <= promises.harmed, f"files changed: {sorted(bad - promises.harmed)}")
    # What was harmed and is as it must be again was written again, and so was what others stand for by now.
    there = set(shards_of(parts))
    promises.harmed &= {
        name
        for name in promises.harmed
        if found.get(name) != run.any.get(name) and (name in owned or not there.issuperset(_shards(name) or [-1]))
    }
    return bad


def _check_verification(log: Path, manifest: Mapping[str, Any], parts: list[Part], bad: set[str]) -> None:
    found = read_through(log, manifest)
    told = {one.file for one in found.damage}
    for part in parts:
        *_, sums = own = _names(part)
        # Without its checksums a part is damaged, whatever else of it is.
        said = {sums} & told if sums in bad else told & set(own)
        true = {sums} if sums in bad else bad & set(own)
        require(said == true, f"verify says {said}, damaged are {true}")
    require(
        set(found.parts) == {part for part in parts if not bad & set(_names(part))},
        "verify takes other parts for whole",
    )
    late = {name for name in bad if "late" in name}
    require(not late or any("late" in name for name in told), f"verify says nothing of {late}")
    require(bad or all("missing" in one.problem for one in found.damage), f"verify finds damage in whole files: {told}")


def _names(part: Part) -> list[str]:
    """Return the files of a part from the log's folder on, its checksums last."""
    return [f"{table}/{part.name}.parquet" for table in STORED] + [f"{CHECKSUMS}/{part.name}.json"]


def _shards(file: str) -> range:
    """Return the shards that a file of the log is of."""
    numbers = [int(piece) for piece in Path(file).stem.split("-")[1:]]
    return (
        range(numbers[0], numbers[-1] + 1)
        if file.split("/", maxsplit=1)[0] != "late" and "late" not in file
        else range(0)
    )


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    one, other = _lasting(one), _lasting(other)
    names = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
    return json.dumps({name: (one.get(name), other.get(name)) for name in names}, default=str)
