"""Handlers that call services over HTTP: stand-ins answer, in time, whichever library asks; traffic is recorded and replayed."""

import asyncio
import contextlib
import functools
import http.server
import json
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from unittest import mock

import aiohttp
import httpx
import numpy
import pytest
import requests
from page import Page
from primfunctions.events import StartEvent, TextEvent, TextToSpeechEvent

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.runtime import sdk, watchdog
from voicelab.runtime.patching import PATCHED, patched
from voicelab.world.http_replies import found_in

URL = "https://api.pizza.example/orders"
ORDER = {"id": 7, "eta_min": 20}


# --- one request by each library -------------------------------------------------------------------------------------


async def by_httpx(method, url, **more):
    async with httpx.AsyncClient(**more.pop("client", {})) as client:
        response = await client.request(method, url, **more)
        response.raise_for_status()
        assert isinstance(response, httpx.Response)
        return response.status_code, response.json(), response.headers["content-type"]


async def by_httpx_sync(method, url, **more):
    response = httpx.request(method, url, **more)
    response.raise_for_status()
    return response.status_code, response.json(), response.headers["content-type"]


async def by_httpx_stream(method, url, **more):
    async with httpx.AsyncClient() as client, client.stream(method, url, **more) as response:
        response.raise_for_status()
        body = b"".join([chunk async for chunk in response.aiter_bytes()])
        return response.status_code, json.loads(body), response.headers["content-type"]


async def by_aiohttp(method, url, **more):
    async with aiohttp.ClientSession() as session, session.request(method, url, **more) as response:
        response.raise_for_status()
        assert isinstance(response, aiohttp.ClientResponse)
        return response.status, await response.json(), response.headers["Content-Type"]


async def by_requests(method, url, **more):
    response = requests.request(method, url, **more)
    response.raise_for_status()
    assert type(response) is requests.Response
    return response.status_code, response.json(), response.headers["Content-Type"]


async def by_urllib(method, url, json=None, headers=(), timeout=None):
    data = None if json is None else globals()["json"].dumps(json).encode()
    request = urllib.request.Request(url, data, dict(headers), method=method)
    with urllib.request.urlopen(request, **({} if timeout is None else {"timeout": timeout})) as response:
        return response.status, globals()["json"].load(response), response.headers["Content-Type"]


LIBRARIES = [by_httpx, by_httpx_sync, by_httpx_stream, by_aiohttp, by_requests, by_urllib]
BLOCKING = [by_httpx_sync, by_requests, by_urllib]
OWN_ERRORS = {
    by_httpx: (httpx.ConnectError, httpx.ReadTimeout, httpx.HTTPStatusError),
    by_httpx_sync: (httpx.ConnectError, httpx.ReadTimeout, httpx.HTTPStatusError),
    by_httpx_stream: (httpx.ConnectError, httpx.ReadTimeout, httpx.HTTPStatusError),
    by_aiohttp: (aiohttp.ClientConnectorError, asyncio.TimeoutError, aiohttp.ClientResponseError),
    by_requests: (requests.ConnectionError, requests.ReadTimeout, requests.HTTPError),
    by_urllib: (urllib.error.URLError, TimeoutError, urllib.error.HTTPError),
}
each_library = pytest.mark.parametrize("ask", LIBRARIES, ids=lambda ask: ask.__name__)


def asking(work):
    """Return a handler whose opening does some work, and what the work returned or raised."""
    found = []

    async def handler(event, context):
        if isinstance(event, StartEvent):
            began = time.time()
            try:
                found.append(await work())
            except Exception as error:
                found.append(error)
            context.set_data("took_s", time.time() - began)
            yield TextToSpeechEvent(text="Hello.", voice="nova")

    return handler, found


def asked(work, http, **options):
    """Return what some work came to in a session, and the session's record."""
    handler, found = asking(work)
    record = vl.run(handler, [], http=http, **options)
    assert record.n_errors == 0, str(record)
    return found[0], record


def rows(record):
    return [event for event in record.events if event.name == "http"]


@each_library
def test_every_library_is_answered_in_time_with_a_response_of_its_own(ask):
    stand_in = vl.Http({f"POST {URL}": ORDER}, latency_s=0.5)
    got, record = asked(lambda: ask("POST", URL, json={"size": 2}), stand_in)
    assert got == (200, ORDER, "application/json")
    assert record.data["took_s"] == pytest.approx(0.5)
    [row] = rows(record)
    assert (row.kind, row.time_s) == ("log", 0.0 if ask not in BLOCKING else pytest.approx(0))
    assert json.loads(row.data.pop("request")) == {"size": 2}
    assert row.data == {
        "message": f"POST {URL}: 200 after 0.50 s",
        "method": "POST",
        "address": URL,
        "status": 200,
        "latency_s": 0.5,
        "response": json.dumps(ORDER),
    }
    assert f"POST {URL}: 200" in str(record)
    notes = [note.written for note in record.notes if note.rule == "blocking_call"]
    assert notes == ([f"POST {URL} blocks the whole conversation"] if ask in BLOCKING else [])


