"""What a comparison of two versions comes to: the decision, every outcome's difference, and where conversations part."""

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from voicelab.analysis.card.formats import confidence as as_confidence
from voicelab.analysis.card.formats import number_text, styles_of, written
from voicelab.base.errors import InputError
from voicelab.base.html_page import write_page
from voicelab.base.masking import shown
from voicelab.change.comparison_card import ComparisonShown, comparison_card, comparison_text
from voicelab.change.diverging import Divergence, divergence_of
from voicelab.change.paired_values import SESSION_NUMBERS, PairedLogs, PairedValues, target_of
from voicelab.change.unlike_versions import conversions_in, declarations_in, targets_in, unlike_versions
from voicelab.change.version_verdict import (
    Guarded,
    Paths,
    VersionConclusion,
    VersionDecision,
    VersionTarget,
    concluded,
    guarded,
    paths_of,
)
from voicelab.decision.guardrails import ALPHA, Direction, Guardrail
from voicelab.decision.stats.closed import holm
from voicelab.decision.stats.paired import unpaired_factor
from voicelab.log import Log
from voicelab.record.session_record import SideBySide

_SURE = float(np.nextafter(100.0, 0.0))
# Which way is better of what every session has.
_KNOWN: dict[str, Direction] = dict.fromkeys(SESSION_NUMBERS, "minimize")


@dataclass(frozen=True)
class AskedComparison:
    """What a comparison was asked for.

    Attributes:
        outcome: What decides; None for what the tests are judged by.
        direction: `maximize` where more of it is better; None for what its kind of outcome says.
        margin: By how much the new version may be worse.
        guardrails: What must not be harmed.
        horizon: Pairs that were declared; None where none were.
        most: Pairs that are looked at, at most.
    """

    outcome: str | None
    direction: Direction | None
    margin: float
    guardrails: tuple[Guardrail, ...]
    horizon: int | None
    most: int


class VersionComparison:
    """Two versions on the same callers.

    Differences are new minus old, in the outcome's units: of a rate .012 is 1.2 percentage points.

    Attributes:
        decision: Whether the new version is better: conclusion, confidence, sessions, sentence.
        differences: One row an outcome: outcome, role (target, guardrail, check), kind, direction, margin, pairs, excluded (pairs
            in which a side lacks the value), mean of each version (old, new), difference with its interval that holds at every
            look (`_cs_`, 95 %), p_value (that they differ; valid at every look, over guardrails and over checks Holm's) and
            confidence in percent, old_only and new_only (rates: pairs in which one version alone was successful; None for
            numbers), unpaired_sessions (how many an unpaired comparison would have needed for an interval as narrow; both
            versions' sessions together), verdict (of the target the conclusion; of a guardrail harmed, held or unknown).
        old: The old version's log.
        new: The new one's.
        warnings: In what the versions differ beside, and what needs care, a sentence each.
        horizon: Pairs that were declared beforehand; None where none were.
    """

    def __init__(
        self,
        logs: tuple[Log, Log],
        decision: VersionDecision,
        differences: pd.DataFrame,
        target: PairedValues,
        warnings: list[str],
        asked: AskedComparison,
        kept: ExitStack | None = None,
    ) -> None:
        self.old, self.new = logs
        self.decision = decision
        self.differences = differences
        self.warnings = warnings
        self.horizon = asked.horizon
        self._target = target
        self._kept = kept

    @property
    def n_pairs(self) -> int:
        """Sessions that both versions ran."""
        return len(self._target.old)

    @property
    def passed(self) -> bool:
        """Whether the new version is shown not to be worse: better or held, no guardrail harmed, none with a margin unknown."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """Why it didn't pass, an outcome each."""
        return [said for row in self.differences.to_dict("records") if (said := comparison_failure(row))]

    @property
    def wants_more(self) -> str | None:
        """How the comparison stands, in a few words, as long as more pairs would say more; None once all is known."""
        rows = self.differences[(self.differences["role"] == "guardrail") & (self.differences["margin"] > 0)]
        unknown = rows[rows["verdict"] == "unknown"]["outcome"].tolist()
        if self.decision.decided and not unknown:
            return None
        if unknown and self.decision.decided:
            return f"{self.decision.outcome}: {self.decision.conclusion}, {', '.join(unknown)} not yet known"
        row = self.differences.iloc[0]
        style = styles_of(row["kind"])["difference"]
        return f"{row['outcome']}: {written(row['difference'], style)}, {self.decision.confidence:.0f} % sure"

    @cached_property
    def divergence(self) -> Divergence:
        """How many conversations are alike to the last word, and where the others part."""
        return divergence_of(self.old, self.new, self._target, self.n_pairs)

    @property
    def diverging(self) -> pd.DataFrame:
        """The first events that differ, the most frequent first.

        old_event, new_event, sessions, share (of all pairs), turn (median), mean of the target in these sessions in either
        version (old, new) and their difference, session_index and session_id (of `old`) of one of them: `.session(17)` shows it.
        Log lines, metrics and times don't count; conversations that differ in their times alone are a row of their own.
        """
        return self.divergence.groups

    def session(self, session: int | str) -> SideBySide:
        """Return one session in both versions, side by side.

        Args:
            session: Its index, or its id in either log.

        Raises:
            InputError: there is no such session.
        """
        if isinstance(session, str):
            log = next((log for log in (self.old, self.new) if _has(log, session)), None)
            if log is None:
                raise InputError(
                    f"Neither version has a session {shown(session)}. Give an index from 0 to {self.n_pairs - 1}."
                )
            session = log.session(session).session_index
        return SideBySide({"old": self.old.session(session), "new": self.new.session(session)})

    def to_frame(self) -> pd.DataFrame:
        """Return the differences, one row an outcome."""
        return self.differences.copy()

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON's types: no NaN, no infinity."""
        rows = {name: getattr(self, name).astype(object) for name in ("differences", "diverging")}
        plain = {name: [_plain(row) for row in frame.to_dict("records")] for name, frame in rows.items()}
        return {
            "conclusion": self.decision.conclusion,
            "passed": self.passed,
            "sentence": self.decision.sentence,
            "confidence": self.decision.confidence,
            "sessions": self.decision.sessions,
            "pairs": self.n_pairs,
            "same_conversations": self.divergence.n_same,
            "horizon": self.horizon,
            **plain,
            "warnings": self.warnings,
            "old": str(self.old.path),
            "new": str(self.new.path),
        }

    def to_html(self, path: str | Path) -> Path:
        """Write the card as a page of its own, and return its path.

        Args:
            path: Where to, such as `compare.html`; a file that is there is replaced.

        Raises:
            InputError: it can't be written there.
        """
        return write_page(path, f"Two versions: {self.decision.outcome}", self._repr_html_())

    def __repr__(self) -> str:
        return f"VersionComparison({self.decision.sentence})"

    def __str__(self) -> str:
        return comparison_text(self._shown)

    def _repr_html_(self) -> str:
        return comparison_card(self._shown)

    @property
    def _shown(self) -> ComparisonShown:
        names = (str(self.old.manifest.get("handler")), str(self.new.manifest.get("handler")))
        return ComparisonShown(
            self.decision, self.differences, self.divergence, self.warnings, self.n_pairs, self.horizon, names
        )


