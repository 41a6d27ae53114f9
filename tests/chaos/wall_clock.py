"""A clock on the wall that somebody sets."""

import datetime
from typing import TYPE_CHECKING, Any

from voicelab.log import lock
from voicelab.simulation import simulation_run

if TYPE_CHECKING:
    import pytest


class Clock:
    """What the lab takes for the time of day.

    Args:
        patch: Takes what is patched.

    Attributes:
        hours: How far it is off.
    """

    def __init__(self, patch: "pytest.MonkeyPatch") -> None:
        self.hours = 0
        for module in (simulation_run, lock):
            patch.setattr(module, "datetime", self)

    def now(self, zone: Any) -> datetime.datetime:
        """Return what it shows."""
        return datetime.datetime.now(zone) + datetime.timedelta(hours=self.hours)
