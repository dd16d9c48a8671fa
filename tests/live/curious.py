"""Layers that are out of the ordinary, read in a process of their own: ``python -m tests.live.curious NAME``.

Each is answered with the line of the spec that is found, the types and shapes of its weights, or the complaint.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from unstride import UnstrideError
from unstride.live import find

Cases: TypeAlias = Iterator[tuple[str, Callable[[], Any]]]


def built(layer: Any, *shape: int) -> Any:
    layer.build(shape)
    return layer


def keras_layers(layers: Any) -> Cases:
    """What Keras 2 and Keras 3 have in common."""
    loud = type("Loud", (layers.Conv2D,), {"call": lambda _, inputs: 2 * inputs})
    quiet = type("Quiet", (layers.Conv2DTranspose,), {})
    yield "unbuilt", lambda: layers.Conv2DTranspose(2, 3, strides=2)
    yield "built", lambda: built(layers.Conv2DTranspose(2, 3, strides=2, use_bias=False), 1, 4, 4, 5)
    yield "causal", lambda: layers.Conv1D(2, 3, padding="causal", dilation_rate=2)
    yield "channels first", lambda: layers.Conv3D(2, (1, 2, 3), data_format="channels_first")
    yield "activation", lambda: layers.Conv2D(2, 3, activation="gelu")
    yield "linear", lambda: layers.Conv2D(2, 3, activation="linear")
    yield "own activation", lambda: layers.Conv2D(2, 3, activation=lambda x: x)
    yield "layer activation", lambda: layers.Conv2D(2, 3, activation=layers.LeakyReLU())
    yield "double", lambda: built(layers.Conv2D(2, 3, dtype="float64"), 1, 4, 4, 5)
    yield "mixed", lambda: built(layers.Conv2D(2, 3, dtype="mixed_bfloat16"), 1, 4, 4, 5)
    yield "output padding", lambda: layers.Conv1DTranspose(2, 3, strides=2, output_padding=1)
    yield "depthwise", lambda: layers.DepthwiseConv2D(3)
    yield "separable", lambda: layers.SeparableConv1D(2, 3)
    yield "dense", lambda: layers.Dense(3)
    yield "subclass", lambda: quiet(2, 3)
    yield "own call", lambda: loud(2, 3)


def keras() -> Cases:
    framework = import_module("keras")
    yield from keras_layers(framework.layers)
    tanh, gelu = framework.ops.tanh, framework.ops.gelu
    yield "the same activation elsewhere", lambda: framework.layers.Conv2D(2, 3, activation=tanh)
    yield "another activation elsewhere", lambda: framework.layers.Conv2D(2, 3, activation=gelu)
    yield "hard sigmoid", lambda: framework.layers.Conv2D(2, 3, activation="hard_sigmoid")
    yield "low rank", lambda: built(framework.layers.Conv2D(2, 3, lora_rank=1), 1, 4, 4, 5)


def keras2() -> Cases:
    framework, tensorflow = import_module("tf_keras"), import_module("tensorflow")
    yield from keras_layers(framework.layers)
    yield "the same activation elsewhere", lambda: framework.layers.Conv2D(2, 3, activation=tensorflow.nn.relu)
    yield "another activation elsewhere", lambda: framework.layers.Conv2D(2, 3, activation=tensorflow.nn.gelu)
    yield "leaky", lambda: framework.layers.Conv2D(2, 3, activation="leaky_relu")
    yield "hard sigmoid", lambda: framework.layers.Conv2D(2, 3, activation="hard_sigmoid")
    yield "ignored groups", lambda: framework.layers.Conv2DTranspose(2, 3, groups=2)


def flax() -> Cases:
    nnx, linen = import_module("flax.nnx"), import_module("flax.linen")
    jax, numpy = import_module("jax"), import_module("jax.numpy")
    rngs, highest = nnx.Rngs(0), jax.lax.Precision.HIGHEST
    mask = numpy.ones((3, 2, 2)).at[0].set(0)
    params = {"kernel": np.full((3, 2, 2), 5, np.float16), "bias": np.zeros(2, np.float16)}
    loud = type("Loud", (nnx.Conv,), {"__call__": lambda _, inputs: 2 * inputs})
    module = linen.ConvTranspose(2, [3], strides=[2], transpose_kernel=True)
    yield "shapes alone", lambda: nnx.eval_shape(lambda: nnx.Conv(2, 2, 3, rngs=nnx.Rngs(0)))
    yield "words", lambda: nnx.Conv(2, 4, (3,), precision=highest, param_dtype=numpy.bfloat16, rngs=rngs)
    yield "transposed by spacing", lambda: nnx.Conv(2, 2, (3,), padding=1, input_dilation=2, rngs=rngs)
    yield "mask", lambda: nnx.Conv(2, 2, (3,), mask=mask, rngs=rngs)
    yield "own function", lambda: nnx.Conv(2, 2, (3,), conv_general_dilated=lambda *_, **__: 0, rngs=rngs)
    yield "circular", lambda: nnx.Conv(2, 2, (3,), padding="CIRCULAR", rngs=rngs)
    yield "own call", lambda: loud(2, 2, (3,), rngs=rngs)
    yield "held twice", lambda: (nnx.Conv(2, 2, (3,), rngs=rngs), params)
    yield "linen", lambda: module
    yield "linen with parameters", lambda: (module, {"params": params})
    yield "bound", lambda: module.bind({"params": params})
    yield "no bias", lambda: (module, {"kernel": params["kernel"]})
    yield "no kernel", lambda: (module, {"up": params})
    yield "no mapping", lambda: (module, [1])
    yield "masked without parameters", lambda: linen.Conv(2, (3,), mask=mask)
    yield "masked", lambda: (linen.Conv(2, (3,), mask=mask), params)
    yield "local", lambda: linen.ConvLocal(2, (3,))


def equinox() -> Cases:
    framework, jax = import_module("equinox"), import_module("jax")
    layers, key = framework.nn, jax.random.PRNGKey(0)
    loud = type("Loud", (layers.Conv1d,), {"__call__": lambda _, x: 2 * x})
    yield "named rank", lambda: layers.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, key=key)
    yield "counted rank", lambda: layers.Conv(1, 2, 4, 3, padding=((1, 2),), use_bias=False, key=key)
    yield "words", lambda: layers.Conv2d(2, 4, 3, padding="same", dtype=jax.numpy.bfloat16, key=key)
    yield "circular", lambda: layers.Conv2d(2, 4, 3, padding=1, padding_mode="CIRCULAR", key=key)
    yield "shapes alone", lambda: framework.filter_eval_shape(layers.Conv1d, 2, 4, 3, key=key)
    yield "own call", lambda: loud(2, 2, 3, key=key)


def onnx() -> Cases:
    helper, arrays = import_module("onnx.helper"), import_module("onnx.numpy_helper")
    kernel = arrays.from_array(np.ones((2, 3, 4), np.float32), "w")
    up = helper.make_node("ConvTranspose", ["x", "w"], ["y"], name="up", strides=[2], auto_pad="SAME_UPPER")
    down = helper.make_node("Conv", ["x", "v", "b"], ["z"], strides=[2])
    constant = helper.make_node("Constant", [], ["v"], value=arrays.from_array(np.ones((5, 2, 3), np.float64)))
    biased = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="down")
    odd = helper.make_node("Conv", ["x", "w"], ["y"], name="odd", fuse="Relu")
    own = helper.make_node("ConvTranspose", ["x", "w"], ["y"], domain="com.example")
    outside = arrays.from_array(np.ones((2, 3, 4), np.float32), "w")
    outside.data_location = 1
    graph = helper.make_graph([constant, up, down], "graph", [], [], [kernel])
    model = helper.make_model(graph)
    yield "by name", lambda: (model, "up")
    yield "by output", lambda: (graph, "z")
    yield "unknown name", lambda: (model, "sideways")
    yield "several", lambda: model
    yield "none", lambda: helper.make_graph([constant], "graph", [], [])
    yield "one", lambda: helper.make_model(helper.make_graph([up], "graph", [], [], [kernel]))
    yield "node", lambda: up
    yield "node with initializers", lambda: (up, graph.initializer)
    yield "node with arrays", lambda: (biased, {"w": np.ones((1, 2, 3), np.float16), "b": np.ones(1, np.float16)})
    yield "unknown bias", lambda: (biased, [kernel])
    yield "no initializers", lambda: (up, [1])
    yield "unknown attribute", lambda: odd
    yield "other domain", lambda: own
    yield "other operator", lambda: constant
    yield "external", lambda: (up, [outside])


def answer(make: Callable[[], Any]) -> str:
    """The line and the weights, or the complaint."""
    try:
        found = find(make())
    except UnstrideError as error:
        return f"refused: {error}"
    arrays = " ".join(str(part.dtype) + str(part.shape) for part in (found.kernel, found.bias) if part is not None)
    total = "" if found.kernel is None or len({*found.kernel.flat}) > 2 else f" sum {found.kernel.sum():g}"
    return f"{found.spec.code()} {arrays}{total}".strip()


FRAMEWORKS: dict[str, Callable[[], Cases]] = {
    "keras": keras,
    "keras2": keras2,
    "flax": flax,
    "equinox": equinox,
    "onnx": onnx,
}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({name: answer(make) for name, make in FRAMEWORKS[sys.argv[1]]()}))
