"""Callers that fit: what an agent asks is found out by talking to it, and answered in the way of each temperament."""

import sys
from pathlib import Path

import pytest
from harness import agent, says

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.callers.actions import Press, Say
from voicelab.fitting.candidates import candidates
from voicelab.fitting.prompts import read_prompt, sounds_lost
from voicelab.fitting.vocabulary import words_heard, words_of_pattern
from voicelab.handlers import SourceText

AGENTS = Path(__file__).parent / "agents"


@pytest.fixture(scope="module")
def fitted():
    """The five agents of this project's own, each with the personas that fit it; found out once for all tests."""
    sys.path.insert(0, str(AGENTS))
    try:
        import language_model
    finally:
        sys.path.remove(str(AGENTS))
    options = {
        "pizza": {},
        "survey": {"parameters": {"customerName": "Maria"}},
        "phone_menu": {},
        "language_model": {"model": language_model.model},
        "triage": {},
    }
    return {
        name: (vl.personas.fit(AGENTS / f"{name}.py", sessions=100, **given), given) for name, given in options.items()
    }


# --- reading what is asked -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "kind", "choices"),
    [
        ("For sales, press 1. For support, press two. For the menu again press star.", "keypad", ("1", "2", "*")),
        ("Sorry. Please press 1 for sales or 2 for support.", "keypad", ("1", "2")),
        ("Enter your four-digit PIN followed by the pound key.", "digits", ("4", "#")),
        ("May I have your six digit customer code?", "code", ()),
        ("Would you like small, medium, or large?", "choice", ("small", "medium", "large")),
        ("Is this about sales or support?", "choice", ("sales", "support")),
        ("Would Tuesday morning or Thursday afternoon suit you?", "choice", ("tuesday morning", "thursday afternoon")),
        ("Which department? Say 'billing' or 'repairs'.", "choice", ("billing", "repairs")),
        ("On a scale from one to five, how was it?", "scale", ("1", "5")),
        ("Please give me a number between 1 and 10.", "scale", ("1", "10")),
        ("Great. Shall I book it for you?", "yes or no", ()),
        ("So that is one pizza, correct?", "yes or no", ()),
        ("Breakfast included?", "yes or no", ()),
        ("May I have your name, please?", "name", ()),
        ("What is your phone number?", "phone", ()),
        ("Can you tell me your date of birth?", "birth", ()),
        ("Which day suits you?", "date", ()),
        ("What time would you like to come?", "time", ()),
        ("How many people will you be?", "number", ()),
        ("And what's the delivery address?", "address", ()),
        ("What size?", "size", ()),
        ("Hello there. How can I help you?", "open", ()),
        ("Okay. And your email?", "email", ()),
        ("Can you spell your last name?", "name", ()),
        ("Press any key to go on.", "keypad", ("1",)),
        ("How likely are you to come back? Press a key from 0 to 9.", "scale", ("0", "9")),
        ("Please describe what is wrong.", "open", ()),
        ("One moment, I'm placing your order.", "wait", ()),
        ("Thank you for calling. Goodbye!", "farewell", ()),
        ("We are open from nine.", "statement", ()),
        ("", "open", ()),
    ],
)
def test_what_is_asked_is_read(heard, kind, choices):
    prompt = read_prompt(heard)
    assert (prompt.kind, prompt.choices) == (kind, choices)


def test_a_question_that_repeats_what_was_said_is_the_same_question_in_another_call():
    one = read_prompt("A large margherita for 9 dollars, is that right?", ["large please", "margherita"])
    other = read_prompt("A small pepperoni for 12 dollars, is that right?", ["small", "pepperoni"])
    assert one.key == other.key
    persona = vl.Persona("p", replies={one.pattern: "yes"})
    assert persona.replies.to("Thank you. A small pepperoni for 12 dollars, is that right?")
    assert not persona.replies.to("Is that right? And what size?")


def test_an_agent_that_asks_for_two_things_at_once_gets_both():
    (first, *_) = candidates(read_prompt("For how many people, and on which day?"), [])
    assert first == Say("tomorrow, 2")


