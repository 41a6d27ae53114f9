"""What makes a session a failed one: an error, a status, an outcome beyond a bound, an evaluator; and where it failed, by what.

A failure is written as text (`"errors"`, `"KeyError"`, `"status == hangup"`, `"booked < 1"`, an evaluator's name) or as a
predicate of the platform's language, which is a failure where it isn't met, as an evaluator's is.

Two sessions fail *the same* way where their cause is the same: for an error the exception and the line, for a predicate the
path that isn't met. A status or an outcome has no line: there the agent's last words tell one from another.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from voicelab.base.checks import is_number
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.named_numbers import COLUMNS, MEASURED, NUMBERS
from voicelab.base.records import STATUSES, Event, unwritten_value
from voicelab.predicates import Evaluation, Evaluator, EvaluatorLike, as_evaluators

Kind = Literal["errors", "status", "outcome", "evaluator"]

EXAMPLES = "'errors', 'KeyError', 'status == hangup', 'booked < 1', an evaluator's name or file, or a predicate"
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_NOT: dict[str, str] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
_BOUND = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|==|!=|=|<|>)\s*(.+?)\s*")
_AT = re.compile(r"([A-Za-z_][\w.]*) at (\S+:\d+)")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*?(?:Error|Exception|Fault|Exit|Interrupt|Group|Warning|Iteration)")
_FILES = (".yaml", ".yml", ".json")
_RAISED = re.compile(r"([A-Za-z_][\w.]*)(?:: |$)")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*", re.ASCII)
_ENDS = ".!?"
_LONGEST = 120


class Recorded(Protocol):
    """What is looked at of a session: `SessionRecord` has it."""

    events: list[Event]
    status: str

    @property
    def outcomes(self) -> dict[str, Any]:
        """The outcomes that were declared or set."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """The session's row, by column."""

    @property
    def measures(self) -> Mapping[str, float | None]:
        """What the conversation was like, by measure; None where there was no chance for it."""

    def evaluate(self, evaluator: EvaluatorLike) -> Evaluation:
        """Return what an evaluator comes to."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a session failed by.

    Attributes:
        exception: Of an error: the exception's class, or what is said where there is none.
        place: Of an error: file and line, `handler.py:12`; empty where none is known.
        path: Of a predicate: the path that isn't met.
        last_words: Of all else: the last sentence that was heard of the agent, its numbers as `#`.
    """

    exception: str = ""
    place: str = ""
    path: str = ""
    last_words: str = ""

    def __str__(self) -> str:
        if self.exception:
            return f"{self.exception} at {self.place}" if self.place else self.exception
        words = f"“{self.last_words}”" if self.last_words else "the agent said nothing"
        return f"{self.path}: {words}" if self.path else words


@dataclass(frozen=True, slots=True)
class Failed:
    """How a session failed.

    Attributes:
        seq: The row at which it did: the error, or the last one where it is known only at the end.
        cause: By what.
        message: What there is to say of it.
    """

    seq: int
    cause: Cause
    message: str


