"""What of a log is whole, and what isn't: which file, what is wrong with it, and which sessions that concerns.

A look at a log compares the files' lengths with their checksums, and reads nothing: enough to open it. Reading it through
compares every byte. Logs without checksums, which earlier versions wrote, are looked at by their schemas, and read through
by decoding them.
"""

import html
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from voicelab.log import late
from voicelab.log.checksums import Checksum, Checksums, DamagedError, is_as_sealed, of_file, read_checksums
from voicelab.log.parts import CHECKSUMS, Part, numbered, settled_parts
from voicelab.log.schema import DERIVED_SCHEMAS, SCHEMAS, STORED_SCHEMAS, UNREADABLE

if TYPE_CHECKING:
    import pandas as pd

HOW_TO_MEND = "vl.simulate() with the same arguments and resume=True runs damaged shards of a simulation again."
TORN, MISSING = "is torn, or no Parquet file", "is missing"


@dataclass(frozen=True)
class Damage:
    """One thing that is wrong with a log.

    Attributes:
        file: The file, from the log's folder on; of several neighbours that are missing the first.
        problem: What is wrong with it.
        part: The part of the log that it belongs to; None for what belongs to none.
        first_session: Index of the first session concerned; None where no session is.
        last_session: Index of the last one.
        n_sessions: How many there are.
    """

    file: str
    problem: str
    part: Part | None = None
    first_session: int | None = None
    last_session: int | None = None
    n_sessions: int = 0

    @property
    def sessions(self) -> str:
        """The sessions concerned, in words."""
        if not self.n_sessions:
            return "no sessions"
        if self.n_sessions == 1:
            return f"session {self.first_session}"
        return f"{self.n_sessions:,} sessions, {self.first_session} to {self.last_session}"


