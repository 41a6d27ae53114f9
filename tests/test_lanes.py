"""The timeline of a session: one derivation, the same whole and step by step, drawn by the card and by the console's page."""

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page import Page
from test_turns import session_of
from voicelab.sdk import supply

import voicelab as vl
from voicelab import sdk
from voicelab.base.records import Event
from voicelab.callers.gate import NOT_ALLOWED, NOT_INTERRUPTIBLE, in_words
from voicelab.record.lanes import LANES, Lanes, spans_of
from voicelab.record.session_record import SideBySide
from voicelab.record.svg import svg
from voicelab.session import playback, turns

LOCKED, SPEAKING = (f"closed: {in_words(reason)}" for reason in (NOT_ALLOWED, NOT_INTERRUPTIBLE))


def events_of(*rows):
    """Return events from short rows: time_s, what, data; what is `kind:name`, and `:task` of a task, `@turn` of a turn."""
    events = []
    for seq, (time_s, what, data) in enumerate(rows):
        what, _, turn = what.partition("@")
        kind, name, *task = what.split(":")
        events.append(Event(seq, time_s, int(turn or 0), kind, name, data, bool(task), task[0] if task else None))
    return events


def say(text="x" * 50, **data):
    return {"text": text, **data}


SPEECH, GATE = "output:text_to_speech", "system:input_gate"
# Rows, the length of the session, and what of its spans is looked at: lane -> (kind, from, to, label or cut).
TIMELINES = {
    "speech takes the time that its letters take": (
        [(1.0, SPEECH, say("Hello you."))], {"agent": [("span", 1.0, 1.6, "Hello you.")]},
    ),
    "a measured length counts more than an assumed one": (
        [(1.0, SPEECH, say("Hello", duration_s=2.0))], {"agent": [("span", 1.0, 3.0, "Hello")]},
    ),
    "what was cut ends there, and says how much was lost": (
        [(0.0, SPEECH, say("Hello", duration_s=4.0, played_s=1.5, interrupted=True))],
        {"agent": [("span", 0.0, 1.5, "cut 2.5 s")]},
    ),
    "a loss that nobody measured is about so long": (
        [(0.0, SPEECH, say("x" * 50, speed=2.0, played_s=0.5, interrupted=True))],
        {"agent": [("span", 0.0, 0.5, "cut ≈1.0 s")]},
    ),
    "what was never spoken is a moment and closes nothing": (
        [(2.0, SPEECH, say("Hello", spoken=False, interruptible=False))],
        {"agent": [("mark", 2.0, 2.0, "text to speech")], "gate": []},
    ),
    "sound and silence are played too": (
        [(0.0, "output:audio", {"path": "data:audio/wav;base64,AAAA", "duration_s": 1.0}), (1.0, "output:silence", {"duration": 500})],
        {"agent": [("span", 0.0, 1.0, "plays data:audio/wav;base64,AA…"), ("span", 1.0, 1.5, "pause")]},
    ),
    "typed words are a moment": (
        [(3.0, "input:text@1", say("hi", source="text"))], {"caller": [("mark", 3.0, 3.0, "hi")]},
    ),
    "spoken words end as they arrive, and have taken the time of their letters": (
        [(3.0, "input:text@1", say("x" * 20, source="speech"))], {"caller": [("span", 1.8, 3.0, "x" * 20)]},
    ),
    "words that interrupted begin where they did": (
        [(2.0, "system:turn_interrupted", {}), (3.0, "input:text@1", say("wait", source="speech"))],
        {"caller": [("span", 2.0, 3.0, "wait")], "agent": [("mark", 2.0, 2.0, "")]},
    ),
    "words on the telephone were as long as their sound": (
        [(3.0, "input:text@1", say("wait", source="speech", audio_s=0.8))], {"caller": [("span", 2.2, 3.0, "wait")]},
    ),
    "recognised words end before the silence that ended the turn": (
        [
            (5.0, "system:recognition", {"audio_s": 2.0, "recognition_s": 0.5}),
            (5.0, "input:text@1", say("hello", source="speech")),
            (6.0, "system:latency@1", {"recognition_ms": 400.0, "end_of_turn_ms": 600.0}),
        ],
        {"caller": [("span", 2.6, 4.0, "hello")]},
    ),
    "without a latency the recogniser's own time counts": (
        [(5.0, "system:recognition", {"audio_s": 2.0, "recognition_s": 0.5}), (5.0, "input:text@1", say("hello", source="speech"))],
        {"caller": [("span", 2.5, 4.5, "hello")]},
    ),
    "what was said is shown, not what was misheard": (
        [(3.0, "input:text@1", say("bye", source="text", said="buy"))], {"caller": [("mark", 3.0, 3.0, "buy")]},
    ),
    "keys and silences are moments": (
        [(1.0, "input:dtmf@1", {"digits": "7"}), (9.0, "input:timeout@2", {"count": 2})],
        {"caller": [("mark", 1.0, 1.0, "key 7"), ("mark", 9.0, 9.0, "silence 2")]},
    ),
    "a task lasts from its first event to its last": (
        [(1.0, "log:log:look up", {"message": "a"}), (4.0, "log:log:look up", {"message": "b"})],
        {"tasks": [("span", 1.0, 4.0, "look up"), ("tick", 1.0, 1.0, ""), ("tick", 4.0, 4.0, "")], "log": []},
    ),
    "the same name in another turn is another task": (
        [(1.0, "log:log:look up@1", {}), (4.0, "log:log:look up@2", {})],
        {"tasks": [("span", 1.0, 1.0, "look up"), ("tick", 1.0, 1.0, ""), ("span", 4.0, 4.0, "look up"), ("tick", 4.0, 4.0, "")]},
    ),
    "a task that speaks is heard": (
        [(1.0, f"{SPEECH}:look up", say("Found", duration_s=1.0))],
        {"agent": [("span", 1.0, 2.0, "Found")], "tasks": [("span", 1.0, 1.0, "look up"), ("tick", 1.0, 1.0, "")]},
    ),
    "an error stands where it happened": (
        [(1.0, "output:error", {"message": "boom"}), (2.0, "output:error:look up", {"message": "lost"})],
        {"agent": [("mark", 1.0, 1.0, "error")], "tasks": [("span", 2.0, 2.0, "look up"), ("tick", 2.0, 2.0, "error")]},
    ),
    "the gate is closed from row to row": (
        [(1.0, GATE, {"allowed": False, "reason": NOT_INTERRUPTIBLE}), (3.0, GATE, {"allowed": True})],
        {"gate": [("span", 1.0, 3.0, SPEAKING)], "log": []},
    ),
    "another reason is another span": (
        [
            (1.0, GATE, {"allowed": False, "reason": NOT_INTERRUPTIBLE}),
            (2.0, GATE, {"allowed": False, "reason": NOT_ALLOWED}),
            (4.0, GATE, {"allowed": True}),
        ],
        {"gate": [("span", 1.0, 2.0, SPEAKING), ("span", 2.0, 4.0, LOCKED)]},
    ),
    "in a log that doesn't say so words that come in open it": (
        [(1.0, GATE, {"allowed": False, "reason": NOT_ALLOWED}), (5.0, "input:text@1", say("hi", source="text"))],
        {"gate": [("span", 1.0, 5.0, LOCKED)]},
    ),
    "a gate that is opened at once was not closed": (
        [(1.0, GATE, {"allowed": False, "reason": NOT_ALLOWED}), (1.0, GATE, {"allowed": True})], {"gate": []},
    ),
    "a gate that stays closed is closed to the end": (
        [(1.0, GATE, {"allowed": False, "reason": NOT_ALLOWED})], {"gate": [("span", 1.0, 10.0, LOCKED)]},
    ),
    "words that wait stand at the gate": (
        [(1.0, "system:input_held", {"reason": NOT_ALLOWED})], {"gate": [("tick", 1.0, 1.0, "")]},
    ),
    "logs and metrics have a lane": (
        [(1.0, "log:log", {"message": "hi"}), (2.0, "metric:metrics.gauge.n", {"value": 1}), (3.0, "system:turn_end", {})],
        {"log": [("mark", 1.0, 1.0, "hi"), ("mark", 2.0, 2.0, "metrics.gauge.n"), ("mark", 3.0, 3.0, "")]},
    ),
    "turns begin with their first event that is no task's": (
        [(0.0, "input:start", {}), (0.5, "log:log:t@1", {}), (1.0, "input:text@1", say("a", source="text")), (2.0, "system:turn_end@1", {})],
        {"turns": [("turn", 0.0, 0.0, "T0"), ("turn", 1.0, 1.0, "T1")]},
    ),
    "rows of other systems may lack anything": (
        [(1.0, SPEECH, {}), (2.0, "output:audio", {}), (3.0, "output:silence", {"duration": "long"}), (4.0, "input:text@1", {}),
         (5.0, "input:dtmf", {}), (6.0, "system:input_gate", {}), (7.0, "output:error", {}), (8.0, SPEECH, {"interrupted": True, "played_s": None})],
        {"caller": [("mark", 4.0, 4.0, ""), ("mark", 5.0, 5.0, "key ")]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TIMELINES)
def test_of_events_there_are_these_spans(name):
    rows, wanted = TIMELINES[name]
    found = spans_of(events_of(*rows), 10.0)
    for lane, spans in wanted.items():
        seen = [(s.kind, s.start_s, s.end_s, s.cut or s.label) for s in found if s.lane == lane]
        assert [(kind, pytest.approx(start), pytest.approx(end), text) for kind, start, end, text in spans] == seen


def test_tasks_at_the_same_time_stand_in_rows_and_the_first_free_one_is_taken():
    times = {"a": (0, 5), "b": (1, 2), "c": (3, 9), "d": (4, 4.5), "e": (6, 7)}
    rows = sorted((at, f"log:log:{task}", {}) for task, pair in times.items() for at in pair)
    bars = {s.label: s.row for s in spans_of(events_of(*rows), 10.0) if (s.lane, s.kind) == ("tasks", "span")}
    assert bars == {"a": 0, "b": 1, "c": 1, "d": 2, "e": 0}


# --- step by step ---

_events = st.lists(
    st.tuples(
        st.sampled_from([
            SPEECH, f"{SPEECH}:t", "log:log:t", "log:log:u", "output:input_allowed", "system:input_gate", "system:turn_end",
            "input:text", "system:recognition", "system:latency", "system:turn_interrupted", "output:input_allowed:t",
        ]),
        st.floats(0, 3),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, {"duration_s": 2.0}, {"played_s": 0.5, "interrupted": True}, {"spoken": False}]),
    ),
    max_size=25,
)  # fmt: skip


