"""An autoencoder of handwritten digits whose decoder restores every size exactly, odd ones too, in PyTorch or Keras.

A convolution of stride 2 gives 7 and 8 pixels the same size, 4; the transposed convolution that goes back has to be
told which it was. Its arguments are not tried out: ``unstride.solve`` lists every line that gives the size, and the
first one is built. The digits come with scikit-learn. Run: python examples/autoencoder.py --framework torch
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import unstride
from pictures import Array, Pairs, batches, digits
from training import Arguments, draw_curves, draw_pictures, fix_seed, keras_layers, learner, parse, train

SIZES = (8, 8), (8, 7), (7, 5)
KERNEL, STRIDE = 3, 2
FILTERS = 16, 32
CODE = 4
"""channels of the code, whose 2×2 positions hold 16 numbers for a digit"""


def decoder_lines(size: tuple[int, int], dialect: str) -> list[Any]:
    """The two layers that lead back to ``size``, from the code up, as the solver's best lines in the dialect.

    For 7×5 in PyTorch, and the 4×3 that the encoder's first layer makes of it, the best row says::

        kernel 3, stride 2, crop 1 before and 1 after
          torch  torch.nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)

    and for 8×7, whose axes have to be told apart, ``padding=1, output_padding=(1, 0)``. Keras's words for the same
    sizes are ``padding='same', output_padding=0`` and ``output_padding=(1, 0)``.
    """
    lines: list[Any] = []
    while len(lines) < len(FILTERS):
        small = (-(-size[0] // STRIDE), -(-size[1] // STRIDE))  # what the encoder's layer makes of it
        solutions = unstride.solve(small=small, large=size, kernel=KERNEL, stride=STRIDE, dialects=[dialect])
        lines.insert(0, next(each.spec for each in solutions if not each.spec.functional))
        size = small
    return lines


def torch_model(size: tuple[int, int]) -> Any:
    """Two convolutions down, two transposed ones up, and one that mixes; ``(batch, 1, height, width)``."""
    from torch.nn import Conv2d, ConvTranspose2d, ReLU, Sequential

    first, second = FILTERS
    down = [Conv2d(1, first, KERNEL, STRIDE, padding=1), ReLU(), Conv2d(first, second, KERNEL, STRIDE, padding=1)]
    up = []
    for line, channels, filters in zip(decoder_lines(size, "torch"), (CODE, second), (second, first), strict=True):
        words = {"padding": line.padding, "output_padding": line.output_padding}
        up += [ConvTranspose2d(channels, filters, KERNEL, STRIDE, **words), ReLU()]
    return Sequential(*down, ReLU(), Conv2d(second, CODE, 1), *up, Conv2d(first, 1, 3, padding=1))


def keras_model(size: tuple[int, int], arguments: Arguments) -> Any:
    """The same in Keras, ``(batch, height, width, 1)``; its transposed convolutions by unstride or by Keras."""
    import keras
    from keras import layers

    first, second = FILTERS
    down = [layers.Conv2D(each, KERNEL, STRIDE, padding="same", activation="relu") for each in FILTERS]
    up, transposed = [], keras_layers(arguments).Conv2DTranspose
    for line, filters in zip(decoder_lines(size, "keras"), (second, first), strict=True):
        words = {"padding": line.padding, "output_padding": line.output_padding}
        up.append(transposed(filters, KERNEL, STRIDE, **words, activation="relu"))
    mix = layers.Conv2D(1, 3, padding="same")
    return keras.Sequential([keras.Input((*size, 1)), *down, layers.Conv2D(CODE, 1), *up, mix])


def error(found: Array, wanted: Array) -> float:
    """The mean squared error."""
    return float(np.square(found - wanted).mean())


def main() -> None:
    """Train one autoencoder for each size, and show digits that it has never seen."""
    arguments = parse(__doc__, "autoencoder", steps=600)
    curves, rows, numbers, seconds = {}, {}, [], 0.0
    for size in SIZES:
        name = f"{size[0]}×{size[1]}"
        known, others = digits(*size)
        fix_seed(arguments)
        net = torch_model(size) if arguments.framework == "torch" else keras_model(size, arguments)
        model = learner(net, "mse", 3e-3, arguments)
        run = train(model, batches(Pairs(known, known), 64, arguments.seed), arguments.steps, name)
        restored = model(others)
        rows[name], rows[f"{name} restored"] = others[:8], restored[:8]
        curves[name] = run.losses
        seconds += run.seconds
        numbers.append(f"{name} {error(restored, others):.4f} (mean digit {error(known.mean(0), others):.4f})")
    draw_curves(curves, arguments, "mean squared error")
    draw_pictures(rows, arguments)
    sys.stdout.write(f"{arguments.title}: error {', '.join(numbers)}; {seconds:.1f} s; see {arguments.output}\n")


if __name__ == "__main__":
    main()
