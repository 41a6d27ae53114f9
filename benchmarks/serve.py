"""A served handler under debuggers, in real time: `python benchmarks/serve.py [TURNS] [--quick]`.

The debuggers run in another process and answer marks at once, as VoiceRun's headless client does. The server's process is
held to one core, where the system can do that. A turn is timed from the words until its end; its handler answers at once,
so that all of it is the server's own. Then 100 sessions at once, of which none may be told of a silence that nobody kept, and
200 connections that are all greeted.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import aiohttp
from figures import Figures, arguments

import voicelab as vl

HANDLER = """
from primfunctions.events import TextToSpeechEvent

async def handler(event, context):
    if event.name == "start":
        yield TextToSpeechEvent(text="Hello, who is there?")
    elif event.name == "text":
        yield TextToSpeechEvent(text=f"You said {event.data['text']}.")
    elif event.name == "timeout":
        yield TextToSpeechEvent(text="Are you still there?")
"""
START = {"start": {"streamSid": "s", "callSid": "c", "customParameters": {"inputType": "mic", "origin": "debugger"}}}
PAUSE_S = 0.3
"""As long as the headless client waits between a turn and its next line."""


async def debugger(session: aiohttp.ClientSession, url: str, turns: int, all_there) -> dict:
    """Hold a session; return how long each turn took in ms, and how often the agent was told of a silence."""
    took_ms, timeouts = [], 0
    async with session.ws_connect(url) as socket:
        await socket.send_json(START)

        async def turn_end() -> None:
            nonlocal timeouts
            while True:
                frame = json.loads((await socket.receive(120)).data)
                if frame.get("event") == "mark":
                    await socket.send_json({"event": "mark", "streamSid": "s", "mark": frame["mark"]})
                timeouts += frame.get("name") == "timeout"
                if frame.get("name") == "turn_end":
                    return

        await turn_end()
        await all_there()
        for n in range(turns):
            began = time.perf_counter()
            await socket.send_json({"event": "text", "text": f"line {n}"})
            await turn_end()
            took_ms.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(PAUSE_S)
    return {"took_ms": took_ms, "timeouts": timeouts}


async def debuggers(url: str, count: int, turns: int, together: bool) -> list[dict]:
    """Hold sessions at once; `together` has each wait until all have been greeted."""
    greeted, all_greeted = 0, asyncio.Event()

    async def all_there() -> None:
        nonlocal greeted
        greeted += 1
        if greeted == count or not together:
            all_greeted.set()
        await all_greeted.wait()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(*(debugger(session, url, turns, all_there) for _ in range(count)))


class Load:
    """Debuggers in a process of their own; meanwhile the server's process is watched."""

    def __init__(self, server, count: int, turns: int, *, together: bool = False) -> None:
        url = f"{server.url.replace('http', 'ws')}/ws"
        line = [sys.executable, __file__, "--debuggers", json.dumps([url, count, turns, together])]
        cpu, self.threads = time.process_time(), 0
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as client:
            waiting = threading.Thread(target=self._read, args=(client,))
            waiting.start()
            while waiting.is_alive():
                self.threads = max(self.threads, threading.active_count())
                waiting.join(0.2)
        self.cpu_s = time.process_time() - cpu
        self.took_ms = sorted(ms for one in self.results for ms in one["took_ms"])
        self.timeouts = sum(one["timeouts"] for one in self.results)

    def _read(self, client) -> None:
        self.results = json.loads(client.stdout.read())


def main() -> int:
    given = arguments(__doc__, "turns", 20, 5)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    figures = Figures(given.quick)
    with tempfile.TemporaryDirectory() as folder:
        server = vl.serve(HANDLER, log=Path(folder) / "log", tts="off")
        Load(server, 1, 3)  # what is loaded once
        one = Load(server, 1, 5 * given.turns)
        figures.at_most("a turn over its handler's own time, median", statistics.median(one.took_ms), 20, "ms")
        figures.shown("   of the server's processor time", 1000 * one.cpu_s / len(one.took_ms), "ms")
        many = Load(server, 100, given.turns)
        figures.at_most("100 sessions at once: silences nobody kept", many.timeouts, 0)
        figures.shown("   a turn, median", statistics.median(many.took_ms), "ms")
        figures.shown("   a turn, of 99 in 100 at most", many.took_ms[int(0.99 * len(many.took_ms))], "ms")
        figures.shown("   processor time a turn", 1000 * many.cpu_s / len(many.took_ms), "ms")
        figures.shown("   threads", many.threads)
        crowd = Load(server, 200, 1, together=True)
        figures.at_most("200 connections at once: not answered", 200 - len(crowd.took_ms), 0)
        server.close()
        logged = server.log.sessions()["status"].value_counts().to_dict()
        figures.at_most("sessions not logged as hung up", 302 - logged.get("hangup", 0), 0)
    return figures.exit_code()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--debuggers"]:
        print(json.dumps(asyncio.run(debuggers(*json.loads(sys.argv[2])))))
    else:
        sys.exit(main())
