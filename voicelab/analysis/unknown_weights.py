"""A log that doesn't say with which weights its variants were drawn, as exports of the platform often don't.

Sums, means and a boundary over declared sessions need no weights: the shares that the sessions have stand in for them,
which say nothing of the outcomes. A check of the shares has nothing to check against, and is left out. Bets do need them:
they are fair because the variant of the next session is drawn with known chances.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voicelab.analysis.drawing import Weights
from voicelab.analysis.logged_outcomes import Categories
from voicelab.analysis.sessions import TestData
from voicelab.base.errors import InputError
from voicelab.decision.rules import weight_shares


def settled(
    test: str,
    declared: Mapping[str, float | None],
    given: Weights | None,
    variants: Categories,
    warnings: list[str],
) -> tuple[dict[str, float], bool]:
    """Return a test's weights and whether they are known: those of the log, else those given, else the sessions' shares.

    Args:
        test: The test.
        declared: The weights of the log, None where it doesn't say them.
        given: What the caller gave.
        variants: The variants that sessions got.
        warnings: Takes the sentences of a result whose weights are unknown.

    Raises:
        InputError: weights were given, and the log says its own; or they are none by variant, or name not all variants; or
            the weights are unknown, and no session drew a variant.
    """
    known = {variant: weight for variant, weight in declared.items() if weight is not None}
    if declared and len(known) == len(declared):
        if given is not None:
            raise InputError("weights= is for frames: a log holds the weights that its variants were drawn with.")
        return known, True
    counts = dict(zip(variants.names, np.bincount(variants.codes, minlength=len(variants.names)).tolist(), strict=True))
    drawn = [variant for variant in declared if counts.get(variant)]
    if not drawn:
        raise InputError(
            f"No session drew a variant of {test!r}, as far as the log knows, and its weights are unknown: there is nothing to "
            "compare. Export events or metrics of the sessions too, `vr session events SESSION --json`, "
            "`vr metrics session SESSION --json`, which name the variant, and read all into a new log."
        )
    if given is not None:
        return _given(test, given, declared, drawn), True
    warnings += _sentences(test, [variant for variant in declared if variant not in drawn])
    return {variant: counts[variant] / sum(counts.values()) for variant in drawn}, False


def _given(test: str, given: Weights, declared: Mapping[str, Any], drawn: Sequence[str]) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise InputError(f"weights is {given!r}, must be weights by variant for a log, {_example(declared)}.")
    shares = weight_shares(given)
    if missing := [variant for variant in drawn if not shares.get(variant)]:
        raise InputError(
            f"weights has no variant {missing[0]!r} with a weight above 0, which sessions of {test!r} got. Name every variant: "
            f"{_example(declared)}."
        )
    return {variant: share for variant, share in shares.items() if share}


def check_known_where_needed(data: TestData) -> None:
    """Refuse to bet with weights that nobody knows.

    Raises:
        InputError: the method bets, and the weights are unknown.
    """
    rule = data.rule
    rates = data.kind == "binary" and not rule.has_horizon and not rule.margin and rule.method != "fixed"
    limited = data.limits.ends is not None and data.kind != "binary"
    if data.weights_known or not (rates or limited):
        return
    why = "a test of rates without max_iterations" if rates else "an outcome with bounds= or cap="
    raise InputError(
        f"The weights of {data.test!r} are unknown, and {why} is decided by bets, which need them. Give them as the handler "
        f"declares them, {_example(data.weights)}"
        + ("; or a rule with a number of sessions, rule=vl.StopRule(max_iterations=...)." if rates else ".")
    )


def _example(variants: Mapping[str, Any]) -> str:
    shares = ", ".join(f"{variant!r}: {1 / len(variants):.2g}" for variant in variants)
    return f"weights={{{shares}}}"


def _sentences(test: str, unused: Sequence[str]) -> list[str]:
    """Return the sentences that a result says of weights that are unknown."""
    said = [
        f"The weights of {test!r} are unknown: decided without a check that the variants got their shares of the sessions "
        "(sample ratio). Give them, vl.analyze(..., weights={variant: weight}), and the shares are checked."
    ]
    if unused:
        said.append(f"Without a session, and not compared: {', '.join(unused)}.")
    return said
