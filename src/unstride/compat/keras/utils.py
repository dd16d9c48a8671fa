"""``keras.utils``: reproducible randomness, and names from the start."""

from __future__ import annotations

from . import initializers
from .names import forget_names


def set_random_seed(seed: int) -> None:
    """Every unseeded initializer draws from this seed on; the numbers are NumPy's, not Keras's."""
    initializers.reseed(seed)


def clear_session() -> None:
    """Automatic names are numbered from the start again."""
    forget_names()
