"""Which session the calling code belongs to, for what the SDK has once a process: its metrics, logger and tracer."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import FrameType
from typing import Any, Protocol

from voicelab.base.accepted_types import Cell, Given


class CurrentContext(Protocol):
    """What the SDK's process-wide objects report to: the context of the session that calls them."""

    knows_guide: bool

    def record_metric(self, type: str, name: str, value: float, tags: Mapping[str, str] | None) -> None:
        """Take a metric."""

    def logged(self, level: str, message: Given, attributes: Mapping[str, Any] | None) -> None:
        """Take a line of the SDK's logger, or the call of a traced tool."""

    def note(self, rule: str, frame: FrameType | None, **facts: Cell) -> None:
        """Take a portability note about the line that a frame is at."""


# A context variable and no global, nor one of the thread: sessions take turns on one loop, and a Task carries the values
# that were set where it was made. So a handler's own tasks report to its session too, without being told of it.
CONTEXT: ContextVar[CurrentContext | None] = ContextVar("voicelab_context", default=None)
"""The context of the session that the calling code belongs to."""


class _Context:
    """`from primfunctions.context import context`, which the SDK lacks: the context of the session that uses it."""

    def __getattr__(self, name: str) -> Any:
        context = CONTEXT.get()
        if context is None:
            raise AttributeError(f"context.{name} is only known while a session runs, inside the handler.")
        return getattr(context, name)


context = _Context()


def log_tool(label: str) -> None:
    """Log the call of a traced tool in the session that makes it; outside sessions nothing happens."""
    context = CONTEXT.get()
    if context is not None:
        context.logged("tool", label, None)
