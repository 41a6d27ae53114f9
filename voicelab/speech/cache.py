"""Spoken audio kept on disk: written whole or not at all, and never more than a set size."""

import contextlib
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path

from voicelab.base.errors import AudioError, SpeechWarning
from voicelab.speech.audio import Audio

LARGEST_BYTES = 500_000_000
# Below what is allowed, or every write would sweep again; and seldom, since to list the folder takes longer than to write.
_SWEEP_TO = 0.8
_EVERY = 200
_state = {"writes": 0, "warned": False}
_here = threading.local()


def folder() -> Path:
    """Return where audio is kept: VOICELAB_CACHE, else this system's folder for such things."""
    given = os.environ.get("VOICELAB_CACHE")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "voicelab" / "speech"


def key(*parts: str) -> str:
    """Return the name that audio is kept under: a hash of engine, version, voice, pace and text."""
    return blake2b("\0".join(parts).encode(), digest_size=20).hexdigest()


@contextlib.contextmanager
def bypassed() -> Iterator[None]:
    """Neither read nor keep anything in this thread, meanwhile: for speech whose event says `cache=False`."""
    _here.bypassed = True
    try:
        yield
    finally:
        _here.bypassed = False


def audio(name: str, make: Callable[[], Audio]) -> Audio:
    """Return audio that is kept, else make it and keep it.

    A folder that can't be written is said once, and nothing is kept.

    Args:
        name: Of `key`.
        make: Makes it.
    """
    if getattr(_here, "bypassed", False):
        return make()
    path = folder() / name[:2] / f"{name}.wav"
    try:
        if path.is_file():
            os.utime(path)  # for `sweep`: few systems note by themselves when a file was read
            return Audio.load(path)
    except (OSError, AudioError):
        path.unlink(missing_ok=True)  # it is made again
    made = make()
    try:
        _write(path, made.wav())
        # What is kept and not what was made: another process may have written first, and its samples may differ.
        return Audio.load(path)
    except OSError as error:
        if not _state["warned"]:
            _state["warned"] = True
            warnings.warn(
                f"Spoken audio can't be kept in {folder()} ({error.strerror or error}): it is made anew each time. "
                "Set VOICELAB_CACHE to a folder that can be written.",
                SpeechWarning,
                stacklevel=2,
            )
    return made


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix="_")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # The first to write it stays: two processes that make the same audio go on with the same samples.
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    _state["writes"] += 1
    if _state["writes"] % _EVERY == 1:
        sweep()


def sweep(largest_bytes: int = LARGEST_BYTES) -> None:
    """Delete what was used longest ago if more is kept than allowed.

    Args:
        largest_bytes: The most that may be kept.
    """
    files = []
    for path in folder().glob("*/*.wav"):
        try:
            facts = path.stat()
        except OSError:
            continue  # another process deleted it
        files.append((facts.st_mtime, facts.st_size, path))
    total = sum(size for _, size, _ in files)
    if total <= largest_bytes:
        return
    for _, size, path in sorted(files):
        if total <= largest_bytes * _SWEEP_TO:
            break
        path.unlink(missing_ok=True)
        total -= size
