"""The widgets' JavaScript is held to what Python is: types, a linter, functions that fit a screen."""

import json
import re
import shutil

import pytest
from javascript_tools import ROOT, run

from voicelab.widgets.esm import STATIC

MODULES = sorted(STATIC.glob("*.js"))
# Mistakes, each of which the type checker must name: module, what stands in it, what is written instead, what is said.
MISTAKES = {
    "a view that waits for a key there isn't": ("header.js", '"agent", "phase"', '"agnet", "phase"', '"agnet"'),
    "a pane that needs a key there isn't": ("panes.js", '["notes"]', '["notse"]', '"notse"'),
    "a message there isn't": ("engine.js", 'send({ k: "hang_up" })', 'send({ k: "hangup" })', '"hangup"'),
    "a message without a field": ("listening.js", "{ k: \"talk\", on: true, engine: link.id }", '{ k: "talk", engine: link.id }', "'on' is missing"),
    "a field that isn't sent": ("engine.js", "({ text }) => store.set({ partial: text })", "({ txet }) => store.set({ partial: txet })", "'txet' does not exist"),
    "a message that nobody reads": ("engine.js", "      clear: () => playback.clear(),\n", "", "'clear' is missing"),
    "a value there isn't": ("kernel_link.js", "set({ lost: false })", "set({ lots: false })", "'lots' does not exist"),
}  # fmt: skip


def test_the_type_checker_passes():
    done = run("tsc", "--project", str(ROOT))
    assert done.returncode == 0, done.stdout


def test_the_linter_has_nothing_to_say():
    done = run("biome", "lint", "--error-on-warnings", "--diagnostic-level=info")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_is_checked():
    assert MODULES
    assert [path.name for path in MODULES if not path.read_text(encoding="utf-8").startswith("// @ts-check\n")] == []


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return what the type checker says of the modules with all mistakes in them."""
    folder = tmp_path_factory.mktemp("mistakes")
    shutil.copy(ROOT / "tsconfig.json", folder)
    static = shutil.copytree(STATIC, folder / "voicelab" / "widgets" / "static")
    for name, right, wrong, _ in MISTAKES.values():
        text = (static / name).read_text(encoding="utf-8")
        assert text.count(right) == 1, f"{name} has not {right!r} once"
        (static / name).write_text(text.replace(right, wrong), encoding="utf-8")
    return run("tsc", "--project", str(folder)).stdout


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_would_be_seen(found, mistake):
    module, _, _, said = mistake
    # A complaint goes on in lines that are indented.
    assert any(module in complaint and said in complaint for complaint in re.split(r"\n(?! )", found)), found


def test_what_checks_it_is_pinned_and_brings_nothing_into_the_widgets():
    wanted = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted["devDependencies"].values())
