"""A live conversation, in virtual time: what a person does, what a page is told, what is logged."""

import base64
import gc
import sys
from collections import Counter

import numpy as np
import pytest
from page import Page, played_until
from voicelab.sdk import supply

import voicelab as vl
from voicelab import sdk, speech
from voicelab.base.errors import InputError, LogError
from voicelab.live.talk import Talk

TTS = sdk.TextToSpeechEvent


async def echo(event, context):
    if event.name == "start":
        context.add_outcome("done", "boolean")
        yield TTS(text="Hello there.", voice="nova")
    elif event.name == "text":
        context.set_data("last", event.data["text"])
        yield TTS(text=f"You said {event.data['text']}.", voice="nova")
    elif event.name == "dtmf":
        yield TTS(text=f"Key {event.data['digits']}.", voice="nova")
    elif event.name == "timeout":
        yield TTS(text=f"Still there? {event.data['count']}", voice="nova")
    elif event.name == "order":
        yield TTS(text=f"Order {event.data['item']}.", voice="nova")


async def greeter(event, context):
    if event.name == "start":
        context.add_outcome("liked", "boolean")
        stop = {"max_iterations": 100, "target_outcome": "liked", "default": "warm"}
        variant = context.add_test("greeting", {"warm": 0.5, "cold": 0.5}, stop=stop)
        context.set_data("variant", variant)
        print("drawn:", variant)
        yield TTS(text="Good day." if variant == "cold" else "Hello, so glad you called!", voice="nova")


@pytest.fixture
def page_of():
    pages = []

    def make(handler, **options):
        pages.append(Page(handler, **options))
        return pages[-1]

    yield make
    for page in pages:
        page.close()


# --- typing, keys, events ---


def test_a_typed_conversation_is_shown_and_recorded(page_of):
    page = page_of(echo).connect(3)
    assert page.state["phase"] == "live"
    page.say("hi", 4)
    page.hang_up()
    assert page.lines("caller") == ["hi"]
    assert page.lines("agent") == ["Hello there.", "You said hi."]
    assert page.state["phase"] == "ended"
    assert page.state["status"] == "hangup"
    assert page.state["data"] == {"last": "hi"}
    record = page.talk.record
    assert (record.source, record.caller, record.status) == ("typed", "person", "hangup")
    assert page.records[-1].session_id == record.session_id
    assert record.to_script()[0] == vl.run(echo, ["hi", vl.hang_up()]).to_script()[0]


def test_what_is_typed_at_once_comes_behind_the_opening(page_of):
    page = page_of(echo)
    page.give(k="connect")
    page.give(k="say", text="hi")
    page.run(5)
    names = [(event["name"], event["turn"]) for event in page.events.values() if event["kind"] == "input"]
    assert names[:2] == [("start", 0), ("text", 1)]
    assert page.lines("agent")[-1] == "You said hi."


# --- typed words wait until the agent has spoken ---


def test_typed_words_wait_one_after_the_other_until_the_agent_has_spoken(page_of):
    page = page_of(echo)
    page.give(k="connect")
    page.say("first", 0.1)  # before the agent's first sound
    page.say("second", 0.3)
    assert [words["text"] for words in page.state["waiting"]] == ["first", "second"]
    page.give(k="hello", engine="another view")
    page.run(0.1)
    assert page.kinds("all")[-1]["state"]["waiting"] == page.state["waiting"]
    page.run(4)
    spoken = page.named("text_to_speech")
    assert [event["data"]["text"] for event in spoken] == ["Hello there.", "You said first.", "You said second."]
    assert not any(event["data"].get("interrupted") for event in spoken)
    said = page.named("text")
    assert [event["time_s"] for event in said] == pytest.approx([played_until(event) for event in spoken[:2]], abs=0.05)
    assert page.state["waiting"] == []
    page.run(1)
    page.say("third", 0.1)  # the agent is silent: there is nothing to wait for
    assert page.lines("caller")[-1] == "third"


def test_words_that_wait_can_be_said_at_once_or_taken_back_and_keys_interrupt(page_of):
    page = page_of(echo).connect(0.2)
    for text in ("never", "now", "later"):
        page.say(text, 0.04)
    numbers = {words["text"]: words["number"] for words in page.state["waiting"]}
    page.give(k="take_back", number=numbers["never"])
    page.give(k="say_now", number=numbers["now"])
    page.give(k="say_now", number=numbers["now"])  # pressed twice: it doesn't wait any more
    page.run(0.1)
    assert page.named("text_to_speech")[0]["data"]["interrupted"]
    assert [words["text"] for words in page.state["waiting"]] == ["later"]
    page.run(0.3)
    page.give(k="key", digit="7")
    page.run(6)
    assert page.named("text_to_speech")[1]["data"]["interrupted"]
    assert page.lines("caller") == ["now", "later"]
    assert page.lines("agent")[-2:] == ["Key 7.", "You said later."]


def test_words_that_still_wait_when_the_conversation_ends_are_told_of(page_of):
    async def short(event, context):
        if event.name == "start":
            yield TTS(text="Goodbye for today, and thank you.", voice="nova")
            yield sdk.StopEvent()

    page = page_of(short).connect(0.3)
    page.say("wait a moment", 40)
    assert page.state["phase"] == "ended"
    assert page.message == "Not said, for the conversation ended first: “wait a moment”"
    assert page.lines("caller") == page.state["waiting"] == []


async def announcer(event, context):
    async def announce():
        yield TTS(text="By the way, this is news.", voice="nova")

    if event.name == "start":
        yield TTS(text="Hello.", voice="nova")
    elif event.name == "text" and event.data["text"] == "go":
        context.create_task(announce(), name="announce")
    elif event.name == "text":
        yield TTS(text=f"You said {event.data['text']}.", voice="nova")


def test_what_is_typed_over_a_background_tasks_speech_waits_for_its_end(page_of):
    page = page_of(announcer).connect(3)
    page.say("go", 0.3)
    page.say("and then", 6)
    news = next(event for event in page.named("text_to_speech") if event["background"])
    assert not news["data"].get("interrupted")
    assert page.named("text")[-1]["time_s"] == pytest.approx(played_until(news), abs=0.05)


# --- earlier sessions, scripts, what the next one is given ---


