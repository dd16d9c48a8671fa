"""MATLAB Deep Learning Toolbox: ``convolution*dLayer`` and ``transposedConv*dLayer``, 1-D to 3-D.

``transposedConv2dLayer([3 3], 16, Stride=2, Cropping="same")`` and ``transposedConv2dLayer(3,16,'Stride',2)`` are read
as they stand; `code` prints the first form. Data is spatial axes, channels, observations (SSCB; SSC for one
observation); weights are ``(*taps, large, small)`` for both directions. ``Cropping`` crops the full extent;
where that leaves less than one element, the output is extended behind by less than a stride. There are no groups, and
a transposed layer has no dilation. A bias is always there: one that starts at zero and never learns counts as none.

Source: the reference pages of the functions and of dltranspconv (mathworks.com, R2024b), and the toolbox's own
TransposedConvolution2D layer and TensorFlow exporter; read, not run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, MISSING, dataclass, fields
from functools import cache, partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Pairs, Sizes, check_channels, compact, integer, one_of, per_axis
from .matlab_source import Form, python_call
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, argument, ranked
from .windows import Taps, Window, crop, multiply_same, pad, pad_same

Margins: TypeAlias = str | int | tuple[int | tuple[int, ...], ...]
"""A word, one number, or numbers in MATLAB's order: one per axis, one per side, or a row for each side."""

_VECTORS = {1: "[l r]", 2: "[a b] or [t b l r]", 3: "[a b c] or [t l f; b r k]"}


