"""The windows of ``jax.lax`` convolutions, shared by JAX and the libraries that call it: Flax, Haiku, Equinox.

XLA has one convolution. It spaces the input's elements (``lhs_dilation``), pads the result by (low, high), and slides
the kernel over it. On the relation a spaced input is a transposed convolution with reversed taps, and

    before = span − 1 − low        large = spaced + low + high − span + 1

where ``spaced = (small − 1)·stride + 1``, and 0 for an empty input. Sizes that would be negative become 0.

Source: jax/_src/lax/convolution.py and ``padtype_to_pads`` in jax/_src/lax/lax.py (jax 0.10).
"""

from __future__ import annotations

from ..errors import Reason, UnstrideError
from ..geometry import Axis
from .arguments import Pairs, pad_pairs
from .windows import Taps, Window, crop, extend_valid, multiply_same, pad, pad_same, signed

WORDS = ("SAME", "SAME_LOWER", "VALID")


def pairs(value: object, rank: int, name: str = "padding") -> Pairs:
    """A (low, high) pair of any sign per axis; single integers are not taken."""
    if not isinstance(value, tuple) or not all(isinstance(entry, tuple) for entry in value):
        rule = f"must be a word or {rank} (low, high) pairs"
        raise UnstrideError(Reason.PADDING, rule, argument=name, value=value, hint="write ((1, 1), ...)")
    return pad_pairs(value, rank, name, least=None)


def word(padding: str) -> str:
    """The word in capitals, if ``jax.lax`` knows it; it takes any case."""
    if padding.upper() not in WORDS:
        rule = f"must be one of {', '.join(map(repr, WORDS))}"
        raise UnstrideError(Reason.PADDING, rule, argument="padding", value=padding)
    return padding.upper()


def strides_apart(spacing: tuple[int, ...], strides: tuple[int, ...], spaced_by: str, strided_by: str) -> bool:
    """Whether the input is spaced: a transposed layer. UnstrideError where the window is strided as well."""
    spaced, strided = max(spacing, default=1) > 1, max(strides, default=1) > 1
    if spaced and strided:
        slices = ", ".join(f"::{stride}" for stride in strides)
        raise UnstrideError(
            Reason.UNSUPPORTED,
            f"{spaced_by} and {strided_by} above 1 together are two layers in one",
            argument=strided_by,
            value=strides,
            hint=f"use {strided_by} of 1, then take the spatial slice [{slices}] of the result",
        )
    return spaced


# --- the input spaced: transposed -----------------------------------------------------------------------------


def transpose_windows(taps: tuple[Taps, ...], size: tuple[int, ...], padding: str | Pairs) -> tuple[Window, ...]:
    """``jax.lax.conv_transpose``: SAME and VALID speak of the forward convolution, pairs pad the spaced input."""
    if not isinstance(padding, str):
        return space_windows(taps, size, padding)
    if padding in {"SAME", "VALID"}:
        rule = _same if padding == "SAME" else _valid
        return tuple(map(rule, taps, size))
    if max(each.stride for each in taps) > 1:
        raise UnstrideError(
            Reason.PADDING,
            "must be 'SAME' or 'VALID' in capitals, or pairs, when a stride is above 1",
            argument="padding",
            value=padding,
            hint="use 'SAME' or 'VALID', or give (low, high) pairs",
        )
    # at stride 1 every other spelling reaches conv_general_dilated, which pads as for a forward convolution
    kind = word(padding)
    pads = tuple(word_pads(kind, each, small) for each, small in zip(taps, size, strict=True))
    shown = f"padding={padding!r} is read as a forward convolution's padding of the input"
    return tuple(window.because(shown) for window in space_windows(taps, size, pads))


def space_windows(taps: tuple[Taps, ...], size: tuple[int, ...], padding: Pairs) -> tuple[Window, ...]:
    """``jax.lax.conv_general_dilated`` with ``lhs_dilation`` as the stride: pairs pad the spaced input."""
    found = zip(taps, size, padding, strict=True)
    return tuple(space(each, small, low, high) for each, small, (low, high) in found)


