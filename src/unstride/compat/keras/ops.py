"""``keras.ops``: ``conv`` and ``conv_transpose``."""

from ...dialects import keras as dialect
from ..functions import Function

conv = Function(dialect.conv)
conv_transpose = Function(dialect.conv_transpose)
