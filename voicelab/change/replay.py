"""`vl.Replay`: the callers of a log against another version of the agent; a population, one caller a session.

To worker processes goes where the log lies and which of its sessions are meant; each reads what it plays.
"""

import random
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from voicelab.base.errors import InputError
from voicelab.base.masking import MASK, shown
from voicelab.base.seeds import Seeds
from voicelab.callers import CallerLike, KnownCaller, LoggedFacts, as_caller
from voicelab.change.logged_sessions import chosen
from voicelab.change.replayed_call import OUTCOMES, LoggedCall, OnDifference, ReplayedCall
from voicelab.log.one_by_one import OneByOne
from voicelab.log.read import Log, open_log
from voicelab.record.caller_acts import acts_of, said_of
from voicelab.record.session_record import events_from

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.base.records import EventRow

_UNKNOWN = {"", "unknown"}


class Replay(KnownCaller):
    """The callers of a log: they say what they said, when they said it after what they heard.

    Keys, silences, interruptions, hang-ups, and what was heard of their words come again as well. A caller keeps the parameters,
    the environment and the direction that its session was logged with, where the run gives no others (parameters by their
    names). A replay of a simulated log with its handler, world and seed writes the same rows, to the byte.

    Each session gets two outcomes: `divergence`, the share of the agent's words that differ from the logged ones (0 to 1; word
    errors over the words of the longer side), and `diverged_turn`, the turn in which they first did; missing where they never
    did. A row `replay_diverged` says what was heard there before, and now. A replay in which all is as it was logged, its
    options and its seed, has them only in sessions that differ all the same.

    Args:
        log: A log, of simulated, spoken or imported sessions, or its folder.
        on_difference: What a caller does where the agent's words differ: `keep` goes on with its own lines; `stop` ends the
            session there, with status `hangup`; a caller takes over from that turn on.
        sessions: Which: ids or indices, one of them, or a frame with a column `session_id`; None for all.

    Attributes:
        n_callers: How many there are.
        seed: The seed of the logged run; given to `vl.simulate`, chance is what it was.

    Raises:
        InputError: there are no such sessions, one has no events, or its words are redacted.
        LogError: the log can't be read.

    Example:
        >>> import voicelab as vl
        >>> async def before(event, context):
        ...     yield vl.sdk.TextToSpeechEvent(text="Anything else?")
        >>> async def after(event, context):
        ...     yield vl.sdk.TextToSpeechEvent(text="Is there anything else?")
        >>> log = vl.simulate(before, ["no", "bye"], sessions=3, progress=False)
        >>> again = vl.simulate(after, vl.Replay(log), progress=False)
        >>> again.sessions()[["outcome.diverged_turn", "outcome.divergence"]].iloc[0].tolist()
        [0.0, 0.5]
    """

    outcome_names: Sequence[str] = OUTCOMES

    def __init__(
        self,
        log: "Log | str | Path",
        on_difference: "str | CallerLike" = "keep",
        sessions: "Sequence[str | int] | pd.DataFrame | str | int | None" = None,
    ) -> None:
        self.log = log if isinstance(log, Log) else open_log(log)
        self.on_difference = _checked_difference(on_difference)
        self.path = self.log.path.absolute()
        self.indexes, left_out = chosen(self.log, sessions)
        if left_out:
            warnings.warn(left_out, stacklevel=2)
        manifest = self.log.manifest
        self.run_id = self.log.run_id
        self.seed = int(manifest.get("seed") or 0)
        self.n_callers = len(self.indexes)
        self.name = f"replay of {self.path.name}"
        self._whole = not self.log.n_missing
        self._source = str(manifest.get("source", ""))
        self._is_same_run = False
        self._reader: OneByOne | None = None
        self._ready: dict[int, Any] = {}

    # --- a population ---

    def of_session(self, index: int, seeds: Seeds) -> KnownCaller:
        """Return the logged caller of a session."""
        then = self.on_difference
        # Drawn here where it is a mixture: whoever takes over is one caller.
        then = then if isinstance(then, str) else then.of_session(index, seeds)
        return self._logged(self.stream_index(index), then)

    def stream_index(self, index: int) -> int:
        """Return the logged index: chance is that of the session which is played again.

        Raises:
            InputError: so many callers were not logged.
        """
        if not 0 <= index < len(self.indexes):
            raise InputError(f"There is no session {index}: {self!r} has {self.n_callers:,} callers.")
        return int(self.indexes[index])

    def begin(self, rng: random.Random) -> ReplayedCall:
        """Begin the only caller's conversation.

        Raises:
            InputError: there are several.
        """
        del rng
        raise InputError(f"{self!r} is asked by session: vl.run(handler, vl.Replay(log, sessions=0)).")

    def prepare(self, indexes: range) -> None:
        """Read the logged sessions of a shard."""
        if self._reader is None:
            self._reader = OneByOne(self.log)
        self._ready = {at: self._reader.session(at) for at in map(self.stream_index, indexes)}

    def _logged(self, index: int, then: OnDifference) -> "_LoggedCaller":
        if self._reader is None:
            self._reader = OneByOne(self.log)
        own, events = self._ready.get(index) or self._reader.session(index)
        again = events if self._source == "simulated" else ()
        return _LoggedCaller(own, events, again, then, same_run=self._is_same_run)

    # --- a run of it ---

    @property
    def identity(self) -> Any:
        """What it is made of: the log's run, not the folder it lies in."""
        return [self.run_id, list(self.indexes), self.on_difference]

    def repeats(self, run: Mapping[str, Any]) -> "tuple[KnownCaller, str] | None":
        """Return itself and the logged run's id if a run does it again as it was."""
        manifest = self.log.manifest
        if _changed(manifest, run) or len(self.indexes) < run["sessions"]:
            return None
        if any(at != index for at, index in enumerate(self.indexes)):
            return None
        same = Replay.__new__(Replay)
        vars(same).update(vars(self) | {"_is_same_run": True})
        return same, self.run_id

    def told(self, options: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the log of a replay says of it: of which run, and which options are others than there."""
        logged = self.log.manifest.get("options") or {}
        differ = sorted(name for name in options if name != "callers" and logged.get(name) != options[name])
        then = self.on_difference if isinstance(self.on_difference, str) else self.on_difference.name
        facts = {"log": str(self.path), "run_id": self.run_id, "on_difference": then}
        return {"replay": facts | ({"changed": differ} if logged else {})}

    def refuse_folder(self, folder: Path) -> None:
        """Refuse to be simulated into the log that is replayed.

        Raises:
            InputError: that is its folder.
        """
        if folder.absolute() == self.path or folder.resolve() == self.path.resolve():
            raise InputError(
                f"log is {str(folder)!r}, which is the log that is replayed. Give the replay a folder of its own."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in {"log", "_reader", "_ready"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.log = _opened(self.path, whole=self._whole)
        self._reader, self._ready = None, {}
        if self.log.run_id != self.run_id:
            raise InputError(
                f"{self.path} is another log than it was: its run is {self.log.run_id}, was {self.run_id}."
            )

    def __repr__(self) -> str:
        then = "" if self.on_difference == "keep" else f", on_difference={self.on_difference!r}"
        callers = "1 caller" if self.n_callers == 1 else f"{self.n_callers:,} callers"
        return f"Replay({str(self.path)!r}, {callers}{then})"


class _LoggedCaller(KnownCaller):
    """The caller of one logged session."""

    def __init__(
        self,
        own: Mapping[str, Any],
        events: "Sequence[EventRow]",
        again: "Sequence[EventRow]",
        on_difference: OnDifference,
        *,
        same_run: bool,
    ) -> None:
        self.name = str(own["caller"])
        self.logged = _facts(own)
        self._on_difference = on_difference
        self._same_run = same_run
        acts, after = acts_of(events_from(events), str(own["status"]), float(own["duration_s"]))
        self._call = LoggedCall(acts, after, again, int(own["n_replies"]), int(own["n_otherwise"]))

    @property
    def phrases(self) -> Sequence[str]:
        """What it said, and what another caller may say that takes over."""
        own = [text for act in self._call.acts if (text := said_of(act.reached))]
        return [*own, *(() if isinstance(self._on_difference, str) else self._on_difference.phrases)]

    def begin(self, rng: random.Random) -> ReplayedCall:
        """Return its conversation."""
        return ReplayedCall(self._call, self._on_difference, rng, same_run=self._same_run)


def _facts(own: Mapping[str, Any]) -> LoggedFacts:
    parameters = {key: value for key, value in orjson.loads(own["parameters"]).items() if MASK not in str(value)}
    environment, direction = (str(own[name]) for name in ("environment", "direction"))
    return LoggedFacts(
        parameters=parameters,
        input_data=parameters if own["source"] == "imported" else None,
        environment=None if environment in _UNKNOWN else environment,
        direction=None if direction in _UNKNOWN else direction,
    )


def _checked_difference(given: "str | CallerLike") -> OnDifference:
    if isinstance(given, str):
        if given in {"keep", "stop"}:
            return given  # type: ignore[return-value]
        raise InputError(f"on_difference is {shown(given)}, must be 'keep', 'stop', or a caller who takes over.")
    try:
        caller = as_caller(given)
    except InputError:
        raise InputError(
            f"on_difference is {shown(given)}, must be 'keep', 'stop', or a caller who takes over."
        ) from None
    if caller.n_callers is not None:
        raise InputError("on_difference is another replay: give one caller, such as a vl.Persona(...).")
    return caller


def _changed(manifest: Mapping[str, Any], run: Mapping[str, Any]) -> bool:
    """Return whether a run isn't the logged one but for its callers."""
    logged = {name: value for name, value in (manifest.get("options") or {}).items() if name != "callers"}
    options = {name: value for name, value in run["options"].items() if name != "callers"}
    facts = ("seed", "stopping", "fingerprint_version")
    return (
        options != logged
        or any(manifest.get(name) != run[name] for name in facts)
        or manifest.get("status") != "finished"
    )


def _opened(path: Path, *, whole: bool) -> Log:
    if whole:
        return open_log(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it was said where the replay was made
        return open_log(path, strict=False)
