"""Decides tests from logged sessions: `vl.analyze`, `vl.check_srm`."""

from voicelab.analysis.analyzing import analyze, check_srm
from voicelab.analysis.result import Result

__all__ = ["Result", "analyze", "check_srm"]
