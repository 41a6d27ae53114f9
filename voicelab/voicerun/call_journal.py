"""The journal of outbound calls: a line before each is sent, a line for what came of it; no call goes out twice.

A call has an id. Whoever wants to send it first appends a line that says so, then reads the journal again: of several
processes that have done the same, the one whose line stands first sends, the others don't. So it takes no lock, and a
process that dies between its two lines leaves a call of which it is known that it may have been made.
"""

import json
import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicelab.base.errors import CallError, InputError
from voicelab.base.plain_json import encode

NAME = "voicerun-calls.jsonl"
ABOUT_TO_SEND, NOT_SENT = "about to send", "not sent"


class CallJournal:
    """A file of JSON lines about calls.

    Args:
        path: The file; it is made when the first call is sent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def claim(self, call_id: str, facts: Mapping[str, Any]) -> str:
        """Write that a call is about to be sent, and return the id of the attempt.

        Args:
            call_id: The call.
            facts: What is sent, masked.

        Raises:
            CallError: it was sent before, by whatever process.
            InputError: the journal can't be written, so that nothing is sent.
        """
        before = _attempts(self._lines(), call_id)
        if before:
            raise self._sent_before(call_id, before[0])
        attempt = uuid.uuid4().hex
        self.write(call_id, attempt, ABOUT_TO_SEND, facts)
        first = next(iter(_attempts(self._lines(), call_id)), {})
        if first.get("attempt") != attempt:
            self.write(call_id, attempt, NOT_SENT, {"why": "another process was first"})
            raise self._sent_before(call_id, first)
        return attempt

    def write(self, call_id: str, attempt: str, event: str, facts: Mapping[str, Any]) -> None:
        """Append a line, and have it on disk before this returns.

        Args:
            call_id: The call.
            attempt: The attempt, of `claim`.
            event: What happened.
            facts: What else there is to say, masked.

        Raises:
            InputError: the file can't be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = encode({"time": now, "call_id": call_id, "attempt": attempt, "event": event, **facts})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Phone numbers stand in it: it is its owner's alone.
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                torn = self._ends_within_a_line(file)
                # In one write, so that lines of several processes don't mix.
                os.write(file, f"{chr(10) if torn else ''}{line}\n".encode())
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise InputError(
                f"The journal {self.path} can't be written ({error.strerror or error}): give another by journal=."
            ) from None

    def last_to(self, phone_number: str) -> dict[str, Any] | None:
        """Return what the journal says of the last call to a number, with what came of it under `came_of_it`."""
        lines = [line for line in self._parsed() if isinstance(line.get("attempt"), str)]
        begun = [
            line for line in lines if line.get("event") == ABOUT_TO_SEND and line.get("phone_number") == phone_number
        ]
        ended = {line["attempt"]: str(line.get("event")) for line in lines if line.get("event") != ABOUT_TO_SEND}
        known = [line | {"came_of_it": ended.get(line["attempt"], "unknown")} for line in begun]
        return next((line for line in reversed(known) if line["came_of_it"] != NOT_SENT), None)

    # --- inside ---

    def _lines(self) -> list[str]:
        try:
            # Not `splitlines`: U+2028 and its like, which stand within a line here, would end it too.
            return self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(
                f"The journal {self.path} can't be read ({error.strerror or error}), so that nothing is sent: give another "
                "by journal=."
            ) from None

    def _parsed(self) -> list[dict[str, Any]]:
        try:
            return [line for line in map(_parse, self._lines()) if line is not None]
        except InputError:
            return []  # it is said when something is to be sent

    @staticmethod
    def _ends_within_a_line(file: int) -> bool:
        size = os.lseek(file, 0, os.SEEK_END)
        if not size:
            return False
        os.lseek(file, -1, os.SEEK_END)
        return os.read(file, 1) != b"\n"

    def _sent_before(self, call_id: str, attempt: Mapping[str, Any]) -> CallError:
        return CallError(
            f"The call {call_id} was sent before, {_when(attempt)}, and is not sent again: {self.path} says what came of it. "
            "To call once more, make a new call with voicerun.outbound_call(...)."
        )


def _attempts(lines: list[str], call_id: str) -> list[dict[str, Any]]:
    """Return the attempts to send a call of which it isn't known that nothing was sent, in order."""
    found: dict[str, dict[str, Any]] = {}
    written = json.dumps(call_id)[1:-1], encode(call_id)[1:-1]
    for at, text in enumerate(lines):
        line = _parse(text)
        if line is None:
            # A line that was torn as it was written may have been this call's.
            if any(form in text for form in written):
                found[f"line {at}"] = {}
        elif line.get("call_id") == call_id and line.get("event") == ABOUT_TO_SEND:
            found[str(line.get("attempt"))] = line
        elif line.get("call_id") == call_id and line.get("event") == NOT_SENT:
            found.pop(str(line.get("attempt")), None)
    return list(found.values())


def _parse(line: str) -> dict[str, Any] | None:
    if not line.strip():
        return {}
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else {}


def _when(attempt: Mapping[str, Any]) -> str:
    return f"at {attempt['time']}" if isinstance(attempt.get("time"), str) else "at a time that can't be read"
