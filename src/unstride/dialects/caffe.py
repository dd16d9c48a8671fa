"""Caffe: the layers ``Convolution`` and ``Deconvolution``, as NetSpec calls or as prototxt.

``L.Deconvolution(bottom, convolution_param=dict(num_output=3, kernel_size=4, stride=2, pad=1))`` and
``layer { type: "Deconvolution" convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 } }`` are the same;
`as_python` rewrites both to a call with the parameters as keywords.

Data is channels first with a batch axis, any number of spatial axes; weights are ``(small, large / group, *taps)`` for
both layers. ``pad`` is the same on both sides, and the only thing that crops a deconvolution. A convolution's size is
an integer division in C, which rounds towards zero: where the kernel is larger than the padded input by less than a
stride, there is one output.

Source: src/caffe/layers/base_conv_layer.cpp, conv_layer.cpp, deconv_layer.cpp, src/caffe/proto/caffe.proto and
python/caffe/net_spec.py (Caffe 1.0), read, not run.
"""

from __future__ import annotations

import ast
import re
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, fields
from functools import partial
from typing import Any

from ..errors import Reason, UnstrideError
from ..geometry import DataLayout, Layer, WeightLayout, canonical
from .arguments import Sizes, check_divides, compact, integer, per_axis
from .prototxt import Message, Value, read_message
from .refusal import Refusal, settle
from .spec import Filters, Source, Spec
from .windows import Taps, Window, crop, pad_truncated

_OUTSIDE = ("bottom", "name", "param", "ntop", "in_place")
"""the arguments of a NetSpec call that are not part of convolution_param"""

_RULES = {"kernel_size": (Reason.KERNEL, 1), "stride": (Reason.STRIDE, 1), "pad": (Reason.PADDING, 0)}
"""parameter -> the reason of an error in it, and its least value"""


