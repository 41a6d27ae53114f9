"""Outbound calls: the guide's request to the byte, sent once and only when confirmed, the key never shown."""

import contextlib
import copy
import io
import json
import pickle
import re
import shlex
import ssl
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import voicelab as vl
from tests.call_stub import DRIP, SILENCE, TAKEN, Stub, reply
from voicelab import voicerun
from voicelab.base.errors import CallError, InputError, VoicelabError
from voicelab.cli import main
from voicelab.voicerun import asking, call_exchange

KEY = "sk-live-4f9a/Zq+77&topsecret"
NUMBER = "+14155550123"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Nobody to ask, no key, a folder of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("VOICERUN_API_KEY", "VOICERUN_API_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(asking, "can_ask", lambda: False)


def made(stub=None, **changes):
    given = {"parameters": {"customerName": "Alice"}, "api_key": KEY, "base_url": stub and stub.url, **changes}
    return voicerun.outbound_call("agent-1", NUMBER, "staging", **given)


def journal_of(call):
    return [json.loads(line) for line in call.journal.read_text(encoding="utf-8").split("\n") if line]


# --- the request -----------------------------------------------------------------------------------------------------


def test_the_request_is_the_guides_byte_for_byte():
    with Stub() as stub:
        answer = made(stub).send(confirmed=True)
    assert answer == {"success": True, "telephonyCallId": "CA123"}
    body = (
        b'{"inputType":"phone","inputParameters":{"phoneNumber":"+14155550123"},"environment":"staging",'
        b'"parameters":{"customerName":"Alice"}}'
    )
    assert stub.requests == [
        b"POST /v1/agents/agent-1/sessions/start HTTP/1.1\r\n"
        + f"Host: 127.0.0.1:{stub.port}\r\n".encode()
        + b"Content-Type: application/json\r\n"
        + f"Authorization: Bearer {KEY}\r\n".encode()
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    ]


CURL = r"""curl 'https://api.primvoices.com/v1/agents/<AGENT_ID>/sessions/start' \
  -X 'POST' \
  -H 'Content-Type: application/json' \
  -H 'Authorization: Bearer <API_KEY>' \
  --data-raw '{"inputType":"phone","inputParameters":{"phoneNumber":"<NUMBER_TO_DIAL>"},"environment":"<ENVIRONMENT_NAME>","parameters":{}}'"""


def test_the_curl_is_the_guides_with_the_key_read_by_the_shell():
    call = voicerun.outbound_call("agent-1", NUMBER, "staging", api_key=KEY)
    filled = CURL.replace("<AGENT_ID>", "agent-1").replace("<NUMBER_TO_DIAL>", NUMBER)
    filled = filled.replace("<ENVIRONMENT_NAME>", "staging")
    assert call.curl == filled.replace("'Authorization: Bearer <API_KEY>'", '"Authorization: Bearer $VOICERUN_API_KEY"')
    # Whatever the parameters hold, a shell passes it on whole.
    told = made(parameters={"note": 'O\'Hara says "$HOME" `ls` \\ é'})
    words = shlex.split(told.curl.replace("\\\n", " "))
    assert json.loads(words[words.index("--data-raw") + 1]) == told.body


def test_where_the_platform_is_can_be_said(monkeypatch):
    assert made().url == "https://api.primvoices.com/v1/agents/agent-1/sessions/start"
    monkeypatch.setenv("VOICERUN_API_URL", "https://api.voicerun.com/")
    assert made().url == "https://api.voicerun.com/v1/agents/agent-1/sessions/start"
    assert made(base_url="http://localhost:8080/").url == "http://localhost:8080/v1/agents/agent-1/sessions/start"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phone_number": "+1 415 555-0123"}, r"Did you mean '\+14155550123'\?"),
        ({"phone_number": "0049 (0)30 123"}, r"Did you mean '\+4930123'\?"),
        ({"phone_number": "14155550123"}, r"Did you mean '\+14155550123'\?"),
        ({"phone_number": 14155550123}, r"Did you mean '\+14155550123'\?"),
        ({"phone_number": "030 123456"}, "country's code"),
        ({"phone_number": "+14155550123\n"}, r"Did you mean"),
        ({"phone_number": "+1234567890123456"}, "2 to 15 digits"),
        ({"phone_number": "+0123"}, "must be"),
        ({"phone_number": "+١٢٣٤٥"}, "must be"),
        ({"phone_number": None}, "phone_number is None"),
        ({"agent_id": ""}, "agent_id is ''"),
        ({"agent_id": None}, "agent_id is None"),
        ({"agent_id": "<AGENT_ID>"}, "placeholder"),
        ({"agent_id": "../sessions"}, "must be an id"),
        ({"environment": ""}, "environment is ''"),
        ({"environment": "<ENVIRONMENT_NAME>"}, "placeholder"),
        ({"parameters": [1]}, "must be a dict"),
        ({"parameters": {1: 2}}, "keys must be text"),
        ({"parameters": {"a": {"b": [0, float("nan")]}}}, r"parameters\['a'\]\['b'\]\[1\] is nan"),
        ({"parameters": {"when": object()}}, r"parameters\['when'\] is .* of type object"),
        ({"parameters": {"a": "\ud800"}}, "half a character"),
        ({"parameters": {"functionId": "x"}}, "functionId"),
        ({"parameters": {"runTest": {"greeting": False}}}, r"json\.dumps"),
        ({"api_key": ""}, "Profile > API Keys"),
        ({"api_key": "two words"}, "blanks"),
        ({"api_key": "key\r\nX-Other: 1"}, "line breaks"),
        ({"api_key": 7}, "of type int"),
        ({"api_key": "<API_KEY>"}, "placeholder"),
        ({"base_url": "http://api.primvoices.com"}, "https://"),
        ({"base_url": "ftp://localhost"}, "must be an address"),
        ({"base_url": "api.primvoices.com"}, "must be an address"),
        ({"base_url": "https://me:pw@api.primvoices.com"}, "before its @"),
        ({"entrypoint_id": "e1"}, "not both"),
        ({"agent_id": None, "entrypoint_id": "e1", "environment": "staging"}, "an entrypoint has its own"),
        ({"track": "beta"}, "is for entrypoints"),
        ({"deadline_s": 0}, "above 0"),
        ({"journal": "."}, "is a folder"),
        ({"call_id": " "}, "must be some text"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_what_is_allowed(changes, message):
    given = {"agent_id": "agent-1", "phone_number": NUMBER} | changes
    with pytest.raises(InputError, match=message):
        voicerun.outbound_call(**given)


def test_numbers_of_frames_are_numbers():
    np = pytest.importorskip("numpy")
    assert made(parameters={"n": np.int64(3), "pair": (1, 2)}).body["parameters"] == {"n": 3, "pair": [1, 2]}


# --- rehearsal -------------------------------------------------------------------------------------------------------

GREETER = """
async def handler(event, context):
    if event.name == "start":
        named = context.get_data("customerName") or context.input_data.get("customerName")
        yield TextToSpeechEvent(text=f"Hello {named}, this is {context.environment}.")
"""


def test_a_rehearsal_is_the_calls_session():
    record = made().rehearse(GREETER, ["hi"], seed=3)
    assert "Hello Alice, this is staging." in str(record)
    entry = voicerun.outbound_call(phone_number=NUMBER, entrypoint_id="e1", parameters={"customerName": "Bob"})
    assert "Hello Bob" in str(entry.rehearse(GREETER))
    with pytest.raises(InputError, match="parameters= is the call's own"):
        made().rehearse(GREETER, parameters={"customerName": "Carol"})
    assert not made().journal.exists()


# --- consent, and once -----------------------------------------------------------------------------------------------


def test_nothing_is_sent_without_consent(monkeypatch):
    with Stub() as stub:
        call = made(stub)
        with pytest.raises(InputError, match="confirmed=True"):
            call.send()
        with pytest.raises(InputError, match="must be True or False"):
            call.send(confirmed="yes")
        asked = []
        monkeypatch.setattr(asking, "can_ask", lambda: True)
        monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
        with pytest.raises(CallError, match="Nothing was sent"):
            call.send()
        assert not stub.requests
        assert not call.journal.exists()
        monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "y")
        assert call.send()["success"]
        assert len(asked) == 2
        assert NUMBER in asked[1]
        assert "staging" in asked[1]
        monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "")
        with pytest.raises(CallError, match="Nothing was sent"):
            made(stub).send()
        assert "last called at" in asked[2]
    assert len(stub.requests) == 1