@given(_events)
def test_what_is_sent_step_by_step_is_in_the_end_what_the_whole_gives(drawn):
    rows, time_s = [], 0.0
    for what, wait_s, flag, other, _ in drawn:
        time_s += wait_s
        data = {"text": "hello", "source": "speech", "allowed": flag, "interruptible": other, "audio_s": 0.5}
        rows.append((time_s, f"{what}@{len(rows) // 3}", data | {"recognition_ms": 100, "end_of_turn_ms": 50}))
    events, shown = events_of(*rows), {}
    lanes = Lanes(live=True)

    def show():
        shown.update({seq: lanes.spans(seq) for seq in lanes.changed()})

    for event, (*_, amended) in zip(events, drawn, strict=True):
        lanes.take(event)
        show()
        if amended and event.name == "text_to_speech":
            event.data.update(amended)
            lanes.take(event)
            show()
    lanes.end(time_s)
    show()
    assert [span for seq in sorted(shown) for span in shown[seq]] == spans_of(events, time_s)


def test_an_event_changes_few_spans_however_long_the_session_is():
    rows = [
        row
        for turn in range(500)
        for row in [
            (2.0 * turn, f"input:text@{turn}", say("hi", source="speech")),
            (2.0 * turn, f"{GATE}@{turn}", {"allowed": False, "reason": NOT_ALLOWED}),
            (2.0 * turn, f"{SPEECH}@{turn}", say(duration_s=1.0, interruptible=False)),
            (2.0 * turn + 0.5, f"log:log:look up@{turn}", {"message": "at work"}),
            (2.0 * turn + 1.0, f"{GATE}@{turn}", {"allowed": True}),
        ]
    ]
    lanes, most = Lanes(live=True), 0
    for event in events_of(*rows):
        lanes.take(event)
        most = max(most, len(lanes.changed()))
    assert most <= 3


