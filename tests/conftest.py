"""Fixtures of every test, and what generated tests are held to."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.postgres"]

# How long an example takes says how busy the machine is: no deadline, whatever a test sets itself.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
