"""What the command line's requests are answered, but for those about sessions that have ended (`reading`).

Any agent's id is answered for: the handler that is served stands in for whichever agent a project or a script names.
"""

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError, VoicelabError
from voicelab.log import open_log
from voicelab.serving.answer import Answer
from voicelab.serving.reading import Reading
from voicelab.serving.served_agent import ServedAgent
from voicelab.voicerun.call_request import CallRequest, agent_request, entrypoint_request

ENVIRONMENT = "local"
_HERE = "http://127.0.0.1"
_DATE = "2026-01-05T09:00:00.000Z"


@dataclass(frozen=True)
class Asked:
    """A request over HTTP; its headers are nobody's business from here on.

    Attributes:
        method: GET or POST.
        path: Its path.
        query: Its query.
        body: What its JSON body says; empty without one.
        socket: Address that debuggers connect to.
    """

    method: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]
    socket: str


class Routes:
    """Answers requests.

    Args:
        agent: The handler that is served; None where a log is read alone.
        agent_id: The id that it goes by.
        agent_name: Its name.
        folder: The log's folder.
    """

    def __init__(self, agent: ServedAgent | None, agent_id: str, agent_name: str, folder: Path) -> None:
        self._agent = agent
        self._agent_id, self._agent_name = agent_id, agent_name
        self._reading = Reading(open_log(folder), agent_id, agent_name)
        # The agent of which the command line asked for releases: it takes no other agent's release (--release).
        self._asked_for = agent_id

    def answer(self, asked: Asked) -> Answer | None:
        """Return the answer, where it is there at once; None where `slow_answer` has it."""
        for method, pattern, answer in _AT_ONCE:
            found = re.fullmatch(pattern, asked.path) if method == asked.method else None
            if found:
                return answer(self, asked, *found.groups())
        return None

    def slow_answer(self, asked: Asked) -> Answer:
        """Return the answer to what takes a while: a session that is run, a log that is read."""
        if self.connects(asked):
            return self._connect(asked)
        for pattern, start in _STARTS.items() if asked.method == "POST" else ():
            found = re.fullmatch(pattern, asked.path)
            if found:
                return self._start(asked, start, found[1])
        answer = self._reading.answer(asked.path, asked.query) if asked.method == "GET" else None
        return answer or problem(404, f"There is no {asked.method} {asked.path} here.")

    @staticmethod
    def connects(asked: Asked) -> bool:
        """Return whether a debugger asks where it connects to: it waits for the handler to load, and for no session."""
        return asked.method == "POST" and _CONNECTS.fullmatch(asked.path) is not None

    # --- agents, releases, environments ---

    def _agents(self, asked: Asked) -> Answer:
        name = asked.query.get("filters[name]", self._agent_name)
        return listed([self._facts(self._agent_id)] if name == self._agent_name else [])

    def _agent_facts(self, _: Asked, agent_id: str) -> Answer:
        return Answer(200, {"data": self._facts(agent_id)})

    def _facts(self, agent_id: str) -> dict[str, Any]:
        return {"id": agent_id, "name": self._agent_name, "createdAt": _DATE, "updatedAt": _DATE}

    def _releases(self, asked: Asked) -> Answer:
        # None: with any, the command line would have its user choose one, and refuse scripts that name none.
        self._asked_for = asked.query.get("filters[agentId]", self._asked_for)
        return listed([])

    def _release(self, _: Asked, release: str) -> Answer:
        return Answer(200, {"data": {
            "id": release, "organizationId": ENVIRONMENT, "agentId": self._asked_for, "environmentId": ENVIRONMENT,
            "functionId": ENVIRONMENT, "status": "released", "manifest": [], "createdAt": _DATE, "updatedAt": _DATE,
        }})  # fmt: skip

    def _environments(self, _: Asked) -> Answer:
        return listed([_environment(ENVIRONMENT)])

    def _environment_facts(self, _: Asked, name: str) -> Answer:
        return Answer(200, {"data": _environment(name)})

    def _push(self, asked: Asked) -> Answer:
        """Take a pushed project: it is neither unpacked nor run, since the handler that is served stands in for it."""
        if self._agent is None:
            return _NO_HANDLER
        own = {"agentId": self._agent_id, "functionId": ENVIRONMENT}
        return Answer(200, {key: asked.body.get(key) or value for key, value in own.items()})

    # --- sessions ---

    def _connect(self, asked: Asked) -> Answer:
        """Answer where a debugger connects to, and what it hands over there: its own parameters."""
        if self._agent is None:
            return _NO_HANDLER
        try:
            self._agent.load()  # a mistake in the handler is better told here: the debugger shows it
        except VoicelabError as error:
            return problem(500, self._agent.masked(str(error)))
        custom = {key.removeprefix("custom_"): v for key, v in asked.query.items() if key.startswith("custom_")}
        return Answer(200, {"data": {"url": asked.socket, "parameters": custom}})

    def _start(self, asked: Asked, start: "_Start", who: str) -> Answer:
        if self._agent is None:
            return _NO_HANDLER
        try:
            request = start(who, asked.body)
            given = request.rehearsed()
            record = self._agent.call(given.get("parameters", {}), given.get("environment"), given.get("input_data"))
        except InputError as error:
            return problem(400, self._agent.masked(str(error)))
        except VoicelabError as error:
            return problem(500, self._agent.masked(str(error)))
        came_of_it = {"sessionId": record.session_id, "telephonyCallId": f"CA{secrets.token_hex(16)}"}
        return Answer(200, {"data": came_of_it} if request.is_entrypoint else {"success": True, **came_of_it})


