"""The cost of a stand-in for HTTP services: `python benchmarks/services.py [ROUNDS] [--quick]`.

Sessions of five turns, three of which ask a service that `vl.Http` stands in for, beside the same handler with
`asyncio.sleep` in place of each call. Each round runs all of them in turn, in one process; the figures are medians of the
rounds' ratios, in sessions per CPU-second.
"""

import asyncio
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import aiohttp
import httpx
from figures import Figures, arguments
from handlers import TEXTS
from primfunctions.events import StartEvent, TextEvent, TextToSpeechEvent

import voicelab as vl
from voicelab.log.write import stage_shard
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation.worker import ShardTask, collect_seldom, run_sessions

SESSIONS = 200  # few a round: what else the machine does then weighs on all of them alike
URL = "https://api.pizza.example/orders"
HTTP = vl.Http({f"POST {URL}": {"id": 7, "eta_min": 20}}, latency_s=(0.2, 0.8))


async def slept() -> dict[str, int]:
    await asyncio.sleep(0.5)
    return {"id": 7, "eta_min": 20}


async def by_httpx() -> dict[str, int]:
    async with httpx.AsyncClient() as client:
        response = await client.post(URL, json={"size": 2})
        response.raise_for_status()
        return response.json()


async def by_aiohttp() -> dict[str, int]:
    async with aiohttp.ClientSession() as client, client.post(URL, json={"size": 2}) as response:
        response.raise_for_status()
        return await response.json()


def ordering(call):
    """Return a handler that makes a call in three of its five turns."""

    async def handler(event, context):
        if isinstance(event, StartEvent):
            yield TextToSpeechEvent(text="What would you like?", voice="nova")
        if isinstance(event, TextEvent):
            turn = (context.get_data("turn") or 0) + 1
            context.set_data("turn", turn)
            if turn <= 3:
                order = await call()
                yield TextToSpeechEvent(text=f"It comes in {order['eta_min']} minutes.", voice="nova")
            else:
                yield TextToSpeechEvent(text="You're welcome.", voice="nova")

    return handler


def sessions_of(call):
    """Return what runs and writes the sessions, as a worker process does."""
    job = Job(SessionOptions(vl.load_handler(ordering(call)), vl.Script(TEXTS), http=HTTP))

    def run_and_write():
        with tempfile.TemporaryDirectory() as folder:
            sessions = run_sessions(job, ShardTask(Path(), 0, "x", 0, SESSIONS, {}), []).rows
            stage_shard(Path(folder), 0, "x", sessions)

    return run_and_write


def cpu_us(work) -> float:
    """Return the CPU time of some work, in microseconds a session."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / SESSIONS * 1e6


def ratios(rounds: int) -> dict[str, list[float]]:
    """Return the ratios of each round, after one to warm up."""
    calls = {"httpx": by_httpx, "aiohttp": by_aiohttp}
    found: dict[str, list[float]] = {name: [] for name in calls}
    alone, with_calls = sessions_of(slept), {name: sessions_of(call) for name, call in calls.items()}
    for number in range(rounds + 1):
        alone_us = cpu_us(alone)
        times = {name: cpu_us(work) for name, work in with_calls.items()}
        if number:
            for name, us in times.items():
                found[name].append(alone_us / us)
            shown = ", ".join(f"{name} {us:.0f}" for name, us in times.items())
            print(f"round {number}: CPU us a session: asyncio.sleep {alone_us:.0f}, {shown}", flush=True)
    return found


def main() -> int:
    given = arguments(__doc__, "rounds", 25, 7)
    warnings.simplefilter("ignore")
    collect_seldom()
    figures = Figures(given.quick)
    for name, values in ratios(given.rounds).items():
        figures.at_least(f"three calls by {name} / asyncio.sleep", statistics.median(values), 0.6)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
