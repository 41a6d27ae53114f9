"""What a picture or a card needs of a result: `voicelab.analysis.Result` has it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from voicelab.decision.rules import Kind, StopDecision, StopRule

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


class ResultLike(Protocol):
    """The analysis of one test; see `voicelab.analysis.Result` for what each frame holds."""

    @property
    def variants(self) -> "pd.DataFrame":
        """One row a variant."""

    @property
    def comparisons(self) -> "pd.DataFrame":
        """One row a pair."""

    @property
    def srm(self) -> Mapping[str, Any]:
        """The check of the sample ratio."""

    @property
    def decision(self) -> StopDecision:
        """What to do."""

    @property
    def path(self) -> "pd.DataFrame":
        """The confidence after so many sessions."""

    @property
    def excluded(self) -> "pd.DataFrame":
        """Sessions that are not counted, by reason."""

    @property
    def warnings(self) -> list[str]:
        """What needs care."""

    @property
    def outcome(self) -> str | None:
        """The outcome that the test is judged by."""

    @property
    def kind(self) -> Kind | None:
        """Its kind."""

    @property
    def source(self) -> str:
        """Where the sessions are from."""

    @property
    def rule(self) -> StopRule:
        """The stop rule."""

    @property
    def method(self) -> str:
        """Which method was used, and why."""


Source: TypeAlias = "ResultLike | pd.DataFrame"
"""What a picture is drawn from: a result, or the frame itself."""

AxesLike: TypeAlias = "Axes"
"""What a picture is drawn into: the Axes of a matplotlib figure."""
