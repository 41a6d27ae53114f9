"""The tests and outcomes of one session."""

import bisect
import itertools
import math
from collections.abc import Mapping
from typing import Any, TypeAlias

from voicelab.base.accepted_types import Given
from voicelab.base.errors import ForcedVariantError, InputError, did_you_mean
from voicelab.runtime.context.ports import Host
from voicelab.runtime.sdk import Experiment, ExperimentContext

OutcomeValue: TypeAlias = bool | float | str
"""What an outcome is set to."""


class SessionExperiments(ExperimentContext):
    """The SDK's experiments with each test's variant drawn from a stream of its own, or forced."""

    def __init__(self, host: Host) -> None:
        super().__init__(run_experiment=dict(host.run_tests))
        self._host = host
        self.written: set[str] = set()

    def add(
        self,
        name: str,
        variants: dict[Any, float],
        conversion_metrics: list[str] | None = None,
        description: str | dict[str, Any] = "",
        stop: dict[str, Any] | None = None,
    ) -> Any:
        """Declare a test, draw its variant and report both; later declarations of the same test change nothing."""
        if name not in self.experiments:
            declaration = self._host.declare(name, variants, stop, conversion_metrics or [])
            experiment = Experiment(
                name, variants, conversion_metrics, description, stop, self.run_experiment.get(name, True)
            )
            assignment = self._assign(experiment)
            self._host.expose(name, experiment.value, variants, assignment, declaration)
            self.experiments[name] = experiment
        return super().add(name, variants, conversion_metrics, description, stop)

    def _assign(self, experiment: Experiment) -> str:
        forced = self._host.forced.get(experiment.name)
        if forced is not None:
            experiment.value = _variant_named(experiment, forced)
            return "forced"
        if experiment.value is not None:
            return "default_after_stop"
        cumulative = list(itertools.accumulate(experiment.variants.values()))
        at = self._host.uniform(f"test:{experiment.name}") * cumulative[-1]
        # Of variants that are switched off, with weight 0, none is ever the first to reach a number.
        index = min(bisect.bisect_right(cumulative, at), bisect.bisect_left(cumulative, cumulative[-1]))
        experiment.value = list(experiment.variants)[index]
        return "random"

    def set_outcome(self, name: str, value: OutcomeValue) -> Any:
        """Set an outcome."""
        previous = super().set_outcome(name, value)
        self.written.add(name)
        return previous

    def trigger_outcome(self, name: str) -> Any:
        """Count an outcome up, or set it True."""
        previous = super().trigger_outcome(name)
        self.written.add(name)
        return previous

    def reset_outcome(self, name: str) -> Any:
        """Set an outcome back."""
        previous = super().reset_outcome(name)
        self.written.add(name)
        return previous

    def record_conversion(self, metric_name: str, metric_type: str, value: float) -> None:
        """Add a conversion metric to its outcome."""
        super().record_conversion(metric_name, metric_type, value)
        self.written.add(metric_name)


def refuse_undrawable(name: str, variants: Given) -> None:
    """Refuse variants that can't be drawn from.

    Raises:
        InputError: no variants, one named None, a weight below 0, or none above.
    """
    if not isinstance(variants, Mapping) or not variants:
        raise InputError(
            f"Test {name!r} has the variants {variants!r}, must be a dict of at least one variant and its weight, "
            "e.g. {'formal': 0.5, 'casual': 0.5}."
        )
    if None in variants:
        raise InputError(f"Test {name!r} has a variant named None, which the SDK draws again at every read. Rename it.")
    for variant, weight in variants.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight < 0:
            raise InputError(
                f"Test {name!r}: the weight of {variant!r} is {weight!r}, must be a number above 0, or 0 to switch it off."
            )
    if not any(variants.values()):
        raise InputError(f"Test {name!r}: every weight is 0, give at least one variant a weight above 0.")


def _variant_named(experiment: Experiment, forced: str) -> Any:
    for variant in experiment.variants:
        if variant == forced or str(variant) == str(forced):
            return variant
    known = ", ".join(repr(str(v)) for v in experiment.variants)
    raise ForcedVariantError(
        f"variants={{{experiment.name!r}: {forced!r}}} forces a variant that the test doesn't have; it has {known}."
        + did_you_mean(str(forced), map(str, experiment.variants))
    )
