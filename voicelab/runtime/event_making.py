"""What an event of the SDK gets as it is made within a session: its date, its place in the code, the guide's spellings.

The SDK's events date and place themselves. What they say stays theirs, to the letter (`tests/test_event_making.py` holds it
against the SDK's own); how it is found is dear, and happens once an event. `voicelab.runtime.sdk` puts all this in place.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from types import FrameType
from typing import Any, Protocol

from voicelab.runtime import isolation
from voicelab.runtime.current_context import CONTEXT


class Made(Protocol):
    """As much of an event as is looked at here."""

    data: dict[str, Any]


# --- the date --------------------------------------------------------------------------------------------------------

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.lru_cache(maxsize=4096)
def date_text(ns: int) -> str:
    """Return nanoseconds since 1970 as the SDK dates its events; kept, since sessions have many instants in common."""
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat()


class SessionDatetime:
    """Stands in for `datetime` in the SDK's events: asking time-machine for each event takes half of a session.

    An event asks for `now(...)` and then for `isoformat()`, which the session itself answers.
    """

    def now(self, tz: tzinfo | None = None) -> Any:
        """Return what dates an event."""
        scope = isolation.SCOPE.get()
        return datetime.now(tz) if scope is None or not scope.virtual else scope


# --- the place of a line that is logged --------------------------------------------------------------------------------

# The SDK reads the whole stack for it, each file's text and date with it (20 to 130 us, a fifth of an ordinary agent's
# session), and then takes the first frame that isn't its own kind of infrastructure. That frame is nearly always the one
# that made the event: here the frames are looked at from there on, one by one, until one will do.

_INFRASTRUCTURE = ("runtime.py", "site-packages", "__pycache__", "asyncio", "generator", "events.py")
_SYSTEM = ("/usr/", "/System/")
_OF_SYS = vars(sys)
"""Asked for an attribute that it hasn't, a module takes as long as all the rest."""
_SEARCHED = slice(2, 9)
"""Which frames the SDK looks at again where it has found none, by other rules: from the third to the ninth."""


def place_logged_at(event: Made) -> str | None:
    """Return the place of a log event, as the SDK's own method of it does; None where there is none to be told."""
    del event
    if "tracebacklimit" not in _OF_SYS:
        # From the caller's frame on. A variable that holds its own frame is a circle, which keeps all the stack's frames with
        # what is in them, the session too, until the garbage is collected.
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = _told_name(frame.f_code.co_filename)
            if name:
                return f"{name}:{frame.f_lineno}"
            frame = frame.f_back
    return _of_stack(list(_frames(sys._getframe())))


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


@functools.lru_cache(maxsize=4096)
def _told_name(file: str) -> str:
    """Return the name by which a file is told, an empty text for one that isn't: files are few, and logged lines many."""
    if any(part in file for part in _INFRASTRUCTURE) or file.startswith(_SYSTEM) or not file.endswith(".py"):
        return ""
    return os.path.basename(file)  # noqa: PTH119 - of any text, as the SDK has it


def _of_stack(frames: list[FrameType]) -> str | None:
    """Return the same of a whole stack, the newest first: also where none of it can be told by the first rules."""
    most = _OF_SYS.get("tracebacklimit")  # it cuts off what the SDK reads
    frames = frames if most is None else frames[: max(most, 0)]
    for frame in frames[1:]:  # the first is this module's own, in the place of one of the SDK's
        if name := _told_name(frame.f_code.co_filename):
            return f"{name}:{frame.f_lineno}"
    for near in frames[_SEARCHED]:
        file = near.f_code.co_filename
        if file.endswith(".py") and "site-packages" not in file and not file.startswith(_SYSTEM):
            return f"{os.path.basename(file)}:{near.f_lineno}"  # noqa: PTH119 - as above
    return None


# --- the guide's spellings ---------------------------------------------------------------------------------------------

_UNSET: Any = object()


def accepting_guide_spelling(original: Callable[..., None]) -> Callable[..., None]:
    """Return an event's `__init__` that takes `interruptable` too."""

    @functools.wraps(original)
    def __init__(self: Made, *args: Any, interruptable: bool = _UNSET, **kwargs: Any) -> None:  # noqa: N807 - it is one
        if interruptable is not _UNSET:
            context = CONTEXT.get()
            if context is not None and context.knows_guide:
                context.note("interruptable", sys._getframe(1))
                kwargs["interruptible"] = interruptable
            else:
                kwargs["interruptable"] = interruptable
        original(self, *args, **kwargs)

    return __init__


def accepting_data(original: Callable[..., None]) -> Callable[..., None]:
    """Return the `__init__` of `TextEvent` that takes `data` too."""

    @functools.wraps(original)
    def __init__(self: Made, *args: Any, data: Any = _UNSET, **kwargs: Any) -> None:  # noqa: N807 - it is one
        if data is _UNSET:
            original(self, *args, **kwargs)
            return
        context = CONTEXT.get()
        if not args and "text" not in kwargs and isinstance(data, Mapping) and context and context.knows_guide:
            context.note("text_event_data", sys._getframe(1))
            original(self, **{"source": "text", "text": "", **data}, **kwargs)
        else:
            original(self, *args, data=data, **kwargs)

    return __init__


def guide_text(event: Made) -> str:
    """Return the text of an event, which the guide reads as `event.text`."""
    context = CONTEXT.get()
    if context is None or not context.knows_guide:
        raise AttributeError(f"{type(event).__name__!r} object has no attribute 'text'", name="text", obj=event)
    context.note("event_text", sys._getframe(1))
    text: str = event.data.get("text", "")
    return text
