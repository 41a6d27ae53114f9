"""The SDK's traps closed and the guide's spellings at work, noted."""

import asyncio
import copy
import gc
import pickle
import subprocess
import sys

import cloudpickle
import orjson
import pytest
from harness import agent, play, play_many
from primfunctions.configuration import Configuration
from primfunctions.context import Context
from primfunctions.logger import logger
from primfunctions.metrics import metrics
from primfunctions.tracer import tracer

import voicelab as vl
from voicelab import sdk
from voicelab.base.errors import HandlerError, InputError
from voicelab.callers import as_caller
from voicelab.runtime.context import LabContext
from voicelab.session.session_state import Session

ON_START = "if event.name == 'start':\n    "


def start(*lines):
    """Return the body of a handler that does this at the start alone."""
    return agent("if event.name == 'start':\n" + "\n".join(f"    {line}" for line in lines))


# --- H1, H2: shared defaults -----------------------------------------------------------------------------------------


def test_h1_the_sdks_contexts_still_share_their_defaults():
    """The trap itself: if this fails, the SDK has closed it."""
    assert Context().data is Context().data


@pytest.mark.parametrize("what", ["data", "variables", "input_data", "tasks", "history"])
def test_h1_no_session_sees_what_another_has_stored(what):
    handler = start(
        f"store = context.{what}",
        "seen = len(store)",
        "store.append('x') if isinstance(store, list) else store.update(left='behind')",
        "context.data.clear() if store is context.data else None",
        "context.tasks.clear()",
        "context.set_data('seen', seen)",
        f"store is context.{what} and not isinstance(store, list) and store.update(left='behind')",
        "context.tasks.clear()",
    )
    assert [p.data["seen"] for p in play_many(handler, sessions=3)] == [0, 0, 0]
    assert Context().data == {}
    assert Context().variables == {}


def test_h1_a_configuration_is_a_sessions_own():
    handler = start(
        "context.set_data('voice', context.configuration.default_voice)", "context.configuration.default_voice = 'x'"
    )
    played = play_many(handler, sessions=3, configuration={"default_voice": "brooke"})
    assert [p.data["voice"] for p in played] == ["brooke"] * 3
    assert Configuration().default_voice == "nova"


def test_h2_the_sdks_events_still_share_their_defaults():
    assert sdk.StartEvent().data is sdk.StartEvent().data


def test_h2_a_key_written_on_a_start_event_is_on_no_other():
    played = play_many(
        start("seen = dict(event.data)", "event.data['k'] = 1", "context.set_data('seen', seen)"), sessions=3
    )
    assert [p.data["seen"] for p in played] == [{}] * 3
    assert sdk.StartEvent().data == {}


def test_an_event_is_delivered_as_a_copy():
    event = sdk.TextEvent("text", "hi")
    event.data["list"] = [1]
    fresh = sdk.deliverable(event)
    fresh.data["list"].append(2)
    assert event.data["list"] == [1]
    assert type(fresh) is type(event)


def test_the_callers_parameters_stay_as_they_are():
    """The SDK's Context deletes `runTest` and `functionId` from the dict that it is given."""
    parameters = {"runTest": '{"t": false}', "deep": {"list": []}}
    play(start("context.data['deep']['list'].append(1)"), parameters=parameters)
    assert parameters == {"runTest": '{"t": false}', "deep": {"list": []}}


# --- H3, H4: metrics -------------------------------------------------------------------------------------------------

CONVERTS = """
if event.name in ("start", "text"):
    context.experiment("e", {"a": 0.5, "b": 0.5}, conversion_metrics=["booked"])
if event.name == "text":
    metrics.counter("booked", value=int(event.data["text"]), tags={"own": "tag"})
"""


def test_h3_a_thousand_sessions_on_one_metric_credit_each_itself_alone():
    class Numbered:
        name = "numbered"

        def begin(self, rng):
            self.n = getattr(self, "n", -1) + 1
            return as_caller([str(self.n)]).begin(rng)

    played = play_many(agent(CONVERTS), Numbered(), 1000)
    assert [p.outcomes["booked"]["value"] for p in played] == list(range(1000))
    for p in played:
        [row] = p.metrics
        [exposure] = p.exposures
        assert row["tags"] == {"experiment_e": exposure["variant"], "own": "tag"}
    assert metrics._experiment_tags == {}
    assert metrics._conversion_callbacks == {}


