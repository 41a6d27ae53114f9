"""What was found out about an agent's prompts: which answers it understands, and where they lead."""

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voicelab.callers.actions import Silence
from voicelab.fitting.candidates import ANYTHING, ASKED, Answer, candidates
from voicelab.fitting.prompts import Prompt, is_reminder

_CURIOSITY = 0.35
"""How much an answer that was seldom tried is preferred to one that led far (the constant of UCB1)."""
_NEARLY, _FAIRLY = 0.75, 0.65
"""How far an answer has to lead, as a share of the best, to be one of the best; and one that the prompt itself asks for."""
_MOST_BEST = 12
_PATIENCE = 0.96
"""What a conversation's success is worth one answer earlier, as a share of what it is worth at its end."""
_ENOUGH = 6
"""Answers understood at a prompt, beyond which untried ones are left untried more often than not."""


@dataclass
class Tried:
    """What became of an answer at a prompt.

    Attributes:
        n: How often it was given.
        understood: How often the agent went on; half of that where it came back to what it had asked before.
        reward: Sum over its sessions of how far they came, each from 0 to 1.
        furthest: How far the best of them came.
        then: Keys of the prompts that came next.
    """

    n: int = 0
    understood: float = 0.0
    reward: float = 0.0
    furthest: float = 0.0
    then: set[str] = field(default_factory=set)

    @property
    def works(self) -> bool:
        """Whether the agent understands it, rather than not."""
        return self.understood > self.n / 2

    @property
    def mean(self) -> float:
        """How far sessions came in which it was given."""
        return self.reward / self.n if self.n else 0.0


@dataclass
class Question:
    """A prompt of the agent's, and what is known of its answers.

    Attributes:
        prompt: The prompt as it was first heard.
        answers: What was tried, or is worth trying, the likeliest first.
        ranks: How natural each is, see `answers`.
        sessions: Sessions in which it was heard.
        place: How many prompts came before it, on average, times `heard`.
        heard: How often it was heard.
        given: Whether its answers were given by the user, and are all there are.
    """

    prompt: Prompt
    answers: dict[Answer, Tried]
    ranks: dict[Answer, int]
    sessions: int = 0
    place: int = 0
    heard: int = 0
    given: bool = False

    @property
    def asks(self) -> bool:
        """Whether it wants an answer."""
        return self.prompt.kind not in {"farewell", "wait", "statement"}

    @property
    def understood(self) -> list[Answer]:
        """The answers that are understood, the likeliest first."""
        works = [answer for answer, tried in self.answers.items() if tried.works]
        if works:
            return works
        # "To hear the menu again, press star": some ask for no more than to come back.
        back = [answer for answer, tried in self.answers.items() if tried.n and tried.understood >= tried.n / 2]
        return [answer for answer in back if self.ranks[answer] == ASKED] or back

    @property
    def best(self) -> list[Answer]:
        """Those that the prompt asks for, of these the ones that lead on; others only where none of these is understood."""
        works = self.understood
        natural = self.natural
        # What answers an open question can only be guessed: there it counts how far the other answers lead as well.
        among = works if self.prompt.kind == "open" else natural
        # People choose what they want, however long the way behind it: a key leads on if it ever did.
        far_of = _furthest if self.prompt.kind in {"keypad", "choice"} else _mean
        fair = _FAIRLY * max((far_of(self.answers[answer]) for answer in among), default=0.0)
        natural = [answer for answer in natural if far_of(self.answers[answer]) >= fair]
        most = max((self.answers[answer].mean for answer in works), default=0.0)
        far = [answer for answer in works if self.answers[answer].mean >= _NEARLY * most]
        rank = min((self.ranks[answer] for answer in far), default=0)
        return (natural or [answer for answer in far if self.ranks[answer] == rank])[:_MOST_BEST]

    @property
    def natural(self) -> list[Answer]:
        """The answers that are understood and that the prompt asks for."""
        return [answer for answer in self.understood if self.ranks[answer] == ASKED]

    def try_also(self, answers: Sequence[Answer], like: Answer) -> None:
        """Put further answers among what is worth trying, as natural as another."""
        for answer in answers:
            self.answers.setdefault(answer, Tried())
            self.ranks.setdefault(answer, self.ranks[like])

    def choose(
        self, rng: random.Random, avoided: Sequence[Answer], elsewhere: "Callable[[Question], Sequence[Answer]]"
    ) -> Answer:
        """Return what to answer now: what was not tried yet, or what led far, more surely the longer one tries.

        Args:
            rng: Decides.
            avoided: What was not understood in this conversation.
            elsewhere: Returns what is answered to questions like this one.
        """
        open_answers = [answer for answer in self.answers if answer not in avoided] or list(self.answers)
        untried = [answer for answer in open_answers if not self.answers[answer].n]
        known = [answer for answer in open_answers if self.answers[answer].n]
        n_understood = sum(self.answers[answer].works for answer in known)
        # Half of the time at least the way that is known is gone, or nobody would come to what lies behind it.
        if untried and (not n_understood or rng.random() < 0.5 / (1 + n_understood / _ENOUGH)):
            known_elsewhere = elsewhere(self)
            return next((answer for answer in untried if answer in known_elsewhere), untried[0])
        total = sum(self.answers[answer].n for answer in known)
        return max(known, key=lambda answer: self._promise(answer, total)) if known else open_answers[0]

    def _promise(self, answer: Answer, total: int) -> float:
        tried = self.answers[answer]
        lost = 0.0 if tried.works else 1.0
        return tried.mean - lost + _CURIOSITY * math.sqrt(math.log(total + 1) / tried.n)


