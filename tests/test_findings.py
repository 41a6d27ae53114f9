"""Nothing fails in silence: what a person is told after a run, in a line each, and again wherever its log is shown."""

import functools
import random
import re

import pytest
from harness import IMPORTS, agent, says

import voicelab as vl
from voicelab.runs.findings import Findings, _take

DESK = (
    IMPORTS
    + """
async def place(context):
    yield CustomEvent("order_placed", {"id": 7})

async def handler(event, context):
    if event.name == "start":
        context.experiment("greeting", {"formal": 0.5, "casual": 0.5}, stop={"max_iterations": 400, "target_outcome": "booked", "default": "formal"})
        context.experiments.add_manual_outcome("booked", "boolean")
        context.set_outcome("booked", True)
        seen = context.get_data("seen")
        asked = context.get_data("plan", "none")
        context.set_data("seen", True)
        yield TextToSpeechEvent("Hello " + str(context.get_data("customerName")))
        context.create_task(place(context), name="place_order")
    elif event.name == "text" and "offer" in event.data["text"]:
        context.experiment("offer", {"a": 0.5, "b": 0.5})
"""
)


simulate = functools.partial(vl.simulate, progress=False, workers=1)


def warned(caught):
    return [str(warning.message) for warning in caught if "World(truth=)" in str(warning.message)]


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def failing():
    """Sessions of which one in five fails, in the second of them first, and the line of the others' only error."""
    handler = agent(
        "if event.name == 'start':\n"
        "    context.experiment('t', {'a': .5, 'b': .5}, stop={'max_iterations': 99, 'target_outcome': 'x', 'default': 'a'})\n"
        "    context.experiments.add_manual_outcome('x', 'boolean')\n"
        "    n = context.get_data('n', 0)\n"
        "    context.set_outcome('x', n % 3 == 0)\n"
        "    if n % 5 == 1:\n"
        "        raise ValueError(f'no order {n}')\n"
        "    yield TextToSpeechEvent('Hello')\n"
    )
    return simulate(handler, ["a"], sessions=40, parameters=lambda index: {"n": index})


def test_a_run_in_which_many_sessions_failed_says_so_with_the_commonest_error_its_line_and_a_session(capsys):
    simulate(agent("raise ValueError('boom')\nyield"), ["a"], sessions=20)
    said = capsys.readouterr().err
    assert said.startswith("20 of 20 sessions (100 %) had an error, ValueError: boom (handler.py:")
    assert "Look at one: log.session(0)." in said


def test_the_log_its_card_and_the_analysis_repeat_it(failing):
    assert "40 sessions, 8 with errors (20 %): ValueError: no order 1 (handler.py:" in str(failing)
    assert "e.g. log.session(1)" in str(failing)
    assert failing.session(1).n_errors
    sentence = failing.error_summary.sentence
    assert sentence.startswith("8 of 40 sessions (20 %) had an error, ValueError: no order 1 (handler.py:")
    assert f"color:#d1403a;font-weight:600'>{sentence}" in failing._repr_html_()
    assert sentence in vl.analyze(failing).warnings


def test_few_errors_are_counted_and_nothing_more(capsys):
    handler = agent("if context.get_data('n', 0) == 7:\n    raise ValueError('boom')\nyield TextToSpeechEvent('hi')")
    log = simulate(handler, vl.Script([vl.hang_up()]), sessions=150, parameters=lambda index: {"n": index})
    assert repr(log).endswith("150 sessions, 1 with errors)")
    assert "error" not in capsys.readouterr().err
    assert "font-weight:600'>1 of" not in log._repr_html_()


def test_the_line_of_a_function_is_named_as_it_is_in_its_file():
    async def handler(event, context):
        raise ValueError("boom")
        yield

    log = simulate(handler, ["a"], sessions=3)
    assert log.error_summary.place.startswith("test_findings.py:")
    assert log.rerun(0).errors[0].data["line"] == log.errors()["line"][0]


# --- names that the truth misspells ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({"greting": {"booked": {"formal": 0.3}}}, "the test 'greting', .* Did you mean 'greeting'?"),
        (
            {"greeting": {"booked": {"fromal": 0.3}}},
            r"the variant 'fromal', .*has formal, casual.* Did you mean 'formal'\?",
        ),
        ({"greeting": {"boked": {"formal": 0.3}}}, r"the outcome 'boked', .*have booked.* Did you mean 'booked'\?"),
    ],
)
def test_a_name_that_truth_misspells_is_warned_of_and_no_result_says_that_it_was_specified(truth, message, recwarn):
    log = simulate(DESK, ["hi"], sessions=40, world=vl.World(truth=truth))
    (said,) = warned(recwarn)
    assert re.search(message, said)
    assert "specified" not in vl.analyze(log, "greeting").source
    vl.run(DESK, ["hi"], world=vl.World(truth=truth))
    assert len(warned(recwarn)) == 2


