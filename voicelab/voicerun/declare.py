"""The tests of an import: their weights, who drew what, who was served the default, and the outcomes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode
from voicelab.base.records import Row, column, table_row, unwritten_value
from voicelab.decision.rules import DECLARATION_NAMES, StopRule, weight_shares
from voicelab.voicerun.export_values import first, mapping, number, snake_keys, text_of
from voicelab.voicerun.platform_tests import PlatformTests
from voicelab.voicerun.report import Report

_HEAVIEST = 1e100
_STOP_KEYS = ("default", "max_iterations", "max_confidence", "target_outcome", "target_metric", "stop_on", "notify")


class SeenTests:
    """What sessions say of their tests, all in all; each is looked at once.

    Args:
        weights: Weights by test and variant that the caller gives.
    """

    def __init__(self, weights: Mapping[str, Mapping[str, float]]) -> None:
        self.weights = {test: dict(given) for test, given in weights.items()}
        self.in_use: set[str] = set()
        self.options: dict[str, dict[str, float]] = {}
        self.stops: dict[str, dict[str, Any]] = {}
        self.drawn: dict[str, set[str]] = {}
        self.conversions: dict[str, dict[str, None]] = {}
        self.other_weights: set[str] = set()

    def take(self, session: PlatformTests) -> None:
        """Take what a session says."""
        for test in session.names:
            variants = session.variants(test)
            if variants or test in session.tests:
                self.in_use.add(test)
            if not session.stopped(test):
                self.drawn.setdefault(test, set()).update(variants)
            if own := _options(session, test):
                self.options.setdefault(test, own)
                if test in self.weights and _shares(own) != _shares(self.weights[test]):
                    self.other_weights.add(test)
            if stop := mapping(session.tests.get(test, {}).get("stop")):
                self.stops.setdefault(test, stop)
        for test, names in session.conversions.items():
            self.conversions.setdefault(test, {}).update(dict.fromkeys(names))


class Declarations:
    """The tests that sessions were in.

    Args:
        seen: What the sessions say of their tests, and the weights for those that don't say them, or say others.
        conversions: Conversion metrics that the caller names.
        platform: The platform's own numbers by test.
        report: Where it is noted what was not understood.

    Attributes:
        tests: The tests, by name.
        weights_unknown: Those of them whose weights nobody says.

    Raises:
        InputError: weights are given for another test, or not for every variant.
    """

    def __init__(
        self,
        seen: SeenTests,
        conversions: Sequence[str],
        platform: Mapping[str, Mapping[str, Any]],
        report: Report,
    ) -> None:
        self._report = report
        self._counts: Counter[str] = Counter()
        self._texts: dict[tuple[Any, ...], str] = {}
        self._given = seen.weights
        self.tests = sorted(seen.in_use)
        unknown = [test for test in self._given if test not in self.tests]
        if unknown:
            has = f"The sessions were in: {', '.join(self.tests)}." if self.tests else "No session was in a test."
            raise InputError(f"weights names the test {unknown[0]!r}. {has}{did_you_mean(unknown[0], self.tests)}")
        self.conversions = {
            test: _conversions(test, seen.conversions.get(test, ()), conversions, platform) for test in self.tests
        }
        self._stops: dict[str, dict[str, Any]] = {}
        self._options: dict[str, Mapping[str, float | None]] = {}
        self.weights_unknown: list[str] = []
        for test in self.tests:
            self._settle(test, seen, platform.get(test, {}))

    def exposures(self, session: PlatformTests, index: int, *, ended: bool, masker: Masker) -> list[Row]:
        """Return the exposures of a session: one for each test, unassigned where it says no variant.

        Args:
            session: What it says of its tests.
            index: Its index.
            ended: False for a session that is still running.
            masker: Masks the values of its variables.
        """
        return [self._exposure(test, session, index, ended=ended, masker=masker) for test in self.tests]

    def summary(self) -> dict[str, int]:
        """Return how many exposures have which assignment."""
        return dict(self._counts)

    # --- inside ---

    def _settle(self, test: str, seen: SeenTests, platform: Mapping[str, Any]) -> None:
        """Find the weights and the stop of a test where its sessions say nothing of their own.

        Raises:
            InputError: the weights that were given leave out a variant.
        """
        own = seen.options.get(test)
        self._options[test] = self._given.get(test) or own or {}
        if test in seen.other_weights:
            self._report.warn(f"weights={{{test!r}: ...}} differ from those in the export; yours are used.")
        # Else what the platform tells of the test itself: its conditions, beside how far it has come.
        stop = seen.stops.get(test) or mapping(snake_keys(platform).get("stop_conditions"))
        self._stops[test] = self._stop(test, stop) if stop else {}
        drawn = seen.drawn.get(test, set())
        if test in self._given:
            self._check_named(test, sorted(drawn))
        elif not own:
            named = sorted(drawn | _variants_of(platform))
            self._options[test] = dict.fromkeys(named)
            self.weights_unknown.append(test)
            if not named:
                self._report.warn(
                    f"No variant of {test!r} is known: the sessions speak of the test, and no export says which variant they "
                    "drew, so that there is nothing to compare. Export events or metrics of the sessions too, "
                    "`vr session events SESSION --json`, `vr metrics session SESSION --json`, which name it, and read all again."
                )
                return
            example = ", ".join(f"{variant!r}: {1 / len(named):.2g}" for variant in named)
            self._report.warn(
                f"Weights unknown: no export says those of {test!r} ({', '.join(named)}). Its result is without a check of the "
                f"shares of sessions, unless you give them: weights={{{test!r}: {{{example}}}}}."
            )

    def _check_named(self, test: str, drawn: Sequence[str]) -> None:
        missing = [variant for variant in drawn if _spelled(variant, self._options[test]) is None]
        if missing:
            raise InputError(
                f"weights={{{test!r}: ...}} has no variant {missing[0]!r}, which sessions drew. Name every variant: "
                f"{', '.join(drawn)}."
            )

    def _exposure(self, test: str, session: PlatformTests, index: int, *, ended: bool, masker: Masker) -> Row:
        # A session that holds no weights of its own was drawn with those of the test.
        own = {} if test in self._given else _options(session, test)
        options: Mapping[str, float | None] = own or self._options[test]
        found = session.variants(test)
        variant = None if len(found) != 1 else found[0]
        if len(found) > 1:
            self._report.warn(f"Some sessions name several variants of {test!r}: they are counted as unassigned.")
        variant = (_spelled(variant, options) or variant) if variant is not None else None
        assignment = self._assignment(test, session, variant, options, ended=ended)
        self._counts[assignment] += 1
        weight = options.get(variant) if variant is not None else None
        total = sum(weight or 0.0 for weight in options.values())
        drawn = assignment == "random" and weight is not None and total
        probability = (
            weight / total if drawn and weight is not None else 1.0 if assignment == "default_after_stop" else None
        )
        stop = mapping(session.tests.get(test, {}).get("stop"))
        text = self._declaration(test, options, self._stop(test, stop) if stop else self._stops[test])
        return table_row(
            "exposures",
            session_index=index,
            test=masker.text(test),
            variant=None if variant is None else masker.text(variant),
            weight=weight,
            assignment=assignment,
            probability=probability,
            declaration=masker.json(text, DECLARATION_NAMES, numbers=False),
        )

    def _assignment(
        self,
        test: str,
        session: PlatformTests,
        variant: str | None,
        options: Mapping[str, float | None],
        *,
        ended: bool,
    ) -> str:
        if session.stopped(test):
            return "default_after_stop"
        if variant is None or session.assignments.get(test) == "unassigned":
            return "unassigned"
        if session.assignments.get(test) == "forced":
            return "forced"
        if variant not in options:
            self._report.warn(
                f"Some sessions have the variant {variant!r} of {test!r}, which is none of its options "
                f"({', '.join(options)}): they are counted as unassigned."
            )
            return "unassigned"
        return "random" if ended else "unfinished"

    def _declaration(self, test: str, options: Mapping[str, float | None], stop: Mapping[str, Any]) -> str:
        """Return a declaration as JSON: the same text for the same facts in any order."""
        key = (test, tuple(sorted(options.items(), key=str)), encode(dict(sorted(stop.items()))))
        if key not in self._texts:
            declared = {"variants": dict(options), "stop": dict(stop), "conversion_metrics": self.conversions[test]}
            self._texts[key] = encode(declared)
        return self._texts[key]

    def _stop(self, test: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return a test's stop as far as voicelab can honour it."""
        facts = snake_keys(given)
        stop = {key: facts[key] for key in _STOP_KEYS if facts.get(key) is not None}
        for key in ("max_iterations", "max_confidence"):
            if isinstance(stop.get(key), str):
                stop[key] = stop[key] if number(stop[key]) is None else number(stop[key])
        if isinstance(stop.get("max_iterations"), float) and stop["max_iterations"].is_integer():
            stop["max_iterations"] = int(stop["max_iterations"])
        for without in (
            (),
            ("max_confidence",),
            ("max_iterations",),
            ("max_confidence", "max_iterations"),
            tuple(stop),
        ):
            left = {key: value for key, value in stop.items() if key not in without}
            problem = _problem(left) if left else None
            if problem is None:
                return left
            self._report.warn(f"The stop of {test!r} in the export can't be honoured whole: {problem}")
        return {}


