"""How many connections a process may hold: what its system allows at first is often too few."""

import contextlib
import sys

_WANTED = 4096


def allow_open_files() -> None:
    """Let this process open as many files as it may, up to 4,096: a session takes four, and macOS allows 256 at first."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
