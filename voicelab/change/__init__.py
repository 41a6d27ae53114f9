"""A handler that changes: which of two versions is better, what another does to logged callers, and what fails, smallest first.

In come two handlers and whoever calls, a log, or a record; out go a `VersionComparison`, callers that do again what was logged,
and conversations that fail, as short as they can be.

Two versions:

- `two_versions`: `vl.compare` from its arguments to the result; open it first.
- `paired_run` runs both versions, block by block, until a decision or the declared number of sessions is reached.
- `paired_values` reads outcomes as pairs, out of both logs; `version_verdict` decides by them.
- `diverging` finds the first event that differs in each pair; `unlike_versions` says in which tests and outcomes they differ.
- `version_comparison` is the result, `comparison_card` how a notebook shows it, `junit` what continuous integration reads.

Logged callers:

- `replay`: `vl.Replay`, the callers of a log as a population; `logged_sessions`: which of them can be replayed.
- `replayed_call`: one of them in a session, with its theory of operation; `heard_words`: what of the agent's words differs;
  `logged_acts`: how what it did reaches the agent again.

Failures:

- `shrinking`: the shortest conversation that still fails, behind `record.shrink`; `repeating`: whether a failure happens again
  at all; `shortest`: what is found, as data; `shrunk`: how it is shown.
- `removables`: a session taken apart, and played again from its parts; `minimizing`: leaves parts out and makes them simpler;
  `simpler`: what is simpler than something.
- `written_test`: what is found as a pytest; `handler_text`: the handler as the text of a program.
"""
