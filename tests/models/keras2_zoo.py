"""Keras 2 models, saved as ``.keras`` and as a configuration with weights, and what they answer: run as a program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tf_keras import Input, Model, Sequential, layers


def nested() -> Any:
    """Models in models, called several times: Keras 2 counts their calls from 1."""
    given = Input((8, 8, 3))
    row = Sequential([layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()], name="row")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(given)
    joined = layers.Concatenate()([layers.Add()([x, row(row(x))]), x])
    inner = Model(given, [joined, x], name="inner")
    outside = Input((8, 8, 3))
    first, second = inner(outside)
    up = layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1, activation="tanh")(first)
    third, _ = inner(layers.MaxPooling2D(2)(up))
    return Model(outside, [third, layers.Dense(2)(layers.Flatten()(second)), up], name="outer")


def functions() -> Any:
    """TensorFlow's functions between the layers."""
    given = Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same")(given)
    y = tf.concat([tf.nn.relu((2 - (x + given)) * 3.0 / 2 - x), x], -1)
    y = tf.sigmoid(tf.nn.leaky_relu(tf.maximum(y, 0.5 * y), 0.1))
    y = tf.pad(-y[:, 1:-1], [[0, 0], [1, 1], [0, 0], [0, 0]])
    return Model(given, [y, tf.reduce_mean(y, axis=[1, 2])], name="functions")


def main(folder: Path) -> None:
    """Write both models, their inputs and their outputs."""
    rng = np.random.default_rng(0)
    for model in (nested(), functions()):
        for weight in model.weights:
            weight.assign(np.abs(rng.normal(size=weight.shape)) * 0.1 + 0.05)
        model.save(folder / f"{model.name}.keras")
        (folder / f"{model.name}.json").write_text(model.to_json())
        model.save_weights(folder / f"{model.name}.weights.h5")
        given = rng.normal(size=(4, *model.input_shape[1:])).astype("float32")
        made = {f"out/{i}": each.numpy() for i, each in enumerate(model(given))}
        np.savez(folder / f"{model.name}.npz", given=given, **made)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
