"""Three operations on one trilinear form, each the derivative of the others, to any order, in both modes.

With ``large = stride·small + dilation·tap − before`` and the sum over all products ``x[small]·kernel[tap]·y[large]``,

- ``stamp(x, kernel)`` is its derivative by ``y``: the transposed convolution, by phases;
- ``gather(y, kernel)`` its derivative by ``x``: one strided convolution;
- ``correlate(x, y)`` its derivative by ``kernel``: each phase of ``y`` slid over ``x``.

None of them stuffs zeros between elements.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from . import phases
from .phases import Array
from .relation import Form, Spec

Compute = Callable[[Array, Array, Form], Array]


def stamp(x: Array, kernel: Array, form: Form) -> Array:
    """The transposed convolution; by ``lax``'s rules where types say how arrays lie on several devices."""
    if _placed(x) or _placed(kernel):
        return phases.transposed(x, kernel, form, padded=True)
    return stamp_p.bind(x, kernel, form=form)


def _placed(array: Array) -> bool:
    """Whether the array's type says how it lies on devices: inside ``shard_map``, or on a mesh of explicit axes."""
    mesh = jax.typeof(array).sharding.mesh
    return any(kind is not jax.sharding.AxisType.Auto for kind in mesh.axis_types)


# --- the adjoints, in lax -------------------------------------------------------------------------------------


def gathered(y: Array, kernel: Array, form: Form) -> Array:
    """``x`` of ``y`` and the kernel: one convolution with the form's strides."""
    taken = kernel.shape[form.rhs[1]] * form.groups
    if not form.reached or 0 in (*y.shape, *kernel.shape):
        return jnp.zeros(form.small_shape(y.shape[form.out[0]], taken), y.dtype)
    return _slide(_reached(y, form), turned(kernel, form.rhs, form.groups), form)


