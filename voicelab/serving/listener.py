"""What listens: takes requests and connections on the server's loop, refuses what may not ask, and ends all of it.

What takes a while, a session that is run or a log that is read, has its turn in a thread of its own beside the loop. Nothing
of a request's headers goes any further than the checks here.
"""

import asyncio
import logging
from functools import partial
from typing import Any

import orjson
from aiohttp import web

from voicelab.serving import debugger_frames as frames
from voicelab.serving.answer import Answer
from voicelab.serving.debugger_socket import DebuggerSocket
from voicelab.serving.debugger_sound import warm_up
from voicelab.serving.one_at_a_time import OneAtATime
from voicelab.serving.routes import Asked, Routes, problem
from voicelab.serving.security import OWN_PAGE, why_refused
from voicelab.serving.served_agent import ServedAgent

MOST_CONNECTIONS = 400
"""Debuggers that may be connected at a time."""
_LARGEST_BODY = 64 << 20
"""Bytes: a pushed project is the largest."""
_SOCKET = "/ws"
_PATIENCE_S = 60.0
"""How long it is waited for the next session to end: a handler's cleanup may go on for 30 s."""
_JSON = "application/json"
# What a library says of a request that it can't read may quote its headers.
_QUIET = logging.getLogger("voicelab.serving.unread")
_QUIET.disabled = True


class Listener:
    """Listens on a port; all its methods run on the server's loop.

    Args:
        agent: The handler that is served; None where a log is read alone.
        routes: What requests are answered.
        host: What it listens on.
    """

    def __init__(self, agent: ServedAgent | None, routes: Routes, host: str) -> None:
        self._agent = agent
        self._routes = routes
        self._host = host
        self._connected: dict[DebuggerSocket, asyncio.Task[Any]] = {}
        self._closing = False
        self._slow = {kind: OneAtATime(f"voicelab serving {kind}") for kind in ("GET", "POST", "call")}
        self._in_hand: set[asyncio.Future[Any]] = set()
        app = web.Application(client_max_size=_LARGEST_BODY, logger=_QUIET)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0, logger=_QUIET)

    async def listen(self, port: int) -> int:
        """Listen, and return the port.

        Raises:
            OSError: it can't listen there.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, port).start()
        except OSError:
            self._end_slow()
            await self._runner.cleanup()
            raise
        if self._agent is not None and self._agent.has_voice:
            self._slow["GET"].do(warm_up)
        return int(self._runner.addresses[0][1])

    async def shut_down(self) -> int:
        """Hang up everywhere; return when all sessions are logged and nothing listens any more, and how many hang on."""
        self._closing = True
        for site in list(self._runner.sites):
            await site.stop()
        for connection in self._connected:
            connection.close(frames.GOING_AWAY, "the server was closed")
        self._end_slow()
        left: set[asyncio.Future[Any]] = {*self._connected.values(), *self._in_hand}
        while left:
            ended, left = await asyncio.wait(left, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if not ended:
                break
        await self._runner.cleanup()
        return len(left)

    def _end_slow(self) -> None:
        for slow in self._slow.values():
            slow.close()

    # --- a request ---

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        why = why_refused(request.headers.get("Host"), request.headers.get("Origin"), self._host)
        if why:
            return _response(problem(403, why))
        try:
            if request.path == _SOCKET and request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._converse(request)
            return _response(await self._answer(request))
        except web.HTTPException as error:  # aiohttp's own: a body that is too large, a handshake that is none
            return _response(problem(error.status, error.text or error.reason))
        except web.RequestPayloadError:
            return _response(problem(400, "The body can't be read: it isn't encoded as its header says."))
        except Exception as error:  # noqa: BLE001 - told to whoever asked; the server goes on
            return _response(problem(500, f"{type(error).__name__}: {error}"))

    async def _answer(self, request: web.Request) -> Answer:
        if request.method not in {"GET", "POST"}:
            return problem(404, f"There is no {request.method} {request.path} here.")
        body: Any = {}
        if request.method == "POST":
            if request.content_type != _JSON:
                return problem(415, f"The body must be JSON: send the header Content-Type: {_JSON}.")
            if (request.content_length or 0) > _LARGEST_BODY:
                return problem(413, f"The body is larger than {_LARGEST_BODY >> 20} MB.")
            try:
                body = orjson.loads(await request.read() or b"{}")
            except orjson.JSONDecodeError as error:
                return problem(400, f"The body is no JSON: {error}.")
            if not isinstance(body, dict):
                return problem(400, "The body must be a JSON object.")
        query = dict(request.query)
        if len(query) < len(request.query):
            twice = next(key for key in query if len(request.query.getall(key)) > 1)
            return problem(400, f"The query has {twice} more than once, of which only one would count.")
        host = request.url.host or ""
        host = f"[{host}]" if ":" in host else host
        asked = Asked(request.method, request.path, query, body, f"ws://{host}:{request.url.port}{_SOCKET}")
        answer = self._routes.answer(asked)
        if answer is not None:
            return answer
        kind = "call" if self._routes.connects(asked) else asked.method
        answering: asyncio.Future[Answer] = self._slow[kind].do(partial(self._routes.slow_answer, asked))
        if kind == "POST":  # a session, for which the server's end waits
            self._in_hand.add(answering)
            answering.add_done_callback(self._in_hand.discard)
        return await asyncio.shield(answering)

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        if self._agent is None:
            return _response(problem(404, "This server reads a log, and has no handler to talk to."))
        if self._closing:
            return _response(problem(503, "The server is being closed."))
        if len(self._connected) >= MOST_CONNECTIONS:
            return _response(problem(503, f"{MOST_CONNECTIONS} debuggers are connected already: try again later."))
        connection = DebuggerSocket(self._agent, has_sound=request.headers.get("Origin") == OWN_PAGE)
        task = self._connected[connection] = asyncio.ensure_future(connection.converse(request))
        try:
            return await asyncio.shield(task)
        finally:
            task.add_done_callback(lambda _: self._connected.pop(connection, None))


def _response(answer: Answer) -> web.Response:
    body = answer.body if isinstance(answer.body, bytes) else orjson.dumps(answer.body)
    # What strangers wrote is never a page here, whatever it looks like.
    headers = {"Content-Type": answer.content_type, "X-Content-Type-Options": "nosniff"}
    return web.Response(status=answer.status, body=body, headers=headers)
