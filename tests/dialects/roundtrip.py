"""The two properties that every dialect shares: reading and writing are inverse, and printed source is read back."""

from __future__ import annotations

from unstride import parse
from unstride.dialects.refusal import ways
from unstride.dialects.registry import named
from unstride.dialects.spec import Spec
from unstride.geometry import Layer


def check_round_trip(
    spec: Spec, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None, *, every: bool = False
) -> Layer:
    """Read ``spec``, write the layer in its dialect, read that again: the same layer; returns it.

    The source of both is parsed back to an equal spec. ``every`` checks all ways to write the layer, not the best
    only. UnstrideError where ``spec`` cannot be read.
    """
    layer = spec.read(input_shape, kernel_shape)
    check_source(spec)
    batch, _, _ = spec.data_layout(len(input_shape)).split(input_shape)
    module = named(spec.dialect).module()
    written = module.write(layer, batch)
    assert isinstance(written, Spec), f"{spec.code()} on {input_shape} was read but not written:\n{written}"
    for way in ways(layer, module.propose, batch) if every else (written,):
        assert way.dialect == spec.dialect
        assert way.read(way.input_shape(layer, batch), way.kernel_shape(layer)) == layer
        check_source(way)
    return layer


def check_source(spec: Spec) -> None:
    """The spec's printed source parses to an equal spec of the same form."""
    parsed = parse(spec.code(), spec.dialect)
    assert type(parsed) is type(spec), f"{spec.code()} is read as {type(parsed).__name__}"
    assert parsed == spec, f"{spec.code()} is read as {parsed!r}"
