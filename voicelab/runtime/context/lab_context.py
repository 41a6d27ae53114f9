"""The Developer Guide's spellings, on top of what the SDK knows."""

import sys
from typing import Any

from voicelab.base.errors import InputError, did_you_mean
from voicelab.runtime.context.experiments import OutcomeValue
from voicelab.runtime.context.session_context import TASK_TIMEOUT_S, SessionContext
from voicelab.runtime.driving import Background


class LabContext(SessionContext):
    """A `SessionContext` that also understands the Developer Guide's spellings, with a note for each."""

    knows_guide = True

    def add_test(
        self,
        name: str,
        options: dict[Any, float],
        description: str | dict[str, Any] = "",
        stop: dict[str, Any] | None = None,
    ) -> Any:
        """Declare a test, as the guide does."""
        self._host.note("add_test", sys._getframe(1))
        if isinstance(description, dict):
            self._host.note("positional_stop", sys._getframe(1))
        return self._experiments.add(name, options, description=description, stop=stop or None)

    def get_test(self, name: str) -> Any:
        """Return the session's variant of a test."""
        self._host.note("get_test", sys._getframe(1))
        return self._variant(name)

    def get_experiment(self, name: str) -> Any:
        """Return the session's variant of a test."""
        return self._variant(name)

    def _variant(self, name: str) -> Any:
        if name not in self._experiments.experiments:
            known = self._experiments.experiments
            declared = f"Declared so far: {', '.join(known)}." if known else "No test is declared yet in this session."
            raise InputError(f"Experiment '{name}' not found. {declared}{did_you_mean(name, known)}")
        return self._experiments.get(name)

    def add_outcome(self, name: str, type: str, description: str = "") -> None:
        """Declare an outcome, as the guide does."""
        self._host.note("add_outcome", sys._getframe(1))
        self._experiments.add_manual_outcome(name, type, description)

    def get_outcome(self, name: str, default: OutcomeValue | None = None) -> Any:
        """Return an outcome's value, or the default before it was set for the first time."""
        if default is not None:
            self._host.note("get_outcome_default", sys._getframe(1))
            if name not in self._experiments.written:
                return default
        return self._experiments.get_outcome(name)

    def set_outcome(self, name: str, value: OutcomeValue) -> Any:
        """Set an outcome; the first time declares it by the type of its value."""
        if name not in self._experiments.outcomes:
            self._host.note("undeclared_outcome", sys._getframe(1), name=name)
            self._experiments.add_manual_outcome(name, _type_of(value))
        if isinstance(value, float) and value > 1 and "rate" in str(name):
            self._host.note("rate_above_one", sys._getframe(1), name=name)
        return self._experiments.set_outcome(name, value)

    def trigger_outcome(self, name: str) -> Any:
        """Count an outcome up, or set it True; the first time declares it as boolean."""
        if name not in self._experiments.outcomes:
            self._host.note("undeclared_outcome", sys._getframe(1), name=name)
            self._experiments.add_manual_outcome(name, "boolean")
        return self._experiments.trigger_outcome(name)

    def create_task(
        self,
        handler: Background,
        name: str | None = None,
        interruptible: bool = False,
        timeout: float | None = TASK_TIMEOUT_S,
        background_task_name: str | None = None,
    ) -> dict[str, Any]:
        """Run a coroutine or async generator beside the conversation; `background_task_name` is the guide's `name`."""
        if background_task_name is not None:
            self._host.note("background_task_name", sys._getframe(1))
        elif name is None:
            self._host.note("unnamed_task", sys._getframe(1))
        return super().create_task(handler, name or background_task_name, interruptible, timeout)


def _type_of(value: OutcomeValue) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "string" if isinstance(value, str) else "float"
