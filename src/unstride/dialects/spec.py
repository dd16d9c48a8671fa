"""Spec: one layer in a dialect's own words, a frozen value; and how it reads as a framework-free Layer."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from inspect import Signature, signature
from math import prod
from typing import Any, ClassVar, NamedTuple, TypeVar

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from ..geometry.layer import ELEMENT_LIMIT
from .windows import Window


@dataclass(frozen=True, slots=True)
class Source:
    """A piece of the user's source kept as text: an array's name, an initializer's call."""

    text: str

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


class Filters(NamedTuple):
    """What a spec knows of its weights, once the input's channels and the kernel's shape are known."""

    kernel: tuple[int, ...]
    small: int
    large: int
    groups: int = 1


class _Form(ABCMeta):
    """Lets a field with a trailing underscore be given by the framework's own word, without it: see ``Spec``."""

    def __call__(cls, *values: Any, **words: Any) -> Any:
        known = getattr(cls, "__dataclass_fields__", {})
        return super().__call__(*values, **{f"{w}_" if f"{w}_" in known else w: v for w, v in words.items()})

    @property
    def __signature__(cls) -> Signature:
        _, *parameters = signature(cls.__init__).parameters.values()  # type: ignore[misc]  # this class, no instance
        return Signature([each.replace(name=argument(each.name)) for each in parameters])


def argument(field: str) -> str:
    """The framework's name of the argument that a spec's field holds."""
    return field.rstrip("_")


@dataclass(frozen=True)
class Spec(metaclass=_Form):
    """One layer or function call in a dialect's own words.

    Subclasses are frozen dataclasses whose fields are the framework's own arguments, in its order, with its
    defaults; sequences become tuples. They say how to read themselves: the layouts, the filters, the axes.
    An argument named as one of the methods below, such as ``output_shape``, is the field ``output_shape_``: given
    and printed without the underscore, read with it; ``argument`` gives the name.
    """

    dialect: ClassVar[str]
    """the dialect's name, such as ``torch``"""
    call: ClassVar[str]
    """what is called, with its full dotted name, such as ``torch.nn.ConvTranspose2d``"""
    transposed: ClassVar[bool]
    batched: ClassVar[bool] = True
    """whether the framework's input has a batch axis (where both are taken: whether it usually has)"""
    functional: ClassVar[bool] = False
    """whether the kernel is an array argument, whose shape is then needed to read the spec"""
    synonyms: ClassVar[Mapping[str, str]] = {}
    """other keywords the framework takes for an argument -> the argument's name"""
    refused: ClassVar[frozenset[str]] = frozenset()
    """arguments that the framework does not have but people write, here only to say why it has none"""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _frozen(getattr(self, field.name), argument(field.name)))
        self.check()

    def check(self) -> None:
        """Raise UnstrideError where the framework's constructor would reject the arguments."""

    @property
    @abstractmethod
    def bias_present(self) -> bool:
        """Whether one number per output channel is added."""

    @property
    def known_input_shape(self) -> tuple[int, ...] | None:
        """The input's shape, where the call itself states it."""
        return None

    @property
    def activation_name(self) -> str | None:
        """The function that the layer applies to every output element, None where it applies none."""
        return None

    @abstractmethod
    def data_layout(self, dimensions: int) -> DataLayout:
        """Axis order of an input with that many dimensions; UnstrideError where the rank is wrong."""

    def output_layout(self, dimensions: int) -> DataLayout:
        """Axis order of the output; that of the input unless the framework lets them differ."""
        return self.data_layout(dimensions)

    @abstractmethod
    def weight_layout(self, rank: int) -> WeightLayout:
        """Axis order of the kernel array for ``rank`` spatial axes."""

    @abstractmethod
    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        """Taps and channels, given the input's channels and, for functions, the kernel array's shape."""

    @abstractmethod
    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        """The framework's rule: one window for each spatial size of the input."""

    def array_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None, groups: int = 1) -> Filters:
        """The filters of a function, from its kernel array's shape; checks it against the input's channels."""
        if kernel_shape is None:
            raise UnstrideError(
                Reason.KERNEL,
                f"{self.call} takes its kernel as an array, whose shape is needed",
                argument="kernel_shape",
                value=None,
                hint="pass kernel_shape (--kernel), in the framework's own weight layout",
            )
        kernel, small, large = self.weight_layout(rank).split(kernel_shape, groups)
        if min(kernel) < 1:
            rule = "must have at least one tap on every axis"
            raise UnstrideError(Reason.KERNEL, rule, argument="kernel_shape", value=kernel_shape)
        wanted = small if self.transposed else large
        if channels != wanted:
            rule = f"the kernel of shape {kernel_shape} takes {wanted} input channels, the input has {channels}"
            raise UnstrideError(Reason.CHANNELS, rule, argument="kernel_shape", value=kernel_shape)
        return Filters(kernel, small, large, groups)

    def layer_filters(self, kernel: tuple[int, ...], channels: int, made: int, groups: int = 1) -> Filters:
        """The filters of a layer that makes ``made`` output channels from ``channels`` input channels."""
        small, large = (channels, made) if self.transposed else (made, channels)
        return Filters(kernel, small, large, groups)

    def exact_layout(self, layout: DataLayout, dimensions: int, hint: str | None = None) -> DataLayout:
        """``layout``, where the input has as many dimensions; UnstrideError where it has others."""
        if dimensions != len(layout.order):
            rule = f"{self.call} takes {len(layout.order)} dimensions ({layout.name})"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions, hint=hint)
        return layout

    def first_layout(self, dimensions: int, most: int | None = None) -> DataLayout:
        """Channels first, with every other dimension a spatial axis; UnstrideError outside 3 to ``most`` dimensions."""
        if dimensions < 3 or (most is not None and dimensions > most):
            bounds = "at least 3" if most is None else f"3 to {most}"
            rule = f"{self.call} takes {bounds} dimensions: batch, channels and the spatial axes"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return DataLayout.first(dimensions - 2)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        """Raise UnstrideError where the framework rejects what the other rules allow (whole shapes known)."""

    def read(self, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None) -> Layer:
        """The framework-free layer for this input.

        ``input_shape`` is in the dialect's own data layout. ``kernel_shape``, in its own weight layout, is needed
        by functions and checked for layers. Raises UnstrideError where the framework would reject the shapes.
        """
        input_shape = checked_shape(input_shape, "input_shape")
        data = self.data_layout(len(input_shape))
        batch, channels, size = data.split(input_shape)
        if kernel_shape is not None:
            kernel_shape = checked_shape(kernel_shape, "kernel_shape")
        filters = self.read_filters(data.rank, channels, kernel_shape)
        axes = tuple(window.axis for window in self.windows(size, filters.kernel))
        layer = Layer(axes, filters.small, filters.large, filters.groups, self.transposed, self.bias_present)
        self._check_kernel(layer, kernel_shape)
        output = self.output_layout(len(input_shape)).join(batch, layer.out_channels, layer.output_size)
        if max(prod(output), prod(input_shape)) > ELEMENT_LIMIT:
            rule = "more elements than a 64-bit index can count"
            raise UnstrideError(Reason.TOO_LARGE, rule, argument="output_shape", value=output)
        self.check_output(output, input_shape)
        return layer

    def _check_kernel(self, layer: Layer, kernel_shape: tuple[int, ...] | None) -> None:
        layout = self.weight_layout(layer.rank)
        if kernel_shape is not None and kernel_shape != layout.shape(layer):
            raise UnstrideError(
                Reason.KERNEL,
                f"this layer's kernel array has the shape {layout.shape(layer)}: {layout.name}",
                argument="kernel_shape",
                value=kernel_shape,
            )

    def output_shape(
        self, input_shape: tuple[int, ...], kernel_shape: tuple[int, ...] | None = None
    ) -> tuple[int, ...]:
        """The exact output shape, in the dialect's own output layout; raises as ``read`` does."""
        layer = self.read(input_shape, kernel_shape)
        batch, _, _ = self.data_layout(len(input_shape)).split(tuple(input_shape))
        return self.output_layout(len(input_shape)).join(batch, layer.out_channels, layer.output_size)

    def kernel_shape(self, layer: Layer) -> tuple[int, ...]:
        """The shape of ``layer``'s kernel array, in the dialect's own weight layout."""
        return self.weight_layout(layer.rank).shape(layer)

    def input_shape(self, layer: Layer, batch: int = 1) -> tuple[int, ...]:
        """The shape of ``layer``'s input, in the dialect's own data layout."""
        data = self.data_layout(layer.rank + (2 if self.batched else 1))
        return data.join(batch, layer.in_channels, layer.input_size)

    def code(self) -> str:
        """The framework's source line: every argument that differs from its default.

        The first arguments without a default are given by position.
        """
        words = []
        for field in sorted(fields(self), key=lambda field: field.kw_only is True):
            value = getattr(self, field.name)
            if field.default is MISSING and not field.kw_only:
                words.append(repr(value))
            elif value != field.default:
                words.append(f"{argument(field.name)}={value!r}")
        return f"{self.call}({', '.join(words)})"


