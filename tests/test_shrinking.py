"""Failing sessions are shrunk to the shortest conversation that still fails the same way."""

import random
import subprocess
import sys
import textwrap

import pytest
from harness import agent

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import InputError, NotRepeatedError
from voicelab.record.failure import Failure

SAYS = [f"this is sentence number {n} of the caller" for n in range(20)]


def with_inputs(**at):
    """Return twenty inputs, some of them others: `_3="refund"` for the fourth."""
    return [at.get(f"_{n}", text) for n, text in enumerate(SAYS)]


def run(body, inputs, **options):
    return vl.run(vl.load_handler(agent(body)), inputs, **options)


TWO_IN_ORDER = """
text = event.data.get("text", "")
if "refund" in text:
    context.set_data("armed", True)
if "now" in text and context.get_data("armed"):
    raise KeyError("refund")
if event.name == "text":
    yield TextToSpeechEvent("Yes, go on please.")
"""
KEY_AFTER_INTERRUPTION = """
if event.name == "text":
    context.set_data("cut", bool(event.data.get("previous_turn_interrupted")))
    yield TextToSpeechEvent("Please listen to this long list of everything that we have on offer today.")
if event.name == "dtmf" and context.get_data("cut"):
    raise ValueError("no menu")
"""
SILENCE = """
if event.name == "timeout" and event.data["count"] == 2:
    raise RuntimeError("nobody there")
if event.name == "text":
    yield TextToSpeechEvent("Go on.")
"""
PARAMETER = """
if event.name == "text" and context.get_data("plan") == "gold":
    raise LookupError("no plan")
yield TextToSpeechEvent("Go on.")
"""
AFTER_A_FAULT = """
if event.name == "text":
    context.set_data("open", context.get_data("open", 0) + 1)
    yield TextToSpeechEvent("Go on.")
    context.set_data("open", context.get_data("open") - 1)
if event.name == "dtmf" and context.get_data("open", 0):
    raise AssertionError("still open")
"""
BACKGROUND = """
async def book():
    await asyncio.sleep(1)
    if "tuesday" in context.get_data("day"):
        raise OSError("the calendar is shut")
if event.name == "text":
    context.set_data("day", event.data["text"])
    context.create_task(book())
    yield TextToSpeechEvent("I look that up.")
"""
TWO_FAULTS = """
text = event.data.get("text", "")
if "help" in text:
    raise ValueError("first")
if "refund" in text:
    raise ValueError("second")
if event.name == "text":
    yield TextToSpeechEvent("Go on.")
"""
LOST_OUTCOME = """
if event.name == "start":
    context.add_outcome("booked", "boolean")
text = event.data.get("text", "")
if "book" in text:
    context.set_outcome("booked", "cancel" not in context.get_data("said", ""))
    yield TextToSpeechEvent("Well. You are booked for 4 o'clock.")
elif event.name == "text":
    context.set_data("said", text)
    yield TextToSpeechEvent("Go on.")
"""

