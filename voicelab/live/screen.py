"""What the front end has been told, so that it is told only what is new: events in batches, the state key by key."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from voicelab.live import view
from voicelab.live.call import Call
from voicelab.live.loop import LoopThread
from voicelab.record.lanes import Lanes

Send = Callable[[dict[str, Any], bytes | None], None]

_FLUSH_S = 0.03


class Shows(Protocol):
    """What a screen shows."""

    @property
    def call(self) -> Call | None:
        """The session that is shown: the running one, else the last."""

    @property
    def hidden(self) -> bool:
        """Whether nothing may be shown that tells the variant."""

    def state(self) -> dict[str, Any]:
        """Return the whole state."""


class Screen:
    """Sends a front end what there is to see.

    Args:
        shows: What it shows.
        thread: The loop that everything happens on.
        send: Sends a message and its buffer.
    """

    def __init__(self, shows: Shows, thread: LoopThread, send: Send) -> None:
        self._shows = shows
        self._thread = thread
        self._send = send
        self._known: dict[str, Any] = {}
        self._dirty: set[int] = set()
        self._lanes = Lanes(live=True)
        self._planned = False

    def changed(self, seq: int) -> None:
        """Be told of an event that is new or has changed."""
        self._dirty.add(seq)
        self.refresh()

    def refresh(self) -> None:
        """Send what is new in a moment: many changes are one message. May be called from any thread."""
        if not self._planned:
            self._planned = True
            self._thread.post(lambda: self._thread.loop.call_later(_FLUSH_S, self._flush))

    def show(self, key: str, value: Any) -> None:
        """Send one key of the state at once, from any thread: a handler that blocks the loop can be complained of."""
        if self._known:  # else a page that comes gets everything
            self._known[key] = value
            self._send({"k": "state", "state": {key: value}}, None)

    def forget(self, key: str) -> None:
        """Send a key of the state anew, though the kernel's value is the same."""
        self._known.pop(key, None)
        self.refresh()

    def begin(self) -> None:
        """Forget the events of the session before."""
        self._dirty.clear()
        self._lanes = Lanes(live=True)

    def show_all(self) -> None:
        """Send everything there is."""
        call = self._shows.call
        self.begin()
        self._known = self._shows.state()
        events = [] if call is None else self._news(call, range(len(call.events)))
        now = {"now_s": call.session.now()} if call is not None and self._known["phase"] == "live" else {}
        self._send({"k": "all", "state": self._known, "events": events, **now}, None)

    def _flush(self) -> None:
        self._planned = False
        dirty, self._dirty = sorted(self._dirty), set()
        state = self._shows.state()
        changed = {key: value for key, value in state.items() if self._known.get(key, _NOTHING) != value}
        self._known |= changed
        if changed:
            self._send({"k": "state", "state": changed}, None)
        call = self._shows.call
        if call is not None and (events := self._news(call, dirty)):
            self._send({"k": "events", "events": events, "now_s": call.session.now()}, None)

    def _news(self, call: Call, seqs: Iterable[int]) -> list[dict[str, Any]]:
        """Return these events, and those whose spans of the timeline they change."""
        hidden = {"log", "metric"} if self._shows.hidden else set()
        for seq in seqs:
            if seq < len(call.events):
                event = view.event_of(seq, call.events[seq])
                if event.kind not in hidden:
                    self._lanes.take(event)
        turns = call.session.turns
        if turns.ended is not None:
            self._lanes.end(turns.ended_s)
        return [view.event_view(self._lanes.event(seq), self._lanes.spans(seq)) for seq in self._lanes.changed()]


_NOTHING = object()
