"""What belongs to the process belongs to one session at a time, and to everybody else as if there were no session."""

import asyncio
import datetime
import io
import os
import random
import secrets
import socket
import sys
import threading
import time
import urllib.request
import uuid
from contextvars import copy_context

import harness
import pytest
import time_machine
from harness import EPOCH_NS, agent, play, play_many

from voicelab.base.errors import VirtualTimeError
from voicelab.runtime import isolation
from voicelab.runtime.isolation import SCOPE, isolated

UNTOUCHED = {
    "time.time": lambda: time.time,
    "time.time_ns": lambda: time.time_ns,
    "time.monotonic": lambda: time.monotonic,
    "time.monotonic_ns": lambda: time.monotonic_ns,
    "time.perf_counter": lambda: time.perf_counter,
    "time.perf_counter_ns": lambda: time.perf_counter_ns,
    "time.sleep": lambda: time.sleep,
    "time.gmtime": lambda: time.gmtime,
    "time.localtime": lambda: time.localtime,
    "time.strftime": lambda: time.strftime,
    "datetime.datetime": lambda: datetime.datetime,
    "random's class": lambda: type(random._inst),
    "random.random": lambda: random.random,
    "random.choice": lambda: random.choice,
    "random._urandom": lambda: random._urandom,
    "os.urandom": lambda: os.urandom,
    "random.Random.seed": lambda: random.Random.seed,
    "secrets.token_hex": lambda: secrets.token_hex,
    "sys.stdout": lambda: sys.stdout,
    "socket.socket": lambda: socket.socket,
}

SELF = {
    "random.random": "random.random()",
    "random.choice": "random.choice(range(10**9))",
    "random.gauss": "random.gauss(0, 1)",
    "random.shuffle": "random.sample(range(1000), 20)",
    "random.getrandbits": "random.getrandbits(256)",
    "random.SystemRandom": "random.SystemRandom().random()",
    "random.Random": "random.Random().random()",
    "random.seed": "[random.seed(), random.random()]",
    "uuid.uuid4": "str(uuid.uuid4())",
    "os.urandom": "__import__('os').urandom(8).hex()",
    "secrets.token_hex": "secrets.token_hex(16)",
    "secrets.choice": "secrets.choice(range(10**9))",
    "secrets.randbelow": "secrets.randbelow(10**9)",
    "time.time": "time.time()",
    "time.time_ns": "time.time_ns()",
    "time.monotonic": "time.monotonic()",
    "time.perf_counter": "time.perf_counter()",
    "time.monotonic_ns": "time.monotonic_ns()",
    "time.perf_counter_ns": "time.perf_counter_ns()",
    "datetime.now": "datetime.now().isoformat()",
    "datetime.utcnow": "datetime.utcfromtimestamp(time.time()).isoformat()",
    "time.strftime": "time.strftime('%Y-%m-%d %H:%M:%S')",
    "loop.time": "asyncio.get_running_loop().time()",
    "event.timestamp": "LogEvent('x').timestamp",
}


AN_HOUR = 3600  # of a busy machine; a session's own time is further from the real one


class Scope:
    """A session as the process sees it."""

    def __init__(self, seed=0, ns=EPOCH_NS, virtual=True):
        self.virtual = virtual
        self.random = random.Random(seed)
        self.ns = ns
        self.printed = ""
        self.calls = []

    def time_ns(self):
        return self.ns

    def advance(self, seconds):
        self.ns += int(seconds * 1e9)

    def print(self, text):
        self.printed += text

    def blocked(self, call, frame):
        self.calls.append((call, frame.f_code.co_name))


def within(scope, function, *args):
    """Run a function as the code of a session."""

    def run():
        SCOPE.set(scope)
        return function(*args)

    return copy_context().run(run)


# --- a session's own -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", SELF)
def test_it_is_the_sessions_own_and_repeatable(what):
    handler = agent(f"if event.name == 'start':\n    context.set_data('it', {SELF[what]})\n")
    once, again = play(handler).data["it"], play(handler).data["it"]
    assert once == again
    if what.partition(".")[0] in {"random", "uuid", "secrets", "os"}:
        assert play(handler, seed=1).data["it"] != once
        first, second = play_many(handler, sessions=2)
        assert first.data["it"] == once
        assert second.data["it"] != once


def test_functions_that_were_imported_by_name_are_the_sessions_own_too():
    text = harness.IMPORTS + (
        "from random import choice, gauss\nfrom uuid import uuid4\nfrom secrets import token_hex\n"
        "async def handler(event, context):\n"
        "    context.set_data('it', [gauss(0, 1), choice(range(10**9)), str(uuid4()), token_hex(8)])\n"
    )
    assert play(text).data == play(text).data
    assert play(text).data != play(text, seed=1).data