def space(taps: Taps, small: int, low: int, high: int) -> Window:
    """The input spaced by the stride, padded by ``low`` and ``high``, the reversed kernel slid over it."""
    spaced = _spaced(taps.stride, small)
    _check_room(spaced, low, high)
    edge = taps.span - 1
    shown = (
        f"padding=({low}, {high}) pads the spaced input: before = span − 1 − low = {edge - low}, "
        f"after = span − 1 − high = {edge - high}"
    )
    if small and spaced + low + high >= edge:
        return crop(taps, small, edge - low, edge - high).because(shown)
    large = max(spaced + low + high - edge, 0)
    sized = (
        f"large = max(spaced + low + high − span + 1, 0) = "
        f"max({spaced} + {signed(low)} + {signed(high)} − {taps.span} + 1, 0) = {large}"
    )
    return Window(taps.axis(small, large, edge - low), (shown, taps.spanned(), sized), range(large, large + 1))


def stuffing(axis: Axis) -> tuple[int, int]:
    """The (low, high) that pad the spaced input to this window."""
    low = axis.span - 1 - axis.before
    return low, axis.large + axis.span - 1 - _spaced(axis.stride, axis.small) - low


def _spaced(stride: int, small: int) -> int:
    return (small - 1) * stride + 1 if small else 0


def _same(taps: Taps, small: int) -> Window:
    shown = "padding='SAME': large = small·stride, as a forward SAME convolution would need"
    if small:
        return multiply_same(taps, small).because(shown)
    before = max(taps.span - taps.stride, 0) // 2
    low = taps.span - 1 - before
    return space(taps, 0, low, taps.span + taps.stride - 2 - low).because(shown)


def _valid(taps: Taps, small: int) -> Window:
    shown = "padding='VALID': nothing is cropped"
    if small:
        return extend_valid(taps, small).because(shown)
    return space(taps, 0, taps.span - 1, max(taps.span, taps.stride) - 1).because(shown)


# --- the window strided: forward ------------------------------------------------------------------------------


def slide_windows(taps: tuple[Taps, ...], size: tuple[int, ...], padding: str | Pairs) -> tuple[Window, ...]:
    """``jax.lax.conv_general_dilated`` of an input that is not spaced: a convolution."""
    if isinstance(padding, str):
        kind = word(padding)
        return tuple(_word_window(kind, each, large) for each, large in zip(taps, size, strict=True))
    found = zip(taps, size, padding, strict=True)
    return tuple(slide(each, large, low, high) for each, large, (low, high) in found)


def slide(taps: Taps, large: int, low: int, high: int) -> Window:
    """The input padded by ``low`` and ``high``, the kernel slid over it; no output where it does not fit."""
    _check_room(large, low, high)
    shown = f"padding=({low}, {high}) pads {low} before and {high} after"
    if large + low + high >= taps.span:
        return pad(taps, large, low, high).because(shown)
    step = "small = 0: the kernel does not fit into the padded input"
    return Window(taps.axis(0, large, low), (shown, taps.spanned(), step), range(large, large + 1))


def word_pads(kind: str, taps: Taps, large: int) -> tuple[int, int]:
    """The (low, high) that a word means for a forward convolution of ``large`` elements."""
    if kind == "VALID":
        return 0, 0
    axis = pad_same(taps, large, extra_before=kind == "SAME_LOWER").axis
    total = max(axis.full - large, 0)
    return axis.before, total - axis.before


def _word_window(kind: str, taps: Taps, large: int) -> Window:
    if kind == "VALID":
        return slide(taps, large, 0, 0).because("padding='VALID' pads nothing")
    side = "before" if kind == "SAME_LOWER" else "behind"
    shown = f"padding={kind!r}: small = ⌈large / stride⌉, an odd element of padding {side}"
    return pad_same(taps, large, extra_before=kind == "SAME_LOWER").because(shown)


def sliding(axis: Axis) -> tuple[int, int]:
    """The (low, high) that pad the input to this window: the same on both sides where that will do."""
    room = axis.large + 2 * axis.before
    if room >= axis.span and (room - axis.span) // axis.stride + 1 == axis.small:
        return axis.before, axis.before
    return axis.before, max(axis.after, -axis.large - axis.before)


def _check_room(size: int, low: int, high: int) -> None:
    if size + low + high < 0:
        raise UnstrideError(
            Reason.PADDING,
            f"negative padding must not remove more than there is: {size} elements",
            argument="padding",
            value=(low, high),
            hint="use less negative padding",
        )
