"""What a session was played from, so that it can be played again, or changed a little."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from voicelab.runs.options import SessionOptions


@dataclass(frozen=True)
class Origin:
    """What a session was played from, in this process.

    Attributes:
        options: Those of its run.
        run_id: The run's id.
        index: Its index in the run.
        run_tests: Tests that had stopped by then, on top of the options'.
    """

    options: SessionOptions
    run_id: str = "run"
    index: int = 0
    run_tests: Mapping[str, bool] = field(default_factory=dict)
