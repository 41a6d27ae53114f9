"""What the README shows runs as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CELL = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_the_readmes_cells_run_in_order_from_any_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    cells = CELL.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert len(cells) == 4
    namespace = {"__name__": "readme"}
    for cell in cells:
        exec(compile(cell, "README.md", "exec"), namespace)
    assert namespace["result"].decision.should_stop in {True, False}
    assert len(namespace["log"].sessions()) == 2_000
    assert "https://api.primvoices.com" in capsys.readouterr().out
    assert all(
        (ROOT / picture).exists()
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    )


PAGES = sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "cluster.md"})
"""That one needs two machines: tests/test_cluster.py runs it on a cluster of this one."""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_python_in_the_docs_runs(page):
    import voicelab as vl

    namespace = {"vl": vl, "__name__": "docs"}
    for cell in CELL.findall(page.read_text(encoding="utf-8")):
        exec(compile(cell, page.name, "exec"), namespace)
    if page.name == "engine.md":
        assert vl.run(vl.load_handler(ROOT / "data/agents/clinic"), namespace["Echo"](), seed=1).status == "completed"
