"""JAX: ``jax.lax.conv_transpose`` by phases, on every device, with groups and outputs of a wanted size.

from unstride.frameworks import jax as unstride_jax
y = unstride_jax.conv_transpose(x, kernel, (2, 2), "SAME")
y = unstride_jax.conv_transpose(x, kernel, (2, 2), "SAME", like=skip)
"""

from .functional import conv_transpose

__all__ = ["conv_transpose"]
