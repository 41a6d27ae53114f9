"""What the variants do to guardrails: harmed, held or not yet known; see `voicelab.decision.guardrails`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from voicelab.analysis.card.formats import styles_of, written
from voicelab.analysis.comparing import compared
from voicelab.analysis.other_outcomes import INTERVAL, Seen, adjusted, left_out, open_end
from voicelab.analysis.sessions import TestData
from voicelab.base.errors import InputError
from voicelab.decision.guardrails import Guardrail, guardrail_verdict
from voicelab.decision.rules import StopDecision


def settled_guardrails(data: TestData, guardrails: Sequence[Guardrail]) -> list[Guardrail]:
    """Return guardrails that say which way is better.

    Raises:
        InputError: nothing says it, or a margin can't be judged.
    """
    for guardrail in guardrails:
        if guardrail.margin and data.probabilities is not None:
            raise InputError(
                f"The guardrail {guardrail.outcome!r} has a margin, which bets under probabilities of each session don't know: "
                "leave out the margin, or give weights that stay for a while."
            )
    return [
        replace(
            guardrail,
            direction=guardrail.resolved(data.directions.get(guardrail.outcome), data.others[guardrail.outcome].kind),
        )
        for guardrail in guardrails
    ]


def guardrail_frame(data: TestData, guardrails: Sequence[Guardrail], seen: Seen) -> pd.DataFrame | None:
    """Return what every variant does to each guardrail against the default, and the verdict on it.

    At 95 %, valid at every look: of harm by Holm's method over all of them, of what is held each by itself. None without
    guardrails.

    Args:
        data: The sessions.
        guardrails: Of `settled_guardrails`.
        seen: How an outcome of theirs is seen.
    """
    if not guardrails:
        return None
    frame = adjusted(pd.DataFrame([row for guardrail in guardrails for row in _rows(data, guardrail, seen)]))
    held = frame["p_value_held"].astype(float).fillna(1.0)
    frame["confidence_held"] = [
        None if unknown else float(min(100 * (1 - p), np.nextafter(100.0, 0.0)))
        for p, unknown in zip(held, frame["p_value_held"].isna(), strict=True)
    ]
    of_harm = frame["p_value_adjusted"].astype(float).fillna(1.0)
    frame["verdict"] = [guardrail_verdict(*p) for p in zip(of_harm, held, strict=True)]
    frame["harmed"] = frame["verdict"] == "harmed"
    return frame


def _rows(data: TestData, guardrail: Guardrail, seen: Seen) -> list[dict[str, Any]]:
    name, values = guardrail.outcome, data.others[guardrail.outcome]
    rule = {"criterion": "vs_default", "direction": guardrail.direction}
    monitor = seen(name, open_end(data, **rule))
    # What is allowed shifts what is tested: better than the default by more than minus the margin.
    allowed = seen(name, open_end(data, **rule, margin=-guardrail.margin)) if guardrail.margin else monitor
    default = monitor.default_arm
    arms = [arm for arm in range(len(monitor.variants)) if arm != default]
    rows = []
    for arm, row in zip(arms, compared(monitor, values.kind, [(arm, default) for arm in arms]), strict=True):
        unknown = row["difference"] is not None and row["p_value"] is None
        rows.append(
            {"outcome": name, "kind": values.kind, "variant": row["variant"], "baseline": row["baseline"]}
            | {"direction": guardrail.direction, "margin": guardrail.margin}
            | {column: row[column] for column in INTERVAL}
            | {"excluded": left_out(data, values, monitor, (arm, default))}
            | {"p_value": None if unknown else float(monitor.pairs[default, arm])}
            | {"p_value_held": None if unknown else float(allowed.pairs[arm, default])}
        )
    return rows


def guardrail_warnings(guardrails: pd.DataFrame | None, decision: StopDecision) -> list[str]:
    """Return a warning for each harmed guardrail, the winner's first, and for each of the winner's that isn't known yet."""
    if guardrails is None:
        return []
    differs = guardrails["difference"].notna() & (guardrails["difference"] != 0)
    unknown = guardrails[differs & guardrails["p_value"].isna()]["outcome"].unique()
    unclear = [
        f"The guardrail {name} never varies within the variants: whether it is harmed can't be said."
        for name in unknown
    ]
    rows = guardrails.to_dict("records")
    harmed = [
        f"Guardrail harmed: {row['outcome']} {'falls' if row['direction'] == 'maximize' else 'grows'} with {row['variant']} (by "
        f"{_size(row, abs(row['difference']))} against {row['baseline']})"
        + (", which is the winner: think before serving it." if row["variant"] == decision.winner else ".")
        for row in sorted(rows, key=lambda row: row["variant"] != decision.winner)
        if row["verdict"] == "harmed"
    ]
    open_still = [
        f"Guardrail not yet known: with {row['variant']}, which is the winner, {row['outcome']} may still be worse by "
        f"more than {_size(row, row['margin'])}."
        for row in rows
        if row["verdict"] == "unknown"
        and row["margin"]
        and row["variant"] == decision.winner
        and pd.notna(row["difference"])
    ]
    return [*unclear, *harmed, *open_still]


def _size(row: dict[str, Any], size: float) -> str:
    return written(size, styles_of(row["kind"])["difference"]).removeprefix("+")
