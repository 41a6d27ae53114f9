"""Where turns end, what doesn't interrupt, and what the microphone hears of the loudspeaker."""

import pickle

import numpy as np
import pandas as pd
import pytest
from harness import agent, play

import voicelab as vl
from voicelab import speech
from voicelab.base.errors import InputError, MissingEngineError
from voicelab.callers.backchannels import interrupts
from voicelab.speech import Endpointer, smart_turn
from voicelab.speech.echo import EARLIEST_S, EchoRemover, reference_s

RATE = 16_000


# --- the model ---


def test_the_models_picture_of_a_sound_is_whispers():
    samples = (np.random.default_rng(1).standard_normal(3 * RATE) * 0.1).astype(np.float32)
    picture = smart_turn.log_mel(samples)
    assert picture.shape == (80, 800)
    # The figures of the reference implementation (transformers.WhisperFeatureExtractor(chunk_length=8)).
    assert picture[[0, 20, 40, 79], [600, 650, 700, 799]] == pytest.approx(
        [1.35500, 1.24861, 1.21828, 1.25614], abs=1e-4
    )
    assert picture[:, :490].max() < picture[:, 510:].mean(), "what is shorter than 8 s stands at the end"


def test_without_the_weights_the_message_is_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(smart_turn.SmartTurn, "_model", None)
    monkeypatch.setattr(smart_turn, "PACKAGE", "no-such-package")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", _Onnx())
    with pytest.raises(MissingEngineError, match=r"pip install .*--no-deps 'no-such-package==1.14.0'"):
        Endpointer(detector="smart")
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingEngineError, match="pip install 'onnxruntime"):
        Endpointer(detector="smart")


class _Onnx:
    SessionOptions = object


class _Finishes:
    """Stands for the model: it is asked in each pause, and says what the test wants."""

    def __init__(self, answers):
        self.answers, self.asked = list(answers), []

    def probability(self, samples):
        self.asked.append(len(samples))
        return self.answers.pop(0) if self.answers else 0.0


def spoken(*parts):
    """Return sound of voice (above 0) and silence (below 0), by their seconds: loud noise is a voice to `energy`."""
    rng = np.random.default_rng(1)
    return np.concatenate([rng.standard_normal(int(abs(s) * RATE)) * (0.2 if s > 0 else 1e-4) for s in parts]).astype(
        np.float32
    )


@pytest.mark.parametrize(("answers", "ends"), [([0.9], [(2.0, 2.2)]), ([0.1, 0.9], [(2.0, 3.5)]), ([], [(2.0, 3.5)])])
def test_the_model_ends_a_turn_when_it_is_sure_and_silence_in_any_case(monkeypatch, answers, ends):
    monkeypatch.setattr("voicelab.speech.endpointer.SmartTurn", lambda: _Finishes(answers))
    ear = Endpointer(detector="smart")
    ear._detector = speech.endpointer.detector("energy")
    found = [event for event in ear.feed(spoken(-1.0, 1.0, -2.5)) if event.name == "speech_ended"]
    assert [(event.time_s, event.known_s) for event in found] == [pytest.approx(pair, abs=0.08) for pair in ends]


# --- an option of a run ---


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (700, "Did you mean 0.7"),
        (0, "seconds of silence"),
        (True, "seconds"),
        ("smart", "speech.Endpointer"),
        (None, "seconds"),
    ],
)
def test_an_endpointing_that_is_none_is_refused(given, told):
    with pytest.raises(InputError, match=told):
        vl.PhoneLine(endpointing=given)


def test_an_endpointer_is_an_option_that_is_the_same_in_every_process():
    line = vl.PhoneLine(endpointing=Endpointer(silence_s=0.4, detector="energy"))
    line.endpointing.feed(spoken(-1.0, 1.0))  # what it has heard is no part of it
    assert pickle.loads(pickle.dumps(line)) == line
    assert "silence_s=0.4" in repr(line)
    assert line != vl.PhoneLine(endpointing=0.4)


async def confirms(event, context):
    if event.name in {"start", "text"}:
        yield vl.sdk.TextToSpeechEvent(text="Certainly.", voice="nova")


def test_a_longer_silence_keeps_together_what_a_shorter_one_cuts_off_and_the_log_and_the_picture_say_so(tmp_path):
    frames = {}
    for silence_s in (0.3, 0.9):
        log = vl.simulate(
            confirms, ["I would like a table. For two."], sessions=1, workers=1, progress=False, log=tmp_path / str(silence_s),
            audio=vl.PhoneLine(codec=None, endpointing=silence_s), tts=_Pausing(), stt=_Hears(),
        )  # fmt: skip
        frames[f"{silence_s} s"] = log.utterances()
    assert [int(frame["n_parts"].iloc[0]) for frame in frames.values()] == [2, 1]
    assert [frame["end_of_turn_s"].iloc[0] for frame in frames.values()] == pytest.approx([0.3, 0.9], abs=0.05)
    axes = vl.plots.endpointing(frames)
    assert {text.get_text() for text in axes.texts} >= set(frames)
    with pytest.raises(InputError, match="utterances"):
        vl.plots.endpointing({"a": frames["0.3 s"].drop(columns="n_parts")})


class _Pausing:
    name, version, offline = "pausing", "1", True

    def synthesize(self, text, voice=None, language=None, speed=1.0):
        return speech.Audio(spoken(-0.1, 0.6, -0.5, 0.6, -0.1), RATE)


