"""JAX: ``jax.lax.conv_transpose`` and ``jax.lax.conv_general_dilated``, on any number of spatial axes.

``conv_transpose`` reads the words SAME and VALID as the forward convolution's padding, but pairs as padding of the
spaced input, so that ``(0, 0)`` is not VALID; ``use_consistent_padding=True`` reads pairs as a crop, like PyTorch. The
kernel's taps are reversed unless ``transpose_kernel=True``, which also swaps its channel axes. It has no groups.
``conv_general_dilated`` is a transposed convolution where ``lhs_dilation`` is above 1, with the taps reversed, and a
convolution otherwise; it has groups. Neither has a bias.

Source: jax/_src/lax/convolution.py (jax 0.10).
"""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Pairs, integer, integers
from .lax import pairs, slide_windows, sliding, space_windows, strides_apart, stuffing, transpose_windows, word
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window


@dataclass(frozen=True)
class ConvDimensionNumbers:
    """Positions of batch, channels and spatial axes: ``(N, C, ...)`` of the data, ``(O, I, ...)`` of the kernel."""

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]

    def __repr__(self) -> str:
        words = f"lhs_spec={self.lhs_spec}, rhs_spec={self.rhs_spec}, out_spec={self.out_spec}"
        return f"jax.lax.ConvDimensionNumbers({words})"


Numbers: TypeAlias = ConvDimensionNumbers | tuple[str, ...] | None


class _Lax(Spec):
    """What both functions share: arrays, axis orders, no bias."""

    dialect = "jax"
    functional = True

    lhs: Source
    rhs: Source
    padding: str | Pairs
    rhs_dilation: tuple[int, ...] | None
    dimension_numbers: Source | Numbers

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension_numbers", _numbers(self.dimension_numbers))
        super().__post_init__()

    @property
    def bias_present(self) -> bool:
        return False

    def data_layout(self, dimensions: int) -> DataLayout:
        return DataLayout(self._orders(dimensions)[0])

    def output_layout(self, dimensions: int) -> DataLayout:
        return DataLayout(self._orders(dimensions)[2])

    def _orders(self, dimensions: int) -> tuple[str, str, str]:
        """Axis orders of input, kernel (``O``, ``I`` and digits) and output."""
        if dimensions < 3:
            rule = f"{self.call} needs a batch, channels and at least one spatial axis"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        numbers = self.dimension_numbers
        if numbers is None:
            return self._default_orders(dimensions - 2)
        orders = _orders_of(numbers)
        if any(len(order) != dimensions for order in orders):
            rule = f"each part must name {dimensions} axes, as the input has"
            raise UnstrideError(Reason.RANK, rule, argument="dimension_numbers", value=numbers)
        return orders

    @abstractmethod
    def _default_orders(self, rank: int) -> tuple[str, str, str]:
        """The axis orders where none are named."""

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape)

    def _sequence(self, name: str, rank: int | None, reason: Reason) -> tuple[int, ...]:
        """A tuple of positive integers, of ``rank`` of them where the rank is known; None means ones."""
        value = getattr(self, name)
        if value is None and rank is not None:
            return (1,) * rank
        return integers(value, name, reason, rank=rank)

    def _check_sequences(self, reasons: dict[str, Reason]) -> None:
        for name, reason in reasons.items():
            if getattr(self, name) is not None or reason is Reason.STRIDE:
                self._sequence(name, None, reason)
        if self.dimension_numbers is not None:
            _orders_of(self.dimension_numbers)
        if not isinstance(self.padding, str):
            pairs(self.padding, len(self.padding) if isinstance(self.padding, tuple) else 1)

    def _taps(self, kernel: tuple[int, ...], strides: str) -> tuple[Taps, ...]:
        rank = len(kernel)
        apart = self._sequence(strides, rank, Reason.STRIDE)
        return tuple(map(Taps, kernel, apart, self._sequence("rhs_dilation", rank, Reason.DILATION)))


