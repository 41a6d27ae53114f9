"""Callers with names of their own: a collection of personas, and the six of stock that make sense against any agent."""

import html
from collections.abc import Iterator, Mapping

from voicelab.base.errors import did_you_mean
from voicelab.callers.actions import HangUp, Silence
from voicelab.callers.mix import Mix, mix
from voicelab.callers.persona import Persona

SHARES = {
    "cooperative": 0.5, "hesitant": 0.2, "impatient": 0.15, "interrupter": 0.05, "silent": 0.05, "wrong_number": 0.05,
}  # fmt: skip
"""How often each of the six calls, where they call together (`mix`)."""

DESCRIPTIONS = {
    "cooperative": "wants something, answers, says thank you",
    "impatient": "answers in few words and cuts in; leaves soon",
    "hesitant": "takes its time, hedges, asks again",
    "silent": "says nothing",
    "interrupter": "speaks over nearly every answer",
    "wrong_number": "did not mean to call here",
}


class Personas:
    """Personas by name, as attributes.

    Args:
        personas: The personas, each with a name of its own.
    """

    def __init__(self, *personas: Persona) -> None:
        self._personas: Mapping[str, Persona] = {persona.name: persona for persona in personas}

    def __getattr__(self, name: str) -> Persona:
        personas = self.__dict__.get("_personas", {})  # not there while it is unpickled
        if name in personas:
            return personas[name]  # type: ignore[no-any-return]
        raise AttributeError(
            f"There is no persona {name!r}. There are: {', '.join(personas)}.{did_you_mean(name, personas)}"
        )

    @property
    def mix(self) -> Mix:
        """All of them, as often as each calls: half are cooperative, one in twenty says nothing."""
        return mix(*((persona, SHARES.get(name, 0.1)) for name, persona in self._personas.items()))

    def __iter__(self) -> Iterator[Persona]:
        return iter(self._personas.values())

    def __len__(self) -> int:
        return len(self._personas)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._personas]

    def __repr__(self) -> str:
        return f"Personas({', '.join(self._personas)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'><b>{html.escape(name)}</b></td>"
            f"<td style='text-align:left'>{html.escape(DESCRIPTIONS.get(name, ''))}</td></tr>"
            for name in self._personas
        )
        return f"<table>{rows}</table>"


_QUESTION = r"\?\s*$|how (can|may) i|what (can|would)|tell me"
_WANTS = {"I'd like some help please": 2.0, "I have a question about my account": 1.0, "I want to buy something": 1.0}
_YES_NO = r"\b(is that|would you|do you|shall i|should i|can i|may i|are you|did you|correct|right)\b[^?]*\?"

personas = Personas(
    Persona(
        "cooperative",
        opening=_WANTS,
        replies={
            r"\b(goodbye|bye|take care)\b": HangUp(),
            _YES_NO: {"yes please": 4.0, "no thank you": 1.0},
            _QUESTION: {"yes, that one": 1.0, "I'd like to buy it": 1.0, "whatever is soonest": 1.0},
            r"thank|booked|confirmed|processed|done": {"great, thank you, bye": 2.0, HangUp(): 1.0},
        },
        otherwise={"okay": 3.0, "thank you": 1.0, "go on": 1.0},
        max_turns=8,
    ),
    Persona(
        "impatient",
        opening={"just give me a person": 1.0, "I want to buy it, quickly": 1.0},
        replies={_YES_NO: {"yes yes": 3.0, "no": 1.0}, _QUESTION: {"I already told you": 1.0, "yes": 1.0}},
        otherwise={"come on": 1.0, "I don't have all day": 1.0, HangUp(): 1.0},
        patience=1,
        max_turns=5,
        reaction_s=(0.1, 0.4),
        barge_in=0.4,
        max_repeats=1,
    ),
    Persona(
        "hesitant",
        opening={"um, hello": 1.0, "hi, I'm not sure who to ask": 1.0},
        replies={
            _YES_NO: {"I think so": 2.0, "I'm not sure": 2.0, "yes": 1.0},
            _QUESTION: {"let me think": 1.0, "hm": 1.0},
        },
        otherwise={"okay, um": 2.0, Silence(): 1.0, "could you say that again?": 1.0},
        patience=3,
        max_turns=10,
        reaction_s=(1.5, 4.5),
    ),
    Persona("silent", patience=2),
    Persona(
        "interrupter",
        opening={"yes hello, listen": 1.0},
        replies={_YES_NO: {"yes, and another thing": 1.0, "no wait": 1.0}},
        otherwise={"hold on": 1.0, "no, listen": 1.0, "right, right": 1.0},
        max_turns=8,
        reaction_s=(0.1, 0.5),
        barge_in=0.9,
    ),
    Persona(
        "wrong_number",
        opening={"is this the pizza place?": 1.0, "hello, Maria?": 1.0},
        otherwise={"oh, sorry, wrong number": 2.0, HangUp(): 1.0},
        patience=1,
        max_turns=2,
    ),
)
"""Six stock personas that make sense against any agent."""
