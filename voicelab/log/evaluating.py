"""Asks evaluators of all sessions of a log, and keeps what they come to as outcomes that were added late."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.log import late
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.parts import Part
from voicelab.log.session_views import session_views
from voicelab.predicates import Evaluation, Evaluators

if TYPE_CHECKING:
    import pandas as pd


_OF_AN_EVALUATION = ("status", "success", "failed_path", "reason")
EVALUATED = "evaluated"
"""What a manifest calls the outcomes that evaluators added afterwards."""


def evaluations(
    root: Path, parts: Sequence[Part], asked: Evaluators, measured: Callable[[Part], pa.Table]
) -> "pd.DataFrame":
    """Return what evaluators come to: a row a session, in order of `session_index`, of several evaluators one after another.

    session_index, session_id, status, success (True, False or None), failed_path, reason; of several evaluators their name
    in front.
    """
    import pandas as pd

    index: list[int] = []
    ids: list[str] = []
    found: list[list[Evaluation]] = []
    for session_index, session_id, view in session_views(root, parts, asked.looked, measured):
        index.append(session_index)
        ids.append(session_id)
        found.append(asked.of(view))
    order = np.argsort(np.array(index, dtype=np.int64), kind="stable").tolist()
    frames = []
    for at, evaluator in enumerate(asked):
        own = [found[session][at] for session in order]
        frame = pd.DataFrame({"session_index": np.array(index, dtype=np.int64)[order]})
        frame["session_id"] = pd.Series([ids[session] for session in order], dtype=object)
        for name in _OF_AN_EVALUATION:
            frame[name] = pd.Series([getattr(evaluation, name) for evaluation in own], dtype=object)
        if len(asked) > 1:
            frame.insert(0, "evaluator", evaluator.name)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


# --- outcomes --------------------------------------------------------------------------------------------------------


def named(asked: Evaluators, name: str | None) -> Evaluators:
    """Return evaluators, of which one may get another name for its outcome.

    Raises:
        InputError: there are several, or the name is none.
    """
    if name is None:
        return asked
    checks.name("name", name)
    if len(asked) > 1:
        raise InputError(f"name is {name!r}, and there are {len(asked)} evaluators: each has its own name.")
    return Evaluators([asked[0].renamed(name)])


def keeps(asked: Evaluators) -> bool:
    """Return whether an evaluator becomes an outcome: it has a name, and is run."""
    return any(evaluator.name and evaluator.runs for evaluator in asked)


def check_names(manifest: Mapping[str, Any], asked: Evaluators, taken: Sequence[str]) -> None:
    """Refuse an evaluator whose name an outcome of the log has that is no evaluator's, or no outcome can have.

    Raises:
        InputError: there is one.
    """
    for evaluator in asked:
        if evaluator.runs and evaluator.name == "session_id":
            raise InputError(
                "An evaluator's outcome can't go by the name of 'session_id': log.evaluate(..., name=...)."
            )
        if evaluator.runs and evaluator.name in taken and evaluator.name not in _evaluated(manifest):
            raise _taken(evaluator.name)


def keep(root: Path, asked: Evaluators, found: "pd.DataFrame", known: pa.Table) -> None:
    """Add what evaluators come to as outcomes, for the sessions of which the log doesn't know it.

    Args:
        root: The log's folder, whose lock is held.
        asked: The evaluators.
        found: What they come to.
        known: session_index, outcome and value of all outcomes of the log.

    Raises:
        InputError: the log knows it otherwise.
        LogError: it can't be written.
    """
    for evaluator in asked:
        if not (evaluator.name and evaluator.runs):
            continue
        own = found if len(asked) == 1 else found[found["evaluator"] == evaluator.name]
        rows = known.filter(pc.equal(known.column("outcome").cast(pa.string()), evaluator.name))
        before = dict(zip(*(rows.column(name).to_pylist() for name in ("session_index", "value")), strict=True))
        new = []
        for index, session_id, success in zip(own["session_index"], own["session_id"], own["success"], strict=True):
            if index not in before:
                new.append((session_id, success))
            elif before[index] != (None if success is None else float(success)):
                raise _taken(evaluator.name)
        if any(success is not None for _, success in new):
            _write(root, evaluator.name, own, new)


def _write(root: Path, name: str, own: "pd.DataFrame", new: Sequence[tuple[str, bool | None]]) -> None:
    import pandas as pd

    manifest = read_manifest(root)
    write_manifest(root, manifest | {EVALUATED: sorted({*manifest.get(EVALUATED, ()), name})})
    ids, values = zip(*new, strict=True)
    late.add(root, pd.DataFrame({"session_id": ids, name: pd.Series(values, dtype=object)}), known=own, taken=())


def _evaluated(manifest: Mapping[str, Any]) -> set[str]:
    """Return the outcomes of a log that are evaluators': asked while it ran, and afterwards."""
    return {*manifest.get("evaluators", ()), *manifest.get(EVALUATED, ())}


def _taken(name: str) -> InputError:
    return InputError(
        f"The log has the outcome {name!r} already, and it isn't what this evaluator comes to. Give the evaluator's outcome "
        f"another name: log.evaluate(..., name='{name} (evaluated)')."
    )