def test_a_call_goes_out_once_whoever_sends_it():
    with Stub() as stub:
        call = made(stub, call_id="order-17")
        twin, copied, later = pickle.loads(pickle.dumps(call)), copy.deepcopy(call), made(stub, call_id="order-17")
        call.send(confirmed=True)
        for other in (call, pickle.loads(pickle.dumps(call)), later):
            with pytest.raises(CallError, match="not sent again"):
                other.send(confirmed=True)
        # A copy has no key of its own; that it was sent before is known from the journal.
        for other in (twin, copied):
            other._key = call._key
            with pytest.raises(CallError, match=r"order-17 was sent before, at 20"):
                other.send(confirmed=True)
        made(stub).send(confirmed=True)  # another call
    assert len(stub.requests) == 2


def test_of_several_at_once_one_sends():
    with Stub() as stub:
        calls = [made(stub, call_id="one") for _ in range(8)]
        barrier = threading.Barrier(len(calls))

        def send(call):
            barrier.wait()
            with contextlib.suppress(CallError):
                return call.send(confirmed=True)

        with ThreadPoolExecutor(len(calls)) as pool:
            answers = [answer for answer in pool.map(send, calls) if answer]
    assert len(stub.requests) == len(answers) == 1


def test_another_process_knows_what_was_sent():
    with Stub() as stub:
        made(stub, call_id="order-17").send(confirmed=True)
        code = (
            "from voicelab import voicerun\n"
            f"voicerun.start_call('agent-1', '{NUMBER}', base_url='{stub.url}', call_id='order-17', confirmed=True)"
        )
        env = {"VOICERUN_API_KEY": KEY, "PYTHONPATH": str(Path(vl.__file__).parent.parent)}
        ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "CallError: The call order-17 was sent before" in ran.stderr
    assert KEY not in ran.stderr
    assert len(stub.requests) == 1


