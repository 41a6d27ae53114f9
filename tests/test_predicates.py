"""Evaluators in the platform's language: what its documentation answers, and what is decided where it doesn't."""

import json
import pickle

import pandas as pd
import pyarrow.parquet as pq
import pytest
from harness import agent
from hypothesis import given, settings
from hypothesis import strategies as st
from test_analyze import declaration, session, write_log

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import InputError, LogError
from voicelab.cli import main
from voicelab.log import session_views
from voicelab.log.compact import compact
from voicelab.log.manifest import write_manifest
from voicelab.log.write import settle_shard, stage_shard
from voicelab.predicates import Evaluator
from voicelab.predicates.predicate import Predicate

SESSION = {
    "turn_count": 3,
    "duration_seconds": 42.5,
    "direction": "inbound",
    "origin": "phone",
    "tags": ["billing", "vip"],
    "environment": ["8f1c", "production"],
    "events": [
        {"name": "start", "data": {}, "timestamp": 0},
        {"name": "transcript_part", "data": {"role": "user", "content": "I want to Cancel"}, "timestamp": 1.5},
        {"name": "transcript_part", "data": {"role": "agent", "content": "Goodbye", "n": None}, "timestamp": 4},
    ],
}


def ask(predicate, view=SESSION):
    return Evaluator("", assertion=predicate).of(view)


def said(role, **content):
    return {"events": {"$any": {"name": "transcript_part", "data.role": role, "data.content": content}}}


# --- what the platform documents -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicate", "matches"),
    [
        ({"direction": "inbound", **said("user", **{"$icontains": "cancel"})}, True),
        (said("user", **{"$contains": "cancel"}), False),
        (said("agent", **{"$icontains": "goodbye"}), True),
        (said("agent", **{"$icontains": "cancel"}), False),  # one element has to match all of it
        ({"turn_count": {"$gte": 3}, "duration_seconds": {"$gte": 30}}, True),
        ({"turn_count": {"$gt": 3}}, False),
        ({"turn_count": {"$lte": 3, "$lt": 3}}, False),
        ({"duration_seconds": {"$eq": 42.5}}, True),
        ({"turn_count": {"$ne": 3}}, False),
        ({"tags": "billing"}, True),
        ({"tags": {"$inc": "billing"}}, True),
        ({"tags": {"$ninc": "billing"}}, False),
        ({"tags": "bill"}, False),
        ({"environment": "production"}, True),
        ({"environment": "8f1c"}, True),
        ({"environment": "staging"}, False),
        ({"origin": {"$in": ["phone", "web"]}}, True),
        ({"origin": {"$nin": ["phone", "web"]}}, False),
        ({"tags": {"$eq": ["billing", "vip"]}}, True),  # deep equality
        ({"tags": {"$eq": ["vip", "billing"]}}, False),
    ],
)
def test_what_the_platform_documents(predicate, matches):
    assert bool(ask(predicate)) is matches


# --- what it leaves open ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicate", "matches"),
    [
        # A missing field is no value: it equals nothing, not null either, and is above and below nothing.
        ({"nothing": None}, False),
        ({"nothing": {"$eq": None}}, False),
        ({"nothing": {"$in": [None]}}, False),
        ({"nothing": {"$inc": None}}, False),
        ({"nothing": {"$lt": 5}}, False),
        ({"nothing": {"$contains": ""}}, False),
        ({"nothing": {"$any": {}}}, False),
        # An opposite matches exactly where the other doesn't.
        ({"nothing": {"$ne": None}}, True),
        ({"nothing": {"$ne": 3}}, True),
        ({"nothing": {"$nin": [3]}}, True),
        ({"nothing": {"$ninc": "x"}}, True),
        ({"origin": {"$ninc": "phone"}}, True),
        # Null that is there is null.
        ({"events": {"$any": {"data.n": None}}}, True),
        ({"events": {"$any": {"name": "start", "data.n": None}}}, False),
        ({"events": {"$any": {"data.n": {"$ne": None}, "data.role": "agent"}}}, False),
        # Nothing is converted.
        ({"turn_count": "3"}, False),
        ({"turn_count": True}, False),
        ({"turn_count": 3.0}, True),
        ({"origin": {"$gt": 1}}, False),
        ({"tags": {"$contains": "bill"}}, False),
        ({"tags": {"$in": ["billing"]}}, False),  # the array as a whole isn't in it
        ({"tags": {"$eq": "billing"}}, False),  # a bare value alone asks for an element
        ({"origin": {"$any": {}}}, False),
        # What asks nothing matches.
        ({}, True),
        ({"nothing": {}}, True),
        ({"events": {"$any": {}}}, True),
        # Objects are walked, arrays are not.
        ({"events.name": "start"}, False),
        ({"events": {"$any": {"data": {"role": "user"}}}}, True),
        ({"tags": {"$any": "vip"}}, True),
        ({"tags": {"$any": {"$icontains": "VI"}}}, True),
        ({"events": {"$inc": {"name": "start", "data": {}, "timestamp": 0}}}, True),
    ],
)
def test_what_is_decided_here(predicate, matches):
    assert bool(ask(predicate)) is matches


