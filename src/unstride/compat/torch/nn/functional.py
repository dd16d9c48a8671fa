"""``torch.nn.functional``: ``conv{1,2,3}d`` and ``conv_transpose{1,2,3}d``."""

from ....dialects import torch as dialect
from ...functions import Function

conv1d, conv2d, conv3d = map(Function, (dialect.conv1d, dialect.conv2d, dialect.conv3d))
conv_transpose1d, conv_transpose2d, conv_transpose3d = map(
    Function, (dialect.conv_transpose1d, dialect.conv_transpose2d, dialect.conv_transpose3d)
)
