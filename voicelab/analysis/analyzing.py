"""`vl.analyze`: the decision of a test, with everything that it rests on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from voicelab.analysis.callers_again import RETURNING
from voicelab.analysis.cautions import about_shares, doubts_of_one_conversation, warnings_of
from voicelab.analysis.comparing import comparisons, method_sentence, path_frame
from voicelab.analysis.drawing import Weights, read_drawing
from voicelab.analysis.frame_columns import Columns
from voicelab.analysis.from_frame import columns_in, from_frame, read_columns
from voicelab.analysis.from_log import from_log
from voicelab.analysis.from_sums import read_totals
from voicelab.analysis.guarding import guardrail_frame, guardrail_warnings, settled_guardrails
from voicelab.analysis.how_much_longer import outlook_frame
from voicelab.analysis.interactions import interaction_frame, interaction_warnings
from voicelab.analysis.kinds import AskedKind, asked_kinds
from voicelab.analysis.missing import Missing, doubts_of_missing, missing_in
from voicelab.analysis.other_outcomes import (
    Seen,
    outcome_frame,
    seen_in,
)
from voicelab.analysis.result import Result
from voicelab.analysis.row_order import by_time, check_sums_will_do, sorted_by, types_in
from voicelab.analysis.segments import segment_frame
from voicelab.analysis.sessions import TestData, Values, chunk_of
from voicelab.analysis.unknown_weights import check_known_where_needed
from voicelab.analysis.variant_rows import variant_frame
from voicelab.base import checks
from voicelab.base.errors import InputError, did_you_mean
from voicelab.decision.guardrails import Guardrail, read_guardrails
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopDecision, StopRule, weight_shares
from voicelab.decision.stats import fixed, sample_ratio
from voicelab.log import Log

if TYPE_CHECKING:
    from voicelab.base.accepted_types import FrameLike, LogLike

_MOST_VARIANTS = 100


def analyze(
    data: "LogLike | FrameLike",
    test: str | None = None,
    *,
    variant: str = "variant",
    outcome: str | Sequence[str] | None = None,
    weights: Weights | None = None,
    rule: StopRule | None = None,
    by: str | None = None,
    guardrails: Sequence[str | Guardrail] | Mapping[str, float] = (),
    missing: Literal["default", "exclude"] = "default",
    mix: bool = False,
    path: bool = True,
    kind: AskedKind | Mapping[str, AskedKind] | None = None,
    unit: str | None = None,
    bounds: tuple[float, float] | None = None,
    cap: float | tuple[float, float] | None = None,
    order: str | None = None,
) -> Result:
    """Decide a test.

    The confidence is that of a group-sequential boundary over the declared number of sessions, watched continuously, or
    of e-processes where no number holds: it stays true however often one looks. By default the leader has to beat every
    rival. Methods: see `voicelab.decision.stats.boundary` and `voicelab.decision.stats.eprocess`.

    Args:
        data: A session log; or one row a session, in order of completion: a DataFrame, or what DuckDB reads (Polars,
            pyarrow, the path of a Parquet file).
        test: The test's name (logs); may be left out if there is only one.
        variant: Column of the variant (frames).
        outcome: The outcome to judge by, or several, of which the others are reported; for logs the test's own target
            unless given, and also a numeric column of `log.sessions()` such as `duration_s`; for frames columns. Text
            is judged by one of its levels, `ending=booked`, and reported by each of them.
        weights: Configured weights of the variants, `{"a": 0.5, "b": 0.5}`: of frames, and of an imported log that doesn't
            say them. Where they changed in a frame, epochs by their first row, `[(0, {...}), (1200, {...})]`: sessions are
            compared within their epoch. Where each session had probabilities of its own, the columns that hold them,
            `{"a": "p_a", "b": "p_b"}` (of two variants one is enough).
        rule: The stop rule; for logs the test's own unless given.
        by: Column to report segments of; they never decide.
        guardrails: Outcomes that no variant must harm: names (n_errors, duration_s, ...); or by name how much worse each
            may be, in its own units, `{"dead_air_s": 0.5, "booked": -0.01}`, where a number below 0 says that it should be
            high and may fall by so much; or `vl.Guardrail`s. Each is `harmed`, `held` or `unknown` at every look.
        missing: `default`: a completed session that didn't write the outcome counts as 0; `exclude`: it is left out.
        mix: Analyse sessions of several sources together.
        path: False decides by the sums alone, as of now, in little more time than DuckDB takes to add them up: valid too,
            but evidence that there was earlier doesn't count, no earlier session is named as the one that stops the
            test, and `path` and `values` of the result stay empty. Without a horizon rates are judged by their means, since
            bets need every session. For frames and files, without `by`, bounds, cap and columns of probabilities.
        kind: Read the outcome as `binary` (above 0 or not), `count`, `float` or `string` (level by level) instead of by
            what it holds; a dict gives kinds by outcome.
        unit: What sessions belong to, such as `caller_id`: a column of frames; of logs a key of the session's data, a
            parameter or a column of `log.sessions()`. Sessions of one unit don't count as many.
        bounds: Lowest and highest value that the outcome can have, for means: the confidence then holds for any
            distribution within them.
        cap: Value above which the outcome counts as this one (and as 0 below 0), or both ends: as `bounds`, and the effect
            is that on the capped outcome.
        order: Column of frames and files by which the sessions are sorted before anything is counted: when they ended, as
            times, numbers or text such as 2026-03-01T09:30. Without it the rows are taken as they stand; where they stand in
            groups of one variant each, as in an export sorted by variant, the sums decide as with `path=False`.

    Returns:
        The result; it shows itself.

    Raises:
        InputError: a test, outcome or column doesn't exist, or holds something that can't be compared.

    Example:
        >>> import pandas as pd, voicelab as vl
        >>> frame = pd.DataFrame({"variant": ["a", "b"] * 200, "bought": [0, 1, 0, 0] * 100})
        >>> rule = vl.StopRule(max_iterations=400, max_confidence=95, default="a")
        >>> vl.analyze(frame, outcome="bought", weights={"a": 0.5, "b": 0.5}, rule=rule).decision.winner
        'b'
    """
    if not isinstance(missing, str) or missing not in {"default", "exclude"}:
        raise InputError(f"missing is {missing!r}, must be 'default' or 'exclude'.")
    if rule is not None and not isinstance(rule, StopRule):
        raise InputError(f"rule is {rule!r}, must be vl.StopRule(...).")
    guarded = read_guardrails(guardrails)
    names = [guardrail.outcome for guardrail in guarded]
    outcomes = [] if outcome is None else [outcome] if isinstance(outcome, str) else checks.names("outcome", outcome)
    twice = [name for name, times in Counter(outcomes).items() if times > 1]
    if twice:
        raise InputError(f"outcome names {twice[0]!r} twice: name each once, the first is judged by.")
    if unit is not None and checks.name("unit", unit) in {variant, *outcomes}:
        raise InputError(
            f"unit is {unit!r}, which is the variant or an outcome: give what sessions belong to, such as 'caller_id'."
        )
    limits = OutcomeLimits(bounds, cap)
    if not path:
        if limits.ends is not None:
            raise InputError(
                "bounds= and cap= bet on every session, which path=False doesn't read: leave out path=False, or the limits."
            )
        return _at_one_look(data, Columns(variant, outcomes, names, by, unit, order), guarded, weights, rule, kind)
    if isinstance(data, Log):
        if order is not None:
            raise InputError("order= is for frames: the sessions of a log are decided in the order of session_index.")
        sessions = from_log(
            data, test, outcomes, rule, by=by, guardrails=names, mix=mix, kind=kind, unit=unit, weights=weights
        )
        platform = data.manifest.get("platform", {}).get(sessions.test)
    else:
        columns = Columns(variant, outcomes, names, by, unit, order)
        sessions = _from_rows(data, columns, weights, rule, kind, limits)
        platform = None
    if missing == "exclude":
        sessions.leave_out_unwritten()
    sessions.limit(limits)
    check_known_where_needed(sessions)
    _check_variants(sessions, given=rule is not None)
    return _decided(sessions, settled_guardrails(sessions, guarded), platform)


def check_srm(counts: Mapping[Any, int], weights: Mapping[Any, float]) -> dict[str, Any]:
    """Check whether variants have the shares of sessions that their weights promise, for one look at final counts.

    Args:
        counts: Sessions of each variant.
        weights: Configured weight of each variant.

    Returns:
        n, observed and expected sessions by variant, and the p-value of Pearson's chi-square test. For a check that
        may be looked at after every session use `vl.analyze(...).srm`.

    Raises:
        InputError: counts and weights name different variants, or a value is not allowed.
    """
    shares = weight_shares(weights)
    given = {str(variant): count for variant, count in counts.items()}
    if set(given) != set(shares):
        raise InputError(f"counts names {sorted(given)}, weights {sorted(shares)}: name the same variants.")
    for variant, count in given.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise InputError(f"The count of {variant!r} is {count!r}, must be a whole number from 0 on.")
    total = sum(given.values())
    observed = np.array([given[variant] for variant in shares], dtype=np.float64)
    return {
        "n": total,
        "observed": {variant: given[variant] for variant in shares},
        "expected": {variant: share * total for variant, share in shares.items()},
        "p_value_fixed": sample_ratio.fixed_p_value(observed, np.array(list(shares.values()))),
    }


def watch(data: TestData, values: Values, rule: StopRule, *, trace: bool = False) -> tuple[Monitor, int | None]:
    """Return a monitor that has seen the sessions in order, and the position of the one that stopped it.

    Args:
        data: The sessions.
        values: The outcome to judge by.
        rule: When to stop.
        trace: Keep the path.
    """
    monitor = data.new_monitor(rule, values.kind, limits=data.limits, trace=trace)
    # Moments of units are more rows, and fewer sessions of them fit the cache.
    step = chunk_of(len(monitor.variants)) // (1 if data.units is None else 2)
    for weights, part in data.parts(step):
        if weights is not None:
            monitor.new_weights(weights)
        position = data.shown_to(monitor, values, part)
        if position is not None:
            return monitor, part.start + position  # type: ignore[union-attr]  # a slice, since all sessions are asked for
    return monitor, None


def _from_rows(
    data: "FrameLike",
    columns: Columns,
    weights: Weights | None,
    rule: StopRule | None,
    kind: AskedKind | Mapping[str, AskedKind] | None,
    limits: OutcomeLimits,
) -> TestData:
    """Return the sessions of a frame, or of what DuckDB reads."""
    variant, outcomes, guardrails, by, unit, order = columns
    if isinstance(data, pd.DataFrame):
        columns.check(list(map(str, data.columns)), rows=len(data))
        frame, advice = data, by_time(types_in(data))
    else:
        if not outcomes:
            columns.check(columns_in(data))
        drawn = read_drawing(weights).columns.values()
        frame, advice = read_columns(data, [variant, *outcomes, *guardrails, by, unit, order, *drawn])
    unsure: str | None = advice
    moments = None
    if order is not None:
        frame, unsure, moments = sorted_by(frame, order)
    sessions = from_frame(
        frame,
        variant,
        outcomes,
        weights,
        rule,
        by=by,
        guardrails=guardrails,
        kinds=asked_kinds(kind, outcomes[0]),
        unit=unit,
        advice=unsure,
        moments=moments,
    )
    if sessions.groups is not None:
        bets = limits.ends is not None and sessions.kind != "binary"
        check_sums_will_do(sessions.rule, len(sessions.arms), sessions.groups, limits=bets)
    return sessions


def _at_one_look(
    data: "LogLike | FrameLike",
    columns: Columns,
    guarded: Sequence[Guardrail],
    weights: Weights | None,
    rule: StopRule | None,
    kind: AskedKind | Mapping[str, AskedKind] | None,
) -> Result:
    """Decide by the sums of the sessions."""
    variant, outcomes, guardrails, by, unit, order = columns
    if isinstance(data, Log):
        raise InputError("path=False is for frames and files; the sessions of a log are decided in their order.")
    if by is not None:
        raise InputError("path=False adds up whole variants, so that by= can't be reported: leave out one of them.")
    if isinstance(data, pd.DataFrame):
        columns.check(list(map(str, data.columns)), rows=len(data))
    elif not outcomes:
        columns.check(columns_in(data))
    asked = asked_kinds(kind, outcomes[0])
    totals = read_totals(data, variant, outcomes, weights, rule, guardrails, asked, unit=unit, order=order)
    _check_variants(totals.data, given=rule is not None)
    monitor = totals.monitor(outcomes[0], totals.data.rule)
    settled = settled_guardrails(totals.data, guarded)
    return _result(monitor, totals.data, settled, totals.monitor, totals.missing)


def _check_variants(data: TestData, *, given: bool) -> None:
    off = ", ".join(data.switched_off)
    if len(data.weights) < 2:  # noqa: PLR2004 - a comparison needs two
        but = f" that is not switched off by weight 0 (as {off})" if off else ""
        raise InputError(
            f"The test {data.test!r} has one variant{but}, {next(iter(data.weights), None)!r}: there is nothing to compare."
        )
    if off:
        data.warnings.append(f"Switched off by weight 0, without a session, and not compared: {off}.")
    if len(data.weights) > _MOST_VARIANTS:
        raise InputError(
            f"The test {data.test!r} has {len(data.weights):,} variants, at most {_MOST_VARIANTS} can be compared pair by pair. "
            "Is its column of variants the right one?"
        )
    default = data.rule.default
    if default is not None and default not in data.weights:
        is_off = default in data.switched_off
        unknown = f"no variant of {data.test!r} ({', '.join(data.weights)}).{did_you_mean(default, data.weights)}"
        said = f"The rule's default {default!r} is {'switched off.' if is_off else unknown}"
        # A test may declare what it never draws; who gives a rule means one of the variants.
        if data.rule.criterion == "vs_default" or (given and not is_off):
            raise InputError(said)
        data.warnings.append(said)


def _decided(data: TestData, guardrails: Sequence[Guardrail], platform: dict[str, Any] | None) -> Result:
    """Decide by the sessions one after the other."""
    if data.rule.method == "fixed" and data.probabilities is not None:
        raise InputError(
            "method='fixed' pools sessions, which is wrong where each has probabilities of its own: leave out the method, or "
            "the columns of probabilities."
        )
    if data.groups is not None:
        monitor = data.new_monitor(data.rule, data.kind)
        data.shown_at_once(monitor, Values(data.values, data.written, data.kind))
        return _with_sessions(monitor, data, guardrails, platform)
    monitor, position = watch(data, Values(data.values, data.written, data.kind), data.rule, trace=True)
    after = 0 if position is None else len(data.arms) - position - 1
    if after:
        data.excluded["after the rule was fulfilled"] = after
        data.cut(position + 1)  # type: ignore[operator]
    return _with_sessions(monitor, data, guardrails, platform)


def _with_sessions(
    monitor: Monitor, data: TestData, guardrails: Sequence[Guardrail], platform: dict[str, Any] | None
) -> Result:
    """Return the result of a monitor that has seen the sessions that count."""
    if monitor.tally.units is not None and monitor.tally.units.returning:
        data.excluded[RETURNING] = monitor.tally.units.returning
    result = _result(monitor, data, guardrails, seen_in(data), missing_in(data))
    interactions = interaction_frame(data, data.other_tests)
    return replace(
        result,
        platform=platform,
        segments=segment_frame(data),
        values=data.value_counts(),
        interactions=interactions,
        warnings=[*result.warnings, *interaction_warnings(interactions)],
    )


def _result(
    monitor: Monitor, data: TestData, guardrails: Sequence[Guardrail], seen: Seen, missing: Missing | None
) -> Result:
    compared = comparisons(monitor, data.kind, missing)
    decision = _fixed_decision(monitor, data, compared) if data.rule.method == "fixed" else monitor.decision
    # Before a winner is: what makes the comparison itself doubtful.
    doubts = [*doubts_of_one_conversation(monitor, data), *doubts_of_missing(monitor, missing, compared)]
    decision = decision.with_doubts(*doubts) if doubts else decision
    harms = guardrail_frame(data, guardrails, seen)
    warnings = [
        *about_shares(monitor, data),
        *data.warnings,
        *warnings_of(monitor, data, decision, compared),
        *guardrail_warnings(harms, decision),
    ]
    return Result(
        variants=variant_frame(monitor, data),
        comparisons=compared,
        srm=_srm(monitor),
        decision=decision,
        path=path_frame(monitor, data.kind),
        excluded=pd.DataFrame(list(data.excluded.items()), columns=["reason", "sessions"]),
        warnings=warnings,
        outcome=data.outcome,
        kind=data.kind,
        source=data.source,
        rule=data.rule,
        method=method_sentence(monitor, data),
        guardrails=harms,
        outlook=outlook_frame(monitor),
        outcomes=outcome_frame(data, [guardrail.outcome for guardrail in guardrails], seen),
    )


def _fixed_decision(monitor: Monitor, data: TestData, compared: pd.DataFrame) -> StopDecision:
    """Return the decision of one look with the fixed-sample test, by the p-values that the comparisons show.

    Where the variants' shares disagree with their weights nothing is decided by any method.
    """
    decision = monitor.decision
    if decision.confidence is None or monitor.leader is None or decision.conclusion == "invalid_srm":
        return decision
    with_leader = (compared["variant"] == monitor.leader) | (compared["baseline"] == monitor.leader)
    p_values = compared.loc[with_leader, "p_value_fixed"]
    confidence = fixed.confidence_of(1.0 if p_values.isna().any() else float(p_values.max()))
    reached = data.rule.max_confidence is not None and confidence >= data.rule.max_confidence
    if not reached:
        return replace(decision, confidence=confidence)
    full = decision.should_stop
    verdict = f"Stop: {monitor.leader} beats every other variant, if this was the only look at the data."
    return replace(
        decision,
        confidence=confidence,
        should_stop=True,
        conclusion="winner",
        reason="both" if full else "confidence",
        winner=monitor.leader,
        stopped_at=monitor.sessions,
        serve=data.rule.default,
        run_test={data.test: False},
        sentence=" ".join([*decision.doubts, verdict]),
    )


def _srm(monitor: Monitor) -> dict[str, Any]:
    ratio, weights = monitor.ratio, monitor.weights
    if (monitor.tally.past or monitor.with_probabilities) and ratio.counts.any():
        # Under weights that changed, what all sessions together were promised: Pearson's test is then rather too careful.
        weights = dict(zip(monitor.variants, ratio.promised.tolist(), strict=True))
    counts = dict(zip(monitor.variants, map(int, ratio.counts), strict=True))
    if not monitor.weights_known:
        unknown = {"expected": None, "p_value_fixed": None, "p_value": None, "alarm": False}
        return {"n": sum(counts.values()), "observed": counts, **unknown}
    checked = check_srm(counts, weights)
    return {**checked, "p_value": ratio.p_value, "alarm": ratio.alarm}
