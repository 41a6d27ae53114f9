"""A live conversation: a session in real time on a thread of its own, with a person at the other end.

In come a front end's messages; out go messages to it, and rows to a log. `page_messages` is the table of both
(docs/console-protocol.md). No module here knows a widget: whatever sends and takes these messages can be the front end.

A session that runs:

- `talk` holds all together, session after session; `dispatch` finds what a message of the page asks for.
- `call` is the session that runs now; `loop` is the thread that it runs on, beside the notebook's own loop.
- `listening` turns the caller's sound into words; `speaking` synthesises and plays what the agent says.
- `recording` keeps what both sounded like; `answer_times` measures how long the agent takes to answer.

Before and after it:

- `settings` is what the person can set; `engines` are the recognisers and voices to choose from.
- `newest_handler` loads the handler anew for each session; `variants` are its tests, and what the person forces.
- `last_session` is the one that has ended: its record, files and place in the log; `rating` asks for its outcome.

What the page shows: `page_data` writes sessions, events and notes as plain data; `page_updates` sends what is new of it.
"""
