"""What one session says of its tests: in serialized contexts, in the tags of metrics, in the SDK's log lines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.voicerun.entries import Entry, contexts_in, selected_in
from voicelab.voicerun.export_values import mapping, snake_keys, text_of

_TAG = "experiment_"


@dataclass
class PlatformTests:
    """What a session says of its tests.

    Attributes:
        tests: `testing.tests` of its serialized contexts, later ones over earlier ones.
        run_test: `testing.runTest`.
        conversions: Conversion metrics by test.
        outcomes: `testing.outcomes`, in snake_case.
        tagged: Variants in the tags of metrics, by test, each once.
        logged: Variants in the SDK's log lines, by test, each once.
        assignments: How variants were assigned, by test, where voicelab itself has written that down.
        context: The last serialized context.
        variables: Values of variables, which must not be shown.
        at_the_end: Whether its outcomes are those of the session's end, since voicelab itself has written them down.
    """

    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    run_test: dict[str, Any] = field(default_factory=dict)
    conversions: dict[str, list[str]] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tagged: dict[str, list[str]] = field(default_factory=dict)
    logged: dict[str, list[str]] = field(default_factory=dict)
    assignments: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    variables: set[str] = field(default_factory=set)
    at_the_end: bool = False

    def learn(self, context: Mapping[str, Any]) -> None:
        """Take up a serialized context, later than those before."""
        state = snake_keys(context)
        testing = snake_keys(mapping(state.get("testing")))
        for name, test in mapping(testing.get("tests")).items():
            _update(self.tests.setdefault(name, {}), snake_keys(mapping(test)))
        for name, outcome in mapping(testing.get("outcomes")).items():
            given = snake_keys(mapping(outcome))
            _update(self.outcomes.setdefault(name, {}), given)
        _update(self.run_test, mapping(testing.get("run_test")))
        for name, test in mapping(testing.get("experiments")).items():
            found = snake_keys(mapping(test)).get("conversion_metrics")
            if isinstance(found, list):
                _extend(self.conversions.setdefault(name, []), map(text_of, found))
        _update(self.context, {key: value for key, value in state.items() if key != "testing"})
        self.variables |= {value for value in mapping(state.get("variables")).values() if isinstance(value, str)}

    def see(self, entry: Entry, text: str) -> None:
        """Take up what one event says.

        Args:
            entry: The event.
            text: Its data as JSON: to search it costs less than to walk through the data.
        """
        if "testing" in text:
            for context in contexts_in(entry):
                self.learn(context)
        for tag, variant in (entry.tags or {}).items():
            if tag.startswith(_TAG):
                _extend(self.tagged.setdefault(tag.removeprefix(_TAG), []), [text_of(variant)])
        if selected := selected_in(entry):
            _extend(self.logged.setdefault(selected[0], []), [selected[1]])

    @property
    def names(self) -> list[str]:
        """The tests that the session speaks of."""
        return list(dict.fromkeys([*self.tests, *self.tagged, *self.logged, *self.run_test]))

    def variants(self, test: str) -> list[str]:
        """Return the variants that the first place which names any names: context, then tags, then log lines."""
        value = self.tests.get(test, {}).get("value")
        if value is not None:
            return [text_of(value)]
        return self.tagged.get(test) or self.logged.get(test) or []

    def stopped(self, test: str) -> bool:
        """Return whether the platform had stopped the test before the session."""
        running = mapping(self.tests.get(test, {}).get("stop")).get("running")
        return _is_false(self.run_test.get(test)) or _is_false(running)


def _is_false(value: Json) -> bool:
    return value is False or (isinstance(value, str) and value.lower() == "false")


def _update(target: dict[str, Any], given: Mapping[str, Any]) -> None:
    target.update({key: value for key, value in given.items() if value is not None})


def _extend(target: list[str], given: Iterable[str]) -> None:
    target.extend(value for value in given if value not in target)
