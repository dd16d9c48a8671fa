"""Hypothesis profiles, many more examples where ``-m deep`` is asked for; golden files; where compiled code is kept."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .golden_files import golden, pytest_addoption

__all__ = ["golden", "pytest_addoption"]

LAWS = Path(__file__).parent / "laws"

for name, examples in (("quick", 60), ("deep", 400)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


def pytest_configure(config: pytest.Config) -> None:
    # TensorFlow's CPU kernels dilate and group with oneDNN only, which it reads when it is first imported
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if not hasattr(config, "workerinput"):  # compiled objects go where this run's processes share them, and nobody else
        folder = tempfile.TemporaryDirectory(prefix="unstride-")
        config.add_cleanup(folder.cleanup)
        os.environ["UNSTRIDE_CACHE_DIR"] = folder.name
    settings.load_profile("deep" if config.getoption("markexpr") == "deep" else "quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The laws are what ``-m deep`` runs."""
    for item in items:
        if LAWS in item.path.parents:
            item.add_marker(pytest.mark.deep)
