"""The shortest failing conversation as data: what it is made of, and the arguments of `vl.run` that these are."""

from dataclasses import dataclass
from typing import Any

from voicelab.callers.actions import InputLike, Say
from voicelab.change.removables import CHANCE, INPUT, Bench, Removables, entries_of
from voicelab.record.failure import Failed, Failure
from voicelab.record.script_text import python_of
from voicelab.record.session_record import SessionRecord


@dataclass(frozen=True, repr=False)
class Shortest:
    """The shortest conversation that still fails as a session did.

    Attributes:
        before: The session's record.
        record: That of the shortest conversation.
        failure: What makes them failed ones.
        failed: How the shortest one fails: its row, its cause, what there is to say.
        parts: What it is made of.
        bench: Where it was played.
        n_runs: Sessions that were played to find it.
        finished: Whether there was nothing left to try; False where `max_runs` ended it early.
    """

    before: SessionRecord
    record: SessionRecord
    failure: Failure
    failed: Failed
    parts: Removables
    bench: Bench
    n_runs: int
    finished: bool

    @property
    def inputs(self) -> list[InputLike]:
        """What the caller does, as `vl.run` and `vl.simulate` take it: texts, and what `vl.press()` and its like return."""
        values = [part.value for part in self.parts if part.kind == INPUT]
        return [value.text if value == Say(getattr(value, "text", "")) else value for value in values]

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `vl.run` beside the handler: `vl.run(handler, **shrunk.arguments)` fails."""
        options = self.bench.options_of(self.parts)
        names = ("environment", "start", "direction", "model", "http", "limits")
        given = {
            name: getattr(options, name)
            for name in names
            if name not in {"environment", "start", "direction", "limits"}
        }
        kept = {part.name: part.value for part in self.parts if part.kind == "option"}
        entries = ("parameters", "variants", "run_test", "configuration", "input_data", "shared_data", "patches")
        environment = options.handler.environment
        found: dict[str, Any] = {
            "inputs": self.inputs,
            "seed": options.seed,
            **{name: entries_of(self.parts, name) or None for name in entries},
            "environment": None if environment == "development" else environment,
            "world": options.world,
            **given,
            **{name: kept.get(name) for name in ("start", "direction", "limits")},
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def over_a_line(self) -> bool:
        """Whether it fails only where its caller really speaks, over the line of its simulation."""
        return any(part.name == "telephone" for part in self.parts if part.kind == "option")

    @property
    def index(self) -> int:
        """Index of the session whose streams of chance it needs; 0, as `vl.run` plays it, but where no seed would do."""
        return next((part.value[1] for part in self.parts if part.kind == CHANCE), 0)

    def to_script(self) -> str:
        """Return the caller's side as the text of a list, to be copied into `vl.run(handler, [...])`."""
        return python_of(part.value for part in self.parts if part.kind == INPUT)
