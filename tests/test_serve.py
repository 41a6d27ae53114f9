"""A handler, and a log, served to VoiceRun's own command line and debugger."""

import asyncio
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import aiohttp
import pytest
from command_line import CommandLine

import voicelab as vl
from voicelab import speech, voicerun
from voicelab.base.errors import InputError, LogError
from voicelab.serving import listener
from voicelab.serving.how_to_connect import lines_to_type
from voicelab.serving.open_files import allow_open_files
from voicelab.serving.security import why_refused
from voicelab.serving.server import Server
from voicelab.speech.g711 import mulaw_encode

PATIENCE_S = 120
SECRETS = {
    "Authorization": "Bearer planted-Key-4711",
    "Cookie": "session=planted-Cookie-4711",
    "X-Own": "planted-Own-4711",
}

AGENT = """
import asyncio
from primfunctions.events import InputAllowedEvent, LogEvent, StopEvent, TextToSpeechEvent

async def later(context):
    yield TextToSpeechEvent(text="News from the background.", voice="nova")

async def handler(event, context):
    if event.name == "start":
        context.add_outcome("done", "boolean")
        stop = {"max_iterations": 100, "target_outcome": "done", "default": "warm"}
        greeting = context.add_test("greeting", {"warm": 0.5, "cold": 0.5}, stop=stop)
        yield TextToSpeechEvent(text=f"Hello {context.get_data('customerName', 'you')}!", voice="nova")
    elif event.name == "text":
        said = event.data["text"]
        context.set_data("said", said)
        if said == "news":
            context.create_task(later(context), name="news")
        elif said == "wait":
            yield LogEvent("waiting")
            await asyncio.sleep(3600)
        else:
            yield TextToSpeechEvent(text=f"You said {said}.", voice="nova")
        if said == "bye":
            context.set_outcome("done", True)
            yield StopEvent()
"""
START = {
    "start": {
        "streamSid": "s1", "callSid": "c1",
        "customParameters": {"customerName": "Ann", "agentId": "A", "environment": "staging", "inputType": "mic", "origin": "debugger"},
    }
}  # fmt: skip


@pytest.fixture(scope="module")
def log_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("served") / "log"


@pytest.fixture(scope="module")
def server(log_folder):
    with vl.serve(AGENT, log=log_folder, seed=1) as server:
        yield server


@pytest.fixture(scope="module")
def sounding():
    """A server whose engines say words as tones, and hear them."""
    with vl.serve(AGENT, seed=1, stt="fake", tts="fake") as server:
        yield server


class Debugger:
    """A debugger of our own: it sends what it is told to, and keeps what it gets."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.got: list[dict] = []

    async def until(self, wanted, *, marks=True) -> dict | None:
        """Take frames until one is wanted, and return it; None at the end of the connection. `marks` sends marks back."""
        while True:
            message = await self.socket.receive(PATIENCE_S)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            frame = json.loads(message.data)
            self.got.append(frame)
            if marks and frame.get("event") == "mark":
                await self.socket.send_json({"event": "mark", "streamSid": "s1", "mark": frame["mark"]})
            if wanted(frame):
                return frame

    async def turn_end(self, turn: int) -> None:
        await self.until(lambda frame: frame.get("name") == "turn_end" and frame["turn"] == turn)

    async def say(self, text: str) -> None:
        await self.socket.send_json({"event": "text", "text": text})

    def named(self, name: str) -> list[dict]:
        return [frame for frame in self.got if name in {frame.get("name"), frame.get("event"), frame.get("type")}]

    @property
    def names(self) -> list[str]:
        return [frame.get("name") or frame.get("event") or frame.get("type") for frame in self.got]


def debugging(server, conversation, *, start=START, **headers):
    """Hold a conversation with a debugger, and return it."""

    async def hold():
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"{server.url}/ws", headers=headers, max_msg_size=0) as socket:
                debugger = Debugger(socket)
                if start:
                    await socket.send_json(start)
                await conversation(debugger)
            return debugger

    debugger = asyncio.run(hold())
    if isinstance(server, Server) and (found := [row["session_id"] for row in debugger.got if "session_id" in row]):
        wait_for(lambda: server.record is not None and server.record.session_id == found[0])
    return debugger


def wait_for(happened) -> None:
    while not happened():
        threading.Event().wait(0.02)


def n_ended(server) -> int:
    return server._agent.statuses.total()


def asked(server, method, path, body=None, **headers):
    """Send a request, and return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    given = {"Content-Type": "application/json"} | headers
    connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body), given)
    with connection.getresponse() as response:
        text = response.read()
    connection.close()
    return response.status, json.loads(text)


