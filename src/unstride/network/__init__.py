"""A model as a framework-free graph: what readers make of a file, and what writers, audits and tiles take."""

from .graph import Graph, Input, Node
from .operations import (
    Activation,
    Convolution,
    Dense,
    Features,
    Flatten,
    GlobalPool,
    GroupNorm,
    Merge,
    Norm,
    Opaque,
    Operation,
    Pad,
    Pool,
    Resize,
    Softmax,
    Unflatten,
)
from .stored import Stored

__all__ = [
    "Activation",
    "Convolution",
    "Dense",
    "Features",
    "Flatten",
    "GlobalPool",
    "Graph",
    "GroupNorm",
    "Input",
    "Merge",
    "Node",
    "Norm",
    "Opaque",
    "Operation",
    "Pad",
    "Pool",
    "Resize",
    "Softmax",
    "Stored",
    "Unflatten",
]
