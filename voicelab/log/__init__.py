"""The session log: a folder of Parquet, written in shards and read as frames."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from voicelab.log.read import Log, open_log

__all__ = ["Log", "open_log"]


def __getattr__(name: str) -> Any:
    # Worker processes write shards and must not load the readers' DuckDB.
    if name in __all__:
        from voicelab.log import read

        return getattr(read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