def test_earlier_sessions_stay_and_each_can_be_opened_replayed_and_kept(page_of):
    page = page_of(greeter).connect(3)
    page.say("hello you", 1)
    page.hang_up()
    first = dict(page.events)
    page.give(k="new")
    page.run(3)
    page.give(k="open", session=1)
    page.run(0.1)
    assert page.message.startswith("A session is running: hang up first")
    page.hang_up()
    entries = page.state["sessions"]
    assert [(entry["number"], entry["status"], entry["opening"]) for entry in entries] == [
        (1, "hangup", "hello you"), (2, "hangup", ""),
    ]  # fmt: skip
    assert entries[0]["variants"] == [f"greeting {page.records[0].variants['greeting']}"]
    assert entries[0]["has_sound"]
    assert (page.state["session"], page.talk.record.session_index) == (2, 1)
    page.give(k="open", session=1)
    page.give(k="download", what="json")
    page.give(k="replay")
    page.run(0.1)
    assert page.state["session"] == 1
    assert page.events == first
    assert page.state["tests"][0]["variant"] == page.records[0].variants["greeting"]
    assert page.records[0].session_id in page.kinds("file")[-1]["name"]
    assert page.kinds("replay")[-1]["duration_s"] == page.records[0].duration_s
    assert page.talk.record.session_index == 1, "console.record stays the last one"
    page.give(k="open", session=7)
    page.run(0.1)
    assert page.message.startswith("There is no session 7")


def test_no_earlier_session_is_opened_before_the_rating(page_of):
    page = page_of(greeter, blind=True).connect(2)
    page.hang_up()
    page.give(k="open", session=1)
    page.run(0.1)
    assert page.message.startswith("Rate the conversation first")
    assert page.state["sessions"][0]["variants"] == []
    page.give(k="rate", value=None, note="")
    page.run(0.1)
    assert page.state["sessions"][0]["variants"] != []


def test_the_sound_of_the_last_half_hour_is_kept(page_of, monkeypatch):
    monkeypatch.setattr("voicelab.live.ended_sessions._MOST_SOUND_S", 8.0)
    monkeypatch.setattr("voicelab.live.ended_sessions._MOST", 3)
    page = page_of(echo)
    for _ in range(4):
        page.connect(3)
        page.hang_up()
    assert [(entry["number"], entry["has_sound"]) for entry in page.state["sessions"]] == [
        (2, False), (3, True), (4, True),
    ]  # fmt: skip


def test_a_session_is_copied_as_scripts_that_run(page_of, tmp_path):
    page = page_of(echo).let_typing_interrupt().connect(3)
    page.say('say "hi"\n', 4)
    page.give(k="key", digit="7")
    page.run(4)
    page.give(k="event", name="order", data={"item": "tea"})
    page.run(1)
    page.say("stop", 4)
    page.give(k="script")
    page.run(0.1)
    assert "vl.hang_up()" not in page.kinds("script")[-1]["python"], "it still runs"
    page.run(9)
    page.hang_up()
    page.give(k="script")
    page.run(0.1)
    copied = page.kinds("script")[-1]
    script = eval(copied["python"], {"vl": vl})
    # The SDK's events have no equality: by what they do when they are played.
    again, known = vl.run(echo, script), vl.run(echo, page.talk.record.to_script())
    assert str(again) == str(known)
    assert "Order tea." in str(again)
    (tmp_path / "talk.json").write_text(copied["messages"])
    assert vl.Script.load(tmp_path / "talk.json").phrases == ['say "hi"\n', "stop"]
    assert "agent  Hello there." in copied["transcript"]


async def reader(event, context):
    if event.name == "start":
        name, key = context.get_data("name"), context.variables.get("API_KEY")
        yield TTS(text=f"{name}, {context.input_data}, {len(key)}", voice="nova")


def test_parameters_input_data_and_variables_are_given_for_the_next_session(page_of):
    page = page_of(reader, parameters={"name": "Ada"}, variables={"API_KEY": "sk-first-secret"}).connect(1)
    assert page.state["parameters"] == {"name": "Ada"}
    for name, text in (("parameters", '{"name": "Bo"}'), ("input_data", '{"order": 17}')):
        page.give(k="next", name=name, text=text)
    page.give(k="variable", name="API_KEY", value="sk-second-and-longer")
    page.hang_up()
    assert page.state["next"]["changed"] == ["API_KEY"]
    page.connect(1)
    page.hang_up()
    page.give(k="variable", name="API_KEY", value=None)
    page.connect(1)
    page.hang_up()
    assert [record.transcript[0]["content"] for record in page.records] == [
        "Ada, {}, 15", "Bo, {'order': 17}, 20", "Bo, {'order': 17}, 15",
    ]  # fmt: skip
    assert page.records[1].parameters == {"name": "Bo"}
    assert "sk-second" not in str(page.sent) + page.records[1].to_json()


@pytest.mark.parametrize(
    ("message", "box", "hint"),
    [
        ({"name": "parameters", "text": "{'a': 1}"}, "parameters", "no JSON: Expecting property name"),
        ({"name": "parameters", "text": "[1]"}, "parameters", "must be a JSON object"),
        ({"name": "parameters", "text": '{"a": NaN}'}, "parameters", "NaN is no number of JSON"),
        ({"name": "parameters", "text": '{"functionId": 1}'}, "parameters", "functionId"),
        ({"name": "input_data", "text": '{"token": "••••••"}'}, "input_data", "stands for the value of a variable"),
    ],
)
def test_a_mistake_for_the_next_session_is_said_beside_its_box(page_of, message, box, hint):
    page = page_of(reader, parameters={"name": "Ada"}, variables={"API_KEY": "sk-first-secret"})
    page.give(k="next", **message)
    page.give(k="variable", name=" ", value="x")
    page.run(0.1)
    assert hint in page.state["next"]["problems"][box]
    assert "a name" in page.state["next"]["problems"]["variables"]
    page.connect(1)
    assert page.lines("agent") == ["Ada, {}, 15"], "what was there before is in force"
    page.give(k="next", name=message["name"], text="")
    page.run(0.1)
    assert box not in page.state["next"]["problems"]


def test_the_recorded_conversation_runs_again_as_a_script(page_of):
    page = page_of(echo).connect(3)
    page.say("hi", 4)
    page.hang_up()
    again = vl.run(echo, page.talk.record.to_script())
    assert [part["content"] for part in again.transcript] == [part["content"] for part in page.talk.record.transcript]


def test_keys_custom_events_and_timeouts_reach_the_handler(page_of):
    page = page_of(echo).connect(3)
    page.give(k="key", digit="7")
    page.run(3)
    page.give(k="event", name="order", data={"item": "tea"})
    page.run(3)
    page.give(k="timeout")
    page.run(3)
    assert page.lines("agent")[1:4] == ["Key 7.", "Order tea.", "Still there? 1"]