class _Matlab(Spec):
    """What all layers share."""

    dialect = "matlab"
    rank: ClassVar[int]
    margin: ClassVar[str]
    """the option that crops or pads"""
    words: ClassVar[tuple[str, ...]] = ("same",)
    """the words that it takes"""

    FilterSize: Sizes
    NumFilters: int
    Stride: Sizes
    NumChannels: int | str
    BiasInitializer: Source | str
    Bias: Source | None
    BiasLearnRateFactor: float

    def check(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _unwrapped(getattr(self, field.name)))
        per_axis(self.FilterSize, self.rank, "FilterSize", Reason.KERNEL)
        integer(self.NumFilters, "NumFilters", Reason.CHANNELS, least=1)
        per_axis(self.Stride, self.rank, "Stride", Reason.STRIDE)
        if self.NumChannels != "auto":
            integer(self.NumChannels, "NumChannels", Reason.CHANNELS, least=1)
        if self._word is None:
            self._margins()

    @property
    def _word(self) -> str | None:
        """The word that crops or pads, if it is one."""
        given = getattr(self, self.margin)
        return one_of(given, self.words, self.margin, Reason.PADDING) if isinstance(given, str) else None

    def _margins(self) -> Pairs:
        """(before, after) per axis, from one number, one per axis, or all sides in MATLAB's order."""
        given, rank = getattr(self, self.margin), self.rank
        sides = given if isinstance(given, tuple) else (given,) * rank
        if rank == 3 and len(sides) == 2 and all(isinstance(row, tuple) and len(row) == 3 for row in sides):
            sides = tuple(side for pair in zip(*sides, strict=True) for side in pair)
        elif len(sides) == rank and not (rank == 1 and isinstance(given, tuple)):
            sides = tuple(side for side in sides for _ in (0, 1))
        elif rank == 3 or len(sides) != 2 * rank:
            words = " or ".join(repr(word) for word in self.words)
            rule = f"must be one non-negative integer, {_VECTORS[rank]}, or {words}"
            raise UnstrideError(Reason.PADDING, rule, argument=self.margin, value=given)
        if any(type(side) is not int or side < 0 for side in sides):
            rule = "must hold integers of at least 0"
            raise UnstrideError(Reason.PADDING, rule, argument=self.margin, value=given)
        return tuple(zip(sides[::2], sides[1::2], strict=True))

    @property
    def bias_present(self) -> bool:
        frozen = self.BiasLearnRateFactor == 0 and self.Bias is None and self.BiasInitializer == "zeros"
        return not frozen

    def data_layout(self, dimensions: int) -> DataLayout:
        if dimensions not in (self.rank + 1, self.rank + 2):
            letters = ", ".join("HWD"[: self.rank])
            rule = (
                f"{self.call} takes {self.rank + 2} dimensions ({letters}, C, N), or {self.rank + 1} without the last"
            )
            hint = "write out the ones that MATLAB's size leaves off"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions, hint=hint)
        spatial = "".join(map(str, range(self.rank)))
        return DataLayout(f"{spatial}CN" if dimensions == self.rank + 2 else f"{spatial}C")

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("kLS", rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        if isinstance(self.NumChannels, int):
            check_channels(channels, self.NumChannels, "NumChannels", "behind the spatial axes")
        kernel = per_axis(self.FilterSize, self.rank, "FilterSize", Reason.KERNEL)
        return self.layer_filters(kernel, channels, self.NumFilters)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        for name, sizes in (("input_shape", input_shape), ("output_shape", shape)):
            if 0 in sizes[: self.rank + 1]:
                rule = "needs at least one channel and one element on every spatial axis"
                raise UnstrideError(Reason.SIZE, rule, argument=name, value=sizes)

    def code(self) -> str:
        words = []
        for field in fields(self):
            value, name = getattr(self, field.name), argument(field.name)
            if field.default is MISSING:
                words.append(_written(value))
            elif value != field.default:
                words.append(f"{name}={_written(value)}")
        return f"{self.call}({', '.join(words)})"


def _unwrapped(value: object) -> object:
    """An argument as MATLAB sees it: a 1×1 matrix is its number, one row is a vector; kept source is its text."""
    if isinstance(value, Source) and value.text.startswith("matlab("):
        return Source(str(ast.literal_eval(value.text.removeprefix("matlab"))))
    while isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    return value


def _written(value: object) -> str:
    """A value as MATLAB source."""
    if isinstance(value, tuple):
        rows = value if value and isinstance(value[0], tuple) else (value,)
        return f"[{'; '.join(' '.join(map(_written, row)) for row in rows)}]"
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return repr(value)


class _Forward(_Matlab):
    """The rule of ``convolution*dLayer``: pad by numbers, or to ⌈large / stride⌉."""

    transposed = False
    margin = "Padding"
    DilationFactor: Sizes
    Padding: Margins
    PaddingValue: float | str

    def check(self) -> None:
        super().check()
        per_axis(self.DilationFactor, self.rank, "DilationFactor", Reason.DILATION)
        if self.PaddingValue != 0:
            rule, value = "only zero padding belongs to the layer itself", self.PaddingValue
            hint = "pad the input first, then use Padding=0"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="PaddingValue", value=value, hint=hint)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        strides = per_axis(self.Stride, self.rank, "Stride", Reason.STRIDE)
        taps = map(Taps, kernel, strides, per_axis(self.DilationFactor, self.rank, "DilationFactor", Reason.DILATION))
        if self._word == "same":
            return tuple(pad_same(*each).because('Padding="same"') for each in zip(taps, size, strict=True))
        if self._word == "causal":
            return tuple(
                pad(each, large, each.span - 1, 0).because(f'Padding="causal" pads span − 1 = {each.span - 1} before')
                for each, large in zip(taps, size, strict=True)
            )
        return tuple(
            pad(each, large, *sides).because(f"Padding pads {sides[0]} before and {sides[1]} after")
            for each, large, sides in zip(taps, size, self._margins(), strict=True)
        )


class _Transposed(_Matlab):
    """The rule of ``transposedConv*dLayer``: crop by numbers, or to small·stride."""

    transposed = True
    margin = "Cropping"
    Cropping: Margins

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = map(Taps, kernel, per_axis(self.Stride, self.rank, "Stride", Reason.STRIDE))
        if self._word == "same":
            return tuple(multiply_same(*each).because('Cropping="same"') for each in zip(taps, size, strict=True))
        return tuple(map(self._window, taps, size, self._margins()))

    def _window(self, taps: Taps, small: int, sides: tuple[int, int]) -> Window:
        before, after = sides
        missing = max(0, 1 - (taps.full(small) - before - after))
        if missing >= taps.stride:
            rule = f"the full extent is {taps.full(small)}; cropping {before} and {after} leaves nothing"
            hint = "crop less, or use a larger input"
            raise UnstrideError(Reason.SIZE, rule, argument="Cropping", value=self.Cropping, hint=hint)
        steps = [f"Cropping crops {before} before and {after} after"]
        if missing:
            steps.append(f"{missing} is given back behind, for an output of one element: after = {after - missing}")
        return crop(taps, small, before, after, missing).because(*steps)


