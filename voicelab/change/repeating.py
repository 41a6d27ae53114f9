"""Whether a session fails again when it is run again; and if not, what differed first."""

from functools import cache
from typing import Any

from voicelab.base.errors import NotRepeatedError
from voicelab.record.failure import Failed
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import Job, play
from voicelab.runs.origin import Origin
from voicelab.simulation.fingerprint import fingerprint, of_options
from voicelab.simulation.recheck import first_difference

_WHY = (
    "A session repeats itself unless something comes from outside it: the computer's own clock, a generator that nobody seeds "
    "(`secrets`, `os.urandom`, a Random() of another process), the order of a set, a global that an earlier session has left "
    "behind, a service that is really called. vl.simulate(..., check=True) runs sessions twice and names the first event that "
    "differs, and its cause."
)


def played_again(origin: Origin) -> SessionRecord:
    """Return the record of a session that is played again as it was."""
    return play(Job(origin.options, origin.run_id), origin.index, origin.run_tests)


def not_repeated(
    record: SessionRecord, again: SessionRecord, failed: Failed, found: Failed | None, hint: str = ""
) -> NotRepeatedError:
    """Return the error for a failure that doesn't happen again.

    Args:
        record: The session that failed.
        again: The same session, run again.
        failed: How the first one failed.
        found: How the second one did; None where it didn't.
        hint: What is known of why; else it is said what may be.
    """
    then = "it didn't fail" if found is None else f"it failed by something else, {found.cause}"
    return NotRepeatedError(
        f"Session {record.session_id} failed by {failed.cause}, and run again {then}: {first_difference(record, again)}. "
        f"{hint or _WHY}"
    )


def what_is_needed(record: SessionRecord) -> str:
    """Return the message for a session that can't be run here: what it was run with, as far as its log tells."""
    manifest = record.manifest
    handler = f"handler {manifest['handler']!r}" if manifest.get("handler") else "handler"
    then, usual = manifest.get("options", {}), _usual()
    needed = [f"{name}=" for name in usual if then.get(name, usual[name]) != usual[name]]
    world = f" (then it was {manifest['world']})" if manifest.get("world") else ""
    also = f" It was also run with {', '.join(needed)}{world}: give them too." if needed else ""
    simulated = (
        " Or call vl.simulate() with the same arguments as then: a finished log is opened, not run again, and its sessions can "
        "then be shrunk."
    )
    return (
        f"Session {record.session_id} ({record.source}) can't be run here: its record doesn't hold the {handler}. Give handler=, "
        f"what vl.load_handler takes.{also}{simulated if record.source == 'simulated' else ''}"
    )


def changed_since(record: SessionRecord, origin: Origin) -> str:
    """Return what there is to say of a handler, or another option, that isn't what the log was written with."""
    then = record.manifest.get("options") or {}
    now = of_options(origin.options)
    differs = [name for name in ("handler", *_usual()) if name in then and then[name] != now.get(name)]
    if "handler" in differs:
        others = f" Other options differ too: {', '.join(differs[1:])}." if differs[1:] else ""
        return (
            "The handler has changed since the log was written (its fingerprint differs), and may be mended: what "
            f"is needed is the handler of then.{others}"
        )
    return f"What differs from when the log was written: {', '.join(differs)}." if differs else ""


@cache
def _usual() -> dict[str, str]:
    """Return the fingerprint of each option that a session can be given, where it isn't given."""
    usual: dict[str, Any] = dict.fromkeys(("world", "model", "http", "shared_data", "input_data", "telephone"))
    usual |= {name: {} for name in ("configuration", "patches")}
    return {name: fingerprint(value) for name, value in usual.items()}