# --- the debugger's protocol ---


def test_a_conversation_is_told_in_the_debuggers_rows_and_logged(server):

    async def talk(debugger):
        await debugger.turn_end(0)
        await debugger.say("news")
        await debugger.until(lambda frame: frame.get("background") and frame.get("name") == "text_to_speech")
        await debugger.until(lambda frame: frame.get("type") == "bot-stopped-speaking")
        await debugger.say("bye")
        assert await debugger.until(lambda frame: False) is None

    debugger = debugging(server, talk)
    assert debugger.socket.close_code == 1000
    greeting = debugger.named("text_to_speech")[0]
    assert (greeting["type"], greeting["turn"], greeting["data"]["text"]) == ("output", 0, "Hello Ann!")
    names = [
        name
        for name in debugger.names
        if name in {"text_to_speech", "bot-started-speaking", "mark", "bot-stopped-speaking", "turn_end"}
    ]
    assert names[:5] == ["text_to_speech", "bot-started-speaking", "mark", "bot-stopped-speaking", "turn_end"]
    (news,) = [frame for frame in debugger.named("text_to_speech") if frame.get("background")]
    assert news["background_task_name"] == "news"
    context = debugger.named("context_update")[-1]["data"]
    assert (context["data"], context["voicelab"]["status"]) == ({"customerName": "Ann", "said": "bye"}, "completed")
    record = server.record
    assert (record.status, record.source, record.environment) == ("completed", "typed", "staging")
    assert record.parameters == {"customerName": "Ann"}
    assert record.outcomes["done"] is True
    assert str(server.log.session(record.session_id)) == str(record)


def test_words_over_the_agents_interrupt_it_and_the_debugger_forgets_what_it_would_play(sounding):
    async def talk(debugger):
        await debugger.until(lambda frame: frame.get("event") == "mark", marks=False)  # it has begun to play
        await debugger.say("stop")
        await debugger.turn_end(1)

    debugger = debugging(sounding, talk, Origin="file://")
    names = debugger.names
    assert names.index("clear") < names.index("turn_interrupted") < names.index("text")
    assert names.index("text_to_speech") < names.index("media") < names.index("clear")
    assert debugger.named("text")[0]["data"]["previous_turn_interrupted"] is True


def test_a_debugger_with_a_window_is_spoken_to_and_heard(sounding):
    spoken = speech.FakeTextToSpeech().synthesize("hello you").resampled(16_000).pcm16()
    sound = mulaw_encode(spoken).tobytes()

    async def talk(debugger):
        await debugger.turn_end(0)
        for at in range(0, len(sound), 320):
            payload = base64.b64encode(sound[at : at + 320]).decode()
            await debugger.socket.send_json({"event": "media", "streamSid": "s1", "media": {"payload": payload}})
        await debugger.turn_end(1)

    debugger = debugging(sounding, talk, Origin="file://")
    assert debugger.named("text")[0]["data"]["text"] == "hello you"
    media = [base64.b64decode(frame["media"]["payload"]) for frame in debugger.named("media")]
    heard = speech.Audio(speech.audio.np.frombuffer(b"".join(media), "<i2").astype("int16"), 24_000)
    assert {frame["streamSid"] for frame in debugger.named("media")} == {"s1"}
    first = speech.FakeTextToSpeech().synthesize("Hello Ann!")
    assert heard.part(0, first.duration_s).text("fake") == "Hello Ann!"
    assert sounding.record.source == "spoken"


