"""The session log: a folder of Parquet, written in shards and read as frames.

In come the rows of finished sessions; out go frames, columns and single sessions as records.

- `schema` and `manifest` say what stands in it, `manifest_fields` what readers count on there; `parts` say which files hold
  which sessions.
- `write` writes shards whole or not at all, `append` single sessions, `late` outcomes that become known after those; what
  they do to a `disk` outlasts a loss of power.
- `checksums` say what was written, `marks` where an id is; `verify` finds what isn't so any more, `checked` before it is
  used.
- `read` is `Log`, with single sessions from the files, whose rows `session_rows` and `declarations` check; its `frames`
  come by the SQL of `queries` over `database`'s connection, `whole_sessions` straight from the files; `one_by_one` reads
  sessions one after another.
- `measured` is the table of measures; `measured_parts` computes it from events where it wasn't stored.
- `lock` lets one run at a time write a folder; `clear` removes what a log consists of, and nothing else.
- `evaluating` asks evaluators of all sessions, and keeps what they come to; `session_views` reads for it what they look at,
  `named_outcomes` the outcomes among that.
- `failures` groups sessions by what they failed by; `error_summary` is what is said of their errors wherever a log is shown;
  `pictures` says what `Log.plot` draws.
- `info` describes a log, `compact` joins its files, `redact` writes a copy in which what a pattern finds is masked.
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
