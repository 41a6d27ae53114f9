"""A widget and the cell that made it: one console a cell, and messages that arrive while a cell runs."""

import sys
import weakref
from typing import Any

_by_cell: dict[str, weakref.ref[Any]] = {}


def close_former(widget: Any) -> None:
    """Close the widget that the same cell made before, so that no microphone stays on behind it."""
    cell = _cell_id()
    if cell is None:
        return
    former = _by_cell.get(cell)
    _by_cell[cell] = weakref.ref(widget)
    if former is not None and (old := former()) is not None and _run_count() != getattr(old, "_cell_run", None):
        old.close()
    widget._cell_run = _run_count()


def reach_during_cells(widget: Any) -> None:
    """Have the front end's messages taken beside a running cell, where the kernel can (ipykernel 7 and its subshells).

    The kernel answers on the shell that a widget last sent on; a message sent from a cell would pin it to the shell
    that is busy with that cell.
    """
    comm = getattr(widget, "comm", None)
    if comm is not None and hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default


def waits_for_cells() -> bool:
    """Return whether this kernel takes no messages while a cell runs."""
    shell = _shell()
    kernel = getattr(shell, "kernel", None)
    return kernel is not None and not getattr(kernel, "supported_features", None)


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
