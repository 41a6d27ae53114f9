"""The monitor that services use: one session at a time, as JSON between two of them."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from voicelab.base import checks
from voicelab.base.errors import InputError, did_you_mean
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.drift import Drift
from voicelab.decision.evidence_of_quantiles import QuantileEProcess, QuantileHorizon
from voicelab.decision.intake import (
    Fed,
    Ints,
    check_count,
    checked_parts,
    checked_probabilities,
    checked_unit,
    checked_value,
)
from voicelab.decision.outlook import Outlook, outlook_of
from voicelab.decision.quantile_tally import QuantileTally
from voicelab.decision.rules import Kind, StopRule, asked_kind
from voicelab.decision.tally import Tally
from voicelab.decision.watching import ChunkedMonitor

_KINDS = "kind='binary', 'count' or 'float'"
_VERSION = 1
"""Format of `to_json`."""
_NO_MONITOR = "This is no monitor: give the text that monitor.to_json() returned, whole and unchanged."
_PLAIN = ("sessions", "stopped", "stopped_index", "recorded", "reassigned", "_p")
"""Attributes that JSON takes as they are."""


class Monitor(ChunkedMonitor):
    """Decides one test as its sessions end, one by one: for services that stop a test while it runs.

    The state is O(k^2) numbers for k variants, of quantiles every value; it can be pickled, copied and written as JSON.

    Args:
        rule: When it stops.
        weights: Its variants and their weights.
        kind: Kind of the outcome, `binary`, `count`, `float`, `ratio`, or a quantile across sessions such as `p95`; None until
            it is known (`know`). Of quantiles the state holds every value.
        test: The test's name.
        bounds: Lowest and highest value that the outcome can have: means are then judged by bets that are exact for any
            distribution within them.
        cap: Value above which the outcome counts as this one, and 0 below which it counts as 0; or both ends. The effect
            is then that on the capped outcome.
        with_units: Whether sessions belong to units, such as callers who call again, which `update` is told.
        with_probabilities: Whether each session has probabilities of its own, which `update` is told; `weights` are then
            what they are expected to be.
        trace: Keep how confidence and moments went, for a plot.
        weights_known: False where `weights` are only what the shares of the sessions look like: shares are then not checked,
            and rates without a horizon are judged by their means, since bets are fair under the drawn weights alone.

    Raises:
        InputError: a value is not allowed.

    Attributes:
        kind: Kind of the outcome, None until it is known.
        sessions: Counted sessions so far.
        counts: Counted sessions of each arm, shape (k,).
        with_probabilities: Whether each session has probabilities of its own.
        stopped_index: Index of the session that stopped the test, None before.
        stopped: Whether the rule is fulfilled.
        recorded: Whether any session wrote the target outcome.
        reassigned: Sessions of units that had got another variant before; they count for that one.
        pairs: p-value of "the first beats the second" for every ordered pair, valid at every look, shape (k, k).
        best: Adjusted p-value of "it beats every other" for each variant, shape (k,).

    Example:
        >>> import voicelab as vl
        >>> rule = vl.StopRule(max_iterations=400, max_confidence=95, default="a")
        >>> monitor = vl.Monitor(rule, {"a": 0.5, "b": 0.5}, kind="binary")
        >>> for n in range(200):
        ...     monitor.update("ab"[n % 2], n % 2 == 1)
        >>> monitor.decision.winner
        'b'
        >>> vl.Monitor.from_json(monitor.to_json()).decision == monitor.decision
        True
    """

    def __init__(
        self,
        rule: StopRule,
        weights: Mapping[Any, Any],
        *,
        kind: Kind | str | None = None,
        test: str = "test",
        bounds: tuple[float, float] | None = None,
        cap: float | tuple[float, float] | None = None,
        with_units: bool = False,
        with_probabilities: bool = False,
        trace: bool = False,
        weights_known: bool = True,
    ) -> None:
        super().__init__(
            rule,
            weights,
            kind=kind,
            test=test,
            bounds=bounds,
            cap=cap,
            with_units=with_units,
            with_probabilities=with_probabilities,
            trace=trace,
            weights_known=weights_known,
        )
        self._arms = {variant: arm for arm, variant in enumerate(self.weights)}
        self._codes: dict[Hashable, int] = {}
        # Arm that each unit was assigned first, by its code: a unit that changes its variant stays where it was drawn.
        self._assigned: list[int] = []
        self.reassigned = 0

    def update(
        self,
        variant: Hashable,
        value: float | bool | Sequence[float | None] | None,
        *,
        unit: Hashable = None,
        probabilities: Mapping[Any, float] | None = None,
        crashed: bool = False,
        index: int | None = None,
    ) -> bool:
        """Take one session, as it ends.

        Args:
            variant: The variant it got.
            value: What it wrote as the target outcome, None for nothing. Of a ratio what it wrote above and below the line,
                `(word_errors, words)`.
            unit: Its unit, such as the caller, text or a number; only `with_units`. One that changes its variant counts for
                the first.
            probabilities: The probability of each variant in this session; only `with_probabilities`.
            crashed: Whether it ended with status `error`.
            index: Its index; by default one session after the other.

        Returns:
            Whether this session stops the test; what comes after the stop is not taken.

        Raises:
            InputError: a variant that there isn't, a value that is no number or lies beyond the bounds, or a unit or
                probabilities that are missing, or given to a monitor that was made without.
        """
        arm = self._arms.get(variant if isinstance(variant, str) else str(variant))
        if arm is None:
            near = did_you_mean(str(variant), self.weights)
            raise InputError(f"There is no variant {variant!r}; weights names {', '.join(self.weights)}.{near}")
        if self.stopped:
            return False
        self._check_told(unit=unit, probabilities=probabilities)
        if self.kind is None and value is not None:
            raise InputError(f"The kind of the outcome is not known: give {_kinds_for(self.rule.target_outcome)}.")
        if self.kind == "ratio":
            return self._update_ratio(
                arm, checked_parts(value), crashed, self.sessions if index is None else int(index)
            )
        number = checked_value(value)
        if self.kind == "count":
            check_count(number)
        at = self.sessions if index is None else int(index)
        if self.adds_singly and (value is None or isinstance(value, int | float)):
            self.add(arm, None if value is None else number, crashed, at)
            return self.stopped
        units = None
        if self.with_units:
            arm, units = self._as_assigned(checked_unit(unit), arm)
        self.extend(
            np.array([arm]),
            np.array([number]),
            np.array([value is not None]),
            np.array([crashed]),
            np.array([at]),
            units=units,
            probabilities=checked_probabilities(probabilities, self.variants, arm) if self.with_probabilities else None,
        )
        return self.stopped

    def _update_ratio(self, arm: int, parts: tuple[float, float], crashed: bool, at: int) -> bool:
        """Take one session of a ratio, unless it stopped before."""
        values = np.array([parts])
        self.extend(np.array([arm]), values, ~np.isnan(values), np.array([crashed]), np.array([at]))
        return self.stopped

    def _check_told(self, **given: Any) -> None:
        """Check that a session tells nothing that the monitor was not made for."""
        made = {
            "unit": ("with_units", self.with_units),
            "probabilities": ("with_probabilities", self.with_probabilities),
        }
        for what, value in given.items():
            name, told = made[what]
            if value is not None and not told:
                raise InputError(
                    f"{what} is {value!r}, and the monitor was made without: give Monitor(..., {name}=True)."
                )

    def _as_assigned(self, unit: Hashable, arm: int) -> tuple[int, Ints]:
        """Return the arm that a unit was assigned first, and its code, given the arm of its present session."""
        code = self._codes.setdefault(unit, len(self._codes))
        if code == len(self._assigned):
            self._assigned.append(arm)
        self.reassigned += int(arm != self._assigned[code])
        return self._assigned[code], np.array([code])

    def outlook(self, smallest: float | None = None) -> list[Outlook]:
        """Return how much longer the test may take, under the estimate so far and under the smallest difference that matters.

        Reading it changes no validity.

        Args:
            smallest: That difference, in the outcome's units; None for the estimate so far alone.

        Raises:
            InputError: it is no number above 0.
        """
        if smallest is not None and not (checks.is_number(smallest) and smallest > 0):
            raise InputError(f"smallest is {smallest!r}, must be a number above 0 in the outcome's units.")
        return outlook_of(self, smallest)

    # --- as JSON ---

    def to_json(self) -> str:
        """Return the state as JSON text, for `from_json`; without the path that `trace` keeps."""
        return json.dumps(
            {
                "version": _VERSION,
                "rule": asdict(self.rule),
                "weights": self.weights,
                "made_with": {
                    "test": self.test,
                    "bounds": self.limits.bounds,
                    "cap": self.limits.cap,
                    "with_units": self.with_units,
                    "with_probabilities": self.with_probabilities,
                    "weights_known": self.weights_known,
                },
                "kind": self.kind,
                **{name: getattr(self, name) for name in _PLAIN},
                "counts": self.counts.tolist(),
                "pairs": self.pairs.tolist(),
                "best": self.best.tolist(),
                "codes": list(self._codes),
                "assigned": self._assigned,
                "held": [[None if part is None else part.tolist() for part in fed] for fed in self._held],
                "ratio": self.ratio.to_json(),
                "tally": self.tally.to_json(),
                "drift": self.drift.to_json(),
                "evidence": None if self.evidence is None else self.evidence.to_json(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Monitor":
        """Return the monitor that `to_json` wrote; it goes on as if it had never stopped running.

        Raises:
            InputError: the text is none of `to_json`, or was written by another version.
        """
        state = _read(text)
        try:
            return cls._restored(state)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise InputError(_NO_MONITOR) from None

    @classmethod
    def _restored(cls, state: Mapping[str, Any]) -> "Monitor":
        given = state["made_with"]
        made = cls(
            StopRule(**{name: _tuples(value) for name, value in state["rule"].items()}),
            state["weights"],
            kind=state["kind"],
            **{name: _tuples(value) for name, value in given.items()},
        )
        # As they were, without being made to sum to 1 once more.
        made.weights = state["weights"]
        for name in _PLAIN:
            setattr(made, name, state[name])
        made.counts, made.pairs, made.best = (
            np.array(state[name], dtype=np.float64) for name in ("counts", "pairs", "best")
        )
        made._codes = {unit: code for code, unit in enumerate(state["codes"])}
        made._assigned = list(state["assigned"])
        made._held = [_fed(parts) for parts in state["held"]]
        made.ratio.restore(state["ratio"])
        made.drift = Drift.from_json(state["drift"])
        made.tally = (QuantileTally if "values" in state["tally"] else Tally).from_json(state["tally"])
        if made.evidence is not None:
            made.evidence.restore(state["evidence"])
        if isinstance(made.evidence, QuantileHorizon | QuantileEProcess):
            made.evidence.tally = made.tally  # type: ignore[assignment]  # as `know` made both
        return made


def _read(text: str) -> dict[str, Any]:
    try:
        state = json.loads(text)
        version = state["version"]
    except (TypeError, ValueError, KeyError):
        raise InputError(_NO_MONITOR) from None
    if version != _VERSION:
        raise InputError(
            f"The monitor was written by another version of voicelab (format {version}, this one reads {_VERSION}): "
            "begin a new one with the sessions so far, by update()."
        )
    return dict(state)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _fed(parts: list[Any]) -> Fed:
    types = (np.int64, np.bool_, np.int64, np.float64)
    return Fed(*(None if part is None else np.array(part, dtype=of) for part, of in zip(parts, types, strict=True)))  # type: ignore[arg-type]


def _kinds_for(target: str | None) -> str:
    """Return which kinds a monitor may be given whose rule has a target."""
    asked = None if target is None else parse_outcome(target)
    if asked is None or asked.form == "plain":
        return _KINDS
    kind = asked_kind(asked, "float")
    return f"kind={str(kind)!r}, as the rule's target {asked.text!r} asks"
