"""The outcomes of a part's sessions by name, as predicates ask for them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicelab.base.named_numbers import MEASURED
from voicelab.log import late
from voicelab.log.parts import Part
from voicelab.predicates import Looked
from voicelab.predicates.session_view import BY_NAME, named_values, outcome_value

_COLUMNS = ["session_index", "outcome", "type", "value", "text"]


class NamedOutcomes:
    """What predicates ask of the outcomes of a part's sessions; nothing is read where they ask nothing.

    Args:
        root: The log's folder.
        part: The part.
        looked: What is looked at.
        measured: Returns the table of measures of a part.
    """

    def __init__(self, root: Path, part: Part, looked: Looked, measured: Callable[[Part], pa.Table]) -> None:
        self._looked = looked
        self._written: dict[int, dict[str, Any]] = {}
        self._measures: dict[int, dict[str, Any]] = {}
        if BY_NAME not in looked.fields:
            return
        # Late ones last: of one that the log has already there is none.
        for table in (pq.read_table(part.file(root, "outcomes"), columns=_COLUMNS), late.read_late(late.parts(root))):
            self._write(table.select(_COLUMNS))
        if looked.names_any(MEASURED):
            names = [name for name in MEASURED if looked.outcomes is None or name in looked.outcomes]
            table = measured(part).select(["session_index", *names])
            for index, *values in zip(*(column.to_pylist() for column in table.columns), strict=True):
                self._measures[index] = dict(zip(names, values, strict=True))

    def _write(self, table: pa.Table) -> None:
        if self._looked.outcomes is not None:
            names = table.column("outcome").cast(pa.string())
            table = table.filter(pc.is_in(names, pa.array(sorted(self._looked.outcomes), pa.string())))
        for index, name, type_, value, text in zip(*(column.to_pylist() for column in table.columns), strict=True):
            self._written.setdefault(index, {})[name] = outcome_value(type_, value, text)

    def of(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Return the outcomes of a session by name, given its row in the table of sessions."""
        index = facts["session_index"]
        return named_values(self._looked, facts, self._written.get(index, {}), self._measures.get(index, {}))
