"""Outcomes of two logs of the same sessions, as pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voicelab.analysis.kinds import labels_of, split
from voicelab.analysis.logged_outcomes import Categories, OutcomeReader, Outcomes
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.named_numbers import COLUMNS, NUMBERS
from voicelab.decision.asked_outcome import AskedOutcome, parse_outcome
from voicelab.decision.guardrails import Direction
from voicelab.decision.stats.paired import PairedDifferences, PairedKind
from voicelab.decision.stats.values import session_values
from voicelab.log import Log

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

SESSION_NUMBERS = ("n_errors", "n_turns", "duration_s")
"""Numbers of a session that are reported beside what a handler wrote."""
_STORED = ("session_index", "outcome", "type", "value", "text", "written")


@dataclass(frozen=True)
class PairedValues:
    """One outcome of all pairs, in order of sessions.

    Attributes:
        name: The outcome.
        kind: `binary` for a rate, else `float`.
        old: Value of the old version in each session, NaN where it has none, shape (T,).
        new: That of the new one.
        ratio: Of a ratio, what it is in either version.
    """

    name: str
    kind: PairedKind
    old: Floats
    new: Floats
    ratio: tuple[float, float] | None = None

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """Which pairs have a value on both sides."""
        return ~(np.isnan(self.old) | np.isnan(self.new))

    @property
    def n_excluded(self) -> int:
        """Pairs in which a side lacks the value."""
        return int((~self.counted).sum())

    def differences(self, horizon: int | None) -> PairedDifferences:
        """Return what the counted pairs say of the mean difference."""
        old, new = self.old[self.counted], self.new[self.counted]
        both = np.concatenate([old, new])
        # Of what has never varied, such as errors that never came, the next number would be the first that differs.
        widest = float(np.ptp(both) or max(1.0, np.abs(both).max())) if len(both) else None
        return PairedDifferences(new - old, self.kind, horizon, widest=widest)


class PairedLogs:
    """Two logs of the same sessions, by two versions.

    Args:
        old: The old version's log.
        new: The new one's.
        conversions: What the tests in them call conversions: yes or no, whatever is written.
        most: Pairs that are looked at, at most, where the logs hold more.
    """

    def __init__(self, old: Log, new: Log, conversions: Sequence[str], most: int) -> None:
        self._most = most
        self._sides = {"old": _Side(old, conversions), "new": _Side(new, conversions)}

    @property
    def n_pairs(self) -> int:
        """Sessions that both logs hold."""
        return min(self._most, *(len(side.indexes) for side in self._sides.values()))

    @property
    def names(self) -> list[str]:
        """Outcomes that either version wrote, and that are no text."""
        found = dict.fromkeys(name for side in self._sides.values() for name in side.numeric)
        return list(found)

    def wrote(self, side: str) -> list[str]:
        """Return the outcomes that a version wrote or declared."""
        return self._sides[side].recorded.names

    def direction_of(self, name: str) -> Direction:
        """Return which way is better where nobody says it: less of what every session has a number of, else more."""
        first = parse_outcome(name, self.names).names[0]
        return "minimize" if first in NUMBERS and first not in self.names else "maximize"

    def pairs(self, name: str, warnings: list[str]) -> PairedValues:
        """Return an outcome as pairs.

        Args:
            name: The outcome; `ending=booked` for a level of one that holds text, or a number of each session.
            warnings: Gets what needs care.

        Raises:
            InputError: neither version has it, it is text without a level, or a quantile.
        """
        asked = parse_outcome(name, self.names)
        if asked.form == "ratio":
            return self._ratio(asked, warnings)
        if asked.form == "quantile":
            raise InputError(
                f"{name!r} is a quantile, which has no difference in a pair: compare the mean of {asked.name!r}, or the rate of "
                "sessions beyond a bound, as an evaluator's outcome."
            )
        base = name.partition("=")[0]
        knows = {of: side.knows(name) for of, side in self._sides.items()}
        if not any(knows.values()):
            raise self._unknown(name)
        kinds, values = {}, {}
        levels = {of: side.has_level(name) for of, side in self._sides.items() if knows[of]}
        for of, side in self._sides.items():
            if knows[of]:
                lacks_it = any(levels.values()) and not levels[of]
                values[of], kinds[of] = side.without_level(name) if lacks_it else side.values(name)
        for of in self._sides:
            if of not in values:
                other = next(iter(kinds.values()))
                values[of], kinds[of] = self._sides[of].unwritten(other), other
                warnings.append(
                    f"The {of} version never wrote {base!r}: its sessions count as 0, as sessions without an outcome do."
                )
        kind: PairedKind = "binary" if set(kinds.values()) == {"binary"} else "float"
        if len(set(kinds.values())) > 1 and kind == "float" and "binary" in kinds.values():
            warnings.append(
                f"{name!r} is {kinds['old']} in the old version and {kinds['new']} in the new one: compared as numbers."
            )
        n = self.n_pairs
        return PairedValues(name, kind, values["old"][:n], values["new"][:n])

    def _ratio(self, asked: AskedOutcome, warnings: list[str]) -> PairedValues:
        """Return a ratio of two outcomes, linearised: what each session adds to it, around the ratio of both versions together.

        Source: Budylin et al. 2018, "Consistent transformation of ratio metrics".
        """
        above, below = (self.pairs(part, warnings) for part in asked.names)
        counted = above.counted & below.counted
        if not counted.any():
            nothing = np.full(len(counted), np.nan)
            return PairedValues(asked.text, "float", nothing, nothing)
        sums = [float(values[counted].sum()) for values in (above.old, above.new, below.old, below.new)]
        if not (sums[2] > 0 and sums[3] > 0):
            side = "old" if not sums[2] > 0 else "new"
            raise InputError(
                f"{asked.text!r} has no value: {asked.divided_by!r} comes to 0 in the sessions of the {side} version."
            )
        ratio, mean_below = (sums[0] + sums[1]) / (sums[2] + sums[3]), (sums[2] + sums[3]) / 2 / counted.sum()
        old, new = (
            np.where(counted, ratio + (one - ratio * other) / mean_below, np.nan)
            for one, other in ((above.old, below.old), (above.new, below.new))
        )
        return PairedValues(asked.text, "float", old, new, (sums[0] / sums[2], sums[1] / sums[3]))

    def _unknown(self, name: str) -> InputError:
        names = self.names
        has = f"They have the outcomes {', '.join(names)}, and" if names else "They wrote no outcome; they have"
        return InputError(
            f"Neither version has an outcome {name!r}. {has} of each session the numbers {', '.join(NUMBERS)}."
            f"{did_you_mean(name, [*names, *NUMBERS])}"
        )


class _Side:
    """One of the two logs."""

    def __init__(self, log: Log, conversions: Sequence[str]) -> None:
        self.recorded = Outcomes(log.columns("outcomes", _STORED), log.columns("late", _STORED))
        sessions = log.columns("sessions", ["session_index", "status", *COLUMNS])
        self.indexes = sessions.column("session_index").to_numpy()
        self._crashed = Categories(sessions.column("status")).are("error")
        self._reader = OutcomeReader(log, self.recorded, sessions, self.indexes, list(conversions), {})

    @property
    def numeric(self) -> list[str]:
        """Outcomes that are numbers or yes and no."""
        return [name for name in self.recorded.names if self.recorded.of(name).types.in_use[0] != "string"]

    def knows(self, name: str) -> bool:
        """Return whether there is such an outcome, or such a number of each session."""
        return bool({name, name.partition("=")[0]} & {*self.recorded.names, *NUMBERS})

    def has_level(self, name: str) -> bool:
        """Return whether a session wrote the level that is named; of an outcome without one yes."""
        base, level = split(name, self.recorded.names)
        return level is None or bool((self._labels(base) == level).any())

    def without_level(self, name: str) -> tuple[Floats, str]:
        """Return what each session counts as where none wrote the level: no, if it wrote another."""
        labels = self._labels(split(name, self.recorded.names)[0])
        return np.where(labels.isna().to_numpy(), np.nan, 0.0), "binary"

    def _labels(self, base: str) -> "pd.Series":
        return labels_of(self._reader.column(self.recorded.of(base), base))

    def values(self, name: str) -> tuple[Floats, str]:
        """Return what each session counts as, NaN where it has no value, and the outcome's kind."""
        found = self._reader.outcome(name, [])
        # A number of errors that is 0 so far is a number all the same.
        kind = found.kind or "float" if name in self.recorded.names or "=" in name else "float"
        values = np.asarray(found.values, dtype=np.float64)
        return session_values(values, np.asarray(found.written), self._crashed, kind), kind

    def unwritten(self, kind: str) -> Floats:
        """Return what each session counts as where none wrote the outcome."""
        nothing = np.zeros(len(self.indexes), dtype=np.bool_)
        return session_values(np.zeros(len(self.indexes)), nothing, self._crashed, kind)


def target_of(logs: PairedLogs, declared: Sequence[str]) -> str:
    """Return the outcome to judge by where none is named: the one that the tests are judged by, else the only one.

    Raises:
        InputError: there is none, or several.
    """
    targets = list(dict.fromkeys(declared))
    names = targets if len(targets) == 1 else logs.names
    if len(names) == 1:
        return names[0]
    if not names:
        raise InputError(
            "The sessions wrote no outcome: name what to compare, outcome='duration_s' or another number of the sessions."
        )
    raise InputError(
        f"There are several outcomes. Choose the one that decides: outcome={' or '.join(map(repr, names))}."
    )
