"""Which sessions of a log are replayed: those that were asked for, as far as there is anything to replay."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError
from voicelab.base.masking import shown

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.log.read import Log

_MARK = "[redacted:"
_ALLOWED = "ids or indices of its sessions, one of them, or a frame with a column 'session_id'"


def chosen(log: "Log", sessions: Any) -> tuple[Sequence[int], str]:
    """Return the indices of the sessions to replay, and a sentence on those that are left out.

    Args:
        log: The log.
        sessions: As of `vl.Replay`.

    Raises:
        InputError: there is nothing to replay in the log, or in a session that was asked for.
    """
    known = log.sql("SELECT session_index, session_id FROM sessions ORDER BY session_index")
    if known.empty:
        raise InputError(f"{log.path} has no sessions: there is nobody to replay.")
    unfit = _unfit(log)
    if sessions is None:
        indexes = [int(index) for index in known["session_index"]]
        fit = [index for index in indexes if index not in unfit]
        if not fit:
            raise InputError(f"{log.path}: no session can be replayed. {_why(unfit, known)}")
        told = (
            f"{log.path}: {len(unfit):,} of {len(indexes):,} sessions are left out. {_why(unfit, known)}"
            if unfit
            else ""
        )
        return (range(len(fit)) if fit == list(range(len(fit))) else fit), told
    asked = _indexes(log, sessions, known)
    if lost := {index: unfit[index] for index in asked if index in unfit}:
        raise InputError(f"{log.path}: {len(lost):,} of the sessions can't be replayed. {_why(lost, known)}")
    return asked, ""


def _unfit(log: "Log") -> dict[int, str]:
    """Return the sessions of which nothing can be replayed, and why."""
    empty = log.sql(
        "SELECT session_index FROM sessions WHERE session_id NOT IN "
        "(SELECT DISTINCT session_id FROM events WHERE kind IN ('input', 'output') OR name = 'transcript_part')"
    )
    found = dict.fromkeys((int(index) for index in empty["session_index"]), "no event of its conversation")
    if log.manifest.get("redacted"):
        masked = log.sql(
            "SELECT session_index FROM sessions WHERE session_id IN (SELECT session_id FROM events WHERE "  # noqa: S608 - of ours
            f"(kind = 'input' OR name IN ('unheard', 'backchannel')) AND data LIKE '%{_MARK}%')"
        )
        found |= dict.fromkeys((int(index) for index in masked["session_index"]), "redacted words of its caller's")
    return found


def _why(unfit: dict[int, str], known: "pd.DataFrame") -> str:
    ids = dict(zip(known["session_index"], known["session_id"], strict=True))
    first = min(unfit)
    why = unfit[first]
    advice = (
        "Replay the log from which this copy was made."
        if "redacted" in why
        else "Export it with its events, or leave it out."
    )
    return f"Session {first} ({ids[first]}) has {why}. {advice}"


def _indexes(log: "Log", given: Any, known: "pd.DataFrame") -> list[int]:
    index_of = {str(i): int(at) for i, at in zip(known["session_id"], known["session_index"], strict=True)}
    indexes = set(index_of.values())
    found = []
    for one in _listed(given):
        at = index_of.get(one) if isinstance(one, str) else _whole(one)
        if at is None or at not in indexes:
            raise InputError(
                f"sessions has {shown(one)}, which {log.path} doesn't hold: give {_ALLOWED}; it has {len(indexes):,}, from "
                f"{min(indexes)} to {max(indexes)}."
            )
        found.append(at)
    if not found:
        raise InputError(f"sessions is empty: give {_ALLOWED}, or None for all.")
    return found


def _whole(given: Any) -> int | None:
    if isinstance(given, bool):
        return None
    try:
        return int(given) if int(given) == given else None
    except (TypeError, ValueError, OverflowError):
        return None


def _listed(given: Any) -> list[Any]:
    if isinstance(given, str) or _whole(given) is not None:
        return [given]
    if hasattr(given, "columns"):
        if "session_id" not in given.columns:
            raise InputError(f"sessions is a frame without a column 'session_id': give {_ALLOWED}.")
        return [str(one) for one in given["session_id"]]
    if isinstance(given, Iterable):
        return list(given)
    raise InputError(f"sessions is {shown(given)}, must be {_ALLOWED}.")
