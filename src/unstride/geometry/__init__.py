"""What a transposed convolution is: the relation, the layer, the layouts, the wire form."""

from .axis import Axis, Contribution, Phase, Segment
from .layer import Layer
from .layout import DataLayout, Rearrangement, WeightLayout, canonical
from .wire import from_wire, to_wire

__all__ = [
    "Axis",
    "Contribution",
    "DataLayout",
    "Layer",
    "Phase",
    "Rearrangement",
    "Segment",
    "WeightLayout",
    "canonical",
    "from_wire",
    "to_wire",
]
