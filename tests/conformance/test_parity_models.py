"""The suite's ONNX files: written again bit for bit, valid, and usable as the README says."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

import pytest
from tools import conformance as tool
from tools.conformance_cases import cases

from unstride.conformance.cases import suite
from unstride.testing.live import installed

pytestmark = pytest.mark.parity

SUITE = suite()


def needs(*names: str) -> None:
    for name in names:
        if not installed(name):
            pytest.skip(f"{name} is not installed")


def test_the_tool_writes_the_models_again_bit_for_bit() -> None:
    needs("onnx_reference")
    for path, content in tool.models([tool.write(case) for case in cases()]):
        assert (SUITE.path / path).read_bytes() == content, f"{path}: run python tools/conformance.py"


def test_every_model_that_is_not_to_be_refused_is_valid() -> None:
    needs("onnx_reference")
    onnx = import_module("onnx")
    for case in SUITE.cases:
        model = onnx.load(case.model)
        (node,) = model.graph.node
        assert (node.op_type, model.opset_import[0].version) == ("ConvTranspose", case.opset)
        assert [each.name for each in model.graph.input] == [*case.inputs][: 1 if case.weights == "initializer" else 3]
        if not case.forbidden:
            onnx.checker.check_model(model)


def test_opset_22_says_what_opset_11_says() -> None:
    needs("onnx_reference")
    schemas = [import_module("onnx.defs").get_schema("ConvTranspose", opset) for opset in (11, 22)]
    told = [(each.doc, {name: words.description for name, words in each.attributes.items()}) for each in schemas]
    assert told[0] == told[1]


def test_the_readme_needs_no_unstride() -> None:
    needs("onnx_reference", "onnxruntime")
    code = (SUITE.path / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert "unstride" not in code
    ended = subprocess.run(  # noqa: S603 - the README's own lines
        [sys.executable, "-c", code], cwd=SUITE.path, capture_output=True, text=True, check=True, env={**os.environ}
    )
    lines = ended.stdout.splitlines()
    assert len(lines) == sum(not case.ambiguous and not case.forbidden for case in SUITE.cases)
    assert not any(line.endswith(" differs") for line in lines)
    assert sum(line.endswith(" agrees") for line in lines) >= 260
