"""`voicerun.outbound_call` and `voicerun.start_call`: the guide's request to start a phone call, previewed and sent."""

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.plain_json import has_half_a_character
from voicelab.voicerun.api_key import ApiKey, from_environment, hidden
from voicelab.voicerun.call_journal import NAME
from voicelab.voicerun.call_request import CallRequest, agent_request, entrypoint_request
from voicelab.voicerun.one_call import CallAnswer, OutboundCall

_PRODUCTION = "production"


def outbound_call(
    agent_id: str | None = None,
    phone_number: str | None = None,
    environment: str = _PRODUCTION,
    parameters: Mapping[str, Any] | None = None,
    api_key: str | ApiKey | None = None,
    base_url: str | None = None,
    *,
    entrypoint_id: str | None = None,
    track: str | None = None,
    release_id: str | None = None,
    journal: str | Path | None = None,
    call_id: str | None = None,
    deadline_s: float = 30.0,
) -> OutboundCall:
    """Preview an outbound call: what would be sent, without sending anything.

    Show it, `call.rehearse(handler, inputs)` it here, then `call.send()`.

    Args:
        agent_id: The agent's id.
        phone_number: The number to dial: + and the country's code and number, 2 to 15 digits, e.g. "+14155550123".
        environment: Name of the environment that the agent runs in.
        parameters: What the handler reads with `context.get_data`; of an entrypoint, with `context.input_data`. JSON's types.
        api_key: The key of Profile > API Keys; else that of the environment variable VOICERUN_API_KEY, else it is asked for,
            hidden, when the call is sent. It is never shown.
        base_url: Where the platform is; else VOICERUN_API_URL, else https://api.primvoices.com.
        entrypoint_id: In place of `agent_id`: the platform's second version, whose entrypoints have an agent and environment.
        track: Of an entrypoint: the release track.
        release_id: Of an entrypoint: the release.
        journal: File that a line is appended to before anything is sent, and one for what came of it; by default
            `voicerun-calls.jsonl` in the working directory.
        call_id: Id of the call in the journal, by default a new one. With one of your own, such as an order's number, a
            script that runs twice calls once: with the same journal, so that one which runs in several folders, or on several
            machines, needs `journal=` at one place, or it calls again.
        deadline_s: How long each request may take in all, in seconds.

    Returns:
        The call, which shows itself.

    Raises:
        InputError: an argument is not allowed.

    Example:
        >>> from voicelab import voicerun
        >>> call = voicerun.outbound_call("agent-1", "+14155550123", parameters={"customerName": "Alice"})
        >>> call
        OutboundCall(+14155550123, agent agent-1, production: not sent)
        >>> call.body["parameters"]
        {'customerName': 'Alice'}
    """
    key = hidden(api_key)
    del api_key  # from here on no frame's locals hold its text, whatever is raised
    key = from_environment() if key is None else key.checked("api_key")
    problem = ""
    try:
        if checks.is_number(deadline_s) and deadline_s == 0:
            raise InputError("deadline_s is 0, must be a number of seconds above 0.")
        deadline_s = checks.seconds("deadline_s", deadline_s)
        request = _request(agent_id, phone_number, environment, parameters, base_url, entrypoint_id, track, release_id)
        return OutboundCall(request, key, _journal(journal), _call_id(call_id), deadline_s)
    except InputError as error:
        problem = str(error)
    # Outside of `except`, so that the error which quotes an argument whole is not kept as this one's context.
    raise InputError(problem if key is None else key.masked(problem))


def start_call(
    agent_id: str | None = None,
    phone_number: str | None = None,
    environment: str = _PRODUCTION,
    parameters: Mapping[str, Any] | None = None,
    api_key: str | ApiKey | None = None,
    base_url: str | None = None,
    *,
    confirmed: bool = False,
    entrypoint_id: str | None = None,
    track: str | None = None,
    release_id: str | None = None,
    journal: str | Path | None = None,
    call_id: str | None = None,
    deadline_s: float = 30.0,
    wait_s: float = 600.0,
) -> CallAnswer:
    """Start an outbound call: `outbound_call(...)` and `send(...)` in one.

    Args:
        agent_id: As of `outbound_call`, and so are all that follow but two.
        phone_number: The number to dial.
        environment: Name of the environment.
        parameters: What the handler reads.
        api_key: The key.
        base_url: Where the platform is.
        confirmed: Send without asking. Where nobody can be asked, nothing is sent without it.
        entrypoint_id: In place of `agent_id`.
        track: The release track.
        release_id: The release.
        journal: File of the journal.
        call_id: Id of the call in the journal.
        deadline_s: How long each request may take, in seconds.
        wait_s: How long to wait for the end of an entrypoint's session, in seconds.

    Returns:
        The platform's answer.

    Raises:
        InputError: an argument is not allowed, or it isn't confirmed and nobody can be asked.
        CallError: the call was not placed, or whether it was is unknown.
    """
    key = hidden(api_key)
    del api_key  # as above
    call = outbound_call(
        agent_id,
        phone_number,
        environment,
        parameters,
        key,
        base_url,
        entrypoint_id=entrypoint_id,
        track=track,
        release_id=release_id,
        journal=journal,
        call_id=call_id,
        deadline_s=deadline_s,
    )
    return call.send(confirmed, wait_s)


def _request(
    agent_id: Given,
    phone_number: Given,
    environment: Given,
    parameters: Given,
    base_url: Given,
    entrypoint_id: Given,
    track: Given,
    release_id: Given,
) -> CallRequest:
    if entrypoint_id is None:
        for what, given in (("track", track), ("release_id", release_id)):
            if given is not None:
                raise InputError(
                    f"{what}= is for entrypoints: give entrypoint_id= in place of agent_id, or leave it out."
                )
        return agent_request(agent_id, phone_number, environment, parameters, base_url)
    if agent_id is not None:
        raise InputError("Give agent_id or entrypoint_id, not both: an entrypoint has its own agent.")
    if environment != _PRODUCTION:
        raise InputError(
            f"environment is {shown(environment)}, and an entrypoint has its own environment: leave it out."
        )
    return entrypoint_request(entrypoint_id, phone_number, parameters, track, release_id, base_url)


def _journal(given: Given) -> Path:
    if given is not None and (not isinstance(given, str | Path) or not str(given)):
        raise InputError(f"journal is {shown(given)}, must be the path of a file, e.g. {NAME!r}.")
    path = Path.cwd() / Path(str(given) if given is not None else NAME).expanduser()
    if path.is_dir():
        raise InputError(f"journal is {str(path)!r}, which is a folder: give the path of a file in it, e.g. {NAME!r}.")
    return path


def _call_id(given: Given) -> str:
    if given is None:
        return uuid.uuid4().hex
    if not isinstance(given, str) or not given.strip() or has_half_a_character(given):
        raise InputError(f"call_id is {shown(given)}, must be some text, e.g. 'order-17'.")
    return given
