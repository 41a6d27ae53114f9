"""What the platform answered: its JSON, or a sentence for everything else that may come back."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from voicelab.base.errors import CallError, CallOutcome
from voicelab.voicerun.api_key import WHERE, ApiKey
from voicelab.voicerun.call_exchange import NoReply, Reply
from voicelab.voicerun.call_request import CallRequest

_LONGEST = 300
_NO_REASON = " It doesn't say why."
_PASSING = {408, 425, 429}
"""Of HTTP's 4xx those that say to ask again later."""
_UNKNOWN = "Whether {number} is being called is unknown, and the call is not sent again: look at the sessions in the dashboard."


@dataclass(frozen=True)
class Refusal:
    """An answer that is none of those that were hoped for.

    Attributes:
        outcome: `not sent`, `refused` or `unknown`.
        sentence: What happened, and what it means.
        status: HTTP's status, if there was an answer.
        wait_s: After how many seconds to try again, if the platform said so.
    """

    outcome: CallOutcome
    sentence: str
    status: int | None = None
    wait_s: float | None = None

    def error(self) -> CallError:
        """Return it as an error."""
        return CallError(self.sentence, self.outcome, self.wait_s)


def read_answer(got: Reply | NoReply, request: CallRequest, key: ApiKey) -> dict[str, Any] | Refusal:
    """Return the platform's JSON, or why there is none; the key is masked in both.

    Args:
        got: What came back.
        request: What was asked.
        key: The API key, which the platform may repeat.
    """
    unknown = _UNKNOWN.format(number=request.phone_number)
    if isinstance(got, NoReply):
        if got.sent:
            return Refusal("unknown", f"{got.reason}. {unknown}")
        return Refusal("not sent", f"{got.reason}. Nothing was sent.")
    document = parsed(got.body)
    if got.status >= 300:  # noqa: PLR2004 - HTTP's ranges
        return _refused(got, document, request, key)
    if document is None:
        what = "an empty answer" if not got.body.strip() else looks_like(got)
        return Refusal("unknown", f"{request.host} answered with {what} (HTTP {got.status}). {unknown}", got.status)
    if not isinstance(document, dict):
        return Refusal(
            "unknown", f"{request.host} answered with JSON that is no object (HTTP {got.status}). {unknown}", got.status
        )
    answer: dict[str, Any] = key.masked_answer(document)
    # An entrypoint's answer may have all that it says under `data`.
    data = answer.get("data") if request.is_entrypoint else None
    parts = [answer, data] if isinstance(data, dict) else [answer]
    said = next((sentence for part in parts if (sentence := said_in(part, key))), "")
    if any(part.get("success") is False for part in parts):
        return Refusal("refused", f"The platform did not place the call.{said or _NO_REASON}", got.status)
    if not any(_is_taken(part, request) for part in parts):
        what = f"{request.host} answered without success (HTTP {got.status})."
        return Refusal("unknown", f"{what}{said} {unknown}", got.status)
    return answer


def _is_taken(answer: Mapping[str, Any], request: CallRequest) -> bool:
    """Return whether an answer says that the call was placed; an entrypoint's does so by naming its session or call."""
    named = request.is_entrypoint and (answer.get("sessionId") or answer.get("telephonyCallId"))
    return answer.get("success") is True or bool(named)


@dataclass(frozen=True)
class NoRecord:
    """Why there is no record of a session.

    Attributes:
        why: What happened, without a full stop.
        is_final: Whether it is of no use to ask again.
    """

    why: str
    is_final: bool


def read_record(got: Reply | NoReply, request: CallRequest, key: ApiKey) -> dict[str, Any] | NoRecord:
    """Return the record of a session that was asked for, the key masked; or why there is none."""
    if isinstance(got, NoReply):
        return NoRecord(got.reason, is_final=False)
    document = parsed(got.body)
    if got.status >= 300 or not isinstance(document, dict):  # noqa: PLR2004 - HTTP's ranges
        why = f"{request.host} answers with HTTP {got.status}"
        if got.status == 401:  # noqa: PLR2004 - HTTP's number
            why = f"{request.host} doesn't accept the API key (HTTP 401). {WHERE}"
        why += f".{said}".rstrip(".") if (said := said_in(document, key)) else ""
        return NoRecord(why, 300 <= got.status < 500 and got.status not in _PASSING)  # noqa: PLR2004 - HTTP's ranges
    record = document.get("data")
    found: dict[str, Any] = key.masked_answer(record if isinstance(record, dict) else document)
    return found


