"""The connection of a log: kept from query to query, never in the way of threads, forks, pickles and what is added."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import voicelab as vl
from voicelab.log import database
from voicelab.log.append import LiveLog

GREETING = Path(__file__).parent.parent / "data" / "logs" / "greeting"


@pytest.fixture
def connections(monkeypatch):
    """Return the connections that are made."""
    made = []
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda: made.append(connect()) or made[-1])
    return made


def test_a_log_connects_once(connections):
    log = vl.open_log(GREETING)
    assert len(log.sessions()) == len(log.sessions()) == 2000
    assert len(log.turns()) > len(log.exposures()) == len(log.outcomes())
    assert len(connections) == 1


def test_an_analysis_reads_each_table_once(monkeypatch):
    log = vl.open_log(GREETING)
    read, columns = [], log.columns
    monkeypatch.setattr(log, "columns", lambda table, names: read.append(table) or columns(table, names))
    monkeypatch.setattr(log, "_frame", lambda *_: pytest.fail("a frame was made"))
    vl.analyze(
        log, outcome=["satisfied", "n_turns", "status=hangup"], guardrails=["duration_s", "n_errors"], by="caller"
    )
    assert sorted(read) == ["exposures", "late", "outcomes", "sessions"]


def test_an_outcome_that_another_log_object_adds_is_seen_at_once(tmp_path):
    ids = vl.open_log(GREETING).sessions()["session_id"]
    folder = shutil.copytree(GREETING, tmp_path / "copied")
    one, other = vl.open_log(folder), vl.open_log(folder)
    assert "outcome.paid" not in one.sessions().columns
    for name in ("paid", "returned"):
        other.add_outcomes(pd.DataFrame({"session_id": ids[:10], name: [True] * 10}))
        assert one.sessions()[f"outcome.{name}"].sum() == 10
        assert name in set(one.outcomes()["outcome"])
        assert name in set(vl.analyze(one, outcome=["satisfied", name]).outcomes["outcome"])


def test_a_log_of_no_sessions_has_frames_and_none_of_them_rows(tmp_path):
    LiveLog(tmp_path / "log", "r", {})
    log = vl.open_log(tmp_path / "log")
    frames = [log.sessions(), log.outcomes(), log.events(), log.turns(), log.exposures(), log.errors()]
    assert [len(frame) for frame in frames] == [0] * 6
    assert list(log.columns("outcomes", ["session_index", "value"]).column_names) == ["session_index", "value"]


def test_threads_query_one_log_at_once():
    log = vl.open_log(GREETING)
    with ThreadPoolExecutor(8) as pool:
        frames = list(pool.map(lambda n: log.events(name="text").head(n), range(40)))
    assert [len(frame) for frame in frames] == list(range(40))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda log: pickle.loads(pickle.dumps(log))])
def test_a_copy_of_a_log_that_was_queried_reads_the_same(copied):
    log = vl.open_log(GREETING)
    sessions = log.sessions()
    pd.testing.assert_frame_equal(copied(log).sessions(), sessions)


def test_a_connection_that_was_closed_is_made_again(connections):
    log = vl.open_log(GREETING)
    before = log.exposures()
    database._close_all()
    pd.testing.assert_frame_equal(log.exposures(), before)
    assert len(connections) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_reads_the_log_and_ends_in_peace():
    """DuckDB's threads stay behind in a fork: an inherited connection ends the child with a signal."""
    program = f"""
        import os, sys
        import voicelab as vl
        log = vl.open_log({str(GREETING)!r})
        n = len(log.events())
        child = os.fork()
        if not child:
            assert len(log.events()) == n
            sys.exit(7)
        _, status = os.waitpid(child, 0)
        assert len(log.events()) == n
        sys.exit(0 if os.waitstatus_to_exitcode(status) == 7 else 1)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