def test_silence_counts_from_the_end_of_what_was_really_played(page_of):
    page = page_of(echo).connect(0.1)
    page.run(20)
    speech_end = played_until(page.named("text_to_speech")[0])
    timeout = page.named("timeout")[0]
    assert timeout["time_s"] == pytest.approx(speech_end + 5, abs=0.01)


# --- playback ---


def test_a_row_is_as_long_as_its_audio_was_played(page_of):
    page = page_of(echo).connect(3)
    row = page.named("text_to_speech")[0]
    seconds = speech.FakeTextToSpeech().synthesize("Hello there.").duration_s
    assert played_until(row) - row["time_s"] == pytest.approx(seconds, abs=0.03)
    assert row["data"]["engine"] == "fake"


def test_sessions_hear_and_speak_with_the_engines_of_the_one_before(page_of, monkeypatch):
    made = []
    make = speech.speech_to_text
    monkeypatch.setattr(speech, "speech_to_text", lambda name: made.append(name) or make(name))
    page = page_of(echo)
    for _ in range(3):
        page.connect(1)
        page.hang_up()
    assert made == ["fake"]
    page.give(k="set", name="stt", value="off")
    page.give(k="set", name="stt", value="fake")
    page.run(0.1)
    assert made == ["fake", "fake"]


def test_without_a_page_the_conversation_goes_on_by_the_length_of_the_audio(page_of):
    page = page_of(echo, plays=False).connect(20)
    assert page.named("timeout")


def test_typing_over_the_agent_cuts_it_and_tells_what_was_heard(page_of):
    page = page_of(echo).let_typing_interrupt().connect(3)
    page.say("a very long sentence to say back", 1.0)
    page.say("stop", 3)
    first = page.named("text_to_speech")[1]
    assert first["data"]["interrupted"]
    assert "You said a very long sentence".startswith(first["data"]["heard"])
    assert first["data"]["heard"]
    assert 0.5 < first["data"]["played_s"] < 1.1
    assert played_until(first) == pytest.approx(first["time_s"] + first["data"]["played_s"], abs=0.01)
    assert page.kinds("clear")
    assert page.named("text")[1]["data"]["previous_turn_interrupted"]


def test_what_was_heard_is_what_the_page_played(page_of):
    page = page_of(echo).let_typing_interrupt().connect(3)
    page.say("a very long sentence to say back", 1.0)
    # The page was half a second late with the sound, and has stopped by itself as the caller pressed Enter.
    page.give(k="stopped", row=page.named("text_to_speech")[1]["seq"], played_s=0.5)
    page.say("stop", 3)
    cut = page.named("text_to_speech")[1]
    assert cut["data"]["interrupted"]
    assert cut["data"]["played_s"] == pytest.approx(0.5, abs=0.01)
    seconds = speech.FakeTextToSpeech().synthesize(cut["data"]["text"]).duration_s
    reached = int(len(cut["data"]["text"]) * 0.5 / seconds)
    assert cut["data"]["heard"] == cut["data"]["text"][:reached].rpartition(" ")[0]
    assert page.named("text")[1]["data"]["previous_turn_interrupted"]


def test_what_the_page_played_of_what_the_kernel_cut_settles_what_was_heard(page_of):
    page = page_of(echo).let_typing_interrupt().connect(3)
    page.say("a very long sentence to say back", 1.0)
    page.say("stop", 0.2)
    cut = page.named("text_to_speech")[1]
    assert cut["data"]["played_s"] > 0.9, "by the kernel's clock"
    # The page was late with the sound, and says so as it obeys.
    page.give(k="stopped", row=cut["seq"], played_s=0.6)
    page.run(3)
    cut = page.named("text_to_speech")[1]
    text, seconds = cut["data"]["text"], speech.FakeTextToSpeech().synthesize(cut["data"]["text"]).duration_s
    heard = text[: int(len(text) * 0.6 / seconds)].rpartition(" ")[0]
    assert (cut["data"]["played_s"], cut["data"]["heard"]) == (0.6, heard)
    parts = [e["data"] for e in page.named("transcript_part") if e["data"].get("interrupted")]
    assert [part["content"] for part in parts] == [heard]
    page.hang_up()
    assert heard in [part["content"] for part in page.talk.record.transcript]


def test_a_row_that_the_page_never_played_was_not_heard(page_of):
    page = page_of(echo).let_typing_interrupt().connect(3)
    page.say("a very long sentence to say back", 1.0)
    page.give(k="stopped", row=page.named("text_to_speech")[1]["seq"], played_s=0)
    page.say("stop", 3)
    cut = page.named("text_to_speech")[1]
    assert cut["data"].get("heard", "") == ""
    assert ("agent", "span") not in {(span["lane"], span["kind"]) for span in cut["spans"]}
    for nonsense in (-1, 1e9, float("nan")):
        page.give(k="stopped", row=page.named("text_to_speech")[-1]["seq"], played_s=nonsense)
    page.run(0.1)
    assert page.named("text_to_speech")[-1]["time_s"] > cut["time_s"]


def test_what_may_not_be_interrupted_is_not(page_of):
    async def stubborn(event, context):
        if event.name == "start":
            yield TTS(text="Let me finish this.", voice="nova", interruptible=False)
        if event.name == "text":
            yield TTS(text="Now you.", voice="nova")

    page = page_of(stubborn).let_typing_interrupt().connect(0.3)
    assert page.state["gate"] == {"open": False, "reason": "the agent may not be interrupted"}
    page.say("wait", 5)
    first, second = page.named("text_to_speech")
    assert not first["data"].get("interrupted")
    assert second["time_s"] >= played_until(first)
    assert page.named("input_held")
    gates = [event["data"] for event in page.named("input_gate")]
    assert gates == [{"allowed": False, "reason": "not_interruptible"}, {"allowed": True}]


def test_a_long_reply_starts_as_fast_as_a_short_one(page_of):
    async def long(event, context):
        if event.name == "start":
            yield TTS(text="One. " * 40, voice="nova")

    page = page_of(long).connect(1)
    pieces = page.kinds("audio")
    assert len(pieces) == 40
    assert [piece["last"] for piece in pieces] == [False] * 39 + [True]