def test_truth_that_names_what_there_is_goes_without_a_word_and_is_named_in_the_result(recwarn):
    truth = {"greeting": {"booked": {"formal": 0.3, "casual": 0.5}}}
    log = simulate(DESK, ["hi"], sessions=40, world=vl.World(truth=truth))
    assert not warned(recwarn)
    assert vl.analyze(log, "greeting").source == "simulated callers, effects you specified"


def test_an_outcome_that_truth_overwrites_says_so_in_the_sessions_record(road):
    record = vl.run(DESK, ["hi"], world=vl.World(truth={"greeting": {"booked": {"formal": 0.0, "casual": 0.0}}}))
    assert "booked = False, as specified; the handler had set True" in str(record)
    assert "as specified" in record._repr_html_()
    same = vl.run(DESK, ["hi"], world=vl.World(truth={"greeting": {"booked": {"formal": 1.0, "casual": 1.0}}}))
    assert "specified" not in str(same)


# --- what nobody gave, receives, reaches, says -----------------------------------------------------------------------


def test_what_goes_unsaid_in_a_session_is_told_after_the_run(capsys):
    record = vl.run(DESK, ["hi"], parameters={"customer_name": "Ann"})
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert said[0] == "The session has not reached the test 'offer', which is declared at handler.py:23."
    assert said[1].startswith("The handler asked for 'customerName' (handler.py:20), which nobody gave, and got None. ")
    assert said[1].endswith("Did you mean 'customer_name'?")
    assert said[2].startswith(
        "The background task 'place_order' yielded CustomEvent('order_placed'), which nobody receives"
    )
    assert "(nobody receives it)" in str(record)


def test_a_simulation_tells_the_same_of_all_its_sessions_and_keeps_it(capsys):
    log = simulate(DESK, vl.Script(["hi"]), sessions=30)
    said = capsys.readouterr().err.splitlines()
    assert log.manifest["remarks"] == said
    assert "in 30 of 30 sessions" in said[1]
    simulate(DESK, vl.Script(["the offer"]), sessions=3, parameters={"customerName": "Ann"})
    (said,) = capsys.readouterr().err.splitlines()
    assert "CustomEvent" in said


ORDERING = agent(
    "import httpx\n"
    "context.experiment('t', {'a': .5, 'b': .5}, stop={'max_iterations': 99, 'target_outcome': 'ordered', 'default': 'a'})\n"
    "context.experiments.add_manual_outcome('ordered', 'boolean')\n"
    "try:\n"
    "    path = context.get_data('path', 'ordres')\n"
    "    await httpx.AsyncClient().post(f'https://x.example/{path}?token=abcd1234efgh')\n"
    "    context.set_outcome('ordered', True)\n"
    "except Exception:\n"
    "    pass\n"
    "yield TextToSpeechEvent('hello')\n"
)


def test_requests_that_nothing_answers_are_told_of_although_the_handler_catches_every_error(capsys):
    asked = "asked POST https://x.example/ordres, which nothing answers: add "
    log = simulate(ORDERING, vl.Script([vl.hang_up()]), sessions=20)
    said, target = capsys.readouterr().err.splitlines()
    line = '"POST https://x.example/ordres": {"ok": True}'
    assert said == f"20 of 20 sessions {asked}http=vl.Http({{{line}}}). Look at one: log.session(0)."
    assert target.endswith("nothing can be decided by it. Let something answer the requests first.")
    assert "POST https://x.example/ordres?token=••••••: no reply" in str(log.session(0))
    vl.run(ORDERING, [], http=vl.Http({"POST https://x.example/orders": 200}))
    assert capsys.readouterr().err == f"The session {asked}to vl.Http({{...}}): {line}.\n"
    paths = [{"path": path} for path in ("orders", "b", "c", "c", "d", "e")]
    simulate(
        ORDERING,
        vl.Script([vl.hang_up()]),
        sessions=6,
        parameters=lambda index: paths[index],
        http=vl.Http({".*/orders": 200}),
    )
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "5 of 6 sessions made requests that nothing answers, POST https://x.example/c (2), POST https://x.example/b (1), "
        "POST https://x.example/d (1) and 1 more: add to vl.Http({...}): "
    )
    assert said.endswith("Look at one: log.session(2).")
    simulate(ORDERING, vl.Script([vl.hang_up()]), sessions=2, http=vl.Http({".*/ordres": 200}))
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("async def handler(event, context):\n    return 'x'\n", "handler is an `async def` without a `yield`"),
        ("async def handler(event, context):\n    return\n    yield\n", "the handler yielded no event"),
    ],
)
def test_an_agent_that_says_nothing_is_told_of(handler, message, capsys):
    vl.run(handler, ["hi"])
    assert message in capsys.readouterr().err


