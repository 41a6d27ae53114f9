"""What a handler gets as `context`: the SDK's own, made safe for many sessions, and tolerant of the guide's spellings.

`Contexts` makes one for each session. A context talks to a `Host`, which is the session engine.

- `ports`: what a context asks of its host.
- `session_context`: the SDK's context for one session: its experiments, its configuration, its background tasks.
- `lab_context`: the Developer Guide's spellings on top, left out where the handler is strict.
- `experiments`: how a session draws the variants of its tests, and keeps its outcomes.
- `services`: answers in the platform's place for language models and shared data.
"""

import copy
import operator
from collections.abc import Mapping
from typing import Any

from voicelab.runtime.context.experiments import SessionExperiments, refuse_undrawable
from voicelab.runtime.context.lab_context import LabContext
from voicelab.runtime.context.ports import Host
from voicelab.runtime.context.services import Completion, Decisions, Services, ToolCall, last_message
from voicelab.runtime.context.session_context import SessionContext
from voicelab.runtime.current_context import CONTEXT
from voicelab.runtime.sdk import Event

__all__ = [
    "Completion",
    "Contexts",
    "Decisions",
    "Host",
    "LabContext",
    "Services",
    "SessionContext",
    "ToolCall",
    "last_message",
    "refuse_undrawable",
]


class _Nobody:
    """The host of the context that others are copied from."""

    run_tests: Mapping[str, bool] = {}

    def emitted(self, event: Event) -> None:
        """Take nothing."""


_NOBODY: Any = _Nobody()
_copied = operator.methodcaller("copy")


class Contexts:
    """Makes the contexts of a run's sessions.

    The SDK's constructor runs once; every session gets what it left behind, with containers of its own. That takes a
    third of the time, and holds for whatever else the SDK's constructor will set.

    Args:
        strict: Leave out the tolerance for the guide's spellings.
        arguments: Those of `SessionContext` that all sessions have in common.
    """

    def __init__(self, *, strict: bool, **arguments: Any) -> None:
        self._class = SessionContext if strict else LabContext
        self._input_data = dict(arguments.get("input_data") or {})
        prototype = vars(self._class(_NOBODY, **arguments))
        self._containers = {name: value for name, value in prototype.items() if type(value) in {dict, list, set}}
        self._rest = {name: value for name, value in prototype.items() if name not in self._containers}

    def make(self, host: Host, session_id: str, data: Mapping[str, Any] | None) -> SessionContext:
        """Return the context of a session and make it the one that `metrics` and `logger` report to.

        Args:
            host: The session.
            session_id: The session's id.
            data: Its parameters; copied.
        """
        # Without `__init__`: the SDK's is slow, and what it sets is the same for all sessions of a run.
        context = object.__new__(self._class)
        own = context.__dict__
        own.update(self._rest)
        # Shallow copies do: in the prototype the containers are empty, or hold text. What holds more is copied below.
        own.update(zip(self._containers, map(_copied, self._containers.values()), strict=True))
        # Two names of one list, of which the line above has made two.
        context.transcript_parts = context._transcript
        context.session_id = session_id
        context.on_event = host.emitted
        context._host = host
        context._experiments = context.testing = SessionExperiments(host)
        if data:
            context.data = copy.deepcopy(dict(data))
        if self._input_data:
            context.input_data = copy.deepcopy(self._input_data)
        CONTEXT.set(context)
        return context
