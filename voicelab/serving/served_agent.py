"""The handler that is served: what its sessions are made of, and the log that they go to."""

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.masking import Masker
from voicelab.base.paths import path_of
from voicelab.base.records import SessionRows
from voicelab.base.version import __version__
from voicelab.callers import CallerLike
from voicelab.callers.actions import words
from voicelab.handlers import Handler, HandlerLike
from voicelab.live.call import Call, Media
from voicelab.live.ended_sessions import EndedSessions
from voicelab.live.engines import AUTO, BROWSER, OFF, GivenEngine, choose_engine
from voicelab.live.newest_handler import NewestHandler
from voicelab.log.append import LiveLog
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import Job, play
from voicelab.runs.options import SessionOptions
from voicelab.speech import Endpointer
from voicelab.speech.line import endpointer_of
from voicelab.voicerun.call_request import plain_json

DEBUGGER = "debugger"
_DEFAULT_ENVIRONMENT = "debug"
"""What the command line asks for where its user names no environment."""


class ServedAgent:
    """Makes and logs the sessions of one handler; its methods may be called from any thread.

    Args:
        source: The handler, or what `vl.load_handler` takes.
        caller: Who picks up when a session is started by the endpoint of outbound calls.
        log: Folder of a log; None for a temporary one.
        stt: Name of the recogniser, or an engine.
        tts: Name of the voice's engine, or an engine.
        endpointing: What ends a turn that is spoken: seconds of silence, or an endpointer.
        phrases: What the recogniser is told to expect.
        keep_audio: Keep each session's sound beside the log.
        seed: Everything random follows from it; drawn where it is not given.
        options: What the sessions are made of besides, as `SessionOptions.checked` takes it.

    Attributes:
        name: The handler's name.
        folder: The log's folder.
        record: The session that ended last; None before the first.
        statuses: How many sessions have ended, by status.

    Raises:
        VoicelabError: an argument is not allowed.
    """

    def __init__(
        self,
        source: HandlerLike,
        *,
        caller: CallerLike | None,
        log: str | Path | None,
        stt: GivenEngine,
        tts: GivenEngine,
        endpointing: float | Endpointer,
        phrases: Sequence[str] | None,
        keep_audio: bool,
        seed: int | None,
        **options: Any,
    ) -> None:
        self._keep_audio = checks.switch("keep_audio", keep_audio)
        self._options = SessionOptions.checked(
            source, _picks_up(caller), seed=secrets.randbits(63) if seed is None else seed, **options
        )
        self._handler = self._options.handler
        self._secrets: dict[str, None] = {}
        self._newest_handler = NewestHandler(source, options.get("variables"), options.get("environment"))
        self._environment = options.get("environment")
        self._engines: dict[str, GivenEngine] = {"stt": stt, "tts": tts}
        for kind, given in self._engines.items():
            if given == BROWSER:
                raise InputError(
                    f"{kind} is 'browser', and no page is served: give the name of an engine, 'auto' or 'off'."
                )
            choose_engine(kind, given)
        if isinstance(phrases, str):
            raise InputError(f"phrases is {phrases!r}, must be a list of phrases, e.g. ['yes please', 'no thanks'].")
        self._phrases = tuple(words(phrase) for phrase in phrases or ())
        self._endpointer = endpointer_of(endpointing)
        self.name = self._options.handler.name
        self._temporary = TemporaryDirectory(prefix="voicelab-served-") if log is None else None
        folder = Path(self._temporary.name) / "log" if self._temporary else path_of("log", log, "runs/served")
        facts = {"handler": self.name, "callers": "person", "world": None, "versions": {"voicelab": __version__}}
        self._log = LiveLog(folder, f"{self._options.seed:016x}", facts)
        self.folder = folder
        self.record: SessionRecord | None = None
        self.statuses: Counter[str] = Counter()
        # One session begins at a time, and one is written: many at once would only take the interpreter from each other.
        self._beginning, self._writing = threading.Lock(), threading.Lock()

    @property
    def keeps_log(self) -> bool:
        """Whether the log outlasts the process."""
        return self._temporary is None

    @property
    def has_voice(self) -> bool:
        """Whether it may speak."""
        return self._engines["tts"] != OFF

    @property
    def said(self) -> str:
        """How many sessions have ended, in words."""
        n = self.statuses.total()
        each = ", ".join(f"{count:,} {status}" for status, count in sorted(self.statuses.items()))
        return f"{n:,} session{'' if n == 1 else 's'} ended" + (f": {each}" if n else "")

    def load(self) -> Handler:
        """Return the handler as it is now.

        Raises:
            VoicelabError: it can't be loaded.
        """
        return self._newest_handler.load()

    def masked(self, text: str) -> str:
        """Return a text as it may be told: without the secrets of any environment that a session was asked for."""
        return Masker([*self._secrets, *self._handler.secrets]).text(text)

    # --- a session with the debugger ---

    def begin(self, parameters: Mapping[str, Any], environment: str) -> tuple[Job, int]:
        """Return what a session with the debugger is made of, and its index in the log.

        Args:
            parameters: What the debugger gives it, on top of the server's own.
            environment: The environment that was asked for; empty for none.

        Raises:
            VoicelabError: the handler can't be loaded, or the parameters are not allowed.
        """
        parameters = plain_json("parameters", parameters)
        if environment == _DEFAULT_ENVIRONMENT and self._environment:
            environment = self._environment
        with self._beginning:
            return self._job(parameters, environment, "typed")

    def media(self, *, has_sound: bool) -> Media:
        """Return what a session hears and speaks with.

        Args:
            has_sound: Whether the debugger has a loudspeaker and a microphone: else only engines are used that were named.
        """
        chosen = {}
        for kind, given in self._engines.items():
            _, chosen[kind], _ = choose_engine(kind, OFF if given == AUTO and not has_sound else given)
        tts, stt = chosen["tts"], chosen["stt"]
        return Media(
            tts,
            stt,
            speaks=DEBUGGER if tts is None else tts.name,
            listens=OFF if stt is None else stt.name,
            phrases=self._phrases,
            endpointer=self._endpointer,
        )

    def store(self, call: Call, rows: SessionRows, began_ms: int, warn: Callable[[str], None]) -> None:
        """Log a session with the debugger that has ended.

        Args:
            call: The session.
            rows: Its rows.
            began_ms: When it began, in milliseconds since 1970.
            warn: Takes a sentence about what could not be logged.
        """
        ended = EndedSessions(
            self.name, log=self._log, blind=False, keep_audio=self._keep_audio, on_ended=self._keep, on_error=warn
        )
        with self._writing:
            ended.store(call, rows, 1, began_ms)

    # --- a session by the endpoint of outbound calls ---

    def call(
        self, parameters: Mapping[str, Any], environment: str | None, input_data: Mapping[str, Any] | None = None
    ) -> SessionRecord:
        """Run a session in virtual time with whoever picks up, log it, and return its record.

        Args:
            parameters: What the handler reads with `get_data`.
            environment: The environment to run in; None for the server's own.
            input_data: What it reads as `context.input_data`.

        Raises:
            VoicelabError: the handler can't be loaded, the parameters are not allowed, or the session can't be logged.
        """
        job, index = self._job(parameters, environment or "", "simulated")
        options = replace(job.options, direction="outbound")
        if input_data is not None:
            options = replace(options, input_data=input_data)
        job = replace(job, options=options)
        record = play(job, index)
        with self._writing:
            self._log.add(index, record.rows())
            self._keep(record)
        return record

    # --- inside ---

    def _job(self, parameters: Mapping[str, Any], environment: str, source: str) -> tuple[Job, int]:
        # The command line's name of an environment may have the function's behind it: debug|FUNCTION.
        handler = self._newest_handler.load(environment.partition("|")[0] or None)
        self._secrets |= dict.fromkeys(self._handler.secrets)
        self._handler = handler
        options = replace(self._options, handler=handler)
        own, run_test = options.parameters_of(0)
        checked = SessionOptions.checked(
            handler, None, parameters={**(own or {}), **parameters}, run_test=run_test or None
        )
        options = replace(options, parameters=checked.parameters, run_test=checked.run_test)
        with self._writing:
            index = self._log.claim()
        return Job(options, run_id=self._log.run_id, source=source), index

    def _keep(self, record: SessionRecord) -> None:
        self.record = record
        self.statuses[record.status] += 1


def _picks_up(caller: CallerLike | None) -> CallerLike:
    if caller is not None:
        return caller
    from voicelab.fitting import personas

    return personas.cooperative
