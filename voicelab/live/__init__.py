"""A live conversation: a session in real time on a thread of its own, with a person at the other end.

- `loop` runs the session beside the notebook's own loop, so that a running cell doesn't hold it up.
- `voice` speaks what the agent says; `ears` turns the caller's sound into words; `tape` keeps both.
- `marks` measures how long the agent takes to answer; `view` is what a front end shows.
- `talk` holds it together: it takes a front end's messages and sends its own (docs/console-protocol.md).

None of it knows a widget: whatever sends and takes these messages can be the front end.
"""
