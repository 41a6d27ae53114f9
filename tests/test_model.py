"""Handlers that call a language model or read shared data: both are answered without the platform, in virtual time."""

import functools
import http.server
import json
import threading

import pytest
from page import Page
from primfunctions import decisions, shared_data
from primfunctions.completions import (
    CompletionsProxyError,
    configure,
    configure_provider,
    generate_chat_completion,
    generate_chat_completion_stream,
)
from primfunctions.events import StartEvent, TextEvent, TextToSpeechEvent

import voicelab as vl
from voicelab.base.errors import InputError

TOOLS = [{"type": "function", "function": {"name": "look_up", "description": "", "parameters": {}}}]


def says(text):
    return TextToSpeechEvent(text=text, voice="nova")


def request(messages, **more):
    messages = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    return {"provider": "openai", "model": "gpt-5-mini", "messages": messages, **more}


async def streaming(event, context):
    if isinstance(event, StartEvent):
        configure_provider("openai", voicerun_managed=True)
    if isinstance(event, TextEvent):
        options = context.get_data("options")
        stream = await generate_chat_completion_stream(request(event.data["text"]), options)
        async for chunk in stream:
            context.set_data("chunks", [*(context.get_data("chunks") or []), chunk.type])
            if chunk.type == "content_sentence":
                yield says(chunk.sentence)
            if chunk.type == "response":
                context.set_data("whole", chunk.response.message.content)


async def asking(event, context):
    if isinstance(event, StartEvent):
        configure_provider("openai", voicerun_managed=True)
        configure_provider("anthropic", api_key=context.variables.get("KEY", "none"))
    if isinstance(event, TextEvent):
        try:
            response = await generate_chat_completion(request(event.data["text"], **(context.get_data("more") or {})))
        except CompletionsProxyError as error:
            yield says(f"{error.status_code} {error.error_type}: {error}")
        else:
            yield says(f"{response.provider}: {response.message.content}")


async def agentic(event, context):
    if isinstance(event, StartEvent):
        configure_provider("openai", voicerun_managed=True)
    if isinstance(event, TextEvent):
        messages = [{"role": "user", "content": event.data["text"]}]
        while True:
            response = await generate_chat_completion(request(messages, tools=TOOLS))
            messages.append(response.message.serialize())
            if not response.message.tool_calls:
                break
            assert response.finish_reason == "tool_calls"
            for call in response.message.tool_calls:
                found = {"day": call.function.arguments["day"], "free": ["9:00"]}
                messages.append({"role": "tool", "tool_call_id": call.id, "name": "look_up", "content": found})
        yield says(response.message.content)


def spoken(record):
    return [event.data["text"] for event in record.events if event.name == "text_to_speech"]


def times(record, name):
    return [event.time_s for event in record.events if event.name == name]


def asked(record):
    return [event.data for event in record.events if event.name == "completion"]


# --- what is answered, and when --------------------------------------------------------------------------------------


def test_a_pattern_on_the_last_message_gives_the_reply_and_otherwise_the_rest():
    model = vl.Model({"price|cost": "It is $20.", "HOURS": "From nine."}, otherwise="Pardon?")
    record = vl.run(asking, ["what does it cost", "your hours please", "hm"], model=model)
    assert spoken(record) == ["openai: It is $20.", "openai: From nine.", "openai: Pardon?"]
    assert record.n_errors == 0


def test_a_streamed_answer_is_spoken_sentence_by_sentence_as_its_words_come():
    model = vl.Model(otherwise="One two three. Four five six seven.", latency_s=0.5, words_per_s=10)
    record = vl.run(streaming, ["hi"], model=model)
    assert spoken(record) == ["One two three.", "Four five six seven."]
    first = times(record, "text_to_speech")[0]
    assert first == pytest.approx(0.5 + 2 / 10)  # the first word comes after the latency, two more after it
    assert times(record, "completion") == [0.0]
    assert record.data["whole"] == "One two three. Four five six seven."


def test_an_answer_in_one_piece_comes_when_its_last_word_would():
    record = vl.run(asking, ["hi"], model=vl.Model(otherwise="one two three four", latency_s=1, words_per_s=8))
    assert times(record, "text_to_speech") == [pytest.approx(1 + 4 / 8)]


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (None, {"content_delta", "content_sentence"}),
        ({"chunk_by_sentence": True}, {"content_sentence"}),
        ({"chunk_by_sentence": False}, {"content_delta"}),
    ],
)
def test_streams_come_in_deltas_or_sentences_as_the_handler_asks(options, kinds):
    record = vl.run(streaming, ["hi"], parameters={"options": options}, model=vl.Model(otherwise="So it is. Yes, yes."))
    chunks = record.data["chunks"]
    assert set(chunks) == kinds | {"finish_reason", "response"}
    assert chunks[-2:] == ["finish_reason", "response"]


