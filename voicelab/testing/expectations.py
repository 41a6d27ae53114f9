"""What can be expected of a session, as data: one table, for `expect(record)` and for the files of scenarios."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.named_numbers import COLUMNS, NUMBERS
from voicelab.base.records import STATUSES
from voicelab.predicates import as_evaluators
from voicelab.predicates.operators import equal, quoted_json
from voicelab.predicates.predicate import Predicate
from voicelab.record.failure import Failure
from voicelab.testing.asked_session import AgentWords, AskedSession

WITHIN = "within_s"
_SHOWN_AT_END = frozenset({"duration_s", "n_turns", "n_errors"})
OUTCOMES, ENDED = "outcomes", "ended"
"""The lines below a conversation on which what concerns no row is marked."""
_ALIKE = 0.6
"""How much of a text must be that of another for the two to be shown together."""


@dataclass(frozen=True)
class Met:
    """An expectation that a session meets.

    Attributes:
        utterance: What the agent said by which it does; None where it isn't about that.
    """

    utterance: AgentWords | None = None


@dataclass(frozen=True)
class Unmet:
    """An expectation that a session doesn't meet.

    Attributes:
        expected: What was expected, as a file of scenarios has it.
        message: What is there, and what must be, in a sentence.
        seqs: The rows concerned; none where something never happened.
        remark: What is said at these rows, or at the end of the conversation; the message where it is empty.
        part: The line below the conversation that is concerned instead, such as `outcomes`.
        applies: Whether it could be asked: a measure may have had no chance.
    """

    expected: Mapping[str, Any]
    message: str
    seqs: tuple[int, ...] = ()
    remark: str = ""
    part: str = ""
    applies: bool = True


class Wrong(NamedTuple):
    """Why a session isn't as expected, before it is known by what name that was asked."""

    message: str
    seqs: tuple[int, ...] = ()
    remark: str = ""
    part: str = ""
    applies: bool = True


Answer = Met | Wrong
_Asks = Callable[[AskedSession, Any, int], Answer]


class Kind(NamedTuple):
    """A kind of expectation.

    Attributes:
        operand: What it takes, in words.
        checked: Returns what it was given as it is to be used, or refuses it.
        asks: Asks a session, of what came after a row.
    """

    operand: str
    checked: Callable[[str, Given], Any]
    asks: _Asks


# --- what the agent said ---------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _checked_text(what: str, given: Given) -> Any:
    if isinstance(given, Mapping):
        return Predicate({what: given}, "what is expected")
    return checks.name(what, given.strip() if isinstance(given, str) else given)


def _says(text: str, wanted: Any, key: str) -> bool:
    if isinstance(wanted, Predicate):
        return wanted.mismatch({key: text}) is None
    return _plain(wanted) in _plain(text)


def _quoted(wanted: Any, key: str) -> str:
    return f"what matches {wanted.written[key]}" if isinstance(wanted, Predicate) else f'"{wanted}"'


def _found(session: AskedSession, wanted: Any, key: str, after: int) -> AgentWords | None:
    """Return where the agent said something: in one piece, or in several of one turn."""
    spoken = [utterance for utterance in session.utterances if utterance.seq > after]
    for utterance in spoken:
        if _says(utterance.text, wanted, key):
            return utterance
    for turn in dict.fromkeys(utterance.turn for utterance in spoken):
        pieces = [utterance for utterance in spoken if utterance.turn == turn]
        while len(pieces) > 1 and _says(" ".join(piece.text for piece in pieces), wanted, key):
            if not _says(" ".join(piece.text for piece in pieces[1:]), wanted, key):
                return pieces[0]
            pieces.pop(0)
    return None