def test_h3_sessions_that_overlap_credit_each_itself_alone():
    handler = agent("""
        if event.name == "start":
            context.experiment("e", {"a": 1.0}, conversion_metrics=["booked"])
            await asyncio.sleep(0)
            for _ in range(context.get_data("n")):
                metrics.counter("booked")
                await asyncio.sleep(0)
    """)
    played = play_many(handler, sessions=5, clock="wall", together=True, parameters=lambda index: {"n": index})
    assert [p.outcomes["booked"]["value"] for p in played] == [0, 1, 2, 3, 4]
    assert [len(p.metrics) for p in played] == [0, 1, 2, 3, 4]


def test_h3_a_metric_of_a_task_is_credited_to_its_session():
    handler = agent("""
        async def task():
            await asyncio.sleep(1)
            metrics.counter("booked")
        if event.name == "start":
            context.experiment("e", {"a": 1.0}, conversion_metrics=["booked"])
            context.create_task(task(), name="t")
    """)
    assert [p.outcomes["booked"]["value"] for p in play_many(handler, sessions=3)] == [1, 1, 1]


def test_h3_a_metric_in_a_thread_is_credited_to_its_session():
    handler = agent("""
        if event.name == "start":
            context.experiment("e", {"a": 1.0}, conversion_metrics=["booked"])
            await asyncio.to_thread(metrics.counter, "booked")
    """)
    for clock in ("virtual", "wall"):
        assert play(handler, clock=clock).outcomes["booked"]["value"] == 1


@pytest.mark.parametrize("n_texts", [1, 3])
def test_h4_a_test_that_is_declared_at_every_event_counts_a_conversion_once(n_texts):
    played = play(agent(CONVERTS), ["0"] * (n_texts - 1) + ["1"])
    assert played.outcomes["booked"]["value"] == 1
    assert len(played.exposures) == 1
    assert len(played.metrics) == n_texts


def test_a_test_is_sticky_and_logged_as_the_sdk_logs_it():
    handler = agent("context.experiment('e', {'a': 0.5, 'b': 0.5})\ncontext.set_data('v', context.get_experiment('e'))")
    for played in play_many(handler, ["x"], 10):
        variant = played.exposures[0]["variant"]
        assert played.data["v"] == variant
        rows = [e for e in played.kind("log") if e.data.get("location") == "context.experiment"]
        assert {e.data["message"] for e in rows} == {f"Experiment 'e' selected variant '{variant}'"}


@pytest.mark.parametrize(
    ("call", "kind", "value"),
    [
        ("counter('m')", "counter", 1.0),
        ("gauge('m', value=12.5)", "gauge", 12.5),
        ("histogram('m', value=3)", "histogram", 3.0),
    ],
)
def test_each_kind_of_metric_is_a_row_and_an_event(call, kind, value):
    played = play(start(f"metrics.{call}"))
    [row] = played.metrics
    assert (row["type"], row["metric"], row["value"]) == (kind, "m", value)
    [event] = played.kind("metric")
    assert (event.name, event.seq) == (f"metrics.{kind}.m", row["seq"])


def test_counters_add_up_and_gauges_keep_the_last_value():
    handler = start(
        "context.experiment('e', {'a': 1.0}, conversion_metrics=['c', 'g'])",
        "metrics.counter('c')",
        "metrics.counter('c', value=2)",
        "metrics.gauge('g', value=12.5)",
        "metrics.gauge('g', value=7.5)",
    )
    outcomes = play(handler).outcomes
    assert (outcomes["c"]["value"], outcomes["g"]["value"]) == (3, 7.5)


def test_h9_the_type_of_an_outcome_is_that_of_its_value():
    handler = start("context.experiment('e', {'a': 1.0}, conversion_metrics=['g'])", "metrics.gauge('g', value=12.5)")
    assert (play(handler).outcomes["g"]["type"], play(handler).outcomes["g"]["written"]) == ("float", True)


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "'1'", "None"])
def test_a_metric_that_is_no_number_is_an_error_row(value):
    assert "finite number" in play(start(f"metrics.gauge('m', value={value})")).errors[0].data["message"]


