"""What stop rules ask for beside the outcomes: measures, and numbers of the table of sessions. No more of them travels."""

import difflib
import json
from functools import lru_cache

from voicelab.base.errors import InputError
from voicelab.base.named_numbers import MEASURED, NUMBERS
from voicelab.base.records import MEASURES, SESSIONS, SessionRows
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.rules import StopRule
from voicelab.handlers import lone_targets, set_outcomes
from voicelab.measures import measures_of
from voicelab.runs.options import SessionOptions

_NEARLY = 0.8
"""How alike two names are of which one is taken for the other, misspelt."""
_AT = {name: at for at, name in enumerate(SESSIONS)}
_AT_MEASURED = {name: at for at, name in enumerate(MEASURES)}


@lru_cache(maxsize=256)
def numbers_asked(declaration: str) -> tuple[str, ...]:
    """Return the numbers that the target of a test's stop rule is made of, by its declaration; of a ratio it may be two."""
    stop = json.loads(declaration)["stop"]
    target = StopRule.from_stop(stop).target_outcome if stop else None
    return tuple(name for name in parse_outcome(target).names if name in NUMBERS) if target else ()


def session_number(name: str, rows: SessionRows) -> float | None:
    """Return a number of a session that has ended; None where there was no chance for it."""
    if name in MEASURED:
        value = (rows.measures or measures_of(rows))[_AT_MEASURED[name]]
    else:
        value = rows.session[_AT[name]]
    return None if value is None else float(value)


def refuse_misspelt_target(options: SessionOptions) -> None:
    """Refuse a handler whose stop rule has a target that nothing sets, and that is nearly the name of a measure.

    Raises:
        InputError: it has one.
    """
    truth = {} if options.world is None else options.world.truth
    known = {*(evaluator.name for evaluator in options.evaluators), *(name for own in truth.values() for name in own)}
    known |= set_outcomes(options.handler.sources)
    lone = lone_targets(options.handler.sources)
    for name, where in ((name, where) for target, where in lone.items() for name in parse_outcome(target).names):
        near = difflib.get_close_matches(name, NUMBERS, n=1, cutoff=_NEARLY)
        if name not in known and name not in NUMBERS and near:
            raise InputError(
                f"The target {name!r} of a stop rule ({where}) is set nowhere, and is no measure. Did you mean {near[0]!r}? "
                f"Without being set there are: {', '.join(NUMBERS)}."
            )
