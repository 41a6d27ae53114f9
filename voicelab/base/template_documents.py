"""Reads the documents of a project's templates: YAML, or JSON as `vr render -o json` prints it, one document after another.

The platform's templates may hold Helm's placeholders, which its command line fills in. They are not filled in here: what is
needed and holds one is refused, with the way out. What isn't needed may hold some.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError

RENDER = "render it, `COLUMNS=9999 vr render -q -o json > rendered.json`, and give that file"
"""The way out of Helm; the command wraps what it prints at the width of the terminal, also in the middle of a text."""

_HELM_ALONE = re.compile(r"^\s*\{\{.*\}\}\s*$")
_HELM_VALUE = re.compile(r"^(\s*(?:- )?[\w.$-]+:\s+)([^'\"#\s{\[].*\{\{.*|\{\{.*)$")
_PLACEHOLDER = re.compile(r"\{\{-?\s*Secrets\.organization\.([A-Za-z_]\w*)\s*-?\}\}")


class Template(NamedTuple):
    """What a template's file holds.

    Attributes:
        documents: Its documents that are maps.
        unsettled: Whether Helm decides which lines it has: then nothing but what it is about can be known.
    """

    documents: list[Mapping[str, Any]]
    unsettled: bool


def read_template(path: Path) -> Template:
    """Return what a file of templates holds.

    Raises:
        InputError: it can't be read, or is no YAML, no JSON.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}."
        ) from None
    return template_in(text, str(path))


def template_in(text: str, where: str) -> Template:
    """Return what a text of templates holds.

    Args:
        text: YAML or JSON.
        where: What it is called in messages.

    Raises:
        InputError: it is neither.
    """
    documents = [document for document in _documents(text, where) if isinstance(document, Mapping)]
    return Template(documents, any(map(_HELM_ALONE.match, text.splitlines())))


def name_of_document(document: Mapping[str, Any]) -> str:
    """Return the name in a document's metadata, or an empty text."""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return "" if name is None else str(name)


def keys_in(text: str) -> list[str]:
    """Return the keys of an organization's secrets, `{{ Secrets.organization.KEY }}`, in a text: the platform fills them in."""
    return _PLACEHOLDER.findall(text)


def with_secrets(text: str, known: Callable[[str], str | None]) -> str:
    """Return a text with the secrets in it that are known by their keys; the placeholders of others stay."""

    def secret(found: re.Match[str]) -> str:
        value = known(found[1])
        return found[0] if value is None else value

    return _PLACEHOLDER.sub(secret, text)


def refuse_helm(used: Mapping[str, Given], where: str, *, unsettled: bool) -> None:
    """Refuse what Helm would fill in; the platform's own placeholders of secrets are none of it.

    Args:
        used: What is needed, by its name in messages.
        where: The file.
        unsettled: Whether Helm decides which lines it has.

    Raises:
        InputError: there is some.
    """
    for part, value in used.items():
        if any("{{" in _PLACEHOLDER.sub("", text) for text in _texts(value, set())):
            raise InputError(
                f"{where}: {part} holds Helm's {{{{ … }}}}, which the platform's command fills in: {RENDER}."
            )
    if unsettled:
        raise InputError(f"{where} has lines that Helm decides on ({{{{ if … }}}}): {RENDER}.")


def _texts(value: Given, seen: set[int]) -> Iterator[str]:
    """Yield the texts in a value; one that YAML refers to again and again, or from inside itself, is looked at once."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list) and id(value) not in seen:
        seen.add(id(value))
        for item in (*value, *value.values()) if isinstance(value, Mapping) else value:
            yield from _texts(item, seen)


def _documents(text: str, where: str) -> list[Any]:
    try:
        if text.lstrip()[:1] in {"{", "["}:
            return list(_json_documents(text))
        if "{{" in text:
            text = "\n".join(map(_without_helm, text.split("\n")))
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        helm = f" It holds Helm's {{{{ … }}}}: {RENDER}." if "{{" in text else ""
        raise InputError(f"{where}{line} is no YAML: {getattr(error, 'problem', None) or error}.{helm}") from None
    except RecursionError:
        raise InputError(f"{where} can't be read: its parts lie too deep in each other to be meant.") from None
    except ValueError as error:
        form = "JSON" if text.lstrip()[:1] in {"{", "["} else "YAML"
        wrapped = " A text in it goes over several lines: COLUMNS=9999 keeps `vr render` from wrapping them."
        raise InputError(
            f"{where} is no {form}: {error}.{wrapped if 'control character' in str(error) else ''}"
        ) from None


def _json_documents(text: str) -> Iterator[Any]:
    """Yield the documents of a text that holds one after another, as `vr render -o json` prints them."""
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        document, at = decoder.raw_decode(text, at)
        yield from document if isinstance(document, list) else [document]


def _without_helm(line: str) -> str:
    """Return a line of a template as plain YAML: what Helm would fill in is text, and its commands are left out."""
    if _HELM_ALONE.match(line):
        return ""
    found = _HELM_VALUE.match(line)
    return line if found is None else found[1] + json.dumps(found[2])


class _Loader(yaml.SafeLoader):
    """Reads YAML as the platform's command does, but for two traps: dates stay text, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for at, key in enumerate(keys):
            if key in keys[:at]:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"{key!r} stands twice, of which only the last would count",
                    node.value[at][0].start_mark,
                )
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"{next(n for n in names if names.count(n) > 1)!r} stands twice, of which only the last would count"
        )
    return made