def test_a_numpy_number_is_refused_saying_what_to_write():
    [error] = play(start("import numpy as np", "metrics.gauge('m', value=np.float32(1))")).errors
    assert "float(value)" in error.data["message"]


def test_metrics_outside_a_session_print_as_ever(capsys):
    metrics.counter("outside")
    with sdk.hosted():
        metrics.counter("outside")
        logger.info("hello")
    assert capsys.readouterr().out.splitlines() == ["[metric:counter] outside=1"] * 2 + ["[info] hello"]


def test_the_sdks_singletons_are_as_they_were_afterwards():
    before = metrics._impl, logger._impl, tracer._impl, sdk.TextToSpeechEvent.__init__, sdk.sdk_events.datetime
    play(agent(CONVERTS), ["1"])
    assert (
        metrics._impl,
        logger._impl,
        tracer._impl,
        sdk.TextToSpeechEvent.__init__,
        sdk.sdk_events.datetime,
    ) == before


# --- H5: variants ----------------------------------------------------------------------------------------------------


def test_h5_variants_repeat_and_do_not_depend_on_what_else_is_random():
    quiet = start("context.experiment('e', {'a': 0.5, 'b': 0.5})")
    noisy = start(
        "[random.random() for _ in range(9)]", "random.seed(1)", "context.experiment('e', {'a': 0.5, 'b': 0.5})"
    )
    drawn = [[p.exposures[0]["variant"] for p in play_many(h, sessions=50)] for h in (quiet, quiet, noisy)]
    assert drawn[0] == drawn[1] == drawn[2]
    assert set(drawn[0]) == {"a", "b"}


def test_h5_a_test_more_shifts_no_other_test():
    one = start("context.experiment('e', {'a': 0.5, 'b': 0.5})")
    two = start("context.experiment('first', {'x': 1, 'y': 1})", "context.experiment('e', {'a': 0.5, 'b': 0.5})")
    drawn = [[p.exposures[-1]["variant"] for p in play_many(h, sessions=50)] for h in (one, two)]
    assert drawn[0] == drawn[1]


def test_g14_shares_are_as_declared():
    variants = [p.exposures[0]["variant"] for p in play_many(harness_sample(4), sessions=3000)]
    for name, share in {"formal": 0.33, "casual": 0.33, "friendly": 0.34}.items():
        assert variants.count(name) / 3000 == pytest.approx(share, abs=0.03)


def harness_sample(number):
    from pathlib import Path

    return next((Path(__file__).parent / "samples").glob(f"{number:02}_*.py"))


def test_an_exposure_says_how_the_variant_came_about():
    handler = start("context.experiment('e', {'a': 3, 'b': 1}, stop={'max_iterations': 5, 'default': 'b'})")
    keys = ("variant", "weight", "assignment", "probability")
    [random_] = play(handler).exposures
    assert random_["assignment"] == "random"
    assert random_["probability"] == {"a": 0.75, "b": 0.25}[random_["variant"]]
    [forced] = play(handler, variants={"e": "b"}).exposures
    assert tuple(forced[k] for k in keys) == ("b", 1.0, "forced", 1.0)
    [stopped] = play(handler, run_test={"e": False}).exposures
    assert tuple(stopped[k] for k in keys) == ("b", 1.0, "default_after_stop", 1.0)


STOP = "stop={'max_iterations': 500, 'max_confidence': 95, 'target_outcome': 'sold', 'default': 'b'}"


@pytest.mark.parametrize("options", [{}, {"variants": {"e": "a"}}, {"run_test": {"e": False}}])
@pytest.mark.parametrize("call", ["experiment", "add_test"])
def test_a_forced_or_stopped_test_keeps_its_weights_and_stop(call, options):
    declaration = play(start(f"context.{call}('e', {{'a': 0.5, 'b': 0.5}}, {STOP})"), **options).exposures[0][
        "declaration"
    ]
    declared = orjson.loads(declaration)
    assert declared["variants"] == {"a": 0.5, "b": 0.5}
    assert declared["stop"]["max_iterations"] == 500
    assert declared["stop"]["max_confidence"] == 95
    assert declared["stop"]["target_outcome"] == "sold"
    assert declared["stop"]["default"] == "b"


