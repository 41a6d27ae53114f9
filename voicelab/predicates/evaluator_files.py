"""Reads evaluators: from templates of a project, from what `vr render -o json` prints, from dicts.

A predicate that holds Helm's placeholders is refused. The starter project's own evaluator holds some in what only a language
model reads, and is recognised all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.template_documents import name_of_document, read_template, refuse_helm
from voicelab.predicates.evaluator import ASKING, DETERMINISTIC, Evaluator, Evaluators

EvaluatorLike: TypeAlias = Evaluator | Mapping[str, Any] | str | Path
"""An evaluator, a predicate or the document of an evaluator as a dict, or the path of a template."""
EvaluatorsLike: TypeAlias = Sequence[EvaluatorLike] | Mapping[str, Mapping[str, Any]] | None
"""Evaluators that have names, or predicates by name."""

_KINDS = ("Deployment", "Evaluator", "Simulation", "Webhook")
_TYPES = (DETERMINISTIC, *ASKING)
_SPEC = (
    *("title", "evalType", "targetFormat", "systemPrompt", "responseSchema", "successCriteria", "apiProvider", "model"),
    *("precondition", "assertion", "organizationSecretName"),
)


def as_evaluators(given: EvaluatorLike) -> Evaluators:
    """Return the evaluators that somebody gave; a predicate alone is one without a name.

    Args:
        given: A predicate, the document of an evaluator, the path of a file with some, or of a folder of them.

    Raises:
        InputError: it is no evaluator; what it is, and what to do.
    """
    if isinstance(given, Evaluator):
        return Evaluators([given])
    if isinstance(given, Mapping):
        if "kind" in given:
            return Evaluators([_evaluator(given, "the document")])
        return Evaluators([Evaluator("", assertion=given)])
    if isinstance(given, str | Path):
        return Evaluators(list(_in_files(Path(given).expanduser())))
    raise InputError(
        f"evaluator is {shown(given)}, must be a predicate such as {{'turn_count': {{'$gte': 3}}}}, or the path of an "
        "evaluator such as 'templates/evaluator.yaml'."
    )


def read_evaluators(path: str | Path) -> list[Evaluator]:
    """Return the evaluators of a template, of a folder of them, or of a project: `voicerun.evaluators("my-agent")`.

    Each can be given wherever an evaluator is taken: `record.evaluate`, `log.evaluate`, `vl.simulate(evaluators=)`.

    Args:
        path: A file of YAML, or of JSON as `vr render -q -o json` prints it; or a folder.

    Raises:
        InputError: there is no evaluator, or one that can't be asked as it is written.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"path is {shown(path)}, must be the path of an evaluator, or of a folder of them.")
    return list(as_evaluators(path))


def checked_evaluators(given: EvaluatorsLike) -> Evaluators:
    """Return what `evaluators=` was given: each with a name.

    Raises:
        InputError: one is none, or has no name.
    """
    if given is None:
        return Evaluators()
    if isinstance(given, Evaluators):
        return given
    if isinstance(given, Mapping) and "kind" not in given:
        if wrong := [name for name in given if not isinstance(name, str) or not name]:
            raise InputError(f"evaluators has the name {wrong[0]!r}, must be some text.")
        return Evaluators([Evaluator(name, assertion=predicate) for name, predicate in given.items()])
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise InputError(
            f"evaluators is {shown(given)}, must be a list of evaluators, e.g. ['templates/evaluator.yaml'], or predicates by "
            "name, e.g. {'long_enough': {'turn_count': {'$gte': 3}}}."
        )
    found = [evaluator for one in given for evaluator in as_evaluators(one)]
    if any(not evaluator.name for evaluator in found):
        raise InputError(
            "evaluators has a predicate without a name, and its outcome needs one: give predicates by name, e.g. "
            "evaluators={'long_enough': {'turn_count': {'$gte': 3}}}."
        )
    return Evaluators(found)


# --- files -----------------------------------------------------------------------------------------------------------


def _in_files(path: Path) -> Iterator[Evaluator]:
    """Yield the evaluators of a file, of a folder's templates, or of a project's."""
    if path.is_dir():
        templates = path / ".voicerun" / "templates"
        folder = templates if templates.is_dir() else path
        files = sorted(file for ending in ("*.yaml", "*.yml") for file in folder.rglob(ending))
        found = [evaluator for file in files for evaluator in _in_file(file)[0]]
        if not found:
            raise InputError(f"{folder} holds no evaluator: no YAML file there has `kind: Evaluator`.")
        yield from found
        return
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else [])
        raise InputError(f"There is no evaluator {str(path)!r}: no such file.{near}")
    evaluators, kinds = _in_file(path)
    if not evaluators:
        of_what = f"it holds {', '.join(kinds)}" if kinds else "nothing in it has a `kind`"
        raise InputError(f"{path} is no evaluator: {of_what}. An evaluator has `kind: Evaluator` and a `spec`.")
    yield from evaluators


def _in_file(path: Path) -> tuple[list[Evaluator], list[str]]:
    """Return the evaluators of a file, and the kinds of all documents in it."""
    documents, unsettled = read_template(path)
    own = [_evaluator(doc, str(path), unsettled=unsettled) for doc in documents if doc.get("kind") == "Evaluator"]
    return own, [str(document["kind"]) for document in documents if document.get("kind")]


# --- documents -------------------------------------------------------------------------------------------------------


def _evaluator(document: Mapping[str, Any], where: str, *, unsettled: bool = False) -> Evaluator:
    """Return the evaluator that a document describes.

    Args:
        document: The document.
        where: What it is called in messages.
        unsettled: Whether Helm decides which lines it has.
    """
    kind = document.get("kind")
    if kind != "Evaluator":
        near = did_you_mean(str(kind), _KINDS)
        raise InputError(f"{where} is of the kind {shown(kind)}, must be an Evaluator.{near}")
    name, spec = name_of_document(document), document.get("spec")
    if not isinstance(spec, Mapping):
        raise InputError(f"{where}: the evaluator {name!r} has no `spec`.")
    for key in spec:
        if key not in _SPEC:
            raise InputError(
                f"{where}: the spec of {name!r} has {key!r}, which evaluators don't.{did_you_mean(str(key), _SPEC)} They have: "
                f"{', '.join(_SPEC)}."
            )
    eval_type = spec.get("evalType")
    if eval_type not in _TYPES:
        given = "has no evalType" if eval_type is None else f"is of the evalType {shown(eval_type)}"
        raise InputError(
            f"{where}: the evaluator {name!r} {given}, must be {', '.join(_TYPES)}.{did_you_mean(str(eval_type), _TYPES)}"
        )
    asserts = eval_type == DETERMINISTIC
    used = {"metadata.name": name, "assertion": spec.get("assertion"), "precondition": spec.get("precondition")}
    if asserts or used["precondition"] is not None:
        refuse_helm(used, where, unsettled=unsettled)
    if asserts and spec.get("assertion") is None:
        raise InputError(f"{where}: the evaluator {name!r} is deterministic and has no `assertion`: nothing to ask.")
    if not name:
        raise InputError(f"{where}: the evaluator has no metadata.name, by which its outcome would go.")
    shown_name = Path(where).stem if "{{" in name else name
    return Evaluator(shown_name, eval_type, spec.get("assertion") if asserts else None, spec.get("precondition"))
