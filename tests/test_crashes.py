"""What a log's writers promise when a machine loses its power at any moment, on a disk that loses and reorders the rest."""

import hashlib
import random
import shutil
from concurrent.futures import Future

import pandas as pd
import pyarrow.parquet as pq
import pytest
from crashing_disk import CrashingDisk
from test_analyze import booked, declaration, session

import voicelab as vl
from voicelab.base.errors import LogError
from voicelab.log import compact as compacting
from voicelab.log import disk as writing
from voicelab.log import write
from voicelab.log.append import LiveLog
from voicelab.log.compact import compact
from voicelab.log.manifest import read_manifest
from voicelab.log.verify import read_through
from voicelab.log.write import settled_shards
from voicelab.simulation import driver, simulation_run

SAYS_HI = """
from primfunctions.events import *
import random

async def handler(event, context):
    if event.name == "start":
        context.experiment("greeting", {"a": 0.5, "b": 0.5}, conversion_metrics=["booked"])
        yield TextToSpeechEvent(text="Hi", voice="nova")
        context.set_outcome("booked", random.random() < 0.5)
        yield StopEvent()
"""
SHARDS = 5


class Here:
    """An executor that runs shards in this process, one after another."""

    def submit(self, function, packed):
        done = Future()
        done.set_result(function(packed))
        return done


@pytest.fixture(autouse=True)
def short_shards(monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 4)
    monkeypatch.setattr(compacting, "SESSIONS", 12)


def simulated(log, seed=1, **options):
    return vl.simulate(
        SAYS_HI, ["hi"], 4 * SHARDS - 1, seed=seed, log=log, executor=Here(), workers=1, progress=False, **options
    )


