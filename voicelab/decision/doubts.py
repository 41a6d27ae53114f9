"""What makes a decision about means approximate: said before a winner is named, with what to do about it.

No method holds for every distribution of an unbounded mean: however many sessions there were, the next may bring a value
that outweighs them all (Bahadur & Savage 1956). Rates, and means with declared bounds or a cap, are exact.
"""

from typing import TYPE_CHECKING

from voicelab.decision.drift import DOUBTFUL
from voicelab.decision.stats import scores

if TYPE_CHECKING:
    from voicelab.decision.monitor import Monitor

_REMEDY = "declare what a value can be at most (cap=..., or bounds=(lowest, highest)), or judge by a rate"
_TIME = (
    "give epochs, weights=[(0, {...}), (first row, {...}), ...], so that sessions are compared with those of their time"
)


def doubts_of(monitor: "Monitor") -> list[str]:
    """Return a sentence for what makes the comparison of means approximate; none for rates and bounded outcomes."""
    if monitor.kind in {None, "binary"} or monitor.limits.ends is not None or not monitor.varied:
        return []
    found: dict[str, list[str]] = {}
    for variant, arm in zip(monitor.variants, monitor.moments, strict=True):
        if arm.n and (reason := scores.doubt(arm)) is not None:
            found.setdefault(reason, []).append(variant)
    reasons = [f"{_WORDS[reason]} ({', '.join(variants)})" for reason, variants in found.items()]
    sentences = [f"Approximate: {' and '.join(reasons)}. The promise holds if you {_REMEDY}."] if reasons else []
    if monitor.drift.share > DOUBTFUL:
        sentences.append(
            f"Approximate: the outcome's level drifts over the test ({monitor.drift.share:.0%} of its variance lies between "
            f"times). To be sure, {_TIME}."
        )
    return sentences


_WORDS = {
    "few": "there are few sessions for a mean",
    "skewed": "the values are too skewed for so many sessions",
}
