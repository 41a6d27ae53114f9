"""Schedules that once failed, as short as they became; a step's number is that which it had then."""

from chaos.schedule import Schedule, Step

_RUN = Step("run", {"which": "first", "resume": True})


def _run(**how: object) -> Step:
    return Step("run", {**_RUN.how, **how})


KEPT = {
    "a manifest that was damaged when the log was finished": (
        _run(),
        Step("damage", {"manifest": True, "files": 1, "how": "flipped", "chance": 1922820924}),
    ),
    "compacting is killed, and the log is gone on with": (_run(), Step("compact", {"fault": "killed", "at": 95}), _RUN),
    "compacting is interrupted": (_run(), Step("compact", {"fault": "interrupted", "at": 218}), _RUN),
    "compacting finds the disk full": (_run(), Step("compact", {"fault": "full", "at": 214, "times": 1}), _RUN),
    "compacting finds the disk broken when it has joined": (
        _run(),
        Step("compact", {"fault": "broken", "at": 213, "times": 1}),
    ),
    "outcomes are added late to a full disk": (_run(), Step("late", {"fault": "full", "at": 27, "times": 3}), _RUN),
    "a run is killed when it has made the folder, and the next one outlasted by no power": (
        _run(fault="killed", at=2),
        _RUN,
        Step("power", {"chance": 1}),
    ),
    "a run is killed when it has settled the last shard, and the next one outlasted by no power": (
        _run(fault="killed", at=304),
        _RUN,
        Step("power", {"chance": 1}),
    ),
    "a shard fails after its workers were gone": (
        _run(workers=3, chance=3218464874, rates={"refuses": 0.3}, fault="full", at=121, times=1),
    ),
    "a log is replaced while it is redacted": (_run(), Step("redact", {"fault": "second_replaces", "at": 6})),
}


def kept(name: str) -> Schedule:
    """Return a schedule by its name."""
    return Schedule("in_process", 0, KEPT[name])
