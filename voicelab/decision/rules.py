"""When a test stops: the rule, the decision, and the values that a test's sessions are judged by.

The rule is the stop dict of the Developer Guide and the SDK; `voicelab.decision.monitor` watches it session by session.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NewType

from voicelab.base import checks
from voicelab.base.errors import InputError, did_you_mean
from voicelab.decision.asked_outcome import AskedOutcome, parse_outcome

Conclusion = Literal["continue", "winner", "inconclusive", "invalid_srm"]
Reason = Literal["iterations", "confidence", "both", "srm", "none"]
QuantileKind = NewType("QuantileKind", str)
"""A quantile across sessions, such as `p95`."""
Kind = Literal["binary", "count", "float", "ratio"] | QuantileKind

_STOP_KEYS = (
    "default",
    "max_iterations",
    "max_confidence",
    "target_outcome",
    "target_metric",
    "stop_on",
    "notify",
    "running",
)
DECLARATION_NAMES = frozenset({"variants", "stop", "conversion_metrics", *_STOP_KEYS})
"""The keys of a declaration as a log holds it, beside the names of variants."""
_STOP_ON = {1: "any", 2: "all", "any": "any", "all": "all"}


def quantile_of(kind: str | None) -> float | None:
    """Return the share of sessions at or below the quantile that a kind asks for, 0.95 of `p95`; None of other kinds."""
    if kind is None or not re.fullmatch(r"p\d+(\.\d+)?", kind):
        return None
    share = round(float(kind[1:]) / _WHOLE, 12)
    return share if 0 < share < 1 else None


def asked_kind(asked: AskedOutcome, kind: Kind) -> Kind:
    """Return the kind of what is asked for, given that of the outcome in it.

    Raises:
        InputError: it is a quantile of yes and no.
    """
    if asked.form == "plain":
        return kind
    if asked.form == "ratio":
        return "ratio"
    if kind == "binary":
        raise InputError(
            f"{asked.text!r} is a quantile of an outcome of yes and no, which is one of the two: judge by its rate, "
            f"{asked.name!r}. If it holds numbers that happen to be 0 and 1, say so: kind={{{asked.name!r}: 'float'}} for "
            "vl.analyze, a float such as 1.0 in the handler."
        )
    return QuantileKind(asked.text.partition("(")[0])


def word_of(kind: str | None) -> str:
    """Return what an arm is shown with, in a word: its rate, mean, ratio, or a quantile such as p95."""
    if quantile_of(kind) is not None:
        return str(kind)
    return {"binary": "rate", "ratio": "ratio"}.get(kind or "", "mean")


@dataclass(frozen=True)
class StopRule:
    """When a test stops.

    Args:
        max_iterations: Number of sessions with a random variant after which it stops: the declared horizon.
        max_confidence: Confidence in percent at which it stops, above 1 and below 100.
        target_outcome: The outcome that it is decided by: a name, a ratio `"word_errors / words"` or a quantile across sessions
            `"p95(answer_s_median)"`.
        default: The variant that sessions get after the stop, and that the others are compared with.
        stop_on: `any`: whichever comes first; `all`: both.
        criterion: `best`: the leader must beat every rival; `vs_default`: each variant against the default; or
            `any_difference`: any two variants, which does not license serving the leader.
        direction: `maximize` or `minimize` the outcome.
        margin: Superiority that counts, in the outcome's units: above 0 the winner must be better by more than that;
            below 0 it is enough that no rival is better by more than that, for variants that are nearly equal.
        method: `auto`: valid at every look, by `horizon` where a number of sessions is declared and not passed, else by
            `e-process`, which needs none; `fixed`: the fixed-sample p-value, which stops falsely when looked at often.
        smallest: The smallest difference that matters, in the outcome's units: what is said of how much longer a test takes
            supposes it; by default what the declared sessions find in 8 of 10 tests. It stops nothing.
        notify: E-mail addresses that the platform tells.
        unmet: Conditions that the SDK accepts and nothing fulfils, with their values; only `from_stop` finds any.

    Raises:
        InputError: a value is not allowed.
    """

    max_iterations: int | None = None
    max_confidence: float | None = None
    target_outcome: str | None = None
    default: str | None = None
    stop_on: Literal["any", "all"] = "any"
    criterion: str = "best"
    direction: Literal["maximize", "minimize"] = "maximize"
    margin: float = 0.0
    method: Literal["auto", "horizon", "e-process", "fixed"] = "auto"
    smallest: float | None = None
    notify: tuple[str, ...] = ()
    unmet: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.default is not None:
            object.__setattr__(self, "default", str(self.default))  # as variants are named: a number may be one
        if self.target_outcome is not None:
            parse_outcome(self.target_outcome, what="target_outcome")
        if self.max_iterations is not None:
            checks.whole("max_iterations", self.max_iterations)
        if self.max_confidence is not None:
            _check_confidence(self.max_confidence)
        _check_choice("stop_on", self.stop_on, ("any", "all"))
        _check_choice("criterion", self.criterion, ("best", "vs_default", "any_difference"))
        _check_choice("direction", self.direction, ("maximize", "minimize"))
        _check_choice("method", self.method, ("auto", "horizon", "e-process", "fixed"))
        if isinstance(self.margin, bool) or not isinstance(self.margin, int | float) or not math.isfinite(self.margin):
            raise InputError(
                f"margin is {self.margin!r}, must be a number in the outcome's units, e.g. 0.02 for 2 points."
            )
        if self.smallest is not None and not (checks.is_number(self.smallest) and self.smallest > 0):
            raise InputError(
                f"smallest is {self.smallest!r}, must be a number above 0 in the outcome's units, e.g. 0.02 for 2 points."
            )
        if self.method == "fixed" and self.margin:
            raise InputError(
                f"method is 'fixed', whose test knows no margin, and margin is {self.margin!r}: leave out one of them."
            )
        if self.method == "horizon" and self.max_iterations is None:
            raise InputError("method is 'horizon', which needs a declared number of sessions: give max_iterations.")

    @classmethod
    def from_stop(cls, stop: Mapping[str, Any], *, named_default: bool = True) -> "StopRule":
        """Return the rule of a test's stop dict, as the guide and the SDK write it.

        A condition that the SDK accepts and nothing fulfils is no error: see `unmet`.

        Args:
            stop: Keys default, max_iterations, max_confidence, target_outcome or target_metric, stop_on (1 or 2),
                notify.
            named_default: Whether it must name its default, as the SDK asks; what the platform tells of a test doesn't.

        Raises:
            InputError: a key is unknown, or a value is not allowed.
        """
        if not isinstance(stop, Mapping):
            raise InputError(f"stop is {stop!r}, must be a dict such as {{'max_iterations': 500, 'default': 'a'}}.")
        for key in stop:
            if key not in _STOP_KEYS:
                raise InputError(f"stop has the key {key!r}, which is none of its keys.{did_you_mean(key, _STOP_KEYS)}")
        if named_default and stop.get("default") is None:
            raise InputError("stop has no 'default': name the variant that sessions get after the stop.")
        target = stop.get("target_metric") or stop.get("target_outcome")
        if stop.get("max_confidence") is not None and not target:
            raise InputError("stop has max_confidence and no target: name the outcome in 'target_outcome'.")
        on = stop.get("stop_on", 1)
        if isinstance(on, bool) or on not in _STOP_ON:
            raise InputError(f"stop_on is {on!r}, must be 1 (whichever comes first) or 2 (both).")
        unmet = {key: stop[key] for key, is_unmet in _UNMET.items() if is_unmet(stop.get(key))}
        return cls(
            max_iterations=None if "max_iterations" in unmet else stop.get("max_iterations"),
            max_confidence=None if "max_confidence" in unmet else stop.get("max_confidence"),
            target_outcome=target,
            default=None if stop.get("default") is None else str(stop["default"]),
            stop_on=_STOP_ON[on],  # type: ignore[arg-type]
            notify=tuple(stop.get("notify") or ()),
            unmet=tuple(unmet.items()),
        )

    def to_stop(self) -> dict[str, Any]:
        """Return the rule as the SDK's stop dict."""
        stop = {
            "default": self.default,
            "max_iterations": self.max_iterations,
            "max_confidence": self.max_confidence,
            "target_outcome": self.target_outcome,
            "stop_on": {"any": 1, "all": 2}[self.stop_on],
            "notify": list(self.notify) or None,
        }
        return {key: value for key, value in stop.items() if value is not None} | dict(self.unmet)

    @property
    def needs_both(self) -> bool:
        """Whether the test runs until confidence and iterations are both reached."""
        both = self.max_confidence is not None and self.max_iterations is not None
        return self.stop_on == "all" and (both or bool(self.unmet))

    @property
    def never_stops(self) -> bool:
        """Whether a condition that nothing fulfils keeps the rule from ever being fulfilled."""
        return bool(self.unmet) and (self.needs_both or (self.max_confidence is None and self.max_iterations is None))

    @property
    def remarks(self) -> list[str]:
        """What is to be said of each condition that nothing fulfils, in a sentence."""
        return [f"{key} is {value!r}, which can't be met: {why_unmet(key, value)}" for key, value in self.unmet]

    @property
    def has_horizon(self) -> bool:
        """Whether the declared number of sessions is a horizon that the test never passes."""
        if self.method in {"horizon", "e-process"}:
            return self.method == "horizon"
        return self.max_iterations is not None and not self.needs_both


