"""The sessions of one test from a session log; and which sessions are not counted, and why.

Each table is read once, as Arrow's columns, and joined by session_index in numpy: a frame of millions of rows is made of
no more than what is asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from voicelab.analysis.asked_values import n_sessions, parts_of
from voicelab.analysis.callers_again import as_first_assigned, units_of
from voicelab.analysis.drawing import Weights
from voicelab.analysis.from_frame import no_value
from voicelab.analysis.interactions import other_tests
from voicelab.analysis.kinds import AskedKind, asked_kinds, split
from voicelab.analysis.logged_outcomes import UNITS_IN, Categories, OutcomeReader, Outcomes
from voicelab.analysis.sessions import CRASHED, NO_NUMBER, NOT_APPLICABLE, UNWRITTEN, TestData, Values
from voicelab.analysis.unknown_weights import settled
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.named_numbers import MEASURED, NUMBERS
from voicelab.base.records import SESSIONS, unwritten_value
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.guardrails import Direction
from voicelab.decision.rules import StopRule, switched_on
from voicelab.log import Log
from voicelab.log.declarations import read_declaration

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_EXPOSURES = ("session_index", "test", "variant", "assignment", "declaration")
_OUTCOMES = ("session_index", "outcome", "type", "value", "text", "written")


def from_log(
    log: Log,
    test: str | None,
    outcomes: Sequence[str],
    rule: StopRule | None,
    *,
    by: str | None = None,
    guardrails: Sequence[str] = (),
    mix: bool = False,
    kind: AskedKind | Mapping[str, AskedKind] | None = None,
    unit: str | None = None,
    weights: Weights | None = None,
) -> TestData:
    """Return a test's sessions from a session log.

    Args:
        log: The log.
        test: The test; None for the only one.
        outcomes: The outcome to judge by, and others to report; by default the test's target, and all of them.
        rule: The stop rule; None for the test's own.
        by: Column of `log.sessions()` to report segments of.
        guardrails: Numeric columns of `log.sessions()`, or outcomes.
        mix: Allow sessions of several sources.
        kind: Kind that is asked for of the target, or kinds by outcome.
        unit: What sessions belong to: a column of `log.sessions()`, or a key of the session's data or parameters.
        weights: Weights of the variants, where the log doesn't say them.

    Raises:
        InputError: the log has no such test, outcome or column, or sessions of several sources.
    """
    exposures = log.columns("exposures", _EXPOSURES)
    every_exposure = exposures
    test, exposures = _of_test(exposures, test)
    declarations = Categories(exposures.column("declaration"))
    declaration = read_declaration(declarations.names[declarations.codes[0]])
    warnings = [*_missing(log), *_failed(log), *_declaration_warnings(test, declarations, declaration)]
    own = StopRule.from_stop(declaration["stop"], named_default=False) if declaration["stop"] else StopRule()
    rule = _with_a_valid_method(rule or own, own, declarations, warnings)
    recorded = Outcomes(log.columns("outcomes", _OUTCOMES), log.columns("late", _OUTCOMES))
    outcome = (
        next(iter(outcomes), None) or rule.target_outcome or _only_outcome(recorded, declaration["conversion_metrics"])
    )
    sessions = log.columns(
        "sessions", ["session_index", "status", "source", *_stored(by, guardrails, outcomes, outcome, unit)]
    )
    _check_sources(sessions, mix)
    assignment = Categories(exposures.column("assignment"))
    drawn = assignment.are("random")
    random = exposures.filter(pa.array(drawn))
    indexes = random.column("session_index").to_numpy()
    reading = OutcomeReader(
        log,
        recorded,
        sessions,
        indexes,
        declaration["conversion_metrics"],
        asked_kinds(kind, outcome),
        None if outcomes else rule.target_outcome,
    )
    values, written, found = reading.outcome(outcome, warnings)
    declared, off = _weights_in(declarations, random, declaration)
    shares, known = settled(test, declared, weights, Categories(random.column("variant")), warnings)
    arms: npt.NDArray[np.integer] = _arms(test, random, shares)
    units = None if unit is None else units_of(reading.units(unit), unit, warnings)
    if unit is not None and units is not None:
        arms = as_first_assigned(arms, units, unit, warnings)
    data = TestData(
        test=test,
        weights=shares,
        rule=rule,
        outcome=outcome,
        kind=found,
        arms=arms,
        values=values,
        written=written,
        crashed=Categories(reading.session_column("status")).are("error"),
        indexes=indexes,
        epochs=_epochs(declarations, drawn),
        weights_known=known,
        others=reading.others(outcome, outcomes[1:], guardrails, warnings),
        segments=None if by is None else reading.segments(by),
        excluded=_not_drawn(assignment, drawn),
        warnings=warnings,
        source=_source(log.manifest, test, outcome),
        switched_off=off,
        units=units,
        unit=unit,
        directions=_directions(rule, outcome, declaration["conversion_metrics"]),
        other_tests={} if exposures is every_exposure else other_tests(every_exposure, test),
    )
    parts = () if outcome is None else parse_outcome(outcome, recorded.names).names
    _count_values(data, measured=any(part in MEASURED and part not in recorded.names for part in parts))
    numbers = {
        name: own for name, own in {str(outcome): data.values, **_values_of(data.others)}.items() if name in NUMBERS
    }
    data.warnings += [no_value(name) for name, own in numbers.items() if len(own) and not np.isfinite(own).any()]
    return data


def _values_of(others: Mapping[str, Values]) -> dict[str, npt.NDArray[Any]]:
    return {name: values.values for name, values in others.items()}


def _directions(rule: StopRule, outcome: str | None, conversions: Sequence[str]) -> dict[str, Direction]:
    """Return which way is better, of what the test is judged by: its rule says it; its conversions are to be many."""
    found: dict[str, Direction] = dict.fromkeys(conversions, "maximize")
    return found | {name: rule.direction for name in (outcome, rule.target_outcome) if name is not None}


def _of_test(exposures: pa.Table, test: str | None) -> tuple[str, pa.Table]:
    """Return a test, the only one if none is named, and its exposures."""
    column = Categories(exposures.column("test"))
    tests = sorted(column.in_use)
    if test is None and len(tests) == 1:
        test = tests[0]
    if test is None and tests:
        raise InputError(
            f"The log has {len(tests)} tests: {', '.join(tests)}. Name the one to decide: vl.analyze(log, {tests[0]!r})."
        )
    if test is None or test not in tests:
        has = f"It has: {', '.join(tests)}." if tests else "No session reached a test."
        which = "test" if test is None else f"test {shown(test)}"
        raise InputError(f"The log has no {which}. {has}{did_you_mean(str(test), tests)}")
    return test, exposures if len(tests) == 1 else exposures.filter(pa.array(column.are(test)))


_REASONS = {
    "forced": "forced: a person chose the variant",
    "default_after_stop": "served the default after the stop",
    "unassigned": "no variant found",
}


def _not_drawn(assignment: Categories, drawn: Bools) -> dict[str, int]:
    """Return how many sessions did not get a random variant, by reason."""
    if drawn.all():
        return {}
    reasons = assignment.texts[~drawn].value_counts()
    return {_REASONS.get(str(reason), str(reason)): int(n) for reason, n in reasons.items()}


def _stored(
    by: str | None, guardrails: Sequence[str], outcomes: Sequence[str], target: str | None, unit: str | None
) -> list[str]:
    """Return which columns of the table of sessions are asked for."""
    named = [name for name in (*guardrails, *outcomes, target) if name is not None]
    # A ratio and a quantile by what stands in them; should there be such a name, nothing is read in vain but a column.
    asked = [*([] if by is None else [by]), *named, *parts_of(named)]
    if unit is not None:
        asked += [unit] if unit in SESSIONS else UNITS_IN
    stored = dict.fromkeys(split(name, SESSIONS)[0] for name in asked)
    return [name for name in stored if name in SESSIONS and name not in {"session_index", "status", "source"}]


def _check_sources(sessions: pa.Table, mix: bool) -> None:
    sources = sorted(Categories(sessions.column("source")).in_use)
    if len(sources) > 1 and not mix:
        raise InputError(
            f"The log mixes sessions of several sources ({', '.join(sources)}), which are not alike. Analyse them apart, "
            "or together on purpose by mix=True."
        )


def _with_a_valid_method(rule: StopRule, own: StopRule, declarations: Categories, warnings: list[str]) -> StopRule:
    """Return the rule, without its horizon's method where the horizon was changed after the declaration."""
    declared = {
        StopRule.from_stop(stop, named_default=False).max_iterations
        for text in declarations.in_use
        if (stop := read_declaration(text)["stop"])
    }
    if own.max_iterations is None or not rule.has_horizon or {rule.max_iterations} == declared:
        return rule
    numbers = ", ".join(str(m) for m in sorted(declared | {rule.max_iterations}, key=str))
    warnings.append(
        f"max_iterations was changed after the declaration ({numbers}): a boundary over a changed horizon stops falsely, "
        "so the confidence is that of the method without a horizon."
    )
    return replace(rule, method="e-process")


