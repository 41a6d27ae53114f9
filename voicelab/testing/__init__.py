"""Tests: what is expected of sessions, said in Python or in files of scenarios, asked by pytest and by `voicelab test`.

In come records, or files that say who calls; out goes whether each session is as expected, and if not the conversation with a
mark at the row concerned.

- `expecting`: `expect(record)`, one expectation after another; open it first. `expectations` has every kind of them, as data,
  `asked_session` what they see of a session, and `marked_conversation` prints it.
- `scenario`: who calls, what is expected, how often it must be so; `scenario_result`: whether it is flaky or broken.
- `scenario_file`: scenarios in YAML, each mistake with its line; `who_calls`: the keys that say who calls; `file_endings`: how
  such files are called.
- `plugin`: what pytest is told, without loading anything of the above; `scenario_items`: scenarios as items of pytest's.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicelab.testing.expecting import UnmetExpectationError, expect
    from voicelab.testing.scenario import Scenario
    from voicelab.testing.scenario_file import read_scenarios

# Loaded when they are used: pytest loads the plugin in every project, also where nothing is the lab's.
_NAMES = {
    "Scenario": "voicelab.testing.scenario",
    "UnmetExpectationError": "voicelab.testing.expecting",
    "expect": "voicelab.testing.expecting",
    "read_scenarios": "voicelab.testing.scenario_file",
}
__all__ = ["Scenario", "UnmetExpectationError", "expect", "read_scenarios"]


def __getattr__(name: str) -> Any:
    import importlib

    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'voicelab.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)
