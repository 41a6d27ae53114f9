"""`vl.Console`: a conversation with a handler, in a notebook cell.

The widget only carries messages (docs/console-protocol.md); the conversation itself is `voicelab.live.talk.Talk`.
"""

import html
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.session_limits import Limits
from voicelab.handlers import HandlerLike, VariablesLike
from voicelab.live.talk import Talk
from voicelab.predicates import EvaluatorsLike
from voicelab.record.session_record import SessionRecord
from voicelab.speech.protocols import SpeechToTextLike, TextToSpeechLike
from voicelab.widgets.cell import close_former, reach_during_cells
from voicelab.widgets.esm import css, esm
from voicelab.widgets.holding import hold_weakly, hold_while_shown, weakly
from voicelab.world.http import HttpLike
from voicelab.world.model import ModelLike

if TYPE_CHECKING:
    from voicelab.speech import Endpointer


class Console(anywidget.AnyWidget):
    """A conversation with a handler: typing, speaking, interrupting, pressing keys, every event as it happens.

    Args:
        handler: A handler, or what `vl.load_handler` takes. A function, a `%%handler` or a path is looked up anew for
            each session, so that the newest version answers.
        log: Folder of a log that the sessions are added to, one at a time; None keeps them in the console alone.
        parameters: What the handler reads with `context.get_data`.
        variables: What it reads with `context.variables`; a dict or a .env file. Masked wherever they would show.
        environment: What it reads as `context.environment`.
        variants: `{test: variant}` forces variants; the console's own control changes it for the next session.
        blind: Hide the variant while you talk; after hanging up you are asked for the test's target outcome, and your
            answer is logged with source `rated`.
        stt: What listens: `auto` (an engine that works offline), the name of an engine, `browser` (the page's own
            recognition: your voice goes to the browser's maker), or `off`.
        tts: What speaks: `auto` (an engine that works offline, else the page's own voices), a name, `browser`, `off`.
        endpointing: What ends a turn that is spoken hands-free: seconds of silence (.7), or a `speech.Endpointer`, such
            as `Endpointer(detector="smart")`, which listens whether the speaker has finished.
        phrases: What the recogniser is told to expect; the page offers them to be said with a click.
        keep_audio: Keep what each session sounded like beside the log, as `audio/<session_id>.wav`.
        seed: The variants drawn follow from it; without it they differ each time.
        input_data: What the handler reads as `context.input_data`: what the caller of an entrypoint passed in.
        model: What answers its completion requests: `vl.Model(...)`, or a function of the request, which may be an
            `async def` that asks a real model.
        shared_data: What it reads with `primfunctions.shared_data`, by key.
        http: What answers its requests over HTTP: `vl.Http({pattern: reply})`, or `vl.Http.replay(path)`. Or
            `vl.Http.record(path)`, which records the services themselves.
        patches: `{"module.function": replacement}` for whatever else it uses and shall not; a name of its own file stands
            without a module.
        limits: How much one session may take: `vl.Limits(cpu_s=60)`; None for the usual limits.
        evaluators: What is asked of each session when it has ended: paths of the platform's evaluators, or predicates by
            name. What they come to are outcomes by the evaluators' names.

    Raises:
        InputError: an argument is not allowed.
        HandlerError: the handler can't be loaded.
        LogError: the log's folder holds something else, or can't be made.

    Example:
        console = vl.Console("clinic")
        console            # at the end of a cell, to see it
        console.record     # the last conversation, as data
    console.show(log.session(7))  # one of a simulation, in the same view
    """

    _esm = esm("console")
    _css = css()
    # The page hides the static copy of its own console while it is alive.
    key = traitlets.Unicode().tag(sync=True)
    # None until the arguments have been checked: a widget that was refused is closed all the same.
    _talk: Talk | None = None
    _opened: SessionRecord | None = None

    def __init__(
        self,
        handler: HandlerLike,
        log: str | Path | None = None,
        parameters: Mapping[str, Any] | None = None,
        variables: VariablesLike | None = None,
        environment: str | None = None,
        variants: Mapping[str, str] | None = None,
        blind: bool = False,
        stt: SpeechToTextLike = "auto",
        tts: TextToSpeechLike = "auto",
        phrases: Sequence[str] | None = None,
        *,
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
    ) -> None:
        # First, so that an argument that is refused leaves no session running behind the cell.
        close_former(self)
        talk = Talk(
            handler,
            send=weakly(self._to_page),
            on_ended=weakly(self._keep_static),
            log=log,
            parameters=parameters,
            variables=variables,
            environment=environment,
            variants=variants,
            blind=blind,
            stt=stt,
            tts=tts,
            endpointing=endpointing,
            phrases=phrases,
            keep_audio=keep_audio,
            seed=seed,
            input_data=input_data,
            model=model,
            shared_data=shared_data,
            http=http,
            patches=patches,
            limits=limits,
            evaluators=evaluators,
        )
        super().__init__()
        self._talk = talk
        self.key = self.model_id or f"console-{id(self)}"
        self._handles: list[Any] = []
        reach_during_cells(self)
        self.on_msg(_receiver(talk))
        hold_weakly(self)
        # Where nobody closes it: when it is freed, and at the end of the process.
        self._closing = weakref.finalize(self, talk.close)

    @property
    def record(self) -> SessionRecord | None:
        """The last conversation as data, `.to_script()` included; None before the first has ended.

        Of a blind session it is there when it has been rated, or when its question was left unanswered.
        """
        return None if self._talk is None else self._talk.record

    def show(self, record: SessionRecord) -> None:
        """Show a session from elsewhere in the console: its conversation, timeline, events and state.

        It stands in the list of sessions beside those that are held here, and is neither logged nor `record`. While a session
        runs, the console says that it can't be opened.

        Args:
            record: What `vl.run`, `log.session(id)` or another console's `record` gave.

        Raises:
            InputError: record is something else, or the console is closed.
        """
        if not isinstance(record, SessionRecord):
            raise InputError(f"record is {shown(record)}, must be what vl.run or log.session(id) returns.")
        if self._talk is None or not self._closing.alive:
            raise InputError("The console is closed: make another one.")
        self._opened = record
        self._talk.show(record)
        self._keep_static(record)

    def close(self) -> None:
        """End the session and switch the microphone off; what was logged stays."""
        if self._talk is not None:
            self._closing.detach()  # it would keep the talk
            self._talk.close()
        super().close()

    # --- display ---

    def _ipython_display_(self, **options: Any) -> None:
        from IPython.display import display

        bundle: Any = self._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        display({**(data or {}), "text/plain": repr(self)}, raw=True)
        # A copy without the kernel, for a saved notebook: empty until there is something to keep.
        handle = display(_Static(self._static()), display_id=True)
        self._handles += [] if handle is None else [handle]  # there is none without a notebook

    def _repr_mimebundle_(self, **options: Any) -> Any:
        hold_while_shown(self)
        return super()._repr_mimebundle_(**options)

    def _keep_static(self, record: SessionRecord) -> None:
        del record
        for handle in self._handles:
            handle.update(_Static(self._static()))

    def _static(self) -> str:
        record = self.record or self._opened
        body = "" if record is None else record._repr_html_()
        return f"<div class='vl-static-{html.escape(self.key)}'>{body}</div>"

    def __repr__(self) -> str:
        name = "closed" if self._talk is None else self._talk.name
        return f"Console({name}{'' if self.record is None else f', last: {self.record!r}'})"

    def _to_page(self, message: dict[str, Any], buffer: bytes | None = None) -> None:
        self.send(message, None if buffer is None else [buffer])


class _Static:
    def __init__(self, body: str) -> None:
        self._body = body

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return self._body


def _receiver(talk: Talk) -> Callable[[Console, Json, Sequence[memoryview]], None]:
    # A closure over `talk` rather than a method: a bound method would keep the console alive for ever.
    def receive(_: Console, content: Json, buffers: Sequence[memoryview]) -> None:
        talk.receive(content, buffers)

    return receive
