"""What a session meets besides its caller: errors of recognition, delays, faults, the telephone, a language model.

In come the options of a run; out goes, for each session, what the engine asks on the way. Nothing here knows the engine.

- `world`: `vl.World`: recognition errors, delays, faults, and the effects that a test truly has.
- `word_errors`: how a recogniser errs word by word, as `World.fit` finds it.
- `telephone`: callers that really speak: words to sound, over a line, recognised on the agent's side.
- `model`: `vl.Model`: a language model in the platform's place; `decisions`: what it answers to questions.
- `http`: `vl.Http`: what answers a handler's requests over HTTP; `http_replies`: its patterns and replies; `traffic`: what
  was recorded of real services.
"""
