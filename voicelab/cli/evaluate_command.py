"""The command that asks evaluators of a log: `evaluate`."""

import argparse
import json
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from voicelab.base.errors import InputError
from voicelab.cli.arguments import add_json, command, say
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.cli.arguments import Commands
    from voicelab.predicates import EvaluatorLike

_MOST_PATHS = 5


def add_evaluate(commands: "Commands") -> None:
    """Add `evaluate`."""
    parser = command(
        commands,
        "evaluate",
        _evaluate,
        "Ask evaluators of every session of a log; what they come to are outcomes from then on.",
        "voicelab evaluate runs/first my-agent/.voicerun/templates/evaluator.yaml",
    )
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    parser.add_argument(
        "evaluator", metavar="EVALUATOR", help="file of one or more evaluators, folder of them, or a predicate as JSON"
    )
    parser.add_argument("--name", metavar="NAME", help="name of the outcome; a predicate has none of its own")
    add_json(parser)


def _evaluate(options: argparse.Namespace) -> None:
    import voicelab as vl

    log = vl.open_log(options.log)
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        frame = log.evaluate(_evaluator(options.evaluator), options.name)
    named = dict(tuple(frame.groupby("evaluator", sort=False))) if "evaluator" in frame else {"": frame}
    if options.json:
        say_json(
            {
                "log": options.log,
                "evaluators": [_counted(str(name or options.name), own) for name, own in named.items()],
                "sessions": frame.astype(object).to_dict("records"),
                "notes": [str(remark.message) for remark in remarks],
            }
        )
        return
    for remark in remarks:
        say(f"    note  {remark.message}")
    for name, own in named.items():
        say("\n".join(_described(str(name), own)))


def _counted(name: str, own: "pd.DataFrame") -> dict[str, object]:
    """Return what an evaluator comes to: how many sessions it was asked of, and how many of them succeed."""
    asked = own["status"] == "complete"
    return {"name": name, "asked": int(asked.sum()), "succeed": int((asked & own["success"].eq(True)).sum())}


def _evaluator(given: str) -> "EvaluatorLike":
    if not given.lstrip().startswith("{"):
        return given
    try:
        predicate: dict[str, object] = json.loads(given)
        return predicate
    except ValueError as error:
        raise InputError(f"The predicate is no JSON: {error}.") from None


def _described(name: str, own: "pd.DataFrame") -> Iterator[str]:
    """Yield lines on an evaluator: how many sessions succeed, and what most of the others fail by."""
    asked, failed = own[own["status"] == "complete"], own[own["success"].eq(False)]
    others = own[own["status"] != "complete"]["status"].value_counts()
    left = "".join(f", {n:,} {status}" for status, n in others.items())
    share = f" ({(len(asked) - len(failed)) / len(asked):.1%})" if len(asked) else ""
    yield f"{name and name + '  '}{len(asked) - len(failed):,} of {len(asked):,} sessions succeed{share}{left}"
    for path, count in failed["failed_path"].value_counts().head(_MOST_PATHS).items():
        first = failed[failed["failed_path"] == path].iloc[0]
        yield f"    {count:,} fail by {path}, the first of them {first['session_id']}: {first['reason']}"
