"""`voicerun.Client` fetches sessions: whole or not at all, never the same twice, and whatever the platform does is said."""

import re
from dataclasses import replace

import pytest

import voicelab as vl
from tests.reading_stub import AGENT, served
from tests.test_reading import check_same, log  # noqa: F401 - the fixture
from voicelab import voicerun
from voicelab.base.errors import InputError
from voicelab.cli import main
from voicelab.serving.answer import Answer
from voicelab.voicerun.pulled_folder import export_file_name

KEY = "vr-key-4711-of-nobody"
HTML = Answer(200, b"<!doctype html><title>Sign in</title>", "text/html")
EVENTS = re.compile(r"/v1/sessions/(\w+)/events")


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("VOICERUN_API_KEY", raising=False)
    monkeypatch.delenv("VOICERUN_API_URL", raising=False)


def made(url, **more):
    """Return a client that doesn't wait, and what it would have waited."""
    client = voicerun.Client(KEY, url, **more)
    now, waits = [0.0], []

    def sleep(seconds):
        waits.append(seconds)
        now[0] += seconds

    client.sleep, client.clock = sleep, lambda: now[0]
    return client, waits


def test_a_log_is_fetched_and_the_second_time_only_what_is_new(log, tmp_path):  # noqa: F811
    with served(log) as (url, asked):
        client, waits = made(url)
        back = client.log(AGENT, tmp_path / "back", progress=False)
        n_first = len(asked)
        check_same(log, back)
        assert {headers["Authorization"] for *_, headers in asked} == {f"Bearer {KEY}"}
        # Five requests a second: so many seconds for so many requests.
        assert sum(waits) == pytest.approx((n_first - 1) / 5)
        again = client.pull(AGENT, tmp_path / "back-exports", progress=False)
        assert [path for path, *_ in asked[n_first:]] == [
            f"/v1/agents/{AGENT}/sessions",
            f"/v1/agents/{AGENT}/evaluations",
            "/v1/experiments",
            "/v1/experiments/greeting",
        ]
    assert client.notes == []
    check_same(log, voicerun.read(again, tmp_path / "again"))
    for file in (tmp_path / "back-exports").iterdir():
        assert KEY not in file.read_text()


