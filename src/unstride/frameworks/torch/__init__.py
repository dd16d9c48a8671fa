"""PyTorch: the engine behind its own calls and modules, and whole models made faster in place.

from unstride.frameworks import torch as unstride_torch
y = unstride_torch.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
up = unstride_torch.ConvTranspose2d(64, 32, 3, stride=2, padding="same"); y = up(x, like=skip)
report = unstride_torch.accelerate(model); ...; unstride_torch.restore(model)
"""

from .acceleration import Report, Swap, accelerate, restore
from .functional import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from .modules import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

__all__ = [
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Report",
    "Swap",
    "accelerate",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "restore",
]
