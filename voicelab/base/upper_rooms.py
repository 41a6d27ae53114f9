"""What the methods of records and logs ask of rooms above theirs, which import runs away from: found by its name when asked for.

A record is where people look for `shrink`, and what shrinks it runs sessions, which make records.
"""

from importlib import import_module
from typing import Any


def of_an_upper_room(module: str, name: str) -> Any:
    """Return what a module of a room with a larger number has."""
    return getattr(import_module(module), name)
