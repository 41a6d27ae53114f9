"""The session log: whole or not at all, and readable whatever happened to it."""

import hashlib
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_analyze import booked, declaration, session, write_log

import voicelab as vl
from voicelab.base.errors import InputError, LogError
from voicelab.base.records import SessionRows, column
from voicelab.log import write
from voicelab.log.checksums import sealed
from voicelab.log.compact import compact
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.write import drop_speculative, settle_shard, settled_shards, stage_shard


def rows(first, count):
    return [
        session(i, exposures=[("t", "ab"[i % 2], "random", declaration())], outcomes=[booked(i % 3 == 0)])
        for i in range(first, first + count)
    ]


@pytest.fixture
def log(tmp_path):
    write_manifest(tmp_path, {"status": "running", "run_id": "r", "shard_size": 10, "source": "simulated"})
    for number in range(3):
        stage_shard(tmp_path, number, "all", rows(10 * number, 10))
        settle_shard(tmp_path, number, "all")
    return tmp_path


def test_equal_sessions_are_equal_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stage_shard(tmp_path / name, 0, "all", rows(0, 50))
    files = [sorted((tmp_path / name).rglob("*.parquet")) for name in ("one", "two")]
    one, two = [[hashlib.sha256(f.read_bytes()).hexdigest() for f in found] for found in files]
    assert one == two
    assert len(one) == 6


def test_every_shard_has_the_same_schema_also_without_rows(tmp_path):
    stage_shard(tmp_path, 0, "all", [session(0)])
    for table, schema in write.STORED_SCHEMAS.items():
        assert pq.read_schema(tmp_path / "_spec" / "000000-all" / f"{table}.parquet").equals(schema)


def test_a_settlement_that_was_cut_in_the_middle_is_completed(tmp_path, monkeypatch):
    stage_shard(tmp_path, 0, "all", rows(0, 5))
    synced = []

    def fail(folder):
        synced.append(folder)
        if len(synced) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "_sync", fail)
        with pytest.raises(KeyboardInterrupt):
            settle_shard(tmp_path, 0, "all")
    assert settled_shards(tmp_path) == []
    settle_shard(tmp_path, 0, "all")
    assert settled_shards(tmp_path) == [0]
    assert not list((tmp_path / "_spec").iterdir())


def test_what_is_staged_is_no_part_of_the_log(log):
    stage_shard(log, 3, "all", rows(30, 10))
    assert len(vl.open_log(log).sessions()) == 30
    drop_speculative(log)
    assert not (log / "_spec").exists()


def test_a_full_disk_is_said_and_harms_nothing(log, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.pq.ParquetWriter, "write_table", full)
    with pytest.raises(LogError, match="No space left on device. What is logged already is untouched"):
        stage_shard(log, 3, "all", rows(30, 10))
    assert settled_shards(log) == [0, 1, 2]


def test_a_log_opens_in_pandas_and_as_frames(log):
    assert len(pd.read_parquet(log / "sessions")) == 30
    opened = vl.open_log(log)
    assert not opened.finished
    assert "unfinished" in repr(opened)
    sessions = opened.sessions()
    assert list(sessions["session_index"]) == list(range(30))
    assert sessions["outcome.booked"].sum() == 10
    assert set(sessions["variant.t"]) == {"a", "b"}
    assert "Session log" in opened._repr_html_()


@pytest.mark.parametrize("frame", ["events", "turns", "exposures", "outcomes", "metrics", "errors", "decisions"])
def test_every_frame_has_its_columns_also_without_rows(tmp_path, frame):
    opened = write_log(tmp_path, [session(0)])
    assert len(getattr(opened, frame)().columns) > 5


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: f.write_bytes(f.read_bytes()[:100]), "is torn, or no Parquet file"),
        (lambda f: f.write_text("not parquet"), "is torn, or no Parquet file"),
        (lambda f: f.unlink(), "is missing"),
        (lambda f: pq.write_table(pa.table({"x": [1]}), f), "holds other columns"),
    ],
    ids=["torn", "foreign", "missing", "another table"],
)
def test_a_damaged_shard_is_named_and_the_rest_stays_readable(log, damage, message):
    damage(log / "outcomes" / "part-000001.parquet")
    with pytest.raises(LogError, match=f"part-000001.parquet {message}"):
        vl.open_log(log)
    with pytest.warns(UserWarning, match="left out"):
        opened = vl.open_log(log, strict=False)
    assert len(opened.sessions()) == 20


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.unlink(), "is no session log"),
        (lambda f: f.write_text("{"), "can't be read as a manifest"),
        (lambda f: f.write_text("[]"), "can't be read as a manifest"),
        (lambda f: f.write_text(json.dumps({"schema_version": 99})), "schema version is 99"),
    ],
)
def test_a_folder_that_is_no_log_of_ours_is_refused(log, spoil, message):
    spoil(log / "manifest.json")
    with pytest.raises(LogError, match=message):
        vl.open_log(log)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(LogError, match="There is no folder"):
        vl.open_log(tmp_path / "nowhere")
    with pytest.raises(InputError):
        vl.open_log(5)