PLANTED = {
    "two inputs in order": (
        TWO_IN_ORDER,
        with_inputs(_3="a refund of it", _11="refund", _17="and do it now"),
        ["refund", "now"],
    ),
    "a key after an interruption": (
        KEY_AFTER_INTERRUPTION,
        with_inputs(_2=vl.press("123"), _8=vl.interrupt("no wait a moment", 2.3), _9=vl.press("77")),
        ["this", vl.interrupt("no"), vl.press("7")],
    ),
    "a silence": (SILENCE, with_inputs(_5=vl.silence(6.3), _9=vl.silence(13.7)), [vl.silence(10)]),
    "a word in a text": (TWO_FAULTS, with_inputs(_6="could you perhaps help me with it", _7="a refund"), ["help"]),
    "a background task's error": (BACKGROUND, with_inputs(_12="maybe tuesday at noon"), ["tuesday"]),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_shrunk_to_the_known_minimum(fault):
    body, inputs, minimum = PLANTED[fault]
    record = run(body, inputs)
    shrunk = record.shrink()
    assert [kind_of(given) for given in shrunk.inputs] == [kind_of(given) for given in minimum]
    if fault != "a key after an interruption":  # which words are said doesn't matter there
        assert shrunk.inputs == minimum
    assert shrunk.failed.cause == Failure.parse("errors").of(record).cause
    assert shrunk.finished
    again = vl.run(shrunk.bench.options.handler, **shrunk.arguments)
    assert again.events == shrunk.record.events


def kind_of(given):
    return str if isinstance(given, str) else type(given)


def test_a_parameter_that_matters_is_kept_and_the_others_are_left_out():
    parameters = {"plan": "gold", "name": "Ann", "visits": [1, 2, 3]}
    shrunk = run(PARAMETER, SAYS, parameters=parameters, input_data={"a": 1}).shrink()
    assert shrunk.arguments == {"inputs": ["this"], "seed": 0, "parameters": {"plan": "gold"}} | {
        "inputs": shrunk.inputs
    }
    assert len(shrunk.inputs) == 1
    assert len(shrunk.inputs[0].split()) == 1


def test_a_value_is_made_simpler_as_far_as_it_fails():
    body = 'if event.name == "start" and sum(context.get_data("orders")["open"]) > 4:\n    raise ValueError("too many")\nyield'
    shrunk = run(body, ["hello"], parameters={"orders": {"open": [2, 7, 1, 0], "name": "Ann"}}).shrink()
    assert shrunk.arguments["parameters"] == {"orders": {"open": [7]}}
    assert shrunk.inputs == []


def test_of_the_worlds_faults_the_one_that_matters_stays_and_is_told_by_its_call():
    inputs = with_inputs(_15=vl.press("4"))
    world = vl.World(handler_faults=[3, 9, 12, 18], recognition_errors=0.1, handler_delay_s=(0.1, 0.4))
    record = run(AFTER_A_FAULT, inputs, world=world, seed=5)
    shrunk = record.shrink("AssertionError")
    assert [kind_of(given) for given in shrunk.inputs] == [str, type(vl.press("4"))]
    assert "world=vl.World(handler_faults=(1,))" in shrunk.to_call()
    assert (
        vl.run(shrunk.bench.options.handler, **shrunk.arguments).errors[-1].data["message"]
        == "AssertionError: still open"
    )


def test_a_delay_that_matters_stays_as_a_round_time():
    body = """
        if event.name == "start":
            context.set_data("greeted", True)
            yield TextToSpeechEvent("Good morning.")
        if event.name == "text" and not context.get_data("greeted"):
            raise ValueError("never greeted")
    """
    record = run(body, [vl.at(0.31, "hi"), "well"], world=vl.World(handler_delay_s=(0.437, 0.44)))
    shrunk = record.shrink()
    assert shrunk.inputs == [vl.at(0, "hi")]
    assert "world=vl.World(handler_delay_s=1.0)" in shrunk.to_call()


def test_what_a_recogniser_misheard_is_shown_in_the_words_that_the_agent_heard():
    body = 'if event.name == "text" and "yellow" in event.data["text"]:\n    raise ValueError("what?")\nyield TextToSpeechEvent("Go on.")'
    record = run(
        body,
        ["hello there my friend", "bye"],
        world=vl.World(confusions={"hello there my friend": {"yellow their": 1}}),
    )
    shrunk = record.shrink()
    assert shrunk.inputs == ["yellow"]
    assert "world" not in shrunk.arguments


def test_the_same_failure_is_kept_and_not_another_one():
    record = run(TWO_FAULTS, with_inputs(_2="I need help", _13="give me a refund now"))
    second = record.errors[1]
    shrunk = record.shrink(f"ValueError at {second.data['file']}:{second.data['line']}")
    assert shrunk.inputs == ["refund"]
    assert record.shrink().inputs == ["help"]


def test_of_a_predicate_the_same_path_stays():
    short = {"direction": "inbound", "duration_seconds": {"$lt": 4}, "turn_count": {"$lt": 5}}
    body = 'yield TextToSpeechEvent("I am sorry. " * 9 if "late" in event.data.get("text", "") else "Fine.")'
    shrunk = run(body, with_inputs(_7="you are late today")).shrink(short)
    assert shrunk.inputs == ["late"]
    assert shrunk.failed.cause.path == "duration_seconds"


def test_of_a_measure_the_bound_stays_with_the_time_that_is_needed():
    body = 'if event.name == "text":\n    await asyncio.sleep(7.3 if "look" in event.data["text"] else 0.2)\n    yield TextToSpeechEvent("Well.")'
    shrunk = run(body, with_inputs(_4="please look for me")).shrink("dead_air_s > 6")
    assert shrunk.inputs == ["look"]
    assert "value is None or value <= 6.0" in shrunk.to_test()


def test_a_session_whose_chance_no_seed_of_a_run_has_is_called_as_the_session_of_its_index():
    body = 'if event.name == "text" and random.random() < 0.0004:\n    raise OSError("luck")\nyield TextToSpeechEvent("Go on.")'
    log = vl.simulate(agent(body), ["a", "b"], sessions=1500, seed=2, workers=1, progress=False)
    index = log.failures("OSError")["session_index"].max()
    shrunk = log.session(int(index)).shrink("OSError")
    assert shrunk.index == index
    assert f"sessions={index + 1}," in shrunk.to_call()
    assert eval(shrunk.to_call(), {"vl": vl, "handler": shrunk.bench.options.handler}).errors


def test_what_a_silent_session_lacks_too_is_told_by_the_agents_last_words():
    record = run(LOST_OUTCOME, ["hello", "please cancel it", "then book 4 o'clock"])
    assert record.outcomes == {"booked": False}
    shrunk = record.shrink("booked < 1")
    assert shrunk.inputs == ["cancel", "book"]
    assert shrunk.failed.cause.last_words == "You are booked for # o'clock."


def test_the_same_session_is_shrunk_to_the_same_conversation():
    body, inputs, _ = PLANTED["a key after an interruption"]
    one, other = (run(body, inputs).shrink() for _ in range(2))
    assert (one.inputs, one.n_runs, str(one)) == (other.inputs, other.n_runs, str(other))


@pytest.mark.parametrize("seed", range(12))
def test_a_random_session_still_fails_when_it_has_been_shrunk(seed):
    rng = random.Random(seed)
    words = ["refund", "now", "hello", "help", "please", "book"]
    made = [
        lambda: " ".join(rng.choices(words, k=rng.randint(1, 6))),
        lambda: vl.press(rng.choice("123")),
        lambda: vl.silence(rng.uniform(1, 16)),
        lambda: vl.interrupt(" ".join(rng.choices(words, k=3)), rng.uniform(0, 3)),
    ]
    body = rng.choice([TWO_IN_ORDER, KEY_AFTER_INTERRUPTION, SILENCE, TWO_FAULTS])
    inputs = [rng.choice(made)() for _ in range(rng.randint(4, 14))]
    world = vl.World(handler_faults=0.05, recognition_errors=0.1, handler_delay_s=(0, 0.5)) if seed % 2 else None
    record = run(body, inputs, seed=seed, world=world)
    if not record.errors:
        return
    shrunk = record.shrink()
    cause = Failure.parse("errors").of(record).cause
    again = vl.run(shrunk.bench.options.handler, **shrunk.arguments)
    assert cause in [failed.cause for failed in Failure.parse("errors").all_of(again)]
    assert len(shrunk.inputs) <= len(inputs)


# --- logs ------------------------------------------------------------------------------------------------------------


def test_a_persona_of_a_log_becomes_the_script_that_it_spoke_with_the_seed_of_vl_run():
    handler = vl.load_handler(agent(TWO_FAULTS))
    persona = vl.Persona(
        "asker", opening="hello", replies={"go on": {"a refund": 1, "well": 3}}, patience=2, max_turns=9
    )
    log = vl.simulate(handler, persona, sessions=60, seed=3, workers=1, progress=False)
    found = log.failures()
    assert found["cause"].tolist()[0].startswith("ValueError at handler.py:")
    shrunk = log.session(found["session_id"][0]).shrink()
    assert shrunk.inputs == ["refund"]
    assert vl.run(handler, **shrunk.arguments).errors


def test_an_opened_log_says_what_is_needed_and_takes_a_handler(tmp_path):
    handler = vl.load_handler(agent(TWO_FAULTS))
    world = vl.World(recognition_errors=0.02)
    vl.simulate(handler, ["hello", "help"], sessions=3, workers=1, progress=False, log=tmp_path / "log", world=world)
    opened = vl.open_log(tmp_path / "log").session(1)
    with pytest.raises(
        InputError, match=r"doesn't hold the handler 'handler'. Give handler=.*also run with world= \(then it was World"
    ):
        opened.shrink()
    assert opened.shrink(handler=handler).inputs == ["help"]
    mended = vl.load_handler(agent(TWO_FAULTS.replace("raise", "print(end='') or")))
    with pytest.raises(NotRepeatedError, match="The handler has changed since the log was written"):
        opened.shrink(handler=mended)
    with pytest.raises(InputError, match="belongs to a session that is run by a handler"):
        opened.shrink(world=world)


def test_an_exported_session_is_shrunk_with_its_handler(tmp_path):
    body, inputs, _ = PLANTED["two inputs in order"]
    vl.run(vl.load_handler(agent(body)), inputs).to_debugger(tmp_path / "session.json")
    session = voicerun.read(tmp_path / "session.json", tmp_path / "log").session(0)
    with pytest.raises(
        InputError, match=r"\(imported\) can't be run here: .* Give handler=, what vl.load_handler takes\.$"
    ):
        session.shrink()
    assert session.shrink(handler=agent(body)).inputs == ["refund", "now"]


# --- bad input -------------------------------------------------------------------------------------------------------


def test_a_failure_that_does_not_repeat_says_what_differed_and_where_to_look():
    calls = []

    async def handler(event, context):
        calls.append(event.name)
        if event.name == "text":
            if len(calls) == 2:
                raise ValueError("the first time alone")
            yield vl.sdk.TextToSpeechEvent(text="Go on.")

    record = vl.run(handler, ["hello"])
    with pytest.raises(
        NotRepeatedError,
        match=r"failed by ValueError at .*it didn't fail: event \d+ \(error at .* became text_to_speech.*check=True",
    ):
        record.shrink()


def test_a_session_that_runs_well_says_what_may_be_a_failure():
    record = run(TWO_FAULTS, ["hello"])
    with pytest.raises(InputError, match="say what of it is a failure"):
        record.shrink()
    with pytest.raises(InputError, match="doesn't fail by errors"):
        record.shrink("errors")
    with pytest.raises(InputError, match="max_runs"):
        run(TWO_FAULTS, ["help"]).shrink(max_runs=0)


def test_a_search_that_ends_early_says_so():
    shrunk = run(TWO_IN_ORDER, PLANTED["two inputs in order"][1]).shrink(max_runs=4)
    assert not shrunk.finished
    assert "ended early, after max_runs=4 sessions: it may be shorter still" in str(shrunk)
    assert shrunk.record.errors


# --- as a test -------------------------------------------------------------------------------------------------------


def passes(folder, name):
    """Return whether pytest passes with a file, and what it said."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-cov", "-n", "0", name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.returncode == 0


LIMIT = 3


async def beside_the_tests(event, context):
    if event.name == "text" and len(event.data["text"].split()) > LIMIT:
        raise ValueError("too long")
    yield vl.sdk.TextToSpeechEvent(text=said(event.name))


def said(name):
    return f"I heard {name}."


def test_what_is_written_as_a_test_fails_with_the_bug_and_passes_without(tmp_path):
    (tmp_path / "agent").mkdir()
    file = tmp_path / "agent" / "handler.py"
    broken = agent(TWO_IN_ORDER)
    file.write_text(broken)
    shrunk = vl.run(file, PLANTED["two inputs in order"][1], parameters={"a": 1}).shrink()
    text = shrunk.to_test(tmp_path / "test_refund.py", name="refund twice")
    assert "def test_refund_twice():" in text
    assert str(tmp_path) not in text
    assert not passes(tmp_path, "test_refund.py")
    assert shrunk.to_test(tmp_path / "test_refund.py", name="refund twice") == text
    with pytest.raises(InputError, match="is there, and is no test of a shrunk session"):
        shrunk.to_test(file)
    assert file.read_text() == broken
    file.write_text(broken.replace('raise KeyError("refund")', "pass"))
    assert passes(tmp_path, "test_refund.py")


@pytest.mark.parametrize("given", ["a function", "text"])
def test_a_handler_without_a_file_of_its_own_stands_in_its_test(tmp_path, given):
    handler = beside_the_tests if given == "a function" else vl.load_handler(agent(TWO_FAULTS))
    shrunk = vl.run(handler, ["hello", "one two three four five, I need help"]).shrink()
    text = shrunk.to_test()
    (tmp_path / "test_broken.py").write_text(text)
    (tmp_path / "test_mended.py").write_text(text.replace("raise ValueError", "print"))
    assert not passes(tmp_path, "test_broken.py")
    assert passes(tmp_path, "test_mended.py")


@pytest.mark.parametrize(
    ("failure", "assertion"),
    [
        ("booked < 1", "assert (record.outcomes.get('booked') or 0) >= 1"),
        ("status == completed", "assert record.status != 'completed'"),
        ("n_turns > 1", "assert record.facts['n_turns'] <= 1"),
        ({"turn_count": {"$gt": 50}}, "found = record.evaluate({'turn_count': {'$gt': 50}})"),
    ],
)
def test_each_kind_of_failure_has_its_assertion(failure, assertion):
    text = run(LOST_OUTCOME, ["please cancel it", "then book 4 o'clock"]).shrink(failure).to_test()
    assert assertion in text
    scope = {}
    exec(compile(text, "test_it.py", "exec"), scope)
    [test] = [value for name, value in scope.items() if name.startswith("test_")]
    with pytest.raises(AssertionError):
        test()


def test_values_of_variables_are_in_no_test():
    handler = vl.load_handler(agent(TWO_FAULTS), variables={"API_KEY": "sk-very-secret-1"})
    body = 'if context.get_data("key") and "sk-very" in context.get_data("key"):\n    raise ValueError("no")\nyield'
    keyed = vl.load_handler(agent(body), variables={"API_KEY": "sk-very-secret-1"})
    shown = vl.run(keyed, [], parameters={"key": "sk-very-secret-1"}).shrink()
    text = vl.run(handler, ["help with sk-very-secret-1"]).shrink().to_test()
    shown_texts = [
        text,
        shown.to_call(),
        shown.to_test(),
        str(shown),
        repr(shown),
        shown._repr_html_(),
        str(shown.to_json()),
    ]
    assert "sk-very-secret-1" not in "".join(shown_texts)
    assert "os.environ['API_KEY']" in text


def test_what_was_found_shows_itself_with_a_mark_at_the_row_that_fails():
    shrunk = run(TWO_IN_ORDER, PLANTED["two inputs in order"][1]).shrink()
    assert textwrap.dedent(shrunk.to_script()) == '[\n    "refund",\n    "now",\n]'
    marked = [line for line in str(shrunk).splitlines() if "▶ KeyError: 'refund'" in line]
    assert len(marked) == 2
    assert "▶ KeyError" in shrunk._repr_html_()
    frame = shrunk.to_frame()
    assert frame.loc[frame["fails"], "who"].tolist() == ["error"]
    assert repr(shrunk).startswith("Shrunk(KeyError at handler.py:")


CHECKED = """
from primfunctions.events import TextEvent, TextToSpeechEvent

async def handler(event, context):
    if isinstance(event, TextEvent):
        if context.variables.get("KEY") in (context.get_data("key", ""), event.data["text"]):
            raise ValueError("it is the key")
        yield TextToSpeechEvent(text="Go on.")
"""


def test_a_parameter_that_is_the_value_of_a_variable_is_a_fixture_of_the_test():
    handler = vl.load_handler(CHECKED, variables={"KEY": "sk-3141592653"})
    shrunk = vl.run(handler, ["hello"], parameters={"key": "sk-3141592653", "other": 1}).shrink()
    assert "parameters=parameters," in shrunk.to_call()
    test = shrunk.to_test()
    assert "def test_valueerror_at_handler_py_7(parameters):" in test
    assert "The shortest of a session with 1 input that failed so." in test
    assert not any("sk-3141592653" in text for text in (test, str(shrunk), repr(shrunk), str(shrunk.to_json())))


def test_a_masked_word_of_the_caller_is_named_where_it_keeps_a_failure_from_coming_again():
    handler = vl.load_handler(CHECKED, variables={"KEY": "sk-3141592653"})
    with pytest.raises(
        NotRepeatedError, match="it holds the value of a variable, which is masked in the record. Step "
    ):
        vl.run(handler, ["hello", "sk-3141592653"]).shrink()


def test_an_unknown_option_or_a_name_that_is_no_text_is_refused():
    record = vl.run(CHECKED, ["hello"], variables={"KEY": "hello"})
    with pytest.raises(InputError, match="shrink has no option 'word'. Did you mean 'world'"):
        record.shrink(handler=CHECKED, word=vl.World())
    with pytest.raises(InputError, match="name is 5, must be some text"):
        record.shrink().to_test(name=5)


def test_of_a_predicate_it_is_said_once_that_nobody_has_what_it_asks_for():
    with pytest.warns(UserWarning, match="No session has 'nope'") as said:
        vl.run("clinic", ["hello", "well"]).shrink({"nope": 1})
    assert len([one for one in said if "nope" in str(one.message)]) == 1