_WHOLE = 100
"""Percent."""
# What the SDK accepts and no data fulfils; NaN is between any two numbers to the SDK.
_UNMET: dict[str, Callable[[Any], bool]] = {
    "max_iterations": lambda given: isinstance(given, int) and given == 0,
    "max_confidence": lambda given: (
        isinstance(given, int | float) and (0 <= given <= 1 or given == _WHOLE or math.isnan(given))
    ),
}


def why_unmet(key: str, value: Any) -> str:
    """Return why a condition can't be met, and what to write instead: the end of a sentence."""
    if key == "max_iterations":
        return "declare the number of sessions, e.g. 500."
    if value == _WHOLE:
        return "no amount of data reaches it. Give less, e.g. 99."
    return f"it is counted in percent, above 1 and below 100.{_meant(value)}"


def _meant(confidence: float) -> str:
    return f" Did you mean {confidence * _WHOLE:g}?" if 0.5 <= confidence < 1 else ""  # noqa: PLR2004 - a fraction


def _check_confidence(given: Any) -> None:
    number = isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
    if number and given == _WHOLE:
        raise InputError("max_confidence is 100, which no amount of data reaches. Give less, e.g. 99.")
    if not number or not 1 < given < _WHOLE:
        hint = _meant(given) if number else ""
        raise InputError(f"max_confidence is {given!r}, must be above 1 and below 100 (percent).{hint}")


