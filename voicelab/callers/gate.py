"""Why the caller's words can't reach the agent now: the reasons that turn-taking gives (`session.playback.gate`), in words."""

NOT_ALLOWED = "input_not_allowed"
NOT_INTERRUPTIBLE = "not_interruptible"

_WORDS = {
    NOT_ALLOWED: "the agent lets no input in",
    NOT_INTERRUPTIBLE: "the agent may not be interrupted",
}


def in_words(reason: str) -> str:
    """Return a reason for people; one that nobody here gives (of another system's rows) as it is."""
    return _WORDS.get(reason, reason)
