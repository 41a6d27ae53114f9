"""A folder of exports that were fetched: each file whole or not there, and a list of the sessions that need not be asked
for again.

    .pulled.jsonl            whose they are; then a line for each session that has ended and is here whole
    sessions.json            the records of all sessions
    ID_events.json, ...      what there is of each
    evaluations.json, experiment_NAME.json
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from voicelab.base.errors import InputError, LogError
from voicelab.log import disk

_LIST = ".pulled.jsonl"
_LONGEST = 80


class PulledFolder:
    """The folder.

    Args:
        path: Where; made if it isn't there.
        whose: Which agent's sessions of which platform they are.

    Raises:
        InputError: it holds another agent's.
        LogError: it can't be made or read.
    """

    def __init__(self, path: Path, whose: Mapping[str, str]) -> None:
        self.path = path
        try:
            disk.make_folders(path)
            lines = _lines(path / _LIST)
            if lines and lines[0] != dict(whose):
                said = " of ".join(str(lines[0].get(name)) for name in whose)
                raise InputError(
                    f"{path} holds sessions of {said}: give sessions of {' of '.join(whose.values())} a folder of their own."
                )
            self.done = {str(line["session"]) for line in lines[1:] if "session" in line}
            # Written anew, so that half a line at its end doesn't swallow the next one.
            self._write_list([whose, *({"session": session} for session in sorted(self.done))])
        except OSError as error:
            raise LogError(f"The folder {path} can't be written: {error.strerror or error}.") from None

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records of the sessions that were listed before."""
        try:
            rows = json.loads((self.path / "sessions.json").read_text(encoding="utf-8"))["data"]
            return {str(row["id"]): row for row in rows}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def write(self, name: str, document: Any) -> None:
        """Write a file, whole or not at all.

        Args:
            name: Its name, without the ending.
            document: JSON's types.
        """
        file = f"{export_file_name(name)}.json"
        try:
            disk.write_whole(self.path / file, json.dumps(document, separators=(",", ":")).encode(), f"_{file}.tmp")
        except OSError as error:
            raise LogError(f"{self.path / file} can't be written: {error.strerror or error}.") from None

    def finished(self, session_id: str) -> None:
        """Note that all of a session that has ended is here."""
        self.done.add(session_id)
        try:
            with (self.path / _LIST).open("a", encoding="utf-8") as file:
                file.write(json.dumps({"session": session_id}) + "\n")
        except OSError as error:
            raise LogError(f"{self.path / _LIST} can't be written: {error.strerror or error}.") from None

    def _write_list(self, lines: Iterable[Mapping[str, str]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        disk.write_whole(self.path / _LIST, text.encode(), f"_{_LIST}.tmp")


def export_file_name(name: str) -> str:
    """Return a name as one of a file: an id that the platform gives never leads elsewhere, and two never to one file."""
    safe = quote(name, safe=" _-", errors="replace").replace("~", "~7E").replace("%", "~")
    # Of names that differ in their capitals alone, many disks keep one.
    if len(safe) <= _LONGEST and name == name.lower():
        return safe
    return f"{safe[:_LONGEST]}~{blake2b(name.encode(errors='replace'), digest_size=8).hexdigest()}"


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a list, without one that was not written to its end."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        found += [read] if isinstance(read, dict) else []
    return found