def _nearest(session: AskedSession, wanted: Any) -> tuple[tuple[int, ...], str]:
    """Return the row in which the agent said what is most like a text, and a remark on it."""
    import difflib

    if isinstance(wanted, Predicate):
        return (), ""

    def likeness(utterance: AgentWords) -> float:
        matcher = difflib.SequenceMatcher(None, _plain(wanted), _plain(utterance.text), autojunk=False)
        return sum(block.size for block in matcher.get_matching_blocks() if block.size > 1) / len(_plain(wanted))

    best = max(session.utterances, key=likeness, default=None)
    if best is None or likeness(best) < _ALIKE:
        return (), f'nowhere in it: "{wanted}"'
    return (best.seq,), f'the nearest to "{wanted}"'


def _said(session: AskedSession, wanted: Any, after: int) -> Answer:
    utterance = _found(session, wanted, "said", after)
    if utterance is not None:
        return Met(utterance)
    if after >= 0 and (before := _found(session, wanted, "said", -1)) is not None:
        return Wrong(
            f"The agent says {_quoted(wanted, 'said')} earlier, and must say it then.", (before.seq,), "too early"
        )
    if not session.utterances:
        return Wrong(f"The agent says nothing at all, must say {_quoted(wanted, 'said')}.")
    return Wrong(f"The agent never says {_quoted(wanted, 'said')}.", *_nearest(session, wanted))


def _not_said(session: AskedSession, wanted: Any, after: int) -> Answer:
    utterance = _found(session, wanted, "not_said", after)
    if utterance is None:
        return Met()
    return Wrong(f"The agent says {_quoted(wanted, 'not_said')}, and must not.", (utterance.seq,), "must not be said")


def _asked(session: AskedSession, wanted: Any, after: int) -> Answer:
    asking = [utterance for utterance in session.utterances if utterance.seq > after and utterance.questions]
    for utterance in asking:
        if any(_says(question, wanted, "asked") for question in utterance.questions):
            return Met(utterance)
    told = _found(session, wanted, "asked", after)
    if told is not None:
        return Wrong(f"The agent says {_quoted(wanted, 'asked')}, and doesn't ask.", (told.seq,), "no question")
    return Wrong(f"The agent never asks {_quoted(wanted, 'asked')}.", *_nearest(session, wanted))


# --- how it ended ----------------------------------------------------------------------------------------------------


def _checked_status(what: str, given: Given) -> str:
    if given not in STATUSES:
        raise InputError(
            f"{what} is {shown(given)}, must be one of {', '.join(STATUSES)}.{did_you_mean(str(given), STATUSES)}"
        )
    return str(given)


def _status(session: AskedSession, wanted: str, after: int) -> Answer:
    del after
    status = session.record.status
    return Met() if status == wanted else Wrong(f"The session ended as {status}, must end as {wanted}.", part=ENDED)


def _checked_transfer(what: str, given: Given) -> bool | str:
    return given if isinstance(given, bool) else checks.name(what, given)


def _transferred(session: AskedSession, wanted: bool | str, after: int) -> Answer:
    event = next((e for e in session.record.events if e.name.startswith("transfer") and e.seq > after), None)
    if wanted is False:
        return Met() if event is None else Wrong("The agent transfers the call, and must not.", (event.seq,))
    if event is None:
        return Wrong(f"The agent never transfers the call: the session ended as {session.record.status}.", part=ENDED)
    given = event.data.get("destination")
    typed = [value for key, value in given.items() if key != "type"] if isinstance(given, Mapping) else []
    targets = [str(to) for to in (event.data.get("phone_number"), event.data.get("agent_id"), *typed) if to]
    if wanted is True or wanted in targets:
        return Met()
    to = ", ".join(targets) or "nowhere"
    return Wrong(f"The agent transfers the call to {to}, must transfer it to {wanted}.", (event.seq,))


def _no_errors(session: AskedSession, wanted: bool, after: int) -> Answer:
    del wanted
    errors = [event for event in session.record.errors if event.seq > after]
    if not errors:
        return Met()
    count = "An error" if len(errors) == 1 else f"{len(errors)} errors, the first"
    return Wrong(f"{count}: {errors[0].data.get('message')}", tuple(event.seq for event in errors), "an error")


