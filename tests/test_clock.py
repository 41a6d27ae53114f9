"""Virtual time: instant, exact, in order, closed to the outside. Wall time: only that it is wired up."""

import asyncio
import concurrent.futures
import contextvars
import threading
import time

import harness
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voicelab as vl
from voicelab.base.errors import SimulationError, VirtualTimeError
from voicelab.handlers import load_handler
from voicelab.runs import jobs
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.runtime.clock import VirtualClock, VirtualLoop, WallClock
from voicelab.session.engine import run_session

SECONDS = st.floats(0, 1e6, allow_nan=False)


@pytest.fixture
def loop():
    loop = VirtualLoop()
    yield loop
    loop.close()


# --- the private names that the loop stands on -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["_run_once", "_timer_cancelled_count", "_asyncgen_firstiter_hook"])
def test_base_event_loop_still_has_the_private_name(name):
    plain = asyncio.new_event_loop()
    try:
        assert hasattr(plain, name)
    finally:
        plain.close()


@pytest.mark.parametrize(("name", "kind"), [("_ready", "deque"), ("_scheduled", "list"), ("_stopping", "bool")])
def test_base_event_loop_keeps_its_handles_where_they_were(name, kind):
    plain = asyncio.new_event_loop()
    try:
        assert type(getattr(plain, name)).__name__ == kind
    finally:
        plain.close()


def test_a_timer_handle_still_has_its_private_names():
    plain = asyncio.new_event_loop()
    try:
        handle = plain.call_later(1, print)
        assert (handle._cancelled, handle._scheduled) == (False, True)
        assert handle._when == pytest.approx(plain.time() + 1, abs=0.5)
        assert plain._scheduled == [handle]
        assert callable(handle._run)
    finally:
        plain.close()


def test_run_forever_runs_the_loops_own_run_once(loop, monkeypatch):
    calls = []
    original = VirtualLoop._run_once
    monkeypatch.setattr(VirtualLoop, "_run_once", lambda self: (calls.append(1), original(self))[1])
    loop.run_until_complete(asyncio.sleep(1))
    assert calls


# --- timers ----------------------------------------------------------------------------------------------------------


def test_an_hour_takes_no_time(loop):
    began = time.perf_counter()
    loop.run_until_complete(asyncio.sleep(3600))
    assert loop.time() == 3600.0
    assert time.perf_counter() - began < loop.time()


@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 7.5]), max_size=20))
def test_timers_run_in_order_of_time_and_repeatably(delays):
    def run():
        ran = []

        async def main(loop):
            for number, delay in enumerate(delays):
                loop.call_later(delay, lambda n=number: ran.append((loop.time(), n)))
            await asyncio.sleep(10)

        harness.on_virtual_loop(main)
        return ran

    ran = run()
    assert [time_s for time_s, _ in ran] == sorted(delays)
    assert all(delays[number] == time_s for time_s, number in ran)
    assert run() == ran


@given(SECONDS, SECONDS)
def test_the_clock_jumps_exactly_to_the_timer(first, second):
    seen = []

    async def main(loop):
        loop.call_at(first, lambda: seen.append(loop.time()))
        loop.call_at(first + second, lambda: seen.append(loop.time()))
        await asyncio.sleep(first + second + 1)

    harness.on_virtual_loop(main)
    assert seen == [first, first + second]


def test_time_stands_still_while_code_runs(loop):
    async def main():
        before = loop.time()
        sum(range(100_000))
        for _ in range(100):
            await asyncio.sleep(0)
        return loop.time() - before

    assert loop.run_until_complete(main()) == 0.0


def test_a_cancelled_timer_moves_nothing(loop):
    async def main():
        loop.call_later(100, print).cancel()
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert loop.time() == 1.0


def test_waits_with_a_timeout_time_out_exactly(loop):
    async def main():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 2.5)
        return loop.time()

    assert loop.run_until_complete(main()) == 2.5


def test_two_sleepers_overlap(loop):
    loop.run_until_complete(_gather(3, 5))
    assert loop.time() == 5.0


