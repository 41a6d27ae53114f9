"""How numbers are written for people: never NaN, never a certainty that no data gives."""

import math
from collections.abc import Callable
from typing import Any

from voicelab.base.accepted_types import Cell

MISSING = "–"


def written(value: Cell, style: str) -> str:
    """Return a value as text; a dash where there is none.

    Args:
        value: A number or text; None, NaN and infinities are written as a dash.
        style: A key of `STYLES`.

    Example:
        >>> written(0.0412, "points"), written(float("nan"), "percent") == MISSING
        ('+4.1 points', True)
    """
    return STYLES[style](value) if is_known(value) else MISSING


def is_known(value: Cell) -> bool:
    """Return whether there is something to write: not None, pandas' NA, NaN or an infinity."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return False
    try:
        return math.isfinite(value)  # type: ignore[arg-type]  # text has no size, and is known
    except (TypeError, ValueError):
        return True


def styles_of(kind: str | None) -> dict[str, str]:
    """Return the styles in which values and differences of an outcome of this kind are written."""
    if kind == "binary":
        return {"value": "percent", "difference": "points"}
    return {"value": "number", "difference": "signed"}


def from_to(low: Cell, high: Cell, style: str) -> str:
    """Return an interval as text, its unit once."""
    if not (is_known(low) or is_known(high)):
        return MISSING
    return f"{written(low, style).removesuffix(' points').removesuffix(' %')} to {written(high, style)}"


def confidence(value: float) -> str:
    """Return a confidence in percent; below 100 %, since no amount of data gives certainty."""
    return f"{min(value, 99.99):.2f} %" if value > 99.9 else f"{value:.1f} %"  # noqa: PLR2004 - a second decimal there


def p_value_text(value: float) -> str:
    """Return a p-value to four decimals, never as 0."""
    return "< .0001" if value < 0.0001 else f"{value:.4f}"  # noqa: PLR2004 - four decimals


def percent(value: float) -> str:
    """Return a share in percent; a rare one with a second decimal, a nearly full one not rounded up to 100 %."""
    if value == 1:
        return "100 %"
    if 0 < value < 0.00005:  # noqa: PLR2004 - where two decimals would round down to none
        return "< 0.01 %"
    if 0.9995 <= value < 1:  # noqa: PLR2004 - where one decimal would round up
        return "> 99.9 %"
    return f"{100 * value:.{2 if 0 < value < 0.01 else 1}f} %"  # noqa: PLR2004 - rare


def number_text(value: float) -> str:
    """Return a number to three digits, without an exponent where it can be read without."""
    size = abs(value)
    if size >= 1000:  # noqa: PLR2004 - no decimals from here
        return f"{value:,.0f}" if size < 1e12 else f"{value:.2e}"  # noqa: PLR2004 - too long to read
    return f"{value:.3g}"


def signed(value: float) -> str:
    """Return a difference to three digits, with its sign."""
    return f"+{number_text(value)}" if value > 0 else number_text(value + 0.0)


def points(value: float) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    at = 100 * value
    if 0 < abs(at) < 0.05:  # noqa: PLR2004 - a decimal would round it to 0, which an interval's end may be near and not reach
        return f"{at:+.1g} points"
    # Adding 0 turns -0.0 into 0.0.
    rounded = round(at, 1) + 0.0
    return f"{rounded:+.1f} points" if rounded else "0.0 points"


def lift_text(value: float) -> str:
    """Return a relative difference in percent, with its sign."""
    return f"{round(100 * value, 1) + 0.0:+,.1f} %"


STYLES: dict[str, Callable[[Any], str]] = {
    "text": str,
    "count": "{:,.0f}".format,
    "percent": percent,
    "number": number_text,
    "signed": signed,
    "points": points,
    "lift": lift_text,
    "confidence": confidence,
    "p": p_value_text,
    "flag": lambda value: "yes" if value else "no",
}
