"""Simulations of the platform's templates: what the spec says happens, and what has no effect or can't be meant is said."""

import json
import random
from importlib.metadata import distribution
from pathlib import Path

import pytest

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import InputError
from voicelab.callers import BargeIn, BeforePickup, CallConditions, under_conditions
from voicelab.cli import main

ECHO = """
from primfunctions.events import TextToSpeechEvent, StopEvent

async def handler(event, context):
    if event.name == "start":
        yield TextToSpeechEvent(text=f"Hello, what can I do for you today? {(context.input_data or {}).get('who', '')}")
    if event.name == "text":
        yield TextToSpeechEvent(text="I have heard that, and I am going to say a long sentence about what comes next.")
"""
QUIET = "from primfunctions.events import *\nasync def handler(event, context):\n    return\n    yield\n"
ROUND = {}
ROUND["itself"] = ROUND
SPEC = {"systemPrompt": "You want an appointment."}


def simulated(spec, handler=ECHO, caller=("hi", "fine", "bye"), **options):
    return voicerun.simulation({**SPEC, **spec}, handler, list(caller), progress=False, workers=1, **options)


def inputs(log):
    """Return the caller's words in the first session, as events."""
    return [event for event in log.session(0).events if (event.kind, event.name) == ("input", "text")]


def said(log):
    return [(event.time_s, event.data["text"]) for event in inputs(log)]


def test_a_simulation_runs_as_its_spec_says(tmp_path, capsys):
    project = tmp_path / "agent"
    templates = project / ".voicerun" / "templates"
    templates.mkdir(parents=True)
    (project / "handler.py").write_text(ECHO)
    (templates / "spec.yaml").write_text(
        "kind: Simulation\nmetadata: {name: reminder}\nspec:\n  systemPrompt: You are Dana.\n  direction: outbound\n"
        "  inputData: {who: Dana, key: '{{ Secrets.organization.CRM }}'}\n  numberOfSimulations: 3\n  varietySeed: 7\n"
        "  voice: alloy\n  vioce: alloy\n"
    )
    (templates / "asked.yaml").write_text(
        "kind: Evaluator\nmetadata: {name: outbound-call}\nspec:\n  evalType: deterministic\n"
        "  assertion: {direction: outbound, turn_count: {$gte: 2}}\n---\n"
        "kind: Evaluator\nmetadata: {name: polite}\nspec: {evalType: judge}\n"
    )
    log = voicerun.simulation(templates / "spec.yaml", caller=["hi"], progress=False, workers=1)
    sessions = log.sessions()
    assert list(sessions["direction"]) == ["outbound"] * 3
    assert log.manifest["seed"] == 7
    assert "Dana" in str(log.session(0))
    # The evaluators beside it are its own, as far as they can be asked here.
    assert list(log.outcomes()["outcome"].unique()) == ["outbound-call"]
    assert log.outcomes()["value"].tolist() == [1.0] * 3
    told = capsys.readouterr().err
    for note in (
        "spec.voice has no effect here",
        "spec.vioce is unknown, and has no effect. Did you mean 'voice'?",
        "systemPrompt isn't read",
        "secret CRM, which is not known here",
        "'polite' is not run",
    ):
        assert f"reminder: {note}" in told.replace("spec.inputData holds the placeholder of the ", "").replace(
            "spec.sys", "sys"
        )


class _Told:
    """A caller of one's own that reads the simulation, as one with a language model does."""

    name = "told"

    def begin(self, rng, spec):
        return _Saying([spec.system_prompt, str(spec.input_data), spec.direction])


class _Saying:
    def __init__(self, texts):
        self.texts = texts

    def reply(self, heard):
        return self.texts.pop(0) if self.texts else None


def test_the_prompt_reaches_a_caller_that_takes_the_spec(capsys):
    caller = vl.mix((_Told(), 1))
    log = voicerun.simulation({**SPEC, "inputData": {"who": "Dana"}}, ECHO, caller, progress=False, workers=1)
    assert [text for _, text in said(log)] == [SPEC["systemPrompt"], "{'who': 'Dana'}", "inbound"]
    assert log.sessions()["caller"].tolist() == ["told"]
    assert "isn't read" not in capsys.readouterr().err