async def _gather(*seconds):
    await asyncio.gather(*(asyncio.sleep(s) for s in seconds))


def test_time_can_be_let_pass_by_hand_and_never_back(loop):
    loop.advance(2.5)
    loop.advance(-1.0)
    assert loop.time() == 2.5


def test_a_late_timer_runs_after_time_has_passed_by_hand(loop):
    ran = []

    async def main():
        loop.call_later(1, lambda: ran.append(loop.time()))
        loop.advance(5)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    assert ran == [5.0]


def test_reset_starts_from_nought_and_forgets_timers(loop):
    ran = []

    async def main():
        loop.call_later(3, lambda: ran.append("old"))
        await asyncio.sleep(1)
        loop.reset()
        assert loop.time() == 0.0
        await asyncio.sleep(10)
        return loop.time()

    assert loop.run_until_complete(main()) == 10.0
    assert ran == []


def test_a_session_after_another_meets_the_same_instants():
    """Sums of floats depend on where they start: without the reset the second session's times would differ."""

    async def main(loop):
        times = []
        for _ in range(3):
            loop.reset()
            await asyncio.sleep(0.1)
            await asyncio.sleep(0.2)
            times.append(loop.time())
        return times

    times = harness.on_virtual_loop(main)
    assert len(set(times)) == 1


def test_busy_tells_whether_anything_is_left(loop):
    async def main():
        assert not loop.busy
        loop.call_later(1, print)
        assert loop.busy

    loop.run_until_complete(main())


def test_jump_goes_there_only_if_nothing_would_happen_before(loop):
    async def main():
        loop.call_later(5, lambda: None)
        assert loop.jump(3.0)
        assert loop.time() == 3.0
        assert not loop.jump(5.0)
        assert not loop.jump(8.0)
        assert loop.jump(1.0)  # a time that has passed is reached
        return loop.time()

    assert loop.run_until_complete(main()) == 3.0


# --- what stands still, what spins -----------------------------------------------------------------------------------


def test_waiting_for_nothing_is_an_error_and_no_hang(loop):
    with pytest.raises(SimulationError, match="everything waits and no timer is set"):
        loop.run_until_complete(loop.create_future())


def test_code_that_spins_at_one_instant_is_passed_to_what_is_due(loop, monkeypatch):
    monkeypatch.setattr("voicelab.runtime.clock._SPIN_LIMIT", 1000)
    rung = []

    async def spin():
        while not rung:
            await asyncio.sleep(0)

    loop.attend(lambda: 60.0, lambda: rung.append(loop.time()))
    loop.run_until_complete(spin())
    assert rung == [60.0]


def test_steps_that_move_time_are_no_spin(loop, monkeypatch):
    monkeypatch.setattr("voicelab.runtime.clock._SPIN_LIMIT", 50)
    rung = []
    loop.attend(lambda: 1e6, lambda: rung.append(loop.time()))

    async def many():
        for _ in range(500):
            await asyncio.sleep(0.01)

    loop.run_until_complete(many())
    assert rung == []


# --- the outside -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", [None, concurrent.futures.ThreadPoolExecutor(1)])
def test_work_for_an_executor_runs_at_once_and_in_place(loop, executor):
    async def main():
        return await loop.run_in_executor(executor, lambda a: (a, threading.get_ident()), "x")

    assert loop.run_until_complete(main()) == ("x", threading.get_ident())
    assert loop.time() == 0.0


def test_to_thread_keeps_the_context(loop):
    name = contextvars.ContextVar("name")

    async def main():
        name.set("session")
        return await asyncio.to_thread(name.get)

    assert loop.run_until_complete(main()) == "session"


def test_what_the_executors_work_raises_comes_back(loop):
    async def main():
        await asyncio.to_thread(lambda: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        loop.run_until_complete(main())


OUTSIDE = {
    "open_connection": lambda: asyncio.open_connection("127.0.0.1", 9),
    "start_server": lambda: asyncio.start_server(print, "127.0.0.1", 0),
    "create_subprocess_exec": lambda: asyncio.create_subprocess_exec("true"),
    "create_subprocess_shell": lambda: asyncio.create_subprocess_shell("true"),
    "create_datagram_endpoint": lambda: asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    ),
    "sock_connect": lambda: asyncio.get_running_loop().sock_connect(None, ("127.0.0.1", 9)),
}


