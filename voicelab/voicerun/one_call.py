"""One outbound call: previewed, rehearsed here, and sent once it is confirmed, once and never again."""

import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from voicelab.base import checks
from voicelab.base.errors import CallError, InputError
from voicelab.base.masking import MASK
from voicelab.base.plain_json import encode
from voicelab.voicerun import asking
from voicelab.voicerun.answers import NoRecord, Refusal, read_answer, read_record
from voicelab.voicerun.api_key import ApiKey, asked_for, from_environment
from voicelab.voicerun.call_card import ShownCall, answer_card, call_card, call_text
from voicelab.voicerun.call_exchange import Reply, exchange
from voicelab.voicerun.call_journal import CallJournal
from voicelab.voicerun.call_request import CONTENT_TYPE, CallRequest

if TYPE_CHECKING:
    from voicelab.callers import CallerLike
    from voicelab.handlers import HandlerLike
    from voicelab.record.session_record import SessionRecord, SideBySide

CallStatus = Literal["not sent", "sent", "refused", "unknown"]
_ENDED = {"completed", "failed"}
_EVERY_S = 5.0


class CallAnswer(dict[str, Any]):
    """What the platform answered: `success` and `telephonyCallId`, of an entrypoint `sessionId` and `telephonyCallId`.

    A dict that shows itself. An entrypoint's has its session, as it was last asked for, under `session`.
    """

    def __init__(self, answer: Mapping[str, Any], phone_number: str) -> None:
        super().__init__(answer)
        self.phone_number = phone_number

    def __reduce__(self) -> Any:
        return CallAnswer, (dict(self), self.phone_number)

    def _repr_html_(self) -> str:
        return answer_card(self.phone_number, self)


