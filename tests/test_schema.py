"""Logs of earlier versions open, and are never gone on with as if they were of this one; columns don't change unnoticed."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

import voicelab as vl
from voicelab.base.errors import LogError
from voicelab.base.records import SCHEMA_VERSION
from voicelab.log.schema import SCHEMAS
from voicelab.simulation import simulation_run

SAMPLES = Path(__file__).parent / "samples" / "logs"
EARLIER = ["9952bb7", "6f73867"]
HANDLER = """
from primfunctions.events import *
import random

async def handler(event, context):
    if event.name == "start":
        context.experiment("greeting", {"a": 0.5, "b": 0.5}, conversion_metrics=["booked"])
        yield TextToSpeechEvent(text="Hi", voice="nova")
        context.set_outcome("booked", random.random() < 0.5)
        yield StopEvent()
"""
COLUMNS = {1: "13b71ca140639bca"}
"""By schema version, what its tables are: a version that was released is never changed here, a new one is added."""


@pytest.fixture
def earlier(request, tmp_path, monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 3)
    return shutil.copytree(SAMPLES / request.param, tmp_path / "log")


def edited(log, **facts):
    manifest = json.loads((log / "manifest.json").read_text()) | facts
    (log / "manifest.json").write_text(json.dumps(manifest))


def simulated(log, **options):
    return vl.simulate(HANDLER, ["hi"], sessions=6, seed=1, log=log, workers=1, progress=False, **options)


def test_a_change_of_the_columns_raises_the_schema_version():
    """Whoever changes a column: raise SCHEMA_VERSION, read the version before as docs/log.md says, keep a log of it."""
    described = json.dumps({table: [(f.name, str(f.type)) for f in schema] for table, schema in SCHEMAS.items()})
    assert COLUMNS.get(SCHEMA_VERSION) == hashlib.sha256(described.encode()).hexdigest()[:16]
    assert list(COLUMNS) == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("earlier", EARLIER, indirect=True)
def test_a_log_of_an_earlier_version_is_read_as_it_was_written(earlier):
    log = vl.open_log(earlier)
    sessions = log.sessions()
    assert sessions["variant.greeting"].tolist() == ["a", "a", "b", "b", "a", "b"]
    assert sessions["outcome.booked"].tolist() == [1, 0, 0, 0, 0, 1]
    assert (log.events(name="text_to_speech")["data"].str.contains("Hi")).all()
    assert log.session(sessions["session_id"][4]).session_index == 4
    assert dict(vl.analyze(log, "greeting").variants.set_index("variant")["n"]) == {"a": 3, "b": 3}
    assert (log.verify().sound, log.verify().checksums) == (True, None)


@pytest.mark.parametrize("earlier", EARLIER, indirect=True)
def test_a_log_of_an_earlier_version_is_not_resumed_and_stays_as_it_is(earlier):
    with pytest.raises(LogError, match="another version of voicelab wrote .*whether it is of this run can't be told"):
        simulated(earlier, resume=True)
    edited(earlier, status="running")
    (earlier / "sessions" / "part-000001.parquet").unlink()
    with pytest.raises(LogError, match=r"another version of voicelab wrote .*can't be resumed.*vl.open_log"):
        simulated(earlier, resume=True)
    assert len(vl.open_log(earlier).sessions()) == 3
    assert simulated(earlier, overwrite=True).verify().checksums == "sha256"


def test_options_that_one_version_alone_knows_make_no_other_run(tmp_path):
    log = simulated(tmp_path / "log").path
    options = json.loads((log / "manifest.json").read_text())["options"]
    fewer = {name: digest for name, digest in options.items() if name not in ("http", "patches")}
    edited(log, fingerprint="0", options=fewer)
    with pytest.raises(
        LogError, match=r"another version of voicelab wrote \(the options http, patches are known to one"
    ):
        simulated(log)
    edited(log, options=fewer | {"handler": "0"})
    with pytest.raises(LogError, match=r"holds another run \(.*other options: handler\)"):
        simulated(log)


@pytest.mark.parametrize("earlier", EARLIER[-1:], indirect=True)
def test_a_log_of_a_newer_version_is_refused_and_not_replaced(earlier):
    edited(earlier, schema_version=SCHEMA_VERSION + 1, versions={"voicelab": "9.1"})
    newer = rf"written by a newer voicelab \(9.1\): its schema version is {SCHEMA_VERSION + 1}.*Update voicelab"
    for use in (
        vl.open_log,
        simulated,
        lambda log: simulated(log, resume=True),
        lambda log: simulated(log, overwrite=True),
    ):
        with pytest.raises(LogError, match=newer):
            use(earlier)
    for wrong in (0, "1", True, None, 1.0):
        edited(earlier, schema_version=wrong)
        with pytest.raises(LogError, match=r"schema_version is .*must be a whole number"):
            vl.open_log(earlier)
