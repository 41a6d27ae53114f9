"""`Microphone` and `Speaker` in the kernel, without a page: what they send, and what they make of what comes."""

import numpy as np
import pytest
from protocol_check import wrong

from voicelab import speech
from voicelab.base.errors import InputError, VoicelabError
from voicelab.live.page_messages import MICROPHONE, SPEAKER
from voicelab.widgets.microphone import Microphone
from voicelab.widgets.speaker import Speaker


class Page:
    """Stands in the page's place: takes what a widget sends, and answers."""

    def __init__(self, widget):
        self.sent = []
        self.widget = widget
        self.table = {"Microphone": MICROPHONE, "Speaker": SPEAKER}[type(widget).__name__].to_page
        widget.send = self.take

    def take(self, content, buffers=None):
        assert wrong(self.table, content, buffers[0] if buffers else None) == []
        self.sent.append((content, [bytes(b) for b in buffers or []]))

    def says(self, k, *buffers, **fields):
        self.widget._handle_custom_msg({"k": k, **fields}, [memoryview(b) for b in buffers])

    @property
    def kinds(self):
        return [content["k"] for content, _ in self.sent]


@pytest.fixture
def microphone():
    mic = Microphone()
    return mic, Page(mic)


def test_a_recording_arrives_whole_and_in_order(microphone, tmp_path):
    mic, page = microphone
    samples = np.arange(-400, 400, dtype=np.int16)
    page.says("hello", engine="a")
    page.says("recording", engine="a")
    page.says("piece", samples[:300].tobytes(), at=0, engine="a")
    page.says("piece", samples[300:].tobytes(), at=300, engine="a")
    page.says("done", rate=16_000, samples=800, engine="a")
    assert mic.audio.rate == 16_000
    assert mic.audio.samples.dtype == np.int16
    assert np.array_equal(mic.audio.samples, samples)
    mic.audio.save(tmp_path / "a.wav")
    assert np.array_equal(speech.Audio.load(tmp_path / "a.wav").pcm16(), samples)
    assert "0.05 s" in repr(mic)
    page.says("piece", samples[:10].tobytes(), at=0, engine="a")
    page.says("done", rate=16_000, samples=10, engine="a")
    assert len(mic.audio.samples) == 10, "a new recording replaces the one before"


def test_a_recording_with_a_hole_is_none(microphone):
    mic, page = microphone
    page.says("piece", b"\0\0" * 10, at=0, engine="a")
    page.says("done", rate=16_000, samples=20, engine="a")
    with pytest.raises(VoicelabError, match="Only 10 of 20 samples"):
        _ = mic.audio


def test_of_several_pages_the_one_in_use_records_and_their_sounds_do_not_mix(microphone):
    mic, page = microphone
    page.says("hello", engine="a")
    page.says("hello", engine="b")
    mic.record(1)
    page.says("bye", engine="b")
    mic.record(2)
    assert [content["engine"] for content, _ in page.sent] == ["b", "a"]
    page.says("hello", engine="c")
    page.says("recording", engine="a")
    mic.record(3)
    assert page.sent[-1][0]["engine"] == "a"
    page.says("piece", b"\1\0" * 5, at=0, engine="a")
    page.says("piece", b"\2\0" * 9, at=0, engine="c")
    page.says("done", rate=16_000, samples=5, engine="a")
    assert list(mic.audio.samples) == [1] * 5


def test_without_a_recording_the_reason_is_said(microphone):
    mic, page = microphone
    with pytest.raises(VoicelabError, match="show the microphone in a cell"):
        _ = mic.audio
    page.says("trouble", text="No microphone was found: plug one in.", engine="a")
    with pytest.raises(VoicelabError, match="No microphone was found"):
        _ = mic.audio


def test_recording_waits_until_the_widget_is_shown(microphone):
    mic, page = microphone
    mic.record(3)
    assert page.sent == []
    page.says("hello", engine="a")
    assert page.sent == [({"k": "record", "seconds": 3, "engine": "a"}, [])]
    mic.stop()
    assert page.kinds == ["record", "stop"]


@pytest.mark.parametrize("seconds", [0, -1, True, 10_000, float("nan"), "3"])
def test_a_length_that_cannot_be_recorded(microphone, seconds):
    with pytest.raises(InputError, match="seconds is"):
        microphone[0].record(seconds)


def test_the_speaker_says_with_an_engine_and_plays_audio():
    engine = speech.FakeTextToSpeech()
    spk = Speaker(tts=engine)
    page = Page(spk)
    spk.say("good morning")
    assert page.sent == [], "nobody listens yet"
    page.says("hello", engine="tab")
    assert {content["engine"] for content, _ in page.sent} == {"tab"}
    head, [pcm] = page.sent[-1]
    assert head["k"] == "audio"
    assert head["last"] is True
    assert head["text"] == "good morning"
    assert pcm == engine.synthesize("good morning").pcm16().tobytes()
    long = speech.Audio(np.ones(25 * 8000, np.int16), 8000)
    spk.play(long)
    pieces = [(content["row"], content["last"], len(buffers[0])) for content, buffers in page.sent[-3:]]
    assert pieces == [(2, False, 160_000), (2, False, 160_000), (2, True, 80_000)]
    spk.stop()
    assert page.kinds[-1] == "clear"


def test_the_speaker_plays_files_and_refuses_what_is_no_sound(tmp_path):
    spk = Speaker(tts="browser")
    page = Page(spk)
    page.says("hello", engine="tab")
    path = tmp_path / "a.wav"
    speech.Audio(np.ones(800, np.int16), 8000).save(path)
    for source in (path, str(path), path.read_bytes()):
        spk.play(source)
    assert page.kinds == ["audio"] * 3
    with pytest.raises(InputError, match="audio is a int"):
        spk.play(7)
    with pytest.raises(InputError, match="must be some words"):
        spk.say("  ")


def test_without_an_engine_the_pages_own_voice_speaks():
    spk = Speaker(tts="browser")
    page = Page(spk)
    page.says("hello", engine="tab")
    spk.say("hello")
    [(message, buffers)] = page.sent
    assert message["k"] == "speak"
    assert message["text"] == "hello"
    assert buffers == []
    assert repr(spk) == "Speaker(tts='browser')"
    with pytest.raises(VoicelabError):
        Speaker(tts="no such engine")
