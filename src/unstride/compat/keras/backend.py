"""``keras.backend``: ``clear_session`` and ``floatx``."""

from .utils import clear_session

__all__ = ["clear_session", "floatx"]


def floatx() -> str:
    """The element type of layers that name none."""
    return "float32"
