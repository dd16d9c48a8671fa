"""The generated source, executed as a user would, gives what ``build`` gives, and both give the source's numbers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice, product
from typing import Any

import numpy as np
import pytest

from unstride import UnstrideError, parse, port, run
from unstride.dialects.refusal import Composition, _plain_windows, _reduced, ways
from unstride.dialects.registry import NAMES, named
from unstride.geometry import Axis, Layer
from unstride.porting import codegen
from unstride.porting.plan import Plan
from unstride.porting.verb import Port
from unstride.testing.live import installed

from .cases import CASES, Array, Case

PACKAGES = {"onnx": "onnxruntime"}


def computed(found: Port, layer: Any, x: Array) -> Array:
    """What a live layer gives for the source's ``x``, in the source's layout."""
    given = np.ascontiguousarray(found.plan.incoming.apply(x))
    return np.asarray(found.plan.outgoing.apply(called(found.dialect, layer, given)))


def called(dialect: str, layer: Any, x: Array) -> Array:
    if dialect == "torch":
        import torch

        with torch.no_grad():
            return np.asarray(layer(torch.from_numpy(x)).numpy())
    if dialect == "keras":
        import keras

        return np.asarray(keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x))))
    return np.asarray(layer(x))


def executed(source: str, dialect: str) -> Callable[..., Any]:
    """The ``build`` of generated source, run in a namespace of its own."""
    names: dict[str, Any] = {"__name__": "pasted"}
    exec(compile(source, "<generated>", "exec"), names)  # noqa: S102 - our own text, which this test is about
    return lambda *arrays: codegen.live(names["build"](*arrays), dialect)


def needed(dialect: str) -> None:
    # TensorFlow turns oneDNN on by the processor's model; only with it do its CPU kernels dilate and group
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if not installed(PACKAGES.get(dialect, dialect)):
        pytest.skip(f"{dialect} is not installed")


@pytest.mark.parity
@pytest.mark.parametrize("to", codegen.TARGETS)
@pytest.mark.parametrize("name", CASES)
def test_source_and_build_give_the_sources_numbers(name: str, to: str) -> None:
    needed(to)
    case = CASES[name]
    if to == "equinox" and case.input[0] > 1 and name != "equinox-batchless":
        case = case._replace(input=(1, *case.input[1:]), code=case.code.replace("(2, 9, 12, 3)", "(1, 9, 12, 3)"))
    x, kernel, bias = case.arrays()
    found, truth = case.port(to), run(case.spec, x, kernel, bias)
    assert found.source is not None
    built = computed(found, found.build(kernel, bias), x)
    pasted = computed(found, executed(found.source, to)(kernel, bias), x)
    np.testing.assert_array_equal(pasted, built)
    if case.spec.activation_name == "softmax":
        np.testing.assert_allclose(built, truth, atol=1e-6)
    else:
        np.testing.assert_array_equal(built, truth)
    assert np.any(built)


def forced(layer: Layer, to: str) -> Iterator[Composition]:
    """Compositions of every kind that the target's calls allow, wanted or not."""
    propose = named(to).module().propose
    dilated = (False, True) if max(layer.dilation) > 1 else (False,)
    for split, stretched, add_bias in product((1, layer.groups), dilated, (False, True)):
        for sayable, padded, cropped in _plain_windows(_reduced(layer, split, stretched, add_bias)):
            for spec in islice(ways(sayable, propose), 2):
                yield Composition(spec, sayable, padded, cropped, split, layer.dilation if stretched else (), add_bias)


TRANSPOSED = (Axis(3, 8, 2, stride=3, dilation=2, before=-1), Axis(4, 7, 3, stride=2, before=1))
FORWARD = (Axis(3, 10, 3, stride=3, dilation=2, before=1), Axis(4, 8, 2, stride=2, dilation=2, before=-1))
KINDS = {"keras": 1, "equinox": 2, "haiku": 2}
"""how many of (split, stretched, bias added) the target can need, where its layers leave fewer than four"""


@pytest.mark.parity
@pytest.mark.parametrize("to", codegen.TARGETS)
@pytest.mark.parametrize("axes", [TRANSPOSED, FORWARD], ids=["transposed", "forward"])
def test_every_kind_of_composition_is_written(axes: tuple[Axis, ...], to: str) -> None:
    needed(to)
    layer = Layer(axes, 4, 6, 2, transposed=axes is TRANSPOSED, bias=True)
    spec = next(ways(layer, named("flax").module().propose))
    case = Case(spec.code(), spec.input_shape(layer), spec.kernel_shape(layer))
    x, kernel, bias = case.arrays()
    truth, kinds = run(spec, x, kernel, bias), set()
    for found in forced(layer, to):
        ported = case.port(to)
        # the plan is what the source is written from, made on first use
        ported.__dict__["plan"] = Plan.of(spec, layer, x.shape, found)
        if ported.source is None:
            continue
        np.testing.assert_array_equal(computed(ported, ported.build(kernel, bias), x), truth)
        np.testing.assert_array_equal(computed(ported, executed(ported.source, to)(kernel, bias), x), truth)
        kinds.add((found.split > 1, bool(found.kernel_dilation), found.add_bias))
    assert len(kinds) >= KINDS.get(to, 4), kinds


