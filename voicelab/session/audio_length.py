"""How long an audio file, a data URI or a URL plays."""

import base64
import functools
import io
from pathlib import Path
from urllib.parse import unquote_to_bytes

ASSUMED_AUDIO_S = 2.0
"""How long audio is taken to play that can't be looked at: a URL, or a file that isn't there."""


def audio_seconds(path: str) -> tuple[float, str]:
    """Return how long an audio file plays in seconds, and a remark if that is assumed rather than measured.

    Args:
        path: A file's path, a `data:` URI or a URL.
    """
    if path.startswith("data:"):
        return _measured(_decoded(path), "the data URI holds no audio that can be read")
    if path.startswith(("http://", "https://")):
        return ASSUMED_AUDIO_S, "its length is assumed: a URL is not fetched"
    if not Path(path).is_file():
        return ASSUMED_AUDIO_S, "a placeholder: there is no such file"
    return _file_seconds(path, Path(path).stat().st_mtime_ns)


def _decoded(uri: str) -> io.BytesIO:
    head, _, body = uri.partition(",")
    data = base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
    return io.BytesIO(data)


@functools.lru_cache(maxsize=256)
def _file_seconds(path: str, changed: int) -> tuple[float, str]:
    del changed  # part of the key: a file that was replaced is measured again
    return _measured(path, "a placeholder: the file holds no audio that can be read")


def _measured(source: str | io.BytesIO, otherwise: str) -> tuple[float, str]:
    import soundfile

    try:
        return float(soundfile.info(source).duration), ""
    except (RuntimeError, TypeError, ValueError):
        return ASSUMED_AUDIO_S, otherwise
