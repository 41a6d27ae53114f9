"""Paths that users give, at the door: one that no file system can hold is refused before anything is done with it."""

import os
from pathlib import Path

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import shown


def path_of(what: str, value: Given, example: str) -> Path:
    """Return a path, with `~` filled in; whether anything is there is another question.

    Args:
        what: What the path is called, such as the argument's name.
        value: What was given.
        example: One that is allowed.

    Raises:
        InputError: it is no path, or one that can't be asked for: too long, with a zero byte, in a folder that is closed.
    """
    if not isinstance(value, str | Path) or not str(value):
        raise InputError(f"{what} is {shown(value)}, must be a path, e.g. {example!r}.")
    try:
        path = Path(value).expanduser()
        os.lstat(path)
        path.resolve()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as error:
        raise InputError(f"{what} is {shown(str(value))}, which can't be reached: {error.strerror}.") from None
    except (ValueError, RuntimeError) as error:  # a zero byte, half a character, links in a circle
        raise InputError(f"{what} is {shown(str(value))}, which is no path here: {error}.") from None
    return path