@dataclass(frozen=True)
class Failure:
    """What makes a session a failed one; made by `parse`.

    Attributes:
        kind: `errors`, `status`, `outcome` or `evaluator`.
        name: The outcome's or the evaluator's name; of errors the exception's, empty for any.
        operator: Of a status or an outcome: `<`, `<=`, `>`, `>=`, `==` or `!=`.
        bound: What it is held against.
        place: Of errors: the line that they must be at, empty for any.
        evaluator: The evaluator that says no.
    """

    kind: Kind
    name: str = ""
    operator: str = "=="
    bound: float | str = 0.0
    place: str = ""
    evaluator: Evaluator | None = None

    @classmethod
    def parse(cls, given: "FailureLike") -> "Failure":
        """Return the failure that somebody wrote.

        Args:
            given: `"errors"`, an exception's name, `"KeyError at handler.py:12"`, `"status == hangup"` or a status alone,
                `"booked < 1"`, the name of an outcome or an evaluator (which fails where it is False), the path of an
                evaluator, or a predicate.

        Raises:
            InputError: it is none of these.
        """
        if isinstance(given, Failure):
            return given
        if isinstance(given, type) and issubclass(given, BaseException):
            return cls("errors", given.__name__)
        if isinstance(given, str) and not given.strip().endswith(_FILES):
            return _written(given.strip())
        if isinstance(given, Mapping | Evaluator | Path | str):
            found = as_evaluators(given)
            if len(found) > 1:
                names = ", ".join(one.name for one in found)
                raise InputError(
                    f"{given} holds {len(found)} evaluators: {names}. Give one of voicerun.evaluators(...)."
                )
            if not found[0].runs:
                raise InputError(f"The evaluator {found[0].why_not_run}: no session fails by it.")
            return cls("evaluator", found[0].name, evaluator=found[0])
        raise InputError(f"failure is {shown(given)}, must be {EXAMPLES}.")

    def of(self, record: Recorded) -> Failed | None:
        """Return how a session fails first, or None if it doesn't."""
        return next(self.all_of(record), None)

    def all_of(self, record: Recorded) -> Iterator[Failed]:
        """Yield each way in which a session fails; only of errors there may be several."""
        if self.kind == "errors":
            yield from filter(None, map(self._of_error, record.events))
        elif self.kind == "status":
            if _OPERATORS[self.operator](record.status, self.bound):
                limit = next((e.seq for e in record.events if e.name == "error" and "limit" in e.data), None)
                yield _at_end(record, f"its status is {record.status}", seq=limit)
        elif self.evaluator is not None:
            found = record.evaluate(self.evaluator)
            if found.success is False:
                yield _at_end(record, found.reason or "", path=found.failed_path or "")
        elif self.fails_by(value := self._value(record)):
            yield _at_end(record, f"{self.name} is {value}")

    def fails_by(self, value: Any) -> bool:
        """Return whether a value of the outcome is a failure; None, which stands for no value, is none."""
        if isinstance(value, str) != isinstance(self.bound, str):
            return False
        return value is not None and _OPERATORS[self.operator](value, self.bound)

    def check_name(self, known: Iterable[str]) -> None:
        """Refuse an outcome that nobody knows.

        Raises:
            InputError: there is none of this name.
        """
        names = dict.fromkeys([*known, *NUMBERS])
        if self.kind == "outcome" and self.name not in names:
            raise InputError(
                f"failure is {str(self)!r}, and no session has an outcome {self.name!r}.{did_you_mean(self.name, names)} There "
                f"are: {', '.join(names)}. A failure is {EXAMPLES}."
            )

    @property
    def passing_operator(self) -> str:
        """The operator of what is no failure, such as `>=` for `<`."""
        return _NOT[self.operator]

    def names(self, cause: Cause) -> bool:
        """Return whether an error of this cause is one of those that are meant."""
        is_named = self.name in {"", cause.exception, cause.exception.rpartition(".")[2]}
        return is_named and self.place in {"", cause.place}

    def _of_error(self, event: Event) -> Failed | None:
        if event.name != "error":
            return None
        cause = cause_of_error(str(event.data.get("message", "")), event.data.get("file"), event.data.get("line"))
        return Failed(event.seq, cause, str(event.data.get("message", ""))) if self.names(cause) else None

    def _value(self, record: Recorded) -> Any:
        if self.name in record.outcomes:
            value = record.outcomes[self.name]
        elif self.name in MEASURED:
            return record.measures[self.name]
        elif self.name in COLUMNS:
            return record.facts[self.name]
        else:
            value = None
        if value is None:  # what nobody wrote counts as it does everywhere
            kind = "string" if isinstance(self.bound, str) else "float"
            return unwritten_value(kind, crashed=record.status == "error")
        return float(value) if isinstance(value, bool) else value

    def __str__(self) -> str:
        if self.kind == "errors":
            return f"{self.name or 'error'} at {self.place}" if self.place else self.name or "errors"
        if self.kind == "evaluator":
            return self.name or "the predicate"
        if self.kind == "outcome" and (self.operator, self.bound) == ("==", 0.0):
            return self.name
        bound = f"{self.bound:g}" if isinstance(self.bound, float) else self.bound
        return f"{self.name or 'status'} {self.operator} {bound}"

    def named_evaluator(self, evaluators: Sequence[Evaluator]) -> "Failure":
        """Return the failure with the evaluator that it names, if it is one of these."""
        found = next((one for one in evaluators if one.name == self.name and one.runs), None)
        is_named = self.kind == "outcome" and str(self) == self.name and found is not None
        return replace(self, kind="evaluator", evaluator=found) if is_named else self