@each_library
def test_what_goes_wrong_is_an_error_of_the_library_itself(ask):
    refused, late, status = OWN_ERRORS[ask]
    work = lambda: ask("GET", URL, timeout=3)
    assert isinstance(asked(work, vl.Http({URL: ORDER}, faults=1))[0], refused)
    assert isinstance(asked(work, vl.Http({URL: ConnectionError("no route")}))[0], refused)
    error, record = asked(work, vl.Http({URL: ORDER}, latency_s=9))
    assert isinstance(error, late)
    assert record.data["took_s"] == pytest.approx(3)
    assert rows(record)[0].data["message"] == f"GET {URL}: TimeoutError: no answer within 3 s"
    assert isinstance(asked(work, vl.Http({URL: 503}))[0], status)
    assert isinstance(asked(work, vl.Http({URL: ZeroDivisionError}))[0], ZeroDivisionError)


@each_library
def test_a_request_that_meets_no_pattern_names_the_line_to_add(ask):
    error, record = asked(lambda: ask("GET", f"{URL}?api_key=sk-99887766"), vl.Http({f"POST {URL}": 201}))
    assert type(error).__name__ == "NoReplyError"
    assert f'Add a line to them: "GET {URL}": {{"ok": True}}' in str(error)
    assert f"The nearest is 'POST {URL}'." in str(error)
    assert rows(record)[0].data["message"].endswith("no reply: it meets no pattern")
    assert "sk-99887766" not in str(error) + record.to_json()


@each_library
def test_without_a_stand_in_virtual_time_says_what_to_give(ask):
    error, record = asked(lambda: ask("GET", URL), None)
    assert type(error).__name__ == "VirtualTimeError"
    assert f'http=vl.Http({{"GET {URL}": {{"ok": True}}}})' in str(error)
    (row,) = rows(record)
    assert row.data["message"] == f"GET {URL}: no reply: nothing can be reached in virtual time"


# --- replies and patterns --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "status", "text", "kind"),
    [
        ([1, "a"], 200, '[1, "a"]', "application/json"),
        ("Müller", 200, "Müller", "text/plain; charset=utf-8"),
        (b"\x00\x01", 200, "\x00\x01", "application/octet-stream"),
        (404, 404, "", None),
        (vl.HttpReply({"error": "sold out"}, status=409), 409, '{"error": "sold out"}', "application/json"),
        (vl.HttpReply("<a/>", headers={"Content-Type": "text/xml"}), 200, "<a/>", "text/xml"),
        (vl.HttpReply(7), 200, "7", "application/json"),
        (((201, 1),), 201, "", None),
        (
            lambda request: {"got": request.json, "at": request.path},
            200,
            '{"got": {"a": 1}, "at": "/orders"}',
            "application/json",
        ),
        (lambda request: ((vl.HttpReply(request.query), 1),), 200, '{"q": "x y"}', "application/json"),
    ],
)
def test_a_reply_has_many_forms(reply, status, text, kind):
    async def work():
        response = await httpx.AsyncClient().post(f"{URL}?q=x+y", json={"a": 1})
        return response.status_code, response.text, response.headers.get("content-type")

    assert asked(work, vl.Http({URL: reply}))[0] == (status, text, kind)


@pytest.mark.parametrize(
    ("pattern", "method", "url", "meets"),
    [
        (f"POST {URL}", "POST", URL, True),
        (f"post {URL}", "POST", URL, True),
        (f"POST {URL}", "GET", URL, False),
        (URL, "DELETE", URL, True),
        (URL, "GET", f"{URL}?page=2", True),
        (f"GET {URL}?page=2", "GET", f"{URL}?page=2", True),
        (f"GET {URL}?page=2", "GET", f"{URL}?page=1", False),
        (URL, "GET", f"{URL}/7", False),
        ("https://api.pizza.example", "GET", "https://api.pizza.example/", True),
        ("https://api.pizza.example/", "GET", "https://API.pizza.example:443", True),
        (r"GET .*/orders/\d+", "GET", f"{URL}/7", True),
        (r"GET .*/orders/\d+", "GET", f"{URL}/7/items", False),
        ("GET /orders", "GET", URL, True),
        (r"GET /orders/\d+", "GET", f"{URL}/7?x=1", True),
    ],
)
def test_a_pattern_is_a_method_and_an_address_or_a_regular_expression_of_it(pattern, method, url, meets):
    assert (found_in(vl.Http({pattern: 200}).patterns, method, url) is not None) == meets


def test_an_address_as_it_stands_comes_before_regular_expressions_in_their_order():
    patterns = vl.Http({".*": "any", f"GET {URL}.*": "later", f"GET {URL}": "exact"}).patterns
    assert found_in(patterns, "GET", URL)[0].text == f"GET {URL}"
    assert found_in(patterns, "GET", f"{URL}/7")[0].text == ".*"