@dataclass(frozen=True)
class Verification:
    """What `log.verify()` found.

    Attributes:
        path: The log's folder.
        damage: What is wrong, in order of sessions; empty if nothing is.
        checksums: Whether all parts of the log have checksums: `sha256`, or None where some have none.
        n_files: How many files were read.
        n_bytes: How long they are together.
        parts: The parts of the log that are whole, in order; with what their files have to be, None where nobody wrote it.
    """

    path: Path
    damage: tuple[Damage, ...]
    checksums: str | None
    n_files: int = 0
    n_bytes: int = 0
    parts: Mapping[Part, Checksums | None] = field(default_factory=dict, repr=False)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damage

    @property
    def n_missing(self) -> int:
        """How many sessions can't be read as they were written."""
        return sum({(d.first_session, d.last_session): d.n_sessions for d in self.damage}.values())

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a damaged file, or missing neighbours: file, problem, first_session, last_session, n_sessions."""
        import pandas as pd

        columns = ["file", "problem", "first_session", "last_session", "n_sessions"]
        frame = pd.DataFrame([[getattr(one, name) for name in columns] for one in self.damage], columns=columns)
        return frame.astype({"first_session": "Int64", "last_session": "Int64", "n_sessions": "int64"})

    def __str__(self) -> str:
        return "\n".join([self._headline(), *(f"  {one.file} {one.problem} ({one.sessions})" for one in self.damage)])

    def __repr__(self) -> str:
        return f"Verification({str(self.path)!r}: {self._headline()})"

    def _headline(self) -> str:
        how = f"{_counted(self.n_files, 'file')}, {self.n_bytes / 1e6:,.1f} MB, were read through"
        if self.damage:
            files, sessions = _counted(len(self.damage), "file"), _counted(self.n_missing, "session")
            return f"damaged: {files}, {sessions} concerned. {how}."
        if self.checksums is None:
            return f"no checksums: an earlier version wrote it. Every file can be read; whether it changed can't be told. {how}."
        return f"sound: all is as it was written. {how}."

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{html.escape(one.file)}</td><td style='text-align:left'>{html.escape(one.problem)}</td>"
            f"<td style='text-align:left'>{one.sessions}</td></tr>"
            for one in self.damage
        )
        return (
            f"<b>Verification</b> {html.escape(str(self.path))}: {html.escape(self._headline())}<table>{cells}</table>"
        )


def look(root: Path, manifest: Mapping[str, Any]) -> Verification:
    """Return what is wrong with a log as far as the files' lengths, or schemas, tell.

    Args:
        root: The log's folder.
        manifest: Its manifest.
    """
    return _verified(root, manifest, through=False)


def read_through(root: Path, manifest: Mapping[str, Any]) -> Verification:
    """Return what is wrong with a log, every byte of which is read.

    Args:
        root: The log's folder.
        manifest: Its manifest.
    """
    return _verified(root, manifest, through=True)


def with_unverified(root: Path, found: Verification) -> tuple[Verification, list[Damage]]:
    """Count all parts among the whole ones where their checksums are lost, and nothing else; return what was lost, too.

    Where some are left, a part without is left out: a file of somebody else's could else take a part's place unseen.

    Args:
        root: The log's folder.
        found: What reading it through has found.
    """
    lost = [one for one in found.damage if _is_lost(root, one)]
    if any((root / CHECKSUMS).glob("part-*.json")):
        return found, []
    torn = {one.part for one in found.damage if not _is_lost(root, one)}
    lost = [one for one in lost if one.part not in torn]
    parts = {**found.parts, **{one.part: None for one in lost if one.part is not None}}
    rest = tuple(one for one in found.damage if one not in lost)
    in_order = dict(sorted(parts.items(), key=lambda item: item[0].first))
    return replace(found, damage=rest, parts=in_order), lost


def _is_lost(root: Path, one: Damage) -> bool:
    return one.part is not None and one.problem == MISSING and root / one.file == one.part.checksums(root)


def told_of(damage: Sequence[Damage]) -> str:
    """Return in a sentence what is left out."""
    first, n_more = damage[0], len(damage) - 1
    n_sessions = sum({(one.first_session, one.last_session): one.n_sessions for one in damage}.values())
    more = f", and {_counted(n_more, 'other file')} too" if n_more else ""
    sessions = first.sessions if not n_more else _counted(n_sessions, "session")
    return f"{first.file} {first.problem}{more}. What is damaged is left out: {sessions}."


def told_of_unverified(lost: Sequence[Damage]) -> str:
    """Return in a sentence what is read without having been compared with anything."""
    n_sessions = sum(one.n_sessions for one in lost)
    return (
        f"{_counted(n_sessions, 'session')} can be read but not verified: their checksums are missing "
        f"({_counted(len(lost), 'file')}, the first {lost[0].file}). Put them back from a copy; {HOW_TO_MEND}"
    )


def file_damage(path: Path, table: str, own: Checksum | None, *, through: bool) -> str | None:
    """Return what is wrong with a file, or None.

    Args:
        path: The file.
        table: The table that it holds.
        own: What it has to be; None if it has no checksum.
        through: Whether it is read, or only looked at.
    """
    try:
        if own is None:
            return _without_checksum(path, table, through=through)
        if path.stat().st_size == own.bytes:
            if not through:
                return None
            if of_file(path)[1] == own.sha256:
                # As it was written: but by whom? Its columns say.
                return _without_checksum(path, table, through=False)
            return "isn't as it was written: its checksum differs"
        return _without_checksum(path, table, through=False) or "isn't as it was written: its length differs"
    except FileNotFoundError:
        return MISSING
    except UNREADABLE:
        return TORN


def _without_checksum(path: Path, table: str, *, through: bool) -> str | None:
    with pq.ParquetFile(path) as file:
        # What follows from the other tables is computed anew where another version has stored it otherwise.
        if table in SCHEMAS and not file.schema_arrow.equals(SCHEMAS[table]):
            return f"holds other columns than the table {table!r} has: it is from elsewhere"
        if through:
            file.read()
    return None


# --- the parts of a log ----------------------------------------------------------------------------------------------


def _verified(root: Path, manifest: Mapping[str, Any], *, through: bool) -> Verification:
    all_sealed = manifest.get("checksums")
    found: list[Damage] = []
    if through and not is_as_sealed(manifest):
        found.append(Damage("manifest.json", "isn't as it was written: its checksum differs"))
    parts = settled_parts(root)
    sound: dict[Part, Checksums | None] = {}
    for part in parts:
        checksums, problems = _of_part(root, part, manifest, through=through)
        found += [_damage(path, root, problem, part, manifest) for path, problem in problems]
        if not problems:
            sound[part] = checksums
    for gone in _gone(root, parts, manifest):
        path = Part(gone.first, gone.first).file(root, "sessions")
        found.append(_damage(path, root, _missing(gone.first, gone.last), gone, manifest))
    found += [Damage(str(path.relative_to(root)), problem) for path, problem in _of_late(root, manifest, through)]
    there = _files(root, parts) if through else []
    found.sort(key=lambda one: (one.first_session is None, one.first_session or 0))
    n_bytes = sum(path.stat().st_size for path in there)
    return Verification(root, tuple(found), all_sealed, len(there), n_bytes, sound)


def _files(root: Path, parts: Iterable[Part]) -> list[Path]:
    paths = [*(part.file(root, table) for part in parts for table in STORED_SCHEMAS), *late.parts(root)]
    return [path for path in paths if path.exists()]


def _of_part(
    root: Path, part: Part, manifest: Mapping[str, Any], *, through: bool
) -> tuple[Checksums | None, Sequence[tuple[Path, str]]]:
    """Return the checksums of a part, and what is wrong with its files."""
    path = part.checksums(root)
    problems = []
    try:
        checksums = read_checksums(path)
    except DamagedError:
        checksums = None
        problems.append((path, "isn't as it was written, so that nothing can be compared with it"))
    else:
        if checksums is None and manifest.get("checksums"):
            problems.append((path, MISSING))
        if problem := _of_another_run(checksums, manifest):
            problems.append((path, problem))
    for table in STORED_SCHEMAS:
        file = part.file(root, table)
        own = None if checksums is None else checksums.tables.get(table)
        if own is None and table in DERIVED_SCHEMAS:
            continue  # computed from the others, where nobody has vouched for it
        problem = file_damage(file, table, own, through=through)
        if problem:
            problems.append((file, problem))
    return checksums, problems


def _gone(root: Path, parts: list[Part], manifest: Mapping[str, Any]) -> Iterable[Part]:
    """Yield the shards whose sessions' file isn't there though it must be: shards are settled in order.

    Neighbours of which nothing is left are one: how many there are is what the manifest says, be it beyond any memory.
    """
    sessions, size = _whole(manifest, "sessions"), _whole(manifest, "shard_size")
    if manifest.get("live"):
        # A console that was closed before its session began leaves a gap; the manifest knows how many sessions there were.
        left = _left(root, (CHECKSUMS,), parts)
        pieces = list(_pieces(_gaps(parts, sessions + len(left)), left))
        yield from _first_of(
            sorted(pieces, key=lambda piece: piece.first not in left), sessions - sum(len(p.shards) for p in parts)
        )
        return
    whole = -(-sessions // size) if size and manifest.get("status") == "finished" else 0
    gaps = list(_gaps(parts, max(whole, parts[-1].last + 1 if parts else 0)))
    yield from _pieces(gaps, _left(root, (*STORED_SCHEMAS, CHECKSUMS), parts) if gaps else {})


def _gaps(parts: list[Part], stop: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last of the shards before `stop` that no part holds."""
    at = 0
    for part in parts:
        if at < min(part.first, stop):
            yield at, min(part.first, stop) - 1
        at = max(at, part.last + 1)
    if at < stop:
        yield at, stop - 1


