"""The console in a real JupyterLab and Notebook 7, in headless Chromium with a fake microphone that really speaks."""

import importlib.util
import os
from pathlib import Path

import browser_page
import pytest
from browser_page import FAKE_MICROPHONE, PATIENCE_MS, launch
from jupyter_page import NOT_OURS, Notebook, Window, jupyter
from playwright import sync_api

from voicelab import speech

pytestmark = pytest.mark.xdist_group("jupyter")

SAMPLES = Path(__file__).parent / "samples"
BEGIN = """
import ipywidgets; ipywidgets.Widget.close_all()
%reset -f
import json, warnings; warnings.simplefilter('ignore')
import voicelab as vl
%load_ext voicelab
"""
GREETER = """
async def greeter(event, context):
    if event.name == "start":
        context.add_outcome("liked", "boolean")
        variant = context.add_test("greeting", {"warm": 0.5, "cold": 0.5})
        yield vl.sdk.TextToSpeechEvent(text="Good day." if variant == "cold" else "Hello, so glad you called!", voice="nova")
    elif event.name == "text":
        yield vl.sdk.TextToSpeechEvent(text=f"You said {event.data['text']}.", voice="nova")
    elif event.name == "dtmf":
        yield vl.sdk.TextToSpeechEvent(text=f"You pressed {event.data['digits']}.", voice="nova")
"""
RECORD = """
r = console.record
print(json.dumps({"status": r.status, "source": r.source, "variants": r.variants, "assignments": r.assignments,
    "outcomes": r.outcomes, "texts": [e.data for e in r.events if e.name == "text"],
    "spoken": [e.data for e in r.events if e.name == "text_to_speech"],
    "latency": [e.data for e in r.events if e.name == "latency"]}))
"""
PHRASES = ["I want to buy it", "tell me more", "no thanks"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("books")


@pytest.fixture(scope="module")
def address(folder, cache):
    browser_page.find_chromium()
    if importlib.util.find_spec("jupyterlab") is None:
        assert not os.environ.get("CI"), "JupyterLab is part of the test extra"
        pytest.skip("JupyterLab isn't installed: pip install 'voicelab[test]'")
    with jupyter(folder, cache) as url:
        yield url


@pytest.fixture(scope="module")
def words(cache):
    """Return how somebody says what buys."""
    os.environ["VOICELAB_CACHE"] = str(cache)
    return speech.text_to_speech("pico").synthesize("I want to buy it", voice="brooke").pcm16()


@pytest.fixture(scope="module")
def playwright():
    with sync_api.sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def browser(playwright, address):
    browser = launch(playwright, FAKE_MICROPHONE)
    context = browser.new_context(viewport={"width": 1400, "height": 1250})
    context.grant_permissions(["microphone"], origin=address)
    yield context
    browser.close()


@pytest.fixture(scope="module")
def windows(browser, address):
    """A page for each app, which is loaded when it is first used."""
    return {app: Window(browser, address) for app in ("notebook", "lab")}


@pytest.fixture
def open_book(windows, folder, request):
    books = []

    def make(*cells, app="lab"):
        books.append(Notebook(windows[app], folder, [BEGIN, *cells], app))
        books[-1].run(0)
        return books[-1]

    yield make
    shots = os.environ.get("VOICELAB_SCREENSHOTS")
    for book in books:
        if shots:
            book.page.screenshot(path=str(Path(shots) / f"{request.node.name.replace('/', '-')}.png"))
        book.leave()
    for window in windows.values():
        errors, window.errors = window.errors, []
        assert [error for error in errors if not any(known in error for known in NOT_OURS)] == []


@pytest.mark.parametrize("app", ["notebook", "lab"])
def test_a_conversation_in_a_notebook(open_book, app):
    book = open_book(GREETER, "console = vl.Console(greeter, tts='pico', stt='off', seed=1)\nconsole", RECORD, app=app)
    book.run(1)
    book.run(2)
    book.connect()
    book.agent_speaks()
    book.say("hello there")
    book.sees("You said hello there.")
    book.button("7").click()
    book.sees("You pressed 7.")
    book.hang_up()
    record = book.value(3)
    assert (record["status"], record["source"]) == ("hangup", "typed")
    assert record["texts"][0]["text"] == "hello there"
    assert all("engine" in spoken for spoken in record["spoken"])
    # Its sound was really played: the browser said when it began.
    assert record["latency"]
    assert all(latency["playback_ms"] >= 0 for latency in record["latency"])


def test_a_forced_variant_is_the_next_sessions(open_book):
    book = open_book(GREETER, "console = vl.Console(greeter, tts='off', stt='off', seed=1)\nconsole", RECORD)
    book.run(1)
    book.run(2)
    for variant, words in (("cold", "Good day."), ("warm", "Hello, so glad you called!")):
        if variant == "cold":
            book.connect()
            book.page.get_by_role("region", name="Tests").get_by_text("greeting").first.wait_for()
            book.hang_up()
        book.page.get_by_role("region", name="Tests").get_by_role("combobox").first.select_option(f"={variant}")
        book.button("New session").click()
        book.sees(words)
        book.hang_up()
        record = book.value(3)
        assert (record["variants"], record["assignments"]) == ({"greeting": variant}, {"greeting": "forced"})


def test_spoken_words_reach_the_guides_outcomes_sample(open_book, words):
    sample = "%%handler outcomes\n" + (SAMPLES / "05_outcomes.py").read_text()
    book = open_book(
        sample, f"console = vl.Console(outcomes, tts='pico', stt='sphinx', phrases={PHRASES})\nconsole", RECORD
    )
    book.run(1)
    book.run(2)
    book.seat_person(words)
    book.connect()
    talk = book.button("Push to talk")
    sync_api.expect(talk).to_be_enabled(timeout=PATIENCE_MS)
    talk.scroll_into_view_if_needed()
    box = talk.bounding_box()
    book.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    book.page.mouse.down()
    book.page.get_by_text("microphone on").wait_for()
    book.speak_once()
    book.page.mouse.up()
    # In what is said, and not on the button that offers the phrase: the words take a moment to be recognised.
    book.conversation().get_by_role("log").get_by_text("I want to buy it").first.wait_for(timeout=PATIENCE_MS)
    book.hang_up()
    record = book.value(3)
    heard = record["texts"][0]
    assert (heard["text"], heard["source"], heard["engine"]) == ("I want to buy it", "speech", "sphinx")
    assert record["outcomes"]["conversion_rate"] == pytest.approx(0.1)
    assert record["source"] == "spoken"


def test_speaking_over_the_agent_cuts_it(open_book, words):
    talker = """
async def talker(event, context):
    if event.name == "start":
        yield vl.sdk.TextToSpeechEvent(text="Let me tell you a long story about the price of tea in every town that I know. " * 12, voice="nova")
    elif event.name == "text":
        yield vl.sdk.TextToSpeechEvent(text="Very well.", voice="nova")
"""
    console = f"console = vl.Console(talker, tts='pico', stt='sphinx', phrases={PHRASES})\nconsole"
    book = open_book(talker, console, RECORD)
    book.run(1)
    book.run(2)
    book.seat_person(words)
    book.button("Hands-free").click()
    book.connect()
    book.agent_speaks()
    book.page.get_by_text("microphone on").wait_for()
    book.speak_until_seen("Very well.")
    book.hang_up()
    record = book.value(3)
    first = record["spoken"][0]
    assert first["interrupted"]
    assert 0 < first["played_s"] < first["duration_s"] / 2
    assert record["texts"][0]["previous_turn_interrupted"]
    assert record["texts"][0]["source"] == "speech"


def test_a_page_loaded_anew_goes_on_with_the_conversation(open_book):
    book = open_book(GREETER, "console = vl.Console(greeter, tts='off', stt='off', seed=1)\nconsole", RECORD)
    book.run(1)
    book.run(2)
    book.connect()
    book.say("before")
    book.sees("You said before.")
    book.command("docmanager:save")
    book.page.reload()
    book.ready()
    book.sees("You said before.")
    book.say("after")
    book.sees("You said after.")


def test_a_restarted_kernel_says_what_to_do_and_leaves_no_microphone_on(open_book):
    book = open_book(GREETER, "console = vl.Console(greeter, tts='off', stt='fake', seed=1)\nconsole", RECORD)
    book.run(1)
    book.run(2)
    book.button("Hands-free").click()
    book.connect()
    book.page.get_by_role("meter", name="Microphone level").wait_for()
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart().then(() => null)"
    )
    book.ready()
    book.say("are you there")
    book.page.get_by_text("run the cell again").first.wait_for()
    assert book.page.evaluate("() => document.querySelector('.vl-console').voicelab.microphone.isOpen") is False


