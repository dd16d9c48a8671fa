"""Models of real frameworks with planted hazards, saved to files, and what the frameworks make of every size.

Run as a script with a model's name and a folder: writes the file, and prints as JSON, for each spatial axis, the sizes
that the framework itself takes and those that it gives back.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

LAST = 200
"""the longest length that is tried"""


def keras_unet(folder: Path) -> list[Any]:
    """Four levels; transposed convolutions of an odd kernel with padding='same'; any size is taken by its inputs."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    layers = keras.layers

    def convolved(x: Any, filters: int) -> Any:
        x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
        return layers.Conv2D(filters, 3, activation="relu", padding="same")(x)

    x = given = keras.Input((None, None, 3))
    skips = []
    for filters in (2, 3, 4, 5):
        x = convolved(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Dropout(0.3)(convolved(x, 6))
    for filters, skip in zip((5, 4, 3, 2), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", name=f"up{filters}")(x)
        x = convolved(layers.concatenate([x, skip]), filters)
    model = keras.Model(given, layers.Conv2D(7, 1)(x), name="unet")
    model.save(folder / "unet.keras")
    return sizes_of(lambda n, m: model(keras.ops.zeros((1, n, m, 3))).shape[1:3], (16, 32))


def sizes_of(run: Callable[..., Any], usual: tuple[int, ...]) -> list[Any]:
    """For each axis: lengths that are taken while the others have a usual length, and those of them given back."""
    found = []
    for axis in range(len(usual)):
        taken, kept = [], []
        for length in range(1, LAST + 1):
            size = tuple(length if i == axis else n for i, n in enumerate(usual))
            try:
                made = tuple(run(*size))
            except Exception as error:
                del error
                continue
            taken.append(length)
            if made[axis] == length:
                kept.append(length)
        found.append({"taken": taken, "kept": kept})
    return found


def exported(folder: Path, name: str, model: Any, shape: tuple[int, ...]) -> None:
    """A torch module as a file."""
    import torch

    torch.export.save(torch.export.export(model, (torch.zeros(shape),)), folder / f"{name}.pt2")


def dcgan(folder: Path) -> list[Any]:
    """A generator with kernels of 4; the last one has 5, which its stride does not divide."""
    import torch
    from torch import nn

    torch.manual_seed(1)
    widths = (32, 16, 8, 4)
    parts: list[Any] = [nn.ConvTranspose2d(10, widths[0], 4), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    for before, after in pairwise(widths):
        parts += [nn.ConvTranspose2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    parts += [nn.ConvTranspose2d(widths[-1], 3, 5, 2, 2, output_padding=1), nn.Tanh()]
    model = nn.Sequential(*parts).eval()
    exported(folder, "dcgan", model, (1, 10, 1, 1))
    return []


def vocoder(folder: Path) -> list[Any]:
    """Upsampling by 8, 8, 2 and 3 with dilated residual blocks; the last one's kernel is shorter than its stride."""
    import torch
    from torch import nn

    class Residual(nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.convs = nn.ModuleList(nn.Conv1d(channels, channels, 3, dilation=d, padding=d) for d in (1, 3, 5))

        def forward(self, x: Any) -> Any:
            for conv in self.convs:
                x = x + conv(nn.functional.leaky_relu(x, 0.1))
            return x

    torch.manual_seed(2)
    parts: list[Any] = [nn.Conv1d(8, 32, 7, padding=3)]
    channels = 32
    for kernel, stride in ((16, 8), (16, 8), (4, 2), (2, 3)):
        margin = max(0, (kernel - stride) // 2)
        up = nn.ConvTranspose1d(channels, channels // 2, kernel, stride, margin)
        parts += [nn.LeakyReLU(0.1), up, Residual(channels // 2)]
        channels //= 2
    parts += [nn.LeakyReLU(), nn.Conv1d(channels, 1, 7, padding=3), nn.Tanh()]
    model = nn.Sequential(*parts).eval()
    exported(folder, "vocoder", model, (1, 8, 20))
    return []


def volumes(folder: Path) -> list[Any]:
    """A 3-D encoder and decoder with instance norms; one of its two upsamplings needs an output_padding."""
    import torch
    from torch import nn

    class Net(nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            self.stem = self.block(1, 2, 1)
            self.down1, self.down2 = self.block(2, 4, 2), self.block(4, 6, 2)
            self.up2 = nn.ConvTranspose3d(6, 4, 2, 2)
            self.mix2 = self.block(8, 4, 1)
            self.up1 = nn.ConvTranspose3d(4, 2, 3, 2, 1, output_padding=1)
            self.mix1 = self.block(4, 2, 1)
            self.head = nn.Conv3d(2, 3, 1)

        @staticmethod
        def block(before: int, after: int, stride: int) -> Any:
            conv = nn.Conv3d(before, after, 3, stride, 1)
            return nn.Sequential(conv, nn.InstanceNorm3d(after, affine=True), nn.LeakyReLU(0.01))

        def forward(self, x: Any) -> Any:
            first = self.stem(x)
            second = self.down1(first)
            y = self.mix2(torch.cat([self.up2(self.down2(second)), second], 1))
            return self.head(self.mix1(torch.cat([self.up1(y), first], 1)))

    torch.manual_seed(3)
    torch.set_num_threads(1)
    model = Net().eval()
    exported(folder, "volumes", model, (1, 1, 8, 12, 16))
    with torch.no_grad():
        return sizes_of(lambda *size: model(torch.zeros(1, 1, *size)).shape[2:], (8, 8, 8))


MODELS: dict[str, Callable[[Path], list[Any]]] = {
    "keras_unet": keras_unet,
    "dcgan": dcgan,
    "vocoder": vocoder,
    "volumes": volumes,
}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.stdout.write(json.dumps(MODELS[sys.argv[1]](Path(sys.argv[2]))))
