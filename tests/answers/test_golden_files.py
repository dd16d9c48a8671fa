"""The golden fixture compares exactly, and writes only where it may."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.golden_files import check_golden


def test_a_difference_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    path = tmp_path / "golden" / "text.txt"
    with pytest.raises(AssertionError, match="missing"):
        check_golden(path, "one", update=False)
    check_golden(path, "one", update=True)
    check_golden(path, "one", update=False)
    with pytest.raises(AssertionError):
        check_golden(path, "two", update=False)


def test_continuous_integration_may_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    path = tmp_path / "text.txt"
    with pytest.raises(pytest.fail.Exception, match="refused"):
        check_golden(path, "one", update=True)
    assert not path.exists()
