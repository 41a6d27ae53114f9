"""`vl.serve`: a handler, or a log, served to VoiceRun's own command line and debugger on this machine."""

import asyncio
import atexit
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.notebook import in_notebook
from voicelab.base.paths import path_of
from voicelab.base.session_limits import Limits
from voicelab.callers import CallerLike
from voicelab.handlers import HandlerLike, VariablesLike
from voicelab.live.loop import LoopThread
from voicelab.log import Log, open_log
from voicelab.predicates import EvaluatorsLike
from voicelab.record.session_record import SessionRecord
from voicelab.serving.how_to_connect import Served, connecting_card, connecting_text
from voicelab.serving.listener import Listener
from voicelab.serving.open_files import allow_open_files
from voicelab.serving.routes import Routes
from voicelab.serving.security import LOOPBACK
from voicelab.serving.served_agent import ServedAgent
from voicelab.speech.protocols import SpeechToTextLike, TextToSpeechLike
from voicelab.world.http import HttpLike
from voicelab.world.model import ModelLike

if TYPE_CHECKING:
    from voicelab.speech import Endpointer

_STARTING_S = 30.0
_MOST_PORTS = 65_535


class Server:
    """A server that runs until it is closed, or the process ends; made by `vl.serve`.

    Args:
        agent: The handler that is served; None where a log is read alone.
        folder: The log's folder.
        host: What it listens on.
        port: On which port; 0 for one that is free.

    Raises:
        InputError: the port is in use, or the address is none of this machine's.
    """

    def __init__(self, agent: ServedAgent | None, folder: Path, host: str, port: int) -> None:
        self._agent = agent
        self._folder = folder
        self._host = host
        self.name = folder.resolve().name if agent is None else agent.name
        self.closed = False
        if in_notebook():
            from voicelab.widgets.cell import close_former

            close_former(self)  # a cell that is run again takes the same port
        allow_open_files()
        self._thread = LoopThread(f"voicelab server {self.name}")
        self._listener = Listener(agent, Routes(agent, self.name, self.name, folder), host)
        try:
            self.port = self._on_loop(self._listener.listen(port), _STARTING_S)
        except OSError as error:
            self._thread.close()
            raise InputError(_why_not(host, port, error)) from None
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """Its address, e.g. `http://127.0.0.1:8080`."""
        host = LOOPBACK if self._host == "0.0.0.0" else "::1" if self._host == "::" else self._host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def log(self) -> Log:
        """The sessions so far, as a log."""
        return open_log(self._folder)

    @property
    def record(self) -> SessionRecord | None:
        """The session that ended last, as data; None before the first."""
        return None if self._agent is None else self._agent.record

    def close(self) -> None:
        """End the sessions that run, as their callers' hanging up, log them, and listen no more."""
        if not self.closed:
            self.closed = True
            atexit.unregister(self.close)
            n_left = self._on_loop(self._listener.shut_down(), None)
            self._thread.close()
            if n_left:
                warnings.warn(
                    f"{n_left} of the sessions did not end, and {'is' if n_left == 1 else 'are'} not logged: their handlers hold "
                    "up all else, in a call that blocks.",
                    stacklevel=2,
                )

    def _on_loop(self, work: Any, within_s: float | None) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._thread.loop).result(within_s)

    # --- as others see it ---

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        sessions = "" if self._agent is None else f", {self._agent.said}"
        return f"Server({self.name}, {'closed' if self.closed else self.url}{sessions})"

    def __str__(self) -> str:
        return repr(self) if self.closed else connecting_text(self._served())

    def _repr_html_(self) -> str:
        return connecting_card(None if self.closed else self._served(), self.name)

    def _served(self) -> Served:
        kept = self._agent is None or self._agent.keeps_log
        return Served(self.url, self._host, self.name, str(self._folder) if kept else "", self._agent is not None)


