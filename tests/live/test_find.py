"""What is a live layer and what is not, without any framework: objects are known by their classes' names."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest

import unstride
from unstride import Reason, UnstrideError
from unstride.dialects import torch
from unstride.live import as_spec, find, is_live, weigh
from unstride.live.kinds import FAMILIES, kind_of

FRAMEWORKS = (
    *("torch", "keras", "tf_keras", "tensorflow", "jax", "flax", "equinox", "haiku", "onnx", "openvino"),
    *("mlx", "paddle", "tinygrad"),
)
SPEC = torch.ConvTranspose2d(1, 1, 3)


def instance(module: str, name: str, *bases: type, **members: object) -> Any:
    """An object of a class of that name from that module."""
    return type(name, bases, {"__module__": module, **members})()


KNOWN = [
    ("torch.nn.modules.conv", "ConvTranspose1d", "torch"),
    ("torch.nn.modules.conv", "LazyConv3d", "torch"),
    ("keras.src.layers.convolutional.conv2d", "Conv2D", "keras"),
    ("tf_keras.src.layers.convolutional.conv2d_transpose", "Conv2DTranspose", "keras"),
    ("tensorflow.python.keras.layers.convolutional", "DepthwiseConv2D", "keras"),
    ("flax.linen.linear", "ConvLocal", "flax"),
    ("flax.nnx.nn.linear", "ConvTranspose", "flax"),
    ("equinox.nn._conv", "Conv", "equinox"),
    ("equinox.nn._conv", "ConvTranspose3d", "equinox"),
    ("haiku._src.conv", "Conv2DTranspose", "haiku"),
    ("mlx.nn.layers.convolution_transpose", "ConvTranspose2d", "mlx"),
    ("paddle.nn.layer.conv", "Conv1DTranspose", "paddle"),
    ("tinygrad.nn", "ConvTranspose2d", "tinygrad"),
    ("onnx.onnx_ml_pb2", "NodeProto", "onnx"),
]
FOREIGN = [
    ("torch.nn.modules.linear", "Linear"),
    ("torch.ao.nn.quantized.modules.conv", "Conv2d"),
    ("kerasish.layers", "Conv2D"),
    ("mine", "Conv2d"),
    ("haiku._src.conv", "ConvND"),
    ("onnx.onnx_ml_pb2", "TensorProto"),
]


@pytest.mark.parametrize(("module", "name", "reader"), KNOWN)
def test_a_frameworks_class_is_known_by_name(module: str, name: str, reader: str) -> None:
    thing = instance(module, name)
    kind = kind_of(thing)
    assert kind is not None
    assert (kind.reader, kind.name) == (reader, name)
    assert is_live(thing)
    assert is_live((thing, {}))


def test_a_subclass_is_of_the_nearest_class_that_is_known() -> None:
    forward = type("Conv2D", (), {"__module__": "tf_keras.src.layers.convolutional.conv2d"})
    transposed = type("Conv2DTranspose", (forward,), {"__module__": "tf_keras.src.layers.convolutional"})
    kind = kind_of(instance("mine", "Upsample", transposed))
    assert kind is not None
    assert kind.cls is transposed


@pytest.mark.parametrize(("module", "name"), FOREIGN)
def test_anything_else_is_not(module: str, name: str) -> None:
    thing = instance(module, name)
    assert not is_live(thing)
    with pytest.raises(UnstrideError, match=f"spec={module}.{name}: must be a spec or a live layer") as caught:
        find(thing)
    assert caught.value.reason is Reason.ARGUMENT
    assert caught.value.hint is not None
    assert "torch.nn" in caught.value.hint
    assert "unstride.parse" in caught.value.hint


@pytest.mark.parametrize("thing", [None, 3, (1, 2), ("a", "b", "c"), [SPEC], object, "nn.Conv2d(1, 1, 3)"])
def test_no_object_at_all(thing: object) -> None:
    assert not is_live(thing)
    with pytest.raises(UnstrideError, match="must be a spec or a live layer"):
        as_spec(thing)


def test_a_spec_is_a_spec_and_source_is_parsed_first() -> None:
    assert as_spec(SPEC) is SPEC
    assert unstride.parse(SPEC) is SPEC
    assert unstride.parse("nn.ConvTranspose2d(1, 1, k)", names={"k": 3}) == SPEC
    assert unstride.parse("Conv2DTranspose(1, 3)", "keras2").dialect == "keras2"
    with pytest.raises(UnstrideError, match=r"unstride\.parse\(\.\.\.\) makes one"):
        as_spec("nn.ConvTranspose2d(1, 1, 3)")
    with pytest.raises(UnstrideError, match=r"unstride\.parse\(\.\.\.\) makes one"):
        unstride.explain("nn.ConvTranspose2d(1, 1, 3)", (1, 1, 2, 2))


def test_a_spec_has_no_weights() -> None:
    for verb in (
        weigh,
        lambda spec: unstride.run(spec, [[[[1]]]]),
        lambda spec: unstride.prepare(spec, input_shape=()),
    ):
        with pytest.raises(UnstrideError, match=r"torch\.nn\.ConvTranspose2d has no weights here; give the kernel's"):
            verb(SPEC)
    assert weigh(SPEC, [1]) == (SPEC, [1], None)


def test_every_reader_is_a_module_of_its_own() -> None:
    readers = {reader for _, _, reader in FAMILIES}
    for reader in readers:
        module = import_module(f"unstride.live.{reader}")
        assert callable(module.read)
        assert isinstance(module.SEPARATE, bool)


def test_no_framework_is_imported() -> None:
    known = [reader for _, _, reader in FAMILIES]
    program = f"""
import sys, importlib
import unstride, unstride.live
assert unstride.parse("nn.Conv2d(1, 1, 3)").dialect == "torch"
for reader in {known!r}:
    importlib.import_module(f"unstride.live.{{reader}}")
for thing in (object(), type("Conv2d", (), {{"__module__": "mine"}})(), 3):
    try:
        unstride.live.find(thing)
    except unstride.UnstrideError:
        continue
    raise SystemExit("found")
print(*(name for name in {FRAMEWORKS!r} + ("numpy",) if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
