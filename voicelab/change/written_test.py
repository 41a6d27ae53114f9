"""The shortest failing conversation as a pytest: the call of `vl.run`, and what must be true of it once the bug is gone."""

import ast
import json
import re
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from voicelab.base.masking import Masker
from voicelab.base.named_numbers import COLUMNS, MEASURED
from voicelab.base.session_limits import Limits
from voicelab.change.handler_text import handler_text
from voicelab.change.shortest import Shortest
from voicelab.world.world import World

_LONGEST_NAME = 60
_MARK = "The shortest of a session with "
"""What each of these tests says of itself."""


def is_somebody_elses(file: Path) -> bool:
    """Return whether there is a file with something in it that is none of these tests."""
    if not file.is_file():
        return False
    text = file.read_text(encoding="utf-8", errors="replace")
    return bool(text.strip()) and _MARK not in text


def written_test(shrunk: Shortest, folder: Path | None, name: str | None) -> str:
    """Return a pytest, as text.

    Args:
        shrunk: What was found.
        folder: Folder of the test, from which the handler is found; None for the handler's whole path.
        name: Name of the test; None for one that says what fails.
    """
    handler = shrunk.bench.options.handler
    text = handler_text(handler, folder)
    fixtures = {given: repr(value) for given, value in shrunk.arguments.items() if _unmasked(shrunk, value) is None}
    fixtures |= {"audio": "the line that its caller spoke over"} if shrunk.over_a_line else {}
    imports = sorted({"import voicelab as vl", *text.imports, *(["import os"] if _variables(shrunk) else [])})
    standard = [line for line in imports if line.split()[1] in {"os", "pathlib"}]
    others = [line for line in imports if line not in standard]
    loaded = [line for line in [_loading(shrunk, text.expression)] if line]
    body = [
        *(
            f"# The fixture {given} has to give what the session was run with: {what}"
            for given, what in fixtures.items()
        ),
        *loaded,
        f"record = {run_call(shrunk, 'handler' if loaded else text.expression)}",
        *_assertion(shrunk),
    ]
    indented = "\n".join(f"    {line}" if line else "" for part in body for line in part.split("\n"))
    before = len(shrunk.before.to_script())
    inputs = "1 input" if before == 1 else f"{before} inputs"
    said = " ".join(f"{shrunk.failed.cause}: {shrunk.failed.message}".split()).replace("\\", "").replace('"', "'")
    head = f'"""{said}\n\n{_MARK}{inputs} that failed so.\n"""'
    parts = [head, "\n".join([*standard, *([""] if standard else []), *others]), text.lines.rstrip()]
    test = f"def {_name(shrunk, name)}({', '.join(fixtures)}):\n{indented}\n"
    above = "\n\n".join(part for part in parts if part)
    return Masker(handler.secrets).text(f"{above}\n\n\n{test}")


def run_call(shrunk: Shortest, handler: str) -> str:
    """Return the call that fails, as text without the values of variables.

    Args:
        shrunk: What was found.
        handler: What stands for the handler.
    """
    masker = Masker(shrunk.bench.options.handler.secrets)
    given = {name: _unmasked(shrunk, value) or name for name, value in shrunk.arguments.items() if name != "inputs"}
    if given.get("seed") == "0":
        del given["seed"]
    arguments = [handler, shrunk.to_script(), *(f"{name}={text}" for name, text in given.items())]
    if not shrunk.index and not shrunk.over_a_line:
        return masker.text(_call("vl.run", arguments))
    # No seed of `vl.run` does it, whose streams of chance are those of index 0; or the caller really has to speak.
    if "run_test" in given:
        in_parameters = {**shrunk.arguments.get("parameters", {}), "runTest": shrunk.arguments["run_test"]}
        arguments = [a for a in arguments if not a.startswith(("run_test=", "parameters="))]
        arguments.append(f"parameters={in_parameters!r}")
    more = [f"sessions={shrunk.index + 1}", "stopping=False", "progress=False"]
    more += ["audio=audio"] if shrunk.over_a_line else []
    return masker.text(f"{_call('vl.simulate', [*arguments, *more])}.rerun({shrunk.index})")


def _call(function: str, arguments: list[str]) -> str:
    on_one_line = f"{function}({', '.join(arguments)})"
    if "\n" not in on_one_line and len(on_one_line) <= 100:  # noqa: PLR2004 - a line's width
        return on_one_line
    lines = "".join(f"    {line}\n" for argument in arguments for line in f"{argument},".split("\n"))
    return f"{function}(\n{lines})"


