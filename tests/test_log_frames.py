"""Frames take columns, conditions and limits; SQL reads the log and nothing else."""

import duckdb
import pandas as pd
import pytest
from test_analyze import booked, declaration, session, write_log

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.handlers.samples import sample

GREETING = sample("logs/greeting")


@pytest.fixture(scope="module")
def log():
    return vl.open_log(GREETING)


@pytest.mark.parametrize(
    "frame", ["sessions", "events", "turns", "utterances", "exposures", "outcomes", "metrics", "measures", "errors"]
)
def test_each_frame_is_cut_as_pandas_would_cut_it(log, frame):
    whole = getattr(log, frame)()
    names = list(whole.columns[:2][::-1])
    first = whole["session_id"].iloc[0] if len(whole) else "none"
    cut = getattr(log, frame)(columns=names, where=f"session_id <> '{first}' -- not the first", limit=3)
    by_hand = whole.loc[whole["session_id"] != first, names].head(3).reset_index(drop=True)
    pd.testing.assert_frame_equal(cut, by_hand)


def test_events_come_in_the_order_of_sessions_with_a_limit_too(log):
    whole = log.events()
    pd.testing.assert_frame_equal(log.events(limit=1000), whole.head(1000))
    index = log.sessions().set_index("session_id")["session_index"]
    order = whole["session_id"].map(index) * 10_000 + whole["seq"]
    assert order.is_monotonic_increasing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"where": "trun > 2"}, r'"trun" not found.*log\.turns\(\) knows: session_id, turn, input'),
        ({"where": "turn >"}, r"log\.turns\(\): .*syntax error.*knows: session_id"),
        ({"where": "turn > 2; DROP VIEW events"}, r"log\.turns\(\): .*syntax error"),
        ({"where": ""}, "must be a condition in SQL"),
        ({"columns": ["turns"]}, r'"turns" not found.*knows: session_id, turn'),
        ({"columns": "turn"}, "must be a list of names"),
        ({"columns": []}, "must be a list of names"),
        ({"limit": 0}, "limit is 0"),
        ({"limit": True}, "limit is True"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_columns_there_are(log, options, message):
    with pytest.raises(InputError, match=f"(?s){message}"):
        log.turns(**options)


def test_a_frame_of_too_many_events_names_what_to_do_instead(log):
    n = len(log.events())
    with pytest.raises(InputError, match=rf"{n:,} events, more than max_rows=100.*where=.*log\.sql.*log\.relation"):
        log.events(max_rows=100)
    assert len(log.events(max_rows=100, limit=50)) == 50
    assert len(log.events(max_rows=n - 1, where="turn = 0")) < n
    assert len(log.events(max_rows=None)) == n


def test_sql_and_relations_find_what_frames_hold(log):
    events = log.events()
    counted = log.sql("SELECT name, count(*) AS n FROM events GROUP BY name").set_index("name")["n"]
    assert counted.to_dict() == events["name"].value_counts().to_dict()
    assert (
        len(log.sql("FROM sessions JOIN exposures USING (session_id) LEFT JOIN late USING (session_id) LIMIT 7")) == 7
    )
    relation = log.relation("events").filter("turn = 2")
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert len(relation.df()) == (events["turn"] == 2).sum()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "COPY events TO '{folder}/out.csv'",
        "COPY sessions TO '{log}/out.csv'",
        "CREATE TABLE more AS SELECT 1",
        "INSERT INTO events SELECT * FROM events",
        "ATTACH '{folder}/other.db'",
        "SET threads = 1",
        "INSTALL httpfs",
        "SELECT 1; SELECT 2",
        "SELECT * FROM notebook",
        "SELEC 1",
        "",
        5,
    ],
)
def test_sql_reads_the_log_alone(log, tmp_path, query):
    notebook = pd.DataFrame({"secret": [1]})
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    if isinstance(query, str):
        query = query.format(secret=secret, folder=tmp_path, log=GREETING)
    with pytest.raises(InputError) as refused:
        log.sql(query)
    assert "must be a SELECT" in str(refused.value) or "log.sql()" in str(refused.value)
    assert len(notebook) == len(list(tmp_path.iterdir())) == 1
    assert not (GREETING / "out.csv").exists()


def test_an_unknown_relation_is_refused_with_those_there_are(log):
    with pytest.raises(
        InputError, match="sessions, events, exposures, outcomes, metrics, measures, late. Did you mean 'events'"
    ):
        log.relation("event")


def test_all_sessions_are_the_same_with_and_without_a_query(tmp_path):
    """Unasked they come straight from the files: by another way, to the same frame."""
    nothing, text = ("score", "float", None, None, True), ("mood", "string", None, "good", True)
    sessions = [
        session(0, exposures=[("t", "a", "random", declaration())], outcomes=[booked(1), nothing, text]),
        session(1, exposures=[("t", "b", "random", declaration()), ("u", "é", "forced", declaration())]),
        session(2, status="error", outcomes=[booked(0, written=False)]),
        session(3, outcomes=[booked(0, written=False), ("score", "float", -2.5, None, True), ("n", "integer", 3.0, None, True)]),
        session(4, exposures=[("t", "b", "random", declaration()), ("t", "a", "random", declaration())]),
        session(5, outcomes=[booked(0), booked(1), ("mood", "string", None, "bad", True), text, ("score", "float", float("nan"), None, True)]),
    ]  # fmt: skip
    for name in ("log", "none"):
        (tmp_path / name).mkdir()
    log = write_log(tmp_path / "log", sessions)
    none = write_log(tmp_path / "none", [])
    for each in (log, none):
        # Each way has its own type for a column in which nothing stands.
        whole, asked = (frame.astype(object) for frame in (each.sessions(), each.sessions(where="true")))
        pd.testing.assert_frame_equal(whole.where(whole.notna(), "none"), asked.where(asked.notna(), "none"))
    assert log.sessions()["outcome.score"].isna().tolist() == [True, False, True, False, False, True]


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_an_outcome_that_is_no_number_is_read_without_a_warning(tmp_path):
    async def handler(event, context):
        context.set_outcome("score", float("nan"))
        yield vl.sdk.StopEvent()

    log = vl.simulate(handler, ["hi"], sessions=3, workers=1, progress=False, log=tmp_path / "log")
    assert log.sessions()["outcome.score"].isna().all()
