"""A handler that changes: what another version does to the same callers, and what fails, smallest first.

In come logs, records, or two versions of a handler; out go callers that do again what was logged, and conversations that fail,
as short as they can be.

- `replay`: `vl.Replay`, the callers of a log as a population; `logged_sessions`: which of them can be replayed.
- `replayed_call`: one of them in a session, with its theory of operation; `heard_words`: what of the agent's words differs.
- `shrinking`: the shortest conversation that still fails, behind `record.shrink`; `repeating`: whether a failure happens again
  at all; `shortest`: what is found, as data; `shrunk`: how it is shown.
- `removables`: a session taken apart, and played again from its parts; `minimizing`: leaves parts out and makes them simpler;
  `simpler`: what is simpler than something.
- `written_test`: what is found as a pytest; `handler_text`: the handler as the text of a program.
"""
