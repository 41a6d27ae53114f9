"""Draws the README's pictures from fixed seeds: `make pictures`. Needs Chromium."""

import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import voicelab as vl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
        page.locator("main").screenshot(path=HERE / "console.png")


def draw_card(browser: "Browser") -> None:
    """Draw the card of the README's test."""
    log = vl.simulate(
        "clinic", CALLERS, sessions=2_000, seed=7, world=vl.World(recognition_errors=0.05, truth=TRUTH), progress=False
    )
    page = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=SHARPNESS)
    page.set_content(f"<body style='margin:12px'><main>{vl.analyze(log, 'greeting')._repr_html_()}</main></body>")
    page.locator("main").screenshot(path=HERE / "card.png")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
