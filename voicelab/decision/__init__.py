"""When a test stops: a rule and each session's values in, a decision that stays true at every look out.

The same `Monitor` decides a simulation on the run and a log afterwards. No pandas, no session, no log in here.

- `rules`: `StopRule`, `StopDecision`, and the values that sessions are judged by.
- `watching`: watches one test chunk by chunk; open it to follow a decision from its first line to its last. `monitor`: the same
  for services, a session at a time and as JSON; `intake`: what both are fed with, checked.
- `tally`: what the sessions of each arm come to, epoch by epoch; `units`: callers who call again; `limits`: bounds and caps;
  `drift`: whether the level changes over the test.
- `evidence`: what the sessions say of each pair of variants; `evidence_with_horizon` and `evidence_without_horizon` are
  the two methods; `pair_peaks`: how both keep up with many variants; `first_crossings`: where each pair was first sure.
- `evidence_of_quantiles`: both methods for quantiles, of which `quantile_tally` keeps the values.
- `guardrails`: outcomes that no variant must harm, and what is known of them.
- `asked_outcome`: what an outcome is asked for by: a name, a ratio, a quantile.
- `stopping`: when a rule stops, given the evidence.
- `verdict`: leader, winner and decision; `doubts`: what makes it approximate; `wording`: it as a sentence; `outlook`:
  how much longer it may take; `state`: what these need to know.
- `stats/`: the mathematics, arrays in and arrays out.
"""
