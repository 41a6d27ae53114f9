"""Names the call that holds a conversation up in real time: a heartbeat through the session's loop, and a look at its
thread when the beat doesn't come, unless it is the machine that holds the thread up.

Virtual time needs none: there a call that blocks costs the conversation nothing, and `time.sleep` is seen directly.
"""

import asyncio
import contextlib
import inspect
import linecache
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from voicelab.base.errors import BlockingCallWarning
from voicelab.base.records import PortabilityNote
from voicelab.runtime.cpu_limit import cpu_clock
from voicelab.runtime.portability import make_note
from voicelab.runtime.tracebacks import users_frame

PATIENCE_S = 0.25
"""How long a call may hold the loop up before it is named."""


@contextlib.contextmanager
def watching(loop: asyncio.AbstractEventLoop, add_note: Callable[[PortabilityNote], None]) -> Iterator[None]:
    """Watch the loop of the calling thread meanwhile.

    Args:
        loop: The loop that the session runs on.
        add_note: Takes a note of rule `blocking_call`, `slow_set_up` or `awaited_call`, once for each line.
    """
    stop = threading.Event()
    thread, native = threading.get_ident(), threading.get_native_id()
    cpu_s = cpu_clock(thread) or time.monotonic  # where the system has no such clock, every look counts
    seen: set[tuple[str, int]] = set()

    def watch() -> None:
        while not stop.wait(PATIENCE_S / 2):
            # Through the loop's own queue: it comes late only where the loop runs nothing else meanwhile. A lock or a flag
            # that the handler sets would need the handler's help.
            beat = threading.Event()
            used_s = cpu_s()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the session is over
                loop.call_soon_threadsafe(beat.set)
            if beat.wait(PATIENCE_S):
                continue
            while not beat.wait(PATIENCE_S / 2) and not stop.is_set():
                # Looked at again and again: one call after another may hold the loop up, and each is named.
                if is_held_up(cpu_s() - used_s, starved=_wants_processor(native)):
                    name(sys._current_frames().get(thread))

    def name(innermost: FrameType | None) -> None:
        frame = users_frame(innermost)
        if frame is not None and (frame.f_code.co_filename, frame.f_lineno) not in seen:
            seen.add((frame.f_code.co_filename, frame.f_lineno))
            _report(frame, rule_for(innermost, frame), add_note)

    watcher = threading.Thread(target=watch, name="voicelab watchdog", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()  # a note that came later would miss the session's record


def is_held_up(used_s: float, *, starved: bool) -> bool:
    """Return whether a thread whose loop gives no beat is held up by what it calls, and not by the machine.

    On a busy machine the beat is late as well, whatever the thread was about to do. Two things tell them apart: a call
    that computes has used the processor meanwhile, and one that waits does not ask for it.

    Args:
        used_s: Seconds of processor time that the thread has had since the beat was due.
        starved: Whether it asks for a processor now.
    """
    return used_s >= PATIENCE_S / 2 or not starved


def _wants_processor(native: int) -> bool:
    """Return whether a thread runs, or would if it were given a processor; False where the system doesn't say."""
    try:
        stat = Path(f"/proc/self/task/{native}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "R"


_SETTING_UP = ("importlib", f"{os.sep}ssl.py")
_AWAITABLE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


def rule_for(innermost: FrameType | None, users: FrameType) -> str:
    """Return the rule of what holds the loop up: a call that blocks, or one that is awaited and whose library does.

    An awaited call of a library is as it should be. What holds it up is most often its first use: modules that load, the
    certificates of TLS.

    Args:
        innermost: Where the thread is.
        users: The user's line that led there.
    """
    called, frame, sets_up = None, innermost, False
    while frame is not None and frame is not users:
        sets_up = sets_up or any(part in frame.f_code.co_filename for part in _SETTING_UP)
        called, frame = frame, frame.f_back
    if sets_up:
        return "slow_set_up"
    return "awaited_call" if called is not None and called.f_code.co_flags & _AWAITABLE else "blocking_call"


def _report(frame: FrameType, rule: str, add_note: Callable[[PortabilityNote], None]) -> None:
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    note = make_note(rule, frame, call=line or f"a call in {frame.f_code.co_name}")
    add_note(note)
    if rule == "blocking_call":
        warnings.warn(str(note), BlockingCallWarning, stacklevel=2)
