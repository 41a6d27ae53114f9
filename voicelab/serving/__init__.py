"""VoiceRun's own command line and debugger, served on this machine by a handler or a log of the lab.

In come requests over HTTP and connections of debuggers; out go answers, the frames of a live session, and sessions in a log.

- `server` is `vl.serve` and what it returns; `listener` takes requests and connections, `security` says who may ask,
  `open_files` lets the process have as many of them as that takes, `how_to_connect` is what people are told.
- `routes` are the requests, each with its `answer`; `one_at_a_time` is the thread for those that take a while.
- `served_agent` is the handler: it makes sessions and logs them.
- `debugger_socket` is one connection of a debugger, `debug_session` its session, on a thread of its own.
  `debugger_frames` are what the two say to each other, `debugger_sound` is the sound in it.
- `reading`: what may be read of a session log, by path; `asked` reads a request's query, `followed_log` sees the log grow.
- `session_reading`, `metric_reading`, `experiment_reading` and `evaluation_reading`: what is answered, kind by kind;
  `turn_spans` has a session's trace.
"""
