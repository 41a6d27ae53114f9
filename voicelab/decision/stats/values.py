"""What a session counts as, given what it wrote."""

import numpy as np
import numpy.typing as npt

from voicelab.base.records import unwritten_value

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def session_values(values: Floats, written: Bools, crashed: Bools, kind: str) -> Floats:
    """Return what each session counts as.

    One that didn't write the outcome counts as `unwritten_value` says. NaN and infinity are left out.

    Args:
        values: What was written, shape (T,); anything where nothing was.
        written: Whether it was written.
        crashed: Whether the session ended with status `error`.
        kind: Kind of the outcome.

    Returns:
        Values of shape (T,), NaN for sessions that are left out.
    """
    ended, cut = (unwritten_value(kind, crashed=crash) for crash in (False, True))
    counted = np.where(
        written, values, np.where(crashed, np.nan if cut is None else cut, np.nan if ended is None else ended)
    )
    counted[~np.isfinite(counted)] = np.nan
    if kind == "binary":
        return np.where(np.isnan(counted), np.nan, (counted > 0).astype(np.float64))
    return counted