def test_the_journal_says_it_before_it_is_sent_and_what_came_of_it(monkeypatch):
    seen = []
    with Stub(SILENCE) as stub:
        call = made(stub, parameters={"customerName": "Alice", "pin": "4711", "note": f"my key is {KEY}"})

        def read_meanwhile(done, deadline_s):
            assert stub.came.wait(60)
            seen.extend(journal_of(call))
            return False

        monkeypatch.setattr(call_exchange, "in_time", read_meanwhile)
        with pytest.raises(CallError):
            call.send(confirmed=True)
    [before] = seen
    assert before["event"] == "about to send"
    assert before["address"] == call.url
    assert before["phone_number"] == NUMBER
    assert before["environment"] == "staging"
    assert before["parameters"] == {"customerName": "Alice", "pin": "••••••", "note": "my key is ••••••"}
    assert before["time"].startswith("20")
    assert journal_of(call)[1]["event"] == call.status == "unknown"
    assert call.journal.stat().st_mode & 0o077 == 0


def test_a_torn_journal_doesnt_let_a_call_out_twice():
    call = made(call_id="order-17")
    call.journal.write_text('{"time": "2026-01-01", "call_id": "order-17", "even')
    with pytest.raises(CallError, match="was sent before"):
        call.send(confirmed=True)
    with Stub() as stub:
        other = made(stub, call_id="order-18")
        other.send(confirmed=True)
    assert [json.loads(line)["event"] for line in other.journal.read_text().splitlines()[1:]] == [
        "about to send",
        "answered",
    ]


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_letters_that_end_a_line_elsewhere_dont_tear_the_journal(letter):
    with Stub() as stub:
        call = made(stub, parameters={"note": f"a{letter}b"}, call_id=f"order{letter}17")
        assert call.send(confirmed=True)["success"]
        with pytest.raises(CallError, match="was sent before, at 20"):
            made(stub, call_id=f"order{letter}17").send(confirmed=True)
    assert len(stub.requests) == 1
    assert [line["event"] for line in journal_of(call)] == ["about to send", "answered"]


def test_without_a_journal_nothing_is_sent(tmp_path):
    (tmp_path / "file").write_text("")
    with Stub() as stub, pytest.raises(InputError, match="nothing is sent: give another by journal="):
        made(stub, journal=tmp_path / "file" / "j.jsonl").send(confirmed=True)
    assert not stub.requests