def test_a_test_without_stop_ignores_run_test():
    handler = start("context.experiment('e', {'a': 1.0})")
    assert play(handler, run_test={"e": False}).exposures[0]["assignment"] == "random"


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("{'a': 0, 'b': 0}", "above 0"),
        ("{'a': -1, 'b': 2}", "above 0"),
        ("{'a': float('nan')}", "above 0"),
        ("{'a': float('inf')}", "above 0"),
        ("{'a': '1'}", "above 0"),
        ("{'a': True}", "above 0"),
        ("{}", "at least one variant"),
        ("['a', 'b']", "must be a dict"),
        ("{None: 1.0}", "named None"),
    ],
)
@pytest.mark.parametrize("call", ["experiment", "add_test"])
def test_weights_that_cant_be_meant_are_refused(call, weights, message):
    [error] = play(start(f"context.{call}('e', {weights})")).errors
    assert message in error.data["message"]


def test_weights_need_not_sum_to_one_and_are_noted_once():
    played = play_many(start("context.experiment('e', {'a': 3, 'b': 1})"), sessions=200)
    assert played[0].rules.count("weights_sum") == 1
    assert 120 < sum(p.exposures[0]["variant"] == "a" for p in played) < 180


def test_a_default_that_is_no_variant_is_noted():
    handler = start("context.experiment('e', {'a': 1.0}, stop={'max_iterations': 5, 'default': 'z'})")
    assert "default_not_a_variant" in play(handler).rules


def test_g15_an_unknown_test_is_a_clear_error():
    [error] = play(start("context.add_test('greeting', {'a': 1.0})", "context.get_test('greting')")).errors
    assert "Did you mean 'greeting'" in error.data["message"]


def test_t7_a_positional_stop_is_noted():
    assert "positional_stop" in play(start("context.add_test('e', {'a': 1.0}, {'max_iterations': 5})")).rules


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_g23_an_outcome_has_a_default_before_it_is_set():
    handler = start("context.set_data('before', context.get_outcome('rate', 0.0))")
    assert play(handler).data["before"] == 0.0


def test_g24_an_outcome_is_a_sum_that_may_pass_one_and_is_flagged():
    handler = agent("context.set_outcome('rate', context.get_outcome('rate', 0.0) + 0.8)")
    played = play(handler, ["x"])
    assert played.outcomes["rate"]["value"] == pytest.approx(2.4)
    assert played.rules.count("rate_above_one") == 1


@pytest.mark.parametrize(
    ("value", "kind", "number", "text"),
    [
        ("True", "boolean", 1.0, None),
        ("3", "integer", 3.0, None),
        ("2.5", "float", 2.5, None),
        ("'gold'", "string", None, "gold"),
    ],
)
def test_an_outcome_is_stored_by_the_type_of_its_value(value, kind, number, text):
    row = play(start(f"context.set_outcome('o', {value})")).outcomes["o"]
    assert (row["type"], row["value"], row["text"], row["written"]) == (kind, number, text, True)


def test_a_declared_outcome_that_was_never_set_is_a_row_that_says_so():
    row = play(start("context.add_outcome('booked', 'boolean')")).outcomes["booked"]
    assert (row["type"], row["value"], row["written"]) == ("boolean", 0.0, False)


def test_outcomes_are_triggered_and_reset():
    outcomes = play(
        start(
            "context.add_outcome('n', 'integer')",
            "context.trigger_outcome('n')",
            "context.trigger_outcome('n')",
            "context.trigger_outcome('flag')",
            "context.add_outcome('back', 'integer')",
            "context.set_outcome('back', 5)",
            "context.reset_outcome('back')",
        )
    ).outcomes
    assert {name: row["value"] for name, row in outcomes.items()} == {"n": 2, "flag": 1, "back": 0}


# --- H6: pickling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_h6_a_configuration_survives_pickling(dumps):
    before = Configuration(timeout=9, stt_language="de", default_voice="brooke")
    after = pickle.loads(dumps(before))
    assert after.__dict__() == before.__dict__()


def test_h6_a_configuration_survives_copying():
    before = Configuration(timeout=9)
    assert copy.deepcopy(before).__dict__() == copy.copy(before).__dict__() == before.__dict__()


