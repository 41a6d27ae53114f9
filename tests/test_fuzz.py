"""Hostile input is accepted and can be used to the end, or is refused with a message: nothing else (see `tests/fuzz`)."""

import json
import os
from pathlib import Path

import pytest
from fuzz import cases, hostile
from fuzz.judge import EndlessError, judged
from fuzz.shrink import shrunk

from voicelab.base.errors import InputError

N = cases.shares_of(300, list(cases.SHARES))
KEPT = list(cases.kept())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("surface", cases.SHARES)
def test_hostile_input_is_used_to_the_end_or_refused_with_a_message(surface):
    counts = {"accepted": 0, "refused": 0}
    for number in range(N[surface]):
        case = cases.of_number(2026, surface, number)
        verdict = cases.run(surface, case, depth=cases.depth_of(number))
        assert verdict.kind != "crash", (
            f"{surface}/{number}: {verdict.what}\n{verdict.trace}\n{json.dumps(case)[:3000]}"
        )
        counts[verdict.kind] += 1
    assert all(counts.values()) or surface in {"console", "paths"}, counts


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "surface", "case", "depth"), KEPT, ids=[name for name, *_ in KEPT])
def test_what_crashed_once_does_not_any_more(name, surface, case, depth):
    verdict = cases.run(surface, case, depth=depth)
    assert verdict.kind != "crash", f"{verdict.what}\n{verdict.trace}"


def _refuses(it, case):
    with it.door():
        raise InputError(case)


def _writes_elsewhere(it, case):
    (it.folder.parent / "vlx").write_text("x")
    (it.folder.parent / "vlx").unlink()


def _exits(it, case):
    raise SystemExit(case)


BAD = {
    "an error that isn't ours": lambda it, case: {}[case],
    "an error of ours behind the door": lambda it, case: it.check(False, case) if case == "" else _raise(InputError(case)),
    "markup": lambda it, case: it.html("<p>a</p><vlx>"),
    "an attribute": lambda it, case: it.html("<p onclick='x'>"),
    "half a character": lambda it, case: it.text("\ud800"),
    "no JSON": lambda it, case: it.json("[NaN]"),
    "code that runs": lambda it, case: compile("vlx = 1", "<vlx>", "exec"),
    "a command": lambda it, case: os.system("true"),
    "a file elsewhere": _writes_elsewhere,
    "the end of the process": _exits,
    "no end": lambda it, case: _raise(EndlessError()),
}  # fmt: skip


def _raise(error):
    raise error


@pytest.mark.parametrize("walk", BAD.values(), ids=list(BAD))
def test_the_judge_sees(walk):
    assert judged(walk, "case").kind == "crash"


def test_the_judge_tells_what_is_refused_well_from_what_is_not():
    assert judged(_refuses, "it is 3, must be 4").kind == "refused"
    assert judged(_refuses, "vl-secret-7h3y-n3v3r-s33").kind == "crash"
    assert judged(lambda it, case: None, "case").kind == "accepted"


def test_messages_that_quote_anything_are_short_and_can_be_printed():
    error = InputError(f"it is {'x' * 5000!r}, \x1b[31m \u202e \ud800 must be text")
    assert len(str(error)) <= 600
    assert str(error).isprintable()
    assert str(error).endswith("\\x1b[31m \\u202e \\ud800 must be text")


def test_a_failing_case_is_made_small():
    case = {"a": [1, 2, {"bad": "xyz" * 50, "more": [1]}], "b": "c"}
    small = shrunk(case, lambda it: "bad" in json.dumps(it))
    assert small == {"a": [{"bad": ""}]} or len(json.dumps(small)) < 40


def test_a_case_is_the_same_for_the_same_seed():
    one, same, other = (cases.of_number(seed, "exports", 5) for seed in (1, 1, 2))
    assert json.dumps(one) == json.dumps(same) != json.dumps(other)
    assert json.loads(json.dumps(one)) == one


def test_every_marker_is_written_out():
    for value in hostile.MARKED:
        assert "$" not in hostile.text_of([value])
    assert Path(cases.KEPT).is_dir()
