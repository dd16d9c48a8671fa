"""Live layers that carry the field's known bugs, verified in a process of its own; prints name -> verdict as JSON.

``python live_verify.py keras|jax``; Keras's backend is the environment's. The layers' weights are distinct integers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstride import parse, port, verify
from unstride.porting.subjects import integers
from unstride.porting.verify import Verdict

Array = NDArray[Any]

TORCH = parse("torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)")
KERAS = parse("keras.layers.Conv2DTranspose(2, 3, strides=2, padding='same')")


def keras_layers() -> Iterator[tuple[str, Verdict]]:
    import keras

    layer = keras.layers.Conv2DTranspose(2, 3, strides=2, padding="same")
    layer.build((None, 4, 5, 3))
    layer.set_weights([integers((3, 3, 2, 3), 0), integers((2,), 1)])
    shape = (1, 4, 5, 3)
    yield "the layer and its own source", verify(layer, KERAS, input_shape=shape)
    yield "padding=1, output_padding=1 and same", verify(TORCH, layer, input_shape=(1, 3, 4, 5))
    yield "ported to torch", verify(layer, port(layer, to="torch", input_shape=shape), input_shape=shape)
    yield "ported to onnx", verify(layer, port(layer, to="onnx", input_shape=shape), input_shape=shape)
    other = keras.layers.Conv2DTranspose(2, 3, strides=2, padding="same")
    other.build((None, 4, 5, 3))
    other.set_weights([integers((3, 3, 2, 3), 0)[::-1], np.zeros(2)])
    yield "rows flipped, no bias", verify(layer, other, input_shape=shape)
    model = keras.Sequential([keras.Input((4, 5, 3)), layer, keras.layers.Dropout(0.5), keras.layers.ReLU()])
    yield "a model and itself", verify(model, model)


def jax_layers() -> Iterator[tuple[str, Verdict]]:
    import equinox
    import jax
    from flax import nnx

    kernel, square = integers((3, 3, 2, 4), 0), integers((3, 3, 3, 3), 0)  # height, width, in, out
    words = {"strides": (2, 2), "padding": "SAME", "dimension_numbers": ("NHWC", "HWIO", "NHWC")}

    def lax(weights: Array, **more: Any) -> Callable[[Array], Any]:
        return lambda x: jax.lax.conv_transpose(x, weights, **words, **more)

    def judged(one: Callable[[Array], Any], other: Callable[[Array], Any], channels: int) -> Verdict:
        return verify(one, other, input_shape=(1, 4, 5, channels), layouts="NHWC")

    gradient = lax(kernel.swapaxes(2, 3), transpose_kernel=True)  # what tf.nn.conv2d_transpose computes
    yield "lax without the flip", judged(gradient, lax(kernel), 2)
    yield "lax with the flip", judged(gradient, lax(kernel[::-1, ::-1]), 2)
    yield "HWIO for HWOI", judged(lax(square), lax(square.swapaxes(2, 3)), 3)
    layer = nnx.ConvTranspose(3, 2, (3, 3), strides=2, padding="SAME", rngs=nnx.Rngs(0))
    layer.kernel.value = jax.numpy.asarray(integers((3, 3, 3, 2), 0))
    yield "flax and torch", verify(layer, TORCH, input_shape=(1, 4, 5, 3))
    yield (
        "flax ported to equinox",
        verify(layer, port(layer, to="equinox", input_shape=(1, 4, 5, 3)), input_shape=(1, 4, 5, 3)),
    )
    single = equinox.nn.ConvTranspose2d(3, 2, 3, stride=2, key=jax.random.PRNGKey(0))
    yield "equinox and itself", verify(single, single, input_shape=(1, 3, 4, 5))


def main() -> None:
    cases = {"keras": keras_layers, "jax": jax_layers}[sys.argv[1]]
    print(json.dumps({name: [str(each) for each in verdict.differences] for name, verdict in cases()}))


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
