"""Placeholders of an organization's secrets, `{{ Secrets.organization.KEY }}`: the platform fills them in as a session begins.

Here they are filled in from what `variables=` gives by that key, or else from this process's environment: nothing of it is
read but the keys that a project names.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from voicelab.base.records import PortabilityNote

RULE = "organization_secret"
"""The rule of the notes on placeholders that nothing fills in."""

_PLACEHOLDER = re.compile(r"\{\{-?\s*Secrets\.organization\.([A-Za-z_]\w*)\s*-?\}\}")


def filled_in(text: str, known: Mapping[str, str]) -> str:
    """Return a text with the secrets that are known in it; the placeholders of others stay.

    Args:
        text: The text.
        known: Secrets by key; what it lacks is looked for in the environment.
    """
    return _PLACEHOLDER.sub(lambda found: known.get(found[1], os.environ.get(found[1], found[0])), text)


def secrets_in(texts: Iterable[str]) -> list[str]:
    """Return the values that the environment has for placeholders in some texts: a text may hold more than the secret."""
    return [os.environ[key] for text in texts for key in keys_in(text) if os.environ.get(key)]


def keys_in(text: str) -> list[str]:
    """Return the keys of the placeholders in a text."""
    return _PLACEHOLDER.findall(text)


def without_placeholders(text: str) -> str:
    """Return a text without its placeholders: `{{` that is left is of another language."""
    return _PLACEHOLDER.sub("", text)


def way_out(key: str) -> str:
    """Return what somebody does who has the secret."""
    return f"variables={{{key!r}: ...}}, or the environment variable {key}"


def unfilled(variables: Mapping[str, str], project: Path | None) -> Iterator[PortabilityNote]:
    """Yield a note for each placeholder that nothing has filled in, with the line that it stands in.

    Args:
        variables: The handler's variables.
        project: The project's folder.
    """
    for name, value in variables.items():
        for key in keys_in(value):
            file, line = _place(key, project)
            yield PortabilityNote(
                file=file,
                line=line,
                rule=f"{RULE}:{name}:{key}",
                written=f"context.variables[{name!r}] holds the placeholder of the secret {key}, which is not known here",
                sdk=f"its value; here from {way_out(key)}",
                platform="the platform fills in the organization's secret",
            )


def _place(key: str, project: Path | None) -> tuple[str, int]:
    """Return the file of values in which a placeholder stands, and the line."""
    if project is not None:
        for path in sorted((project / ".voicerun").rglob("values*.yaml")):
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError):
                continue
            for number, line in enumerate(lines, start=1):
                if key in keys_in(line) and not line.lstrip().startswith("#"):
                    return path.relative_to(project).as_posix(), number
    return "variables", 0
