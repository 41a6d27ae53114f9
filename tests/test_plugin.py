"""The plugin in a project of somebody else's: real pytest in a process of its own, with xdist, -k and JUnit; and `voicelab test`."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from voicelab.cli import main

ROOT = Path(__file__).parent.parent
DESK = """
import random
from primfunctions.events import TextToSpeechEvent

async def handler(event, context):
    if event.name == "start":
        yield TextToSpeechEvent("Hello! Which day suits you?", voice="nova")
    elif event.name == "text":
        booked = random.random() < 0.5 or "surely" in event.data["text"]
        context.add_outcome("booked", "boolean")
        context.set_outcome("booked", booked)
        yield TextToSpeechEvent("You are booked." if booked else "We are full.", voice="nova")
"""
SCENARIOS = """
handler: ../agent/desk.py
scenarios:
  - {name: books surely, inputs: [surely Monday], runs: 10, expect: [said: booked, outcome: booked]}
  - {name: books at times, inputs: [Monday], runs: 20, expect: [said: booked]}
  - {name: never books, inputs: [surely Monday], runs: 10, expect: [outcome: {booked: false}]}
"""
TESTS = """
import pytest
from pathlib import Path

DESK = "../agent/desk.py"

@pytest.mark.parametrize("day", ["surely Monday", "surely Friday"])
def test_books(run_handler, expect, day):
    expect(run_handler(DESK, [day])).said("booked").within_s(1).outcome("booked")

def test_a_bare_assert(run_handler):
    assert not run_handler(DESK, ["surely"]).outcomes["booked"]

def test_an_expectation(run_handler, expect):
    expect(run_handler(DESK, ["surely"])).transferred()
"""
SHRUNK = """
import voicelab as vl
DESK = __file__.replace("tests/test_shrunk.py", "agent/desk.py")

def test_as_a_shrunk_failure_is_written():
    record = vl.run(DESK, ["surely", "no"], seed=4)
    assert record.status == "hangup"