def order(request):
    orders = request.state.setdefault("orders", {})
    if request.method == "POST":
        orders[str(len(orders) + 1)] = request.json
        return {"id": len(orders)}
    return orders.get(request.match["id"], 404)


async def ordering(event, context):
    if isinstance(event, (StartEvent, TextEvent)):
        async with httpx.AsyncClient(base_url="https://api.pizza.example", headers={"x-shop": "3"}) as client:
            placed = (await client.post("/orders", json={"size": 2})).json()
            found = await client.get(f"/orders/{placed['id']}", params={"full": 1})
            other = await client.get(f"/orders/{placed['id'] + 1}")
        yield TextToSpeechEvent(text=f"{placed['id']} {found.status_code} {other.status_code}", voice="nova")


SHOP = {"POST .*/orders": order, r"GET .*/orders/(?P<id>\d+)": order}


def test_a_function_keeps_state_for_its_session_alone():
    stand_in = vl.Http(SHOP)
    for _ in range(2):
        record = vl.run(ordering, ["again"], http=stand_in)
        said = [event.data["text"] for event in record.events if event.name == "text_to_speech"]
        assert said == ["1 200 404", "2 200 404"]


def test_simulated_sessions_repeat_in_worker_processes_and_draw_by_weight(tmp_path):
    async def handler(event, context):
        if isinstance(event, StartEvent):
            try:
                async with aiohttp.ClientSession() as session, session.get(URL) as response:
                    context.set_data("status", response.status)
            except aiohttp.ClientConnectionError:
                context.set_data("status", 0)
        if False:
            yield

    run = lambda http: vl.simulate(
        handler, vl.Script(["hi"]), 200, http=http, workers=1, progress=False, log=tmp_path / "log"
    )
    stand_in = vl.Http({URL: ((201, 3), (503, 1))}, latency_s=(0.2, 0.8), faults=0.1)
    log = run(stand_in)
    statuses = log.sessions()["data"].map(lambda data: json.loads(data)["status"]).value_counts(normalize=True)
    assert 0.04 < statuses[0] < 0.18
    assert 0.6 < statuses[201] / (statuses[201] + statuses[503]) < 0.9
    latencies = log.events().query("name == 'http'")["data"].map(lambda data: json.loads(data)["latency_s"])
    assert latencies.between(0.2, 0.8).all()
    assert latencies.nunique() > 100
    assert log.rerun(7).events == log.session(7).events
    run(stand_in)  # the same again is opened
    with pytest.raises(vl.VoicelabError, match=r"other options: http"):
        run(vl.Http({URL: 201}))


# --- what stays the library's own ------------------------------------------------------------------------------------


