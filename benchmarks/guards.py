"""What the guards of a session cost: `python benchmarks/guards.py [ROUNDS] [--quick]`.

Guards are what keeps a session from costing more than itself: its outputs and texts are counted, huge values are looked
for before they are encoded, its processor time is watched, its process is looked at after it, it is noted as under way, and
whatever it raises is caught. Here the same code runs with its guards and without them, in short blocks by turns, in one
process as a worker runs it. The figure is the median of the blocks' ratios, so that a busy machine moves it little.

Without them: the functions that hold a guard are compiled again from their own source with its lines taken out, and their
code is swapped. Where a line isn't there any more this stops, rather than to measure nothing.
"""

import inspect
import statistics
import sys
import tempfile
import textwrap
import time
import warnings
from pathlib import Path
from types import CodeType, FunctionType

from figures import Figures, arguments
from handlers import TEXTS, five_turns

import voicelab as vl
from voicelab.base import plain_json
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.session import agent, engine, finished_rows, rows
from voicelab.session.host import SessionHost
from voicelab.simulation import worker
from voicelab.simulation.fitness import EVERY, Fitness, begin_run
from voicelab.simulation.note import noting

SESSIONS = EVERY + 16
"""Sessions of a block, some 20 ms."""
WARM = 16
"""So many at its beginning are left out: Python specialises code as it runs. The rest holds one close look at the process."""
MOST = 1.05
"""What a session may take, over what it takes without its guards."""
_NO_CHARACTERS = (
    "s.chars_left -= len(text)\n",
    "if s.chars_left < 0 or s.problems:\n    text = _with_trouble(s, data, text)\n",
)
_COUNT = ("self._count()\n",)
_KEPT = '_whatever_is_there(s, lambda: kept_text(s, {0}), "{{}}")'
ALL: tuple[str, ...] = ("all of it",)
# What holds a guard -> what of it is taken out, or put in its place.
GUARDS: dict[FunctionType, tuple[str | tuple[str, str], ...]] = {
    plain_json.encode: (
        "if type(value) is dict and len(value) <= _FEW:\n"
        "    for part in value.values():\n"
        "        kind = type(part)\n"
        "        if kind is str:\n"
        "            if len(part) > _SHORT:\n"
        "                break\n"
        "        elif kind is not bool and part is not None and kind not in _SCALARS:\n"
        "            break\n"
        "    else:\n"
        "        return orjson.dumps(value, _plain).decode()\n",
        ("not _is_huge(value)", "True"),
    ),
    rows.add_row: _NO_CHARACTERS,
    rows.add_flat_row: (_NO_CHARACTERS[0], _NO_CHARACTERS[1].replace(" or s.problems", "")),
    rows.kept_text: _NO_CHARACTERS,
    SessionHost.expose: _COUNT,
    SessionHost.measured: _COUNT,
    SessionHost._log: _COUNT,
    finished_rows.outcome_rows: (
        "if len(experiments.outcomes) > most and s.outputs_left >= 0:\n"
        "    s.outputs_left = -1\n"
        '    limit_reached(s, "outputs", None)\n',
        ("itertools.islice(experiments.outcomes.items(), most)", "experiments.outcomes.items()"),
        ("_value_of(", "_plain_value_of("),
    ),
    agent.perform: (
        "s.outputs_left -= 1\n",
        'if s.outputs_left < 0:\n    too_much(s, "outputs", users_line(_frame_of(stream)), task)\n',
        "if s.trouble:\n    look_into(s, users_line(_frame_of(stream)), task)\n",
    ),
    engine._open: ("s.guard = begin_session(host)\n",),
    engine._rows: (
        (_KEPT.format("context.data"), "kept_text(s, context.data)"),
        (_KEPT.format("context.output_data"), "kept_text(s, context.output_data)"),
        ("_whatever_is_there(s, lambda: outcome_rows(s, context), none)", "outcome_rows(s, context)"),
        "if s.trouble:\n    look_into(s, None)\n",
    ),
    Fitness.begin: ALL,
    Fitness.runs: ALL,
    Fitness.after: ALL,
}