def test_two_consoles_at_once(open_book):
    console = "console = vl.Console(greeter, tts='off', stt='off', seed=1)\nconsole"
    book = open_book(GREETER, console, console.replace("console =", "other =").replace("\nconsole", "\nother"))
    for at in (1, 2, 3):
        book.run(at)
    for at in (0, 1):
        book.connect(at)
    for at, text in ((0, "first"), (1, "second")):
        book.say(text, at)
        book.sees(f"You said {text}.", at)
    assert book.conversation(0).get_by_text("second").count() == 0


def test_the_console_is_alive_while_a_cell_runs(open_book):
    book = open_book(
        GREETER,
        "console = vl.Console(greeter, tts='off', stt='off', seed=1)\nconsole",
        "import threading; threading.Event().wait()",
    )
    book.run(1)
    book.run(2)
    book.connect()
    book.say("before")
    book.sees("You said before.")
    book.start(3)
    book.say("meanwhile")
    book.sees("You said meanwhile.")
    still_running = "() => window.jupyterapp.shell.currentWidget.content.widgets[3].model.executionCount === null"
    assert book.page.evaluate(still_running)
    book.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt().then(() => null)"
    )


def test_the_cell_run_again_closes_the_old_console(open_book):
    book = open_book(
        GREETER,
        "console = vl.Console(greeter, tts='off', stt='off', seed=1)\nall_of_them = [*globals().get('all_of_them', []), console]\nconsole",
        "print(json.dumps([c._talk.state()['phase'] == 'live' for c in all_of_them]))",
    )
    book.run(1)
    book.run(2)
    book.connect()
    book.say("hi")
    book.sees("You said hi.")
    assert book.value(3) == [True]
    book.run(2)
    book.button("Connect").wait_for()
    assert book.value(3) == [False, False]