@pytest.mark.parametrize("singleton", [metrics, logger, tracer])
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_the_sdks_singletons_keep_their_identity(singleton, dumps):
    assert pickle.loads(dumps(singleton)) is singleton
    assert pickle.loads(dumps(lambda: singleton) if dumps is cloudpickle.dumps else dumps([singleton])) is not None


def test_a_function_that_refers_to_metrics_comes_back_with_the_same_one():
    def uses():
        return metrics, logger, tracer

    assert all(a is b for a, b in zip(pickle.loads(cloudpickle.dumps(uses))(), uses(), strict=True))


# --- H7, H8, H10, H11 ------------------------------------------------------------------------------------------------


def test_h7_twenty_virtual_seconds_are_twenty_for_the_handler():
    handler = start("began = time.time()", "await asyncio.sleep(20)", "context.set_data('passed', time.time() - began)")
    assert play(handler).data["passed"] == pytest.approx(20)


def test_h8_a_session_runs_where_a_loop_runs_already():
    import voicelab as vl

    async def cell():
        return vl.run(agent("if event.name == 'start':\n    yield TextToSpeechEvent('hi')\n"), ["x"])

    assert asyncio.run(cell()).status == "completed"


def test_h10_data_that_json_does_not_know_is_still_logged():
    data = play(start("context.set_data('set', {2, 1})", "context.set_data('o', object())", "context.data[1] = 2")).data
    assert data["set"] == [1, 2]
    assert data["1"] == 2


def test_h11_the_sdks_test_runner_is_not_imported():
    """It imports pytest, which users haven't installed."""
    code = "import sys, voicelab.sdk, voicelab.runtime.clock, voicelab.world.world; print('primfunctions.test_runner' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


# --- notes -----------------------------------------------------------------------------------------------------------

TOLERANCES = {
    "interruptable": "yield TextToSpeechEvent('a', interruptable=True)",
    "add_test": "context.add_test('e', {'a': 1.0})",
    "get_test": "context.get_test('e')",
    "add_outcome": "context.add_outcome('o', 'integer')",
    "get_outcome_default": "context.get_outcome('o', 0)",
    "undeclared_outcome": "context.set_outcome('new', 1)",
    "background_task_name": "context.create_task(asyncio.sleep(0), background_task_name='b')",
    "unnamed_task": "context.create_task(asyncio.sleep(0))",
    "audio_needs_url": "yield AudioEvent('/a.mp3')",
    "positional_stop": "context.add_test('p', {'a': 1.0}, {'max_iterations': 5})",
    "blocking_call": "time.sleep(0.1)",
}


@pytest.mark.parametrize("rule", TOLERANCES)
def test_each_tolerance_is_noted_once_a_line_with_file_line_and_spellings(rule):
    text = start("context.experiment('e', {'a': 1.0})", TOLERANCES[rule])
    line = next(n for n, source in enumerate(text.splitlines(), 1) if TOLERANCES[rule] in source)
    notes = [n for n in play_many(text, ["x"], 3)[0].notes if n.rule == rule]
    assert [(n.file, n.line) for n in notes] == [("handler.py", line)]
    assert all((notes[0].written, notes[0].sdk, notes[0].platform))
    assert sdk.VERSION in notes[0].sdk
    assert str(notes[0]).startswith(f"handler.py:{line}: ")


def test_two_lines_are_two_notes():
    assert (
        play(start("context.add_test('a', {'x': 1.0})", "context.add_test('b', {'x': 1.0})")).rules.count("add_test")
        == 2
    )


def test_notes_are_kept_out_of_the_events():
    played = play(start(*TOLERANCES.values()))
    assert "Guide" not in repr(played.events)


STRICT = {
    "yield TextToSpeechEvent('a', interruptable=True)": "TypeError: TextToSpeechEvent.__init__() got an unexpected",
    "yield AudioEvent('a', interruptable=True)": "TypeError: AudioEvent.__init__() got an unexpected",
    "context.get_outcome('o', 0)": "TypeError: Context.get_outcome() takes 2 positional arguments but 3 were given",
    "context.set_outcome('o', 1)": "ValueError: Outcome 'o' not found",
    "context.trigger_outcome('o')": "ValueError: Outcome 'o' not found",
    "context.get_test('o')": "ValueError: Experiment 'o' not found",
    "context.create_task(None, background_task_name='b')": "unexpected keyword argument 'background_task_name'",
}


