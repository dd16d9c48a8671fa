"""A U-Net on pictures of 45×37, odd at every other level, in PyTorch or Keras: what is bright, despite noise.

Pooling that rounds up makes 23 of 45 and of 46. The upsampling block of so many U-Nets, ``Conv2DTranspose(filters, 3,
strides=2, padding="same")``, makes 46 of 23, and then the skip of 45 does not fit. unstride's layer, called with
``like=skip``, makes 45. The photographs come with scikit-learn. Run: python examples/segmentation.py --framework torch
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from pictures import Array, Pairs, bright, brightness, crops, noisy, photographs, tiles
from training import Arguments, draw_curves, draw_pictures, fix_seed, keras_layers, learner, parse, train

SIZE = 45, 37
FILTERS = 8, 16, 32
"""at each level; the deepest has twice the last"""
NOISE = 0.2
MIDDLE = slice(256, 384)
"""columns of the photographs that are kept from learning: half of the temple, half of the flower"""


def torch_model(arguments: Arguments) -> Any:
    """Three levels down by pooling and three up, any size; ``(batch, 1, height, width)`` to logits."""
    import torch
    from torch import Tensor, nn

    from unstride.frameworks import torch as unstride_torch

    def convolve(channels: int, filters: int) -> Any:
        first, second = nn.Conv2d(channels, filters, 3, padding=1), nn.Conv2d(filters, filters, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())

    def upsample(channels: int, filters: int) -> Any:
        if arguments.unstride:
            return unstride_torch.ConvTranspose2d(channels, filters, 3, stride=2, padding="same")
        return nn.ConvTranspose2d(channels, filters, 3, stride=2)

    def cropped(x: Tensor, skip: Tensor) -> Tensor:
        """The stock layer has no such "same": everything is made, 2n + 1, and cut alike on both sides, more behind."""
        (top, height), (left, width) = (
            ((made - wanted) // 2, wanted) for made, wanted in zip(x.shape[2:], skip.shape[2:], strict=True)
        )
        return x[..., top : top + height, left : left + width]

    class UNet(nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            above = (1, *FILTERS)
            below = (*FILTERS[1:], 2 * FILTERS[-1])
            self.down = nn.ModuleList(map(convolve, above, FILTERS))
            self.middle = convolve(FILTERS[-1], 2 * FILTERS[-1])
            self.up = nn.ModuleList(map(upsample, below, FILTERS))
            self.join = nn.ModuleList(convolve(2 * filters, filters) for filters in FILTERS)
            self.classes = nn.Conv2d(FILTERS[0], 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            skips = []
            for down in self.down:
                skips.append(down(x))
                x = nn.functional.max_pool2d(skips[-1], 2, ceil_mode=True)
            x = self.middle(x)
            for up, join, skip in reversed(list(zip(self.up, self.join, skips, strict=True))):
                grown = up(x, like=skip) if arguments.unstride else cropped(up(x), skip)
                x = join(torch.cat([grown, skip], 1))
            return self.classes(x)

    return UNet()


def keras_model(arguments: Arguments) -> Any:
    """The same in Keras, ``(batch, height, width, 1)``; its transposed convolutions by unstride or by Keras."""
    import keras
    from keras import layers

    def convolve(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    def upsample(x: Any, skip: Any, filters: int) -> Any:
        transposed = keras_layers(arguments).Conv2DTranspose
        if arguments.unstride:
            return transposed(filters, 3, strides=2, padding="same")(x, like=skip)
        # Keras's own "same" makes 2n and never 2n − 1: everything is made, 2n + 1, and cut alike on both sides
        x = transposed(filters, 3, strides=2, padding="valid")(x)
        excess = [made - wanted for made, wanted in zip(x.shape[1:3], skip.shape[1:3], strict=True)]
        return layers.Cropping2D([(each // 2, -(-each // 2)) for each in excess])(x)

    x = given = keras.Input((*SIZE, 1))
    skips = []
    for filters in FILTERS:
        skips.append(convolve(x, filters))
        x = layers.MaxPooling2D(2, padding="same")(skips[-1])
    x = convolve(x, 2 * FILTERS[-1])
    for skip, filters in reversed(list(zip(skips, FILTERS, strict=True))):
        x = convolve(layers.concatenate([upsample(x, skip, filters), skip]), filters)
    return keras.Model(given, layers.Conv2D(1, 1)(x))


def right(found: Array, wanted: Array) -> float:
    """The share of pixels that are told right."""
    return float((found == wanted).mean())


def main() -> None:
    """Train on the left and the right of the photographs, and show what is made of the middle."""
    arguments = parse(__doc__, "segmentation", steps=300)
    clear = brightness(photographs())
    border = float(clear.mean())
    given, wanted = noisy(clear, NOISE), bright(clear, border)
    sides = slice(0, MIDDLE.start), slice(MIDDLE.stop, None)
    known = Pairs(*(np.concatenate([each[:, :, side] for side in sides]) for each in (given, wanted)))
    others = Pairs(*(tiles(each[:, :, MIDDLE], *SIZE) for each in (given, wanted)))
    fix_seed(arguments)
    net = torch_model(arguments) if arguments.framework == "torch" else keras_model(arguments)
    model = learner(net, "logits", 2e-3, arguments)
    run = train(model, crops(known, *SIZE, 16, arguments.seed), arguments.steps, "U-Net")
    found = (model(others.given) > 0).astype(np.float32)
    chosen = np.sort(np.argsort(np.abs(others.wanted.mean((1, 2, 3)) - 0.5))[:10])  # where there is most to tell
    rows = {"given": others.given, "wanted": others.wanted, "found": found}
    draw_pictures({name: row[chosen] for name, row in rows.items()}, arguments)
    draw_curves({"U-Net": run.losses}, arguments, "cross-entropy")
    plain = right(tiles(bright(given, border)[:, :, MIDDLE], *SIZE), others.wanted)
    numbers = f"{right(found, others.wanted):.1%} of pixels right (each pixel by itself: {plain:.1%})"
    sys.stdout.write(f"{arguments.title}: {numbers}; {run.seconds:.1f} s; see {arguments.output}\n")


if __name__ == "__main__":
    main()