def _problem(stop: Mapping[str, Any]) -> str | None:
    try:
        StopRule.from_stop(stop, named_default=False)
    except InputError as error:
        return str(error)
    return None


def _options(session: PlatformTests, test: str) -> dict[str, float]:
    """Return the weights that a session's own record of a test holds; none if one of them can't be drawn by."""
    given = {name: number(weight) for name, weight in mapping(session.tests.get(test, {}).get("options")).items()}
    options = {name: weight for name, weight in given.items() if weight is not None and 0 <= weight <= _HEAVIEST}
    return options if len(options) == len(given) and any(options.values()) else {}


def _shares(options: Mapping[str, float]) -> dict[str, float]:
    total = sum(options.values()) or 1.0
    return {name: round(weight / total, 9) for name, weight in options.items()}


def _variants_of(platform: Mapping[str, Any]) -> set[str]:
    """Return the variants that the platform's own numbers of a test name."""
    rows = [snake_keys(row) for row in platform.get("variants") or () if isinstance(row, Mapping)]
    return {text_of(row["name"]) for row in rows if row.get("name") is not None}


def _spelled(variant: str, options: Mapping[str, float | None]) -> str | None:
    """Return a variant as the options spell it: a tag says True where JSON's key is true."""
    if variant in options:
        return variant
    alike = [name for name in options if name.lower() == variant.lower() and name in {"true", "false"}]
    return alike[0] if alike else None