@pytest.mark.parametrize("line", STRICT)
def test_strict_shows_the_sdks_own_error(line):
    [error] = play(start(line), strict=True).errors
    assert STRICT[line] in error.data["message"]


def test_strict_still_closes_the_traps():
    played = play_many(agent(CONVERTS), ["1"], 3, strict=True)
    assert [p.outcomes["booked"]["value"] for p in played] == [1, 1, 1]
    assert [p.notes for p in played] == [[]] * 3


def test_a_strict_and_a_tolerant_handler_in_one_process_keep_their_manners():
    text = start("yield TextToSpeechEvent('a', interruptable=False)")
    assert play(text).errors == []
    assert len(play(text, strict=True).errors) == 1
    assert play(text).speech[0].data["interruptible"] is False


def test_the_guides_spelling_is_a_type_error_outside_sessions():
    with sdk.hosted(), pytest.raises(TypeError, match="interruptable"):
        sdk.TextToSpeechEvent("a", interruptable=True)


@pytest.mark.parametrize("number", [2, 3, 4, 5, 6, 7, 8])
def test_strict_refuses_the_guides_samples_as_the_sdk_does(number):
    with pytest.raises((SyntaxError, NameError)):
        play(harness_sample(number), strict=True)


# --- tasks: the SDK's traps ------------------------------------------------------------------------------------------


def test_a_task_past_its_timeout_is_an_error_and_leaves_nothing_unretrieved(caplog):
    handler = start("context.create_task(asyncio.sleep(100), name='slow', timeout=2)")
    played = play(handler, [as_caller(["x"]).inputs[0]])
    [error] = played.errors
    assert error.task_name == "slow"
    assert "2 s" in error.data["message"]
    assert [r for r in caplog.records if "never retrieved" in r.message] == []


def test_the_entry_of_a_task_is_the_sdks():
    handler = start(
        "entry = context.create_task(asyncio.sleep(1), name='t', interruptible=True, timeout=9)",
        "context.set_data('keys', sorted(entry))",
        "context.set_data('options', [entry['interruptible'], entry['timeout']])",
        "context.set_data('open', context.has_unfinished_tasks())",
        "await context.wait_for_all_tasks()",
        "context.set_data('closed', context.has_unfinished_tasks())",
    )
    data = play(handler).data
    assert data["keys"] == ["interruptible", "task", "timeout", "timeout_task"]
    assert data["options"] == [True, 9]
    assert (data["open"], data["closed"]) == (True, False)


def test_supplied_names_are_the_sdks():
    from primfunctions import events

    assert sdk.supply("LogEvent") is events.LogEvent
    assert sdk.supply("metrics") is metrics
    assert sdk.NAMES["TransferSessionEvent"] == "primfunctions.events"
    with pytest.raises(KeyError):
        sdk.supply("NoSuchEvent")


def test_errors_that_are_inputs_are_value_errors():
    assert issubclass(InputError, ValueError)
    assert not issubclass(HandlerError, ValueError)


def test_a_session_is_freed_as_it_ends_and_leaves_nothing_to_the_garbage_collector():
    """What waits for the collector costs its time, and the time of each look for tasks that sessions leave behind."""
    handler = agent("""
    async def look_up():
        yield LogEvent("Looking up")
        await asyncio.sleep(1)
        context.set_data("slot", "Tuesday")
    if event.name == "start":
        context.create_task(look_up(), name="look_up")
    elif event.name == "text":
        logger.info(context.get_data("slot"))
        yield TextToSpeechEvent("One moment.")
    """)
    inputs = ["hello", vl.silence(2), "still there?"]
    play_many(handler, inputs)  # what is made once
    gc.collect()
    gc.disable()
    kept = (Session, LabContext, asyncio.Task)
    try:
        before = {id(held) for held in gc.get_objects() if type(held) in kept}  # other tests may hold theirs
        play_many(handler, inputs, sessions=2)
        left = [held for held in gc.get_objects() if type(held) in kept and id(held) not in before]
    finally:
        gc.enable()
    assert not left
