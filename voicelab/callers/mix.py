"""Callers in given proportions: `vl.mix`."""

from voicelab.base.errors import InputError
from voicelab.base.seeds import Seeds
from voicelab.base.weighted import Choice
from voicelab.callers.own import as_caller
from voicelab.callers.protocol import CallerLike, KnownCaller


class Mix(KnownCaller):
    """Callers in given proportions; each session draws one.

    Args:
        choice: The callers and their weights.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self.callers: tuple[KnownCaller, ...] = choice.items
        self.name = " + ".join(caller.name for caller in self.callers)

    @property
    def weights(self) -> list[tuple[KnownCaller, float]]:
        """Each caller and its weight."""
        return self._choice.weights

    def of_session(self, index: int, seeds: Seeds) -> KnownCaller:
        """Return the caller of a session, drawn by weight."""
        del index
        drawn: KnownCaller = self._choice.pick(seeds.random("mix"))
        return drawn

    def __repr__(self) -> str:
        return f"mix of {self.name}"


def mix(*weighted: tuple[CallerLike, float]) -> Mix:
    """Return a mixture of callers, e.g. `vl.mix((vl.personas.impatient, .3), (vl.Script(["hello"]), .7))`.

    Args:
        weighted: Pairs of a caller and its weight; weights are relative.

    Raises:
        InputError: no pairs, a weight that is not above 0, or something that is no caller.
    """
    pairs = []
    for pair in weighted:
        if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 - a pair
            raise InputError(
                f"vl.mix() takes pairs (caller, weight), e.g. vl.mix((vl.personas.hesitant, 0.5)); not {pair!r}."
            )
        if isinstance(pair[0], Mix):
            raise InputError(
                "vl.mix() takes callers, not mixtures: give the callers of the inner one with their own weights."
            )
        caller = as_caller(pair[0])
        if caller.n_callers is not None:
            raise InputError(f"vl.mix() was given {caller!r}, whose callers are those of a log: simulate it by itself.")
        pairs.append((caller, pair[1]))
    return Mix(Choice(pairs, "vl.mix()"))
