"""Command lines: every command with hostile arguments, in this process; whatever happens, it ends with an exit code."""

import contextlib
import io
import json
import random
from typing import Any

from fuzz import hostile
from fuzz.judge import Refused, Walk, check_message
from fuzz.paths import _write_log
from voicelab.cli import main

_LINES = [
    ["run", "HANDLER", "--say", "hello"], ["run", "HANDLER", "--script", "FILE"], ["run", "HANDLER", "--parameters", '{"a": 1}', "--json"], ["run", "HANDLER", "--variant", "greeting=formal", "--seed", "3"],
    ["run", "HANDLER", "--html", "OUT.html"], ["run", "HANDLER", "--variables", "FILE", "--notes", "--strict"], ["simulate", "HANDLER", "-n", "0", "--log", "OUT", "--workers", "1", "--quiet", "--caller", "cooperative=1"],
    ["analyze", "LOG"], ["analyze", "LOG", "greeting", "--html", "OUT.html"], ["analyze", "FILE", "--outcome", "y"], ["analyze", "LOG", "greeting", "--outcome", "booked"],
    ["import", "FILE", "--log", "OUT"], ["import", "FILE", "--log", "OUT", "--weights", '{"greeting": {"a": 0.5, "b": 0.5}}', "--overwrite"],
    ["call", "agent", "+14155550123", "--curl", "--parameters", "{}"], ["call", "agent", "+14155550123"], ["log", "info", "LOG"], ["log", "check", "LOG"], ["log", "compact", "LOG"],
    ["log", "redact", "LOG", "OUT", "--pattern", "x"], ["demo", "--help"], ["--version"], ["log"],
]  # fmt: skip
_NUMERALS = ["1e9999", "nan", "-1", "0", "1" * 5000, "１", "0x10", "1_0", "", " "]


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: an argument list, and what FILE holds."""
    line = list(rng.choice(_LINES))
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(line))
        # Not the command itself, mostly; and never how many sessions or processes are begun, upwards.
        hit = line[at] != "demo" and (at > 0 or rng.random() < 0.2)
        if hit and line[at - 1] not in {"-n", "--workers"}:
            value = rng.choice(
                [hostile.some_text(rng), rng.choice(_NUMERALS), json.dumps(rng.choice(hostile.PLAIN)), "[" * 20_000]
            )
            line[at] = value if rng.random() < 0.7 else f"{line[at]}{value}"[:50_000]
    return {"line": line, "file": hostile.mutated(rng, ["hello", "bye"])}


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Run the command."""
    _write_log(it.folder / "log")
    (it.folder / "in.json").write_text(hostile.text_of(case["file"]), errors="replace")
    (it.folder / "handler.py").write_text(
        "async def handler(event, context):\n    yield TextToSpeechEvent(text='hi', voice='nova')\n"
    )
    known = {"HANDLER": "handler.py", "LOG": "log", "FILE": "in.json", "OUT": "out", "OUT.html": "out.html"}
    line = [str(it.folder / known[own]) if own in known else str(own) for own in case["line"]]
    if any(own.startswith("--y") for own in line) or "\0" in "".join(line):
        raise Refused("no command line of a shell")
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.chdir(it.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(line)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    it.check(code in {0, 1, 2}, f"exit code {code}")
    it.check("Traceback" not in err.getvalue(), "a traceback")
    message = err.getvalue()
    if "--json" in line and code == 1 and not message.strip():
        # The error is the document; a command that has judged says there what it found.
        message = it.json(out.getvalue()).get("error", {}).get("message", "no error, a verdict")
    if (page := it.folder / "out.html").is_file():
        it.html(page.read_text(encoding="utf-8"))
    if code == 1:
        check_message(message.strip().splitlines()[-1])
    if code:
        raise Refused(message[-200:])
