"""A simulation's run: what makes it this run and no other, how it is cut into shards, and its manifest."""

import platform
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from voicelab.base.version import __version__
from voicelab.log.write import SHARD_SIZE
from voicelab.runs.jobs import Job
from voicelab.runs.options import Rows, SessionOptions
from voicelab.simulation.driver import Plan
from voicelab.simulation.fingerprint import VERSION, fingerprint, of_options
from voicelab.simulation.pickling import pack
from voicelab.simulation.recheck import checked_indexes

AUDIO_SHARD_SIZE = 20
"""Sessions a shard where callers really speak, which takes a thousand times as long as text."""


class SimulationRun:
    """A run as its log's manifest describes it.

    Args:
        options: What its sessions are made of.
        sessions: How many there are.
        stopping: Whether the tests' own stop rules are honoured.
        shard_size: Sessions a shard; None for as many as a run of this kind usually has.

    Attributes:
        fingerprints: Hash of each option, by name.
        fingerprint: Hash of them all.
        job: Its sessions, each from start to end.
    """

    def __init__(
        self, options: SessionOptions, sessions: int, *, stopping: bool, shard_size: int | None = None
    ) -> None:
        self._shard_size = shard_size
        self.options = options
        self.sessions = sessions
        self.stopping = stopping
        self.fingerprints = of_options(options)
        self.fingerprint = fingerprint(self.fingerprints)
        identity = f"{self.fingerprint}:{options.seed}:{stopping}"
        run_id = blake2b(identity.encode(), digest_size=8).hexdigest()
        if (again := options.callers.repeats(self._again())) is not None:
            self.options = options = replace(options, callers=again[0])
            run_id = again[1]
        self.job = Job(options, run_id=run_id)

    def _again(self) -> dict[str, Any]:
        same = {"seed": self.options.seed, "stopping": self.stopping, "sessions": self.sessions}
        return same | {"fingerprint_version": VERSION, "options": self.fingerprints}

    def plan(self, folder: Path, *, check: bool = False) -> Plan:
        """Return how the sessions are cut into shards, and which of them are run again where that is asked for."""
        checked = checked_indexes(self.options.seed, self.sessions) if check else ()
        return Plan(folder, self.sessions, self.shard_size, self._rows, checked=checked)

    def packed(self) -> bytes:
        """Return what worker processes get, all alike: rows of parameters go with the shards that they belong to."""
        shared = self.job if self._rows is None else replace(self.job, options=replace(self.options, parameters=None))
        return pack(shared)

    @property
    def _rows(self) -> Rows | None:
        return self.options.parameters if isinstance(self.options.parameters, tuple) else None

    @property
    def shard_size(self) -> int:
        """Sessions a shard: few where each takes a second."""
        if self._shard_size is not None:
            return self._shard_size
        return SHARD_SIZE if self.options.telephone is None else AUDIO_SHARD_SIZE

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for a log to hold this run."""
        return {
            "fingerprint": self.fingerprint,
            "seed": self.options.seed,
            "sessions": self.sessions,
            "shard_size": self.shard_size,
            "stopping": self.stopping,
        }

    def manifest(self, workers: int) -> dict[str, Any]:
        """Return the manifest at the beginning of the run."""
        libraries = ("primfunctions", "pyarrow", "orjson")
        world = self.options.world
        return {
            **self.identity(),
            "fingerprint_version": VERSION,
            "options": self.fingerprints,
            "run_id": self.job.run_id,
            "status": "running",
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": self.job.source,
            "handler": self.options.handler.name,
            "callers": self.options.callers.name,
            **self.options.callers.told(self.fingerprints),
            "world": None if world is None else repr(world),
            "audio": None if self.options.telephone is None else repr(self.options.telephone),
            "evaluators": [evaluator.name for evaluator in self.options.evaluators if evaluator.runs],
            "workers": workers,
            "host": platform.node(),
            "python": platform.python_version(),
            "versions": {"voicelab": __version__, **{name: version(name) for name in libraries}},
        }
