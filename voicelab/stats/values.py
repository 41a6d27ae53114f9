"""What a session counts as, given what it wrote."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def session_values(values: Floats, written: Bools, crashed: Bools, kind: str) -> Floats:
    """Return what each session counts as.

    A session that didn't write the outcome counts as 0 (the guide's own default), and so does a crashed one where the
    outcome is binary; a crashed one is left out of counts and floats. NaN and infinity are left out.

    Args:
        values: What was written, shape (T,); anything where nothing was.
        written: Whether it was written.
        crashed: Whether the session ended with status `error`.
        kind: Kind of the outcome.

    Returns:
        Values of shape (T,), NaN for sessions that are left out.
    """
    counted = np.where(written, values, 0.0)
    counted[~np.isfinite(counted)] = np.nan
    if kind == "binary":
        return np.where(np.isnan(counted), np.nan, (counted > 0).astype(np.float64))
    return np.where(crashed & ~written, np.nan, counted)
