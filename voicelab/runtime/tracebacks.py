"""What went wrong in a handler, told in the user's own lines: message, file, line and a short traceback."""

import asyncio
import functools
import linecache
import os
import re
import threading
import traceback
from collections.abc import AsyncIterable, Awaitable
from pathlib import Path, PurePath
from types import CodeType, FrameType
from typing import Any, NamedTuple

from voicelab.base.ctrl_c import is_ctrl_c
from voicelab.base.plain_json import class_name, written_text
from voicelab.base.secret_names import source_without_secrets
from voicelab.runtime.clock import VirtualLoop
from voicelab.runtime.http import line_to_add, stands_in
from voicelab.runtime.sdk import FOLDER, NAMES

_VOICELAB = str(Path(__file__).parents[1]) + os.sep
# Folders whose code is not the user's: the lab, the SDK, and Python's own library.
_OURS = (_VOICELAB, FOLDER + os.sep, str(Path(os.__file__).parent) + os.sep)
_HINTS = (
    (r"Metric value must be a finite number, got np\.", "a numpy number: write float(value) or int(value)"),
    (r"No module named 'primfunctions\.actions'", "primfunctions.events has these names"),
    (r"cannot import name 'context' from 'primfunctions\.context'", "context is the handler's second argument"),
    (r"TextEvent\.__init__\(\) missing", "write TextEvent(source='text', text='...')"),
    (r"'(TextEvent|TextToSpeechEvent)' object has no attribute 'text'", "write event.data['text']"),
)
"""What to do about some of the SDK's messages."""
_INSTEAD = (
    (r"primfunctions\.completions is not configured", "no language model answers here: give model=vl.Model(...)"),
    (r"primfunctions\.shared_data is not configured", "no data is shared here: give shared_data={key: payload}"),
)
"""What is said instead of messages that tell the platform's people what to do."""
# As httpx, aiohttp, requests and urllib say it.
_UNREACHED = re.compile(
    r"(?:ConnectError|ConnectTimeout|ClientConnector(?:DNS)?Error|ConnectionError: HTTP\w+Pool|URLError|gaierror)\b"
)
# Beyond these no line of the user's is to blame: whatever runs in a session is called from its loop, and a thread that is
# being started (as `asyncio.to_thread` does) waits for nothing but the machine.
_OUTERMOST = frozenset(
    function.__code__
    for function in (
        asyncio.BaseEventLoop._run_once,  # type: ignore[attr-defined]
        asyncio.BaseEventLoop.run_forever,  # between two steps: beyond it is whoever runs the session
        VirtualLoop._run_once,
        threading.Thread.start,
    )
)
_MOST_FRAMES = 20
_LONGEST_MESSAGE = 10_000
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class UsersLine(NamedTuple):
    """A line of the user's, by the name of its file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def users_line(frame: FrameType | None) -> UsersLine | None:
    """Return the line that a frame is at; None for none."""
    return None if frame is None else UsersLine(file_name(frame.f_code.co_filename), frame.f_lineno)


def is_voicelabs(code: CodeType) -> bool:
    """Return whether code belongs to voicelab."""
    return code.co_filename.startswith(_VOICELAB)


@functools.lru_cache(maxsize=4096)
def is_users(code: CodeType) -> bool:
    """Return whether code belongs to the user: not to voicelab, the SDK, Python's or an installed library."""
    return is_users_file(code.co_filename)


def is_users_file(name: str) -> bool:
    """Return whether a file is the user's, as `is_users`."""
    return not name.startswith(("<frozen", *_OURS)) and "site-packages" not in name


def users_frame(frame: FrameType | None) -> FrameType | None:
    """Return the nearest frame outwards that belongs to the user and runs in the session, or None.

    A session's loop may stand on its caller's own stack: what lies outside the loop only waits for the session.
    """
    while frame is not None and not is_users(frame.f_code):
        frame = None if frame.f_code in _OUTERMOST else frame.f_back
    return frame