def _check_choice(what: str, given: Any, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise InputError(f"{what} is {given!r}, must be {' or '.join(map(repr, allowed))}.")


def weight_shares(weights: Mapping[Any, Any]) -> dict[str, float]:
    """Return weights that sum to 1; a variant of weight 0 is switched off.

    Args:
        weights: The variants and their weights.

    Raises:
        InputError: no variant, a weight below 0, or none above.
    """
    if weights is not None and not isinstance(weights, Mapping):
        raise InputError(f"weights is {weights!r}, must be the weight of each variant, e.g. {{'a': 0.5, 'b': 0.5}}.")
    if not weights:
        raise InputError("weights is empty, must name at least one variant and its weight.")
    checked: dict[str, float] = {}
    for variant, weight in weights.items():
        if str(variant) in checked:
            raise InputError(
                f"weights names the variant {str(variant)!r} twice, as a number and as text: name it once."
            )
        checked[str(variant)] = 0.0 if is_off(weight) else checks.weight(f"The weight of {variant!r}", weight)
    total = sum(checked.values())
    if not total:
        raise InputError(f"Every weight is 0 ({', '.join(checked)}): give at least one variant a weight above 0.")
    if math.isinf(total):
        raise InputError(f"The weights ({', '.join(checked)}) add up to more than a float holds: give smaller ones.")
    return {variant: weight / total for variant, weight in checked.items()}


def is_off(weight: Any) -> bool:
    """Return whether a weight switches its variant off."""
    return checks.is_zero(weight)


def switched_on(weights: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the variants that sessions can get, with their weights; all of them if every weight is 0."""
    return {variant: weight for variant, weight in weights.items() if not is_off(weight)} or dict(weights)


@dataclass(frozen=True)
class StopDecision:
    """What a test's data says so far.

    Attributes:
        test: The test.
        should_stop: Whether its rule is fulfilled.
        conclusion: `continue`, `winner`, `inconclusive`, `invalid_srm`.
        reason: What stopped it: `iterations`, `confidence`, `both`, `srm` or `none`.
        winner: The variant that beats every other, if the confidence was reached.
        leader: The variant with the best mean so far.
        confidence: Percent, valid at every look; None if the target outcome was never recorded.
        stopped_at: Counted sessions at the stop.
        stopped_session_index: Index of the session that stopped it.
        sessions: Counted sessions so far.
        serve: The variant that sessions get after the stop.
        run_test: The SDK's `runTest` that makes it so.
        sentence: What to do next, the doubts first.
        doubts: What makes it doubtful, a sentence each: to be read before the winner.
    """

    test: str
    should_stop: bool
    conclusion: Conclusion
    reason: Reason
    winner: str | None
    leader: str | None
    confidence: float | None
    stopped_at: int | None
    stopped_session_index: int | None
    sessions: int
    serve: str | None
    run_test: dict[str, bool]
    sentence: str
    doubts: tuple[str, ...] = ()

    def with_doubts(self, *doubts: str) -> "StopDecision":
        """Return the decision with more doubts, before those that it has."""
        together = (*doubts, *self.doubts)
        return replace(self, doubts=together, sentence=" ".join([*together, self.verdict]))

    @property
    def verdict(self) -> str:
        """The sentence without the doubts."""
        return self.sentence.removeprefix(" ".join([*self.doubts, ""]))

    def to_json(self) -> dict[str, Any]:
        """Return the decision as JSON's types."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "StopDecision":
        """Return the decision that `to_json` wrote."""
        return cls(**{**data, "doubts": tuple(data.get("doubts", ()))})


_KINDS: dict[str, Kind] = {"boolean": "binary", "integer": "count", "float": "float"}


class Target:
    """The target outcome of a test.

    Args:
        outcome: Its name; None if the test names none.
        conversion_metrics: The test's conversion metrics: a conversion is binary, whatever its value.
    """

    def __init__(self, outcome: str | None, conversion_metrics: Sequence[str]) -> None:
        self.outcome = outcome
        self._is_conversion = outcome in conversion_metrics

    def kind_in(self, types: Iterable[str]) -> Kind | None:
        """Return the kind of the outcome, or None while no session has declared or written it.

        The type of the first session in order counts, so that a decision on the run and one afterwards agree.

        Args:
            types: The column `type` of its rows, in order of sessions.

        Raises:
            InputError: it holds text.
        """
        first = next(iter(types), None)
        if first is None:
            return None
        if self._is_conversion:
            return "binary"
        if first not in _KINDS:
            raise InputError(
                f"The target outcome {self.outcome!r} holds text ({first}), which has no mean. Set a number or a boolean."
            )
        return _KINDS[first]