def test_what_no_source_is_written_for_says_why() -> None:
    found = port(parse("torch.nn.ConvTranspose2d(1, 1, 3)"), to="caffe", input_shape=(1, 1, 4, 4))
    assert found.exact
    assert found.source is None
    assert not found.composed
    with pytest.raises(UnstrideError, match="source is written for torch") as caught:
        found.build(np.zeros((1, 1, 3, 3)), np.zeros(1))
    assert caught.value.code == "unsupported"


def test_a_layer_beyond_the_target_is_refused_with_its_words() -> None:
    layer = Layer((Axis(2, 3, 2),) * 4, 1, 1)
    spec = next(ways(layer, named("jax").module().propose))
    found = port(spec, to="torch", input_shape=spec.input_shape(layer), kernel_shape=spec.kernel_shape(layer))
    assert found.source is None
    with pytest.raises(UnstrideError, match="4-D transposed convolution"):
        found.build(np.zeros(spec.kernel_shape(layer)))


def test_an_activation_that_is_not_known_is_refused() -> None:
    spec = parse("keras.layers.Conv2DTranspose(1, 3, activation=my_own)")
    found = port(spec, to="torch", input_shape=(1, 4, 4, 1))
    assert found.exact
    assert found.source is None
    with pytest.raises(UnstrideError, match="activation='my_own'"):
        found.check()


@pytest.mark.parametrize(
    ("kernel", "bias", "reason"),
    [((3, 3, 2, 4), (4,), "kernel"), ((3, 3, 4, 2), None, "argument"), ((3, 3, 4, 2), (3,), "channels")],
)
def test_arrays_that_do_not_fit_are_refused(kernel: tuple[int, ...], bias: tuple[int, ...] | None, reason: str) -> None:
    found = port(parse("keras.layers.Conv2DTranspose(4, 3)"), to="torch", input_shape=(1, 4, 4, 2))
    with pytest.raises(UnstrideError) as caught:
        found.build(np.zeros(kernel), None if bias is None else np.zeros(bias))
    assert caught.value.code == reason


def test_a_port_without_weights_asks_for_them() -> None:
    found = port(parse("keras.layers.Conv2DTranspose(4, 3)"), to="torch", input_shape=(1, 4, 4, 2))
    with pytest.raises(UnstrideError, match="the kernel is needed"):
        found.build()


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("to", codegen.TARGETS)
def test_weights_are_what_the_call_takes(name: str, to: str) -> None:
    """The call of the composition, computed here on those weights, is what the whole composition computes."""
    case = CASES[name]
    found, (_, kernel, _) = case.port(to), case.arrays()
    taken, plan = found.weights(kernel), found.plan
    wanted = plan.spec.kernel_shape(plan.composition.layer)
    assert taken.shape == (wanted if plan.split == 1 else (plan.split, *wanted))
    assert sorted(taken[taken != 0].tolist()) == sorted(kernel[kernel != 0].tolist())


def test_source_survives_what_a_layer_may_be_called() -> None:
    """A name that would end the docstring, and run what follows, stays a name."""
    name = 'a"""\nraise SystemExit("run")\n"""\\'
    spec = replace(parse("keras.layers.Conv2DTranspose(1, 3)"), name=name)  # type: ignore[call-arg]  # Keras's own
    found = port(spec, to="torch", input_shape=(1, 4, 4, 1))
    assert found.source is not None
    names: dict[str, Any] = {}
    exec(compile(found.source.replace("import torch", ""), "<generated>", "exec"), names)  # noqa: S102 - our own text
    assert "build" in names
    assert name not in found.source


@pytest.mark.parametrize("to", NAMES)
def test_every_answer_is_json(to: str) -> None:
    found = CASES["keras-same"].port(to)
    document = found.as_json()
    assert (document["source"] is None) == (to not in codegen.TARGETS)
    assert document["composed"] == found.composed


GOLDEN = {
    "keras-same": ("torch", "onnx", "tensorflow"),
    "keras-plain": ("torch", "equinox"),
    "torch-groups": ("keras", "jax", "haiku"),
    "torch-dilated": ("keras", "flax"),
    "jax-pads": ("torch", "keras", "onnx"),
    "tensorflow-valid": ("flax",),
}


@pytest.mark.parametrize(("name", "to"), [(name, to) for name, targets in GOLDEN.items() for to in targets])
def test_source_as_it_is_pasted(name: str, to: str, golden: Callable[[str, str], None]) -> None:
    golden(f"port_{name}_{to}.py", str(CASES[name].port(to).source))