def test_audio_and_silence_are_played(page_of):
    uri = "data:audio/wav;base64," + base64.b64encode(_wav(0.5)).decode()

    async def sounds(event, context):
        if event.name == "start":
            yield supply("AudioEvent")(path=uri)
            yield supply("SilenceEvent")(duration=700)
            yield supply("AudioEvent")(path="no/such.wav")
            yield TTS(text="Done.", voice="nova")

    page = page_of(sounds).connect(6)
    audio, missing = page.named("audio")
    silence, done = page.named("silence")[0], page.named("text_to_speech")[0]
    assert played_until(audio) - audio["time_s"] == pytest.approx(0.5, abs=0.05)
    assert silence["time_s"] >= played_until(audio) - 0.05
    assert played_until(silence) - silence["time_s"] == pytest.approx(0.7, abs=0.05)
    assert missing["data"]["remark"].startswith("a placeholder")
    assert done["time_s"] >= played_until(missing) - 0.05


def _wav(seconds):
    import io
    import wave

    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(np.zeros(int(8000 * seconds), np.int16).tobytes())
    return file.getvalue()


# --- speaking ---


def test_push_to_talk_reaches_the_handler_as_speech(page_of):
    page = page_of(echo).connect(3)
    page.give(k="talk", on=True)
    page.speak("buy it", then_s=0.1)
    page.give(k="talk", on=False)
    page.run(4)
    event = page.named("text")[0]
    assert (event["data"]["text"], event["data"]["source"]) == ("buy it", "speech")
    assert page.named("recognition")[0]["data"]["engine"] == "fake"
    page.hang_up()
    assert page.talk.record.source == "spoken"


def test_hands_free_finds_the_end_of_the_turn_by_itself(page_of):
    page = page_of(echo)
    page.give(k="set", name="mode", value="hands_free")
    page.connect(3)
    page.speak("buy it")
    page.run(4)
    assert page.named("text")[0]["data"]["text"] == "buy it"
    latency = page.state["latency"][-1]
    assert [part["name"] for part in latency["parts"]] == [
        "end of turn", "recognition", "handler", "synthesis", "playback",
    ]  # fmt: skip
    assert sum(part["ms"] for part in latency["parts"]) == pytest.approx(latency["total_ms"], abs=0.5)
    assert latency["parts"][0]["ms"] > 300


@pytest.mark.parametrize(("early", "asked"), [(True, ["buy", "buy it"]), (False, ["buy it"])])
def test_a_quick_recogniser_is_asked_in_the_pause_and_its_words_count_if_no_more_is_said(page_of, early, asked):
    heard = []

    class Quick(speech.FakeSpeechToText):
        def transcribe(self, audio, phrases=None, language=None):
            found = super().transcribe(audio, phrases, language)
            heard.append(found.text)
            return found

    Quick.early = early
    page = page_of(echo, stt=Quick())
    page.give(k="set", name="mode", value="hands_free")
    page.connect(3)
    page.speak("buy", 0.55)
    page.speak("it")
    page.run(4)
    assert heard == asked
    assert [event["data"]["text"] for event in page.named("text")] == ["buy it"]
    assert [event["data"]["text"] for event in page.named("recognition")] == ["buy it"]


def test_words_over_the_agent_cut_it_when_they_are_known_or_last(page_of):
    page = page_of(echo)
    page.give(k="set", name="mode", value="hands_free")
    page.connect(3)
    page.say("a very long sentence to say back", 0.5)
    page.give(k="onset")
    page.run(0.1)
    assert "interrupted" not in page.named("text_to_speech")[1]["data"], "a sound alone may be a cough"
    page.speak("no")
    page.run(4)
    assert page.named("text_to_speech")[1]["data"]["interrupted"]
    assert page.named("text")[1]["data"]["previous_turn_interrupted"]
    assert page.named("text")[1]["data"]["text"] == "no"
    assert page.kinds("duck")[-1]["on"] is False, "the answer is as loud as before"


def test_a_sign_of_listening_lowers_the_agents_voice_and_stops_nothing(page_of):
    page = page_of(echo)
    page.give(k="set", name="mode", value="hands_free")
    page.connect(3)
    page.say(
        "a very long sentence to say back, which goes on and on for many more words than anybody would like to hear",
        0.5,
    )
    page.speak("oh okay right")  # with the pause that ends it longer than a second
    page.run(8)
    assert [message["on"] for message in page.kinds("duck")] == [True, False]
    assert [event["data"]["text"] for event in page.named("backchannel")] == ["oh okay right"]
    assert "interrupted" not in page.named("text_to_speech")[1]["data"]
    assert len(page.named("text")) == 1, "the handler hears nothing of it"


def test_a_noise_that_was_no_speech_lets_the_silence_count_again(page_of):
    page = page_of(echo)
    page.give(k="set", name="mode", value="hands_free")
    page.connect(4)
    page.give(k="onset")
    page.run(12)
    assert page.named("timeout")


def test_push_to_talk_again_at_once_loses_no_word(page_of):
    page = page_of(echo).connect(4)
    for words in ("buy it", "now please"):
        page.give(k="talk", on=True)
        page.speak(words, then_s=0)
        page.give(k="talk", on=False)
        page.run(0.05)
    page.run(4)
    assert [event["data"]["text"] for event in page.named("text")] == ["buy it", "now please"]


def test_nobody_is_asked_what_was_said_by_one_who_hung_up_right_after_it(page_of):
    asked = []

    class Ear(speech.FakeSpeechToText):
        def transcribe(self, audio, phrases=None, language=None):
            asked.append(audio)
            return super().transcribe(audio, phrases, language)

    page = page_of(echo, stt=Ear()).connect(1)
    page.give(k="talk", on=True)
    page.speak("buy it", then_s=0)
    page.give(k="talk", on=False)
    page.give(k="hang_up")
    page.run(1)
    assert page.records, "the session is over before the last piece of sound could come"
    assert not asked


HUSHED = [
    {"k": "set", "name": "muted", "value": True},
    {"k": "set", "name": "mode", "value": "push"},
    {"k": "microphone", "on": False, "error": "The microphone was unplugged or taken away."},
]


@pytest.mark.parametrize("message", HUSHED)
def test_what_was_said_before_the_microphone_closed_is_heard_and_silence_counts_again(page_of, message):
    page = page_of(echo)
    page.give(k="set", name="mode", value="hands_free")
    page.connect(4)
    page.speak("buy it", then_s=0)
    page.give(**message)
    page.run(4)
    assert [event["data"]["text"] for event in page.named("text")] == ["buy it"]
    page.run(20)
    assert page.named("timeout")


