"""Synthetic callers: scripts say their lines, personas answer what they hear, mixtures keep their proportions."""

import json
import random
from collections import Counter

import pytest
from harness import agent, play, play_many, says

from voicelab import sdk
from voicelab.base.errors import InputError
from voicelab.base.seeds import Seeds
from voicelab.base.weighted import Choice
from voicelab.callers import Mix, Persona, Script, as_caller, mix, personas
from voicelab.callers.actions import (
    At,
    Custom,
    HangUp,
    Interrupt,
    Press,
    Say,
    Send,
    Silence,
    as_input,
    at,
    hang_up,
    interrupt,
    press,
    silence,
)
from voicelab.callers.protocol import Heard

ECHO = agent("if event.name == 'text':\n    yield TextToSpeechEvent('You said ' + event.data['text'])\n")


def heard(text="", timeouts=0, interrupted=False):
    return Heard(text, timeouts, interrupted, 0.0)


def call(persona, seed=0):
    return persona.begin(random.Random(seed))


def texts(played):
    return [e.data["text"] for e in played.named("text")]


# --- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("hello", Say("hello")),
        (sdk.TextEvent("text", "hi"), Say("hi")),
        (sdk.TextEvent("speech", "hi"), Say("hi", "speech")),
        (sdk.StopEvent(), HangUp()),
        (silence(), Silence()),
        (silence(7), Silence(7.0)),
        (press("12#*"), Press("12#*")),
        (press(5), Press("5")),
        (interrupt("no"), Interrupt("no", 1.0)),
        (hang_up(), HangUp()),
        (at(12, "x"), At(12.0, Say("x"))),
        (at(0, press("1")), At(0.0, Press("1"))),
        (Custom("paid", {"amount": 1}), Custom("paid", {"amount": 1})),
    ],
)
def test_what_a_caller_can_do(given, meant):
    assert as_input(given) == meant


@pytest.mark.parametrize(
    "event", [sdk.DTMFEvent("1"), sdk.CustomEvent("x"), sdk.TimeoutEvent(1, 2), sdk.TextEvent("text", "x", "de")]
)
def test_any_other_event_is_sent_as_it_is(event):
    sent = as_input(event)
    assert isinstance(sent, Send)
    assert (type(sent.event), sent.event.name, sent.event.data) == (type(event), event.name, event.data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: as_input(5), "5 is no input"),
        (lambda: as_input(None), "is no input"),
        (lambda: as_input(""), "vl.silence"),
        (lambda: as_input("  "), "vl.silence"),
        (lambda: as_input(sdk.StartEvent()), "leave it out"),
        (lambda: silence(-1), "seconds is -1"),
        (lambda: silence("2"), "seconds is '2'"),
        (lambda: silence(float("nan")), "seconds is nan"),
        (lambda: silence(True), "seconds is True"),
        (lambda: press(""), "one or more of 0-9"),
        (lambda: press("12a"), "'12a'"),
        (lambda: interrupt(""), "caller's words"),
        (lambda: interrupt("x", after_s=-1), "after_s is -1"),
        (lambda: at(-1, "x"), "time_s is -1"),
        (lambda: at(1, silence()), "vl.at(1"),
        (lambda: at(1, at(2, "x")), "vl.at(1"),
        (lambda: at(1, 5), "5 is no input"),
    ],
)
def test_a_bad_input_says_what_was_given_and_what_is_allowed(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)


# --- scripts ---------------------------------------------------------------------------------------------------------


def test_a_script_says_its_lines_one_a_turn():
    played = play(ECHO, Script(["one", "two", "three"], name="counting"))
    assert texts(played) == ["one", "two", "three"]
    assert played.session["caller"] == "counting"
    assert played.status == "completed"


def test_a_script_is_the_same_in_every_session():
    assert {tuple(texts(p)) for p in play_many(ECHO, Script(["a", silence(2), "b"]), 5)} == {("a", "b")}


