"""What `vl.personas.fit` returns: the temperaments fitted to an agent, and a card of what the agent asks and they answer."""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicelab.base.weighted import Choice
from voicelab.callers import Persona, Personas
from voicelab.fitting.candidates import answer_in_words
from voicelab.fitting.prompt_evidence import Question

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ("cooperative", "impatient", "hesitant")
_MOST_ANSWERS = 4
_NOT_FOUND = "not found"
# A red that is read on white and on black alike.
_STYLE = (
    "<style>.vl-fitted{font:13px/1.5 system-ui,sans-serif;max-width:980px}"
    ".vl-fitted table{border-collapse:collapse;margin:8px 0;font-size:13px;width:100%}"
    ".vl-fitted td,.vl-fitted th{text-align:left;vertical-align:top;padding:5px 14px 5px 0;background:none;border:0;"
    "border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}"
    ".vl-fitted td:first-child{min-width:180px;font-weight:500}.vl-fitted th{font-weight:600}"
    ".vl-fitted .kind{font-weight:400;opacity:.7;font-size:12px;white-space:nowrap}"
    ".vl-fitted .lost{color:#d1403a;font-weight:600}"
    ".vl-fitted .more{opacity:.85;font-size:12.5px}</style>"
)


@dataclass(frozen=True)
class Reached:
    """How far a fitted persona came in conversations that were held to see it.

    Attributes:
        sessions: Conversations.
        reached: Those that reached every target.
    """

    sessions: int
    reached: int


class FittedPersonas(Personas):
    """The stock temperaments, fitted to one agent: attributes `cooperative`, `hesitant`, ..., and all of them as `mix`.

    Args:
        handler: The handler's name.
        personas: The personas.
        questions: What the agent asks, in order.
        sessions: Conversations that it took to find out.
        targets: Outcomes that the agent's tests are judged by.
        reached: How often each persona reached them.
        unanswered: The questions that no answer was found to.
        remarks: What else should be known, a sentence each.
    """

    def __init__(
        self,
        handler: str,
        personas: Sequence[Persona],
        questions: Sequence[Question],
        sessions: int,
        targets: Sequence[str],
        reached: dict[str, Reached],
        unanswered: Sequence[str],
        remarks: Sequence[str],
    ) -> None:
        super().__init__(*personas)
        self.handler = handler
        self.sessions = sessions
        self.targets = tuple(targets)
        self.reached = reached
        self.unanswered = list(dict.fromkeys(unanswered))
        self.remarks = list(remarks)
        self._questions = list(questions)

    def to_frame(self) -> "pd.DataFrame":
        """Return one row a question: question, asks_for, sessions (in which it was heard), and what each persona answers."""
        import pandas as pd

        rows = [
            {
                "question": question.prompt.text or "(the agent waits)",
                "asks_for": question.prompt.kind,
                "sessions": question.sessions,
                **{name: self._answer(name, question) for name in _SHOWN},
            }
            for question in self._shown
        ]
        return pd.DataFrame(rows, columns=["question", "asks_for", "sessions", *_SHOWN])

    @property
    def _shown(self) -> list[Question]:
        # One that was read in two ways is shown once.
        shown = {question.prompt.text: question for question in self._questions if question.asks or question.understood}
        return list(shown.values())

    def _answer(self, name: str, question: Question) -> str:
        persona: Persona = getattr(self, name)
        choice = persona.opening if not question.prompt.key else persona.replies.to(question.prompt.text)
        return _NOT_FOUND if choice is None or question.prompt.text in self.unanswered else _in_words(choice)

    # --- display ---

    def __repr__(self) -> str:
        facts = [f"fitted to {self.handler!r}", _count(sum(question.asks for question in self._shown), "question")]
        if self.unanswered:
            facts.append(f"{len(self.unanswered)} without an answer")
        if (own := self.reached.get("cooperative")) is not None:
            facts.append(f"cooperative reaches {self._goal} in {own.reached} of {own.sessions}")
        return f"FittedPersonas({', '.join(facts)})"

    @property
    def _goal(self) -> str:
        return " and ".join(self.targets) or "the end"

    def _sentences(self) -> Iterator[str]:
        yield f"{_count(len(self._questions), 'prompt')} heard in {self.sessions:,} conversations with {self.handler}."
        if self.reached:
            shares = ", ".join(f"{name} in {own.reached} of {own.sessions}" for name, own in self.reached.items())
            yield f"Conversations that reach {self._goal}: {shares}."
        yield from self.remarks
        if self.unanswered:
            yield (
                f"No answer was found to: {'; '.join(repr(text) for text in self.unanswered[:5])}. Give some, e.g. "
                "vl.personas.fit(handler, answers={'loyalty number': '12345678'})."
            )

    def __str__(self) -> str:
        lines = [repr(self), ""]
        for question in self._shown:
            lines.append(f"{question.prompt.text or '(the agent waits)'}  [{question.prompt.kind}]")
            lines += [f"    {name:<12} {self._answer(name, question)}" for name in _SHOWN]
        return "\n".join([*lines, "", *self._sentences()])

    def _repr_html_(self) -> str:
        heads = "<th>the agent asks</th><th>for</th>" + "".join(f"<th>{name}{self._far(name)}</th>" for name in _SHOWN)
        rows = "".join(self._row(question) for question in self._shown)
        sentences = "".join(f"<div>{html.escape(sentence)}</div>" for sentence in self._sentences())
        return (
            f"{_STYLE}<div class='vl-fitted'><b>Personas fitted to {html.escape(self.handler)}</b>"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table><div class='more'>{sentences}</div></div>"
        )

    def _far(self, name: str) -> str:
        own = self.reached.get(name)
        return "" if own is None else f"<br><span class='kind'>{own.reached} of {own.sessions} come through</span>"

    def _row(self, question: Question) -> str:
        text = html.escape(question.prompt.text or "(the agent waits)")
        shown = f"<td>{text}</td><td class='kind'>{question.prompt.kind}</td>"
        for name in _SHOWN:
            answer = self._answer(name, question)
            lost = " class='lost'" if answer == _NOT_FOUND else ""
            shown += f"<td{lost}>{html.escape(answer)}</td>"
        return f"<tr>{shown}</tr>"


def _in_words(choice: Choice) -> str:
    weights: dict[str, float] = {}
    for item, weight in choice.weights:
        # Ways of saying one thing: "small", "small please"; "um, small", "I think small".
        said = re.sub(r"^I think ", "um, ", answer_in_words(item).removesuffix(" please"))
        weights[said] = weights.get(said, 0.0) + weight
    total = sum(weights.values())
    ranked = sorted(weights.items(), key=lambda pair: -pair[1])
    if len(ranked) == 1:
        return ranked[0][0]
    more = f" · {len(ranked) - _MOST_ANSWERS} more" if len(ranked) > _MOST_ANSWERS else ""
    return " · ".join(f"{said} {100 * weight / total:.0f} %" for said, weight in ranked[:_MOST_ANSWERS]) + more


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
