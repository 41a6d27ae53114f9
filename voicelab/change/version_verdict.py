"""What pairs of two versions come to: the decision by the target, and the verdict on each guardrail."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from voicelab.change.paired_values import PairedValues
from voicelab.decision.guardrails import ALPHA, Direction, Guardrail, GuardrailVerdict, guardrail_verdict
from voicelab.decision.stats.closed import holm
from voicelab.decision.stats.paired import PairedDifferences

Floats = npt.NDArray[np.float64]
VersionConclusion = Literal["better", "worse", "held", "undecided"]


@dataclass(frozen=True)
class VersionTarget:
    """What decides.

    Attributes:
        outcome: The outcome.
        direction: `maximize` where more is better.
        margin: By how much the new version may be worse, in the outcome's units; 0 asks which version is better.
    """

    outcome: str
    direction: Direction = "maximize"
    margin: float = 0.0


@dataclass(frozen=True)
class VersionDecision:
    """Whether the new version is better.

    Attributes:
        conclusion: `better`, `worse`, `held` (not worse by more than the margin), or `undecided`.
        confidence: In percent, valid at every look: of what the conclusion says; of an undecided one that the versions differ.
        sessions: Pairs of sessions that it took; of an undecided one all that there are.
        outcome: The outcome that decides.
        margin: The margin, in its units.
        sentence: All of it in words.
    """

    conclusion: VersionConclusion
    confidence: float
    sessions: int
    outcome: str
    margin: float
    sentence: str

    @property
    def decided(self) -> bool:
        """Whether there is a decision."""
        return self.conclusion != "undecided"


@dataclass(frozen=True)
class Paths:
    """p-values of one outcome after each counted pair, valid at every look.

    Attributes:
        better: Of "the new version is better".
        worse: Of "it is worse".
        held: Of "it is not worse by more than the margin".
        beyond: Of "it is worse by more than the margin".
    """

    better: Floats
    worse: Floats
    held: Floats
    beyond: Floats


def paths_of(found: PairedDifferences, direction: Direction, margin: float) -> Paths:
    """Return the p-values of an outcome that should be high or low, and may be worse by a margin."""
    up, down = found.above, found.below
    if direction == "minimize":
        better, worse = down(0.0), up(0.0)
        return Paths(better, worse, down(margin) if margin else better, up(margin) if margin else worse)
    better, worse = up(0.0), down(0.0)
    return Paths(better, worse, up(-margin) if margin else better, down(-margin) if margin else worse)


def concluded(paths: Paths, counted: npt.NDArray[np.bool_]) -> tuple[VersionConclusion, float, int]:
    """Return the conclusion, its p-value, and after how many pairs it stood.

    With a margin, `worse` waits until it is more than the margin allows, or until the pairs are over.

    Args:
        paths: p-values after each counted pair.
        counted: Which pairs counted, shape (T,).
    """
    decided = (paths.held <= ALPHA) | (paths.better <= ALPHA) | (paths.beyond <= ALPHA)
    at = int(np.argmax(decided)) if decided.any() else len(decided) - 1
    if at < 0:
        return "undecided", 1.0, len(counted)
    better, worse, held, beyond = (float(p[at]) for p in (paths.better, paths.worse, paths.held, paths.beyond))
    sessions = int(np.flatnonzero(counted)[at]) + 1 if decided.any() else len(counted)
    # Of two that stand at the same pair the one that says more.
    if better <= ALPHA:
        return "better", better, sessions
    if beyond <= ALPHA or (worse <= ALPHA and not decided.any()):
        return "worse", worse, sessions
    if held <= ALPHA:
        return "held", held, sessions
    return "undecided", min(better, worse), sessions


@dataclass(frozen=True)
class Guarded:
    """What is known of a guardrail.

    Attributes:
        guardrail: The guardrail, with its direction.
        p_harmed: p-value of "worse", adjusted for the other guardrails.
        p_held: p-value of "not worse by more than the margin".
    """

    guardrail: Guardrail
    p_harmed: float
    p_held: float

    @property
    def verdict(self) -> GuardrailVerdict:
        """`harmed`, `held` or `unknown`."""
        return guardrail_verdict(self.p_harmed, self.p_held)


def guarded(pairs: list[tuple[Guardrail, PairedValues]], horizon: int | None) -> list[Guarded]:
    """Return what all pairs say of each guardrail; of harm by Holm's method over all of them."""
    found = []
    for guardrail, values in pairs:
        paths = paths_of(values.differences(horizon), guardrail.direction or "minimize", guardrail.margin)
        found.append([float(path[-1]) if len(path) else 1.0 for path in (paths.worse, paths.held)])
    if not found:
        return []
    adjusted = holm(np.array([worse for worse, _ in found]))
    return [
        Guarded(guardrail, float(p), held) for (guardrail, _), p, (_, held) in zip(pairs, adjusted, found, strict=True)
    ]
