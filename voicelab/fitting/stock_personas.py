"""`vl.personas`: the six stock personas, and `fit`, which makes them fit an agent."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from voicelab.base import checks
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.callers import Persona, Personas
from voicelab.callers.actions import At, as_input
from voicelab.callers.own import as_caller
from voicelab.fitting.candidates import Answer
from voicelab.fitting.exploring import Explored, explore, in_turn, reward_of
from voicelab.fitting.fitted import FittedPersonas, Reached
from voicelab.fitting.prompt_evidence import GivenAnswers, PromptEvidence
from voicelab.fitting.temperaments import questions_in_order, temperaments
from voicelab.fitting.vocabulary import words_heard
from voicelab.handlers import HandlerLike
from voicelab.runs.findings import Findings, tell
from voicelab.runs.jobs import Job, play
from voicelab.runs.options import SessionOptions

_CHECKED = ("cooperative", "hesitant", "impatient", "interrupter")
"""Those of whom it is seen how far they come: the others have no answers."""
_CHECKS = 25
_MOST_ASKED = 5
"""Questions of the agent that are named where none takes a given answer."""
_NO_OPTIONS = frozenset({"handler", "callers", "telephone", "seed"})
_MORE_OPTIONS = frozenset({"variables", "environment"})


class StockPersonas(Personas):
    """Six stock personas that make sense against any agent, as attributes; `fit` makes them fit one.

    `cooperative`, `impatient`, `hesitant`, `silent`, `interrupter`, `wrong_number`; all together `mix`. They know how to say
    yes and to ask for help, and nothing of what an agent offers.
    """

    def fit(
        self,
        handler: HandlerLike,
        sessions: int = 300,
        seed: int = 0,
        answers: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> FittedPersonas:
        """Talk to a handler, find out what it asks, and return the personas with answers to it.

        It takes the conversations in virtual time, in every variant of the handler's tests. What the agent says is read for
        questions, choices ("sales or support"), keys ("press 1"), yes or no, names, dates, numbers, sizes, addresses; to open
        questions it tries what stands in the handler's source as listened for. What is understood, and leads to the
        outcomes that the tests are judged by, is what the personas answer. The same seed gives the same personas. No
        language model and no network takes part.

        Args:
            handler: A handler, or what `vl.load_handler` takes.
            sessions: Conversations at most to find out what it asks; fewer are taken where nothing new comes.
            seed: Everything random follows from it.
            answers: Your own, `{pattern on the question: answer or [answers]}`; to these questions nothing else is tried. A
                pattern that no question matches is named on the error output and on the card.
            options: Options of `vl.run` that the handler needs, such as parameters, variables, model or configuration.

        Returns:
            The personas as attributes, and all of them as `mix`; shows what was found: what each would answer to which
            question, how often they reach the tests' targets, and which questions no answer was found to.

        Raises:
            InputError: an argument is not allowed, or the handler does nothing but fail, or says nothing.
            HandlerError: the handler can't be loaded.

        Example:
            >>> import voicelab as vl
            >>> async def handler(event, context):
            ...     if event.name == "start":
            ...         yield vl.sdk.TextToSpeechEvent(text="Would you like tea or coffee?")
            ...     elif event.name == "text" and event.data["text"] in ("tea", "coffee"):
            ...         context.set_outcome("ordered", True)
            ...         yield vl.sdk.StopEvent()
            >>> fitted = vl.personas.fit(handler)
            >>> fitted
            FittedPersonas(fitted to 'handler', 1 question, cooperative reaches ordered in 25 of 25)
        """
        checks.whole("sessions", sessions)
        given = GivenAnswers(_checked_answers(answers))
        job = Job(_checked_options(handler, seed, sessions, options))
        loaded, model = job.options.handler, job.options.model
        patterns = [] if model is None else model.replies.patterns
        parameters = job.options.parameters_of(0)[0] or {}
        evidence = PromptEvidence(words_heard(loaded.sources, patterns, parameters.values()), given)
        explored = explore(job, evidence, sessions, seed)
        _refuse_hopeless(explored, loaded.name)
        made = temperaments(explored)
        unused = _unused(given, evidence)
        tell(unused)
        reached = {persona.name: _reached(job, persona, explored) for persona in made if persona.name in _CHECKED}
        return FittedPersonas(
            loaded.name,
            made,
            questions_in_order(evidence),
            explored.n_sessions,
            explored.targets,
            reached,
            evidence.unanswered,
            [*_remarks(explored), *unused],
        )


def _checked_options(handler: HandlerLike, seed: int, sessions: int, given: Mapping[str, Any]) -> SessionOptions:
    known = ({field.name for field in fields(SessionOptions)} - _NO_OPTIONS) | _MORE_OPTIONS
    for name in given:
        if name not in known:
            raise InputError(
                f"vl.personas.fit() has no argument {name!r}.{did_you_mean(name, known)} It takes handler, sessions, seed, "
                f"answers, and these options of vl.run: {', '.join(sorted(known))}."
            )
    parameters = given.get("parameters")
    of_sessions = None if parameters is None or isinstance(parameters, Mapping) else sessions
    return SessionOptions.checked(handler, as_caller(["hello"]), seed=seed, sessions=of_sessions, **given)


def _checked_answers(given: Mapping[str, Any] | None) -> list[tuple[re.Pattern[str], list[Answer]]]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise InputError(f"answers is {shown(given)}, must be {{pattern on the question: answer or [answers]}}.")
    found = []
    for pattern, own in given.items():
        try:
            compiled = re.compile(pattern, re.IGNORECASE)
        except (re.error, TypeError) as error:
            raise InputError(f"answers: the pattern {pattern!r} is no regular expression: {error}.") from None
        inputs = [as_input(answer) for answer in (own if isinstance(own, list | tuple | set) else [own])]
        if not inputs or any(isinstance(answer, At) for answer in inputs):
            raise InputError(
                f"answers: {own!r} must be an answer to {pattern!r}, or a list of some: text, vl.press('1')."
            )
        found.append((compiled, [answer for answer in inputs if not isinstance(answer, At)]))
    return found


def _refuse_hopeless(explored: Explored, name: str) -> None:
    if explored.hopeless:
        error, n = explored.errors.most_common(1)[0]
        raise InputError(
            f"{name} fails in all of {explored.n_sessions} conversations, in {n} by {error}. There is nothing to fit callers to: "
            "mend it first; vl.run(handler, ['hello']) shows the conversation."
        )
    if not any(question.prompt.key for question in explored.evidence.questions.values()):
        raise InputError(
            f"{name} says nothing in {explored.n_sessions} conversations: there is nothing to fit callers to. vl.run(handler, "
            "['hello']) shows what it does; give the options that it needs, such as parameters= or model=."
        )


def _remarks(explored: Explored) -> list[str]:
    found = []
    if explored.n_failed:
        error, n = explored.errors.most_common(1)[0]
        found.append(f"{explored.n_failed} of the conversations had an error, most often ({n}) {error}.")
    return found


def _unused(given: GivenAnswers, evidence: PromptEvidence) -> list[str]:
    if not given.unused:
        return []
    questions = [question for question in questions_in_order(evidence) if question.asks]
    asked = list(dict.fromkeys(repr(question.prompt.text) for question in questions))
    heard = f" It asks: {'; '.join(asked[:_MOST_ASKED])}." if asked else ""
    return [
        f"answers: no question of the agent matches {pattern!r}, so that its answers are never given.{heard}"
        for pattern in given.unused
    ]


def _reached(job: Job, persona: Persona, explored: Explored) -> Reached:
    """Return in how many conversations a persona reaches every target."""
    findings, n = Findings(), 0
    for index in range(_CHECKS):
        record = play(in_turn(job, findings, index, persona), index, findings=findings)
        outcomes = record.outcomes
        if explored.targets:
            n += all(outcomes.get(target) for target in explored.targets if target in outcomes) and any(
                outcomes.get(target) for target in explored.targets
            )
        else:
            n += reward_of(record, ()) > 0
    return Reached(_CHECKS, n)
