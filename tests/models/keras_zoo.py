"""Small Keras models of every kind that is read, and what they answer: run as a program, with a folder to write into.

Each model is saved as ``<name>.keras``; inputs and outputs go to ``<name>.npz``; what was read from the live model is
compared with what is read from the file. Keras runs on one backend, in this process alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
from keras import Input, Model, Sequential, layers, ops

Shapes = tuple[tuple[int, ...], ...]
"""the shapes of a model's inputs, without the batch"""


def unet() -> tuple[Any, list[Shapes]]:
    """Three levels, each joined with what was before its pooling."""
    x = given = Input((None, None, 3))
    skips = []
    for level in range(3):
        for _ in range(2):
            x = layers.Conv2D(8 * 2**level, 3, padding="same", activation="relu")(x)
        skips.append(layers.Dropout(0.3)(x))
        x = layers.MaxPooling2D(2)(skips[-1])
    for skip in reversed(skips):
        x = layers.Conv2DTranspose(skip.shape[-1], 3, strides=2, padding="same")(x)
        x = layers.concatenate([x, skip], axis=3)
        x = layers.BatchNormalization()(layers.Conv2D(skip.shape[-1], 3, padding="same", activation="relu")(x))
    return Model(given, layers.Conv2D(5, 1, padding="same")(x), name="unet"), [((8, 16, 3),), ((16, 8, 3),)]


def generator() -> tuple[Any, list[Shapes]]:
    """A vector to an image."""
    steps = [
        layers.Dense(4 * 4 * 8, use_bias=False),
        *(layers.BatchNormalization(), layers.LeakyReLU(), layers.Reshape((4, 4, 8))),
        layers.Conv2DTranspose(6, 5, padding="same", use_bias=False),
        layers.LeakyReLU(0.1),
        layers.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh"),
    ]
    return Sequential([Input((10,)), *steps], name="generator"), [((10,),)]


def vocoder() -> tuple[Any, list[Shapes]]:
    """Frames to samples, with the average of two dilated branches."""
    given = Input((None, 8))
    x = layers.Conv1D(16, 7, padding="causal")(given)
    for stride, kernel in ((4, 8), (2, 5)):
        x = layers.Conv1DTranspose(8, kernel, strides=stride, padding="same")(layers.LeakyReLU(0.1)(x))
        branches = [layers.Conv1D(8, 3, dilation_rate=d, padding="same", activation="elu")(x) for d in (1, 3)]
        x = (branches[0] + branches[1]) / 2.0 + x
    for layer in (layers.ZeroPadding1D((1, 2)), layers.Cropping1D((1, 0)), layers.UpSampling1D(2)):
        x = layer(x)
    x = layers.AveragePooling1D(3, 2, padding="same")(layers.SpatialDropout1D(0.2)(x))
    return Model(given, layers.Conv1D(1, 7, padding="same", activation="tanh")(x), name="vocoder"), [
        ((5, 8),),
        ((8, 8),),
    ]


def volumes() -> tuple[Any, list[Shapes]]:
    """A 3-D decoder with unequal strides and an output padding."""
    given = Input((None, None, None, 2))
    x = layers.Conv3D(4, 3, padding="same", strides=(1, 2, 2))(given)
    x = skip = layers.ReLU(6.0, 0.1, 0.2)(layers.GroupNormalization(2)(x))
    x = layers.Conv3DTranspose(4, 2, strides=2)(layers.MaxPooling3D(2, padding="same")(x))
    x = layers.Concatenate(axis=-1)([skip, x])
    x = layers.Conv3DTranspose(3, (1, 3, 3), strides=(1, 2, 2), padding="same", output_padding=(0, 1, 1))(x)
    x = layers.ZeroPadding3D(1)(layers.UpSampling3D((1, 2, 1))(x))
    x = layers.AveragePooling3D(2)(layers.Cropping3D(((1, 0), (0, 1), (1, 1)))(x))
    return Model(given, layers.Softmax()(x), name="volumes"), [((4, 8, 8, 2),), ((2, 4, 12, 2),)]