@pytest.mark.parametrize("function", ["random", "getrandbits"])
def test_a_function_of_the_generator_itself_imported_by_name_is_the_sessions_own_or_noted(function):
    """These two are the generator's C methods, which no look-up reaches: repeatable, or a note that says it isn't."""
    argument = "64" if function == "getrandbits" else ""
    text = harness.IMPORTS + (
        f"from random import {function} as draw\n"
        f"async def handler(event, context):\n    context.set_data('it', draw({argument}))\n"
    )
    first, second = play(text), play(text)
    assert first.data == second.data or "random_import" in second.rules


@pytest.mark.parametrize("made", ["random.Random(1)", "np.random.default_rng(1)"])
def test_a_generator_of_the_module_is_noted(made):
    made = f"import numpy as np\nCHANCE = {made}\n"
    text = f"{harness.IMPORTS}{made}async def handler(event, context):\n    context.set_data('it', CHANCE.random())\n"
    assert "shared_generator" in play(text).rules
    assert "shared_generator" not in play(text.replace("CHANCE = ", "CHANCE = [").replace("(1)", "(1)]")).rules


def test_a_sessions_date_begins_at_its_start_and_follows_virtual_time():
    handler = agent("""
        if event.name == "start":
            a = time.time(), datetime.now().timestamp(), time.monotonic(), time.perf_counter()
            await asyncio.sleep(20)
            b = time.time(), datetime.now().timestamp(), time.monotonic(), time.perf_counter()
            context.set_data("began", a[0])
            context.set_data("passed", [y - x for x, y in zip(a, b)])
    """)
    data = play(handler).data
    assert data["began"] == EPOCH_NS / 1e9
    assert data["passed"] == pytest.approx([20, 20, 20, 20], abs=1e-5)


def test_a_sessions_print_is_its_log_a_line_a_row(capsys):
    handler = agent("""
        if event.name == "start":
            print("one", 2, sep="-")
            print("a\\nb", end="")
            print("c")
            print("end without a newline", end="")
    """)
    assert play(handler).logs == ["one-2", "a", "bc", "end without a newline"]
    assert capsys.readouterr().out == ""


def test_a_session_that_sleeps_costs_virtual_time_alone():
    handler = agent("""
        if event.name == "start":
            began = time.time()
            time.sleep(3600)
            context.set_data("passed", time.time() - began)
    """)
    began = time.perf_counter()
    played = play(handler)
    assert time.perf_counter() - began < 3600
    assert played.data["passed"] == pytest.approx(3600)


def test_sessions_that_overlap_in_wall_time_draw_from_their_own_seeds():
    handler = agent("""
        if event.name == "start":
            drawn = []
            for _ in range(5):
                drawn.append([random.random(), str(uuid.uuid4()), secrets.token_hex(4), random.gauss(0, 1)])
                await asyncio.sleep(0)
            context.set_data("drawn", drawn)
    """)
    together = play_many(handler, sessions=3, clock="wall", together=True)
    apart = play_many(handler, sessions=3, clock="wall")
    assert [p.data for p in together] == [p.data for p in apart]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: random.random() + 0,
        lambda: random.getrandbits(64),
        lambda: random.gauss(0, 1),
        lambda: random.choices("abc", k=9),
        lambda: random.randbytes(4),
        lambda: random.sample(range(9), 3),
    ],
)
def test_the_shared_generator_draws_what_the_sessions_own_would(draw):
    with isolated():
        scope = Scope(seed=5)
        drawn = [within(scope, draw) for _ in range(3)]
    random.seed(5)
    assert drawn == [draw() for _ in range(3)]


def test_a_session_can_seed_and_restore_its_own_generator():
    def draw():
        random.seed(9)
        state = random.getstate()
        first = random.random()
        random.setstate(state)
        return first, random.random(), random.Random(9).random()

    random.seed(1)
    before = random.getstate()
    with isolated():
        assert len(set(within(Scope(), draw))) == 1
    assert random.getstate() == before


def test_half_a_gaussian_pair_never_crosses_from_one_session_to_another():
    with isolated():
        one, other = Scope(1), Scope(2)
        within(one, random.gauss, 0, 1)
        assert within(other, random.gauss, 0, 1) == random.Random(2).gauss(0, 1)


