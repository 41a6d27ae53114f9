"""Seeds: one stream of chance for each thing that chance decides in a session.

A stream's seed is a keyed hash of (run seed, session index, stream name). So sessions can run in any order on any
machine, a test that stops shifts nothing else, and two versions of a handler meet the same callers.

Why not one generator that all draw from in turn: what a session met would then depend on how often every other drew. Why
not `random.Random(seed + index)`: session 1 of seed 7 would meet what session 0 of seed 8 meets, so that two runs were no
two samples. A keyed hash (blake2b) gives neighbouring seeds, sessions and names numbers that have nothing to do with each
other; Python's own `hash` of text differs from process to process.
"""

import random
from functools import lru_cache
from hashlib import blake2b
from typing import Any


@lru_cache(maxsize=8)
def _key(run_seed: int) -> bytes:
    text = str(run_seed).encode()
    # A key has at most 64 bytes; a longer seed is hashed to one.
    return text if len(text) <= 64 else blake2b(text).digest()  # noqa: PLR2004 - as the line above says


class Seeds:
    """The seeds of one session.

    Args:
        run_seed: Seed of the whole run.
        index: Index of the session in the run, from 0.
    """

    __slots__ = ("_key", "_prefix")

    def __init__(self, run_seed: int, index: int) -> None:
        self._key = _key(run_seed)
        self._prefix = f"{index}:".encode()

    def seed(self, stream: str) -> int:
        """Return the 64-bit seed of a stream, such as `caller`, `handler`, `world:delay` or `test:greeting`."""
        return int.from_bytes(blake2b(self._prefix + stream.encode(), key=self._key, digest_size=8).digest(), "little")

    def uniform(self, stream: str) -> float:
        """Return one number from [0, 1) that belongs to the stream; the same at each call."""
        # As many bits as a float holds: with all 64 the largest would be rounded up to 1.
        return (self.seed(stream) >> 11) * 2.0**-53

    def lazy_random(self, stream: str) -> random.Random:
        """Return a generator for the stream that is seeded when it is first used: a script draws nothing."""
        return _LazyRandom(self, stream)  # type: ignore[return-value]  # it passes on whatever it is asked for

    def sparing_random(self, stream: str) -> random.Random:
        """Return a generator for the stream that is never seeded: for a few numbers, of `random()` alone."""
        return _SparingRandom(self, stream)  # type: ignore[return-value]  # as much of one as is used

    def random(self, stream: str) -> random.Random:
        """Return a generator seeded for the stream."""
        return random.Random(self.seed(stream))


class _LazyRandom:
    # Seeding fills 624 words each time, and most sessions have streams that nobody draws from.

    __slots__ = ("_random", "_seeds", "_stream")

    def __init__(self, seeds: Seeds, stream: str) -> None:
        self._seeds = seeds
        self._stream = stream
        self._random: random.Random | None = None

    def __getattr__(self, name: str) -> Any:
        if self._random is None:
            self._random = self._seeds.random(self._stream)
        return getattr(self._random, name)


class _SparingRandom:
    # Each number is a hash of its own: the first hundred of them take as long as seeding does.

    __slots__ = ("_n", "_seeds", "_stream")

    def __init__(self, seeds: Seeds, stream: str) -> None:
        self._seeds, self._stream, self._n = seeds, stream, 0

    def random(self) -> float:
        """Return the next number from [0, 1)."""
        self._n += 1
        return self._seeds.uniform(f"{self._stream}:{self._n}")


def session_id(run_id: str, index: int) -> str:
    """Return the id of a session: 16 hexadecimal digits, a hash of the run's id and the session's index."""
    return blake2b(f"{run_id}:{index}".encode(), digest_size=8).hexdigest()