def serve(
    handler: HandlerLike | None = None,
    port: int = 0,
    log: str | Path | None = None,
    caller: CallerLike | None = None,
    parameters: Mapping[str, Any] | None = None,
    variables: VariablesLike | None = None,
    environment: str | None = None,
    variants: Mapping[str, str] | None = None,
    stt: SpeechToTextLike = "auto",
    tts: TextToSpeechLike = "auto",
    phrases: Sequence[str] | None = None,
    *,
    host: str = LOOPBACK,
    endpointing: "float | Endpointer" = 0.7,
    keep_audio: bool = False,
    seed: int | None = None,
    input_data: Mapping[str, Any] | None = None,
    model: ModelLike | None = None,
    shared_data: Mapping[str, Any] | None = None,
    http: HttpLike | None = None,
    patches: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    evaluators: EvaluatorsLike = None,
) -> Server:
    """Serve a handler to VoiceRun's own command line and debugger, and return at once.

    `vr debug` holds conversations with it, in real time: typed, from a script, or spoken in the debugger's window. The
    guide's request of an outbound call runs a session in virtual time with a caller who picks up. Both are logged, and
    read by `vr session ... --json` and its kin. `print(server)` shows the lines that make the command line use it.

    Args:
        handler: A handler, or what `vl.load_handler` takes. A function, a `%%handler` or a path is looked up anew for
            each session, so that the newest version answers. None serves a log alone, to be read.
        port: The port; 0 for one that is free.
        log: Folder of a log that the sessions are added to, one at a time; None for one that ends with the process. Without
            a handler any log.
        caller: Who picks up outbound calls; None for a cooperative persona.
        parameters: What the handler reads with `context.get_data`; what a request or the debugger gives comes on top.
        variables: What it reads with `context.variables`; a dict or a .env file. Masked wherever they would show.
        environment: What it reads as `context.environment`. A request may name another one.
        variants: `{test: variant}` forces variants.
        stt: What listens to the debugger's microphone: `auto` (an engine that works offline), a name, or `off`.
        tts: What speaks: `auto` (an engine that works offline, where the debugger has a window and so a loudspeaker), a
            name (then the headless debugger is sent speech, too), or `off`.
        phrases: What the recogniser is told to expect.
        host: What it listens on; anything but this machine's own address lets others in, without a password.
        endpointing: What ends a turn that is spoken: seconds of silence (.7), or a `speech.Endpointer`.
        keep_audio: Keep what each spoken session sounded like beside the log, as `audio/<session_id>.wav`.
        seed: The variants drawn follow from it; without it they differ each time.
        input_data: What the handler reads as `context.input_data`: what the caller of an entrypoint passed in.
        model: What answers its completion requests: `vl.Model(...)`, or a function of the request, which may be an
            `async def` that asks a real model.
        shared_data: What it reads with `primfunctions.shared_data`, by key.
        http: What answers its requests over HTTP: `vl.Http({pattern: reply})`, or `vl.Http.replay(path)`.
        patches: `{"module.function": replacement}` for whatever else it uses and shall not; a name of its own file stands
            without a module.
        limits: How much one session may take: `vl.Limits(cpu_s=60)`; None for the usual limits.
        evaluators: What is asked of each session when it has ended: paths of the platform's evaluators, or predicates by
            name. What they come to are outcomes by the evaluators' names.

    Returns:
        The server: `.url`, `.close()`, `.log`, `.record`; `with vl.serve(handler) as server:` closes it at the end.

    Raises:
        InputError: an argument is not allowed, or the port is in use.
        HandlerError: the handler can't be loaded.
        LogError: the log's folder holds something else, or can't be made.

    Example:
        >>> import voicelab as vl
        >>> with vl.serve("async def handler(event, context):\\n    return\\n    yield\\n") as server:
        ...     print(server.url.rpartition(":")[0])
        http://127.0.0.1
    """
    port, host = _port(port), _host(host)
    if handler is None:
        if log is None:
            raise InputError(
                "Nothing is served: give a handler, vl.serve(handler), or a log to be read, vl.serve(log='runs/first')."
            )
        return Server(None, open_log(path_of("log", log, "runs/first")).path, host, port)
    agent = ServedAgent(
        handler,
        caller=caller,
        log=log,
        stt=stt,
        tts=tts,
        endpointing=endpointing,
        phrases=phrases,
        keep_audio=keep_audio,
        seed=seed,
        parameters=parameters,
        variables=variables,
        environment=environment,
        variants=variants,
        input_data=input_data,
        model=model,
        shared_data=shared_data,
        http=http,
        patches=patches,
        limits=limits,
        evaluators=evaluators,
    )
    return Server(agent, agent.folder, host, port)


def _port(port: Given) -> int:
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= _MOST_PORTS:
        raise InputError(
            f"port is {shown(port)}, must be a whole number from 0 to {_MOST_PORTS:,}; 0 takes one that is free."
        )
    return port


def _host(host: Given) -> str:
    if not isinstance(host, str) or not host.strip():
        raise InputError(f"host is {shown(host)}, must be an address of this machine, e.g. {LOOPBACK!r}.")
    return host.strip()


def _why_not(host: str, port: int, error: OSError) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use, maybe by another server of this kind: server.close() ends one; else give another port, or "
            "port=0 for one that is free."
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is not allowed to this user: give one above 1023, or port=0 for one that is free."
    return f"Nothing can listen on {shown(host)}, port {port}: {error.strerror or error}. For this machine give {LOOPBACK!r}."