@pytest.mark.parametrize("message", HUSHED)
def test_half_a_word_of_the_pages_own_recognition_keeps_nobody_waiting(page_of, message):
    page = page_of(echo, stt="browser")
    page.give(k="set", name="mode", value="hands_free")
    page.connect(4)
    page.give(k="heard", text="bu", final=False)
    page.give(**message)
    page.run(20)
    assert page.kinds("partial")[-1]["text"] == ""
    assert page.named("timeout")


def test_time_that_passes_faster_leaves_speech_its_own_pace(page_of):
    page = page_of(echo, tts="off")
    page.give(k="set", name="speed", value=10)
    page.connect(30)
    assert page.state["uses"]["pace"] == 10
    page.give(k="talk", on=True)
    page.speak("buy it", then_s=0)
    page.give(k="talk", on=False)
    page.run(1.4)  # of the session: 0.14 real seconds, within which the last piece may come
    assert not page.named("text")
    page.run(1)
    assert page.named("text")


def test_sound_without_words_is_said_to_be_so(page_of):
    page = page_of(echo).connect(3)
    page.give(k="talk", on=True)
    page.sound(np.random.default_rng(0).integers(-3000, 3000, 16000).astype(np.int16))
    page.give(k="talk", on=False)
    page.run(1)
    assert not page.named("text")
    assert "no words" in page.message


@pytest.mark.parametrize("buffers", [[], [b""], [b"\x01"]])
def test_no_sound_at_all_is_said_to_be_so(page_of, buffers):
    page = page_of(echo).connect(3)
    page.give(k="talk", on=True)
    page.give(*buffers, k="pcm", seq=0)
    page.give(k="talk", on=False)
    page.run(1)
    assert "No sound came from the microphone" in page.message


def test_the_pages_own_recognition_gives_partial_results(page_of):
    page = page_of(echo, stt="browser").connect(3)
    page.give(k="heard", text="buy", final=False)
    page.give(k="heard", text="buy it", final=True)
    page.run(3)
    assert [message["text"] for message in page.kinds("partial")] == ["buy", ""]
    assert page.named("text")[0]["data"]["text"] == "buy it"


def test_the_pages_own_voice_is_told_what_to_say(page_of):
    page = page_of(echo, tts="browser").connect(0.3)
    (message,) = page.kinds("speak")
    assert (message["text"], message["voice"], message["row"]) == (
        "Hello there.",
        "nova",
        page.named("text_to_speech")[0]["seq"],
    )
    page.give(k="started", row=message["row"])
    page.run(0.4)
    page.give(k="ended", row=message["row"])
    page.run(0.1)
    row = page.named("text_to_speech")[0]
    assert played_until(row) - row["time_s"] == pytest.approx(0.4, abs=0.05)


def test_the_agents_settings_reach_the_recogniser(page_of):
    asked = []

    class Recogniser:
        name = "mine"

        def transcribe(self, audio, phrases=None, language=None):
            asked.append((phrases, language))
            return speech.Transcript("hola", None, (), "mine", 0.01)

    async def spanish(event, context):
        if event.name == "start":
            yield supply("STTUpdateSettingsEvent")(language="es", prompt="hola, adiós", endpointing=400)
            yield TTS(text="Hola.", voice="nova")

    page = page_of(spanish, stt=Recogniser(), phrases=["buenos días"]).connect(2)
    page.give(k="talk", on=True)
    page.speak("x", then_s=0)
    page.give(k="talk", on=False)
    page.run(1)
    assert asked == [(["buenos días", "hola, adiós"], "es")]


@pytest.mark.parametrize(("cache", "files"), [(True, 1), (False, 0)])
def test_speech_is_kept_unless_its_event_says_otherwise(page_of, monkeypatch, tmp_path, cache, files):
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "cache"))

    async def once(event, context):
        if event.name == "start":
            yield TTS(text="Hello.", voice="nova", cache=cache)

    page = page_of(once, tts="pico").connect(2)
    assert page.kinds("audio")
    assert len(list((tmp_path / "cache").glob("*/*.wav"))) == files


# --- engines that fail ---


class _Broken:
    name = "broken"

    def synthesize(self, text, voice=None, language=None, speed=1.0):
        raise OSError("no such device")

    def transcribe(self, audio, phrases=None, language=None):
        raise RuntimeError("model is gone")


def test_what_can_not_be_spoken_is_shown_and_said(page_of):
    page = page_of(echo, tts=_Broken()).connect(1)
    assert page.lines("agent") == ["Hello there."]
    assert "broken could not say this: OSError: no such device" in page.message
    page.say("hi", 1)
    assert page.lines("agent")[-1] == "You said hi."


def test_a_recogniser_that_fails_loses_no_conversation(page_of):
    page = page_of(echo, stt=_Broken()).connect(3)
    page.give(k="talk", on=True)
    page.speak("buy it", then_s=0)
    page.give(k="talk", on=False)
    page.run(1)
    assert "broken could not recognise that: RuntimeError: model is gone" in page.message
    page.say("hi", 2)
    assert page.lines("agent")[-1] == "You said hi."


# --- tests, blind rating, log ---


def test_a_forced_variant_holds_from_the_next_session_on(page_of, tmp_path):
    page = page_of(greeter, log=tmp_path / "log").connect(2)
    page.hang_up()
    assert page.state["tests"][0]["assignment"] == "random"
    for variant in ("cold", "warm"):
        page.give(k="force", test="greeting", variant=variant)
        page.connect(2)
        assert page.state["tests"][0]["variant"] == variant
        assert page.state["tests"][0]["assignment"] == "forced"
        page.hang_up()
    page.give(k="force", test="greeting", variant=None)
    page.run(0.1)
    assert page.state["tests"][0]["forced"] is None
    log = vl.open_log(tmp_path / "log")
    assert list(log.exposures()["assignment"]) == ["random", "forced", "forced"]
    assert list(log.sessions()["session_index"]) == [0, 1, 2]


def test_a_forced_test_that_is_never_reached_is_named(page_of):
    page = page_of(greeter, variants={"greting": "warm"}).connect(2)
    page.hang_up()
    assert "'greting', but no session has reached such a test (reached: greeting). Did you mean" in page.message


