"""Other tests of the same sessions: whether what one does hangs on the variant of another. Reported, and stops nothing."""

import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from voicelab.analysis.logged_outcomes import Categories
from voicelab.analysis.other_outcomes import adjusted
from voicelab.analysis.sessions import OtherTest, TestData
from voicelab.base.records import unwritten_value
from voicelab.decision.stats import eprocess
from voicelab.decision.stats.interaction import interaction
from voicelab.log.declarations import read_declaration

_SURE = 95.0
_COLUMNS = ("other_test", "variant", "baseline", "other_variant", "other_baseline", "kind", "sessions")


def other_tests(exposures: pa.Table, test: str) -> dict[str, OtherTest]:
    """Return every other test of a log's exposures that has drawn variants at random."""
    tests = Categories(exposures.column("test"))
    found = {}
    for name in tests.in_use:
        if name == test:
            continue
        own = exposures.filter(pa.array(tests.are(name)))
        own = own.filter(pa.array(Categories(own.column("assignment")).are("random")))
        if len(own):
            found[name] = _read(own)
    return found


def _read(exposures: pa.Table) -> OtherTest:
    declarations, drawn = Categories(exposures.column("declaration")), Categories(exposures.column("variant"))
    declared = [read_declaration(text) for text in declarations.names]
    first = declared[declarations.codes[0]]
    default = (first["stop"] or {}).get("default")
    # Those that were ever drawn, whatever their weights are now; the default first.
    in_order = dict.fromkeys([*first["variants"], *drawn.in_use])
    variants = sorted((name for name in in_order if name in drawn.in_use), key=lambda name: name != default)
    weights = [json.dumps(own["variants"]) for own in declared]
    # The names of other tests' variants stand in the column too, and are of no row here.
    at = np.array([variants.index(name) if name in variants else 0 for name in drawn.names], dtype=np.int64)
    epoch = np.array([weights.index(own) for own in weights], dtype=np.int64)
    index = exposures.column("session_index").to_numpy()
    order = np.argsort(index, kind="stable")
    return OtherTest(variants, index[order], at[drawn.codes][order], epoch[declarations.codes][order])


def interaction_frame(data: TestData, others: Mapping[str, OtherTest]) -> pd.DataFrame | None:
    """Return how each variant's difference from the default changes with each variant of the other tests.

    Holm's method over all of them; intervals of 95 %, valid at every look. None where the sessions have one test.

    Args:
        data: The sessions that count.
        others: Their other tests.
    """
    if not others or data.kind not in {"binary", "count", "float"}:
        return None  # interactions are of rates and means
    values, counts = _values(data)
    variants = list(data.weights)
    baseline = variants.index(data.rule.default) if data.rule.default in variants else 0
    expected = data.rule.max_iterations or eprocess.EXPECTED_STOP
    own_epochs = np.searchsorted([at for at, _ in data.epochs], np.arange(len(data.arms)), side="right")
    rows = []
    for name, other in others.items():
        at = np.minimum(np.searchsorted(other.index, data.indexes), len(other.index) - 1)
        both = counts & (other.index[at] == data.indexes)
        second, epochs = other.arms[at], other.epochs[at] * (len(data.epochs) + 1) + own_epochs
        for arm, variant in enumerate(variants):
            for other_arm in range(1, len(other.variants)):
                if arm == baseline:
                    continue
                mine = both & np.isin(data.arms, (arm, baseline)) & np.isin(second, (0, other_arm))
                _, epoch = np.unique(epochs[mine], return_inverse=True)
                found = interaction(
                    values[mine],
                    (data.arms[mine] == arm).astype(np.int64),
                    (second[mine] == other_arm).astype(np.int64),
                    epoch,
                    data.kind,
                    expected,
                )
                pairs = (name, variant, variants[baseline], other.variants[other_arm], other.variants[0])
                rows.append(
                    dict(zip(_COLUMNS, (*pairs, str(data.kind), found.sessions), strict=True))
                    | {
                        "difference": found.difference,
                        "difference_cs_lower": found.lower,
                        "difference_cs_upper": found.upper,
                        "p_value": found.p_value,
                    }
                )
    return adjusted(pd.DataFrame(rows)) if rows else None


def _values(data: TestData) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return what each session counts with, and whether it counts."""
    assert data.kind is not None  # noqa: S101 - asked before
    unwritten = [unwritten_value(data.kind, crashed=crashed) for crashed in (False, True)]
    filled = np.array([np.nan if value is None else value for value in unwritten])[data.crashed.astype(np.int64)]
    values = np.where(data.written, data.values.astype(np.float64), filled)
    counts = np.isfinite(values)
    if data.kind == "binary":
        values = np.where(counts, values > 0, np.nan)
    if data.units is not None:
        # Sessions of one caller go together: its first alone.
        first = np.zeros(len(values), dtype=np.bool_)
        first[np.unique(data.units, return_index=True)[1]] = True
        counts &= first
    return values, counts


def interaction_warnings(frame: pd.DataFrame | None) -> list[str]:
    """Return a sentence for each interaction that there surely is."""
    if frame is None:
        return []
    sure = frame[frame["confidence"].astype(float) >= _SURE]
    return [
        f"Interaction: what {row['variant']} does hangs on the test {row['other_test']}. With {row['other_variant']} "
        f"its difference from {row['baseline']} is {_by(row)} than with {row['other_baseline']}: "
        "the answer here is an average over both."
        for row in sure.to_dict("records")
    ]


def _by(row: Mapping[str, object]) -> str:
    by = float(str(row["difference"]))
    size = f"{100 * abs(by):.1f} points" if row["kind"] == "binary" else f"{abs(by):.3g}"
    return f"{size} {'higher' if by > 0 else 'lower'}"
