"""One run in this process: the options that all its sessions share, and a session from its start to its end.

In come the arguments of `vl.run`, `vl.simulate` and `vl.Console`, as the user wrote them; out goes a `Job`, which plays any
session of the run by its index, and for `vl.run` the record of one.

- `options`: the arguments, each checked once, in one frozen record. Begin here to add an option, or to see why one was
  refused.
- `drawn_rows`: `vl.draw_rows`, parameters from a table of any length.
- `jobs`: `vl.run`, `vl.offload`, and `Job`, which puts a session together from the options: its caller, its world, its
  streams of chance. Whoever plays many sessions, or one with a person in it, begins with a `Job` as well.
- `origin`: what a session was played from, kept with its record.
- `findings`: what a person should be told after a run, counted session by session: callers that don't fit, a target that
  nobody reached, data that nobody gave.
"""
