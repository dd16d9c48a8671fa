"""Public helpers for tests: the assertion that a port is the layer, Hypothesis strategies, the frameworks' answers."""

from .assertions import assert_same_layer

__all__ = ["assert_same_layer"]
