"""Decides tests from sessions: a log, a frame or sums in, a `Result` out, which shows itself.

- `analyzing` is `vl.analyze`: it has a `voicelab.decision.monitor.Monitor` watch the sessions and puts the result together.
- `sessions` is what an analysis is made of; `from_log`, `from_frame` and `from_sums` make it, `logged_outcomes`
  and `kinds` read outcomes; `frame_columns` checks a DataFrame's columns and hands them to DuckDB, `row_order` says
  whether its rows stand in the order of time, `numerals` reads numbers in text. For `from_sums` `added_up` adds sessions
  up in DuckDB, by variant, epoch and unit, `summed_columns` has the outcomes as expressions, `summed_moments` what
  they come to and `order_of_sums` what is known of their order, `summed_ratios` the products that ratios take.
- `asked_values` makes ratios and quantiles of the outcomes in them.
- `comparing` has the pairs of variants and how they went; `other_outcomes`, `guarding` (guardrails), `segments` and
  `interactions` (with other tests) what never decides.
- `drawing` reads how variants were drawn (weights, epochs, probabilities), `unknown_weights` does without,
  `callers_again` who called more than once, `missing` whether outcomes are missing unevenly; `variant_rows`,
  `how_much_longer` and `cautions` are parts of the result.
- `result` is what comes out, `card/` how a notebook shows it.
- `planning` answers beforehand: how many sessions, which effect, does the rule keep its bound.
"""

from voicelab.analysis.analyzing import analyze, check_srm
from voicelab.analysis.planning import calibrate, minimum_detectable_effect, required_sessions, sample_sizes
from voicelab.analysis.result import Result

__all__ = [
    "Result",
    "analyze",
    "calibrate",
    "check_srm",
    "minimum_detectable_effect",
    "required_sessions",
    "sample_sizes",
]
