"""`make same-rows BASE= SEED= N=`: plays random cases by this version and by another, and shows what differs."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from fuzz.shrink import shrunk

from same_rows.compare import Comparison
from same_rows.draws import case_of
from same_rows.versions import ROOT, NoVersionError, Version, extract

_EVERY_S = 20.0


def main() -> int:
    """Run the command and return its exit code: 1 if anything differs, 2 if the other version can't be had."""
    parser = argparse.ArgumentParser(prog="same_rows", description=__doc__)
    parser.add_argument(
        "--base",
        required=True,
        help="the other version: a commit, or a folder that holds voicelab and tests/harness.py",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=2_000, help="cases")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first case")
    parser.add_argument("--case", help="one case alone: its number, or its JSON as a failure shows it")
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="KIND/NAME",
        help="events that may differ, e.g. system/input_gate",
    )
    parser.add_argument("--most", type=int, default=5, help="differing cases after which it ends")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(options.base)
            if not (folder / "voicelab").is_dir():
                folder = Path(temporary)
                extract(options.base, folder)
            with Version(f"base {options.base}", folder) as base, Version("this version", ROOT) as this:
                return _compare(options, Comparison(base, this, options.ignore))
    except NoVersionError as error:
        print(error, file=sys.stderr)
        return 2


def _compare(options: argparse.Namespace, comparison: Comparison) -> int:
    if options.case:
        case = json.loads(options.case) if options.case.startswith("{") else case_of(options.seed, int(options.case))
        print(json.dumps(case), comparison.shown(case), sep="\n")
        return int(comparison.differs(case))
    told = time.monotonic()
    differing: list[int] = []
    for number in range(options.first, options.first + options.n):
        case = case_of(options.seed, number)
        if comparison.differs(case):
            differing.append(number)
            _tell(options.seed, number, case, comparison)
            if len(differing) >= options.most:
                break
        if time.monotonic() - told > _EVERY_S:
            told = time.monotonic()
            print(
                f"… {number - options.first + 1:,} of {options.n:,}, {len(differing)} differ",
                file=sys.stderr,
                flush=True,
            )
    print(comparison.summary(differing))
    return int(bool(differing))


def _tell(seed: int, number: int, case: dict[str, object], comparison: Comparison) -> None:
    """Show a case that differs, as small as it gets."""
    print(f"\nDIFFERS: SEED={seed} CASE={number}", flush=True)
    found = comparison.last_shown()
    comparison.begin_anew()
    if not comparison.differs(case):
        print(
            f"{found}\nNot when it is played alone: what cases before it have left in the process makes the difference."
        )
        return
    small = shrunk(case, comparison.differs)
    print(f"{comparison.shown(small)}\n--- the case: --case '{json.dumps(small)}'", flush=True)


if __name__ == "__main__":
    sys.exit(main())
