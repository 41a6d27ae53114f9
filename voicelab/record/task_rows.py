"""Background tasks, from their first event to their last, laid in rows so that those at the same time don't overlap."""

import bisect
from dataclasses import dataclass, field

from voicelab.base.records import Event

_MOST_ROWS = 4
_Key = tuple[str, int]
_Place = tuple[float, int, _Key]


@dataclass(slots=True)
class Task:
    """One task; the same name in a later turn is another task.

    Attributes:
        name: Its name.
        first: The seq of its first event, which carries its bar.
        times: The time of each of its events, by seq.
        start_s: Its first time.
        end_s: Its last.
        row: The row that it stands in, from 0.
        busy_s: Until when each row is taken, with this task and those before it.
    """

    name: str
    first: int
    times: dict[int, float] = field(default_factory=dict)
    start_s: float = 0.0
    end_s: float = 0.0
    row: int = 0
    busy_s: tuple[float, ...] = ()


class TaskRows:
    """The tasks of a session in the order in which they began; only those from the first that has changed are laid anew."""

    def __init__(self) -> None:
        self._tasks: dict[_Key, Task] = {}
        self._order: list[_Place] = []
        self._dirty: set[_Key] = set()
        self._dirty_from = 0

    def of(self, event: Event) -> Task:
        """Return the task of an event."""
        return self._tasks[_key(event)]

    def take(self, event: Event) -> None:
        """Take an event of a task, new or amended."""
        key = _key(event)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = Task(key[0], event.seq)
        else:
            at = bisect.bisect_left(self._order, (task.start_s, task.first, key))
            self._dirty_from = min(self._dirty_from, at)
            del self._order[at]
        moved = event.seq in task.times
        task.times[event.seq] = event.time_s
        times = task.times.values() if moved or len(task.times) == 1 else (task.start_s, task.end_s, event.time_s)
        task.start_s, task.end_s = min(times), max(times)
        place = (task.start_s, task.first, key)
        bisect.insort(self._order, place)
        self._dirty_from = min(self._dirty_from, bisect.bisect_left(self._order, place))
        self._dirty.add(key)

    def laid(self) -> set[int]:
        """Lay what has changed since the last time; return the events whose place or length that changes."""
        changed = {self._tasks[key].first for key in self._dirty}
        before = self._order[self._dirty_from - 1] if self._dirty_from else None
        busy = self._tasks[before[2]].busy_s if before else ()
        for *_, key in self._order[self._dirty_from :]:
            task = self._tasks[key]
            row = next((row for row, until_s in enumerate(busy) if until_s < task.start_s), len(busy))
            row = min(row, _MOST_ROWS - 1)
            if row != task.row:
                task.row = row
                changed.update(task.times)
            until_s = max(task.end_s, busy[row]) if row < len(busy) else task.end_s
            busy = task.busy_s = (*busy[:row], until_s, *busy[row + 1 :])
        self._dirty.clear()
        self._dirty_from = len(self._order)
        return changed


def _key(event: Event) -> _Key:
    return str(event.task_name), event.turn