def test_no_tls_context_is_built_for_a_session_that_has_a_stand_in(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a TLS context")

    for owner, name in (
        (ssl, "create_default_context"),
        (httpx._config, "create_ssl_context"),
        (ssl.SSLContext, "load_verify_locations"),
    ):
        monkeypatch.setattr(owner, name, refuse)
    monkeypatch.setattr("httpx._transports.default.create_ssl_context", refuse)
    for ask in LIBRARIES:
        assert asked(lambda ask=ask: ask("GET", URL), vl.Http({URL: ORDER}))[0][0] == 200
    # A client with cookies goes the long way, and through transports as they are.
    assert asked(lambda: by_httpx("GET", URL, client={"cookies": {"a": "b"}}), vl.Http({URL: ORDER}))[0][0] == 200


HTTPX_FACTS = {
    "status": lambda r: r.status_code,
    "reason": lambda r: r.reason_phrase,
    "text": lambda r: r.text,
    "content": lambda r: r.content,
    "json": lambda r: r.json(),
    "headers": lambda r: sorted(r.headers.items()),
    "url": lambda r: str(r.url),
    "request": lambda r: (r.request.method, r.request.content, r.request.headers["content-type"]),
    "elapsed": lambda r: round(r.elapsed.total_seconds(), 2),
    "encoding": lambda r: r.encoding,
    "pieces": lambda r: list(r.iter_bytes(4)),
    "lines": lambda r: list(r.iter_lines()),
    "history": lambda r: r.history,
    "ok": lambda r: (r.is_success, r.is_closed, r.raise_for_status() is r, bool(r.cookies)),
}


@pytest.mark.parametrize("fact", HTTPX_FACTS)
def test_the_short_way_of_httpx_gives_what_the_long_way_gives(fact):
    async def work(**client):
        async with httpx.AsyncClient(**client) as made:
            return HTTPX_FACTS[fact](await made.post(f"{URL}?a=1", json={"size": 2}))

    stand_in = vl.Http({URL: ORDER}, latency_s=0.25)
    short, _ = asked(work, stand_in)
    long, _ = asked(lambda: work(event_hooks={"response": []}), stand_in)
    assert short == long
    assert not isinstance(short, Exception)


def test_a_name_and_a_password_in_an_address_are_sent_on_both_ways_of_httpx():
    seen = []
    stand_in = vl.Http({".*": lambda request: seen.append(request.headers.get("authorization")) or 200})

    async def work():
        for client in ({}, {"cookies": {"a": "b"}}):
            await by_httpx_status(URL.replace("://", "://me:pa%20ss@"), client)
        httpx.get(URL.replace("://", "://me:pa%20ss@"))

    async def by_httpx_status(url, client):
        async with httpx.AsyncClient(**client) as made:
            await made.get(url)

    asked(work, stand_in)
    assert seen == ["Basic bWU6cGEgc3M="] * 3


async def aiohttp_facts(response):
    pieces = [piece async for piece in response.content.iter_chunked(9)]
    return {
        "pieces": pieces,
        "read": await response.read(),
        "text": await response.text(),
        "json": await response.json(),
        "headers": sorted(response.headers.items()),
        "raw": response.raw_headers,
        "type": (response.content_type, response.charset, response.get_encoding()),
        "facts": (response.status, response.reason, response.ok, str(response.url), response.method, response.history),
        "request": (response.request_info.method, str(response.request_info.real_url)),
        "shown": repr(response).splitlines()[0],
    }


def test_the_short_way_of_aiohttp_gives_what_the_long_way_gives():
    async def work(**client):
        async with aiohttp.ClientSession(**client) as session, session.post(f"{URL}?a=1", json={"size": 2}) as response:
            return await aiohttp_facts(response)

    stand_in = vl.Http({URL: ORDER})
    short, _ = asked(work, stand_in)
    long, _ = asked(lambda: work(skip_auto_headers=["User-Agent"], trust_env=True), stand_in)
    assert short == long


def test_what_is_set_on_a_client_counts_and_a_wrong_address_is_the_librarys_own_error():
    stand_in = vl.Http({URL: lambda request: {"shop": request.headers.get("x-shop")}}, latency_s=2)

    async def work():
        client = httpx.AsyncClient(base_url="https://api.pizza.example/")
        client.headers = {"X-Shop": "7"}
        got = [(await client.get("orders")).json()["shop"]]
        client.timeout = 1
        for url in (URL, "ftp://a.example/x", "/x"):
            try:
                await (client if url == URL else httpx.AsyncClient()).get(url)
            except httpx.HTTPError as error:
                got.append(type(error).__name__)
        await client.aclose()
        try:
            await client.get(URL)
        except RuntimeError as error:
            got.append(str(error))
        return got

    closed = "Cannot send a request, as the client has been closed."
    assert asked(work, stand_in)[0] == ["7", "ReadTimeout", "UnsupportedProtocol", "UnsupportedProtocol", closed]


def test_redirects_and_cookies_are_followed_by_the_library():
    def login(request):
        return vl.HttpReply(status=302, headers={"Location": "/home", "Set-Cookie": "sid=abc12345; Path=/"})

    def home(request):
        return {"cookie": request.headers.get("cookie")}

    stand_in = vl.Http({"POST /login": login, "GET /home": home})

    async def work():
        async with httpx.AsyncClient(follow_redirects=True) as client:
            one = (await client.post("https://a.example/login")).json()
        async with aiohttp.ClientSession() as session, session.post("https://a.example/login") as response:
            two = await response.json()
        return one, two, requests.post("https://a.example/login").json()

    got, record = asked(work, stand_in)
    assert got == ({"cookie": "sid=abc12345"},) * 3
    assert len(rows(record)) == 6
    assert "abc12345" not in record.to_json()


def test_a_transport_of_the_handlers_own_is_left_alone():
    mine = httpx.MockTransport(
        lambda request: httpx.Response(200, json="mine", headers={"content-type": "application/json"})
    )
    got, record = asked(lambda: by_httpx("GET", URL, client={"transport": mine}), vl.Http({}))
    assert got[1] == "mine"
    assert not rows(record)


@pytest.mark.parametrize(
    ("ask", "target", "answer"),
    [
        (
            by_httpx,
            "httpx.AsyncClient.request",
            mock.AsyncMock(return_value=httpx.Response(200, json="mine", request=httpx.Request("GET", URL))),
        ),
        (
            by_httpx,
            "httpx.AsyncHTTPTransport.handle_async_request",
            mock.AsyncMock(return_value=httpx.Response(200, json="mine")),
        ),
        (by_httpx_sync, "httpx.HTTPTransport.handle_request", mock.Mock(return_value=httpx.Response(200, json="mine"))),
    ],
)
def test_what_a_test_has_put_in_a_librarys_place_answers_as_before(ask, target, answer):
    with mock.patch(target, answer):
        assert asked(lambda: ask("GET", URL), None)[0][1] == "mine"


def test_a_blocking_call_in_a_thread_takes_its_time_beside_the_conversation():
    ticks = []

    async def tick():
        for _ in range(4):
            await asyncio.sleep(0.5)
            ticks.append(time.monotonic())

    async def work():
        began = time.monotonic()
        ticking = asyncio.create_task(tick())
        await asyncio.to_thread(requests.get, URL)
        await ticking
        return [round(at - began, 3) for at in ticks], began

    (times, _), record = asked(work, vl.Http({URL: ORDER}, latency_s=1.2))
    assert times == [0.5, 1.0, 1.5, 2.0]
    assert record.data["took_s"] == pytest.approx(2.0)
    assert not [note for note in record.notes if note.rule == "blocking_call"]


def test_libraries_that_load_inside_a_session_are_led_too_and_none_is_loaded_for_them():
    code = """
        import sys
        import voicelab as vl

        AGENT = '''
        async def handler(event, context):
            if event.name == "start":
                import httpx, requests
                from urllib.request import urlopen
                async with httpx.AsyncClient() as client:
                    a = (await client.get("https://a.example/x")).json()
                print(a, requests.get("https://a.example/x").json(), urlopen("https://a.example/x").read())
        '''
        vl.run("async def handler(event, context):\\n    if False: yield", [], http=vl.Http({}))
        assert "httpx" not in sys.modules and "requests" not in sys.modules
        record = vl.run(AGENT, [], http=vl.Http({"GET https://a.example/x": {"n": 1}}))
        import httpx
        assert httpx.AsyncClient.request.__qualname__ == "AsyncClient.request"
        print(*[event.data["message"] for event in record.events if event.name in ("print", "error")])
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == """{'n': 1} {'n': 1} b'{"n": 1}'""", done.stderr


# --- secrets ---------------------------------------------------------------------------------------------------------

SECRETS = {
    "variable-99": "a variable",
    "header-1234": "a header",
    "query-12345": "a query",
    "field-12345": "a field",
    "field-98765": "a field of a short name",
    "reply-12345": "a field of the reply",
    "basic-12345": "a password in the address",
}


async def telling(url=URL):
    async with httpx.AsyncClient() as client:
        response = await client.post(
            f"{url}?api_key=query-12345&page=1",
            headers={"Authorization": "Bearer header-1234", "X-Shop": "shop-7"},
            json={"client_secret": "field-12345", "pin": "field-98765", "note": "variable-99"},
        )
        print("seen", response.json()["access_token"], "header-1234", "query-12345", "field-12345", "Bearer is a word")
        await client.get(url.replace("://", "://me:basic-12345@"))
        response = await client.get(f"{url}/{response.json()['access_token']}")
    print("basic-12345", "variable-99")
    response.raise_for_status()


def test_secrets_never_reach_the_log():
    def fail(request):
        raise LookupError("Authorization was header-1234, and query-12345")

    replies = {URL: {"access_token": "reply-12345", "token_type": "Bearer", "key": "Tuesday"}, f"{URL}/.*": fail}
    got, record = asked(telling, vl.Http(replies), variables={"KEY": "variable-99"})
    assert isinstance(got, LookupError)
    assert len(rows(record)) == 3
    text = record.to_json() + str(record) + record._repr_html_()
    assert [secret for secret in SECRETS if secret in text] == []
    assert "page=1" in text
    assert "Tuesday" in text
    assert "Bearer is a word" in text  # nor does a word become a secret, because a field of that name holds it


def test_a_line_of_code_that_an_error_quotes_holds_no_secret():
    agent = """
    async def handler(event, context):
        if event.name == "start":
            import httpx
            httpx.get("https://a.example/x?api_key=query-12345", headers={"Authorization": "Bearer header-1234"})
    """
    record = vl.run(agent, [])
    text = record.to_json() + str(record)
    (error,) = (event.data for event in record.events if event.name == "error")
    assert 'httpx.get("https://a.example/x?api_key=••••••", headers={"Authorization": "••••••"})' in error["traceback"]
    assert [secret for secret in SECRETS if secret in text] == []


# --- recorded and replayed -------------------------------------------------------------------------------------------


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    n = 0

    def do_GET(self):
        type(self).n += 1
        body = {
            "n": type(self).n,
            "access_token": "reply-12345",
            "id": "id-12345",
            "echo": self.headers.get("Authorization"),
        }
        data = json.dumps(body).encode() if "binary" not in self.path else b"\xff\xfevariable-99\xff"
        self.send_response(200 if "gone" not in self.path else 410)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Set-Cookie", "session=cookie-12345")
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def service():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_outside_a_session_and_in_real_time_libraries_reach_their_services(service):
    with sdk.hosted():
        assert httpx.get(service).status_code == 200
        assert requests.get(service).status_code == 200
    for ask in LIBRARIES:
        got, record = asked(lambda ask=ask: ask("GET", service), None, clock="wall")
        assert got[0] == 200
        assert not rows(record)


def test_real_traffic_is_recorded_without_secrets_and_replayed(service, tmp_path):
    path = tmp_path / "traffic.jsonl"

    async def work():
        got = []
        for ask in LIBRARIES:
            for _ in range(2):
                got.append(
                    (await ask("POST", f"{service}/{ask.__name__}?api_key=query-12345", json={"by": ask.__name__}))[1][
                        "n"
                    ]
                )
        with contextlib.suppress(json.JSONDecodeError, UnicodeDecodeError):
            await by_httpx("GET", f"{service}/binary", headers={"Authorization": "Bearer header-1234"})
        try:
            await telling(f"{service}/gone")
        except Exception as error:
            got.append(type(error).__name__)
        try:
            await by_requests("GET", "http://127.0.0.1:1/closed")
        except Exception as error:
            got.append(type(error).__name__)
        return got

    recorder = vl.Http.record(path)
    recorded, record = asked(work, recorder, clock="wall", variables={"KEY": "variable-99"})
    assert len(rows(record)) == recorder.n_exchanges == len(path.read_text().splitlines()) - 1 == 17
    written = path.read_text() + record.to_json()
    assert [secret for secret in [*SECRETS, "cookie-12345"] if secret in written] == []
    for _ in range(2):  # each session begins anew
        replayed, record = asked(work, vl.Http.replay(path), variables={"KEY": "variable-99"})
        assert replayed == recorded
        assert recorded[-2:] == ["HTTPStatusError", "ConnectionError"]
    error, _ = asked(lambda: by_httpx("GET", f"{service}/never"), vl.Http.replay(path, latency_s=0.1))
    assert "isn't in traffic.jsonl" in str(error)
    assert asked(lambda: by_httpx("POST", f"{service}/by_httpx?api_key=other-key"), vl.Http.replay(path, latency_s=2))[
        1
    ].data["took_s"] == pytest.approx(2)


def test_what_is_found_to_be_a_secret_is_masked_in_what_was_recorded_before(service, tmp_path):
    path, own = tmp_path / "traffic.jsonl", "own-key-12345"

    async def work():
        async with httpx.AsyncClient() as client:
            login = (await client.get(f"{service}/login/{own}")).json()
            token = login["id"]
            print("got", token)
            cut = path.read_text()
            await client.get(f"{service}/orders", headers={"Authorization": f"Bearer {token}", "X-Api-Key": own})
        return "id-12345" in cut, login["n"]

    (known_late, n), record = asked(work, vl.Http.record(path), clock="wall")
    assert known_late
    for text in (path.read_text(), record.to_json(), str(record)):
        assert "orders" in text
        assert "id-12345" not in text
        assert own not in text
    assert "got ••••••" in [event.data["message"] for event in record.events if event.name == "print"]
    assert list(tmp_path.iterdir()) == [path]

    async def again():
        async with httpx.AsyncClient() as client:
            return (await client.get(f"{service}/login/{own}")).json()["n"]

    assert asked(again, vl.Http.replay(path))[0] == n


def test_recording_is_for_real_time_and_never_replaces_a_recording(tmp_path):
    path = tmp_path / "traffic.jsonl"
    for start in (vl.run, vl.simulate):
        with pytest.raises(InputError, match="sessions in virtual time can't reach"):
            start(ordering, ["hi"], http=vl.Http.record(path))
    path.write_text('{"voicelab_http": 1}\n{"kept": 1}\n')
    with pytest.raises(InputError, match="is there already"):
        vl.Http.record(path)
    vl.Http.record(path, overwrite=True)
    assert path.read_text() == '{"voicelab_http": 1}\n'


GOOD = '{"method": "GET", "address": "https://a.example/", "request": "", "latency_s": 0.1, "status": 200, "headers": [], "body": ""}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no recording"),
        ("hello\n", "is no recording"),
        ('{"voicelab_http": 2}\n', "is a recording of version 2, and this voicelab reads version 1"),
        (f'{{"voicelab_http": 1}}\n{GOOD}\n{GOOD[:50]}\n', "line 3 is torn"),
        (f'{{"voicelab_http": 1}}\n{GOOD}', "line 2 is torn. Its last line has no end"),
        ('{"voicelab_http": 1}\n{"method": "GET"}\n', "line 2 is torn"),
        (f'{{"voicelab_http": 1}}\n{GOOD.replace("200", "2000")}\n', "line 2 is torn"),
        (b"\xff\xfe", "it is no text"),
    ],
)
def test_a_file_that_is_torn_or_of_another_version_is_refused(tmp_path, text, message):
    path = tmp_path / "traffic.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        vl.Http.replay(path)


# --- bad input -------------------------------------------------------------------------------------------------------


async def coroutine(request):
    return 200


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: vl.Http([1]), r"must be {pattern: reply}"),
        (lambda: vl.Http({"GET https://[": 1}), r"the pattern 'GET https://\[' is no regular expression"),
        (lambda: vl.Http({"GETT https://a.example": 200}), r"'GETT', which is no method of HTTP.* Did you mean 'GET'"),
        (lambda: vl.Http({7: 200}), r"the pattern 7 must be text"),
        (lambda: vl.Http({URL: {1, 2}}), r"the reply to .* is \{1, 2\}, which is no reply"),
        (lambda: vl.Http({URL: {"at": {1}}}), r"can't be JSON: Object of type set"),
        (lambda: vl.Http({URL: [float("nan")]}), r"can't be JSON"),
        (lambda: vl.Http({URL: {200: 3, 503: 1}}), r"has the key 200, and keys of JSON are text.*\(\(reply, weight\)"),
        (lambda: vl.Http({URL: (200, 503)}), r"a tuple is a choice"),
        (lambda: vl.Http({URL: ((200, 0),)}), r"must be a number above 0"),
        (lambda: vl.Http({URL: 999}), r"must be a status from 100 to 599"),
        (lambda: vl.Http({URL: coroutine}), r"must be a plain function"),
        (lambda: vl.Http({URL: httpx.HTTPStatusError}), r"the class HTTPStatusError, and"),
        (lambda: vl.Http({}, faults=2), r"faults is 2, must be a number from 0 to 1"),
        (lambda: vl.Http({}, latency_s=(2, 1)), r"latency_s is \(2, 1\)"),
        (lambda: vl.Http({"GET x": "a\ud800"}), r"'GET x' is 'a\\ud800', whose character 1 .* can't be sent"),
        (lambda: vl.Http({"GET x": {"a": "\ud800"}}), r"'GET x' is .* can't be JSON"),
        (lambda: vl.HttpReply(headers=[1]), r"headers is \[1\], must be"),
        (lambda: vl.Http.replay("no/such/file"), r"there is no file 'no/such/file' \(looked in"),
        (lambda: vl.Http.replay("."), r"'.' is a folder, must be the path of a file"),
        (
            lambda: vl.Http({URL: lambda: 200}),
            r"the reply to '.*' is a function that takes \(\), must take the request",
        ),
        (lambda: vl.Http({URL: {"id": [numpy.int64(7)]}}), r"It holds NumPy's int64: write int\(value\)"),
        (lambda: vl.Http.record(7), r"must be the path of a file"),
        (lambda: vl.run(ordering, [], http={URL: 200}), r"http is a dict, must be vl.Http"),
        (lambda: vl.run(ordering, [], http=7), r"http is 7, must be vl.Http"),
    ],
)
def test_what_is_no_stand_in_is_refused_at_the_door(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_function_that_returns_no_reply_is_named():
    error, _ = asked(lambda: by_httpx("GET", URL), vl.Http({URL: lambda request: {1}}))
    assert "what the function of" in str(error)
    assert "returned is {1}, which is no reply" in str(error)


# --- the console, and real time --------------------------------------------------------------------------------------


async def fetching(event, context):
    if isinstance(event, TextEvent):
        try:
            answer = await by_aiohttp("GET", URL)
        except aiohttp.ClientError:
            answer = (0, {}, "")
        yield TextToSpeechEvent(text=f"Got {answer[0]}.", voice="nova")


def test_a_console_is_answered_by_a_stand_in():
    page = Page(fetching, http=vl.Http({URL: ORDER}, latency_s=0.2)).connect(1)
    try:
        page.say("hi", 4)
        assert page.lines("agent") == ["Got 200."]
        assert page.named("http")[0]["data"]["address"] == URL
        page.hang_up()
    finally:
        page.close()


def test_in_real_time_a_service_that_cannot_be_reached_gets_a_hint():
    async def handler(event, context):
        if isinstance(event, StartEvent):
            await by_httpx("GET", "http://127.0.0.1:1/orders")
        if False:
            yield

    message = vl.run(handler, [], clock="wall").errors[0].data["message"]
    assert message.startswith("ConnectError: ")
    assert 'http=vl.Http({"GET http://127.0.0.1:1/orders": {"ok": True}})' in message
    message = vl.run(handler, [], http=vl.Http({"/orders": ConnectionError})).errors[0].data["message"]
    assert message == "ConnectError: the stand-in refuses the connection"


def test_a_library_that_is_awaited_is_not_said_to_block(monkeypatch):
    import inspect

    rule = None

    async def library():
        nonlocal rule
        innermost = inspect.currentframe()
        rule = watchdog.rule_for(innermost, innermost.f_back)

    async def users_line():
        await library()

    asyncio.run(users_line())
    assert rule == "awaited_call"
    frames = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: frames.append(inspect.currentframe()))
    ssl.create_default_context()
    assert watchdog.rule_for(frames[0], inspect.currentframe()) == "slow_set_up"


# --- patches ---------------------------------------------------------------------------------------------------------

PROJECT = {
    "handler.py": """
        import json
        import shop
        from shop import price
        LIMIT = 3
        def own(): return "own"
        async def order(context): yield
        async def handler(event, context):
            if event.name == "start":
                print(price(2), shop.price(2), await shop.later(), shop.Shop().name(), own(), LIMIT, json.dumps([1]), shop.TAX)
    """,
    "shop.py": """
        TAX = 0.2
        def price(n): return "real"
        async def later(): return "real"
        class Shop:
            def name(self): return "real"
    """,
}
PATCHES = {
    "shop.price": lambda n: n,
    "shop.later": lambda: "plain",
    "shop.Shop.name": lambda self: type(self).__name__,
    "own": lambda: "mine",
    "LIMIT": 9,
    "json.dumps": lambda value: "dumped",
    "shop.TAX": 0,
}


@pytest.fixture
def project(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_patches_replace_what_a_handler_uses_in_its_sessions_and_in_worker_processes(project):
    printed = lambda record: [event.data["message"] for event in record.events if event.name == "print"]
    real = ["real real real real own 3 [1] 0.2"]
    assert printed(vl.run(project, [])) == real
    handler = vl.load_handler(project)
    patched = ["2 2 plain Shop mine 9 dumped 0"]
    assert printed(vl.run(handler, [], patches=PATCHES)) == patched
    assert json.dumps([1]) == "[1]"
    log = vl.simulate(handler, vl.Script(["hi"]), 3, patches=PATCHES, workers=1, progress=False)
    assert printed(log.session(2)) == patched
    assert printed(vl.run(handler, [])) == real


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ({"shopp.price": 1}, r"there is no module 'shopp' for 'shopp.price'. Did you mean 'shop'"),
        ({"shop.prise": 1}, r"'voicelab_\w+.shop' has no 'prise' for 'shop.prise'. Did you mean 'price'"),
        ({"onw": 1}, r"the handler's file has no 'onw'. Did you mean 'own'"),
        ([1], r"patches is \[1\], must be"),
        (
            {"order": lambda context: 1},
            r"'order' is an `async def` that yields, and .* a lambda, must be an `async def` too",
        ),
        ({"shop.later": ordering}, r"'shop.later' is an `async def`, and .* must be an `async def` without a `yield`"),
    ],
)
def test_a_patch_of_nothing_is_refused_at_the_door(project, patches, message):
    with pytest.raises(InputError, match=message):
        vl.run(project, [], patches=patches)


PATCHED_SHOP = """
class Client: pass
RATE = 1
def charge(): return "real"
"""


def test_two_runs_at_once_never_take_patches_from_one_another(tmp_path, monkeypatch):
    (tmp_path / "patched_shop.py").write_text(PATCHED_SHOP)
    monkeypatch.syspath_prepend(tmp_path)
    import patched_shop as shop

    names = {"shop": shop, "charge": shop.charge, "Client": shop.Client}
    exec("def handler(): return shop.RATE, shop.Client, Client, shop.charge(), charge()", names)
    handler, real = names["handler"], (1, shop.Client, shop.Client, "real", "real")
    one, other = type("One", (), {}), type("Other", (), {})

    def seen(patches):
        token = PATCHED.set(patches)
        try:
            return handler()
        finally:
            PATCHED.reset(token)

    first = {"shop.RATE": 5, "shop.Client": one, "shop.charge": lambda: "first"}
    second = {"shop.RATE": 5, "shop.Client": one, "charge": lambda: "second"}
    with contextlib.ExitStack() as later:
        with patched(first, handler):
            later.enter_context(patched(second, handler))
            for patches in ({"shop.RATE": 7}, {"shop.Client": other}, {"Client": other}, {"shop.charge": 7}):
                with pytest.raises(InputError, match=r"patches: '.*' is replaced by something else in another run"):
                    later.enter_context(patched(patches, handler))
            assert seen(first) == (5, one, one, "first", "first")
            assert seen(second) == (5, one, one, "real", "second")
        assert seen(second) == (5, one, one, "real", "second")  # the first run has ended and took nothing along
    assert seen(second) == real
    with patched({"shop.RATE": 7}, handler):
        assert handler()[0] == 7
    assert handler() == real


def test_what_cannot_be_sent_to_a_worker_process_is_named(project):
    with pytest.raises(vl.VoicelabError, match=r"patches.*shop.price.* can't be sent to a worker process"):
        vl.simulate(
            project,
            vl.Script(["hi"]),
            2,
            patches={"shop.price": functools.partial(print, threading.Lock())},
            progress=False,
        )


def test_a_reply_that_cannot_be_sent_to_a_worker_process_is_named_by_its_pattern(project):
    lock = threading.Lock()
    http = vl.Http({URL: 200, "GET /b": lambda request: lock})
    with pytest.raises(vl.VoicelabError, match=r"the reply to 'GET /b' → the variable 'lock' can't be sent"):
        vl.simulate(project, vl.Script(["hi"]), 2, http=http, progress=False)


def test_a_mock_that_worker_processes_do_not_have_is_said_aloud():
    with (
        mock.patch("httpx.AsyncClient.post", new=print),
        pytest.warns(UserWarning, match=r"AsyncClient\.post.*patches="),
    ):
        vl.simulate(fetching, vl.Script(["hi"]), 1, workers=1, progress=False)
