"""``tf.keras.models``."""

from ...keras.models import Sequential

__all__ = ["Sequential"]
