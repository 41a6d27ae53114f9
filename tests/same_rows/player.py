"""A process that plays cases by the voicelab that it imports: a line of JSON with a case comes in, one with all rows goes out."""

import contextlib
import io
import json
import logging
import os
import sys
import warnings
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import voicelab as vl
from same_rows import settings

Options = dict[str, Any]
TABLES = ("events", "exposures", "outcomes", "metrics")


class Here:
    """An executor that runs everything at once, in this process."""

    def submit(self, function: Any, argument: bytes) -> "Future[bytes]":
        """Run a function."""
        future: Future[bytes] = Future()
        try:
            future.set_result(function(argument))
        except BaseException as error:
            future.set_exception(error)
        return future


def play(case: dict[str, Any]) -> dict[str, Any]:
    """Return all rows of a case, by table, and what is said after it; or the error that it ends with."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            for of_the_collector in (ResourceWarning, RuntimeWarning):  # who says these at what time is chance
                warnings.simplefilter("ignore", of_the_collector)
            caller, options = settings.caller_of(case["caller"]), settings.options_of(case)
            rows = _ROADS[case["road"]](settings.handler(case), caller, case.get("sessions", 1), options)
    except Exception as error:
        return {"error": [f"{type(error).__name__}: {error}"]}
    rows["said"] = [*said.getvalue().splitlines(), *(str(one.message) for one in warned)]
    return rows


def _run(handler: Any, caller: Any, sessions: int, options: Options) -> dict[str, Any]:
    del sessions
    return _rows(vl.run(handler, caller, **options).to_json())


def _worker(handler: Any, caller: Any, sessions: int, options: Options) -> dict[str, Any]:
    """Play sessions by the version's own `tests/harness.py`, through which its other tests go."""
    import harness  # with all that writes a log, which the other roads don't need

    options = settings.checked(options)
    rows: dict[str, Any] = {}
    for played in harness.play_many(handler, caller, sessions, **options):
        for table, found in _rows(played.everything).items():
            rows.setdefault(table, []).extend(found)
    return rows


def _speak(handler: Any, caller: Any, sessions: int, options: Options) -> dict[str, Any]:
    return _worker(handler, caller, sessions, options | {"telephone": settings.telephone()})


def _simulate(handler: Any, caller: Any, sessions: int, options: Options) -> dict[str, Any]:
    log = vl.simulate(handler, caller, sessions, executor=Here(), workers=1, progress=False, **options)
    tables = {name: getattr(log, name)() for name in ("sessions", *TABLES)}
    rows: dict[str, Any] = {name: json.loads(table.to_json(orient="records")) for name, table in tables.items()}
    return rows | {"remarks": log.manifest["remarks"]}


def _rows(record: str) -> dict[str, Any]:
    """Return the rows of a record's JSON, each with the session that it is of."""
    read = json.loads(record)
    index = read["session"]["session_index"]
    tables = {name: [{"session": index} | row for row in read[name]] for name in TABLES}
    return {"sessions": [read["session"]], **tables, "notes": read["notes"]}


_ROADS = {"run": _run, "worker": _worker, "speak": _speak, "simulate": _simulate}


def main() -> None:
    """Play what comes in until nothing does any more."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a handler prints past its session shall not be taken for rows
    logging.getLogger("asyncio").disabled = True
    sys.unraisablehook = lambda _: None
    print(json.dumps(str(Path(vl.__file__).parent.parent)), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(play(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
