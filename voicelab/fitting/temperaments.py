"""Makes callers of what was found out: each of the stock temperaments answers what this agent asks, in its own way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from voicelab.callers import Persona, personas
from voicelab.callers.actions import HangUp, Say, Silence
from voicelab.fitting.candidates import Answer, is_hedged
from voicelab.fitting.exploring import Explored
from voicelab.fitting.prompt_evidence import PromptEvidence, Question
from voicelab.fitting.prompts import asks_for_more

Weights = dict[Any, float]
_STOCK = {persona.name: persona for persona in personas}
_SPARE_TURNS = 4
_SELDOM = 0.01
_SECOND_BEST = 0.06
"""Share of the cooperative caller's answers that are understood and lead elsewhere: not everybody wants the same."""


def temperaments(explored: Explored) -> list[Persona]:
    """Return the six temperaments, fitted."""
    turns = explored.n_replies + _SPARE_TURNS
    made = [_MAKERS[name](explored.evidence, max(turns, persona.max_turns)) for name, persona in _STOCK.items()]
    for persona in made:
        if persona is not _STOCK[persona.name]:
            persona.unanswered = tuple(explored.evidence.unanswered)
    return made


def questions_in_order(evidence: PromptEvidence) -> list[Question]:
    """Return the questions as they come in a conversation, those first that come early."""
    heard = [question for question in evidence.questions.values() if question.heard]
    return sorted(heard, key=lambda question: (question.place / question.heard, question.prompt.key))


def _replies(evidence: PromptEvidence, weigh: Callable[[Question], Weights]) -> Mapping[str, Weights]:
    """Return the replies by pattern. Of two patterns that end alike the longer one has to be looked for first."""
    found = {}
    for question in sorted(questions_in_order(evidence), key=lambda question: -len(question.prompt.text)):
        weights = (
            _enough(evidence, question) if asks_for_more(question.prompt) and not question.given else weigh(question)
        )
        if question.prompt.key and weights:
            found[question.prompt.pattern] = weights
    return found


def _enough(evidence: PromptEvidence, question: Question) -> Weights:
    """Return what is answered to "Anything else?": no. Where the agent knows no end, the caller makes one.

    Where only a yes leads on, it is yes at first: asked the same again, a persona says what it has not said yet.
    """
    tried = question.answers
    refusals = [answer for answer in question.understood if isinstance(answer, Say) and answer.text.startswith("no")]
    # An agent that upon a no asks what it has asked before would have the caller order everything again.
    order = list(evidence.questions)
    earlier = {*order[: order.index(question.prompt.key) + 1]}
    circles = any(tried[answer].then & earlier for answer in refusals)
    accepted = any(tried[answer].works for answer in refusals) and not circles
    weights: Weights = dict.fromkeys(refusals or [Say("no thank you")], 1.0 if accepted else _SELDOM)
    weights[HangUp()] = _SELDOM if accepted else 1.0
    most = max((tried[answer].furthest for answer in question.best), default=0.0)
    reached = max((own.furthest for answer, own in tried.items() if answer in weights), default=0.0)
    if reached < most / 2:
        weights = dict.fromkeys(question.best, 1.0) | dict.fromkeys(weights, _SELDOM)
    return weights


def _opening(evidence: PromptEvidence, otherwise: Weights) -> Weights:
    """Return what to begin with, where the agent waits for it or asks something that none of the patterns knows."""
    start = evidence.questions.get("")
    wants = start.best if start else _wants(evidence)
    return dict.fromkeys(wants, 1.0) or otherwise


def _wants(evidence: PromptEvidence) -> list[Answer]:
    """Return what the caller wants from the agent: what is answered to its first question, said in words."""
    first = next((question for question in questions_in_order(evidence) if question.asks and question.best), None)
    return [answer for answer in first.best if isinstance(answer, Say)] if first else []


