"""How long speech takes is said in one place, for agents, callers and pictures."""

from pathlib import Path

import pytest

from voicelab.base.pace import SECONDS_PER_CHARACTER, pace, speech_seconds

PACKAGE = Path(__file__).parent.parent / "voicelab"


@pytest.mark.parametrize(
    ("speed", "times"),
    [(1.0, 1), (1, 1), (2.0, 2), (0.25, 0.25), (4, 4), (5, 1), (0.1, 1), (None, 1), ("2", 1), (True, 1)],
)
def test_a_speed_outside_the_sdks_range_counts_as_the_usual_one(speed, times):
    assert pace(speed) == times
    assert speech_seconds("x" * 100, speed) == pytest.approx(6.0 / times)


def test_nobody_else_multiplies_letters_by_seconds():
    users = [path.name for path in PACKAGE.rglob("*.py") if "SECONDS_PER_CHARACTER" in path.read_text(encoding="utf-8")]
    assert users == ["pace.py"]
    pages = [path.name for path in PACKAGE.rglob("*.js") if str(SECONDS_PER_CHARACTER) in path.read_text("utf-8")]
    assert pages == []
