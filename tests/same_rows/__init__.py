"""Two versions of voicelab run the same random sessions, and must write the same rows: `make same-rows BASE= SEED= N=`.

For whoever rebuilds what runs a session, and means to change nothing: the version before is the measure, not a list of
expectations that somebody had to think of.

- `draws`: the case of a number, drawn by chance, as JSON: `steps` says what a handler does, `people` who calls.
- `handlers`: the handler that goes through such steps; `settings`: callers, worlds and services out of their JSON.
- `player`: a process that plays cases by one version of voicelab and gives back all rows.
- `versions`: the versions, taken out of git, each with its player.
- `rows`: rows in one form for both, those that may differ left out, and what differs shown side by side.

A case is shortened by `fuzz.shrink`. What stands in a case is chosen so that it costs no real time and no network, and so that
the same version writes the same rows each time: `BASE=HEAD` finds no difference.
"""