def test_true_is_not_one_however_deep():
    view = {"tags": [[1, {"a": True}]]}
    assert ask({"tags": {"$eq": [[1.0, {"a": True}]]}}, view)
    assert not ask({"tags": {"$eq": [[True, {"a": True}]]}}, view)
    assert not ask({"tags": {"$inc": [1, {"a": 1}]}}, view)
    assert ask({"tags": {"$ninc": [1, {"a": 1}]}}, view)


def test_an_array_without_elements_has_none_that_matches():
    assert not ask({"events": {"$any": {}}}, {"events": []})
    assert ask({"tags": {"$ninc": "a"}}, {"tags": []})


@pytest.mark.parametrize(
    ("predicate", "path", "reason"),
    [
        ({"direction": "inbound", "turn_count": {"$gte": 4}}, "turn_count", "turn_count is 3, must be at least 4"),
        ({"turn_count": {"$gte": 4}, "direction": "outbound"}, "turn_count", "turn_count is 3, must be at least 4"),
        ({"usage.total": {"$gt": 4}}, "usage.total", "usage.total is missing, must be above 4"),
        ({"usage": {"total": 4}}, "usage.total", "usage.total is missing, must be 4"),
        ({"tags": "x"}, "tags", 'tags is ["billing","vip"], must hold "x"'),
        (
            {"tags": {"$contains": "x"}},
            "tags",
            'tags is ["billing","vip"], which is no text but an array ($any asks its elements), must contain "x"',
        ),
        ({"origin": {"$lt": 4}}, "origin", 'origin is "phone", which is no number, must be below 4'),
        (said("user", **{"$contains": "zebra"}), "events", "events has no element that matches "),
    ],
)
def test_the_first_field_that_doesnt_match_is_named_with_why(predicate, path, reason):
    found = ask(predicate)
    assert (found.status, found.success, found.failed_path) == ("complete", False, path)
    assert found.reason.startswith(reason)
    assert found.details == {"matched": False, "failedPath": path, "reason": found.reason}
    assert ask({"turn_count": 3}).details == {"matched": True}


def test_a_precondition_says_which_sessions_are_asked():
    evaluator = Evaluator("e", assertion={"tags": "vip"}, precondition={"turn_count": {"$gte": 5}})
    found = evaluator.of(SESSION)
    assert (found.status, found.success, found.failed_path) == ("skipped", None, "turn_count")
    assert "turn_count is 3" in found.reason
    assert (bool(found), found.details) == (False, {})
    assert evaluator.of(SESSION | {"turn_count": 5}).success is True


# --- bad input -------------------------------------------------------------------------------------------------------