def test_what_plays_has_no_end_until_the_kernel_knows_it():
    (speech,) = events_of((1.0, SPEECH, say("Hello", interruptible=False)))
    lanes = Lanes(live=True)
    lanes.take(speech)
    assert [(s.lane, s.end_s) for s in lanes.spans(0) if s.kind == "span"] == [("agent", None)]
    speech.data["duration_s"] = 2.5
    lanes.take(speech)
    assert lanes.changed() == [0]
    assert [s.end_s for s in lanes.spans(0) if s.kind == "span"] == [3.5]


async def talker(event, context):
    async def look_up():
        yield sdk.LogEvent("looking")

    if event.name == "start":
        context.create_task(look_up(), name="look up")
        yield supply("InputAllowedEvent")(False)
        yield sdk.TextToSpeechEvent(text="Hello <b>there</b>, how may I help you today?", voice="nova")
    elif event.name == "text":
        yield sdk.TextToSpeechEvent(
            text="Certainly, one moment please, I will look.", voice="nova", interruptible=False
        )
    elif event.name == "timeout":
        yield sdk.TextToSpeechEvent(text="Are you still there? I can wait for you.", voice="nova")


def test_the_saved_picture_is_the_live_one():
    page = Page(talker)
    try:
        page.connect(2.0)
        page.say("hi", 3)
        page.run(12)
        page.say("yes", 0.5)
        page.hang_up()
        record = page.talk.record
        live = [span for seq in sorted(page.events) for span in page.events[seq]["spans"]]
        saved = spans_of(record.events, record.duration_s)
        assert [(s["lane"], s["tone"], s["label"], s["cut"]) for s in live] == [
            (s.lane, s.tone, s.label, s.cut) for s in saved
        ]
        for shown, span in zip(live, saved, strict=True):
            assert (shown["start_s"], shown["end_s"]) == pytest.approx((span.start_s, span.end_s), abs=0.001)
        told = len(page.sent)
        page.give(k="hello")
        page.run(0.1)
        assert page.sent[told][0]["events"] == [page.events[seq] for seq in sorted(page.events)]
    finally:
        page.close()


