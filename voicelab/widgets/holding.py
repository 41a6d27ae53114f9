"""Who keeps a widget in memory: whoever made it and the page that shows it, and nobody else.

ipywidgets keeps every widget for ever, shown or not, by two ways: its list of widgets by their id, and the connection to
the page, which holds the method that takes messages.
"""

import weakref
from collections.abc import Callable
from typing import ParamSpec

import anywidget
from ipywidgets.widgets import widget as ipywidgets  # type: ignore[import-untyped]

P = ParamSpec("P")


def weakly(method: Callable[P, object]) -> Callable[P, None]:
    """Return a function that calls a method as long as its object is there."""
    reference = weakref.WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        alive = reference()
        if alive is not None:
            alive(*args, **kwargs)

    return call


def hold_weakly(widget: anywidget.AnyWidget) -> None:
    """Have ipywidgets find a widget by its id, and pass messages on to it, without keeping it."""
    widget.comm.on_msg(weakly(widget._handle_msg))
    ipywidgets._instances[widget.model_id] = weakref.proxy(widget)


def hold_while_shown(widget: anywidget.AnyWidget) -> None:
    """Keep a widget that a page shows, until it is closed: one that no variable names can be talked to all the same."""
    if widget.comm is not None:
        ipywidgets._instances[widget.model_id] = widget
