"""voicelab: the notebook lab for VoiceRun voice agents. Talk to a handler, simulate its callers, decide its A/B tests.

Names are imported when they are first used, so that `import voicelab` is quick and a worker process loads only what it
needs. `%load_ext voicelab` gives notebooks the cell magic `%%handler NAME`.
"""

import gc
import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from voicelab.base.version import __version__

# Public name -> the module that has it.
_NAMES = {
    "load_handler": "voicelab.handlers",
    "samples": "voicelab.handlers.samples",
    "run": "voicelab.runs.jobs",
    "offload": "voicelab.runs.jobs",
    "draw_rows": "voicelab.runs.drawn_rows",
    "silence": "voicelab.callers.actions",
    "press": "voicelab.callers.actions",
    "interrupt": "voicelab.callers.actions",
    "hang_up": "voicelab.callers.actions",
    "at": "voicelab.callers.actions",
    "Script": "voicelab.callers",
    "Persona": "voicelab.callers",
    "Replay": "voicelab.change.replay",
    "personas": "voicelab.fitting",
    "mix": "voicelab.callers",
    "World": "voicelab.world.world",
    "Model": "voicelab.world.model",
    "tool_call": "voicelab.world.model",
    "Limits": "voicelab.base.session_limits",
    "Http": "voicelab.world.http",
    "HttpReply": "voicelab.world.http_replies",
    "simulate": "voicelab.simulation.simulating",
    "compare": "voicelab.change.two_versions",
    "open_log": "voicelab.log",
    "serve": "voicelab.serving.server",
    "analyze": "voicelab.analysis",
    "check_srm": "voicelab.analysis",
    "required_sessions": "voicelab.analysis",
    "minimum_detectable_effect": "voicelab.analysis",
    "calibrate": "voicelab.analysis",
    "Console": "voicelab.widgets",
    "Microphone": "voicelab.widgets",
    "Speaker": "voicelab.widgets",
    "PhoneLine": "voicelab.speech",
    "speech": "voicelab",
    "voicerun": "voicelab",
    "worlds": "voicelab",
    "plots": "voicelab",
    "StopRule": "voicelab.decision.rules",
    "Guardrail": "voicelab.decision.guardrails",
    "Monitor": "voicelab.decision.monitor",
    "VoicelabError": "voicelab.base.errors",
    "sdk": "voicelab",
}
__all__ = [
    "Console",
    "Guardrail",
    "Http",
    "HttpReply",
    "Limits",
    "Microphone",
    "Model",
    "Monitor",
    "Persona",
    "PhoneLine",
    "Replay",
    "Script",
    "Speaker",
    "StopRule",
    "VoicelabError",
    "World",
    "__version__",
    "analyze",
    "at",
    "calibrate",
    "check_srm",
    "compare",
    "draw_rows",
    "hang_up",
    "interrupt",
    "load_handler",
    "minimum_detectable_effect",
    "mix",
    "offload",
    "open_log",
    "personas",
    "plots",
    "press",
    "required_sessions",
    "run",
    "samples",
    "sdk",
    "serve",
    "silence",
    "simulate",
    "speech",
    "tool_call",
    "voicerun",
    "worlds",
]

if TYPE_CHECKING:
    from voicelab import plots, speech, voicerun, worlds
    from voicelab.analysis import analyze, calibrate, check_srm, minimum_detectable_effect, required_sessions
    from voicelab.base.errors import VoicelabError
    from voicelab.base.session_limits import Limits
    from voicelab.callers import Persona, Script, mix
    from voicelab.callers.actions import at, hang_up, interrupt, press, silence
    from voicelab.change.replay import Replay
    from voicelab.change.two_versions import compare
    from voicelab.decision.guardrails import Guardrail
    from voicelab.decision.monitor import Monitor
    from voicelab.decision.rules import StopRule
    from voicelab.fitting import personas
    from voicelab.handlers import load_handler
    from voicelab.handlers.samples import samples
    from voicelab.log import open_log
    from voicelab.runs.drawn_rows import draw_rows
    from voicelab.runs.jobs import offload, run
    from voicelab.runtime import sdk
    from voicelab.serving.server import serve
    from voicelab.simulation.simulating import simulate
    from voicelab.speech import PhoneLine
    from voicelab.widgets import Console, Microphone, Speaker
    from voicelab.world.http import Http
    from voicelab.world.http_replies import HttpReply
    from voicelab.world.model import Model, tool_call
    from voicelab.world.world import World


def __getattr__(name: str) -> Any:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'voicelab' has no attribute {name!r}")
    if module == __name__:
        return importlib.import_module(f"voicelab.{name}")
    value = globals()[name] = getattr(_imported(module), name)
    return value


def _imported(name: str) -> ModuleType:
    # The collector would go through all that is loaded again and again, a tenth of the time, and find nothing.
    was_on = gc.isenabled()
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        if was_on:
            gc.enable()


def __dir__() -> list[str]:
    return __all__


class _SdkByItsPublicName:
    """Finds `voicelab.sdk`, as handlers import it: the module `voicelab.runtime.sdk`, one module under two names."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(name, self) if name == "voicelab.sdk" else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make a module, which `exec_module` replaces."""

    def exec_module(self, module: ModuleType) -> None:
        # What stands here after the import is what the import returns: names set on the one are seen by the other.
        sys.modules[module.__name__] = importlib.import_module("voicelab.runtime.sdk")


sys.meta_path.append(_SdkByItsPublicName())


def load_ipython_extension(ipython: Any) -> None:
    """Give a notebook `%%handler NAME`; called by `%load_ext voicelab`."""
    from voicelab.handlers.magic import load_ipython_extension as load

    load(ipython)
