"""The two versions: this one, and another that git has; each plays cases in a process of its own."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from select import select
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
"""The folder of this version."""
_PARTS = ("voicelab", "data/agents", "tests/harness.py")
_LONGEST_S = 120.0
"""How long one case may take until it counts as one that never ends."""
_CASES = 500
"""Cases after which a player is replaced, so that whatever it keeps of them doesn't grow."""


class NoVersionError(Exception):
    """A version can't be had."""


def extract(commit: str, folder: Path, parts: Iterable[str] = _PARTS) -> None:
    """Write what a commit has of some parts into a folder: of the package, its agents and its tests' own door.

    Raises:
        NoVersionError: git or the commit is missing.
    """
    archive = _git("archive", commit, *_git("ls-tree", "--name-only", commit, *parts).decode().split())
    with tarfile.open(fileobj=BytesIO(archive)) as found:
        found.extractall(folder, filter="data")


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise NoVersionError("git is not installed: the other version is taken out of its history.") from None
    if done.returncode:
        raise NoVersionError(
            f"git has not that commit: {done.stderr.decode().strip()}. A clone without history gets it by "
            "`git fetch --unshallow`; for BASE= a folder that holds voicelab and tests/harness.py will do as well."
        )
    return done.stdout


class Version:
    """One version, with a process that plays cases.

    Args:
        name: What it is called when rows are shown.
        folder: Where its `voicelab` and `tests/harness.py` lie.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder.resolve()
        self._player: subprocess.Popen[str] | None = None
        self._played = 0

    def __enter__(self) -> "Version":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, case: dict[str, Any]) -> None:
        """Have a case played; `rows` waits for it."""
        if self._player is None or self._played >= _CASES:
            self.stop()
            self._begin()
        player = self._player
        assert player is not None
        assert player.stdin is not None
        self._played += 1
        print(json.dumps(case), file=player.stdin, flush=True)

    def rows(self) -> dict[str, Any]:
        """Return the rows of the case that was started, by table, or `error`."""
        line = self._line()
        if line:
            return json.loads(line)  # type: ignore[no-any-return]
        assert self._player is not None
        ended = self._player.poll()
        self.stop()
        how = f"it goes on for more than {_LONGEST_S:g} s" if ended is None else f"its process ends with {ended}"
        return {"error": [how]}

    def stop(self) -> None:
        """End the process."""
        if self._player is not None:
            self._player.kill()
            self._player.communicate()
        self._player, self._played = None, 0

    def _begin(self) -> None:
        paths = [self._folder, self._folder / "tests", ROOT / "tests"]
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONHASHSEED": "6640", "TZ": "UTC"}
        self._player = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "same_rows.player"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=environ,
            cwd=self._folder,
        )
        found = self._line()
        if not found or Path(json.loads(found)).resolve() != self._folder:
            raise NoVersionError(f"{self.name} can't be played: its process imports {found.strip() or 'nothing'}.")

    def _line(self) -> str:
        """Return the player's next line; an empty one where none comes."""
        assert self._player is not None
        assert self._player.stdout is not None
        ready, _, _ = select([self._player.stdout], [], [], _LONGEST_S)
        return self._player.stdout.readline() if ready else ""
