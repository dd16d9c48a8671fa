"""JAX's convolutions on NumPy arrays.

>>> import numpy as np
>>> from unstride.compat import jax
>>> jax.lax.conv_transpose(np.ones((1, 2, 2, 1)), np.ones((3, 3, 1, 1)), (2, 2), "SAME").shape
(1, 4, 4, 1)
"""

from . import lax

__all__ = ["lax"]
