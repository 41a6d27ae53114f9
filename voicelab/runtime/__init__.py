"""Runs a stranger's handler safely: in virtual time, apart from other sessions, with its mistakes told in its own lines.

In comes a handler's code; out go a clock, a context and a scope in which that code sees one session and nothing else.

- `clock`: wall time, and virtual time in which a second of waiting costs nothing.
- `isolation`: what belongs to the process and must belong to one session: time, chance, print, sleep, the network.
- `environment`: keys and passwords that a handler reads from the process's environment; `environment_reads`: which its
  source names.
- `driving`: handlers and tasks step by step, so that they can be cut short, given up, or made to fail.
- `own_loop`: an event loop of one's own, also where one runs already.
- `sdk`: the only module that imports primfunctions; its process-wide state is led to the calling session.
- `event_making`: an event's date, its place in the code and the guide's spellings, as it is made in a session.
- `http/`: what a handler's requests over HTTP meet in a session.
- `process_state`: notices what a session has replaced in its process, and puts it back.
- `patching`: replaces what a handler uses, for its own sessions.
- `current_context`: which session the calling code belongs to.
- `context/`: what a handler gets as `context`.
- `own_process`: refuses what would split, end or watch the process that sessions share, or keep it from ending.
- `cpu_limit`: ends a session that uses too much processor time.
- `watchdog`: names the call that holds a live conversation up.
- `tracebacks`: what went wrong, in the user's own lines.
- `portability`: notes about what runs here and is spelled or done differently on the platform.
"""
