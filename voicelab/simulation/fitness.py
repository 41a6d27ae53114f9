"""Whether a process is fit for the next session: looked at after each, as closely as costs nothing.

What a session leaves behind in its process, the sessions after it must not meet. A look after every session costs a
microsecond; what takes longer to see is looked at every so many sessions, and then the sessions since are run again.
"""

import _thread
import contextlib
import gc
import math
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from voicelab.base.records import SessionRows, column
from voicelab.base.session_limits import Limits
from voicelab.runtime.process_state import ProcessState
from voicelab.simulation.note import Note

EVERY = 64
"""Sessions from one close look to the next."""
CPU_MARGIN = 1.5
"""An exception ends what has used its processor time up; where none reaches, the system ends the process at so much of it."""
_RENEWED_S = 0.25
# Bound before sessions are hosted: what stands in the module then asks first whose code is calling.
_stopwatch = time.perf_counter
_STATUS, _ERROR, _N_ERRORS = (column("sessions", name) for name in ("status", "error", "n_errors"))
_MB = 2**20
_ROOM = 32 * _MB
"""What a session that has met the limit gets on top, to be told of and to clean up."""
_MOST_NAMED = 4
_UNFIT = 70


@dataclass(frozen=True)
class Stopped:
    """Why a process stopped in the middle of a shard.

    Attributes:
        at: The first session whose rows are missing.
        why: `suspect`: that session is to run alone; `failed`: it raised where nothing may; `unfit`: a session from there
            to `until` has left the process unfit; `full`: the process has grown too large.
        until: Index after the last session that may be concerned.
        failure: What it failed with, as data of an error.
        offence: What was done to the process, in words.
    """

    at: int
    why: Literal["suspect", "failed", "unfit", "full"]
    until: int = 0
    failure: dict[str, Any] | None = None
    offence: str = ""


class Fitness:
    """Looks after the process that runs a shard.

    Args:
        limits: How much a session may take.
        note: Where the session under way is noted; None for nowhere.
        last: The last session of the shard.
        careful: Index of a session up to which the process is looked at closely after each.
        own: Whether this process is the driver's own, to be replaced when it is unfit.
        apart: Whether it is another process than the driver: then its memory is limited.
        alone: Whether it is one session, in a process that ends with it.

    Attributes:
        index: The session that runs, None before the first and while another is being made.
    """

    def __init__(
        self, limits: Limits, note: Note | None, last: int, careful: int, *, own: bool, apart: bool, alone: bool
    ) -> None:
        self.index: int | None = None
        self._last = last
        self._alone = alone
        self._most = limits.memory_mb * _MB
        self._note = note
        self._own = own
        self._apart = apart
        self._cpu_s, self._counted_s = limits.cpu_s, -math.inf
        self._pid = os.getpid()
        self._n_threads = _thread._count()
        self._left = 0
        self._careful = careful
        self._clean: int | None = None
        # Of the process's other files Python makes none inheritable: one that took this one's number would not be.
        self._canary = os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(self._canary, True)

    @contextlib.contextmanager
    def limited(self) -> Iterator[None]:
        """Limit the process's memory meanwhile: what asks for more gets a MemoryError, in the handler's own line."""
        before, cpu_before = _data_limit(), _cpu_limit()
        # Here, where the sessions are hosted: what stands in for the clock, chance and so on is in place by now.
        self._state = ProcessState()
        try:
            yield
        finally:
            self._state.restore()
            _set_data_limit(before)
            _set_cpu_limit(cpu_before)
            if not self._closed_files():
                os.close(self._canary)

    @property
    def limits_memory(self) -> bool:
        """Whether the memory of this process is limited."""
        return self._apart and sys.platform == "linux"

    def make_room(self) -> None:
        """Let a session that has used up its memory end: as much as its rows and its cleanup need."""
        limit = _data_limit()
        if limit is not None:
            _set_data_limit(limit + _ROOM)

    def begin(self, index: int) -> None:
        """Note that a session is about to be made."""
        self.index = None
        if self._clean is None:
            self._clean = index
        if self._note is not None:
            self._note.begin(index)
        if not self._left:
            self._left = EVERY
            size = data_size()
            if size is not None and self.limits_memory:
                _set_data_limit(size + self._most)
        self._left -= 1
        if self._own:
            # By a clock that costs no call of the system; that of processor time may go faster, with a session's threads.
            now_s = _stopwatch()
            if now_s > self._counted_s + _RENEWED_S:
                self._counted_s = now_s
                _set_cpu_limit(math.ceil(time.process_time() + CPU_MARGIN * self._cpu_s + 1))

    def runs(self, index: int) -> None:
        """Note that a session runs."""
        self.index = index

    def after(self, index: int, rows: SessionRows) -> Stopped | None:
        """Look at the process after a session, and at how that ended.

        Returns:
            Why no other session can run here; None if it can.
        """
        if os.getpid() != self._pid:
            os._exit(0)  # the handler's child of a fork: it is no worker
        if self._closed_files():
            return self._unfit(index, "It closed files that belong to its process.")
        if (self._own or self._alone) and _thread._count() > self._n_threads:
            self._n_threads = _thread._count()
            self._blame(index)
        if self._note is None and not self._alone:
            return None
        if (not self._left or index == self._last or index < self._careful) and (changed := self.changed(index)):
            return changed
        if self._alone:
            return None
        if rows.session[_N_ERRORS] and met_limit(rows):
            return Stopped(index, "suspect")
        if (not self._left or index == self._last) and self._own and self._is_full():
            return Stopped(index + 1, "full")
        return None

    def changed(self, index: int) -> Stopped | None:
        """Put back what sessions have replaced in the process; return which may have met it, None if there is nothing.

        Args:
            index: The last session that has run.
        """
        names = self._state.restore()
        clean, self._clean = index if self._clean is None else self._clean, index + 1
        if not names:
            return None
        named = ", ".join(sorted(names)[:_MOST_NAMED]) + (" and more" if len(names) > _MOST_NAMED else "")
        offence = (
            f"It replaced {named} for every session that follows in its process. For its own alone: patches={{...}}."
        )
        return Stopped(clean, "unfit", index + 1, offence=offence)

    def _is_full(self) -> bool:
        """Return whether the process has grown as much as one session may: many have left a little."""
        size, most = resident_size(), _first_size() + self._most
        if size is not None and size > most:
            gc.collect()  # some of it may be what sessions have left in cycles; the collector looks seldom by itself
            size = resident_size()
        return size is not None and size > most

    def _closed_files(self) -> bool:
        try:
            return not os.get_inheritable(self._canary)
        except OSError:
            return True

    def _unfit(self, index: int, offence: str) -> Stopped:
        self._blame(index)
        if self._own:
            os._exit(_UNFIT)  # the connection to the driver may be closed as well
        return Stopped(index, "unfit", index + 1, offence=offence)

    def _blame(self, index: int) -> None:
        if self._note is not None:
            self._note.blame(index)