def _loading(shrunk: Shortest, expression: str) -> str:
    """Return the line that loads the handler, where it takes more than its path."""
    handler = shrunk.bench.options.handler
    names = _variables(shrunk)
    given = ["strict=True"] if handler.strict else []
    if names:
        given.append("variables={" + ", ".join(f"{name!r}: os.environ[{name!r}]" for name in names) + "}")
    if handler.tenant:
        given.append(f"tenant={handler.tenant!r}")
    return f"handler = vl.load_handler({', '.join([expression, *given])})" if given else ""


def _variables(shrunk: Shortest) -> list[str]:
    """Return names of variables that were given beside the project's own: their values may be secrets, and aren't written."""
    handler = shrunk.bench.options.handler
    return [] if handler.project is not None else list(handler.variables)


def _unmasked(shrunk: Shortest, value: Any) -> str | None:
    """Return a value as the text that makes it; None where there is none, or it would show the value of a variable."""
    text = _expression(value)
    return None if text is None or Masker(shrunk.bench.options.handler.secrets).text(text) != text else text


def _expression(value: Any) -> str | None:
    """Return a value as the text that makes it; None where there is none."""
    if isinstance(value, World):
        given = {name: item for name, item in vars(value).items() if item and item != (0.0, 0.0)}
        texts = {name: _expression(_plain(item)) for name, item in given.items()}
        return None if None in texts.values() else f"vl.World({', '.join(f'{n}={t}' for n, t in texts.items())})"
    if isinstance(value, Limits):
        usual = Limits()
        given = {
            f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != getattr(usual, f.name)
        }
        return f"vl.Limits({', '.join(f'{name}={item!r}' for name, item in given.items())})"
    if isinstance(value, datetime):
        return repr(value.isoformat())
    if isinstance(value, list):
        return ""  # the inputs, which `to_script` writes
    text = repr(value)
    try:
        return text if ast.literal_eval(text) == value else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, tuple) and value and isinstance(value[0], float):
        return value[0] if value[0] == value[-1] else value
    return value


# --- the assertion ---------------------------------------------------------------------------------------------------


def _assertion(shrunk: Shortest) -> list[str]:
    failure, cause = shrunk.failure, shrunk.failed.cause
    if failure.kind == "errors":
        begins = json.dumps(cause.exception.split("#")[0], ensure_ascii=False)
        return [
            'errors = [error.data["message"] for error in record.errors]',
            f"assert not [message for message in errors if message.startswith({begins})], errors",
        ]
    if failure.kind == "evaluator":
        return [f"found = record.evaluate({_evaluator(failure.evaluator)})", "assert found.success is not False, found"]
    bound = repr(failure.bound)
    if failure.kind == "status":
        return [f"assert record.status {failure.passing_operator} {bound}"]
    if failure.name in COLUMNS and failure.name not in shrunk.record.outcomes:
        return [f"assert record.facts[{failure.name!r}] {failure.passing_operator} {bound}"]
    if failure.name in MEASURED and failure.name not in shrunk.record.outcomes:
        # What there was no chance for is None, and no failure.
        return [
            f"value = record.measures[{failure.name!r}]",
            f"assert value is None or value {failure.passing_operator} {bound}",
        ]
    if isinstance(failure.bound, str):
        return [f"assert record.outcomes.get({failure.name!r}) {failure.passing_operator} {bound}"]
    # What nobody wrote counts as 0.
    return [f"assert (record.outcomes.get({failure.name!r}) or 0) {failure.passing_operator} {failure.bound:g}"]


def _evaluator(evaluator: Any) -> str:
    if not evaluator.name and evaluator.precondition is None:
        return repr(evaluator.assertion.written)
    spec = {"evalType": "deterministic", "assertion": evaluator.assertion.written}
    if evaluator.precondition is not None:
        spec["precondition"] = evaluator.precondition.written
    return repr({"kind": "Evaluator", "metadata": {"name": evaluator.name or "asked"}, "spec": spec})


def _name(shrunk: Shortest, name: str | None) -> str:
    cause = shrunk.failed.cause
    said = name or (str(cause) if shrunk.failure.kind == "errors" else f"{shrunk.failure} {cause}")
    slug = re.sub(r"[^0-9a-z]+", "_", said.lower()).strip("_")[:_LONGEST_NAME].strip("_")
    return slug if slug.startswith("test_") else f"test_{slug or 'failure'}"
