"""``jax.lax.conv_transpose``, same signature, meaning and errors, with what it lacks: groups, a wanted output size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from operator import index
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...dialects import jax as dialect
from ...dialects.spec import Source
from ...dialects.windows import Taps, Window, check_inverse
from ...errors import Reason, UnstrideError
from . import operations
from .relation import Form, Spec

Array = Any


def conv_transpose(
    lhs: Array,
    rhs: Array,
    strides: Sequence[int],
    padding: str | Sequence[tuple[int, int]],
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
    *,
    feature_group_count: int = 1,
    output_size: Sequence[int] | None = None,
    like: Any = None,
) -> Array:
    """``jax.lax.conv_transpose``; same arguments, same values, same errors. It multiplies no stuffed zero.

    ``feature_group_count`` groups the channels: ``rhs`` then has ``lhs`` channels / groups input channels, and with
    ``transpose_kernel`` output channels / groups of them, as the forward convolution's kernel has.
    ``output_size`` (spatial, in the order of ``strides``) or ``like`` (an array of that spatial size, in the output's
    axis order) picks one of the sizes that the forward convolution of this padding maps to the input's size.
    Any crop (before, after) of the full extent, negative ones too: pairs with ``use_consistent_padding=True``.

    >>> import jax.numpy as jnp
    >>> x, kernel = jnp.ones((1, 4, 4, 8)), jnp.ones((3, 3, 8, 16))
    >>> conv_transpose(x, kernel, (2, 2), "SAME").shape
    (1, 8, 8, 16)
    >>> conv_transpose(x, kernel, (2, 2), "SAME", output_size=(7, 8)).shape
    (1, 7, 8, 16)
    """
    if precision is None:
        precision = jax.config.jax_default_matmul_precision if precision is None else precision
    lhs, rhs = (jnp.asarray(each) if isinstance(each, np.ndarray) else each for each in (lhs, rhs))
    words = (strides, padding, rhs_dilation, dimension_numbers, transpose_kernel)
    call = Call(*map(_held, (*words, precision, preferred_element_type, use_consistent_padding, feature_group_count)))
    if not all(isinstance(length, int) for each in (lhs, rhs) for length in each.shape):
        return _unsized(call, lhs, rhs, output_size, like)
    wanted = _wanted(output_size, like)
    given = (lhs.shape, lhs.dtype, rhs.shape, rhs.dtype, wanted, bool(jax.config.jax_enable_x64))
    try:
        form = _remembered(call, *given)
    except TypeError:  # an argument that cannot be remembered, or that lax refuses
        form = _form(call, *given)
    if transpose_kernel:
        rhs = operations.turned(rhs, (form.rhs[1], form.rhs[0], *form.rhs[2:]), feature_group_count)
    return operations.stamp(lhs, rhs, form)


class Call(NamedTuple):
    """The arguments besides the arrays and the wanted size."""

    strides: Any
    padding: Any
    rhs_dilation: Any
    dimension_numbers: Any
    transpose_kernel: bool
    precision: Any
    preferred_element_type: Any
    use_consistent_padding: bool
    groups: int

    def stock(self, lhs: Array, rhs: Array) -> Array:
        """``lax``'s own, of one group."""
        return lax.conv_transpose(lhs, rhs, *self[:-1])


def _held(value: Any) -> Any:
    """A list as a tuple, to be remembered by."""
    return tuple(value) if isinstance(value, list) else value


def _unsized(call: Call, lhs: Array, rhs: Array, *wanted: Any) -> Array:
    """A call of symbolic shapes, whose phases are not known: ``lax``'s own."""
    if call.groups != 1 or any(each is not None for each in wanted):
        rule = "groups and wanted sizes need shapes that are numbers"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="lhs.shape", value=lhs.shape)
    return call.stock(lhs, rhs)


def _wanted(output_size: Sequence[int] | None, like: Any) -> tuple[str, tuple[int, ...]] | None:
    """The argument that says how large the output is, and what it says: a spatial size, or a whole shape."""
    if output_size is not None and like is not None:
        rule = "output_size and like both say how large the output is: give one of them"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="output_size", value=output_size)
    if like is not None:
        return "like", tuple(like.shape)
    return None if output_size is None else ("output_size", tuple(map(index, output_size)))


