"""Thousands to millions of sessions in virtual time, the same to the byte for any number of processes.

In come the options of a run and a number of sessions; out goes their log. Nothing here is imported by its users: the
door is `vl.simulate`.

- `simulating`: `vl.simulate` from its arguments to the log; open it first.
- `simulation_run`: what makes a run this run: `fingerprint`, shards, manifest; `log_folder`: what lies there already.
- `driver`: the waves: shards run ahead, each is settled when every test before it is decided; `stops` decides them,
  and `numbers_asked` says which measures their rules ask for.
- `growing`: a log that more sessions of the same run are added to, for whoever looks at it meanwhile.
- `pool`: where shards run, and what happens when a worker dies; `worker`: what runs there; `pickling`: how it gets there;
  `lifeline`: how it ends with its driver; `left_programs`: how what its sessions have started ends with it.
- `suspects`: which session a worker died of, or was stuck in: `note` says where it was, `oversight` that it comes to no end,
  `fitness` what a session has left in its process. `alone` runs it in a `lone_process`, `journal` keeps what it wrote
  there, `verdict_rows` ends that with an error, `verdicts` stores it.
- `recheck`: sessions run again after the run, and what makes the difference where they come to other rows; `again` runs them.
- `executors`: somebody else's processes, such as a cluster of Dask; `same_versions`: what is the same in all of them.
- `progress` and `progress_card`: the line, and in a notebook the card below it, while it runs.
"""
