"""``torch.nn``: the functions only."""

from . import functional

__all__ = ["functional"]