@dataclass(frozen=True)
class conv_transpose(_Lax):
    """``jax.lax.conv_transpose``."""

    call = "jax.lax.conv_transpose"
    transposed = True

    lhs: Source
    rhs: Source
    strides: tuple[int, ...]
    padding: str | Pairs
    rhs_dilation: tuple[int, ...] | None = None
    dimension_numbers: Source | Numbers = None
    transpose_kernel: bool = False
    precision: Source | str | None = None
    preferred_element_type: Source | None = None
    use_consistent_padding: bool = False

    def check(self) -> None:
        self._check_sequences({"strides": Reason.STRIDE, "rhs_dilation": Reason.DILATION})
        if isinstance(self.padding, str) and self.padding not in {"SAME", "VALID"}:
            if self.use_consistent_padding:
                rule = "must be 'SAME', 'VALID' or pairs with use_consistent_padding=True"
                raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
            if max(self.strides, default=1) == 1:
                word(self.padding)

    def _default_orders(self, rank: int) -> tuple[str, str, str]:
        if rank > 3:
            rule = "must be given where there are more than 3 spatial axes"
            raise UnstrideError(Reason.RANK, rule, argument="dimension_numbers", value=None)
        digits = _digits(rank)
        return f"N{digits}C", f"{digits}IO", f"N{digits}C"

    def weight_layout(self, rank: int) -> WeightLayout:
        taken = {"I": "L", "O": "S"} if self.transpose_kernel else {"I": "S", "O": "L"}
        order = self._orders(rank + 2)[1]
        return WeightLayout("".join(taken.get(token, token) for token in order), flipped=not self.transpose_kernel)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps = self._taps(kernel, "strides")
        if isinstance(self.padding, str):
            return transpose_windows(taps, size, self.padding)
        if not self.use_consistent_padding:
            return transpose_windows(taps, size, pairs(self.padding, len(size)))
        # JAX pairs the padding with the axes and drops what is left over
        crops = pairs(self.padding[: len(size)], len(size))
        pads = tuple((t.span - 1 - low, t.span - 1 - high) for t, (low, high) in zip(taps, crops, strict=True))
        shown = "use_consistent_padding=True: padding=({}, {}) crops the output, as in the forward convolution"
        found = zip(space_windows(taps, size, pads), crops, strict=True)
        return tuple(window.because(shown.format(*crop)) for window, crop in found)


