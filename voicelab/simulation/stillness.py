"""Whether a process does anything: a worker that waits for what never comes, or has stopped itself, uses no processor time.

A busy machine makes a process slow, never still: what is runnable gets its turn. So a process is still when it has used
nothing over several looks, and its session is the same; how long a session takes says nothing.
"""

import os
import subprocess
from collections.abc import Hashable
from pathlib import Path

LOOK_S = 1.0
"""Seconds from one look to the next."""
LOOKS = 10
"""Looks without a change before a process counts as still."""
_LOOKS_WITHOUT_CLOCK = 120
_PROC = Path("/proc/self/stat")


class Stillness:
    """Looks at one process after another, again and again.

    Args:
        looks: Looks without a change before a process counts as still.
    """

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._seen: dict[Hashable, tuple[Hashable, int]] = {}

    def look(self, name: Hashable, state: Hashable, pid: int | None) -> bool:
        """Look at a process, and return whether it is still.

        Args:
            name: What it is known by.
            state: What changes as it goes on, such as the index of its session.
            pid: Its number, None where it is on another machine: then only the state tells, after a longer time.
        """
        used = None if pid is None else processor_time(pid)
        before, looks = self._seen.get(name, (None, 0))
        looks = looks + 1 if before == (state, used) else 0
        self._seen[name] = (state, used), looks
        return looks >= (_LOOKS_WITHOUT_CLOCK if used is None else self._looks)

    def forget(self, name: Hashable) -> None:
        """Look no more at a process."""
        self._seen.pop(name, None)


def processor_time(pid: int) -> str | None:
    """Return what a process of this machine has used of the processor, as the system writes it; None if it doesn't say."""
    try:
        if _PROC.exists():
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return f"{fields[11]} {fields[12]}"
        if os.name == "posix":
            command = ["/bin/ps", "-o", "time=", "-p", str(pid)]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - of our own
    except (OSError, IndexError, subprocess.SubprocessError):
        pass
    return None