# --- the gate ---


@pytest.mark.parametrize(
    ("allowed", "interruptible", "reason"),
    [(True, True, ""), (True, False, NOT_INTERRUPTIBLE), (False, True, NOT_ALLOWED), (False, False, NOT_ALLOWED)],
)
def test_turn_taking_closes_the_gate_for_the_reason_that_all_name(allowed, interruptible, reason):
    s = session_of()
    s.deliver = lambda *_: None
    turns.begin_conversation(s, "start")
    playback.enqueue(s, 0.0, 0, "words", 1.0, interruptible)
    turns.allow(s, 0.0, allowed)
    assert playback.gate(s, 0.0) == reason
    assert s.gate == reason, "what the log says"


def test_the_gate_is_open_as_soon_as_the_handler_has_finished():
    record = vl.run(talker, [vl.interrupt("stop", after_s=1.0)])
    closed = [s for s in spans_of(record.events, record.duration_s) if s.lane == "gate" and s.kind == "span"]
    assert [span.label for span in closed] == [SPEAKING], "the handler let no input in and in again at one instant"
    gates = [(event.time_s, event.data["allowed"]) for event in record.events if event.name == "input_gate"]
    speech = next(event for event in record.events if event.data.get("interruptible") is False)
    assert gates[:2] == [(0.0, False), (0.0, True)]
    assert gates[2:] == [(speech.time_s, False), (closed[0].end_s, True)]
    assert "input_gate" not in str(record)


# --- the picture ---


def test_the_picture_draws_every_span_that_can_be_told_apart():
    record = vl.run(talker, [vl.interrupt("stop", after_s=1.0), "yes", vl.press("1")])
    spans = [span for span in spans_of(record.events, record.duration_s) if span.kind != "turn"]
    drawn = re.findall(r"<title>([^<]*)</title>", svg(record.events, record.duration_s))
    bars = Counter(f"{s.start_s:.2f}" for s in spans if s.kind == "span")
    assert bars - Counter(title.split(" s: ")[0] for title in drawn) == Counter()
    places = {(s.lane, s.row, s.kind == "span" and s.start_s, s.start_s, s.tone == "error") for s in spans}
    assert len(drawn) >= 0.8 * len(places)


def test_a_mark_at_the_end_is_labelled_inside_the_picture():
    ends = ((8.4, "output:error", {}), (9.0, "output:transfer_session", {}))
    drawing = svg(events_of((0.0, "input:start", {}), *ends), 9.0)
    assert re.search(r"text-anchor='end'[^>]*>transfer session<", drawing)
    assert ">err" not in drawing, "the last label stands there"
    assert re.search(r"<text x='[^']*' y='[^']*' opacity='.75'>start<", drawing)