# --- what goes wrong -------------------------------------------------------------------------------------------------

PAGE = b"<!DOCTYPE html><html><body>Sign in</body></html>"
FAILURES = [
    ("401", reply(401, {"error": f"bad key {KEY}"}), "refused", "Profile > API Keys.*It says: bad key ••••••"),
    ("403", reply(403, {"message": "no access"}), "refused", "may not start calls of agent agent-1.*no access"),
    ("404", reply(404, {"detail": "no agent"}), "refused", "knows no agent agent-1 with an environment 'staging'"),
    ("404 page", reply(404, PAGE), "refused", "knows no agent"),
    ("429", reply(429, {}, ["Retry-After: 30"]), "refused", "try again in 30 s"),
    ("429 date", reply(429, {}, ["Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"]), "refused", "try again in 0 s"),
    ("422", reply(422, {"detail": [{"loc": ["body"], "msg": "bad number"}]}), "refused", "refused the call.*bad number"),
    ("redirect", reply(302, b"", ["Location: https://elsewhere.example/x"]), "refused", "https://elsewhere.example"),
    ("success false", reply(200, {"success": False, "error": "no balance"}), "refused", "did not place the call.*no balance"),
    ("no success", reply(200, {"error": "agent offline"}), "unknown", "without success.*agent offline.*is unknown"),
    ("success null", reply(200, {"success": None}), "unknown", "without success"),
    ("success text", reply(200, {"success": "false"}), "unknown", "without success"),
    ("408", reply(408, {}), "unknown", r"gave up waiting \(HTTP 408\).*is unknown"),
    ("500", reply(500, {"error": "oops"}), "unknown", r"failed \(HTTP 500\).*oops.*unknown, and the call is not sent again"),
    ("502 page", reply(502, PAGE), "unknown", "HTTP 502"),
    ("page", reply(200, PAGE, ["Content-Type: text/html"]), "unknown", "web page in place of JSON"),
    ("cut", TAKEN[:-10], "unknown", "cut in the middle"),
    ("cut json", reply(200, b'{"success": tr'), "unknown", "cut in the middle"),
    ("no utf-8", reply(200, b'{"success": true, "who": "\xe9"}'), "unknown", "no text in UTF-8"),
    ("empty", reply(200, b""), "unknown", "empty answer"),
    ("list", reply(200, []), "unknown", "no object"),
    ("no http", b"SSH-2.0\r\n\r\n", "unknown", "no HTTP"),
    ("closed", b"", "unknown", "without an answer"),
    ("deadline", SILENCE, "unknown", "did not answer within 60 s"),
]  # fmt: skip


def over_once(event, monkeypatch):
    """Have the deadline be over as soon as something has happened, however slow this machine is."""
    monkeypatch.setattr(call_exchange, "in_time", lambda done, deadline_s: event.wait(60) is None)


@pytest.mark.parametrize(
    ("answer", "outcome", "message"), [case[1:] for case in FAILURES], ids=[c[0] for c in FAILURES]
)
def test_every_failure_is_a_stated_sentence_and_nothing_is_repeated(answer, outcome, message, monkeypatch):
    with Stub(answer) as stub:
        call = made(stub, deadline_s=60)
        if answer is SILENCE:
            over_once(stub.came, monkeypatch)
        with pytest.raises(CallError, match=message) as error:
            call.send(confirmed=True)
        with pytest.raises(CallError, match="not sent again"):
            call.send(confirmed=True)
    assert len(stub.requests) == 1
    assert error.value.outcome == call.status == outcome
    assert ("Nobody was called" in str(error.value) or "did not place" in str(error.value)) == (outcome == "refused")
    assert "\n" not in str(error.value)
    assert error.value.__context__ is None
    assert error.value.wait_s == {"30 s": 30.0, "0 s": 0.0}.get(message.removeprefix("try again in "))
    assert KEY not in repr(error.value) + call.journal.read_text()


def test_what_comes_before_the_answer_is_no_answer():
    early = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    with Stub(early + TAKEN) as stub:
        assert made(stub).send(confirmed=True)["telephonyCallId"] == "CA123"


