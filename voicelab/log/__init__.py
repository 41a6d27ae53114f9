"""The session log: a folder of Parquet, written in shards and read as frames.

In come the rows of finished sessions; out go frames, columns and single sessions as records.

- `schema` and `manifest` say what stands in it; `write` writes shards whole or not at all, `append` single sessions.
- `read` is `Log`: frames by the SQL of `queries` over `database`'s connection, columns and single sessions from the files.
- `failures` finds which sessions had errors, and the commonest of these.
- `pictures` says what `Log.plot` draws, with `voicelab.plots`.
- `late` keeps outcomes that become known after the sessions.
- `lock` lets one run at a time write a folder; `clear` removes what a log consists of, and nothing else.
"""

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
