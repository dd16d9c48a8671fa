"""What every framework is asked: layer geometries, systematic and random, and how a call is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from random import Random
from typing import NamedTuple, TypeVar

T = TypeVar("T")
LARGEST = 260
"""output elements of a random case, at most, so that the corpus stays small"""


class Case(NamedTuple):
    """One question: a line and the shapes of its arrays."""

    code: str
    input: tuple[int, ...]
    kernel: tuple[int, ...]
    bias: int = 0
    unsafe: bool = False
    """oneDNN, inside TensorFlow, reads memory it does not own: for forward kernels wider than their unpadded input"""


class Raw(str):
    """Text that is written without quotes: an array's name."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


X, W, B, KERNEL = Raw("x"), Raw("w"), Raw("b"), Raw("kernel")


def written(name: str, *positional: object, **keywords: object) -> str:
    """A call as source; keywords of None are left out.

    >>> written("f", X, 2, stride=(1, 2), bias=None)
    'f(x, 2, stride=(1, 2))'
    """
    words = [repr(value) for value in positional]
    words += [f"{key}={value!r}" for key, value in keywords.items() if value is not None]
    return f"{name}({', '.join(words)})"


@dataclass(frozen=True, slots=True)
class Geometry:
    """One layer's sizes, before any framework's padding: ``small`` and ``large`` are channels."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    small: int = 1
    large: int = 1
    groups: int = 1
    batch: int = 1

    @property
    def rank(self) -> int:
        """Spatial axes."""
        return len(self.size)

    @property
    def span(self) -> tuple[int, ...]:
        """Extent of the dilated kernel per axis."""
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))

    @property
    def full(self) -> tuple[int, ...]:
        """Extent of all stamps per axis, the input being the small side."""
        return tuple((n - 1) * s + k for n, s, k in zip(self.size, self.stride, self.span, strict=True))

    @property
    def narrow(self) -> bool:
        """Whether the kernel is wider than the input on some axis."""
        return any(extent > size for extent, size in zip(self.span, self.size, strict=True))

    @property
    def dilated(self) -> bool:
        """Whether any axis is."""
        return max(self.dilation) > 1

    @property
    def strided(self) -> bool:
        """Whether any axis is."""
        return max(self.stride) > 1

    def first(self, channels: int) -> tuple[int, ...]:
        """The input's shape, channels first."""
        return (self.batch, channels, *self.size)

    def last(self, channels: int) -> tuple[int, ...]:
        """The input's shape, channels last."""
        return (self.batch, *self.size, channels)


def grid(sizes: Sequence[int] = (4,), dilations: Sequence[int] = (1, 2, 3)) -> Iterator[Geometry]:
    """The systematic part, on one axis: kernels 1 to 5, strides 1 to 4, so that strides exceed kernels too."""
    for kernel in range(1, 6):
        for stride in range(1, 5):
            for dilation in dilations if kernel > 1 else (1,):
                if dilation > 1 and stride > 3:
                    continue
                for size in sizes:
                    yield Geometry((size,), (kernel,), (stride,), (dilation,))


def as_plane(geometry: Geometry) -> Geometry:
    """The 1-D geometry on two axes, the first of them trivial, for frameworks without 1-D layers."""
    return Geometry(
        (1, *geometry.size),
        (1, *geometry.kernel),
        (1, *geometry.stride),
        (1, *geometry.dilation),
        geometry.small,
        geometry.large,
        geometry.groups,
        geometry.batch,
    )


def draw(
    rng: Random,
    *,
    ranks: Sequence[int] = (1, 2, 2, 2, 3),
    groups: bool = True,
    dilate: bool = True,
    both: bool = True,
    square: bool = False,
) -> Geometry:
    """A random geometry; ``both`` allows stride and dilation together, ``square`` wants equal strides."""
    while True:
        rank = rng.choice(ranks)
        most = (7, 5, 3)[rank - 1]
        size = tuple(rng.randint(1, most) for _ in range(rank))
        kernel = tuple(rng.randint(1, (5, 4, 3)[rank - 1]) for _ in range(rank))
        stride = tuple(rng.randint(1, (4, 4, 3)[rank - 1]) for _ in range(rank))
        dilation = tuple(rng.choice((1, 1, 1, 2, 3)) if dilate else 1 for _ in range(rank))
        if square or rng.random() < 0.5:
            stride, dilation = stride[:1] * rank, dilation[:1] * rank
        if not both and max(dilation) > 1:
            stride = (1,) * rank
        count = rng.choice((1, 1, 1, 2, 3)) if groups else 1
        small, large = count * rng.randint(1, 3), count * rng.randint(1, 3)
        drawn = Geometry(size, kernel, stride, dilation, small, large, count, rng.choice((1, 1, 1, 2)))
        if drawn.batch * max(small, large) * prod(extent + 2 for extent in drawn.full) <= LARGEST:
            return drawn


def draws(rng: Random, count: int) -> Iterator[Geometry]:
    """``count`` random geometries."""
    return (draw(rng) for _ in range(count))


def compact(rng: Random, values: Sequence[int]) -> int | tuple[int, ...]:
    """One integer where all agree and chance says so, else one per axis: both forms get asked."""
    same = len(set(values)) == 1
    return values[0] if same and (len(values) == 1 or rng.random() < 0.7) else tuple(values)


def unless(value: T, default: object) -> T | None:
    """None for a default value, so that `written` leaves it out."""
    return None if value == default else value


def thin(rng: Random, cases: Sequence[Case], count: int) -> list[Case]:
    """At most ``count`` of the cases, in their order, chosen by chance; duplicates go."""
    unique = list(dict.fromkeys(cases))
    chosen = sorted(rng.sample(range(len(unique)), min(count, len(unique))))
    return [unique[index] for index in chosen]


def conv_same(size: int, span: int, stride: int) -> int:
    """Total padding of TensorFlow's SAME for a forward convolution; here only to choose sizes to ask for."""
    return max((-(-size // stride) - 1) * stride + span - size, 0)
