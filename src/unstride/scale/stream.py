"""Streams: a layer or a network fed in pieces, whose outputs are those of the whole, bit for bit.

Each value of the network keeps what is still needed of it. A piece makes every output whose window is complete; where
the signal ends is known when it is flushed. Nothing is computed twice, padded between pieces, or faded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import Reason, UnstrideError
from ..geometry import Axis
from ..network import Convolution, Features, Graph, Node, Pool, Resize, evaluate
from ..network.sizes import shapes
from .growth import Growth, Lengths
from .parts import Part, Parts
from .source import Source, network
from .tiles import Tiling

Array = NDArray[Any]

ENDLESS = 2**44
"""elements of a signal whose end is not in sight"""
REMAINDERS = 256
"""lengths tried for one that fits a network"""
PERIOD = 4096
"""outputs looked at for the latency"""
NOTHING = np.empty((0, 0, 0))
"""what is held of a value of which nothing was made"""


def stream(
    source: Source,
    kernel: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    length: int | None = None,
    inputs: Sequence[Any] | None = None,
) -> Stream:
    """A layer or network of one spatial axis to be fed in pieces; what it returns, joined, is the whole's output.

    ``source`` is a spec with its ``kernel`` and ``bias``, a live layer or model, or a model's file; pieces are in its
    own layout. ``length`` is the signal's, where the padding depends on it. Raises UnstrideError for networks that need
    all of their input for an output.

    >>> import numpy as np, unstride
    >>> spec = unstride.parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=2, bias=False)")
    >>> stretch = stream(spec, np.array([[[1.0, 2.0, 1.0]]]))
    >>> [part.ravel().tolist() for part in (stretch(np.ones((1, 1, 1))), stretch(np.ones((1, 1, 1))), stretch.flush())]
    [[1.0, 2.0], [2.0, 2.0], [1.0]]
    """
    return Stream(network(source, kernel, bias, inputs=inputs), length)


@dataclass(slots=True)
class _Held:
    """What is held of a value: its elements from ``start`` on."""

    array: Array = field(default_factory=lambda: NOTHING)
    start: int = 0

    @property
    def stop(self) -> int:
        """Elements made so far."""
        made: int = self.array.shape[2]
        return self.start + made

    def add(self, array: Array) -> None:
        self.array = np.concatenate([self.array, array], 2) if self.array.shape[2] else array

    def window(self, needed: range) -> Array:
        """The elements of a window; zeros where it was let go, for then nothing is computed from it."""
        if needed.start < self.start:
            return np.zeros((*self.array.shape[:2], len(needed)), self.array.dtype)
        return self.array[:, :, needed.start - self.start : needed.stop - self.start]

    def drop(self, start: int) -> None:
        """Let go what lies before ``start``."""
        if start > self.start:
            self.array, self.start = self.array[:, :, start - self.start :], start


class Stream:
    """A network along one axis, fed piece by piece; ``stream`` makes it."""

    def __init__(self, graph: Graph, length: int | None = None) -> None:
        if graph.rank != 1 or len(graph.inputs) != 1:
            rule = "only what has one input with one spatial axis is streamed"
            raise UnstrideError(Reason.RANK, rule, argument="network", value=graph.name)
        self.graph, self.length, self._name = graph, length, graph.inputs[0].name
        self._whole = self._tiled(self._long() if length is None else length)
        self._parts = Parts(graph.channels_last)
        if length is None:
            for node in self._whole.nodes:
                _check_padding(node, self._whole.given(node))
        self._reaches = {node.name: _reach(node, self._whole.given(node)) for node in self._whole.nodes}
        self._growth = Growth(self._lengths, self._rates()) if length is None else None
        self.reset()

    def reset(self) -> None:
        """Begin a new signal."""
        names = (self._name, *(node.name for node in self._whole.nodes))
        self._held = {name: _Held() for name in names}
        self._steps = dict.fromkeys(names, 1)
        self._like: tuple[int, np.dtype[Any]] | None = None

    def __call__(self, piece: ArrayLike) -> Array:
        """The outputs that the piece completes, in the source's own layout; they may be none."""
        x = evaluate.canonical(self.graph, piece, self.graph.inputs[0])
        self._check(x)
        if not x.shape[2]:
            return self._taken()
        self._held[self._name].add(evaluate.settled(x, channels_last=self.graph.channels_last))
        limit = self._at(self._held[self._name].stop)
        for node in self._whole.nodes:
            self._make(self._whole, node, self._ready(node, limit(node.name)))
        return self._taken()

    def flush(self) -> Array:
        """The outputs left at the signal's end; the next piece begins a new signal."""
        length = self._held[self._name].stop
        if not length or self.length not in (None, length):
            rule = f"the signal ended after {length} elements"
            hint = "feed all of it first" if self.length else "feed it first"
            raise UnstrideError(Reason.SIZE, rule, argument="length", value=self.length, hint=hint)
        ended = self._tiled(length)
        for node in ended.nodes:
            _check_end(node, self._whole.given(node), ended.given(node), length)
            self._make(ended, node, ended.features[node.name].size[0])
        left = self._taken()
        self.reset()
        return left

    @property
    def rate(self) -> Fraction:
        """Outputs for each input."""
        if self._growth is None:
            return Fraction(self._whole.result.size[0], self._whole.sizes[self._name][0])
        return self._growth.rates[self.graph.outputs[0]]

    @property
    def latency(self) -> int:
        """Inputs after its own time that an output waits for, at most; output j has the time of input ⌊j / rate⌋."""
        rate, first = self.rate, self._whole.result.size[0] // 2
        outputs = range(first, first + min(PERIOD, self._period, self._whole.result.size[0] - first))
        return max(self._needed(at) - 1 - int(at / rate) for at in outputs)

    def _needed(self, output: int) -> int:
        """Inputs after which an output is made: all that it is computed from, and as many as make it exist."""
        count = self._whole.regions((range(output, output + 1),))[self._name][0].stop
        while self._at(count)(self.graph.outputs[0]) <= output:
            count += 1
        return count

    @property
    def _period(self) -> int:
        """Elements, of any value, after which everything repeats."""
        steps = [1]
        for node in self._whole.nodes:
            operation, given = node.operation, self._whole.given(node)
            if isinstance(operation, Resize):
                steps.append(operation.factor[0])
            elif isinstance(operation, Convolution | Pool):
                steps.append(_axis(operation, given[0]).stride)
        return prod(steps)

    def _at(self, length: int) -> Callable[[str], int]:
        """How long each value is, were the signal to end after so many elements."""
        if self._growth is None:
            return lambda name: self._whole.features[name].size[0]
        return self._growth.at(length)

    def _rates(self) -> Mapping[str, Fraction]:
        """Elements of each value for each of the signal."""
        more = ENDLESS // 2 // self._period * self._period
        longer = self._tiled(self._whole.sizes[self._name][0] + more).features
        grown = ((name, longer[name].size[0] - each.size[0]) for name, each in self._whole.features.items())
        return {name: Fraction(elements, more) for name, elements in grown}

    def _lengths(self, length: int) -> Lengths | None:
        """The lengths of all values at the longest signal up to this that the network takes."""
        fits = self._fitting(length)
        return None if fits is None else {name: each.size[0] for name, each in fits.features.items()}

    def _tiled(self, length: int) -> Tiling:
        return Tiling(self.graph, {self._name: (length,)}, 1, (1, 1))

    def _fitting(self, length: int) -> Tiling | None:
        """The network at the longest length up to this that it takes; none where that is far."""
        for each in range(length, max(0, length - REMAINDERS), -1):
            with suppress(UnstrideError):
                found = self._tiled(each)
                if found.result.size[0] > 0:
                    return found
        return None

    def _long(self) -> int:
        """A length, beyond any signal's, that the network takes."""
        found = self._fitting(ENDLESS)
        if found is None:
            shapes(self.graph, {self._name: (ENDLESS,)})
        return ENDLESS if found is None else found.sizes[self._name][0]

    def _check(self, x: Array) -> None:
        """UnstrideError for a piece unlike the first, or beyond the signal's end."""
        channels = self.graph.inputs[0].channels
        if x.shape[1] != channels:
            raise UnstrideError(Reason.CHANNELS, f"takes {channels} channels", argument="piece", value=x.shape)
        like = (len(x), x.dtype)
        if self._like not in (None, like):
            rule = f"must have the batch and the element type of the first piece, {self._like}"
            raise UnstrideError(Reason.SIZE, rule, argument="piece", value=like, hint="flush() ends a signal")
        self._like = like
        if self.length is not None and self._held[self._name].stop + x.shape[2] > self.length:
            rule = f"goes beyond the signal's {self.length} elements"
            raise UnstrideError(Reason.SIZE, rule, argument="piece", value=x.shape)

    def _ready(self, node: Node, limit: int) -> int:
        """How far a node's output can be made: its windows are held, and it exists even if nothing follows."""
        done = self._held[node.name].stop

        def fits(stop: int) -> bool:
            windows = self._whole.windows(node, (range(done, stop),))
            held = (self._held[name].stop for name in node.inputs)
            return stop <= limit and all(own[0].stop <= had for own, had in zip(windows, held, strict=True))

        if limit <= done:
            return done
        # most pieces are as long as the one before: a look at as many outputs, and at one more
        step = self._steps[node.name]
        low, high = (done + step, done + step + 1) if fits(done + step) else (done, done + step)
        while low > done and fits(high):
            low, high = high, min(high + 2 * (high - done), limit + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        self._steps[node.name] = max(1, low - done)
        return low

    def _make(self, tiling: Tiling, node: Node, stop: int) -> None:
        """Make a node's output up to ``stop``."""
        held = self._held[node.name]
        out = (range(held.stop, stop),)
        if not out[0]:
            return
        windows = tiling.windows(node, out)
        arrays = (self._held[name].window(window[0]) for name, window in zip(node.inputs, windows, strict=True))
        made = self._parts.compute(node.operation, Part(tiling.given(node), windows, out), *arrays)
        held.add(evaluate.settled(made, channels_last=self.graph.channels_last))

    def _drop(self) -> None:
        """Let go what no later output needs."""
        least: dict[str, int] = {}
        for node in self._whole.nodes:
            done, size = self._held[node.name].stop, self._whole.features[node.name].size[0]
            if done >= size:
                continue
            # windows of neighbours may begin in any order: phases and, at the front, taps that meet nothing
            ahead = (range(done, min(size, done + self._reaches[node.name])),)
            for name, window in zip(node.inputs, self._whole.windows(node, ahead), strict=True):
                least[name] = min(least.get(name, window[0].start), window[0].start)
        for name, start in least.items():
            self._held[name].drop(min(start, self._held[name].stop))

    def _taken(self) -> Array:
        """What the output has that was not given yet."""
        self._drop()
        held = self._held[self.graph.outputs[0]]
        if held.array is NOTHING:
            batch, dtype = self._like or (1, np.dtype("float32"))
            return evaluate.ordered(self.graph, np.empty((batch, self._whole.result.channels, 0), dtype))
        made = held.array
        held.drop(held.stop)
        return evaluate.ordered(self.graph, made)


def _axis(operation: Convolution | Pool, given: Features) -> Axis:
    axes = operation.layer(given).axes if isinstance(operation, Convolution) else operation.axes(given.size)
    return axes[0]


def _reach(node: Node, given: tuple[Features, ...]) -> int:
    """Outputs past which none begins before the first of them ends."""
    if not isinstance(node.operation, Convolution | Pool):
        return 1
    axis = _axis(node.operation, given[0])
    return axis.stride + axis.span


def _check_padding(node: Node, given: tuple[Features, ...]) -> None:
    """UnstrideError where what a node pads or crops in front depends on how long the signal is."""
    if not isinstance(node.operation, Convolution | Pool):
        return
    (length,), channels = given[0].size, given[0].channels
    stride = _axis(node.operation, given[0]).stride
    befores = {_axis(node.operation, Features(channels, (length - less,))).before for less in range(stride + 1)}
    if len(befores) > 1:
        rule = (
            f"{node.name} pads {' or '.join(map(str, sorted(befores)))} elements in front, as its length will have it"
        )
        hint = "say the signal's length: stream(…, length=n)"
        raise UnstrideError(Reason.PADDING, rule, argument="length", value=None, hint=hint)


def _check_end(node: Node, streamed: tuple[Features, ...], ended: tuple[Features, ...], length: int) -> None:
    """UnstrideError where a signal of this length is padded in front otherwise than the stream was."""
    if isinstance(node.operation, Convolution | Pool):
        befores = [_axis(node.operation, given[0]).before for given in (streamed, ended)]
        if befores[0] != befores[1]:
            rule = (
                f"{node.name} pads {befores[1]} elements in front of a signal this short, {befores[0]} of longer ones"
            )
            hint = "say the signal's length: stream(…, length=n)"
            raise UnstrideError(Reason.PADDING, rule, argument="length", value=length, hint=hint)
