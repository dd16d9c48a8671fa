"""Whole models in PyTorch, stock beside accelerated, call by call in one interleaved run: medians and their ratio.

Each round calls them in another order, for each finds the caches and the memory as the one before left them.

python benchmarks/accelerate.py [--threads 1] [--seconds 20] [--compiled] [--others] [--json FILE]

With --others: what PyTorch's own profiler says of all operations that both models call equally often, that is, of all
that are no convolutions: whether our threads or memory hold them up. Each round finds other blocks of memory taken, for
where its arrays lie makes an operator up to half as slow again. A second stock model tells how far chance goes.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unstride.frameworks import torch as ours

LEAST = 3
"""rounds, however long a call takes"""
PROFILED = 10
"""calls that are profiled at once"""
TAKEN = 20
"""blocks of memory that are taken in a round, with gaps as large between them"""


class Residual(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """HiFi-GAN's residual block: dilated convolutions of one kernel."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.wide = nn.ModuleList(nn.Conv1d(channels, channels, kernel, dilation=d, padding="same") for d in (1, 3, 5))
        self.plain = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding="same") for _ in range(3))

    def forward(self, x: Any) -> Any:
        for wide, plain in zip(self.wide, self.plain, strict=True):
            y = plain(nn.functional.leaky_relu(wide(nn.functional.leaky_relu(x, 0.1)), 0.1))
            x = x + y
        return x


class Vocoder(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """HiFi-GAN's generator (V2's widths): upsampling by 8, 8, 2 and 2."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.first = nn.Conv1d(80, width, 7, padding=3)
        steps = ((16, 8), (16, 8), (4, 2), (4, 2))
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(width >> i, width >> (i + 1), kernel, stride, (kernel - stride) // 2)
            for i, (kernel, stride) in enumerate(steps)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(Residual(width >> (i + 1), kernel) for kernel in (3, 7, 11)) for i in range(len(steps))
        )
        self.last = nn.Conv1d(width >> len(steps), 1, 7, padding=3)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for up, blocks in zip(self.ups, self.blocks, strict=True):
            x = up(nn.functional.leaky_relu(x, 0.1))
            x = sum(block(x) for block in blocks) / 3
        return torch.tanh(self.last(nn.functional.leaky_relu(x)))


def convolved(conv: Any, norm: Any, before: int, after: int, stride: int = 1) -> Any:
    """A convolution of 3 with what follows it."""
    return nn.Sequential(conv(before, after, 3, stride, 1), norm(after), nn.ReLU())


class UNet(nn.Module):  # type: ignore[misc]  # torch is not typed here
    """Two levels or more down and up, in any rank."""

    def __init__(self, rank: int, widths: tuple[int, ...], channels: int, classes: int) -> None:
        super().__init__()
        conv, up, norm = {
            2: (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d),
            3: (nn.Conv3d, nn.ConvTranspose3d, nn.InstanceNorm3d),
        }[rank]
        self.stem = convolved(conv, norm, channels, widths[0])
        self.down = nn.ModuleList(convolved(conv, norm, a, b, 2) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(up(b, a, 2, 2) for a, b in reversed(list(pairwise(widths))))
        self.mix = nn.ModuleList(convolved(conv, norm, 2 * a, a) for a in reversed(widths[:-1]))
        self.head = conv(widths[0], classes, 1)

    def forward(self, x: Any) -> Any:
        skips = [self.stem(x)]
        for down in self.down:
            skips.append(down(skips[-1]))
        y = skips.pop()
        for up, mix in zip(self.ups, self.mix, strict=True):
            y = mix(torch.cat([up(y), skips.pop()], 1))
        return self.head(y)


def generator() -> Any:
    """DCGAN's generator at half width."""
    widths = (256, 128, 64, 32)
    parts: list[Any] = [nn.ConvTranspose2d(100, widths[0], 4, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    for before, after in pairwise(widths):
        parts += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*parts, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1, bias=False), nn.Tanh())


MODELS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "vocoder": (Vocoder, (1, 80, 40)),
    "unet": (lambda: UNet(2, (32, 64, 128, 256), 3, 23), (1, 3, 96, 128)),
    "dcgan": (generator, (16, 100, 1, 1)),
    "volumes": (lambda: UNet(3, (16, 32, 64), 1, 3), (1, 1, 32, 32, 32)),
}
"""name -> what builds it, and its input's shape"""


