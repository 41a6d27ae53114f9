"""The notebooks run from top to bottom in a real kernel, and are committed without outputs.

What reads and runs them is imported by the tests: it takes seconds, which every worker would take to find its tests.
"""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
FEWER = {
    "02_simulate.ipynb": {"sessions=6_000": "sessions=1_500"},
    "03_decide.ipynb": {"tests = 1_000, 1_000": "tests = 1_000, 100", "replications=1_000": "replications=100"},
    "04_audio.ipynb": {
        "[25, 20, 15, 10, 5]": "[20, 5]",
        "sessions=20,": "sessions=6,",
        "sessions=2_000": "sessions=200",
    },
    "06_change.ipynb": {"sessions=1_000": "sessions=200", "sessions=2_000": "sessions=600"},
}
"""Numbers of a notebook, and what stands for them here: the same cells of fewer sessions, which fail by the same defects."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_is_committed_without_outputs(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs"), cell["source"]
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_a_notebook_runs_from_top_to_bottom(path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    for number, smaller in FEWER.get(path.name, {}).items():
        (cell,) = (cell for cell in notebook.cells if number in cell.source)
        cell.source = cell.source.replace(number, smaller)
    NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
