"""Another version of an agent, and what it does to the same callers.

In comes a log, or two versions of a handler; out go callers that do again what was logged, and what differs.

- `replay`: `vl.Replay`, the callers of a log as a population; `logged_sessions`: which of them can be replayed.
- `replayed_call`: one of them in a session, with its theory of operation; `heard_words`: what of the agent's words differs.
"""