def itself():
    predicate = {}
    predicate["a"] = predicate
    return predicate


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ({"turn_count": {"$gtt": 3}}, r"'\$gtt' at turn_count.*Did you mean '\$gt'"),
        ({"events": {"$any": {"data.x": {"$containz": "a"}}}}, r"'\$containz' at events\[\].data.x.*'\$contains'"),
        ({"$or": [{"turn_count": 3}]}, r"'\$or', which.*\$in takes several values"),
        ({"a": {"$regex": "x"}}, r"\$icontains and \$contains"),
        ({"a": {"$gt": "3"}}, r'\$gt: "3" at a: \$gt takes a number'),
        ({"a": {"$gt": True}}, r"\$gt takes a number"),
        ({"a": {"$in": "x"}}, r"\$in takes a list"),
        ({"a": {"$icontains": 3}}, r"\$icontains takes text"),
        ({"a": float("nan")}, "no value of JSON"),
        ({"a": {"$eq": 10**400}}, "no value of JSON"),
        ({"a": {"$eq": {"b": {1, 2}}}}, "no value of JSON"),
        ({3: 4}, "key 3, must be text"),
        ({"a..b": 4}, "'a..b', of which a part is empty"),
        (itself(), "too many parts, or too deep"),
        ([1], "must be a predicate"),
        (None, "must be a predicate"),
    ],
)
def test_what_is_no_predicate_is_refused_by_name(predicate, message):
    with pytest.raises(InputError, match=message):
        Predicate(predicate)


@pytest.mark.parametrize(
    ("predicate", "warning"),
    [
        ({"turn_cont": 3}, "No session has 'turn_cont'. Did you mean 'turn_count'"),
        ({"dead_air_s": {"$lt": 2}}, "No session has 'dead_air_s'. Did you mean 'outcomes.dead_air_s'?"),
        ({"turn_count": {"gte": 3}}, r"'turn_count.gte'. Did you mean '\$gte'"),
        ({"events.name": "start"}, r"events is an array: \$any asks its elements"),
        ({"events": {"$any": {"role": "user"}}}, "stands in its data: 'data.role'"),
    ],
)
def test_a_path_that_no_session_has_is_warned_of(record, predicate, warning):
    with pytest.warns(UserWarning, match=warning):
        assert not record.evaluate(predicate)


# --- files -----------------------------------------------------------------------------------------------------------

HEAD = "apiVersion: voicerun/v1\nkind: Evaluator\nmetadata:\n  name: polite\nspec:\n  evalType: deterministic\n"


@pytest.fixture
def template(tmp_path):
    def write(text, name="evaluator.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "has no `assertion`"),
        (HEAD + "  asertion: {}\n", "'asertion', which evaluators don't. Did you mean 'assertion'"),
        (HEAD.replace("deterministic", "judgment") + "  assertion: {}\n", "'judgment', must be .*Did you mean 'judge'"),
        (HEAD.replace("polite", '""') + "  assertion: {}\n", "no metadata.name"),
        (HEAD.replace("Evaluator", "Simulation"), "is no evaluator: it holds Simulation"),
        ("a: b\n", "is no evaluator: nothing in it has a `kind`"),
        ("", "is no evaluator"),
        ("a: [\n", ":2 is no YAML"),
        ('{"kind": "Evaluator",', "is no JSON"),
        (
            HEAD + "  assertion:\n    events: {$any: {name: a}}\n    events: {$any: {name: b}}\n",
            "'events' stands twice",
        ),
        (HEAD + "  assertion: " + "{a: " * 3000 + "1" + "}" * 3000, "lie too deep in each other"),
        (HEAD + f"  assertion: {{turn_count: {'9' * 5000}}}\n", "is no YAML: .*4300 digits"),
        (
            HEAD.split("spec", maxsplit=1)[0] + "spec: {evalType: judge, x: 'is it {{ y }}?'}\n",
            "'x', which evaluators don't",
        ),
        (HEAD + "  assertion: {on: 3}\n", "key True, must be text: quote it"),
        (HEAD + "  assertion: &a {x: *a}\n", "too deep"),
        (HEAD + "  assertion:\n    turn_count: {{ .Values.n }}\n", "Helm's {{ … }}.*vr render -q -o json"),
        (
            HEAD + "  assertion:\n    {{- if .Values.n }}\n    turn_count: 3\n    {{- end }}\n",
            "lines that Helm decides on",
        ),
        (HEAD.replace("polite", "{{ .Agent.Name }}-e") + "  assertion: {}\n", "metadata.name holds Helm's"),
    ],
)
def test_what_is_no_evaluator_is_refused_with_what_to_do(template, text, message):
    with pytest.raises(InputError, match=message):
        voicerun.evaluators(template(text))


