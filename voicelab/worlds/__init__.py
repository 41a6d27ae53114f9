"""Ready worlds: text that mishears as a recogniser of today does, fitted from utterances that were really spoken.

`vl.simulate(..., world=vl.worlds.mobile)`. `landline` is a telephone in a quiet room, `mobile` one in the street;
`origins()` says of both where they come from, and `python -m voicelab.worlds` makes another one (`--help`).

- `world_file` keeps a world with the utterances that it was fitted from, `spoken_sentences` has what is said in them, and
  `__main__` is the command.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.handlers.samples import sample
from voicelab.worlds.world_file import WorldFile

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.world.world import World

    landline: World
    mobile: World

NAMES = ("landline", "mobile")
__all__ = ["from_file", "landline", "mobile", "origins"]


def from_file(path: str | Path) -> "World":
    """Return the world in a file that `python -m voicelab.worlds` has made.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    return WorldFile.read(path).world


def origins() -> "pd.DataFrame":
    """Return where the ready worlds come from: a row each, by name.

    Columns: utterances, words, word_error_rate with the bounds of its interval of 95 % (callers drawn anew), share_right
    (utterances without an error), share_unheard, line, stt, tts (engines with their versions), seed, made (a date), command.
    """
    import pandas as pd

    rows = {name: _file(name).origin for name in NAMES}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("world")


@functools.cache
def _file(name: str) -> WorldFile:
    return WorldFile.read(sample(f"worlds/{name}.json"))


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return _file(name).world
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