# --- everybody else --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNTOUCHED)
def test_the_process_is_as_it_was_afterwards(name):
    before = UNTOUCHED[name]()
    with isolated():
        pass
    play(agent("context.set_data('x', random.random())"))
    now = UNTOUCHED[name]()
    # Bound methods are made anew at each look.
    assert now is before or (now == before and type(now) is type(before))


def test_the_processs_own_chance_goes_on_as_if_there_had_been_no_session():
    random.seed(3)
    expected = [random.random() for _ in range(4)], random.gauss(0, 1), random.gauss(0, 1)
    random.seed(3)
    drawn = [random.random()]
    with isolated():
        drawn.append(random.random())
        play(agent("context.set_data('x', [random.random(), random.gauss(0, 1)])"))
        drawn.append(random.random())
    drawn.append(random.random())
    first = random.gauss(0, 1)
    with isolated():
        second = random.gauss(0, 1)
    assert (drawn, first, second) == expected


def test_code_outside_a_session_keeps_its_own_clock_while_hosted():
    real = time.time()
    with isolated():
        assert abs(time.time() - real) < AN_HOUR
        assert abs(datetime.datetime.now().timestamp() - real) < AN_HOUR
        assert abs(time.time_ns() / 1e9 - real) < AN_HOUR
        assert time.monotonic() > 0
        assert len({str(uuid.uuid4()) for _ in range(10)}) == 10


def test_another_thread_keeps_the_processs_clock_chance_and_output(capsys):
    seen = {}
    inside, looked = threading.Event(), threading.Event()

    def elsewhere():
        inside.wait(120)
        random_state = random.getstate()
        seen["time"] = time.time()
        seen["date"] = datetime.datetime.now().timestamp()
        seen["scope"] = SCOPE.get()
        seen["monotonic"] = time.monotonic()
        print("from the other thread")
        random.random()
        seen["moved"] = random.getstate() != random_state
        looked.set()

    real, watch = time.time(), time.monotonic()
    thread = threading.Thread(target=elsewhere)
    thread.start()

    def session():
        inside.set()
        assert looked.wait(120)
        return time.time()

    with isolated():
        scope = Scope()
        virtual = within(scope, session)
    thread.join()
    assert virtual == EPOCH_NS / 1e9
    assert abs(seen["time"] - real) < AN_HOUR
    assert abs(seen["date"] - real) < AN_HOUR
    assert 0 <= seen["monotonic"] - watch < AN_HOUR
    assert seen["scope"] is None
    assert seen["moved"], "the other thread drew from the process's own generator"
    assert scope.printed == ""
    assert capsys.readouterr().out == "from the other thread\n"


def test_a_sleep_outside_a_session_is_a_sleep():
    with isolated():
        began = time.perf_counter()
        time.sleep(0.02)
        assert time.perf_counter() - began >= 0.015


def test_a_sleep_in_a_wall_clock_session_is_a_sleep_and_reported():
    with isolated():
        scope = Scope(virtual=False)
        began = time.perf_counter()
        within(scope, time.sleep, 0.02)
        assert time.perf_counter() - began >= 0.015
    assert [call for call, _ in scope.calls] == ["time.sleep(0.02)"]
    assert scope.ns == EPOCH_NS


def test_a_negative_sleep_is_the_same_error_as_ever():
    with isolated(), pytest.raises(ValueError, match="non-negative"):
        within(Scope(), time.sleep, -1)


def test_a_session_in_wall_time_sees_the_real_clock():
    real = time.time()
    with isolated():
        assert abs(within(Scope(virtual=False), time.time) - real) < AN_HOUR


def test_output_that_was_redirected_meanwhile_stays_redirected():
    before = sys.stdout
    mine = io.StringIO()
    with isolated():
        sys.stdout = mine
    try:
        assert sys.stdout is mine
    finally:
        sys.stdout = before


# --- nested and concurrent -------------------------------------------------------------------------------------------


def test_hosts_nest_and_the_last_one_undoes():
    original = time.sleep
    with isolated():
        patched = time.sleep
        with isolated():
            assert time.sleep is patched
        assert time.sleep is patched
        assert within(Scope(), time.time) == EPOCH_NS / 1e9
    assert time.sleep is original


def test_hosts_overlap_in_any_order():
    original = time.monotonic, type(random._inst), sys.stdout
    first, second = isolated(), isolated()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert within(Scope(), time.time) == EPOCH_NS / 1e9
    second.__exit__(None, None, None)
    assert (time.monotonic, type(random._inst), sys.stdout) == original


