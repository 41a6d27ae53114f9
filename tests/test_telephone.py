"""Callers that really speak: what reaches the handler is what a recogniser made of their sound, the same for any workers."""

import hashlib
from functools import partial

import numpy as np
import pytest

import voicelab as vl
from voicelab import speech
from voicelab.base.errors import InputError, MissingEngineError, SpeechError
from voicelab.base.seeds import Seeds
from voicelab.callers.actions import BEGINS, Recognised, Unheard
from voicelab.record.lanes import spans_of
from voicelab.runs.options import SessionOptions
from voicelab.simulation import simulation_run
from voicelab.speech import registry
from voicelab.world.telephone import Telephone

ORDER = "I'd like to order a large pizza please"
# The quickest engines that are always there, whatever extras are.
SPOKEN = {"audio": vl.PhoneLine(), "tts": "pico", "stt": "sphinx", "progress": False}
PERSONA = vl.Persona(
    "hungry",
    opening=ORDER,
    replies={"large or small": {"large please": 0.5, "small please": 0.5}, "goodbye": vl.hang_up()},
    otherwise="could you say that again",
    max_turns=5,
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path_factory.getbasetemp() / "voicelab-cache"))


def pizza():
    """Return a handler that understands an order, or asks again."""

    async def handler(event, context):
        text = str(event.data.get("text", "")).lower()
        if event.name == "start":
            context.add_outcome("ordered", "boolean")
            yield vl.sdk.TextToSpeechEvent(text="Pizza house, what can I get you?", voice="nova")
        elif event.name == "text" and "pizza" in text:
            yield vl.sdk.TextToSpeechEvent(text="Certainly: large or small?", voice="nova")
        elif event.name == "text" and ("large" in text or "small" in text):
            context.set_outcome("ordered", True)
            yield vl.sdk.TextToSpeechEvent(text="It is on its way, goodbye.", voice="nova")
        elif event.name in {"text", "timeout"}:
            yield vl.sdk.TextToSpeechEvent(text="Sorry, what was that?", voice="nova")

    return handler


def call(line=None, phrases=(ORDER,), seed=0, **options):
    telephone = Telephone(line or vl.PhoneLine(), "pico", "sphinx", **options)
    return telephone.begin(Seeds(seed, 0), list(phrases))