def test_a_test_that_the_handler_no_longer_has_is_no_longer_shown(page_of, tmp_path):
    file = tmp_path / "handler.py"
    code = "from primfunctions.events import *\nasync def handler(event, context):\n    if event.name == 'start':\n        {}\n        yield TextToSpeechEvent(text='Hello.', voice='nova')\n"
    file.write_text(code.format("context.add_test('greeting', {'warm': 1})"))
    page = page_of(str(file)).connect(1)
    page.hang_up()
    assert [test["test"] for test in page.state["tests"]] == ["greeting"]
    file.write_text(code.format("pass"))
    page.connect(1)
    assert page.state["tests"] == []


def test_a_variant_that_does_not_exist_is_named_and_another_session_goes(page_of):
    page = page_of(greeter, variants={"greeting": "hot"}).connect(1)
    assert "'hot'" in page.message
    assert page.state["phase"] == "idle"
    page.give(k="force", test="greeting", variant="warm")
    page.connect(1)
    assert page.state["phase"] == "live"


def test_a_blind_session_hides_the_variant_until_it_is_rated(page_of, tmp_path):
    page = page_of(greeter, blind=True, log=tmp_path / "log").connect(2)
    told = [message for message, _ in page.sent if message["k"] in {"state", "events", "all"}]
    assert page.state["tests"][0]["variant"] is None
    assert not page.named("print")
    assert page.state["data"] == {}
    page.hang_up()
    question = {"test": "greeting", "outcome": "liked", "type": "boolean"}
    assert page.state["ask"] == question
    assert page.talk.record is None, "the record would tell the variant"
    page.give(k="download", what="json")
    page.run(0.1)
    assert page.message.startswith("Rate the conversation first")
    page.give(k="hello", engine="loaded anew")
    page.run(0.1)
    assert page.kinds("all")[-1]["state"]["ask"] == question
    page.give(k="rate", value=True, note="warm voice")
    page.run(0.1)
    assert page.state["tests"][0]["variant"] in {"warm", "cold"}
    assert page.named("print")
    assert page.state["outcomes"] == {"liked": True}
    assert page.state["ask"] is None
    assert "drawn:" not in str(told)
    log = vl.open_log(tmp_path / "log")
    (row,) = log.sessions().to_dict("records")
    assert (row["source"], row["outcome.liked"]) == ("rated", 1.0)
    assert page.talk.record.outcomes == {"liked": True}


@pytest.mark.parametrize(("value", "hint"), [("yes", "must be yes or no"), (1, "must be yes or no")])
def test_a_rating_of_another_kind_is_refused_and_asked_again(page_of, value, hint):
    page = page_of(greeter, blind=True).connect(2)
    page.hang_up()
    page.give(k="rate", value=value, note="")
    page.run(0.1)
    assert hint in page.message
    assert page.state["ask"]
    page.give(k="rate", value=False, note="")
    page.run(0.1)
    assert page.talk.record.outcomes == {"liked": False}


def test_a_blind_session_without_an_answer_is_logged_as_it_was(page_of, tmp_path):
    page = page_of(greeter, blind=True, log=tmp_path / "log").connect(2)
    page.hang_up()
    page.connect(2)
    page.hang_up()
    page.give(k="rate", value=None, note="")
    page.run(0.1)
    assert list(vl.open_log(tmp_path / "log").sessions()["source"]) == ["typed", "typed"]


def test_a_new_session_waits_for_the_rating_of_a_blind_one(page_of, tmp_path):
    page = page_of(greeter, blind=True, log=tmp_path / "log").connect(2)
    page.give(k="new")
    page.run(31)
    assert page.state["phase"] == "ended"
    assert page.state["ask"]
    assert page.message.startswith("Rate the conversation first")
    page.give(k="rate", value=True, note="")
    page.connect(2)
    assert page.state["session"] == 2
    assert list(vl.open_log(tmp_path / "log").sessions()["source"]) == ["rated"]


def test_rated_sessions_are_analysed(page_of, tmp_path):
    page = page_of(greeter, blind=True, log=tmp_path / "log")
    for i in range(12):
        page.connect(2)
        page.hang_up()
        page.give(k="rate", value=i % 3 == 0, note="")
        page.run(0.1)
    result = vl.analyze(vl.open_log(tmp_path / "log"), "greeting")
    assert int(result.variants["sessions"].sum()) == 12


def test_two_consoles_share_a_log(page_of, tmp_path):
    pages = [page_of(echo, log=tmp_path / "log", seed=seed).connect(1) for seed in (1, 2)]
    for page in reversed(pages):
        page.hang_up()
    sessions = vl.open_log(tmp_path / "log").sessions()
    assert list(sessions["session_index"]) == [0, 1]
    assert sessions["session_id"].is_unique


def test_the_sound_is_kept_beside_the_log(page_of, tmp_path):
    page = page_of(echo, log=tmp_path / "log", keep_audio=True).connect(2)
    page.hang_up()
    path = tmp_path / "log" / "audio" / f"{page.talk.record.session_id}.wav"
    assert speech.Audio.load(path).duration_s > 0.5


def test_a_log_of_something_else_is_refused(tmp_path):
    log = vl.simulate(echo, vl.Script(["hi"]), sessions=3, log=tmp_path / "sim", progress=False)
    with pytest.raises(LogError, match="holds another log"):
        Page(echo, log=log.path)


def test_a_log_that_can_not_be_written_keeps_the_record(page_of, tmp_path):
    page = page_of(echo, log=tmp_path / "log").connect(1)
    for folder in (tmp_path / "log").glob("*"):
        if folder.is_dir():
            import shutil

            shutil.rmtree(folder)
            folder.write_text("in the way")
    (tmp_path / "log" / "_spec").unlink(missing_ok=True)
    (tmp_path / "log" / "_spec").write_text("in the way")
    page.hang_up()
    assert "The session is not logged" in page.message
    assert page.talk.record.status == "hangup"


# --- handlers that go wrong ---


def test_errors_of_the_handler_are_shown_and_the_session_goes_on(page_of):
    async def wrong(event, context):
        if event.name == "start":
            yield TTS(text="Hello.", voice="nova")
        elif event.data.get("text") == "raise":
            raise ValueError("no such slot")
        elif event.data.get("text") == "yield":
            yield "text"
        elif event.name == "text":
            print("all", "well")
            yield TTS(text="Fine.", voice="nova")

    page = page_of(wrong).connect(2)
    page.say("raise", 1)
    page.say("yield", 1)
    page.say("fine", 2)
    errors = page.named("error")
    assert "ValueError: no such slot" in errors[0]["lines"][0]["text"]
    assert "test_live.py" in errors[0]["lines"][0]["text"]
    assert "no event" in errors[1]["lines"][0]["text"]
    assert page.named("print")[0]["data"]["message"] == "all well"
    assert page.lines("agent")[-1] == "Fine."


