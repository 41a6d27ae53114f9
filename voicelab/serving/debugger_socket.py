"""A connection of VoiceRun's debugger: frames in, frames out, each side no faster than the other takes them.

A debugger that sends faster than its session takes is read more slowly. One that doesn't read what it is sent, sends what no
debugger sends, or goes away, has hung up.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from aiohttp import WSMsgType, web

from voicelab.serving import debugger_frames as frames
from voicelab.serving.debug_session import Closing, DebugSession
from voicelab.serving.debugger_frames import FrameError, Opening, as_sent, read_frame
from voicelab.serving.served_agent import ServedAgent

LARGEST_FRAME = 1 << 20
_MOST_WAITING = 32 << 20
"""Bytes that wait to be read by a debugger: four minutes of speech, and more than any session's text."""
_START_S = 30.0
"""How long a debugger may say nothing at first."""
_HEARTBEAT_S = 60.0
_CLOSE_S = 2.0
_AT_ONCE = 64
"""Frames that are read before it is waited for that the session has taken them."""
_LONGEST_REASON = 120
"""Bytes that a reason may have (RFC 6455: 123)."""


class DebuggerSocket:
    """A connection with a debugger, on the server's loop.

    Args:
        agent: Makes the session.
        has_sound: Whether the debugger has a loudspeaker and a microphone.
    """

    def __init__(self, agent: ServedAgent, *, has_sound: bool) -> None:
        self._agent = agent
        self._has_sound = has_sound
        self._socket = web.WebSocketResponse(
            max_msg_size=LARGEST_FRAME, heartbeat=_HEARTBEAT_S, timeout=_CLOSE_S, compress=False
        )
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._outgoing = _Outgoing(self._loop, self._too_slow)
        self._session: DebugSession | None = None
        self._closing: Closing | None = None

    async def converse(self, request: web.Request) -> web.WebSocketResponse:
        """Hold the session, and return when it has ended and is logged."""
        await self._socket.prepare(request)
        writing = self._loop.create_task(self._outgoing.write(self._socket))
        reading = self._loop.create_task(self._read())
        try:
            await asyncio.wait({reading, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if self._session is None:
                reading.cancel()  # none is to begin any more
            else:
                # Also where the connection is gone: the session is ended and logged in any case.
                self._session.hang_up()
                ended = await self._ended
                self._closing = self._closing or ended
        finally:
            self._outgoing.finish()
            await asyncio.wait({writing}, timeout=_CLOSE_S)
            writing.cancel()
            await self._close(request)
            reading.cancel()
        return self._socket

    def close(self, code: int, reason: str) -> None:
        """End the session as the caller, and close the connection."""
        self._closing = self._closing or Closing(code, reason)
        if self._session is not None:
            self._session.hang_up()
        elif not self._ended.done():
            self._ended.set_result(self._closing)

    async def _close(self, request: web.Request) -> None:
        closing = self._closing or Closing(frames.COMPLETE, "")
        reason = closing.reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
        try:
            await asyncio.wait_for(self._socket.close(code=closing.code, message=reason.encode()), 2 * _CLOSE_S)
        except TimeoutError:  # it doesn't even read that
            if request.transport is not None:
                request.transport.abort()

    async def _read(self) -> None:
        try:
            await self._converse()
        except FrameError as error:
            self._closing = self._closing or Closing(error.code, str(error))
        except (OSError, RuntimeError) as error:  # a session takes a thread and files, of which the system has so many
            self._closing = self._closing or Closing(frames.TRY_LATER, f"The session can't begin: {error}")
        except Exception as error:  # noqa: BLE001 - told to the debugger; the server goes on
            self._closing = self._closing or Closing(frames.FAILED, f"{type(error).__name__}: {error}")

    async def _converse(self) -> None:
        first = await self._received(_START_S)
        if first is None:
            return
        if not isinstance(first, Opening):
            raise FrameError(frames.REFUSED, "the first frame must be a start")
        self._session = DebugSession(
            self._agent, first, self._outgoing.put, self._session_ended, has_sound=self._has_sound
        )
        n = 0
        while (frame := await self._received(None)) is not None:
            if isinstance(frame, Opening):
                raise FrameError(frames.REFUSED, "the session has started already")
            self._session.take(frame)
            n += 1
            if n % _AT_ONCE == 0:
                await self._caught_up(self._session)

    async def _received(self, within_s: float | None) -> frames.FromDebugger | None:
        """Return the next frame that asks for anything; None where the debugger has hung up, or the session has ended."""
        while True:
            try:
                message = await self._socket.receive(within_s)
            except TimeoutError:
                raise FrameError(frames.REFUSED, "the debugger said nothing") from None
            if message.type is WSMsgType.BINARY:
                raise FrameError(frames.UNSUPPORTED, "frames are text, and this one is binary")
            if message.type is not WSMsgType.TEXT:
                return None
            frame = read_frame(message.data)
            if frame is not None:
                return frame

    async def _caught_up(self, session: DebugSession) -> None:
        """Wait until the session has taken all that was read: meanwhile the debugger's frames wait in the network."""
        taken = self._loop.create_future()
        session.after_all_taken(lambda: _tell(self._loop, taken, None))
        await asyncio.wait({taken, self._ended}, return_when=asyncio.FIRST_COMPLETED)

    def _session_ended(self, closing: Closing) -> None:
        """Be told, on the session's thread, that it has ended."""
        _tell(self._loop, self._ended, closing)

    def _too_slow(self) -> None:
        self.close(frames.TRY_LATER, "the debugger doesn't read what it is sent")


class _Outgoing:
    """The frames that wait to be sent; given by any thread, sent on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, too_slow: Any) -> None:
        self._loop = loop
        self._too_slow = too_slow
        self._waiting: deque[str] = deque()
        self._told = False
        self._come = asyncio.Event()
        self._finished = False
        self._n_bytes = 0

    def put(self, frame: Mapping[str, Any]) -> None:
        """Take a frame, from any thread."""
        self._waiting.append(as_sent(frame))
        # Once for all that comes before the loop looks: a turn has ten frames.
        if not self._told:
            self._told = True
            try:
                self._loop.call_soon_threadsafe(self._look)
            except RuntimeError:  # the server is closed
                self._waiting.clear()

    def finish(self) -> None:
        """Send what waits, and nothing more."""
        self._finished = True
        self._come.set()

    def _look(self) -> None:
        self._told = False
        self._come.set()
        if sum(map(len, tuple(self._waiting))) > _MOST_WAITING:
            self._waiting.clear()
            self._too_slow()

    async def write(self, socket: web.WebSocketResponse) -> None:
        """Send frames until all are sent and no more will come, or nobody is there."""
        while not self._finished or self._waiting:
            if not self._waiting:
                self._come.clear()
                await self._come.wait()
                continue
            try:
                await socket.send_str(self._waiting.popleft())
            except (ConnectionError, RuntimeError):  # nobody is there any more
                self._waiting.clear()
                return


def _tell(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", value: object) -> None:
    """Give a future of another thread's loop its result."""

    def tell() -> None:
        if not future.done():
            future.set_result(value)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:  # the server is closed
        return
