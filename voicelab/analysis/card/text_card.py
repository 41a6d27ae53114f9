"""The result as plain text: what the card of a notebook shows, for `print` and the command line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from voicelab.analysis.card.formats import styles_of, written
from voicelab.analysis.card.markup import MOST_ROWS
from voicelab.analysis.card.other_tables import GUARDRAILS_REMARK, allowed_text
from voicelab.analysis.how_much_longer import outlook_sentences
from voicelab.decision.rules import word_of
from voicelab.decision.wording import CHANGES_NOTHING
from voicelab.plots.result_like import ResultLike


@dataclass(frozen=True)
class Column:
    """A column of a table: where it comes from, its head, and how it is written."""

    key: str
    head: str
    style: str


_VARIANTS = (
    Column("variant", "variant", "text"),
    Column("sessions", "sessions", "count"),
    Column("share", "share", "percent"),
    Column("weight", "weight", "percent"),
    Column("mean", "{mean}", "{value}"),
    Column("mean_cs_lower", "always from", "{value}"),
    Column("mean_cs_upper", "to", "{value}"),
)
_OUTCOME, _SEGMENT = Column("outcome", "outcome", "text"), Column("segment", "segment", "text")
_PAIR = (Column("variant", "variant", "text"), Column("baseline", "against", "text"))
_BESIDE = (
    Column("other_test", "test", "text"),
    Column("other_variant", "beside", "text"),
    Column("other_baseline", "against", "text"),
)
_AT_THE_STOP = (
    Column("difference_mue", "at the stop", "{difference}"),
    Column("difference_mue_lower", "from", "{difference}"),
    Column("difference_mue_upper", "to", "{difference}"),
)
_DIFFERENCE = (
    Column("difference", "difference", "{difference}"),
    Column("difference_cs_lower", "always from", "{difference}"),
    Column("difference_cs_upper", "to", "{difference}"),
)
_AT_WORST = (
    Column("difference_worst_lower", "at worst from", "{difference}"),
    Column("difference_worst_upper", "to", "{difference}"),
)
_CONFIDENCE = Column("confidence", "confidence", "confidence")
_GUARDED = (
    Column("allowed", "allowed", "text"),
    Column("verdict", "verdict", "text"),
)
_OF_GUARDRAILS = (Column("confidence", "harmed", "confidence"), Column("confidence_held", "held", "confidence"))
_FIXED = Column("p_value_fixed", "fixed-sample p", "p")


def text_card(result: ResultLike, facts: Sequence[str]) -> str:
    """Return a result as text: verdict, variants, pairs, what is reported beside them, and what needs care.

    Args:
        result: What `vl.analyze` returned.
        facts: What stands below the verdict.
    """
    decision, kind = result.decision, result.kind
    variants = result.variants.assign(
        variant=[
            f"{name} (default)" if default else name
            for name, default in zip(result.variants["variant"], result.variants["is_default"], strict=True)
        ]
    )
    outlook = (
        []
        if decision.conclusion != "continue"
        else outlook_sentences(getattr(result, "outlook", None), result.rule, kind)
    )
    parts = [
        "\n".join([*decision.doubts, decision.verdict, " · ".join(facts)]),
        _table(_VARIANTS, _rows(variants), kind),
        _table(_compared(result.comparisons), _rows(result.comparisons), kind),
        "\n".join(["How much longer?", *outlook, CHANGES_NOTHING] if outlook else []),
        _beside(
            "Other outcomes",
            (_OUTCOME, *_PAIR, *_DIFFERENCE, _CONFIDENCE),
            getattr(result, "outcomes", None),
            default=result.rule.default,
        ),
        _beside(
            f"Guardrails: {GUARDRAILS_REMARK}",
            (_OUTCOME, *_PAIR, *_GUARDED, *_DIFFERENCE, *_OF_GUARDRAILS),
            _with_what_is_allowed(getattr(result, "guardrails", None)),
        ),
        _beside("Segments", (_SEGMENT, *_PAIR, *_DIFFERENCE), getattr(result, "segments", None), kind=kind),
        _beside(
            "Other tests at the same time: by how much a difference is another one beside another variant of theirs",
            (*_PAIR, *_BESIDE, *_DIFFERENCE, _CONFIDENCE),
            getattr(result, "interactions", None),
        ),
        _platform(getattr(result, "platform", None)),
        "\n".join(f"{row.sessions:>8,}  {row.reason}" for row in result.excluded.itertuples()),
        "\n".join(f"! {warning}" for warning in result.warnings),
        result.method,
    ]
    return "\n\n".join(part for part in parts if part)


def _with_what_is_allowed(frame: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if frame is None else frame.assign(allowed=[allowed_text(row) for row in _rows(frame)])


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _compared(comparisons: pd.DataFrame) -> tuple[Column, ...]:
    """The columns of the comparisons: an estimate at the stop comes first, a worst case last, where there is one."""
    at_the_stop, at_worst = (
        part if part[0].key in comparisons and comparisons[part[0].key].notna().any() else ()
        for part in (_AT_THE_STOP, _AT_WORST)
    )
    return *_PAIR, *at_the_stop, *_DIFFERENCE, *at_worst, _CONFIDENCE, _FIXED


def _beside(
    title: str,
    columns: Sequence[Column],
    frame: pd.DataFrame | None,
    *,
    kind: str | None = None,
    default: str | None = None,
) -> str:
    """Return a table of what is reported beside the target, nothing where there is none.

    Args:
        title: What stands above.
        columns: Its columns.
        frame: The rows, with a column `kind` where they are of several kinds.
        kind: Their kind, if they are all of one.
        default: Of all pairs, show those with this variant; all if there are none.
    """
    if frame is None or not len(frame) or "difference" not in frame.columns:
        return ""
    rows = _rows(frame)
    rows = [row for row in rows if row["baseline"] == default] or rows
    shown = _table(columns, rows[:MOST_ROWS], kind)
    more = f"\n{len(rows) - MOST_ROWS:,} more rows" if len(rows) > MOST_ROWS else ""
    return f"{title}\n{shown}{more}"


def _platform(numbers: Mapping[str, Any] | None) -> str:
    if not numbers:
        return ""
    return "\n".join(
        ["The platform's own numbers, as exported", *(f"{name}  {value}" for name, value in numbers.items())]
    )


def _table(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], kind: str | None) -> str:
    heads = [column.head.format(mean=word_of(kind)) for column in columns]
    cells = []
    for row in rows:
        styles = styles_of(row.get("kind", kind))
        cells.append([written(row.get(column.key), column.style.format(**styles)) for column in columns])
    left = [column.style == "text" for column in columns]
    widths = [max(len(cell) for cell in column) for column in zip(heads, *cells, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if is_text else cell.rjust(width)
            for cell, width, is_text in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in [heads, *cells]
    )
    return "\n".join(lines)
