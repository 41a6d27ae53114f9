"""Chaos: a dozen random schedules of each kind, and those that once failed; `make chaos` runs as many as there is time for."""

import sys

import pytest
from chaos import in_process, real
from chaos.kept import KEPT, kept
from chaos.schedule import Failed, Schedule, Step, shortened

from voicelab.log import disk, write


@pytest.mark.parametrize("seed", range(12))
def test_no_schedule_costs_a_session(seed):
    in_process.run(in_process.draw(seed))


# Each has another fault, and as few workers as that takes; in the last but one sessions die.
REAL = (1, 6, 12, 17, 21, 33, 40, 84, 88, 186, 193, 227)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, and at signals of POSIX")
@pytest.mark.xdist_group("real chaos")  # they share what undisturbed runs leave, and the process that forks
@pytest.mark.parametrize("seed", REAL)
def test_no_schedule_of_real_processes_costs_a_session_or_leaves_one_behind(seed):
    # One run, what befalls it, and how it is gone on with: longer ones by `make chaos`.
    real.run(real.draw(seed).only([0]))


def test_the_schedules_of_real_processes_have_every_fault():
    faults = {real.draw(seed).steps[0].how.get("fault") for seed in REAL}
    assert faults == {None, "full", "read_only", *real.FAULTS}


@pytest.mark.parametrize("name", KEPT)
def test_what_once_failed_fails_no_more(name):
    in_process.run(kept(name))


def test_a_schedule_is_the_same_for_the_same_seed_and_says_how_to_run_it_again():
    schedule = in_process.draw(7)
    assert schedule == in_process.draw(7)
    assert str(schedule).startswith("make chaos KIND=in_process SEED=7 N=1\n")
    assert schedule.only([0]).command.endswith("KEEP=0")


def test_a_writer_that_is_careless_is_caught_and_the_schedule_shortened(monkeypatch):
    monkeypatch.setattr(disk, "sync", lambda folder: None)
    monkeypatch.setattr(write, "_sync", lambda folder: None)
    run = Step("run", {"which": "first", "resume": True})
    schedule = Schedule("in_process", 0, (Step("clock", {"hours": 1}), run, Step("look"), Step("power", {"chance": 1})))
    with pytest.raises(Failed):
        in_process.run(schedule)
    assert shortened(schedule, in_process.run).kept == (1, 3)
