"""No process outlives its driver, however that ends; SIGTERM is Ctrl-C; what a handler leaves behind keeps no process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import voicelab as vl

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# One that is waited for by nobody, and one whose parent has ended. They hold the output open as long as they go on.
PROGRAMS = """
import subprocess
def leave_programs():
    subprocess.Popen(["sleep", "100000"])
    subprocess.run("sleep 100000 &", shell=True)
"""
# Each looks as a worker that can't look after itself: one spins where no other thread runs, one is stopped.
HANDLERS = {
    "spins": (
        f"{PROGRAMS}import re\nasync def handler(event, context):\n"
        '    leave_programs()\n    re.match("(a+)+$", "a" * 60 + "b")\n    yield 1\n'
    ),
    "is stopped": (
        f"{PROGRAMS}import ctypes, os\nasync def handler(event, context):\n"
        "    leave_programs()\n    ctypes.CDLL(None).kill(os.getpid(), 19)\n    yield 1\n"
    ),
    "leaves a thread and programs": (
        f"{PROGRAMS}import threading, ctypes\nasync def handler(event, context):\n    leave_programs()\n"
        "    threading.Thread(target=lambda: ctypes.CDLL(None).sleep(100000)).start()\n"
        "    yield TextToSpeechEvent(text='a')\n"
    ),
}
DRIVER = """
import sys, voicelab as vl
vl.simulate(sys.argv[1], ["hi"], int(sys.argv[2]), log=sys.argv[3], workers=2, progress=False)
"""
LONGEST_S = 120
"""Until then what is waited for has happened on the busiest machine; where it fails it never happens."""


def started(handler, sessions, log):
    mark = f"VOICELAB_TEST={os.getpid()}:{time.time_ns()}"
    env = {**os.environ, **dict([mark.split("=")])}
    command = [sys.executable, "-W", "ignore", "-c", DRIVER, handler, str(sessions), str(log)]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True), mark.encode()


def processes(mark):
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "cmdline").read_bytes()
        except OSError:
            continue
    return found


def until(condition):
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def workers(mark):
    return [pid for pid, command in processes(mark).items() if b"popen_loky" in command]


@pytest.mark.parametrize(("handler", "number"), [("spins", signal.SIGKILL), ("is stopped", signal.SIGTERM)])
def test_no_process_outlives_its_driver(tmp_path, handler, number):
    driver, mark = started(HANDLERS[handler], 10_000, tmp_path / "log")
    until(lambda: len(list((tmp_path / "log").glob("_spec/run-*/*.note"))) == 2)
    driver.send_signal(number)
    _, said = driver.communicate(timeout=LONGEST_S)
    until(lambda: not processes(mark))
    if number == signal.SIGTERM:
        assert driver.returncode == 128 + signal.SIGTERM
        assert "resume=True goes on from there" in said
        assert not (tmp_path / "log" / "_lock").exists()


def test_what_is_left_behind_keeps_no_process_and_no_output(tmp_path):
    driver, mark = started(HANDLERS["leaves a thread and programs"], 20, tmp_path / "log")
    driver.communicate(timeout=LONGEST_S)
    assert driver.returncode == 0
    until(lambda: not processes(mark))


def test_a_handler_of_the_users_own_for_sigterm_is_kept(tmp_path):
    code = (
        "import os, signal, sys, voicelab as vl\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "def parameters(index):\n    os.kill(os.getpid(), signal.SIGTERM) if index == 0 else None\n    return {}\n"
        f"vl.simulate({HANDLERS['spins']!r}, ['hi'], 10, parameters=parameters, log={str(tmp_path / 'log')!r})"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode == 7


def test_a_simulation_that_has_ended_leaves_no_program_and_sigterm_as_it_was(tmp_path, monkeypatch):
    name, value = f"VOICELAB_TEST_{os.getpid()}", str(time.time_ns())
    monkeypatch.setenv(name, value)  # of workers that a run before has started it isn't
    vl.simulate(HANDLERS["leaves a thread and programs"], ["hi"], 2, log=tmp_path / "log", workers=1, progress=False)
    until(lambda: not any(b"sleep" in command for command in processes(f"{name}={value}".encode()).values()))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


# A worker, and a driver that goes into a session of its own once the worker has its group.
DRIVER_OF_ONE = """
import os, signal, sys
from voicelab.simulation import left_programs
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
ready, go = os.pipe(), os.pipe()
if not os.fork():
    left_programs.end_with_this()
    os.write(ready[1], b".")
    os.read(go[0], 1)
    print(left_programs.any_left(), flush=True)
    os._exit(0)
os.close(ready[1])
os.read(ready[0], 1)
if sys.argv[1] == "leaves":
    os.setsid()
os.write(go[1], b".")
try:
    os.wait()
except ChildProcessError:
    pass
"""


@pytest.mark.parametrize(("driver", "told"), [("stays", "False"), ("leaves", "True")])
def test_a_worker_begins_and_is_asked_whatever_its_driver_ignores_and_wherever_that_has_gone(driver, told):
    # The first process of a group can't begin a session: the shell's own stands before it.
    command = f"\"{sys.executable}\" -c '{DRIVER_OF_ONE}' {driver}; true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    assert done.stdout.strip() == told, done.stderr
