"""What ``everywhere`` states is so: inside the stated sizes the target is the same layer, outside it is not."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, reject, settings
from hypothesis import strategies as st

from unstride import UnstrideError
from unstride.dialects import keras, onnx, tensorflow, torch
from unstride.dialects.refusal import Composition
from unstride.dialects.spec import Source, Spec
from unstride.geometry import Axis, Layer
from unstride.porting.everywhere import Sayable, everywhere
from unstride.porting.lengths import Lengths

TARGETS = ("torch", "onnx", "keras", "tensorflow", "jax")
UP_TO = 60
CHANNELS = 2


@st.composite
def sources(draw: st.DrawFn) -> tuple[Spec, tuple[int, ...]]:
    """One-dimensional specs of four frameworks, with the kernel's shape."""
    kernel, stride, dilation = draw(st.integers(1, 6)), draw(st.integers(1, 5)), draw(st.integers(1, 3))
    pads, extra = (draw(st.integers(0, 4)), draw(st.integers(0, 4))), draw(st.integers(0, stride))
    same, transposed = draw(st.sampled_from(("same", "valid"))), draw(st.booleans())
    large = draw(st.integers(1, 40))
    shape = (kernel, CHANNELS, CHANNELS)
    sized: dict[str, Any] = {"strides": stride, "padding": same, "dilation_rate": dilation}
    listed: dict[str, Any] = {"strides": (stride,), "dilations": (dilation,)}
    plain: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": pads[0]}
    arrays = (Source("x"), Source("w"))
    functions: dict[str, Any] = {"stride": stride, "padding": same.upper(), "dilations": dilation}
    auto: dict[str, Any] = {"auto_pad": draw(st.sampled_from(("SAME_UPPER", "SAME_LOWER", "VALID")))}
    ways: list[Any] = [
        (lambda: keras.Conv1D(CHANNELS, kernel, **sized), shape),
        (lambda: torch.Conv1d(CHANNELS, CHANNELS, kernel, **plain), shape[::-1]),
        (lambda: onnx.Conv(**listed, pads=pads), shape[::-1]),
        (lambda: onnx.Conv(**listed, **auto), shape[::-1]),
        (lambda: tensorflow.conv1d(*arrays, **functions), shape),
    ]
    if transposed:
        ways = [
            (lambda: keras.Conv1DTranspose(CHANNELS, kernel, **sized), shape),
            (lambda: keras.Conv1DTranspose(CHANNELS, kernel, **sized, output_padding=extra), shape),
            (lambda: torch.ConvTranspose1d(CHANNELS, CHANNELS, kernel, **plain, output_padding=extra), shape[::-1]),
            (lambda: onnx.ConvTranspose(**listed, pads=pads, output_padding=(extra,)), shape[::-1]),
            (lambda: onnx.ConvTranspose(**listed, **auto), shape[::-1]),
            (lambda: onnx.ConvTranspose(**listed, output_shape_=(large,)), shape[::-1]),
        ]
    build, kernel_shape = draw(st.sampled_from(ways))
    try:
        return build(), kernel_shape
    except UnstrideError:
        reject()


def read(spec: Spec, kernel_shape: tuple[int, ...], size: tuple[int, ...]) -> Layer | None:
    data = spec.data_layout(len(size) + 2)
    try:
        return spec.read(data.join(1, CHANNELS, size), kernel_shape)
    except UnstrideError:
        return None


def products(axis: Axis, ahead: int = 0, first: int = 0, spread: int = 1) -> set[tuple[int, int, int]]:
    """(input, tap in elements, output) of every product, inputs and outputs counted from other origins.

    Of ``spread`` taps in a row only the first is no zero.
    """
    return {
        (each.small - ahead, each.tap * axis.dilation, each.large - first)
        for large in range(axis.large)
        for each in axis.taps(large)
        if each.tap % spread == 0
    }


def same(found: Sayable, source: Layer, length: int) -> bool:
    """Whether the target does at this length what the source does, told from the products alone."""
    target, axis = found.written, source.axes[0]
    if not isinstance(target, Composition):
        return read(target, target.kernel_shape(source), (length,)) == source
    (ahead, behind), (first, last) = target.pad_input[0], target.crop_output[0]
    inner = read(target.spec, target.spec.kernel_shape(target.layer), (length + ahead + behind,))
    if inner is None:
        return False
    made, spread = inner.axes[0], (*target.kernel_dilation, 1)[0]
    if inner.transposed:
        numbered = products(made, ahead, first, spread)
        kept = {(s, t, g) for s, t, g in numbered if 0 <= s < axis.small and 0 <= g < axis.large}
        return made.large - first - last == axis.large and kept == products(axis)
    shifted = {(s, t, g) for s, t, g in products(made, 0, ahead, spread) if 0 <= g < axis.large}
    return made.small == axis.small and shifted == products(axis)