def test_a_handler_that_never_yields_is_a_silent_session(page_of):
    async def silent(event, context):
        context.set_data("heard", event.name)

    page = page_of(silent).connect(1)
    page.say("hi", 1)
    page.hang_up()
    assert page.talk.record.n_errors == 0
    assert page.talk.record.transcript[0]["content"] == "hi"


def test_background_tasks_are_marked_with_their_name(page_of):
    page = page_of("data/agents/clinic").connect(3)
    page.say("I would like to book", 6)
    tasks = [event for event in page.events.values() if event["background"]]
    assert tasks
    assert {event["task_name"] for event in tasks} == {"look_up"}


def test_variables_are_masked_in_all_that_is_sent(page_of):
    async def leaky(event, context):
        if event.name == "start":
            context.set_data("key", context.variables.get("API_KEY"))
            print(context.variables.get("API_KEY"))
            yield TTS(text="Hello.", voice="nova")

    page = page_of(leaky, variables={"API_KEY": "sk-very-secret", "PIN": "123"}).connect(2)
    page.hang_up()
    page.give(k="download", what="json")
    page.run(0.1)
    assert "sk-very-secret" not in str(page.sent)
    assert page.state["variables"] == {"API_KEY": "••••••", "PIN": "••••••"}


# --- pages that come and go ---


def test_a_page_loaded_anew_gets_everything_and_takes_the_sound_over(page_of):
    page = page_of(echo).connect(3)
    page.say("hi", 3)
    before = dict(page.events)
    page.engine = "new"
    page.give(k="hello")
    page.run(0.05)
    assert page.kinds("all")[-1]["events"] == [before[seq] for seq in sorted(before)]
    assert page.kinds("all")[-1]["now_s"] >= max(event["time_s"] for event in before.values())
    assert page.kinds("ping")[-1]["engine"] == "page"
    page.run(1.2)
    assert page.state["engine"] == "new"
    page.say("again", 3)
    assert page.kinds("audio")[-1]["engine"] == "new"


