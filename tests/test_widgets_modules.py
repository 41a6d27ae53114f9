"""The browser half of the widgets as text: modules that stand alone and join into one."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from voicelab.widgets.esm import STATIC, css, esm

MODULES = sorted(STATIC.glob("*.js"))
ENTRIES = ["console", "microphone_widget", "speaker_widget"]
ROOT = Path(__file__).parent.parent


def names_at_the_top(text):
    names = re.findall(r"^(?:export )?(?:async )?(?:const|let|var|class|function\*?) +(\w+)", text, re.MULTILINE)
    return [*names, *re.findall(r"^export const \{([^}]*)\}", text, re.MULTILINE)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_is_short_says_what_it_is_for_and_shows_texts_as_texts(path):
    text = path.read_text(encoding="utf-8")
    assert text.removeprefix("// @ts-check\n\n").startswith("/**"), "no line says what the module is for"
    assert len(text.splitlines()) < 400
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert not re.search(r"https?://(?!localhost)", text), "a widget loads nothing from elsewhere"


@pytest.mark.parametrize("entry", ENTRIES)
def test_names_are_unique_over_the_modules_that_are_joined(entry):
    joined = esm(entry)
    names = names_at_the_top(joined)
    assert sorted(names) == sorted(set(names))
    assert not re.search(r"^import ", joined, re.MULTILINE)
    assert re.findall(r"^export .*", joined, re.MULTILINE) == ["export default () => {"]


def test_a_module_stands_once_and_after_those_it_needs():
    joined = esm("console")
    order = re.findall(r"^// (\w+)\.js$", joined, re.MULTILINE)
    assert len(order) == len(set(order))
    assert order[-1] == "console"
    assert order.index("dom") < order.index("playback") < order.index("engine")
    assert esm("console.js") == joined == esm("dom", "console")


def test_every_module_belongs_to_a_widget():
    used = {name for entry in ENTRIES for name in re.findall(r"^// (\w+)\.js$", esm(entry), re.MULTILINE)}
    assert used == {path.stem for path in MODULES}


def test_the_style_sheet_follows_jupyters_themes_and_stays_in_its_widgets():
    style = css()
    for wanted in (
        "--jp-layout-color1",
        'data-jp-theme-light="false"',
        "prefers-color-scheme",
        "prefers-reduced-motion",
        ":focus-visible",
    ):
        assert wanted in style
    bare = [line for line in style.splitlines() if re.match(r"(button|input|table|th|td|tr|h4|p)\b[^{]*\{", line)]
    assert not bare, "a rule for a bare tag would change the notebook around it"


def test_nothing_is_installed_from_npm_to_run_the_widgets():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not any(re.match("playwright|nodejs", needed) for needed in project["dependencies"])
    assert (
        json.loads((ROOT / "package.json").read_text(encoding="utf-8")).keys().isdisjoint({"dependencies", "scripts"})
    )
