"""Paths that are none: to whatever takes one."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import voicelab as vl
from fuzz import hostile
from fuzz.frames import pd
from fuzz.judge import Walk
from fuzz.logs import base
from fuzz.scripts import echo
from voicelab import voicerun
from voicelab.base.paths import path_of
from voicelab.live.talk import Talk
from voicelab.log.compact import compact
from voicelab.log.info import describe_log
from voicelab.log.redact import redact

_PLACES = [
    "nul",
    "long",
    "long folder",
    "loop",
    "dangling",
    "folder",
    "file",
    "below a file",
    "fifo",
    "/dev/null",
    "/dev/full",
    "",
    ".",
    "~nobody/x",
    "surrogate",
    "glob",
    "bad glob",
    "to a log",
    "text",
    "newline",
    "full of folders",
]


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: a function, a place, and the form in which the path is given."""
    return {
        "function": rng.choice(list(_CALLS)),
        "place": rng.choice(_PLACES),
        "form": rng.choice(["str", "str", "Path", "bytes", "list", "int", "None"]) if rng.random() < 0.5 else "str",
        "text": hostile.some_text(rng)[:500],
    }


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Call the function with the path."""
    given = _as(case.get("form", "str"), _place(it.folder, case["place"], case.get("text", "")))
    with it.door():
        _call(it, case["function"], given)


def _place(folder: Path, place: str, text: str) -> str:
    own = folder / "there"
    made = {
        "nul": f"{own}\0x", "long": f"{folder}/{'x' * 300}", "long folder": f"{folder}/{'x' * 300}/y.json", "glob": f"{folder}/**/*.vlx", "bad glob": f"{folder}/[",
        "surrogate": f"{folder}/a\udcff\ud800", "below a file": f"{own}/x", "text": f"{folder}/{text}", "newline": f"{folder}/a\nb",
    }  # fmt: skip
    if place in {"file", "below a file"}:
        own.write_text("x")
    elif place == "folder":
        own.mkdir()
    elif place == "loop":
        own.symlink_to(own)
    elif place == "dangling":
        own.symlink_to(folder / "nowhere")
    elif place == "fifo":
        os.mkfifo(own)
    elif place == "to a log":
        _write_log(folder / "log")
        own.symlink_to(folder / "log")
    elif place == "full of folders":
        for name in ("handler.py", "manifest.json", "a.json", ".env", "sessions", "agent.yaml", ".voicerun/agent.yaml"):
            (own / name).mkdir(parents=True, exist_ok=True)
    return made.get(place, str(own) if place not in {"", ".", "~nobody/x", "/dev/null", "/dev/full"} else place)


def _write_log(root: Path) -> None:
    for name, data in base().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def _as(form: str, path: str) -> Any:
    try:
        return {"str": path, "Path": Path(path), "bytes": os.fsencode(path), "list": [path], "int": 3, "None": None}[
            form
        ]
    except (UnicodeError, KeyError):
        return path


def _call(it: Walk, function: str, given: Any) -> None:
    # Nothing is written but below the case's folder.
    if function in _WRITES and isinstance(given, str | Path) and str(given) in {"", ".", "~nobody/x"}:
        given = ""
    _CALLS[function](it, given)


def _export(it: Walk) -> Path:
    path = it.folder / "s1.json"
    path.write_text('[{"event": "debug", "type": "input", "name": "start", "data": {}, "_clientTime": 1}]')
    return path


def _redact(it: Walk, given: Any) -> None:
    _write_log(it.folder / "log")
    redact(it.folder / "log", path_of("COPY", given, "copy"), ["x"])


def _result_page(_: Walk, given: Any) -> None:
    frame = pd.DataFrame({"variant": ["a", "b"] * 20, "y": [0, 1, 1, 0] * 10})
    vl.analyze(frame, outcome="y").to_html(given)


_WRITES = {"read into", "replace", "page", "console", "result page", "redact"}
_CALLS: dict[str, Callable[[Walk, Any], Any]] = {
    "open_log": lambda _, given: vl.open_log(given).sessions(),
    "read": lambda it, given: voicerun.read(given, it.folder / "new"),
    "read into": lambda it, given: voicerun.read(_export(it), given),
    "replace": lambda it, given: voicerun.read(_export(it), given, overwrite=True),
    "script": lambda _, given: vl.Script.load(given),
    "handler": lambda _, given: vl.load_handler(given),
    "variables": lambda _, given: vl.load_handler(echo, variables=given),
    "page": lambda _, given: vl.run(echo, ["hi"], seed=1).to_html(given),
    "console": lambda _, given: Talk(echo, lambda *_: None, log=given, stt="fake", tts="fake").close(),
    "analyze": lambda _, given: vl.analyze(given, outcome="y"),
    "info": lambda _, given: describe_log(path_of("LOG", given, "runs/first")),
    "compact": lambda _, given: compact(path_of("LOG", given, "runs/first")),
    "redact": _redact,
    "result page": _result_page,
}