def test_secrets_in_the_input_data_come_from_the_environment_and_are_masked(monkeypatch, capsys):
    monkeypatch.setenv("CRM", "sk-key-of-the-crm-0815")
    log = simulated({"inputData": {"who": "with {{ Secrets.organization.CRM }}"}})
    spoken = str(log.session(0))
    assert "Secrets" not in spoken
    assert "sk-key-of-the-crm-0815" not in spoken
    assert "CRM" not in capsys.readouterr().err


# --- conditions of the call ------------------------------------------------------------------------------------------


def test_somebody_picks_up_after_the_phases_and_keeps_the_patience():
    spec = {
        "phases": [{"type": "ring", "durationSecs": 8}, {"type": "message", "text": "Please hold the line."}],
        "humanPickupAfterSecs": 30,
    }
    log = voicerun.simulation({**SPEC, **spec}, ECHO, vl.Persona("p", otherwise="yes", max_turns=2), progress=False)
    found = said(log)
    assert [text for _, text in found[:5]] == ["Please hold the line."] * 3 + ["Hello?", "yes"]
    # Each message when it has been said, the first after 8 s of ringing; and somebody is there at 30 s.
    assert 8 < found[0][0] < 10
    assert found[3][0] == pytest.approx(30 + 0.06 * len("Hello?"), abs=0.5)


def test_nobody_picks_up_until_the_agent_gives_up():
    gives_up = (
        "from primfunctions.events import StopEvent\nasync def handler(event, context):\n"
        "    if event.name == 'timeout' and event.data['count'] > 2:\n        yield StopEvent()\n"
    )
    log = simulated({"phases": [{"type": "holdMusic", "durationSecs": 4}]}, gives_up)
    assert not said(log)
    assert log.sessions()["duration_s"].tolist() == [pytest.approx(15, abs=1)]


def test_who_is_called_says_hello_where_the_agent_waits():
    assert [text for _, text in said(simulated({"direction": "outbound"}, QUIET))] == ["Hello?", "hi", "fine", "bye"]
    assert [text for _, text in said(simulated({"direction": "outbound"}))] == ["hi", "fine", "bye"]


@pytest.mark.parametrize(
    ("barge_in", "own", "most"),
    [
        ({"technique": "clip", "probability": 1, "cooldownSecs": 0}, False, 6),
        ({"technique": "nudge", "probability": 1, "cooldownSecs": 0}, True, 6),
        ({"technique": "both", "probability": 1, "cooldownSecs": 0, "maxPerCall": 1}, True, 1),
        ({"technique": "clip", "probability": 1, "cooldownSecs": 60}, False, 1),
        ({"technique": "clip", "probability": 0}, False, 0),
    ],
)
def test_callers_cut_in_as_often_and_in_the_words_that_are_asked_for(barge_in, own, most):
    words = [f"sentence {n}" for n in range(12)]
    log = simulated({"realism": {"bargeIn": barge_in}}, caller=words)
    texts = [event.data["text"] for event in inputs(log) if "previous_turn_interrupted" in event.data]
    assert len(texts) == most
    assert all(("entence" in text) is own for text in texts)
    if barge_in["technique"] == "both":
        assert all(not text.startswith("sentence") for text in texts)


def test_times_alone_cut_in_at_those_times_and_at_no_others():
    found = said(simulated({"realism": {"bargeIn": {"technique": "clip", "atSecs": [1, 9]}}}, caller=["a", "b", "c"]))
    forced = [at_s for at_s, text in found if text not in "abc"]
    assert forced == [pytest.approx(1, abs=2), pytest.approx(9, abs=2)]


def test_conditions_change_nothing_of_a_caller_without_any():
    caller = vl.Script(["a"])
    assert under_conditions(caller, CallConditions()) is caller
    mixed = under_conditions(vl.mix((caller, 3), (vl.Script(["b"], "b"), 1)), CallConditions(Barge := BargeIn()))
    assert [(one.name, weight) for one, weight in mixed.weights] == [("script", 3), ("b", 1)]
    assert Barge.most == 6
    call = under_conditions(caller, CallConditions(waiting=BeforePickup(None, (5.0, "hold")))).begin(random.Random(0))
    assert max(at.time_s for at in call.timed) < 3600