class _Hears:
    name, version, offline, detector = "hears", "1", True, "energy"

    def transcribe(self, audio, phrases=None, language=None):
        return speech.Transcript("words")


def test_where_nothing_was_cut_off_the_picture_says_how_sure_that_is():
    frame = pd.DataFrame({"n_parts": [1] * 20, "end_of_turn_s": [0.7] * 19 + [None]})
    (bars,) = vl.plots.endpointing({"0.7 s": frame}).containers
    (low, high), *_ = (line[:, 1] for line in bars.lines[2][0].get_segments())
    assert (low, high) == (0, pytest.approx(0.1682, abs=1e-3)), "0 of the 19 that were measured"


# --- signs of listening ---


@pytest.mark.parametrize(
    ("seconds", "text", "left_s", "stops"),
    [
        (0.3, None, 5.0, None),  # not known yet
        (1.2, None, 5.0, True),  # too long for a sign
        (0.4, "", 5.0, False),  # a cough
        (0.3, "mm-hm", 5.0, False),
        (0.4, "Mama.", 5.0, False),  # what a recogniser of open speech makes of it
        (0.3, "Mm-hm.", 0.2, False),  # no answer, even at the end
        (0.5, "okay, right", 5.0, False),
        (0.5, "I see", 5.0, False),
        (0.3, "okay", 0.5, True),  # at the end it is an answer
        (0.3, "no", 5.0, True),
        (0.3, "yes", 5.0, True),
        (0.9, "okay but wait", 5.0, True),
        (0.9, "okay okay okay okay", 5.0, True),
    ],
)
def test_what_stops_the_agent(seconds, text, left_s, stops):
    assert interrupts(seconds, text, left_s) is stops


LONG = (
    "This is a very long sentence that goes on and on, so that whoever listens has the time to say something over it."
)
SAYS = f"""
if event.name in ("start", "text"):
    yield TextToSpeechEvent({LONG!r}, voice="nova")
"""


@pytest.mark.parametrize(("said", "stops"), [("mm-hm", False), ("okay", False), ("no wait", True)])
def test_a_caller_who_listens_aloud_stops_nobody(said, stops):
    played = play(agent(SAYS), [vl.interrupt(said, after_s=1.0), "thanks", vl.hang_up()])
    names = [event.name for event in played.record.events]
    assert ("turn_interrupted" in names) is stops
    assert ("backchannel" in names) is not stops
    texts = [event.data["text"] for event in played.record.events if event.name == "text"]
    assert texts == ([said, "thanks"] if stops else ["thanks"])


# --- echo ---


def speech_like(seed, seconds):
    """Return something as uneven as speech, in time and pitch: syllables of noise in changing bands."""
    rng, pieces = np.random.default_rng(seed), []
    for _ in range(int(seconds / 0.2)):
        n, spectrum = int(0.2 * RATE), np.fft.rfft(rng.standard_normal(int(0.2 * RATE)))
        hertz, centre = np.fft.rfftfreq(n, 1 / RATE), rng.uniform(200, 2500)
        syllable = np.fft.irfft(spectrum * np.exp(-(((hertz - centre) / 600) ** 2)), n)
        pieces.append(syllable / syllable.std() * rng.uniform(0.02, 0.15))
    return np.concatenate(pieces)


def heard_again(played, attenuation_db, delay_s, seed):
    """Return what a room gives back of a sound: later, softer, with .3 s of reverberation and a little noise."""
    rng = np.random.default_rng(seed)
    n = int(0.3 * RATE)
    room = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n) * 0.03
    room[0] = 1.0
    echo = np.convolve(np.r_[np.zeros(int(delay_s * RATE)), played], room)[: len(played)]
    return echo * 10 ** (attenuation_db / 20) + rng.standard_normal(len(played)) * 3e-4


def cleaned(heard, played):
    """Return the microphone's sound as the console cleans it, piece by piece."""
    remover, pieces = EchoRemover(), []
    reference = np.concatenate([np.zeros(int(3 * RATE)), played, np.zeros(RATE)])
    for at in range(0, len(heard) - 1599, 1600):
        end = int(3 * RATE) + at + 1600 - round(EARLIEST_S * RATE)
        past = reference[end - round(reference_s() * RATE) : end]
        pieces.append(remover.clean(heard[at : at + 1600].astype(np.float32), past.astype(np.float32)))
    return np.concatenate(pieces), remover


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples)) + 1e-12)


@pytest.mark.parametrize(("attenuation_db", "delay_s"), [(-6, 0.05), (-20, 0.6)])
def test_an_echo_is_taken_out_and_a_caller_over_it_is_left(attenuation_db, delay_s):
    played, caller = speech_like(1, 4.0), speech_like(2, 1.0)
    echo = heard_again(played, attenuation_db, delay_s, 3)
    left, remover = cleaned(echo, played)
    assert remover.delay_s == pytest.approx(delay_s, abs=0.01)
    later = slice(int(1.5 * RATE), int(3.8 * RATE))
    assert level_db(left[later]) < level_db(echo[later]) - 15
    both = echo.copy()
    both[2 * RATE : 3 * RATE] += caller
    left, _ = cleaned(both, played)
    assert level_db(left[2 * RATE : 3 * RATE]) > level_db(caller) - 4


def test_with_headphones_the_caller_is_left_as_he_is():
    caller, played = speech_like(2, 3.0), speech_like(1, 3.0)
    left, _ = cleaned(caller, played)
    assert level_db(left) > level_db(caller) - 1.5
