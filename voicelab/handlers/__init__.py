"""A handler from whatever the user has: a function, text, a file or a project folder; and its portability notes.

- `source` turns text into code: the margin taken off, fragments wrapped, line numbers kept.
- `spellings` leads imports that the SDK lacks to what they mean.
- `names` finds the names that code uses and nowhere defines, and supplies those that the notebook or the SDK knows.
- `workspace` runs the modules of one handler apart from those of all others.
- `check` says whether the result is a handler; `source_hash` hashes what it is made of.
- `source_text` finds in the source, without running it, the tests that it declares and the keys that it stores.
- `project` reads a project folder of the platform and the variables; `placeholders` fills its organization's secrets in.
- `notes` shows portability notes: a folded table, or one line.
- `recipes` holds it together for each kind of source; `handler` is what the rest of the lab works with.
- `samples` finds the samples that come with voicelab; `revisions` takes a handler out of git's history.
- `magic` is the notebook's `%%handler NAME`.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError
from voicelab.handlers.check import name_of
from voicelab.handlers.handler import Handler
from voicelab.handlers.placeholders import filled_in, known_in_environment
from voicelab.handlers.project import Variables, VariablesLike, project_name, project_variables, read_variables
from voicelab.handlers.recipes import FunctionRecipe, TextRecipe, path_recipe
from voicelab.handlers.samples import sample_agents
from voicelab.handlers.source import ROOT
from voicelab.handlers.source_text import SourceText, declared_tests, lone_targets, set_outcomes, stored_keys

__all__ = [
    "ROOT",
    "Handler",
    "HandlerLike",
    "SourceText",
    "Variables",
    "VariablesLike",
    "declared_tests",
    "load_cell",
    "load_handler",
    "lone_targets",
    "set_outcomes",
    "stored_keys",
]

HandlerLike = Handler | Callable[[Any, Any], Any] | str | Path
_DEVELOPMENT = "development"
_ALIKE = 0.6


def load_handler(
    source: HandlerLike,
    strict: bool = False,
    variables: VariablesLike | None = None,
    environment: str = _DEVELOPMENT,
    tenant: str | None = None,
) -> Handler:
    """Load a handler.

    Args:
        source: A function; source text with a newline in it; the path of a .py file or of a project folder; the name
            of an agent among `vl.samples()`, where there is no such path; or a handler, which is returned as it is
            unless one of the other arguments changes it.
        strict: Switch every tolerance for the Developer Guide's spellings off: what loads and runs then does so on
            the platform, and what doesn't fails with the SDK's own error.
        variables: What the handler reads with `context.variables`: a dict, or the path of a .env file. They come on
            top of the project's own. This process's environment is read for nothing but the keys of placeholders
            `{{ Secrets.organization.KEY }}` in them that variables doesn't give; a note names each that stays.
        environment: Picks the project's `values.<environment>.yaml`.
        tenant: Lays the values in the project's `.voicerun/tenants/<tenant>/` over its own.

    Raises:
        InputError: source is nothing of that kind, there is no such tenant, or variables are missing or broken.
        HandlerError: it can't be loaded, or is no handler; the message names file and line.

    Example:
        >>> handler = load_handler('''
        ... async def handler(event, context):
        ...     yield None
        ... ''')
        >>> handler
        Handler(handler; 3 lines of text)
    """
    if isinstance(source, Handler):
        return _changed(source, strict=strict, variables=variables, environment=environment, tenant=tenant)
    if isinstance(source, str | Path) and not (isinstance(source, str) and "\n" in source):
        path = _existing(source)
        return _from_path(path, strict=strict, variables=variables, environment=environment, tenant=tenant)
    if tenant is not None:
        raise _no_project(tenant)
    if isinstance(source, str):
        recipe = TextRecipe(source)
        given = read_variables(variables)
        return Handler(
            recipe,
            name="handler",
            strict=strict,
            environment=environment,
            variables=_filled_in(given, given),
            read=known_in_environment(given.values()),
        )
    if not callable(source) or isinstance(source, type):
        raise InputError(
            f"source is a {type(source).__name__}, must be a function, source text, or the path of a .py file or a "
            "project folder."
        )
    given = read_variables(variables)
    return Handler(
        FunctionRecipe(source),
        name=name_of(source),
        strict=strict,
        environment=environment,
        variables=_filled_in(given, given),
        read=known_in_environment(given.values()),
    )


def load_cell(name: str, text: str, notebook: Mapping[str, Any], *, strict: bool = False) -> Handler:
    """Load the text of a notebook cell.

    Args:
        name: The handler's name, and its file's name in messages.
        text: The text of the cell.
        notebook: The user's namespace: names that the text uses and doesn't define are looked up there first, again
            before each use.
        strict: As for `load_handler`.

    Raises:
        HandlerError: it can't be loaded, or is no handler.
    """
    return Handler(TextRecipe(text, f"{name}.py", notebook), name=name, strict=strict)


def _from_path(
    path: Path, *, strict: bool, variables: VariablesLike | None, environment: str, tenant: str | None
) -> Handler:
    recipe = path_recipe(path)
    folder = recipe.folder
    if folder is None and tenant is not None:
        raise _no_project(tenant)
    own = project_variables(folder, environment, tenant) if folder else {}
    given = read_variables(variables, folder)
    return Handler(
        recipe,
        name=project_name(folder) if folder else path.stem,
        strict=strict,
        environment=environment,
        variables=_filled_in({**own, **given}, given),
        read=known_in_environment([*own.values(), *given.values()]),
        project=folder,
        tenant=tenant,
    )


def _changed(
    handler: Handler, *, strict: bool, variables: VariablesLike | None, environment: str, tenant: str | None
) -> Handler:
    # The default says nothing about the environment, and False nothing about strictness.
    environment = handler.environment if environment == _DEVELOPMENT else environment
    if tenant is not None and handler.project is None:
        raise _no_project(tenant)
    tenant = handler.tenant if tenant is None else tenant
    moved = (environment, tenant) != (handler.environment, handler.tenant)
    if variables is None and not moved and strict <= handler.strict:
        return handler
    own: Mapping[str, str] = (
        project_variables(handler.project, environment, tenant) if moved and handler.project else {}
    )
    given = read_variables(variables, handler.project)
    return handler.derived(
        variables=_filled_in({**handler.variables, **own, **given}, {**handler.variables, **given}),
        strict=strict or handler.strict,
        environment=environment,
        tenant=tenant,
        read=known_in_environment([*own.values(), *given.values()]),
    )


def _filled_in(variables: Mapping[str, str], known: Mapping[str, str]) -> Variables:
    """Return variables with the organization's secrets in them, as far as they are known."""
    return Variables({name: filled_in(value, known) for name, value in variables.items()})


