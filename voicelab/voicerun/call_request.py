"""The request of an outbound call, byte for byte as the guide's curl sends it, and the checks of what goes into it."""

import json
import math
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import MASK, shown
from voicelab.base.plain_json import has_half_a_character
from voicelab.base.secret_names import is_secret_field
from voicelab.voicerun.api_key import VARIABLE, ApiKey

BASE_URL = "https://api.primvoices.com"
BASE_VARIABLE = "VOICERUN_API_URL"
CONTENT_TYPE = "application/json"
_DEEPEST = 50


@dataclass(frozen=True)
class CallRequest:
    """What is sent to start a call.

    Attributes:
        base_url: Scheme and host, without a slash at the end.
        path: The endpoint.
        body: The body, as JSON's types.
        phone_number: The number that is called.
        who: The agent or entrypoint, in words.
        environment: The environment; None where the entrypoint says it.
        parameters: What the handler reads.
        is_entrypoint: Whether it is an entrypoint's call.
    """

    base_url: str
    path: str
    body: Mapping[str, Any] = field(repr=False)
    phone_number: str
    who: str
    environment: str | None
    parameters: Mapping[str, Any] = field(repr=False)
    is_entrypoint: bool = False

    @property
    def url(self) -> str:
        """The whole address."""
        return self.base_url + self.path

    @property
    def host(self) -> str:
        """The host that answers."""
        return urlsplit(self.base_url).netloc

    @property
    def text(self) -> str:
        """The body as it is sent."""
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    @property
    def curl(self) -> str:
        """The guide's curl; the key is read from the shell's variable, so that the line can be shown and pasted."""
        return (
            f"curl '{self.url}' \\\n"
            "  -X 'POST' \\\n"
            f"  -H 'Content-Type: {CONTENT_TYPE}' \\\n"
            f'  -H "Authorization: Bearer ${VARIABLE}" \\\n'
            f"  --data-raw {_quoted(self.text)}"
        )

    def masked(self, key: ApiKey | None) -> "CallRequest":
        """Return the request as it may be shown: the key, and parameters whose names speak of secrets, are masked."""
        return replace(self, body=masked_value(self.body, key), parameters=masked_value(self.parameters, key))

    def rehearsed(self) -> dict[str, Any]:
        """Return the options of `vl.run` that make a local session of the call."""
        own: dict[str, Any] = json.loads(json.dumps(self.parameters))  # as the platform reads them: tuples are lists
        return {"input_data": own} if self.is_entrypoint else {"parameters": own, "environment": self.environment}


def _quoted(text: str) -> str:
    # Always in single quotes, as in the guide; a quote within is closed, escaped and opened again.
    return shlex.quote(text) if "'" in text else f"'{text}'"


def agent_request(
    agent_id: Given, phone_number: Given, environment: Given, parameters: Given, base_url: Given
) -> CallRequest:
    """Return the request of the guide: an agent in an environment.

    Raises:
        InputError: an argument is not allowed.
    """
    agent = _id("agent_id", agent_id, "AGENT_ID")
    number = _phone_number(phone_number)
    named = _environment(environment)
    plain = _parameters(parameters)
    body = {
        "inputType": "phone",
        "inputParameters": {"phoneNumber": number},
        "environment": named,
        "parameters": plain,
    }
    return CallRequest(
        checked_base_url(base_url), f"/v1/agents/{agent}/sessions/start", body, number, f"agent {agent}", named, plain
    )


def entrypoint_request(
    entrypoint_id: Given, phone_number: Given, parameters: Given, track: Given, release_id: Given, base_url: Given
) -> CallRequest:
    """Return the request of the platform's second version: an entrypoint, which has its own agent and environment.

    Raises:
        InputError: an argument is not allowed.
    """
    entrypoint = _id("entrypoint_id", entrypoint_id, "ENTRYPOINT_ID")
    number = _phone_number(phone_number)
    plain = _parameters(parameters)
    body: dict[str, Any] = {"toPhoneNumber": number}
    for key, what, value in (("track", "track", track), ("releaseId", "release_id", release_id)):
        if value is not None:
            body[key] = _word(what, value)
    if plain:
        body["inputData"] = plain
    return CallRequest(
        checked_base_url(base_url),
        f"/v1/entrypoints/{entrypoint}/outbound",
        body,
        number,
        f"entrypoint {entrypoint}",
        None,
        plain,
        is_entrypoint=True,
    )


# --- what goes into it -----------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"\+[1-9][0-9]{1,14}")
_ID = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9._~-]+")


def _id(what: str, given: Given, placeholder: str) -> str:
    if given == f"<{placeholder}>":
        raise InputError(f"{what} is the guide's placeholder {given!r}: put the id in its place.")
    if not isinstance(given, str) or not _ID.fullmatch(given):
        raise InputError(
            f"{what} is {shown(given)}, must be an id: letters, digits and dashes, as the dashboard's address and "
            ".voicerun/agent.lock show it."
        )
    return given


def _phone_number(given: Given) -> str:
    if isinstance(given, str) and _NUMBER.fullmatch(given):
        return given
    allowed = "must be + and the country's code and number, 2 to 15 digits without blanks, e.g. '+14155550123'"
    raise InputError(f"phone_number is {shown(given)}, {allowed}.{_meant(given)}")


