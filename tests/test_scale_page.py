"""Every guarantee of docs/scale.md names code and tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scale.md").read_text()
LINES = PAGE.split("## Guarantees")[1].split("\n## ")[0].splitlines()
ROWS = [line for line in LINES if line.startswith("| ") and not line.startswith(("| ---", "| what"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:50])
def test_a_guarantee_names_its_mechanism_and_a_test_that_there_are(row):
    _, _, where, tried = row.strip("| ").split(" | ")
    files = re.findall(r"`([\w/]+\.py)`", where)
    tests = re.findall(r"`((?:tests|benchmarks)/\w+\.py)`", tried)
    assert files
    assert tests
    for path in [*(ROOT / "voicelab" / name for name in files), *(ROOT / name for name in tests)]:
        assert path.is_file(), path
    for name in re.findall(r"`(test_\w+)`", tried):
        assert any(f"def {name}(" in (ROOT / path).read_text() for path in tests), name
    for target in re.findall(r"`make (\w+)`", tried):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for page in re.findall(r"\]\((\w+\.md)\)", row):
        assert (ROOT / "docs" / page).is_file(), page
