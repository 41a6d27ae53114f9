"""What a benchmark measured, beside what is required of it: a row a figure, and an exit code that tells of a miss.

Figures are ratios to a yardstick that runs beside them, so that they hold on a slow or busy machine as well. What is
required is what is reached today, with a margin for noise: a figure that misses it has become worse. A target says
where a figure should get to; missing it is no error.
"""

import argparse
from dataclasses import dataclass, field

QUICK_SLACK = 1.5
"""How much further a figure may be off in a quick run, whose few rounds are noisier."""


@dataclass
class Figures:
    """The figures of one benchmark.

    Attributes:
        quick: Whether the run is a quick one: what is required is less by `QUICK_SLACK`.
        missed: Names of the figures that missed what is required.
        n: Number of figures of which something is required.
    """

    quick: bool = False
    missed: list[str] = field(default_factory=list)
    n: int = 0

    def at_least(
        self, name: str, measured: float, required: float, unit: str = "", target: float | None = None
    ) -> None:
        """Print a figure that must be at least so much."""
        required = required / QUICK_SLACK if self.quick else required
        self._require(name, measured, measured >= required, f"at least {required:.4g}", unit, target)

    def at_most(self, name: str, measured: float, required: float, unit: str = "", target: float | None = None) -> None:
        """Print a figure that must be at most so much."""
        required = required * QUICK_SLACK if self.quick else required
        self._require(name, measured, measured <= required, f"at most {required:.4g}", unit, target)

    def shown(self, name: str, measured: float, unit: str = "", target: float | None = None) -> None:
        """Print a figure of which nothing is required."""
        self._row(name, measured, unit, "" if target is None else f"aim {target:.4g}")

    def exit_code(self) -> int:
        """Return 1 if a figure missed what is required, or if there was none, else 0; and say so."""
        if self.missed:
            print(f"missed: {', '.join(self.missed)}")
        elif not self.n:
            print("nothing was measured")
        return 1 if self.missed or not self.n else 0

    def _require(self, name: str, measured: float, held: bool, required: str, unit: str, target: float | None) -> None:
        self.n += 1
        if not held:  # also a measurement that is no number
            self.missed.append(name)
        wanted = "" if target is None else f", target {target:.4g}"
        self._row(name, measured, unit, f"{required}{wanted}{'' if held else '   MISSED'}")

    def _row(self, name: str, measured: float, unit: str, remark: str) -> None:
        print(f"{name:<54} {measured:10.4g} {unit:<6} {remark}".rstrip(), flush=True)


def arguments(doc: str | None, amount: str, whole: float, quick: float, **texts: str) -> argparse.Namespace:
    """Return what the command line says: `amount`, how much to run, `quick`, and whatever else is asked for.

    Args:
        doc: The benchmark's own description.
        amount: What is counted, such as `rounds`.
        whole: How many, unless the user says.
        quick: How many in a quick run, unless the user says.
        texts: Help of further options, by name.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(amount, nargs="?", type=type(whole), help=f"{whole:,} unless given, {quick:,} in a quick run")
    parser.add_argument("--quick", action="store_true", help="small, with wider margins")
    for name, text in texts.items():
        parser.add_argument(f"--{name}", help=text)
    given = parser.parse_args()
    if getattr(given, amount) is None:
        setattr(given, amount, quick if given.quick else whole)
    return given