def _cooperative(evidence: PromptEvidence, turns: int) -> Persona:
    def weigh(question: Question) -> Weights:
        best = [answer for answer in evidence.best(question) if not is_hedged(answer)]
        others = [answer for answer in question.natural if answer not in best and not is_hedged(answer)][:3]
        if not best:
            return {}
        weights: Weights = {answer: (1 - _SECOND_BEST * bool(others)) / len(best) for answer in best}
        return weights | {answer: _SECOND_BEST / len(others) for answer in others}

    stock = _STOCK["cooperative"]
    opening = _opening(evidence, {"hello": 1.0})
    return Persona(
        "cooperative", opening, _replies(evidence, weigh), _weights(stock.otherwise), max_turns=turns, patience=3
    )


def _impatient(evidence: PromptEvidence, turns: int) -> Persona:
    def weigh(question: Question) -> Weights:
        best = _shortest(evidence.best(question))
        if not best:
            return {}
        return {answer: 8.0 / len(best) for answer in best} | ({HangUp(): 0.2} if question.asks else {})

    wants = _wants(evidence)
    otherwise: Weights = {answer: 3.0 / len(wants) for answer in wants} | {"come on": 1.0, HangUp(): 0.3}
    return Persona(
        "impatient",
        _opening(evidence, {"hello?": 1.0}),
        _replies(evidence, weigh),
        otherwise,
        patience=1,
        max_turns=turns,
        reaction_s=(0.1, 0.4),
        barge_in=0.2,
        max_repeats=1,
    )


def _hesitant(evidence: PromptEvidence, turns: int) -> Persona:
    def weigh(question: Question) -> Weights:
        best = evidence.best(question)
        if not best:
            return {}
        hedged = [answer for answer in best if is_hedged(answer)]
        weights: Weights = {answer: 4.0 / len(best) for answer in best}
        weights |= {answer: weights[answer] + 2.0 / len(hedged) for answer in hedged}
        return weights | ({"um, let me think": 1.0, "could you say that again?": 0.5} if question.asks else {})

    return Persona(
        "hesitant",
        _opening(evidence, {"um, hello": 1.0}),
        _replies(evidence, weigh),
        _weights(_STOCK["hesitant"].otherwise),
        patience=3,
        max_turns=turns * 2,
        reaction_s=(1.5, 4.5),
    )


def _interrupter(evidence: PromptEvidence, turns: int) -> Persona:
    wants = _wants(evidence)
    otherwise: Weights = {answer: 2.0 / len(wants) for answer in wants} | {"hold on": 1.0, "no, listen": 1.0}
    return Persona(
        "interrupter",
        _opening(evidence, {"yes hello, listen": 1.0}),
        _replies(evidence, lambda question: dict.fromkeys(_shortest(evidence.best(question)), 1.0)),
        otherwise,
        max_turns=turns * 2,
        reaction_s=(0.1, 0.5),
        barge_in=0.6,
    )


def _shortest(answers: Sequence[Answer]) -> Sequence[Answer]:
    """Return the answers that take the fewest words."""
    best = [answer for answer in answers if not is_hedged(answer)]
    fewest = min((_words(answer) for answer in best), default=0)
    return [answer for answer in best if _words(answer) <= fewest]


def _words(answer: Answer) -> int:
    return len(answer.text.split()) if isinstance(answer, Say) else 0 if isinstance(answer, Silence) else 1


def _weights(choice: Any) -> Weights:
    return dict(choice.weights)


_MAKERS: Mapping[str, Callable[[PromptEvidence, int], Persona]] = {
    "cooperative": _cooperative,
    "impatient": _impatient,
    "hesitant": _hesitant,
    "silent": lambda evidence, turns: _STOCK["silent"],  # noqa: ARG005 - says nothing to any agent
    "interrupter": _interrupter,
    "wrong_number": lambda evidence, turns: _STOCK["wrong_number"],  # noqa: ARG005 - has nothing to say to any
}