def test_what_stands_behind_the_last_full_stop_is_a_sentence_too():
    assert spoken(vl.run(streaming, ["hi"], model=vl.Model(otherwise="Good day. And then"))) == [
        "Good day.",
        "And then",
    ]


def test_titles_and_amounts_do_not_end_a_sentence():
    sentences = ["Mrs. Toh owes $20.50 for it.", "Shall I go on?"]
    assert spoken(vl.run(streaming, ["hi"], model=vl.Model(otherwise=" ".join(sentences)))) == sentences


def test_a_model_calls_a_tool_and_answers_what_the_tool_returned():
    model = vl.Model(
        {'"free": \\["9:00"\\]': "Nine is free.", "tuesday": vl.tool_call("look_up", day="Tuesday")}, otherwise="?"
    )
    record = vl.run(agentic, ["is tuesday free"], model=model)
    assert spoken(record) == ["Nine is free."]
    assert [data["message"] for data in asked(record)] == ["look_up(day='Tuesday')", "Nine is free."]


def test_a_streamed_tool_call_has_its_arguments():
    async def handler(event, context):
        if isinstance(event, StartEvent):
            configure_provider("openai", voicerun_managed=True)
            stream = await generate_chat_completion_stream(request("book"))
            async for chunk in stream:
                if chunk.type == "tool_call":
                    context.set_data("call", chunk.tool_call.serialize())
        if False:
            yield

    record = vl.run(handler, [], model=vl.Model(otherwise=vl.tool_call("book", day="Tuesday", at=9)))
    function = {"name": "book", "arguments": {"day": "Tuesday", "at": 9}}
    assert record.data["call"]["function"] == function
    assert record.data["call"]["id"]


def test_a_function_replies_with_several_parts():
    def reply(request):
        if request["messages"][-1]["role"] == "tool":
            return "Done."
        return ["Let me look.", vl.tool_call("look_up", day=request["messages"][-1]["content"][-6:])]

    record = vl.run(agentic, ["on Monday"], model=reply)
    assert spoken(record) == ["Done."]
    assert asked(record)[0]["message"] == "Let me look. look_up(day='Monday')"
    assert times(record, "text_to_speech")[0] == pytest.approx(0, abs=0.001)  # a function takes no virtual time


def test_in_real_time_a_model_may_be_awaited():
    async def model(request):
        return f"You asked {request['messages'][-1]['content']!r}."

    assert spoken(vl.run(asking, ["hi"], model=model, clock="wall")) == ["openai: You asked 'hi'."]


def test_every_request_is_a_row_of_the_log():
    record = vl.run(asking, ["hi"], model=vl.Model(otherwise="Hello.", latency_s=0.25))
    assert asked(record) == [
        {"message": "Hello.", "asked": "hi", "provider": "openai", "model": "gpt-5-mini", "latency_s": 0.25}
    ]
    assert "gpt-5-mini is asked 'hi': Hello." in str(record)


# --- chance ----------------------------------------------------------------------------------------------------------


def test_replies_are_drawn_by_weight_and_repeat_with_the_seed():
    model = vl.Model(otherwise={"Yes.": 3, "No.": 1})
    log = vl.simulate(asking, vl.Script(["hi"]), 400, model=model, progress=False, workers=1)
    completions = log.events().query("name == 'completion'")["data"].map(json.loads)
    said = completions.map(lambda data: data["message"])
    assert 0.68 < (said == "Yes.").mean() < 0.82
    assert log.rerun(7).events == log.session(7).events
    latencies = completions.map(lambda data: data["latency_s"])
    assert latencies.between(0.3, 0.9).all()
    assert latencies.nunique() > 200


def test_another_model_is_another_run(tmp_path):
    simulate = functools.partial(vl.simulate, asking, vl.Script(["hi"]), 5, log=tmp_path / "log", progress=False)
    simulate(model=vl.Model(otherwise="Yes."))
    simulate(model=vl.Model(otherwise="Yes."))  # the same run again is opened
    with pytest.raises(vl.VoicelabError, match="overwrite"):
        simulate(model=vl.Model(otherwise="No."))


def test_faults_reach_the_handler_as_the_platforms_errors_do():
    record = vl.run(asking, ["hi"], model=vl.Model(faults=1))
    assert spoken(record) == ["503 ProviderError: a fault of the simulated language model"]
    assert "a fault of the simulated language model" in str(record)