@given(sources(), st.sampled_from(TARGETS), st.integers(1, 30))
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_the_stated_lengths_are_the_right_ones(source: tuple[Spec, tuple[int, ...]], to: str, length: int) -> None:
    spec, kernel_shape = source
    assume(read(spec, kernel_shape, (length,)) is not None)
    try:
        found = everywhere(spec, kernel_shape, CHANNELS, to, (length,))
    except UnstrideError as error:
        event(f"{to} {error.rule[:40]}")
        return
    assert found.holds((length,))
    missed = False
    for size in range(1, UP_TO + 1):
        layer = read(spec, kernel_shape, (size,))
        if layer is None:
            assert not found.holds((size,))
            continue
        # where few products are left, different windows may have the same ones
        if found.holds((size,)):
            assert same(found, layer, size), (spec.code(), found.written, size)
        elif not isinstance(found.written, Composition) or size > 30:
            assert not same(found, layer, size), (spec.code(), found.written, size)
        missed |= not found.holds((size,))
    assert found.everywhere == (not missed)
    assert (found.rule == "every size") == found.everywhere


def test_axes_are_judged_one_by_one() -> None:
    spec = keras.Conv2D(1, 3, strides=(2, 3), padding="same")
    found = everywhere(spec, (3, 3, CHANNELS, 1), CHANNELS, "torch", (9, 7))
    target = found.spec
    for size in product(range(1, 25), range(1, 25)):
        layer = read(spec, (3, 3, CHANNELS, 1), size)
        assert layer is not None
        assert found.holds(size) == (read(target, target.kernel_shape(layer), size) == layer), size


@pytest.mark.parametrize(
    ("spec", "kernel_shape", "size", "rule"),
    [
        (keras.Conv2D(4, 3, strides=2, padding="same"), (3, 3, 2, 4), (7, 8), "odd heights and even widths only"),
        (keras.Conv2D(4, 3, padding="same"), (3, 3, 2, 4), (7, 8), "every size"),
        (keras.Conv2DTranspose(4, 3, strides=2, padding="same"), (3, 3, 4, 2), (7, 8), "every size"),
        (keras.Conv1D(4, 5, strides=3, padding="same"), (5, 2, 4), (7,), "lengths ≡ 1 (mod 3) only"),
        (onnx.ConvTranspose(strides=(2,), output_shape_=(9,)), (2, 4, 3), (4,), "lengths 4 only"),
        (torch.Conv1d(2, 4, 5, stride=3), (4, 2, 5), (9,), "every size"),
    ],
    ids=lambda value: value.code() if isinstance(value, Spec) else None,
)
def test_the_rule_in_words(spec: Spec, kernel_shape: tuple[int, ...], size: tuple[int, ...], rule: str) -> None:
    assert everywhere(spec, kernel_shape, CHANNELS, "torch", size).rule == rule


def test_only_accepted_specs_are_used() -> None:
    spec = keras.Conv2D(4, 3, strides=2, padding="same")
    found = everywhere(spec, (3, 3, 2, 4), 2, "onnx", (8, 8), accept=lambda each: "auto_pad" not in each.code())
    assert found.spec.code() == "Conv(X, W, B, pads=[0, 0, 1, 1], strides=[2, 2])"
    assert found.rule == "even heights and even widths only"


def test_a_layer_that_the_target_cannot_say_is_an_error() -> None:
    with pytest.raises(UnstrideError, match="cannot say this layer"):
        everywhere(torch.Conv1d(2, 4, 3), (4, 2, 3), 2, "torch", (8,), accept=lambda spec: spec.transposed)


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        (Lengths(), "every"),
        (Lengths(start=4), "every from 4 on"),
        (Lengths(frozenset({2}), start=4), "every from 4 on and 2"),
        (Lengths(frozenset({1}), 4, 2, frozenset({0})), "even from 4 on and 1"),
        (Lengths(period=4, remainders=frozenset({1, 2})), "≡ 1 or 2 (mod 4)"),
        (Lengths.only(5), "only 5"),
        (Lengths(remainders=frozenset()), "no"),
    ],
)
def test_lengths_in_words(lengths: Lengths, words: str) -> None:
    assert lengths.words == words


@given(st.sets(st.integers(1, 12)), st.integers(1, 5), st.data())
def test_observed_lengths_are_what_was_observed(early: set[int], period: int, data: st.DataObject) -> None:
    remainders = data.draw(st.sets(st.integers(0, period - 1)))

    def holds(length: int) -> bool:
        return length in early if length <= 12 else length % period in remainders

    found = Lengths.observed(holds, period, 13)
    assert [length in found for length in range(1, 60)] == [holds(length) for length in range(1, 60)]


def test_what_does_not_repeat_claims_nothing_beyond_what_was_seen() -> None:
    found = Lengths.observed(lambda length: length < 15 or length == 100, 3, 12, sure=100)
    assert [length for length in range(1, 200) if length in found] == [*range(1, 15), 100]
