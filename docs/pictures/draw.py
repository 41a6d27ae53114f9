"""Draws the README's pictures from fixed seeds: `make pictures`. Needs Chromium."""

import io
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

import voicelab as vl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

import browser_page  # noqa: E402 - the tests' bare page, which shows the console without a kernel

WIDTH, SHARPNESS = 1240, 1.5
CALLERS = vl.mix((vl.personas.cooperative, 0.6), (vl.personas.hesitant, 0.2), (vl.Script(["hello", "yes please"]), 0.2))
TRUTH = {"greeting": {"booked": {"formal": 0.30, "casual": 0.40, "friendly": 0.30}}}


def main() -> None:
    """Draw both pictures."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = browser_page.launch(playwright)
        draw_console(browser)
        draw_card(browser)
        browser.close()


def draw_console(browser: "Browser") -> None:
    """Draw the console in the middle of a conversation with the clinic."""
    state, events = browser_page.recorded_session()
    with tempfile.TemporaryDirectory() as folder, browser_page.served(Path(folder)) as address:
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=SHARPNESS)
        page.goto(f"{address}/console.html")
        page.wait_for_function("window.ready")
        page.evaluate(
            "message => widget.tell(message)",
            {"k": "all", "state": browser_page.live(state, latency=state["latency"]), "events": events},
        )
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        save(page, "console.png")


def draw_card(browser: "Browser") -> None:
    """Draw the card of the README's test."""
    log = vl.simulate(
        "clinic", CALLERS, sessions=4_000, seed=7, world=vl.World(recognition_errors=0.05, truth=TRUTH), progress=False
    )
    page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=SHARPNESS)
    shown = vl.analyze(log, "greeting")._repr_html_()
    page.set_content(f"<body style='margin:12px'><main style='width:fit-content'>{shown}</main></body>")
    save(page, "card.png")


def save(page: "Page", name: str) -> None:
    """Write what the page shows, in few colours: a picture of letters needs no more, and the file stays small."""
    drawn = Image.open(io.BytesIO(page.locator("main").screenshot()))
    drawn.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