def _weights_in(
    declarations: Categories, random: pa.Table, declaration: Mapping[str, Any]
) -> tuple[dict[str, float | None], list[str]]:
    """Return the declared weights of the variants that were ever switched on or drawn, and the other variants.

    A weight is None where the log doesn't say it.
    """
    on = {variant for text in declarations.in_use for variant in switched_on(read_declaration(text)["variants"])}
    on |= set(Categories(random.column("variant")).in_use)
    weights = {variant: weight for variant, weight in declaration["variants"].items() if variant in on}
    return weights, [variant for variant in declaration["variants"] if variant not in on]


def _epochs(declarations: Categories, drawn: Bools) -> list[tuple[int, Mapping[str, float]]]:
    """Return where the weights change among the counted sessions, and to what."""
    weights = [read_declaration(text)["variants"] for text in declarations.names]
    # Declarations that differ in something else than weights are one epoch.
    written = [json.dumps(own) for own in weights]
    same = np.array([written.index(text) for text in written], dtype=np.int64)[declarations.codes[drawn]]
    return [(int(at), weights[same[at]]) for at in np.flatnonzero(same[1:] != same[:-1]) + 1]


def _arms(test: str, random: pa.Table, variants: Mapping[str, float]) -> Ints:
    arm_of = {variant: arm for arm, variant in enumerate(variants)}
    column = Categories(random.column("variant"))
    if unknown := [name for name in column.in_use if name not in arm_of]:
        raise InputError(
            f"Sessions got the variant {unknown[0]!r}, which the first declaration of {test!r} doesn't name "
            f"({', '.join(arm_of)}). Analyse the sessions before and after the change apart."
        )
    return np.array([arm_of.get(name, 0) for name in column.names], dtype=np.int64)[column.codes]


