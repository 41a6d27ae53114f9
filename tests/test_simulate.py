"""`vl.simulate`: repeatable to the byte, true to the tests' stop rules, and never worse off for being killed."""

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import ForcedVariantError, InputError, LogError, ShippingError
from voicelab.simulation import simulation_run

SAMPLES = Path(__file__).parent / "samples"
IMPORTS = "from primfunctions.events import *\nimport asyncio, random, time, uuid\nfrom primfunctions.metrics import metrics\n"

BUSY = (
    IMPORTS
    + """
async def task(context):
    yield LogEvent("working")
    await asyncio.sleep(random.random() * 10)
    context.set_data("done_at", time.time())
    context.set_data("id", str(uuid.uuid4()))

async def handler(event, context):
    if event.name == "start":
        context.add_outcome("booked", "boolean")
        context.add_test("greeting", {"a": 0.5, "b": 0.5}, stop={"max_iterations": 150, "default": "a"})
        context.add_test("closing", {"x": 0.2, "y": 0.3, "z": 0.5}, stop={"max_iterations": 320, "default": "y"})
        context.create_task(task(context), name="task")
        yield TextToSpeechEvent(text="Hello " + context.get_test("greeting") + random.choice("123"))
    if event.name == "text":
        metrics.counter("texts")
        context.set_outcome("booked", "yes" in event.data["text"])
        yield TextToSpeechEvent(text="Would you like it " + context.get_test("closing") + "?")
"""
)
CALLERS = vl.mix((vl.personas.cooperative, 0.6), (vl.personas.interrupter, 0.2), (vl.Script(["hi", "yes"]), 0.2))


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 100)


def hashes(folder) -> dict[str, str]:
    shards = sorted(Path(folder).glob("*/part-*.parquet"))
    return {f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest() for p in shards}


def simulate(log, handler=BUSY, callers=CALLERS, sessions=450, seed=3, **options):
    return vl.simulate(handler, callers, sessions=sessions, seed=seed, log=log, progress=False, **options)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_run, "SHARD_SIZE", 100)
        return simulate(tmp_path_factory.mktemp("reference") / "log", workers=1, world=vl.World(0.1, (0, 0.2), 0.02))


def test_the_number_of_workers_changes_no_byte(reference, tmp_path):
    simulate(tmp_path / "log", workers=3, world=vl.World(0.1, (0, 0.2), 0.02))
    assert hashes(tmp_path / "log") == hashes(reference.path)
    assert len(hashes(reference.path)) == 5 * 6


def test_two_tests_stop_at_their_own_sessions_for_any_number_of_workers(reference):
    exposures = reference.exposures().sort_values("session_index")
    for test, iterations, default in (("greeting", 150, "a"), ("closing", 320, "y")):
        rows = exposures[exposures["test"] == test]
        assert list(rows["assignment"]) == ["random"] * iterations + ["default_after_stop"] * (450 - iterations)
        assert set(rows["variant"][iterations:]) == {default}
        assert (rows["probability"][iterations:] == 1.0).all()
        decision = reference.decisions().set_index("test").loc[test]
        assert decision["stopped_session_index"] == iterations - 1
        assert decision["reason"] == "iterations"


def test_a_stopped_test_shifts_nothing_else(reference, tmp_path):
    simulate(tmp_path / "log", workers=1, stopping=False, world=vl.World(0.1, (0, 0.2), 0.02))
    before = reference.sessions()[["session_index", "caller"]]
    without = vl.open_log(tmp_path / "log").sessions()[["session_index", "caller"]]
    pd.testing.assert_frame_equal(before, without)


def test_max_iterations_of_the_guides_sample(tmp_path):  # G18, G20
    log = simulate(tmp_path / "log", SAMPLES / "07_stop_conditions.py", ["hello"], sessions=1_200, workers=1)
    rows = log.exposures().sort_values("session_index")
    assert set(rows["variant"][:1000]) == {"red", "blue"}
    assert set(rows["variant"][1000:]) == {"blue"}
    decision = log.decisions().iloc[0]
    assert (decision["reason"], decision["stopped_at"]) == ("iterations", 1000)
    assert decision["run_test"] == {"button_color": False}