def _no_project(tenant: str) -> InputError:
    return InputError(f"tenant is {tenant!r}, and only project folders have tenants (.voicerun/tenants/<name>/).")


def _existing(source: str | Path) -> Path:
    path = Path(source)
    try:
        path = path.expanduser()
        if path.is_dir() or (path.is_file() and path.suffix == ".py"):
            return path
        is_other = path.exists()
    except (OSError, ValueError, RuntimeError):  # too long for a path, or with characters that none can have
        is_other = False
    shown = str(source) if len(str(source)) < 80 else f"{str(source)[:77]}..."  # noqa: PLR2004 - a line's width
    if is_other:
        raise InputError(f"source is {shown!r}, which is no .py file; give a .py file or a project folder.")
    agents = sample_agents()
    if isinstance(source, str) and source in agents:
        return agents[source]
    where = "" if path.is_absolute() else f" in {Path.cwd()}"
    raise InputError(
        f"source is {shown!r}, and there is no such file or folder{where}.{_near(path, agents)} Give the path of a .py "
        f"file or of a project folder, the name of a sample ({', '.join(agents)}), or the handler's text, which has "
        "several lines."
    )


def _near(path: Path, agents: Iterable[str]) -> str:
    try:
        found = {p.stem: p.name for p in path.parent.iterdir() if p.is_dir() or p.suffix == ".py"}
    except OSError:
        found = {}
    # By the names without their endings: `.py` alone makes any two files alike.
    names = {**{agent: agent for agent in agents}, **found}
    near = difflib.get_close_matches(path.stem, names, n=3, cutoff=_ALIKE)
    return f" Did you mean {' or '.join(repr(names[name]) for name in near)}?" if near else ""
