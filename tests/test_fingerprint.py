"""A run's fingerprint: two different runs never share one, and a log knows how its own was computed."""

import dataclasses
import datetime
import decimal
import functools
import json
import threading

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import LogError
from voicelab.handlers import load_handler
from voicelab.predicates import Evaluator, Evaluators
from voicelab.runs.options import SessionOptions
from voicelab.simulation import simulation_run
from voicelab.simulation.fingerprint import VERSION, fingerprint
from voicelab.simulation.fingerprint import of_options as fingerprints
from voicelab.world.telephone import Telephone

SILENT = "async def handler(event, context):\n    return\n    yield\n"
GOLD = {"plan": "gold"}

# Another value for every option, the same for all fields that can have it.
OTHERS = {
    "handler": load_handler(SILENT + "    yield\n"),
    "callers": vl.Script(["bye"]),
    "world": vl.World(0.1),
    "parameters": GOLD,
    "variants": GOLD,
    "run_test": GOLD,
    "configuration": GOLD,
    "input_data": GOLD,
    "start": datetime.datetime(2026, 5, 1, tzinfo=datetime.UTC),
    "direction": "outbound",
    "telephone": Telephone(),
    "model": vl.Model(),
    "shared_data": GOLD,
    "http": vl.Http({"GET https://api.example/": 404}),
    "patches": GOLD,
    "limits": vl.Limits(cpu_s=1),
    "evaluators": Evaluators([Evaluator("long", assertion={"turn_count": {"$gte": 3}})]),
}
# What doesn't count: the seed stands in a run's identity by itself.
NO_PARTS = {"seed": 1}
# Another value for everything that a session can know of its handler.
HANDLERS = {"name": "other", "strict": True, "environment": "production", "variables": GOLD}
NO_HANDLERS = {"project", "tenant"}


def options(**changed):
    return SessionOptions(**{"handler": load_handler(SILENT), "callers": vl.Script(["hi"]), **changed})


def of_options(given):
    return fingerprint(fingerprints(given))


def test_every_option_is_known_here():
    assert {field.name for field in dataclasses.fields(SessionOptions)} == OTHERS.keys() | NO_PARTS.keys()


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(SessionOptions) if field.name not in NO_PARTS]
)
def test_another_value_of_any_field_makes_another_run(name):
    assert of_options(options(**{name: OTHERS[name]})) != of_options(options())


@pytest.mark.parametrize("name", NO_PARTS)
def test_what_changes_no_session_makes_no_other_run(name):
    assert of_options(options(**{name: NO_PARTS[name]})) == of_options(options())


def test_how_many_deaths_a_run_bears_makes_no_other_run():
    assert of_options(options(limits=vl.Limits(deaths=9))) == of_options(options())


def test_the_same_value_of_two_fields_makes_two_runs():
    runs = [of_options(options(**{name: value})) for name, value in OTHERS.items()]
    runs += [of_options(options()), of_options(options(parameters=(GOLD,)))]
    assert len(set(runs)) == len(runs)


def test_everything_that_sessions_know_of_their_handler_counts():
    public = {name for name in vars(load_handler(SILENT)) if not name.startswith("_")}
    assert public == HANDLERS.keys() | NO_HANDLERS
    runs = {of_options(options())}
    for name, value in HANDLERS.items():
        changed = load_handler(SILENT)
        setattr(changed, name, value)
        runs.add(of_options(options(handler=changed)))
    assert len(runs) == len(HANDLERS) + 1


def added(a, b=0):
    return a + b


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (datetime.date(2026, 5, 1), datetime.date(2026, 5, 2)),
        (pd.Timestamp("2026-05-01"), pd.Timestamp("2026-05-02")),
        (decimal.Decimal(1), decimal.Decimal(2)),
        (np.int64(1), np.int64(2)),
        (np.array([1]), np.array([2])),
        (functools.partial(added, 1), functools.partial(added, 2)),
        (vl.World(0.1).begin, vl.World(0.2).begin),
        (vl.Script(["hi"]).begin, vl.Script(["hi"]).__repr__),
        ("1", 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_differ_have_other_fingerprints(one, other):
    assert fingerprint({"at": one}) != fingerprint({"at": other})


def test_what_can_be_in_one_process_alone_counts_by_its_class():
    assert fingerprint([threading.Lock()]) == fingerprint([threading.Lock()])


# --- logs ------------------------------------------------------------------------------------------------------------


def simulated(log, **options):
    return vl.simulate(SILENT, ["hi"], sessions=4, log=log, workers=1, progress=False, **options)


def test_a_log_of_input_data_is_not_opened_for_the_same_shared_data(tmp_path):
    log = simulated(tmp_path / "log", input_data=GOLD)
    assert simulated(tmp_path / "log", input_data=GOLD).manifest["run_id"] == log.manifest["run_id"]
    with pytest.raises(LogError, match="holds another run .*; other options: input_data, shared_data"):
        simulated(tmp_path / "log", shared_data=GOLD)


def of_the_version_before(log, **changed):
    """Make a log's manifest one as the version before wrote it."""
    path = log.path / "manifest.json"
    manifest = json.loads(path.read_text()) | {"fingerprint": "0" * 64} | changed
    del manifest["fingerprint_version"]
    path.write_text(json.dumps(manifest))
    return path.parent


def test_an_unfinished_log_of_the_version_before_is_read_and_not_resumed(tmp_path):
    folder = of_the_version_before(simulated(tmp_path / "log"), status="running")
    for resume in (True, False):
        with pytest.raises(LogError, match=r"unfinished log \(4 sessions .* version 1, .* can't be resumed by this"):
            simulated(folder, resume=resume)
    assert len(vl.open_log(folder).sessions()) == 4
    assert simulated(folder, overwrite=True, resume=True).manifest["fingerprint_version"] == VERSION


def test_a_finished_log_of_the_version_before_is_read_and_not_taken_for_this_run(tmp_path):
    folder = of_the_version_before(simulated(tmp_path / "log"))
    with pytest.raises(LogError, match=r"a finished log .* whether it is of this run can't be told") as caught:
        simulated(folder)
    assert "another run" not in str(caught.value)
    assert len(vl.open_log(folder).sessions()) == 4


def test_a_log_of_the_version_before_with_another_seed_holds_another_run(tmp_path):
    folder = of_the_version_before(simulated(tmp_path / "log"), seed=9)
    with pytest.raises(LogError, match="holds another run"):
        simulated(folder)


def test_a_log_cut_into_other_shards_holds_another_run(tmp_path, monkeypatch):
    log = simulated(tmp_path / "log")
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 3)
    with pytest.raises(LogError, match="holds another run"):
        simulated(log.path)
