"""Every command, output and piece of Python in the README is run."""

from __future__ import annotations

import doctest
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import zarr

import unstride

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    found = importlib.util.spec_from_file_location("readme", ROOT / "tools" / "readme.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_every_command_prints_what_the_readme_shows(readme: ModuleType) -> None:
    assert len(readme.commands(TEXT)) >= 8
    assert readme.refreshed(TEXT) == TEXT, "run python tools/readme.py and look at what changed"


def test_every_piece_of_python_gives_what_the_readme_shows() -> None:
    outcome = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert outcome.attempted > 0
    assert outcome.failed == 0


@pytest.mark.parity
@pytest.mark.parametrize(("package", "block"), re.findall(r"```python (torch|dask)\n(.*?)```", TEXT, re.DOTALL))
def test_every_piece_that_needs_a_package_runs(package: str, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(package, reason="the piece needs it")
    monkeypatch.chdir(ROOT)
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own README


def test_the_command_on_an_array_in_tiles_prints_what_the_readme_shows(
    readme: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = re.findall(r"```console zarr\n(.*?)```", TEXT, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    kernel, bias = random.standard_normal((4, 2, 4, 4, 4), "float32"), random.standard_normal(2, "float32")
    np.save("kernel.npy", kernel)
    np.save("bias.npy", bias)
    x = random.standard_normal((1, 4, 64, 64, 64), "float32")
    zarr.create_array("volume.zarr", data=x, chunks=(1, 4, 32, 32, 32))
    ((line, shown),) = re.findall(r"\$ ((?:.*\\\n)*.*)\n(.*\n)", block)
    # how many tiles, and how long they take, is each machine's own
    printed, expected = (re.sub(r"[\d,]+ tiles in [\d.]+ s", "", text) for text in (readme.answer(line), shown))
    assert printed == expected == "large.zarr: (1, 2, 128, 128, 128) float32, \n"
    spec = unstride.parse("torch.nn.ConvTranspose3d(4, 2, 4, stride=2, padding=1)")
    np.testing.assert_array_equal(zarr.open_array("large.zarr")[...], unstride.run(spec, x, kernel, bias))


def test_the_set_up_is_two_commands() -> None:
    section = TEXT.split("## Set up")[1].split("## ")[0]
    commands = [line for line in section.splitlines() if line.startswith(("pip ", "unstride ", "pytest "))]
    assert [command.split(" && ")[0] for command in commands] == ["pip install .", 'pip install -e ".[test,parity]"']


def test_the_picture_is_what_is_drawn() -> None:
    from unstride import draw
    from unstride.demo import KERAS, KERNEL, LECTURE, X

    picture = draw(KERAS, x=X, kernel=KERNEL, compare=[LECTURE])
    assert (ROOT / "docs" / "lecture.svg").read_text() == picture.svg()
