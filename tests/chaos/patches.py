"""What is other in a process in which thousands of runs are disturbed: small shards, no waiting, and nothing computed twice."""

import contextlib
import functools
import gc
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from chaos.model import Expected, expected_of
from chaos.runs import SMALL, handler_of, shrunk_to, simulate
from chaos.workers import Here
from voicelab.handlers import Handler
from voicelab.log import lock, write
from voicelab.simulation import simulation_run, worker

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where folders of the schedules lie."""

_sessions = worker.run_sessions
_unpack = worker.unpack
_table = write._arrow
_version = functools.cache(simulation_run.version)
_ran: dict[Any, Any] = {}
_tables: dict[Any, Any] = {}
_kept: set[int] = set()
_written: dict[int, list[bytes]] = {}


@contextlib.contextmanager
def patched() -> Iterator[pytest.MonkeyPatch]:
    """Make runs small and quick, and undo that afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONHASHSEED", "6640")  # as workers have it, which this process stands for
        shrunk_to(SMALL, patch)
        patch.setattr(simulation_run, "version", _version)
        patch.setattr(lock, "BRIEFLY_S", 0.0)
        patch.setattr(lock, "ENDING_S", 0.0)
        patch.setattr(worker, "run_sessions", _run_once)
        patch.setattr(worker, "unpack", _unpack_once)
        # A worker puts all that it has loaded out of the collector's sight; this process goes on after it.
        patch.setattr(worker, "gc", _no_collector())
        # Whoever visits in the middle of a shard runs one too, in the same thread.
        patch.setattr(worker, "_turn", contextlib.nullcontext())
        patch.setattr(write, "_arrow", _convert_once)
        patch.setattr(write, "pq", SimpleNamespace(ParquetWriter=_Writer))
        yield patch


def _no_collector() -> SimpleNamespace:
    names = ("collect", "freeze", "unfreeze", "set_threshold")
    return SimpleNamespace(get_threshold=gc.get_threshold, **dict.fromkeys(names, lambda *_: None))


def _run_once(job: Any, task: Any, *more: Any, **how: Any) -> Any:
    key = (job.run_id, task.first, task.stop, tuple(sorted(task.stops.items())))
    if key not in _ran:
        _ran[key] = _sessions(job, task, *more, **how)
    return _ran[key]


@functools.lru_cache(8)
def _unpack_once(packed: bytes) -> Any:
    return _unpack(packed)


def _convert_once(table: str, sessions: Any) -> Any:
    key = (table, id(sessions))  # those that were run are kept, and with them their id
    if key not in _tables:
        _tables[key] = _table(table, sessions)
        _kept.add(id(_tables[key]))
    return _tables[key]


class _Writer:
    """Writes the groups of a table, as `pyarrow.parquet.ParquetWriter`; those of a shard, which are known, in three pieces.

    Args:
        file: Where to.
        schema: The table's.
        how: As there.
    """

    def __init__(self, file: Any, schema: Any, **how: Any) -> None:
        self._file, self._schema, self._how = file, schema, how
        self._groups: list[Any] = []

    def __enter__(self) -> "_Writer":
        return self

    def write_table(self, group: Any, **how: Any) -> None:
        """Take a group."""
        self._groups.append((group, how))

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            return
        known = id(self._groups[0][0]) if len(self._groups) == 1 else None
        if known not in _kept:
            self._write(self._file)
            return
        if known not in _written:
            with io.BytesIO() as whole:
                self._write(whole)
                data = whole.getvalue()
            third = len(data) // 3
            _written[known] = [data[:third], data[third : 2 * third], data[2 * third :]]
        for piece in _written[known]:
            self._file.write(piece)

    def _write(self, file: Any) -> None:
        with pq.ParquetWriter(file, self._schema, **self._how) as writer:
            for group, how in self._groups:
                writer.write_table(group, **how)


@functools.cache
def small_handler() -> Handler:
    """Return the handler of the runs in this process."""
    return handler_of(SMALL)


@functools.cache
def undisturbed() -> dict[str, Expected]:
    """Return what the runs leave when nothing happens, by name."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, patched():
        return {
            which: expected_of(
                Path(folder) / which,
                SMALL,
                lambda log, which=which: simulate(small_handler(), SMALL, which, log, executor=Here()),
            )
            for which in ("first", "second")
        }
