"""Plays a case by two versions at once and compares all rows."""

import resource
from collections import Counter
from collections.abc import Collection
from typing import Any

from same_rows import rows
from same_rows.versions import Version

Case = dict[str, Any]


class Comparison:
    """Compares two versions, case by case.

    Args:
        base: The one that is right by definition.
        this: The other.
        ignored: Labels (`kind/name`) of events that may differ, and are left out.

    Attributes:
        n: Cases compared.
        kinds: How many rows of the base were compared, by what they are: what no case has is not proven.
    """

    def __init__(self, base: Version, this: Version, ignored: Collection[str] = ()) -> None:
        self._versions = (base, this)
        self._ignored = frozenset(ignored)
        self._left_out: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self._last: tuple[list[str], list[str]] = ([], [])
        self.n = 0
        self.kinds: Counter[str] = Counter()

    def differs(self, case: Case) -> bool:
        """Return whether the versions write other rows."""
        one, other = self._rows(case)
        return one != other

    def shown(self, case: Case) -> str:
        """Play a case and return the rows of both versions around the first difference."""
        self._rows(case)
        return self.last_shown()

    def last_shown(self) -> str:
        """Return the same of the case that was played last."""
        return rows.shown((self._versions[0].name, self._versions[1].name), *self._last)

    def begin_anew(self) -> None:
        """Play what comes in new processes."""
        for version in self._versions:
            version.stop()

    def summary(self, differing: list[int]) -> str:
        """Return what was compared, and what came of it; ends the processes."""
        self.begin_anew()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = [f"{name} {n:,}" for name, n in sorted(self.kinds.items())]
        lines = [f"rows compared: {', '.join(told)}"]
        if self._ignored:
            base, this = self._left_out
            counts = (
                f"{label}: {base[label]:,} in the base, {this[label]:,} in this version"
                for label in sorted(self._ignored)
            )
            lines.append(f"LEFT OUT, NOT COMPARED: {'; '.join(counts)}")
        found = f"{len(differing):,} differ: {differing}" if differing else "none differs"
        each_ms = (used.ru_utime + used.ru_stime) / max(self.n, 1) * 1000
        lines.append(f"{self.n:,} cases played, {each_ms:.0f} ms of CPU each for both versions: {found}")
        return "\n".join(lines)

    def _rows(self, case: Case) -> tuple[list[str], list[str]]:
        for version in self._versions:
            version.start(case)
        played = [version.rows() for version in self._versions]
        self.n += 1
        self.kinds.update(_kinds(played[0]))
        one, other = (
            _with_plain_ids(rows.canonical(p, self._ignored, n), p) for p, n in zip(played, self._left_out, strict=True)
        )
        self._last = (one, other)
        return self._last


def _with_plain_ids(lines: list[str], tables: dict[str, Any]) -> list[str]:
    """Return rows in which ids are numbers: a run's is a hash of its options, of which another version may have more."""
    sessions = tables.get("sessions", ())
    plain = {row["session_id"]: f"session-{row['session_index']}" for row in sessions}
    plain |= {row["run_id"]: "run" for row in sessions}
    for given, name in plain.items():
        lines = [line.replace(given, name) for line in lines]
    # Those of several stand in the order of their ids; that of one's events is in their numbers.
    return sorted(lines) if len(sessions) > 1 else lines


def _kinds(tables: dict[str, Any]) -> list[str]:
    events = [f"{row['kind']}" for row in tables.get("events", ())]
    return [*events, *(name for name, found in tables.items() if name != "events" for _ in found)]
