"""``tf.compat``: version 1's session and ``nn`` only."""

from . import v1

__all__ = ["v1"]
