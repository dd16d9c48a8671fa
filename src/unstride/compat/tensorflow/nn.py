"""``tf.nn``: ``conv{1,2,3}d``, ``conv{1,2,3}d_transpose``, ``conv_transpose`` and ``convolution``."""

from ...dialects import tensorflow as dialect
from ..functions import Function

conv1d, conv2d, conv3d = map(Function, (dialect.conv1d, dialect.conv2d, dialect.conv3d))
conv1d_transpose, conv2d_transpose, conv3d_transpose = map(
    Function, (dialect.conv1d_transpose, dialect.conv2d_transpose, dialect.conv3d_transpose)
)
conv_transpose = Function(dialect.conv_transpose)
convolution = Function(dialect.convolution)
