"""One session: who may speak, what the caller and the agent do, and the rows that tell of it.

In come a handler, a caller's conversation and a clock; out come the rows of one session (`base.records.SessionRows`).

- `runner`: the session's loop: calls the handler, hears what it yields, ends the session.
- `turns`: turn-taking: who has the floor, what was heard, when silence counts. No clock, no handler: it is told the time.
- `backchannels`: the rule that tells a sign of listening from an interruption.
- `caller_side`: what the caller plans, and when it is due; `agent_side`: what each yielded event does.
- `audio_length`: how long an audio file plays; `utterance`: what is said, as queued and as heard.
- `inputs`: what is put before the handler besides what the caller does: the start, and silence.
- `effects`: carries out what turn-taking decides: inputs for the handler, rows of the log.
- `early_end`: what goes wrong in a session, and what ends it before its time.
- `host`: what the session is to the code that runs in it: tests, outcomes, metrics, prints, notes; what a run has in
  common (`RunSettings`), and what may stand around a session (`Voice`, `Surroundings`).
- `recorder`: the rows while they are made.
"""
