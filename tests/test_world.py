"""The world between caller and agent: what is misheard, late, or fails, and the effects that a test truly has."""

import re

import pytest
from harness import agent, play, play_many, says
from hypothesis import given
from hypothesis import strategies as st

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.base.seeds import Seeds, session_id
from voicelab.world.world import SimulatedFault, World

ECHO = agent("if event.name == 'text':\n    yield TextToSpeechEvent('You said ' + event.data['text'])\n")
SENTENCE = "I want to book an appointment on Tuesday at four please"


# --- seeds -----------------------------------------------------------------------------------------------------------


def test_a_stream_is_a_matter_of_run_seed_index_and_name():
    one = Seeds(7, 3)
    assert one.seed("caller") == Seeds(7, 3).seed("caller")
    assert len({one.seed("caller"), one.seed("world"), Seeds(8, 3).seed("caller"), Seeds(7, 4).seed("caller")}) == 4
    assert one.uniform("x") == one.uniform("x")
    assert one.random("x").random() == one.random("x").random()


@given(st.integers(0, 2**64), st.integers(0, 10**7), st.text(max_size=10))
def test_a_number_of_a_stream_is_from_nought_to_below_one(seed, index, stream):
    assert 0 <= Seeds(seed, index).uniform(stream) < 1


def test_numbers_of_a_stream_are_even():
    drawn = [Seeds(1, index).uniform("test:e") for index in range(10_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("one", "other"), [((1, 12), (11, 2)), ((-1, 0), (1, 0)), ((10**80, 0), (2 * 10**80, 0))])
def test_no_two_runs_share_their_streams(one, other):
    assert Seeds(*one).seed("caller") != Seeds(*other).seed("caller")


def test_a_session_id_is_sixteen_digits_of_run_and_index():
    assert len(session_id("run", 1)) == 16
    assert session_id("run", 1) == session_id("run", 1) != session_id("run", 2)


# --- recognition -----------------------------------------------------------------------------------------------------


def recognised(rate, text=SENTENCE, sessions=400):
    world = World(recognition_errors=rate)
    return [world.begin(Seeds(0, index)).recognised(text) for index in range(sessions)]


def test_without_errors_words_arrive_as_they_were_said():
    assert set(recognised(0.0, "  as  it was ")) == {"  as  it was "}


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_the_rate_is_that_of_words(rate):
    words = SENTENCE.split()
    kept = [sum(word in heard.split() for word in words) / len(words) for heard in recognised(rate, sessions=3000)]
    # a swap, one error in three, keeps both of its words
    assert 1 - sum(kept) / len(kept) == pytest.approx(rate * 2 / 3, abs=0.02)


@pytest.mark.parametrize("text", ["yes", "a", "four", SENTENCE])
def test_recognition_never_returns_nothing(text):
    assert all(heard.strip() for heard in recognised(1.0, text))


@given(st.text(min_size=1).filter(str.strip), st.integers(0, 1000))
def test_recognition_takes_any_text(text, index):
    assert World(recognition_errors=1.0).begin(Seeds(0, index)).recognised(text).strip()


def test_recognition_repeats_by_its_seed():
    assert recognised(0.3) == recognised(0.3)
    assert len(set(recognised(0.3))) > 50


def test_the_log_keeps_what_was_really_said_where_it_was_misheard():
    played = play_many(ECHO, [SENTENCE], 50, world=World(recognition_errors=0.1))
    for p in played:
        [text] = p.named("text")
        assert text.data.get("said", text.data["text"]) == SENTENCE
        assert p.said == [f"You said {text.data['text']}"]
    assert any("said" in p.named("text")[0].data for p in played)


def test_the_handler_is_not_told_what_was_really_said():
    handler = agent("if event.name == 'text':\n    context.set_data('keys', sorted(event.data))\n")
    assert play(handler, [SENTENCE], world=World(recognition_errors=1.0)).data["keys"] == ["language", "source", "text"]


# --- delays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given_s", "low", "high"), [((0.5, 1.5), 0.5, 1.5), (2, 2.0, 2.0), ((0, 0.3), 0.0, 0.3)])
def test_a_delay_passes_before_the_handler_gets_its_input(given_s, low, high):
    played = play_many(agent(says("hi")), sessions=100, world=World(handler_delay_s=given_s))
    delays = [p.speech[0].time_s for p in played]
    assert low - 1e-9 <= min(delays) <= max(delays) <= high + 1e-9
    if high > low:
        assert max(delays) - min(delays) > 0.8 * (high - low)


def test_an_input_during_the_delay_interrupts_it():
    from voicelab.callers.actions import at

    played = play(ECHO, ["first", at(1.0, "second")], world=World(handler_delay_s=3))
    assert next((e.data["text"], e.time_s) for e in played.named("text")) == ("second", 1.0)
    assert played.named("turn_interrupted")[0].turn == 0
    assert played.errors == []


# --- faults ----------------------------------------------------------------------------------------------------------


def test_a_fault_is_an_error_row_and_the_session_goes_on():
    played = play(agent(says("hi") + says("ok", "text")), ["a"], world=World(handler_faults=1.0))
    assert played.status == "completed"
    assert {e.data["message"].partition(":")[0] for e in played.errors} == {SimulatedFault.__name__}
    assert played.session["n_errors"] == 2


def test_a_fault_is_raised_where_the_handlers_own_code_can_catch_it():
    body = """
    if event.name == "start":
        try:
            yield TextToSpeechEvent("one")
            yield TextToSpeechEvent("two")
        except RuntimeError as error:
            yield TextToSpeechEvent("sorry")
            yield TextToSpeechEvent("still here")
    """
    played = play(agent(body), world=World(handler_faults=1.0))
    assert played.said == ["one", "sorry", "still here"]
    assert played.errors == []


def test_what_goes_wrong_behind_a_fault_is_told_at_the_handlers_own_line():
    body = """
    try:
        yield LogEvent("begins")
    except RuntimeError:
        pass
    if event.name == "start":
        yield 5
    if event.name == "text":
        await asyncio.sleep(10_000)
    """
    played = play(agent(body), ["x"], world=World(handler_faults=1.0))
    no_event, limit = (e.data["message"] for e in played.errors if "SimulatedFault" not in e.data["message"])
    assert re.match(r"HandlerError: handler\.py:\d+: the handler yielded 5", no_event)
    assert re.search(r"limit of 3600 s of conversation, at handler\.py:\d+\.", limit)


def test_a_fault_in_a_task_is_an_error_row_with_its_name():
    body = """
    async def lookup():
        yield LogEvent("begins")
        yield LogEvent("never")
    if event.name == "start":
        context.create_task(lookup(), name="lookup")
    """
    played = play(agent(body), ["x"], world=World(handler_faults=1.0))
    assert played.logs == ["begins"]
    [error] = [e for e in played.errors if e.background]
    assert error.task_name == "lookup"


def test_a_fault_in_a_task_can_be_caught_by_the_task():
    body = """
    async def lookup():
        try:
            yield LogEvent("begins")
        except RuntimeError:
            yield LogEvent("caught")
    if event.name == "start":
        context.create_task(lookup(), name="lookup")
    """
    played = play(agent(body), ["x"], world=World(handler_faults=1.0))
    assert played.logs == ["begins", "caught"]
    assert [e for e in played.errors if e.background] == []


def test_a_fault_reaches_a_handler_and_a_task_without_yield():
    body = """
    async def work():
        await asyncio.sleep(1)
    if event.name == "start":
        context.create_task(work(), name="work")
    """
    played = play(agent(body), ["x"], world=World(handler_faults=1.0))
    assert any(not e.background for e in played.errors)


def test_the_share_of_faults_is_that_of_calls():
    played = play_many(agent("yield LogEvent('x')"), ["a", "b", "c"], 400, world=World(handler_faults=0.1))
    calls = sum(len(p.inputs) for p in played)
    assert sum(p.session["n_errors"] for p in played) / calls == pytest.approx(0.1, abs=0.03)


# --- truth -----------------------------------------------------------------------------------------------------------

TRUTH = {"e": {"sold": {"a": 0.3, "b": 0.6}}}
TESTED = agent("if event.name == 'start':\n    context.experiment('e', {'a': 0.5, 'b': 0.5})\n")


def sold(handler=TESTED, truth=TRUTH, sessions=3000, **options):
    return [
        (p.exposures[0]["variant"], p.outcomes["sold"]["value"])
        for p in play_many(handler, sessions=sessions, world=World(truth=truth), **options)
    ]


def test_outcomes_come_true_in_their_proportions():
    rows = sold()
    for variant, share in TRUTH["e"]["sold"].items():
        values = [value for got, value in rows if got == variant]
        assert sum(values) / len(values) == pytest.approx(share, abs=0.04)


def test_the_outcomes_dont_depend_on_the_version_of_the_handler():
    other = agent("""
        if event.name == "start":
            random.random()
            context.experiment("first", {"x": 1, "y": 1})
            await asyncio.sleep(random.random())
            yield TextToSpeechEvent("another version")
            context.experiment("e", {"a": 0.5, "b": 0.5})
    """)
    mine = [p.outcomes["sold"]["value"] for p in play_many(TESTED, sessions=200, world=World(truth=TRUTH))]
    its = [p.outcomes["sold"]["value"] for p in play_many(other, sessions=200, world=World(truth=TRUTH))]
    assert mine == its


def test_the_same_session_under_the_better_variant_is_never_worse():
    """Common random numbers: a session draws one number, whatever its variant."""
    worse = [value for _, value in sold(sessions=300, variants={"e": "a"})]
    better = [value for _, value in sold(sessions=300, variants={"e": "b"})]
    assert all(a <= b for a, b in zip(worse, better, strict=True))
    assert sum(worse) < sum(better)


def test_a_true_outcome_is_a_boolean_that_was_written():
    row = play(TESTED, world=World(truth=TRUTH)).outcomes["sold"]
    assert (row["type"], row["written"]) == ("boolean", True)


def test_a_truth_may_be_a_function_of_chance():
    truth = {"e": {"minutes": {"a": lambda rng: rng.gauss(5, 1), "b": lambda rng: rng.gauss(9, 1)}}}
    played = play_many(TESTED, sessions=200, world=World(truth=truth))
    values = {v: [p.outcomes["minutes"]["value"] for p in played if p.exposures[0]["variant"] == v] for v in "ab"}
    assert sum(values["a"]) / len(values["a"]) == pytest.approx(5, abs=0.5)
    assert sum(values["b"]) / len(values["b"]) == pytest.approx(9, abs=0.5)
    assert {p.outcomes["minutes"]["type"] for p in played} == {"float"}


@pytest.mark.parametrize("truth", [{"other": {"sold": {"a": 1.0}}}, {"e": {"sold": {"z": 1.0}}}])
def test_a_truth_of_a_test_or_variant_that_the_session_has_not_sets_nothing(truth):
    assert play(TESTED, world=World(truth=truth)).outcomes == {}


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recognition_errors": 1.5}, "recognition_errors is 1.5"),
        ({"recognition_errors": -0.1}, "recognition_errors is -0.1"),
        ({"recognition_errors": "5%"}, "recognition_errors is '5%'"),
        ({"recognition_errors": True}, "recognition_errors is True"),
        ({"handler_faults": 2}, "handler_faults is 2"),
        ({"handler_delay_s": (2, 1)}, "handler_delay_s is (2, 1)"),
        ({"handler_delay_s": -1}, "handler_delay_s is -1"),
        ({"handler_delay_s": (1, 2, 3)}, "handler_delay_s is (1, 2, 3)"),
        ({"handler_delay_s": (0, float("inf"))}, "handler_delay_s is"),
        ({"truth": [1]}, "truth is [1]"),
        ({"truth": {"e": 0.5}}, "truth of 'e'"),
        ({"truth": {"e": {"sold": 0.5}}}, "truth of 'e'"),
        ({"truth": {"e": {"sold": {}}}}, "truth of 'e'"),
        ({"truth": {"e": {"sold": {"a": 1.5}}}}, "truth of e/sold/a is 1.5"),
    ],
)
def test_a_world_that_cant_be_meant_is_refused(options, message):
    with pytest.raises(InputError) as caught:
        World(**options)
    assert message in str(caught.value)


