"""A line's arguments as the page's controls hold them, for the dialects whose words the page itself speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..dialects.spec import Spec
from ..dialects.windows import Window
from ..geometry import Layer

Settings = list[dict[str, Any]]
"""for each axis ``padding`` (a word, a number or a pair), ``extra`` (output padding) and ``size`` (output size);
of a convolution the zeros before and after"""


def settings_of(spec: Spec, layer: Layer) -> Settings | None:
    """The arguments of each axis; None where the page has no controls for the line.

    >>> from unstride import parse
    >>> spec = parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=2, padding=1)")
    >>> settings_of(spec, spec.read((1, 1, 4)))
    [{'padding': 1, 'extra': 0, 'size': None}]
    """
    if not layer.transposed:
        return [_padding(window) for window in spec.windows(layer.input_size, layer.kernel)]
    read = _READERS.get(spec.call.rpartition(".")[0] if spec.dialect != "onnx" else spec.call)
    return read(spec, layer.rank) if read is not None else None


def _padding(window: Window) -> dict[str, Any]:
    """A convolution's padding as numbers, which of its sizes says: the least one leaves nothing unread."""
    axis = window.axis
    return {"padding": [axis.before, axis.full - window.alternatives.start - axis.before], "extra": None, "size": None}


def _keras(spec: Any, rank: int) -> Settings | None:
    if not hasattr(spec, "use_bias"):
        return None
    return _zipped(rank, spec.pads, spec.output_padding, None)


def _torch(spec: Any, rank: int) -> Settings | None:
    size = getattr(spec, "output_size", None)
    return _zipped(rank, spec.padding, spec.output_padding, size[-rank:] if isinstance(size, tuple) else size)


def _tensorflow(spec: Any, rank: int) -> Settings | None:
    shape = spec.output_shape_
    spatial = shape[1:-1] if spec.channels_last else shape[2:]
    size = shape if len(shape) == rank else spatial
    padding = spec.padding if isinstance(spec.padding, str) else spec.margins(rank)
    return _zipped(rank, padding, None, size)


def _jax(spec: Any, rank: int) -> Settings | None:
    if getattr(spec, "use_consistent_padding", True) or spec.transpose_kernel:
        return None
    if isinstance(spec.padding, str) and spec.padding not in {"SAME", "VALID"}:
        return None
    return _zipped(rank, spec.padding, None, None)


def _onnx(spec: Any, rank: int) -> Settings | None:
    pads = spec.pads or (0,) * (2 * rank)
    word = spec.auto_pad in ("SAME_UPPER", "SAME_LOWER")
    if spec.output_shape_ is not None and spec.auto_pad not in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        return None
    pairs = tuple(zip(pads[:rank], pads[rank:], strict=True))
    return _zipped(rank, spec.auto_pad if word else pairs, spec.output_padding or 0, spec.output_shape_)


def _zipped(rank: int, padding: Any, extra: Any, size: Any) -> Settings:
    def entries(value: Any) -> tuple[Any, ...]:
        if isinstance(value, tuple):
            return value * rank if len(value) == 1 else value
        return (value,) * rank

    found = zip(entries(padding), entries(extra), entries(size), strict=True)
    return [{"padding": p, "extra": e, "size": s} for p, e, s in found]


_READERS: Mapping[str, Callable[[Any, int], Settings | None]] = {
    "keras.layers": _keras,
    "torch.nn": _torch,
    "tf.nn": _tensorflow,
    "jax.lax": _jax,
    "ConvTranspose": _onnx,
}