def living():
    """Return how many objects of a conversation there are, by class."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    ours = ("voicelab.session", "voicelab.live", "voicelab.speech", "voicelab.runtime.clock")
    return Counter(kind.__qualname__ for kind in kinds if str(kind.__module__).startswith(ours))


@pytest.mark.no_cover  # the same lines again and again
def test_half_an_hour_of_talk_leaves_nothing_behind_but_what_can_be_opened_again(page_of, monkeypatch):
    monkeypatch.setattr("voicelab.live.ended_sessions._MOST", 1)
    page = page_of(echo, configuration={"timeout": 20})  # one silence between what is said, and not four

    def talk(turns):
        page.connect(3)
        for _ in range(turns):
            page.give(k="talk", on=True)
            page.speak("I want to buy it", 0.1)
            page.give(k="talk", on=False)
            page.run(28)
        page.hang_up()
        return page.records.pop().duration_s

    others = living()  # work that an earlier test had to give up is kept, with its session
    talk(1)
    before = living()
    assert talk(63) > 1800
    talk(1)
    kept = {kind: before[kind] - others[kind] for kind in ("Session", "Call", "EndedSession", "Recording")}
    assert kept == {"Session": 0, "Call": 0, "EndedSession": 1, "Recording": 1}
    assert living() == before


def test_a_page_loaded_anew_replays_what_another_one_had(page_of):
    page = page_of(echo).connect(2)
    page.hang_up()
    page.engine = "new"
    page.give(k="hello")
    page.give(k="replay")
    page.run(0.1)
    assert page.kinds("replay")[-1]["engine"] == "new"


def test_a_page_that_comes_as_the_session_begins_gets_everything(page_of):
    page = page_of(echo)
    page.give(k="connect")
    page.give(k="hello", engine="second")
    page.run(2)
    assert page.message == ""
    assert page.lines("agent") == ["Hello there."]


def test_an_engine_of_ones_own_can_be_chosen_again(page_of):
    class Mine(speech.FakeTextToSpeech):
        name = "mine"

    page = page_of(echo, tts=Mine())
    assert page.state["engines"]["tts"][0] == {
        "name": "mine", "label": "mine", "offline": True, "installed": True, "note": "your own",
    }  # fmt: skip
    for name in ("off", "mine"):
        page.give(k="set", name="tts", value=name)
    page.connect(2)
    assert page.named("text_to_speech")[0]["data"]["engine"] == "mine"
    assert page.state["uses"] == {"stt": "fake", "pace": 1}


def test_a_refused_setting_is_shown_as_it_was(page_of):
    page = page_of(echo)
    page.sent.clear()
    page.give(k="set", name="tts", value="nosuch")
    page.run(0.1)
    told = [message["state"] for message in page.kinds("state") if "settings" in message["state"]]
    assert [state["settings"]["tts"] for state in told] == ["fake"]


def test_an_engine_chosen_in_a_session_counts_from_the_next_one_on(page_of):
    page = page_of(echo).connect(2)
    page.give(k="set", name="stt", value="browser")
    page.run(0.1)
    assert page.state["settings"]["stt"] == "browser"
    assert page.state["uses"]["stt"] == "fake"
    page.hang_up()
    assert page.state["uses"]["stt"] == "browser"


def test_a_second_tab_does_not_double_the_sound(page_of):
    page = page_of(echo).connect(3)
    page.give(k="hello", engine="second")
    page.run(0.05)
    page.give(k="pong", engine="page")
    page.run(2)
    assert page.state["engine"] == "page"
    page.give(k="talk", on=True, engine="page")
    page.give(np.ones(1600, "<i2").tobytes(), k="pcm", seq=0, engine="second")
    page.give(k="talk", on=False, engine="page")
    page.run(1)
    assert "No sound came" in page.message


def test_a_new_session_ends_the_running_one(page_of):
    page = page_of(echo).connect(2)
    page.give(k="new")
    page.run(2)
    assert page.state["session"] == 2
    assert page.state["phase"] == "live"
    assert page.talk.record.status == "hangup"


def test_connecting_twice_is_one_session(page_of):
    page = page_of(echo).connect(1).connect(1)
    assert page.state["session"] == 1


def test_download_and_replay(page_of):
    page = page_of(echo).connect(3)
    page.give(k="talk", on=True)
    page.speak("buy it", then_s=0)
    page.give(k="talk", on=False)
    page.run(3)
    page.hang_up()
    for what in ("json", "wav"):
        page.give(k="download", what=what)
    page.give(k="replay")
    page.run(0.1)
    files = {message["mime"]: buffer for message, buffer in page.sent if message["k"] == "file"}
    assert b'"text_to_speech"' in files["application/json"]
    sides = _stereo(files["audio/wav"])
    replay = next((message, buffer) for message, buffer in page.sent if message["k"] == "replay")
    assert replay[1] == sides.tobytes()
    spoken = speech.FakeTextToSpeech().synthesize("Hello there.").resampled(16000).pcm16()
    row = page.named("text_to_speech")[0]
    start = round(row["time_s"] * 16000)
    assert np.array_equal(sides[start : start + len(spoken), 1], spoken)
    heard = speech.FakeSpeechToText().transcribe(speech.Audio(np.ascontiguousarray(sides[:, 0]), 16000))
    assert heard.text == "buy it"


def _stereo(wav):
    import io
    import wave

    with wave.open(io.BytesIO(wav)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def test_what_was_cut_off_is_silent_on_the_recording(page_of):
    page = page_of(echo).let_typing_interrupt().connect(0.5)
    page.say("stop", 0.1)
    page.hang_up()
    page.give(k="download", what="wav")
    page.run(0.1)
    sides = _stereo(next(buffer for message, buffer in page.sent if message["k"] == "file"))
    cut = page.named("turn_interrupted")[0]["time_s"]
    assert np.abs(sides[: int(cut * 16000) - 100, 1]).max() > 1000
    assert np.abs(sides[int(cut * 16000) + 100 : int((cut + 0.012) * 16000), 1]).max(initial=0) == 0


# --- what is asked of it wrongly ---


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ({"k": "say", "text": " "}, "give some text"),
        ({"k": "say", "text": None}, "'text' of 'say' is None, must be string"),
        ({"k": "say", "text": "half \ud83d"}, "hold half a character"),
        ({"k": "say"}, "can't be read: 'text' of 'say' is missing, must be string"),
        ({"k": "key", "digit": "A"}, "must be one or more of 0-9"),
        ({"k": "event", "name": "", "data": {}}, "needs a name"),
        ({"k": "event", "name": "x", "data": [1]}, "must be Record<string, unknown>"),
        ({"k": "event", "name": "x", "data": {"a": "\ud83d"}}, "can't be written as JSON"),
        ({"k": "event", "name": "x", "data": {"a": 2**70}}, "can't be written as JSON"),
        ({"k": "set", "name": "sped", "value": 2}, "Did you mean 'speed'"),
        ({"k": "set", "name": "speed", "value": 0}, "must be a number from 0.1 to 60"),
        ({"k": "set", "name": "mode", "value": "loud"}, "'push' or 'hands_free'"),
        ({"k": "set", "name": "muted", "value": 1}, "must be True or False"),
        ({"k": "set", "name": "stt", "value": "sphynx"}, "must be one of"),
        ({"k": "started", "row": "x"}, "can't be read"),
        ({"k": "download", "what": "json"}, "no conversation yet"),
        ({"k": "replay"}, "no conversation yet"),
    ],
)
def test_a_bad_message_is_answered_with_a_sentence(page_of, message, hint):
    page = page_of(echo).connect(1)
    page.give(**message)
    page.run(0.1)
    assert hint in page.message
    assert page.state["phase"] == "live"


def test_messages_that_nobody_knows_do_nothing(page_of):
    page = page_of(echo)
    for message in ({"k": "nonsense"}, {}, [], None, "text"):
        page.talk.receive(message)
    page.run(0.1)
    assert page.state["message"] is None


def test_typing_before_connecting_says_what_to_do(page_of):
    page = page_of(echo)
    page.say("hi")
    assert page.message == "No session is running. Press Connect first."


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"keep_audio": True}, "give log="),
        ({"phrases": "yes"}, "must be a list"),
        ({"phrases": [" "]}, "give some text"),
        ({"tts": "pikko"}, "must be one of"),
        ({"variants": ["a"]}, "must be {test: variant}"),
        ({"parameters": {"functionId": 1}}, "functionId"),
        ({"seed": "x"}, "seed is 'x', must be a whole number"),
        ({"seed": 1.5}, "seed is 1.5, must be a whole number"),
        ({"blind": "yes"}, "blind is 'yes', must be True or False"),
        ({"keep_audio": 1}, "keep_audio is 1, must be True or False"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(options, hint):
    with pytest.raises(InputError, match=hint):
        Talk(echo, lambda *_: None, **options)


def test_a_text_of_100_000_characters_is_taken(page_of):
    page = page_of(echo, tts="off").connect(1)
    page.say("x" * 100_000, 0.1)
    assert len(page.lines("caller")[0]) == 100_000


# --- the newest handler, the pace ---


def test_the_newest_version_of_the_handlers_cell_answers(page_of, monkeypatch):
    def version(text):
        async def greet(event, context):
            if event.name == "start":
                yield TTS(text=text, voice="nova")

        greet.__module__ = "__main__"
        monkeypatch.setattr(sys.modules["__main__"], "greet", greet, raising=False)
        return greet

    page = page_of(version("First.")).connect(2)
    page.hang_up()
    version("Second.")
    page.connect(2)
    assert page.lines("agent")[-1] == "Second."


def test_a_handlers_file_is_read_again(page_of, tmp_path):
    file = tmp_path / "handler.py"
    text = "from primfunctions.events import *\nasync def handler(event, context):\n    if event.name == 'start':\n        yield TextToSpeechEvent(text={!r}, voice='nova')\n"
    file.write_text(text.format("First."))
    page = page_of(str(file)).connect(2)
    page.hang_up()
    file.write_text("broken(")
    page.give(k="connect")
    page.say("typed to begin", 0.5)
    assert "handler.py" in page.message
    file.write_text(text.format("Second."))
    page.connect(2)
    assert page.lines("agent")[-1] == "Second."


def test_time_passes_faster_only_without_a_voice(page_of):
    page = page_of(echo)
    page.give(k="set", name="speed", value=10)
    page.run(0.1)
    assert "only where no voice is used" in page.message
    page.connect(1)
    assert page.manual.pace == 1
    page.hang_up()
    page.give(k="set", name="tts", value="off")
    page.connect(1)
    assert page.manual.pace == 10
    page.hang_up()
    assert page.manual.pace == 1
