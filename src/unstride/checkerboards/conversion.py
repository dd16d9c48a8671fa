"""To the sub-pixel form and back in a dialect's own words: its lines, and kernel and bias in its layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike, NDArray

from ..computation import as_array, run_canonical
from ..dialects import registry
from ..dialects.arguments import Pairs, Sizes, pad_pairs, per_axis
from ..dialects.refusal import Composition, Outcome
from ..dialects.spec import Spec
from ..dialects.usual import given_shape
from ..engine.ends import Activation
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, canonical
from ..live import Live, parse, weigh
from .icnr import channels_last
from .lines import DIALECTS, write_lines
from .subpixel import SubPixelForm, join_phases, join_weights, split_bias, split_phases, split_weights

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Converted(Outcome):
    """A layer said in another way, with its weights; call it to compute it on NumPy arrays."""

    layer: Layer
    """what the dialect writes: a convolution, or the transposed convolution"""
    batch: int
    activation: str | None
    """the source's, applied to ``y`` after the lines"""
    weights: Array
    """``(small channels, large channels / groups, *taps)``"""
    bias: Array | None

    @property
    def kernel(self) -> Array:
        """The kernel array, in the layout of the layer that the lines write."""
        layout = self._target.weight_layout(self.layer.rank)
        array: Array = canonical(self.layer.rank).to(layout, self.layer).apply(self.weights)
        return array

    @property
    def lines(self) -> tuple[str, ...]:
        """Source lines that turn ``x`` into ``y``."""
        if isinstance(self.written, Spec):
            return (f"y = {self.written.code()}",) if self.written.functional else (self.written.code(),)
        return self.composition.steps() if self.composition else ()

    def __call__(self, x: ArrayLike) -> Array:
        """``y`` in the dialect's layout, from ``x`` in the same; the activation applied."""
        data = as_array(x, "x")
        first = DataLayout.first(self.layer.rank)
        usual = _usual_layout(self._target, self.layer.rank)
        _, channels, size = usual.split(data.shape)
        if (channels, size) != (self.layer.in_channels, self.layer.input_size):
            rule = f"was converted for {self.layer.in_channels} channels of the sizes {self.layer.input_size}"
            raise UnstrideError(Reason.SIZE, rule, argument="x.shape", value=data.shape, hint="convert it again")
        y = self._compute(usual.to(first, data.shape).apply(data))
        applied = Activation.of(self.activation)
        y = applied(y) if applied else y
        written: Array = first.to(_output_layout(self._target, self.layer.rank), y.shape).apply(y)
        return written

    def text(self) -> str:
        """The lines, the layouts of their arrays, and what is applied last."""
        rank, target = self.layer.rank, self._target
        data, weights = _usual_layout(target, rank).name, target.weight_layout(rank).name
        ended = (f"# then apply {self.activation} to y",) if self.activation else ()
        return "\n".join((f"# x is {data}, the kernel {self.kernel.shape} is {weights}", *self.lines, *ended))

    def as_json(self) -> dict[str, Any]:
        """The conversion as JSON values, without its arrays."""
        rank, target = self.layer.rank, self._target
        return {
            "to": self.dialect,
            "lines": list(self.lines),
            "activation": self.activation,
            "kernel_shape": list(self.kernel.shape),
            "kernel_layout": target.weight_layout(rank).name,
            "data_layout": _usual_layout(target, rank).name,
        }

    def __str__(self) -> str:
        return self.text()

    @property
    def _target(self) -> Spec:
        return _wanted(self)

    @property
    def _way(self) -> Spec | Composition:
        return self.composition or self._target

    def _compute(self, x: Array) -> Array:
        return run_canonical(self._way, self.layer, x, self.weights, self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class SubPixel(Converted):
    """A transposed convolution as a convolution, a shuffle of channels into space, and a crop."""

    form: SubPixelForm
    phases_first: bool
    """the order of the convolution's channels: as depth-to-space takes them, or as a pixel shuffle does"""

    @property
    def lines(self) -> tuple[str, ...]:
        return _lines(self, self.form, self.batch, phases_first=self.phases_first)

    def text(self) -> str:
        """The lines, the layouts of their arrays, how the layer gets its weights, and what is applied last."""
        text, line = super(SubPixel, self).text(), self._loading
        return f"{text}\n# its weights, where this result is called sub:\n# {line}" if line else text

    @property
    def _loading(self) -> str:
        """The line that gives the layer its weights; empty where the lines hold no layer, or its words are unknown."""
        spec = self.composition.spec if self.composition else self._target
        if "conv = " not in "\n".join(self.lines) or not isinstance(spec, Spec):
            return ""
        if self.dialect == "torch":
            bias = "torch.zeros_like(conv.bias)" if self.bias is None else "torch.tensor(sub.bias)"
            added = f', "bias": {bias}' if spec.bias_present else ""
            return f'conv.load_state_dict({{"weight": torch.tensor(sub.kernel){added}}})'
        if self.dialect in ("keras", "keras2"):
            added = "; conv.bias.assign(sub.bias)" if self.bias is not None and spec.bias_present else ""
            return f"conv.kernel.assign(sub.kernel){added}"
        return ""

    def _compute(self, x: Array) -> Array:
        y = run_canonical(self._way, self.layer, x, self.weights, self.bias)
        first = DataLayout.first(self.layer.rank)
        y = self.form.shuffle(first, len(y), phases_first=self.phases_first).apply(y)
        ends = zip(self.form.crop, y.shape[2:], strict=True)
        kept: Array = y[:, :, *(slice(before, size - after) for (before, after), size in ends)]
        return kept


def to_subpixel(
    spec: str | Spec | Live,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    input_shape: tuple[int, ...] | None = None,
    to: str | None = None,
) -> SubPixel:
    """A transposed convolution with its weights, as a stride-1 convolution and a pixel shuffle: exactly the same.

    ``spec`` may be the line of source itself, or a live layer, whose own weights are used where none are given.
    ``kernel`` and ``input_shape`` are in its own layouts, the result is in those of the dialect ``to``, the
    spec's own if left out. Raises UnstrideError for a convolution, or where the dialect cannot say the result.

    >>> import numpy as np
    >>> from unstride import parse
    >>> spec = parse("torch.nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1, bias=False)")
    >>> print(to_subpixel(spec, np.ones((8, 5, 4, 4)), input_shape=(1, 8, 16, 16)))
    # x is NCHW, the kernel (20, 8, 2, 2) is (small, large/groups, H, W)
    conv = torch.nn.Conv2d(8, 20, 2, padding=1, bias=False)
    y = conv(x)
    y = torch.nn.functional.pixel_shuffle(y, 2)
    y = y[:, :, 1:-1, 1:-1]
    # its weights, where this result is called sub:
    # conv.load_state_dict({"weight": torch.tensor(sub.kernel)})
    """
    spec, kernel, bias = weigh(parse(spec) if isinstance(spec, str) else spec, kernel, bias)
    layer, batch, weights, addend = _taken(spec, kernel, bias, given_shape(spec, input_shape))
    said, form, phases_first = say_subpixel(layer, to or spec.dialect, batch)
    return SubPixel(
        said.dialect,
        said.written,
        form.convolution,
        batch,
        spec.activation_name,
        split_weights(layer, weights, phases_first=phases_first),
        None if addend is None else split_bias(layer, addend, phases_first=phases_first),
        form,
        phases_first,
    )


def say_subpixel(layer: Layer, to: str, batch: int) -> tuple[Outcome, SubPixelForm, bool]:
    """What the dialect makes of the form's convolution, the form, and whether its channels count phases first.

    Raises UnstrideError for a convolution, or where the dialect cannot say the form's.
    """
    form = split_phases(layer)
    said = _said(form.convolution, to, batch)
    return said, form, layer.groups == 1 and channels_last(_output_layout(_wanted(said), layer.rank))


def subpixel_lines(layer: Layer, to: str, batch: int) -> tuple[str, ...]:
    """The lines of the sub-pixel form; UnstrideError where the dialect has no words for it."""
    said, form, phases_first = say_subpixel(layer, to, batch)
    return _lines(said, form, batch, phases_first=phases_first)


def _lines(said: Outcome, form: SubPixelForm, batch: int, *, phases_first: bool) -> tuple[str, ...]:
    found = write_lines(said.dialect, said.composition or _wanted(said), form, batch, phases_first=phases_first)
    if found is None:
        rule = f"the shuffle is written for {', '.join(DIALECTS)}; the arrays are converted all the same"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="to", value=said.dialect)
    return found


