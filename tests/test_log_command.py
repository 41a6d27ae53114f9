"""`voicelab log`: what stands in a log, whether it is whole, fewer files, a copy without what a pattern finds."""

import json
import shutil
import wave

import pandas as pd
import pytest
from test_analyze import booked, declaration, session
from test_crashes import SHARDS, simulated

import voicelab as vl
from voicelab.base.errors import InputError, LogError
from voicelab.base.records import SESSIONS, SessionRows
from voicelab.cli import main
from voicelab.log import compact as compacting
from voicelab.log.append import LiveLog
from voicelab.log.redact import redact
from voicelab.simulation import simulation_run


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 4)
    monkeypatch.setattr(compacting, "SESSIONS", 12)
    return simulated(tmp_path / "log").path


def files(log, table):
    return sorted(path.name for path in (log / table).iterdir())


def test_info_says_what_stands_in_a_log(log, capsys):
    assert main(["log", "info", str(log)]) == 0
    out = capsys.readouterr().out
    for said in (
        f"{4 * SHARDS - 1} completed",
        "test greeting",
        "sha256",
        f"{SHARDS} files",
        "source",
        "voicelab 0.1.0",
    ):
        assert said in out


def test_check_exits_with_1_for_a_damaged_log_and_names_file_and_sessions(log, capsys):
    assert main(["log", "check", str(log)]) == 0
    assert "sound" in capsys.readouterr().out
    (log / "events" / "part-000001.parquet").write_bytes(b"")
    assert main(["log", "check", str(log)]) == 1
    printed = capsys.readouterr()
    assert "events/part-000001.parquet is torn, or no Parquet file (4 sessions, 4 to 7)" in printed.out
    assert "is damaged" in printed.err


