"""Shared by all tests: property-based tests are repeatable and don't depend on the machine's speed."""

import harness
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")


@pytest.fixture(params=harness.Road.__args__)
def road(request, monkeypatch):
    """Play the sessions of a test by one road of the product, and then by the other."""
    monkeypatch.setattr(harness, "road", request.param)
    return request.param