def file_name(path: str) -> str:
    """Return a file's name without its folder: logs must not hold a machine's paths."""
    return PurePath(path.replace("\\", "/")).name


def describe(error: BaseException) -> dict[str, Any]:
    """Return an exception as the data of an `error` event: message, file, line and traceback.

    The traceback holds the user's frames alone, innermost last, by file name; of many, the first and the last.
    """
    try:
        return _described(error)
    except BaseException as problem:
        if is_ctrl_c(problem):
            raise
        message = written_text(error)
        return {"message": message, "traceback": message}


def _described(error: BaseException) -> dict[str, Any]:
    frames = [f for f in traceback.walk_tb(error.__traceback__) if is_users(f[0].f_code)]
    shown = frames if len(frames) <= 2 * _MOST_FRAMES else [*frames[:_MOST_FRAMES], *frames[-_MOST_FRAMES:]]
    lines = []
    for frame, line in shown:
        name = file_name(frame.f_code.co_filename)
        source = source_without_secrets(linecache.getline(frame.f_code.co_filename, line).strip())
        lines.append(f"{name}:{line} in {frame.f_code.co_name}" + (f": {source}" if source else ""))
    if len(shown) < len(frames):
        lines.insert(_MOST_FRAMES, f"… {len(frames) - len(shown):,} more …")
    own = written_text(error)
    said = next((instead for pattern, instead in _INSTEAD if re.search(pattern, own)), own)
    if len(said) > _LONGEST_MESSAGE:
        said = f"{said[:_LONGEST_MESSAGE]}… ({len(said):,} characters)"
    message = _ADDRESS.sub("", f"{class_name(error)}: {said}")
    if hint := hint_of(error, own):
        message += f" ({hint})"
    data: dict[str, Any] = {"message": message}
    if frames:
        frame, line = frames[-1]
        data |= {"file": file_name(frame.f_code.co_filename), "line": line}
    data["traceback"] = "\n".join([*lines, message])
    return data


def hint_of(error: BaseException, said: str) -> str:
    """Return what to do about an error that handlers often have, or an empty string.

    Args:
        error: The error.
        said: Its message.
    """
    if isinstance(error, NameError) and (module := NAMES.get(str(error.name))):
        return f"write from {module} import {error.name}"
    message = f"{class_name(error)}: {said}"
    if _UNREACHED.match(message) and not stands_in():
        return (
            "the service can't be reached from here; a stand-in answers in its place: "
            f"http=vl.Http({{{_line_for(error)}}}) of vl.run, vl.simulate and vl.Console"
        )
    return "; ".join(hint for pattern, hint in _HINTS if re.search(pattern, message))


def _line_for(error: Any) -> str:
    """Return the pattern and a reply for the request that an error of httpx or requests is about."""
    try:
        return line_to_add(error.request.method, str(error.request.url))
    except Exception:  # noqa: BLE001 - an error without a request, which each library says in its own way
        return "'METHOD address': reply"


def waiting_at(work: Awaitable[Any] | AsyncIterable[Any] | None) -> str:
    """Return ` while it waited at file:line` for a suspended handler, or an empty string.

    Args:
        work: The handler's generator or coroutine.
    """
    place = suspended_at(work)
    return "" if place is None else f" while it waited at {place}"


def suspended_at(work: Awaitable[Any] | AsyncIterable[Any] | None) -> UsersLine | None:
    """Return the line of the user's that a suspended handler waits at, None where it isn't known."""
    # From the handler inwards, along what each awaits: the last of the user's lines is the one to look at, where what it
    # awaits there is a library's.
    found, waiting = None, work
    while waiting is not None:
        frame = next((f for f in (getattr(waiting, name, None) for name in _FRAMES) if f is not None), None)
        if frame is not None and is_users(frame.f_code):
            found = frame
        waiting = next((w for w in (getattr(waiting, name, None) for name in _AWAITED) if w is not None), None)
    return users_line(found)


_FRAMES = ("ag_frame", "cr_frame", "gi_frame")
_AWAITED = ("ag_await", "cr_await", "gi_yieldfrom")
