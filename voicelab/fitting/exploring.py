"""Talks to a handler many times and learns what it asks, which answers it understands, and where they lead."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from voicelab.callers import Heard, KnownCaller
from voicelab.callers.actions import Action, HangUp, Say, Silence
from voicelab.fitting.candidates import polished
from voicelab.fitting.prompt_evidence import PromptEvidence, Step
from voicelab.fitting.prompts import Prompt, is_reminder, only_repeats, read_prompt, sounds_lost
from voicelab.record.session_record import SessionRecord
from voicelab.runs.findings import Findings, targets_of
from voicelab.runs.jobs import Job, play

_MOST_STEPS = 30
"""Answers in one conversation; who isn't through by then goes round in circles."""
_MOST_AGAIN = 8
"""Answers in one conversation to what was asked in it before; an agent that never ends it would be talked to for ever."""
_STEPS_A_SESSION = 8
"""Answers that a conversation may have on average: a few long ones take the time of many short ones."""
_PATIENCE = 3
_HOPELESS = 20
"""Conversations after which a handler is given up that does nothing but fail."""
_POLISH_AT = 2 / 3
"""Share of the conversations after which the best answers are tried in other words."""
_POLISHED = 2
"""Of the best answers to a question how many are tried in other words too."""


@dataclass
class Explored:
    """What came of the conversations.

    Attributes:
        evidence: What the agent asks.
        n_sessions: Conversations.
        n_failed: Those with an error.
        errors: How many had each error.
        targets: Outcomes that the tests are judged by, or that the handler sets where it has no test.
        n_replies: Most answers in a conversation that came to its end.
    """

    evidence: PromptEvidence
    n_sessions: int = 0
    n_failed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    targets: tuple[str, ...] = ()
    n_replies: int = 0

    @property
    def hopeless(self) -> bool:
        """Whether every conversation had an error, and no answer was understood."""
        questions = self.evidence.questions.values()
        return self.n_failed == self.n_sessions and not any(question.understood for question in questions)


