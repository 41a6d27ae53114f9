"""Names the call that holds a conversation up in real time: a heartbeat through the session's loop, and a look at its
thread when the beat doesn't come.

Virtual time needs none: there a call that blocks costs the conversation nothing, and `time.sleep` is seen directly.
"""

import asyncio
import contextlib
import linecache
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType

from voicelab.errors import BlockingCallWarning
from voicelab.records import PortabilityNote
from voicelab.session.failures import users_frame
from voicelab.session.notes import make_note

PATIENCE_S = 0.25
"""How long a call may hold the loop up before it is named."""


@contextlib.contextmanager
def watching(loop: asyncio.AbstractEventLoop, add_note: Callable[[PortabilityNote], None]) -> Iterator[None]:
    """Watch the loop of the calling thread meanwhile.

    Args:
        loop: The loop that the session runs on.
        add_note: Takes a note of rule `blocking_call`, once for each line.
    """
    stop = threading.Event()
    thread = threading.get_ident()
    seen: set[tuple[str, int]] = set()

    def watch() -> None:
        while not stop.wait(PATIENCE_S / 2):
            beat = threading.Event()
            with contextlib.suppress(RuntimeError):  # the loop is closed: the session is over
                loop.call_soon_threadsafe(beat.set)
            if beat.wait(PATIENCE_S) or stop.is_set():
                continue
            frame = users_frame(sys._current_frames().get(thread))
            if frame is not None and (frame.f_code.co_filename, frame.f_lineno) not in seen:
                seen.add((frame.f_code.co_filename, frame.f_lineno))
                _report(frame, add_note)

    watcher = threading.Thread(target=watch, name="voicelab watchdog", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _report(frame: FrameType, add_note: Callable[[PortabilityNote], None]) -> None:
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    note = make_note("blocking_call", frame, call=line or f"a call in {frame.f_code.co_name}")
    add_note(note)
    warnings.warn(str(note), BlockingCallWarning, stacklevel=2)
