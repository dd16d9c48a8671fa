"""PyTorch's convolution functions on NumPy arrays; the modules of ``torch.nn`` are not here.

>>> import numpy as np
>>> from unstride.compat import torch
>>> torch.nn.functional.conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 1.0]]]), stride=2).tolist()
[[[1.0, 1.0, 2.0, 2.0]]]
"""

from typing import TYPE_CHECKING

from ..coverage import missing
from . import nn
from .nn.functional import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "nn",
]

if not TYPE_CHECKING:
    __getattr__ = missing(__name__, "torch.nn.functional's convolutions; unstride.run computes a torch.nn line")
