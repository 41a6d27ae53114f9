"""One session to look at.

In come the rows of one finished session (`voicelab.base.records.SessionRows`, from a run or a log), or the events of a running
one as they come. Out go what people look at: a record with its data and its card, lines of conversation, spans of a
timeline.

- `session_record`: the record that `vl.run` returns and `log.session(id)` opens, and records side by side.
- `lines`: the conversation line by line, for the card, for plain text and for the console's page.
- `lanes`: the timeline as spans in lanes. The one derivation: the card and the console's page both draw what it says.
  `caller_speech`, `task_rows` and `gate_times` are its three harder parts.
- `why`: why each row came when it did, in words, read off the rows.
- `readable`: events as all of them count on them, whoever wrote these.
- `svg`: the timeline as a picture that needs no script; `html`: the card around it.
- `failure`: what makes a session a failed one, and where it failed by what.
- `debugger_rows`: the session as VoiceRun's debugger exports one.
- `caller_acts`: what the caller did, when, and what it had heard by then; `agent_activity`: what the agent was at meanwhile.
- `caller_as_script`: the session's caller, as a script to be played again;
  `script_text`: such a script as text to be copied.
"""
