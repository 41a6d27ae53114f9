"""What all sessions of a run have in common."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicelab.base.masking import Masker
from voicelab.base.records import PortabilityNote
from voicelab.base.session_limits import Limits
from voicelab.callers import LoggedFacts
from voicelab.predicates import Evaluators
from voicelab.runtime.context import Contexts
from voicelab.runtime.isolation import binds_shared_random, mask_outside, shared_generators
from voicelab.runtime.portability import make_note

SILENCE_S = 5.0
"""Silence after which the handler gets a timeout, where the SDK's `Configuration` gives no `timeout`, in seconds."""


ENVIRONMENT, DIRECTION = "development", "inbound"
"""What a run has that says nothing else: a caller that was logged brings its own then."""


@dataclass
class RunSettings:
    """What all sessions of a run have in common.

    Attributes:
        function: The handler.
        add_note: Takes portability notes.
        strict: Whether the guide's spellings are refused.
        variables: The variables that the handler reads; masked in every row.
        secrets: What else is masked.
        environment: Name of the environment.
        configuration: Arguments of the SDK's Configuration, such as `timeout` (seconds of silence).
        input_data: What the handler reads as `context.input_data`.
        direction: `inbound` or `outbound`.
        forced: Variants chosen by a person, by test.
        start_ns: Date and time that sessions begin at, in nanoseconds since 1970 (virtual time).
        agent: The agent's name.
        run_id: The run's id.
        source: `simulated`, `typed`, `spoken`, ...
        limits: How much a session may take.
        evaluators: What is asked of each session when it has ended.
        make_room: Gives a session that has used up its memory a little more to end with; None where memory isn't limited.
    """

    function: Callable[[Any, Any], Any]
    add_note: Callable[[PortabilityNote], None]
    strict: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Iterable[str] = ()
    environment: str = "development"
    configuration: Mapping[str, Any] = field(default_factory=dict)
    input_data: Mapping[str, Any] | None = None
    direction: str = "inbound"
    forced: Mapping[str, str] = field(default_factory=dict)
    start_ns: int = 0
    agent: str = "agent"
    run_id: str = ""
    source: str = "simulated"
    limits: Limits = field(default_factory=Limits)
    evaluators: Evaluators = field(default_factory=Evaluators)
    make_room: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.masker = Masker([*self.variables.values(), *self.secrets])
        mask_outside(self.masker.values)
        self.timeout_s = float(self.configuration.get("timeout", SILENCE_S))
        self.contexts = self._contexts()
        # What was found before: a test is declared in every session and checked once, a note is made once.
        self.checked: set[str] = set()
        self.noted: set[tuple[Any, ...]] = set()
        if binds_shared_random(self.function):
            self.add_note(make_note("random_import", None))
        for name in shared_generators(self.function):
            self.add_note(make_note("shared_generator", None, name=name))

    def _contexts(self) -> Contexts:
        return Contexts(
            strict=self.strict,
            variables=self.variables,
            environment=self.environment,
            configuration=self.configuration,
            input_data=self.input_data,
            agent_id=self.agent,
        )

    def with_changes(self, changes: Mapping[str, Any]) -> "RunSettings":
        """Return settings of which some are others; what was found before is known to both."""
        changed = copy.copy(self)
        vars(changed).update(changes)
        changed.contexts = changed._contexts()
        return changed


def as_logged(
    settings: RunSettings, logged: LoggedFacts, parameters: Mapping[str, Any] | None
) -> tuple[RunSettings, Mapping[str, Any] | None]:
    """Return the settings and the parameters of a session whose caller was logged: its own, where the run gives no others."""
    changes: dict[str, Any] = {}
    if settings.environment == ENVIRONMENT and logged.environment:
        changes["environment"] = logged.environment
    if settings.direction == DIRECTION and logged.direction:
        changes["direction"] = logged.direction
    if settings.input_data is None and logged.input_data:
        changes["input_data"] = logged.input_data
    changes = {name: value for name, value in changes.items() if getattr(settings, name) != value}
    if changes:
        settings = settings.with_changes(changes)
    own = parameters or {}
    return settings, {**own, **{key: value for key, value in logged.parameters.items() if key not in own}} or None
