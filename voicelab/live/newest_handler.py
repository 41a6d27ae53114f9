"""The newest version of a handler: what its cell or its file holds now."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voicelab.handlers import Handler, HandlerLike
from voicelab.runs.options import with_variables


class NewestHandler:
    """A handler that is looked up anew for each session.

    A path is read again; a function or a `%%handler` of the notebook is taken from the name that it has there.

    Args:
        source: What `vl.load_handler` takes.
        variables: What the handler reads with `context.variables`.
        environment: What it reads as `context.environment`.

    Raises:
        HandlerError: it can't be loaded.
        InputError: it is no handler.
    """

    def __init__(
        self, source: HandlerLike, variables: Mapping[str, str] | str | Path | None, environment: str | None
    ) -> None:
        self._source = source
        self._options = (variables, environment)

    def load(self, environment: str | None = None) -> Handler:
        """Return the handler as it is now.

        Args:
            environment: In place of the one that it was given.
        """
        variables, own = self._options
        return with_variables(self._newest(), variables, environment or own)

    def _newest(self) -> HandlerLike:
        given = self._source
        if isinstance(given, str | Path):
            return given
        notebook = vars(sys.modules["__main__"])
        name = given.name if isinstance(given, Handler) else getattr(given, "__name__", "")
        found: Any = notebook.get(name)
        if isinstance(given, Handler):
            return found if isinstance(found, Handler) and given.project is None else given
        same = callable(found) and getattr(given, "__module__", "") == "__main__" and not isinstance(found, type)
        return found if same else given
