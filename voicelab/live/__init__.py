"""A live conversation: a session in real time on a thread of its own, with a person at the other end.

In come a front end's messages; out go messages to it, and rows to a log. `page_messages` is the table of both,
`page_records` of what stands in them (docs/console-protocol.md). No module here knows a widget: whatever sends and takes
these messages can be the front end.

A session that runs:

- `talk` holds all together, session after session; `dispatch` finds what a message of the page asks for.
- `call` is the session that runs now; `loop` is the thread that it runs on, beside the notebook's own loop.
- `listening` turns the caller's sound into words; `speaking` synthesises and plays what the agent says.
- `waiting` are typed words that wait until the agent has spoken.
- `recording` keeps what both sounded like; `answer_times` measures how long the agent takes to answer.

Before and after it:

- `settings` is what the person can set; `engines` are the recognisers and voices to choose from.
- `newest_handler` loads the handler anew for each session; `variants` are its tests, and what the person forces.
- `next_session` is what the person gives for the next one: parameters, input data, variables.
- `ended_sessions` are those that have ended: the one that is shown, records, files, places in the log; `rating` asks for
  the last one's outcome.

What the page shows: `page_data` writes sessions, events and notes as plain data; `page_updates` sends what is new of it.
What it sends is held to the table by `page_check`.
"""