class OutboundCall:
    """A call that is previewed, rehearsed, and sent once; made by `voicerun.outbound_call`.

    Nothing is sent by making or showing it. It can be pickled and copied, without its API key.

    Attributes:
        method: HTTP's method.
        url: The address.
        headers: The headers, the key masked.
        body: The body, as JSON's types.
        curl: The guide's curl, with the key as `$VOICERUN_API_KEY` so that it can be shown, and pasted into a shell.
        call_id: Id under which the journal knows it; another journal knows nothing of it.
        journal: Path of the journal, JSON lines: what is about to be sent, and what came of it.
        status: `not sent`, `sent`, `refused` (the platform called nobody) or `unknown` (the answer never came, or doesn't
            say that the call was placed).
        answer: The platform's answer; None before.
        deadline_s: How long a request may take in all, in seconds.
        sleep: Waits so many seconds between two looks at an entrypoint's session; a test puts its own here.
    """

    def __init__(
        self, request: CallRequest, key: ApiKey | None, journal: Path, call_id: str, deadline_s: float
    ) -> None:
        self._request = request
        self._key = key
        self._attempt = ""
        self.journal = journal
        self.call_id = call_id
        self.deadline_s = deadline_s
        self.status: CallStatus = "not sent"
        self.answer: CallAnswer | None = None
        self.sleep: Callable[[float], None] = time.sleep

    method = "POST"

    @property
    def url(self) -> str:
        """The address."""
        return self._request.url

    @property
    def headers(self) -> dict[str, str]:
        """The headers, the key masked."""
        return {"Content-Type": CONTENT_TYPE, "Authorization": f"Bearer {MASK}"}

    @property
    def body(self) -> dict[str, Any]:
        """The body; what looks like a secret is sent, and masked where the call shows itself."""
        return dict(self._request.body)

    @property
    def curl(self) -> str:
        """The guide's curl."""
        return self._request.curl if self._key is None else self._key.masked(self._request.curl)

    def rehearse(
        self, handler: "HandlerLike", inputs: "CallerLike" = (), **options: Any
    ) -> "SessionRecord | SideBySide":
        """Run the call's session here, with its parameters and in its environment; nobody is called.

        Args:
            handler: As of `vl.run`.
            inputs: What the person who is called does, as of `vl.run`.
            options: Every other option of `vl.run`, by its name.

        Returns:
            The session's record.

        Raises:
            InputError: an option is not allowed, or is the call's own.
        """
        from voicelab.runs.jobs import (
            run,
        )  # the SDK and all that hosts it: a second of imports, which a call needs none of

        own = {**self._request.rehearsed(), "direction": "outbound"}
        if taken := sorted(own.keys() & options.keys()):
            raise InputError(
                f"{taken[0]}= is the call's own: make the call with others by voicerun.outbound_call(...)."
            )
        return run(handler, inputs, **own, **options)

    def send(self, confirmed: bool = False, wait_s: float = 600.0) -> CallAnswer:
        """Start the call: somebody's phone rings.

        Once a request has gone out it is never sent again, not by this object, by a copy of it, or by another process with
        the same journal and call id; where nothing left this machine it may be.

        Args:
            confirmed: Send without asking. Where nobody can be asked, nothing is sent without it.
            wait_s: How long to wait for the end of an entrypoint's session, in seconds; 0 doesn't wait. See `wait`.

        Returns:
            The platform's answer.

        Raises:
            InputError: there is no API key; it isn't confirmed, and nobody can be asked; the journal can't be written.
            CallError: the answer was no, the request failed, or it was sent before; `outcome` says whether anybody may have
                been called.
        """
        checks.switch("confirmed", confirmed)
        checks.seconds("wait_s", wait_s)
        if self.status != "not sent":
            raise CallError(
                f"This call was sent once ({self.status}) and is not sent again: {self.journal} says what came of it. To call "
                "once more, make a new call with voicerun.outbound_call(...)."
            )
        if not confirmed and not asking.can_ask():
            raise InputError(
                f"send() would call {self._request.phone_number} now, and nobody can be asked here: send(confirmed=True), if "
                "that is meant. Nothing was sent."
            )
        key = self._key = self._key or from_environment() or asked_for()
        if not confirmed and not asking.says_yes(self._question()):
            raise CallError("Nothing was sent: the answer was not yes.")
        self.answer = self._send(key)
        has_session = self._request.is_entrypoint and bool(self.answer.get("sessionId"))
        return self.wait(wait_s) if has_session and wait_s else self.answer

    def wait(self, wait_s: float = 600.0) -> CallAnswer:
        """Wait until an entrypoint's session has ended, asking for its status every five seconds.

        Where it doesn't end in time, or the platform refuses to tell, a warning says so; ask again later.

        Args:
            wait_s: How long at most, in seconds.

        Returns:
            The answer; `session` is the session's record, its `status` `completed` or `failed` once it has ended.

        Raises:
            InputError: the call has no session to ask for.
        """
        checks.seconds("wait_s", wait_s)
        if self.answer is None or not self.answer.get("sessionId"):
            raise InputError(
                "There is no session to wait for: only the answer to an entrypoint's call names one (sessionId)."
            )
        key = self._key = self._key or from_environment() or asked_for()
        session, began, slept = str(self.answer["sessionId"]), time.monotonic(), 0.0
        status, is_final = self._look(session, key)
        while not is_final and max(time.monotonic() - began, slept) < wait_s:
            self.sleep(_EVERY_S)
            slept += _EVERY_S
            before = status
            status, is_final = self._look(session, key)
            if status != before and asking.can_ask():
                print(f"session {session}: {status}", flush=True)
        if status in _ENDED:
            self._note(f"session {status}", {"session_id": session})
        elif is_final:
            warnings.warn(
                f"The call was sent, and its session {session} can't be followed: {status}. call.wait() asks again.",
                stacklevel=2,
            )
        else:
            warnings.warn(
                f"The call was sent, and its session {session} has not ended within {wait_s:g} s (last: {status}). "
                "call.wait() asks again.",
                stacklevel=2,
            )
        return self.answer

    # --- inside ---

    def _question(self) -> str:
        request = self._request.masked(self._key)
        where = f" in {request.environment}" if request.environment else ""
        last = CallJournal(self.journal).last_to(request.phone_number)
        before = f" (last called at {last['time']}: {last['came_of_it']})" if last else ""
        with_what = f", with {encode(request.parameters)}" if request.parameters else ""
        return f"Call {request.phone_number}{before} now with {request.who}{where}{with_what}?"

    def _send(self, key: ApiKey) -> CallAnswer:
        request, journal = self._request, CallJournal(self.journal)
        masked = request.masked(key)
        attempt = journal.claim(
            self.call_id,
            {
                "method": self.method,
                "address": key.masked(request.url),
                "phone_number": request.phone_number,
                "environment": masked.environment,
                "parameters": masked.parameters,
            },
        )
        self._attempt = attempt
        self.status = "unknown"  # until an answer says otherwise, whatever happens meanwhile
        try:
            got = exchange(
                self.method,
                request.base_url,
                request.path,
                {"Content-Type": CONTENT_TYPE},
                key,
                request.text.encode(),
                self.deadline_s,
            )
        except BaseException:
            self._note("unknown", {"why": "it was interrupted while the answer was waited for"})
            raise
        answer = read_answer(got, request, key)
        if isinstance(answer, Refusal):
            self.status = answer.outcome  # where nothing was sent it may be tried again
            self._note(answer.outcome, {"http_status": answer.status, "why": answer.sentence})
            raise answer.error()
        self.status = "sent"
        data = answer.get("data")
        inner = data if request.is_entrypoint and isinstance(data, dict) else answer
        self._note("answered", {"http_status": got.status if isinstance(got, Reply) else None, "answer": inner})
        return CallAnswer(inner, request.phone_number)

    def _note(self, event: str, facts: Mapping[str, Any]) -> None:
        """Write what came of it; a full disk doesn't lose the answer of a call that was made."""
        try:
            CallJournal(self.journal).write(self.call_id, self._attempt, event, facts)
        except InputError as error:
            warnings.warn(f"{error} The call's status is {event!r}.", stacklevel=4)

    def _look(self, session: str, key: ApiKey) -> tuple[str, bool]:
        """Return the status of a session and whether it is the last, and keep its record; without one, why there is none."""
        path = f"/v1/sessions/{quote(session, safe='')}"
        got = exchange("GET", self._request.base_url, path, {}, key, None, self.deadline_s)
        found = read_record(got, self._request, key)
        if isinstance(found, NoRecord):
            return found.why, found.is_final
        if self.answer is not None:
            self.answer["session"] = found
        status = str(found.get("status"))
        return status, status in _ENDED

    # --- as others see it ---

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in {"_key", "sleep"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _key=None, sleep=time.sleep)

    def __repr__(self) -> str:
        request = self._request.masked(self._key)
        where = f", {request.environment}" if request.environment else ""
        return f"OutboundCall({request.phone_number}, {request.who}{where}: {self.status})"

    def __str__(self) -> str:
        return call_text(self._shown())

    def _repr_html_(self) -> str:
        return call_card(self._shown())

    def _shown(self) -> ShownCall:
        masked = self._request.masked(self._key)
        return ShownCall(
            masked,
            self.headers,
            self.status,
            has_key=self._key is not None,
            journal=str(self.journal),
            answer=self.answer,
        )
