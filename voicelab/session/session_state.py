"""The state of one session: all of it in one place, changed by the functions of the other modules, each part by its own.

It has no methods. Who reads it finds here what there is; `turns`, `caller`, `agent`, `early_end` and `engine` say what
becomes of it. Times are seconds since the session began.
"""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from voicelab.session.utterance import NEVER, Cut, Utterance

if TYPE_CHECKING:
    import asyncio

    from voicelab.base.records import Aside, EventRow, Row
    from voicelab.base.seeds import Seeds
    from voicelab.callers.actions import Action, Recognised, Unheard
    from voicelab.callers.protocol import Conversation
    from voicelab.runtime.clock import Clock
    from voicelab.runtime.context import Services, SessionContext
    from voicelab.runtime.cpu_limit import Guard
    from voicelab.runtime.driving import Work
    from voicelab.runtime.sdk import Event
    from voicelab.runtime.tracebacks import UsersLine
    from voicelab.session.inputs import Given
    from voicelab.session.run_settings import RunSettings
    from voicelab.session.surroundings import SoundPath, Surroundings, Voice

_NONE: Mapping[str, bool] = {}
_Arrival = tuple[float, "Action | Recognised | Unheard | None"]


class Session:
    """One conversation between a caller and a handler.

    Args:
        settings: What all sessions of the run have in common.
        clock: The session's clock, at 0.
        seeds: The session's streams of chance.
        conversation: The caller in this session.
        index: Index of the session in its run.
        session_id: The session's id.
        caller: Name of the caller.
        surroundings: What lies between caller and agent; None for nothing.
        parameters: What the handler reads with `get_data`.
        run_tests: Tests that have been stopped, as the SDK's `runTest`.
        telephone: Makes sound of the caller's words; None where they are text.
        services: Answers in the place of services; None where nothing does.
        voice: Plays what the agent says, and says when; None where it takes the time that its letters take.
        events: Takes the rows of the table `events`; None for a plain list.

    Attributes:
        turn: The present turn; -1 before the first.
        running: Whether the handler works on an input, and is still listened to.
        queue: What the agent is saying, and what waits behind it.
        said: What has been played of a turn since it was last reported, and of which turn (`said_turn`).
        open: The turns that have not ended, and when each began.
        silent_since: When everything had been played, None while something plays or the handler works.
        speaking: Whether the caller has begun to speak, and the words are still to come.
        allowed: Whether the agent lets the caller's input in.
        gate: Why the caller's words can't come in, as the log says so far; empty while they can.
        gate_due: When that changes because something has been played.
        held: The caller's words and keys that wait for the gate; `signals`: what waits for the handler.
        timeouts: Silences in a row that the handler was told of.
        last_input_s: When the caller was last heard.
        last_cut: What was cut last, where a voice may still say how much of it was heard.
        heard_of_interrupted: What was heard of the turn that was interrupted, for the next input; else None.
        ending: The status with which the session ends once all has been played; None if it goes on.
        ended: The status with which the conversation has ended (at `ended_s`), or None.

        heard: What was heard of the agent since the caller's last words.
        answered: Whether the agent has spoken or worked since the caller was last asked.
        plan: What the caller means to do in the agent's silence, at `plan_at`; None there means to be asked again.
        saying: What is being said, each with the time at which it reaches the agent.
        timed: What happens at fixed times.
        cut_in_at: When the caller cuts in on what the agent says now.

        inbox: Inputs that the handler has not taken yet.
        answering: Whether the handler's code is under way, listened to or not.
        cut: Whether what it yields is not wanted any more.
        stream: What it answered with last: its generator, or a coroutine.
        work: The guard around it while it waits; None else.
        terminal: Whether the conversation is over, and the handler cleans up.
        limit_s: When the conversation, or the cleanup, has lasted too long.
        outputs_left: What it may still put out.

        events, metrics, exposures, aside: The rows.
        n_errors, error: How many errors, and the first one's message.
        put: Takes a row, and masks it where there is anything to mask.
        chars_left: Characters of text that it may still write.
        problems: A sentence for each part that has no text; `trouble`: nobody has looked at these, or at the text, yet.
    """

    __slots__ = (
        "allowed",
        "answered",
        "answering",
        "aside",
        "asked",
        "caller_name",
        "chars_left",
        "clock",
        "context",
        "conversation",
        "cpu_place",
        "cut",
        "cut_in_at",
        "deliver",
        "ended",
        "ended_s",
        "ending",
        "error",
        "events",
        "exposures",
        "function",
        "gate",
        "gate_due",
        "grace_s",
        "guard",
        "heard",
        "heard_of_interrupted",
        "held",
        "host",
        "inbox",
        "index",
        "interrupts_after",
        "is_limited",
        "is_over_cpu",
        "is_plain",
        "is_unwritable",
        "is_virtual",
        "last_cut",
        "last_input_s",
        "limit_s",
        "loop",
        "masker",
        "metrics",
        "n_errors",
        "now",
        "open",
        "outputs_left",
        "parameters",
        "plan",
        "plan_at",
        "printed",
        "problems",
        "put",
        "queue",
        "reply",
        "run_tests",
        "running",
        "said",
        "said_turn",
        "saying",
        "seeds",
        "services",
        "session_id",
        "settings",
        "signals",
        "silent_since",
        "speaking",
        "status",
        "stop_handler",
        "stream",
        "surroundings",
        "task",
        "telephone",
        "terminal",
        "timed",
        "timeout_s",
        "timeouts",
        "transcript",
        "trouble",
        "turn",
        "voice",
        "work",
    )

    def __init__(  # noqa: PLR0915 - one statement for each part of the state
        self,
        settings: "RunSettings",
        clock: "Clock",
        seeds: "Seeds",
        conversation: "Conversation",
        *,
        index: int = 0,
        session_id: str = "",
        caller: str = "script",
        surroundings: "Surroundings | None" = None,
        parameters: Mapping[str, Any] | None = None,
        run_tests: Mapping[str, bool] | None = None,
        telephone: "SoundPath | None" = None,
        services: "Services | None" = None,
        voice: "Voice | None" = None,
        events: "list[EventRow] | None" = None,
    ) -> None:
        # What it is made of.
        self.settings = settings
        self.clock = clock
        self.now = clock.now
        self.seeds = seeds
        self.index = index
        self.session_id = session_id
        self.caller_name = caller
        self.conversation = conversation
        self.surroundings = surroundings
        self.parameters = parameters
        self.is_plain = telephone is None and (surroundings is None or not surroundings.mishears)
        self.is_virtual = clock.virtual
        self.run_tests = run_tests or _NONE
        self.telephone = telephone
        self.services = services
        self.voice = voice

        # Who has the floor.
        self.turn = -1
        self.running = False
        self.queue: list[Utterance] = []
        self.said: list[str] = []
        self.said_turn = 0
        self.open: dict[int, float] = {}
        self.silent_since: float | None = None
        self.speaking = False
        self.allowed = True
        self.gate = ""
        self.gate_due = NEVER
        self.held: list[Given] = []
        self.signals: list[Given] = []
        self.timeouts = 0
        self.timeout_s = settings.timeout_s or NEVER
        self.last_input_s = 0.0
        self.last_cut: Cut | None = None
        self.heard_of_interrupted: str | None = None
        self.ending: str | None = None
        self.ended: str | None = None
        self.ended_s = 0.0

        # What the caller is about to do.
        self.reply = conversation.reply
        self.interrupts_after = conversation.interrupts_after
        self.heard: list[str] = []
        self.answered = True
        self.plan: Action | None = None
        self.plan_at = NEVER
        self.saying: list[_Arrival] = []
        timed = getattr(conversation, "timed", ())
        self.timed: list[tuple[float, Action]] = [(at.time_s, at.input) for at in timed] if timed else []
        self.cut_in_at = NEVER

        # What the handler is at.
        self.function = settings.function
        self.inbox: list[Event] = []
        self.transcript: list[dict[str, Any]] = []
        self.answering = self.cut = self.terminal = False
        self.stream: AsyncIterable[object] | Awaitable[object] | None = None
        self.work: Work | None = None
        self.grace_s = 0.0
        self.limit_s = settings.limits.conversation_s
        self.outputs_left = settings.limits.outputs
        # What turn-taking has others do: it knows neither the SDK nor the event loop.
        self.deliver: Callable[[Session, float, Given, str | None], None]
        self.stop_handler: Callable[[Session], None]

        # What ends it before its time.
        self.guard: Guard | None = None
        self.is_limited = self.is_over_cpu = self.is_unwritable = False
        self.cpu_place: UsersLine | None = None
        self.status: str | None = None

        # Its rows.
        self.events: list[EventRow] = [] if events is None else events
        self.metrics: list[Row] = []
        self.exposures: list[Row] = []
        self.aside: list[Aside] = []
        self.n_errors = 0
        self.error: str | None = None
        self.masker = settings.masker
        self.put: Callable[[EventRow], object] = self.events.append
        self.chars_left = settings.limits.text_chars
        self.problems: list[str] = []
        self.trouble = False
        self.printed: list[str] = []
        self.asked: dict[str, str] = {}

        # Set while it runs.
        self.context: SessionContext
        self.host: Any  # `host.SessionHost`, which imports this
        self.task: asyncio.Task[Any]
        self.loop: asyncio.AbstractEventLoop