def test_sound_without_ears_is_told_of_once(server):
    async def talk(debugger):
        await debugger.turn_end(0)
        for _ in range(3):
            await debugger.socket.send_json(
                {"event": "media", "media": {"payload": base64.b64encode(bytes(320)).decode()}}
            )
        await debugger.say("hi")
        await debugger.turn_end(1)

    debugger = debugging(server, talk)
    assert [row["data"]["message"][:28] for row in debugger.named("log")] == ["Sound comes from a microphon"]
    assert not debugger.named("media")


# --- debuggers that misbehave ---


async def _binary(debugger):
    await debugger.socket.send_bytes(bytes(100))


async def _half(debugger):
    await debugger.socket.send_str('{"event": "te')


async def _large(debugger):
    await debugger.say("a" * 10_000_000)


async def _again(debugger):
    await debugger.socket.send_json(START)


async def _no_text(debugger):
    await debugger.socket.send_json({"event": "text", "text": 5})


async def _no_sound(debugger):
    await debugger.socket.send_json({"event": "media", "media": {"payload": "%%%"}})


async def _gone(debugger):
    debugger.socket._response.connection.transport.abort()


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (_binary, 1003),
        (_half, 1007),
        (_large, None),
        (_again, 1008),
        (_no_text, 1008),
        (_no_sound, 1008),
        (_gone, None),
    ],
)
def test_a_debugger_that_sends_what_none_sends_has_hung_up_and_is_logged(server, act, code):

    async def misbehave(debugger):
        await debugger.until(lambda frame: frame.get("type") == "bot-started-speaking", marks=False)
        try:
            await act(debugger)
            while await debugger.until(lambda frame: False, marks=False):
                pass
        except (ConnectionError, aiohttp.ClientError):
            assert code is None

    debugger = debugging(server, misbehave)
    assert code is None or debugger.socket.close_code == code
    record = server.record
    assert record.status == "hangup"
    assert server.log.session(record.session_id).status == "hangup"


def test_a_debugger_that_does_not_begin_or_says_nothing_for_ever_is_hung_up_with_the_server(monkeypatch):
    monkeypatch.setattr("voicelab.serving.debugger_socket._START_S", 0.05)

    async def nothing(debugger):
        assert await debugger.until(lambda frame: False) is None

    with vl.serve(AGENT) as server:
        silent = debugging(server, nothing, start=None)
        assert (silent.socket.close_code, n_ended(server)) == (1008, 0)
    monkeypatch.undo()
    server = vl.serve(AGENT, limits=vl.Limits(conversation_s=1.0))
    closing = threading.Thread(target=server.close)

    async def greeted(debugger):
        await debugger.turn_end(0)
        closing.start()
        assert await debugger.until(lambda frame: False) is None

    debugging(server, greeted)
    closing.join()
    assert (server.record.status, server.closed) in {("hangup", True), ("timeout", True)}


def test_one_that_reads_nothing_is_hung_up_and_others_wait_their_turn(monkeypatch):
    monkeypatch.setattr("voicelab.serving.debugger_socket._MOST_WAITING", 100)
    monkeypatch.setattr(listener, "MOST_CONNECTIONS", 1)

    async def overwhelmed(debugger):
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
                await session.ws_connect(f"{server.url}/ws")
        while await debugger.until(lambda frame: False):
            pass

    with vl.serve(AGENT) as server:
        debugger = debugging(server, overwhelmed)
        assert (debugger.socket.close_code, server.record.status) == (1013, "hangup")


