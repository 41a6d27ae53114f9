"""Standing chaos: random schedules of what happens to runs and their logs, and a model that says what must be true of them.

`make chaos SEED=0 N=100` runs a hundred schedules of each kind; a failure prints its schedule, a shorter one that fails too,
and the command that runs it again.

- `schedule`: a schedule as data: its steps, drawn from a seed, printed, and shortened when it fails.
- `runs`: the runs that are disturbed, and `model`: what an undisturbed one leaves, against which a log is held.
- `in_process`: schedules on a disk that fails and forgets (`disk`), with an executor that loses and repeats shards
  (`workers`): thousands in minutes.
- `real`: schedules of processes that are killed, stopped and interrupted, each run one of `one_run`.
"""