def met_limit(rows: SessionRows) -> bool:
    """Return whether a session ended as it might not have in another process: for want of memory, or of processor time."""
    if rows.session[_STATUS] == "timeout" and "s of processor time" in (rows.session[_ERROR] or ""):
        return True
    return any(label[1] == "error" and "MemoryError" in data for _time_s, _turn, label, data in rows.events)


# --- memory ------------------------------------------------------------------------------------------------------------


def data_size() -> int | None:
    """Return the bytes that the process has asked for as data; None where the system doesn't say."""
    return _statm(5)


def resident_size() -> int | None:
    """Return the bytes of memory that the process takes: libraries ask for a gigabyte at once, and use a little of it."""
    return _statm(1)


def _statm(field: int) -> int | None:
    if sys.platform != "linux":
        return None
    try:
        with open("/proc/self/statm", "rb", buffering=0) as statm:  # noqa: PTH123 - a third of what a Path takes
            return int(statm.read().split()[field]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


_first: list[int] = []


def _first_size() -> int:
    return _first[0]


def begin_run() -> None:
    """Note how large the process is when a run begins."""
    _first[:] = [resident_size() or 0]


def _data_limit() -> int | None:
    if sys.platform != "linux":
        return None
    import resource

    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def _set_data_limit(size: int | None) -> None:
    if sys.platform != "linux" or size is None:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard) if size != resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_DATA, (size, hard))


# --- processor time ------------------------------------------------------------------------------------------------------


def _cpu_limit() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return -1
    return resource.getrlimit(resource.RLIMIT_CPU)[0]


def _set_cpu_limit(seconds: int) -> None:
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    if hard != resource.RLIM_INFINITY and (seconds == resource.RLIM_INFINITY or seconds > hard):
        seconds = hard
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def no_core() -> None:
    """Have this process leave no image of its memory where it dies: it may hold secrets, and fill the disk."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
