"""ONNX: the operators ``Conv`` and ``ConvTranspose``, opsets 1 to 22, on any number of spatial axes.

A node is written as onnxscript writes it, ``ConvTranspose(X, W, B, strides=[2, 2])``, without its inputs, or as
``onnx.helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])``. Attributes are keywords, and lists are
lists. Data is channels first with a batch axis; weights are ``(small, large / group, *taps)`` for both directions.

What a node means here is what ONNX Runtime 1.31.1 computes on the CPU; it is the same in every opset. Elsewhere:

- ``auto_pad=SAME_*`` of a ConvTranspose should give ``small·stride`` elements by the operator's text. ONNX Runtime
  gives ``min(small·stride, full + output_padding)``, the reference evaluator always ``small·stride``, and shape
  inference adds ``output_padding`` on top.
- ``output_shape`` without ``SAME_*``: ONNX Runtime crops the larger half before, the reference evaluator crops nothing.
- ``output_padding`` may be as large as the dilation by the operator's text; ONNX Runtime wants it below the stride.
- Convolutions with ``auto_pad=SAME_*`` and a dilation are refused by ONNX Runtime only.

Source: onnx/defs/nn/defs.cc, onnx/reference/ops/op_conv_transpose.py (onnx 1.23.2),
onnxruntime/core/providers/cpu/nn/conv_transpose_attributes.h (1.31.1).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar, TypeAlias

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout, canonical
from .arguments import Pairs, integer, one_of, per_axis
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec, argument
from .windows import Taps, Window, crop, pad, pad_same

Ints: TypeAlias = tuple[int, ...]
"""An attribute of type INTS: always a list, never one integer for all axes."""

_LISTS = {
    "strides": (Reason.STRIDE, 1),
    "dilations": (Reason.DILATION, 1),
    "kernel_shape_": (Reason.KERNEL, 1),
    "pads": (Reason.PADDING, 0),
    "output_padding": (Reason.OUTPUT_PADDING, 0),
    "output_shape_": (Reason.OUTPUT_SHAPE, 1),
}
"""INTS attribute -> the reason of an error in it, and its least entry"""


class _Node(Spec):
    """What both operators share."""

    dialect = "onnx"
    functional = True

    X: Source | str | None
    W: Source | str | None
    B: Source | str | None
    auto_pad: str
    dilations: Ints | None
    group: int
    kernel_shape_: Ints | None
    pads: Ints | None
    strides: Ints | None

    def check(self) -> None:
        words = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", "")
        one_of(self.auto_pad, words, "auto_pad", Reason.PADDING)
        integer(self.group, "group", Reason.GROUPS, least=1)
        for name, (reason, least) in _LISTS.items():
            value = getattr(self, name, None)
            if value is not None and (not isinstance(value, tuple) or not value):
                rule = "must be a list with one integer per spatial axis"
                if name == "pads":
                    rule = "must be a list: every axis's begin, then every axis's end"
                raise UnstrideError(reason, rule, argument=argument(name), value=value)
            if value is not None:
                per_axis(value, len(value), argument(name), reason, least=least)
        if self.pads is not None and self.auto_pad not in self._explicit:
            rule = "cannot be used together with auto_pad"
            hint = "leave one of the two out"
            raise UnstrideError(Reason.PADDING, rule, argument="pads", value=self.pads, hint=hint)

    _explicit: ClassVar[tuple[str, ...]] = ("NOTSET",)
    """the values of auto_pad with which pads may be given"""

    @property
    def bias_present(self) -> bool:
        # a node written without its inputs leaves open whether it has the optional third one
        return self.X is None or self.B not in (None, "")

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.first_layout(dimensions)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        found = self.array_filters(rank, channels, kernel_shape, self.group)
        if self.kernel_shape_ is not None and self.kernel_shape_ != found.kernel:
            rule = f"must be the spatial shape of the weights, {list(found.kernel)}"
            raise UnstrideError(Reason.KERNEL, rule, argument="kernel_shape", value=self.kernel_shape_)
        return found

    def _ints(self, name: str, rank: int, default: int) -> Ints:
        """The list attribute with one entry per axis; all ``default`` where it is left out."""
        value = getattr(self, name)
        return (default,) * rank if value is None else self._sized(name, value, rank)

    def _sized(self, name: str, value: Ints, entries: int) -> Ints:
        if len(value) != entries:
            rule = f"must have {entries} entries for this input"
            raise UnstrideError(_LISTS[name][0], rule, argument=argument(name), value=value)
        return value

    def _taps(self, kernel: tuple[int, ...]) -> tuple[Taps, ...]:
        rank = len(kernel)
        return tuple(map(Taps, kernel, self._ints("strides", rank, 1), self._ints("dilations", rank, 1)))

    def _pairs(self, rank: int) -> Pairs:
        """(begin, end) of every axis: ``pads`` lists all begins, then all ends."""
        pads = (0,) * (2 * rank) if self.pads is None else self._sized("pads", self.pads, 2 * rank)
        return tuple(zip(pads[:rank], pads[rank:], strict=True))

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        if 0 in shape[2:]:
            rule = f"every spatial axis of the output must have at least one element; the input is {input_shape}"
            raise UnstrideError(Reason.SIZE, rule, argument="output_shape", value=shape)

    def code(self) -> str:
        inputs = [repr(each) for each in (self.X, self.W, self.B) if each is not None]
        words = [
            f"{argument(field.name)}={_listed(getattr(self, field.name))}"
            for field in fields(self)
            if field.kw_only and getattr(self, field.name) != field.default
        ]
        return f"{self.call}({', '.join(inputs + words)})"


def _listed(value: object) -> str:
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


@dataclass(frozen=True)
class Conv(_Node):
    """The operator ``Conv``."""

    call = "Conv"
    transposed = False
    _explicit = ("NOTSET", "")

    X: Source | str | None = None
    W: Source | str | None = None
    B: Source | str | None = None
    _: KW_ONLY
    auto_pad: str = "NOTSET"
    dilations: Ints | None = None
    group: int = 1
    kernel_shape_: Ints | None = None
    pads: Ints | None = None
    strides: Ints | None = None

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, pairs = self._taps(kernel), self._pairs(len(size))
        if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            return tuple(self._same(each, large) for each, large in zip(taps, size, strict=True))
        return tuple(
            pad(each, large, begin, end).because(f"pads: {begin} before, {end} after")
            for each, large, (begin, end) in zip(taps, size, pairs, strict=True)
        )

    def _same(self, taps: Taps, large: int) -> Window:
        if taps.dilation > 1:
            rule = f"auto_pad={self.auto_pad} does not support dilations in ONNX Runtime"
            hint = "give the same padding as numbers in pads"
            raise UnstrideError(Reason.DILATION, rule, argument="dilations", value=self.dilations, hint=hint)
        lower = self.auto_pad == "SAME_LOWER"
        side = "before" if lower else "after"
        shown = f"auto_pad={self.auto_pad}: one output per stride, an odd element of padding {side}"
        window = pad_same(taps, large, extra_before=lower)
        spare = large - window.axis.full
        if spare < 3:
            return window.because(shown)
        # ONNX Runtime halves the negative total as it halves a positive one, and so skips elements in front
        skipped = (spare - (2 if lower else 1)) // 2
        step = f"{spare} elements stay unread, {skipped} of them in front: before = −{skipped}"
        axis = replace(window.axis, before=-skipped)
        return replace(window, axis=axis, steps=(*window.steps[:-2], step)).because(shown)


@dataclass(frozen=True)
class ConvTranspose(_Node):
    """The operator ``ConvTranspose``."""

    call = "ConvTranspose"
    transposed = True

    X: Source | str | None = None
    W: Source | str | None = None
    B: Source | str | None = None
    _: KW_ONLY
    auto_pad: str = "NOTSET"
    dilations: Ints | None = None
    group: int = 1
    kernel_shape_: Ints | None = None
    output_padding: Ints | None = None
    output_shape_: Ints | None = None
    pads: Ints | None = None
    strides: Ints | None = None

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        taps, rank = self._taps(kernel), len(size)
        pairs, extras = self._pairs(rank), self._ints("output_padding", rank, 0)
        for each, small, extra in zip(taps, size, extras, strict=True):
            self._check_extra(each, small, extra)
        if self.output_shape_ is not None:
            wanted = self._sized("output_shape_", self.output_shape_, rank)
            return tuple(map(self._sized_window, taps, size, extras, wanted))
        if self.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            return tuple(map(self._same, taps, size, extras))
        return tuple(map(self._explicit_window, taps, size, extras, pairs))

    def _check_extra(self, taps: Taps, small: int, extra: int) -> None:
        """ONNX Runtime computes the small size back from the large one, with division that rounds towards zero."""
        limit = taps.stride if small else 1
        if extra >= limit:
            raise UnstrideError(
                Reason.OUTPUT_PADDING,
                f"must be smaller than the stride, here below {limit}: a larger one belongs to another input size",
                argument="output_padding",
                value=self.output_padding,
                hint="use a smaller one, or pad the input by one element",
            )

    def _explicit_window(self, taps: Taps, small: int, extra: int, pair: tuple[int, int]) -> Window:
        begin, end = pair
        return crop(taps, small, begin, end, extra).because(
            f"pads crops {begin} before and {end} after; output_padding={extra} gives {extra} back at the end: "
            f"before = {begin}, after = {end} − {extra} = {end - extra}"
        )

    def _same(self, taps: Taps, small: int, extra: int) -> Window:
        total = max(taps.full(small) + extra - small * taps.stride, 0)
        shown = f"total crop = max(full + output_padding − small·stride, 0) = {total}"
        return self._halved(taps, small, extra, total).because(shown)

    def _sized_window(self, taps: Taps, small: int, extra: int, large: int) -> Window:
        full = taps.full(small)
        if small < 1:
            rule = "an input with output_shape must have at least one element on every spatial axis"
            raise UnstrideError(Reason.SIZE, rule, argument="input_shape", value=small)
        if large >= full + taps.stride:
            rule = (
                f"input size {small} with kernel {taps.kernel}, stride {taps.stride} and dilation {taps.dilation} "
                f"can have at most {full + taps.stride - 1} output elements"
            )
            hint = "choose a smaller output_shape, or a larger stride"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_shape", value=self.output_shape_, hint=hint)
        total = max(full + extra - large, 0)
        shown = f"output_shape={large}: pads is ignored, total crop = max(full + output_padding − large, 0) = {total}"
        # output_padding does not lengthen an output whose size is given: it only takes part in the total
        return self._halved(taps, small, large + total - full, total).because(shown)

    def _halved(self, taps: Taps, small: int, extra: int, total: int) -> Window:
        """``total`` cropped from both sides, the larger half before unless SAME_UPPER; ``extra`` given back behind."""
        upper = self.auto_pad == "SAME_UPPER"
        before = total // 2 if upper else total - total // 2
        halved = "⌊total / 2⌋" if upper else "⌈total / 2⌉"
        shown = f"auto_pad={self.auto_pad!r}: before = {halved} = {before}, after = {total - before} − {extra}"
        return crop(taps, small, before, total - before, extra).because(shown)


FORMS: tuple[type[Spec], ...] = (Conv, ConvTranspose)


def as_python(text: str) -> str:
    """``make_node("ConvTranspose", inputs, outputs, ...)`` as a call of the operator; other source unchanged.

    >>> as_python('helper.make_node("Conv", ["x", "w"], ["y"], name="c1", strides=[2])')
    "Conv('x', 'w', strides=[2])"
    """
    if "make_node" not in text:
        return text
    try:
        return ast.unparse(_NodeCalls().visit(ast.parse(text)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


class _NodeCalls(ast.NodeTransformer):
    """Every ``make_node`` of a known operator becomes a call of that operator."""

    _positional = ("op_type", "inputs", "outputs", "name", "doc_string", "domain", "overload")

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func).rpartition(".")[2]
        bound: dict[str | None, ast.expr] = dict(zip(self._positional, node.args, strict=False))
        bound |= {keyword.arg: keyword.value for keyword in node.keywords}
        operator, inputs = bound.get("op_type"), bound.get("inputs")
        known = isinstance(operator, ast.Constant) and operator.value in {form.call for form in FORMS}
        if name != "make_node" or not known or not isinstance(inputs, ast.List | ast.Tuple):
            return self.generic_visit(node)
        attributes = [keyword for keyword in node.keywords if keyword.arg not in self._positional]
        called = ast.Name(str(operator.value)) if isinstance(operator, ast.Constant) else node.func
        return ast.copy_location(ast.Call(called, inputs.elts, attributes), node)


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """Numbers first: they mean the same in every runtime, SAME_* and output_shape do not."""
    del batch
    axes = layer.axes
    lists = {"strides": layer.stride, "dilations": layer.dilation}
    shared: dict[str, Any] = {name: values for name, values in lists.items() if set(values) != {1}}
    shared["group"] = layer.groups
    bias = Source("B") if layer.bias else None
    form: type[Conv | ConvTranspose] = ConvTranspose if layer.transposed else Conv
    node: Callable[..., Spec] = partial(form, Source("X"), Source("W"), bias, **shared)
    pads = [axis.before for axis in axes] + [max(axis.after, 0) for axis in axes]
    extras = [max(-axis.after, 0) for axis in axes]
    if not layer.transposed:
        yield partial(node, pads=pads) if any(pads) else node
        yield from (partial(node, auto_pad=word) for word in ("SAME_UPPER", "SAME_LOWER", "VALID"))
        return
    explicit: dict[str, Any] = {"pads": pads} if any(pads) else {}
    yield partial(node, **explicit, output_padding=extras) if any(extras) else partial(node, **explicit)
    words = ("SAME_UPPER", "SAME_LOWER")
    yield from (partial(node, auto_pad=word) for word in words)
    large = list(layer.output_size)
    yield partial(node, output_shape=large)
    yield from (partial(node, output_shape=large, auto_pad=word) for word in words)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer as an ONNX node, or why not and what equals it."""
    return settle(layer, "onnx", propose, batch)
