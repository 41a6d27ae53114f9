"""Whether the session of a process comes to no end: it does nothing any more, or uses processor time without any.

A busy machine makes a process slow, never still: what is runnable gets its turn. So a process is still when it has used
nothing over several looks, and its session is the same; how long a session takes says nothing. And a session is overdue that
has used far more than the system lets it (`fitness`): it has seen to it that the system's signal doesn't end it.
"""

import os
import subprocess
from collections.abc import Hashable
from pathlib import Path
from typing import Literal

LOOK_S = 1.0
"""Seconds from one look to the next."""
LOOKS = 10
"""Looks without a change before a process counts as still."""
SPARE_S = 5.0
"""Processor time in seconds that a session may use above twice its limit before it counts as overdue."""
_LOOKS_WITHOUT_CLOCK = 120
_PROC = Path("/proc/self/stat")
_SECONDS = (1, 60, 3600)


class Oversight:
    """Looks at one process after another, again and again.

    Args:
        looks: Looks without a change before a process counts as still.
        cpu_s: Processor time that a session may use, in seconds.
    """

    def __init__(self, looks: int, cpu_s: float) -> None:
        self._looks = looks
        self._most_s = 2 * cpu_s + SPARE_S
        self._seen: dict[Hashable, _Seen] = {}

    def look(self, name: Hashable, state: Hashable, pid: int | None) -> Literal["", "still", "overdue"]:
        """Look at a process, and return what is the matter with it; nothing as a rule.

        Args:
            name: What it is known by.
            state: What changes as it goes on, such as the index of its session.
            pid: Its number, None where it is on another machine: then only the state tells, after a longer time.
        """
        used_s = None if pid is None else processor_time_s(pid)
        seen = self._seen.get(name)
        if seen is None or seen.state != state:
            seen = self._seen[name] = _Seen(state, used_s)
            return ""
        seen.looks = seen.looks + 1 if used_s == seen.used_s else 0
        seen.used_s = used_s
        if used_s is not None and seen.first_s is not None and used_s - seen.first_s > self._most_s:
            return "overdue"
        return "still" if seen.looks >= (_LOOKS_WITHOUT_CLOCK if used_s is None else self._looks) else ""

    def forget(self, name: Hashable) -> None:
        """Look no more at a process."""
        self._seen.pop(name, None)


class _Seen:
    """What was seen of a process: in which state, its processor time, and over how many looks that was the same."""

    def __init__(self, state: Hashable, used_s: float | None) -> None:
        self.state = state
        self.first_s = self.used_s = used_s
        self.looks = 0


def processor_time_s(pid: int) -> float | None:
    """Return what a process of this machine has used of the processor, in seconds; None if the system doesn't say."""
    try:
        if _PROC.exists():
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        if os.name == "posix":
            command = ["/bin/ps", "-o", "time=", "-p", str(pid)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - of our own
            return seconds_of(done.stdout)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        pass
    return None


def seconds_of(clock: str) -> float:
    """Return the seconds of `[[days-]hours:]minutes:seconds`, as `ps` writes processor time.

    Raises:
        ValueError: it is written otherwise.
    """
    days, _, rest = clock.strip().rpartition("-")
    parts = map(float, reversed(rest.split(":")))
    return sum(part * unit for part, unit in zip(parts, _SECONDS, strict=False)) + 86400 * int(days or 0)