def test_pages_follow_whatever_their_counts_say(log, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("voicelab.voicerun.client._PAGE", 3)

    def total(said):
        def change(path, _, answer):
            if not path.endswith(f"{AGENT}/sessions"):
                return answer
            return replace(answer, body=answer.body | {"metadata": answer.body["metadata"] | {"total": said}})

        return change

    for said in (7, 1, None, 400):
        with served(log, total(said)) as (url, asked):
            client, _ = made(url)
            assert [row["id"] for row in client.sessions(AGENT)] == log.sessions()["session_id"].tolist()
            assert len(asked) <= 4
            assert bool(client.notes) is (said == 400)
    with served(log, lambda *given: total(400)(*given[:1], {}, log_first_page(log, given))) as (url, _):
        client, _ = made(url)
        assert len(list(client.sessions(AGENT))) == 3
        assert "page 2 repeats page 1" in " ".join(client.notes)


def test_pages_that_go_round_come_to_an_end(log):  # noqa: F811
    rows = [{"id": session} for session in log.sessions()["session_id"]]

    def change(_, query, __):
        at = int(query["page"]) % 2
        assert int(query["page"]) < 10
        return Answer(200, {"data": rows[at : at + 1], "metadata": {"limit": 1}})

    with served(log, change) as (url, _):
        client, _ = made(url)
        assert len(list(client.sessions(AGENT))) == 2
    assert "page 3 repeats page 1" in " ".join(client.notes)


def test_a_list_of_tests_that_is_none_is_said(log, tmp_path):  # noqa: F811
    def change(path, _, answer):
        return Answer(200, {"data": 5}) if path.endswith("experiments") else answer

    with served(log, change) as (url, _), pytest.warns(UserWarning, match="numbers of tests are missing"):
        made(url)[0].pull(AGENT, tmp_path / "exports", progress=False)


def test_no_two_names_share_a_file_even_where_a_disk_knows_no_capitals():
    names = ["abc", "ABC", "Abc", "a/b", "a~2Fb", "a(b", "a~28b", "a~b", "x" * 90, "x" * 91, "../x"]
    files = [export_file_name(name).lower() for name in names]
    assert len(set(files)) == len(names)
    assert export_file_name("3f2b8c1e-5d7a") == "3f2b8c1e-5d7a"


def log_first_page(log, given):  # noqa: F811
    """Return the first page in the place of every other one."""
    from voicelab.serving.reading import Reading

    path, query, _ = given
    return Reading(log, AGENT, "clinic").answer(path, {**query, "page": "1"})


def test_filters_go_to_the_platform(log):  # noqa: F811
    status = log.sessions()["status"].mode()[0]
    with served(log) as (url, _):
        client, _ = made(url)
        found = list(client.sessions(AGENT, status=status, since="2026-01-05T00:00:00+00:00"))
        assert {row["status"] for row in found} == {status}
        assert list(client.sessions(AGENT, since="2026-02-05T00:00:00Z")) == []
        for wrong in ({"since": "2026-02-05"}, {"since": "2026-02-05T00:00:00Z", "until": "2026-02-04T00:00:00Z"}):
            with pytest.raises(InputError, match="since is"):
                list(client.sessions(AGENT, **wrong))


BUSY = (Answer(429, {"error": "slow down"}), {"Retry-After": "7"})


@pytest.mark.parametrize(
    ("trouble", "waited"),
    [
        (BUSY, [7.0, 7.0]),
        (Answer(503, {"error": "soon"}), [1.0, 2.0]),
        (Answer(200, b'{"data": [{"timest'), [1.0, 2.0]),
    ],
)
def test_what_passes_is_waited_for(log, tmp_path, trouble, waited):  # noqa: F811
    left = [trouble, trouble]

    def change(path, _, answer):
        return left.pop() if left and EVENTS.match(path) else answer

    with served(log, change) as (url, _):
        client, waits = made(url, per_second=1000)
        check_same(log, client.log(AGENT, tmp_path / "back", progress=False))
    assert [wait for wait in waits if wait > 0.01] == waited
    assert client.notes == []


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (BUSY, "too many requests: ask again in 7 s .* 6 times"),
        ((Answer(429, {}), {"Retry-After": "86400"}), "ask again in 86,400 s"),
        ((Answer(503, {}), {"Retry-After": "86400"}), "failed: ask again in 86,400 s"),
        ((Answer(429, {}), {"Retry-After": "9" * 400}), "too many requests .* 6 times"),
        (Answer(204, b""), "HTTP 204, where 200 and JSON were due"),
        (HTML, "a web page in place of JSON"),
        (Answer(200, b'{"data": [{"timest'), "JSON that was cut in the middle"),
        (Answer(200, {"data": "none"}), "no list of rows"),
        (Answer(500, {"error": f"no {KEY}"}), "failed"),
        (Answer(401, {"error": "who?"}), "doesn't accept the API key"),
        ((Answer(302, b""), {"Location": f"https://elsewhere.example/{KEY}"}), "is not followed"),
        (Answer(404, b"<html>nginx</html>", "text/html"), "not the platform"),
    ],
)
def test_what_doesnt_pass_is_said_and_what_was_fetched_stays(log, tmp_path, trouble, said):  # noqa: F811
    third = log.sessions()["session_id"][2]

    def change(path, _, answer):
        return trouble if path == f"/v1/sessions/{third}/events" else answer

    with served(log, change) as (url, asked):
        client, _ = made(url)
        with pytest.raises(voicerun.PullError, match=said) as raised:
            client.pull(AGENT, tmp_path / "exports", progress=False)
    assert len(voicerun.read(tmp_path / "exports", tmp_path / "log").events(name="start")) == 2
    assert KEY not in str(raised.value)
    assert not [path for path, *_ in asked if "elsewhere" in path]