def explore(job: Job, evidence: PromptEvidence, sessions: int, seed: int) -> Explored:
    """Talk to a handler and return what was found out.

    Args:
        job: Its sessions.
        evidence: What is known already; it is added to.
        sessions: Conversations at most. It ends sooner when nothing new has come of a fifth of them.
        seed: Decides what is tried next.
    """
    explored = Explored(evidence)
    explorer = _Explorer(evidence, random.Random(f"{seed}:explore"), _values(job))
    findings = Findings()
    news_at = known = 0
    quiet = max(20, sessions // 5)
    polished_yet, spent = False, 0
    for index in range(sessions):
        share = max(index / sessions, spent / (sessions * _STEPS_A_SESSION))
        if not polished_yet and (share >= _POLISH_AT or index - news_at > quiet):
            polished_yet = True
            _polish(evidence)
            news_at = index
        elif share >= 1 or index - news_at > quiet or (index == _HOPELESS and explored.hopeless):
            break
        record = play(in_turn(job, findings, index, explorer), index, findings=findings)
        _take(explored, explorer, record, findings)
        spent += len(explorer.call.steps)
        if evidence.n_answers > known:
            known, news_at = evidence.n_answers, index
    return explored


def in_turn(job: Job, findings: Findings, index: int, callers: KnownCaller) -> Job:
    """Return the job with other callers and each combination of variants in its turn, as far as tests are known."""
    options = job.options
    forced = dict(options.variants)
    stride = 1
    for test, weights in findings.variants.items():
        names = [str(variant) for variant, weight in weights.items() if weight]
        if test not in forced and names:
            forced[test] = names[index // stride % len(names)]
            stride *= len(names)
    return replace(job, options=replace(options, callers=callers, variants=forced))


def reward_of(record: SessionRecord, targets: Sequence[str]) -> float:
    """Return how far a conversation came, from 0 to 1: the share of the targets, and whether the agent ended it itself."""
    ended = 1.0 if record.status in {"completed", "transferred"} and not record.n_errors else 0.0
    if not targets:
        return ended
    outcomes = record.outcomes
    reached = sum(bool(outcomes.get(target)) for target in targets) / len(targets)
    return 0.9 * reached + 0.1 * ended


def _take(explored: Explored, explorer: "_Explorer", record: SessionRecord, findings: Findings) -> None:
    call = explorer.call
    call.ended(record)
    explored.n_sessions += 1
    if record.errors:
        explored.n_failed += 1
        data = record.errors[0].data
        place = f" ({data['file']}:{data['line']})" if "line" in data else ""
        explored.errors[f"{data.get('message', '')}{place}"] += 1
    explored.targets = targets_of(findings)
    reward = reward_of(record, explored.targets)
    explored.evidence.learn(call.steps, reward)
    if reward > 0.5:  # noqa: PLR2004 - it came to its end, more or less
        explored.n_replies = max(explored.n_replies, min(len(call.steps), _MOST_STEPS))


def _polish(evidence: PromptEvidence) -> None:
    """Have the best answers tried in other words too: people don't all say `small`."""
    for question in evidence.questions.values():
        if question.prompt.kind in {"choice", "size", "colour", "open"} and not question.given:
            for answer in question.best[:_POLISHED]:
                question.try_also(polished(answer), answer)


def _values(job: Job) -> list[str]:
    parameters = job.options.parameters_of(0)[0] or {}
    return [str(value) for value in parameters.values() if isinstance(value, str)]


class _Explorer(KnownCaller):
    """A caller that tries answers."""

    name = "explorer"

    def __init__(self, evidence: PromptEvidence, rng: random.Random, values: Sequence[str]) -> None:
        self._evidence = evidence
        self._rng = rng
        self._values = values
        self.call: _Exploration

    def begin(self, rng: random.Random) -> "_Exploration":
        """Return a conversation; what is tried doesn't follow from the session's chance, but from what is known."""
        del rng
        self.call = _Exploration(self._evidence, self._rng, self._values)
        return self.call


class _Exploration:
    """One conversation.

    Attributes:
        steps: The answers so far.
    """

    def __init__(self, evidence: PromptEvidence, rng: random.Random, values: Sequence[str]) -> None:
        self._evidence = evidence
        self._rng = rng
        self._said = list(values)
        self.steps: list[Step] = []

    def reply(self, heard: Heard) -> Action:
        """Try an answer."""
        if not heard.text and self.steps and heard.timeouts < _PATIENCE:
            return Silence()  # the agent is at work
        prompt = read_prompt(heard.text, self._said)
        self._judge(prompt, heard.text)
        n_again = len(self.steps) - len({step.key for step in self.steps})
        if heard.timeouts >= _PATIENCE or len(self.steps) >= _MOST_STEPS or n_again >= _MOST_AGAIN:
            return HangUp()
        again = (sounds_lost(heard.text) and not self._last_understood) or is_reminder(prompt)
        # "That number seems too short." asks for nothing, and may wait for the answer to what was asked before.
        before = self._asked_last(prompt) if again or prompt.kind == "statement" else None
        question = self._evidence.question(prompt, None if before is None else self._evidence.questions[before])
        avoided = [step.answer for step in self.steps if step.key == prompt.key and not step.understood]
        answer = question.choose(self._rng, avoided, self._evidence.best_elsewhere)
        self.steps.append(Step(prompt.key, answer))
        if isinstance(answer, Say):
            self._said.append(answer.text)
        return answer

    def _asked_last(self, prompt: Prompt) -> str | None:
        """Return the key of the last prompt that was no reminder of another, and isn't this one."""
        questions = self._evidence.questions
        keys = [step.key for step in reversed(self.steps) if step.key != prompt.key]
        return next((key for key in keys if not is_reminder(questions[key].prompt)), None)

    @property
    def _last_understood(self) -> bool:
        return bool(self.steps and self.steps[-1].understood)

    def interrupts_after(self) -> None:
        """Hear every answer out."""

    def ended(self, record: SessionRecord) -> None:
        """Judge the last answer: it was understood if the agent ended the conversation upon it."""
        if self.steps and record.status in {"completed", "transferred"}:
            self.steps[-1].understood = 1.0

    def _judge(self, prompt: Prompt, heard: str) -> None:
        if self.steps:
            last = self.steps[-1]
            before = any(step.key == prompt.key for step in self.steps)
            asked = self._evidence.questions[last.key].prompt
            # Digits may be taken in silence, until the key that ends them.
            waits = is_reminder(prompt) and asked.kind != "digits"
            lost = not heard or prompt.key == last.key or waits or only_repeats(prompt, asked) or sounds_lost(heard)
            last.understood = 0.0 if lost else 0.5 if before else 1.0


__all__ = ["Explored", "explore", "in_turn", "reward_of"]