def test_evaluators_are_read_from_templates_rendered_documents_and_projects(template, tmp_path):
    other = HEAD.replace("polite", "long") + "  assertion: {timestamp: 2026-01-05}\n"
    path = template(HEAD + "  title: Polite\n  precondition: {turn_count: 3}\n  assertion: {tags: vip}\n---\n" + other)
    polite, long = voicerun.evaluators(path)
    assert (polite.name, polite.eval_type, polite.precondition.written) == (
        "polite",
        "deterministic",
        {"turn_count": 3},
    )
    assert long.assertion.written == {"timestamp": "2026-01-05"}  # a date stays the text that was written
    document = {"kind": "Evaluator", "metadata": {"name": "b"}, "spec": {"evalType": "deterministic", "assertion": {}}}
    rendered = template(f"{json.dumps({'kind': 'Deployment'})}\n{json.dumps(document, indent=2)}\n", "rendered.json")
    assert [evaluator.name for evaluator in voicerun.evaluators(rendered)] == ["b"]
    (tmp_path / "agent" / ".voicerun" / "templates").mkdir(parents=True)
    path.rename(tmp_path / "agent" / ".voicerun" / "templates" / "evaluators.yaml")
    assert [evaluator.name for evaluator in voicerun.evaluators(tmp_path / "agent")] == ["polite", "long"]
    with pytest.raises(InputError, match=r"no such file\. Did you mean 'rendered.json'"):
        voicerun.evaluators(tmp_path / "renderd.json")


def test_what_asks_a_language_model_is_recognised_and_named_as_not_run(template, record, log):
    # As the starter project has it: Helm stands where nothing but a model reads.
    text = HEAD.replace("polite", "{{ .Agent.Name }}-evaluator").replace("deterministic", "judge")
    path = template(text + '  model: {{ .Values.evaluator.model | default "gpt-4o" }}\n  successCriteria: {}\n')
    with pytest.warns(UserWarning, match="'evaluator' is not run: an evaluator of the type 'judge'"):
        found = record.evaluate(path)
    assert (found.status, found.success, bool(found)) == ("not run", None, False)
    text = HEAD.replace("deterministic", "extraction") + "  precondition: {turn_count: {$gte: 2}}\n"
    with pytest.warns(UserWarning, match="language model for data"):
        frame = log.evaluate(template(text))
    assert list(frame["status"]) == ["skipped", "skipped", "not run", "not run"]
    assert "polite" not in set(log.outcomes()["outcome"])


# --- records and logs ------------------------------------------------------------------------------------------------

ECHO = agent(
    """
if event.name == 'start':
    context.experiment('t', {'a': .5, 'b': .5}, stop={'max_iterations': 40, 'target_outcome': 'twice', 'default': 'a'})
    yield TextToSpeechEvent('Hello')
elif event.name == 'text':
    yield TextToSpeechEvent('You said ' + event.data['text'])
"""
)
TWICE = {"turn_count": {"$gte": 3}}


@pytest.fixture(scope="module")
def record():
    return vl.run(ECHO, ["hi", "cancel, please"])


def test_a_record_is_seen_as_the_platform_sees_its_session(record):
    assert record.evaluate(
        {"turn_count": 3, "direction": "inbound", "origin": "simulation", "environment": "development"}
    )
    assert record.evaluate({"tags": {"$eq": []}, "duration_seconds": {"$gt": 0, "$lt": 60}})
    assert record.evaluate(said("user", **{"$icontains": "CANCEL"}))
    assert record.evaluate(said("agent", **{"$contains": "You said cancel"}))
    assert record.evaluate(
        {"events": {"$any": {"name": "turn_end", "timestamp": {"$gt": 0}, "data.duration": {"$gt": 0}}}}
    )
    assert record.evaluate({"turn_count": 4}).failed_path == "turn_count"