def test_what_is_told_holds_no_secret_of_any_environment_that_was_asked_for(tmp_path):
    (tmp_path / "handler.py").write_text(AGENT)
    values = tmp_path / ".voicerun"
    values.mkdir()
    for name, value in {"values": "first-secret-111", "values.staging": "second-secret-222"}.items():
        (values / f"{name}.yaml").write_text(f"variables:\n  TOKEN: {value}\n")
    with vl.serve(tmp_path) as server:
        assert asked(server, "POST", "/v1/agents/A/sessions/start", {**WHOLE, "environment": "staging"})[0] == 200
        assert "secret" not in server._agent.masked("first-secret-111 and second-secret-222")


def test_a_handler_that_cannot_be_loaded_any_more_is_told_of(tmp_path):
    path = tmp_path / "handler.py"
    path.write_text(AGENT)

    async def begin(debugger):
        assert await debugger.until(lambda frame: False) is None

    with vl.serve(path) as server:
        path.write_text("def handler(:")
        status, answer = asked(server, "POST", "/v1/agents/A/call", {})
        assert (status, "handler.py" in answer["error"]) == (500, True)
        debugger = debugging(server, begin)
    assert debugger.socket.close_code == 1011
    assert "handler.py" in debugger.named("log")[0]["data"]["message"]


def test_a_session_that_cannot_be_logged_is_told_of_by_the_server(tmp_path):
    async def talk(debugger):
        await debugger.turn_end(0)
        shutil.rmtree(tmp_path / "log")

    with warnings.catch_warnings(record=True) as told, vl.serve(AGENT, log=tmp_path / "log") as server:
        warnings.simplefilter("always")
        debugging(server, talk)
    assert any("The session is not logged" in str(one.message) for one in told)
    assert server.record.status == "hangup"


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "GeneratorExit", "SystemExit"])
def test_whatever_a_handlers_file_raises_is_told_of(tmp_path, error):
    path = tmp_path / "handler.py"
    path.write_text(AGENT)

    async def begin(debugger):
        assert await debugger.until(lambda frame: False) is None

    with vl.serve(path) as server:
        path.write_text(f"raise {error}")
        for asks in ("call", "sessions/start"):
            status, answer = asked(server, "POST", f"/v1/agents/A/{asks}", WHOLE)
            assert (status, error in answer["error"]) == (500, True)
        debugger = debugging(server, begin)
    assert debugger.socket.close_code == 1011
    assert error in debugger.named("log")[0]["data"]["message"]


def test_parameters_that_lie_too_deep_and_a_system_without_threads_end_the_session_with_the_reason(server, monkeypatch):
    async def begin(debugger):
        assert await debugger.until(lambda frame: False) is None

    deep: list = []
    for _ in range(900):
        deep = [deep]
    refused = debugging(server, begin, start={"start": {"customParameters": {"deep": deep}}})
    assert "nested more than 50 deep" in refused.named("log")[0]["data"]["message"]

    def exhausted(*_, **__):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("voicelab.serving.debugger_socket.DebugSession", exhausted)
    assert debugging(server, begin).socket.close_code == 1013


def test_a_call_that_blocks_holds_up_nobody_else_and_no_end(monkeypatch):
    monkeypatch.setattr(listener, "_PATIENCE_S", 0.05)
    blocking, released, stuck = threading.Event(), threading.Event(), []

    class Never:
        name = "never"

        def begin(self, _):
            stuck.append(threading.current_thread())
            blocking.set()
            released.wait()
            raise ValueError("released")

    server = vl.serve(AGENT, caller=Never())

    def call():
        with pytest.raises(http.client.RemoteDisconnected):
            asked(server, "POST", "/v1/agents/A/sessions/start", WHOLE)

    calling = threading.Thread(target=call)
    calling.start()
    assert blocking.wait(PATIENCE_S)
    assert asked(server, "POST", "/v1/agents/A/call", {})[0] == 200
    with pytest.warns(UserWarning, match="1 of the sessions did not end"):
        server.close()
    calling.join()
    assert stuck[0].daemon  # Python's end waits for all others
    released.set()
    stuck[0].join()


