"""How much longer a test may take, as a frame: under the estimate so far, and under the smallest difference that matters."""

import pandas as pd

from voicelab.decision.monitor import Monitor
from voicelab.decision.outlook import Outlook, smallest_that_matters
from voicelab.decision.rules import Kind, StopRule
from voicelab.decision.wording import how_much_longer

_COLUMNS = ["supposed", "difference", "sessions", "sessions_low", "sessions_high", "undecided"]


def outlook_frame(monitor: Monitor) -> pd.DataFrame | None:
    """Return what `Result.outlook` holds; None where the test has stopped, or nothing can be said yet."""
    found = monitor.outlook(smallest_that_matters(monitor))
    if not found:
        return None
    rows = [(own.supposed, own.difference, *own.sessions, own.undecided) for own in found]
    return pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(_COLUMNS[2:5], "Int64"))


def outlook_sentences(frame: pd.DataFrame | None, rule: StopRule, kind: Kind | None) -> list[str]:
    """Return what `Result.outlook` says, a sentence each; none where there is no outlook."""
    if frame is None:
        return []
    found = []
    for row in frame.to_dict("records"):
        median, low, high = (None if pd.isna(row[end]) else int(row[end]) for end in _COLUMNS[2:5])
        found.append(Outlook(row["supposed"], float(row["difference"]), (median, low, high), float(row["undecided"])))
    return how_much_longer(found, rule, kind)
