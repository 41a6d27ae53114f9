"""The measures by name: in which unit, of which kind, and what each one means."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["seconds", "count", "share", "per_minute"]

DEAD_AIR_S = 1.0
"""So long a silence is taken for trouble, in seconds: people tolerate about one (Jefferson 1989, "standard maximum")."""

SAME_WORDS = 3
"""From so many words on a caller who says the same again repeats himself; "yes please" is an answer each time."""

EPSILON_S = 1e-6
"""Times that are closer are the same: sums of seconds differ in the last bits."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a conversation.

    Attributes:
        name: Its column in `log.measures()`.
        kind: `seconds`, `count`, `share` (0 to 1) or `per_minute`.
        meaning: What it is, in a sentence.
        applies: When there is a chance for it; elsewhere nothing stands in its column.
    """

    name: str
    kind: Kind
    meaning: str
    applies: str = "always"

    @property
    def unit(self) -> str:
        """Its unit, as shown behind the number."""
        return {"seconds": "s", "count": "", "share": "", "per_minute": "/min"}[self.kind]


_ANSWERED = "the agent answered"
_INTERRUPTED = "the caller interrupted the agent"
_HEARD = "the agent was heard"
_BOTH = "the agent was heard and the caller spoke aloud"

_ALL = (
    Measure("answer_s_median", "seconds", "median time from the end of the caller's words to the agent's sound", _ANSWERED),
    Measure("answer_s_p95", "seconds", "95th percentile of these times", _ANSWERED),
    Measure("n_answers", "count", "how many of the caller's words and keys the agent answered"),
    Measure(
        "first_sound_s",
        "seconds",
        "from the beginning to the agent's first sound",
        "the agent was heard before the caller's first words",
    ),
    Measure("dead_air_s", "seconds", "silences of more than a second, in which somebody should have spoken, together"),
    Measure("dead_air_s_longest", "seconds", "the longest of these silences"),
    Measure("talk_over_s", "seconds", "time in which both spoke", _BOTH),
    Measure("yield_s_median", "seconds", "median time from an interruption's first sound to the agent's silence", _INTERRUPTED),
    Measure("n_caller_interruptions", "count", "how often the caller's words or keys came while the agent spoke", _HEARD),
    Measure("n_agent_interruptions", "count", "how often the agent began to speak in the caller's words", _BOTH),
    Measure("n_false_interruptions", "count", "how often noise or a sign of listening stopped the agent", _HEARD),
    Measure("n_interruptions_went_on", "count", "interruptions after which the agent said something new", _INTERRUPTED),
    Measure("n_interruptions_repeated", "count", "those after which it said again what was heard", _INTERRUPTED),
    Measure("n_interruptions_started_over", "count", "those after which it began its speech anew", _INTERRUPTED),
    Measure("n_interruptions_ignored", "count", "those to which it said nothing", _INTERRUPTED),
    Measure("n_agent_repeats", "count", "how often the agent said what it had said before, word for word", "it spoke"),
    Measure("n_caller_repeats", "count", "how often the caller said the same again, or asked to hear it again", "it spoke"),
    Measure("words", "count", "words that the caller said"),
    Measure("word_errors", "count", "how many of these were recognised wrongly", "it is known what the caller said"),
    Measure("talk_share", "share", "the agent's share of the time in which somebody spoke", "somebody spoke"),
    Measure("agent_talk_s", "seconds", "how long the agent was heard"),
    Measure("caller_talk_s", "seconds", "how long the caller spoke"),
    Measure("agent_words", "count", "words of the agent that were heard"),
    Measure("agent_words_per_min", "per_minute", "the agent's pace", "the agent's words were heard"),
    Measure("caller_words_per_min", "per_minute", "the caller's pace", "the caller spoke aloud"),
)  # fmt: skip

MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _ALL})
"""The measures by name, in the order of their columns."""
