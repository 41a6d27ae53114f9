"""One door for the tests of the session engine: `play(handler, inputs, **options)` runs a session and shows its record.

Sessions are made of a `Job`, as everywhere in the lab, and played by one of the product's own roads: as `vl.run` plays
a session, or as a worker of `vl.simulate` plays many. Everything is virtual time unless `clock="wall"`, which only
`vl.run` knows.
"""

import asyncio
import contextlib
import inspect
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from voicelab.base.records import Event, PortabilityNote, SessionRows
from voicelab.base.session_limits import Limits
from voicelab.callers import as_caller
from voicelab.handlers import load_handler
from voicelab.record.session_record import SessionRecord
from voicelab.runs import jobs
from voicelab.runs.jobs import Job
from voicelab.runs.options import EPOCH, SessionOptions
from voicelab.runtime.clock import VirtualLoop, WallClock
from voicelab.session.engine import run_session
from voicelab.simulation.worker import ShardTask, run_sessions

IMPORTS = """
import asyncio, random, secrets, time, uuid
from datetime import datetime
from primfunctions.events import *
from primfunctions.logger import logger
from primfunctions.metrics import metrics
from primfunctions.tracer import tracer
"""
EPOCH_NS = int(EPOCH.timestamp()) * 10**9

Road = Literal["run", "simulate"]
road: Road = "simulate"
"""By which road sessions in virtual time are played; the fixture `road` (conftest.py) takes both in turn."""


def agent(body: str) -> str:
    """Return the text of a handler: `body` is what stands inside `async def handler(event, context)`."""
    inside = textwrap.indent(textwrap.dedent(body).strip("\n") or "pass", "    ")
    return f"{IMPORTS}\nasync def handler(event, context):\n{inside}\n"


def says(text: str, on: str = "start", **options: Any) -> str:
    """Return the body of a handler that says a text on an event."""
    extra = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"if event.name == {on!r}:\n    yield TextToSpeechEvent({text!r}{extra})\n"


class Played:
    """A session that was played: its record, and shorthands for what tests ask of it."""

    def __init__(self, record: SessionRecord) -> None:
        self.record = record

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)

    @property
    def rows(self) -> dict[str, Any]:
        """All rows by table, and the one of `sessions` under `session`."""
        record = self.record
        return {
            "session": record._facts,
            "events": record.events,
            "exposures": record._exposures,
            "outcomes": record._outcomes,
            "metrics": record._metrics,
        }

    @property
    def everything(self) -> str:
        """All rows and notes as one text."""
        return self.record.to_json()

    @property
    def session(self) -> Mapping[str, Any]:
        return self.record._facts

    @property
    def exposures(self) -> Sequence[Mapping[str, Any]]:
        return self.record._exposures

    @property
    def outcomes(self) -> dict[str, Mapping[str, Any]]:
        return {row["outcome"]: row for row in self.record._outcomes}

    def named(self, *names: str) -> list[Event]:
        return [e for e in self.events if e.name in names]

    def kind(self, kind: str) -> list[Event]:
        return [e for e in self.events if e.kind == kind]

    @property
    def inputs(self) -> list[Event]:
        return self.kind("input")

    @property
    def input_names(self) -> list[str]:
        return [e.name for e in self.inputs]

    @property
    def speech(self) -> list[Event]:
        return [e for e in self.kind("output") if e.name == "text_to_speech"]

    @property
    def said(self) -> list[str]:
        return [e.data["text"] for e in self.speech]

    @property
    def transcript(self) -> list[tuple[str, str]]:
        return [(part["role"], part["content"]) for part in self.record.transcript]

    @property
    def logs(self) -> list[str]:
        return [e.data["message"] for e in self.kind("log")]

    @property
    def rules(self) -> list[str]:
        return [note.rule for note in self.notes]


def play(handler: Any, inputs: Any = (), **options: Any) -> Played:
    """Run one session and return it."""
    return play_many(handler, inputs, 1, **options)[0]


def play_many(
    handler: Any,
    inputs: Any = (),
    sessions: int = 1,
    *,
    first: int = 0,
    variables: Mapping[str, str] | None = None,
    environment: str = "development",
    strict: bool = False,
    limits: Limits | None = None,
    variants: Mapping[str, str] | None = None,
    run_test: Mapping[str, bool] | None = None,
    clock: str = "virtual",
    together: bool = False,
    **options: Any,
) -> list[Played]:
    """Run sessions of one run, one after another, or all `together` (wall clock only).

    Args:
        handler: What `load_handler` takes.
        inputs: What `vl.run` takes.
        sessions: How many.
        first: Index of the first session.
        variants: Variants that are forced.
        run_test: The SDK's `runTest`.
        clock: `virtual` or `wall`.
        together: Interleave the sessions.
        limits: When sessions end that don't end by themselves.
        options: Further options of the run: seed, world, parameters, configuration.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_handler(handler, strict=strict, variables=variables, environment=environment)
    loaded._quiet = True  # notes are in the record
    caller = jobs._Opening() if isinstance(inputs, list | tuple) and not inputs else as_caller(inputs)
    made = SessionOptions(
        loaded, caller, variants=variants or {}, run_test=run_test or {}, limits=limits or Limits(), **options
    )
    job = Job(made)
    if together:
        return _together(job, range(first, first + sessions))
    if clock == "wall" or road == "run":
        return [Played(jobs.play(job, index, clock=clock)) for index in range(first, first + sessions)]
    return _simulated(job, first, first + sessions)


def _simulated(job: Job, first: int, stop: int) -> list[Played]:
    """Play sessions as a worker process does."""
    notes: list[PortabilityNote] = []
    rows = run_sessions(job, ShardTask(Path(), 0, "", first, stop, {}), notes).rows
    return _played(job, rows, notes)


def _together(job: Job, indexes: range) -> list[Played]:
    """Play sessions in real time, interleaved on one loop: the hardest case for what each of them has of its own."""
    notes: list[PortabilityNote] = []
    settings = job.settings(notes.append)

    async def one(index: int) -> SessionRows:
        with contextlib.closing(WallClock(asyncio.get_running_loop())) as clock:
            return await run_session(job.session(settings, clock, index))

    async def main() -> list[SessionRows]:
        return list(await asyncio.gather(*map(one, indexes)))

    with jobs.hosting(job.options):
        return _played(job, asyncio.run(main()), notes)


def _played(job: Job, rows: list[SessionRows], notes: list[PortabilityNote]) -> list[Played]:
    for note in notes:
        job.options.handler.add_note(note)
    return [Played(SessionRecord.from_rows(session, notes=job.options.handler.note_list)) for session in rows]


def on_virtual_loop(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on a fresh virtual loop, and return its result and the loop."""
    loop = VirtualLoop()
    try:
        made = main(loop) if len(inspect.signature(main).parameters) else main()
        return loop.run_until_complete(made)
    finally:
        loop.close()
