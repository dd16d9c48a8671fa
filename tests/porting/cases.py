"""Layers whose ports need every kind of step, for the tests of the generated source."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unstride import parse
from unstride.dialects.spec import Spec
from unstride.porting.verb import Port, port

Array = NDArray[Any]


class Case(NamedTuple):
    """A line of source, and its input's shape."""

    code: str
    input: tuple[int, ...]
    kernel: tuple[int, ...] | None = None

    @property
    def spec(self) -> Spec:
        """The line, parsed."""
        return parse(self.code)

    def port(self, to: str) -> Port:
        """The case in another dialect."""
        return port(self.spec, to=to, input_shape=self.input, kernel_shape=self.kernel)

    def arrays(self) -> tuple[Array, Array, Array | None]:
        """Input, kernel and bias of small integers, in single precision."""
        draw, layer = np.random.default_rng(3), self.spec.read(self.input, self.kernel)
        shapes = (self.input, self.spec.kernel_shape(layer), (layer.out_channels,))
        x, kernel, bias = (draw.integers(-4, 5, shape).astype(np.float32) for shape in shapes)
        return x, kernel, bias if layer.bias else None


CASES = {
    "keras-same": Case(
        "keras.layers.Conv2DTranspose(3, 3, strides=2, padding='same', activation='relu')", (2, 4, 5, 2)
    ),
    "keras-plain": Case("keras.layers.Conv2DTranspose(3, (2, 4), strides=2, use_bias=False)", (2, 4, 5, 2)),
    "keras-conv": Case("keras.layers.Conv1D(4, 3, strides=2, padding='causal', groups=2)", (1, 9, 2)),
    "keras-channels-first": Case(
        "keras.layers.Conv2DTranspose(2, 3, strides=3, padding='same', data_format='channels_first', "
        "activation='softmax')",
        (2, 3, 4, 5),
    ),
    "torch-groups": Case(
        "torch.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)", (2, 4, 4, 5)
    ),
    "torch-dilated": Case("torch.nn.ConvTranspose1d(4, 2, 3, stride=2, dilation=3, groups=2)", (1, 4, 6)),
    "torch-dilated-groups": Case(
        "torch.nn.functional.conv_transpose3d(x, w, b, (2, 1, 1), 1, 1, 2, 2)", (1, 4, 3, 4, 2), (4, 2, 2, 3, 2)
    ),
    "torch-conv": Case("torch.nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 2), dilation=2, groups=2)", (2, 4, 9, 8)),
    "jax-crops": Case("jax.lax.conv_transpose(x, w, (3,), ((4, 0),), rhs_dilation=(2,))", (1, 5, 2), (3, 2, 4)),
    "jax-pads": Case("jax.lax.conv_transpose(x, w, (2, 2), ((-2, 5), (6, 1)))", (1, 4, 5, 2), (3, 2, 2, 3)),
    "jax-negative": Case("jax.lax.conv_general_dilated(x, w, (2, 1), ((-1, 3), (2, -2)))", (1, 2, 7, 8), (3, 2, 3, 2)),
    "tensorflow-valid": Case("tf.nn.conv2d_transpose(x, w, (2, 9, 12, 3), 3, 'VALID')", (2, 3, 4, 2), (2, 3, 3, 2)),
    "onnx-pads": Case("ConvTranspose(X, W, B, pads=[2, 0], strides=[3], output_padding=[1])", (1, 3, 4), (3, 2, 4)),
    "equinox-batchless": Case("equinox.nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1, key=key)", (2, 4, 5)),
}
