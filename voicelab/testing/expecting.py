"""`expect(record)`: what a session must be like, said one after another; what isn't so raises, with the conversation."""

from collections.abc import Sequence
from typing import Any, Self

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.record.session_record import SessionRecord
from voicelab.testing.asked_session import AskedSession
from voicelab.testing.expectations import WITHIN, Expectation, Unmet
from voicelab.testing.marked_conversation import conversation_with_marks


def explained_failure(record: SessionRecord, unmet: Sequence[Unmet]) -> str:
    """Return what a session doesn't meet, a line each, and its conversation with a mark at the rows concerned."""
    remarks: dict[int, list[str]] = {}
    for one in unmet:
        for seq in one.seqs:
            remarks.setdefault(seq, []).append(one.remark or one.message)
    at_end = [one.remark or one.message for one in unmet if not one.seqs and not one.part]
    parts = {one.part: one.remark for one in unmet if one.part}
    return "\n".join([*(one.message for one in unmet), "", conversation_with_marks(record, remarks, at_end, parts)])


class UnmetExpectationError(AssertionError):
    """A session isn't as expected; the message shows its conversation.

    Args:
        record: The session.
        unmet: What isn't as expected.
    """

    def __init__(self, record: SessionRecord, unmet: Unmet) -> None:
        super().__init__(explained_failure(record, [unmet]))
        self.record = record
        self.unmet = unmet


class Expecting:
    """Asks a session one thing after another.

    Args:
        record: The session.
    """

    def __init__(self, record: SessionRecord) -> None:
        self._session = AskedSession(record)
        self._after = -1
        self._at = -1
        self._spoken: Expectation | None = None

    def said(self, text: Given) -> Self:
        """Expect that the agent says a text, in any case; or what operators ask, `{"$contains": "OK"}`.

        What counts is what the caller heard: of an utterance that was interrupted the part before.
        """
        __tracebackhide__ = True
        return self._ask("said", text)

    def not_said(self, text: Given) -> Self:
        """Expect that the agent never says a text."""
        __tracebackhide__ = True
        return self._ask("not_said", text)

    def asked(self, text: Given) -> Self:
        """Expect that the agent asks a question that holds a text."""
        __tracebackhide__ = True
        return self._ask("asked", text)

    def transferred(self, to: bool | str = True) -> Self:
        """Expect that the agent transfers the call: to a number or an agent, or to anybody; False: that it doesn't."""
        __tracebackhide__ = True
        return self._ask("transferred", to)

    def outcome(self, name: str, value: Any = True) -> Self:
        """Expect an outcome: a value, or what operators ask, `outcome("duration_s", {"$lte": 60})`.

        An outcome is whatever the session has a value of: written by the handler, an evaluator's, a measure such as
        `dead_air_s`, or a number of its row.
        """
        __tracebackhide__ = True
        return self._ask("outcome", {name: value})

    def status(self, status: str) -> Self:
        """Expect that the session ended so: completed, hangup, transferred, timeout or error."""
        __tracebackhide__ = True
        return self._ask("status", status)

    def no_errors(self) -> Self:
        """Expect that neither the handler nor a task of its raised anything."""
        __tracebackhide__ = True
        return self._ask("no_errors", given=True)

    def predicate(self, predicate: Given) -> Self:
        """Expect that a predicate of the platform's language matches, or an evaluator in a file."""
        __tracebackhide__ = True
        return self._ask("predicate", predicate)

    def no_failure(self, failure: Given) -> Self:
        """Expect that the session is none that fails so, as `log.failures` and `record.shrink` take it: `"dead_air_s > 5"`."""
        __tracebackhide__ = True
        return self._ask("no_failure", failure)

    def within_s(self, seconds: float) -> Self:
        """Expect what was said or asked last within some seconds of the input before it; first of all, each answer."""
        __tracebackhide__ = True
        if self._spoken is None:
            return self._ask(WITHIN, seconds)
        return self._ask(self._spoken.kind, self._spoken.written[self._spoken.kind], within_s=seconds)

    @property
    def then(self) -> Self:
        """What follows has to come after what was said or asked last."""
        self._after = self._at
        return self

    def _ask(self, kind: str, given: Given, **beside: Given) -> Self:
        __tracebackhide__ = True
        expectation = Expectation.read({kind: given, **beside})
        answer = expectation.asked_of(self._session, self._after)
        if isinstance(answer, Unmet):
            raise UnmetExpectationError(self._session.record, answer)
        if answer.utterance is not None:
            self._spoken, self._at = expectation, answer.utterance.seq
        return self

    def __repr__(self) -> str:
        return f"expect({self._session.record!r})"


def expect(record: SessionRecord) -> Expecting:
    """Return what asks a session one thing after another; what isn't so raises an AssertionError with the conversation.

    Args:
        record: The session, as `vl.run` and `log.session(id)` return it.

    Raises:
        InputError: it is no record of one session.

    Example:
        >>> import voicelab as vl
        >>> from voicelab.testing import expect
        >>> record = vl.run("clinic", ["hello", "yes please"], seed=1, variants={"greeting": "formal"})
        >>> expect(record).asked("would you like it").within_s(3).then.said("booked").outcome("booked").no_errors()
        expect(SessionRecord(completed, 3 turns, 11.0 s, greeting=formal))
    """
    if not isinstance(record, SessionRecord):
        raise InputError(f"record is {shown(record)}, must be one session: vl.run(handler, [...]), or log.session(id).")
    return Expecting(record)


__all__ = ["Expecting", "UnmetExpectationError", "expect", "explained_failure"]
