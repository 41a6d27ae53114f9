"""Runs one walk over hostile input, and judges: accepted to the end, refused at the door with a message, or a crash.

A walk is a function that does what a user would do. What it does within `walk.door()` may be refused with an error of
voicelab; after that the input counts as accepted, and any error is a crash, but for the few steps that ask `walk.asks`,
which may say in an `InputError` that there is nothing to analyse or draw. Markup that was planted and stands as an element
in HTML, code that ran, files written outside the case's folder, a message nobody can print: all are crashes too.
"""

import contextlib
import io
import json
import os
import re
import signal
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from fuzz.hostile import PLANTED
from voicelab.base.errors import InputError, VoicelabError

LONGEST_MESSAGE = 600
CPU_S = 60
"""CPU time of this process after which a walk counts as endless; the slowest sound one takes a hundredth."""
WAITING_S = 600
"""Time after which it counts as waiting for what never comes, however busy the machine is."""
MOST_BYTES = 1 << 30
"""Growth of the process's memory that no small input may cause."""
PARSED = "<parsed by the walk>"
"""Name of what the walk itself parses, and doesn't run."""
SECRET = "vl-secret-7h3y-n3v3r-s33"
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FORBIDDEN = {
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "pickle.find_class",
    "socket.connect",
}
_WRITING = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "shutil.rmtree"}
_watched: list["Walk"] = []
_owner: list[int] = []


class Refused(Exception):
    """The door refused the input."""


class ViolationError(Exception):
    """Something happened that must not, without an error."""


@dataclass(frozen=True)
class Verdict:
    """What came of a case.

    Attributes:
        kind: `accepted`, `refused` or `crash`.
        what: The message of the refusal; of a crash its error.
        where: The last places in voicelab and the walk, by which crashes are told apart.
        trace: The whole traceback of a crash.
    """

    kind: str
    what: str = ""
    where: str = ""
    trace: str = ""


