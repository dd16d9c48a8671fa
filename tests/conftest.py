"""Hypothesis profiles: a quick one by default, ``UNSTRIDE_DEEP=1`` for many more examples."""

import os

from hypothesis import HealthCheck, settings

from .golden_files import golden, pytest_addoption

__all__ = ["golden", "pytest_addoption"]

settings.register_profile(
    "unstride",
    max_examples=1000 if os.environ.get("UNSTRIDE_DEEP") == "1" else 60,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unstride")
