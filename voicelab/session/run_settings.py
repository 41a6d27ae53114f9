"""What all sessions of a run have in common."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicelab.base.masking import Masker
from voicelab.base.records import PortabilityNote
from voicelab.base.session_limits import Limits
from voicelab.predicates import Evaluators
from voicelab.runtime.context import Contexts
from voicelab.runtime.isolation import binds_shared_random, mask_outside, shared_generators
from voicelab.runtime.portability import make_note

SILENCE_S = 5.0
"""Silence after which the handler gets a timeout, where the SDK's `Configuration` gives no `timeout`, in seconds."""


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
        self.contexts = Contexts(
            strict=self.strict,
            variables=self.variables,
            environment=self.environment,
            configuration=self.configuration,
            input_data=self.input_data,
            agent_id=self.agent,
        )
        # What was found before: a test is declared in every session and checked once, a note is made once.
        self.checked: set[str] = set()
        self.noted: set[tuple[Any, ...]] = set()
        if binds_shared_random(self.function):
            self.add_note(make_note("random_import", None))
        for name in shared_generators(self.function):
            self.add_note(make_note("shared_generator", None, name=name))
