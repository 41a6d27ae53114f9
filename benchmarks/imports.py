"""How fast exports of VoiceRun are read, and in how much memory: `python benchmarks/imports.py [MEGABYTES] [--quick]`.

The exports are made here as the debugger writes them: a file a session, laid out in lines, with speech, its playback,
transcripts, metrics and a context at the end. They are read by a process of their own, so that the most memory it has had
is the import's; and a quarter of them by another one, which says how much of that grows with the size. The yardstick of the
speed is what parsing alone takes, of the same files in the same process: a busy machine slows both.
"""

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figures, arguments

MOST_OF_PARSING = 45.0
"""What an import may take, over what it takes to parse the same files."""
MOST_GROWTH = 0.35
"""Growth of the memory over that of the size."""
SAID = "Certainly. Your last invoice of March was paid on time, and there is nothing open at the moment."


def session(number: int, chance: random.Random, turns: int = 40) -> list[dict]:
    """Return a session as the debugger exports it."""
    variant = chance.choice(["formal", "casual"])
    rows: list[dict] = []
    now_s = 1.7e9 + 400 * number

    def row(kind: str, name: str, data: dict, turn: int, **more: object) -> None:
        rows.append(
            {
                "event": "debug",
                "type": kind,
                "name": name,
                "data": data,
                "turn": turn,
                "_clientTime": round(now_s, 3),
                **more,
            }
        )

    row("input", "start", {}, 0)
    for turn in range(1, turns + 1):
        now_s += chance.uniform(0.3, 2)
        row("input", "text", {"text": "could you tell me more about my last invoice", "source": "speech"}, turn)
        row(
            "system",
            "transcript_part",
            {"role": "user", "content": "could you tell me more about my last invoice"},
            turn,
        )
        played = {"played_duration_ms": 4200, "received_duration_ms": 4200, "status": "complete", "interrupted": False}
        played["segments"] = [{"start_client_time": now_s, "end_client_time": now_s + 4.2}]
        speech = {"text": SAID, "voice": "nova", "cache": True, "speed": 1.0, "language": "en", "interruptible": None}
        row("output", "text_to_speech", speech, turn, _playback=played)
        row("metric", "metrics.counter.answers", {"value": 1, "tags": {"experiment_greeting": variant}}, turn)
        row("metric", "llm_latency", {"duration_ms": chance.uniform(200, 900)}, turn)
        now_s += 4.2
        row("system", "transcript_part", {"role": "agent", "content": SAID}, turn)
        row("output", "turn_end", {"duration": 4600}, turn)
    test = {"name": "greeting", "options": {"formal": 0.5, "casual": 0.5}, "value": variant}
    booked = {"name": "booked", "type": "boolean", "value": chance.random() < 0.4}
    testing = {"tests": {"greeting": test}, "outcomes": {"booked": booked}, "runTest": {}, "metadata": {}}
    row("output", "context", {"session_id": f"s{number:06d}", "testing": testing}, turns)
    return rows


def write(folder: Path, megabytes: float) -> float:
    """Write so many exports, and return how many megabytes they have."""
    folder.mkdir()
    chance = random.Random(1)
    size, number = 0, 0
    while size < megabytes * 1e6:
        text = json.dumps(session(number, chance), indent=2)
        (folder / f"debug_s{number:06d}.json").write_text(text)
        size += len(text)
        number += 1
    return size / 1e6


def read(folder: Path) -> None:
    """Read exports and print the CPU seconds of the import and of parsing, and the most memory in megabytes."""
    import orjson

    from voicelab import voicerun

    def parsing() -> float:
        began = time.process_time()
        for file in folder.iterdir():
            orjson.loads(file.read_bytes())
        return time.process_time() - began

    parsed = [parsing()]
    with tempfile.TemporaryDirectory() as target:
        began = time.process_time()
        voicerun.read(folder, Path(target) / "log")
        took = time.process_time() - began
    parsed += [parsing(), parsing()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([took, statistics.median(parsed), peak]))


def read_apart(folder: Path) -> list[float]:
    command = [sys.executable, "-W", "ignore", __file__, "--read", str(folder)]
    measured: list[float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return measured


def main() -> int:
    given = arguments(__doc__, "megabytes", 100.0, 12.0)
    figures = Figures(given.quick)
    with tempfile.TemporaryDirectory() as place:
        few = write(Path(place) / "few", given.megabytes / 4)
        many = write(Path(place) / "many", given.megabytes)
        _, _, little = read_apart(Path(place) / "few")
        took, parsed, peak = read_apart(Path(place) / "many")
    figures.shown("speed of an import", many / took, "MB a second of CPU", 20)
    figures.at_most("CPU of an import over that of parsing", took / parsed, MOST_OF_PARSING)
    figures.at_most("most memory", peak, 1_500, "MB")
    # Below some hundred megabytes one shard more is much of it.
    growth = (peak - little) / (many - few)
    figures.at_most("growth of the memory over that of the size", growth, MOST_GROWTH if many >= 100 else 8.0)
    return figures.exit_code()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(Path(sys.argv[2]))
    else:
        sys.exit(main())
