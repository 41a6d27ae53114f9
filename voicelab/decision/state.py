"""What the state of a test offers to those who put it in words: `voicelab.decision.monitor.Monitor` has it."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from voicelab.decision.drift import Drift
from voicelab.decision.evidence import Evidence
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.rules import Kind, StopRule
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.moments import Moments
from voicelab.decision.stats.sample_ratio import SampleRatio
from voicelab.decision.tally import Tally


class State(Protocol):
    """One test as it stands; see `Monitor` for what each part is."""

    test: str
    rule: StopRule
    weights: dict[str, float]
    kind: Kind | None
    limits: OutcomeLimits
    sessions: int
    recorded: bool
    stopped: bool
    stopped_index: int | None
    pairs: npt.NDArray[np.float64]
    best: npt.NDArray[np.float64]
    ratio: SampleRatio
    tally: Tally
    drift: Drift
    evidence: Evidence | None
    counts: npt.NDArray[np.float64]

    @property
    def variants(self) -> list[str]:
        """The variants."""

    @property
    def default_arm(self) -> int:
        """Position of the one that the others are compared with."""

    @property
    def moments(self) -> list[Moments]:
        """Of each arm, over all epochs."""

    @property
    def varied(self) -> bool:
        """Whether the values differ at all."""

    @property
    def p_value(self) -> float:
        """The p-value that the rule stops by."""

    @property
    def leader(self) -> str | None:
        """The variant that is ahead, if any."""

    def strata(self, arm: int, baseline: int) -> list[Stratum]:
        """Return the moments of two arms in each epoch."""
