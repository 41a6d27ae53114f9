"""An evaluator: a predicate with a name, asked of sessions that have ended; and what it came to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from voicelab.base.accepted_types import Cell
from voicelab.base.errors import InputError
from voicelab.base.records import Row, SessionRows, column, table_row
from voicelab.predicates.predicate import Predicate
from voicelab.predicates.session_view import BY_NAME, FIELDS, Looked, View, view_of_rows

EvaluationStatus = Literal["complete", "skipped", "not run"]
DETERMINISTIC = "deterministic"
ASKING: dict[str, str] = {
    "judge": "it asks a language model for a ruling",
    "extraction": "it asks a language model for data",
    "script": "it runs a script on the platform",
}
"""Types of evaluators that only the platform runs, and why."""
_OUTCOME, _WRITTEN = column("outcomes", "outcome"), column("outcomes", "written")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluator came to in one session; true where it succeeded.

    Attributes:
        status: `complete`; `skipped`, where the precondition isn't met; `not run`, where only the platform runs it.
        success: Whether the assertion matches; None where nothing was asserted.
        failed_path: The first field that doesn't match, with dots; None where all do.
        reason: What that field is and what it must be, or why nothing was asserted; None for a success.
    """

    status: EvaluationStatus
    success: bool | None = None
    failed_path: str | None = None
    reason: str | None = None

    @property
    def details(self) -> dict[str, Any]:
        """What the platform calls the details of an evaluation: matched, and if not failedPath and reason."""
        if self.success is None:
            return {}
        return {"matched": True} if self.success else {
            "matched": False, "failedPath": self.failed_path, "reason": self.reason,
        }  # fmt: skip

    def __bool__(self) -> bool:
        return self.success is True

    def __repr__(self) -> str:
        what = {True: "success", False: "failure", None: self.status}[self.success]
        return f"Evaluation({what}{f': {self.reason}' if self.reason else ''})"


_SUCCESS = Evaluation("complete", success=True)


class Evaluator:
    """An evaluator as the platform's templates write it; `voicerun.evaluators` reads them.

    Args:
        name: Its name, by which its outcome goes.
        eval_type: `deterministic`, `judge`, `extraction` or `script`.
        assertion: The predicate that a session has to match; None for the types that only the platform runs.
        precondition: The predicate that says which sessions it is asked of; None for all.

    Raises:
        InputError: a predicate is none.
    """

    def __init__(
        self,
        name: str,
        eval_type: str = DETERMINISTIC,
        assertion: Mapping[str, Any] | None = None,
        precondition: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.eval_type = eval_type
        self.assertion = None if assertion is None else Predicate(assertion, _named("assertion", name))
        self.precondition = None if precondition is None else Predicate(precondition, _named("precondition", name))

    def renamed(self, name: str) -> "Evaluator":
        """Return the same evaluator by another name."""
        _, (_name, *rest) = self.__reduce__()
        return Evaluator(name, *rest)

    @property
    def runs(self) -> bool:
        """Whether it can be asked here."""
        return self.assertion is not None

    @property
    def why_not_run(self) -> str:
        """Why it isn't asked here, in a sentence."""
        return f"{self.name!r} is not run: an evaluator of the type {self.eval_type!r}, {ASKING[self.eval_type]}"

    @property
    def predicates(self) -> list[Predicate]:
        """Its predicates."""
        return [predicate for predicate in (self.precondition, self.assertion) if predicate is not None]

    def of(self, session: View) -> Evaluation:
        """Return what it comes to in a session."""
        if self.precondition is not None and (unmet := self.precondition.mismatch(session)) is not None:
            return Evaluation("skipped", None, unmet.path, f"precondition: {unmet.reason}")
        if self.assertion is None:
            return Evaluation("not run", reason=self.why_not_run)
        failed = self.assertion.mismatch(session)
        return _SUCCESS if failed is None else Evaluation("complete", False, failed.path, failed.reason)

    @property
    def remarks(self) -> list[str]:
        """What should be said of it, a sentence each: paths that no session has, and that it isn't run."""
        paths = [
            f"{_named('predicate', self.name)}: {sentence}"
            for predicate in self.predicates
            for sentence in predicate.unknown_paths(FIELDS, BY_NAME)
        ]
        return paths if self.runs else [*paths, f"The evaluator {self.why_not_run}."]

    def __reduce__(self) -> tuple[Any, ...]:
        # What it is made from, and not what it has read of it: so a run knows it again.
        written = [None if p is None else p.written for p in (self.assertion, self.precondition)]
        return Evaluator, (self.name, self.eval_type, *written)

    def __repr__(self) -> str:
        return f"Evaluator({self.name!r}, {self.eval_type})"


def _named(what: str, name: str) -> str:
    return f"The {what} of {name!r}" if name else "The predicate"


class Evaluators(Sequence[Evaluator]):
    """Evaluators that are asked as sessions end, and become outcomes of theirs.

    Args:
        evaluators: The evaluators; each name stands once.

    Raises:
        InputError: a name stands twice.
    """

    def __init__(self, evaluators: Sequence[Evaluator] = ()) -> None:
        self._all = tuple(evaluators)
        names = [evaluator.name for evaluator in self._all]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"evaluators has {twice[0]!r} twice: give each a name of its own.")

    @cached_property
    def looked(self) -> Looked:
        """What they look at in a session."""
        return Looked.at_by([predicate for evaluator in self._all for predicate in evaluator.predicates])

    def of(self, session: View) -> list[Evaluation]:
        """Return what each comes to in a session."""
        return [evaluator.of(session) for evaluator in self._all]

    def refuse_names(self, taken: Iterable[str]) -> None:
        """Refuse an evaluator that has the name of an outcome which the sessions write themselves.

        Raises:
            InputError: there is one.
        """
        names = {evaluator.name for evaluator in self._all if evaluator.runs}
        for name in taken:
            if name in names:
                raise InputError(
                    f"The evaluator {name!r} has the name of an outcome that the sessions write themselves. Give the evaluator "
                    "another name (metadata.name)."
                )

    def outcomes(self, rows: SessionRows) -> list[Row]:
        """Return the outcomes of a session that has just ended, with what the evaluators that run come to among them.

        One that is skipped is written as nothing, so that the session is left out of what is analysed. An outcome that
        the handler only declared, so that its test can be judged by it, is the evaluator's.

        Raises:
            InputError: the handler, or the world, has set an outcome of an evaluator's name.
        """
        asked = [evaluator for evaluator in self._all if evaluator.runs]
        names = {evaluator.name for evaluator in asked}
        self.refuse_names(row[_OUTCOME] for row in rows.outcomes if row[_WRITTEN])
        index = rows.session[column("sessions", "session_index")]
        view = view_of_rows(self.looked, rows)
        kept = [row for row in rows.outcomes if row[_OUTCOME] not in names]
        return [*kept, *(_outcome(index, evaluator.name, evaluator.of(view).success) for evaluator in asked)]

    def __len__(self) -> int:
        return len(self._all)

    def __getitem__(self, at: Any) -> Any:
        return self._all[at]

    def __reduce__(self) -> tuple[Any, ...]:
        return Evaluators, (self._all,)

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self._all))}]"


def _outcome(index: int, name: str, success: Cell) -> Row:
    return table_row(
        "outcomes",
        session_index=index,
        outcome=name,
        type="boolean",
        value=None if success is None else float(success),
        text=None,
        written=True,
    )
