"""A widget, or a server, and the cell that made it: one a cell, and messages that arrive while a cell runs."""

import sys
import weakref
from typing import Any, Protocol

import anywidget


class Closable(Protocol):
    """What a cell makes, and what is closed when the cell runs again."""

    def close(self) -> None:
        """End it."""


# By cell: the run that made them, and what it made.
_by_cell: dict[str, tuple[int | None, list[weakref.ref[Closable]]]] = {}


def close_former(made_now: Closable) -> None:
    """Close what an earlier run of the same cell made, so that no microphone stays on behind it and no port is in use."""
    cell = _cell_id()
    if cell is None:
        return
    run, made = _by_cell.get(cell, (None, []))
    if run != _run_count():
        for former in made:
            old = former()
            if old is not None:
                old.close()
        made = []
    _by_cell[cell] = (_run_count(), [*made, weakref.ref(made_now)])


def reach_during_cells(widget: anywidget.AnyWidget) -> None:
    """Have the front end's messages taken beside a running cell, where the kernel can (ipykernel 7 and its subshells).

    The kernel answers on the shell that a widget last sent on; a message sent from a cell would pin it to the shell
    that is busy with that cell.
    """
    comm = getattr(widget, "comm", None)
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default


def _cell_id() -> str | None:
    shell = _shell()
    header = getattr(shell, "parent_header", None) if shell is not None else None
    metadata = (header or {}).get("metadata", {}) if isinstance(header, dict) else {}
    cell = metadata.get("cellId")
    return None if cell is None else str(cell)


def _run_count() -> int | None:
    shell = _shell()
    return None if shell is None else int(shell.execution_count)


def _shell() -> Any:
    interactive = sys.modules.get("IPython")
    return None if interactive is None else interactive.get_ipython()
