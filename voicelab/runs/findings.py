"""What a person should be told after a run in which nothing went wrong aloud: counts over its sessions, a sentence each.

Each shard counts its own, and the driver adds the counts up: a million sessions cost what their shards cost. What a session
has to say beyond its rows stands in `SessionRows.aside`.
"""

import inspect
import json
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import did_you_mean
from voicelab.base.named_numbers import NUMBERS
from voicelab.base.records import Row, SessionRows, column
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.handlers import Handler, declared_tests, set_outcomes, stored_keys
from voicelab.runs.options import SessionOptions

if TYPE_CHECKING:
    from types import FrameType

MOST_OTHERWISE = 1 / 3
"""Share of a run's replies that may be to what no pattern matched, before it is said."""
_FEW_REPLIES = 3
"""Below so many replies their share says nothing."""
_MOST_NAMED = 3
"""How many of a kind are named after a run: requests, data, events."""
_MOST_COUNTED = 50
"""How many different ones of a kind are counted: an address, a key or a task may have a number of its own in each session, and
a million of them are no finding, but memory."""
_FIT = "vl.personas.fit(handler) makes callers who answer what this agent asks"

_TEST, _DECLARATION = column("exposures", "test"), column("exposures", "declaration")
_OUTCOME, _VALUE, _TEXT, _WRITTEN = (column("outcomes", name) for name in ("outcome", "value", "text", "written"))
_INDEX, _CALLER, _REPLIES, _OTHERWISE, _N_ERRORS = (
    column("sessions", name) for name in ("session_index", "caller", "n_replies", "n_otherwise", "n_errors")
)


