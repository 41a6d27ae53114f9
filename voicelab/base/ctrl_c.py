"""Tells a person's Ctrl-C from a KeyboardInterrupt that code raises by itself, as a handler may."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class _Pressed:
    times = 0


_pressed = _Pressed()


def is_ctrl_c(error: BaseException) -> bool:
    """Return whether somebody has pressed Ctrl-C, and this is what came of it.

    Only the main thread is interrupted, and only where `heeded` is entered is it known.
    """
    if not isinstance(error, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        return False
    return _pressed.times > 0


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """Take note meanwhile of Ctrl-C, which does what it did before; in another thread than the main one, do nothing."""
    before: Any = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if not callable(before):  # it is ignored, or none of Python's: then nothing raises KeyboardInterrupt but code
        yield
        return

    def press(number: int, frame: FrameType | None) -> None:
        _pressed.times += 1
        before(number, frame)

    outer, _pressed.times = _pressed.times, 0
    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        _pressed.times = outer
        if signal.getsignal(signal.SIGINT) is press:  # else a handler has set another, and that was its wish
            signal.signal(signal.SIGINT, before)