def test_inputs_at_fixed_times_come_in_order_of_time():
    played = play(ECHO, [at(9.0, "late"), "first", at(4.0, "early")])
    assert texts(played) == ["first", "early", "late"]
    assert [e.time_s for e in played.named("text")] == [0.0, 4.0, 9.0]


def test_a_script_may_hang_up_before_its_end():
    played = play(ECHO, ["a", hang_up(), "b"])
    assert (texts(played), played.status) == (["a"], "hangup")


def test_a_silence_without_length_waits_for_the_next_timeout():
    played = play(ECHO, ["a", silence(), "b"])
    assert played.input_names == ["start", "text", "timeout", "text", "stop"]


def test_a_script_file_is_a_json_array_of_strings(tmp_path):
    path = tmp_path / "booking.json"
    path.write_text(json.dumps(["hello", "größer"], ensure_ascii=False), encoding="utf-8")
    script = Script.load(path)
    assert (script.name, script.inputs) == ("booking", (Say("hello"), Say("größer")))
    assert Script.load(str(path)).inputs == script.inputs


@pytest.mark.parametrize("text", ["[]", "{}", '"hello"', "[1]", '["a", null]', "not json", '["a",]', "[[]]", ""])
def test_a_file_that_is_no_script_is_named(tmp_path, text):
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"broken\.json"):
        Script.load(path)


def test_a_script_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "broken.json"
    path.write_bytes('["größer"]'.encode("latin-1"))
    with pytest.raises(InputError, match=r"broken\.json"):
        Script.load(path)


def test_a_script_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no script file.*nowhere\.json"):
        Script.load(tmp_path / "nowhere.json")


@pytest.mark.parametrize(
    ("inputs", "message"), [("hello", "is a list of inputs"), (5, "list of inputs"), ([], "empty"), ([5], "no input")]
)
def test_a_script_that_is_none_is_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        Script(inputs)


# --- callers of one's own --------------------------------------------------------------------------------------------


class Punctual:
    """A caller of one's own that does things at fixed times alone."""

    name = "punctual"

    def __init__(self, timed):
        self.timed = timed

    def begin(self, rng):
        return self

    def reply(self, heard):
        return None


def test_what_an_own_caller_does_at_fixed_times_happens_then_in_whatever_order_it_is_given():
    played = play(ECHO, as_caller(Punctual([at(5, "second"), at(1, "first"), at(5, "third")])))
    assert [(e.time_s, e.data["text"]) for e in played.named("text")] == [(1, "first"), (5, "second"), (5, "third")]


@pytest.mark.parametrize("timed", [["hello"], [at(1, "a"), 5], [silence(3)], "hello", None, 5])
def test_an_own_callers_fixed_times_that_are_none_are_refused(timed):
    with pytest.raises(InputError, match=r"`timed` holds .* must be a list of vl\.at\(\)"):
        as_caller(Punctual(timed)).begin(random.Random(0))


# --- personas --------------------------------------------------------------------------------------------------------


def test_the_first_pattern_that_is_found_gives_the_reply_whatever_its_case():
    persona = Persona("p", replies={"tuesday": "first", "TUES|wed": "second"})
    assert call(persona).reply(heard("On TUESDAY?")).text == "first"
    assert call(persona).reply(heard("on Wed?")).text == "second"
    assert isinstance(call(persona).reply(heard("on Friday?")), Silence)


def test_a_persona_hears_everything_said_since_its_last_input():
    handler = agent(
        "if event.name == 'start':\n    yield TextToSpeechEvent('alpha')\n    yield TextToSpeechEvent('beta')\n"
        "if event.name == 'text':\n    yield TextToSpeechEvent('gamma')\n"
    )
    persona = Persona("p", replies={"alpha beta": "both", "^gamma$": "gamma alone"}, max_turns=3)
    assert texts(play(handler, persona))[:2] == ["both", "gamma alone"]


def test_a_persona_that_cuts_in_has_heard_the_beginning_alone():
    words = " ".join(f"word{n}" for n in range(100))
    persona = Persona("p", replies={"word99": "all", "word0": "part"}, barge_in=1.0, max_turns=1)
    for played in play_many(agent(says(words)), persona, 10):
        assert texts(played)[0] == "part"


