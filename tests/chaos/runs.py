"""The runs that are disturbed: two of the same handler, whose tests stop in the middle, that differ in their seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import voicelab as vl
from voicelab.handlers import Handler
from voicelab.log import compact as compacting
from voicelab.simulation import simulation_run

if TYPE_CHECKING:
    import pandas as pd
    import pytest

    from voicelab.log import Log

HANDLER = """
from primfunctions.events import *
from primfunctions.metrics import metrics
import random

async def handler(event, context):
    if event.name == "start":
        context.add_outcome("booked", "boolean")
        context.add_test("greeting", {"a": 0.5, "b": 0.5}, stop={"max_iterations": STOPS, "default": "a"})
        metrics.counter("calls")
        yield TextToSpeechEvent(text="Hello " + context.get_test("greeting") + random.choice("123"), voice="nova")
        context.set_outcome("booked", random.random() < 0.5)
        yield StopEvent()
"""
DYING = """
import ctypes, os
from primfunctions.events import *

async def handler(event, context):
    if event.name == "start":
        context.add_outcome("booked", "boolean")
        context.add_test("greeting", {"a": 0.5, "b": 0.5}, stop={"max_iterations": STOPS, "default": "a"})
        yield TextToSpeechEvent(text="Hello " + context.get_test("greeting"), voice="nova")
        does = context.get_data("does")
        if does == "exits": os._exit(3)
        if does == "signals": os.kill(os.getpid(), 9)
        if does == "crashes": ctypes.string_at(0)
        while does == "loops": pass
        context.set_outcome("booked", True)
        yield StopEvent()
"""
_DOES = {57: "loops", 151: "crashes"}
SEEDS = {"first": 1, "second": 2, "dying": 3}
"""The seed of each run: in the last one sessions end their processes, or don't come to their end."""


@dataclass(frozen=True)
class Size:
    """How large a run is.

    Attributes:
        sessions: Sessions.
        shard: Sessions a shard.
        joined: Sessions a file, when the log is compacted.
        stops: Sessions after which its test stops.
    """

    sessions: int
    shard: int
    joined: int
    stops: int

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.sessions // self.shard)


SMALL = Size(sessions=11, shard=3, joined=6, stops=7)
LARGE = Size(sessions=195, shard=10, joined=50, stops=115)


def shrunk_to(size: Size, patch: "pytest.MonkeyPatch") -> None:
    """Have shards, and files of compacted logs, of few sessions."""
    patch.setattr(simulation_run, "SHARD_SIZE", size.shard)
    patch.setattr(compacting, "SESSIONS", size.joined)


def what_it_does(index: int) -> dict[str, str]:
    """Return the parameters of a session of the run whose sessions die."""
    return {"does": _DOES.get(index, "")}


def handler_of(size: Size, which: str = "first") -> Handler:
    """Return the handler of a run."""
    return vl.load_handler((DYING if which == "dying" else HANDLER).replace("STOPS", str(size.stops)))


def simulate(handler: Any, size: Size, which: str, log: Path, **options: Any) -> "Log":
    """Run it, or go on with it."""
    own: dict[str, Any] = {"workers": 1, "progress": False, **options}
    if which == "dying":
        own |= {"parameters": what_it_does, "limits": vl.Limits(cpu_s=0.5)}
    return vl.simulate(handler, ["hi"], size.sessions, seed=SEEDS[which], log=log, **own)


def late_outcomes(number: int, ids: Sequence[str]) -> "pd.DataFrame":
    """Return the outcomes that are added late for the first, second ... time."""
    import pandas as pd

    return pd.DataFrame(
        {"session_id": list(ids), f"paid_{number}": [float(at % (number + 2)) for at in range(len(ids))]}
    )
