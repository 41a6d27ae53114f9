"""One session: who may speak, what the caller and the agent do, and the rows that tell of it.

In come a handler, a caller's conversation and a clock; out come the rows of one session (`base.records.SessionRows`). All that
is so at a time is one object, `session_state.Session`; all that happens are functions that change it, here by who acts:

- `turns`: turn-taking: who has the floor, what was heard, when silence counts. Its theory of operation stands above it: begin
  there. No event loop, no SDK and no clock: it is told the time.
- `playback`: what the agent says as it plays, what of it was heard, and the gate, which it may close; told the time too.
- `caller`: what the caller plans, says and does, and how that becomes an input of the handler.
- `agent`: what each event does that the handler or a task yields.
- `engine`: runs a session: calls the handler, has time pass to whatever is due next, ends it. The only code that waits.
- `early_end`: what goes wrong in a session, and what ends it before its time.

What these work with:

- `session_state`: the state; `run_settings`: what all sessions of a run have in common; `surroundings`: what may stand around
  one: a world, a telephone, a voice.
- `inputs`: what is put before the handler besides what the caller does: the start, and silence.
- `utterance`: what is said, as queued, as heard, and as cut; `audio_length`: how long an audio file plays.
- `rows`: the rows while they are made, masked as they are put down; `finished_rows`: those of the end.

Who looks at it from outside:

- `host`: what a session is to the code that runs in it: tests, outcomes, metrics, prints, notes, time and chance.
- `live_end`: what a person, a microphone and a voice see of a running session, and do with it.
"""
