"""When a stop rule is fulfilled: by the number of counted sessions, by the p-value, or by both.

The p-value only ever falls, and the number only grows: what is fulfilled once stays fulfilled, and the first session at
which it is can be found in a whole chunk at once.
"""

import numpy as np
import numpy.typing as npt

from voicelab.decision.rules import StopRule

NEVER = 1 << 62
"""A position beyond every session."""


def is_full(rule: StopRule, sessions: int) -> bool:
    """Return whether the declared number of sessions is reached."""
    return rule.max_iterations is not None and sessions >= rule.max_iterations


def is_sure(rule: StopRule, p: float) -> bool:
    """Return whether a p-value that holds at every look reaches the confidence that the rule asks for."""
    return rule.max_confidence is not None and p <= 1 - rule.max_confidence / 100


def is_fulfilled(rule: StopRule, sessions: int, p: float) -> bool:
    """Return whether the rule stops the test now."""
    full, sure = is_full(rule, sessions), is_sure(rule, p)
    return full and sure if rule.needs_both else full or sure


def can_stop(rule: StopRule) -> bool:
    """Return whether any number of sessions or any confidence stops the test."""
    return rule.max_iterations is not None or rule.max_confidence is not None


def first_stop(rule: StopRule, sessions: int, n: int, at: npt.NDArray[np.int64], p: npt.NDArray[np.float64]) -> int:
    """Return the position in a chunk of the session that stops the test, or a number beyond the chunk.

    Args:
        rule: The rule.
        sessions: Counted sessions before the chunk.
        n: Sessions in the chunk.
        at: Positions at which the p-value changes, in order.
        p: What it is from there on, never growing.
    """
    full = NEVER if rule.max_iterations is None else max(0, rule.max_iterations - sessions - 1)
    sure = NEVER
    if rule.max_confidence is not None:
        reached = np.flatnonzero(p <= 1 - rule.max_confidence / 100)
        sure = int(at[reached[0]]) if len(reached) else NEVER
    stop = max(full, sure) if rule.needs_both else min(full, sure)
    return stop if stop < n else NEVER
