"""The page's arithmetic against every recorded answer, in two JavaScript engines; nothing may drift."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from unstride import parse
from unstride.dialects import registry
from unstride.dialects.spec import Spec
from unstride.explorer.modules import bundle
from unstride.explorer.shapes import fit
from unstride.geometry import Axis, Layer

from . import recorded
from .conftest import Opener

HARNESS = (
    (Path(__file__).parent / "arithmetic.js").read_text(encoding="utf-8").partition("\n")[2].strip().removesuffix(";")
)
MODULES = ("relation", "values", "dialects", "translate", "state", "model")
BIASED = ("keras", "torch", "onnx")
"""frameworks whose lines have a bias where nothing is said"""

LINES_OF = 5
"""the lines of every fifth layer are read back"""

Engine = Callable[[dict[str, Any]], dict[str, Any]]


@cache
def cases() -> dict[str, Any]:
    return {
        "axes": recorded.axes(),
        "rows": recorded.rows(),
        "settings": recorded.settings() + recorded.drawn(400, seed=4),
        "states": recorded.states(),
        "layers": recorded.layers(),
    }


def in_node(given: dict[str, Any]) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is installed; Chromium answers as well")
    modules = ", ".join(f"{name}: ${name}" for name in MODULES)
    script = (
        f"{bundle(*MODULES)}\nconst check = {HARNESS};\n"
        'const given = JSON.parse(require("fs").readFileSync(0, "utf8"));\n'
        f"check({{ {modules} }}, given).then((found) => process.stdout.write(JSON.stringify(found)));\n"
    )
    command = [node, "-e", script]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)  # noqa: S603 - our own script
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def in_chromium(visit: Opener, url: str) -> Engine:
    page = visit(url)
    names = json.dumps(list(MODULES))
    script = f"""async (given) => {{
      const found = await Promise.all({names}.map((name) => import(`./${{name}}.js`)));
      const modules = Object.fromEntries({names}.map((name, k) => [name, found[k]]));
      return JSON.stringify(await ({HARNESS})(modules, JSON.parse(given)));
    }}"""
    return lambda given: json.loads(page.evaluate(script, json.dumps(given)))


def test_the_corpus_asks_enough() -> None:
    found = cases()
    assert len(found["axes"]) > 1000
    assert len(found["rows"]) > 4000
    assert len(found["layers"]) > 1000
    assert len(found["states"]) > 5000
    assert {each["dialect"] for each in found["settings"]} == {"keras", "torch", "tensorflow", "jax", "onnx"}
    refused = [each for each in found["settings"] if each["wanted"] is None]
    assert 100 < len(refused) < len(found["settings"]) / 2


def test_every_recorded_answer_is_the_page_s_in_node() -> None:
    assert in_node({**cases(), "layers": []})["wrong"] == []


def test_every_recorded_answer_is_the_page_s_in_chromium(in_chromium: Engine) -> None:
    assert in_chromium({**cases(), "layers": []})["wrong"] == []


def test_every_line_that_the_page_writes_is_the_layer(in_chromium: Engine) -> None:
    layers = cases()["layers"][::LINES_OF]
    found = in_chromium({"axes": [], "rows": [], "settings": [], "states": [], "layers": layers})
    for axes, lines in zip(layers, found["lines"], strict=True):
        for line in lines:
            _check_line(tuple(Axis(**axis) for axis in axes), line)


def _check_line(axes: tuple[Axis, ...], line: dict[str, Any]) -> None:
    """A line reads back as exactly the layer; where Python has a line of that form, the page has the same."""
    layer = Layer(axes, 1, 1, bias=line["dialect"] in BIASED)
    wanted = registry.write(layer, line["dialect"])
    if line["exact"]:
        assert _axes(line["code"], line["dialect"], axes) == axes
        assert isinstance(wanted, Spec)
        assert line["code"] == wanted.code()
    elif isinstance(wanted, Spec):  # another form, which the page does not speak
        assert wanted.call.startswith(("keras.ops.", "jax.lax.conv_general")) or "consistent" in wanted.code()
    elif line["composition"] is not None:
        assert wanted.composition is not None
        steps = [step for step in wanted.composition.steps() if "bias" not in step]
        assert line["composition"][-1] == steps[-1]
        if "keras.ops" not in steps[0]:  # another form, which the page does not speak
            assert line["composition"] == steps


def _axes(code: str, dialect: str, axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    spec = parse(code, dialect)
    shapes = fit(spec, tuple(axis.small for axis in axes), tuple(axis.kernel for axis in axes))
    return spec.read(*shapes).axes


def test_a_wrong_number_is_found() -> None:
    given = {**cases(), "rows": [], "states": [], "layers": [], "axes": [dict(cases()["axes"][0])]}
    given["axes"][0]["full"] += 1
    assert any("full" in each for each in in_node(given)["wrong"])