def hashes(log):
    return {
        path.relative_to(log.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in log.path.rglob("*.parquet")
    }


# --- one call ---


def test_words_reach_the_agent_when_they_have_been_said_and_it_is_quiet_again():
    sounds = call().say(ORDER)
    assert sounds[0][1] is BEGINS
    assert sounds[0][0] < 0.3
    at_s, heard = sounds[-1]
    assert (heard.text, heard.said) == (ORDER, ORDER)
    assert heard.facts["engine"] == "sphinx"
    assert (heard.facts["words"], heard.facts["word_errors"]) == (9, 0)  # "I would"
    spoken_s = speech.text_to_speech("pico").synthesize(ORDER, voice="nova").duration_s
    assert at_s == pytest.approx(spoken_s + 0.7, abs=0.6)


def test_a_pause_cuts_a_reply_into_two_turns_and_its_errors_are_counted_once():
    class Voice:
        name = "slow"

        def synthesize(self, text, voice=None, language=None, speed=1.0):
            mouth = speech.text_to_speech("pico")
            return (
                mouth.synthesize("yes please", voice) + speech.Audio.silence(1.5) + mouth.synthesize("no thanks", voice)
            )

    telephone = Telephone(vl.PhoneLine(), Voice(), "sphinx")
    sounds = telephone.begin(Seeds(0, 0), ["yes please", "no thanks"]).say("yes please, no thanks")
    heard = [what for _, what in sounds if isinstance(what, Recognised)]
    assert [what.text for what in heard] == ["yes please", "no thanks"]
    assert [what.facts.get("words") for what in heard] == [None, 4]
    assert heard[1].facts["word_errors"] == 0
    times = [at_s for at_s, _ in sounds]
    assert times == sorted(times)


def test_callers_speak_and_are_recognised_in_the_language_that_was_asked_for():
    asked = []

    class Voice:
        name = "polyglot"

        def synthesize(self, text, voice=None, language=None, speed=1.0):
            asked.append(("spoken", language))
            return speech.Audio(np.full(8000, 9000, dtype=np.int16), 16000)

    class Ear:
        name, detector = "polyglot", "energy"

        def transcribe(self, audio, phrases=None, language=None):
            asked.append(("recognised", language))
            return speech.Transcript("hallo")

    Telephone(vl.PhoneLine(), Voice(), Ear(), language="de-DE").begin(Seeds(0, 0), []).say("hallo")
    assert set(asked) == {("spoken", "de-DE"), ("recognised", "de-DE")}


def test_an_utterance_of_several_turns_is_one_row(tmp_path):
    class Voice:
        name = "slow"

        def synthesize(self, text, voice=None, language=None, speed=1.0):
            mouth = speech.text_to_speech("pico")
            return mouth.synthesize("yes please", "nova") + speech.Audio.silence(1.5) + mouth.synthesize("no", "nova")

    caller = vl.Script(["yes please, no", "yes please, no", vl.hang_up()])
    log = vl.simulate(
        pizza(), caller, sessions=2, audio=vl.PhoneLine(), tts=Voice(), phrases=["yes please", "no"], progress=False,
        workers=1, log=tmp_path / "log",
    )  # fmt: skip
    assert len(log.turns()[log.turns()["input"] == "text"]) == 8
    utterances = log.utterances()
    assert list(utterances["said"]) == ["yes please, no"] * 4
    assert list(utterances["heard"]) == ["yes please no"] * 4
    assert (utterances[["words", "word_errors"]].to_numpy() == [3, 0]).all()


def test_what_no_detector_finds_is_unheard():
    class Voice:
        name = "mute"

        def synthesize(self, text, voice=None, language=None, speed=1.0):
            return speech.Audio.silence(2.0)

    ((_, what),) = Telephone(vl.PhoneLine(), Voice(), "sphinx").begin(Seeds(0, 0), [ORDER]).say(ORDER)
    assert isinstance(what, Unheard)
    counts = {"words": 9, "word_errors": 9, "words_as_written": 8, "word_errors_as_written": 8}
    assert what.facts.pop("voice").startswith("caller-")
    assert what.facts == {"engine": "sphinx", **counts, "said": ORDER}


def test_the_agents_words_take_as_long_as_their_sound():
    data = {"text": "Certainly: large or small?", "voice": "nova", "speed": 1.0, "language": "en"}
    seconds = call().agent_seconds(data)
    assert seconds == speech.text_to_speech("pico").synthesize(data["text"], voice="nova", language="en").duration_s
    assert call().agent_seconds({"text": "...", "speed": 1.0}) == pytest.approx(0.18)


def test_the_agent_can_say_what_to_expect():
    telephone = call(phrases=["no thanks"])
    before = [what.text for _, what in telephone.say("the password is blue") if isinstance(what, Recognised)]
    telephone.settings({"prompt": "the password is blue"})
    after = [what.text for _, what in telephone.say("the password is blue") if isinstance(what, Recognised)]
    assert before != ["the password is blue"]
    assert after == ["the password is blue"]


# --- simulation ---


def test_the_log_tells_what_was_said_what_was_heard_and_how_wrong_it_was(tmp_path):
    line = vl.PhoneLine(noise="babble", snr_db=6)
    log = vl.simulate(
        pizza(),
        PERSONA,
        sessions=6,
        seed=3,
        audio=line,
        tts="pico",
        stt="sphinx",
        progress=False,
        workers=1,
        log=tmp_path / "log",
    )
    turns = log.turns()
    spoken = turns[turns["input"] == "text"]
    assert (spoken["words"] > 0).all()
    wrong = spoken[spoken["word_errors"] > 0]
    assert len(wrong)
    for row in wrong.itertuples():
        assert speech.words.word_counts(row.said, row.heard)["word_errors"] == row.word_errors
    assert (
        spoken[spoken["word_errors"] == 0]["said"].str.lower()
        == spoken[spoken["word_errors"] == 0]["heard"].str.lower()
    ).all()
    unheard = log.events(name="unheard")
    utterances = log.utterances()
    assert len(unheard)
    assert len(utterances) == len(spoken) + len(unheard)
    missed = utterances[utterances["heard"] == ""]
    assert len(missed) == len(unheard)
    assert (missed["word_errors"] == missed["words"]).all()
    assert missed["said"].str.len().min() > 0
    assert set(utterances["engine"]) == {"sphinx"}
    assert log.manifest["audio"].startswith("Telephone(line=PhoneLine(codec='g711', noise='babble', snr_db=6)")
    event = log.events(name="text").iloc[0]
    assert '"engine":"sphinx"' in event["data"]


def test_the_same_seed_is_the_same_log_for_any_number_of_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation_run, "AUDIO_SHARD_SIZE", 3)
    line = vl.PhoneLine(noise="street", snr_db=10, packet_loss=0.02)
    options = {**SPOKEN, "sessions": 5, "seed": 5, "audio": line}
    caller = vl.mix((vl.Script([ORDER]), 0.6), (PERSONA, 0.4))
    one, two = (
        vl.simulate(pizza(), caller, workers=workers, log=tmp_path / str(workers), **options) for workers in (1, 2)
    )
    assert hashes(one) == hashes(two)
    assert len(list(one.path.glob("events/*.parquet"))) == 2
    other = vl.simulate(pizza(), caller, workers=2, log=tmp_path / "other", **{**options, "seed": 6, "sessions": 2})
    heard_at = [log.events(name="text")["time_s"].tolist()[:2] for log in (one, other)]
    assert heard_at[0] != heard_at[1]


