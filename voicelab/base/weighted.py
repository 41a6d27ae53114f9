"""Weighted choices, and which of them a text calls for: what a persona answers, and what a model does."""

import bisect
import itertools
import random
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError


class Choice:
    """A choice among weighted items, by one random number.

    Args:
        weights: The items and their weights; pairs, where an item may stand twice.
        what: What is chosen, for messages.

    Raises:
        InputError: no items, or a weight that is not above 0.
    """

    __slots__ = ("_bounds", "items")

    def __init__(self, weights: Mapping[Any, float] | Sequence[tuple[Any, float]], what: str) -> None:
        pairs = list(weights.items()) if isinstance(weights, Mapping) else list(weights)
        if not pairs:
            raise InputError(f"{what}: there is nothing to choose from.")
        for item, weight in pairs:
            checks.weight(f"{what}: the weight of {item!r}", weight)
        self.items = tuple(item for item, _ in pairs)
        self._bounds = list(itertools.accumulate(weight for _, weight in pairs))

    @property
    def weights(self) -> list[tuple[Any, float]]:
        """Each item and its weight."""
        return [
            (item, high - low) for item, low, high in zip(self.items, [0.0, *self._bounds], self._bounds, strict=False)
        ]

    def pick(self, rng: random.Random) -> Any:
        """Return one item."""
        # Most choices are of one item: they cost no random number.
        if len(self.items) == 1:
            return self.items[0]
        at = bisect.bisect_right(self._bounds, rng.random() * self._bounds[-1])
        # The product may be rounded up to the last bound itself, behind which there is no item.
        return self.items[min(at, len(self.items) - 1)]

    def pick_another(self, rng: random.Random, than: Collection[Any]) -> Any:
        """Return an item that is none of some, by the weights of those that are left; any, if none is left."""
        left = [at for at, item in enumerate(self.items) if item not in than]
        if not left or len(left) == len(self.items):
            return self.pick(rng)
        if len(left) == 1:
            return self.items[left[0]]
        weights = self.weights
        return self.items[rng.choices(left, [weights[at][1] for at in left])[0]]


AsReply = Callable[[Any, str], Any]
"""Returns a reply as it is kept, given it as it was written and what it belongs to, for messages."""


def weighted(given: Given, what: str, as_reply: AsReply) -> Choice:
    """Return the choice among `{reply: weight}`, or the one reply that is given.

    Raises:
        InputError: replies without weights, or weights that are not above 0.
    """
    if isinstance(given, list | tuple | set):
        raise InputError(
            f"{what}: {given!r} has no weights, must be one reply or {{reply: weight}}, e.g. {{'yes': 2, 'no': 1}}."
        )
    weights = given if isinstance(given, Mapping) else {given: 1.0}
    return Choice([(as_reply(reply, what), weight) for reply, weight in weights.items()], what)


class Replies:
    """What is replied to what: the first pattern that is found in a text decides (`re.search`, ignoring case).

    Args:
        replies: `{pattern: {reply: weight}}`, or `{pattern: reply}`.
        what: Whose they are, for messages.
        as_reply: Checks a reply.
        heard: What the patterns are searched in, for messages.

    Raises:
        InputError: a pattern is no regular expression, or replies have no weights.
    """

    def __init__(self, replies: Given, what: str, as_reply: AsReply, heard: str) -> None:
        if replies is not None and not isinstance(replies, Mapping):
            raise InputError(f"{what}: replies is {replies!r}, must be {{pattern on {heard}: {{reply: weight}}}}.")
        self._choices = [
            (_pattern(what, pattern), weighted(given, f"{what}: the replies to {pattern!r}", as_reply))
            for pattern, given in (replies or {}).items()
        ]

    def __len__(self) -> int:
        return len(self._choices)

    def to(self, text: str) -> Choice | None:
        """Return what a text calls for, or None if no pattern is found in it."""
        return next((choice for pattern, choice in self._choices if pattern.search(text)), None)

    @property
    def patterns(self) -> list[str]:
        """The patterns, in the order in which they are looked for."""
        return [pattern.pattern for pattern, _ in self._choices]

    @property
    def items(self) -> list[Any]:
        """Every reply."""
        return [item for _, choice in self._choices for item in choice.items]


def _pattern(what: str, pattern: Given) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise InputError(f"{what}: the pattern {pattern!r} must be text, a regular expression.")
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InputError(f"{what}: the pattern {pattern!r} is no regular expression: {error}.") from None
