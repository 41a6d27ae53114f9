"""Exports of the platform, mutated: `voicerun.read`, and all that one does with a log and its sessions."""

import ast
import json
import random
from pathlib import Path
from typing import Any

import voicelab as vl
from fuzz import hostile, samples
from fuzz.judge import PARSED, Walk
from voicelab import voicerun
from voicelab.log import Log
from voicelab.record.script_text import messages_of, python_of

FRAMES = ("sessions", "events", "turns", "utterances", "exposures", "outcomes", "metrics", "errors", "decisions")
_MOST_RECORDS = 2


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: documents by the names of their files, and what happens to the files."""
    known = samples.exports()
    names = rng.sample(list(known), rng.choice([1, 1, 1, 2, 2, 3]))
    # The debugger's export says most.
    names = names if rng.random() < 0.4 else list(dict.fromkeys(["s1", *names[1:]]))
    documents = {name: known[name] for name in names}
    hit = rng.choice(names)
    documents[hit] = hostile.mutated(rng, documents[hit])
    case: dict[str, Any] = {"documents": documents, "operations": {hit: hostile.some_operations(rng, 0.1)}}
    if rng.random() < 0.05:
        case["documents"] = {hostile.some_text(rng) if n == hit else n: d for n, d in documents.items()}
    return case


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Read the exports, and use the log to the end."""
    folder = it.folder / "exports"
    folder.mkdir()
    operations = case.get("operations", {})
    for name, document in case["documents"].items():
        data = hostile.as_bytes(hostile.text_of(document), operations.get(name, []))
        (folder / f"{_file_name(name)}.json").write_bytes(data)
    with it.door():
        log = voicerun.read(folder, it.folder / "log")
    use(it, log, it.folder / "log")


def _file_name(name: str) -> str:
    return (
        "".join(char if char.isprintable() and char not in "/\\" else "_" for char in name)[:60]
        .encode("utf-8", "replace")
        .decode()
    )


def use(it: Walk, log: Log, path: Path) -> None:
    """Use a log to the end: records; frames, and itself as a card; analysis, pictures, and once more from the disk."""
    n = log.manifest["sessions"]
    records(it, log, min(n, _MOST_RECORDS))
    if it.depth < 1:
        return
    frames(it, log)
    it.text(repr(log))
    it.html(log._repr_html_())
    it.check(log.verify().sound, "the log isn't sound")
    if it.depth < 2:
        return
    analysis(it, log)
    if it.depth > 2 and it.asks(log.plot) is not None:
        it.html(log.to_html(it.folder / "log.html").read_text(encoding="utf-8"))
    again = vl.open_log(path)
    it.check(len(again.sessions(columns=["session_id"])) == n, "another number of sessions when it is opened again")


def frames(it: Walk, log: Log) -> None:
    """Ask for each frame, and write it in each format."""
    n = log.manifest["sessions"]
    for name in FRAMES:
        frame = getattr(log, name)()
        frame.to_csv(it.folder / "frame.csv")
        # As records: dates and objects of a DataFrame's own are written as text.
        it.json(frame.to_json(orient="records", default_handler=str))
        if name != "decisions":
            frame.to_parquet(it.folder / "frame.parquet")
        if name == "sessions":
            it.check(list(frame["session_index"]) == list(range(n)), f"{len(frame)} sessions of {n}, or out of order")
        if name == "events":
            for text in frame["data"]:
                it.check(isinstance(it.json(text), dict), "an event whose data is no object")


def records(it: Walk, log: Log, n: int) -> None:
    """Show sessions in every form."""
    for index in range(n):
        record = log.session(index)
        it.check(log.session(record.session_id).session_index == index, "an id finds another session")
        it.text(repr(record))
        it.text(str(record))
        it.html(record._repr_html_())
        it.json(record.to_json())
        script = record.to_script()
        ast.parse(python_of(script), PARSED)
        it.json(messages_of(script))
        it.text(repr(script))
        it.check(len(record.to_frame()) == len(record.events), "a frame of another length")
        it.check(
            record.rows().events == type(record).from_rows(record.rows()).rows().events, "rows that don't come back"
        )
        _ = (record.outcomes, record.variants, record.declarations, record.metrics, record.transcript, record.errors)
        if it.depth:
            it.html(record.to_html(it.folder / "session.html").read_text(encoding="utf-8"))


def analysis(it: Walk, log: Log) -> None:
    """Analyse each test, and show what comes of it."""
    for test in log.exposures()["test"].unique():
        result = it.asks(vl.analyze, log, test)
        if result is None:
            continue
        it.text(f"{result!r}{result}")
        it.html(result._repr_html_())
        it.json(json.dumps(result.to_json()))
        if it.depth > 2:
            it.asks(result.plot)