def _form(
    call: Call,
    lhs: tuple[int, ...],
    lhs_type: Any,
    rhs: tuple[int, ...],
    rhs_type: Any,
    wanted: tuple[str, tuple[int, ...]] | None,
    _wide: bool,
) -> Form:
    """The relation of these arguments; ``lax``'s error where ``lax`` has one for them."""
    if call.groups == 1:
        _asked(call, lhs, lhs_type, rhs, rhs_type)
    small_spec, kernel_spec, large_spec = _numbers(call, lhs, rhs)
    one_lhs, one_rhs = _of_one_group(call, lhs, small_spec[1], rhs, kernel_spec[0])
    made = _asked(call, one_lhs, lhs_type, one_rhs, rhs_type)
    axes = _axes(call, [lhs[place] for place in small_spec[2:]], [rhs[place] for place in kernel_spec[2:]])
    if wanted is not None:
        axes = _resized(call, axes, wanted, large_spec)
    spec = (kernel_spec[1], kernel_spec[0], *kernel_spec[2:]) if call.transpose_kernel else kernel_spec
    preferred = None if made.dtype == lhs_type else made.dtype
    windows = tuple(window.axis for window in axes)
    return Form(windows, small_spec, spec, large_spec, call.groups, call.precision, preferred)


_remembered = lru_cache(maxsize=1024)(_form)


def _asked(call: Call, lhs: tuple[int, ...], lhs_type: Any, rhs: tuple[int, ...], rhs_type: Any) -> Any:
    """What ``lax`` makes of these shapes: shape and type, or its error."""
    return jax.eval_shape(call.stock, jax.ShapeDtypeStruct(lhs, lhs_type), jax.ShapeDtypeStruct(rhs, rhs_type))


def _numbers(call: Call, lhs: tuple[int, ...], rhs: tuple[int, ...]) -> tuple[Spec, Spec, Spec]:
    """The axis orders; channels last where none are given."""
    numbers = call.dimension_numbers
    if numbers is None:
        last = len(lhs) - 1
        spatial = range(1, last)
        numbers = lax.ConvDimensionNumbers((0, last, *spatial), (last, last - 1, *range(last - 1)), (0, last, *spatial))
    found = lax.conv_dimension_numbers(lhs, rhs, numbers)
    lhs_spec, rhs_spec, out_spec = (tuple(map(int, spec)) for spec in (found.lhs_spec, found.rhs_spec, found.out_spec))
    return lhs_spec, rhs_spec, out_spec


def _of_one_group(
    call: Call, lhs: tuple[int, ...], channels: int, rhs: tuple[int, ...], made: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of one group's arrays."""
    groups = call.groups
    for shape, place, name in ((lhs, channels, "lhs"), (rhs, made, "rhs")):
        if groups < 1 or shape[place] % groups:
            rule = f"must divide axis {place} of {name}, which has {shape[place]} channels"
            raise UnstrideError(Reason.GROUPS, rule, argument="feature_group_count", value=groups)

    def one(shape: tuple[int, ...], place: int) -> tuple[int, ...]:
        return (*shape[:place], shape[place] // groups, *shape[place + 1 :])

    return one(lhs, channels), one(rhs, made)


def _axes(call: Call, size: list[int], kernel: list[int]) -> tuple[Window, ...]:
    """The window that the padding means, on each axis."""
    if not size:
        return ()
    spec = dialect.conv_transpose(
        Source("lhs"),
        Source("rhs"),
        tuple(map(index, call.strides)),
        call.padding
        if isinstance(call.padding, str)
        else tuple((index(low), index(high)) for low, high in call.padding),
        None if call.rhs_dilation is None else tuple(map(index, call.rhs_dilation)),
        use_consistent_padding=bool(call.use_consistent_padding),
    )
    return spec.windows(tuple(size), tuple(kernel))


def _resized(
    call: Call, windows: tuple[Window, ...], wanted: tuple[str, tuple[int, ...]], spec: Spec
) -> tuple[Window, ...]:
    """The windows of the wanted size; UnstrideError unless the forward convolution maps it to the input's."""
    name, size = wanted
    if len(size) != len(windows) + 2 * (name == "like"):
        rule = f"must have {len(windows)} spatial axes" + (", a batch and channels" if name == "like" else "")
        raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument=name, value=size)
    lengths = [size[place] for place in spec[2:]] if name == "like" else size
    return tuple(_window(call, window, length, name) for window, length in zip(windows, lengths, strict=True))


def _window(call: Call, window: Window, large: int, name: str) -> Window:
    axis = window.axis
    taps = Taps(axis.kernel, axis.stride, axis.dilation)
    check_inverse(taps, axis.small, large, window.alternatives, name, repr(call.padding))
    before = max(axis.full - large, 0) // 2 if call.padding == "SAME" else axis.before
    return replace(window, axis=replace(axis, large=large, before=before))