def test_replies_come_in_their_shares():
    persona = Persona("p", replies={"x": {"a": 3, "b": 1}})
    drawn = Counter(call(persona, seed).reply(heard("x")).text for seed in range(4000))
    assert drawn["a"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_a_persona_opens_once_with_its_opening():
    persona = Persona("p", opening="good morning", otherwise="okay")
    conversation = call(persona)
    assert conversation.reply(heard("")).text == "good morning"
    assert conversation.reply(heard("hello")).text == "okay"


def test_a_pattern_comes_before_the_opening():
    assert call(Persona("p", opening="hi", replies={"name": "Jo"})).reply(heard("Your name?")).text == "Jo"


def test_replies_that_no_pattern_matched_are_counted():
    persona = Persona("p", replies={"price": "ten"}, otherwise="okay", max_turns=3)
    handler = agent(says("the price") + says("something else", "text"))
    played = play(handler, persona)
    assert texts(played) == ["ten", "okay", "okay"]
    assert (played.session["n_replies"], played.session["n_otherwise"]) == (3, 2)


@pytest.mark.parametrize("patience", [1, 2, 4])
def test_patience_is_the_number_of_timeouts_in_a_row_before_it_hangs_up(patience):
    played = play(agent(says("hello")), Persona("p", patience=patience))
    assert played.input_names.count("timeout") == patience
    assert played.status == "hangup"


@pytest.mark.parametrize("max_turns", [1, 3])
def test_a_persona_hangs_up_after_its_last_turn(max_turns):
    played = play(ECHO, Persona("p", opening="hi", otherwise="go on", max_turns=max_turns))
    assert len(texts(played)) == max_turns
    assert played.status == "hangup"


def test_a_persona_speaks_after_its_reaction_time():
    persona = Persona("p", opening="hi", max_turns=1, reaction_s=(2.0, 3.0))
    delays = [p.named("text")[0].time_s - 5 * 0.06 - 2 * 0.06 for p in play_many(agent(says("hello")), persona, 200)]
    assert min(delays) >= 2.0
    assert max(delays) <= 3.0 + 1e-9
    assert max(delays) - min(delays) > 0.8


def test_a_personas_words_are_speech():
    played = play(ECHO, Persona("p", opening="hi", max_turns=1))
    assert played.named("text")[0].data["source"] == "speech"


@pytest.mark.parametrize(("barge_in", "least", "most"), [(0.0, 0, 0), (0.5, 60, 140), (1.0, 200, 200)])
def test_barge_in_is_the_share_of_answers_it_cuts_into(barge_in, least, most):
    persona = Persona("p", opening="wait", barge_in=barge_in, max_turns=1)
    played = play_many(agent(says("x " * 100)), persona, 200)
    assert least <= sum(p.speech[0].data.get("interrupted", False) for p in played) <= most


def test_a_reply_may_be_keys_or_hanging_up():
    handler = agent(says("Press one") + says("Goodbye", "dtmf"))
    played = play(handler, Persona("p", replies={"press": press("1"), "goodbye": hang_up()}))
    assert played.input_names == ["start", "dtmf", "stop"]
    assert played.status == "hangup"


@pytest.mark.parametrize("name", sorted(persona.name for persona in personas))
def test_a_stock_persona_ends_every_conversation(name):
    persona = getattr(personas, name)
    assert persona.name == name
    for played in play_many(ECHO, persona, 30):
        assert played.status == "hangup"
        assert played.errors == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": ""}, "name is ''"),
        ({"name": 5}, "name is 5"),
        ({"replies": {"(": "x"}}, "no regular expression"),
        ({"replies": {5: "x"}}, "must be text"),
        ({"replies": {"x": {}}}, "nothing to choose from"),
        ({"replies": {"x": {"a": 0}}}, "above 0"),
        ({"replies": {"x": {"a": -1}}}, "above 0"),
        ({"replies": {"x": 5}}, "no input"),
        ({"replies": {"x": at(1, "a")}}, "for scripts"),
        ({"opening": ""}, "caller's words"),
        ({"otherwise": {}}, "nothing to choose from"),
        ({"patience": 0}, "patience is 0"),
        ({"patience": 1.5}, "patience is 1.5"),
        ({"max_turns": 0}, "max_turns is 0"),
        ({"reaction_s": (2, 1)}, "(shortest, longest)"),
        ({"reaction_s": -1}, "(shortest, longest)"),
        ({"barge_in": 1.5}, "barge_in is 1.5"),
        ({"barge_in": "often"}, "barge_in is 'often'"),
        ({"max_repeats": -1}, "max_repeats is -1"),
        ({"otherwise": lambda: "yes"}, "the function <lambda> takes (), must take `heard`, or `heard` and `rng`"),
        ({"otherwise": lambda heard, words: "yes"}, "must take `heard`, or `heard` and `rng`"),
    ],
)
def test_a_persona_that_cant_be_meant_is_refused(options, message):
    with pytest.raises(InputError) as caught:
        Persona(**({"name": "p"} | options))
    assert message in str(caught.value)


