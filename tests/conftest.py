"""Shared by all tests: property-based tests are repeatable and don't depend on the machine's speed.

Tests of a share of thousands of made-up sessions are marked `no_cover`: measuring coverage doubles their time, and others
run the same lines.
"""

import gc
import sys
import threading
from collections import Counter

import harness
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

LONGEST = [
    "test_widgets_jupyter",
    "test_chaos",
    "test_suspects",
    "test_notebooks",
    "test_telephone",
    "test_fitting",
    "test_widgets_sound",
    "test_package",
    "test_readme",
    "test_speech",
    "test_widgets_browser",
]
"""What takes longest begins first: of two workers none is left with a long piece when the other has nothing to do."""


def _measure_no_threads():
    """Have coverage leave other threads than the main one alone."""
    threading._trace_hook = None
    threading.settrace = lambda hook: None  # coverage sets it again after each `no_cover`


MEASURED_CASES = 1
"""Coverage, which doubles the time of a test, is measured on so many cases of a parametrised one: others run the same lines."""


def pytest_collection_modifyitems(items):
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
    cases = Counter()
    for item in items:
        cases[item.parent, item.originalname] += 1
        if cases[item.parent, item.originalname] > MEASURED_CASES:
            item.add_marker("no_cover")
        if item.get_closest_marker("xdist_group") is None and _shares(item):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_collection_finish():
    """Let the collector leave alone what is there by now: thousands of tests, which stay to the end."""
    gc.collect()
    gc.freeze()
    # Up to Python 3.11 a thread dies as it begins, and what waits for it waits for ever, where another one is just setting its
    # trace function and an audit hook lets go of the interpreter's lock: both are there, coverage's and the lab's.
    if sys.version_info < (3, 12):
        _measure_no_threads()


def _shares(item):
    """Return whether a test uses what others of its module use too: made once, if one worker runs them all."""
    made = item._fixtureinfo.name2fixturedefs.values()
    return any(last.scope == "module" and last.baseid for *_, last in made)


@pytest.fixture(params=harness.Road.__args__)
def road(request, monkeypatch):
    """Play the sessions of a test by one road of the product, and then by the other."""
    monkeypatch.setattr(harness, "road", request.param)
    return request.param