@dataclass(frozen=True)
class _Convolution(Spec):
    """The fields of ``convolution_param``, which both layers share, and what stands beside it."""

    dialect = "caffe"

    bottom: Source | str
    _: KW_ONLY
    num_output: int
    bias_term: bool = True
    pad: Sizes | None = None
    kernel_size: Sizes | None = None
    group: int = 1
    stride: Sizes | None = None
    weight_filler: Source | None = None
    bias_filler: Source | None = None
    pad_h: int | None = None
    pad_w: int | None = None
    kernel_h: int | None = None
    kernel_w: int | None = None
    stride_h: int | None = None
    stride_w: int | None = None
    engine: Source | int | str | None = None
    axis: int = 1
    force_nd_im2col: bool = False
    dilation: Sizes | None = None
    name: Source | str | None = None
    param: Source | None = None
    ntop: int = 1
    in_place: bool = False

    def check(self) -> None:
        integer(self.num_output, "num_output", Reason.CHANNELS, least=1)
        integer(self.group, "group", Reason.GROUPS, least=1)
        check_divides(self.group, self.num_output, "num_output", "group")
        if self.axis != 1:
            rule = "only the second axis can hold the channels here"
            hint = "reshape the input to (N, C, ...), then leave axis out"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="axis", value=self.axis, hint=hint)
        for name, (reason, least) in _RULES.items():
            sides = self._sides(name)
            if sides != (None, None) and getattr(self, name) is not None:
                letter = name.partition("_")[0]
                rule = f"either {name} or {letter}_h and {letter}_w can be given, not both"
                raise UnstrideError(reason, rule, argument=name, value=getattr(self, name))
            for value in sides:
                if value is not None:
                    integer(value, name, reason, least=least)

    def _sides(self, name: str) -> tuple[int | None, int | None]:
        """The values of the ``_h`` and ``_w`` spellings of a parameter."""
        letter = name.partition("_")[0]
        return getattr(self, f"{letter}_h"), getattr(self, f"{letter}_w")

    def _per_axis(self, name: str, rank: int, default: int | None) -> tuple[int, ...]:
        reason, least = _RULES.get(name, (Reason.DILATION, 1))
        sides = self._sides(name) if name in _RULES else (None, None)
        if sides == (None, None):
            value = default if getattr(self, name) is None else getattr(self, name)
            return per_axis(value, rank, name, reason, least=least, broadcast_single=True)
        letter = name.partition("_")[0]
        if rank != 2:
            rule = f"{letter}_h and {letter}_w are for two spatial axes only, this input has {rank}"
            raise UnstrideError(reason, rule, argument=f"{letter}_h", value=sides[0], hint=f"use {name}")
        return per_axis(tuple(value or 0 for value in sides), 2, f"{letter}_h, {letter}_w", reason, least=least)

    @property
    def bias_present(self) -> bool:
        return bool(self.bias_term)

    def data_layout(self, dimensions: int) -> DataLayout:
        return self.first_layout(dimensions)

    def weight_layout(self, rank: int) -> WeightLayout:
        return canonical(rank)

    def read_filters(self, rank: int, channels: int, kernel_shape: tuple[int, ...] | None) -> Filters:
        del kernel_shape
        check_divides(self.group, channels, "the input's channels", "group")
        return self.layer_filters(self._per_axis("kernel_size", rank, None), channels, self.num_output, self.group)

    def windows(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Window, ...]:
        rank = len(size)
        taps = map(Taps, kernel, self._per_axis("stride", rank, 1), self._per_axis("dilation", rank, 1))
        return tuple(map(self._window, taps, size, self._per_axis("pad", rank, 0)))

    @abstractmethod
    def _window(self, taps: Taps, size: int, margin: int) -> Window:
        """The rule on one axis."""

    def check_output(self, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
        for name, sizes in (("input_shape", input_shape), ("output_shape", shape)):
            if 0 in sizes[1:]:
                rule = "Caffe's matrix products need at least one channel and one element on every spatial axis"
                raise UnstrideError(Reason.SIZE, rule, argument=name, value=sizes)

    def code(self) -> str:
        given = [field for field in fields(self)[1:] if getattr(self, field.name) != field.default]
        inside = [f"{f.name}={_written(getattr(self, f.name))}" for f in given if f.name not in _OUTSIDE]
        outside = [f"{f.name}={getattr(self, f.name)!r}" for f in given if f.name in _OUTSIDE]
        words = [repr(self.bottom), f"convolution_param=dict({', '.join(inside)})", *outside]
        return f"{self.call}({', '.join(words)})"


def _written(value: object) -> str:
    """A parameter as NetSpec takes it: repeated values only as a list."""
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


class Convolution(_Convolution):
    """``caffe.layers.Convolution``."""

    call = "caffe.layers.Convolution"
    transposed = False

    def _window(self, taps: Taps, size: int, margin: int) -> Window:
        return pad_truncated(taps, size, margin, margin).because(f"pad={margin} pads {margin} on both sides")


class Deconvolution(_Convolution):
    """``caffe.layers.Deconvolution``."""

    call = "caffe.layers.Deconvolution"
    transposed = True

    def _window(self, taps: Taps, size: int, margin: int) -> Window:
        return crop(taps, size, margin, margin).because(f"pad={margin} crops {margin} on both sides")


FORMS: tuple[type[Spec], ...] = (Convolution, Deconvolution)

_TYPES = "|".join(form.__name__ for form in FORMS)


def as_python(text: str) -> str:
    """A NetSpec call or a prototxt layer as one call with the parameters as keywords; other source unchanged.

    >>> as_python('layer { type: "Deconvolution" convolution_param { num_output: 3 kernel_size: 4 } }')
    "caffe.layers.Deconvolution('data', num_output=3, kernel_size=4)"
    >>> as_python("L.Deconvolution(bottom, convolution_param=dict(num_output=3, kernel_size=4))")
    'L.Deconvolution(bottom, num_output=3, kernel_size=4)'
    """
    if re.match(r"(\s|#.*\n)*[A-Za-z_]\w*\s*[:{]", text) and re.search(rf"\btype\s*:\s*['\"]({_TYPES})['\"]", text):
        return _from_prototxt(read_message(text))
    if "convolution_param" in text:
        try:
            return ast.unparse(_Parameters().visit(ast.parse(text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return text
    return text


class _Parameters(ast.NodeTransformer):
    """``convolution_param=dict(a=1)`` or ``convolution_param={'a': 1}`` becomes ``a=1``."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        keywords: list[ast.keyword] = []
        for keyword in node.keywords:
            keywords += _entries(keyword.value) or [keyword] if keyword.arg == "convolution_param" else [keyword]
        node.keywords = keywords
        return node


def _entries(node: ast.expr) -> list[ast.keyword]:
    """The entries of a dictionary, where it is written out."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return node.keywords
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return [ast.keyword(str(k.value), v) for k, v in pairs if isinstance(k, ast.Constant)]
    return []


def _from_prototxt(text: Message) -> str:
    layers = [value for value in text.values("layer") + text.values("layers") if isinstance(value, Message)] or [text]
    known = [layer for layer in layers if layer.values("type") and layer.values("type")[0] in _TYPES.split("|")]
    if len(known) != 1:
        rule = f"must hold one layer of type Convolution or Deconvolution, this text holds {len(known)}"
        raise UnstrideError(Reason.SYNTAX, rule, hint="paste the one layer")
    layer = known[0]
    parameters = Message()
    for part in layer.values("convolution_param"):
        parameters += part if isinstance(part, Message) else []
    words = [repr((layer.values("bottom") or ["data"])[0])]
    words += [f"{name}={_several(name, parameters)}" for name in dict.fromkeys(key for key, _ in parameters)]
    words += [f"name={name!r}" for name in layer.values("name")]
    return f"caffe.layers.{layer.values('type')[0]}({', '.join(words)})"


def _several(name: str, parameters: Message) -> str:
    """A parameter's value as Python; a list where it stands more than once."""
    values = parameters.values(name)
    if name == "engine":  # the one enum, whose members NetSpec takes from caffe.params
        return f"P.Convolution.{values[-1]}"
    return _expression(values[0]) if len(values) == 1 else f"[{', '.join(map(_expression, values))}]"


def _expression(value: Value) -> str:
    if isinstance(value, Message):
        return f"dict({', '.join(f'{name}={_expression(entry)}' for name, entry in value)})"
    return repr(value)


LIMIT = "pad is the same on both sides"


def propose(layer: Layer, batch: int = 1) -> Iterator[Callable[[], Spec]]:
    """The one padding that can give the window."""
    del batch
    words: dict[str, Any] = {"num_output": layer.out_channels, "kernel_size": compact(layer.kernel)}
    lists = {"stride": (1, layer.stride), "pad": (0, layer.before), "dilation": (1, layer.dilation)}
    words |= {name: compact(values) for name, (usual, values) in lists.items() if set(values) != {usual}}
    form: Callable[..., Spec] = Deconvolution if layer.transposed else Convolution
    yield partial(form, Source("bottom"), group=layer.groups, bias_term=layer.bias, **words)


def write(layer: Layer, batch: int = 1) -> Spec | Refusal:
    """The layer as a NetSpec call, or why not and what equals it."""
    return settle(layer, "caffe", propose, batch, limit=LIMIT)