def comparison_failure(row: dict[Any, Any]) -> str:
    """Return why an outcome, a row of `differences`, fails the comparison; empty if it doesn't."""
    verdict = row["verdict"]
    if row["role"] == "check":
        return ""
    if row["role"] == "target":
        return "" if verdict in {"better", "held"} else f"{row['outcome']}: {verdict}"
    if verdict == "harmed" or (verdict == "unknown" and row["margin"]):
        return f"{row['outcome']}: {'harmed' if verdict == 'harmed' else 'not yet known'}"
    return ""


def _has(log: Log, session: str) -> bool:
    try:
        log.session(session)
    except InputError:
        return False
    return True


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    def one(value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        return None if isinstance(value, float) and not np.isfinite(value) else value

    return {str(name): one(value) for name, value in row.items()}


def compared_versions(
    old: Log, new: Log, asked: AskedComparison, kept: ExitStack | None = None, *, checks: bool = True
) -> VersionComparison:
    """Return what two logs of the same sessions come to.

    Args:
        old: The old version's log.
        new: The new one's.
        asked: What was asked for.
        kept: What lives as long as the result.
        checks: Report what decides nothing too.

    Raises:
        InputError: neither version has an outcome that is asked for.
    """
    declared = {"old": declarations_in(old), "new": declarations_in(new)}
    logs = PairedLogs(old, new, [name for own in declared.values() for name in conversions_in(own)], asked.most)
    warnings = unlike_versions(declared, logs)
    name = asked.outcome or target_of(logs, [*targets_in(declared["old"]), *targets_in(declared["new"])])
    direction = asked.direction or logs.direction_of(name)
    target = VersionTarget(name, direction, asked.margin)
    values = logs.pairs(name, warnings)
    paths = paths_of(values.differences(asked.horizon), direction, asked.margin)
    decision = _decision(values, paths, target)
    guards = []
    for given in asked.guardrails:
        pairs = logs.pairs(given.outcome, warnings)
        known = _KNOWN.get(given.outcome) or ("maximize" if pairs.name in _targets(declared) else None)
        guards.append((replace(given, direction=given.resolved(known, pairs.kind)), pairs))
    rows = [_row(values, "target", asked, direction, asked.margin, decision.conclusion)]
    for found, (_, pairs) in zip(guarded(guards, asked.horizon), guards, strict=True):
        rows.append(_guardrail_row(found, pairs, asked))
    taken = {row["outcome"] for row in rows}
    others = [logs.pairs(one, []) for one in (*logs.names, *SESSION_NUMBERS) if checks and one not in taken]
    rows += [_row(pairs, "check", asked, _KNOWN.get(pairs.name), 0.0, None) for pairs in others]
    return VersionComparison((old, new), decision, _frame(rows), values, list(dict.fromkeys(warnings)), asked, kept)


def _targets(declared: dict[str, Any]) -> list[str]:
    return [name for own in declared.values() for name in targets_in(own)]


def _row(
    values: PairedValues,
    role: str,
    asked: AskedComparison,
    direction: Direction | None,
    margin: float,
    verdict: str | None,
) -> dict[str, Any]:
    counted = values.counted
    old, new = values.old[counted], values.new[counted]
    found = values.differences(asked.horizon)
    low, high = found.interval(ALPHA)
    factor = unpaired_factor(old, new)
    p = min((float(path[-1]) for path in (found.above(), found.below()) if len(path)), default=1.0)
    rate = values.kind == "binary"
    means = values.ratio or ((float(old.mean()), float(new.mean())) if len(old) else (None, None))
    return {
        "outcome": values.name,
        "role": role,
        "kind": values.kind,
        "direction": direction,
        "margin": margin,
        "pairs": len(old),
        "excluded": values.n_excluded,
        "old": means[0],
        "new": means[1],
        "difference": found.mean if len(old) else None,
        "difference_cs_lower": low,
        "difference_cs_upper": high,
        "p_value": p,
        "confidence": None,
        "old_only": found.n_old_more if rate else None,
        "new_only": found.n_new_more if rate else None,
        "unpaired_sessions": None if factor is None else round(2 * len(old) * factor),
        "verdict": verdict,
    }


def _guardrail_row(found: Guarded, values: PairedValues, asked: AskedComparison) -> dict[str, Any]:
    guardrail = found.guardrail
    return _row(values, "guardrail", asked, guardrail.direction, guardrail.margin, found.verdict)


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    for role in ("guardrail", "check"):
        mine = frame["role"] == role
        if mine.any():
            frame.loc[mine, "p_value"] = holm(frame.loc[mine, "p_value"].to_numpy(dtype=np.float64))
    frame["confidence"] = np.minimum(100 * (1 - frame["p_value"].to_numpy(dtype=np.float64)), _SURE)
    for column in ("old_only", "new_only", "unpaired_sessions"):
        frame[column] = frame[column].astype("Int64")
    return frame


def _decision(values: PairedValues, paths: Paths, target: VersionTarget) -> VersionDecision:
    conclusion, p, sessions = concluded(paths, values.counted)
    confidence = min(100 * (1 - p), _SURE)
    sentence = _sentence(values, target, conclusion, confidence, sessions)
    return VersionDecision(conclusion, confidence, sessions, target.outcome, target.margin, sentence)


def _sentence(
    values: PairedValues, target: VersionTarget, conclusion: VersionConclusion, confidence: float, sessions: int
) -> str:
    style = styles_of(values.kind)
    counted = values.counted[:sessions]
    old, new = values.old[:sessions][counted], values.new[:sessions][counted]
    if not len(old):
        return f"No decision: {target.outcome} has a value on both sides of no pair."
    between = f"{target.outcome} {written(old.mean(), style['value'])} -> {written(new.mean(), style['value'])}"
    after = f"after {sessions:,} pair{'s' if sessions != 1 else ''}"
    size = (
        written(target.margin, style["difference"]).removeprefix("+")
        if values.kind == "binary"
        else number_text(target.margin)
    )
    if conclusion == "undecided":
        asked = f"whether the new version is worse by more than {size}" if target.margin else "which version is better"
        same = " The versions differ in no pair." if (old == new).all() else ""
        return f"No decision {asked}: {between} {after}, {as_confidence(confidence)} sure that they differ.{same}"
    said = {
        "better": "The new version is better",
        "worse": "The new version is worse",
        "held": f"The new version is not worse by more than {size}",
    }[conclusion]
    return f"{said}: {between} {after}, {as_confidence(confidence)} sure at every look."