def test_the_deadline_is_one_of_all_that_is_waited_for():
    with Stub(DRIP) as stub, pytest.raises(CallError, match=r"did not answer within 0.3 s|can't be reached in time"):
        made(stub, deadline_s=0.3).send(confirmed=True)


def test_where_nothing_was_sent_it_may_be_sent_later(monkeypatch):
    with Stub() as stub:
        pass
    call = made(stub, deadline_s=60)  # nothing listens there any more
    with pytest.raises(CallError, match=r"refuses the connection.*Nothing was sent\.") as error:
        call.send(confirmed=True)
    assert error.value.outcome == call.status == journal_of(call)[-1]["event"] == "not sent"

    def no_name(*_, **__):
        raise call_exchange.socket.gaierror(-2, "Name or service not known")

    with monkeypatch.context() as patched:
        patched.setattr("socket.getaddrinfo", no_name)
        with pytest.raises(CallError, match=r"can't be found: there is no network.*Nothing"):
            made().send(confirmed=True)
    with Stub() as again:
        call._request = made(again)._request
        assert call.send(confirmed=True)["success"]
    assert call.status == "sent"


def test_whoever_cant_prove_to_be_the_platform_gets_nothing(tmp_path, monkeypatch):
    (tmp_path / "pair.pem").write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    with Stub(context=context) as stub:
        with pytest.raises(CallError, match=r"can't prove that it is .*SSL_CERT_FILE.*Nothing was sent"):
            made(stub).send(confirmed=True)
        assert not stub.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "pair.pem"))
        assert made(stub).send(confirmed=True)["success"]