@dataclass(frozen=True)
class conv_general_dilated(_Lax):
    """``jax.lax.conv_general_dilated``: transposed where ``lhs_dilation`` is above 1."""

    call = "jax.lax.conv_general_dilated"
    transposed = False

    lhs: Source
    rhs: Source
    window_strides: tuple[int, ...]
    padding: str | Pairs
    lhs_dilation: tuple[int, ...] | None = None
    rhs_dilation: tuple[int, ...] | None = None
    dimension_numbers: Source | Numbers = None
    feature_group_count: int = 1
    batch_group_count: int = 1
    precision: Source | str | None = None
    preferred_element_type: Source | None = None
    out_sharding: Source | None = None

    def check(self) -> None:
        reasons = {"lhs_dilation": Reason.DILATION, "rhs_dilation": Reason.DILATION}
        self._check_sequences({"window_strides": Reason.STRIDE, **reasons})
        for name in ("feature_group_count", "batch_group_count"):
            integer(getattr(self, name), name, Reason.GROUPS, least=1)
        if self.batch_group_count > 1:
            self._refuse_batch_groups()
        spacing = self.lhs_dilation or ()
        spaced = strides_apart(spacing, self.window_strides, "lhs_dilation", "window_strides")
        object.__setattr__(self, "transposed", spaced)
        if isinstance(self.padding, str):
            word(self.padding)
            if spaced:
                rule = "must be pairs where lhs_dilation is above 1"
                hint = "use jax.lax.conv_transpose, or give (low, high) pairs"
                raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding, hint=hint)

    def _refuse_batch_groups(self) -> None:
        count = self.batch_group_count
        if self.feature_group_count > 1:
            rule = "at most one of batch_group_count and feature_group_count may be above 1"
            raise UnstrideError(Reason.GROUPS, rule, argument="batch_group_count", value=count)
        raise UnstrideError(
            Reason.UNSUPPORTED,
            "groups of the batch are several layers in one",
            argument="batch_group_count",
            value=count,
            hint=f"split the batch and the kernel's output channels into {count}, convolve each with its own, "
            "and concatenate along the channels",
        )

    def _default_orders(self, rank: int) -> tuple[str, str, str]:
        digits = _digits(rank)
        return f"NC{digits}", f"OI{digits}", f"NC{digits}"

    def weight_layout(self, rank: int) -> WeightLayout:
        taken = {"I": "s", "O": "L"} if self.transposed else {"I": "l", "O": "S"}
        order = self._orders(rank + 2)[1]
        return WeightLayout("".join(taken.get(token, token) for token in order), flipped=self.transposed)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape, self.feature_group_count)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        rank = len(size)
        self._sequence("lhs_dilation", rank, Reason.DILATION)
        self._sequence("window_strides", rank, Reason.STRIDE)
        taps = self._taps(kernel, "lhs_dilation" if self.transposed else "window_strides")
        if isinstance(self.padding, str):
            return slide_windows(taps, size, self.padding)
        rule = space_windows if self.transposed else slide_windows
        return rule(taps, size, pairs(self.padding, rank))


def _digits(rank: int) -> str:
    """One character per spatial axis."""
    if rank > 9:
        raise UnstrideError(Reason.RANK, "at most 9 spatial axes", argument="input dimensions", value=rank + 2)
    return "".join(map(str, range(rank)))


def _numbers(value: object) -> object:
    """A ConvDimensionNumbers from JAX's own object or from its source; anything else as it is."""
    if isinstance(value, Source):
        return _read_numbers(value)
    names = ("lhs_spec", "rhs_spec", "out_spec")
    if all(hasattr(value, name) for name in names):
        return ConvDimensionNumbers(*(tuple(getattr(value, name)) for name in names))
    return value


def _read_numbers(source: Source) -> object:
    """The value of ``ConvDimensionNumbers(...)`` or ``conv_dimension_numbers(shape, shape, strings)`` in a line."""
    try:
        call = ast.parse(source.text, mode="eval").body
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func).rpartition(".")[2]
            values = [*call.args, *(keyword.value for keyword in call.keywords)]
            if name == "conv_dimension_numbers" and len(values) == 3:
                return ast.literal_eval(values[2])
            if name == "ConvDimensionNumbers" and len(values) == 3:
                words = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
                return ConvDimensionNumbers(*map(ast.literal_eval, call.args), **words)
    except (SyntaxError, ValueError, TypeError):
        pass
    rule = "must be three strings, a ConvDimensionNumbers(...) written out, or None"
    hint = "write ('NHWC', 'HWIO', 'NHWC')"
    raise UnstrideError(Reason.EXPRESSION, rule, argument="dimension_numbers", value=source, hint=hint)


def _orders_of(numbers: object) -> tuple[str, str, str]:
    """Axis orders of input, kernel (``O``, ``I``) and output, spatial axes as digits in the kernel's order."""
    if isinstance(numbers, ConvDimensionNumbers):
        return _positions(numbers)
    if isinstance(numbers, tuple):
        return _letters(numbers)
    rule = "must be three strings, a ConvDimensionNumbers or None"
    raise UnstrideError(Reason.DATA_FORMAT, rule, argument="dimension_numbers", value=numbers)


