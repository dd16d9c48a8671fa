"""The sub-pixel form as lines of source: how each framework spells padding, a shuffle of channels, and a transpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..dialects.arguments import Pairs
from ..dialects.refusal import Composition, slices
from ..dialects.spec import Spec
from ..geometry import DataLayout
from .subpixel import SubPixelForm


@dataclass(frozen=True, slots=True)
class _Spelling:
    """One framework's words; ``{pairs}`` are (before, after) of every axis, ``{flat}`` of the last axis first."""

    pad: str
    reshape: str = "y.reshape({shape})"
    transpose: str = "y.transpose({axes})"
    shuffle: str = ""
    """2-D, the same factor on both axes"""
    phases_first: bool = False
    """the channel order that ``shuffle`` takes"""


_TENSORFLOW = _Spelling(
    "tf.pad(x, {pairs})",
    "tf.reshape(y, {shape})",
    "tf.transpose(y, {axes})",
    "tf.nn.depth_to_space(y, {factor})",
    phases_first=True,
)
_JAX = _Spelling("jax.numpy.pad(x, {pairs})")
_SPELLINGS = {
    "torch": _Spelling(
        "torch.nn.functional.pad(x, {flat})",
        transpose="y.permute({axes})",
        shuffle="torch.nn.functional.pixel_shuffle(y, {factor})",
    ),
    "tensorflow": _TENSORFLOW,
    "keras2": _TENSORFLOW,
    "keras": _Spelling("keras.ops.pad(x, {pairs})", "keras.ops.reshape(y, {shape})", "keras.ops.transpose(y, {axes})"),
    "jax": _JAX,
    "flax": _JAX,
    "haiku": _JAX,
    "equinox": _JAX,
}

DIALECTS = tuple(_SPELLINGS)
"""the dialects whose lines are known here"""


def write_lines(
    dialect: str, written: Spec | Composition, form: SubPixelForm, batch: int, *, phases_first: bool
) -> tuple[str, ...] | None:
    """Lines that turn ``x`` into ``y``; None where the framework's words are not known or one call is not enough.

    A layer is made first, as ``conv``: it takes the converted kernel and bias as its weights.
    """
    spelling = _SPELLINGS.get(dialect)
    composition = written if isinstance(written, Composition) else None
    if spelling is None or (composition and (composition.split > 1 or composition.kernel_dilation)):
        return None
    spec = written.spec if isinstance(written, Composition) else written
    dimensions = form.convolution.rank + (2 if spec.batched else 1)
    data, output = spec.data_layout(dimensions), spec.output_layout(dimensions)
    lines = list(_padding(spelling, composition, data))
    code = spec.code()
    lines += [f"y = {code}"] if spec.functional else [f"conv = {code}", "y = conv(x)"]
    lines += _cropping(output, composition.crop_output) if composition else ()
    if composition and composition.add_bias:
        lines.append("y = y + bias" if output.order.endswith("C") else f"y = y + {_column(output)}")
    lines += _shuffling(spelling, form, output, batch, phases_first=phases_first)
    return (*lines, *_cropping(output, form.crop))


def _padding(spelling: _Spelling, composition: Composition | None, data: DataLayout) -> Iterator[str]:
    if composition is None:
        return
    grown = tuple((max(before, 0), max(after, 0)) for before, after in composition.pad_input)
    if any(map(any, grown)):
        sides = dict(enumerate(grown))
        pairs = tuple(sides[int(token)] if token.isdigit() else (0, 0) for token in data.order)
        flat = tuple(side for pair in reversed(grown) for side in pair)
        yield f"x = {spelling.pad.format(pairs=pairs, flat=flat)}"
    dropped = tuple((max(-before, 0), max(-after, 0)) for before, after in composition.pad_input)
    if any(map(any, dropped)):
        yield f"x = x[{slices(data, dropped)}]"


def _column(output: DataLayout) -> str:
    return f"bias.reshape({(-1, *[1] * output.rank)})"


def _cropping(output: DataLayout, crop: Pairs) -> Iterator[str]:
    if any(map(any, crop)):
        yield f"y = y[{slices(output, crop)}]"


def _shuffling(
    spelling: _Spelling, form: SubPixelForm, output: DataLayout, batch: int, *, phases_first: bool
) -> Iterator[str]:
    factor = form.stride[0]
    if form.phases == 1:
        return
    own = form.convolution.rank == 2 and len(set(form.stride)) == 1 and phases_first is spelling.phases_first
    if spelling.shuffle and own:
        yield f"y = {spelling.shuffle.format(factor=factor)}"
        return
    moved = form.shuffle(output, batch, phases_first=phases_first)
    if moved.permutation != tuple(range(len(moved.permutation))):
        yield f"y = {spelling.reshape.format(shape=_open(moved.split, output))}"
        yield f"y = {spelling.transpose.format(axes=moved.permutation)}"
    yield f"y = {spelling.reshape.format(shape=_open(moved.merged, output))}"


def _open(shape: tuple[int, ...], output: DataLayout) -> tuple[int, ...]:
    """The shape for any batch size."""
    return (-1, *shape[1:]) if output.batched else shape