def _meant(given: Given) -> str:
    """Return the number that was probably meant, as a question."""
    if isinstance(given, int) and not isinstance(given, bool):
        return f" Did you mean '+{given}'?" if _NUMBER.fullmatch(f"+{given}") else ""
    if not isinstance(given, str):
        return ""
    # (0) stands for the zero that is dialled at home only.
    bare = re.sub(r"[\s().\-/‐-―]", "", given.replace("(0)", ""))
    if bare.startswith("00"):
        bare = f"+{bare[2:]}"
    if _NUMBER.fullmatch(bare):
        return f" Did you mean {bare!r}?"
    if bare.isascii() and bare.isdigit() and bare.startswith("0"):
        return " A number that begins with 0 is dialled at home: put the country's code in its place."
    return f" Did you mean '+{bare}'?" if _NUMBER.fullmatch(f"+{bare}") else ""


def _environment(given: Given) -> str:
    if given == "<ENVIRONMENT_NAME>":
        raise InputError(f"environment is the guide's placeholder {given!r}: put a name in its place.")
    return _word("environment", given)


def _word(what: str, given: Given) -> str:
    if not isinstance(given, str) or not given.strip() or not given.isprintable():
        raise InputError(f"{what} is {shown(given)}, must be a name, e.g. 'production'.")
    return given


def _parameters(given: Given) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InputError(f"parameters is {shown(given)}, must be a dict, e.g. {{'customerName': 'Alice'}}.")
    if "functionId" in given:
        raise InputError("parameters has the key 'functionId', which the SDK takes for itself and removes. Rename it.")
    if not isinstance(given.get("runTest", ""), str):
        raise InputError(
            "parameters['runTest'] must be text here, as the SDK reads it on the platform: json.dumps({'greeting': False})."
        )
    plain: dict[str, Any] = plain_json("parameters", given)
    return plain


def plain_json(where: str, value: Given, depth: int = 0) -> Any:
    """Return a value as JSON holds it.

    Raises:
        InputError: JSON can't hold it; the message says where it stands.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a number of numpy's, as rows of frames hold them
    if depth > _DEEPEST:
        raise InputError(f"{where[:60]}… is nested more than {_DEEPEST} deep: does it contain itself?")
    if isinstance(value, Mapping):
        return {_key(where, key): plain_json(f"{where}[{key!r}]", item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(f"{where}[{at}]", item, depth + 1) for at, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} is {value!r}, which JSON doesn't have: leave it out, or give None.")
    if isinstance(value, str) and has_half_a_character(value):
        raise InputError(f"{where} holds half a character, which no request can carry: it was decoded wrongly.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"{where} is {shown(value)}, of type {type(value).__name__}, which JSON doesn't have: give text, numbers, True, False, "
        "None, lists or dicts."
    )


def _key(where: str, key: Given) -> str:
    if not isinstance(key, str) or has_half_a_character(key):
        raise InputError(f"{where} has the key {shown(key)}: keys must be text, as in JSON.")
    return key


_LOCAL = {"localhost", "127.0.0.1", "::1"}


def is_local(base_url: str) -> bool:
    """Return whether an address is this machine's."""
    return urlsplit(base_url).hostname in _LOCAL


def checked_base_url(given: Given) -> str:
    """Return where the platform is: as given, else by the environment variable, else its own address.

    Raises:
        InputError: it is no address, or would have the key sent unencrypted.
    """
    source = "base_url"
    if given is None:
        given, source = os.environ.get(BASE_VARIABLE) or BASE_URL, BASE_VARIABLE
    if not isinstance(given, str):
        raise InputError(f"{source} is {shown(given)}, must be an address, e.g. {BASE_URL!r}.")
    bare = given.strip().rstrip("/")
    try:
        parts = urlsplit(bare)
        host, has_user, _ = parts.hostname, parts.username is not None, parts.port
    except ValueError:
        raise InputError(f"{source} is {shown(given)}, must be an address, e.g. {BASE_URL!r}.") from None
    if has_user:
        # Not shown: what stands before the @ is a password.
        raise InputError(f"{source} holds a name or password before its @: leave it out, the API key is enough.")
    odd = parts.query or parts.fragment or not bare.isascii() or not bare.isprintable() or re.search(r"[\s'\"\\]", bare)
    if not host or odd or parts.scheme not in {"http", "https"}:
        raise InputError(f"{source} is {shown(given)}, must be an address, e.g. {BASE_URL!r}.")
    if parts.scheme == "http" and host not in _LOCAL:
        raise InputError(
            f"{source} is {shown(given)}, which would send the API key unencrypted: begin it with https://."
        )
    return bare


# --- what may be shown -----------------------------------------------------------------------------------------------


def masked_value(value: Given, key: ApiKey | None) -> Any:
    """Return a JSON value with the API key, and whatever stands under a name that speaks of a secret, masked."""
    if isinstance(value, Mapping):
        return {
            str(masked_value(name, key)): MASK
            if isinstance(name, str) and is_secret_field(name) and item not in (None, "")
            else masked_value(item, key)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [masked_value(item, key) for item in value]
    return key.masked(value) if key is not None and isinstance(value, str) else value
