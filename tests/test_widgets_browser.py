"""The console's browser half in headless Chromium, with a stub in the kernel's place: what is shown, and what is sent."""

import json
import os
from dataclasses import replace
from pathlib import Path

import browser_page
import javascript_tools
import numpy as np
import pandas as pd
import pytest
from browser_page import (
    FAKE_MICROPHONE,
    engine,
    exchanged,
    launch,
    lent,
    live,
    many_events,
    new_tab,
    open_page,
    recorded_session,
    said,
    served,
)
from playwright import sync_api

import voicelab as vl
from voicelab.base.records import Event
from voicelab.live.page_data import span_view
from voicelab.record.lanes import spans_of

LOST = "The kernel has restarted or the connection is lost: run the cell again."


@pytest.fixture(scope="module")
def session():
    return recorded_session()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    browser_page.find_chromium()
    with served(tmp_path_factory.mktemp("page")) as url:
        yield url


@pytest.fixture(scope="module")
def browser(address):
    with sync_api.sync_playwright() as playwright:
        browser = launch(playwright, FAKE_MICROPHONE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def the_tab(browser):
    return new_tab(browser)


@pytest.fixture
def page(the_tab, address):
    with lent(the_tab) as page:
        yield open_page(page, address)


def tell(page, k, **fields):
    """Send a message as the kernel, and wait until it is drawn."""
    exchanged(page, "message => widget.tell(message)", {"k": k, **fields})
    drawn(page)


def drawn(page):
    """Wait until what is known is drawn: parts of the page are drawn in the next frame, the timeline in the one after."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def begin(page, session, events=(), **changes):
    state, _ = session
    tell(page, "all", state=live(state, **changes), events=list(events))


def sent(page, kind):
    return page.evaluate("kind => widget.sent.filter(message => message.k === kind)", kind)


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def more(page):
    """Open what stands under "More"."""
    page.locator("summary", has_text="More").click()


def tab(page, name):
    """Open a tab; its name may have a number behind it."""
    page.get_by_role("tab", name=name).click()


# --- what is there ---


def test_every_module_is_valid_by_itself(page):
    names = sorted(path.name for path in browser_page.STATIC.glob("*.js"))
    kinds = page.evaluate(
        "names => Promise.all(names.map(name => import(`./static/${name}`).then(module => typeof module)))", names
    )
    assert kinds == ["object"] * len(names)


def test_everything_has_the_plain_name_the_issue_lists(page, session):
    tell(page, "all", state={**live(session[0]), "phase": "idle", "session": 0}, events=[])
    assert button(page, "Connect").count() == 1
    begin(page, session)
    for name in ["Hang up", "Push to talk", "Hands-free", "New session", *"0123456789*#", "Mute", "Replay"]:
        assert button(page, name).count() == 1, name
    for name in ["Conversation", "Timeline", "Tests", "Outcomes and metrics"]:
        assert page.get_by_role("region", name=name, exact=True).count() == 1, name
    for name in ["State", "Events", "Sessions", "Portability", "Parameters", "Input data", "Variables"]:
        tab(
            page,
            {"Portability": "Notes"}.get(name, name if name in {"State", "Events", "Sessions"} else "Next session"),
        )
        assert page.get_by_role("region", name=name, exact=True).count() == 1, name
    assert page.get_by_role("textbox", name="Message", exact=True).count() == 1
    assert page.get_by_role("log").get_attribute("aria-live") == "polite"
    assert page.get_by_role("meter", name="Microphone level").count() == 1
    for name in ["Listens", "Speaks", "Microphone"]:
        assert page.get_by_role("combobox", name=name, exact=True).count() == 1, name
    assert page.get_by_role("slider", name="Volume").count() == 1


def test_it_says_hello_once_for_any_number_of_views(page, session):
    page.evaluate("widget.show()")
    begin(page, session, [said(0, 0.0, "good morning")])
    assert len(sent(page, "hello")) == 1
    assert page.get_by_text("good morning").count() == 2
    assert sent(page, "hello")[0]["engine"]


# --- what one does ---


def test_connect_hang_up_and_new_session(page, session):
    state, events = session
    tell(page, "all", state={**live(state), "phase": "idle", "session": 0}, events=[])
    button(page, "Connect").click()
    mine = sent(page, "hello")[0]["engine"]
    assert [message["engine"] for message in sent(page, "connect")] == [mine]
    begin(page, session)
    button(page, "Hang up").click()
    tell(page, "all", state=state, events=events)
    button(page, "New session").click()
    assert len(sent(page, "hang_up")) == len(sent(page, "new")) == 1
    assert page.get_by_role("group", name="Conversation so far").get_by_text("completed after").count() == 1
    assert button(page, "Connect").count() == button(page, "Hang up").count() == 0, "what can't be done isn't there"


def test_typing_says_and_d_d_stays_in_the_box(page, session):
    begin(page, session)
    page.evaluate("window.leaked = []; document.addEventListener('keydown', event => leaked.push(event.key))")
    box = page.get_by_role("textbox", name="Message")
    box.focus()
    page.keyboard.type("dd, please")
    page.keyboard.press("Enter")
    assert [message["text"] for message in sent(page, "say")] == ["dd, please"]
    assert box.input_value() == ""
    button(page, "Mute").focus()
    page.keyboard.type("dd")
    assert page.evaluate("leaked") == []


def test_typing_before_the_session_starts_it(page, session):
    state, _ = session
    tell(page, "all", state={**live(state), "phase": "idle"}, events=[])
    page.get_by_role("textbox", name="Message").fill("hello")
    page.keyboard.press("Enter")
    kinds = page.evaluate("widget.sent.map(message => message.k)")
    assert kinds[-2:] == ["connect", "say"]
    tell(page, "all", state=session[0], events=session[1])
    page.get_by_role("textbox", name="Message").fill("and again")
    page.keyboard.press("Enter")
    kinds = page.evaluate("widget.sent.map(message => message.k)")
    assert kinds[-2:] == ["new", "say"], "the one before isn't lost by it"


def test_typed_words_wait_visibly_and_phrases_and_earlier_words_are_a_click_away(page, session):
    begin(page, session, [said(0, 0.0, "good day"), said(1, 1.0, "hello you", "caller")])
    page.evaluate("widget.tone(0, 60)")
    page.wait_for_function("widget.sent.some(message => message.k === 'started')")
    button(page, "yes please").click()
    assert sent(page, "stopped") == [], "typing doesn't cut the agent off"
    tell(page, "state", state={"waiting": [{"number": 4, "text": "yes please"}, {"number": 5, "text": "no"}]})
    waiting = page.get_by_role("group", name="Waiting to be said")
    assert waiting.get_by_text("waits until the agent has spoken").count() == 2
    waiting.get_by_role("button", name="Edit").last.click()
    box = page.get_by_role("textbox", name="Message")
    assert box.input_value() == "no"
    waiting.get_by_role("button", name="Say it now").first.click()
    page.wait_for_function("widget.sent.some(message => message.k === 'stopped')")
    tell(page, "state", state={"waiting": []})
    assert not waiting.is_visible()
    box.fill("")
    box.press("ArrowUp")
    assert box.input_value() == "hello you"
    box.press("ArrowDown")
    assert box.input_value() == ""
    button(page, "Edit and say again").click()
    assert box.input_value() == "hello you"
    page.evaluate("widget.tone(7, 60)")
    page.wait_for_function("widget.sent.some(message => message.k === 'started' && message.row === 7)")
    page.get_by_label("Typing interrupts").check()
    box.press("Enter")
    page.wait_for_function("widget.sent.some(message => message.k === 'stopped' && message.row === 7)")
    assert [m["text"] for m in sent(page, "say")] == ["yes please", "hello you"]
    assert [m["number"] for m in sent(page, "say_now") + sent(page, "take_back")] == [4, 5]
    assert sent(page, "set")[-1]["value"] is True


def test_where_nothing_listens_speaking_is_off_and_a_remark_is_said_once(page, session):
    state, _ = session
    begin(page, session, settings={**state["settings"], "stt": "off"})
    for name in ("Push to talk", "Hands-free"):
        assert button(page, name).get_attribute("aria-disabled") == "true"
        assert "“Listens” is off" in button(page, name).get_attribute("title")
    button(page, "Hands-free").dispatch_event("click")
    assert sent(page, "set") + sent(page, "microphone") == []
    page.evaluate("document.querySelector('.vl-console').voicelab.store.set({ trouble: 'No microphone.' })")
    begin(page, session, message={"level": "warning", "text": "No microphone."})
    assert page.get_by_text("No microphone.").filter(visible=True).count() == 1
    assert button(page, "Hands-free").get_attribute("aria-disabled") == "false"


def test_an_end_stands_below_the_words_before_it_and_a_script_opens_in_sight(page, session):
    last = Event(1, 1.0, 0, "output", "transfer_session", {"phone_number": "+1"})
    begin(page, session, [said(0, 1.4, "Thank you."), *browser_page.as_messages([last])])
    lines = page.locator(".vl-log .vl-words").all_inner_texts()
    assert [words for words in lines if words] == ["Thank you.", "· the agent transfers the call"]
    page.evaluate("document.body.style.paddingBottom = '2000px'")
    page.evaluate("scrollTo(0, document.querySelector('.vl-main').getBoundingClientRect().bottom - 60)")
    tell(page, "script", python="\n".join(["vl.press('1')"] * 60), messages="[]", transcript="", engine=None)
    assert page.get_by_role("region", name="Script of the session").bounding_box()["y"] >= 0


def test_earlier_sessions_are_opened_replayed_and_copied_as_scripts(page, session):
    state, events = session
    begin(page, session)
    tab(page, "Sessions")
    assert button(page, "Open session 1").get_attribute("aria-disabled") == "true", "not while one runs"
    tell(page, "all", state={**state, "session": 2}, events=events)
    assert page.get_by_text("session 2 · completed").count() == 1
    button(page, "Open session 1").click()
    button(page, "Replay session 1").click()
    button(page, "Copy as script").click()
    assert page.evaluate("widget.sent.slice(-4).map(message => message.k)") == ["open", "open", "replay", "script"]
    tell(page, "script", python='["hi", vl.press("1")]', messages='["hi"]', transcript="agent  Hello", engine=None)
    panel = page.get_by_role("region", name="Script of the session")
    assert panel.locator("pre").inner_text() == '["hi", vl.press("1")]'
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.get_by_role("button", name="Text script").click()
    panel.get_by_role("button", name="Copy").click()
    panel.get_by_text("Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == '["hi"]'
    panel.get_by_role("button", name="Close").click()
    assert not panel.is_visible()


def test_the_next_session_is_given_parameters_input_data_and_secrets(page, session):
    begin(page, session)
    tab(page, "Next session")
    box = page.get_by_role("textbox", name="Parameters", exact=True)
    assert box.input_value() == '{"caller_name": "Ada"}'
    box.fill("{'a': 1}")
    page.get_by_label("Name of the variable").focus()
    assert sent(page, "next")[-1]["text"] == "{'a': 1}"
    wrong = {
        "parameters": "{'a': 1}",
        "input_data": "",
        "changed": ["KEY"],
        "problems": {"parameters": "This is no JSON."},
    }
    tell(page, "state", state={"next": wrong, "variables": {"KEY": "••••••"}})
    assert box.get_attribute("aria-invalid") == "true"
    assert page.get_by_text("This is no JSON.").is_visible()
    page.get_by_label("Name of the variable").fill("KEY")
    value = page.get_by_label("Value of the variable")
    value.fill("sk-secret")
    assert value.get_attribute("type") == "password"
    button(page, "Set").click()
    button(page, "Undo KEY").click()
    assert [(m["name"], m["value"]) for m in sent(page, "variable")] == [("KEY", "sk-secret"), ("KEY", None)]
    assert value.input_value() == ""
    assert "sk-secret" not in page.content()


def test_keys_settings_events_and_files_are_asked_for(page, session):
    begin(page, session)
    for digit in "7*#":
        button(page, digit).click()
    assert [message["digit"] for message in sent(page, "key")] == ["7", "*", "#"]
    page.get_by_role("combobox", name="Force greeting").select_option("=casual")
    page.get_by_role("combobox", name="Force greeting").select_option("")
    assert [(m["test"], m["variant"]) for m in sent(page, "force")] == [("greeting", "casual"), ("greeting", None)]
    page.get_by_role("combobox", name="Speaks").select_option("browser")
    more(page)
    page.get_by_label("Echo cancellation").uncheck()
    page.get_by_label("Speed of time").select_option("10")
    page.get_by_label("Volume").fill("0.5")
    chosen = {message["name"]: message["value"] for message in sent(page, "set")}
    assert chosen == {"tts": "browser", "echo_cancellation": False, "speed": 10, "volume": 0.5}
    page.get_by_label("Event name").fill("crm")
    page.get_by_label("Event data").fill("no json")
    button(page, "Send event").click()
    assert page.get_by_text("The data is no JSON").count() == 1
    page.get_by_label("Event data").fill('{"found": true}')
    button(page, "Send event").click()
    button(page, "Send timeout").click()
    assert [(m["name"], m["data"]) for m in sent(page, "event")] == [("crm", {"found": True})]
    assert len(sent(page, "timeout")) == 1


def test_an_ended_session_can_be_kept_and_replayed(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    button(page, "Download JSON").click()
    button(page, "Download WAV").click()
    button(page, "Replay").click()
    assert [message["what"] for message in sent(page, "download")] == ["json", "wav"]
    assert [message["engine"] for message in sent(page, "replay")] == [sent(page, "hello")[0]["engine"]]
    with page.expect_download() as download:
        page.evaluate("widget.tell({k: 'file', name: 'talk.json', mime: 'application/json'}, [8315, 125])")
    assert download.value.suggested_filename == "talk.json"
    replay = "widget.tell({{k: 'replay', rate: 8000, duration_s: {}}}, Int16Array.from({{length: 1600}}, (_, i) => 4000 * Math.sin(i / 9)))"
    page.evaluate(replay.format(60))
    button(page, "Stop replay").wait_for()
    page.wait_for_function("document.querySelector('.vl-console').voicelab.store.now() > 0.2")
    button(page, "Stop replay").click()
    button(page, "Replay").wait_for()
    # So short that it can be over before one asks for its button.
    replays = "document.querySelector('.vl-console').voicelab.store.local.replay !== null"
    assert page.evaluate(f"() => {{ {replay.format(0.1)}; return {replays}; }}")
    page.wait_for_function(f"!({replays})")
    button(page, "Replay").wait_for()


def test_an_outcome_is_asked_for_and_the_variant_hidden(page, session):
    state, events = session
    hidden = [{**test, "variant": None} for test in state["tests"]]
    tell(page, "all", state={**state, "blind": True, "tests": hidden}, events=events)
    tests = page.get_by_role("region", name="Tests", exact=True)
    assert tests.get_by_text("hidden until you have rated").count() == 1
    assert tests.get_by_role("combobox").count() == 0
    ask(page, "booked", "boolean")
    button(page, "Save rating").click()
    assert page.get_by_text("Answer first, or skip.").count() == 1
    page.get_by_label("Yes").check()
    page.get_by_role("textbox", name="Note").fill("friendly")
    # Another page comes, and both get everything anew: what is half written stays.
    question = {"test": "greeting", "outcome": "booked", "type": "boolean"}
    tell(page, "all", state={**state, "blind": True, "tests": hidden, "ask": question}, events=events)
    button(page, "Save rating").click()
    assert page.get_by_label("Yes").is_visible(), "the question stays until the kernel has taken the answer"
    ask(page, "seconds", "number")
    page.get_by_label("seconds").fill("12.5")
    button(page, "Save rating").click()
    ask(page, "why", "text")
    button(page, "Skip").click()
    tell(page, "state", state={"ask": None})
    assert not page.get_by_role("region", name="Rating", exact=True).is_visible()
    assert [(m["value"], m["note"]) for m in sent(page, "rate")] == [(True, "friendly"), (12.5, ""), (None, "")]


def ask(page, outcome, type, test="greeting"):
    tell(page, "state", state={"ask": {"test": test, "outcome": outcome, "type": type}})


def test_a_double_click_on_new_session_is_one(page, session):
    begin(page, session)
    button(page, "New session").dblclick()
    assert len(sent(page, "new")) == 1


def test_numbers_that_json_would_change_are_refused(page, session):
    begin(page, session)
    more(page)
    page.get_by_label("Event name").fill("crm")
    for data in ('{"order": 12345678901234567890}', '{"order": [1e999]}'):
        page.get_by_label("Event data").fill(data)
        button(page, "Send event").click()
        assert page.get_by_text("is too large to be sent exactly").count() == 1
    assert sent(page, "event") == []


def test_what_is_chosen_in_a_session_counts_from_the_next_one_on(page, session):
    begin(page, session)
    tell(page, "state", state={"settings": {**session[0]["settings"], "tts": "off", "speed": 60}})
    times = "[document.querySelector('.vl-console').voicelab.store.now(), performance.now() / 1000]"
    before_s, began_s = page.evaluate(times)
    page.wait_for_timeout(300)
    after_s, ended_s = page.evaluate(times)
    assert after_s - before_s < 2 * (ended_s - began_s)


# --- what is shown ---


def test_bubbles_show_who_what_was_lost_and_tasks(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    lost = page.locator(".vl-lost").first
    assert "Would you like it?" in lost.inner_text()
    assert "line-through" in lost.evaluate("element => getComputedStyle(element).textDecorationLine")
    assert page.get_by_text("interrupted after 1.4 s").count() == 1
    task = page.locator(".vl-line.vl-task").first
    assert "look_up" in task.inner_text()
    style = task.evaluate("e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).borderTopColor]")
    assert style == ["rgb(255, 241, 214)", "rgb(224, 142, 0)"]
    partial = page.locator(".vl-partial")
    tell(page, "partial", text="yes, that is")
    assert partial.inner_text().startswith("yes, that is")
    tell(page, "partial", text="")
    assert not partial.is_visible()


def test_an_amended_event_changes_its_line_in_place(page, session):
    begin(page, session)
    tell(page, "events", events=[said(0, 0.0, "one two three"), said(1, 1.0, "hello", "caller")], now_s=1.0)
    cut = said(0, 0.0, "one two three", interrupted=True, played_s=0.4)
    cut["lines"] = [{"who": "agent", "text": "one", "lost": "two three", "label": "interrupted", "time_s": 0.0}]
    tell(page, "events", events=[cut], now_s=1.4)
    lines = page.locator(".vl-log .vl-line")
    assert lines.count() == 2
    assert "interrupted after 0.4 s" in lines.first.inner_text()
    assert "hello" in lines.nth(1).inner_text()


def colours(page):
    """Return how many pixels of the timeline have the colour of an interruption, of a task's border and its ground."""
    return page.evaluate("""() => {
      const canvas = document.querySelector('.vl-stage canvas');
      const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
      const wanted = { cut: [192, 52, 44], task: [224, 142, 0], ground: [255, 241, 214], gate: [14, 116, 144] };
      const found = {};
      for (const [name, [r, g, b]] of Object.entries(wanted)) {
        found[name] = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12) found[name] += 1;
        }
      }
      return found;
    }""")


def test_the_timeline_draws_interruptions_red_tasks_orange_and_the_closed_gate(page, session):
    state, events = session
    quiet = [event for event in events if not event["data"].get("interrupted") and event["name"] != "turn_interrupted"]
    tell(page, "all", state=state, events=quiet)
    before = colours(page)
    tell(page, "all", state=state, events=events)
    after = colours(page)
    assert before["cut"] < 30
    assert after["cut"] > 150
    assert after["task"] > 100
    assert after["ground"] > 300
    assert after["gate"] > 300


def test_how_much_was_cut_at_the_beginning_is_written_whole(page, session):
    # Cut at once: before its bar there is no room for the words, which were clipped to their last letter.
    cut = Event(
        0,
        0.0,
        0,
        "output",
        "text_to_speech",
        {"text": "Hello there, how are you?", "heard": "", "duration_s": 3.0, "interrupted": True, "played_s": 0.2},
    )
    begin(page, session, browser_page.as_messages([cut]))
    red = page.evaluate("""() => {
      const canvas = document.querySelector('.vl-stage canvas'), dots = devicePixelRatio;
      const below = canvas.getContext('2d').getImageData(0, (18 + 26 + 24) * dots, 200 * dots, 11 * dots);
      const found = [];
      for (let i = 0; i < below.data.length; i += 4) {
        const [r, g, b] = below.data.slice(i, i + 3);
        if (Math.abs(r - 192) + Math.abs(g - 52) + Math.abs(b - 44) < 60) found.push((i / 4) % below.width / dots);
      }
      return [Math.min(...found), Math.max(...found)];
    }""")
    assert red[0] > 66, "nothing stands left of where the lane begins"
    assert red[1] > 100, "the words stand to the right of the bar"


def test_the_page_draws_the_spans_that_the_saved_card_draws(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    shown = page.evaluate("""async () => {
      const { timelineOf } = await import('./static/spans.js');
      const { items, turns } = timelineOf(document.querySelector('.vl-console').voicelab.store.events.values());
      return [...items, ...turns].map(({ event, ...span }) => span);
    }""")
    record = browser_page.recorded()
    saved = [span_view(span) for span in spans_of(record.events, record.duration_s)]
    assert sorted(shown, key=json.dumps) == sorted(saved, key=json.dumps)


def test_what_goes_on_grows_with_the_pages_clock_until_the_kernel_says_when_it_ended(page, session):
    speech = Event(0, 0.0, 0, "output", "text_to_speech", {"text": "One moment"})
    wide = """() => {
      const canvas = document.querySelector('.vl-stage canvas');
      const [r, g, b] = [11, 122, 91], y = Math.round((18 + 26 + 7) * devicePixelRatio);
      const data = canvas.getContext('2d').getImageData(0, y, canvas.width, 1).data;
      let n = 0;
      for (let i = 0; i < data.length; i += 4) n += Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 12;
      return n;
    }"""
    begin(page, session, browser_page.as_messages([speech]))
    tell(page, "events", events=[], now_s=1.0)
    before = page.evaluate(wide)
    page.wait_for_function(f"before => ({wide})() > before", arg=before)
    measured = replace(speech, data={**speech.data, "duration_s": 0.5})
    tell(page, "events", events=browser_page.as_messages([measured]), now_s=2.0)
    page.wait_for_function(f"before => ({wide})() < before", arg=before)


def test_the_timeline_is_walked_by_keys_and_enter_opens_the_json(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    stage = page.get_by_role("listbox", name="Events in order of time")
    stage.focus()
    page.keyboard.press("Home")
    seen = []
    for _ in range(60):
        seen.append(stage.get_by_role("option").inner_text())
        page.keyboard.press("ArrowRight")
    assert any("cut ≈" in text for text in seen)
    assert any(text.startswith("Tasks: ") and "look_up" in text for text in seen)
    assert any("gate closed: the agent may not be interrupted" in text for text in seen)
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    viewer = page.get_by_role("region", name="Event", exact=True)
    assert json.loads(viewer.locator("pre").inner_text())["seq"] == events[0]["seq"]
    assert page.locator(".vl-event-row[aria-selected=true]").get_attribute("data-seq") == str(events[0]["seq"])
    page.keyboard.press("Escape")
    assert not viewer.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Events in order of time"


def test_events_are_filtered_by_kind_and_text_and_their_json_stands_beside_them(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    tab(page, "Events")
    rows = page.locator(".vl-event-row")
    assert rows.count() == len(events)
    for kind, holds in (("System", lambda e: e["kind"] == "system"), ("Tasks", lambda e: e["task_name"])):
        button(page, kind).click()
        assert rows.count() == sum(bool(holds(event)) for event in events) > 0
    button(page, "All").click()
    page.get_by_label("Filter events by text").fill("LOOKING UP")
    assert rows.count() == 1
    assert page.get_by_text(f"1 of {len(events)}").is_visible()
    rows.first.click()
    facts = json.loads(page.get_by_role("region", name="Event", exact=True).locator("pre").inner_text())
    assert facts["data"]["message"].startswith("Looking up")
    box, row = page.get_by_role("region", name="Event", exact=True).bounding_box(), rows.first.bounding_box()
    assert box["x"] >= row["x"] + row["width"] - 1, "beside the row"
    assert box["y"] + box["height"] <= 900, "on screen"
    # A click on the timeline shows its event, whatever is filtered.
    at = page.locator(".vl-stage canvas").bounding_box()
    page.mouse.click(at["x"] + 90, at["y"] + 18 + 26 + 12)
    assert rows.count() == len(events)
    page.get_by_role("listbox", name="Events", exact=True).focus()
    before = page.locator(".vl-event-row[aria-selected=true]").get_attribute("data-seq")
    page.keyboard.press("ArrowDown")
    assert page.locator(".vl-event-row[aria-selected=true]").get_attribute("data-seq") != before


def test_a_click_on_the_timeline_opens_the_event(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    box = page.locator(".vl-stage canvas").bounding_box()
    page.mouse.click(box["x"] + 90, box["y"] + 18 + 26 + 12)
    facts = json.loads(page.get_by_role("region", name="Event", exact=True).locator("pre").inner_text())
    assert facts["name"] == "text_to_speech"
    why = next(event["why"] for event in events if event["seq"] == facts["seq"])
    assert page.locator(".vl-why").inner_text() == why
    assert "." in why, "a sentence or more"


def test_the_panes_show_latency_tests_state_and_notes(page, session):
    state, events = session
    tell(page, "all", state=state, events=events)
    answer = page.get_by_role("region", name="Answer time")
    assert "last turn: 340 ms" in answer.inner_text().lower()
    assert (
        "end of turn 121 + recognition 96 + handler 9 + synthesis 96 + playback 18 = 340 ms"
        in answer.inner_text().replace("\n", "")
    )
    assert "booked" in page.get_by_role("region", name="Outcomes and metrics").inner_text()
    tab(page, "State")
    assert "OPENAI_API_KEY" in page.get_by_role("region", name="State").inner_text()
    tab(page, "Notes")
    assert "create_task() has no name" in page.get_by_role("region", name="Portability").inner_text()
    page.keyboard.press("Home")
    assert page.get_by_role("region", name="Answer time").is_visible()


def test_markup_in_texts_stays_text(page, session):
    evil = "<img src=x onerror='window.pwned = true'><script>window.pwned = true</script>"
    begin(
        page, session, [said(0, 0.0, evil), said(1, 1.0, evil, "caller")],
        agent=evil, data={evil: evil}, outcomes={evil: evil}, message={"level": "error", "text": evil},
        tests=[{"test": evil, "variants": {evil: 1}, "variant": evil, "assignment": evil, "forced": None}],
        notes=[{"line": 1, "rule": evil, "text": evil}],
        engines={"stt": [engine(evil, note=evil)], "tts": [engine("off")]}, phrases=[evil],
        waiting=[{"number": 1, "text": evil}], variables={evil: evil},
        next={"parameters": evil, "input_data": evil, "changed": [evil], "problems": {"parameters": evil}},
        sessions=[{**session[0]["sessions"][0], "opening": evil, "variants": [evil], "status": evil}],
    )  # fmt: skip
    tell(page, "partial", text=evil)
    ask(page, evil, "text", test=evil)
    page.wait_for_timeout(200)
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img, main script").count() == 0
    assert page.get_by_role("log").get_by_text("<img src=x").count() == 2
    tell(page, "script", python=evil, messages=evil, transcript=evil, engine=None)
    tab(page, "Events")
    page.locator(".vl-event-row").first.click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("main img, main script").count() == 0


def test_a_text_of_100_000_characters_is_folded(page, session):
    begin(page, session, [said(0, 0.0, "wörd " * 20_000)], data={"long": "x" * 100_000})
    bubble = page.locator(".vl-log .vl-line")
    assert len(bubble.inner_text()) < 3000
    bubble.get_by_role("button").click()
    assert len(bubble.inner_text()) > 99_000
    page.get_by_role("textbox", name="Message").fill("still here")


def test_thousands_of_events_keep_the_page_small(page, session):
    begin(page, session, many_events(range(4_000)))
    nodes = page.evaluate("document.querySelectorAll('.vl-console *').length")
    assert nodes < 3500
    page.get_by_role("button", name="Show earlier lines").click()
    assert page.evaluate("document.querySelectorAll('.vl-console *').length") < 2 * nodes
    for event in many_events(range(0, 30_000, 5000)):
        tell(page, "events", events=[event])
    assert page.evaluate("document.querySelectorAll('.vl-console *').length") < 2 * nodes


# --- how it ends ---


def test_a_lost_kernel_is_said_and_nothing_listens(page, session):
    begin(page, session)
    page.evaluate("widget.lost = true")
    page.get_by_role("textbox", name="Message").fill("hello?")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text=LOST).wait_for()
    assert page.get_by_role("textbox", name="Message").input_value() == "hello?"
    more(page)
    for name in [
        "Hang up",
        "New session",
        "Send",
        "yes please",
        "Push to talk",
        "Hands-free",
        "Mute",
        "5",
        "Copy as script",
    ]:
        assert button(page, name).get_attribute("aria-disabled") == "true", f"{name} looks dead"
    for role, names in {
        "combobox": ["Listens", "Speaks", "Microphone", "Speed of time"], "slider": ["Volume"], "checkbox": ["Typing interrupts"],
    }.items():  # fmt: skip
        for name in names:
            assert page.get_by_role(role, name=name, exact=True).is_disabled(), f"{name} looks dead"
    assert page.evaluate("document.querySelector('.vl-console').voicelab.microphone.isOpen") is False


def test_a_closed_widget_says_so_too(page, session):
    begin(page, session)
    page.evaluate("widget.emit('comm:close')")
    page.get_by_role("alert").filter(has_text=LOST).wait_for()


def test_a_kernel_that_comes_back_is_greeted(page, session):
    page.evaluate("widget.emit('comm_live_update')")
    assert len(sent(page, "hello")) == 2
    begin(page, session, [said(0, 0.0, "still here")])
    assert page.get_by_text("still here").count() == 1


def test_the_static_copy_is_hidden_while_a_view_lives(page):
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p class=\"vl-static-one\">as it was</p>')")
    copy = page.get_by_text("as it was")
    assert not copy.is_visible()
    page.evaluate("removeView()")
    assert copy.is_visible()


def test_a_second_widget_on_the_page_keeps_to_itself(page, session):
    page.evaluate("async () => { window.other = await makeWidget('two'); await other.show(); }")
    begin(page, session, [said(0, 0.0, "only here")])
    assert page.get_by_text("only here").count() == 1
    page.get_by_role("textbox", name="Message").nth(1).fill("there")
    page.keyboard.press("Enter")
    assert sent(page, "say") == []
    assert page.evaluate("other.sent.map(message => message.k)") == ["hello", "connect", "say"]


def test_another_tab_has_the_sound(page, session):
    begin(page, session, engine="another")
    assert page.get_by_text("in another tab").count() == 1
    page.evaluate("widget.tone(3, 1, { engine: 'another' })")
    page.wait_for_timeout(150)
    assert sent(page, "started") == []
    tell(page, "ping", engine="another")
    assert sent(page, "pong") == []
    tell(page, "ping", engine=sent(page, "hello")[0]["engine"])
    assert len(sent(page, "pong")) == 1


# --- how it looks ---


def test_a_result_card_of_600_pixels_shows_its_tables_whole(browser):
    arms = {"formal": 0.3, "casual": 0.45, "friendly": 0.3}
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"variant": rng.choice(list(arms), 900)})
    frame["satisfied"] = rng.random(900) < frame["variant"].map(arms)
    rule = vl.StopRule(max_iterations=900, max_confidence=95, default="formal")
    result = vl.analyze(frame, outcome="satisfied", weights=dict.fromkeys(arms, 1 / 3), rule=rule)
    page = browser.new_page(viewport={"width": 600, "height": 900})
    page.set_content(result._repr_html_())
    widths = page.evaluate("[...document.querySelectorAll('.scroll')].map(box => [box.scrollWidth, box.clientWidth])")
    page.close()
    assert len(widths) >= 2
    assert all(table <= box for table, box in widths)


def shoot(page, name):
    """Take a picture, where somebody wants to look at it."""
    if folder := os.environ.get("VOICELAB_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("theme", ["", "-dark"])
def test_pictures_of_the_main_states_and_axe_finds_nothing_serious(browser, address, session, theme):
    state, events = session
    page = open_page(new_tab(browser), address, f"console{theme}")
    page.add_script_tag(path=str(javascript_tools.package("axe-core/axe.min.js")))
    page.emulate_media(reduced_motion="reduce")  # a colour on its way to another is no finding
    found = {}
    states = {
        "idle": ({**live(state), "phase": "idle", "session": 0, "tests": [], "data": {}}, []),
        "live": (live(state, message={"level": "info", "text": "It counts from the next session on."}), events[:20]),
        "ended": (state, events),
        "error": (
            {**state, "message": {"level": "error", "text": "The handler raised KeyError: 'slot' (handler.py:57)."}},
            events,
        ),
    }
    for name, (shown, known) in states.items():
        tell(page, "all", state=shown, events=known)
        found[name] = violations(page)
        shoot(page, f"{name}{theme}")
    assert page.evaluate("document.documentElement.scrollHeight") <= 900, "all of it stands on the screen"
    for name in ("State", "Events", "Sessions", "Next session", "Notes"):
        tab(page, name)
        if name == "Events":
            page.locator(".vl-event-row").nth(3).click()
        found[name] = violations(page)
        shoot(page, f"{name}{theme}")
    tab(page, "Overview")
    page.set_viewport_size({"width": 1000, "height": 900})
    drawn(page)
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [1000, 900]
    ask(page, "booked", "boolean")
    more(page)
    found["blind"] = violations(page)
    shoot(page, f"blind{theme}")
    page.set_viewport_size({"width": 600, "height": 900})
    drawn(page)
    found["narrow"] = violations(page)
    shoot(page, f"narrow{theme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 600
    assert {name: each for name, each in found.items() if each} == {}
    assert not page.errors
    page.context.close()


def violations(page):
    """Return what axe-core calls serious or critical."""
    return page.evaluate("""async () => {
      const { violations } = await axe.run('main', { resultTypes: ['violations'] });
      return violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => [id, nodes[0].html.slice(0, 200), nodes[0].failureSummary]);
    }""")
