"""A vocoder fed in pieces beside one call on the whole: seconds of signal per second, latency, overhead.

python benchmarks/stream.py [--threads 1] [--seconds 2] [--rounds 7] [--json FILE]

A network like HiFi-GAN's generator with one residual block a level and random weights: 80 mel bands at 86.1 Hz become
a signal of 22,050 Hz. Whole and pieces take turns; figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import unstride
from unstride.dialects import torch
from unstride.dialects.spec import Spec
from unstride.network import Activation, Convolution, Graph, Input, Merge, Node, Operation, Stored, evaluate
from unstride.scale.stream import Stream

Array = NDArray[Any]

BANDS, RATE, HOP = 80, 22_050, 256
UPS = (16, 8), (16, 8), (4, 2), (4, 2)
"""kernel and stride of each transposed convolution"""
DILATIONS = 1, 3, 5
PIECES = 1, 8, 32, 100
"""frames fed at once"""


class Timed(NamedTuple):
    """What streaming in pieces of one length took."""

    frames: int
    seconds: float
    """for the whole signal, the median of the rounds"""
    first: float
    """the longest call of a round but the first, the median of the rounds: what a player must bridge"""
    overhead: float
    """the median of the rounds' ratios to the offline call"""


class Network:
    """A graph in the making."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[Node] = []
        self._random = np.random.default_rng(seed)

    def add(self, operation: Operation, *inputs: str) -> str:
        self.nodes.append(Node(f"v{len(self.nodes)}", operation, inputs))
        return self.nodes[-1].name

    def convolve(self, spec: Spec, shape: tuple[int, int, int], out: int, value: str) -> str:
        """A convolution with random weights that keep the values' size about the same."""
        fan = shape[1] if spec.call.endswith("Conv1d") else shape[0]
        taps = shape[2] if spec.call.endswith("Conv1d") else 2
        kernel = self._random.standard_normal(shape, "float32") / np.float32(fan * taps) ** 0.5
        bias = self._random.standard_normal(out, "float32") / 10
        return self.add(Convolution(spec, Stored.of(kernel), Stored.of(bias)), value)

    def same(self, before: int, after: int, taps: int, value: str, dilation: int = 1) -> str:
        margin = dilation * (taps // 2)
        spec = torch.Conv1d(before, after, taps, padding=margin, dilation=dilation)
        return self.convolve(spec, (after, before, taps), after, value)

    def bent(self, value: str) -> str:
        return self.add(Activation("leaky_relu", (("negative_slope", 0.1),)), value)


def vocoder(width: int = 512, seed: int = 0) -> Graph:
    """Transposed convolutions by 8, 8, 2 and 2 that halve the channels, each followed by dilated residual blocks."""
    net = Network(seed)
    value = net.same(BANDS, width, 7, "mel")
    for kernel, stride in UPS:
        spec = torch.ConvTranspose1d(width, width // 2, kernel, stride, padding=(kernel - stride) // 2)
        value = net.convolve(spec, (width, width // 2, kernel), width // 2, net.bent(value))
        width //= 2
        for dilation in DILATIONS:
            change = net.same(width, width, 3, net.bent(value), dilation)
            value = net.add(Merge("add"), value, change)
    value = net.add(Activation("tanh"), net.same(width, 1, 7, net.bent(value)))
    return Graph("vocoder", (Input("mel", BANDS, (None,)),), tuple(net.nodes), (value,))


def streamed(fed: Stream, x: Array, frames: int) -> tuple[Array, list[float]]:
    """The output of a signal fed in pieces, and the seconds of each call."""
    parts, seconds = [], []
    for call in calls(fed, x, frames):
        started = time.perf_counter()
        parts.append(call())
        seconds.append(time.perf_counter() - started)
    return np.concatenate(parts, 2), seconds


def calls(fed: Stream, x: Array, frames: int) -> Iterator[Callable[[], Array]]:
    """One call for each piece, and the last."""
    for at in range(0, x.shape[2], frames):
        yield partial(fed, x[:, :, at : at + frames])
    yield fed.flush


def measured(graph: Graph, x: Array, rounds: int) -> tuple[float, list[Timed]]:
    """Seconds of the offline call, and what each length of pieces took, in turns; equal bits are asked for first."""
    fed = Stream(graph)
    whole = evaluate.run(graph, x)
    for frames in PIECES:
        np.testing.assert_array_equal(streamed(fed, x, frames)[0], whole)
    offline: list[float] = []
    taken: dict[int, list[list[float]]] = {frames: [] for frames in PIECES}
    for _ in range(rounds):
        started = time.perf_counter()
        evaluate.run(graph, x)
        offline.append(time.perf_counter() - started)
        for frames, found in taken.items():
            found.append(streamed(fed, x, frames)[1])
    return statistics.median(offline), [_timed(frames, found, offline) for frames, found in taken.items()]


def _timed(frames: int, found: list[list[float]], offline: list[float]) -> Timed:
    return Timed(
        frames,
        statistics.median(map(sum, found)),
        statistics.median(max(calls[1:]) for calls in found),
        statistics.median(sum(own) / once for own, once in zip(found, offline, strict=True)),
    )


def table(length: float, offline: float, timed: list[Timed]) -> Iterator[str]:
    """The figures as text."""
    yield f"{length:.2f} s of signal; offline {offline:.3f} s, {length / offline:.1f} × real time"
    yield f"{'frames':>6} {'ms of signal':>12} {'× real time':>11} {'longest call':>12} {'over offline':>12}"
    for each in timed:
        signal = each.frames * HOP / RATE * 1e3
        yield (
            f"{each.frames:>6} {signal:>12.1f} {length / each.seconds:>11.2f} "
            f"{each.first * 1e3:>9.1f} ms {each.overhead:>12.2f}"
        )


def main() -> None:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of the signal (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    unstride.set_num_threads(given.threads)
    graph, frames = vocoder(), max(2 * max(PIECES), round(given.seconds * RATE / HOP))
    x = np.random.default_rng(1).standard_normal((1, BANDS, frames), "float32")
    fed, length = Stream(graph), frames * HOP / RATE
    offline, timed = measured(graph, x, given.rounds)
    latency = {"frames": fed.latency, "samples": fed.latency * HOP, "ms": fed.latency * HOP / RATE * 1e3}
    sys.stdout.write("".join(f"{line}\n" for line in table(length, offline, timed)))
    sys.stdout.write(f"latency {latency['frames']} frames, {latency['samples']:,} samples, {latency['ms']:.0f} ms\n")
    if given.json:
        found = {"threads": given.threads, "seconds": length, "offline": offline, "latency": latency}
        text = json.dumps(found | {"pieces": [each._asdict() for each in timed]}, indent=1)
        given.json.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