def test_the_log_and_the_timeline_have_the_length_of_the_agents_sound(tmp_path):
    log = vl.simulate(pizza(), vl.Script([vl.hang_up()]), sessions=1, workers=1, log=tmp_path / "log", **SPOKEN)
    record = log.session(0)
    (said,) = (event for event in record.events if event.name == "text_to_speech")
    sound_s = speech.text_to_speech("pico").synthesize(said.data["text"], voice="nova").duration_s
    assert said.data["duration_s"] == pytest.approx(sound_s, abs=0.001)
    (bar,) = (
        span for span in spans_of(record.events, record.duration_s) if (span.lane, span.kind) == ("agent", "span")
    )
    assert bar.end_s - bar.start_s == pytest.approx(sound_s, abs=0.001)


def test_a_session_is_rerun_to_the_event(tmp_path):
    log = vl.simulate(
        pizza(),
        PERSONA,
        sessions=3,
        seed=1,
        **SPOKEN,
        workers=1,
        log=tmp_path / "log",
    )
    again = log.rerun(2)
    assert again.to_frame().equals(log.session(2).to_frame())


def test_a_good_line_and_the_text_it_stands_for_agree(tmp_path):
    log = vl.simulate(
        pizza(),
        PERSONA,
        sessions=10,
        seed=2,
        **SPOKEN,
        workers=2,
        log=tmp_path / "log",
    )
    turns = log.turns()
    assert turns["word_errors"].sum() <= 0.03 * turns["words"].sum()
    assert log.sessions()["outcome.ordered"].mean() == 1.0


def test_the_world_in_text_is_fitted_to_the_audio_and_agrees_with_it(tmp_path):
    line = vl.PhoneLine(noise="pink", snr_db=14)
    caller = vl.Script([ORDER, "large please", vl.hang_up()])
    audio = vl.simulate(
        pizza(),
        caller,
        sessions=25,
        seed=4,
        audio=line,
        tts="pico",
        stt="sphinx",
        progress=False,
        workers=2,
        log=tmp_path / "audio",
    )
    world = vl.World.fit(audio)
    assert 0.02 < world.recognition_errors.rate < 0.9
    text = vl.simulate(
        pizza(), caller, sessions=600, seed=4, world=world, progress=False, workers=2, log=tmp_path / "text"
    )
    (p, n), (q, m) = ((log.sessions()["outcome.ordered"].mean(), len(log.sessions())) for log in (audio, text))
    margin = 2.6 * np.sqrt(max(p * (1 - p), 0.05) / n + max(q * (1 - q), 0.05) / m)
    assert abs(p - q) < margin


