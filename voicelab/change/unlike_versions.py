"""In what two versions differ before any session is compared: their tests, and what they write."""

from collections.abc import Mapping
from typing import Any

from voicelab.analysis.logged_outcomes import Categories
from voicelab.change.paired_values import PairedLogs
from voicelab.log import Log
from voicelab.log.declarations import read_declaration

Declarations = Mapping[str, Mapping[str, Any]]
SIDES = ("old", "new")


def declarations_in(log: Log) -> Declarations:
    """Return the first declaration of each test that a session of a log reached."""
    table = log.columns("exposures", ("session_index", "test", "declaration"))
    tests, declared = (Categories(table.column(name)) for name in ("test", "declaration"))
    found: dict[str, Mapping[str, Any]] = {}
    for test in tests.in_use:
        at = int(tests.are(test).argmax())
        found[test] = read_declaration(declared.names[declared.codes[at]])
    return found


def conversions_in(declarations: Declarations) -> list[str]:
    """Return what the tests call conversions."""
    return [name for declared in declarations.values() for name in declared["conversion_metrics"]]


def targets_in(declarations: Declarations) -> list[str]:
    """Return what the tests are judged by."""
    found = []
    for declared in declarations.values():
        target = (declared["stop"] or {}).get("target_metric")
        found += [target] if target else list(declared["conversion_metrics"])[:1]
    return found


def unlike_versions(declared: dict[str, Declarations], logs: PairedLogs) -> list[str]:
    """Return a sentence for each thing in which the versions differ.

    Args:
        declared: The declarations of each version, by side.
        logs: Both logs.
    """
    old, new = declared["old"], declared["new"]
    said = []
    for side, other in (SIDES, SIDES[::-1]):
        said += [
            f"Only the {side} version has the test {test!r}: what it does is part of the difference."
            for test in declared[side].keys() - declared[other].keys()
        ]
    for test in old.keys() & new.keys():
        weights = [dict(own[test]["variants"]) for own in (old, new)]
        if weights[0].keys() != weights[1].keys():
            variants = " and ".join(", ".join(own) for own in weights)
            said.append(
                f"The test {test!r} has other variants in the new version ({variants}): a session need not have the same one in "
                "both."
            )
        elif weights[0] != weights[1]:
            said.append(
                f"The test {test!r} has other weights in the new version: some sessions have another variant in it than in the "
                "old one."
            )
    for side, other in (SIDES, SIDES[::-1]):
        alone = [name for name in logs.wrote(side) if name not in logs.wrote(other)]
        if alone:
            said.append(f"Only the {side} version writes {', '.join(map(repr, alone))}.")
    return sorted(said)