def test_what_an_agent_says_that_it_has_is_tried_first():
    prompt = read_prompt("We have soup, a salad and steak. What can I get you?")
    assert list(candidates(prompt, ["wine"]))[:3] == [Say("soup"), Say("salad"), Say("steak")]


@pytest.mark.parametrize(
    "text", ["Sorry, what was that?", "I didn't catch that.", "That is not a valid choice. Press 1."]
)
def test_an_agent_that_has_not_understood_is_noticed(text):
    assert sounds_lost(text)
    assert not sounds_lost("Great. What size?")


def test_what_a_handler_listens_for_stands_in_its_source():
    source = SourceText(
        "handler.py",
        "MENU = {'margherita': 9}\n"
        "async def handler(event, context):\n"
        "    context.experiment('t', {'variant one': 1})\n"
        "    if event.name == 'start':\n        yield TextToSpeechEvent('not listened for')\n"
        "    if 'refund' in text or any(w in text for w in ('money back',)):\n        pass\n"
        "    re.search(r'\\\\b(cancel|give up)\\\\b', text)\n"
        "    match text:\n        case 'operator':\n            pass\n",
    )
    assert set(words_heard([source])) == {"margherita", "refund", "money back", "cancel", "give up", "operator"}
    assert words_of_pattern(r"\b(?:book|reserve) a (table|room)s?\b") == ["book", "reserve a table", "rooms"]


def test_state_that_is_compared_and_single_letters_are_no_answers():
    source = SourceText(
        "handler.py",
        "async def handler(event, context):\n"
        "    step = context.get_data('step')\n"
        "    if step == 'topping' or context.get_data('menu') == 'account' or 'b' in text:\n        pass\n"
        "    match step:\n        case 'confirm':\n            ok = text == 'sure'\n",
    )
    assert words_heard([source]) == ["sure"]
    assert words_of_pattern("table for|people|book") == ["table for two", "two people", "book"]


# --- answers of the question's own type ------------------------------------------------------------------------------

DESK = agent(
    says("What is your name?") + "step = context.get_data('step', 'name')\n"
    "if event.name == 'text':\n"
    "    text = event.data['text'].lower()\n"
    "    if step == 'name':\n"
    "        context.set_data('step', 'topping')\n"
    "        context.set_outcome('known', 'yes' in text)\n"
    "        yield TextToSpeechEvent('Which topping? We have salami, funghi.')\n"
    "    elif step == 'topping':\n"
    "        if 'salami' in text or 'funghi' in text:\n"
    "            context.set_data('step', 'more')\n"
    "            context.set_outcome('ordered', True)\n"
    "            yield TextToSpeechEvent('Done. Anything else?')\n"
    "        else:\n"
    "            yield TextToSpeechEvent('We have salami and funghi.')\n"
    "    elif 'yes' in text:\n"
    "        context.set_data('step', 'topping')\n"
    "        yield TextToSpeechEvent('Which topping? We have salami, funghi.')\n"
    "    else:\n"
    "        yield StopEvent()\n"
)


def test_answers_of_the_questions_own_type_come_first_and_enough_is_enough(capsys):
    personas = vl.personas.fit(DESK, sessions=80, answers={"shoe size": "42"})
    said = {question: str(answer) for question, answer in personas.to_frame()[["question", "cooperative"]].to_numpy()}
    assert "yes" not in said["What is your name?"]
    assert "Maria Lopez" in said["What is your name?"]
    topping = next(answer for question, answer in said.items() if question.startswith("Which topping"))
    assert "salami" in topping
    assert "topping" not in topping
    assert said["Anything else?"].startswith("no")
    assert "yes" not in said["Anything else?"]
    sentence = "no question of the agent matches 'shoe size'"
    assert sentence in str(personas)
    assert sentence in capsys.readouterr().err
    # Whoever lets them call another agent isn't told to fit them once more.
    log = vl.simulate(LOYALTY, personas.cooperative, sessions=20, progress=False, workers=1)
    (advice,) = [remark for remark in log.manifest["remarks"] if "none of their patterns matched" in remark]
    assert "answers={'words of the question': 'the answer'}" in advice
    assert "makes callers who answer" not in advice