def hashes(log):
    """Return what a log consists of, but for its manifest, which says when it was written."""
    found = [path for path in log.rglob("*") if path.is_file() and path.name not in ("manifest.json", "_lock")]
    return {str(path.relative_to(log)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def crashed(disk, tmp_path, n):
    """Yield logs as they could be found after a crash, with what was promised by then."""
    begun = range(disk.n_before + 1, len(disk.steps) + 1)
    manifests = [at for at in begun if (to := disk.steps[at - 1].target) and to[1] == "manifest.json"]
    for seed in range(n):
        chance = random.Random(seed)
        folder = tmp_path / "crashed"
        shutil.rmtree(folder, ignore_errors=True)
        # A moment in which a manifest has its name and not for good yet is short, and says most.
        at = chance.choice(manifests if manifests and seed % 3 == 0 else begun)
        yield seed, folder / "log", disk.after_a_crash(at, chance, folder)


def lost(log, promised):
    """Return what is wrong with a log after a crash: damage, or shards that were settled and are gone."""
    if not (log / "manifest.json").exists():
        return list(promised)
    try:
        damage = read_through(log, read_manifest(log)).damage
    except LogError as error:
        return [error]
    return [*damage, *(set(promised) - set(settled_shards(log)))]


@pytest.fixture
def simulating(tmp_path, monkeypatch):
    """Simulate on a crashing disk; each shard is promised when it is settled."""

    def simulate(**options):
        root = tmp_path / "disk"
        root.mkdir(exist_ok=True)
        disk = CrashingDisk(root, monkeypatch)
        settle = driver.settle_shard

        def settle_and_mark(folder, number, tag):
            settle(folder, number, tag)
            disk.mark(number)

        monkeypatch.setattr(driver, "settle_shard", settle_and_mark)
        simulated(root / "log", **options)
        return disk

    return simulate


def test_no_settled_session_is_lost_and_none_damaged_whenever_the_power_goes(simulating, tmp_path, monkeypatch):
    disk = simulating()
    monkeypatch.undo()
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 4)
    whole = hashes(disk.root / "log")
    for seed, log, promised in crashed(disk, tmp_path, 200):
        assert not lost(log, promised), f"schedule {seed}"
        if seed % 40 == 0:
            simulated(log, resume=True)
            assert hashes(log) == whole, f"schedule {seed}"


def test_a_writer_that_syncs_no_folder_would_be_caught(simulating, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "sync", lambda folder: None)
    monkeypatch.setattr(write, "_sync", lambda folder: None)
    disk = simulating()
    assert any(lost(log, promised) for _, log, promised in crashed(disk, tmp_path, 30))


def test_a_writer_that_syncs_no_file_would_be_caught(simulating, tmp_path, monkeypatch):
    disk = simulating()
    disk.steps = [step for step in disk.steps if step.kind != "sync" or step.node.is_folder]
    assert any(lost(log, promised) for _, log, promised in crashed(disk, tmp_path, 30))


def test_a_log_that_replaces_another_never_holds_sessions_of_that(simulating, tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    old = simulated(tmp_path / "disk" / "log", seed=2).run_id
    disk = simulating(overwrite=True)
    monkeypatch.undo()
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 4)
    whole = hashes(disk.root / "log")
    for seed, log, promised in crashed(disk, tmp_path, 150):
        run_id = read_manifest(log)["run_id"]
        if run_id != old:
            assert not lost(log, promised), f"schedule {seed}"
            files_of = [log / "sessions" / f"part-{number:06d}.parquet" for number in settled_shards(log)]
            assert {row for file in files_of for row in pq.read_table(file)["run_id"].to_pylist()} <= {run_id}
        if seed % 75 == 0:
            simulated(log, resume=True, overwrite=True)
            assert hashes(log) == whole, f"schedule {seed}"


def test_a_log_is_whole_at_every_moment_while_it_is_compacted(tmp_path, monkeypatch):
    log = tmp_path / "disk" / "log"
    before = simulated(log).sessions()
    with monkeypatch.context() as patch:
        disk = CrashingDisk(tmp_path / "disk", patch)
        assert compact(log) == (SHARDS, 2)
    whole = hashes(log)
    for seed, crashed_log, _ in crashed(disk, tmp_path, 50):
        assert not lost(crashed_log, range(SHARDS)), f"schedule {seed}"
        if seed % 20 == 0:
            pd.testing.assert_frame_equal(vl.open_log(crashed_log).sessions(), before)
            compact(crashed_log)
            assert hashes(crashed_log) == whole, f"schedule {seed}"


def test_what_a_console_and_late_outcomes_have_added_stays(tmp_path, monkeypatch):
    root = tmp_path / "disk"
    root.mkdir()
    with monkeypatch.context() as patch:
        disk = CrashingDisk(root, patch)
        live = LiveLog(root / "log", "r", {})
        for at in range(6):
            index = live.claim()
            live.add(index, session(index, exposures=[("t", "a", "random", declaration())], outcomes=[booked(1)]))
            disk.mark(index)
            if at % 2:
                frame = pd.DataFrame({"session_id": [f"s{index:03d}"], f"paid {at}": [at]})
                vl.open_log(root / "log").add_outcomes(frame)
                disk.mark(f"paid {at}")
    for seed, log, promised in crashed(disk, tmp_path, 50):
        sessions = [one for one in promised if isinstance(one, int)]
        assert not lost(log, sessions), f"schedule {seed}"
        if promised and seed % 20 == 0:
            outcomes = vl.open_log(log).outcomes()
            assert {one for one in promised if isinstance(one, str)} <= set(outcomes["outcome"]), f"schedule {seed}"


def test_a_file_that_was_cut_is_no_log_that_opens(tmp_path):
    """What `lost` goes by does see damage."""
    log = simulated(tmp_path / "log").path
    file = log / "events" / "part-000002.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    assert lost(log, range(SHARDS))
    with pytest.raises(LogError, match="part-000002.parquet is torn"):
        vl.open_log(log)


def test_a_file_that_was_closed_is_written_no_more(tmp_path):
    """Arrow tries again to end a file when it lets go of it; by then the number may be another file's, also another log's."""
    with writing.NewFile(tmp_path / "first") as file:
        file.write(b"first")
    with writing.NewFile(tmp_path / "second") as other:  # which gets the number
        with pytest.raises(ValueError, match="closed"):
            file.write(b"first again")
        other.write(b"second")
    assert (tmp_path / "second").read_bytes() == b"second"