def test_a_session_by_id_and_by_index(log):
    opened = vl.open_log(log)
    assert opened.session(13).session_id == "s013"
    assert opened.session("s013").variants == {"t": "b"}
    for unknown in (30, -1, "s999"):
        with pytest.raises(InputError, match="no session"):
            opened.session(unknown)
    with pytest.raises(LogError, match="simulate"):
        opened.rerun(0)


def test_late_outcomes_join_and_are_not_filled(log):
    opened = vl.open_log(log)
    opened.add_outcomes(pd.DataFrame({"session_id": ["s003", "s004"], "paid": [12.5, None]}))
    sessions = vl.open_log(log).sessions().set_index("session_id")
    assert sessions.loc["s003", "outcome.paid"] == 12.5
    assert sessions["outcome.paid"].notna().sum() == 1
    outcomes = vl.open_log(log).outcomes()
    assert list(outcomes.loc[outcomes["late"], "outcome"]) == ["paid"]
    result = vl.analyze(vl.open_log(log), "t", outcome="paid", rule=vl.StopRule(max_iterations=30, default="a"))
    assert result.variants["n"].sum() == 1


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"id": ["s000"]}), "a column 'session_id'"),
        (pd.DataFrame({"session_id": ["s000"]}), "no outcome"),
        (pd.DataFrame({"session_id": ["s000", "x"], "paid": [1, 2]}), "1 sessions are not in the log, the first 'x'"),
        (pd.DataFrame({"session_id": ["s000", "s000"], "paid": [1, 2]}), "stands there twice"),
        (pd.DataFrame({"session_id": ["s000"], "booked": [1]}), "'booked' already"),
    ],
)
def test_late_outcomes_that_cannot_be_meant_write_nothing(log, frame, message):
    with pytest.raises(InputError, match=message):
        vl.open_log(log).add_outcomes(frame)
    assert not (log / "late").exists()


def looked_into(opened, session_id):
    """Return the parts that a first look for an id opens, and the session that it finds."""
    parts = []

    def read(table, part, names, part_of=opened._part):
        parts.append(part.name)
        return part_of(table, part, names)

    opened._part = read
    return parts, opened.session(session_id)


def test_an_id_is_found_in_one_file_whoever_wrote_the_log(log, tmp_path):
    assert looked_into(vl.open_log(log), "s017")[0] == ["part-000001"]
    with pytest.raises(InputError, match="no session 's99'"):
        looked_into(vl.open_log(log), "s99")
    with pytest.raises(InputError, match="no session"):
        vl.open_log(log).session("\ud800")
    # Joined, and without the marks that a version before didn't write.
    write_manifest(log, read_manifest(log) | {"status": "finished", "sessions": 30})
    compact(log)
    parts, found = looked_into(vl.open_log(log), "s017")
    assert (parts, found.session_index) == (["part-000000-000002"], 17)
    marked = json.loads((log / "checksums" / "part-000000-000002.json").read_text())
    del marked["marks"], marked["sha256"]
    (log / "checksums" / "part-000000-000002.json").write_text(json.dumps(sealed(marked)))
    assert looked_into(vl.open_log(log), "s017")[1].session_index == 17


def test_ids_that_share_a_mark_are_told_apart(tmp_path):
    write_manifest(tmp_path, {"status": "running", "run_id": "r", "shard_size": 1, "source": "imported"})
    for number, own in enumerate(["plumless", "buckeroo"]):  # known to have the same CRC-32
        facts = list(session(number).session)
        facts[column("sessions", "session_id")] = own
        stage_shard(tmp_path, number, "all", [SessionRows(tuple(facts))])
        settle_shard(tmp_path, number, "all")
    parts, found = looked_into(vl.open_log(tmp_path), "buckeroo")
    assert (parts, found.session_index) == (["part-000000", "part-000001"], 1)


def test_a_session_is_opened_by_a_number_out_of_a_frame(log):
    write_log(log, [session(i) for i in range(3)])
    opened = vl.open_log(log)
    index = opened.sessions()["session_index"].iloc[1]
    assert opened.session(index).session_id == opened.session(int(index)).session_id
    with pytest.raises(InputError, match="There is no session True"):
        opened.session(True)
