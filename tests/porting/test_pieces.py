"""What larger programs take from the code of one layer: names of their own, and nothing that two layers share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unstride.porting.codegen import onnx, printing, torch
from unstride.porting.codegen.program import Call, Each, Function, Name, Path, Program, Return, call
from unstride.porting.codegen.running import defined

from .cases import CASES


def test_every_name_of_an_onnx_layer_begins_with_its_prefix() -> None:
    piece = onnx.layer(CASES["jax-pads"].port("onnx").plan, "skip", "up", "decoder/")
    made = [name for node in piece.nodes for name in node.positional[2]]
    read = [name for node in piece.nodes for name in node.positional[1]]
    assert made[-1] == "up"
    assert read[0] == "skip"
    assert all(name.startswith("decoder/") for name in (*made[:-1], *read[1:], *piece.constants))
    assert not set(made) & set(piece.constants)


def test_a_torch_layer_keeps_to_its_name() -> None:
    piece = torch.layer(CASES["torch-groups"].port("torch").plan, "up3")
    assert set(piece.state) == {"up3.weight", "up3.bias"}
    lines = [line for each in piece.members for line in printing.statement(each)]
    assert lines[0].startswith("self.up3 = torch.nn.ConvTranspose2d(")


def test_groups_are_cut_where_their_kernels_lie_apart() -> None:
    found = CASES["torch-groups"].port("keras")
    _, kernel, _ = CASES["torch-groups"].arrays()
    parts = found.weights(kernel)
    for group, part in enumerate(parts):
        np.testing.assert_array_equal(part, kernel[2 * group : 2 * group + 2].transpose(2, 3, 1, 0))


def program(value: Any) -> Program:
    return Program((), ("math", "os.path as where"), (Function("build", ("a", "b=None"), (Return(value),)),))


@pytest.mark.parametrize(
    ("value", "text", "made"),
    [
        (call("math.hypot", Name("a"), 4), "math.hypot(a, 4)", 5.0),
        ((Name("a"),), "(a,)", (3,)),
        ({"k": [Name("a"), -1]}, '{"k": [a, -1]}', {"k": [3, -1]}),
        (Each(Name("x"), ("x", "_"), ([1, 2], [3, 4])), "[x for x, _ in zip([1, 2], [3, 4])]", [1, 2]),
        (call("where.join", "x", "y"), 'where.join("x", "y")', "x/y"),
        (Call(Path("math.pow"), (Name("a"), 2)), "math.pow(a, 2)", 9.0),
    ],
)
def test_a_program_is_printed_and_carried_out_alike(value: Any, text: str, made: Any) -> None:
    found = program(value)
    source = printing.source(found)
    assert f"return {text}\n" in source
    assert defined(found)["build"](3) == made
    names: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), names)  # noqa: S102 - our own text, which this test is about
    assert names["build"](3) == made


def test_long_lines_are_broken_after_their_brackets() -> None:
    words = {f"argument_{index}": "x" * 12 for index in range(6)}
    source = printing.source(program(Call(Path("math.fsum"), (), words)))
    assert max(map(len, source.splitlines())) <= printing.COLUMNS
    compile(source, "<generated>", "exec")