def parsed(body: bytes) -> Any:
    """Return what an answer's JSON says; None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def looks_like(got: Reply) -> str:
    """Return what an answer that is no JSON looks like, in words."""
    text = got.body[:1000].decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower()
    if text.startswith(("<!doctype", "<html")) or "html" in got.headers.get("content-type", "").lower():
        return "a web page in place of JSON, as a proxy or a page to sign in does: is base_url right?"
    try:
        got.body.decode()
    except UnicodeDecodeError:
        return "something that is no text in UTF-8, so no JSON"
    return "JSON that was cut in the middle" if text.startswith(("{", "[")) else "something that is no JSON"


def _refused(got: Reply, document: Any, request: CallRequest, key: ApiKey) -> Refusal:
    status = got.status
    nobody = f" Nobody was called (HTTP {status})."
    said = said_in(document, key)
    if status >= 500:  # noqa: PLR2004 - HTTP's ranges
        return Refusal(
            "unknown",
            f"The platform failed (HTTP {status}).{said} {_UNKNOWN.format(number=request.phone_number)}",
            status,
        )
    if status == 408:  # noqa: PLR2004 - HTTP's number
        # A gateway says it too, of a request that it may have passed on.
        unknown = _UNKNOWN.format(number=request.phone_number)
        return Refusal("unknown", f"{request.host} gave up waiting (HTTP 408).{said} {unknown}", status)
    if status == 429:  # noqa: PLR2004 - HTTP's number
        wait_s = wait_of(got.headers.get("retry-after"))
        when = "in a minute" if wait_s is None else f"in {wait_s:,.0f} s"
        return Refusal("refused", f"Too many requests: try again {when}.{said}{nobody}", status, wait_s)
    if status < 400:  # noqa: PLR2004 - HTTP's ranges
        return Refusal(
            "refused",
            f"{request.host} points to another address{elsewhere(got, key)}, which is not followed, since the API key would "
            f"go there: give the right base_url.{nobody}",
            status,
        )
    sentence = {
        401: f"The platform doesn't accept the API key. {WHERE}.",
        403: f"The API key may not start calls of {request.who}: use one of the account that it belongs to.",
        404: f"{request.host} knows no {request.who}"
        + (f" with an environment {request.environment!r}." if request.environment else "."),
    }.get(status, "The platform refused the call.")
    return Refusal("refused", f"{sentence}{said}{nobody}", status)


def said_in(document: Any, key: ApiKey) -> str:
    """Return the message of the platform as a sentence, masked and on one line; nothing if there is none."""
    found = document if isinstance(document, Mapping) else {}
    message: Any = next((found[name] for name in ("error", "detail", "message") if found.get(name)), None)
    if isinstance(message, Mapping) and isinstance(message.get("message"), str):
        message = message["message"]
    if message is None:
        return ""
    text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
    # Masked before it is cut, or half a key would stay.
    line = re.sub(r"[\x00-\x1f\x7f\s]+", " ", key.masked(text)).strip()
    return f" It says: {line[:_LONGEST]}{'…' if len(line) > _LONGEST else ''}{'' if line.endswith(('.', '!')) else '.'}"


def wait_of(given: str | None) -> float | None:
    """Return the seconds of a header Retry-After: a number, or a date."""
    if given is None:
        return None
    if given.strip().isascii() and given.strip().isdigit():
        return float(given) if math.isfinite(float(given)) else None
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def elsewhere(got: Reply, key: ApiKey) -> str:
    """Return host and scheme of where a redirect points; not its path, which may hold anything."""
    try:
        parts = urlsplit(got.headers.get("location", ""))
    except ValueError:
        return ""
    return f" ({key.masked(f'{parts.scheme}://{parts.hostname}')})" if parts.hostname else ""