# --- five agents -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pizza", "survey", "phone_menu", "language_model", "triage"])
def test_fitted_personas_reach_the_targets_of_agents_of_every_style(fitted, name):
    personas, _ = fitted[name]
    for temper in ("cooperative", "hesitant"):
        own = personas.reached[temper]
        assert own.reached > 0.7 * own.sessions, f"{temper}: {personas}"
    assert personas.reached["impatient"].reached > 0.4 * 25
    assert personas.unanswered == []


def test_the_mixture_runs_in_a_worker_process_and_most_sessions_reach_the_target(fitted, capsys):
    personas, given = fitted["survey"]
    log = vl.simulate(AGENTS / "survey.py", personas.mix, sessions=60, progress=False, workers=1, **given)
    assert log.sessions()["outcome.survey_done"].mean() > 0.6
    assert capsys.readouterr().err == ""


def test_the_same_seed_fits_the_same_personas(fitted):
    again = vl.personas.fit(AGENTS / "phone_menu.py", sessions=100)
    assert str(again) == str(fitted["phone_menu"][0])
    assert again.cooperative.phrases == fitted["phone_menu"][0].cooperative.phrases


def test_what_was_found_shows_itself(fitted):
    personas, _ = fitted["phone_menu"]
    assert repr(personas).startswith(
        "FittedPersonas(fitted to 'phone_menu', 3 questions, cooperative reaches helped in "
    )
    frame = personas.to_frame().set_index("asks_for")
    assert frame.loc["digits", "cooperative"].startswith("presses 123456#")
    html = personas._repr_html_()
    assert "Personas fitted to phone_menu" in html
    assert "Enter your six digit account number" in html
    assert Press("123456#") in personas.cooperative.replies.items


def test_every_variant_of_every_test_is_talked_to(fitted):
    asked = " ".join(fitted["triage"][0].to_frame()["question"])
    for words in (
        "describe what is wrong",
        "an appointment, a prescription",
        "Does that work",
        "Tuesday morning or Thursday",
    ):
        assert words in asked


# --- what it can't answer --------------------------------------------------------------------------------------------

LOYALTY = agent(
    says("What is your loyalty word?")
    + "if event.name == 'text':\n"
    + "    if hash(event.data['text']) == hash('a' + 'b' * 6):\n"
    + "        context.experiments.add_manual_outcome('known', 'boolean')\n"
    + "        context.set_outcome('known', True)\n"
    + "        yield StopEvent()\n"
    + "    else:\n"
    + "        yield TextToSpeechEvent('Sorry, that is not it. What is your loyalty word?')\n"
)


def test_a_question_without_an_answer_is_named_and_the_users_own_answer_is_taken():
    personas = vl.personas.fit(LOYALTY, sessions=60)
    assert personas.unanswered == ["What is your loyalty word?"]
    assert (
        "No answer was found to: 'What is your loyalty word?'. Give some, e.g. vl.personas.fit(handler, answers="
        in str(personas)
    )
    assert "not found" in personas._repr_html_()
    own = vl.personas.fit(LOYALTY, sessions=60, answers={"loyalty": "abbbbbb"})
    assert own.unanswered == []
    assert own.reached["cooperative"].reached == 25


@pytest.mark.parametrize(
    ("handler", "options", "message"),
    [
        (
            agent("raise ValueError('boom')\nyield"),
            {},
            r"fails in all of 20 conversations, in 20 by ValueError: boom \(handler.py:",
        ),
        (agent("return\nyield"), {"sessions": 10}, "says nothing in 10 conversations"),
        (LOYALTY, {"parms": {}}, "no argument 'parms'. Did you mean 'parameters'"),
        (LOYALTY, {"sessions": 0}, "sessions is 0"),
        (LOYALTY, {"answers": ["x"]}, "answers is"),
        (LOYALTY, {"answers": {"(": "x"}}, "no regular expression"),
        (LOYALTY, {"answers": {"x": []}}, "must be an answer to 'x'"),
        (LOYALTY, {"answers": {"x": 5}}, "5 is no input"),
    ],
)
def test_what_can_not_be_fitted_is_refused_with_what_to_do(handler, options, message):
    with pytest.raises(InputError, match=message):
        vl.personas.fit(handler, **options)
