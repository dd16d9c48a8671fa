"""The layers that are timed: those of well-known networks, and layers drawn at random."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from math import gcd, prod
from typing import Any

from ..engine.plan import plan
from ..errors import Reason, UnstrideError
from ..geometry import Axis, Layer

Sizes = tuple[int, ...]

PRODUCTS_LIMIT = 3 * 10**9
"""most multiply-accumulates of a layer drawn at random"""
ELEMENTS_LIMIT = 2**25
"""most elements of its input, weights and output together"""


@dataclass(frozen=True, slots=True)
class Case:
    """A transposed convolution in PyTorch's words; every tuple has one number for each spatial axis.

    >>> case = Case("tiny", "example", 1, (2, 2), 1, 1, (3, 3), (2, 2), (1, 1), (1, 1), (1, 1))
    >>> case.layer.output_size, case.multiply_accumulates
    ((4, 4), 25)
    """

    name: str
    group: str
    batch: int
    size: Sizes
    in_channels: int
    out_channels: int
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    output_padding: Sizes
    dilation: Sizes
    groups: int = 1

    @property
    def layer(self) -> Layer:
        """The framework-free layer."""
        numbers = zip(
            self.size, self.kernel, self.stride, self.padding, self.output_padding, self.dilation, strict=True
        )
        axes = tuple(
            Axis(n, (n - 1) * s - 2 * p + d * (k - 1) + 1 + extra, k, s, d, p) for n, k, s, p, extra, d in numbers
        )
        return Layer(axes, self.in_channels, self.out_channels, self.groups, bias=True)

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.size)

    @property
    def data_shape(self) -> Sizes:
        """``(batch, channels, *spatial)`` of the input."""
        return (self.batch, self.in_channels, *self.size)

    @property
    def weights_shape(self) -> Sizes:
        """``(in_channels, out_channels / groups, *taps)``."""
        return (self.in_channels, self.out_channels // self.groups, *self.kernel)

    @property
    def output_shape(self) -> Sizes:
        """``(batch, channels, *spatial)`` of the output."""
        return (self.batch, self.out_channels, *self.layer.output_size)

    @property
    def elements(self) -> int:
        """Elements of input, weights and output: what a call must read or write, in every direction."""
        return prod(self.data_shape) + prod(self.weights_shape) + prod(self.output_shape)

    @property
    def multiply_accumulates(self) -> int:
        """Products of the relation; the same forward and in both gradients."""
        return plan(self.layer, batch=self.batch).multiply_accumulates

    @property
    def shown(self) -> str:
        """The layer in one line."""
        batch = f"{self.batch} × " if self.batch > 1 else ""
        extra = "".join(
            f" {sign}{_short(values)}"
            for sign, values, usual in (
                ("p", self.padding, 0),
                ("op", self.output_padding, 0),
                ("d", self.dilation, 1),
                ("g", (self.groups,), 1),
            )
            if any(value != usual for value in values)
        )
        channels = f"{self.in_channels}→{self.out_channels}"
        size = "×".join(map(str, self.size))
        return f"{batch}{size} {channels} k{_short(self.kernel)} s{_short(self.stride)}{extra}"

    def as_json(self) -> dict[str, Any]:
        """Plain values, with what is counted from them."""
        return {**asdict(self), "multiply_accumulates": self.multiply_accumulates, "elements": self.elements}


def from_json(document: dict[str, Any]) -> Case:
    """The inverse of ``Case.as_json``."""
    kept = ((name, document[name]) for name in Case.__dataclass_fields__)
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept}
    return Case(**values)


def _short(values: Sizes) -> str:
    return str(values[0]) if len(set(values)) == 1 else "×".join(map(str, values))


def _case(
    name: str, group: str, size: Sizes, channels: tuple[int, int], kernel: int, stride: int, **others: int
) -> Case:
    """A case with the same numbers on every axis; padding such that the size grows by the stride, where it can."""
    rank, dilation = len(size), others.get("dilation", 1)
    missing = stride - dilation * (kernel - 1) - 1
    padding = max(0, -(missing // 2))
    extra = max(0, missing + 2 * padding)
    k, s, p, e, d = ((number,) * rank for number in (kernel, stride, padding, extra, dilation))
    return Case(name, group, others.get("batch", 1), size, *channels, k, s, p, e, d, others.get("groups", 1))


CASES: tuple[Case, ...] = (
    _case("unet-8", "unet", (8, 8), (1024, 512), 3, 2),
    _case("unet-16", "unet", (16, 16), (512, 256), 3, 2),
    _case("unet-64", "unet", (64, 64), (128, 64), 3, 2),
    _case("unet-batch", "unet", (48, 64), (64, 32), 3, 2, batch=8),
    _case("nnunet-2d", "nnunet", (64, 64), (256, 128), 2, 2),
    _case("nnunet-3d", "nnunet", (16, 16, 16), (256, 128), 2, 2),
    _case("vnet-3d", "vnet", (16, 16, 16), (64, 32), 3, 2),
    _case("dcgan-8", "dcgan", (8, 8), (512, 256), 4, 2, batch=64),
    _case("dcgan-image", "dcgan", (32, 32), (64, 3), 4, 2, batch=64),
    _case("hifigan-100", "hifigan", (100,), (512, 256), 16, 8),
    _case("hifigan-800", "hifigan", (800,), (256, 128), 16, 8),
    _case("hifigan-6400", "hifigan", (6400,), (128, 64), 4, 2),
    _case("fcn-bilinear", "fcn", (128, 128), (21, 21), 4, 2, groups=21),
    _case("fcn-8s", "fcn", (32, 32), (21, 21), 16, 8),
    _case("image-3to3", "image", (96, 128), (3, 3), 3, 2),
    _case("dilated", "plain", (64, 64), (64, 64), 3, 2, dilation=2),
    _case("stride-1", "plain", (64, 64), (64, 64), 5, 1),
    _case("istft", "istft", (224,), (1026, 1), 1024, 256),
)
"""in the order in which they are reported"""


def select(patterns: Sequence[str], cases: Sequence[Case] = CASES) -> tuple[Case, ...]:
    """The cases whose name or group matches a pattern, such as ``unet``, ``dcgan-8`` or ``*-3d``; all, for none."""
    for pattern in patterns:
        if not any(_matches(case, pattern) for case in cases):
            hint = "unstride bench --list names them"
            raise UnstrideError(
                Reason.ARGUMENT, "no case or group has this name", argument="CASE", value=pattern, hint=hint
            )
    return tuple(case for case in cases if not patterns or any(_matches(case, pattern) for pattern in patterns))


def _matches(case: Case, pattern: str) -> bool:
    return fnmatchcase(case.name, pattern) or fnmatchcase(case.group, pattern)


def draw(count: int, seed: int) -> tuple[Case, ...]:
    """Layers that are in no list: the same for the same seed, and each the same for any count.

    >>> draw(2, seed=7)[0] == draw(1, seed=7)[0]
    True
    """
    found = _drawn(random.Random(seed))  # noqa: S311 - nothing is secret
    return tuple(next(found) for _ in range(count))


def _drawn(source: random.Random) -> Iterator[Case]:
    number = 0
    while True:
        case = _attempt(source, f"random-{number}")
        if case is not None and case.multiply_accumulates <= PRODUCTS_LIMIT and case.elements <= ELEMENTS_LIMIT:
            yield case
            number += 1


def _attempt(source: random.Random, name: str) -> Case | None:
    """One draw; None where the output would be empty."""
    rank = source.randint(1, 3)

    def each(low: int, high: int) -> Sizes:
        return tuple(source.randint(low, high) for _ in range(rank))

    size = tuple(_spread(source, 200) for _ in range(rank))
    kernel, stride = each(1, 9), each(1, 8)
    dilation = each(1, 3) if source.random() < 0.3 else (1,) * rank
    channels = (_spread(source, 256), _spread(source, 256))
    shared = gcd(*channels)
    groups = source.choice([g for g in range(1, shared + 1) if shared % g == 0]) if source.random() < 0.4 else 1
    padding = tuple(source.randint(0, d * (k - 1)) for k, d in zip(kernel, dilation, strict=True))
    extra = tuple(source.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
    batch = source.choice((1, 1, 2, 5))
    sizes = zip(size, kernel, stride, padding, extra, dilation, strict=True)
    if any((n - 1) * s - 2 * p + d * (k - 1) + 1 + e < 1 for n, k, s, p, e, d in sizes):
        return None
    return Case(name, "random", batch, size, *channels, kernel, stride, padding, extra, dilation, groups)


def _spread(source: random.Random, high: int) -> int:
    """A number in 1…high, small and large ones about as often: uniform in its logarithm."""
    return min(high, int((high + 1) ** source.random()))