# --- callers that don't fit ------------------------------------------------------------------------------------------


def test_callers_whose_patterns_match_little_are_told_of_with_what_makes_them_fit(capsys):
    persona = vl.Persona("eager", replies={"price": "ten"}, otherwise="okay", max_turns=3)
    log = simulate(agent(says("the price") + says("something else", "text")), persona, sessions=30)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "60 of the callers' 90 replies (67%) were to something that none of their patterns matched (eager 67%)"
    )
    assert "vl.personas.fit(handler)" in said
    assert log.manifest["otherwise_share"] == {"eager": 0.6667}


def test_who_has_no_patterns_or_cuts_in_is_not_one_that_does_not_fit(capsys):
    callers = vl.mix(
        (vl.personas.wrong_number, 1), (vl.Persona("cut", replies={"z": "z"}, otherwise="no", barge_in=1.0), 1)
    )
    simulate(agent(says("word " * 60) + says("word " * 60, "text")), callers, sessions=20)
    assert "patterns" not in capsys.readouterr().err


def test_a_target_that_no_session_reached_is_told_of(capsys):
    handler = agent(
        "context.experiment('t', {'a': .5, 'b': .5}, stop={'max_iterations': 99, 'target_outcome': 'ordered', 'default': 'a'})\n"
        "context.experiments.add_manual_outcome('ordered', 'boolean')\n"
        "context.set_outcome('ordered', False)\n"
        "yield TextToSpeechEvent('hello')\n"
    )
    log = simulate(handler, ["hi"], sessions=10)
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("No session reached 'ordered', the target of the test 't'")
    assert "vl.personas.fit(handler)" in said
    simulate(handler.replace("'ordered', False", "'other', False"), ["hi"], sessions=10)
    assert "The handler sets it nowhere: write context.set_outcome('ordered', ...)" in capsys.readouterr().err
    assert said in log._repr_html_().replace("&#x27;", "'")


ONE_CONVERSATION = """from primfunctions.events import *
async def handler(event, context):
    if isinstance(event, StartEvent):
        context.add_test("t", {"a": .5, "b": .5}, stop={"max_iterations": 60, "target_outcome": "ok", "default": "a"})
        yield TextToSpeechEvent(text="Say.", voice="nova")
    if isinstance(event, TextEvent):
        context.set_outcome("ok", context.get_test("t") == "b")
"""


def test_one_conversation_many_times_over_is_doubted_before_its_winner_is_named(tmp_path):
    log = vl.simulate(
        ONE_CONVERSATION, vl.Script(["hi"]), sessions=60, seed=2, log=tmp_path / "log", progress=False, workers=1,
        world=vl.World(truth={"tt": {"ok": {"a": 0.1, "b": 0.2}}}),
    )  # fmt: skip
    decision = vl.analyze(log).decision
    assert decision.sentence.startswith("There is no variation within the variants")
    assert "one session many times over" in decision.doubts[0]
    assert any(remark.startswith("World(truth=) names the test 'tt'") for remark in log.manifest["remarks"])


def test_names_that_are_new_in_each_session_are_counted_and_never_all_kept(tmp_path, capsys):
    """They would fill the driver's memory, the terminal and the manifest of a million sessions."""
    handler = """
from primfunctions.events import *
import random

async def task(context, n):
    yield CustomEvent(f"done {n}", {})

async def handler(event, context):
    if event.name == "start":
        n = random.getrandbits(60)
        context.get_data(f"seen {n}")
        context.experiment("greeting", {"a": n % 999 + 1, "b": 1})
        context.create_task(task(context, n), name=f"task {n}")
        yield TextToSpeechEvent(text="Hi", voice="nova")
"""
    log = vl.simulate(handler, ["hi"], 120, log=tmp_path / "log", workers=1, progress=False)
    remarks = log.manifest["remarks"]
    assert sum("which nobody gave, and got None, in 1 of 120 sessions" in remark for remark in remarks) == 3
    assert "It asked for at least 47 keys more that nobody gave." in remarks
    assert "So it is with at least 47 events and tasks more." in remarks
    assert len(remarks) == 8
    assert "47 keys more" in capsys.readouterr().err
    found = Findings()
    for _ in range(3):
        part = Findings()
        for n in range(100):
            _take(
                part,
                [
                    ("asked", f"key {random.random()}", "line"),
                    ("stored", f"key {random.random()}"),
                    ("unreceived", f"event {n}", "t"),
                ],
                0,
            )
        part.declarations["t"] = {f"{random.random()}" for _ in range(100)}
        found.merge(part)
    assert {len(found.asked), len(found.stored), len(found.unreceived), len(found.declarations["t"])} == {50}