def _left(root: Path, folders: Iterable[str], parts: list[Part]) -> dict[int, None]:
    """Return the shards, in order, of which something is left, though no part holds them."""
    found = sorted({part.first for name in folders for part in numbered(root / name) if part.first == part.last})
    before = [part.first for part in parts]
    at = {number: bisect_right(before, number) - 1 for number in found}
    return dict.fromkeys(number for number in found if at[number] < 0 or parts[at[number]].last < number)


def _pieces(gaps: Iterable[tuple[int, int]], left: Mapping[int, None]) -> Iterator[Part]:
    """Yield what gaps consist of: each shard of which something is left alone, and what lies between these together."""
    numbers = list(left)
    for first, last in gaps:
        for number in numbers[bisect_left(numbers, first) : bisect_right(numbers, last)]:
            if number > first:
                yield Part(first, number - 1)
            yield Part(number, number)
            first = number + 1
        if first <= last:
            yield Part(first, last)


def _first_of(pieces: Iterable[Part], n: int) -> Iterator[Part]:
    """Yield the first so many shards of some pieces."""
    for piece in pieces:
        if n > 0:
            yield Part(piece.first, min(piece.last, piece.first + n - 1))
        n -= len(piece.shards)


def _of_late(root: Path, manifest: Mapping[str, Any], through: bool) -> Iterable[tuple[Path, str]]:
    for path in late.foreign(root):
        yield path, "has no name of late outcomes, and isn't read"
    there = late.parts(root)
    numbers = sorted(int(path.stem.removeprefix("part-")) for path in there)
    for first, last in _gaps([Part(number, number) for number in numbers], _whole(manifest, late.COUNT)):
        yield late.path(root, first), _missing(first, last)
    for path in there:
        seal = late.checksums(root, path)
        try:
            checksums = read_checksums(seal)
        except DamagedError:
            yield seal, "isn't as it was written, so that nothing can be compared with it"
            continue
        # Those that an earlier version added have none; the manifest counts the others.
        if checksums is None and int(path.stem.removeprefix("part-")) < _whole(manifest, late.COUNT):
            yield seal, MISSING
        if problem := _of_another_run(checksums, manifest):
            yield path, problem
            continue
        own = None if checksums is None else checksums.tables.get("outcomes")
        problem = file_damage(path, "outcomes", own, through=through)
        if problem:
            yield path, problem


def _of_another_run(checksums: Checksums | None, manifest: Mapping[str, Any]) -> str | None:
    """Return what is wrong with files that are as they were written, in another log."""
    of, own = None if checksums is None else checksums.run, manifest.get("run_id")
    return None if of is None or of == own else f"is from another log: its files are of run {of}, this log's of {own}"


def _damage(path: Path, root: Path, problem: str, part: Part, manifest: Mapping[str, Any]) -> Damage:
    live, sessions = manifest.get("live"), _whole(manifest, "sessions")
    size = 1 if live else _whole(manifest, "shard_size") or 1
    first, last = part.first * size, (part.last + 1) * size - 1
    if sessions and not live:
        last = min(last, sessions - 1)
    return Damage(str(path.relative_to(root)), problem, part, first, last, last - first + 1)


def _missing(first: int, last: int) -> str:
    return MISSING if first == last else f"and the {last - first:,} behind it are missing"


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _whole(manifest: Mapping[str, Any], name: str) -> int:
    value = manifest.get(name)
    return value if isinstance(value, int) and value > 0 else 0
