"""Flax: ``Conv`` and ``ConvTranspose`` of ``flax.linen`` and ``flax.nnx``; ``kernel_size`` sets the number of axes.

Data is channels last, with or without a batch axis. ``ConvTranspose`` calls ``jax.lax.conv_transpose``: SAME is the
default, integers and pairs pad the spaced input (``padding=p`` crops ``span − 1 − p``), taps are reversed unless
``transpose_kernel=True``. ``Conv`` calls ``jax.lax.conv_general_dilated``, and is a transposed convolution, with groups
if wanted, where ``input_dilation`` is above 1.

Source: flax/linen/linear.py, flax/nnx/nn/linear.py (flax 0.12).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout
from .arguments import Pairs, Sizes, check_channels, check_divides, compact, integer, per_axis
from .lax import slide_windows, sliding, space_windows, strides_apart, stuffing, transpose_windows, word
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window

Padding: TypeAlias = str | int | tuple[int | tuple[int, int], ...]
"""A word, one integer, or an integer or a (low, high) pair per axis."""


class _Flax(Spec):
    """What all four layers share."""

    dialect = "flax"
    most_axes: ClassVar[int] = 9
    kernel_size: Sizes
    strides: Sizes | None
    padding: Padding
    kernel_dilation: Sizes | None
    use_bias: bool

    def check(self) -> None:
        if not 1 <= len(self._kernel()) <= self.most_axes:
            rule = f"needs 1 to {self.most_axes} spatial axes"
            raise UnstrideError(Reason.RANK, rule, argument="kernel_size", value=self.kernel_size)
        self._per_axis("strides", Reason.STRIDE)
        self._per_axis("kernel_dilation", Reason.DILATION)
        if isinstance(self.padding, str):
            self._check_word(self.padding)
        else:
            self._pairs()

    def _check_word(self, padding: str) -> None:
        word(padding)

    def _kernel(self) -> tuple[int, ...]:
        """The taps per axis; one integer means one axis."""
        sizes = self.kernel_size if isinstance(self.kernel_size, tuple) else (self.kernel_size,)
        return per_axis(sizes, len(sizes), "kernel_size", Reason.KERNEL)

    def _per_axis(self, name: str, reason: Reason) -> tuple[int, ...]:
        value = getattr(self, name)
        return per_axis(1 if value is None else value, len(self._kernel()), name, reason)

    def _taps(self, strides: str) -> tuple[Taps, ...]:
        dilations = self._per_axis("kernel_dilation", Reason.DILATION)
        return tuple(map(Taps, self._kernel(), self._per_axis(strides, Reason.STRIDE), dilations))

    def _pairs(self) -> Pairs:
        rank = len(self._kernel())
        entries = self.padding if isinstance(self.padding, tuple) else (self.padding,) * rank
        both = tuple(entry if isinstance(entry, tuple) else (entry, entry) for entry in entries)
        sides = [side for pair in both for side in pair]
        if len(both) != rank or any(len(pair) != 2 for pair in both) or any(type(side) is not int for side in sides):
            rule = f"must be a word, an integer, or {rank} integers or pairs of them"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding)
        return tuple(zip(sides[::2], sides[1::2], strict=True))  # type: ignore[arg-type]  # checked to be integers

    @property
    def bias_present(self) -> bool:
        return bool(self.use_bias)

    def data_layout(self, dimensions: int) -> DataLayout:
        rank = len(self._kernel())
        if dimensions > rank + 2:
            raise UnstrideError(
                Reason.UNSUPPORTED,
                f"kernel_size has {rank} spatial axes, so {dimensions - rank - 1} of the input's axes are batch axes",
                argument="input dimensions",
                value=dimensions,
                hint=f"give kernel_size one entry per spatial axis, or flatten the batch: "
                f"x.reshape(-1, *x.shape[-{rank + 1}:])",
            )
        if dimensions < rank + 1:
            rule = f"kernel_size has {rank} spatial axes, so the input needs {rank + 1} dimensions or more"
            raise UnstrideError(Reason.RANK, rule, argument="input dimensions", value=dimensions)
        return DataLayout.last(rank, batched=dimensions == rank + 2)

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        del shape
        if len(input_shape) == len(self._kernel()) + 1 and 0 in input_shape:
            rule = "Flax cannot add a batch axis to an empty input"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=input_shape)

    def _filters(self, channels: int, features: int) -> Filters:
        groups = getattr(self, "feature_group_count", 1)
        for name, count in (("the input's channels", channels), ("the features", features)):
            check_divides(groups, count, name, "feature_group_count")
        return self.layer_filters(self._kernel(), channels, features, groups)


class _Conv(_Flax):
    """The rule of ``Conv``: pad and slide; with ``input_dilation``, space, pad and slide."""

    transposed = False
    input_dilation: Sizes | None
    feature_group_count: int

    def check(self) -> None:
        super().check()
        spacing, strides = self._per_axis("input_dilation", Reason.DILATION), self._per_axis("strides", Reason.STRIDE)
        spaced = strides_apart(spacing, strides, "input_dilation", "strides")
        object.__setattr__(self, "transposed", spaced)
        if spaced and isinstance(self.padding, str):
            rule, hint = "must be integers or pairs where input_dilation is above 1", "use ConvTranspose, or give pairs"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=self.padding, hint=hint)
        integer(self.feature_group_count, "feature_group_count", Reason.GROUPS, least=1)
        for name in ("conv_general_dilated", "conv_general_dilated_cls"):
            function = getattr(self, name, None)
            if function is not None and str(function).rpartition(".")[2] != "conv_general_dilated":
                rule, hint = "a function of one's own may compute anything", "leave it out, and read it by itself"
                raise UnstrideError(Reason.UNSUPPORTED, rule, argument=name, value=function, hint=hint)

    def _check_word(self, padding: str) -> None:
        if padding in {"CIRCULAR", "REFLECT"}:
            mode = "wrap" if padding == "CIRCULAR" else "reflect"
            widths = [((each.span - 1) // 2, each.span // 2) for each in self._taps("strides")]
            raise UnstrideError(
                Reason.UNSUPPORTED,
                "only zero padding belongs to the layer itself",
                argument="padding",
                value=padding,
                hint=f"pad the input's spatial axes with jax.numpy.pad(..., {widths}, mode={mode!r}), "
                "then use padding='VALID'",
            )
        if padding != "CAUSAL":
            word(padding)
        elif len(self._kernel()) != 1:
            rule, hint = "causal padding is for one spatial axis", "give (low, high) pairs: (span - 1, 0) is causal"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=padding, hint=hint)

    def weight_layout(self, rank: int) -> WeightLayout:
        return WeightLayout.of("ksL" if self.transposed else "klS", rank, flipped=self.transposed)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        if self.transposed:
            return space_windows(self._taps("input_dilation"), size, self._pairs())
        taps = self._taps("strides")
        if self.padding == "CAUSAL":
            shown = "padding='CAUSAL' pads span − 1 before, so that no output sees what comes after it"
            found = slide_windows(taps, size, tuple((each.span - 1, 0) for each in taps))
            return tuple(window.because(shown) for window in found)
        return slide_windows(taps, size, self.padding if isinstance(self.padding, str) else self._pairs())


class _ConvTranspose(_Flax):
    """The rule of ``ConvTranspose``: that of ``jax.lax.conv_transpose``."""

    transposed = True
    most_axes = 3
    transpose_kernel: bool

    def _check_word(self, padding: str) -> None:
        if padding == "CIRCULAR":
            order = "(d // 2, (d + 1) // 2)" if self.transpose_kernel else "((d + 1) // 2, d // 2)"
            raise UnstrideError(
                Reason.UNSUPPORTED,
                "a wrapped output adds its ends together, which no window does",
                argument="padding",
                value=padding,
                hint="use padding='VALID' and use_bias=False; with period = input size · stride, pad each axis of the "
                f"result by {order}, d being what it lacks to an odd number of periods; add the periods, then the bias",
            )
        if max(self._per_axis("strides", Reason.STRIDE)) == 1:
            word(padding)
        elif padding not in {"SAME", "VALID"}:
            rule = "must be 'SAME' or 'VALID' in capitals, or numbers, when a stride is above 1"
            raise UnstrideError(Reason.PADDING, rule, argument="padding", value=padding)

    def weight_layout(self, rank: int) -> WeightLayout:
        if self.transpose_kernel:
            return WeightLayout.of("kLS", rank)
        return WeightLayout.of("kSL", rank, flipped=True)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        del kernel
        padding = self.padding if isinstance(self.padding, str) else self._pairs()
        return transpose_windows(self._taps("strides"), size, padding)


class _Linen(_Flax):
    """A linen module takes its input's channels as they come."""

    features: int

    def check(self) -> None:
        super().check()
        integer(self.features, "features", Reason.CHANNELS, least=1)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        if channels < 1:
            rule = "the input needs at least one channel"
            raise UnstrideError(Reason.CHANNELS, rule, argument="input channels", value=channels)
        return self._filters(channels, self.features)


