"""A real JupyterLab (and Notebook 7 beside it) on this machine, driven in headless Chromium."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from browser_page import PATIENCE_MS, PERSON, RATE, exchanged
from playwright import sync_api

ROOT = Path(__file__).parent.parent
_READY = """() => {
  const shown = window.jupyterapp?.shell?.currentWidget;
  return Boolean(shown?.content?.widgets?.length && shown.sessionContext?.session?.kernel
    && shown.sessionContext.session.kernel.connectionStatus === "connected");
}"""
# What a person does where JupyterLab, on a busy machine, has forgotten which notebook is the current one (seen), or its kernel's
# connection: by itself it comes right only after minutes.
_RETURN = """async (path) => {
  const app = window.jupyterapp;
  const state = [app?.shell?.currentWidget?.id, app?.shell?.currentWidget?.sessionContext?.session?.kernel?.connectionStatus];
  await app.commands.execute("docmanager:open", { path, factory: "Notebook" });
  await app.shell.currentWidget?.sessionContext?.session?.kernel?.reconnect();
  return JSON.stringify(state);
}"""
_RUN = """(at) => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = at;
  return window.jupyterapp.commands.execute("notebook:run-cell").then(() => null);
}"""
# What Jupyter's own code says on its page, with and without a console in it, and anywidget of one whose cell is taken away
# while its page is being made: where it should be shown, a test looks for it.
NOT_OURS = (
    "reading 'schema'",
    "is already registered",
    "not registered",
    "Canceled future",
    "Failed to initialize model",
)
# Not awaited: the cell goes on while the test does.
_START = """(at) => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = at;
  window.jupyterapp.commands.execute("notebook:run-cell");
}"""
# The new cells come first: a notebook without any would give itself one.
_SET = """(sources) => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
  const n_before = cells.cells.length;
  cells.insertCells(0, sources.map((source) => ({ cell_type: "code", source, metadata: {}, outputs: [] })));
  cells.deleteCellRange(sources.length, sources.length + n_before);
}"""
_OPEN = """(path) => window.jupyterapp.commands.execute("docmanager:open", { path, factory: "Notebook" }).then(() => null)"""
_SPEAKS = "() => document.querySelector('.vl-console').voicelab.store.local.speaking !== null"
_VOICE = "() => document.querySelector('.vl-console').voicelab.store.local.speech"
_OUTPUTS = "(at) => window.jupyterapp.shell.currentWidget.content.widgets[at].model.sharedModel.getOutputs()"


@contextlib.contextmanager
def jupyter(folder: Path, cache: Path):
    """Run a Jupyter server over a folder, with settings of its own, and yield its address."""
    own = folder.parent / f"{folder.name}-jupyter"
    for name in ("config/labconfig", "data", "ipython", "home"):
        (own / name).mkdir(parents=True)
    no_news = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
    (own / "config" / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(no_news))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "JUPYTER_CONFIG_DIR": str(own / "config"), "JUPYTER_DATA_DIR": str(own / "data"),
        "IPYTHONDIR": str(own / "ipython"), "HOME": str(own / "home"), "VOICELAB_CACHE": str(cache),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.token=",
        "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True", "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True", f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    with (own / "server.log").open("w") as log:
        server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            _await(f"http://localhost:{port}/api", own / "server.log")
            yield f"http://localhost:{port}"
        finally:
            server.terminate()
            try:
                server.wait(60)
            except subprocess.TimeoutExpired:
                server.kill()


def _await(address: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"Jupyter did not start: {log.read_text()[-2000:]}")


class Window:
    """A page of JupyterLab or Notebook 7."""

    def __init__(self, context, address: str) -> None:
        self.context, self.address = context, address
        self.errors: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, app: str, name: str) -> None:
        """Open a notebook in an app; JupyterLab's page takes longer to load than most tests, and is loaded once."""
        if app == "notebook":
            self.page.goto(f"{self.address}/notebooks/{name}.ipynb")
        elif not self.page.url.startswith(self.address):
            self.page.goto(f"{self.address}/lab?reset")
            self.page.wait_for_function("() => window.jupyterapp?.shell && window.jupyterapp.restored.then(() => true)")
            self.page.evaluate(_OPEN, f"{name}.ipynb")


