"""The clinic's calendar, as the handler sees it."""

import asyncio
import random

SLOTS = ["Tuesday at three", "Thursday at ten", "Friday at noon"]


async def find_slot(context):
    """Return the next free slot; the calendar takes its time."""
    await asyncio.sleep(1 + random.random() * 3)
    return random.choice(SLOTS)


def wants_booking(text):
    """Return whether the caller accepts the slot."""
    return (
        any(word in text.split() for word in ("yes", "please", "book", "okay", "buy", "that"))
        and "no" not in text.split()
    )


def wants_another_day(text):
    """Return whether the caller asks for something else."""
    return any(word in text for word in ("other", "else", "another", "not sure", "no "))