def test_a_function_replies_to_what_it_is_told_by_chance_that_repeats():
    def by_word(heard):
        return f"{heard.text.split()[-1]} at {heard.time_s > 0}"

    def drawn(heard, rng):
        return {f"number {rng.random()}": 1}.popitem()[0] if heard.timeouts == 0 else None

    persona = Persona("p", replies={"price": {by_word: 1}}, otherwise=drawn, max_turns=2)
    handler = agent(says("the price") + says("something else", "text"))
    first, again = play(handler, persona), play(handler, persona)
    assert texts(first)[0] == "price at True"
    assert texts(first)[1].startswith("number 0.")
    assert texts(first) == texts(again)


def test_a_function_may_press_keys_stay_silent_or_leave():
    replies = iter([press("1"), None, hang_up()])
    handler = agent(says("Well?") + says("Yes?", "dtmf") + says("Yes?", "timeout"))
    played = play(handler, Persona("p", otherwise=lambda heard: next(replies)))
    assert played.input_names == ["start", "dtmf", "timeout", "stop"]


def test_a_function_that_returns_no_reply_is_named_in_the_session():
    played = play(agent(says("hello")), Persona("p", otherwise=lambda heard: 5))
    assert played.status == "error"
    assert "p: otherwise: the function <lambda> returned 5, must return text" in played.errors[0].data["message"]


def test_asked_the_same_again_a_persona_says_something_else_and_gives_up_in_the_end():
    persona = Persona("p", replies={"size": {"small": 50, "large": 1, "medium": 1}}, otherwise="hm", max_repeats=3)
    for played in play_many(agent(says("What size?") + says("What size?", "text")), persona, 20):
        assert sorted(texts(played)[:3]) == ["large", "medium", "small"]
        assert len(texts(played)) == 4
        assert played.status == "hangup"
    endless = Persona("p", otherwise="hm", max_repeats=None, max_turns=9)
    assert len(texts(play(agent(says("What?") + says("What?", "text")), endless))) == 9


@pytest.mark.parametrize("name", sorted(persona.name for persona in personas))
def test_no_stock_persona_says_the_same_over_and_over_to_an_agent_that_repeats_itself(name):
    handler = agent(says("Shall I book it for you?") + says("Shall I book it for you?", "text"))
    for played in play_many(handler, getattr(personas, name), 30):
        assert max(Counter(texts(played)).values(), default=0) <= 4


def test_a_persona_that_does_not_exist_is_asked_for_by_its_nearest_name():
    with pytest.raises(AttributeError, match=r"no persona 'coperative'.*Did you mean 'cooperative'"):
        personas.coperative  # noqa: B018
    assert {caller.name for caller in personas.mix.callers} == {persona.name for persona in personas}


# --- mixtures, other callers -----------------------------------------------------------------------------------------


def test_a_mixture_keeps_its_proportions():
    callers = mix((Script(["a"], name="a"), 7), (Script(["b"], name="b"), 3))
    names = Counter(p.session["caller"] for p in play_many(ECHO, callers, 2000))
    assert names["a"] / 2000 == pytest.approx(0.7, abs=0.04)


