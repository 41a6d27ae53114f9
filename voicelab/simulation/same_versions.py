"""What a shard's bytes depend on besides its job: the same in every process that runs shards of a run, or it is refused."""

import functools
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from voicelab.base.errors import SimulationError
from voicelab.base.version import __version__

# numpy's generators are the caller's and the handler's; the others write what is compared byte by byte.
_LIBRARIES = ("primfunctions", "numpy", "orjson", "pyarrow")


@functools.cache
def versions_here() -> Mapping[str, str]:
    """Return the versions of this process, by name."""
    # Between 3.11.4 and 3.11.9 neither code that is sent nor what it gives differs; from 3.11 to 3.12 both may.
    found = {"voicelab": __version__, "Python": ".".join(map(str, sys.version_info[:2]))}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return MappingProxyType(found)


def process_here() -> str:
    """Return the name of this process among all machines."""
    return f"process {os.getpid()} on {platform.node()}"


def refuse_others(wanted: Mapping[str, str]) -> None:
    """Refuse to work for a driver that has other versions.

    Args:
        wanted: The driver's.

    Raises:
        SimulationError: they differ; the message names this process, and what to install.
    """
    here = versions_here()
    differing = {
        name: (here.get(name, "none"), of_driver) for name, of_driver in wanted.items() if here.get(name) != of_driver
    }
    if differing:
        facts = ", ".join(f"{name} {own} where this run has {other}" for name, (own, other) in differing.items())
        raise SimulationError(
            f"A worker ({process_here()}) has {facts}: its shards might differ. Install the same versions on every machine "
            "that runs shards."
        )