@dataclass
class Findings:
    """What is known of the sessions of a run, or of a part of it.

    Attributes:
        n_sessions: Sessions.
        n_errors: Errors of handlers and tasks.
        replies: By caller: replies of personas, and those of them that no pattern matched.
        declarations: By test: how sessions declared it.
        outcomes: Outcomes that the handler declared or set.
        reached: Outcomes that some session has: a number above or below 0, True, or text.
        asked: Data that the handler asked for in vain: sessions, and the line, by key.
        stored: Such data that the handler stores itself, later.
        unreceived: Custom events that reach nobody: sessions, by event and task.
        n_unanswered: Sessions that made requests over HTTP which nothing answered.
        unanswered: Such requests: sessions, and the first of them by its index, by method and address.
        speaks: Whether the handler or a task yielded anything.
    """

    n_sessions: int = 0
    n_errors: int = 0
    replies: dict[str, list[int]] = field(default_factory=dict)
    declarations: dict[str, set[str]] = field(default_factory=dict)
    outcomes: set[str] = field(default_factory=set)
    reached: set[str] = field(default_factory=set)
    asked: dict[str, tuple[int, str]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    unreceived: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_unanswered: int = 0
    unanswered: dict[str, tuple[int, int]] = field(default_factory=dict)
    speaks: bool = False

    def add(self, rows: SessionRows) -> None:
        """Count a session."""
        session = rows.session
        self.count(session[_CALLER], session[_N_ERRORS], session[_REPLIES], session[_OTHERWISE])
        made_up = _take(self, rows.aside, session[_INDEX]) if rows.aside else ()
        self.add_rows(rows.exposures, rows.outcomes, made_up)
        self.speaks = self.speaks or any(
            label[0] == "output" and label[1] != "error" for _time_s, _turn, label, _data in rows.events
        )

    def count(self, caller: str, n_errors: int, n_replies: int, n_otherwise: int) -> None:
        """Count a session's errors and replies."""
        self.n_sessions += 1
        self.n_errors += n_errors
        if n_replies:
            counts = self.replies.setdefault(caller, [0, 0])
            counts[0] += n_replies
            counts[1] += n_otherwise

    def add_rows(self, exposures: Iterable[Row], outcomes: Iterable[Row], made_up: Sequence[str] = ()) -> None:
        """Take rows of exposures and of outcomes; `made_up` names outcomes that the world alone has set."""
        for row in exposures:
            declared = self.declarations.setdefault(row[_TEST], set())
            if row[_DECLARATION] not in declared and len(declared) < _MOST_COUNTED:
                declared.add(row[_DECLARATION])
        for row in outcomes:
            if row[_OUTCOME] not in made_up:
                self.outcomes.add(row[_OUTCOME])
            if row[_WRITTEN] and (row[_VALUE] or row[_TEXT] is not None):
                self.reached.add(row[_OUTCOME])

    def merge(self, other: "Findings") -> None:
        """Add what is known of other sessions."""
        self.n_sessions += other.n_sessions
        self.n_errors += other.n_errors
        for caller, (replies, otherwise) in other.replies.items():
            counts = self.replies.setdefault(caller, [0, 0])
            counts[0] += replies
            counts[1] += otherwise
        for test, texts in other.declarations.items():
            declared = self.declarations.setdefault(test, set())
            declared |= _room(declared, texts)
        for key, (sessions, where) in other.asked.items():
            if _counts(self.asked, key):
                self.asked[key] = (self.asked.get(key, (0, ""))[0] + sessions, self.asked.get(key, (0, where))[1])
        self.outcomes |= other.outcomes
        self.reached |= other.reached
        self.stored |= _room(self.stored, other.stored)
        for event, sessions in other.unreceived.items():
            if _counts(self.unreceived, event):
                self.unreceived[event] += sessions
        self.n_unanswered += other.n_unanswered
        for request, (sessions, index) in other.unanswered.items():
            if not _counts(self.unanswered, request):
                continue
            before, first = self.unanswered.get(request, (0, index))
            self.unanswered[request] = (before + sessions, min(first, index))
        self.speaks = self.speaks or other.speaks

    # --- what it means ---

    @property
    def variants(self) -> dict[str, dict[str, float]]:
        """The variants of each test that was reached, with their weights as some session declared them."""
        return {test: json.loads(min(texts))["variants"] for test, texts in self.declarations.items()}

    @property
    def otherwise_share(self) -> dict[str, float]:
        """Share of each caller's replies that were to what no pattern of it matched."""
        return {caller: round(otherwise / replies, 4) for caller, (replies, otherwise) in self.replies.items()}

    def remarks(self, options: SessionOptions, *, in_log: bool = False) -> list[str]:
        """Return what should be said of the run, a sentence each.

        Args:
            options: What its sessions are made of.
            in_log: Whether its sessions stand in a log, where one of them can be looked at.
        """
        handler = options.handler
        return [
            *self._silent(handler),
            *self._unanswered(options, in_log),
            *self._unreached_tests(handler),
            *self._not_given(options),
            *self._unreceived(),
            *self._misfits(options.callers),
            *(remark for evaluator in options.evaluators for remark in evaluator.remarks),
        ]

    def unreached_targets(self, options: SessionOptions) -> list[str]:
        """Return a sentence for each test whose target no session reached: of many sessions that is odd, of one it isn't."""
        handler = options.handler
        own = {*set_outcomes(handler.sources), *(evaluator.name for evaluator in options.evaluators)}
        fit = f"{_fit(options.callers)}; vl.run(handler, [...]) shows what it takes."
        advice = "Let something answer the requests first." if self.unanswered else fit
        found = []
        for test, texts in self.declarations.items():
            targets = {target for text in texts if (target := _target(json.loads(text)))} - self.reached
            # A measure, or a number that each session has, is nothing to be reached; of a ratio its parts are.
            parts = {part: target for target in sorted(targets) for part in _named_in(target)}
            for part, target in sorted(parts.items()):
                if part in self.reached or part in NUMBERS:
                    continue
                what = (
                    advice
                    if part in own or not handler.sources
                    else f"The handler sets it nowhere: write context.set_outcome({part!r}, ...), or specify it, World(truth=)."
                    f"{did_you_mean(part, [*sorted(own | self.outcomes), *NUMBERS])}"
                )
                role = "the target" if part == target else f"of which {target!r} is made, the target"
                found.append(
                    f"No session reached {part!r}, {role} of the test {test!r}: nothing can be decided by it. {what}"
                )
        return found

    def _silent(self, handler: Handler) -> list[str]:
        if self.speaks or self.n_errors:
            return []
        said = "The agent says nothing: the handler yielded no event."
        if inspect.iscoroutinefunction(handler.function):
            said = f"The agent says nothing: {handler.name} is an `async def` without a `yield`."
        return [f'{said} Yield events, e.g. yield TextToSpeechEvent(text="Hello", voice="nova").']

    def _unanswered(self, options: SessionOptions, in_log: bool) -> list[str]:
        if not self.unanswered:
            return []
        found = sorted(self.unanswered.items(), key=lambda item: (-item[1][0], item[1][1], item[0]))
        named, more = found[:_MOST_NAMED], len(found) - _MOST_NAMED
        lines = ", ".join(f'"{request}": {{"ok": True}}' for request, _ in named)
        if len(found) == 1:
            asked = f"asked {found[0][0]}, which nothing answers"
        else:
            each = ", ".join(request if self.n_sessions == 1 else f"{request} ({n:,})" for request, (n, _) in named)
            asked = f"made requests that nothing answers, {each}{f' and {more:,} more' if more > 0 else ''}"
        who = "The session" if self.n_sessions == 1 else f"{self.n_unanswered:,} of {self.n_sessions:,} sessions"
        do = f"add http=vl.Http({{{lines}}})" if options.http is None else f"add to vl.Http({{...}}): {lines}"
        look = f" Look at one: log.session({named[0][1][1]})." if in_log else ""
        return [f"{who} {asked}: {do}.{look}"]

    def _unreached_tests(self, handler: Handler) -> list[str]:
        if self.n_errors and not self.declarations:
            return []  # the errors say why
        return [
            f"{self._none} reached the test {test!r}, which is declared at {where}."
            for test, where in declared_tests(handler.sources).items()
            if test not in self.declarations
        ]

    @property
    def _none(self) -> str:
        return "The session has not" if self.n_sessions == 1 else "No session has"

    def _not_given(self, options: SessionOptions) -> list[str]:
        missing = {key: found for key, found in self.asked.items() if key not in self.stored}
        own = stored_keys(options.handler.sources) if missing else set()
        given = options.parameters_of(0)[0] or {}
        found = []
        for key, (sessions, where) in missing.items():
            if key not in own:
                times = "" if self.n_sessions == 1 else f", in {sessions:,} of {self.n_sessions:,} sessions"
                found.append(
                    f"The handler asked for {key!r}{where and f' ({where})'}, which nobody gave, and got None{times}. Give it by "
                    f"parameters={{{key!r}: ...}}, or a default by get_data({key!r}, ...).{did_you_mean(key, given)}"
                )
        return _first(found, "It asked for {} keys more that nobody gave.")

    def _unreceived(self) -> list[str]:
        found = [
            f"The background task {task!r} yielded CustomEvent({event!r}), which nobody receives: what a task yields goes to "
            "the caller, not to the handler. Let the task itself speak, or store what the handler shall know by set_data()."
            for event, task in self.unreceived
        ]
        return _first(found, "So it is with {} events and tasks more.")

    def _misfits(self, callers: Any) -> list[str]:
        replies, otherwise = (sum(counts[at] for counts in self.replies.values()) for at in (0, 1))
        if replies < _FEW_REPLIES or otherwise <= MOST_OTHERWISE * replies:
            return []
        shares = sorted(self.otherwise_share.items(), key=lambda item: -item[1])
        worst = ", ".join(f"{caller} {share:.0%}" for caller, share in shares[:3] if share)
        return [
            f"{otherwise:,} of the callers' {replies:,} replies ({otherwise / replies:.0%}) were to something that none of "
            f"their patterns matched ({worst}): they don't fit this agent. {_fit(callers)}."
        ]


def _take(findings: Findings, asides: Iterable[Sequence[str]], index: int) -> list[str]:
    """Count what a session says beside its rows; return the outcomes that the world made up."""
    made_up = []
    findings.n_unanswered += any(kind == "unanswered" for kind, *_ in asides)
    for kind, about, *more in asides:
        if kind == "asked":
            if _counts(findings.asked, about):
                sessions, where = findings.asked.get(about, (0, more[0]))
                findings.asked[about] = (sessions + 1, where)
        elif kind == "stored":
            if _counts(findings.stored, about):
                findings.stored.add(about)
        elif kind == "unreceived":
            if _counts(findings.unreceived, (about, more[0])):
                findings.unreceived[about, more[0]] += 1
        elif kind == "unanswered":
            if _counts(findings.unanswered, about):
                sessions, first = findings.unanswered.get(about, (0, index))
                findings.unanswered[about] = (sessions + 1, first)
        elif kind == "made_up":
            made_up.append(about)
    return made_up


def _counts(counted: Collection[Any], name: Any) -> bool:
    """Return whether something is counted: what is known already, and the first ones of a kind."""
    return name in counted or len(counted) < _MOST_COUNTED


def _room(counted: set[str], more: set[str]) -> set[str]:
    """Return what is counted besides: in order of the alphabet, the same in each process."""
    return set(sorted(more - counted)[: max(_MOST_COUNTED - len(counted), 0)])


def _first(sentences: list[str], more: str) -> list[str]:
    """Return the first of some sentences, and how many are left out; there may be more than were counted."""
    left = len(sentences) - _MOST_NAMED
    if left <= 0:
        return sentences
    at_least = "at least " if len(sentences) >= _MOST_COUNTED else ""
    return [*sentences[:_MOST_NAMED], more.format(f"{at_least}{left:,}")]


def _fit(callers: Any) -> str:
    """Return what makes callers fit; to those who were fitted already some answers have to be given."""
    known = [getattr(caller, "unanswered", None) for caller in getattr(callers, "callers", (callers,))]
    fitted = [texts for texts in known if texts is not None]
    if not fitted:
        return _FIT
    missing = next((text.rstrip(".?! ") for texts in fitted for text in texts), "words of the question")
    return (
        "The callers were fitted already: give the answers that are missing, e.g. vl.personas.fit(handler, "
        f"answers={{{missing!r}: 'the answer'}})"
    )


def _target(declaration: Mapping[str, Any]) -> str | None:
    target = (declaration["stop"] or {}).get("target_outcome")
    return target if isinstance(target, str) else next(iter(declaration["conversion_metrics"]), None)


def _parts(declaration: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the outcomes that a test's target is made of: of a ratio or a quantile those in it."""
    target = _target(declaration)
    return _named_in(target) if target else ()


def _named_in(target: str) -> tuple[str, ...]:
    return parse_outcome(target, what="target_outcome").names


def targets_of(findings: Findings) -> tuple[str, ...]:
    """Return what sessions are to reach: the targets of the tests; without tests what the handler sets."""
    texts = [text for texts in findings.declarations.values() for text in sorted(texts)]
    targets = dict.fromkeys(part for text in texts for part in _parts(json.loads(text)) if part not in NUMBERS)
    return tuple(targets or sorted(findings.outcomes))


# --- the world's truth -----------------------------------------------------------------------------------------------


def known_to(findings: Findings) -> tuple[dict[str, list[str]], set[str]]:
    """Return the variants of each test that was reached, and the outcomes that the handler knows or is judged by."""
    variants: dict[str, list[str]] = {}
    outcomes = set(findings.outcomes)
    for test, texts in findings.declarations.items():
        for declaration in map(json.loads, texts):
            variants.setdefault(test, []).extend(map(str, declaration["variants"]))
            outcomes |= {*declaration["conversion_metrics"], *_parts(declaration)}
    return variants, outcomes


# --- how it is told --------------------------------------------------------------------------------------------------


def tell(sentences: Iterable[str]) -> None:
    """Say what was found, a line each."""
    for sentence in sentences:
        sys.stderr.write(f"{sentence}\n")


def warn(sentences: Iterable[str]) -> None:
    """Warn of an argument that names something which isn't there, at the line of whoever called voicelab.

    Each time anew: Python shows a warning of one place once, and a notebook's cell is run again and again.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __name__.partition(".")[0]:
        frame = frame.f_back
    file, line = ("<voicelab>", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)
    for sentence in sentences:
        warnings.warn_explicit(sentence, UserWarning, file, line, registry={})


__all__ = ["Findings", "known_to", "targets_of", "tell", "warn"]
