"""What a context reports to."""

from collections.abc import AsyncIterable, Callable, Hashable, Mapping
from types import FrameType
from typing import Any, Protocol

from voicelab.base.accepted_types import Cell, Given
from voicelab.runtime import sdk
from voicelab.runtime.driving import Work


class Host(Protocol):
    """What a context reports to: the session that it belongs to."""

    run_tests: Mapping[str, bool]
    forced: Mapping[str, str]
    withdraw: Callable[[], object]
    """Takes back an exception that was set for this thread and is not raised yet; to be called first where one is caught."""

    @property
    def turn(self) -> int:
        """The present turn."""

    @property
    def terminal(self) -> bool:
        """Whether the conversation is over, and the handler cleans up."""

    def uniform(self, stream: str) -> float:
        """Return the session's number from [0, 1) for a stream."""

    def declare(
        self, test: str, variants: Mapping[Any, float], stop: Mapping[str, Any] | None, metrics: list[str]
    ) -> str:
        """Check a test's declaration and return it as JSON text; raise InputError if it can't be meant."""

    def expose(
        self, test: str, variant: Hashable, weights: Mapping[Any, float], assignment: str, declaration: str
    ) -> None:
        """Take the variant that the session got."""

    def emitted(self, event: sdk.Event) -> None:
        """Take an event that the context itself sends (output data, log lines)."""

    def task_emitted(self, event: Given, stream: AsyncIterable[object] | None, turn: int, task: str) -> None:
        """Take what a background task yields from its stream."""

    def task_failed(self, error: BaseException, task: str, turn: int) -> None:
        """Take the exception of a background task."""

    def gave_up(self, work: Work, task: str | None, turn: int) -> None:
        """Be told that cancelled work goes on and is not driven any further; `task` is None for the handler's."""

    def task_done(self) -> None:
        """Be told that a background task has ended."""

    def measured(self, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Take a metric."""

    def logged(self, level: str, message: Given, attributes: Mapping[str, Any] | None) -> None:
        """Take a line of the SDK's logger."""

    def note(self, rule: str, frame: FrameType | None, **facts: Cell) -> None:
        """Take a portability note about the line that a frame is at."""

    def stored(self, key: Given, value: Given, frame: FrameType) -> None:
        """Be told of a value of a class of its own that the code at a frame stores."""

    def asked_in_vain(self, key: Given, frame: FrameType) -> None:
        """Be told that the code at a frame asked for data that isn't there, with no default."""

    def fault(self, task: str) -> BaseException | None:
        """Return the exception that the world raises in a task, or None."""