def test_the_line_is_that_of_the_spec_and_said_to_be_without_effect_in_text(capsys):
    realism = {
        "background": {"profile": "hiss", "levelDbfs": -34, "events": [{"kind": "dogBark", "atSecs": 3}]},
        "impairments": {"packetLossPct": 3, "dropoutsPerMin": 12, "dropoutMs": [250, 800]},
    }
    line = (
        "PhoneLine(codec='g711', noise='white', noise_dbfs=-34, packet_loss=0.03, dropouts=12, dropout_s=(0.25, 0.8))"
    )
    simulated({"realism": realism, "language": "de-DE"}, sessions=1)
    told = capsys.readouterr().err
    assert f"audio=True for {line}" in told
    assert "events has no effect here" in told
    assert "spec.language de-DE has no effect on callers in text" in told
    assert (
        repr(vl.PhoneLine.from_realism({"background": {"profile": "none", "levelDbfs": -34}}))
        == "PhoneLine(codec='g711')"
    )


def test_with_sound_callers_speak_over_the_line_in_the_language_of_the_spec():
    realism = {"impairments": {"packetLossPct": 1}}
    log = simulated({"realism": realism, "language": "en-GB"}, caller=["hi"], audio=True, tts="fake", stt="fake")
    assert "packet_loss=0.01" in log.manifest["audio"]
    assert "language='en-GB'" in log.manifest["audio"]


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"systemPrompt": None}, r"spec\.systemPrompt is None, must be text"),
        ({"systemPrompt": "  "}, r"spec\.systemPrompt"),
        ({"systemPrompt": "Hi, {{ .Values.who }}"}, r"systemPrompt holds Helm's .* `COLUMNS=9999 vr render -q -o json"),
        ({"numberOfSimulations": 0}, r"numberOfSimulations is 0, must be a whole number from 1"),
        ({"numberOfSimulations": "many"}, "numberOfSimulations"),
        ({"direction": "outbuond"}, "must be inbound, outbound. Did you mean 'outbound'"),
        ({"mode": "telephony", "direction": "outbound"}, "exclude each other"),
        ({"direction": "outbound", "phases": [{"type": "ring"}]}, "exclude each other"),
        ({"inputData": ["a"]}, r"spec\.inputData is .*, must be a map"),
        ({"inputData": ROUND}, "can't be sent as JSON"),
        ({"varietySeed": 2**60}, "at most 2"),
        ({"language": 3}, r"spec\.language"),
        ({"varietySeed": "x"}, r"spec\.varietySeed is 'x', must be a whole number"),
        ({"humanPickupAfterSecs": -1}, r"spec\.humanPickupAfterSecs"),
        (
            {"phases": [{"type": "music"}]},
            r"spec\.phases\[0\] is of the type 'music', must be ring, holdMusic, message",
        ),
        ({"phases": [{"type": "message"}]}, r"spec\.phases\[0\]\.text"),
        ({"phases": [{"type": "ring", "durationSecs": 0}]}, r"durationSecs is 0, must be a number"),
        ({"realism": "noisy"}, r"spec\.realism is 'noisy'"),
        ({"realism": {"bargeIn": {"technique": "shout"}}}, "must be nudge, clip, both"),
        ({"realism": {"bargeIn": {"probability": 45}}}, "probability is 45, must be a number from 0 to 1"),
        ({"realism": {"background": {"profile": "caffe"}}}, "noise is 'caffe'"),
        ({"realism": {"background": {"profile": ["street"]}}}, "noise is .*'street'.*, must be one of"),
        ({"realism": {"impairments": {"packetLossPct": 300}}}, "packetLossPct is 300"),
    ],
)
def test_a_spec_that_cant_be_meant_is_refused(spec, message):
    with pytest.raises(InputError, match=message):
        simulated(spec)


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        (SPEC, {"caller": None}, "needs|has a systemPrompt.*give caller="),
        (SPEC, {"handler": None}, "handler is missing"),
        (SPEC, {"input_data": {}}, "input_data= is the spec's own"),
        (SPEC, {"parametres": {}}, "no option 'parametres'. Did you mean 'parameters'"),
        (SPEC, {"audio": "yes"}, "audio is 'yes'"),
        ("missing.yaml", {}, "no such file"),
        ("kind: Deployment\nspec: {}\n", {}, "it holds Deployment"),
        (
            "kind: Simulation\nmetadata: {name: a}\n---\nkind: Simulation\nmetadata: {name: b}\n",
            {},
            "2 simulations: a, b",
        ),
        ("kind: Simulation\nmetadata: {name: abc}\nspec: {}\n", {"name": "abd"}, "Did you mean 'abc'"),
        ("kind: Simulation\n---\nkind: Simulation\n", {}, "one without a name, one without a name. Give one of them"),
        (2 * "kind: Simulation\nmetadata: {name: a}\n---\n", {"name": "a"}, "2 simulations 'a': give each"),
        ("x" * 5000, {}, "can't be read as a path: File name too long"),
        ("", {}, "spec is '', must be the path"),
        (7, {}, "spec is 7, must be the path"),
    ],
)
def test_what_is_no_simulation_is_refused(spec, options, message):
    arguments = {"handler": ECHO, "caller": ["hi"], **options}
    with pytest.raises(InputError, match=message):
        voicerun.simulation(spec, progress=False, **arguments)


