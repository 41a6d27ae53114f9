"""Placeholders of an organization's secrets, `{{ Secrets.organization.KEY }}`: the platform fills them in as a session begins.

Here they are filled in from what `variables=` gives by that key, or else from this process's environment: nothing of it is
read but the keys that a project names.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from voicelab.base.records import PortabilityNote
from voicelab.base.template_documents import keys_in, with_secrets

RULE = "organization_secret"
"""The rule of the notes on placeholders that nothing fills in."""


def filled_in(text: str, known: Mapping[str, str]) -> str:
    """Return a text with the secrets that are known in it; the placeholders of others stay.

    Args:
        text: The text.
        known: Secrets by key; what it lacks is looked for in the environment.
    """
    return with_secrets(text, lambda key: known.get(key, os.environ.get(key)))


def known_in_environment(texts: Iterable[str]) -> list[str]:
    """Return the values that the environment has for placeholders in some texts: a text may hold more than the secret."""
    return [os.environ[key] for text in texts for key in keys_in(text) if os.environ.get(key)]


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