def test_labels_at_the_end_lie_beside_one_another_and_ticks_above_a_tasks_name():
    rows = [(8.55, "input:timeout", {"count": 2}), (9.0, "input:stop", {}), (9.0, "log:log:look_up", {"message": "a"})]
    drawing = svg(events_of((0.0, "input:start", {}), *rows), 9.0)
    silence, stop = (re.search(rf"<text x='([\d.]+)' y[^>]*>({word}[^<]*)<", drawing) for word in ("s[il]+", "stop"))
    assert float(silence[1]) + 6 * len(silence[2]) < float(stop[1])
    (tick,) = re.findall(r"d='M[\d.]+ ([\d.]+)h2v5h-2z'", drawing)
    name = re.search(r"y='([\d.]+)'[^>]*>look_up<", drawing)
    assert float(tick) + 5 <= float(name[1]) - 8


def test_a_mark_where_speech_begins_keeps_its_label():
    drawing = svg(
        events_of(
            (0.0, "output:text_to_speech", {"text": "You are booked", "duration_s": 4.0}),
            (0.0, "output:stop", {}),
            (5.0, "output:text_to_speech", {"text": "Goodbye", "duration_s": 1.0}),
        ),
        6.0,
    )
    assert ">stop</text>" in drawing


def test_the_drawing_is_escaped_and_named():
    drawing = vl.run(talker, ["<script>alert(1)</script>"])._repr_html_()
    assert "<script>" not in drawing
    assert "aria-label='Timeline of the session" in drawing
    assert all(f">{lane.capitalize()}<" in drawing for lane in LANES)


def test_lanes_that_hold_nothing_are_not_drawn():
    drawing = svg(events_of((0.0, "input:start", {}), (9.0, "input:stop", {})), 9.0)
    assert [lane for lane in LANES if f">{lane.capitalize()}<" in drawing] == ["caller", "agent"]
    assert ">open<" not in drawing


def test_an_errors_cross_stands_on_no_tasks_name():
    rows = [(1.0 + at, "log:debug", {"message": "m"}) for at in range(8)]
    events = [
        *events_of((0.0, "input:start", {}), (20.0, "input:stop", {})),
        *(replace(event, seq=event.seq + 2, task_name="place_order", background=True) for event in events_of(*rows)),
        Event(20, 1.0, 0, "system", "error", {"message": "no"}, True, "place_order"),
    ]
    drawing = svg(events, 20.0)
    cross = float(re.search(r"d='M([\d.]+) [\d.]+l1.2", drawing)[1])
    name = float(re.search(r"<text x='([\d.]+)'[^>]*>place_order<", drawing)[1])
    assert name >= cross + 4


def test_records_side_by_side_have_their_timelines_below_each_other_on_one_scale():
    both = SideBySide({"short": vl.run(talker, []), "long": vl.run(talker, ["yes", "yes", "yes"])})
    page = both._repr_html_()
    drawings = page.split("<svg")[1:]
    axes = [re.findall(r"<text x='([\d.]+)' [^>]*>(\d+ s)</text>", drawing) for drawing in drawings]
    assert len(axes) == 2
    assert axes[0] == axes[1]
    # Wide, not in the columns of the conversations; and never so narrow that letters are too small.
    assert page.index("<svg") > page.rindex("role='log'")
    assert all("min-width:720px" in drawing for drawing in drawings)


@pytest.mark.parametrize("seconds", [0.05, 3, 65, 4000])
def test_the_axis_has_a_handful_of_marks(seconds):
    event = Event(0, 0.0, 0, "output", "text_to_speech", {"text": "x", "duration_s": seconds})
    marks = re.findall(r">([\d.]+) s</text>", svg([event], seconds))
    assert 1 <= len(marks) <= 14


def test_a_session_of_thousands_of_events_is_a_small_picture():
    rows = [(0.01 * at, "metric:metrics.gauge.n", {"value": at}) for at in range(5000)]
    assert len(svg(events_of(*rows), 50.0)) < 100_000


def test_nothing_is_drawn_of_a_session_without_anything_to_draw():
    assert svg([], 0.0) == ""