def _checked_no_errors(what: str, given: Given) -> bool:
    if given is not True:
        raise InputError(f"{what} is {shown(given)}, must be true; leave it out where errors don't matter.")
    return True


# --- what it came to -------------------------------------------------------------------------------------------------


def _checked_outcomes(what: str, given: Given) -> dict[str, Any]:
    if isinstance(given, str) and given:
        given = {given: True}
    if not isinstance(given, Mapping) or not given or not all(isinstance(name, str) and name for name in given):
        raise InputError(f"{what} is {shown(given)}, must be outcomes by name, e.g. {{booked: true}}.")
    return {
        name: Predicate({name: value}, f"the expected {what}") if isinstance(value, Mapping) else value
        for name, value in given.items()
    }


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) and not isinstance(value, str | None):
        return bool(value) is wanted  # what was counted, 1, has come about
    return equal(value, wanted)


def _part_of(session: AskedSession, name: str) -> str:
    """Return below the conversation which line shows an outcome: one of its own, if it isn't among the others."""
    if name in session.record.outcomes or name not in NUMBERS:
        return OUTCOMES
    return ENDED if name in _SHOWN_AT_END else name


def _outcome(session: AskedSession, wanted: Mapping[str, Any], after: int) -> Answer:
    del after
    values = session.values
    for name, value in wanted.items():
        if name not in values:
            there = ", ".join([*session.record.outcomes, *COLUMNS])
            return Wrong(
                f"The session has no outcome {name!r}.{did_you_mean(name, values)} It has {there}, and measures.",
                part=OUTCOMES,
            )
        actual = values[name]
        part = _part_of(session, name)
        if actual is None:
            return Wrong(
                f"{name} is not applicable: there was no chance for it.", (), "not applicable", part, applies=False
            )
        if isinstance(value, Predicate):
            wrong = value.mismatch({name: actual})
            if wrong is not None:
                return Wrong(f"{wrong.reason}.", (), quoted_json(actual), part)
        elif not _is(actual, value):
            return Wrong(
                f"{name} is {quoted_json(actual)}, must be {quoted_json(value)}.", (), quoted_json(actual), part
            )
    return Met()


def _predicate(session: AskedSession, wanted: Any, after: int) -> Answer:
    del after
    found = session.record.evaluate(wanted)
    if found.success is None:
        return Wrong(f"The predicate isn't asked: {found.reason or found.status}.")
    return Met() if found else Wrong(f"{found.reason}.", part=ENDED)


def _checked_predicate(what: str, given: Given) -> Any:
    if not isinstance(given, Mapping | str):
        raise InputError(
            f"{what} is {shown(given)}, must be a predicate such as {{turn_count: {{$gte: 3}}}}, or the path of an evaluator."
        )
    (evaluator, *more) = as_evaluators(given)
    if more:
        names = ", ".join(one.name for one in (evaluator, *more))
        raise InputError(f"{what}: {given} holds {1 + len(more)} evaluators: {names}. Give the path of one.")
    return evaluator


def _no_failure(session: AskedSession, wanted: Failure, after: int) -> Answer:
    del after
    failed = wanted.of(session.record)
    if failed is None:
        return Met()
    return Wrong(f"The session fails by {wanted}: {failed.message}.", (failed.seq,), f"fails by {wanted}")


def _checked_failure(what: str, given: Given) -> Failure:
    del what
    return Failure.parse(given)  # type: ignore[arg-type]  # which says what is allowed


# --- how soon --------------------------------------------------------------------------------------------------------


def late(session: AskedSession, utterance: AgentWords, most_s: float) -> Wrong | None:
    """Return what is wrong where the agent said something later than some seconds after the input before it."""
    took_s = session.answered_after_s(utterance)
    if took_s <= most_s + 1e-9:
        return None
    text = utterance.text if len(utterance.text) <= 40 else f"{utterance.text[:39]}…"  # noqa: PLR2004 - a line's worth
    return Wrong(
        f'The agent says "{text}" {took_s:.2f} s after the caller, must say it within {most_s:g} s.',
        (utterance.seq,),
        f"{took_s:.2f} s, at most {most_s:g} s",
    )


