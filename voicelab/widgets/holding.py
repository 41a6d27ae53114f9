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


MOST_SHOWN = 8
"""How many widgets that were shown are kept though no variable names them."""
# Ids of widgets that were shown, the newest last; those that were closed may still be among them.
_shown: dict[str, None] = {}


def hold_weakly(widget: anywidget.AnyWidget) -> None:
    """Have ipywidgets find a widget and its layout by their ids, and pass messages on to them, without keeping them."""
    for one in (widget, widget.layout):
        one.comm.on_msg(weakly(one._handle_msg))
        ipywidgets._instances[one.model_id] = weakref.proxy(one)


def hold_while_shown(widget: anywidget.AnyWidget) -> None:
    """Keep a widget that a page shows, until it is closed: one that no variable names can be talked to all the same.

    Nobody tells a kernel that a page has let go of a widget. So the oldest of many are kept no longer: one that a variable
    names goes on, any other ends, and its page shows what it last held.
    """
    if widget.comm is None:
        return
    ipywidgets._instances[widget.model_id] = widget
    _shown.pop(widget.model_id, None)
    _shown[widget.model_id] = None
    alive = [model_id for model_id in _shown if model_id in ipywidgets._instances]
    for model_id in set(_shown).difference(alive[-MOST_SHOWN:]):
        del _shown[model_id]
        oldest = ipywidgets._instances.get(model_id)
        if oldest is not None and type(oldest) is not weakref.ProxyType:
            ipywidgets._instances[model_id] = weakref.proxy(oldest)
