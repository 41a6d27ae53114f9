"""The numbers that each session has without writing an outcome: what it was measured by, and columns of the table of sessions.

Whatever takes an outcome by its name takes these too, after the outcomes that were written, evaluated or added late.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from voicelab.base.records import MEASURES, SESSIONS

_KINDS: dict[str, Literal["count", "float"]] = {"int32": "count", "int64": "count", "float64": "float"}

MEASURED: Mapping[str, str] = MappingProxyType(
    {name: type_ for name, type_ in MEASURES.items() if name != "session_index"}
)
"""The measures, with how they are stored."""
NUMBERS: Mapping[str, Literal["count", "float"]] = MappingProxyType(
    {
        name: _KINDS[type_]
        for name, type_ in {**SESSIONS, **MEASURED}.items()
        if type_ in _KINDS and name != "session_index"
    }
)
"""All of them by name, with their kinds. The kind is that of the column, whatever it holds so far: a decision on the run
and one afterwards must read it alike."""
COLUMNS = tuple(name for name in NUMBERS if name in SESSIONS and name not in MEASURED)
"""Those of the table of sessions."""
