"""Damage is found before it makes a number, named with its sessions, and run again."""

import json
import random
import shutil
import warnings

import pandas as pd
import pytest
from test_analyze import booked, declaration, session
from test_crashes import SHARDS, hashes, simulated

import voicelab as vl
from voicelab.base.errors import LogError
from voicelab.cli import main
from voicelab.handlers.samples import sample
from voicelab.log.append import LiveLog
from voicelab.log.checksums import sealed
from voicelab.simulation import simulation_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_run, "SHARD_SIZE", 4)
        return simulated(tmp_path_factory.mktemp("whole") / "log").path


@pytest.fixture
def log(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 4)
    return shutil.copytree(whole, tmp_path / "log")


def flip(path, seed=0):
    data = bytearray(path.read_bytes())
    data[random.Random(seed).randrange(len(data))] ^= 1
    path.write_bytes(data)


def left_out(path):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        return vl.open_log(path, strict=False), [str(one.message) for one in said]


DAMAGES = {
    "a flipped bit": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:100]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(random.Random(1).randbytes(300)),
    "removed": lambda path: path.unlink(),
}


FOLDERS = ("sessions", "events", "exposures", "outcomes", "metrics", "checksums")


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        (table, damage)
        for table in FOLDERS
        for damage in DAMAGES
        if table == "events" or damage in ("a flipped bit", "removed")
    ],
)
def test_damage_is_named_with_its_sessions_and_the_rest_can_be_read(log, table, damage):
    file = next((log / table).glob("part-000002.*"))
    DAMAGES[damage](file)
    found = vl.open_log(log, strict=False).verify()
    assert not found.sound
    assert found.n_missing == 4
    assert set(found.to_frame()["first_session"]) == {8}
    assert file.name in str(found)
    opened, said = left_out(log)
    assert any(file.name in one and "4 sessions, 8 to 11" in one for one in said)
    assert list(opened.sessions()["session_index"]) == [*range(8), *range(12, 4 * SHARDS - 1)]
    assert any("4 sessions are missing" in one for one in vl.analyze(opened, "greeting").warnings)
    with pytest.raises(LogError, match=file.name):
        vl.open_log(log).sql("SELECT * FROM sessions, events, exposures, outcomes, metrics LIMIT 1")


def test_a_column_whose_name_is_damaged_is_told_of_a_file_that_has_lost_its_checksum(log):
    next((log / "checksums").glob("part-000002.*")).unlink()
    file = next((log / "events").glob("part-000002.*"))
    file.write_bytes(file.read_bytes().replace(b"time_s", b"time_\xe5"))
    with pytest.warns(UserWarning, match="left out: 4 sessions"):
        opened = vl.open_log(log, strict=False)
    assert len(opened.sessions()) == 4 * SHARDS - 1 - 4
    assert file.name in str(opened.verify())


