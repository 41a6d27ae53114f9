"""Pictures of a result or a log: each function returns matplotlib Axes and draws into those that it is given.

`result.plot(kind)` draws one of `KINDS`. The room lies under the analysis: a result is anything with the attributes of
`result_like`, and matplotlib is loaded with the first picture.

- `by_variant`: means, shares, distributions, segments, the funnel over conversion metrics.
- `over_sessions`: confidence, difference and statistic on the way.
- `power`: what can be known beforehand: sessions needed, calibration.
- `turn_ends`: cut-offs against waiting, by the setting that ends a caller's turn.
- `of_log`: pictures of a session log: how sessions ended, turns, durations, errors, drop-off.
- `as_svg`: a figure as part of a page, in the page's own ink; `to_file` as a file.
- `style`: colours, axes, labels; `result_like`: what is drawn from.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from voicelab.base.errors import InputError, did_you_mean
from voicelab.plots.by_variant import distribution, funnel, segments, shares, variants
from voicelab.plots.over_sessions import boundary, confidence_path, difference_path
from voicelab.plots.power import calibration, sample_size
from voicelab.plots.result_like import ResultLike
from voicelab.plots.turn_ends import endpointing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "KINDS",
    "boundary",
    "calibration",
    "confidence_path",
    "difference_path",
    "distribution",
    "endpointing",
    "funnel",
    "plot",
    "sample_size",
    "segments",
    "shares",
    "variants",
]

KINDS: dict[str, Callable[..., "Axes"]] = {
    "confidence": confidence_path,
    "difference": difference_path,
    "variants": variants,
    "shares": shares,
    "boundary": boundary,
    "segments": segments,
    "distribution": distribution,
    "sample_size": sample_size,
    "calibration": calibration,
    "funnel": funnel,
}
_SPELLINGS = KINDS | {function.__name__: function for function in KINDS.values()}


def plot(result: ResultLike, kind: str = "confidence", ax: "Axes | None" = None) -> "Axes":
    """Draw a result.

    Args:
        result: What `vl.analyze` returned.
        kind: A key of `KINDS`: confidence, difference, variants, shares, boundary, segments, distribution,
            sample_size, calibration or funnel.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes.

    Raises:
        InputError: there is no such kind, or the result has nothing to draw it from.
    """
    function = _SPELLINGS.get(kind) if isinstance(kind, str) else None
    if function is None:
        raise InputError(f"kind is {kind!r}, must be {', '.join(KINDS)}.{did_you_mean(str(kind), _SPELLINGS)}")
    return function(result, ax)
