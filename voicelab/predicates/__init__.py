"""Evaluators: questions to sessions that have ended, in the platform's own language, answered by yes or no.

In come a session's rows and a predicate; out goes whether it matches, and if not the first field that doesn't, and why.

- `operators`: what each operator asks of a value, and what is decided where the platform leaves it open.
- `predicate`: reads a predicate once, and asks it of many sessions.
- `session_view`: what a predicate sees of a session, and how little of it has to be read.
- `evaluator`: a predicate with a name and a precondition; what it comes to, and the outcome that it becomes.
- `evaluator_files`: evaluators of templates, rendered documents and dicts.
"""

from voicelab.predicates.evaluator import Evaluation, Evaluator, Evaluators
from voicelab.predicates.evaluator_files import (
    EvaluatorLike,
    EvaluatorsLike,
    as_evaluators,
    checked_evaluators,
    read_evaluators,
)
from voicelab.predicates.session_view import Looked, View

__all__ = [
    "Evaluation",
    "Evaluator",
    "EvaluatorLike",
    "Evaluators",
    "EvaluatorsLike",
    "Looked",
    "View",
    "as_evaluators",
    "checked_evaluators",
    "read_evaluators",
]