def test_a_companys_proxy_sees_no_key(monkeypatch):
    with Stub(reply(403)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{proxy.port}")
        call = made(deadline_s=60)
        with pytest.raises(CallError, match=r"can't be reached.*Nothing was sent"):
            call.send(confirmed=True)
    [request] = proxy.requests
    assert request.startswith(b"CONNECT api.primvoices.com:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in request
    assert KEY.encode() not in request


def test_an_interrupted_call_is_unknown_and_not_repeated(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    call = made()
    with monkeypatch.context() as patched:
        patched.setattr("voicelab.voicerun.one_call.exchange", interrupted)
        with pytest.raises(KeyboardInterrupt):
            call.send(confirmed=True)
    assert call.status == journal_of(call)[-1]["event"] == "unknown"
    with pytest.raises(CallError, match=r"once \(unknown\) and is not sent again"):
        call.send(confirmed=True)


# --- the key ---------------------------------------------------------------------------------------------------------


def every_local(error):
    """Return all that a verbose traceback shows: the locals of every frame, of causes and contexts too."""
    shown = []
    while error is not None:
        shown += [repr(error)]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if "/voicelab/" in frame.f_code.co_filename:
                shown += [f"{name}={value!r}" for name, value in frame.f_locals.items()]
        error = error.__cause__ or error.__context__
    return "\n".join(shown)


def test_the_key_is_in_nothing_that_shows_itself(capsys, monkeypatch):
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)  # prints what is sent, where nobody sees to it
    with Stub(reply(body={"success": True, "telephonyCallId": f"CA {KEY}"})) as stub:
        call = made(stub, parameters={"note": KEY})
        answer = call.send(confirmed=True)
        outputs = [
            repr(call), str(call), call._repr_html_(), call.curl, repr(call.headers), repr(answer), answer._repr_html_(),
            repr(vars(call)), pickle.dumps(made(stub)).decode("latin-1"), call.journal.read_text(),
        ]  # fmt: skip
        print(call, answer)
    outputs.append("".join(capsys.readouterr()))
    part = KEY[8:16]
    assert not [text for text in outputs if KEY in text.replace("\\", "") or part in text]


@pytest.mark.parametrize("answer", [reply(401, {"error": KEY}), reply(500, {}), SILENCE, b""])
def test_the_key_is_in_no_frame_of_an_error(answer):
    with Stub(answer) as stub:
        given = {"api_key": KEY, "base_url": stub.url, "deadline_s": 0.3 if answer is SILENCE else 60}
        for start in (
            lambda: voicerun.start_call("agent-1", NUMBER, confirmed=True, **given),
            lambda: voicerun.start_call("agent-1", "12", confirmed=True, **given),
            lambda: voicerun.outbound_call("agent-1", NUMBER, parameters={"a": object()}, **given),
            lambda: voicerun.outbound_call("agent-1", NUMBER, api_key=KEY + " x"),
        ):
            with pytest.raises(VoicelabError) as error:
                start()
            assert "sk-live" not in every_local(error.value).replace(repr(given), "")


def test_the_key_is_masked_where_an_error_quotes_what_holds_it():
    with pytest.raises(InputError, match=r"\['••••••'\] is nan"):
        made(parameters={KEY: float("nan")})


def test_the_key_is_given_read_or_asked_for(monkeypatch):
    with Stub() as stub:
        with pytest.raises(InputError, match=r"Profile > API Keys.*VOICERUN_API_KEY"):
            made(stub, api_key=None).send(confirmed=True)
        monkeypatch.setattr(asking, "can_ask", lambda: True)
        monkeypatch.setattr("getpass.getpass", lambda prompt: "typed-key-123\n" if "hidden" in prompt else "")
        made(stub, api_key=None).send(confirmed=True)
        monkeypatch.setenv("VOICERUN_API_KEY", "variable-key-123")
        made(stub, api_key=None).send(confirmed=True)
        made(stub).send(confirmed=True)
    sent = [re.search(rb"Bearer (\S+)", request)[1].decode() for request in stub.requests]
    assert sent == ["typed-key-123", "variable-key-123", KEY]


def test_somebody_can_be_asked_in_a_terminal_or_by_a_front_end_that_takes_answers(monkeypatch):
    monkeypatch.undo()

    class Kernel:
        _allow_stdin = True

        def raw_input(self, prompt=""):
            return prompt

    kernel = Kernel()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert not asking.can_ask()
    monkeypatch.setattr("builtins.input", kernel.raw_input)
    assert asking.can_ask()
    kernel._allow_stdin = False
    assert not asking.can_ask()


# --- entrypoints -----------------------------------------------------------------------------------------------------


def test_an_entrypoints_call_is_sent_and_its_session_followed_to_its_end():
    records = [
        reply(body={"data": {"id": "s/1", "status": status, "outputData": {"n": 1}}})
        for status in ("ringing", "completed")
    ]
    with Stub(reply(body={"data": {"sessionId": "s/1", "telephonyCallId": "CA9"}}), reply(503, {}), *records) as stub:
        call = voicerun.outbound_call(
            phone_number=NUMBER, entrypoint_id="e1", parameters={"customerName": "Alice"}, track="beta", release_id="r1",
            api_key=KEY, base_url=stub.url,
        )  # fmt: skip
        waited = []
        call.sleep = waited.append
        answer = call.send(confirmed=True)
    assert stub.requests[0].startswith(b"POST /v1/entrypoints/e1/outbound HTTP/1.1\r\n")
    assert json.loads(stub.requests[0].split(b"\r\n\r\n")[1]) == {
        "toPhoneNumber": NUMBER, "track": "beta", "releaseId": "r1", "inputData": {"customerName": "Alice"},
    }  # fmt: skip
    assert all(request.startswith(b"GET /v1/sessions/s%2F1 HTTP/1.1\r\n") for request in stub.requests[1:])
    assert len(waited) == 2
    assert answer["telephonyCallId"] == "CA9"
    assert answer["session"]["status"] == "completed"
    assert answer["session"]["outputData"] == {"n": 1}
    assert [line["event"] for line in journal_of(call)] == ["about to send", "answered", "session completed"]


def test_a_session_that_doesnt_end_is_waited_for_no_longer_than_asked():
    with Stub(reply(body={"data": {"sessionId": "s1"}}), reply(body={"data": {"status": "ringing"}})) as stub:
        call = voicerun.outbound_call(phone_number=NUMBER, entrypoint_id="e1", api_key=KEY, base_url=stub.url)
        call.sleep = lambda seconds: None
        with pytest.warns(UserWarning, match=r"has not ended within 20 s \(last: ringing\)"):
            answer = call.send(confirmed=True, wait_s=20)
    assert answer["session"]["status"] == "ringing"
    assert len(stub.requests) == 1 + 5
    with pytest.raises(InputError, match="no session to wait for"):
        made().wait()


@pytest.mark.parametrize(("status", "message"), [(401, "accept the API key"), (404, "HTTP 404")])
def test_a_session_that_cant_be_followed_is_not_asked_for_again(status, message):
    with Stub(reply(body={"data": {"sessionId": "s1"}}), reply(status, {})) as stub:
        call = voicerun.outbound_call(phone_number=NUMBER, entrypoint_id="e1", api_key=KEY, base_url=stub.url)
        call.sleep = lambda seconds: None
        with pytest.warns(UserWarning, match=f"its session s1 can't be followed: .*{message}"):
            call.send(confirmed=True, wait_s=20)
    assert len(stub.requests) == 2
    assert call.status == "sent"


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        ({"message": "agent offline"}, "unknown", "agent offline.*is unknown"),
        ({"success": False, "sessionId": "s1", "error": "no balance"}, "refused", "did not place the call.*no balance"),
    ],
)
def test_an_entrypoints_answer_that_names_no_session_or_says_no_is_no_call(said, status, message):
    with Stub(reply(body={"data": said})) as stub:
        call = voicerun.outbound_call(phone_number=NUMBER, entrypoint_id="e1", api_key=KEY, base_url=stub.url)
        with pytest.raises(CallError, match=message):
            call.send(confirmed=True)
    assert call.status == status
    assert "The platform has taken the call" not in str(call) + call._repr_html_()


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_previews_and_calls_when_told(monkeypatch, capsys):
    monkeypatch.setenv("VOICERUN_API_KEY", KEY)
    with Stub() as stub:
        line = ["call", "agent-1", NUMBER, "--base-url", stub.url, "--parameters", '{"customerName": "Alice"}']
        assert main(line) == 1  # a script takes 0 for done
        shown = capsys.readouterr()
        assert shown.err == "voicelab: Nothing was sent: nobody can be asked here. Add --yes to call.\n"
        assert NUMBER in shown.out
        assert not stub.requests
        assert main([*line, "--curl"]) == 0
        assert "--data-raw" in capsys.readouterr().out
        assert main([*line, "--yes", "--environment", "staging", "--call-id", "c1"]) == 0
        out = capsys.readouterr().out
        assert '"telephonyCallId": "CA123"' in out
        assert KEY not in out
        assert main([*line, "--yes", "--call-id", "c1"]) == 1
        assert "sent before" in capsys.readouterr().err
        assert main([*line, "--yes", "--entrypoint"]) == 0
    assert json.loads(stub.requests[0].split(b"\r\n\r\n")[1])["environment"] == "staging"
    assert stub.requests[1].startswith(b"POST /v1/entrypoints/agent-1/outbound")
    assert main(["call", "agent-1", "0123"]) == 1
    assert "country's code" in capsys.readouterr().err


