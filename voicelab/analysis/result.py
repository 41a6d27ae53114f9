"""The result of an analysis: frames, the decision, and how they show themselves."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from voicelab.plots.result_like import AxesLike

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from voicelab import plots
from voicelab.analysis.card.formats import confidence
from voicelab.analysis.card.result_card import result_card
from voicelab.analysis.card.text_card import text_card
from voicelab.base.html_page import write_page
from voicelab.base.plain_json import encode
from voicelab.decision.rules import Kind, StopDecision, StopRule
from voicelab.decision.wording import holds, marks


@dataclass(frozen=True, repr=False)
class Result:
    """The analysis of one test.

    Units: what is compared is in the outcome's own; of a rate that is a share from 0 to 1, so that a `difference` of .074,
    an interval's end and an `effect` are 7.4 percentage points, which is how they are printed. `lift` is a share of the
    baseline's mean (.25 is a quarter more), `confidence` is in percent, from 0 to below 100, and p-values are from 0 to 1.

    Attributes:
        variants: One row a variant: sessions, weight (where it changed, the share that all of them promised; None where it
            is unknown), share, n (sessions with a value), conversions, mean (of a rate a share), its interval that holds at
            every look (`_cs_`, at the rule's confidence or 95 %; for the means of rare values only after hundreds of
            sessions, over epochs none is known) and for one look (`_ci_`, 95 %), sd (of what sessions say of the mean, for
            planning: of a ratio that of its linearised values), is_default. Of a ratio or a quantile `mean` is that.
        comparisons: One row a pair: difference (variant minus baseline), its interval that holds at every look
            (`_cs_`), that in the worst case of what is missing (`_worst_`; None where nothing is), and for a test with a
            horizon and up to six variants that has stopped the median-unbiased estimate with its interval
            (`difference_mue`), which flatters less than the difference itself; lift, p_value and p_value_adjusted (both
            valid at every look), confidence in percent, and the fixed-sample companions (`_fixed`, `_ci_`), which hold
            for one look alone. None where nothing is known, such as of numbers that never vary within the variants.
        srm: Sample ratio: n, observed, expected, p_value_fixed, p_value (valid at every look), alarm; None where the weights
            are unknown.
        decision: What to do.
        path: The confidence in percent after so many sessions, thinned for display; empty where the sums decided.
        excluded: Sessions that are not counted, or counted with a value they didn't write, by reason.
        warnings: What needs care, a sentence each.
        outcome: The outcome that the test is judged by.
        kind: Its kind: binary, count, float; None if it was never recorded.
        source: Where the sessions are from.
        rule: The stop rule.
        method: Which method was used, and why.
        guardrails: What each variant does to each guardrail, in its units: kind, direction (`minimize`: less is better), margin,
            verdict (`harmed`: surely worse; `held`: surely worse by less than the margin, if at all; `unknown`), difference as
            above, excluded (sessions of the two that have no value of it), confidence in percent that it is worse (adjusted by
            Holm's method) and confidence_held; None without guardrails.
        segments: Each variant against the default within each segment, as in `comparisons`; None unless `by` asked for it.
        interactions: Of a log with several tests: how much a variant's difference from the default changes with a variant of
            another test against that one's default, a row each: other_test, variant, baseline, other_variant,
            other_baseline, kind, sessions, that difference of differences with its interval that holds at every look
            (95 %), p-values and confidence as above, adjusted by Holm's method over all of them. None where there is one test.
        outcomes: The other outcomes and the levels of those that hold text, each pair a row as in `comparisons`, with the
            outcome, its kind and excluded (sessions without a value); adjusted by Holm's method over all of them.
        outlook: How much longer the test may take, a row each for the estimate `so far` and for the smallest difference
            that `matters` (the rule's `smallest`): supposed, difference, sessions still to come (median, and low and high
            in 8 of 10 cases; None beyond the end) and undecided, the chance that the test ends without a decision. None
            once it has stopped. Reading it changes no validity.
        platform: The platform's own numbers, for imported sessions.
        values: How often each variant has each value: variant, value, sessions.
    """

    variants: pd.DataFrame
    comparisons: pd.DataFrame
    srm: dict[str, Any]
    decision: StopDecision
    path: pd.DataFrame
    excluded: pd.DataFrame
    warnings: list[str]
    outcome: str | None
    kind: Kind | None
    source: str
    rule: StopRule
    method: str
    guardrails: pd.DataFrame | None = None
    segments: pd.DataFrame | None = None
    interactions: pd.DataFrame | None = None
    outcomes: pd.DataFrame | None = None
    outlook: pd.DataFrame | None = None
    platform: dict[str, Any] | None = None
    values: pd.DataFrame | None = None

    def plot(self, kind: str = "confidence", ax: "AxesLike | None" = None) -> "AxesLike":
        """Draw the result and return the matplotlib Axes; kinds: `voicelab.plots.KINDS`.

        Args:
            kind: confidence, difference, variants, shares, boundary, segments, distribution, ...
            ax: Axes to draw into.
        """
        return plots.plot(self, kind, ax)

    def to_frame(self) -> pd.DataFrame:
        """Return the variants, each with its comparison against the default (or the first variant)."""
        against = self.comparisons.drop_duplicates("variant").drop(columns="baseline")
        return self.variants.merge(against, on="variant", how="left")

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON's types: no NaN, no infinity."""
        frames = {
            name: getattr(self, name)
            for name in (
                "variants",
                "comparisons",
                "excluded",
                "outcomes",
                "guardrails",
                "segments",
                "interactions",
                "outlook",
            )
        }
        result = {
            "test": self.decision.test,
            "outcome": self.outcome,
            "kind": self.kind,
            "source": self.source,
            "decision": self.decision.to_json(),
            "rule": self.rule.to_stop(),
            "method": self.method,
            "warnings": self.warnings,
            "srm": self.srm,
            **{
                name: None if frame is None else frame.astype(object).where(frame.notna(), None).to_dict("records")
                for name, frame in frames.items()
            },
        }
        # Every digit of a float, so that what is below 100 % stays so; what is no number becomes null.
        written: dict[str, Any] = json.loads(encode(result))
        return written

    def to_html(self, path: str | Path) -> Path:
        """Write the card as a page of its own, for a browser or a mail, and return its path.

        Args:
            path: Where to, such as `result.html`; a file that is there is replaced.

        Raises:
            InputError: it can't be written there.
        """
        return write_page(path, f"{self.decision.test}: {self.decision.verdict}", self._repr_html_())

    @property
    def head(self) -> list[str]:
        """The facts under the verdict."""
        decision = self.decision
        sure = "no confidence" if decision.confidence is None else f"confidence {confidence(decision.confidence)}"
        valid = "one look only" if self.rule.method == "fixed" else holds(decision.doubts)
        of = f" of {self.rule.max_iterations:,}" if self.rule.max_iterations else ""
        facts = [
            self.source,
            f"test {decision.test}",
            f"outcome {self.outcome}" if self.outcome else "no outcome",
            sure if decision.confidence is None else f"{sure}, {valid}",
            f"{'decided at' if decision.should_stop else 'after'} {decision.sessions:,}{of} sessions",
            f"reason: {decision.reason}" if decision.should_stop else "",
        ]
        return [fact for fact in facts if fact]

    def __repr__(self) -> str:
        decision = self.decision
        sure = "none" if decision.confidence is None else confidence(decision.confidence)
        doubts = "".join(f"{mark[0].lower()}{mark[1:]}, " for mark in marks(decision.doubts))
        return f"Result({decision.test}: {doubts}{decision.conclusion}, leader {decision.leader}, confidence {sure})"

    def __str__(self) -> str:
        return text_card(self, self.head)

    def _repr_html_(self) -> str:
        return result_card(self)