def from_subpixel(
    spec: Spec | Live,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    stride: Sizes,
    input_shape: tuple[int, ...],
    crop: Sizes | Pairs = 0,
    to: str | None = None,
) -> Converted:
    """A convolution followed by a pixel shuffle by ``stride`` and a crop, as one transposed convolution.

    A live layer's own weights are used where none are given.
    The shuffle is the framework's own: channels last take phases first, as depth-to-space, unless there are groups.
    The bias must be one number for all phases of a channel. Raises UnstrideError where it is not, where the
    convolution has a stride or an activation of its own, or where the channels do not divide.

    >>> import numpy as np
    >>> from unstride import parse
    >>> spec = parse("torch.nn.Conv2d(8, 20, 2, padding=1, bias=False)")
    >>> print(from_subpixel(spec, np.ones((20, 8, 2, 2)), stride=2, crop=1, input_shape=(1, 8, 16, 16)))
    # x is NCHW, the kernel (8, 5, 4, 4) is (small, large/groups, H, W)
    torch.nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1, bias=False)
    """
    spec, kernel, bias = weigh(spec, kernel, bias)
    layer, batch, weights, addend = _taken(spec, kernel, bias, input_shape)
    steps = per_axis(stride, layer.rank, "stride", Reason.STRIDE, least=1)
    form = SubPixelForm(layer, steps, pad_pairs(crop, layer.rank, "crop"))
    output = spec.output_layout(len(input_shape))
    phases_first = layer.groups == 1 and channels_last(output)
    joined = join_phases(form)
    said = _said(joined, to or spec.dialect, batch)
    moved = None if addend is None else _joined_bias(form, addend, phases_first=phases_first)
    taps = join_weights(form, weights, phases_first=phases_first)
    return Converted(said.dialect, said.written, joined, batch, spec.activation_name, taps, moved)


