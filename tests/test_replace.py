"""A log that is replaced: all of it goes, and nothing that is no part of a log."""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from test_analyze import booked, declaration, session, write_log

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import LogError
from voicelab.log import clear as clearing
from voicelab.log import write
from voicelab.log.write import settled_shards, stage_shard

SAYS_HI = "async def handler(event, context):\n    yield TextToSpeechEvent(text='hi')\n"
pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")


def simulated(log, overwrite=True, **options):
    return vl.simulate(SAYS_HI, ["hi"], 3, log=log, overwrite=overwrite, workers=1, progress=False, **options)


@pytest.fixture(params=["simulate", "read"])
def replace(request, tmp_path):
    if request.param == "simulate":
        return simulated
    from test_voicerun import call

    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "s1.json").write_text(json.dumps(call("s1", "formal", True)))
    weights = {"greeting": {"formal": 1, "casual": 1}}
    return partial(voicerun.read, tmp_path / "exports", overwrite=True, weights=weights)


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").mkdir()
    rows = [
        session(i, exposures=[("t", "ab"[i % 2], "random", declaration())], outcomes=[booked(True)]) for i in range(7)
    ]
    write_log(tmp_path / "log", rows)
    return tmp_path / "log"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "put",
    [
        lambda folder: (folder / "thesis.txt").write_text("precious"),
        lambda folder: (folder / "sessions").mkdir(),
        lambda folder: (folder / "manifest.json").write_text('{"name": "a web page"}'),
    ],
    ids=["a file", "a folder that is named like a table", "a manifest of something else"],
)
def test_a_folder_that_is_no_log_is_refused_whole(replace, tmp_path, put):
    folder = tmp_path / "mine"
    folder.mkdir()
    put(folder)
    before = everything(folder), sorted(folder.iterdir())
    with pytest.raises(LogError, match="nothing was removed"):
        replace(log=folder)
    assert (everything(folder), sorted(folder.iterdir())) == before


@pytest.mark.parametrize(
    "name", ["notes.md", "sessions/notes.md", "sessions/part-1.parquet", "mine/part-000000.parquet", "_spec/a.txt",
             "audio/holiday.wav", "late/notes/x.txt", "events.parquet"],
)  # fmt: skip
def test_a_file_of_the_users_in_a_log_is_named_and_nothing_is_removed(replace, log, name):
    own = log / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("precious")
    before = everything(log)
    named = name if own.parent.name in ("_spec", "audio", "sessions", "log") else own.parent.relative_to(log)
    with pytest.raises(LogError, match=f"no part of a log: {named}"):
        replace(log=log)
    assert everything(log) == before


def test_all_that_a_log_consists_of_is_replaced(replace, log):
    vl.open_log(log).add_outcomes(vl.open_log(log).sessions()[["session_id"]].assign(paid=1.0))
    stage_shard(log, 9, "12-40", [session(0)])
    (log / "_spec" / "000009-all.tmp").mkdir()
    (log / "_spec" / "claims" / "3").mkdir(parents=True)
    (log / "_manifest.json.tmp").write_text("{")
    (log / "audio").mkdir()
    (log / "audio" / "0123456789abcdef.wav").write_bytes(b"")
    (log / "audio" / "_0123456789abcdef.wav").write_bytes(b"")
    shutil.copy(log / "sessions" / "part-000000.parquet", log / "sessions" / "part-000001.parquet")
    opened = replace(log=log)
    assert opened.finished
    assert settled_shards(log) == [0]
    assert {path.name for path in log.iterdir()} == {"manifest.json", "checksums", *write.STORED}
    assert not set(opened.sessions()["session_id"]) & {f"s00{i}" for i in range(7)}


@pytest.mark.parametrize("linked", ["", "sessions", "sessions/part-000000.parquet", "_spec", "manifest.json", "audio"])
def test_no_link_is_followed(replace, log, tmp_path, linked):
    elsewhere = tmp_path / "elsewhere"
    if (log / linked).exists():
        (log / linked).rename(elsewhere)
    else:
        elsewhere.mkdir()
        (elsewhere / "000000-all").mkdir()
        (elsewhere / "0123456789abcdef.wav").write_text("precious")
    (log / linked).symlink_to(elsewhere)
    before = everything(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()
    with pytest.raises(LogError, match="is a link|no part of a log"):
        replace(log=log)
    assert (everything(elsewhere) if elsewhere.is_dir() else elsewhere.read_bytes()) == before


def test_a_removal_that_was_cut_leaves_an_unfinished_log_that_can_be_replaced(replace, log, monkeypatch):
    removed = []
    unlink = Path.unlink

    def fail(path, **options):
        removed.append(path)
        if len(removed) == 3:
            raise OSError(5, "Input/output error", str(path))
        unlink(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(clearing.Path, "unlink", fail)
        with pytest.raises(LogError, match="can't be removed: Input/output error"):
            clearing.clear(log)
    assert not vl.open_log(log).finished
    assert len(vl.open_log(log).sessions()) == 0
    assert replace(log=log).finished


def test_an_import_that_can_not_be_written_leaves_the_old_log(log, tmp_path, monkeypatch):
    from test_voicerun import call

    export = tmp_path / "s1.json"
    export.write_text(json.dumps(call("s1", "formal", True)))
    before = everything(log)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.pq.ParquetWriter, "write_table", full)
    with pytest.raises(LogError, match="No space left"):
        voicerun.read(export, log=log, overwrite=True, weights={"greeting": {"formal": 1, "casual": 1}})
    assert everything(log) == before


def test_what_cannot_be_sent_to_workers_leaves_the_old_log(log):
    handle = os.fdopen(os.dup(1), "w")

    async def handler(event, context):
        yield handle

    before = everything(log)
    with handle, pytest.raises(vl.VoicelabError, match="handle"):
        vl.simulate(handler, ["hi"], 3, log=log, overwrite=True, workers=1, progress=False)
    assert everything(log) == before