def _mean(tried: Tried) -> float:
    return tried.mean


def _furthest(tried: Tried) -> float:
    return tried.furthest


class PromptEvidence:
    """Every prompt that was heard, with what is known of its answers.

    Args:
        vocabulary: Words that the handler listens for.
        given: What the user says is to be answered, by pattern; see `given_answers`.
    """

    def __init__(self, vocabulary: Sequence[str], given: "GivenAnswers") -> None:
        # In the order in which they were first heard.
        self.questions: dict[str, Question] = {}
        self._vocabulary = vocabulary
        self._given = given

    def question(self, prompt: Prompt, again: "Question | None" = None) -> Question:
        """Return what is known of a prompt.

        Args:
            prompt: The prompt.
            again: What was asked before, if the same answers may be wanted again, however little the prompt itself says: "Once
                more, please", "That is too short".
        """
        found = self.questions.get(prompt.key)
        if found is None:
            own = self._given.to(prompt.text)
            ranks = dict.fromkeys(own, 0) or candidates(prompt, self._vocabulary)
            if again is not None and not own:
                before = {answer: rank for answer, rank in again.ranks.items() if rank == ASKED}
                silent: dict[Answer, int] = {
                    answer: rank
                    for answer, rank in ranks.items()
                    if isinstance(answer, Silence) and not is_reminder(prompt)
                }
                if prompt.kind == "yes or no":  # "Hello?" is answered by yes, where that helps
                    before = {answer: ANYTHING for answer in before if answer not in ranks}
                    silent = ranks
                ranks = silent | before | {answer: rank for answer, rank in ranks.items() if answer not in before}
            found = Question(prompt, {answer: Tried() for answer in ranks}, ranks, given=bool(own))
            self.questions[prompt.key] = found
        elif again is not None and again is not found and not found.given:
            # "Please make a selection." comes after every menu.
            for answer in [answer for answer, rank in again.ranks.items() if rank == ASKED]:
                found.answers.setdefault(answer, Tried())
                found.ranks.setdefault(answer, ASKED if found.prompt.kind != "yes or no" else ANYTHING)
        return found

    def best_elsewhere(self, question: Question) -> list[Answer]:
        """Return what is answered to other questions of the kind: the agent may ask the same in other words."""
        kind = question.prompt.kind
        others = (other for other in self.questions.values() if other.prompt.kind == kind and other is not question)
        return list(dict.fromkeys(answer for other in others for answer in other.best))

    def best(self, question: Question) -> list[Answer]:
        """Return the best answers to a question; where none was understood, what is likeliest to be."""
        if question.best or not question.asks:
            return question.best
        untried = [answer for answer, tried in question.answers.items() if not tried.n]
        elsewhere = self.best_elsewhere(question)
        known = [answer for answer in untried if answer in elsewhere]
        natural = [answer for answer in untried if question.ranks[answer] == ASKED and question.prompt.kind != "open"]
        return known or natural[:2]

    @property
    def unanswered(self) -> list[str]:
        """The questions that no answer is known to, as the agent asks them."""
        return [q.prompt.text for q in self.questions.values() if q.heard and q.asks and not self.best(q)]

    def learn(self, steps: Sequence["Step"], reward: float) -> None:
        """Take what came of the answers of one conversation."""
        for key in {step.key for step in steps}:
            self.questions[key].sessions += 1
        for place, step in enumerate(steps):
            question = self.questions[step.key]
            question.place += place
            question.heard += 1
            tried = question.answers[step.answer]
            tried.n += 1
            tried.understood += step.understood
            # Whoever gets there by fewer words has answered better.
            came = step.understood * reward * _PATIENCE ** (len(steps) - place)
            tried.reward += came
            tried.furthest = max(tried.furthest, came)
            tried.then.update(following.key for following in steps[place + 1 : place + 2])

    @property
    def n_answers(self) -> int:
        """Different answers that were tried so far."""
        return sum(1 for question in self.questions.values() for tried in question.answers.values() if tried.n)


@dataclass
class Step:
    """One answer of a conversation.

    Attributes:
        key: The prompt's key.
        answer: What was answered.
        understood: 1 if the agent went on, 0.5 if it came back to what it had asked before, else 0.
    """

    key: str
    answer: Answer
    understood: float = 0.0


class GivenAnswers:
    """What the user says is to be answered.

    Args:
        by_pattern: Patterns, each with its answers.

    Attributes:
        unused: The patterns that no prompt has matched so far.
    """

    def __init__(self, by_pattern: Sequence[tuple[re.Pattern[str], Sequence[Answer]]] = ()) -> None:
        self._by_pattern = by_pattern
        self.unused = [pattern.pattern for pattern, _ in by_pattern]

    def to(self, text: str) -> list[Answer]:
        """Return the answers to a prompt; none if the user has given none."""
        for pattern, answers in self._by_pattern:
            if pattern.search(text):
                self.unused = [other for other in self.unused if other != pattern.pattern]
                return list(answers)
        return []