def test_the_command_simulates_a_spec(tmp_path, capsys):
    (tmp_path / "handler.py").write_text(ECHO)
    rendered = tmp_path / "rendered.json"
    documents = [{"kind": "Deployment", "spec": {}}, {"kind": "Simulation", "metadata": {"name": "a"}, "spec": SPEC}]
    rendered.write_text("\n".join(map(json.dumps, documents)))
    command = [
        "simulate",
        str(tmp_path / "handler.py"),
        "--spec",
        str(rendered),
        "--quiet",
        "--log",
        str(tmp_path / "log"),
    ]
    assert main(command) == 1
    assert "give --caller NAME or --script FILE" in capsys.readouterr().err
    assert main([*command, "--caller", "cooperative", "-n", "2"]) == 0
    assert len(vl.open_log(tmp_path / "log").sessions()) == 2


# --- what the command line itself ships ------------------------------------------------------------------------------

SHIPPED = Path(distribution("voicerun-cli").locate_file("vr_cli"))


def test_the_starter_project_runs_unchanged_and_its_templates_ask_for_rendering(tmp_path):
    shipped = SHIPPED / "templates"
    (tmp_path / ".voicerun").mkdir()
    for file in shipped.rglob("*"):
        if file.is_file() and file.suffix != ".pyc":
            to = tmp_path / str(file.relative_to(shipped)).replace("voicerun/", ".voicerun/", 1)
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_text(file.read_text().replace("{project_name}", "starter").replace("{description}", ""))
    handler = vl.load_handler(tmp_path, strict=True)
    assert handler.name == "starter"
    assert dict(handler.variables) == {"LOG_LEVEL": "debug"}
    record = vl.run(handler, ["hi there"])
    assert "I heard you say: hi there" in str(record)
    assert (record.status, record.notes) == ("completed", [])
    assert [evaluator.runs for evaluator in voicerun.evaluators(tmp_path)] == [False]
    with pytest.raises(InputError, match="vr render -q -o json"):
        voicerun.simulation(tmp_path, caller=["hi"])


def test_every_simulation_of_the_skills_runs_unchanged():
    skill = (SHIPPED / "skills" / "vr-simulate" / "SKILL.md").read_text()
    blocks = [block.partition("```")[0] for block in skill.split("```yaml\n")[1:]]
    specs = [block for block in blocks if "kind: Simulation" in block]
    assert len(specs) > 3
    for spec in specs:
        log = voicerun.simulation(spec, ECHO, ["hi", "bye"], progress=False, workers=1)
        assert log.sessions()["status"].tolist() == ["completed"]


CAN_RUN_NOWHERE = (
    "...same config...",
    "from handler import",
    "add_completion_message(message)",
    "context import context",
)
"""Blocks that leave parts out, a test of a handler beside it, and one line of an import."""


def test_every_block_of_the_skills_that_can_run_runs_unchanged():
    skills = sorted((SHIPPED / "skills").rglob("SKILL.md"))
    blocks = [block.partition("```")[0] for skill in skills for block in skill.read_text().split("```python\n")[1:]]
    blocks = [block for block in blocks if not any(mark in block for mark in CAN_RUN_NOWHERE)]
    assert len(blocks) > 20
    failed = []
    for block in blocks:
        handler = vl.load_handler(block)
        record = vl.run(
            handler, ["hi", "bye"], model=vl.Model(otherwise="ok"), http=vl.Http({".*": {}}), shared_data={}
        )
        # `messages` stands for the conversation, and `{...}` for a request: both are the reader's.
        texts = {event.data["message"] for event in record.errors}
        failed += [(text, block) for text in texts if "'messages' is not defined" not in text and "{...}" not in block]
    assert not failed