class Notebook:
    """A notebook that is open in a browser.

    It is the same one for all tests, and so is its kernel, which takes seconds to start and to load the lab: each test
    gets cells, and a kernel that knows no name and has no widget.
    """

    NAME = "book"

    def __init__(self, window: Window, folder: Path, sources: list[str], app: str) -> None:
        self.path = folder / f"{self.NAME}.ipynb"
        if not self.path.exists():
            # By hand: to load nbformat takes seconds.
            cell = {
                "cell_type": "code",
                "id": "one",
                "metadata": {},
                "source": "",
                "outputs": [],
                "execution_count": None,
            }
            kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
            book = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
            self.path.write_text(json.dumps(book))
        self.page = window.page
        self._app = app
        self._has_person = False
        window.open(app, self.NAME)
        self.ready()
        self.page.evaluate(_SET, sources)

    def ready(self) -> None:
        try:
            self.page.wait_for_function(_READY, timeout=PATIENCE_MS / 6)
        except sync_api.TimeoutError:
            print("the notebook was not ready:", self.page.evaluate(_RETURN, f"{self.NAME}.ipynb"))
            self.page.wait_for_function(_READY)

    def run(self, at: int) -> None:
        self.page.evaluate(_RUN, at)

    def start(self, at: int) -> None:
        self.page.evaluate(_START, at)

    def outputs(self, at: int) -> list:
        return self.page.evaluate(_OUTPUTS, at)

    def value(self, at: int):
        """Run a cell that prints JSON and return it."""
        self.run(at)
        text = "".join(output.get("text", "") for output in self.outputs(at) if output["output_type"] == "stream")
        assert text, self.outputs(at)
        return json.loads(text)

    def command(self, name: str) -> None:
        self.page.evaluate("(name) => window.jupyterapp.commands.execute(name).then(() => null)", name)

    def leave(self) -> None:
        """Let whoever was at the microphone go, and let no other page than JupyterLab's know the notebook."""
        if self._has_person:
            self.page.evaluate("person.leave()")
        if self._app == "notebook":
            self.page.goto("about:blank")

    # --- the console in it ---

    def button(self, name: str, at: int = 0):
        # Of one console: not all of them have the same buttons.
        return self.page.locator(".vl-console").nth(at).get_by_role("button", name=name, exact=True)

    def connect(self, at: int = 0) -> None:
        """Press Connect and wait until the session runs."""
        self.button("Connect", at).click()
        sync_api.expect(self.button("Hang up", at)).to_be_enabled(timeout=PATIENCE_MS)

    def hang_up(self, at: int = 0) -> None:
        """Hang up and wait until the session has ended."""
        self.button("Hang up", at).click()
        sync_api.expect(self.button("Hang up", at)).to_be_hidden(timeout=PATIENCE_MS)

    def say(self, text: str, at: int = 0) -> None:
        box = self.page.get_by_role("textbox", name="Message").nth(at)
        box.fill(text)
        box.press("Enter")

    def conversation(self, at: int = 0):
        return self.page.get_by_role("region", name="Conversation").nth(at)

    def sees(self, text: str, at: int = 0, timeout: float = PATIENCE_MS) -> None:
        self.conversation(at).get_by_text(text).first.wait_for(timeout=timeout)

    # --- a person at the microphone ---

    def seat_person(self, words: np.ndarray) -> None:
        """Put a person in the microphone's place, who has words to say."""
        exchanged(self.page, PERSON, [words.tolist(), RATE, 4])
        self._has_person = True

    def agent_speaks(self) -> None:
        """Wait until the agent is heard."""
        self.page.wait_for_function(_SPEAKS)

    def speak_until_seen(self, text: str) -> None:
        """Say the words until the conversation shows a text."""
        self.page.evaluate("person.speak()")
        self.sees(text)
        self.page.evaluate("person.hush()")

    def speak_once(self) -> None:
        """Say the words once, and return when the page has heard that they are over."""
        self.page.evaluate("person.speak()")
        self.page.wait_for_function(_VOICE)
        self.page.wait_for_function(f"() => !({_VOICE})()")
        self.page.evaluate("person.hush()")