def _conversions(
    test: str,
    known: Iterable[str],
    named: Sequence[str],
    platform: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    described = snake_keys(platform.get(test, {})).get("conversion_metrics")
    names = list(known)
    names += map(text_of, described) if isinstance(described, list) else []
    return list(dict.fromkeys([*names, *named]))


def check_given(weights: Mapping[str, Mapping[str, float]] | None) -> dict[str, dict[str, float]]:
    """Return weights by test as they were given.

    Raises:
        InputError: they are no weights by test and variant.
    """
    if weights is None:
        return {}
    if not isinstance(weights, Mapping) or not all(isinstance(given, Mapping) for given in weights.values()):
        raise InputError(
            f"weights is {weights!r}, must be {{test: {{variant: weight}}}}, e.g. {{'greeting': {{'a': 0.5, 'b': 0.5}}}}."
        )
    for given in weights.values():
        weight_shares(given)
    return {str(test): {str(name): float(weight) for name, weight in given.items()} for test, given in weights.items()}


# --- outcomes --------------------------------------------------------------------------------------------------------

_NUMBERS = {"boolean", "bool", "integer", "int", "count", "float", "number", "double"}
_METRIC, _TYPE, _VALUE = (column("metrics", name) for name in ("metric", "type", "value"))
_TRUTH = {"true": True, "false": False}


def outcomes(
    session: PlatformTests,
    metrics: Sequence[Row],
    conversions: Sequence[str],
    index: int,
    *,
    crashed: bool,
    masker: Masker,
) -> list[Row]:
    """Return the outcomes of a session: those of its context, and the conversions that its metrics show.

    Args:
        session: What it says of its outcomes.
        metrics: Its metrics, as rows of the log.
        conversions: Conversion metrics of its tests.
        index: Its index.
        crashed: Whether it ended with an error: a value that is still the default was then never set.
        masker: Masks the values of its variables.
    """
    counted = _conversion_values(metrics)
    rows = []
    for name in dict.fromkeys([*session.outcomes, *conversions]):
        shown = masker.text(name)
        outcome = session.outcomes.get(name, {})
        kind, value, text = _typed(outcome.get("value"), text_of(first(outcome, ("type",)) or "").lower())
        # A context that was written before the metric still holds the default.
        if name in conversions and not value and not text and shown in counted and not session.at_the_end:
            kind, value = _typed(counted[shown], "")[:2]
        written = bool(value) or bool(text) or (value is not None and not crashed)
        row = table_row(
            "outcomes",
            session_index=index,
            outcome=shown,
            type=kind,
            value=unwritten_value(kind, crashed=False) if value is None else value,
            text=None if text is None else masker.text(text),
            written=written,
        )
        rows.append(row)
    return rows


def _conversion_values(metrics: Sequence[Row]) -> dict[str, float]:
    """Return the value of each metric in a session: counters are summed, of the others the last counts."""
    values: dict[str, float] = {}
    for row in metrics:
        name, value = row[_METRIC], row[_VALUE]
        values[name] = values.get(name, 0.0) + value if row[_TYPE] == "counter" else value
    return values


def _typed(value: Json, declared: str) -> tuple[str, float | None, str | None]:
    """Return type, number and text of an outcome: the type is the value's, where the declared one doesn't narrow it."""
    if isinstance(value, str) and declared in _NUMBERS:
        value = _TRUTH.get(value.lower(), number(value) if number(value) is not None else value)
    if isinstance(value, bool):
        return "boolean", float(value), None
    if value is None:
        return {"boolean": "boolean", "float": "float", "string": "string"}.get(declared, "integer"), None, None
    if not isinstance(value, int | float) or number(value) is None:
        # No column holds infinity, or 400 digits, as a number.
        return "string", None, text_of(value)
    if declared in {"boolean", "bool"} and value in {0, 1}:
        return "boolean", float(value), None
    if declared in {"float", "number", "double"} or float(value) != int(value):
        return "float", float(value), None
    return "integer", float(value), None
