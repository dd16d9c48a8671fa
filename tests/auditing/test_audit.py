"""The audit of a whole network: at which sizes, and what is told of sizes it is not made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.network.builders import unet
from unstride.auditing import audit as audit_module
from unstride.auditing.audit import audit
from unstride.auditing.findings import Code, Level
from unstride.dialects import keras as dialect
from unstride.errors import UnstrideError
from unstride.network import Convolution, Graph, Input, Node, Pool, Stored
from unstride.network.operations import Opaque


def test_sizes_that_are_asked() -> None:
    graph = unet(output_padding=1)
    assert audit(graph).sizes == {"x": (64, 64)}
    assert audit(graph, size=(10, 12)).sizes == {"x": (10, 12)}
    assert audit(graph, inputs=[(1, 3, 16, 18)]).sizes == {"x": (16, 18)}
    for size in ((0, 7), (4,)):
        with pytest.raises(UnstrideError, match="2 spatial axes, each with at least one element"):
            audit(graph, size=size)


def test_a_fixed_size_is_what_the_model_is_made_for() -> None:
    free = unet(output_padding=1)
    fixed = Graph(free.name, (Input("x", 3, (32, 32)),), free.nodes, free.outputs)
    (rule,) = [each for each in audit(fixed).findings if each.code is Code.SIZE_RULE]
    assert rule.says == "height and width must be multiples of 2, if the input's size were left open"
    assert rule.level is Level.NOTE
    told = [each.says for each in audit(fixed, size=(34, 36)).findings if each.code is Code.SIZE_RULE]
    assert told[0] == "x is made for 32 × 32; the answers are for 34 × 36, its steps taken as they stand there"
    assert audit(fixed).text().splitlines()[1].startswith("its input left open, height and width: multiples of 2")


def test_a_step_that_is_not_understood_is_no_misfit() -> None:
    graph = unet(output_padding=1)
    nodes = tuple(Node(n.name, Opaque("PReLU"), n.inputs) if n.name == "relu" else n for n in graph.nodes)
    found = audit(Graph("odd", graph.inputs, nodes, graph.outputs))
    assert [(each.code, each.level) for each in found.findings] == [(Code.NOT_UNDERSTOOD, Level.NOTE)]
    assert "what follows it is not looked at" in found.findings[0].says


def test_a_keras_file_is_audited_without_the_library_of_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(__file__).parents[2] / "examples" / "unet.keras"
    whole = audit(path)
    monkeypatch.setattr(audit_module, "find_spec", lambda _: None)
    bare = audit(str(path))
    assert [entry.as_json() for entry in bare.entries] == [entry.as_json() for entry in whole.entries]
    assert bare.hazards == whole.hazards
    (note,) = set(bare.findings) - set(whole.findings)
    assert "for want of h5py" in note.says


@pytest.mark.parametrize(("size", "told"), [((6, 9), True), ((5, 9), False)])
def test_keras_averages_borders_differently_on_torch(size: tuple[int, int], told: bool) -> None:
    """Only where a side has one element of margin more than the other."""
    conv = Convolution(dialect.Conv2D(2, 1, use_bias=False), Stored((1, 1, 1, 2), "float32"))
    pool = Pool("average", (3, 3), (2, 2), "same_upper")
    nodes = (Node("conv", conv, ("x",)), Node("pool", pool, ("conv",)))
    found = audit(Graph("net", (Input("x", 1, (None, None)),), nodes, ("pool",), channels_last=True), size=size)
    assert [each.code for each in found.findings] == [Code.DISAGREEMENT] * told
