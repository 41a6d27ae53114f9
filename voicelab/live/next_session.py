"""What the person gives for the next session on the page: parameters, input data, values of variables."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import MASK, Masker, hiding
from voicelab.handlers import Handler, load_handler
from voicelab.live import page_data
from voicelab.runs.options import SessionOptions

_KINDS = ("parameters", "input_data")
_EXAMPLE = '{"order": 17}'


class NextSession:
    """Parameters, input data and variables as they are edited; a mistake leaves in force what was there before it.

    Values of variables are secrets: they come in, and only their names go out.

    Args:
        options: What the sessions were to be made of.
    """

    def __init__(self, options: SessionOptions) -> None:
        self._options = options
        self._handler_variables: Mapping[str, str] = options.handler.variables
        self._handler_secrets = options.handler.secrets
        self._variables: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        # Made anew only for other secrets: what the page shows is looked at many times a second.
        self._masked: list[str] = []
        self._masker = Masker()
        given = {"parameters": _all_parameters(options), "input_data": options.input_data}
        self._texts = {name: _text_of(value) for name, value in given.items()}

    def write(self, name: str, text: str) -> None:
        """Take the text of a box: `parameters` or `input_data`, as a JSON object.

        What is wrong with it is shown beside the box.

        Raises:
            InputError: there is no such box.
        """
        if name not in _KINDS:
            raise InputError(
                f"{name!r} can't be written, must be one of {', '.join(_KINDS)}.{did_you_mean(name, _KINDS)}"
            )
        self._texts[name] = text
        self._problems.pop(name, None)
        try:
            with hiding(self._secrets()):
                self._apply(name, _object_of(text))
        except InputError as error:
            self._problems[name] = f"{error} Until then the next session gets what was there before."

    def set_variable(self, name: str, value: str | None) -> None:
        """Set the value of a variable; None takes back what was set here."""
        name = name.strip()
        problem = "" if name else "Give the variable a name, such as CRM_API_KEY."
        if name and value == "":
            problem = f"Give {name} a value."
        if problem:
            self._problems["variables"] = problem
            return
        self._problems.pop("variables", None)
        if value is None:
            self._variables.pop(name, None)
        else:
            self._variables[name] = value

    def options(self, handler: Handler) -> SessionOptions:
        """Return what the next session is made of.

        Args:
            handler: The handler as it is now.
        """
        self._handler_variables, self._handler_secrets = handler.variables, handler.secrets
        if self._variables:
            handler = load_handler(handler, variables=self._variables)
        return replace(self._options, handler=handler)

    def variables_view(self) -> dict[str, str]:
        """Return the names of all variables, their values masked."""
        return page_data.variables_view({**self._handler_variables, **self._variables})

    def view(self) -> dict[str, Any]:
        """Return what the boxes show, and which variables were set here."""
        return {
            **{name: self.masked(text) for name, text in self._texts.items()},
            "changed": sorted(self._variables),
            "problems": dict(self._problems),
        }

    def masked(self, text: str) -> str:
        """Return a text as it may be shown."""
        secrets = self._secrets()
        if secrets != self._masked:
            self._masked, self._masker = secrets, Masker(secrets)
        return self._masker.text(text)

    def _secrets(self) -> list[str]:
        return [*self._handler_secrets, *self._variables.values()]

    def _apply(self, name: str, value: dict[str, Any] | None) -> None:
        # The door of `vl.run` checks it, as if it had been given there.
        handler = self._options.handler
        if name == "parameters":
            checked = SessionOptions.checked(handler, None, parameters=value)
            self._options = replace(self._options, parameters=checked.parameters, run_test=checked.run_test)
        else:
            checked = SessionOptions.checked(handler, None, input_data=value)
            self._options = replace(self._options, input_data=checked.input_data)


def _object_of(text: str) -> dict[str, Any] | None:
    if MASK in text:
        raise InputError(f"{MASK} stands for the value of a variable: write what is meant, or leave it out.")
    if not text.strip():
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        raise InputError(f"This is no JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(f"This must be a JSON object, such as {_EXAMPLE}.")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _all_parameters(options: SessionOptions) -> dict[str, Any]:
    parameters, run_test = options.parameters_of(0)
    return dict(parameters or {}) | ({"runTest": dict(run_test)} if run_test else {})


def _text_of(value: Mapping[str, Any] | None) -> str:
    """Return data as the box shows it first; what JSON doesn't know stands there as Python writes it."""
    return json.dumps(dict(value), indent=2, ensure_ascii=False, default=repr) if value else ""