def test_what_was_broken_off_goes_on_where_it_was(log, tmp_path):  # noqa: F811
    third = log.sessions()["session_id"][2]

    def change(path, _, answer):
        return HTML if broken and path == f"/v1/sessions/{third}/events" else answer

    broken = True
    with served(log, change) as (url, asked):
        client, _ = made(url)
        with pytest.raises(voicerun.PullError):
            client.pull(AGENT, tmp_path / "exports", progress=False)
        listed = tmp_path / "exports" / ".pulled.jsonl"
        assert len(listed.read_text().splitlines()) == 3
        listed.write_text(listed.read_text() + '{"sess')  # the power went away while it was written
        broken = False
        asked.clear()
        check_same(log, client.log(AGENT, tmp_path / "log", folder=tmp_path / "exports", progress=False))
        fetched = [EVENTS.match(path)[1] for path, *_ in asked if EVENTS.match(path)]
        assert fetched == log.sessions()["session_id"][2:].tolist()
        with pytest.raises(InputError, match="a folder of their own"):
            client.pull("another", tmp_path / "exports", progress=False)
        with pytest.raises(voicerun.PullError, match="knows no agent"):
            made(f"{url}/nowhere")[0].pull(AGENT, tmp_path / "nowhere", progress=False)


def test_a_session_that_was_deleted_or_is_named_oddly_stops_nothing(log, tmp_path):  # noqa: F811
    gone, odd = log.sessions()["session_id"][0], "../../odd/\ud800" + "x" * 300

    def change(path, _, answer):
        if path == f"/v1/sessions/{gone}/events":
            return Answer(404, {"error": "Session not found"})
        if path.endswith(f"{AGENT}/sessions"):
            rows = [*answer.body["data"], answer.body["data"][1] | {"id": odd}, {"id": 7}, "?"]
            return replace(answer, body={"data": rows, "metadata": {"page": 1, "limit": 100, "total": 8}})
        return answer

    with served(log, change) as (url, _):
        client, _ = made(url)
        with pytest.warns(UserWarning, match="was deleted meanwhile"):
            folder = client.pull(AGENT, tmp_path / "deep" / "exports", progress=False)
    assert "rows without an id" in " ".join(client.notes)
    assert {path.parent for path in tmp_path.rglob("*.json")} == {folder}
    assert len(voicerun.read(folder, tmp_path / "log").sessions()) == 8


def test_the_key_is_in_nothing_that_shows_itself_and_goes_nowhere_unencrypted(monkeypatch):
    client = voicerun.Client(KEY, "http://127.0.0.1:1")
    assert KEY not in f"{client!r} {vars(client)} {vars(client._requests)}"
    for wrong in ("http://api.primvoices.com", "ftp://x", "https://user:pass@x"):
        with pytest.raises(InputError, match="base_url"):
            voicerun.Client(KEY, wrong)
    with pytest.raises(InputError, match="no API key"):
        voicerun.Client()
    with pytest.raises(InputError, match="per_second"):
        voicerun.Client(KEY, per_second=0)
    client.sleep = lambda _: None
    with pytest.raises(voicerun.PullError, match="refuses the connection.*6 times"):
        list(client.sessions(AGENT))


def test_the_command_fetches_and_reads(log, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.setenv("VOICERUN_API_KEY", KEY)
    monkeypatch.setattr("time.sleep", lambda _: None)
    with served(log) as (url, _):
        arguments = ["pull", AGENT, str(tmp_path / "exports"), "--base-url", url, "--log", str(tmp_path / "log")]
        assert main(arguments) == 0
    said = capsys.readouterr()
    assert "7 sessions from" in said.out
    assert "7 of 7 sessions (100%)" in said.err  # how far it is
    assert KEY not in said.out + said.err
    assert len(vl.open_log(tmp_path / "log").sessions()) == 7
