"""One door for the tests of the session engine: `play(handler, inputs, **options)` runs a session and shows its rows.

It drives `Session` through its documented interface (RunSettings, a clock, Seeds, a conversation), so that the engine can
be tested without a log. Everything is virtual time unless `clock="wall"`.
"""

import asyncio
import contextlib
import inspect
import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

from voicelab import sdk
from voicelab.base import records
from voicelab.base.records import Event, PortabilityNote, SessionRows
from voicelab.base.seeds import Seeds, session_id
from voicelab.callers import Mix, as_caller
from voicelab.handlers import load_handler
from voicelab.runtime.clock import VirtualClock, VirtualLoop, WallClock
from voicelab.session.host import Limits, RunSettings
from voicelab.session.runner import Session
from voicelab.world.world import World

IMPORTS = """
import asyncio, random, secrets, time, uuid
from datetime import datetime
from primfunctions.events import *
from primfunctions.logger import logger
from primfunctions.metrics import metrics
from primfunctions.tracer import tracer
"""
EPOCH_NS = 1_767_603_600 * 10**9  # 2026-01-05 09:00 UTC


def agent(body: str) -> str:
    """Return the text of a handler: `body` is what stands inside `async def handler(event, context)`."""
    inside = textwrap.indent(textwrap.dedent(body).strip("\n") or "pass", "    ")
    return f"{IMPORTS}\nasync def handler(event, context):\n{inside}\n"


def says(text: str, on: str = "start", **options: Any) -> str:
    """Return the body of a handler that says a text on an event."""
    extra = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"if event.name == {on!r}:\n    yield TextToSpeechEvent({text!r}{extra})\n"


class Opening:
    """A caller that listens to the opening and does nothing."""

    name = "script"

    def begin(self, rng: Any) -> "Opening":
        return self

    def reply(self, heard: Any) -> None:
        return None

    def interrupts_after(self) -> None:
        return None


@dataclass
class Played:
    """A session that was played, with its rows readable by name."""

    rows: SessionRows
    notes: list[PortabilityNote] = field(default_factory=list)

    @cached_property
    def session(self) -> dict[str, Any]:
        return dict(zip(records.SESSIONS, self.rows.session, strict=True))

    @cached_property
    def events(self) -> list[Event]:
        return [Event(*row[:5], orjson.loads(row[5]), *row[6:]) for row in records.event_rows(self.rows.events)]

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
        return [e for e in self.events if e.kind == "output" and e.name == "text_to_speech"]

    @property
    def said(self) -> list[str]:
        return [e.data["text"] for e in self.speech]

    @property
    def transcript(self) -> list[tuple[str, str]]:
        return [(e.data["role"], e.data["content"]) for e in self.named("transcript_part")]

    @property
    def errors(self) -> list[Event]:
        return [e for e in self.events if e.name == "error"]

    @property
    def logs(self) -> list[str]:
        return [e.data["message"] for e in self.events if e.kind == "log"]

    @property
    def outcomes(self) -> dict[str, dict[str, Any]]:
        rows = [dict(zip(records.OUTCOMES, row, strict=True)) for row in self.rows.outcomes]
        return {row["outcome"]: row for row in rows}

    @property
    def exposures(self) -> list[dict[str, Any]]:
        return [dict(zip(records.EXPOSURES, row, strict=True)) for row in self.rows.exposures]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [dict(zip(records.METRICS, row, strict=True)) for row in self.rows.metrics]

    @property
    def data(self) -> dict[str, Any]:
        return orjson.loads(self.session["data"])

    @property
    def status(self) -> str:
        return self.session["status"]

    @property
    def rules(self) -> list[str]:
        return [note.rule for note in self.notes]

    @property
    def everything(self) -> str:
        """All rows as one text."""
        return repr(self.rows)


def play(handler: Any, inputs: Any = (), **options: Any) -> Played:
    """Run one session and return it."""
    return play_many(handler, inputs, 1, **options)[0]


def play_many(
    handler: Any,
    inputs: Any = (),
    sessions: int = 1,
    *,
    seed: int = 0,
    first: int = 0,
    world: World | None = None,
    parameters: Mapping[str, Any] | Callable[[int], Mapping[str, Any]] | None = None,
    variables: Mapping[str, str] | None = None,
    environment: str = "development",
    strict: bool = False,
    configuration: Mapping[str, Any] | None = None,
    variants: Mapping[str, str] | None = None,
    run_test: Mapping[str, bool] | None = None,
    limits: Limits | None = None,
    clock: str = "virtual",
    start_ns: int = EPOCH_NS,
    together: bool = False,
) -> list[Played]:
    """Run sessions of one run, one after another on one loop, or all `together` (wall clock only).

    Args:
        handler: What `load_handler` takes.
        inputs: What `as_caller` takes; nothing for the opening alone.
        sessions: How many.
        first: Index of the first session.
        together: Interleave the sessions.
    """
    caller = Opening() if isinstance(inputs, list | tuple) and not inputs else as_caller(inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_handler(handler, strict=strict, variables=variables, environment=environment)
    notes: list[PortabilityNote] = list(loaded.note_list)
    settings = RunSettings(
        loaded.function,
        notes.append,
        strict=strict,
        variables=loaded.variables,
        environment=environment,
        configuration=configuration or {},
        forced=variants or {},
        start_ns=start_ns,
        run_id="run",
        limits=limits or Limits(),
    )

    def session(clock: Any, index: int) -> Session:
        seeds = Seeds(seed, index)
        who = caller.draw(seeds.random("mix")) if isinstance(caller, Mix) else caller
        return Session(
            settings,
            clock,
            seeds,
            who.begin(seeds.random("caller")),
            index=index,
            session_id=session_id("run", index),
            caller=who.name,
            weather=None if world is None else world.begin(seeds),
            parameters=parameters(index) if callable(parameters) else parameters,
            run_tests=run_test,
        )

    async def virtual() -> list[SessionRows]:
        loop = asyncio.get_running_loop()
        rows = []
        for index in range(first, first + sessions):
            loop.reset()
            rows.append(await loop.create_task(session(VirtualClock(loop), index).run()))
        return rows

    async def wall() -> list[SessionRows]:
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            clocks = [stack.enter_context(contextlib.closing(WallClock(loop))) for _ in range(sessions)]
            tasks = [loop.create_task(session(c, first + i).run()) for i, c in enumerate(clocks)]
            if together:
                return list(await asyncio.gather(*tasks))
            return [await task for task in tasks]

    with sdk.hosted():
        loop = VirtualLoop() if clock == "virtual" else asyncio.new_event_loop()
        try:
            rows = loop.run_until_complete(virtual() if clock == "virtual" else wall())
        finally:
            loop.close()
    return [Played(r, notes) for r in rows]


def on_virtual_loop(main: Callable[[], Any]) -> Any:
    """Run a coroutine function on a fresh virtual loop, and return its result and the loop."""
    loop = VirtualLoop()
    try:
        made = main(loop) if len(inspect.signature(main).parameters) else main()
        return loop.run_until_complete(made)
    finally:
        loop.close()