def test_a_world_shows_what_is_set():
    assert repr(World()) == "World()"
    assert "recognition_errors=0.05" in repr(World(recognition_errors=0.05))


def test_words_are_confused_as_often_as_they_were_seen_to_be():
    world = World(confusions={"yes please": {"yes please": 3, "yet police": 1}, "no": {"": 1}})

    async def handler(event, context):
        if event.name == "text":
            context.set_data("heard", event.data["text"])

    log = vl.simulate(
        handler, vl.Script([vl.interrupt("yes please", after_s=0)]), sessions=400, seed=1, world=world, progress=False
    )
    heard = log.turns().query("input == 'text'")["heard"].value_counts(normalize=True)
    assert abs(heard["yet police"] - 0.25) < 0.07
    lost = vl.run(handler, [vl.interrupt("no", after_s=0)], world=world)
    assert not lost.data
    assert [event.data for event in lost.events if event.name == "unheard"] == [{"said": "no"}]
    assert "the agent hears no words: no" in str(lost)


@pytest.mark.parametrize("confusions", [5, {"a": 1}, {"a": {}}, {"a": {"b": 0}}, {"a": {"b": float("inf")}}])
def test_confusions_of_another_shape_are_refused(confusions):
    with pytest.raises(InputError, match="confusions"):
        World(confusions=confusions)


def test_faults_may_be_told_by_their_calls():
    body = 'if event.name == "text":\n    yield TextToSpeechEvent("Yes.")'
    record = vl.run(agent(body), ["a", "b", "c"], world=vl.World(handler_faults=[1, 3]))
    assert [error.turn for error in record.errors] == [1, 3]
    assert vl.run(agent(body), ["a", "b", "c"], world=vl.World(handler_faults=[])).errors == []


@pytest.mark.parametrize("faults", [[-1], ["a"], [True], [0.5], "ab", {1}])
def test_calls_that_none_can_be_are_refused(faults):
    with pytest.raises(InputError, match="handler_faults"):
        vl.World(handler_faults=faults)