def test_the_variants_of_the_guides_sample_have_their_shares(tmp_path):  # G14
    log = simulate(tmp_path / "a", SAMPLES / "04_tests.py", ["hello"], sessions=3_000, stopping=False)
    shares = log.exposures()["variant"].value_counts(normalize=True)
    for variant, weight in {"formal": 0.33, "casual": 0.33, "friendly": 0.34}.items():
        assert abs(shares[variant] - weight) < 0.03
    again = simulate(tmp_path / "b", SAMPLES / "04_tests.py", ["hello"], sessions=3_000, stopping=False)
    pd.testing.assert_series_equal(log.exposures()["variant"], again.exposures()["variant"])


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import voicelab.simulation.simulation_run as simulation_run
import voicelab.simulation.driver as driver
simulation_run.SHARD_SIZE = 100
settle, calls = driver.settle_shard, []

def kill_instead(root, number, tag):
    calls.append(number)
    if len(calls) == 3:
        for worker in {kill_worker} and children() or ():
            os.kill(worker, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
    settle(root, number, tag)

def children():
    import loky
    return list(loky.get_reusable_executor()._processes)

driver.settle_shard = kill_instead
from test_simulate import simulate
import voicelab as vl
simulate({log!r}, workers=2, world=vl.World(0.1, (0, 0.2), 0.02))
"""


@pytest.mark.parametrize("kill_worker", [False, True])
def test_a_run_killed_between_wave_and_settlement_resumes_to_the_same_bytes(reference, tmp_path, kill_worker):
    log = str(tmp_path / "log")
    code = KILLED.format(tests=str(Path(__file__).parent), log=log, kill_worker=kill_worker)
    # Not through a pipe: workers that outlive their driver would hold it open until they have been idle for two minutes.
    with (tmp_path / "stderr").open("w+b") as stderr:
        driver = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code], stderr=stderr, stdout=stderr, start_new_session=True
        )
        assert driver.wait() == -signal.SIGKILL, (tmp_path / "stderr").read_text()
    with contextlib.suppress(ProcessLookupError):  # all are gone already
        os.killpg(driver.pid, signal.SIGKILL)
    unfinished = vl.open_log(log)
    assert not unfinished.finished
    assert len(unfinished.sessions()) == 200
    with pytest.raises(LogError, match="resume=True"):
        simulate(log, world=vl.World(0.1, (0, 0.2), 0.02))
    simulate(log, workers=1, resume=True, world=vl.World(0.1, (0, 0.2), 0.02))
    assert hashes(log) == hashes(reference.path)
    assert not list(Path(log).glob("_spec/*"))


def test_a_worker_that_dies_is_replaced(tmp_path, monkeypatch):
    marker = tmp_path / "died"
    handler = IMPORTS + textwrap.dedent(
        f"""
        from pathlib import Path
        async def handler(event, context):
            marker = Path({str(marker)!r})
            if event.name == "start" and not marker.exists():
                marker.write_text("x")
                import signal, os
                os.kill(os.getpid(), signal.SIGKILL)
            yield TextToSpeechEvent(text="alive")
        """
    )
    log = simulate(tmp_path / "log", handler, ["hi"], sessions=250, workers=2)
    assert len(log.sessions()) == 250


def test_a_plain_script_without_a_main_guard_simulates(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        IMPORTS
        + "import voicelab as vl\n"
        + "async def handler(event, context):\n    yield TextToSpeechEvent(text='hello')\n"
        + f"log = vl.simulate(handler, ['hi'], sessions=30, log={str(tmp_path / 'log')!r}, progress=False)\n"
        + "print(len(log.sessions()))\n"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["30"]


def test_a_handler_with_a_closure_is_shipped(tmp_path):
    from primfunctions.events import TextToSpeechEvent

    words = {"greeting": "from outside"}

    async def handler(event, context):
        yield TextToSpeechEvent(text=words["greeting"])

    log = simulate(tmp_path / "log", handler, ["hi"], sessions=20, workers=1)
    assert log.session(0).transcript[0]["content"] == "from outside"


def test_what_cannot_be_shipped_is_named(tmp_path):
    lock = threading.Lock()

    async def handler(event, context):
        with lock:
            yield None

    with pytest.raises(ShippingError, match="lock"):
        simulate(tmp_path / "log", handler, ["hi"], sessions=20)
    with (tmp_path / "file.txt").open("w") as open_file:

        async def writer(event, context):
            yield open_file

        with pytest.raises(ShippingError, match="open_file"):
            simulate(tmp_path / "other", writer, ["hi"], sessions=20)


def test_any_object_with_submit_runs_the_shards(reference, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        simulate(tmp_path / "log", executor=executor, world=vl.World(0.1, (0, 0.2), 0.02))
    assert len(hashes(tmp_path / "log")) == 30


def test_a_module_that_workers_lack_is_said(tmp_path, monkeypatch):
    module = ModuleType("only_here")
    exec(IMPORTS + "async def handler(event, context):\n    yield TextToSpeechEvent(text='hi')\n", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    with pytest.raises(ShippingError, match="No module named 'only_here'. Install"):
        simulate(tmp_path / "log", module.handler, ["hi"], sessions=5)


@pytest.mark.parametrize(
    "parameters",
    [
        pd.DataFrame({"name": [f"caller {i}" for i in range(120)]}),
        lambda index: {"name": f"caller {index}"},
    ],
    ids=["a frame", "a function"],
)
def test_each_session_has_its_own_parameters(tmp_path, parameters):
    handler = (
        IMPORTS + "async def handler(event, context):\n    yield TextToSpeechEvent(text=context.get_data('name'))\n"
    )
    log = simulate(tmp_path / "log", handler, ["hi"], sessions=120, parameters=parameters, workers=1)
    assert log.session(117).transcript[0]["content"] == "caller 117"


@pytest.mark.parametrize(
    "parameters",
    [
        pd.DataFrame({"runTest": [{"t": index != 3} for index in range(8)]}),
        lambda index: {"runTest": {"t": index != 3}},
    ],
    ids=["a frame", "a function"],
)
def test_a_test_can_be_stopped_by_the_parameters_of_single_sessions(tmp_path, parameters):
    handler = IMPORTS + (
        "async def handler(event, context):\n"
        "    if event.name == 'start':\n"
        "        context.add_outcome('o', 'boolean')\n"
        "        stop = {'max_iterations': 99, 'target_outcome': 'o', 'default': 'a'}\n"
        "        context.add_test('t', {'a': 1, 'b': 999}, stop=stop)\n"
        "        context.set_data('given', context.get_data('runTest'))\n"
        "        yield TextToSpeechEvent(text='hi')\n"
    )
    log = simulate(tmp_path / "log", handler, ["hi"], sessions=8, parameters=parameters, workers=1)
    assert log.exposures()["variant"].tolist() == ["b"] * 3 + ["a"] + ["b"] * 4
    assert log.exposures()["assignment"].tolist() == ["random"] * 3 + ["default_after_stop"] + ["random"] * 4
    assert log.rerun(3).variants == {"t": "a"}
    assert set(log.sessions()["data"]) == {'{"given":null}'}


def test_parameters_of_single_sessions_are_refused_at_the_door():
    rows = pd.DataFrame({"runTest": [{"t": True}, "no"]})
    with pytest.raises(InputError, match="runTest.*'no', must be"):
        vl.simulate("async def handler(event, context):\n    yield\n", ["hi"], 2, parameters=rows)


def test_input_data_reaches_each_session_as_it_was_given(tmp_path):
    handler = IMPORTS + (
        "async def handler(event, context):\n"
        "    if event.name == 'start':\n"
        "        context.input_data['orders'].append(18)\n"
        "        yield TextToSpeechEvent(text=f\"{context.input_data['orders']}\")\n"
    )
    given = {"orders": [17]}
    log = simulate(tmp_path / "log", handler, ["hi"], sessions=20, input_data=given, workers=1)
    assert set(log.turns()[log.turns()["turn"] == 0]["agent"]) == {"[17, 18]"}
    assert vl.run(handler, input_data=given).transcript[0]["content"] == "[17, 18]"
    assert log.rerun(3).transcript[0]["content"] == "[17, 18]"
    assert given == {"orders": [17]}


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"input_data": "17"}, "input_data is '17', must be a dict"),
        ({"input_data": {17: "x"}}, "must be a dict whose keys are text"),
        ({"configuration": {"timeout": 0}}, "seconds of silence above 0"),
        ({"configuration": {"timeout": True}}, "seconds of silence above 0"),
        (
            {"configuration": {"time_out": 8}},
            "the key 'time_out', which the SDK's Configuration doesn't know. Did you mean 'timeout'",
        ),
        ({"configuration": "timeout"}, "must be a dict of arguments"),
    ],
)
def test_what_no_context_can_be_made_of_is_refused_at_the_door(tmp_path, options, hint):
    with pytest.raises(InputError, match=hint):
        simulate(tmp_path / "log", "data/agents/clinic", ["hi"], sessions=2, **options)
    with pytest.raises(InputError, match=hint):
        vl.run("data/agents/clinic", **options)
    assert not (tmp_path / "log").exists()


def test_a_session_that_raises_is_counted_and_the_batch_goes_on(tmp_path):  # G45
    handler = IMPORTS + (
        "async def handler(event, context):\n"
        "    if event.name == 'start' and random.random() < 0.3:\n        raise ValueError('broken')\n"
        "    yield TextToSpeechEvent(text='fine')\n"
    )
    log = simulate(tmp_path / "log", handler, ["hi"], sessions=200, workers=1)
    assert set(log.sessions()["status"]) == {"completed"}
    assert 30 < (log.sessions()["n_errors"] > 0).sum() < 90
    assert set(log.errors()["message"]) == {"ValueError: broken"}


def test_forced_sessions_are_marked_and_decide_nothing(tmp_path):
    log = simulate(
        tmp_path / "log", SAMPLES / "07_stop_conditions.py", ["hi"], sessions=50, variants={"button_color": "red"}
    )
    assert set(log.exposures()["assignment"]) == {"forced"}
    assert set(log.exposures()["variant"]) == {"red"}
    assert log.exposures()["declaration"].str.contains('"max_iterations":1000').all()


def test_rerun_is_the_same_session_again(reference):
    for index in (0, 151, 449):
        logged = reference.session(index)
        pd.testing.assert_frame_equal(reference.rerun(index).to_frame(), logged.to_frame())


def test_a_finished_log_of_the_same_run_is_opened(reference, capsys):
    again = simulate(reference.path, world=vl.World(0.1, (0, 0.2), 0.02))
    assert again.run_id == reference.run_id
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change", [{"seed": 4}, {"sessions": 451}, {"callers": ["other"]}, {"handler": SAMPLES / "04_tests.py"}]
)
def test_a_log_of_another_run_is_not_touched(reference, change):
    before = hashes(reference.path)
    with pytest.raises(LogError, match="overwrite=True"):
        simulate(reference.path, **change)
    assert hashes(reference.path) == before


def test_overwrite_replaces_another_log(tmp_path):
    simulate(tmp_path / "log", sessions=20, callers=["a"], workers=1)
    log = simulate(tmp_path / "log", sessions=30, callers=["a"], workers=1, overwrite=True)
    assert len(log.sessions()) == 30


def test_a_folder_that_is_no_log_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(LogError):
        simulate(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_without_a_folder_the_log_lives_as_long_as_its_object(tmp_path):
    log = simulate(None, sessions=20, callers=["a"], workers=1)
    assert len(log.sessions()) == 20
    assert log.path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sessions": 0}, "sessions is 0"),
        ({"sessions": 10.5}, "sessions is 10.5"),
        ({"sessions": True}, "sessions is True"),
        ({"workers": 0}, "workers is 0"),
        ({"callers": []}, "empty"),
        ({"callers": "hello"}, "a script is a list"),
        ({"callers": 5}, "is no caller"),
        ({"variants": "each"}, "for vl.run"),
        ({"parameters": [1]}, "parameters is list"),
        ({"parameters": {"functionId": "x"}}, "functionId"),
        ({"parameters": pd.DataFrame({"a": [1]})}, "1 rows and sessions is 450"),
        ({"world": 3}, "vl.World"),
        ({"start": "yesterday"}, "start is 'yesterday'"),
        ({"environment": ""}, "environment is ''"),
        ({"parameters": lambda index: index}, r"parameters\(0\) returned 0"),
        ({"stopping": "no"}, "stopping is 'no', must be True or False"),
        ({"resume": 1}, "resume is 1"),
        ({"executor": 5}, "submit"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        simulate(tmp_path / "log", **options)
    assert not (tmp_path / "log").exists()


def test_a_forced_variant_that_the_test_lacks_ends_the_run(tmp_path):
    with pytest.raises(ForcedVariantError, match="red, 'blue'|'red', 'blue'"):
        simulate(
            tmp_path / "log", SAMPLES / "07_stop_conditions.py", ["hi"], variants={"button_color": "green"}, workers=1
        )


def test_ctrl_c_leaves_a_log_that_goes_on(reference, tmp_path, capsys):
    from voicelab.simulation import driver

    settle = driver.settle_shard

    def interrupt(root, number, tag):
        if number == 2:
            raise KeyboardInterrupt
        settle(root, number, tag)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "settle_shard", interrupt)
        with pytest.raises(KeyboardInterrupt):
            simulate(tmp_path / "log", workers=1, world=vl.World(0.1, (0, 0.2), 0.02))
    assert "200 of 450 sessions are logged" in capsys.readouterr().err
    simulate(tmp_path / "log", workers=1, resume=True, world=vl.World(0.1, (0, 0.2), 0.02))
    assert hashes(tmp_path / "log") == hashes(reference.path)


def test_the_workers_hash_seed_is_fixed(tmp_path):
    handler = (
        IMPORTS + "async def handler(event, context):\n    yield TextToSpeechEvent(text=str({'a', 'b', 'c', 'd'}))\n"
    )
    texts = set()
    for name in ("one", "two"):
        log = simulate(tmp_path / name, handler, ["hi"], sessions=4, workers=1)
        texts |= {log.session(i).transcript[0]["content"] for i in range(4)}
    assert len(texts) == 1


def test_the_progress_line_tells_who_leads_and_how_sure_that_is(capsys):
    async def handler(event, context):
        if event.name == "start":
            context.add_outcome("ok", "boolean")
            stop = {"max_iterations": 100_000, "target_outcome": "ok", "default": "a"}
            context.add_test("tone", {"a": 0.5, "b": 0.5}, stop=stop)

    truth = {"tone": {"ok": {"a": 0.2, "b": 0.6}}}
    vl.simulate(handler, ["hi"], sessions=2_500, seed=1, world=vl.World(truth=truth), workers=1, progress=True)
    line = capsys.readouterr().err
    assert "0 errors" in line
    assert re.search(r"tone: b leads, \d+ % sure", line)


@pytest.mark.parametrize("none", ["a", "b"])
def test_an_outcome_written_as_none_is_missing_in_frame_and_analysis(tmp_path, none):
    async def handler(event, context):
        if event.name == "start":
            context.experiment("g", {"a": 1, "b": 1})
            context.add_outcome("score", "float")
            yield vl.sdk.LogEvent("x")
        if event.name == "text":
            context.set_outcome("score", None if context.get_experiment("g") == none else 2.0)

    log = vl.simulate(handler, ["hi"], sessions=30, log=tmp_path / "log", workers=1, progress=False)
    sessions = log.sessions()
    missing = sessions["outcome.score"].isna()
    assert (missing == (sessions["variant.g"] == none)).all()
    assert set(sessions["outcome.score"].dropna()) == {2.0}
    assert vl.analyze(log, "g", outcome="score").variants["n"].sum() == (~missing).sum()


def test_an_outcome_declared_as_text_keeps_its_numbers_as_text(tmp_path):
    plans = ["gold", 3, 2.5, True]

    async def handler(event, context):
        if event.name == "start":
            context.add_outcome("plan", "string")
            context.set_outcome("plan", plans[context.get_data("at")])
            yield vl.sdk.LogEvent("x")

    asked = [{"at": index} for index in range(4)]
    log = vl.simulate(
        handler, ["hi"], sessions=4, parameters=asked.__getitem__, log=tmp_path / "log", workers=1, progress=False
    )
    assert list(log.sessions()["outcome.plan"]) == ["gold", "3", "2.5", "true"]
    assert set(log.outcomes()["type"]) == {"string"}


def test_a_forced_test_that_no_session_reaches_is_warned_of(tmp_path):
    async def handler(event, context):
        if event.name == "start":
            context.experiment("greeting", {"a": 1, "b": 1})
            yield vl.sdk.LogEvent("x")

    with pytest.warns(UserWarning, match="no session has reached such a test .reached: greeting.. Did you mean"):
        vl.simulate(
            handler, ["hi"], sessions=2, variants={"greting": "a"}, log=tmp_path / "log", workers=1, progress=False
        )


STUBBORN = """
async def stubborn():
    while True:
        try:
            await asyncio.sleep(0.1)
        except:
            pass

async def handler(event, context):
    if event.name == "start":
        asyncio.create_task(stubborn())
    yield TextToSpeechEvent(f"You said {event.name}")
"""


def test_a_detached_task_that_swallows_every_cancellation_leaves_the_next_sessions_alone(tmp_path):
    log = simulate(tmp_path / "log", STUBBORN, ["hi"], sessions=5, workers=1)
    assert log.sessions()["duration_s"].nunique() == 1
    assert set(log.sessions()["status"]) == {"completed"}


REMEMBERS = """
SEEN = {}

async def handler(event, context):
    SEEN[context.session_id] = SEEN.get(context.session_id, 0) + 1
    yield TextToSpeechEvent(str(SEEN[context.session_id]))
"""


async def speaks_its_environment(event, context):
    if event.name == "text":
        yield vl.sdk.TextToSpeechEvent(text=os.environ.get("CLINIC", "none"))


def test_handlers_in_processes_that_run_already_see_the_environment_as_it_is_now(tmp_path, monkeypatch):
    def said():
        log = simulate(
            tmp_path / os.environ.get("CLINIC", "none"), speaks_its_environment, ["hi"], sessions=4, workers=1
        )
        (text,) = {json.loads(data)["text"] for data in log.events(name="text_to_speech")["data"]}
        return text

    monkeypatch.setenv("CLINIC", "north")
    assert said() == "north"
    monkeypatch.setenv("CLINIC", "south")
    assert said() == "south"
    monkeypatch.delenv("CLINIC")
    assert said() == "none"


def test_what_a_handler_keeps_in_its_module_is_new_in_every_run(tmp_path):
    once = simulate(tmp_path / "once", REMEMBERS, ["hi"], sessions=5, workers=1)
    simulate(tmp_path / "again", REMEMBERS, ["hi"], sessions=5, workers=1)
    said = [json.loads(data)["text"] for data in once.events(name="text_to_speech")["data"]]
    assert said == ["1", "2", "3"] * 5
    assert hashes(tmp_path / "once") == hashes(tmp_path / "again")
