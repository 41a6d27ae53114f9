"""Decides tests from logged sessions: `vl.analyze`, `vl.check_srm`."""

from voicelab.analysis.analyzing import analyze, check_srm
from voicelab.analysis.planning import calibrate, minimum_detectable_effect, required_sessions, sample_sizes
from voicelab.analysis.result import Result

__all__ = [
    "Result",
    "analyze",
    "calibrate",
    "check_srm",
    "minimum_detectable_effect",
    "required_sessions",
    "sample_sizes",
]
