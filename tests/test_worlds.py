"""Ready worlds: text is misheard as a recogniser mishears, and where they come from is known."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.base.seeds import Seeds
from voicelab.handlers.samples import sample
from voicelab.speech.words import _edits
from voicelab.world.word_errors import WordErrors, _other_number
from voicelab.world.world import World
from voicelab.worlds.__main__ import fit_world, line_of
from voicelab.worlds.spoken_sentences import SentenceCaller
from voicelab.worlds.world_file import WorldFile

WORDS = ["table", "order", "parcel", "driver", "ticket", "window", "doctor", "kitchen", "jacket", "station"]
LIKE = {"table": "cable", "order": "older", "driver": "river", "ticket": "thicket", "jacket": "packet"}


def sentences(rng, n):
    return [" ".join(rng.choices(WORDS, k=6)) for _ in range(n)]


def heard_by_a_recogniser(said, rng, p):
    """Return what a made-up recogniser makes of it: words with others that sound alike, or left out, at probability p."""
    return " ".join(LIKE.get(word, "") if rng.random() < p else word for word in said.split())


def spoken(p_of_session, n=10, seed=1):
    rng = random.Random(seed)
    return [[(s, heard_by_a_recogniser(s, rng, p)) for s in sentences(rng, n)] for p in p_of_session]


def in_text(world, n=200, seed=2):
    """Return the sums of words and errors of text sessions, and how many words were left out."""
    rng, rows = random.Random(seed), []
    for index in range(n):
        there = world.begin(Seeds(3, index))
        pairs = [(said, there.recognised(said)) for said in sentences(rng, 10)]
        errors = sum(_edits(said.split(), heard.split()) for said, heard in pairs)
        rows.append((60, errors, sum(len(said.split()) - len(heard.split()) for said, heard in pairs)))
    return np.array(rows, float)


def test_text_that_was_never_spoken_is_misheard_as_often_and_in_the_same_way():
    world = World.fit(WorldFile({}, spoken([0.1] * 80)))
    words, errors, left_out = in_text(world).sum(axis=0)
    assert abs(errors / words - 0.1) < 0.015
    assert abs(left_out / errors - 0.5) < 0.1
    assert not world.confusions
    there = world.begin(Seeds(1, 1))
    misheard = {there.recognised("table order driver") for _ in range(300)}
    assert "cable order driver" in misheard
    assert {word for text in misheard for word in text.split()} <= {*WORDS, *LIKE.values()}


def test_some_callers_are_understood_worse_than_others_as_in_the_log():
    alike, apart = (World.fit(WorldFile({}, spoken(rates))) for rates in ([0.1] * 80, [0.0, 0.2] * 40))
    assert alike.recognition_errors.callers < 0.15
    assert 0.6 < apart.recognition_errors.callers < 1.5  # half never, half twice as often: 1
    spread = [np.var(rows[:, 1]) / rows[:, 1].mean() for rows in map(in_text, (alike, apart))]
    assert spread[1] > 2.5 * spread[0]


def test_errors_in_a_row_and_words_heard_as_two_come_as_often_as_in_the_log():
    rng, sessions = random.Random(4), []
    for _ in range(150):
        pairs, misheard = [], False
        for said in sentences(rng, 10):
            heard = []
            for word in said.split():
                misheard = rng.random() < (0.5 if misheard else 0.05)
                other = LIKE.get(word, f"{word}er")
                heard.append(word if not misheard else f"the {other}" if rng.random() < 0.3 else other)
            pairs.append((said, " ".join(heard)))
        sessions.append(pairs)
    errors = WordErrors.found_in(sessions)
    assert errors.runs == pytest.approx(0.45, abs=0.1)  # .5 = .05 + .95 runs, less what the next but one shares
    assert errors.split == pytest.approx(0.3, abs=0.05)
    assert errors.utterances < 0.2, "runs are no utterances that are understood worse"
    # Words that nobody has said, so that nothing but these rules makes their errors.
    there = World.fit(WorldFile({}, sessions)).replace(confusions={}).begin(Seeds(1, 1))
    new = " ".join(f"{word}s" for word in WORDS[:6])
    again = [(new, there.recognised(new)) for _ in range(1500)]
    found = WordErrors.found_in([again])
    assert found.runs == pytest.approx(errors.runs, abs=0.1)
    assert found.split == pytest.approx(errors.split, abs=0.08)
    assert found.rate / errors.rate == pytest.approx(1, abs=0.2), "as many errors in all"


def test_a_word_that_was_never_heard_errs_as_its_kind_and_is_taken_for_one_that_is_spelled_alike():
    pairs = [("book a table for Miller", "book a table for Hiller"), ("call Miller now", "call miller now")] * 30
    errors = WordErrors.found_in([pairs])
    assert errors.expected("fuller", name=True) > 10 * errors.expected("painting", name=False)
    rng = random.Random(1)
    heard = [errors.misheard("book the stable", rng, 30.0) for _ in range(50)]
    assert any("table" in text.split() for text in heard)


def test_numbers_stay_numbers_and_what_is_right_stays_as_it_is_written():
    pairs = [("my number is four two nine one", "my number is 4391")] * 10 + [("hello there", "hello there")] * 30
    errors = WordErrors.found_in([pairs])
    rng = random.Random(1)
    heard = {errors.misheard("It's number five two, please.", rng, 1.0) for _ in range(200)}
    assert "It's number five two, please." in heard
    wrong = heard - {"It's number five two, please."}
    assert wrong
    assert all(any(word.isdigit() for word in text.split()) for text in wrong if "number" in text)


def test_what_was_said_often_is_heard_as_it_was_there_and_nothing_is_heard_as_often():
    pairs = [("yes please", "yes, please")] * 15 + [("yes please", "")] * 5 + [("no", "")] * 5 + [("no", "know")] * 5
    world = World.fit(WorldFile({}, [pairs, [("well maybe", "")], [("oh really", "oh really")] * 3]))
    assert world.confusions == {"yes please": {"yes, please": 15, "": 5}, "no": {"": 5, "know": 5}}
    there = world.begin(Seeds(1, 1))
    unheard = [there.recognised("well sure") for _ in range(400)].count("")
    assert 0.1 < unheard / 400 < 0.4  # of two words 6 of 24


def test_a_log_of_few_words_tells_of_all_lengths_what_it_tells_of_one():
    there = World.fit(WorldFile({}, [[("hi", ""), ("hi", "hi")] * 2])).begin(Seeds(1, 1))
    unheard = [there.recognised("hello over there") for _ in range(400)].count("")
    assert 0.4 < unheard / 400 < 0.6


@pytest.mark.parametrize("log", [None, 5, "log"])
def test_what_is_no_log_fits_no_world(log):
    with pytest.raises(InputError, match="log is .*, must be the log of"):
        World.fit(log)


def test_a_world_is_replaced_and_never_changed():
    world = vl.worlds.landline
    slower = world.replace(handler_delay_s=0.4, truth={"greeting": {"booked": {"a": 0.5}}})
    assert slower.handler_delay_s == (0.4, 0.4)
    assert slower.recognition_errors is world.recognition_errors
    assert (world.handler_delay_s, world.truth) == ((0.0, 0.0), {})
    with pytest.raises(AttributeError, match=r"world\.replace\(handler_delay_s=1\)"):
        world.handler_delay_s = 1
    with pytest.raises(AttributeError, match="can't be changed"):
        del world.handler_delay_s
    with pytest.raises(InputError, match="handler_delay_s'"):
        world.replace(handler_delay=1)


@pytest.mark.parametrize("name", ["landline", "mobile"])
def test_the_ready_worlds_are_what_their_utterances_say(name):
    file = WorldFile.read(sample(f"worlds/{name}.json"))
    again = World.fit(file)
    kept = json.loads(json.dumps([vars(file.world.recognition_errors), file.world.confusions]))
    assert json.loads(json.dumps([vars(again.recognition_errors), again.confusions])) == kept
    assert file.origin["utterances"] == len(file.utterances())
    assert file.origin["word_error_rate"] == pytest.approx(again.recognition_errors.rate, abs=1e-4)
    assert vl.worlds.origins().loc[name, "command"].startswith("python -m voicelab.worlds")
    assert repr(getattr(vl.worlds, name)) == repr(file.world)


def test_the_sentences_are_the_same_for_a_seed_and_have_names_and_numbers():
    said = [SentenceCaller().begin(random.Random(seed)).reply(None) for seed in (1, 1, *range(2, 300))]
    assert said[0] == said[1]
    assert len(set(said)) > 200
    assert not any("{" in sentence for sentence in said)


def test_the_command_speaks_hears_and_keeps_a_world(tmp_path, capsys):
    (tmp_path / "said.txt").write_text("yes please\nno thank you\n")
    arguments = ["--tts", "fake", "--stt", "fake", "--utterances", "20", "--workers", "1"]
    assert fit_world([str(tmp_path / "mine.json"), "--sentences", str(tmp_path / "said.txt"), *arguments]) == 0
    assert "word_error_rate" in capsys.readouterr().out
    world = vl.worlds.from_file(tmp_path / "mine.json")
    command = json.loads((tmp_path / "mine.json").read_text())["origin"]["command"]
    assert f"--sentences {tmp_path / 'said.txt'}" in command
    assert set(world.confusions) == {"yes please", "no thank you"}
    assert world.recognition_errors.rate == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--line", "mobil"], "Did you mean 'mobile'"),
        (["--line", "noise=car,snr=12"], "Did you mean 'snr_db'"),
        (["--line", "noise=cat"], "noise is 'cat'"),
        (["--utterances", "0"], "must be at least 1"),
        (["--sentences", "nowhere.txt"], "can't be read as sentences"),
        (["--stt", "moonshin"], "Did you mean 'moonshine'"),
        (["--sentences", "dots.txt", "--tts", "fake", "--stt", "fake", "--workers", "1"], "No words were said"),
        (
            ["--sentences", "said.txt", "--tts", "pico", "--stt", "browser", "--workers", "1"],
            "'browser' can only listen in",
        ),
        (
            ["--sentences", "said.txt", "--tts", "fake", "--stt", "browser", "--workers", "1"],
            "browser heard nothing in 10",
        ),
    ],
)
def test_what_the_command_can_not_take_is_said(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dots.txt").write_text("...\n")
    (tmp_path / "said.txt").write_text("yes please\n")
    if "--sentences" in arguments and "nowhere.txt" not in arguments:
        arguments = [*arguments, "--utterances", "10"]
    assert fit_world([str(tmp_path / "mine.json"), *arguments]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("out", [".", "nowhere/mine.json", "a\0b.json"])
def test_where_nothing_can_be_written_nothing_is_spoken(tmp_path, monkeypatch, capsys, out):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("voicelab.worlds.__main__.simulate", None)
    assert fit_world([out]) == 1
    assert repr(Path(out).parts[0] if "/" in out else out) in capsys.readouterr().err


def test_who_stops_the_command_is_told_what_is_kept(tmp_path, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("voicelab.worlds.__main__.simulate", stopped)
    assert fit_world([str(tmp_path / "mine.json"), "--log", str(tmp_path / "log")]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_a_line_is_a_name_or_options():
    assert line_of("noise=car,snr_db=12,packet_loss=0.1") == vl.PhoneLine(noise="car", snr_db=12, packet_loss=0.1)


def changed(name, value):
    """Return the file of a small world in which something else stands for a part of what was fitted."""
    errors = vars(WordErrors.found_in(spoken([0.1] * 2))) | {name: value}
    return json.dumps({"origin": {}, "sessions": [], "world": {"recognition_errors": errors, "confusions": {}}})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate", float("nan")),
        ("rate", "often"),
        ("kinds", {"number": 0.1}),
        ("kinds", []),
        ("said", {"yes": "often"}),
        ("heard", {"yes": ["guess"]}),
        ("heard", None),
        ("left_out", -1),
        ("runs", 1.5),
        ("split", None),
        ("put_in", 10**400),
        ("put_in_words", "well"),
        ("nothing", []),
        ("nothing", ["a", "b", "c"]),
        ("vocabulary", [2]),
        ("callers", None),
        ("utterances", -0.5),
        ("a new one", 1),
    ],
)
def test_a_file_is_refused_as_it_is_read_and_not_in_the_middle_of_a_run(tmp_path, name, value):
    (tmp_path / "world.json").write_text(changed("rate", 0.1))
    vl.worlds.from_file(tmp_path / "world.json")
    (tmp_path / "world.json").write_text(changed(name, value))
    with pytest.raises(InputError, match=f"can't be read as a world .*{name}"):
        vl.worlds.from_file(tmp_path / "world.json")


def test_a_number_that_is_misheard_keeps_its_form():
    rng = random.Random(1)
    assert {_other_number("4th", rng) for _ in range(99)} == {f"{digit}th" for digit in "012356789"}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"origin": {}, "sessions": [[["a"]]], "world": {}}'])
def test_a_file_that_is_no_world_is_refused(tmp_path, text):
    (tmp_path / "world.json").write_text(text)
    with pytest.raises(InputError, match="can't be read as a world"):
        vl.worlds.from_file(tmp_path / "world.json")
    with pytest.raises(InputError, match="can't be read as a world"):
        vl.worlds.from_file(tmp_path / "nowhere.json")
