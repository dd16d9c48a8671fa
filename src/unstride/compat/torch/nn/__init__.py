"""``torch.nn``: the functions only."""

from typing import TYPE_CHECKING

from ...coverage import missing
from . import functional

__all__ = ["functional"]

if not TYPE_CHECKING:
    __getattr__ = missing(__name__, "functional's convolutions; unstride.run computes a torch.nn line")