def infer(model: Any, x: Any) -> Callable[[], Any]:
    """One call in inference mode."""
    model.eval()

    def call() -> Any:
        with torch.inference_mode():
            return model(x)

    return call


def train(model: Any, x: Any) -> Callable[[], Any]:
    """One step of gradient descent."""
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4)

    def call() -> Any:
        optimiser.zero_grad()
        y = model(x)
        y.square().mean().backward()
        optimiser.step()
        return y.detach()

    return call


def timed(calls: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Median seconds of each call, taken in turn."""
    taken: list[list[float]] = [[] for _ in calls]
    for turn in turns(len(calls), seconds):
        for number in turn:
            start = time.perf_counter()
            calls[number]()
            taken[number].append(time.perf_counter() - start)
    return [statistics.median(times) for times in taken]


def turns(count: int, seconds: float) -> Iterator[list[int]]:
    """Rounds for so long, in each all numbers in an order drawn at random."""
    order, draw = list(range(count)), random.Random(0)  # noqa: S311 - no secret
    begin, rounds = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds or rounds < LEAST:
        draw.shuffle(order)
        yield order
        rounds += 1


def taken_anywhere() -> list[Any]:
    """Blocks of up to 160 kB that keep arrays from lying where they did in the round before."""
    sizes = (20 * torch.rand(2 * TAKEN)).pow(4).long().tolist()
    return [torch.empty(size, dtype=torch.uint8) for size in sizes][::2]


def profiled(calls: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Median seconds, call by call in turn, of the operations that all call equally often."""
    taken: list[list[float]] = [[] for _ in calls]
    for turn in turns(len(calls), seconds):
        runs: list[dict[str, tuple[int, float]]] = [{} for _ in calls]
        held = taken_anywhere()
        for number in turn:
            calls[number]()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                for _ in range(PROFILED):
                    calls[number]()
            runs[number] = {each.key: (each.count, each.self_cpu_time_total) for each in profile.key_averages()}
        del held
        shared = [key for key, (count, _) in runs[0].items() if all(run.get(key, (0, 0))[0] == count for run in runs)]
        for times, run in zip(taken, runs, strict=True):
            times.append(sum(run[key][1] for key in shared) / 1e6 / PROFILED)
    return [statistics.median(times) for times in taken]


def compare(name: str, kind: str, seconds: float, *, compiled: bool, others: bool = False) -> dict[str, Any]:
    """One model, one kind of call: values first, then both in turn."""
    build, shape = MODELS[name]
    torch.manual_seed(1)
    stock, mine, again = (copy.deepcopy(each) for each in [build()] * 3)
    ours.accelerate(mine)
    x = torch.randn(shape)
    torch.compiler.reset()  # models of one class and other sizes would be compiled for any size
    models = [torch.compile(each) if compiled else each for each in (stock, mine, again)]
    calls = [{"infer": infer, "train": train}[kind](model, x) for model in models]
    first, second, _ = (call() for call in calls)
    torch.testing.assert_close(second, first, rtol=1e-3, atol=1e-4)
    theirs, own, again = (profiled if others else timed)(calls, seconds)
    times = {"torch_ms": 1e3 * theirs, "ours_ms": 1e3 * own}
    return {"model": name, "kind": kind, **times, "ratio": theirs / own, "chance": theirs / again}


def main() -> None:
    """Print a table, and the geometric mean of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--others", action="store_true", help="time what are no convolutions")
    parser.add_argument("--only", choices=sorted(MODELS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = []
    for name in [given.only] if given.only else MODELS:
        for kind in ("infer", "train"):
            row = compare(name, kind, given.seconds, compiled=given.compiled, others=given.others)
            rows.append(row)
            text = "{model:8} {kind:6} torch {torch_ms:8.2f} ms  ours {ours_ms:8.2f} ms  {ratio:5.2f} times as fast"
            text += "; torch beside itself {chance:5.2f}"
            sys.stdout.write(text.format(**row) + "\n")
            sys.stdout.flush()
    mean, chance = (statistics.geometric_mean(row[name] for row in rows) for name in ("ratio", "chance"))
    least = min(row["ratio"] for row in rows)
    sys.stdout.write(f"geometric mean {mean:.2f}, least {least:.2f}; torch beside itself {chance:.2f}\n")
    if given.json:
        given.json.write_text(
            json.dumps({"torch": torch.__version__, "threads": given.threads, "rows": rows}, indent=2)
        )


if __name__ == "__main__":
    main()