# --- requests ---


def test_the_guides_request_runs_a_session_and_is_answered_as_by_the_platform(server, tmp_path):
    call = voicerun.outbound_call(
        "AGENT_ID", "+14155550123", environment="production", parameters={"customerName": "Bea"}, base_url=server.url,
        api_key="planted-Key-4711", journal=tmp_path / "calls.jsonl",
    )  # fmt: skip
    answer = call.send(confirmed=True)
    assert answer["success"] is True
    assert answer["telephonyCallId"].startswith("CA")
    record = server.log.session(answer["sessionId"])
    assert (record.environment, record.parameters) == ("production", {"customerName": "Bea"})
    assert server.log.sessions(where=f"session_id = '{record.session_id}'")["direction"].tolist() == ["outbound"]
    assert record.caller == "cooperative"
    assert any("Hello Bea!" in str(event.data) for event in record.events)


def test_an_entrypoints_call_is_run_with_its_input_data():
    agent = "async def handler(event, context):\n    if event.name == 'start':\n        context.set_data('got', context.input_data)\n    return\n    yield\n"
    with vl.serve(agent, caller=["hi"]) as server:
        status, answer = asked(
            server, "POST", "/v1/entrypoints/E/outbound", {"toPhoneNumber": "+14155550123", "inputData": {"order": 17}}
        )
        assert (status, server.log.session(answer["data"]["sessionId"]).data) == (200, {"got": {"order": 17}})