def correlated(x: Array, y: Array, form: Form) -> Array:
    """The kernel of ``x`` and ``y``: the transpose of the phases in their kernel."""
    shape = form.kernel_shape(y.shape[form.out[1]], x.shape[form.lhs[1]] // form.groups)
    if not form.reached or 0 in (*x.shape, *y.shape):
        return jnp.zeros(shape, y.dtype)
    kernel = jax.ShapeDtypeStruct(shape, y.dtype)
    (made,) = jax.linear_transpose(lambda each: phases.transposed(x, each, form, padded=True), kernel)(y)
    return made


def _slide(y: Array, kernel: Array, form: Form) -> Array:
    """The strided convolution; the kernel turned."""
    axes = [core.axis for core in form.cores if core]
    return lax.conv_general_dilated(
        y,
        kernel,
        [axis.stride for axis in axes],
        [(axis.before, axis.after) for axis in axes],
        rhs_dilation=[axis.dilation for axis in axes],
        dimension_numbers=lax.ConvDimensionNumbers(form.out, _swapped(form.rhs), form.lhs),
        feature_group_count=form.groups,
        precision=form.precision,
    )


def _reached(y: Array, form: Form) -> Array:
    """The part of the large side that stamps reach."""
    for place, core in zip(form.out[2:], form.cores, strict=True):
        if core is not None:
            y = lax.slice_in_dim(y, core.first, core.first + core.axis.large, axis=place)
    return y


def _swapped(spec: Spec) -> Spec:
    return (spec[1], spec[0], *spec[2:])


def turned(kernel: Array, spec: Spec, groups: int) -> Array:
    """The taps reversed, the groups moved from the output to the input channels."""
    kernel = lax.rev(kernel, spec[2:])
    if groups == 1:
        return kernel
    return _merge(_split(kernel, spec[0], 1, groups), spec[1], 1)


# --- mapped over a batch --------------------------------------------------------------------------------------


def _split(array: Array, place: int, front: int, length: int) -> Array:
    """Axis ``place`` as (front, length, rest), its middle moved to the front of the array."""
    shape = array.shape
    parts = (*shape[:place], front, length, shape[place] // front // length, *shape[place + 1 :])
    moved = jnp.moveaxis(array.reshape(parts), place + 1, 0)
    return moved.reshape((length, *shape[:place], shape[place] // length, *shape[place + 1 :]))


def _merge(array: Array, place: int, front: int) -> Array:
    """The first axis put back into axis ``place`` of the rest, behind ``front``."""
    length, *shape = array.shape
    parts = (length, *shape[:place], front, shape[place] // front, *shape[place + 1 :])
    shape[place] *= length
    return jnp.moveaxis(array.reshape(parts), 0, place + 1).reshape(shape)


X, KERNEL, Y = range(3)
"""the three arrays of the form"""

GROUP = 3
"""The index that takes in the batch where both arrays are mapped; where one is, it is one that the output shares."""


def _place(array: int, shared: int, form: Form) -> tuple[int, int]:
    """The axis of an array that holds an index, and how many groups lie before it there.

    An index is named by the array that lacks it: the batch by KERNEL, input channels by Y, output channels by X.
    """
    spec = (form.lhs, form.rhs, form.out)[array]
    if shared == GROUP:
        return spec[0 if array == KERNEL else 1], 1
    if shared == KERNEL:
        return spec[0], 1
    if array == KERNEL:
        return (spec[1], 1) if shared == Y else (spec[0], form.groups)
    return spec[1], form.groups


def _batched(operands: tuple[int, int], made: int, arrays: Any, dims: Any, *, form: Form, primitive: Any) -> Any:
    """The rule of one operation for ``vmap``: the batch becomes part of an axis."""
    mapped = [dim is not None for dim in dims]
    moved = [each if dim is None else jnp.moveaxis(each, dim, 0) for each, dim in zip(arrays, dims, strict=True)]
    length = next(each.shape[0] for each, on in zip(moved, mapped, strict=True) if on)
    shared, inner = GROUP, replace(form, groups=form.groups * length)
    if not all(mapped):
        shared, inner = operands[mapped.index(False)], form
    given = [
        _merge(each, *_place(array, shared, form)) if on else each
        for each, array, on in zip(moved, operands, mapped, strict=True)
    ]
    output = primitive.bind(*given, form=inner)
    place, front = _place(made, shared, form)
    return _split(output, place, front, length), 0


# --- the operations as JAX sees them --------------------------------------------------------------------------


def _primitive(name: str, compute: Compute, shape: Callable[..., Any], operands: tuple[int, int], made: int) -> Any:
    """An operation that computes with ``compute``, of arrays ``operands``."""
    primitive = Primitive(f"unstride_{name}")
    primitive.def_impl(jax.jit(compute, static_argnames="form"))
    primitive.def_abstract_eval(shape)
    mlir.register_lowering(primitive, mlir.lower_fun(compute, multiple_results=False))
    batching.primitive_batchers[primitive] = partial(_batched, operands, made, primitive=primitive)
    return primitive


def _abstract(x: Any, kernel: Any, *, form: Form) -> Any:
    shape = form.large_shape(x.shape[form.lhs[0]], kernel.shape[form.rhs[0]])
    return jax.core.ShapedArray(shape, form.result(x.dtype))


def _abstract_small(y: Any, kernel: Any, *, form: Form) -> Any:
    shape = form.small_shape(y.shape[form.out[0]], kernel.shape[form.rhs[1]] * form.groups)
    return jax.core.ShapedArray(shape, y.dtype)


def _abstract_kernel(x: Any, y: Any, *, form: Form) -> Any:
    shape = form.kernel_shape(y.shape[form.out[1]], x.shape[form.lhs[1]] // form.groups)
    return jax.core.ShapedArray(shape, y.dtype)


stamp_p = _primitive("stamp", phases.transposed, _abstract, (X, KERNEL), Y)
gather_p = _primitive("gather", gathered, _abstract_small, (Y, KERNEL), X)
correlate_p = _primitive("correlate", correlated, _abstract_kernel, (X, Y), KERNEL)


def _apply(primitive: Any, first: Array, second: Array, like: Any, form: Form) -> Array:
    """The operation on arrays whose types may differ, in the type that holds both; its result in that of ``like``."""
    both = jnp.promote_types(first.dtype, second.dtype)
    made = primitive.bind(first.astype(both), second.astype(both), form=replace(form, preferred=None))
    return made.astype(like.aval.dtype)


ad.defbilinear(
    stamp_p,
    lambda y, x, kernel, form: _apply(gather_p, y, kernel, x, form),
    lambda y, x, kernel, form: _apply(correlate_p, x, y, kernel, form),
)
ad.defbilinear(
    gather_p,
    lambda x, y, kernel, form: _apply(stamp_p, x, kernel, y, form),
    lambda x, y, kernel, form: _apply(correlate_p, x, y, kernel, form),
)
ad.defbilinear(
    correlate_p,
    lambda kernel, x, y, form: _apply(gather_p, y, kernel, x, form),
    lambda kernel, x, y, form: _apply(stamp_p, x, kernel, y, form),
)