def test_damaged_shards_run_again_to_the_same_bytes(log, whole, capsys):
    flip(log / "metrics" / "part-000001.parquet")
    (log / "sessions" / "part-000003.parquet").unlink()
    before = (log / "sessions" / "part-000000.parquet").stat().st_mtime_ns
    with pytest.raises(LogError, match="resume=True runs damaged shards"):
        simulated(log)
    simulated(log, resume=True)
    assert "8 sessions are run again" in capsys.readouterr().err
    assert hashes(log) == hashes(whole)
    assert (log / "sessions" / "part-000000.parquet").stat().st_mtime_ns == before
    # So does an unfinished log's, in the middle of it.
    manifest = json.loads((log / "manifest.json").read_text())
    (log / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    (log / "sessions" / f"part-00000{SHARDS - 1}.parquet").unlink()
    DAMAGES["cut"](log / "exposures" / "part-000000.parquet")
    assert simulated(log, resume=True).finished
    assert hashes(log) == hashes(whole)


def test_files_of_another_log_make_no_number_though_they_are_as_they_were_written(log, whole, tmp_path):
    other = simulated(tmp_path / "other", seed=2)
    other.add_outcomes(pd.DataFrame({"session_id": other.sessions()["session_id"], "paid": 1.0}))
    for folder in FOLDERS:
        (file,) = (other.path / folder).glob("part-000001.*")
        shutil.copy(file, log / folder)
    with pytest.raises(LogError, match=f"part-000001.json is from another log.*{other.run_id}.*sessions, 4 to 7"):
        vl.open_log(log)
    opened, said = left_out(log)
    assert (opened.n_missing, len(said)) == (4, 1)
    simulated(log, resume=True)
    assert hashes(log) == hashes(whole)
    own = vl.open_log(log)
    own.add_outcomes(pd.DataFrame({"session_id": own.sessions()["session_id"], "paid": 0.0}))
    for file in ("late/part-000000.parquet", "checksums/late-000000.json"):
        shutil.copy(other.path / file, log / file)
    assert [one.file for one in vl.open_log(whole).verify().damage] == []
    assert [one.file for one in own.verify().damage] == ["late/part-000000.parquet"]
    # A manifest that came in from elsewhere is found by the files that it doesn't belong to.
    shutil.copy(other.path / "manifest.json", log)
    with pytest.raises(LogError, match="from another log"):
        vl.open_log(log)


def test_a_flipped_byte_makes_no_number(log):
    flip(log / "events" / "part-000002.parquet")
    opened = vl.open_log(log)
    assert len(opened.sessions()) == 4 * SHARDS - 1
    assert opened.session(0).session_id
    for read in (opened.events, opened.turns, lambda: opened.session(8), lambda: opened.relation("events")):
        with pytest.raises(LogError, match=r"part-000002.parquet isn't as it was written.*log.verify\(\)"):
            read()


def test_late_outcomes_and_the_manifest_are_verified_too(log):
    ids = vl.open_log(log).sessions()["session_id"]
    for name in ("paid", "returned"):
        vl.open_log(log).add_outcomes(pd.DataFrame({"session_id": ids, name: [1.5] * len(ids)}))
    assert vl.open_log(log).verify().sound
    flip(log / "late" / "part-000000.parquet")
    opened, said = left_out(log)
    assert any("part-000000.parquet" in one for one in said)
    assert {"outcome.returned"} == {name for name in opened.sessions() if name in ("outcome.paid", "outcome.returned")}
    with pytest.raises(LogError, match="late"):
        vl.open_log(log).outcomes()
    (log / "late" / "part-000001.parquet").unlink()
    manifest = (log / "manifest.json").read_text()
    (log / "manifest.json").write_text(manifest.replace('"seed": 1', '"seed": 2'))
    with pytest.warns(UserWarning, match="manifest.json isn't as it was written"):
        files = set(vl.open_log(log, strict=False).verify().to_frame()["file"])
    assert files == {"late/part-000000.parquet", "late/part-000001.parquet", "manifest.json"}


def test_damage_that_no_run_mends_is_said_when_a_log_is_gone_on_with(log, capsys):
    ids = vl.open_log(log).sessions()["session_id"]
    vl.open_log(log).add_outcomes(pd.DataFrame({"session_id": ids, "paid": [1.5] * len(ids)}))
    flip(log / "late" / "part-000000.parquet")
    simulated(log, resume=True)
    assert "part-000000.parquet isn't as it was written" in capsys.readouterr().err


def test_a_lost_session_of_a_console_is_missed(tmp_path):
    live = LiveLog(tmp_path / "log", "r", {})
    for _ in range(4):
        index = live.claim()
        if index != 1:  # closed before it had begun
            live.add(index, session(index, exposures=[("t", "a", "random", declaration())], outcomes=[booked(1)]))
    assert vl.open_log(tmp_path / "log").verify().sound
    (tmp_path / "log" / "sessions" / "part-000002.parquet").unlink()
    with pytest.raises(LogError, match="part-000002.parquet is missing. It concerns session 2"):
        vl.open_log(tmp_path / "log")


def test_what_is_missing_is_told_as_ranges_however_much_a_manifest_claims(log):
    n = len(vl.open_log(log).sessions())
    facts = {key: value for key, value in json.loads((log / "manifest.json").read_text()).items() if key != "sha256"}
    (log / "manifest.json").write_text(json.dumps(sealed(facts | {"sessions": 2**31, "late": 2**31})))
    with pytest.warns(UserWarning, match="behind it are missing, and 1 other file too. What is damaged is left out"):
        found = vl.open_log(log, strict=False).verify()
    assert found.n_missing == 2**31 - 4 * -(-n // 4), "in whole shards of four"
    assert len(found.damage) == 2
    assert "late/part-000000.parquet and the 2,147,483,647 behind it are missing" in str(found)


def test_a_log_of_the_version_before_opens_as_ever_and_has_no_checksums(tmp_path, capsys):
    """`data/logs/greeting` was written before there were any: what opens it is what migrates it."""
    old = shutil.copytree(sample("logs/greeting"), tmp_path / "old")
    log = vl.open_log(old)
    assert len(log.sessions()) == 2000
    assert log.session(1999).session_id
    found = log.verify()
    assert found.sound
    assert found.checksums is None
    assert "no checksums" in str(found)
    assert main(["log", "check", str(old)]) == 0
    log.add_outcomes(log.sessions()[["session_id"]].assign(paid=1.0))
    assert main(["log", "compact", str(old)]) == 0
    assert vl.open_log(old).verify().checksums == "sha256"
    assert "no checksums" in capsys.readouterr().out
    DAMAGES["zeros"](old / "metrics" / "part-000000.parquet")
    with pytest.raises(LogError, match="metrics/part-000000.parquet isn't as it was written"):
        vl.open_log(old).metrics()


def test_sessions_that_have_lost_their_checksums_alone_are_read_and_counted_as_not_verified(tmp_path):
    log = vl.simulate(
        "async def handler(event, context):\n    return\n    yield\n", ["hi"], 3, log=tmp_path / "log", progress=False
    )
    shutil.rmtree(log.path / "checksums")
    with pytest.raises(LogError, match=r"checksums/.* is missing.*strict=False"):
        vl.open_log(log.path)
    with pytest.warns(UserWarning, match="3 sessions can be read but not verified") as said:
        opened = vl.open_log(log.path, strict=False)
    assert len(said) == 1
    assert len(opened.sessions()) == 3
    assert not opened.verify().sound