class _Nnx(_Flax):
    """An nnx module names its channels."""

    in_features: int
    out_features: int

    def check(self) -> None:
        super().check()
        for name in ("in_features", "out_features"):
            integer(getattr(self, name), name, Reason.CHANNELS, least=1)
        self._filters(self.in_features, self.out_features)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del rank, kernel_shape
        check_channels(channels, self.in_features, "in_features", "last")
        return self._filters(channels, self.out_features)


class linen:
    """``flax.linen``."""

    @dataclass(frozen=True)
    class Conv(_Linen, _Conv):
        """``flax.linen.Conv``."""

        call = "flax.linen.Conv"

        features: int
        kernel_size: Sizes
        strides: Sizes | None = 1
        padding: Padding = "SAME"
        input_dilation: Sizes | None = 1
        kernel_dilation: Sizes | None = 1
        feature_group_count: int = 1
        use_bias: bool = True
        mask: Source | None = None
        dtype: Source | str | None = None
        param_dtype: Source | str | None = None
        precision: Source | str | None = None
        kernel_init: Source | None = None
        bias_init: Source | None = None
        promote_dtype: Source | None = None
        conv_general_dilated: Source | None = None
        conv_general_dilated_cls: Source | None = None
        parent: Source | None = None
        name: Source | str | None = None

    @dataclass(frozen=True)
    class ConvTranspose(_Linen, _ConvTranspose):
        """``flax.linen.ConvTranspose``."""

        call = "flax.linen.ConvTranspose"

        features: int
        kernel_size: Sizes
        strides: Sizes | None = None
        padding: Padding = "SAME"
        kernel_dilation: Sizes | None = None
        use_bias: bool = True
        mask: Source | None = None
        dtype: Source | str | None = None
        param_dtype: Source | str | None = None
        precision: Source | str | None = None
        kernel_init: Source | None = None
        bias_init: Source | None = None
        transpose_kernel: bool = False
        promote_dtype: Source | None = None
        preferred_element_type: Source | str | None = None
        parent: Source | None = None
        name: Source | str | None = None