TEXTS = ["cancel", "CANCEL it", "I\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}t", 'a "quoted" one', "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "back\\slash", "line\nbreak", "\N{KELVIN SIGN}elvin", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", ""]  # fmt: skip
NEEDLES = [*TEXTS, "it", "kelvin", "i", "quoted", "line", "é", "can"]


def spoken(index):
    """Return a session that says some of the texts, of which one is written as JSON with codes."""
    rows = session(index, exposures=[("t", "ab"[index % 2], "random", declaration())])
    labels = {name: ("system", name, False, None) for name in ("start", "transcript_part", "turn_end")}
    parts = [TEXTS[(index + step) % len(TEXTS)] for step in range(index % 4)]
    rows.events = [(0.0, 0, labels["start"], "{}")]
    for turn, text in enumerate(parts):
        data = {"role": "user" if turn % 2 else "agent", "content": text, "n": turn, "seen": [text, turn]}
        rows.events.append(
            (float(turn), turn, labels["transcript_part"], json.dumps(data, ensure_ascii=index // 2 % 2 == 0))
        )
        rows.events.append((turn + 0.5, turn, labels["turn_end"], json.dumps({"duration": 500 * turn})))
    return rows


def logged(folder, sessions, shard_size):
    """Write a log of several shards."""
    write_manifest(folder, {"status": "finished", "run_id": "r", "shard_size": shard_size, "source": "simulated"})
    for number in range(len(sessions) // shard_size):
        stage_shard(folder, number, "all", sessions[number * shard_size : (number + 1) * shard_size])
        settle_shard(folder, number, "all")
    return vl.open_log(folder)


@pytest.fixture
def log(tmp_path):
    """Four sessions of 0, 1, 2 and 3 turns."""
    (tmp_path / "log").mkdir()
    return write_log(tmp_path / "log", [spoken(index) for index in range(4)])


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    log = logged(tmp_path_factory.mktemp("many"), [spoken(index) for index in range(24)], shard_size=12)
    return log, [log.session(index) for index in range(24)]


conditions = st.one_of(
    st.sampled_from(NEEDLES),
    st.none(),
    st.integers(0, 3),
    st.builds(lambda name, text: {name: text}, st.sampled_from(["$contains", "$icontains", "$eq", "$ne", "$inc", "$ninc"]), st.sampled_from(NEEDLES)),
    st.builds(lambda name, texts: {name: texts}, st.sampled_from(["$in", "$nin"]), st.lists(st.sampled_from(NEEDLES), max_size=3)),
    st.builds(lambda name, n: {name: n}, st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), st.integers(0, 1500)),
)  # fmt: skip
elements = st.dictionaries(
    st.sampled_from(["data.content", "data.n", "data.seen", "data.duration", "timestamp", "data.nothing"]), conditions, max_size=2
)  # fmt: skip
named_elements = st.builds(
    lambda name, rest: {"name": name, **rest},
    st.sampled_from(["transcript_part", "turn_end", "nothing", {"$in": ["start", "turn_end"]}, {"$contains": "turn"}]),
    elements,
)
predicates = st.fixed_dictionaries(
    {},
    optional={
        "turn_count": st.builds(lambda n: {"$gte": n}, st.integers(0, 3)),
        "events": st.one_of(elements, named_elements).map(lambda element: {"$any": element}),
        "duration_seconds": st.builds(lambda n: {"$lt": n}, st.integers(0, 36)),
    },
)


@settings(max_examples=60)
@given(predicate=predicates)
def test_a_log_says_of_each_session_what_its_record_says(many, predicate):
    log, records = many
    evaluator = Evaluator("", assertion=predicate)
    frame = log.evaluate(evaluator)
    expected = [record.evaluate(evaluator) for record in records]
    assert list(frame["success"]) == [found.success for found in expected]
    assert list(frame["failed_path"]) == [found.failed_path for found in expected]
    assert list(frame["reason"]) == [found.reason for found in expected]


@pytest.mark.parametrize("asks", [lambda text: text, *({"$contains": 0}, {"$icontains": 0}, {"$eq": 0})])
def test_no_letter_hides_in_the_way_that_a_log_writes_it(many, asks):
    log, records = many
    for needle in NEEDLES:
        condition = asks(needle) if callable(asks) else dict.fromkeys(asks, needle)
        evaluator = Evaluator("", assertion={"events": {"$any": {"data.content": condition}}})
        assert list(log.evaluate(evaluator)["success"]) == [record.evaluate(evaluator).success for record in records]


def test_a_log_is_read_only_as_far_as_a_predicate_looks(many, monkeypatch):
    read = []

    def noting(file, group, columns, read_it=session_views._read):
        read.extend(columns)
        return read_it(file, group, columns)

    monkeypatch.setattr(session_views, "_read", noting)
    log, _ = many
    log.evaluate({"direction": "inbound"})
    assert set(read) == {"session_index", "session_id", "direction"}
    read.clear()
    log.evaluate({"turn_count": 2})
    assert set(read) == {"session_index", "session_id", "name"}
    read.clear()
    log.evaluate({"events": {"$any": {"name": "turn_end", "timestamp": {"$gt": 1}}}})
    assert set(read) == {"session_index", "session_id", "name", "time_s"}


def test_what_an_evaluator_comes_to_joins_the_outcomes_once(log, template):
    path = template(HEAD + "  precondition: {turn_count: {$gte: 1}}\n  assertion: {turn_count: {$gte: 2}}\n")
    frame = log.evaluate(path)
    assert list(frame.columns) == ["session_id", "status", "success", "failed_path", "reason"]
    assert list(frame["session_id"]) == ["s000", "s001", "s002", "s003"]
    assert list(frame["status"]) == ["skipped", "complete", "complete", "complete"]
    assert list(frame["success"]) == [None, False, True, True]
    sessions = log.sessions()["outcome.polite"]
    assert list(sessions[1:]) == [0, 1, 1]
    assert pd.isna(sessions[0])
    assert log.evaluate(path).equals(frame)  # a cell that is run again
    assert vl.open_log(log.path).evaluate(path).equals(frame)
    assert len(log.outcomes()) == 3
    assert log.verify().sound
    result = vl.analyze(log, "t", outcome="polite", rule=vl.StopRule(max_iterations=10, default="a"))
    assert dict(result.variants.set_index("variant")["n"]) == {"a": 1, "b": 2}
    with pytest.raises(InputError, match="has the outcome 'polite' already, and it isn't what this evaluator comes to"):
        log.evaluate({"turn_count": 3}, name="polite")
    with pytest.raises(InputError, match="can't go by the name of 'session_id'"):
        log.evaluate({"turn_count": 3}, name="session_id")


def test_a_predicate_alone_leaves_the_log_as_it_is(log):
    log.evaluate(TWICE)
    assert not len(log.outcomes())
    log.evaluate(TWICE, name="twice")
    assert list(log.outcomes()["value"]) == [0, 0, 0, 1]


def test_what_a_log_has_grown_by_is_added(tmp_path):
    log = logged(tmp_path, [spoken(index) for index in range(4)], shard_size=2)
    log.evaluate(TWICE, name="twice")
    stage_shard(tmp_path, 2, "all", [spoken(7), spoken(8)])
    settle_shard(tmp_path, 2, "all")
    grown = vl.open_log(tmp_path)
    assert len(grown.outcomes()) == 4
    grown.evaluate(TWICE, name="twice")
    assert list(grown.outcomes()["value"]) == [0, 0, 0, 1, 1, 0]
    assert grown.verify().sound


def test_an_outcome_that_is_no_evaluators_is_left_alone(log):
    log.add_outcomes(
        pd.DataFrame({"session_id": ["s000", "s001", "s002", "s003"], "bought": [False, False, False, True]})
    )
    with pytest.raises(InputError, match="has the outcome 'bought' already"):
        log.evaluate(TWICE, name="bought")  # though the values are the same


def test_several_evaluators_stand_one_below_another_under_their_names(log, template):
    two = template(
        HEAD + "  assertion: {turn_count: 1}\n---\n" + HEAD.replace("polite", "long") + "  assertion: {turn_count: 3}\n"
    )
    frame = log.evaluate(two)
    assert list(frame["evaluator"]) == ["polite"] * 4 + ["long"] * 4
    assert list(frame["success"]) == [False, True, False, False, False, False, False, True]
    assert set(log.outcomes()["outcome"]) == {"polite", "long"}
    with pytest.raises(InputError, match="name is 'x', and there are 2 evaluators"):
        log.evaluate(two, name="x")
    with pytest.raises(InputError, match="holds 2 evaluators: polite, long"):
        log.session(0).evaluate(two)


def test_sessions_that_have_not_ended_last_no_time(tmp_path):
    log = write_log(tmp_path, [session(7), session(8, status="in_progress")])
    assert list(log.evaluate({"duration_seconds": 0})["success"]) == [False, True]


def test_a_damaged_log_makes_no_evaluations(log):
    path = log.path / "events" / "part-000000.parquet"
    path.write_bytes(path.read_bytes()[:-5] + b"xxxxx")
    with pytest.raises(LogError, match="events"):
        log.evaluate(TWICE)


def test_compacted_logs_are_evaluated_alike(tmp_path, monkeypatch):
    monkeypatch.setattr("voicelab.log.compact.SHARD_SIZE", 4)
    log = logged(tmp_path, [spoken(index) for index in range(12)], shard_size=4)
    before = log.evaluate({"turn_count": {"$gte": 2}, **said("agent", **{"$icontains": "i"})})
    compact(tmp_path)
    (file,) = (tmp_path / "events").glob("*.parquet")
    assert pq.ParquetFile(file).num_row_groups > 1
    after = vl.open_log(tmp_path).evaluate({"turn_count": {"$gte": 2}, **said("agent", **{"$icontains": "i"})})
    assert after.equals(before)
    assert set(after["success"]) == {True, False}


# --- while a simulation runs -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated():
    """Sessions of which half have two turns of the caller's; those with one alone are asked whether they hung up."""
    skipping = {"kind": "Evaluator", "metadata": {"name": "quick"}, "spec": {
        "evalType": "deterministic", "precondition": {"turn_count": 2}, "assertion": said("user", **{"$eq": "a"}),
    }}  # fmt: skip
    callers = vl.mix((["a"], 1), (["a much longer text than the other callers have", "b"], 1), (["much longer"], 1))
    return vl.simulate(ECHO, callers, sessions=60, seed=2, workers=1, progress=False, evaluators=[Evaluator("twice", assertion=TWICE), skipping])  # fmt: skip


def test_evaluators_of_a_simulation_are_outcomes_which_a_test_is_stopped_by(simulated):
    asked = simulated.evaluate(TWICE, name="twice")["success"]  # the same, which the log knows
    assert list(simulated.sessions()["outcome.twice"]) == [float(success) for success in asked]
    decision = simulated.manifest["decisions"]["t"]
    assert (decision["reason"], decision["stopped_at"]) == ("iterations", 40)
    assert json.loads(json.dumps(vl.analyze(simulated, "t").decision.to_json())) == decision
    assert simulated.manifest["evaluators"] == ["twice", "quick"]


def test_sessions_that_a_precondition_leaves_out_are_left_out_as_those_evaluated_later(simulated):
    quick = Evaluator("", assertion=said("user", **{"$eq": "a"}), precondition={"turn_count": 2})
    later = simulated.evaluate(quick.renamed("later"))
    assert set(later["success"]) == {True, False, None}
    for outcome in ("quick", "later"):
        assert list(
            simulated.sessions()[f"outcome.{outcome}"].astype(object).where(later["success"].notna(), None)
        ) == [None if success is None else float(success) for success in later["success"]]
    rule = vl.StopRule(max_iterations=60, default="a")
    during, after = (vl.analyze(simulated, "t", outcome=name, rule=rule) for name in ("quick", "later"))
    assert during.variants[["variant", "n", "mean"]].equals(after.variants[["variant", "n", "mean"]])
    assert during.variants["n"].sum() == later["success"][:40].notna().sum()  # the test stopped then


def test_a_session_that_is_run_again_has_the_same_outcomes(simulated):
    assert simulated.rerun(3).outcomes == simulated.session(3).outcomes


@pytest.mark.parametrize(
    ("evaluators", "message"),
    [
        ("x.yaml", "must be a list of evaluators"),
        ([TWICE], "a predicate without a name"),
        ([Evaluator("e", assertion={}), Evaluator("e", assertion={})], "'e' twice"),
        ({"": TWICE}, "has the name ''"),
        ({"e": {"a": {"$gtt": 1}}}, r"The assertion of 'e' has the operator '\$gtt'"),
        ({"own": TWICE}, "'own' has the name of an outcome that the sessions write themselves"),
    ],
)
def test_evaluators_that_cant_be_meant_are_refused_at_the_door(evaluators, message):
    handler = agent("if event.name == 'start':\n    context.set_outcome('own', 1)\n    yield TextToSpeechEvent('x')")
    with pytest.raises(InputError, match=message):
        vl.simulate(handler, ["a"], sessions=1, workers=1, progress=False, evaluators=evaluators)


def test_a_name_that_sessions_turn_out_to_write_ends_the_run():
    handler = agent("name = 'ow' + 'n'\nif event.name == 'start':\n    context.set_outcome(name, 1)\n    yield TextToSpeechEvent('x')")  # fmt: skip
    with pytest.raises(InputError, match="'own' has the name of an outcome"):
        vl.simulate(handler, ["a"], sessions=1, workers=1, progress=False, evaluators={"own": TWICE})


def test_what_is_not_run_and_what_no_session_has_is_told_after_a_simulation(capsys):
    judge = {"kind": "Evaluator", "metadata": {"name": "j"}, "spec": {"evalType": "judge"}}
    log = vl.simulate(ECHO, ["a"], sessions=2, workers=1, progress=False, evaluators=[judge, Evaluator("e", assertion={"turns": 3})])  # fmt: skip
    assert "The evaluator 'j' is not run" in capsys.readouterr().err
    assert any("No session has 'turns'" in remark for remark in log.manifest["remarks"])
    assert set(log.outcomes()["outcome"]) == {"e"}


def test_an_evaluator_goes_to_other_processes():
    evaluator = pickle.loads(pickle.dumps(Evaluator("e", assertion=TWICE, precondition={"tags": "x"})))
    assert (evaluator.name, evaluator.assertion.written, evaluator.precondition.written) == ("e", TWICE, {"tags": "x"})


# --- on the command line ---------------------------------------------------------------------------------------------


def test_the_command_says_how_many_succeed_and_what_the_others_fail_by(log, template, capsys):
    path = template(HEAD + "  precondition: {turn_count: {$gte: 1}}\n  assertion: {turn_count: {$gte: 2}}\n")
    assert main(["evaluate", str(log.path), str(path)]) == 0
    out = capsys.readouterr().out
    assert "2 of 3 sessions succeed (66.7%), 1 skipped" in out
    assert "1 fail by turn_count, the first of them s001: turn_count is 1, must be at least 2" in out
    assert main(["evaluate", str(log.path), '{"turns": 3}', "--name", "x", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["success"] for row in found["sessions"]] == [False] * 4
    assert found["evaluators"] == [{"name": "x", "asked": 4, "succeed": 0}]
    assert main(["evaluate", str(log.path), '{"turn_count": {"$gtt": 3}}']) == 1
    assert "Did you mean '$gt'" in capsys.readouterr().err
    assert main(["evaluate", str(log.path), "{"]) == 1
    assert "The predicate is no JSON" in capsys.readouterr().err
    assert main(["simulate", "data/agents/clinic", "--log", str(log.path) + "2", "--evaluator", "nowhere.yaml"]) == 1
    assert "There is no evaluator 'nowhere.yaml'" in capsys.readouterr().err
