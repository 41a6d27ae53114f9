"""The SQL behind the frames, for DuckDB."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from voicelab.base.records import unwritten_value


@dataclass(frozen=True)
class Frame:
    """The query of a frame.

    Attributes:
        name: The frame's name.
        sql: A SELECT of all its rows, in any order; a column `_index` in it is there to order by alone.
        order: Columns that its rows are ordered by; nothing if they lie in order.
        values: Values of the query.
    """

    name: str
    sql: str
    order: str
    values: dict[str, Any] = field(default_factory=dict)

    def asked(self, columns: Sequence[str] | None, where: str | None, limit: int | None) -> str:
        """Return the query for some of its columns (None for all), under a condition, for the first rows."""
        shown = "*" if columns is None else ", ".join(map(quoted, columns))
        if columns is None and self.order.startswith("_index"):
            shown = "* EXCLUDE (_index)"
        # On lines of its own: a condition may end in a comment.
        condition = "" if where is None else f"WHERE (\n{where}\n)\n"
        order = f"ORDER BY {self.order}" if self.order else ""
        most = "" if limit is None else f" LIMIT {limit}"
        return f"SELECT {shown} FROM (\n{self.sql}\n) AS _frame\n{condition}{order}{most}"


EXPOSURES = Frame("exposures", "SELECT * FROM exposures", "session_index")

MEASURES = Frame("measures", "SELECT session_index AS _index, * EXCLUDE (session_index) FROM measures", "_index")

METRICS = Frame("metrics", "SELECT * FROM metrics", "session_id, seq")

OUTCOMES = Frame(
    "outcomes",
    """
SELECT session_id, session_index, outcome, type, value, text, written, false AS late FROM outcomes
UNION ALL
SELECT session_id, session_index, outcome, type, value, text, written, true AS late FROM late
""",
    "session_index, outcome",
)

OUTCOME_TYPES = """
SELECT outcome, mode(type) FROM (
    SELECT outcome, CASE WHEN type = 'string' THEN 'string' ELSE 'number' END AS type FROM outcomes
) GROUP BY outcome ORDER BY outcome
"""

ERRORS = Frame(
    "errors",
    """
SELECT session_index AS _index, session_id, seq, time_s, turn, task_name,
    data ->> '$.message' AS message, data ->> '$.file' AS file,
    TRY_CAST(data ->> '$.line' AS INTEGER) AS line, data ->> '$.traceback' AS traceback
FROM events JOIN (SELECT session_id, session_index FROM sessions) USING (session_id)
WHERE name = 'error'
""",
    "_index, seq",
)

# What pictures are drawn from; $nothing is what a session without a variant is called.
FACTS = """
SELECT s.session_index, s.status, s.n_turns, s.duration_s, coalesce(e.variant, $nothing) AS variant
FROM sessions s LEFT JOIN (SELECT session_id, max(variant) AS variant FROM exposures WHERE test = $test GROUP BY session_id) e
USING (session_id) ORDER BY session_index
"""

COMMON_ERRORS = """
SELECT message, coalesce(variant, $nothing) AS variant, count(DISTINCT session_id) AS sessions
FROM (SELECT session_id, data ->> '$.message' AS message FROM events WHERE name = 'error')
LEFT JOIN (SELECT session_id, max(variant) AS variant FROM exposures WHERE test = $test GROUP BY session_id) USING (session_id)
GROUP BY ALL ORDER BY sessions DESC, message, variant
"""

TURNS = Frame(
    "turns",
    """
WITH inputs AS (
    SELECT session_id, turn, first(seq ORDER BY seq) AS seq, first(name ORDER BY seq) AS input,
        first(time_s ORDER BY seq) AS time_s, first(data ->> '$.text' ORDER BY seq) AS heard,
        first(coalesce(data ->> '$.said', data ->> '$.text') ORDER BY seq) AS said,
        first(TRY_CAST(data ->> '$.words' AS INTEGER) ORDER BY seq) AS words,
        first(TRY_CAST(data ->> '$.word_errors' AS INTEGER) ORDER BY seq) AS word_errors
    FROM events WHERE kind = 'input' AND name <> 'stop' GROUP BY session_id, turn
), parts AS (
    SELECT session_id, turn, string_agg(data ->> '$.content', ' ' ORDER BY seq) AS agent
    FROM events WHERE name = 'transcript_part' AND data ->> '$.role' = 'agent' GROUP BY session_id, turn
), ends AS (
    SELECT session_id, turn, bool_or(name = 'turn_interrupted') AS interrupted,
        max(CASE WHEN name = 'turn_end' THEN TRY_CAST(data ->> '$.duration' AS DOUBLE) / 1000 END) AS duration_s
    FROM events WHERE name IN ('turn_end', 'turn_interrupted') GROUP BY session_id, turn
), firsts AS (
    SELECT session_id, turn, min(time_s) AS time_s
    FROM events WHERE kind = 'output' AND NOT background GROUP BY session_id, turn
)
SELECT s.session_index AS _index,
    i.session_id, i.turn, i.input, i.heard, i.said, p.agent, coalesce(e.interrupted, false) AS interrupted,
    i.time_s, e.duration_s, f.time_s - i.time_s AS modelled_first_output_s, i.words, i.word_errors,
    m.answer_s, m.yield_s, m.followed
FROM inputs i
JOIN (SELECT session_id, session_index FROM sessions) s USING (session_id)
LEFT JOIN parts p USING (session_id, turn)
LEFT JOIN ends e USING (session_id, turn)
LEFT JOIN firsts f USING (session_id, turn)
LEFT JOIN turn_measures m USING (session_id, turn)
""",
    "_index, turn",
)

# A pause may cut an utterance into several turns, the last of which has its counts.
UTTERANCES = Frame(
    "utterances",
    """