def test_a_compacted_log_holds_the_same_in_fewer_files(log):
    before = vl.open_log(log)
    frames = [before.sessions(), before.events(), before.turns(), before.exposures(), before.outcomes()]
    records = [before.session(index).to_json() for index in range(4 * SHARDS - 1)]
    result = str(vl.analyze(before, "greeting"))
    assert main(["log", "compact", str(log)]) == 0
    assert (
        files(log, "events") == files(log, "sessions") == ["part-000000-000002.parquet", "part-000003-000004.parquet"]
    )
    assert files(log, "checksums") == ["part-000000-000002.json", "part-000003-000004.json"]
    after = vl.open_log(log)
    assert after.verify().sound
    same = [after.sessions(), after.events(), after.turns(), after.exposures(), after.outcomes()]
    for one, other in zip(frames, same, strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert [after.session(index).to_json() for index in range(4 * SHARDS - 1)] == records
    assert str(vl.analyze(after, "greeting")) == result
    assert len(pd.read_parquet(log / "sessions")) == 4 * SHARDS - 1


def test_a_damaged_file_of_a_compacted_log_runs_again_shard_by_shard(log, capsys):
    before = vl.open_log(log).sessions()
    main(["log", "compact", str(log)])
    (log / "outcomes" / "part-000000-000002.parquet").write_bytes(b"x")
    with pytest.raises(LogError, match="12 sessions, 0 to 11"):
        vl.open_log(log)
    with pytest.raises(LogError, match="is damaged, and stays as it is"):
        compacting.compact(log)
    pd.testing.assert_frame_equal(simulated(log, resume=True).sessions(), before)
    assert files(log, "events")[0] == "part-000000.parquet"
    assert files(log, "events")[-1] == "part-000003-000004.parquet"


def test_a_console_goes_on_in_a_log_that_was_compacted(tmp_path, monkeypatch):
    monkeypatch.setattr(compacting, "SESSIONS", 3)
    live = LiveLog(tmp_path / "log", "r", {})

    def talk():
        index = live.claim()
        live.add(index, session(index, exposures=[("t", "a", "random", declaration())], outcomes=[booked(1)]))
        return index

    assert [talk() for _ in range(5)] == [0, 1, 2, 3, 4]
    assert compacting.compact(tmp_path / "log") == (5, 2)
    assert [talk(), talk()] == [5, 6]
    opened = vl.open_log(tmp_path / "log")
    assert list(opened.sessions()["session_index"]) == list(range(7))
    assert [opened.session(index).session_id for index in (1, 4, 6)] == ["s001", "s004", "s006"]
    assert compacting.compact(tmp_path / "log") == (4, 3)


PHONE, OTHER = "+43 664 1234567", "0664/7654321"
NUMBERS = r"\+?\d[\d /]{6,}\d"


def personal(folder):
    """Write a log with telephone numbers wherever texts lie, one of a caller who calls twice."""
    live = LiveLog(folder, "r", {"callers": f"callers of {PHONE}"})
    for at, number in enumerate([PHONE, OTHER, PHONE, OTHER, OTHER]):
        index = live.claim()
        rows = session(
            index,
            exposures=[("t", "ab"[at % 2], "random", declaration())],
            outcomes=[booked(at % 2), ("reason", "string", None, f"about {number}", True)],
        )
        cells = dict(zip(SESSIONS, rows.session, strict=True)) | {
            "error": f"no answer from {number}",
            "parameters": json.dumps({"phone": number, "digits": 436641234567, "list": [number], "age": 41}),
            "data": json.dumps({"caller_id": number}),
            "tags": json.dumps([number]),
        }
        label = ("input", "text", False, f"ring {number}")
        events = [(0.0, 1, label, json.dumps({"text": f'call "{number}"', "duration": 98765432, "role": "user"}))]
        metric = (0, 0.0, 1, "counter", "calls", 1.0, json.dumps({"of": number}))
        live.add(index, SessionRows(tuple(cells.values()), events, rows.exposures, rows.outcomes, [metric]))
    with wave.open(str(folder / "voice.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
    live.keep_audio("0123456789abcdef", (folder / "voice.wav").read_bytes())
    (folder / "voice.wav").unlink()
    log = vl.open_log(folder)
    log.add_outcomes(pd.DataFrame({"session_id": ["s000"], "complaint": [f"from {PHONE}"]}))
    return vl.open_log(folder)


def test_a_redacted_copy_holds_no_found_text_and_is_analysed_alike(tmp_path, capsys):
    log = personal(tmp_path / "log")
    assert main(["log", "redact", str(tmp_path / "log"), str(tmp_path / "copy"), "--pattern", NUMBERS]) == 0
    assert "5 in events.data" in (said := capsys.readouterr().out)
    assert "recordings are left out" in said
    copy = vl.open_log(tmp_path / "copy")
    assert copy.verify().sound
    frames = [copy.sessions(), copy.events(), copy.outcomes(), copy.metrics(), copy.errors()]
    told = "".join(frame.to_csv() for frame in frames) + (tmp_path / "copy" / "manifest.json").read_text()
    for number in (PHONE, OTHER, "1234567", "7654321"):
        assert number not in told
    assert not (tmp_path / "copy" / "audio").exists()
    # Who calls twice is still one caller, and a measure a measure.
    assert copy.sessions()["data"].nunique() == 2
    event = json.loads(copy.events()["data"][0])
    assert event["duration"] == 98765432
    assert event["text"].startswith('call "[redacted:')
    assert json.loads(copy.sessions()["parameters"][0])["age"] == 41
    for asked in ({}, {"unit": "caller_id"}):
        one, other = (vl.analyze(data, "t", outcome="booked", **asked) for data in (log, copy))
        pd.testing.assert_frame_equal(one.variants, other.variants)
        assert one.decision == other.decision
        assert one.comparisons.equals(other.comparisons)


def test_what_was_masked_stays_as_it_is_when_a_copy_is_redacted_again(tmp_path):
    personal(tmp_path / "log")
    redact(tmp_path / "log", tmp_path / "copy", [NUMBERS])
    assert redact(tmp_path / "copy", tmp_path / "again", [NUMBERS, r"[a-p]{12}", "(?i)REDACTED"]) == {}
    texts = [vl.open_log(tmp_path / name).outcomes()["text"].tolist() for name in ("copy", "again")]
    assert texts[0] == texts[1]


def test_a_redacted_simulation_is_not_run_again(log, tmp_path):
    redact(log, tmp_path / "copy", ["Hi"])
    shutil.rmtree(tmp_path / "copy" / "events")
    with pytest.raises(LogError, match="would say again what was masked"):
        simulated(tmp_path / "copy", resume=True)


@pytest.mark.parametrize("pattern", ["[", "", "x*", "(?P<a>"])
def test_a_pattern_that_cannot_be_meant_is_refused(log, tmp_path, pattern):
    with pytest.raises(InputError, match="The pattern"):
        redact(log, tmp_path / "copy", [pattern])
    assert not (tmp_path / "copy").exists()


def test_nothing_is_written_over(log, tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.txt").write_text("")
    with pytest.raises(LogError, match="is there already"):
        redact(log, tmp_path / "copy", ["Hi"])
