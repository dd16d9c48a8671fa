"""The words on a picture: numbers, sizes, crops, sums and the legend."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, product
from math import prod

from ..geometry import Layer
from .example import Example, Index, Term
from .numerals import exact
from .scene import Number, View

OUTCOME_LIMIT = 64
"""Most numbers of an output that are read out"""
TERMS_SHOWN = 9
"""Most products written out in a sum."""

SUBTITLES = {
    (View.SCATTER, True): "scatter: each input element stamps the kernel into the output",
    (View.SCATTER, False): "scatter: each input element adds its products to the outputs that read it",
    (View.GATHER, True): "gather: each output element collects the products that land on it",
    (View.GATHER, False): "gather: each output element reads one window of the input",
    (View.ZEROS, True): "the same as a convolution: zeros between the inputs, the kernel turned, stride 1",
    (View.ZEROS, False): "the convolution over its padded input",
    (View.MATRIX, True): "as a matrix: output = M · input, and its transpose",
    (View.MATRIX, False): "as a matrix: output = M · input, and its transpose",
    (View.COVERAGE, True): "coverage: how many stamps meet at each output element",
    (View.COVERAGE, False): "coverage: how many outputs read each input element",
    (View.GAIN, True): "gain: the two causes of a checkerboard, over one period of the stride",
    (
        View.GAIN,
        False,
    ): "gain: the two causes of a checkerboard in this layer's gradient, over one period of the stride",
    (View.COMPARE, True): "compare: what each layer makes of the same input",
    (View.COMPARE, False): "compare: what each layer makes of the same input",
}


def place(index: Index) -> str:
    """An index as it is written in brackets.

    >>> place((0, -1))
    '0,−1'
    """
    return ",".join(map(str, index)).replace("-", "−")


def size(sizes: Iterable[int]) -> str:
    """Sizes with signs between them.

    >>> size((5, 5))
    '5 × 5'
    """
    return " × ".join(map(str, sizes))


def axis_names(rank: int) -> tuple[str, ...]:
    """What the axes are called."""
    known = {1: ("elements",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}
    return known.get(rank, tuple(f"axis {axis}" for axis in range(rank)))


def progression(places: Iterable[int]) -> str:
    """Equally spaced places, first to last.

    >>> progression([2, 0, 4]), progression([-1, 0, 1]), progression([3])
    ('0, 2 … 4', '−1…1', '3')
    """
    ordered = sorted(set(places))
    ends = [str(at).replace("-", "−") for at in (ordered[0], ordered[-1])]
    if len(ordered) == 1:
        return ends[0]
    return "…".join(ends) if ordered[1] - ordered[0] == 1 else f"{ends[0]}, {ordered[1]} … {ends[1]}"


def where(name: str, places: Iterable[int]) -> str:
    """Places on an axis: ``rows 0…2``, ``row 3``."""
    text = progression(places)
    return f"{name if '…' in text else name.removesuffix('s')} {text}"


def named(example: Example) -> str:
    """A name for a layer that has no line of source."""
    kind = "transposed convolution" if example.transposed else "convolution"
    return f"{kind}, {size(example.layer.input_size)} → {size(example.layer.output_size)}"


def crop(layer: Layer) -> str:
    """What is cropped, padded or added at either end, per axis or once for all."""
    ends = [(axis.before, axis.after) for axis in layer.axes]
    if len(set(ends)) == 1:
        return _ends(layer, *ends[0])
    return "; ".join(f"{n}: {_ends(layer, *pair)}" for n, pair in zip(axis_names(layer.rank), ends, strict=True))


def _ends(layer: Layer, before: int, after: int) -> str:
    verb, other = ("cropped", "added") if layer.transposed else ("padded", "left unread")
    if before >= 0 and after >= 0:
        return f"{verb} {before} before and {after} after"
    parts = [f"{abs(n)} {verb if n >= 0 else other} {side}" for n, side in ((before, "before"), (after, "after"))]
    return " and ".join(parts)


def described(example: Example) -> str:
    """The layer in one sentence."""
    layer = example.layer
    kind = "Transposed convolution" if layer.transposed else "Convolution"
    text = f"{kind} from {size(layer.input_size)} to {size(layer.output_size)}: kernel {size(layer.kernel)}"
    for name, values in (("stride", layer.stride), ("dilation", layer.dilation)):
        if name == "stride" or set(values) != {1}:
            text += f", {name} {values[0] if len(set(values)) == 1 else size(values)}"
    extent = "all stamps span" if layer.transposed else "all windows span"
    return f"{text}; {extent} {size(axis.full for axis in layer.axes)}, {crop(layer)}.{outcome(example)}"


def outcome(example: Example) -> str:
    """The numbers of a small output, row by row."""
    sizes = example.layer.output_size
    if not example.numbered or not 0 < prod(sizes) <= OUTCOME_LIMIT:
        return ""
    rows: list[list[str]] = []
    for index in product(*map(range, sizes)):
        if index[-1] == 0:
            rows.append([])
        value = example.output_at(index)
        if value is None:
            return ""
        rows[-1].append(exact(value))
    return f" The output is {'; '.join(' '.join(row) for row in rows)}."


def channel_notes(example: Example) -> tuple[str, ...]:
    """Which channels are shown, where there are more than one; and what is left out."""
    layer, (source, target) = example.layer, example.channels
    notes = []
    summed = layer.in_channels // layer.groups
    if layer.in_channels > 1 or layer.out_channels > 1:
        text = f"Shown: input channel {source} and output channel {target}, of {layer.in_channels} and"
        text += f" {layer.out_channels}; each output channel sums over {summed} input channel{'s' * (summed != 1)}"
        notes.append(text + (f" ({layer.groups} groups)." if layer.groups > 1 else "."))
    if example.flipped:
        name = example.label.partition("(")[0]
        notes.append(f"{name} flips its kernel: the array holds the taps drawn here in reverse.")
    if layer.bias:
        notes.append("The bias, one number per output channel, is added to every output element and not drawn.")
    return tuple(notes)


def sum_text(example: Example, terms: Iterable[Term], total: Number | None) -> str:
    """A sum of products, in numbers or in symbols, as far as it is short."""
    shown = list(islice(terms, TERMS_SHOWN + 1))
    more = len(shown) > TERMS_SHOWN
    text = " + ".join(_product(example, term) for term in shown[:TERMS_SHOWN]) or "nothing"
    text += " + …" if more else ""
    return text if total is None or not shown else f"{text} = {exact(total)}"


def _product(example: Example, term: Term) -> str:
    source = example.source(term)
    factor, weight = example.input_at(source), example.weight(term.tap)
    left = f"x[{place(source)}]" if factor is None else _factor(factor)
    right = f"w[{place(term.tap)}]" if weight is None else _factor(weight)
    return f"{left}·{right}"


def _factor(value: Number) -> str:
    text = exact(value)
    return f"({text})" if text.startswith("−") else text


def legend(example: Example, view: View) -> tuple[tuple[str, str], ...]:
    """What each role means for this layer and view, in reading order; the drawing leaves out what it does not show."""
    if example.transposed:
        words = {
            "small": "input",
            "kernel": "kernel",
            "large": "output" if view is View.MATRIX else "output: one product",
            "overlap": "output: several products meet",
            "cropped": "stamped, but cropped",
            "padded": "zero around the input",
            "zero": "zero between inputs" if view is View.ZEROS else "zero: no weight here",
            "bare": "output that no stamp reaches",
            "pending": "nothing here yet" if view is not View.SCATTER else "no product here (yet)",
            "box": "the input with its zeros" if view is View.ZEROS else "what the crop keeps: the output",
            "active": "this element and what belongs to it",
        }
    else:
        words = {
            "large": "input",
            "overlap": "input that several outputs read",
            "padded": "padded zero",
            "bare": "input that no output reads",
            "kernel": "kernel",
            "small": "output",
            "zero": "zero: no weight here",
            "pending": "nothing here yet",
            "box": "the input without its padding",
            "active": "this element and what belongs to it",
        }
    return tuple(words.items())