def _taken(
    spec: Spec, kernel: ArrayLike, bias: ArrayLike | None, input_shape: tuple[int, ...]
) -> tuple[Layer, int, Array, Array | None]:
    """The layer, the batch, and the weights and bias in canonical order."""
    array = as_array(kernel, "kernel")
    layer = spec.read(input_shape, array.shape)
    batch, _, _ = spec.data_layout(len(input_shape)).split(tuple(input_shape))
    weights = spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(array)
    if bias is None:
        return layer, batch, weights, None
    if not layer.bias:
        hint = "leave the bias out, or say so in the layer (use_bias=True, bias=True)"
        raise UnstrideError(Reason.ARGUMENT, f"{spec.call} is written without a bias here", argument="bias", hint=hint)
    addend = as_array(bias, "bias")
    if addend.shape != (layer.out_channels,):
        rule = f"must have shape ({layer.out_channels},): one number for each output channel"
        raise UnstrideError(Reason.CHANNELS, rule, argument="bias.shape", value=addend.shape)
    return layer, batch, weights, addend


def _said(layer: Layer, to: str, batch: int) -> Outcome:
    """What the dialect makes of the layer; UnstrideError where it cannot say it at all."""
    dialect = registry.named(to)
    said = Outcome(dialect.name, dialect.module().write(layer, batch))
    _wanted(said)
    return said


def _wanted(said: Outcome) -> Spec:
    """The spec that takes the weights; UnstrideError where there is none."""
    if said.target is None:
        rule = f"the equal layer cannot be said: {said.facts()['refusal']}"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="to", value=said.dialect)
    return said.target


def _joined_bias(form: SubPixelForm, bias: Array, *, phases_first: bool) -> Array:
    rows = bias.reshape(form.phases, form.channels).T if phases_first else bias.reshape(form.channels, form.phases)
    if (rows != rows[:, :1]).any():
        rule, hint = "differs between phases: a transposed convolution has one per channel", "add it after the shuffle"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="bias", value="one number per phase", hint=hint)
    return rows[:, 0]


def _usual_layout(spec: Spec, rank: int) -> DataLayout:
    return spec.data_layout(rank + (2 if spec.batched else 1))


def _output_layout(spec: Spec, rank: int) -> DataLayout:
    return spec.output_layout(rank + (2 if spec.batched else 1))
