"""Why the caller's words can't reach the agent now: one rule for turn-taking, the log, the console and the timeline."""

NOT_ALLOWED = "input_not_allowed"
NOT_INTERRUPTIBLE = "not_interruptible"

_WORDS = {
    NOT_ALLOWED: "the agent lets no input in",
    NOT_INTERRUPTIBLE: "the agent may not be interrupted",
}


def closed_because(*, allowed: bool, interruptible: bool) -> str:
    """Return why the gate is closed, or an empty string while it is open.

    Args:
        allowed: Whether the agent lets input in (`InputAllowedEvent`).
        interruptible: Whether what is being played may be spoken over; True where nothing is.
    """
    if not allowed:
        return NOT_ALLOWED
    return "" if interruptible else NOT_INTERRUPTIBLE


def in_words(reason: str) -> str:
    """Return a reason for people; one that nobody here gives (of another system's rows) as it is."""
    return _WORDS.get(reason, reason)