"""
OTHERS = "import os\ndef test_of_others():\n    assert os.environ.get('OTHERS') is None, 'others were asked'\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "agent").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "agent/desk.py").write_text(DESK)
    (tmp_path / "tests/desk.scenario.yaml").write_text(SCENARIOS)
    (tmp_path / "tests/test_desk.py").write_text(TESTS)
    (tmp_path / "tests/test_shrunk.py").write_text(SHRUNK)
    (tmp_path / "tests/test_others.py").write_text(OTHERS)
    return tmp_path


def asked(folder, *command, **environment):
    # Neither this suite's settings nor its plugins, which take a second to load, are those of somebody else's project.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def by_pytest(folder, *arguments):
    plugin = ("-p", "voicelab.testing.plugin", "-p", "no:cacheprovider")
    return asked(folder, "-m", "pytest", *plugin, *arguments)


def by_voicelab(folder, *arguments, **environment):
    code = "import sys; from voicelab.cli import main; sys.exit(main())"
    return asked(folder, "-c", code, "test", *arguments, **environment)


def test_scenarios_and_tests_are_collected_run_and_reported(project):
    done = by_pytest(project, "--junitxml=out.xml")
    assert done.returncode == 1
    out = done.stdout
    assert "3 scenarios: 1 pass, 1 flaky, 1 broken (40 sessions)" in out
    assert "FAILED tests/desk.scenario.yaml::books at times - flaky: " in out
    assert "Again: voicelab test 'tests/desk.scenario.yaml::books at times' --seed " in out
    assert "▶  outcomes  booked = True" in out
    # A test of one's own shows the conversation of the session that it ran, and an expectation its own alone.
    bare = out.split("test_a_bare_assert ___")[1].split("test_an_expectation ___")[0]
    assert "conversation with script" in bare
    assert "caller surely" in bare
    expectation = out.split("test_an_expectation ___")[1].split("test_as_a_shrunk")[0]
    assert "▶     ended  completed" in expectation
    assert "conversation with script" not in expectation
    shrunk = out.split("test_as_a_shrunk_failure_is_written ___")[1]
    assert shrunk.count("conversation with script") == 1
    assert "voicelab/testing/" not in out  # no line from inside
    cases = {case.get("name"): case for case in ET.parse(project / "out.xml").iter("testcase")}
    assert cases["never books"].find("failure").get("message").startswith("broken: 0 of 10 runs pass")
    properties = {p.get("name"): p.get("value") for p in cases["books at times"].iter("property")}
    assert properties["voicelab_verdict"] == "flaky"
    assert {name for name, case in cases.items() if case.find("failure") is None} == {
        "books surely", "test_books[surely Monday]", "test_books[surely Friday]", "test_of_others",
    }  # fmt: skip


def test_with_xdist_and_with_k_the_verdicts_are_the_same(project):
    done = by_pytest(project, "-p", "xdist", "-n", "2", "-k", "books and not times")
    assert done.returncode == 1
    assert "2 scenarios: 1 pass, 1 broken (20 sessions)" in done.stdout
    assert "1 failed, 3 passed" in done.stdout


def test_a_mistake_is_one_sentence_with_its_line_and_no_traceback(project):
    (project / "tests/desk.scenario.yaml").write_text(SCENARIOS.replace("runs: 20", "run: 20"))
    (project / "tests/gone.scenario.yaml").write_text("handler: gone.py\nexpect: [no_errors: true]\n")
    (project / "tests/raises.scenario.yaml").write_text("handler: raises.py\nexpect: [no_errors: true]\n")
    (project / "tests/raises.py").write_text("import nothing_of_that_name\n")
    (project / "tests/asks.scenario.yaml").write_text("handler: ../agent/desk.py\nexpect: [outcome: bokked]\n")
    done = by_pytest(project, "--continue-on-collection-errors", "-k", "yaml")
    out = done.stdout
    assert "tests/desk.scenario.yaml:5: A scenario has no key 'run'. Did you mean 'runs'" in out
    assert "tests/gone.scenario.yaml:1: source is 'gone.py', and there is no such file" in out
    assert "tests/raises.scenario.yaml:1: raises.py" in out
    assert "nothing_of_that_name" in out
    assert "direct cause" not in out
    assert "tests/asks.scenario.yaml:1: No session has an outcome 'bokked'. Did you mean 'booked'" in out
    assert "Traceback" not in out
    assert "voicelab/testing" not in out
    assert "site-packages" not in out


def test_voicelab_test_takes_scenarios_and_tests_of_its_own_and_ends_with_a_line(project):
    done = by_voicelab(project, "--junit", "out.xml", OTHERS="1", PYTEST_ADDOPTS="-p xdist -n 1")
    assert done.returncode == 1
    last = done.stdout.strip().splitlines()[-1]
    assert last == "3 scenarios: 1 pass, 1 flaky, 1 broken (40 sessions); 5 tests: 2 passed, 3 failed"
    assert len(list(ET.parse(project / "out.xml").iter("testcase"))) == 8


def test_its_json_is_one_document_and_its_commands_repeat_what_failed(project):
    done = by_voicelab(project, "tests/desk.scenario.yaml", "-k", "books at times", "--json")
    document = json.loads(done.stdout)
    (scenario,) = document["scenarios"]
    assert (done.returncode, document["passed"], scenario["verdict"]) == (1, False, "flaky")
    assert scenario["pass_rate_lower"] < scenario["pass_rate"] < scenario["pass_rate_upper"]
    assert scenario["unmet"][0]["expected"] == {"said": "booked"}
    assert scenario["again"].endswith(f"--seed {scenario['failed_seeds'][0]}")
    # The command as it is printed, but for a run that passes.
    _voicelab, _test, node, *seed = shlex.split(scenario["again"])
    passing = min(set(range(20)) - {*scenario["failed_seeds"]})
    again = by_voicelab(project, node, seed[0], str(passing))
    assert (again.returncode, again.stdout.strip().splitlines()[-1]) == (0, "1 scenario: passes (1 session)")


def test_where_nothing_is_to_be_run_that_is_said(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    assert main(["test", "tests/desk.scenari.yaml"]) == 1
    assert "Did you mean 'desk.scenario.yaml'" in capsys.readouterr().err
    assert main(["test", "--junit", "tests"]) == 1
    assert "The report 'tests' can't be written: it is a folder." in capsys.readouterr().err
    assert main(["test", "--junit", "agent/desk.py/out.xml"]) == 1
    assert "The report 'agent/desk.py/out.xml' can't be written" in capsys.readouterr().err
    done = by_voicelab(project, "tests", "-k", "nothing of it")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "There is no test in tests whose name matches 'nothing of it'" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("does not book", "1 scenario: passes"),
        ("not does", "1 scenario: broken"),
        ("(books or does) and not never", "1 scenario: passes"),
    ],
)
def test_words_of_a_name_pick_it_also_where_they_are_operators(project, words, told):
    (project / "tests/desk.scenario.yaml").write_text(
        SCENARIOS.splitlines()[1]
        + "\nscenarios:\n  - {name: does not book, expect: [no_errors: true]}\n"
        + "  - {name: never books, runs: 2, expect: [said: booked]}\n"
    )
    done = by_voicelab(project, "tests/desk.scenario.yaml", "-k", words)
    assert done.stdout.splitlines()[-1].startswith(told), done.stdout + done.stderr


def test_the_exit_code_tells_what_cannot_be_read_from_what_fails_and_from_ctrl_c(project):
    (project / "tests/gone.scenario.yaml").write_text("expect: [no_errors: true]\n")
    files = ("tests/gone.scenario.yaml", "tests/test_shrunk.py")
    assert by_voicelab(project, *files).returncode == 2
    assert by_voicelab(project, *files, PYTEST_ADDOPTS="-p xdist -n 1").returncode == 2
    (project / "tests/test_stops.py").write_text("def test_stops():\n    raise KeyboardInterrupt\n")
    done = by_voicelab(project, "tests/test_stops.py", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["exit_code"]) == (130, 130)


def test_without_pytest_its_install_line_is_said(project, tmp_path):
    (tmp_path / "pytest.py").write_text("raise ImportError('no pytest')\n")
    done = by_voicelab(project, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 1
    assert "pip install pytest" in done.stderr


def test_the_plugin_loads_nothing_of_the_lab_before_it_is_needed(project):
    code = (
        "import sys, voicelab.testing.plugin\n"
        "lab = sorted(name for name in sys.modules if name.startswith('voicelab'))\n"
        "heavy = {'pandas', 'numpy', 'pyarrow', 'primfunctions', 'yaml', 'duckdb', 'scipy'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
        "assert set(lab) <= {'voicelab', 'voicelab.base', 'voicelab.base.version', 'voicelab.testing',"
        " 'voicelab.testing.plugin', 'voicelab.testing.file_endings'}, lab\n"
    )
    assert asked(project, "-c", code).returncode == 0


def test_the_entry_point_names_the_plugin_as_its_module_is_named():
    # Under another name pytest would refuse to register it a second time, by `-p`.
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert declared["entry-points"]["pytest11"] == {"voicelab.testing.plugin": "voicelab.testing.plugin"}
    assert not any(dependency.startswith("pytest") for dependency in declared["dependencies"])


def test_the_recipe_for_github_is_a_workflow_that_runs_the_command():
    page = (ROOT / "docs/change.md").read_text(encoding="utf-8")
    recipe = yaml.safe_load(page.split("```yaml\n# .github/workflows/voice.yml\n")[1].split("```")[0])
    steps = [step.get("run", "") for job in recipe["jobs"].values() for step in job["steps"]]
    assert any("voicelab test" in step and "--junit" in step for step in steps)
