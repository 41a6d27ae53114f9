"""`Handler`: what the lab knows of an agent's handler, whichever way it was given."""

import html
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.masking import hide_more, hiding
from voicelab.base.records import PortabilityNote
from voicelab.handlers.notes import count_of, notes_html, show_notes
from voicelab.handlers.placeholders import RULE, unfilled
from voicelab.handlers.project import Variables
from voicelab.handlers.recipes import Loaded, PathRecipe, Recipe, TextRecipe
from voicelab.handlers.source_text import SourceText
from voicelab.runtime import environment as os_environment
from voicelab.runtime import environment_reads, isolation
from voicelab.runtime.sdk import Context, Event

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = [f.name for f in fields(PortabilityNote)]


class Handler:
    """An agent's handler, ready to answer events.

    Made by `load_handler`. Calling it with an event and a context gives what the function gives: an asynchronous
    generator of events, or a coroutine.

    Args:
        recipe: How it is loaded, here and again in a worker process.
        name: Its name.
        strict: Whether every tolerance is off.
        environment: Name of the environment whose variables it has.
        variables: What it reads with `context.variables`.
        project: The project's folder.
        tenant: Name of the project's tenant whose values it has.
        notes: Portability notes that are known already.
        expected: The fingerprint that the source must still have.
        told: Which notes somebody has seen, shared by handlers derived from one another.
        read: Values of secrets that its code had read from the environment of the process that it comes from.
        spelled_out: Names of secrets that its source spells out, if it is known already.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        name: str,
        strict: bool = False,
        environment: str = "development",
        variables: Mapping[str, str] | None = None,
        project: Path | None = None,
        tenant: str | None = None,
        notes: Iterable[PortabilityNote] = (),
        expected: str | None = None,
        told: set[tuple[str, int, str]] | None = None,
        read: Iterable[str] = (),
        spelled_out: tuple[str, ...] | None = None,
    ) -> None:
        self.name = name
        self.strict = strict
        self.environment = environment
        self.variables = Variables(variables or {})
        self.project = project
        self.tenant = tenant
        self._recipe = recipe
        self._expected = expected
        self._notes = {(n.file, n.line, n.rule): n for n in notes}
        self._told = set() if told is None else told
        self._read = dict.fromkeys(read)
        hidden = hiding([*self.variables.values(), *self._read])
        with hidden, os_environment.telling_to(self._has_read), isolation.output():
            self._loaded: Loaded = recipe.load(self.add_note, strict=strict, expected=expected)
        for note in unfilled(self.variables, project):
            self.add_note(note)
        # A function's source can't be read again in a worker process.
        self._spelled_out = self._names_in_source() if spelled_out is None else spelled_out

    def __call__(self, event: Event, context: Context) -> Any:
        """Answer an event."""
        return self.function(event, context)

    @property
    def function(self) -> Callable[[Any, Any], Any]:
        """The function itself; names that it takes from the notebook have the values that they have there now."""
        self._loaded.refresh()
        return self._loaded.function

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the source: of a project all its Python files, of a function also what it refers to."""
        return self._expected or self._loaded.fingerprint()

    @property
    def sources(self) -> list[SourceText]:
        """Its source as far as it can be read: of a function also the functions beside it that it calls."""
        return self._loaded.sources()

    @property
    def path(self) -> Path | None:
        """The file or the project's folder that it was loaded from; None where it was loaded from neither."""
        recipe = self._recipe
        return (recipe.folder or recipe.file) if isinstance(recipe, PathRecipe) else None

    @property
    def text(self) -> str | None:
        """The text that it was loaded from; None where it was loaded from none."""
        return self._recipe.text if isinstance(self._recipe, TextRecipe) else None

    @property
    def from_notebook(self) -> dict[str, Any]:
        """The names that it takes from the notebook, with their values."""
        return self._loaded.from_notebook()

    @property
    def secrets(self) -> list[str]:
        """What is masked: the values of its variables, and keys of the environment that its code has read or names."""
        found = dict.fromkeys(os_environment.values_now(self._spelled_out))
        self._read |= dict.fromkeys(os_environment.values_within(self._loaded.texts()))
        return [*self.variables.values(), *(self._read | found)]

    def _has_read(self, value: str) -> None:
        self._read[value] = None
        hide_more([value])

    def _sent(self) -> list[str]:
        """Return what another process is to mask. Of keys that it may read there, none that it has nothing to do with here."""
        named = () if self._spelled_out == environment_reads.ANY else self._spelled_out
        return [*self._read, *os_environment.values_now(named), *os_environment.values_within(self._loaded.texts())]

    def _names_in_source(self) -> tuple[str, ...]:
        return environment_reads.names_in(piece.text for piece in self.sources)

    @property
    def binds_numpy_random(self) -> bool:
        """Whether its code can draw from numpy's global generator, so that this must be seeded for each session."""
        return self._loaded.binds_numpy_random

    @property
    def note_list(self) -> list[PortabilityNote]:
        """The portability notes so far, by file and line."""
        return sorted(self._notes.values())

    @property
    def notes(self) -> "pd.DataFrame":
        """The portability notes as a DataFrame: file, line, rule, written, sdk, platform. One row a line and rule."""
        import pandas as pd

        return pd.DataFrame([astuple(note) for note in self.note_list], columns=_COLUMNS)

    def add_note(self, note: PortabilityNote) -> None:
        """Add a portability note, unless there is one for this file, line and rule."""
        self._notes.setdefault((note.file, note.line, note.rule), note)

    def tell_notes(self) -> None:
        """Say what is spelled differently by the SDK, all in one, and each note once: called when a run has ended."""
        show_notes(self.name, self.new_notes())

    def new_notes(self) -> list[PortabilityNote]:
        """Return the notes that nobody has seen, and count them as seen."""
        new = [note for key, note in sorted(self._notes.items()) if key not in self._told]
        self._told.update(self._notes)
        return new

    def derived(
        self,
        *,
        variables: Mapping[str, str],
        strict: bool,
        environment: str,
        tenant: str | None = None,
        read: Iterable[str] = (),
    ) -> "Handler":
        """Return the same handler with other variables, environment, tenant or strictness; it is loaded anew.

        Args:
            variables: All its variables.
            strict: Whether every tolerance is off.
            environment: Name of the environment.
            tenant: Name of the tenant.
            read: What of the variables' values came from the environment of this process.
        """
        return Handler(
            self._recipe,
            name=self.name,
            strict=strict,
            environment=environment,
            variables=variables,
            project=self.project,
            tenant=tenant,
            notes=[n for n in self._notes.values() if not strict and not n.rule.startswith(RULE)],
            expected=self._expected,
            told=self._told,
            read=[*self._read, *read],
        )

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "name": self.name,
            "strict": self.strict,
            "environment": self.environment,
            "variables": dict(self.variables),
            "project": self.project,
            "tenant": self.tenant,
            "notes": self.note_list,
            "expected": self.fingerprint,
            "read": self._sent(),
            "spelled_out": self._spelled_out,
        }
        return _revived, (self._recipe.shipped(self._loaded), options)

    def __repr__(self) -> str:
        facts = [self.name, self._recipe.shown]
        if self.tenant:
            facts.append(f"tenant {self.tenant}")
        if self.strict:
            facts.append("strict")
        if self.variables:
            facts.append(f"variables {', '.join(self.variables)}")
        if self._notes:
            facts.append(count_of(self.note_list))
        return f"Handler({'; '.join(facts)})"

    def _repr_html_(self) -> str:
        head = html.escape(repr(self).removeprefix("Handler(").removesuffix(")"))
        return f"<div><b>Handler</b> {head}</div>{notes_html(self.note_list, count_of(self.note_list))}"


def _revived(recipe: Recipe, options: dict[str, Any]) -> Handler:
    return Handler(recipe, **options)
