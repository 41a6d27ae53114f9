"""What the front end has been told, so that it is told only what is new: events in batches, the state key by key."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from voicelab.base.accepted_types import Json
from voicelab.base.records import EventRow, PortabilityNote, Row
from voicelab.live import page_data
from voicelab.live.loop import LoopThread
from voicelab.record.lanes import Lanes
from voicelab.record.why import Reasons

Send = Callable[[dict[str, Any], bytes | None], None]

_FLUSH_S = 0.03


class ShownSession(Protocol):
    """A session that is shown, running or ended."""

    @property
    def events(self) -> list[EventRow]:
        """Its events so far."""

    @property
    def exposures(self) -> Sequence[Row]:
        """The tests that it reached."""

    @property
    def now_s(self) -> float:
        """Its time, in seconds."""

    @property
    def ended_s(self) -> float | None:
        """When it ended; None while it runs."""

    @property
    def known_notes(self) -> Sequence[PortabilityNote]:
        """Its portability notes."""


class PageSource(Protocol):
    """What a screen shows."""

    @property
    def shown(self) -> ShownSession | None:
        """The session that is shown: the running one, else one that has ended."""

    @property
    def hidden(self) -> bool:
        """Whether nothing may be shown that tells the variant."""

    def state(self) -> dict[str, Any]:
        """Return the whole state."""


class PageUpdates:
    """Sends a front end what there is to see.

    Args:
        source: What it shows.
        thread: The loop that everything happens on.
        send: Sends a message and its buffer.
    """

    def __init__(self, source: PageSource, thread: LoopThread, send: Send) -> None:
        self._source = source
        self._thread = thread
        self._send = send
        self._sent: dict[str, Any] = {}
        self._changed: set[int] = set()
        self._lanes, self._reasons = Lanes(live=True), Reasons()
        self._will_send = False

    def event_changed(self, seq: int) -> None:
        """Be told of an event that is new or has changed."""
        self._changed.add(seq)
        self.send_soon()

    def send_soon(self) -> None:
        """Send what is new in a moment: many changes are one message. May be called from any thread."""
        if not self._will_send:
            self._will_send = True
            self._thread.post(lambda: self._thread.loop.call_later(_FLUSH_S, self._flush))

    def send_now(self, key: str, value: Json) -> None:
        """Send one key of the state at once, from any thread: a handler that blocks the loop can be complained of."""
        if self._sent:  # else a page that comes gets everything
            self._sent[key] = value
            self._send({"k": "state", "state": {key: value}}, None)

    def send_anew(self, key: str) -> None:
        """Send a key of the state anew, though the kernel's value is the same."""
        self._sent.pop(key, None)
        self.send_soon()

    def forget_events(self) -> None:
        """Forget the events of the session before."""
        self._changed.clear()
        self._lanes, self._reasons = Lanes(live=True), Reasons()

    def send_all(self) -> None:
        """Send everything there is."""
        shown = self._source.shown
        self.forget_events()
        self._sent = self._source.state()
        events = [] if shown is None else self._with_spans(shown, range(len(shown.events)))
        now = {"now_s": shown.now_s} if shown is not None and self._sent["phase"] == "live" else {}
        self._send({"k": "all", "state": self._sent, "events": events, **now}, None)

    def _flush(self) -> None:
        self._will_send = False
        seqs, self._changed = sorted(self._changed), set()
        state = self._source.state()
        changed = {key: value for key, value in state.items() if self._sent.get(key, _NOTHING) != value}
        self._sent |= changed
        if changed:
            self._send({"k": "state", "state": changed}, None)
        shown = self._source.shown
        if shown is not None and (events := self._with_spans(shown, seqs)):
            self._send({"k": "events", "events": events, "now_s": shown.now_s}, None)

    def _with_spans(self, shown: ShownSession, seqs: Iterable[int]) -> list[dict[str, Any]]:
        """Return these events, and those whose spans of the timeline they change."""
        hidden = {"log", "metric"} if self._source.hidden else set()
        for seq in seqs:
            if seq < len(shown.events):
                event = page_data.event_of(seq, shown.events[seq])
                if event.kind not in hidden:
                    self._lanes.take(event)
                    self._reasons.take(event)
        if shown.ended_s is not None:
            self._lanes.end(shown.ended_s)
        return [
            page_data.event_view(self._lanes.event(seq), self._lanes.spans(seq), self._reasons.why(seq))
            for seq in self._lanes.changed()
        ]


_NOTHING = object()
