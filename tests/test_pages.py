"""Pages of their own: result, record and log, each one file without anything from outside and without scripts."""

import re

import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.base.html_page import write_page

EVIL = "</style><script>alert(1)</script><img src=x onerror=alert(1)>"
AGENT = """
from primfunctions.events import StartEvent, TextEvent, TextToSpeechEvent


async def handler(event, context):
    context.add_test("greeting", {"a": 0.5, "b": 0.5})
    if isinstance(event, StartEvent):
        yield TextToSpeechEvent(text="Hello.", voice="nova")
    if isinstance(event, TextEvent):
        context.set_outcome("said", "x" in event.data["text"])
        yield TextToSpeechEvent(text=event.data["text"], voice="nova")
        raise ValueError(event.data["text"])
"""


def shown_by(kind, tmp_path):
    if kind == "result":
        frame = pd.DataFrame({"variant": ["a", EVIL] * 50, "y": [0, 1, 1, 0] * 25})
        return vl.analyze(frame, outcome="y", weights={"a": 0.5, EVIL: 0.5})
    if kind == "record":
        return vl.run(AGENT, [EVIL])
    if kind == "each":
        return vl.run(AGENT, [EVIL], variants="each")
    return vl.simulate(
        AGENT,
        vl.Script([EVIL]),
        sessions=6,
        workers=1,
        progress=False,
        log=tmp_path / "<b onclick=alert(1)>",
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["result", "record", "each", "log"])
def test_a_page_holds_everything_and_no_script(kind, tmp_path):
    path = shown_by(kind, tmp_path).to_html(tmp_path / "page.html")
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert not re.search(r"<script|<img|<b onclick", page)
    # Nothing is fetched: no address but those of the namespaces of drawings.
    assert not re.findall(r"(?:src|href)=['\"](?!#)[^'\"]+|url\((?!#)", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme:dark" in page


def test_a_page_that_cannot_be_written_is_said(tmp_path):
    with pytest.raises(InputError, match=r"can't be written"):
        write_page(tmp_path / "nowhere" / "page.html", "t", "b")
    with pytest.raises(InputError, match="path is None"):
        write_page(None, "t", "b")
    assert "\ufffd" not in write_page(tmp_path / "odd.html", "a lone \ud800", "b").read_text()
