"""Guardrails: outcomes that a variant must not harm, how much of a change is allowed, and what is known of it so far.

Two questions are asked of a guardrail at every look, each with a p-value that holds however often one looks:

- *harmed*: is the outcome worse than the default's at all?
- *held*: is it worse by less than the margin?

Both may be known, of a small harm within the margin: that is what the margin allows, and the verdict is `held`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.masking import shown

Direction = Literal["maximize", "minimize"]
GuardrailVerdict = Literal["harmed", "held", "unknown"]
ALPHA = 0.05
"""Error probability of each verdict."""

_FORMS = (
    "['n_errors'], {'dead_air_s': 0.5, 'booked': -0.01} or [vl.Guardrail('booked', margin=0.01, direction='maximize')]"
)


@dataclass(frozen=True)
class Guardrail:
    """An outcome that a variant must not harm, and how much worse it may be.

    Args:
        outcome: Its name.
        margin: By how much it may be worse than the default's, in the outcome's own units (0.01 of a rate is one point).
        direction: `maximize` where more is better, so that a fall is harm; `minimize` where less is better. None for what
            the outcome's own definition says: measures have one, what a test is judged by is to be high unless its rule
            says otherwise, and anything else must not grow.

    Raises:
        InputError: a value is not allowed.

    Example:
        >>> import voicelab as vl
        >>> vl.Guardrail("dead_air_s", margin=0.5)
        Guardrail(outcome='dead_air_s', margin=0.5, direction=None)
    """

    outcome: str
    margin: float = 0.0
    direction: Direction | None = None

    def __post_init__(self) -> None:
        checks.name("outcome", self.outcome)
        if not checks.is_number(self.margin) or self.margin < 0:
            raise InputError(
                f"margin is {shown(self.margin)}, must be a number from 0 on, in the outcome's own units: by how much it may be "
                "worse. Which way is worse: direction='minimize' or 'maximize'."
            )
        if self.direction not in {None, "maximize", "minimize"}:
            raise InputError(f"direction is {shown(self.direction)}, must be 'maximize' or 'minimize'.")

    def resolved(self, known: Direction | None, kind: str | None) -> Direction:
        """Return which way is better: as declared, as is known of the outcome, else less.

        Args:
            known: What the outcome's own definition says.
            kind: Kind of the outcome.

        Raises:
            InputError: it is a rate with a margin of which nothing says whether it should be high or low.
        """
        if self.direction is None and known is None and self.margin and kind == "binary":
            raise InputError(
                f"Nothing says whether {self.outcome!r} should be high or low, so its margin of {self.margin:g} has no side: "
                f"give {{{self.outcome!r}: {-self.margin:g}}} if it may fall by that, or vl.Guardrail({self.outcome!r}, margin="
                f"{self.margin:g}, direction='minimize') if it may grow by that."
            )
        return self.direction or known or "minimize"


def read_guardrails(given: Any) -> list[Guardrail]:
    """Return guardrails: of names, of `vl.Guardrail`s, or of a dict of what is allowed by name.

    A number of the dict is a margin; below 0 it says that the outcome may fall by it, and should be high.

    Raises:
        InputError: it is none of these, or names an outcome twice.
    """
    if isinstance(given, Mapping):
        found = [_allowed(name, change) for name, change in given.items()]
    elif isinstance(given, list | tuple) and all(isinstance(one, str | Guardrail) for one in given):
        found = [one if isinstance(one, Guardrail) else Guardrail(one) for one in given]
    else:
        raise InputError(f"guardrails is {shown(given)}, must be names, margins by name or vl.Guardrails: {_FORMS}.")
    names = [guardrail.outcome for guardrail in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"guardrails names {twice[0]!r} twice: name each outcome once.")
    return found


def _allowed(name: Any, change: Any) -> Guardrail:
    if not checks.is_number(change):
        raise InputError(
            f"The margin of the guardrail {shown(name)} is {shown(change)}, must be a number in the outcome's own units: "
            f"{_FORMS}."
        )
    return Guardrail(name, abs(float(change)), "maximize" if change < 0 else None)


def guardrail_verdict(p_harmed: float, p_held: float) -> GuardrailVerdict:
    """Return what is known of a guardrail.

    Args:
        p_harmed: p-value of "it is worse", adjusted for the other guardrails.
        p_held: p-value of "it is worse by less than the margin", by itself.
    """
    # Each `held` at its own level: a variant is clear only if all its guardrails hold, and if one of them is harmed that
    # happens with ALPHA at most, however many others there are (intersection-union test, Berger 1982). A false `harmed`
    # would stop a good variant, and each guardrail more would be another chance for it: those pay for one another.
    return "held" if p_held <= ALPHA else "harmed" if p_harmed <= ALPHA else "unknown"
