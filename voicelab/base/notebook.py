"""Whether somebody looks at a notebook."""

import sys


def in_notebook() -> bool:
    """Return whether this process is a notebook's kernel, which shows pictures and tables below its cells."""
    # Not imported: where IPython isn't loaded there is no notebook.
    interactive = sys.modules.get("IPython")
    shell = None if interactive is None else interactive.get_ipython()
    return shell is not None and hasattr(shell, "kernel")
