"""The same words in other frameworks: one layer's kernel, stride, padding and output_padding, said to each of them.

No rule of any framework stands here. A table says how each spells the words; its own dialect then reads the line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from ..dialects.arguments import compact
from ..dialects.code import parse
from ..dialects.spec import Spec
from ..errors import UnstrideError
from ..geometry import Layer

PaddingWord: TypeAlias = str | tuple[int, ...]
"""``same``, ``valid``, or one number per axis"""

_PADDING_ARGUMENTS = ("padding", "auto_pad", "pad_type", "border_mode", "pad", "pads", "pads_begin", "padding_l")
_EXTRA_ARGUMENTS = ("output_padding", "adj")
_SAME = ("same", "same_upper", "same_lower", "half")


@dataclass(frozen=True, slots=True)
class Words:
    """What a person says about a layer, whatever the framework."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: PaddingWord
    output_padding: tuple[int, ...] | None
    """None where it is not said"""
    size: tuple[int, ...]
    """the spatial output size, for frameworks that want to be told"""
    input_channels: int
    output_channels: int
    groups: int

    @property
    def margins(self) -> tuple[int, ...]:
        """The padding as numbers: ``same`` as half the kernel, ``valid`` as none, as people translate them."""
        if self.padding == "same":
            return tuple(d * (k - 1) // 2 for k, d in zip(self.kernel, self.dilation, strict=True))
        return (0,) * len(self.kernel) if isinstance(self.padding, str) else self.padding

    @property
    def padding_word(self) -> str | None:
        """The padding as a word, as people translate numbers: half the kernel is ``same``, none is ``valid``."""
        if isinstance(self.padding, str):
            return self.padding
        if not any(self.padding):
            return "valid"
        halves = tuple(d * (k - 1) // 2 for k, d in zip(self.kernel, self.dilation, strict=True))
        return "same" if self.padding == halves else None

    def text(self) -> str:
        """The words in one line."""
        padding = repr(self.padding) if isinstance(self.padding, str) else _short(self.padding)
        parts = [f"kernel {_short(self.kernel)}", f"stride {_short(self.stride)}", f"padding {padding}"]
        if self.output_padding is not None:
            parts.append(f"output_padding {_short(self.output_padding)}")
        if max(self.dilation) > 1:
            parts.append(f"dilation {_short(self.dilation)}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Saying:
    """The words as one framework hears them."""

    dialect: str
    code: str
    layer: Layer | None
    """what the line means there; None where the framework rejects it"""
    flipped: bool = False
    """whether its kernel array stores the taps reversed"""
    complaint: str | None = None
    """the framework's rule, where it rejects the line"""


@dataclass(frozen=True, slots=True)
class _Spelling:
    """How one framework spells the words; a word it lacks has an empty pattern."""

    dialect: str
    call: str
    """the call with its first arguments; ``{arguments}`` takes the rest"""
    stride: str = ""
    same: str = ""
    valid: str = ""
    number: str = ""
    extra: str = ""
    dilation: str = ""
    groups: str = ""

    def line(self, words: Words) -> str | None:
        """The framework's line, or None where it has no such words."""
        arguments = [self.stride if max(words.stride) > 1 else None, self._padding(words)]
        optional = ((words.output_padding is not None, self.extra), (max(words.dilation) > 1, self.dilation))
        for said, pattern in (*optional, (words.groups > 1, self.groups)):
            if said and not pattern:
                return None
            arguments.append(pattern if said else None)
        if arguments[1] is None:
            return None
        values = _values(words)
        listed = "".join(f", {argument.format(**values)}" for argument in arguments if argument)
        return self.call.format(arguments=listed, **values)

    def _padding(self, words: Words) -> str | None:
        """A word as a word and a number as a number where the framework has them, else translated as people do."""
        word = {"same": self.same, "valid": self.valid}.get(words.padding_word or "", "")
        wanted = (word, self.number) if isinstance(words.padding, str) else (self.number, word)
        return next(filter(None, wanted), None)


def _values(words: Words) -> dict[str, Any]:
    rank, margins = len(words.kernel), words.margins
    pairs = tuple((margin, margin) for margin in margins)
    extras = words.output_padding or (0,) * rank
    return {
        "rank": rank,
        "inputs": words.input_channels,
        "outputs": words.output_channels,
        "groups": words.groups,
        "kernel": compact(words.kernel),
        "kernels": words.kernel,
        "stride": compact(words.stride),
        "strides": words.stride,
        "dilation": compact(words.dilation),
        "dilations": words.dilation,
        "pad": compact(margins),
        "pads": margins,
        "pairs": pairs,
        "ends": margins + margins,
        "framed": ((0, 0), *pairs, (0, 0)),
        "extra": compact(extras),
        "extras": extras,
        "shape": (1, *words.size, words.output_channels),
    }


_KERAS = {
    "stride": "strides={stride}",
    "same": "padding='same'",
    "valid": "padding='valid'",
    "dilation": "dilation_rate={dilation}",
}
_TORCH = {"stride": "stride={stride}", "dilation": "dilation={dilation}", "groups": "groups={groups}"}
_UPPER = {"same": "padding='SAME'", "valid": "padding='VALID'"}
_NUMBER = {"number": "padding={pad}"}
_EXTRA = {"extra": "output_padding={extra}"}
_ONNX = {
    "stride": "strides={strides}",
    "same": "auto_pad='SAME_UPPER'",
    "valid": "auto_pad='VALID'",
    "number": "pads={ends}",
    "dilation": "dilations={dilations}",
    "groups": "group={groups}",
}
_FLAX = {"stride": "strides={strides}", **_UPPER, **_NUMBER, "dilation": "kernel_dilation={dilations}"}

_TRANSPOSED = (
    _Spelling("keras", "keras.layers.Conv{rank}DTranspose({outputs}, {kernel}{arguments})", **_KERAS, **_EXTRA),
    _Spelling(
        "torch",
        "torch.nn.ConvTranspose{rank}d({inputs}, {outputs}, {kernel}{arguments})",
        **_TORCH,
        **_NUMBER,
        **_EXTRA,
    ),
    _Spelling(
        "tensorflow",
        "tf.nn.conv_transpose(x, w, output_shape={shape}, strides={stride}{arguments})",
        **_UPPER,
        number="padding={framed}",
        dilation="dilations={dilation}",
    ),
    _Spelling(
        "jax",
        "jax.lax.conv_transpose(x, w, {strides}{arguments})",
        **_UPPER,
        number="padding={pairs}",
        dilation="rhs_dilation={dilations}",
    ),
    _Spelling("flax", "flax.nnx.ConvTranspose({inputs}, {outputs}, {kernels}{arguments}, rngs=rngs)", **_FLAX),
    _Spelling("onnx", "ConvTranspose(x, w{arguments})", **_ONNX, extra="output_padding={extras}"),
    _Spelling("keras2", "tf_keras.layers.Conv{rank}DTranspose({outputs}, {kernel}{arguments})", **_KERAS, **_EXTRA),
    _Spelling(
        "haiku",
        "haiku.Conv{rank}DTranspose({outputs}, {kernel}{arguments})",
        stride="stride={stride}",
        **_UPPER,
        number="padding={pairs}",
    ),
    _Spelling(
        "equinox",
        "equinox.nn.ConvTranspose{rank}d({inputs}, {outputs}, {kernel}{arguments}, key=key)",
        **_TORCH,
        **_UPPER,
        **_NUMBER,
        **_EXTRA,
    ),
    _Spelling(
        "paddle",
        "paddle.nn.Conv{rank}DTranspose({inputs}, {outputs}, {kernel}{arguments})",
        **_TORCH,
        **_UPPER,
        **_NUMBER,
        **_EXTRA,
    ),
    _Spelling(
        "mlx",
        "mlx.nn.ConvTranspose{rank}d({inputs}, {outputs}, {kernel}{arguments})",
        stride=_TORCH["stride"],
        **_NUMBER,
        dilation=_TORCH["dilation"],
        **_EXTRA,
    ),
    _Spelling(
        "mxnet",
        "mx.sym.Deconvolution(kernel={kernels}, num_filter={outputs}{arguments})",
        stride="stride={strides}",
        number="pad={pads}",
        extra="adj={extras}",
        dilation="dilate={dilations}",
        groups="num_group={groups}",
    ),
)

_FORWARD = (
    _Spelling("keras", "keras.layers.Conv{rank}D({outputs}, {kernel}{arguments})", **_KERAS, groups="groups={groups}"),
    _Spelling(
        "torch",
        "torch.nn.Conv{rank}d({inputs}, {outputs}, {kernel}{arguments})",
        **_TORCH,
        same="padding='same'",
        valid="padding='valid'",
        **_NUMBER,
    ),
    _Spelling(
        "tensorflow",
        "tf.nn.convolution(x, w{arguments})",
        stride="strides={stride}",
        **_UPPER,
        dilation="dilations={dilation}",
    ),
    _Spelling(
        "flax",
        "flax.nnx.Conv({inputs}, {outputs}, {kernels}{arguments}, rngs=rngs)",
        **_FLAX,
        groups="feature_group_count={groups}",
    ),
    _Spelling("onnx", "Conv(x, w{arguments})", **_ONNX),
    _Spelling(
        "haiku",
        "haiku.Conv{rank}D({outputs}, {kernel}{arguments})",
        stride="stride={stride}",
        **_UPPER,
        number="padding={pairs}",
        dilation="rate={dilation}",
        groups="feature_group_count={groups}",
    ),
    _Spelling(
        "equinox",
        "equinox.nn.Conv{rank}d({inputs}, {outputs}, {kernel}{arguments}, key=key)",
        **_TORCH,
        **_UPPER,
        **_NUMBER,
    ),
    _Spelling(
        "paddle",
        "paddle.nn.Conv{rank}D({inputs}, {outputs}, {kernel}{arguments})",
        **_TORCH,
        **_UPPER,
        **_NUMBER,
    ),
    _Spelling(
        "mlx",
        "mlx.nn.Conv{rank}d({inputs}, {outputs}, {kernel}{arguments})",
        **_TORCH,
        **_NUMBER,
    ),
)


def words_of(spec: Spec, layer: Layer) -> Words | None:
    """The words that ``spec`` says; None where its padding is no word and no number per axis."""
    padding = _padding(spec, layer)
    if padding is None:
        return None
    return Words(
        kernel=layer.kernel,
        stride=layer.stride,
        dilation=layer.dilation,
        padding=padding,
        output_padding=_extra(spec, layer.rank) if layer.transposed else None,
        size=layer.output_size,
        input_channels=layer.in_channels,
        output_channels=layer.out_channels,
        groups=layer.groups,
    )


def say_everywhere(words: Words, layer: Layer) -> tuple[Saying, ...]:
    """The words in every framework that has them, read for ``layer``'s input by that framework's own dialect."""
    return tuple(_sayings(words, layer))


def _sayings(words: Words, layer: Layer) -> Iterator[Saying]:
    for spelling in _TRANSPOSED if layer.transposed else _FORWARD:
        line = spelling.line(words)
        if line is None:
            continue
        try:
            spec = parse(line, spelling.dialect)
            read = spec.read(spec.input_shape(layer), spec.kernel_shape(layer))
        except UnstrideError as error:
            said = f"{error.argument}: {error.rule}" if error.argument else error.rule
            yield Saying(spelling.dialect, line, None, complaint=said)
        else:
            yield Saying(spelling.dialect, line, read, spec.weight_layout(layer.rank).flipped)


def _padding(spec: Spec, layer: Layer) -> PaddingWord | None:
    for name in _PADDING_ARGUMENTS:
        value = getattr(spec, name, None)
        if isinstance(value, str) and value.lower() in _SAME:
            return "same"
        if isinstance(value, str) and value.lower() == "valid":
            return "valid"
        if value is not None and not isinstance(value, str):
            return _margins(value, layer.rank)
    befores = layer.before
    return befores if befores == layer.after else None


def _margins(value: object, rank: int) -> tuple[int, ...] | None:
    """One number per axis from any form that means the same before and after."""
    if type(value) is int:
        return (value,) * rank
    if not isinstance(value, tuple):
        return None
    if all(type(entry) is int for entry in value):
        if len(value) == 2 * rank and value[:rank] == value[rank:]:
            return value[:rank]
        return value if len(value) == rank else None
    if len(value) == rank + 2:  # TensorFlow also pads batch and channels
        value = value[2:] if value[1] == value[0] else value[1:-1]
    if len(value) == rank and all(isinstance(p, tuple) and len(p) == 2 and p[0] == p[1] for p in value):
        return tuple(pair[0] for pair in value)
    return None


def _extra(spec: Spec, rank: int) -> tuple[int, ...] | None:
    """The output padding, where the line gives one."""
    for field in fields(spec):
        value = getattr(spec, field.name)
        if field.name in _EXTRA_ARGUMENTS and value is not None and value != field.default:
            return (value,) * rank if type(value) is int else tuple(value)
    return None


def _short(numbers: tuple[int, ...]) -> str:
    return str(compact(numbers))