def test_fallbacks_are_tried_until_one_answers():
    more = {"fallbacks": [{"provider": "anthropic", "model": "claude"}] * 40}
    record = vl.run(asking, ["hi"], parameters={"more": more}, model=vl.Model(otherwise="Hello.", faults=0.8), seed=3)
    assert spoken(record) == ["anthropic: Hello."]
    assert len(asked(record)) > 1
    assert [data["provider"] for data in asked(record)][:2] == ["openai", "anthropic"]


# --- the session around it -------------------------------------------------------------------------------------------


def test_the_caller_cuts_in_while_the_model_answers():
    model = vl.Model(otherwise="This is a long answer. " * 20, latency_s=0.1, words_per_s=5)
    record = vl.run(streaming, ["hi", vl.at(3, vl.interrupt("stop")), "again"], model=model)
    assert record.n_errors == 0
    assert record.status == "completed"
    assert [data["asked"] for data in asked(record)] == ["hi", "stop", "again"]


def test_a_stream_that_is_left_early_leaves_nothing_behind():
    async def handler(event, context):
        if isinstance(event, StartEvent):
            configure_provider("openai", voicerun_managed=True)
        stream = await generate_chat_completion_stream(request("x"))
        async for chunk in stream:
            yield says(chunk.delta)
            break

    record = vl.run(handler, ["hi"], model=vl.Model(otherwise="one two three"))
    assert record.n_errors == 0
    assert spoken(record)[:2] == ["one ", "one "]


def test_a_background_task_asks_the_model_too():
    async def summarise(context):
        response = await generate_chat_completion(request("sum up"))
        context.set_data("summary", response.message.content)

    async def handler(event, context):
        if isinstance(event, StartEvent):
            configure_provider("openai", voicerun_managed=True)
            context.create_task(summarise(context), name="summary")
            yield says("Hello.")

    record = vl.run(handler, ["hi"], model=vl.Model(otherwise="All is well."))
    assert record.data["summary"] == "All is well."
    assert [event.task_name for event in record.events if event.name == "completion"] == ["summary"]


def test_keys_never_reach_the_log():
    record = vl.run(asking, ["hi"], variables={"KEY": "sk-very-secret"}, model=vl.Model(otherwise="sk-very-secret"))
    assert "sk-very-secret" not in str(record) + str(record.events)


def test_what_json_cannot_hold_is_refused_as_on_the_way_to_the_platform():
    async def handler(event, context):
        if isinstance(event, StartEvent):
            configure_provider("openai", voicerun_managed=True)
            await generate_chat_completion(request("x", response_schema={"kinds": {1, 2}}))
        if False:
            yield

    record = vl.run(handler, [], model=vl.Model())
    assert "TypeError: Object of type set is not JSON serializable" in str(record)


def test_a_console_is_answered_by_a_model():
    page = Page(streaming, model=vl.Model(otherwise="How can I help?"), shared_data={}).connect(1)
    try:
        page.say("hi", 4)
        assert page.lines("agent") == ["How can I help?"]
        page.hang_up()
    finally:
        page.close()


# --- without a model, and other services -----------------------------------------------------------------------------


def test_without_a_model_the_error_says_what_to_give():
    record = vl.run(asking, [])
    assert "CompletionsNotConfiguredError" in str(record)
    assert "model=vl.Model(...)" in str(record)


QUESTIONS = {
    "quote": decisions.predicate("Does the caller want a quote?"),
    "coverage": decisions.choice("Which coverage?", {"auto": "Vehicles", "liability": None, "unclear": None}),
    "urgency": decisions.score("How urgent?", ["Can wait", "This week", "Today"]),
}


async def deciding(event, context):
    if isinstance(event, StartEvent):
        configure_provider("openai", voicerun_managed=True)
        decisions.configure_provider("typesafe", voicerun_managed=True)
        decisions.configure_provider("openai", voicerun_managed=True)
    if isinstance(event, TextEvent):
        asked = {"provider": "typesafe", "model": "jev", "state": event.data["text"], "questions": QUESTIONS}
        try:
            result = await decisions.generate_decisions(asked | (context.get_data("more") or {}))
        except decisions.DecisionsProxyError as error:
            yield says(f"{type(error).__name__} {error.status_code}: {error}")
        else:
            context.set_data("answers", {name: vars(answer) for name, answer in result.answers.items()})
            context.set_data("refusals", result.refusals)
            yield says(f"{result.provider} {result.model}")