class Function(Spec):
    """A function that takes its kernel and its bias, if there is one, as arrays, and its groups as a number."""

    functional = True
    groups: int
    bias: Source | None

    @property
    def bias_present(self) -> bool:
        return self.bias is not None

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        return self.array_filters(rank, channels, kernel_shape, self.groups)


S = TypeVar("S", bound=Spec)


def ranked(family: type[S], call: str) -> tuple[type[S], type[S], type[S]]:
    """The 1-D, 2-D and 3-D forms of one family; ``{}`` in ``call`` stands for the rank.

    The class is named as the last part of the call.
    """

    def form(rank: int) -> type[S]:
        name = call.format(rank)
        members = {"call": name, "rank": rank, "__doc__": f"``{name}``.", "__module__": family.__module__}
        return type(name.rpartition(".")[2], (family,), members)

    return form(1), form(2), form(3)


def checked_spec(value: object) -> Spec:
    """The value if it is a spec; pasted source must be parsed first."""
    if not isinstance(value, Spec):
        hint = "unstride.parse(...) makes one from a line of source"
        raise UnstrideError(Reason.ARGUMENT, "must be a spec", argument="spec", value=value, hint=hint)
    return value


def checked_shape(shape: object, name: str) -> tuple[int, ...]:
    """A shape as a tuple of non-negative integers; anything else is an UnstrideError."""
    entries = tuple(shape) if isinstance(shape, (tuple, list)) else None
    if entries is None or any(type(entry) is not int or entry < 0 for entry in entries):
        rule = "must be a sequence of non-negative integers"
        raise UnstrideError(Reason.SIZE, rule, argument=name, value=shape)
    return entries


def _frozen(value: object, name: str) -> object:
    """Sequences as tuples; UnstrideError for integers that no framework's 64 bits hold."""
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(entry, name) for entry in value)
    if type(value) is int and abs(value) > ELEMENT_LIMIT:
        raise UnstrideError(Reason.TOO_LARGE, "must fit in 64 bits", argument=name, value=value)
    return value
