"""What a conversation was like, in numbers: on timelines whose measures are known by hand, and once more by another way."""

import contextlib
import io
import json
import shutil
import statistics
import warnings

import harness
import pytest
from measured_slowly import Slowly
from page import Page
from same_rows import draws, settings

import voicelab as vl
from voicelab.base.errors import LogError
from voicelab.base.pace import speech_seconds
from voicelab.base.records import MEASURES as COLUMNS
from voicelab.base.records import SESSIONS, SessionRows
from voicelab.log.checksums import sealed
from voicelab.log.measured import measures_table
from voicelab.log.measured_parts import computed_measures
from voicelab.log.redact import redact
from voicelab.measures import MEASURES, measures_of
from voicelab.measures.measuring import measures_from_events, measures_of_timeline
from voicelab.measures.plain import plain_measures
from voicelab.measures.timeline import NAMES, timeline_of
from voicelab.speech import FakeTextToSpeech

# --- rows of a session, by hand ---


def row(time_s, turn, kind, name, **data):
    return (time_s, turn, (kind, name, False, None), json.dumps(data))


def speech(time_s, turn, text, **data):
    return row(time_s, turn, "output", "text_to_speech", text=text, **data)


def typed(time_s, turn, text):
    return row(time_s, turn, "input", "text", source="text", text=text)


def spoken(time_s, turn, text, **data):
    return row(time_s, turn, "input", "text", source="speech", text=text, **data)


def cut(time_s, turn):
    return row(time_s, turn, "system", "turn_interrupted")


def measured(rows, duration_s, source="simulated"):
    found = dict(zip(COLUMNS, measures_from_events(rows, 0, duration_s, source), strict=True))
    slowly = measures_of_timeline(timeline_of(rows), 0, duration_s, exact=source != "imported")
    assert found == pytest.approx(dict(zip(COLUMNS, slowly, strict=True)), abs=1e-9)
    return found


