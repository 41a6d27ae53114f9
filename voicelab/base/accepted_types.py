"""What public arguments take, where it is more than one class: for signatures and for whoever reads them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class ArrowLike(Protocol):
    """A table of another library, such as Polars or pyarrow, that hands over its columns as Arrow does."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the columns."""


class LogLike(Protocol):
    """A session log, as `vl.open_log` and `vl.simulate` return it."""

    path: Path
    manifest: dict[str, Any]

    def sessions(self) -> "pd.DataFrame":
        """Return one row a session."""

    def columns(self, table: str, names: Sequence[str]) -> "pa.Table":
        """Return columns of one of its tables."""


FrameLike: TypeAlias = "pd.DataFrame | ArrowLike | str | Path"
"""One row a session: a DataFrame, a table of another library, or the path of a Parquet or CSV file."""

Cell: TypeAlias = bool | float | str | None
"""A value of a frame's row; numbers may be numpy's, and what is missing may be NaN or pandas' NA too."""

Given: TypeAlias = object
"""Anything: what somebody gave, before the function has looked at it and said what is allowed."""

Json: TypeAlias = bool | float | str | list[Any] | Mapping[str, Any] | None
"""A value that was parsed from JSON."""