WHOLE = {"inputType": "phone", "inputParameters": {"phoneNumber": "+14155550123"}, "environment": "e", "parameters": {}}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"inputType": "sms"}, "inputType is 'sms'"),
        ({"inputParameters": None}, "inputParameters is missing"),
        ({"inputParameters": {"phoneNumber": "4155550123"}}, "Did you mean '+4155550123'?"),
        ({"environment": ""}, "environment is ''"),
        ({"parameters": [1]}, "parameters is [1], must be a dict"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_with_the_reason(server, change, error):
    status, answer = asked(server, "POST", "/v1/agents/A/sessions/start", WHOLE | change)
    assert (status, error in answer["error"]) == (400, True)


def test_what_the_command_line_asks_before_it_debugs_is_answered(server):
    assert asked(server, "GET", "/v1/releases?filters%5BagentId%5D=agent-7")[1]["data"] == []
    release = asked(server, "GET", "/v1/releases/R1")[1]["data"]
    assert (release["id"], release["agentId"], release["status"]) == ("R1", "agent-7", "released")
    assert asked(server, "GET", "/v1/environments")[1]["data"][0]["name"] == "local"
    assert asked(server, "GET", "/v1/agents/agent-7")[1]["data"]["id"] == "agent-7"
    assert asked(server, "GET", "/v1/agents?filters%5Bname%5D=other")[1]["data"] == []
    connect = asked(server, "POST", "/v1/agents/A/call?inputType=mic&environment=debug%7CF&custom_plan=gold", {})[1][
        "data"
    ]
    assert connect == {"url": f"ws://127.0.0.1:{server.port}/ws", "parameters": {"plan": "gold"}}
    assert asked(server, "POST", "/v1/agents/A/sessions/debug", {"releaseId": "R1"})[1]["data"]["url"] == connect["url"]


def test_a_debugger_that_asks_by_another_address_connects_there(server):
    for host in (f"localhost:{server.port}", f"[::1]:{server.port}"):
        answer = asked(server, "POST", "/v1/agents/A/call", {}, Host=host)[1]["data"]
        assert answer["url"] == f"ws://{host}/ws"


def test_a_pushed_project_is_accepted_and_stays_as_it_is(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = base64.b64encode(b"PK\x03\x04 no zip, and nobody looks").decode()
    assert asked(server, "POST", "/v1/agents/push", {"code": code, "agentId": "A"}) == (
        200,
        {"agentId": "A", "functionId": "local"},
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/v1/releases", None, {"Host": "evil.example:80"}, 403),
        ("GET", "/v1/releases", None, {"Origin": "https://evil.example"}, 403),
        ("GET", "/v1/releases", None, {"Origin": "null"}, 403),
        ("GET", "/ws", None, {"Origin": "http://127.0.0.1"}, 403),
        ("POST", "/v1/agents/A/sessions/start", WHOLE, {"Content-Type": "text/plain"}, 415),
        ("POST", "/v1/agents/A/sessions/start", b'{"a": ', {}, 400),
        ("POST", "/v1/agents/A/sessions/start", b"[]", {}, 400),
        ("GET", "/unknown", None, {}, 404),
        ("DELETE", "/v1/agents/A", None, {}, 404),
        ("POST", "/v1/agents/push", b"{}", {"Content-Encoding": "gzip"}, 400),
        ("GET", "/v1/agents/A/sessions?filters[status]=completed&filters[status]=hangup", None, {}, 400),
        ("GET", "/v1/releases", None, {"Host": "127.0.0.1:99999999"}, 403),
        ("OPTIONS", "/v1/agents/A/call", None, {}, 404),
        ("GET", "/v1/releases", None, {"Origin": "file://", "Host": "localhost"}, 200),
    ],
)
def test_who_may_not_ask_is_refused_in_json(server, method, path, body, headers, status):
    found, answer = asked(server, method, path, body, **headers)
    assert found == status
    assert found == 200 or isinstance(answer["error"], str)


@pytest.mark.parametrize(
    ("host", "own", "allowed"),
    [
        ("127.0.0.1:80", "127.0.0.1", True), ("[::1]:80", "127.0.0.1", True), ("localhost", "127.0.0.1", True),
        ("192.168.0.7:80", "127.0.0.1", False), ("localhost.evil.example", "127.0.0.1", False), (None, "127.0.0.1", False),
        ("127.0.0.1@evil.example", "127.0.0.1", False), ("[", "127.0.0.1", False),
        ("127.0.0.1:99999999", "127.0.0.1", False), ("127.0.0.2:80", "127.0.0.2", True), ("192.168.0.7:80", "127.0.0.2", False),
        ("192.168.0.7:80", "0.0.0.0", True), ("evil.example", "0.0.0.0", False), ("lab.home", "lab.home", True),
    ],
)  # fmt: skip
def test_the_name_that_is_asked_must_be_this_machines(host, own, allowed):
    assert (why_refused(host, None, own) == "") is allowed


def test_a_body_that_is_too_large_is_refused(server, monkeypatch):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.putrequest("POST", "/v1/agents/push")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(10**10))
    connection.endheaders()
    assert connection.getresponse().status == 413


# --- the server itself ---


def test_a_server_shows_where_it_is_and_closes_by_itself():
    with vl.serve(AGENT) as server:
        port = server.port
        assert repr(server) == f"Server(handler, http://127.0.0.1:{port}, 0 sessions ended)"
        assert f"vr context create lab http://127.0.0.1:{port} http://127.0.0.1:{port}" in str(server)
        assert "VOICERUN_API_URL alone" in str(server)
        assert server.url in server._repr_html_()
        with pytest.raises(InputError, match=f"Port {port} is in use"):
            vl.serve(AGENT, port=port)
        assert (server.record, len(server.log.sessions())) == (None, 0)
    assert "closed" in repr(server)
    assert "is not served any more" in server._repr_html_()
    server.close()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        pass


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "give a handler"),
        ({"handler": AGENT, "port": 70_000}, "port is 70000"),
        ({"handler": AGENT, "port": True}, "port is True"),
        ({"handler": AGENT, "host": ""}, "host is ''"),
        ({"handler": AGENT, "host": "203.0.113.1"}, "Nothing can listen on '203.0.113.1'"),
        ({"handler": AGENT, "stt": "browser"}, "stt is 'browser'"),
        ({"handler": AGENT, "tts": "picco"}, "Did you mean 'pico'"),
        ({"handler": AGENT, "caller": 5}, "5 is no caller"),
    ],
)
def test_arguments_that_are_not_allowed_are_refused(arguments, error):
    with pytest.raises(InputError, match=error):
        vl.serve(**arguments)