class Walk:
    """One walk.

    Args:
        folder: A folder of its own.
        depth: Which steps are taken: 0 the quick ones, 1 frames too, 2 analysis too, 3 pictures too.
    """

    def __init__(self, folder: Path, *, depth: int) -> None:
        self.folder = folder
        self.depth = depth
        self.violations: list[str] = []

    @contextlib.contextmanager
    def door(self) -> Iterator[None]:
        """Let what is done within be refused with an error of voicelab."""
        try:
            yield
        except VoicelabError as error:
            check_message(str(error))
            raise Refused(str(error)) from None

    def asks(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Return what a function returns, or None if it says that the question can't be answered."""
        try:
            return function(*arguments, **options)
        except InputError as error:
            check_message(str(error))
            return None

    def html(self, text: str) -> None:
        """Check a page or card: nothing of what was planted is markup in it."""
        reader = _Elements()
        reader.feed(text)
        reader.close()
        if reader.found:
            raise ViolationError(f"unescaped markup: {reader.found[0]}")
        self.text(text)

    def text(self, text: str) -> None:
        """Check what is printed: it can be."""
        text.encode()

    def json(self, text: str) -> Any:
        """Check JSON text, and return what it holds."""
        return json.loads(text, parse_constant=_no_constant)

    def check(self, fact: bool, what: str) -> None:
        """Check an invariant."""
        if not fact:
            raise ViolationError(what)


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if PLANTED in tag or tag in {"script", "iframe", "object", "img"}:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name.startswith("on") or PLANTED in name or (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"<{tag} {name}={value!r}>")


def _no_constant(name: str) -> Any:
    raise ViolationError(f"JSON that holds {name}")


def check_message(message: str) -> None:
    """Check that a message can be read: of a length, printable, without what must stay secret."""
    if len(message) > LONGEST_MESSAGE:
        raise ViolationError(f"a message of {len(message)} characters: {message[:200]!r}")
    if not message.strip():
        raise ViolationError("an empty message")
    if found := _UNPRINTABLE.search(message):
        raise ViolationError(f"a message that holds {found[0]!r}: {message[:200]!r}")
    if SECRET in message:
        raise ViolationError("a message that holds a secret")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched or threading.get_ident() not in _owner:
        return
    walk = _watched[-1]
    if event == "pickle.find_class" and arguments[0].startswith("voicelab.voicerun."):
        return  # an import's own data, out of a file without a name that it has written itself
    if event in _FORBIDDEN:
        walk.violations.append(f"{event}{arguments!r}"[:200])
    elif event in {"compile", "import"} and _is_planted(arguments[0]) and arguments[1] != PARSED:
        walk.violations.append(f"{event} of what was planted")
    elif event in _WRITING and isinstance(arguments[0], str | bytes) and _is_planted(arguments[0]):
        own = str(walk.folder.resolve())
        path = str(Path(os.fsdecode(arguments[0])).absolute())
        mode = arguments[1] if event == "open" else "w"
        if not path.startswith(own) and (mode is None or set(str(mode)) & set("wax+")):
            walk.violations.append(f"{event} outside of its folder: {path}")


def _is_planted(value: Any) -> bool:
    return isinstance(value, str | bytes) and PLANTED in (value if isinstance(value, str) else value.decode("latin-1"))


sys.addaudithook(_audit)


class EndlessError(BaseException):
    """A walk took more CPU time than anything may; not an Exception, so that nobody swallows it."""


def _endless(*_: Any) -> None:
    raise EndlessError


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timers = {signal.SIGPROF: (signal.ITIMER_PROF, CPU_S), signal.SIGALRM: (signal.ITIMER_REAL, WAITING_S)}
    before = {number: signal.signal(number, _endless) for number in timers}
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer, _ in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def judged(walk_over: Callable[[Walk, Any], None], case: Any, *, depth: int = 0) -> Verdict:
    """Return what comes of a walk over a case."""
    in_memory = Path("/dev/shm")
    place = in_memory if in_memory.is_dir() and os.access(in_memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=place) as folder:
        walk = Walk(Path(folder), depth=depth)
        _memory()  # of what was before
        before = _memory()
        _watched.append(walk)
        _owner.append(threading.get_ident())
        try:
            said = io.StringIO()
            with (
                warnings.catch_warnings(record=True) as noted,
                contextlib.redirect_stderr(said),
                _limited(),
                _without_fsync(),
            ):
                warnings.simplefilter("always")
                walk_over(walk, case)
            walk.text(said.getvalue())
            for warning in noted:
                walk.text(str(warning.message))
            verdict = Verdict("accepted")
        except Refused as error:
            verdict = Verdict("refused", str(error))
        except (Exception, EndlessError, SystemExit, KeyboardInterrupt) as error:
            verdict = _crash(error, folder)
        finally:
            _watched.pop()
            _owner.pop()
        if walk.violations:
            return Verdict("crash", walk.violations[0], "violation")
        if _memory() - before > MOST_BYTES:
            return Verdict("crash", "took more than 1 GiB of memory", "memory")
        return verdict


def _memory() -> int:
    """Return the most memory that this process has had since it was asked last; since it began where that can't be reset."""
    import resource

    try:
        status = Path("/proc/self/status").read_text()
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024


def _crash(error: BaseException, folder: str) -> Verdict:
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/voicelab/" in f.filename] or frames
    names = [f"{Path(f.filename).parent.name}/{Path(f.filename).name}:{f.name}" for f in own[-2:]]
    step = next(
        (f.line or "" for f in reversed(frames) if "/fuzz/" in f.filename and f.name.startswith(("walk", "_walk"))), ""
    )
    what = f"{type(error).__name__}: {error}".replace(folder, "FOLDER")
    trace = "".join(traceback.format_exception(error)).replace(folder, "FOLDER")
    kind = (
        f"{type(error).__name__} {re.sub('[^a-z ]', '', str(error))[:30]}"
        if isinstance(error, ViolationError)
        else type(error).__name__
    )
    return Verdict("crash", what[:600], f"{kind} in {' < '.join(reversed(names))} at {step[:80]}", trace[-6000:])


@contextlib.contextmanager
def _without_fsync() -> Iterator[None]:
    """Spare the disk: whether anything outlasts a loss of power is another test's question."""
    kept, os.fsync = os.fsync, lambda _: None
    try:
        yield
    finally:
        os.fsync = kept
