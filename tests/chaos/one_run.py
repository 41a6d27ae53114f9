"""One run as a process of its own, which says on its output what it was told; `starter` forks it."""

import gc
import importlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

from chaos import starter
from chaos.runs import LARGE, handler_of, shrunk_to, simulate
from chaos.wall_clock import Clock
from voicelab.base.errors import VoicelabError
from voicelab.log.compact import compact
from voicelab.simulation import driver

_LATER = ("loky.process_executor", "loky.reusable_executor", "voicelab.log.read", "voicelab.simulation.suspects")
"""What a run loads when it needs it, which is loaded here before it is forked."""


def main(given: dict[str, Any]) -> int:
    """Do it, and return 0, or 1 where the lab refuses or gives up."""
    # As a shell has it that runs this in the foreground.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = Path(given["log"])
    shrunk_to(LARGE, _Here)
    Clock(_Here).hours = given.get("hours", 0)
    settle = driver.settle_shard

    def settle_and_say(root: Path, number: int, tag: str) -> None:
        settle(root, number, tag)
        say(settled=number)

    driver.settle_shard = settle_and_say
    try:
        say(began=True)
        if given["do"] == "compact":
            compact(log)
        else:
            simulate(handler_of(LARGE, given["which"]), LARGE, given["which"], log, **given["options"])
    except VoicelabError as error:
        say(error=f"{type(error).__name__}: {error}")
        return 1
    say(done=True)
    return 0


class _Here:
    """Patches what nobody has to put back: this process does nothing else."""

    setattr = setattr


def say(**what: object) -> None:
    """Say something to whoever has started this."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for name in _LATER:
        importlib.import_module(name)
    gc.freeze()  # what is shared with the forks is not to be copied for a look at it
    sys.exit(main(starter.serve()))