def decided(said="what is the price", more=None, seed=0, **model):
    return vl.run(deciding, [said], model=vl.Model(**model), parameters={"more": more}, seed=seed)


def test_decisions_are_answered_by_pattern_in_virtual_time():
    given = {
        "quote.*price": True,
        "quote": 0.1,
        "coverage.*truck": ("auto", 0.8),
        "coverage": "unclear",
        "urgency": 1.25,
    }
    record = decided(latency_s=0.5, decisions=given)
    answers = record.data["answers"]
    assert answers["quote"] == {"probability": 1.0, "type": "predicate"}
    assert (answers["coverage"]["choice"], answers["coverage"]["confidence"]) == ("unclear", 1.0)
    assert answers["urgency"]["score"] == 1.25
    assert answers["urgency"]["probabilities"] == {"0": 0.0, "1": 0.75, "2": 0.25}
    (row,) = [event for event in record.events if event.name == "decision"]
    (speech,) = [event for event in record.events if event.name == "text_to_speech"]
    assert speech.time_s == pytest.approx(row.time_s + 0.5)
    assert (speech.data["text"], row.data["answers"]["quote"]["probability"]) == ("typesafe jev", 1.0)
    assert "jev decides quote, coverage, urgency" in str(record)
    truck = decided("my truck", decisions=given).data["answers"]
    assert truck["coverage"]["probabilities"] == pytest.approx({"auto": 0.8, "liability": 0.1, "unclear": 0.1})
    assert truck["quote"]["probability"] == 0.1


def test_decisions_are_drawn_by_weight_and_undecided_where_no_pattern_matches():
    drawn = [decided(decisions={"quote": {0.9: 3, 0.2: 1}}, seed=seed).data["answers"] for seed in range(40)]
    assert 20 < sum(answers["quote"]["probability"] == 0.9 for answers in drawn) < 39
    assert drawn[0]["coverage"]["probabilities"] == pytest.approx(
        dict.fromkeys(["auto", "liability", "unclear"], 1 / 3)
    )
    assert drawn[0]["urgency"]["score"] == 1.0
    assert drawn[:3] == [decided(decisions={"quote": {0.9: 3, 0.2: 1}}, seed=s).data["answers"] for s in range(3)]


def test_a_function_and_a_refusal_answer_decisions():
    def by_length(question):
        assert (question["name"], question["type"], len(question["criteria"])) == ("urgency", "score", 3)
        return len(question["state"]) % 3

    record = decided("abcd", decisions={"urgency": by_length, "quote": None})
    assert record.data["answers"]["urgency"]["probabilities"] == {"0": 0.0, "1": 1.0, "2": 0.0}
    assert record.data["refusals"] == ["quote"]
    assert decided("abcde", decisions={"urgency": by_length}).data["answers"]["urgency"]["probabilities"]["2"] == 1.0


def test_decisions_that_fail_are_tried_by_fallbacks():
    record = decided(faults=1.0, decisions={"quote": 1})
    assert spoken(record) == ["DecisionProviderError 503: a fault of the simulated language model"]
    more = {"max_retries": 1, "fallbacks": [{"provider": "openai", "model": "o"}]}
    record = decided(faults=1.0, decisions={"quote": 1}, more=more)
    assert spoken(record)[0].startswith("DecisionFallbackExhaustedError 503")
    assert [e.data["model"] for e in record.events if e.name == "decision"] == ["jev", "jev", "o", "o"]
    found = [spoken(decided(faults=0.5, decisions={"quote": 1}, more=more, seed=seed))[0] for seed in range(24)]
    assert {"typesafe jev", "openai o"} <= set(found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"quote": "yes"}, "The model answers the predicate 'quote' by 'yes', must be a probability"),
        ({"coverage": "autos"}, "'autos', must be one of its options, auto, liability, unclear. Did you mean 'auto'"),
        ({"urgency": 3}, "by 3, must be a level from 0 to 2"),
    ],
)
def test_an_answer_that_a_question_cant_have_is_named(given, message):
    assert message in str(decided(decisions=given).errors[0].data["message"])


def test_questions_that_the_platform_would_refuse_are_refused():
    assert "DecisionValidationError 422" in spoken(decided(decisions={}, more={"questions": {}}))[0]
    assert "'q' is none" in spoken(decided(decisions={}, more={"questions": {"q": {"type": "guess"}}}))[0]
    for wrong in ([0.5], {"x": [1]}, {"x": ("auto", 2)}, {"x": {}}, {3: 0.5}):
        with pytest.raises(InputError, match="Model: decisions"):
            vl.Model(decisions={"x": wrong["x"]} if isinstance(wrong, dict) and "x" in wrong else wrong)


