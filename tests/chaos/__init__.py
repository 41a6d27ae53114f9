"""Standing chaos: random schedules of what happens to runs and their logs, and a model that says what must be true of them.

`make chaos SEED=0 N=100` runs a hundred schedules of each kind; a failure prints its schedule, a shorter one that fails too,
and the command that runs it again.

- `schedule`: a schedule as data: its steps, drawn from a seed, printed, and shortened when it fails; `kept` has those that
  once failed.
- `runs`: the runs that are disturbed, and `model`: what an undisturbed one leaves, against which a log is held;
  `wall_clock` is set meanwhile.
- `in_process`: schedules without processes, thousands in minutes, of what happens to a `world`: a `disk` that fails and
  forgets, and `workers` that die, refuse and repeat. `patches` has what makes that quick.
- `real`: schedules of processes, each of which is `one_run`, forked by a `starter`; `machine` is what this machine offers
  for them.
"""