@pytest.mark.parametrize("call", OUTSIDE)
def test_the_outside_is_refused_with_what_to_do_instead(loop, call):
    async def main():
        await OUTSIDE[call]()

    with pytest.raises(VirtualTimeError, match=r"was called in virtual time.*clock='wall'"):
        loop.run_until_complete(main())


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_virtual_clock_waits_until_what_is_due(loop):
    async def main():
        clock = VirtualClock(loop)
        clock.attend(lambda: 4.5, lambda: None)
        await clock.wait()
        return clock.now()

    assert loop.run_until_complete(main()) == 4.5


def test_a_virtual_clock_wakes_earlier_when_told(loop):
    async def main():
        clock = VirtualClock(loop)
        clock.attend(lambda: 4.5, lambda: None)
        loop.call_later(2, clock.wake)
        await clock.wait()
        return clock.now()

    assert loop.run_until_complete(main()) == 2.0


def test_a_virtual_clock_rings_while_something_else_waits(loop):
    rung = []

    async def main():
        clock = VirtualClock(loop)
        due = [3.0]

        def ring():
            rung.append(clock.now())
            due[0] = float("inf")

        clock.attend(lambda: due[0], ring)
        await asyncio.sleep(10)

    loop.run_until_complete(main())
    assert rung == [3.0]


def test_timers_of_the_same_instant_come_before_the_ring(loop):
    order = []

    async def main():
        clock = VirtualClock(loop)
        due = [3.0]

        def ring():
            order.append("ring")
            due[0] = float("inf")

        clock.attend(lambda: due[0], ring)
        loop.call_at(3.0, lambda: order.append("timer"))
        await asyncio.sleep(10)

    loop.run_until_complete(main())
    assert order == ["timer", "ring"]


def test_a_wall_clock_waits_rings_and_wakes():
    rung = []

    async def main():
        clock = WallClock(asyncio.get_running_loop())
        due = [0.02]
        clock.attend(lambda: due[0], lambda: rung.append(clock.now()))
        await asyncio.sleep(0.05)  # rings meanwhile
        assert rung
        due[0] = clock.now() + 0.02
        await clock.wait()
        assert clock.now() >= due[0] - 0.005
        due[0] = float("inf")
        asyncio.get_running_loop().call_soon(clock.wake)
        await clock.wait()
        clock.close()

    asyncio.run(main())


def test_a_closed_wall_clock_never_rings():
    rung = []

    async def main():
        clock = WallClock(asyncio.get_running_loop())
        clock.attend(lambda: 0.01, lambda: rung.append(1))
        clock.close()
        await asyncio.sleep(0.03)

    asyncio.run(main())
    assert rung == []


def test_in_real_time_a_session_begins_when_it_attends_to_the_clock():
    loop = VirtualLoop()
    clock = WallClock(loop)
    loop.advance(0.5)  # what is made before: engines, models
    clock.attend(lambda: float("inf"), lambda: None)
    assert clock.now() == 0
    loop.advance(0.25)
    assert clock.now() == 0.25
    loop.close()


@pytest.mark.parametrize("kind", [VirtualClock, WallClock])
def test_what_falls_due_while_a_handler_works_is_rung(kind):
    """A caller that cuts in: a wall clock must be told of what each of the agent's words brings about."""
    handler = harness.agent("yield TextToSpeechEvent('word ' * 60)\nawait asyncio.sleep(60)")
    job = Job(
        SessionOptions(load_handler(handler), vl.Persona("p", replies={"word": "stop"}, barge_in=1.0, max_turns=1))
    )

    async def events(loop):
        with jobs.hosting(job.options):
            rows = await run_session(job.session(job.settings(print), kind(loop), 0))
        return [(round(time_s, 2), label[1]) for time_s, _, label, _ in rows.events]

    assert (1.22, "turn_interrupted") in harness.on_virtual_loop(events)