def unguarded(function: FunctionType, cuts: tuple[str | tuple[str, str], ...]) -> CodeType:
    """Return a function's code with its guards taken out."""
    if cuts is ALL:
        return _nothing.__code__
    source = textwrap.dedent(inspect.getsource(function))
    for cut in cuts:
        old, new = (cut, "") if isinstance(cut, str) else cut
        source = _without(source, old, new, function.__qualname__)
    # Its line numbers are its own source's; what it returns is what the tests compare.
    made: dict[str, FunctionType] = {}
    exec(compile(source, f"<{function.__qualname__} without guards>", "exec"), function.__globals__, made)
    return made[function.__name__].__code__


def _without(source: str, old: str, new: str, where: str) -> str:
    if not old.endswith("\n"):
        found, put = old, new
    else:  # whole lines, however far they are indented
        line = next((line for line in source.splitlines() if line.strip() == old.splitlines()[0]), "")
        indent = line[: len(line) - len(line.lstrip())]
        found, put = textwrap.indent(old, indent), f"{indent}pass\n"
    if found not in source:
        raise SystemExit(f"{where} has no guard {old!r} any more: bring the table in benchmarks/guards.py up to date.")
    return source.replace(found, put)


def _nothing(*_) -> None:
    """Stand for a function that is nothing but a guard."""


class Switch:
    """Has the guards on or off."""

    def __init__(self) -> None:
        self._codes = {function: (function.__code__, unguarded(function, cuts)) for function, cuts in GUARDS.items()}

    def turn(self, *, on: bool) -> None:
        for function, (guarded, bare) in self._codes.items():
            function.__code__ = guarded if on else bare


cpu_s = time.process_time
"""Bound here: a session has the module's as it is."""


class Blocks:
    """Runs sessions one after another, as a worker does, in blocks with guards and without.

    Args:
        handler: The handler.
    """

    def __init__(self, handler) -> None:
        self._job = Job(SessionOptions(vl.load_handler(handler), vl.Script(TEXTS)))
        self._switch = Switch()
        begin_run()

    def rows(self, n: int, before=lambda _: None) -> list:
        """Return the rows of so many sessions; `before` is called before each."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "_spec" / "note"
            path.parent.mkdir()
            task = worker.ShardTask(Path(), 0, "x", 0, n, {})
            try:
                with noting(path) as note:
                    ran = worker.run_sessions(self._job, task, [], note, own=True, apart=True, on_session=before)
            finally:
                self._switch.turn(on=True)
        if ran.stopped is not None:
            raise SystemExit(f"the process is unfit: {ran.stopped}")
        return ran.rows

    def check(self) -> None:
        """Make sure that what is compared does the same."""
        if self.rows(SESSIONS) != self.rows(SESSIONS, lambda _: self._switch.turn(on=False)):
            raise SystemExit("without its guards a session has other rows: what was measured is something else")

    def cpu_us(self, rounds: int) -> list[tuple[float, float]]:
        """Return the CPU time of a session in microseconds, guarded and not, of each round."""
        found: list[tuple[bool, float]] = []
        began = cpu_s()
        order = (True, False, False, True)

        def before(session) -> None:
            nonlocal began
            block, within = divmod(session.index, SESSIONS)
            if within == WARM:
                began = cpu_s()
            elif within == 0:
                if block:
                    found.append((order[(block - 1) % 4], (cpu_s() - began) / (SESSIONS - WARM) * 1e6))
                self._switch.turn(on=order[block % 4])

        self.rows((2 * rounds + 1) * SESSIONS, before)
        pairs = zip(found[::2], found[1::2], strict=True)
        return [(a, b) if first else (b, a) for (first, a), (_, b) in pairs]


def measure(name: str, handler, rounds: int, figures: Figures) -> None:
    blocks = Blocks(handler)
    blocks.check()
    times = blocks.cpu_us(rounds)
    first, middle, third = statistics.quantiles([guarded / bare for guarded, bare in times], n=4)
    figures.shown(f"{name}: CPU us a session, guarded", statistics.median(guarded for guarded, _ in times))
    figures.shown(f"{name}: the same, its least", min(guarded for guarded, _ in times))
    figures.shown(f"{name}: without guards, its least", min(bare for _, bare in times))
    figures.shown(f"{name}: half of the ratios lie between", first)
    figures.shown(f"{name}: and", third)
    figures.at_most(f"{name}: a session, over one without guards", middle, MOST)


def main() -> int:
    given = arguments(__doc__, "rounds", 200, 30)
    warnings.simplefilter("ignore")
    worker.collect_seldom()
    figures = Figures(given.quick)
    measure("five turns", five_turns, given.rounds, figures)
    measure("clinic", "clinic", given.rounds, figures)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
