"""The variants compared within segments of the sessions, such as those of each caller: ideas, never decisions."""

import numpy as np
import pandas as pd

from voicelab.analysis.comparing import compared
from voicelab.analysis.other_outcomes import open_end, seen_through
from voicelab.analysis.sessions import TestData, Values

_MOST_SEGMENTS = 200


def segment_frame(data: TestData) -> pd.DataFrame | None:
    """Return each variant against the default within each segment, largest segment first; None unless asked for.

    Without a horizon, and not adjusted for the number of segments: they give ideas, and decide nothing.
    """
    if data.segments is None:
        return None
    rule = open_end(data, criterion="vs_default")
    names, sizes = np.unique(data.segments.astype(str), return_counts=True)
    rows = []
    for at in np.argsort(-sizes, kind="stable")[:_MOST_SEGMENTS]:
        mine = data.segments == names[at]
        monitor = seen_through(
            data, Values(data.values, data.written, data.kind), rule, mine, data.limits if data.limits.ends else None
        )
        default = monitor.default_arm
        pairs = [(arm, default) for arm in range(len(monitor.variants)) if arm != default]
        found = {"segment": str(names[at]), "sessions": int(sizes[at])}
        rows += [found | row for row in compared(monitor, data.kind, pairs)]
    return pd.DataFrame(rows).drop(columns=["p_value_adjusted", "confidence"], errors="ignore")