# Of the stub alone: for 127.0.0.1, signed by nobody, valid for a hundred years.
CERTIFICATE = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfeA5dshVrgeM5VQm
VrEsp7ZjSm1HFe8aHeILXp0Q2M2hRANCAASO6UdXcwAkUu8QTgrqai/mqfzLmju4
iGazJ+wqlNqD6m6XzQF35O3cY19ejSWxFqdgsPLeSo6BOyAxSyQ/NOC+
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUZPhupP42Wb1Fm8F4FG0ZzUqN5FMwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNdm9pY2VsYWIgdGVzdDAgFw0yNjExMjgwNzQwMTVaGA8yMTI2
MTEwNDA3NDAxNVowGDEWMBQGA1UEAwwNdm9pY2VsYWIgdGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABI7pR1dzACRS7xBOCupqL+ap/MuaO7iIZrMn7CqU2oPq
bpfNAXfk7dxjX16NJbEWp2Cw8t5KjoE7IDFLJD804L6jZDBiMB0GA1UdDgQWBBQB
s7xGLB4K6OJ5jIG2BT0u1nNW/zAfBgNVHSMEGDAWgBQBs7xGLB4K6OJ5jIG2BT0u
1nNW/zAPBgNVHRMBAf8EBTADAQH/MA8GA1UdEQQIMAaHBH8AAAEwCgYIKoZIzj0E
AwIDSAAwRQIgXijIlWnd/gw9oCd7WAeqXzR5ImslUedDIW93Ap5STrcCIQCESAD1
MVxGre4NiMoSOztGoC2GxB07R5clb2hkPNH2lQ==
-----END CERTIFICATE-----
"""
