"""One door: the public names, and what importing them costs."""

import subprocess
import sys

import pytest

import voicelab as vl

PUBLIC = {
    "Console", "Guardrail", "Limits", "Microphone", "Model", "Monitor", "PhoneLine", "Speaker", "speech", "voicerun",
    "calibrate", "minimum_detectable_effect", "plots", "required_sessions",
    "Persona", "Replay", "Script", "StopRule", "VoicelabError", "World", "__version__", "analyze", "at", "check_srm", "compare", "draw_rows", "hang_up",
    "Http", "HttpReply", "interrupt", "load_handler", "mix", "offload", "open_log", "personas", "press", "run", "samples", "sdk", "serve", "silence", "simulate", "tool_call", "worlds",
}  # fmt: skip


def test_the_public_names_are_these():
    assert set(vl.__all__) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_there_and_documented(name):
    value = getattr(vl, name)
    assert callable(value) or name in {"__version__", "personas", "plots", "sdk", "speech", "voicerun", "worlds"}
    assert name == "__version__" or value.__doc__


def test_a_function_is_not_hidden_by_a_module_of_its_name():
    code = "import voicelab.simulation, voicelab.analysis, voicelab.log, voicelab as vl; assert callable(vl.simulate) and callable(vl.analyze) and callable(vl.run)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "code",
    [
        "import voicelab.sdk; found = voicelab.sdk",
        "from voicelab import sdk as found",
        "from voicelab.sdk import TextEvent; import voicelab as vl; assert vl.sdk.TextEvent is TextEvent; found = vl.sdk",
    ],
)
def test_the_sdk_is_one_module_however_it_is_imported(code):
    code += "; import voicelab.runtime.sdk as module; assert found is module and found.__spec__.name == 'voicelab.runtime.sdk'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'simulat'"):
        vl.simulat  # noqa: B018


def loaded_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    result = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(result.stdout.split())


def test_importing_voicelab_loads_nothing_heavy():
    assert not loaded_after("import voicelab") & {"pandas", "numpy", "pyarrow", "primfunctions", "statsmodels", "scipy"}


def test_a_worker_loads_neither_pandas_nor_statsmodels():
    loaded = loaded_after(
        """
import tempfile, pathlib
import voicelab as vl
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation.pickling import pack
from voicelab.simulation.worker import ShardTask, prepare_process, run_shard, shard_packed
prepare_process()
handler = vl.load_handler("async def handler(event, context):\\n    context.set_data('a', 1)\\n")
job = Job(SessionOptions(handler, vl.Script(["hi"])))
with tempfile.TemporaryDirectory() as root:
    run_shard(shard_packed("run", pack(job), ShardTask(pathlib.Path(root), 0, "all", 0, 5, {}), None))
"""
    )
    assert "primfunctions" in loaded
    assert not loaded & {"pandas", "statsmodels", "scipy", "duckdb", "matplotlib", "IPython", "ipywidgets"}


def test_a_simulation_that_nothing_stops_loads_no_statistics_and_no_database():
    loaded = loaded_after(
        """
import voicelab as vl
handler = vl.load_handler("async def handler(event, context):\\n    context.set_data('a', 1)\\n")
log = vl.simulate(handler, vl.Script(["hi"]), sessions=2, workers=1, progress=False)
"""
    )
    assert "primfunctions" in loaded
    assert not loaded & {"pandas", "statsmodels", "scipy", "duckdb", "matplotlib", "IPython", "ipywidgets"}