def _source(manifest: Mapping[str, Any], test: str, outcome: str | None) -> str:
    """Return where the sessions are from, and whether the test's effects on the outcome are the user's own."""
    source = str(manifest.get("source", ""))
    source += " callers" if source == "simulated" else ""
    if "truth" not in manifest:  # of logs before there was `truth` it is known only that there was some
        is_specified = bool(manifest.get("has_truth"))
    else:
        is_specified = bool({outcome, str(outcome).partition("=")[0]} & set(manifest["truth"].get(test, ())))
    return f"{source}, effects you specified" if is_specified else source


def _failed(log: Log) -> list[str]:
    """Return a sentence if many of the sessions had an error."""
    failures = log.error_summary
    return [failures.sentence] if failures is not None and failures.serious else []


def _missing(log: Log) -> list[str]:
    if not log.n_missing:
        return []
    return [
        f"{log.n_missing:,} sessions are missing: their part of the log is damaged. log.verify() names the files, and "
        "vl.simulate() with resume=True runs those of a simulation again."
    ]


def _declaration_warnings(test: str, declarations: Categories, declaration: Mapping[str, Any]) -> list[str]:
    warnings = []
    if len(declarations.in_use) > 1:
        warnings.append(
            f"The declaration of {test!r} changed between sessions; the first one counts, and where weights changed "
            "sessions are compared only with others under the same weights."
        )
    declared = declaration["variants"].values()
    total = 1.0 if None in declared else sum(declared)
    if abs(total - 1) > 1e-6:  # noqa: PLR2004 - weights are shares
        warnings.append(f"The weights of {test!r} sum to {total:g}; they are taken as shares of that.")
    return warnings


def _only_outcome(recorded: Outcomes, conversions: Sequence[str]) -> str | None:
    """Return the outcome of a test that names none: its one conversion metric, else the log's only outcome."""
    names = [name for name in recorded.names if name in conversions]
    names = names if len(names) == 1 else recorded.names
    if len(names) > 1:
        raise InputError(f"The test names no target outcome. Choose one: outcome={' or '.join(map(repr, names))}.")
    return names[0] if names else None


def _count_values(data: TestData, *, measured: bool) -> None:
    """Note how many sessions count with a value that they didn't write, or don't count at all.

    Args:
        data: The sessions.
        measured: Whether the outcome is a measure, which has no value where there was no chance for it.
    """
    unwritten = ~data.written if data.written.ndim == 1 else (~data.written).any(axis=1)  # of a ratio either part
    if data.kind is not None and data.written.any():
        completed = int((unwritten & ~data.crashed).sum())
        crashed = int((unwritten & data.crashed).sum())
        if completed:
            data.excluded[UNWRITTEN] = completed
        if crashed:
            how = "left out" if unwritten_value(data.kind, crashed=True) is None else "counted as a failure"
            data.excluded[f"{CRASHED} without the outcome: {how}"] = crashed
    odd = n_sessions(data.written & ~np.isfinite(data.values))
    if odd:
        data.excluded[NOT_APPLICABLE if measured else NO_NUMBER] = odd
