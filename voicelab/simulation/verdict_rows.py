"""The rows of a session that ended its process: what it had written, and an error at its end that says how and where."""

import linecache
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode
from voicelab.base.records import SessionRows, column
from voicelab.base.secret_names import source_without_secrets
from voicelab.base.session_limits import Limits
from voicelab.runtime.tracebacks import file_name

_ERROR_ROW = ("output", "error", False, None)
_STATUS, _ERROR, _N_ERRORS, _N_TURNS, _DURATION = (
    column("sessions", name) for name in ("status", "error", "n_errors", "n_turns", "duration_s")
)

Place = tuple[str, int, str]
"""File, line and function of a handler's code."""


def of_death(
    rows: SessionRows, kind: str, how: str, place: Place | None, limits: Limits, masker: Masker
) -> SessionRows:
    """Return the rows of a session that ended its process.

    Args:
        rows: What it had written.
        kind: `death`, `cpu` or `still`.
        how: How the process ended, in words.
        place: Where its code was, None where that isn't known.
        limits: The session's.
        masker: Masks what must not appear in any row.
    """
    where = "" if place is None else f" at {file_name(place[0])}:{place[1]}"
    if kind == "cpu":
        message = (
            f"The session used more than its {limits.cpu_s:g} s of processor time{where}, in a call that no exception "
            "ends. What needs more is run with limits=vl.Limits(cpu_s=...)."
        )
    elif kind == "still":
        message = (
            f"The session came to a standstill{where}: its process went on no more and used no processor time, as one does "
            "that waits in a call for what never comes, or has stopped itself."
        )
    else:
        message = f"The session ended its process{where}: it ended {how}."
    return with_error(rows, "error" if kind == "death" else "timeout", _error_at(place, message), masker)


def with_error(rows: SessionRows, status: str, data: Mapping[str, Any], masker: Masker) -> SessionRows:
    """Return the rows of a session with an error at their end.

    Args:
        rows: Its rows.
        status: Its status.
        data: Of the error: message, and file, line and traceback where they are known.
        masker: As in `of_death`.
    """
    time_s, turn = (rows.events[-1][0], rows.events[-1][1]) if rows.events else (0.0, 0)
    session = list(rows.session)
    session[_STATUS] = status
    session[_N_ERRORS] += 1
    session[_ERROR] = session[_ERROR] or masker.text(str(data["message"]))
    session[_DURATION] = max(time_s, session[_DURATION] or 0.0)
    session[_N_TURNS] = max(session[_N_TURNS], turn + 1)
    error = (time_s, turn, _ERROR_ROW, masker.json(encode(data)))
    return replace(rows, session=tuple(session), events=[*rows.events, error], measures=None)


def _error_at(place: Place | None, message: str) -> dict[str, Any]:
    if place is None:
        return {"message": message, "traceback": message}
    file, line, function = place
    source = source_without_secrets(linecache.getline(file, line).strip())
    name = file_name(file)
    at = f"{name}:{line} in {function}" + (f": {source}" if source else "")
    return {"message": message, "file": name, "line": line, "traceback": f"{at}\n{message}"}