def _positions(numbers: ConvDimensionNumbers) -> tuple[str, str, str]:
    orders = []
    for spec, names in ((numbers.lhs_spec, "NC"), (numbers.rhs_spec, "OI"), (numbers.out_spec, "NC")):
        if not isinstance(spec, tuple) or sorted(spec) != list(range(len(spec))) or len(spec) < 2:
            rule = "each part must hold every axis position once"
            raise UnstrideError(Reason.DATA_FORMAT, rule, argument="dimension_numbers", value=numbers)
        tokens = names + _digits(len(spec) - 2)
        orders.append("".join(tokens[spec.index(position)] for position in range(len(spec))))
    return orders[0], orders[1], orders[2]


def _letters(numbers: tuple[object, ...]) -> tuple[str, str, str]:
    """Axis orders from three strings; the kernel's string sets the order of the spatial axes."""
    if len(numbers) != 3 or not all(isinstance(part, str) for part in numbers):
        rule = "must be three strings, of input, kernel and output"
        raise UnstrideError(Reason.DATA_FORMAT, rule, argument="dimension_numbers", value=numbers)
    lhs, rhs, out = map(str, numbers)
    for part, (first, second) in ((lhs, "NC"), (rhs, "OI"), (out, "NC")):
        if len(set(part)) != len(part) or first not in part or second not in part:
            rule = f"{part!r} must hold {first!r} and {second!r}, and no letter twice"
            raise UnstrideError(Reason.DATA_FORMAT, rule, argument="dimension_numbers", value=numbers)
    spatial = [letter for letter in rhs if letter not in "OI"]
    if not set(lhs) - set("NC") == set(spatial) == set(out) - set("NC"):
        rule = "the three strings must have the same spatial letters"
        raise UnstrideError(Reason.DATA_FORMAT, rule, argument="dimension_numbers", value=numbers)
    token = dict(zip(spatial, _digits(len(spatial)), strict=True))
    parts = ("".join(token.get(letter, letter) for letter in part) for part in (lhs, rhs, out))
    return next(parts), next(parts), next(parts)


FORMS: tuple[type[Spec], ...] = (conv_transpose, conv_general_dilated)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """``conv_transpose`` with words, then pairs; ``conv_general_dilated`` for what it cannot say."""
    del batch
    x, w = Source("x"), Source("w")
    strides, dilation = layer.stride, layer.dilation
    shared: dict[str, Any] = {"rhs_dilation": dilation if max(dilation) > 1 else None}
    ones = (1,) * layer.rank
    if layer.transposed:
        pads = tuple(map(stuffing, layer.axes))
        if layer.groups == 1:
            yield from _transposes(layer, partial(conv_transpose, x, w, strides), pads, shared)
        dilated = partial(conv_general_dilated, x, w, ones, pads, strides, **shared)
        yield partial(dilated, feature_group_count=layer.groups)
        return
    for padding in ("VALID", "SAME", "SAME_LOWER", tuple(map(sliding, layer.axes))):
        yield partial(conv_general_dilated, x, w, strides, padding, feature_group_count=layer.groups, **shared)


def _transposes(
    layer: Layer, function: Callable[..., Spec], pads: Pairs, shared: dict[str, Any]
) -> Iterator[Callable[[], Spec]]:
    if layer.rank > 3:
        digits = _digits(layer.rank)
        shared = {**shared, "dimension_numbers": (f"N{digits}C", f"{digits}IO", f"N{digits}C")}
    for transpose_kernel in (False, True):
        for padding in ("SAME", "VALID", pads):
            yield partial(function, padding, transpose_kernel=transpose_kernel, **shared)
        spans = [axis.span - 1 for axis in layer.axes]
        crops = tuple((edge - low, edge - high) for edge, (low, high) in zip(spans, pads, strict=True))
        yield partial(function, crops, transpose_kernel=transpose_kernel, use_consistent_padding=True, **shared)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in JAX's words, or why not and what equals it."""
    return settle(layer, "jax", propose, batch)
