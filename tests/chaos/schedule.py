"""A schedule as data: steps that are drawn from a seed, printed so that they can be read, and dropped while it still fails."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Step:
    """One thing that is done.

    Attributes:
        do: What: the name of a method of whatever runs the schedule.
        how: Its arguments; what is False, None or empty is as if it weren't there.
    """

    do: str
    how: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        said = [f"{name}={value!r}" for name, value in self.how.items() if value or (value == 0 and value is not False)]
        return f"{self.do}({', '.join(said)})"


@dataclass(frozen=True)
class Schedule:
    """The steps of one schedule.

    Attributes:
        kind: `in_process` or `real`.
        seed: What it was drawn from.
        steps: Its steps.
        kept: Which of the steps that were drawn these are; None for all.
    """

    kind: str
    seed: int
    steps: tuple[Step, ...]
    kept: tuple[int, ...] | None = None

    def only(self, kept: Iterable[int]) -> "Schedule":
        """Return the schedule with some of the steps that were drawn."""
        before = self.kept or tuple(range(len(self.steps)))
        kept = tuple(kept)
        return Schedule(self.kind, self.seed, tuple(self.steps[before.index(at)] for at in kept), kept)

    @property
    def command(self) -> str:
        """The command that runs it again."""
        keep = "" if self.kept is None else f" KEEP={','.join(map(str, self.kept))}"
        return f"make chaos KIND={self.kind} SEED={self.seed} N=1{keep}"

    def __str__(self) -> str:
        numbers = self.kept or range(len(self.steps))
        return "\n".join([self.command, *(f"  {at}. {step}" for at, step in zip(numbers, self.steps, strict=True))])


class Failed(AssertionError):
    """Something isn't as the model has it."""


def require(true: object, what: str) -> None:
    """Raise `Failed` if something isn't true."""
    if not true:
        raise Failed(what)


def shortened(schedule: Schedule, run: Callable[[Schedule], None], most: int = 60) -> Schedule:
    """Return a schedule that fails too, of which no single step can be dropped.

    Args:
        schedule: One that fails.
        run: Runs a schedule, and raises what is wrong.
        most: How many are tried.
    """
    kept = list(schedule.kept or range(len(schedule.steps)))
    tried = 0
    again = True
    while again and len(kept) > 1:
        again = False
        for at in reversed(list(kept)):
            fewer = [number for number in kept if number != at]
            if not fewer or tried >= most:
                break
            tried += 1
            try:
                run(schedule.only(fewer))
            except Exception:  # whatever is wrong with it then, it is wrong with less
                kept = fewer
                again = True
    return schedule.only(kept)