def test_a_log_alone_is_read_and_nobody_talks(server, log_folder, tmp_path):
    (tmp_path / "something.txt").write_text("else")
    with pytest.raises(LogError, match="is no session log"):
        vl.serve(AGENT, log=tmp_path)
    with vl.serve(log=log_folder) as reading:
        assert str(reading).startswith("The log log is served")
        for path in ("/v1/agents/A/call", "/v1/agents/push", "/v1/agents/A/sessions/start"):
            status, answer = asked(reading, "POST", path, WHOLE)
            assert (status, "has no handler" in answer["error"]) == (404, True)
        assert asked(reading, "GET", "/ws", Upgrade="websocket", Connection="Upgrade")[0] == 404


def test_a_process_may_hold_more_connections_than_its_system_first_allows():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, before[1]), before[1]))
        allow_open_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(4096, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_ctrl_c_hangs_up_and_logs(tmp_path):
    (tmp_path / "handler.py").write_text(AGENT)
    code = "import sys; from voicelab.cli import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-W", "ignore", "-c", code, "serve", "handler.py", "--log", "log", "--tts", "off"]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().split()[-1]

        class Elsewhere:
            pass

        Elsewhere.url = url

        async def interrupted(debugger):
            await debugger.turn_end(0)
            process.send_signal(signal.SIGINT)
            assert await debugger.until(lambda frame: False) is None

        debugger = debugging(Elsewhere, interrupted)
        last = process.stdout.read().splitlines()[-1]
        assert (process.wait(PATIENCE_S), debugger.socket.close_code) == (0, 1001)
    assert last.startswith("Server(handler, closed, 1 session ended: 1 hangup")
    assert [str(status) for status in vl.open_log(tmp_path / "log").sessions()["status"]] == ["hangup"]


# --- VoiceRun's own command line ---


