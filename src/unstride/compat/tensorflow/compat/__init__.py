"""``tf.compat``: version 1's session only."""

from . import v1

__all__ = ["v1"]