@dataclass(frozen=True)
class _Convolution(_Forward):
    FilterSize: Sizes
    NumFilters: int
    _: KW_ONLY
    Stride: Sizes = 1
    DilationFactor: Sizes = 1
    Padding: Margins = 0
    PaddingValue: float | str = 0
    NumChannels: int | str = "auto"
    WeightsInitializer: Source | str = "glorot"
    BiasInitializer: Source | str = "zeros"
    Weights: Source | None = None
    Bias: Source | None = None
    WeightLearnRateFactor: float = 1
    BiasLearnRateFactor: float = 1
    WeightL2Factor: float = 1
    BiasL2Factor: float = 0
    Name: Source | str = ""


class _Convolution1d(_Convolution):
    words = ("same", "causal")


@dataclass(frozen=True)
class _TransposedConvolution(_Transposed):
    FilterSize: Sizes
    NumFilters: int
    _: KW_ONLY
    Stride: Sizes = 1
    Cropping: Margins = 0
    NumChannels: int | str = "auto"
    WeightsInitializer: Source | str = "glorot"
    BiasInitializer: Source | str = "zeros"
    Weights: Source | None = None
    Bias: Source | None = None
    WeightLearnRateFactor: float = 1
    BiasLearnRateFactor: float = 1
    WeightL2Factor: float = 1
    BiasL2Factor: float = 0
    Name: Source | str = ""


convolution1dLayer = ranked(_Convolution1d, "convolution{}dLayer")[0]  # noqa: N816 - as MATLAB spells it
convolution2dLayer, convolution3dLayer = ranked(_Convolution, "convolution{}dLayer")[1:]  # noqa: N816 - same
transposedConv1dLayer, transposedConv2dLayer, transposedConv3dLayer = ranked(  # noqa: N816 - same
    _TransposedConvolution, "transposedConv{}dLayer"
)

FORMS: tuple[type[Spec], ...] = (
    convolution1dLayer,
    convolution2dLayer,
    convolution3dLayer,
    transposedConv1dLayer,
    transposedConv2dLayer,
    transposedConv3dLayer,
)


@cache
def _forms() -> dict[str, Form]:
    found = {}
    for form in FORMS:
        required = tuple(field.name for field in fields(form) if field.default is MISSING)
        options = {field.name: "Source" in str(field.type) for field in fields(form) if field.name not in required}
        found[form.call] = Form(required, options)
    return found


def as_python(text: str) -> str:
    """The one MATLAB layer in ``text`` as a Python call; text without one unchanged.

    >>> as_python("layers = transposedConv2dLayer([3 3],16,'Stride',2,'Cropping','same');")
    "transposedConv2dLayer((3, 3), 16, Stride=2, Cropping='same')"
    """
    return python_call(text, _forms())


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The layer in MATLAB's own words first, then with the margins as numbers."""
    del batch
    if layer.rank > 3 or layer.groups > 1:
        return
    form: Callable[..., Spec] = FORMS[layer.rank - 1 + (3 if layer.transposed else 0)]
    words: dict[str, Any] = {"Stride": compact(layer.stride)}
    if not layer.transposed:
        words["DilationFactor"] = compact(layer.dilation)
    if not layer.bias:
        words["BiasLearnRateFactor"] = 0
    for margin in _margins(layer):
        words["Cropping" if layer.transposed else "Padding"] = margin
        yield partial(form, compact(layer.kernel), layer.out_channels, **words)


def _margins(layer: Layer) -> Iterator[Margins]:
    """Ways to say the margins, in words and in numbers."""
    yield "same"
    befores = layer.before
    # what is cropped or padded behind may be more than what is cut off there; see the rules
    afters = tuple(max(axis.after, 0) for axis in layer.axes)
    yield compact(befores)
    if layer.rank == 1 and not layer.transposed:
        yield "causal"
    if layer.rank == 3:
        yield befores, afters
    else:
        yield tuple(side for pair in zip(befores, afters, strict=True) for side in pair)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in MATLAB's words, or why not and what equals it."""
    return settle(layer, "matlab", propose, batch)