@pytest.fixture(scope="module")
def command_line(server, tmp_path_factory):
    """The command line, set up by the lines that the server prints; a key of its first versions lies in the home."""
    made = CommandLine(tmp_path_factory.mktemp("command-line"), server.url, "somebody-elses")
    (made.home / ".voicerun" / "apikey").write_text("planted-Key-4711")
    made.lock.unlink()
    lines = [line for line, _ in lines_to_type(server._served())]
    create, touch, lock = (line for line in lines if not line.startswith("vr --context"))
    done = made.run(*create.split()[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (touch, lock):
        subprocess.run(["sh", "-c", line], cwd=made.project, env={**os.environ, "HOME": str(made.home)}, check=True)
    return made


def test_a_script_is_gone_through_by_the_headless_debugger(server, command_line, tmp_path, log_folder):
    before = n_ended(server)
    script, output = tmp_path / "script.json", tmp_path / "session.json"
    script.write_text(json.dumps(["hi there", "what else", "bye"]))
    done = command_line.run(
        "--context", "lab", "debug", "-s", "--headless", "--script", str(script), "--output", str(output)
    )
    assert done.returncode == 0, done.stderr
    wait_for(lambda: n_ended(server) > before)
    record = server.record
    assert record.status == "completed"
    said = [event.data["text"] for event in record.events if event.name == "text"]
    assert said == ["hi there", "what else", "bye"]
    assert not any(event.data.get("previous_turn_interrupted") for event in record.events)
    # What the command line exports, our import reads back.
    back = voicerun.read(output, log=tmp_path / "back").session(record.session_id)
    assert [event.data["text"] for event in back.events if event.name == "text_to_speech"] == [
        "Hello you!", "You said hi there.", "You said what else.", "You said bye.",
    ]  # fmt: skip
    assert (back.variants, back.outcomes, back.status) == (record.variants, record.outcomes, record.status)
    events = command_line.run("--context", "lab", "session", "events", record.session_id, "--json")
    assert events.returncode == 0, events.stderr
    exported = tmp_path / f"{record.session_id}_events.json"
    exported.write_text(events.stdout)
    again = voicerun.read(exported, log=tmp_path / "again").session(record.session_id)
    assert sorted(event.name for event in again.events) == sorted(event.name for event in record.events)
    assert (command_line.lock.parent / "agent.lock").read_text() == '{"id": "production"}'
    assert "planted" not in done.stdout + done.stderr


def test_a_release_is_talked_to_and_interrupted(server, command_line, tmp_path):
    before = n_ended(server)
    line = command_line.line(
        "--context", "lab", "debug", "--release", "R7", "--headless", "--output", str(tmp_path / "o.json")
    )
    options = command_line.options() | {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.DEVNULL,
    }
    options.pop("capture_output")
    with subprocess.Popen(line, **options) as process:

        def say(text):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()

        def until(wanted):
            for written in process.stdout:
                row = json.loads(written)
                if wanted(row):
                    return

        until(lambda row: row.get("name") == "turn_end")
        say("wait")
        until(lambda row: row.get("name") == "log")
        say("never mind")  # the handler works still
        until(lambda row: row.get("name") == "turn_end" and row["turn"] == 2)
        say("bye")
        process.stdin.close()
        process.stdout.read()
        assert process.wait(PATIENCE_S) == 0
    wait_for(lambda: n_ended(server) > before)
    record = server.record
    names = [event.name for event in record.events]
    assert names.count("turn_interrupted") == 1
    assert [event.data["text"] for event in record.events if event.name == "text"] == ["wait", "never mind", "bye"]


def test_a_handlers_secrets_are_told_to_no_debugger(tmp_path):
    path = tmp_path / "handler.py"
    path.write_text(
        "from primfunctions.events import *\n"
        "async def handler(event, context):\n"
        "    key = context.variables['CRM_KEY']\n"
        "    if event.name == 'start':\n"
        "        context.set_data('key', key)\n"
        "        yield LogEvent(key)\n"
        "        yield TextToSpeechEvent(text=f'It is {key}.')\n"
        "    else:\n"
        "        raise RuntimeError(key)\n"
    )

    async def talk(debugger):
        await debugger.turn_end(0)
        await debugger.say("go on")
        await debugger.turn_end(1)

    with vl.serve(path, variables={"CRM_KEY": "planted-Var-4711"}) as server:
        frames = debugging(server, talk).got
        path.write_text("raise RuntimeError('planted-Var-4711')")
        answers = [asked(server, "POST", f"/v1/agents/A/{what}", WHOLE) for what in ("call", "sessions/start")]
    assert any(frame.get("name") == "error" for frame in frames)
    assert [status for status, _ in answers] == [500, 500]
    assert "planted" not in json.dumps([frames, answers])


def test_no_header_is_kept_anywhere(server, log_folder, capsys):
    for path in ("/v1/releases", "/unknown", "/v1/agents/A"):
        asked(server, "GET", path, **SECRETS)
    asked(server, "POST", "/v1/agents/A/sessions/start", WHOLE, **SECRETS)
    asked(server, "POST", "/v1/agents/push", {"code": "UEs="}, **SECRETS)
    with socket.create_connection(("127.0.0.1", server.port)) as raw:  # a request that can't be read
        raw.sendall(f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization {SECRETS['Authorization']}\r\n\r\n".encode())
        raw.recv(1000)

    async def talk(debugger):
        await debugger.turn_end(0)

    debugging(server, talk, **SECRETS)
    printed = capsys.readouterr()
    shown = printed.out + printed.err + repr(server) + str(server) + server._repr_html_()
    assert "planted" not in shown
    files = [path for path in Path(log_folder).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"planted" in path.read_bytes()]