def test_decisions_are_not_made_up():
    assert "the model decides nothing" in spoken(decided())[0]


async def reading(event, context):
    if isinstance(event, StartEvent):
        found = await shared_data.get("call/17", "nothing") if shared_data.is_configured() else "no store"
        context.set_data("found", json.loads(json.dumps(found)))
        if isinstance(found, dict):
            found["name"] = "changed"
    if False:
        yield


@pytest.mark.parametrize(
    ("given", "found"),
    [(None, "no store"), ({}, "nothing"), ({"call/17": {"name": "Ann"}}, {"name": "Ann"}), ({"call/17": None}, None)],
)
def test_shared_data_is_read_by_key(given, found):
    assert vl.run(reading, [], shared_data=given).data["found"] == found
    assert vl.run(reading, [], shared_data=given).data["found"] == found  # what one session changes is its own


def test_shared_data_reaches_simulated_sessions():
    log = vl.simulate(reading, vl.Script(["hi"]), 3, shared_data={"call/17": [1]}, progress=False)
    assert log.sessions()["data"].map(json.loads).tolist() == [{"found": [1]}] * 3


def test_unconfigured_shared_data_says_what_to_give():
    async def handler(event, context):
        if isinstance(event, StartEvent):
            await shared_data.get("x")
        if False:
            yield

    assert "shared_data={key: payload}" in str(vl.run(handler, []))


# --- a real proxy ----------------------------------------------------------------------------------------------------


class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = {"role": "assistant", "content": f"{self.path} {len(body)}"}
        answer = {"message": message, "finish_reason": "stop", "provider": "real", "model": body.get("model")}
        sent = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def through_proxy(event, context):
    if isinstance(event, StartEvent):
        configure(context.get_data("proxy"), "token")
    async for output in asking(event, context):
        yield output


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_each_loop_has_its_own_connection_to_a_real_proxy(proxy):
    for _ in range(2):  # the SDK alone would keep the first loop's connection
        record = vl.run(through_proxy, ["hi"], parameters={"proxy": proxy}, clock="wall", shared_data={})
        assert spoken(record) == ["real: /v1/completions 4"]


def test_a_real_proxy_is_out_of_reach_in_virtual_time():
    record = vl.run(through_proxy, ["hi"], parameters={"proxy": "http://127.0.0.1:9"})
    assert "with no model= or shared_data= to answer for it, was called in virtual time" in str(record)


# --- at the door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replies": {"(": "x"}}, "no regular expression"),
        ({"replies": ["x"]}, "must be {pattern on the last message: {reply: weight}}"),
        ({"replies": {"x": 3}}, "3 is no reply. Give text, vl.tool_call"),
        ({"otherwise": None}, "None is no reply"),
        ({"otherwise": ["a", "b"]}, "has no weights"),
        ({"otherwise": {"a": 0}}, "must be a number above 0"),
        ({"latency_s": -1}, "latency_s is -1"),
        ({"latency_s": (2, 1)}, "latency_s is"),
        ({"words_per_s": 0}, "words_per_s is 0"),
        ({"faults": 2}, "faults is 2"),
    ],
)
def test_a_model_is_checked_at_the_door(arguments, message):
    with pytest.raises(InputError) as caught:
        vl.Model(**arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "gpt"}, "model is 'gpt', must be vl.Model(...) or a function"),
        ({"shared_data": ["x"]}, "shared_data is ['x'], must be a dict whose keys are text"),
        ({"shared_data": {1: 2}}, "shared_data is {1: 2}"),
    ],
)
def test_run_simulate_and_console_refuse_what_is_no_model_or_store(arguments, message):
    doors = [
        lambda: vl.run(asking, ["hi"], **arguments),
        lambda: vl.simulate(asking, vl.Script(["hi"]), 1, **arguments),
        lambda: Page(asking, **arguments),
    ]
    for door in doors:
        with pytest.raises(InputError) as caught:
            door()
        assert message in str(caught.value)


def test_a_tool_call_needs_a_name():
    with pytest.raises(InputError, match="must be some text"):
        vl.tool_call("")


def test_a_function_that_returns_no_reply_is_named_in_the_session():
    record = vl.run(asking, ["hi"], model=lambda request: 17)
    assert "The model's function returned 17, must return text, vl.tool_call(...), or a list of them." in str(record)


def test_a_model_shows_itself():
    assert repr(vl.Model({"a": "b"})) == "Model(1 pattern)"
