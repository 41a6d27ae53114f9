"""Rows are built and read by the names of their columns; what wasn't written counts alike wherever it is counted."""

import itertools
import json

import duckdb
import harness
import numpy as np
import pytest

import voicelab as vl
from voicelab.base.records import TABLES, column, table_row, unwritten_value
from voicelab.decision.stats.values import session_values
from voicelab.log import queries

METRIC = {"seq": 3, "time_s": 1.5, "turn": 2, "type": "gauge", "metric": "m", "value": 4.0, "tags": "{}"}


def test_a_row_takes_its_cells_by_name_in_any_order():
    assert table_row("metrics", **dict(reversed(METRIC.items()))) == tuple(METRIC.values())


@pytest.mark.parametrize(
    ("cells", "told"),
    [({k: v for k, v in METRIC.items() if k != "turn"}, "turn"), ({**METRIC, "tuern": 2}, "tuern")],
)
def test_a_missing_or_misspelt_cell_is_told(cells, told):
    with pytest.raises(TypeError, match=f"metrics.*'{told}'"):
        table_row("metrics", **cells)


@pytest.mark.parametrize("table", TABLES)
def test_a_column_is_found_where_the_builder_puts_it(table):
    row = table_row(table, **{name: name for name in TABLES[table]})
    assert [row[column(table, name)] for name in TABLES[table]] == list(TABLES[table])


# --- not written -----------------------------------------------------------------------------------------------------


def in_a_frame(kind, status, written, value):
    """Return what a session shows in `log.sessions()`, by the very SQL."""
    with duckdb.connect() as database:
        database.execute("CREATE TABLE sessions AS SELECT 's' AS session_id, 0 AS session_index, ? AS status", [status])
        database.execute("CREATE TABLE exposures (session_id TEXT, session_index BIGINT, test TEXT, variant TEXT)")
        database.execute(
            "CREATE TABLE late (session_id TEXT, session_index BIGINT, outcome TEXT, value DOUBLE, text TEXT)"
        )
        database.execute(
            "CREATE TABLE outcomes AS SELECT 's' AS session_id, 0 AS session_index, 'o' AS outcome, CAST(? AS DOUBLE) AS value, "
            "CAST(NULL AS TEXT) AS text, CAST(? AS BOOLEAN) AS written",
            [value, written],
        )
        frame = database.execute(queries.sessions([], {"o": kind}, []).asked(None, None, None)).fetch_df()
    return None if np.isnan(found := float(frame["outcome.o"][0])) else found


@pytest.mark.parametrize(("kind", "crashed"), list(itertools.product(["binary", "count", "float"], [False, True])))
def test_the_statistics_count_what_was_not_written_by_the_one_rule(kind, crashed):
    value = session_values(np.array([np.nan]), np.array([False]), np.array([crashed]), kind)[0]
    assert (None if np.isnan(value) else value) == unwritten_value(kind, crashed=crashed)


def test_a_frame_shows_what_was_not_written_by_the_one_rule_and_leaves_crashes_open():
    assert in_a_frame("number", "completed", False, 0.0) == unwritten_value("number", crashed=False)
    assert in_a_frame("number", "error", False, 0.0) is None
    assert in_a_frame("number", "error", True, 2.0) == 2.0


@pytest.mark.parametrize(("type", "value"), [("boolean", 0.0), ("float", 0.0), ("count", 0.0), ("string", None)])
def test_a_sessions_own_row_holds_what_was_not_written_by_the_one_rule(type, value):
    body = f"if event.name == 'start':\n    context.add_outcome('o', {type!r})\n"
    row = harness.play(harness.agent(body)).outcomes["o"]
    assert (row["written"], row["value"], unwritten_value(type, crashed=False)) == (False, value, value)


# --- one builder -----------------------------------------------------------------------------------------------------


def test_an_imported_error_is_told_as_a_simulated_one_is(tmp_path):
    rows = [
        {
            "event": "debug",
            "type": "output",
            "name": "error",
            "data": {"message": "ValueError: boom"},
            "_clientTime": 1,
        },
        {"event": "debug", "type": "output", "name": "error", "data": "another", "_clientTime": 2},
    ]
    (tmp_path / "s1.json").write_text(json.dumps(rows))
    with pytest.warns(UserWarning, match="end of 1"):
        imported = vl.voicerun.read(tmp_path / "s1.json", tmp_path / "imported").sessions()
    handler = "async def handler(event, context):\n    raise ValueError('boom')\n    yield\n"
    vl.simulate(handler, ["hi"], sessions=1, workers=1, log=tmp_path / "simulated")
    simulated = vl.open_log(tmp_path / "simulated").sessions()
    assert imported["error"].tolist() == simulated["error"].tolist() == ["ValueError: boom"]
