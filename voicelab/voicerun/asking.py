"""Whether a person can be asked where this runs, and asking: a terminal, or a notebook whose front end takes answers."""

import builtins
import getpass
import sys
import warnings


def can_ask() -> bool:
    """Return whether somebody can be asked: not in a script without a terminal, nor in a notebook that runs by itself."""
    # While a cell runs, a kernel puts methods of its own in the place of `input` and `getpass`; whether the front end
    # takes questions comes with each cell. Notebooks that are executed without a person say that it doesn't.
    kernel = getattr(builtins.input, "__self__", None)
    allowed = getattr(kernel, "_allow_stdin", None)
    if allowed is not None:
        return bool(allowed)
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def says_yes(question: str) -> bool:
    """Ask a question once; anything but yes is no."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}
    except (EOFError, NotImplementedError):
        return False


def hidden_text(prompt: str) -> str | None:
    """Return what a person types without its being shown; None where that can't be.

    It is returned in the same expression that reads it, so that no local variable holds it.
    """
    with warnings.catch_warnings():
        # A terminal that can't hide what is typed would show it: then rather nothing.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except (EOFError, NotImplementedError, getpass.GetPassWarning):
            return None
