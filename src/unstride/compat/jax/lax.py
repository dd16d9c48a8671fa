"""``jax.lax``: ``conv_transpose`` and ``conv_general_dilated``."""

from ...dialects import jax as dialect
from ...dialects.jax import ConvDimensionNumbers
from ..functions import Function

__all__ = ["ConvDimensionNumbers", "conv_general_dilated", "conv_transpose"]

conv_transpose = Function(dialect.conv_transpose)
conv_general_dilated = Function(dialect.conv_general_dilated)
