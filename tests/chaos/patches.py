"""What is other in a process in which thousands of runs are disturbed: small shards, no waiting, and nothing computed twice."""

import contextlib
import datetime
import functools
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
from chaos.runs import SEEDS, SMALL, handler_of, simulate
from chaos.workers import Here
from voicelab.handlers import Handler
from voicelab.log import compact as compacting
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
        patch.setattr(os, "environ", os.environ.copy())
        patch.setattr(simulation_run, "SHARD_SIZE", SMALL.shard)
        patch.setattr(simulation_run, "version", _version)
        patch.setattr(compacting, "SESSIONS", SMALL.joined)
        patch.setattr(lock, "BRIEFLY_S", 0.0)
        patch.setattr(lock, "ENDING_S", 0.0)
        patch.setattr(worker, "run_sessions", _run_once)
        patch.setattr(worker, "unpack", _unpack_once)
        # A worker puts all that it has loaded out of the collector's sight; this process goes on after it.
        patch.setattr(worker, "gc", SimpleNamespace(collect=lambda: 0, freeze=lambda: None))
        patch.setattr(write, "_arrow", _convert_once)
        patch.setattr(write, "pq", SimpleNamespace(write_table=_write_again, ParquetWriter=pq.ParquetWriter))
        yield patch


def _run_once(job: Any, task: Any, notes: list[Any]) -> Any:
    key = (job.run_id, task.first, task.stop, tuple(sorted(task.stops.items())))
    if key not in _ran:
        _ran[key] = _sessions(job, task, notes)
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


def _write_again(table: Any, file: Any, **how: Any) -> None:
    """Write what a table's file is, in three pieces: enough to be ended between them."""
    if id(table) not in _kept:
        pq.write_table(table, file, **how)
        return
    if id(table) not in _written:
        whole = io.BytesIO()
        pq.write_table(table, whole, **how)
        data = whole.getvalue()
        third = len(data) // 3
        _written[id(table)] = [data[:third], data[third : 2 * third], data[2 * third :]]
    for piece in _written[id(table)]:
        file.write(piece)


class Clock:
    """The clock on the wall, which somebody sets.

    Args:
        patch: Takes what is patched.

    Attributes:
        hours: How far it is off.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.hours = 0
        for module in (simulation_run, lock):
            patch.setattr(module, "datetime", self)

    def now(self, zone: Any) -> datetime.datetime:
        """Return what it shows."""
        return datetime.datetime.now(zone) + datetime.timedelta(hours=self.hours)


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
            for which in SEEDS
        }
