"""A small upsampler of signals, built as vocoders are, in PyTorch or Keras: 16 samples from each mean of 16.

Two transposed convolutions, kernel 16 by stride 8 and kernel 4 by stride 2, each followed by residual blocks of
dilated convolutions. The signals are rows of two photographs, which come with scikit-learn: brightness along a line.
Run: python examples/upsampler.py --framework torch
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pictures import Array, batches, lines
from training import Arguments, draw_curves, draw_signals, fix_seed, keras_layers, learner, parse, train

LENGTH = 320
FACTOR = 16
UPS = (16, 8), (4, 2)
"""kernel and stride: with twice the stride every sample is under two taps, which leaves no pattern of its own"""
DILATIONS = 1, 3
WIDTH = 32
"""channels before the first transposed convolution; each halves them"""


def torch_model() -> Any:
    """Means ``(batch, 1, n)`` to signals ``(batch, 1, 16 · n)``."""
    from torch import Tensor, nn

    class Residual(nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self, width: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, padding=each, dilation=each) for each in DILATIONS)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = x + layer(nn.functional.leaky_relu(x, 0.1))
            return x

    parts, width = [nn.Conv1d(1, WIDTH, 7, padding=3)], WIDTH
    for kernel, stride in UPS:
        # (n − 1) · stride + kernel − 2 · padding is exactly stride · n
        up = nn.ConvTranspose1d(width, width // 2, kernel, stride, padding=(kernel - stride) // 2)
        width //= 2
        parts += [nn.LeakyReLU(0.1), up, Residual(width)]
    return nn.Sequential(*parts, nn.LeakyReLU(0.1), nn.Conv1d(width, 1, 7, padding=3))


def keras_model(arguments: Arguments) -> Any:
    """The same in Keras, ``(batch, n, 1)``; its transposed convolutions by unstride or by Keras."""
    import keras
    from keras import layers

    transposed = keras_layers(arguments).Conv1DTranspose
    given = keras.Input((LENGTH // FACTOR, 1))
    x = layers.Conv1D(WIDTH, 7, padding="same")(given)
    for level, (kernel, stride) in enumerate(UPS, start=1):
        width = WIDTH // 2**level
        x = transposed(width, kernel, stride, padding="same")(layers.LeakyReLU(0.1)(x))
        for each in DILATIONS:
            change = layers.Conv1D(width, 3, padding="same", dilation_rate=each)
            x = layers.add([x, change(layers.LeakyReLU(0.1)(x))])
    return keras.Model(given, layers.Conv1D(1, 7, padding="same")(layers.LeakyReLU(0.1)(x)))


def interpolated(means: Array) -> Array:
    """The means joined by straight lines, each in the middle of its 16 samples."""
    places = np.arange(LENGTH)
    middles = np.arange(LENGTH // FACTOR) * FACTOR + (FACTOR - 1) / 2
    return np.stack([np.interp(places, middles, each) for each in means[..., 0]])[..., None]


def error(found: Array, wanted: Array) -> float:
    """The mean squared error."""
    return float(np.square(found - wanted).mean())


def main() -> None:
    """Train, and show rows of the photographs that the model has never seen."""
    arguments = parse(__doc__, "upsampler", steps=800)
    known, others = lines(LENGTH, FACTOR)
    fix_seed(arguments)
    net = torch_model() if arguments.framework == "torch" else keras_model(arguments)
    model = learner(net, "mse", 2e-3, arguments)
    run = train(model, batches(known, 32, arguments.seed), arguments.steps, "upsampler")
    found, straight = model(others.given), interpolated(others.given)
    chosen = range(0, len(found), len(found) // 4)
    shown = {"wanted": others.wanted, "means": others.given.repeat(FACTOR, 1), "found": found}
    draw_signals([{name: signals[each, :, 0] for name, signals in shown.items()} for each in chosen], arguments)
    draw_curves({"upsampler": run.losses}, arguments, "mean squared error")
    numbers = f"error {error(found, others.wanted):.5f} (straight lines {error(straight, others.wanted):.5f})"
    sys.stdout.write(f"{arguments.title}: {numbers}; {run.seconds:.1f} s; see {arguments.output}\n")


if __name__ == "__main__":
    main()