def _within_s(session: AskedSession, most_s: float, after: int) -> Answer:
    wrong = [late(session, utterance, most_s) for utterance in session.answers() if utterance.seq > after]
    slow = [one for one in wrong if one is not None]
    if not slow:
        return Met()
    more = f" {len(slow)} answers are that late." if len(slow) > 1 else ""
    slowest = max(slow, key=lambda one: float(one.remark.partition(" ")[0]))
    return Wrong(f"{slowest.message}{more}", tuple(seq for one in slow for seq in one.seqs), f"later than {most_s:g} s")


KINDS: dict[str, Kind] = {
    "said": Kind("text that the agent says, or operators such as {$icontains: booked}", _checked_text, _said),
    "not_said": Kind("text that the agent never says", _checked_text, _not_said),
    "asked": Kind("text in a question of the agent's", _checked_text, _asked),
    "transferred": Kind("true, false, or the number or agent that the call goes to", _checked_transfer, _transferred),
    "outcome": Kind("outcomes by name, e.g. {booked: true} or {duration_s: {$lte: 60}}", _checked_outcomes, _outcome),
    "status": Kind(f"one of {', '.join(STATUSES)}", _checked_status, _status),
    "no_errors": Kind("true", _checked_no_errors, _no_errors),
    "predicate": Kind("a predicate, or the path of an evaluator", _checked_predicate, _predicate),
    "no_failure": Kind("what log.failures takes, e.g. dead_air_s > 5", _checked_failure, _no_failure),
    WITHIN: Kind("seconds within which the agent answers", checks.seconds, _within_s),
}
"""Every kind of expectation, by its name."""
_SPOKEN = ("said", "asked")


@dataclass(frozen=True)
class Expectation:
    """Something that is expected of a session.

    Attributes:
        kind: A name in `KINDS`.
        operand: What it asks for, checked.
        within_s: How soon after the caller it has to be said; None for any time.
        written: As it was written.
    """

    kind: str
    operand: Any
    within_s: float | None
    written: Mapping[str, Any]

    @classmethod
    def read(cls, written: Given) -> Self:
        """Return the expectation that a map with one key stands for, such as `{"said": "booked"}`.

        Raises:
            InputError: it is none, or asks for something that can't be.
        """
        if not isinstance(written, Mapping) or not written:
            raise InputError(
                f"{shown(written)} is no expectation: write a key and what it asks for, e.g. said: booked."
            )
        for key in written:
            if key not in KINDS:
                near = did_you_mean(str(key), KINDS)
                raise InputError(f"There is no expectation {shown(key)}.{near} There are: {', '.join(KINDS)}.")
        kinds = [key for key in written if key != WITHIN] or [WITHIN]
        if len(kinds) > 1:
            raise InputError(f"{' and '.join(kinds)} stand in one expectation: begin a new one (- ) with each.")
        kind = kinds[0]
        within_s = checks.seconds(WITHIN, written[WITHIN]) if kind != WITHIN and WITHIN in written else None
        if within_s is not None and kind not in _SPOKEN:
            raise InputError(f"within_s stands beside {kind}: beside {' or '.join(_SPOKEN)} alone, or by itself.")
        return cls(kind, KINDS[kind].checked(kind, written[kind]), within_s, dict(written))

    def asked_of(self, session: AskedSession, after: int = -1) -> Met | Unmet:
        """Return whether a session meets it.

        Args:
            session: The session.
            after: The row after which it is looked for.
        """
        answer = KINDS[self.kind].asks(session, self.operand, after)
        if isinstance(answer, Met) and self.within_s is not None and answer.utterance is not None:
            answer = late(session, answer.utterance, self.within_s) or answer
        return answer if isinstance(answer, Met) else Unmet(self.written, *answer)
