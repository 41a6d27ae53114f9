"""What this machine offers to processes that are disturbed: a small disk of their own, and a look at who is still there."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

LIMIT_S = 300.0
"""After how long something counts as hanging: far beyond what a busy machine needs."""


def can_mount() -> bool:
    """Return whether a small disk can be mounted here."""
    with tempfile.TemporaryDirectory() as folder:
        return _mount(Path(folder), "-t", "tmpfs", "-o", "size=1m", "tmpfs") and _unmount(Path(folder))


@contextlib.contextmanager
def disk(size: str) -> Iterator[Path]:
    """Have a disk, small if one can be mounted, and yield its folder."""
    folder = Path(tempfile.mkdtemp(prefix="voicelab-chaos-"))
    mounted = _mount(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")
    try:
        yield folder
    finally:
        if mounted:
            _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def remount(folder: Path, how: str) -> bool:
    """Make a mounted disk of another size, or read-only (`ro`) or not (`rw`); return whether that could be done."""
    return _mount(folder, "-o", f"remount,{how}")


def used_kb(folder: Path) -> int:
    """Return how much of a disk is used, in units of 1024 bytes."""
    found = os.statvfs(folder)
    return (found.f_blocks - found.f_bfree) * found.f_frsize // 1024


def _mount(folder: Path, *how: str) -> bool:
    program = shutil.which("mount")
    return bool(program) and not subprocess.run([program, *how, folder], capture_output=True, check=False).returncode


def _unmount(folder: Path) -> bool:
    return not subprocess.run(["umount", "-l", folder], capture_output=True, check=False).returncode


def processes(session: int) -> list[int]:
    """Return the processes of a session, which a run has for itself and its workers; those that have ended are none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(of) == session and state not in "ZX":
                found.append(int(entry.name))
    return found


def until_gone(session: int) -> list[int]:
    """Wait until a session has no process, and return those that are still there after a long time, and are ended then."""
    deadline = time.monotonic() + LIMIT_S
    while (left := processes(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    end(session)
    return left


def end(session: int) -> None:
    """End all processes of a session."""
    for number in processes(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def until_stopped(number: int) -> bool:
    """Wait until a process that was sent SIGSTOP stands still; False if it ended instead."""
    while True:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state in "TtZX":
            return state in "Tt"
        time.sleep(0.002)