GREETING = speech(0.5, 0, "Hello, this is the clinic speaking.", duration_s=2.0)
CUT_GREETING = speech(
    0.0, 0, "Hello, this is the clinic.", duration_s=4.0, played_s=1.4, interrupted=True, heard="Hello, this is"
)
CASES = {
    "answers are waited for from the end of the words to the first sound": (
        [
            GREETING,
            typed(3.0, 1, "yes"),
            speech(3.5, 1, "Fine.", duration_s=1.0),
            speech(4.5, 1, "Which day?", duration_s=1.0),
            spoken(8.0, 2, "on Monday", audio_s=2.5, end_of_turn_s=0.5),
            speech(9.0, 2, "Good.", duration_s=1.0),
            typed(10.0, 3, "thanks"),
        ],
        10.0,
        {"n_answers": 2, "answer_s_median": 1.0, "answer_s_p95": 1.45, "first_sound_s": 0.5, "talk_over_s": 0.0},
    ),
    "a sound of the agent's after the next words answers those": (
        [typed(1.0, 1, "hello"), typed(2.0, 2, "hello?"), speech(5.0, 2, "Hello.", duration_s=1.0)],
        6.0,
        {"n_answers": 1, "answer_s_median": 3.0, "first_sound_s": None, "dead_air_s": 3.0, "dead_air_s_longest": 3.0},
    ),
    "dead air is a silence of more than a second, also before the first sound and at the end": (
        [speech(1.5, 0, "Hello.", duration_s=1.0), typed(3.4, 1, "hi"), speech(7.4, 1, "Yes?", duration_s=1.0)],
        11.0,
        {"dead_air_s": 1.5 + 4.0 + 2.6, "dead_air_s_longest": 4.0},
    ),
    "a silence of a second is none of more than a second, whatever the last bits of its ends are": (
        [speech(0.0, 0, "Hello.", duration_s=2.28), typed(3.2800000000000002, 1, "hi"), speech(4.28 + 1e-12, 1, "Yes?")],
        4.52,
        {"dead_air_s": 0.0, "dead_air_s_longest": 0.0},
    ),
    "a sound of which no word was recognised is heard all the same": (
        [speech(0.0, 0, "Hello.", duration_s=1.0), spoken(2.0, 1, ""), speech(2.0, 1, "Pardon?", duration_s=1.0)],
        3.0,
        {"talk_over_s": 0.0, "n_agent_interruptions": 0, "words": 0, "word_errors": None},
    ),
    "a pause that the agent plays is no dead air": (
        [row(0.0, 0, "output", "silence", duration=3000), speech(3.0, 0, "Hello.", duration_s=1.0)],
        4.0,
        {"dead_air_s": 0.0, "first_sound_s": 3.0, "agent_talk_s": 1.0},
    ),
    "who interrupts is measured from his first sound to the agent's silence": (
        [CUT_GREETING, cut(1.4, 0), spoken(3.0, 1, "no wait please", audio_s=2.0), speech(3.0, 1, "Sure.", duration_s=1.0)],
        4.0,
        {
            "n_caller_interruptions": 1, "yield_s_median": 0.4, "talk_over_s": 0.4, "n_false_interruptions": 0,
            "n_interruptions_went_on": 1, "n_interruptions_ignored": 0, "agent_words": 4, "n_agent_interruptions": 0,
        },
    ),
    "words that wait at the closed gate interrupt, and the agent goes on to its end": (
        [
            speech(0.0, 0, "One", duration_s=2.0, interruptible=False),
            speech(2.0, 0, "two", duration_s=1.0, interruptible=False),
            row(1.5, 0, "system", "input_held", reason="not_interruptible", input="Say"),
            spoken(3.0, 1, "stop it", audio_s=0.5),
        ],
        3.0,
        {"n_caller_interruptions": 1, "yield_s_median": 2.0, "talk_over_s": 0.5, "n_interruptions_ignored": 1},
    ),
    "keys interrupt as words do": (
        [CUT_GREETING, cut(1.4, 0), row(1.4, 1, "input", "dtmf", digits="1"), speech(1.4, 1, "Sales.", duration_s=1.0)],
        3.0,
        {"n_caller_interruptions": 1, "yield_s_median": 0.0, "talk_over_s": None, "caller_talk_s": 0.0, "words": 0},
    ),
    "noise that stopped the agent is a false interruption": (
        [CUT_GREETING, cut(1.4, 0), row(2.4, 0, "system", "unheard", audio_s=1.0)],
        3.0,
        {"n_caller_interruptions": 0, "n_false_interruptions": 1, "yield_s_median": None, "n_interruptions_ignored": None},
    ),
    "a sign of listening that stopped the agent is a false interruption": (
        [CUT_GREETING, cut(1.4, 0), spoken(1.9, 1, "mm-hm", audio_s=0.5), speech(1.9, 1, "Sorry?", duration_s=1.0)],
        3.0,
        {"n_caller_interruptions": 0, "n_false_interruptions": 1},
    ),
    "a sign of listening that stops nobody is talking over": (
        [speech(0.0, 0, "Hello.", duration_s=3.0), row(2.0, 0, "system", "backchannel", text="mm-hm", audio_s=0.5)],
        3.0,
        {"n_false_interruptions": 0, "talk_over_s": 0.5, "words": 1, "word_errors": 0, "n_agent_interruptions": 0},
    ),
    "an agent that begins to speak in the caller's words cuts him off": (
        [typed(0.0, 1, "hi"), speech(2.0, 1, "Well.", duration_s=1.0), spoken(4.0, 2, "I was saying", audio_s=3.0)],
        4.0,
        {"n_agent_interruptions": 1, "n_caller_interruptions": 0, "talk_over_s": 1.0},
    ),
    "at the console nobody reacts within a fifth of a second": (
        [
            typed(0.0, 1, "hi"),
            speech(2.0, 1, "Well then.", duration_s=2.0, played_s=0.5, interrupted=True, heard="Well"),
            cut(2.5, 1),
            row(4.0, 1, "system", "recognition", audio_s=1.9, recognition_s=0.0, text="and a coffee", engine="e"),
            spoken(4.0, 2, "and a coffee", engine="e"),
        ],
        4.0,
        {"n_agent_interruptions": 1, "n_caller_interruptions": 0},
    ),
    "an agent that starts over says the beginning again": (
        [CUT_GREETING, cut(1.4, 0), spoken(2.0, 1, "what day"), speech(2.0, 1, "Hello, this is the clinic.", duration_s=1.0)],
        3.0,
        {"n_interruptions_started_over": 1, "n_interruptions_repeated": 0, "n_agent_repeats": 1},
    ),
    "an agent that repeats says again what was heard": (
        [
            speech(0.0, 0, "Hello. Press one for sales.", duration_s=4.0, played_s=3.9, interrupted=True,
                   heard="Hello. Press one for sales."),
            cut(3.9, 0),
            typed(3.9, 1, "wait"),
            speech(3.9, 1, "As I said, press one for sales.", duration_s=1.0),
        ],
        5.0,
        {"n_interruptions_repeated": 1, "n_interruptions_went_on": 0, "n_agent_repeats": 0},
    ),
    "an agent that hangs up has not ignored the caller": (
        [CUT_GREETING, cut(1.4, 0), typed(1.4, 1, "bye now"), row(1.4, 1, "output", "stop")],
        2.0,
        {"n_interruptions_went_on": 1, "n_interruptions_ignored": 0},
    ),
    "who says the same three words again repeats himself, and who asks to hear it again": (
        [typed(0, 1, "yes"), typed(1, 2, "Yes!"), typed(2, 3, "my name is Ann"), typed(3, 4, "My name is Ann."),
         typed(4, 5, "pardon?"), typed(5, 6, "sorry, no")],
        5.0,
        {"n_caller_repeats": 2, "n_agent_repeats": None, "words": 13, "word_errors": 0},
    ),
    "words that were misheard are counted against what was said": (
        [spoken(1.0, 1, "I want the bill", said="I want to pay"), typed(2.0, 2, "three"),
         row(3.0, 2, "system", "unheard", said="hello there")],
        3.0,
        {"words": 7, "word_errors": 4},
    ),
    "of an utterance in several turns the last one has the counts": (
        [spoken(1.0, 1, "well", engine="e", audio_s=0.5), spoken(2.0, 2, "free", engine="e", audio_s=0.5, words=2, word_errors=1)],
        3.0,
        {"words": 2, "word_errors": 1},
    ),
    "what a recogniser should have heard is not known at the console": (
        [spoken(1.0, 1, "hello you", engine="e"), typed(2.0, 2, "three")], 3.0, {"words": 3, "word_errors": None},
    ),
    "shares and paces are of time": (
        [speech(0.0, 0, "One two three.", duration_s=3.0), spoken(4.0, 1, "yes please", audio_s=1.0)],
        4.0,
        {"talk_share": 0.75, "agent_words_per_min": 60.0, "caller_words_per_min": 120.0, "agent_talk_s": 3.0, "caller_talk_s": 1.0},
    ),
    "where nobody spoke nothing applies": (
        [row(0.0, 0, "input", "start")],
        4.0,
        {
            **dict.fromkeys(COLUMNS),
            "session_index": 0, "n_answers": 0, "dead_air_s": 4.0, "dead_air_s_longest": 4.0, "words": 0,
            "agent_talk_s": 0.0, "caller_talk_s": 0.0, "agent_words": 0,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_measures_of_a_timeline_are_those_known_by_hand(case):
    rows, duration_s, expected = CASES[case]
    found = measured(rows, duration_s)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_imported_words_are_known_as_they_were_recognised_alone():
    rows = [spoken(1.0, 1, "hello you")]
    assert measured(rows, 2.0)["word_errors"] == 0
    assert measured(rows, 2.0, "imported")["word_errors"] is None


def test_an_import_without_playback_is_cut_where_its_rows_say_so():
    rows = [
        speech(0.0, 0, "x" * 100),  # 6 s by its length
        speech(0.0, 0, "y" * 100),
        cut(2.0, 0),
        spoken(3.0, 1, "wait a second please"),
    ]
    found = measured(rows, 3.0, "imported")
    assert (found["n_caller_interruptions"], found["agent_talk_s"], found["yield_s_median"]) == (1, 2.0, 0.0)


def test_rows_that_nobody_can_read_are_no_error():
    odd = [None, "3", 1e300, [], {}, True, -1]
    for name in sorted(NAMES):
        for kind in ("input", "output", "system"):
            for value in odd:
                keys = (
                    "text",
                    "said",
                    "duration_s",
                    "played_s",
                    "audio_s",
                    "end_of_turn_s",
                    "speed",
                    "words",
                    "word_errors",
                )
                rows = [
                    row(1.0, 0, kind, name, **dict.fromkeys(keys, value)),
                    (1.0, 0, (kind, name, False, None), "[]"),
                ]
                assert len(measures_from_events([*rows, *rows], 0, 2.0, "imported")) == len(COLUMNS)


# --- the same by another way ---


@pytest.mark.parametrize("seed", range(2))
def test_random_sessions_measured_by_another_way_come_to_the_same(seed):
    """Random handlers, callers and worlds: both ways agree in every measure, and the quick one with the other."""
    n = n_plain = 0
    for number in range(60):
        for record in _records(draws.case_of(seed, number)):
            rows = record.rows()
            events, own = rows.events, (record.session_index, record.duration_s)
            whole = dict(zip(COLUMNS, measures_of_timeline(timeline_of(events), *own, exact=True), strict=True))
            slowly = Slowly(record).measures()
            assert {name: whole[name] for name in slowly} == pytest.approx(slowly, abs=1e-6), f"case {number}"
            plain = plain_measures(events, *own, exact=True)
            if plain is not None:
                assert dict(zip(COLUMNS, plain, strict=True)) == pytest.approx(whole, abs=1e-9), f"case {number}"
            n, n_plain = n + 1, n_plain + (plain is not None)
    assert n > n_plain > n / 4


def _records(case):
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            options = settings.checked(settings.options_of(case))
            if case["road"] == "speak":
                options |= {"telephone": settings.telephone()}
            caller = settings.caller_of(case["caller"])
            return [
                one.record
                for one in harness.play_many(settings.handler(case), caller, case.get("sessions", 1), **options)
            ]
        except vl.VoicelabError:  # of cases that end with one: it is theirs
            return []


# --- a person at the console ---

RESOLUTION_S = 0.1
"""The microphone's sound comes in pieces of so many seconds."""


async def echo(event, context):
    del context
    if event.name == "start":
        yield vl.sdk.TextToSpeechEvent(text="Hello there.")
    elif event.name == "text":
        yield vl.sdk.TextToSpeechEvent(text=f"You said {event.data['text']}.")


def test_a_spoken_session_is_measured_as_it_was_heard():
    page = Page(echo)
    with contextlib.closing(page):
        page.give(k="set", name="mode", value="hands_free")
        page.connect(0)
        began_s = page.manual.loop.time()
        page.run(3)
        page.speak("buy it")
        page.run(4)
        page.say("a very long sentence to say back, and then some more of it", 1.0)
        interrupted_s = page.manual.loop.time() - began_s
        page.speak("no stop it please now")
        page.run(4)
        page.hang_up()
        record = page.talk.record
    found = record.measures
    latencies = [event.data["total_ms"] / 1000 for event in record.events if event.name == "latency" and event.turn]
    speech = [event for event in record.events if event.name == "text_to_speech"]
    stopped_s = speech[2].time_s + speech[2].data["played_s"]
    said_s = sum(FakeTextToSpeech().synthesize(text).duration_s for text in ("buy it", "no stop it please now"))
    typed_s = speech_seconds("a very long sentence to say back, and then some more of it")
    expected = {
        "answer_s_median": statistics.median(latencies),
        "yield_s_median": stopped_s - interrupted_s,
        "talk_over_s": FakeTextToSpeech().synthesize("no stop it please now").duration_s,
        "caller_talk_s": said_s + typed_s,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=RESOLUTION_S)
    counts = {"n_caller_interruptions": 1, "n_agent_interruptions": 0, "n_interruptions_went_on": 1, "n_answers": 3}
    assert {name: found[name] for name in counts} == counts
    assert found["word_errors"] is None


# --- where they stand ---


def test_every_measure_has_a_column_and_a_definition():
    assert list(COLUMNS) == ["session_index", *MEASURES]
    for name, measure in MEASURES.items():
        assert (COLUMNS[name] == "int32") == (measure.kind == "count"), name
        assert measure.name == name


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("log")
    return vl.simulate("clinic", vl.personas.impatient, 30, seed=2, log=folder / "log", workers=1, progress=False)


def test_a_log_has_them_as_a_frame_and_a_table_and_a_record_by_name(log):
    frame = log.measures()
    assert list(frame) == ["session_id", *MEASURES]
    assert frame["session_id"].tolist() == log.sessions()["session_id"].tolist()
    assert frame["n_caller_interruptions"].sum() > 0
    turns = log.turns(where="followed IS NOT NULL")
    assert len(turns) == frame["n_caller_interruptions"].sum()
    assert turns["answer_s"].count() <= frame["n_answers"].sum() == log.turns()["answer_s"].count()
    stored = measures_table(log)
    assert stored.equals(computed_measures(log.path, log._parts[0]))
    assert log.sql("SELECT sum(words) AS n FROM measures")["n"].item() == frame["words"].sum()
    assert log.relation("measures").filter("dead_air_s IS NULL").aggregate("count(*)").fetchall() == [(0,)]
    assert log.session(7).measures == pytest.approx({name: stored[name][7].as_py() for name in MEASURES})
    assert list(log.measures(columns=["words"], where="n_answers > 1", limit=2)) == ["words"]


def test_a_log_without_them_has_them_from_its_events(log, tmp_path):
    older = shutil.copytree(log.path, tmp_path / "older")
    shutil.rmtree(older / "measures")
    with pytest.raises(LogError, match=r"measures/part-000000.parquet is missing"):
        vl.open_log(older)
    facts = json.loads((older / "checksums" / "part-000000.json").read_text())
    del facts["tables"]["measures"], facts["sha256"]
    (older / "checksums" / "part-000000.json").write_text(json.dumps(sealed(facts)))
    found = vl.open_log(older)
    assert found.measures().equals(log.measures())
    assert found.verify().sound
    assert found.sql("SELECT count(*) AS n FROM measures")["n"].item() == len(log.sessions())


def test_a_session_of_a_redacted_log_has_the_measures_that_were_stored(log, tmp_path):
    redact(log.path, tmp_path / "copy", [r"\w+ \w+"])
    copy = vl.open_log(tmp_path / "copy")
    words = copy.measures()["words"]
    assert words.equals(log.measures()["words"])
    assert [copy.session(index).measures for index in range(5)] == [log.session(index).measures for index in range(5)]
    assert "[redacted:" in copy.events().to_csv()


def test_rows_are_measured_once():
    facts = {"source": "simulated", "duration_s": 3.0}
    rows = SessionRows(tuple(facts.get(name, 0) for name in SESSIONS), [GREETING])
    assert measures_of(rows) is measures_of(rows)