def problem(status: int, error: str) -> Answer:
    """Return the answer that says what is wrong, as the command line shows it."""
    return Answer(status, {"error": error})


def listed(rows: list[dict[str, Any]]) -> Answer:
    """Return a list as the platform wraps one."""
    return Answer(200, {"data": rows, "metadata": {"page": 1, "limit": 100, "total": len(rows)}})


def _environment(name: str) -> dict[str, Any]:
    return {"id": name, "name": name, "createdAt": _DATE, "updatedAt": _DATE}


_NO_HANDLER = problem(
    404, "This server reads a log, and has no handler to hold a session: voicelab serve HANDLER, or vl.serve(handler)."
)

_Route = tuple[str, str, Callable[..., Answer]]
_AT_ONCE: tuple[_Route, ...] = (
    ("GET", r"/v1/agents", Routes._agents),
    ("GET", r"/v1/agents/([^/]+)", Routes._agent_facts),
    ("GET", r"/v1/releases", Routes._releases),
    ("GET", r"/v1/releases/([^/]+)", Routes._release),
    ("GET", r"/v1/environments", Routes._environments),
    ("GET", r"/v1/environments/([^/]+)", Routes._environment_facts),
    ("POST", r"/v1/agents/push", Routes._push),
)

_CONNECTS = re.compile(r"/v1/agents/[^/]+/(call|sessions/debug)")

_Start = Callable[[str, Mapping[str, Any]], CallRequest]


def _agent_call(agent_id: str, body: Mapping[str, Any]) -> CallRequest:
    if body.get("inputType") != "phone":
        raise InputError(f"inputType is {body.get('inputType')!r}, must be 'phone'.")
    given = body.get("inputParameters")
    if not isinstance(given, Mapping):
        raise InputError("inputParameters is missing, must be an object with phoneNumber.")
    number = given.get("toPhoneNumber", given.get("phoneNumber"))
    return agent_request(agent_id, number, body.get("environment"), body.get("parameters"), _HERE)


def _entrypoint_call(entrypoint_id: str, body: Mapping[str, Any]) -> CallRequest:
    number, input_data = body.get("toPhoneNumber"), body.get("inputData")
    return entrypoint_request(entrypoint_id, number, input_data, body.get("track"), body.get("releaseId"), _HERE)


_STARTS: dict[str, _Start] = {
    r"/v1/agents/([^/]+)/sessions/start": _agent_call,
    r"/v1/entrypoints/([^/]+)/outbound": _entrypoint_call,
}