def test_a_saved_notebook_keeps_the_conversation(open_book):
    import nbconvert

    book = open_book(GREETER, "console = vl.Console(greeter, tts='off', stt='off', seed=1)\nconsole", RECORD)
    book.run(1)
    book.run(2)
    book.connect()
    book.say("keep this")
    book.sees("You said keep this.")
    book.hang_up()
    book.value(3)
    book.command("docmanager:save")
    page, _ = nbconvert.HTMLExporter().from_filename(str(book.path))
    assert "You said keep this." in page
    assert "Timeline of the session" in page


# As the browser has it where there is none; that it does, and says so, test_widgets_sound holds in one without a device.
MISSING = """() => {
  navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("none", "NotFoundError"); };
}"""


@pytest.mark.parametrize(
    ("why", "hint"),
    [("denied", "did not allow the microphone"), ("missing", "No microphone was found")],
    ids=["denied", "missing"],
)
def test_without_a_microphone_one_sentence_says_why_and_typing_works(open_book, browser, address, why, hint):
    console = "console = vl.Console(greeter, tts='off', stt='sphinx', phrases=['hi'], seed=1)\nconsole"
    book = open_book(GREETER, console)
    if why == "denied":
        browser.clear_permissions()
    else:
        book.page.evaluate(MISSING)
    try:
        book.run(1)
        book.run(2)
        book.button("Hands-free").click()
        book.connect()
        book.page.locator(".vl-console").get_by_text(hint).first.wait_for()
        book.say("typed all the same")
        book.sees("You said typed all the same.")
    finally:
        browser.grant_permissions(["microphone"], origin=address)
        book.page.evaluate("() => { delete navigator.mediaDevices.getUserMedia; }")