def test_tests_stop_and_outcomes_count_as_in_text(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation_run, "AUDIO_SHARD_SIZE", 3)

    async def handler(event, context):
        if event.name == "start":
            context.add_outcome("ordered", "boolean")
            context.add_test(
                "tone", {"a": 0.5, "b": 0.5}, stop={"max_iterations": 4, "target_outcome": "ordered", "default": "a"}
            )
            yield vl.sdk.TextToSpeechEvent(text="Hello.", voice="nova")
        elif event.name == "text":
            context.set_outcome("ordered", "pizza" in event.data["text"])

    log = vl.simulate(
        handler,
        [ORDER],
        sessions=8,
        seed=1,
        **SPOKEN,
        workers=2,
        log=tmp_path / "log",
    )
    assert list(log.decisions()["sessions"]) == [4]
    assert (log.exposures()["assignment"] == "default_after_stop").sum() == 4


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"audio": "g711"}, r"must be vl\.PhoneLine"),
        ({"audio": vl.PhoneLine(), "world": vl.World(recognition_errors=0.1)}, "leave one of them out"),
        ({"audio": vl.PhoneLine(), "world": vl.World(confusions={"yes": {"yet": 1}})}, "leave one of them out"),
        ({"audio": vl.PhoneLine(), "phrases": "yes"}, "must be a list"),
        ({"audio": vl.PhoneLine(), "stt": "sphynx"}, "Did you mean 'sphinx'"),
        ({"audio": vl.PhoneLine(), "tts": 5}, "must be the name of an engine"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(options, hint, tmp_path):
    with pytest.raises(InputError, match=hint):
        vl.simulate(pizza(), ["hi"], sessions=2, log=tmp_path / "log", progress=False, **options)
    assert not (tmp_path / "log").exists()


class _Mine:
    name, version, offline, detector = "mine", "1", True, "energy"

    def __init__(self, given):
        self.given = given

    def transcribe(self, audio, phrases=None, language=None):
        return self.given

    def synthesize(self, text, voice=None, language=None, speed=1.0):
        return self.given


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"stt": _Mine(None)}, r"mine's transcribe\(\) returned None, must be a speech\.Transcript"),
        ({"stt": _Mine(speech.Transcript(None))}, "text is None, must be the words"),
        ({"stt": _Mine(speech.Transcript("hi", 87.0))}, "confidence is 87.0, must be from 0 to 1"),
        ({"tts": _Mine("hi")}, r"mine's synthesize\(\) returned 'hi', must be a speech\.Audio"),
    ],
)
def test_an_engine_of_ones_own_that_gives_back_something_else_is_told_in_a_sentence(options, told):
    telephone = Telephone(**{"tts": "fake", "stt": "fake", **options})
    call = telephone.begin(Seeds(1, 0), [])
    with pytest.raises(SpeechError, match=told):
        call.say("hi there")


def test_runs_that_compare_ends_of_turns_share_the_engines():
    calls = [Telephone(vl.PhoneLine(endpointing=s), "fake", "fake").begin(Seeds(1, 0), []) for s in (0.3, 0.9, 0.3)]
    assert len({id(call._studio) for call in calls}) == 1
    assert [call._endpointer.silence_s for call in calls] == [0.3, 0.9, 0.3]


def test_a_recogniser_is_loaded_before_the_first_session_that_uses_it():
    loaded = []

    class Slow(_Mine):
        def warm_up(self):
            loaded.append(self)

    Telephone(tts="fake", stt=Slow(speech.Transcript("hi"))).begin(Seeds(1, 0), [])
    assert len(loaded) == 1


def test_a_missing_engine_is_said_before_anything_runs(monkeypatch, tmp_path):
    monkeypatch.setattr("voicelab.world.telephone._studios", {})
    monkeypatch.setattr(registry.Engine, "installed", property(lambda _: False))
    with pytest.raises(MissingEngineError, match="pip install"):
        vl.simulate(pizza(), ["hi"], sessions=2, log=tmp_path / "log", progress=False, audio=vl.PhoneLine())


def test_a_spoken_session_may_compute_as_long_as_its_engines_take():
    async def handler(event, context):
        yield vl.sdk.TextToSpeechEvent(text="Hello.", voice="nova")

    made = partial(SessionOptions.checked, handler, ["hi"])
    spoken = Telephone(vl.PhoneLine(), "fake", "fake")
    assert made().limits.cpu_s == 10
    assert made(telephone=spoken).limits.cpu_s == made(telephone=spoken, limits=None).limits.cpu_s == 120
    assert made(telephone=spoken, limits=vl.Limits(cpu_s=3)).limits.cpu_s == 3


def test_a_log_in_text_has_nothing_to_fit(tmp_path):
    log = vl.simulate(pizza(), ["hi"], sessions=2, log=tmp_path / "log", progress=False)
    with pytest.raises(InputError, match="audio=vl.PhoneLine"):
        vl.World.fit(log)
