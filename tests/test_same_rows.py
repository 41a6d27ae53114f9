"""`make same-rows` finds what differs between two versions, shows it, and makes the case small (see `tests/same_rows`)."""

import json
from collections import Counter

import pytest
from same_rows import draws, rows
from same_rows.compare import Comparison
from same_rows.versions import ROOT, NoVersionError, Version, extract

N = 12


@pytest.fixture(scope="module")
def slower(tmp_path_factory):
    """A copy of this version in which people need longer for their words."""
    folder = tmp_path_factory.mktemp("slower")
    (folder / "tests").mkdir()
    (folder / "tests" / "harness.py").symlink_to(ROOT / "tests" / "harness.py")
    _link(ROOT / "voicelab", folder / "voicelab", but="base")
    _link(ROOT / "voicelab" / "base", folder / "voicelab" / "base", but="pace.py")
    text = (ROOT / "voicelab" / "base" / "pace.py").read_text(encoding="utf-8")
    assert "0.06" in text
    (folder / "voicelab" / "base" / "pace.py").write_text(text.replace("0.06", "0.07"), encoding="utf-8")
    return folder


def _link(source, target, but):
    """Make a folder whose content is that of another, but for one entry."""
    target.mkdir()
    for entry in source.iterdir():
        if entry.name != but:
            (target / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())


def test_another_pace_is_found_and_nothing_else(slower):
    with Version("slower", slower) as base, Version("this", ROOT) as this:
        comparison = Comparison(base, this)
        silent = {**draws.case_of(1, 0), "road": "run", "agent": None, "program": {}, "options": {}}
        silent["caller"] = {"kind": "script", "inputs": [["press", "1"], ["hang up"]]}
        assert not comparison.differs(silent)
        speaking = silent | {"program": {"start": [[["speech", "Good day.", {}]]]}}
        assert comparison.differs(speaking)
        assert '"time_s": 0.63' in comparison.shown(speaking)
        assert '"time_s": 0.54' in comparison.shown(speaking)
        assert any(comparison.differs(draws.case_of(1, number)) for number in range(N))
        assert "cases played" in comparison.summary([])


def event(seq, name, kind="output", session=0):
    return {"session": session, "seq": seq, "kind": kind, "name": name}


def test_events_that_may_differ_are_left_out_and_counted_and_the_others_move_up():
    tables = {
        "events": [
            event(0, "start", "input"),
            event(1, "input_gate", "system"),
            event(2, "metrics.counter.a", "metric"),
        ],
        "metrics": [{"session": 0, "seq": 2, "metric": "a"}],
    }
    without = {
        "events": [event(0, "start", "input"), event(1, "metrics.counter.a", "metric")],
        "metrics": [{"session": 0, "seq": 1, "metric": "a"}],
    }
    left_out = Counter()
    assert rows.canonical(tables, {"system/input_gate"}, left_out) == rows.canonical(without, (), Counter())
    assert left_out == {"system/input_gate": 1}
    assert rows.canonical(tables, (), Counter()) != rows.canonical(without, (), Counter())


def test_the_first_difference_is_marked():
    one, other = ["a 1", "b 2", "c 3"], ["a 1", "b 4"]
    shown = rows.shown(("before", "after"), one, other).splitlines()
    assert [line for line in shown if line.startswith(">>>")] == [">>>    1 b 2", ">>>    1 b 4"]
    assert rows.difference(one, one[:2]) == 2
    assert rows.difference(one, list(one)) is None


def test_a_case_is_the_same_for_the_same_number_and_is_json():
    assert draws.case_of(1, 7) == draws.case_of(1, 7) != draws.case_of(1, 8)
    assert json.loads(json.dumps(draws.case_of(1, 7))) == draws.case_of(1, 7)


def test_a_version_that_git_has_not_is_said(tmp_path):
    with pytest.raises(NoVersionError, match="git fetch --unshallow"):
        extract("0123456789abcdef0123456789abcdef01234567", tmp_path)