WITH parts AS (
    SELECT session_id, seq, time_s, turn, data ->> '$.engine' AS engine, data ->> '$.text' AS text,
        data ->> '$.said' AS said, TRY_CAST(data ->> '$.words' AS INTEGER) AS words,
        TRY_CAST(data ->> '$.word_errors' AS INTEGER) AS word_errors,
        TRY_CAST(data ->> '$.words_as_written' AS INTEGER) AS words_as_written,
        TRY_CAST(data ->> '$.word_errors_as_written' AS INTEGER) AS word_errors_as_written,
        TRY_CAST(data ->> '$.confidence' AS DOUBLE) AS confidence,
        TRY_CAST(data ->> '$.end_of_turn_s' AS DOUBLE) AS end_of_turn_s
    FROM events WHERE name IN ('text', 'unheard', 'backchannel') AND data ->> '$.engine' IS NOT NULL
), numbered AS (
    SELECT *, count(words) OVER (
        PARTITION BY session_id ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS utterance FROM parts
), whole AS (
    SELECT session_id, first(turn ORDER BY seq) AS turn, first(time_s ORDER BY seq) AS time_s,
        last(said ORDER BY seq) AS said, coalesce(string_agg(text, ' ' ORDER BY seq), '') AS heard,
        max(words) AS words, max(word_errors) AS word_errors, max(words_as_written) AS words_as_written,
        max(word_errors_as_written) AS word_errors_as_written, min(confidence) AS confidence, max(engine) AS engine,
        count(*) AS n_parts, last(end_of_turn_s ORDER BY seq) AS end_of_turn_s
    FROM numbered GROUP BY session_id, utterance HAVING max(words) IS NOT NULL
)
SELECT session_index AS _index,
    u.session_id, turn, time_s, coalesce(said, heard) AS said, heard, words, word_errors, words_as_written,
    word_errors_as_written, confidence, engine, n_parts, end_of_turn_s
FROM whole u JOIN (SELECT session_id, session_index FROM sessions) USING (session_id)
""",
    "_index, time_s",
)


def events(session_id: str | None, name: str | None, kind: str | None, *, in_order: bool) -> Frame:
    """Return the query for events; `in_order` if they lie in the order of sessions, so that they needn't be sorted."""
    values = {key: value for key, value in (("session_id", session_id), ("name", name), ("kind", kind)) if value}
    where = " AND ".join(f"events.{key} = ${key}" for key in values) or "true"
    if in_order:  # DuckDB keeps the order of files and rows, and stops at a limit
        return Frame("events", f"SELECT * FROM events WHERE {where}", "", values)
    sql = (
        "SELECT s.session_index AS _index, events.* FROM events "
        f"JOIN (SELECT session_id, session_index FROM sessions) s USING (session_id) WHERE {where}"
    )
    return Frame("events", sql, "_index, seq", values)


def sessions(tests: Sequence[str], outcomes: Mapping[str, str], late: Sequence[str]) -> Frame:
    """Return the query for sessions with their variants and outcomes beside them.

    Args:
        tests: Names of the tests.
        outcomes: Names of the outcomes, and `string` for those that hold text.
        late: Names of the outcomes that were added late.
    """
    variants = [f"max(variant) FILTER (test = {_text(test)}) AS {quoted(f'variant.{test}')}" for test in tests]
    values = [
        f"{'max(text)' if kind == 'string' else 'max(value)'} FILTER (outcome = {_text(name)} AND written) "
        f"AS {quoted(f'outcome.{name}')}"
        for name, kind in outcomes.items()
    ]
    values += [f"bool_or(written) FILTER (outcome = {_text(name)}) AS {quoted(f'written.{name}')}" for name in outcomes]
    added = [
        f"coalesce(CAST(max(value) FILTER (outcome = {_text(name)}) AS VARCHAR), max(text) FILTER (outcome = {_text(name)})) "
        f"AS {quoted(f'outcome.{name}')}"
        for name in late
    ]
    shown = [f"v.{quoted(f'variant.{test}')}" for test in tests]
    shown += [_filled(name, kind) for name, kind in outcomes.items()]
    shown += [f"TRY_CAST(l.{quoted(f'outcome.{name}')} AS DOUBLE) AS {quoted(f'outcome.{name}')}" for name in late]
    sql = f"""
WITH v AS (SELECT session_index{_list(variants)} FROM exposures GROUP BY session_index),
    o AS (SELECT session_index{_list(values)} FROM outcomes GROUP BY session_index),
    l AS (SELECT session_index{_list(added)} FROM late GROUP BY session_index)
SELECT s.*{_list(shown)}
FROM sessions s LEFT JOIN v USING (session_index) LEFT JOIN o USING (session_index) LEFT JOIN l USING (session_index)
"""
    return Frame("sessions", sql, "session_index")


def _filled(name: str, kind: str) -> str:
    column = f"o.{quoted(f'outcome.{name}')}"
    unwritten = unwritten_value(kind, crashed=False)
    if unwritten is None:
        return column
    # One that was written as None is missing. What a crashed session counts as is for the analysis, which knows the kind.
    as_it_is = f"s.status = 'error' OR o.{quoted(f'written.{name}')}"
    return f"CASE WHEN {as_it_is} THEN {column} ELSE coalesce({column}, {unwritten}) END AS {quoted(f'outcome.{name}')}"


def _list(parts: Sequence[str]) -> str:
    return "".join(f", {part}" for part in parts)


def quoted(name: str) -> str:
    """Return the name of a column as SQL writes it, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