def test_hosts_in_many_threads_leave_nothing_behind():
    original = {name: get() for name, get in UNTOUCHED.items()}
    handler = agent("context.set_data('x', [time.time(), random.random()])")
    expected = play(handler).data
    results, failures = [], []

    def work():
        try:
            results.extend(play(handler).data for _ in range(5))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert results == [expected] * 20
    assert [name for name, get in UNTOUCHED.items() if get() != original[name]] == []


def test_an_error_inside_undoes_the_patches():
    original = time.sleep
    with pytest.raises(ZeroDivisionError), isolated():
        raise ZeroDivisionError
    assert time.sleep is original


def test_a_frozen_date_of_the_users_own_tests_comes_back_afterwards():
    with time_machine.travel("2020-02-02 02:02Z", tick=False):
        frozen = time.time()
        played = play(agent("context.set_data('t', time.time())"))
        assert played.data["t"] == EPOCH_NS / 1e9
        assert time.time() == frozen


# --- the network -----------------------------------------------------------------------------------------------------


def connect():
    with socket.socket() as s:
        s.connect(("127.0.0.1", 9))


def _send():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("127.0.0.1", 9))


CALLS = {
    "socket.connect": (connect, r"socket\.connect \(127\.0\.0\.1:9\)"),
    "create_connection": (lambda: socket.create_connection(("127.0.0.1", 9), 0.1), r"127\.0\.0\.1"),
    "getaddrinfo": (lambda: socket.getaddrinfo("example.invalid", 80), r"socket\.getaddrinfo \(example\.invalid"),
    "gethostbyname": (lambda: socket.gethostbyname("example.invalid"), r"example\.invalid"),
    "sendto": (_send, r"socket\.sendto \(127\.0\.0\.1:9\)"),
    "urlopen": (lambda: urllib.request.urlopen("http://127.0.0.1:9/"), r"127\.0\.0\.1"),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_network_is_refused_in_virtual_time_naming_the_call_and_a_way_out(call):
    function, named = CALLS[call]
    with isolated(), pytest.raises(VirtualTimeError, match=named) as caught:
        within(Scope(), function)
    assert "clock='wall'" in str(caught.value)


def test_a_handler_that_connects_gets_the_error_as_a_row_with_its_line():
    handler = agent("""
        import socket
        if event.name == "start":
            socket.create_connection(("127.0.0.1", 9), 0.1)
        yield TextToSpeechEvent("still here")
    """)
    played = play(handler, ["hi"])
    [error] = played.errors
    assert "VirtualTimeError" in error.data["message"]
    assert "127.0.0.1" in error.data["message"]
    assert error.data["line"] > 0
    assert played.said == ["still here", "still here"]


def test_the_network_is_open_outside_sessions_and_in_wall_time():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def reach():
            socket.create_connection(server.getsockname(), 5).close()
            return True

        with isolated():
            assert reach()
            assert within(Scope(virtual=False), reach)


# --- the private names that this stands on ---------------------------------------------------------------------------


def test_time_machine_still_has_its_private_stack():
    assert time_machine.traveller_stack == []
    with time_machine.travel(0, tick=True):
        assert len(time_machine.traveller_stack) == 1
        assert isinstance(time_machine.traveller_stack[-1], time_machine.Traveller)
    assert time_machine.traveller_stack == []


def test_time_machine_still_asks_the_traveller_on_top_for_the_time():
    class Fixed(time_machine.Traveller):
        def time_ns(self):
            return 123 * 10**9

    with time_machine.travel(0, tick=True):
        time_machine.traveller_stack[-1] = Fixed(0, None, tick=True)
        assert time.time() == 123.0
        assert datetime.datetime.now(datetime.UTC).timestamp() == 123.0


def test_time_machine_still_gives_the_original_clock():
    import _time_machine

    real = time.time()
    with time_machine.travel(0, tick=True):
        assert abs(_time_machine.original_time_ns() / 1e9 - real) < AN_HOUR


@pytest.mark.parametrize("name", ["_inst", "_urandom"])
def test_the_module_random_still_has_the_private_name(name):
    assert hasattr(random, name)
    assert random.random.__self__ is random._inst


def test_the_shared_generators_class_can_be_swapped():
    assert isinstance(random._inst, random.Random)
    assert isolation.shared_random is random._inst
    with isolated():
        assert type(random._inst) is not random.Random


def test_sleeping_tasks_of_the_process_are_left_alone():
    async def main():
        with isolated():
            await asyncio.sleep(0.01)
            return asyncio.get_running_loop().time()

    assert asyncio.run(main()) > 0