def depthwise() -> tuple[Any, list[Shapes]]:
    """Convolutions in groups, a channel attention, a dense layer on a map, and shapes changed."""
    given = Input((11, 13, 4))
    x = layers.Rescaling(1 / 127.5, -1)(given)
    x = layers.SeparableConv2D(6, 3, depth_multiplier=2, strides=2, padding="same", activation="silu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation=layers.LeakyReLU(0.3))(x)
    x = layers.Conv2D(12, 3, groups=3, padding="same", activation="gelu")(x)
    share = layers.Dense(12, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.Dense(5)(layers.Multiply()([x, share]))
    x = layers.UpSampling2D(3, interpolation="bilinear")(x)
    flat, rows = layers.Flatten()(x), layers.Reshape((6 * 7 * 9, 5))(x)
    outputs = [
        layers.LayerNormalization()(flat),
        layers.Dense(3, activation="softmax")(layers.Reshape((-1,))(x)),
        layers.GlobalMaxPooling1D(keepdims=True)(rows),
    ]
    return Model(given, outputs, name="depthwise"), [((11, 13, 4),)]


def _block(name: str) -> Any:
    given = Input((None, None, 4))
    x = layers.BatchNormalization(scale=False)(layers.Conv2D(4, 3, padding="same", name="c")(given))
    return Model(given, [layers.Activation("relu")(x), x], name=name)


def nested() -> tuple[Any, list[Shapes]]:
    """Models in models, called several times, with several inputs and outputs, and a layer called twice."""
    block, shared = _block("block"), layers.Conv2D(4, 3, padding="same", name="shared")
    row = Sequential(
        [Input((None, None, 4)), layers.Conv2D(4, 1, activation="mish"), layers.BatchNormalization(center=False)]
    )
    left, right = Input((None, None, 4), name="left"), Input((None, None, 4), name="right")
    first, second = shared(left), shared(right)
    (a, b), (c, d) = block(first), block(second)
    e, _ = block(a)
    x = layers.Add()([row(row(a)), b, c, d, e])
    x = layers.Subtract()([layers.Maximum()([layers.Average()([x, b]), second]), second])
    inner = Sequential([layers.Conv2D(3, 3), layers.BatchNormalization()], name="inner")
    outer = Sequential([inner, layers.Conv2D(2, 2)], name="outer")
    return Model([left, right], [outer(x), 2 - x * 3], name="nested"), [((6, 8, 4), (6, 8, 4))]


def twice() -> tuple[Any, list[Shapes]]:
    """A functional model on its own output, and a model with dictionaries of inputs and outputs."""
    given = Input((6, 6, 3))
    block = Model(given, layers.Conv2D(3, 3, padding="same", name="c")(given), name="block")
    p, q = Input((6, 6, 3), name="p"), Input((6, 6, 3), name="q")
    pair = Model({"p": p, "q": q}, {"u": p * 2.0, "b": layers.Conv2D(2, 1)(q)}, name="pair")
    x, y = Input((6, 6, 3), name="x"), Input((6, 6, 3), name="y")
    made = pair({"p": block(block(x)), "q": y})
    return Model([y, x], [made["u"], made["b"]], name="twice"), [((6, 6, 3), (6, 6, 3))]


def operations() -> tuple[Any, list[Shapes]]:
    """Bare operations: pads, slices, arithmetic with numbers, reductions; and norms by numbers."""
    given = Input((8, 8, 6))
    x = ops.pad(given, [[0, 0], [1, 2], [0, 1], [0, 0]])[:, 1:-1, :-1, :]
    x = ops.leaky_relu(ops.concatenate([x, -x], -1), 0.3) + 1
    x = ops.maximum(x, x * 0.5)
    x = ops.softmax(x * ops.mean(x, axis=(1, 2), keepdims=True))
    fixed, learned = layers.Normalization(mean=[0.1] * 12, variance=[2.0] * 12), layers.Normalization()
    return Model(given, [fixed(x), learned(x), ops.max(x, axis=[1, 2])], name="operations"), [((8, 8, 6),)]


def channels_first() -> tuple[Any, list[Shapes]]:
    """Channels first, moved last on the way to one of the outputs."""
    first: dict[str, Any] = {"data_format": "channels_first"}
    given = Input((4, None, None))
    x = layers.Conv2D(6, 3, padding="same", strides=2, **first)(given)
    x = layers.MaxPooling2D(2, padding="same", **first)(layers.Activation("relu")(layers.BatchNormalization(axis=1)(x)))
    x = layers.Conv2DTranspose(5, 4, strides=4, padding="same", **first)(x)
    x = layers.Concatenate(axis=1)([x, given])
    y = layers.Conv2D(2, 1, data_format="channels_last")(layers.Permute((2, 3, 1))(x))
    y = layers.GlobalAveragePooling2D(data_format="channels_last")(y)
    return Model(given, [x, y, layers.Softmax(axis=1)(x)], name="channels_first"), [((4, 8, 12),)]


def flattened() -> tuple[Any, list[Shapes]]:
    """What a vector's order is, where channels are first."""
    given = Input((4, 6, 6))
    x = layers.Conv2D(6, 3, data_format="channels_first")(given)
    kept, moved = (layers.Flatten(data_format=f"channels_{end}")(x) for end in ("last", "first"))
    outputs = [layers.Dense(2)(kept), layers.Dense(2)(moved), layers.Reshape((8, 3, 4))(x)]
    return Model(given, outputs, name="flattened"), [((4, 6, 6),)]


ZOO: dict[str, Callable[[], tuple[Any, list[Shapes]]]] = {
    build.__name__: build
    for build in (
        *(unet, generator, vocoder, volumes, depthwise, nested),
        *(twice, operations, channels_first, flattened),
    )
}


def shake(model: Any, rng: np.random.Generator) -> None:
    """Weights that are not special: variances above 0, everything else around it."""
    for weight in model.weights:
        values = rng.normal(size=weight.shape) * 0.3
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.path else values)
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def record(name: str, folder: Path) -> None:
    """Save one model with what it answers at batch 1 and 4, and check that reading it live gives the file's network."""
    from unstride.models import keras as reader

    rng = np.random.default_rng(len(name))
    model, shapes = ZOO[name]()
    shake(model, rng)
    path = folder / f"{name}.keras"
    model.save(path)
    arrays: dict[str, Any] = {}
    for case, (batch, taken) in enumerate([(batch, taken) for taken in shapes for batch in (1, 4)]):
        given = [rng.normal(size=(batch, *shape)).astype("float32") for shape in taken]
        made = keras.tree.flatten(model(given if len(given) > 1 else given[0], training=False))
        arrays |= {f"{case}/in/{i}": each for i, each in enumerate(given)}
        arrays |= {f"{case}/out/{i}": ops.convert_to_numpy(each) for i, each in enumerate(made)}
    np.savez(folder / f"{name}.npz", **arrays)
    live, read = reader.read_live(model), reader.read(path)
    assert [(n.name, n.operation.kind, n.inputs) for n in live.nodes] == [
        (n.name, n.operation.kind, n.inputs) for n in read.nodes
    ]
    assert (live.inputs, live.outputs, live.channels_last) == (read.inputs, read.outputs, read.channels_last)
    for one, other in zip(live.nodes, read.nodes, strict=True):
        for key, stored in one.operation.weights.items():
            assert np.array_equal(stored.array, other.operation.weights[key].array), (one.name, key)


if __name__ == "__main__":
    for each in ZOO:
        record(each, Path(sys.argv[1]))