class nnx:
    """``flax.nnx``."""

    @dataclass(frozen=True)
    class Conv(_Nnx, _Conv):
        """``flax.nnx.Conv``."""

        call = "flax.nnx.Conv"

        in_features: int
        out_features: int
        kernel_size: Sizes
        strides: Sizes | None = 1
        _: KW_ONLY
        padding: Padding = "SAME"
        input_dilation: Sizes | None = 1
        kernel_dilation: Sizes | None = 1
        feature_group_count: int = 1
        use_bias: bool = True
        mask: Source | None = None
        dtype: Source | str | None = None
        param_dtype: Source | str | None = None
        precision: Source | str | None = None
        kernel_init: Source | None = None
        bias_init: Source | None = None
        conv_general_dilated: Source | None = None
        promote_dtype: Source | None = None
        preferred_element_type: Source | str | None = None
        rngs: Source
        kernel_metadata: Source | None = None
        bias_metadata: Source | None = None

    @dataclass(frozen=True)
    class ConvTranspose(_Nnx, _ConvTranspose):
        """``flax.nnx.ConvTranspose``."""

        call = "flax.nnx.ConvTranspose"

        in_features: int
        out_features: int
        kernel_size: Sizes
        strides: Sizes | None = None
        _: KW_ONLY
        padding: Padding = "SAME"
        kernel_dilation: Sizes | None = None
        use_bias: bool = True
        mask: Source | None = None
        dtype: Source | str | None = None
        param_dtype: Source | str | None = None
        precision: Source | str | None = None
        kernel_init: Source | None = None
        bias_init: Source | None = None
        transpose_kernel: bool = False
        promote_dtype: Source | None = None
        preferred_element_type: Source | str | None = None
        rngs: Source
        kernel_metadata: Source | None = None
        bias_metadata: Source | None = None


FORMS: tuple[type[Spec], ...] = (nnx.Conv, nnx.ConvTranspose, linen.Conv, linen.ConvTranspose)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """``ConvTranspose``, then ``Conv`` with ``input_dilation``, which has groups; nnx before linen, words first."""
    del batch
    strides, dilation = (compact(tuple(getattr(a, n) for a in layer.axes)) for n in ("stride", "dilation"))
    shared: dict[str, Any] = {"use_bias": layer.bias, "kernel_dilation": dilation}
    grouped = {**shared, "feature_group_count": layer.groups}
    if not layer.transposed:
        for form in _forms(layer, nnx.Conv, linen.Conv):
            for padding in ("SAME", "VALID", "SAME_LOWER", "CAUSAL", _numbers(tuple(map(sliding, layer.axes)))):
                yield partial(form, strides=strides, padding=padding, **grouped)
        return
    numbers = _numbers(tuple(map(stuffing, layer.axes)))
    if layer.groups == 1:
        # None and a tuple are what the linen layer's signature names
        shared["strides"] = None if strides == 1 else layer.stride
        shared["kernel_dilation"] = None if dilation == 1 else layer.dilation
        for transpose_kernel in (False, True):
            for form in _forms(layer, nnx.ConvTranspose, linen.ConvTranspose):
                for padding in ("SAME", "VALID", numbers):
                    yield partial(form, padding=padding, transpose_kernel=transpose_kernel, **shared)
    for form in _forms(layer, nnx.Conv, linen.Conv):
        yield partial(form, input_dilation=strides, padding=numbers, **grouped)


def _forms(layer: Layer, named: Callable[..., Spec], unnamed: Callable[..., Spec]) -> Iterator[Callable[..., Spec]]:
    """The nnx and the linen form, their channels and kernel filled in."""
    yield partial(named, layer.in_channels, layer.out_channels, layer.kernel, rngs=Source("rngs"))
    yield partial(unnamed, layer.out_channels, layer.kernel)


def _numbers(pads: Pairs) -> Padding:
    """The pairs as a person would write them."""
    if all(low == high for low, high in pads):
        return compact(tuple(low for low, _ in pads))
    return pads


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer in Flax's words, or why not and what equals it."""
    return settle(layer, "flax", propose, batch)
