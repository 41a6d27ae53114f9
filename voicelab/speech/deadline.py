"""Engines that are far away: a deadline, one kind of error, and a word before anything leaves the machine."""

import threading
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

from voicelab.base.errors import SpeechError, SpeechWarning, VoicelabError

T = TypeVar("T")

DEADLINE_S = 10.0
_announced: set[str] = set()


def within(seconds: float, work: Callable[[], T], failed: Callable[[str], str]) -> T:
    """Return what some work returns, or raise one clear error.

    The work runs in a thread of its own; past the deadline it is left behind there.

    Args:
        seconds: The deadline.
        work: What to do.
        failed: Makes the message of the error from what happened, e.g. "gaierror after 0.1 s".

    Raises:
        SpeechError: it raised anything, or took longer.
    """
    # A thread, though the libraries have timeouts: those count from one packet to the next, and none of them covers the
    # look-up of a name, which waits longest where there is no network. A daemon, so that it doesn't keep the process alive.
    outcome: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()
    began = time.monotonic()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - libraries raise of every kind; it is raised again as one
            errors.append(error)
        done.set()

    threading.Thread(target=run, name="voicelab speech", daemon=True).start()
    in_time = done.wait(seconds)
    took = f"after {time.monotonic() - began:.1f} s"
    if not in_time:
        raise SpeechError(failed(f"no answer {took}"))
    if errors:
        error = errors[0]
        if isinstance(error, VoicelabError):
            raise error
        raise SpeechError(failed(f"{type(error).__name__} {took}: {error}")) from None
    return outcome[0]


def tell_once(engine: str, sentence: str) -> None:
    """Say what leaves the machine, before an engine is first used in this process."""
    if engine not in _announced:
        _announced.add(engine)
        warnings.warn(sentence, SpeechWarning, stacklevel=3)