FailureLike: TypeAlias = Failure | str | type[BaseException] | EvaluatorLike
"""What makes a session a failed one, as people write it; see `Failure.parse`."""


def cause_of_error(message: str, file: str | None, line: object) -> Cause:
    """Return the cause of an error: the exception and the line, since messages hold what was different each time."""
    raised = _RAISED.match(message)
    what = raised.group(1) if raised else _NUMBER.sub("#", " ".join(message.split()))[:_LONGEST]
    return Cause(exception=what or "error", place=f"{file}:{line}" if file and line is not None else "")


def heard_last(events: Sequence[Event]) -> str:
    """Return what was heard last of the agent, the whole turn; an empty text where nothing was."""
    parts = (e for e in reversed(events) if e.name == "transcript_part" and e.data.get("role") == "agent")
    return next((str(event.data["content"]) for event in parts if event.data.get("content")), "")


def last_words(heard: str) -> str:
    """Return the last sentence of what was heard of the agent, its numbers as `#`: they differ from caller to caller."""
    text = _NUMBER.sub("#", " ".join(heard.split()))
    before = text.rstrip(_ENDS)
    return text[1 + max(before.rfind(mark) for mark in _ENDS) :].strip()[-_LONGEST:]


def _at_end(record: Recorded, message: str, path: str = "", seq: int | None = None) -> Failed:
    at = len(record.events) - 1 if seq is None else seq
    return Failed(max(at, 0), Cause(path=path, last_words=last_words(heard_last(record.events))), message)


def _written(text: str) -> Failure:
    if text.lower() in {"errors", "error"}:
        return Failure("errors")
    if at := _AT.fullmatch(text):
        return Failure("errors", "" if at.group(1) == "error" else at.group(1), place=at.group(2))
    if _EXCEPTION.fullmatch(text):
        return Failure("errors", text)
    if text in STATUSES:
        return Failure("status", bound=text)
    name, sign, bound = found.groups() if (found := _BOUND.fullmatch(text)) else (text, "==", "0")
    sign = "==" if sign == "=" else sign
    if name == "status":
        return _of_status(sign, bound.strip("'\""))
    if not name or any(mark in name for mark in "()/<>=!'\""):
        raise InputError(
            f"failure is {text!r}, must be {EXAMPLES}. It is asked of one session at a time: ratios and quantiles are not."
        )
    return Failure("outcome", name, sign, _bound(text, sign, bound))


def _of_status(sign: str, status: str) -> Failure:
    if status not in STATUSES or sign not in {"==", "!="}:
        raise InputError(
            f"failure is 'status {sign} {status}', must be 'status == S' or 'status != S' with S of {', '.join(STATUSES)}."
            f"{did_you_mean(status, STATUSES) if status not in STATUSES else ''}"
        )
    return Failure("status", operator=sign, bound=status)


def _bound(text: str, sign: str, bound: str) -> float | str:
    if bound.lower() in {"true", "false"}:
        return float(bound.lower() == "true")
    try:
        number = float(bound.replace("_", ""))
    except ValueError:
        if sign in {"==", "!="}:
            return bound.strip("'\"")
        raise InputError(f"failure is {text!r}: {bound!r} is no number, e.g. 'dead_air_s > 5'.") from None
    if not is_number(number):
        raise InputError(f"failure is {text!r}: {bound!r} is no number that anything can be held against.")
    return number
