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
        values: What was written, shape (T,); anything where nothing was. Of a ratio what was written above and below the
            line, shape (T, 2).
        written: Whether it was written, of the same shape.
        crashed: Whether the session ended with status `error`.
        kind: Kind of the outcome.

    Returns:
        Values of that shape, NaN for sessions that are left out.
    """
    if values.ndim > 1:
        crashed = np.asarray(crashed)[:, np.newaxis]
    ended, cut = (unwritten_value(kind, crashed=crash) for crash in (False, True))
    counted = np.where(
        written, values, np.where(crashed, np.nan if cut is None else cut, np.nan if ended is None else ended)
    )
    counted[~np.isfinite(counted)] = np.nan
    if kind == "binary":
        return np.where(np.isnan(counted), np.nan, (counted > 0).astype(np.float64))
    return counted


def are_counted(values: Floats) -> Bools:
    """Return which sessions count, given what `session_values` returned: of a ratio those with both of its parts."""
    known: Bools = ~np.isnan(values)
    return known if known.ndim == 1 else np.asarray(known.all(axis=1))
