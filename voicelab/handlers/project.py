"""A project folder of the platform, and the variables that its handler reads.

handler.py                    async def handler(event, context)
helpers.py, tools/, ...       modules of its own
.voicerun/agent.yaml          name
.voicerun/values.yaml         variables: {NAME: value}
.voicerun/values.<env>.yaml   the same, for one environment, on top
.voicerun/tenants/<name>/     values.yaml and values.<env>.yaml of a tenant, on top of the project's values.yaml, in place of
                              its values.<env>.yaml: as the platform's command lays them
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dotenv.parser import parse_stream

from voicelab.base.accepted_types import Cell, Json
from voicelab.base.errors import HandlerError, InputError, did_you_mean
from voicelab.base.masking import MASK
from voicelab.base.paths import path_of
from voicelab.base.plain_json import whole_characters

VariablesLike = Mapping[str, Any] | str | Path


class Variables(dict[str, str]):
    """Variables by name; shows the names and never a value, since most are keys and passwords."""

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {MASK!r}" for name in self) + "}"

    __str__ = __repr__


def handler_file(folder: Path) -> Path:
    """Return the handler.py of a project folder.

    Raises:
        HandlerError: there is none.
    """
    file = folder / "handler.py"
    if file.is_file():
        return file
    others = sorted(path.name for path in folder.glob("*.py"))
    found = f"It has {', '.join(others)}." if others else "It has no .py file at all."
    raise HandlerError(f"{folder} has no handler.py, so it is no project folder. {found}")


def project_name(folder: Path) -> str:
    """Return the agent's name from .voicerun/agent.yaml, or else the folder's.

    Raises:
        HandlerError: agent.yaml is no YAML, or no map.
    """
    agent = _yaml_map(folder / ".voicerun" / "agent.yaml", folder)
    name = agent.get("name")
    return whole_characters(name) if isinstance(name, str) and name else folder.resolve().name


def project_variables(folder: Path, environment: str, tenant: str | None = None) -> Variables:
    """Return the variables of a project: those of values.yaml, then a tenant's, and the environment's on top.

    Args:
        folder: The project's folder.
        environment: Name of the environment.
        tenant: Name of a tenant, whose environments are its own.

    Raises:
        InputError: there is no such tenant.
        HandlerError: a file is no YAML, or `variables` is no map of names to values.
    """
    own = folder / ".voicerun"
    overlays = own if tenant is None else _tenant_folder(own, tenant)
    merged = Variables()
    for path in dict.fromkeys((own / "values.yaml", overlays / "values.yaml", overlays / f"values.{environment}.yaml")):
        merged |= _values(path, folder)
    return merged


def _tenant_folder(own: Path, tenant: str) -> Path:
    tenants = sorted(p.name for p in (own / "tenants").glob("*") if p.is_dir())
    # By the names that there are, so that none leads out of the folder.
    if tenant not in tenants:
        has = f"There are: {', '.join(tenants)}." if tenants else "The project has no folder .voicerun/tenants/<name>."
        raise InputError(f"There is no tenant {tenant!r}.{did_you_mean(str(tenant), tenants)} {has}")
    return own / "tenants" / tenant


def read_variables(given: VariablesLike | None, folder: Path | None = None) -> Variables:
    """Return the variables that a user passes: a dict, or the path of a .env file.

    Args:
        given: The dict or path.
        folder: The project's folder, where a path is looked for as well.

    Raises:
        InputError: the file is missing or broken, or a value is no text. The message never shows a value.
    """
    if given is None:
        return Variables()
    if isinstance(given, Mapping):
        return Variables({_name(name): _text(name, value) for name, value in given.items()})
    if isinstance(given, str | Path):
        return _env_file(path_of("variables", given, ".env"), folder)
    raise InputError(f"variables is a {type(given).__name__}, must be a dict or the path of a .env file.")


def _name(name: str) -> str:
    if not isinstance(name, str) or not name:
        raise InputError(f"variables has a name of type {type(name).__name__}, must be text such as 'OPENAI_API_KEY'.")
    return name


def _text(name: str, value: Cell) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    unset = " It may not be set where you read it from." if value is None else ""
    raise InputError(f"variables[{name!r}] is of type {type(value).__name__}, must be text.{unset}")


def _env_file(path: Path, folder: Path | None) -> Variables:
    if not path.is_file() and folder is not None and (folder / path).is_file():
        path = folder / path
    if not path.is_file():
        parent = path.parent if path.parent.is_dir() else Path()
        near = did_you_mean(path.name, [p.name for p in parent.iterdir() if p.is_file()])
        raise InputError(f"variables is {str(path)!r}, and there is no such file.{near} Give a .env file or a dict.")
    found = Variables()
    try:
        with path.open(encoding="utf-8-sig") as stream:
            # The parser and not `dotenv_values`, which fills ${NAME} in from this process's environment.
            for binding in parse_stream(stream):
                if binding.error:
                    raise InputError(f"{path}:{binding.original.line}: the line is not of the form NAME=value.")
                if binding.key:
                    found[binding.key] = binding.value or ""
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8 ({error.reason}).") from None
    return found


def _values(path: Path, folder: Path) -> Variables:
    shown = path.relative_to(folder).as_posix()
    variables = _yaml_map(path, folder).get("variables") or {}
    if not isinstance(variables, dict):
        raise HandlerError(
            f"{shown}: `variables` is a {_in_words(variables)}, must be a map: one `NAME: value` a line, indented."
        )
    for name, value in variables.items():
        if not isinstance(value, str):
            raise HandlerError(f"{shown}: the variable {name!r} is a {_in_words(value)}, must be a single value.")
    return Variables(variables)


def _yaml_map(path: Path, folder: Path) -> dict[str, Any]:
    shown = path.relative_to(folder).as_posix()
    try:
        if not path.is_file():
            return {}
        # BaseLoader leaves every value as the text that was written: 007 stays 007, yes stays yes.
        loaded = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=yaml.BaseLoader)  # noqa: S506 - makes only text
    except RecursionError:
        raise HandlerError(f"{shown}: no YAML of a project's: it is nested too deeply.") from None
    except OSError as error:
        raise HandlerError(f"{shown} can't be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        # The library's own message quotes the line, in which there may be a secret.
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        braces = mark and mark.buffer and "{{" in mark.buffer.split("\n")[mark.line]
        quotes = ' A value that begins with {{ needs quotes: "{{ Secrets.organization.KEY }}".' if braces else ""
        raise HandlerError(
            f"{shown}{line}: no YAML: {getattr(error, 'problem', None) or 'unreadable text'}.{quotes}"
        ) from None
    if not loaded:
        return {}
    if not isinstance(loaded, dict):
        raise HandlerError(f"{shown} holds a {_in_words(loaded)}, must be a map of names to values.")
    return loaded


def _in_words(value: Json) -> str:
    return "map" if isinstance(value, dict) else "list" if isinstance(value, list) else "single value"