def test_a_list_in_a_mixture_is_a_script():
    assert isinstance(mix((["hello"], 1)).callers[0], Script)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "nothing to choose from"),
        ([Script(["a"])], "takes pairs"),
        ([(Script(["a"]), 0)], "above 0"),
        ([(Script(["a"]), "1")], "above 0"),
        ([(5, 1)], "is no caller"),
        ([("hello", 1)], "script is a list"),
    ],
)
def test_a_mixture_that_cant_be_meant_is_refused(pairs, message):
    with pytest.raises(InputError, match=message):
        mix(*pairs)


def test_the_same_caller_twice_in_a_mixture_has_both_shares():
    one, other = Script(["a"], name="a"), Script(["b"], name="b")
    callers = mix((one, 1), (other, 1), (one, 1))
    drawn = Counter(callers.of_session(index, Seeds(1, index)).name for index in range(3000))
    assert drawn["a"] / 3000 == pytest.approx(2 / 3, abs=0.04)


def test_a_mixture_in_a_mixture_is_refused():
    with pytest.raises(InputError, match="not mixtures"):
        mix((mix((["a"], 1), (["b"], 1)), 1), (["c"], 1))


def test_a_choice_takes_one_number_and_a_single_item_none():
    rng = random.Random(1)
    state = rng.getstate()
    assert Choice({"a": 1}, "x").pick(rng) == "a"
    assert rng.getstate() == state


@pytest.mark.parametrize(
    ("given", "message"), [("hello", "script is a list"), (5, "is no caller"), (None, "is no caller"), ([], "empty")]
)
def test_what_is_no_caller_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        as_caller(given)


@pytest.mark.parametrize("given", [Script(["a"]), Persona("p"), mix((["a"], 1)), personas.silent])
def test_a_caller_stays_itself(given):
    assert as_caller(given) is given
    assert isinstance(mix((["a"], 1)), Mix)


def test_a_caller_of_ones_own_may_say_plain_text_and_know_nothing_of_interruptions():
    class Counting:
        name = "counting"

        def begin(self, rng):
            self.left = [f"{rng.random():.6f}", "two"]
            return self

        def reply(self, heard):
            return self.left.pop(0) if self.left else None

    played = [texts(p) for p in play_many(ECHO, Counting(), 2)]
    assert played == [texts(p) for p in play_many(ECHO, Counting(), 2)]
    assert played[0] != played[1]
    assert [row[1] for row in played] == ["two", "two"]


def test_a_caller_of_ones_own_that_says_nonsense_is_a_session_with_status_error():
    class Broken:
        name = "broken"

        def begin(self, rng):
            return self

        def reply(self, heard):
            return 5

    played = play(ECHO, Broken())
    assert played.status == "error"
    assert "no input" in played.session["error"]


def test_two_versions_of_a_handler_meet_the_same_callers():
    """Common random numbers: what the handler draws moves nothing that the caller does."""
    quiet = agent(says("Shall I book it?") + says("Done.", "text"))
    noisy = agent("random.random()\n" + says("Shall I book it?") + says("Done.", "text"))
    callers = mix((personas.cooperative, 1), (personas.hesitant, 1))
    pairs = zip(play_many(quiet, callers, 50), play_many(noisy, callers, 50), strict=True)
    assert all(a.events == b.events for a, b in pairs)


@pytest.mark.parametrize("wrong", [{"opening": ["a", "b"]}, {"replies": {"a": ["b", "c"]}}, {"replies": [("a", "b")]}])
def test_replies_of_another_shape_are_refused_with_the_right_one(wrong):
    with pytest.raises(InputError, match="must be .*reply: weight"):
        Persona("x", **wrong)


@pytest.mark.parametrize("make", [lambda name: Script(["a"], name=name), Persona])
@pytest.mark.parametrize("name", [3, "", None])
def test_a_caller_has_a_name_of_text(make, name):
    with pytest.raises(InputError, match="must be some text"):
        make(name)
