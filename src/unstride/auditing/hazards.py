"""What is hazardous about one convolution, whatever network it stands in."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ..answers.coverage import is_even
from ..checkerboards.gain import measure_gain
from ..dialects.spec import Spec
from ..errors import UnstrideError
from ..geometry import Axis, Layer, canonical
from ..network import Convolution, Features, Pool
from .findings import Code, Finding, Level
from .known import disagreements

NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
"""the spatial axes of each rank, in words"""

SIGNIFICANT = 0.05
"""share of the energy that alternates from which weights count as uneven"""


def of_convolution(node: str, operation: Convolution, features: Features) -> Iterator[Finding]:
    """The hazards of a convolution on inputs of these features."""
    layer, spec = operation.layer(features), operation.spec
    yield from _same(node, operation, features)
    if (word := getattr(spec, "auto_pad", "NOTSET")) not in ("NOTSET", ""):
        says = f"auto_pad={word!r} leaves the margins to the runtime"
        fix = f"pads={_numbers(layer)} says the same for this size"
        source = "https://onnx.ai/onnx/operators/onnx__ConvTranspose.html"
        yield Finding(Code.AUTO_PAD, Level.HAZARD, node, says, (fix,), (source,))
    yield from _reach(node, layer)
    yield from _weights(node, operation, layer)
    for each in disagreements(spec, layer):
        yield Finding(Code.DISAGREEMENT, Level.HAZARD, node, each.says, (each.fix,), (each.source,))


def of_pool(node: str, pool: Pool, features: Features, dialect: str) -> Iterator[Finding]:
    """The hazards of a pooling on inputs of these features, in a model of that dialect."""
    axes = pool.axes(features.size)
    if dialect != "keras" or pool.reduce != "average" or pool.padding != "same_upper" or pool.counts_padding:
        return
    if any(axis.before != axis.after and axis.kernel > 2 for axis in axes):
        says = (
            "Keras 3.15.1 on its torch backend repeats the border where 'same' pads unevenly, and averages it in; on "
            "TensorFlow and JAX the margin does not count: other values at the end of each axis"
        )
        fix = "pool with padding='valid' behind an explicit padding layer"
        source = "https://github.com/keras-team/keras/blob/v3.15.1/keras/src/backend/torch/nn.py"
        yield Finding(Code.DISAGREEMENT, Level.HAZARD, node, says, (fix,), (source,))


def says_same(spec: Spec) -> bool:
    """Whether the layer leaves its margins to the word SAME."""
    words = (getattr(spec, name, None) for name in ("padding", "auto_pad"))
    return any(isinstance(word, str) and word.lower().startswith("same") for word in words)


def _same(node: str, operation: Convolution, features: Features) -> Iterator[Finding]:
    layer = operation.layer(features)
    uneven = [axis for axis in layer.axes if axis.before != axis.after and max(axis.before, axis.after) > 0]
    if not says_same(operation.spec) or not uneven:
        return
    axis = uneven[0]
    verb = "crops" if layer.transposed else "pads"
    says = f"SAME {verb} {axis.before} before and {axis.after} after ({_axes(layer, uneven)}): an odd overlap"
    says += " is cut behind here, before in PyTorch's usual line" if layer.transposed else " is split unevenly"
    even = axis.kernel + (axis.kernel - axis.stride) % 2
    fixes = ["port it with unstride port, which keeps the values (a crop or an explicit pad)"]
    if layer.transposed and even != axis.kernel:
        fixes.append(f"a kernel of {even} instead of {axis.kernel} crops both sides alike")
    yield Finding(Code.SAME_ASYMMETRIC, Level.HAZARD, node, says, tuple(fixes))


def _axes(layer: Layer, axes: list[Axis]) -> str:
    names = NAMES.get(layer.rank, tuple(f"axis {number}" for number in range(layer.rank)))
    return " and ".join(name for name, axis in zip(names, layer.axes, strict=True) if axis in axes)


def _numbers(layer: Layer) -> list[int]:
    return [axis.before for axis in layer.axes] + [max(axis.after, 0) for axis in layer.axes]


def _reach(node: str, layer: Layer) -> Iterator[Finding]:
    """Outputs that no tap reaches, inputs that none reads, and outputs on which more taps meet than on others."""
    bare = [axis for axis in layer.axes if sum(1 for _ in axis.tapped_phases()) < axis.stride]
    if bare and not layer.transposed:
        says = f"stride {bare[0].stride} passes over inputs: kernel {bare[0].kernel} reads {_share(bare[0])} of them"
        yield Finding(Code.UNREAD, Level.NOTE, node, says)
    elif bare:
        axis = bare[0]
        says = (
            f"kernel {axis.kernel} with stride {axis.stride} and dilation {axis.dilation} reaches {_share(axis)} "
            f"of the outputs ({_axes(layer, bare)}): the others hold the bias alone"
        )
        fix = f"a kernel of at least {axis.stride} without dilation, best a multiple of it"
        yield Finding(Code.HOLES, Level.HAZARD, node, says, (fix,))
    elif layer.transposed and (uneven := [axis for axis in layer.axes if not is_even(axis)]):
        axis = uneven[0]
        counts = sorted(len(phase.taps) for phase in axis.tapped_phases())
        says = (
            f"kernel {axis.kernel} is no multiple of stride {axis.stride} ({_axes(layer, uneven)}): "
            f"{counts[0]} to {counts[-1]} taps meet on an output, a checkerboard"
        )
        whole = -(-axis.kernel // axis.stride) * axis.stride
        yield Finding(Code.UNEVEN_COVERAGE, Level.HAZARD, node, says, (f"a kernel of {whole}",), (_ODENA,))


_ODENA = "https://distill.pub/2016/deconv-checkerboard/"


def _share(axis: Axis) -> str:
    return f"{sum(1 for _ in axis.tapped_phases())} of every {axis.stride}"


def _weights(node: str, operation: Convolution, layer: Layer) -> Iterator[Finding]:
    """Weights whose phases differ in strength by more than chance would have it, where coverage is even."""
    if not (layer.transposed and operation.kernel.known and max(layer.stride) > 1 and all(map(is_even, layer.axes))):
        return
    moved = operation.spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(operation.kernel.array)
    try:
        gain = measure_gain(layer, moved)
    except UnstrideError as error:
        yield Finding(Code.UNEVEN_GAIN, Level.HAZARD, node, f"its weights cannot be measured: {error.rule}")
        return
    # the energy of each phase is a sum of so many squares; chance alone spreads it by about 2 / their number
    squares = max(1, operation.kernel.count // prod(layer.stride))
    spread = _spread(gain.energy.astype(float).sum(0).ravel().tolist())
    if spread > SIGNIFICANT + 10 * 2 / squares:
        shares = gain.energy.astype(float).sum(0)
        says = (
            f"weights make phases unequally strong: the energy of the strongest is "
            f"{float(shares.max()) / max(float(shares.min()), 1e-300):.3g} times that of the weakest"
        )
        yield Finding(
            Code.UNEVEN_GAIN, Level.HAZARD, node, says, ("begin from unstride.icnr(…) and train on",), (_ODENA,)
        )


def _spread(energies: list[float]) -> float:
    """Variance of the phases' energies over the square of their mean."""
    mean = sum(energies) / len(energies)
    return sum((each - mean) ** 2 for each in energies) / len(energies) / mean**2 if mean else 0.0
