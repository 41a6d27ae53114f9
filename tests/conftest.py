"""Shared by all tests: property-based tests are repeatable and don't depend on the machine's speed.

Tests of a share of thousands of made-up sessions are marked `no_cover`: measuring coverage doubles their time, and others
run the same lines.
"""

import harness
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

LONGEST = [
    "test_widgets_jupyter",
    "test_notebooks",
    "test_package",
    "test_readme",
    "test_speech",
    "test_widgets_browser",
]
"""What takes longest begins first: of two workers none is left with a long piece when the other has nothing to do."""


def pytest_collection_modifyitems(items):
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(params=harness.Road.__args__)
def road(request, monkeypatch):
    """Play the sessions of a test by one road of the product, and then by the other."""
    monkeypatch.setattr(harness, "road", request.param)
    return request.param
