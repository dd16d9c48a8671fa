"""Keras's initializers: the same distributions, drawn from NumPy's generator, so not the same numbers.

A seed gives the same values at every call. ``fan_in`` and ``fan_out`` are taken from the last two axes of the kernel's
shape as they stand, for a transposed convolution's ``(*taps, out, in)`` too, as Keras does. ``identity`` is not here:
it makes matrices, and no convolution's kernel is one.

Source: keras/src/initializers/random_initializers.py and constant_initializers.py (Keras 3.15).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from math import inf, prod, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ...computation import as_array
from ...dialects.arguments import integer, one_of
from ...errors import Reason, UnstrideError
from ..checks import entries, number
from .serialization import Configured, Registry, serialize

Array = NDArray[Any]
Shape = tuple[int, ...]
Initialize = Callable[..., Any]

__all__ = ["Initializer", "compute_fans", "generator", "get", "serialize"]

_TRUNCATED_STDDEV = 0.87962566103423978
"""standard deviation of a unit normal distribution cut at ±2"""

_DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")

_shared = np.random.default_rng()


def generator(seed: int | None) -> np.random.Generator:
    """A generator with that seed, or the shared one."""
    if seed is None:
        return _shared
    return np.random.default_rng(abs(integer(seed, "seed", Reason.ARGUMENT)))


def reseed(seed: int) -> None:
    """Start the shared generator from ``seed``."""
    global _shared  # noqa: PLW0603 - Keras's own unseeded randomness is global too
    _shared = np.random.default_rng(abs(integer(seed, "seed", Reason.ARGUMENT)))


def compute_fans(
    shape: Shape, input_axes: tuple[int, ...] | None = None, output_axes: tuple[int, ...] | None = None
) -> tuple[int, int]:
    """Inputs and outputs of one unit, from a kernel's shape.

    >>> compute_fans((3, 3, 8, 5))
    (72, 45)
    """
    if input_axes is not None and output_axes is not None:
        return _count(shape, input_axes, "input_axes"), _count(shape, output_axes, "output_axes")
    if len(shape) < 2:
        return prod(shape), prod(shape)
    taps = prod(shape[:-2])
    return taps * shape[-2], taps * shape[-1]


def _count(shape: Shape, axes: Iterable[int], name: str) -> int:
    chosen = entries(axes, name, "axes")
    if any(type(axis) is not int or not -len(shape) <= axis < len(shape) for axis in chosen):
        rule = f"must name axes of a kernel of {len(shape)} dimensions"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=name, value=axes)
    return prod(shape[axis] for axis in chosen)


class Initializer(Configured):
    """What makes the first values of an array of any shape."""

    module = "keras.initializers"

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            if field.type == "float":
                number(getattr(self, field.name), field.name)

    def __call__(self, shape: Shape, dtype: DTypeLike | None = None) -> Array:
        values = self.values(tuple(shape))
        return values.astype(np.float32 if dtype is None else dtype)

    @abstractmethod
    def values(self, shape: Shape) -> Array:
        """The values, in double precision."""


@dataclass(frozen=True)
class Zeros(Initializer):
    """All 0."""

    def values(self, shape: Shape) -> Array:
        return np.zeros(shape)


@dataclass(frozen=True)
class Ones(Initializer):
    """All 1."""

    def values(self, shape: Shape) -> Array:
        return np.ones(shape)


@dataclass(frozen=True)
class Constant(Initializer):
    """All ``value``; an array fills the last axes, again for each position on the others."""

    value: ArrayLike = 0.0

    def __post_init__(self) -> None:
        if as_array(self.value, "value").dtype.kind not in "biuf":
            raise UnstrideError(Reason.ARGUMENT, "must be a number", argument="value", value=self.value)

    def values(self, shape: Shape) -> Array:
        try:
            return np.full(shape, self.value, np.float64)
        except ValueError:
            rule = f"must be a number, or fit a weight of shape {shape}"
            raise UnstrideError(Reason.KERNEL, rule, argument="value", value=self.value) from None


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """Normally distributed."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stddev < 0:
            raise UnstrideError(Reason.ARGUMENT, "must not be negative", argument="stddev", value=self.stddev)

    def values(self, shape: Shape) -> Array:
        return generator(self.seed).normal(self.mean, self.stddev, shape)


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normally distributed, every value within two standard deviations."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def values(self, shape: Shape) -> Array:
        draw = generator(self.seed)
        units = draw.standard_normal(shape)
        while (outside := np.abs(units) > 2).any():
            units[outside] = draw.standard_normal(int(outside.sum()))
        return self.mean + self.stddev * units


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Uniformly distributed in ``[minval, maxval)``."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.maxval - self.minval < inf:
            rule = f"must be at least minval, here {self.minval}, and not infinitely far above it"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="maxval", value=self.maxval)

    def values(self, shape: Shape) -> Array:
        return generator(self.seed).uniform(self.minval, self.maxval, shape)


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Variance ``scale / n``, where n counts inputs, outputs, or their mean."""

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale <= 0:
            raise UnstrideError(Reason.ARGUMENT, "must be positive", argument="scale", value=self.scale)
        if str(self.distribution).lower() == "normal":
            object.__setattr__(self, "distribution", "truncated_normal")
        object.__setattr__(self, "distribution", str(self.distribution).lower())
        one_of(self.mode, ("fan_in", "fan_out", "fan_avg"), "mode", Reason.ARGUMENT)
        one_of(self.distribution, _DISTRIBUTIONS, "distribution", Reason.ARGUMENT)

    def values(self, shape: Shape) -> Array:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = sqrt(self.scale / max(1.0, count))
        if self.distribution == "uniform":
            limit = sqrt(3) * stddev
            return RandomUniform(-limit, limit, self.seed).values(shape)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, stddev, self.seed).values(shape)
        return TruncatedNormal(0.0, stddev / _TRUNCATED_STDDEV, self.seed).values(shape)


class _Named(Initializer):
    """Variance scaling with the numbers that one paper derives."""

    scale: ClassVar[float]
    mode: ClassVar[str]
    distribution: ClassVar[str]
    seed: int | None
    input_axes: tuple[int, ...] | None
    output_axes: tuple[int, ...] | None

    def values(self, shape: Shape) -> Array:
        law = (self.scale, self.mode, self.distribution)
        return VarianceScaling(*law, self.seed, self.input_axes, self.output_axes).values(shape)


@dataclass(frozen=True)
class _Fans(_Named):
    """The arguments that all of them have."""

    seed: int | None = None
    input_axes: tuple[int, ...] | None = None
    output_axes: tuple[int, ...] | None = None


class GlorotUniform(_Fans):
    """Uniform, variance 2 / (fan_in + fan_out)."""

    scale, mode, distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Fans):
    """Truncated normal, variance 2 / (fan_in + fan_out)."""

    scale, mode, distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_Fans):
    """Uniform, variance 2 / fan_in."""

    scale, mode, distribution = 2.0, "fan_in", "uniform"


class HeNormal(_Fans):
    """Truncated normal, variance 2 / fan_in."""

    scale, mode, distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_Fans):
    """Uniform, variance 1 / fan_in."""

    scale, mode, distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_Fans):
    """Truncated normal, variance 1 / fan_in."""

    scale, mode, distribution = 1.0, "fan_in", "truncated_normal"


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """``gain`` times a random matrix with orthonormal rows or columns, whichever are fewer."""

    gain: float = 1.0
    seed: int | None = None

    def values(self, shape: Shape) -> Array:
        if len(shape) < 2:
            raise UnstrideError(Reason.RANK, "needs at least two dimensions", argument="shape", value=shape)
        rows, columns = prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator(self.seed).standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))  # makes the distribution uniform over orthogonal matrices
        return self.gain * (q.T if rows < columns else q).reshape(shape)


zeros, ones, constant, orthogonal = Zeros, Ones, Constant, Orthogonal
random_normal, truncated_normal, random_uniform = RandomNormal, TruncatedNormal, RandomUniform
variance_scaling, glorot_uniform, glorot_normal = VarianceScaling, GlorotUniform, GlorotNormal
he_uniform, he_normal, lecun_uniform, lecun_normal = HeUniform, HeNormal, LecunUniform, LecunNormal

CLASSES: tuple[type[Initializer], ...] = (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)

_registry: Registry[Initializer] = Registry(
    "initializer", CLASSES, {"normal": RandomNormal, "uniform": RandomUniform, "one": Ones, "zero": Zeros}
)


def get(identifier: Any, argument: str | None = None) -> Initializer | Initialize | None:
    """The initializer of that name, config or class; an array stands for its own values."""
    if isinstance(identifier, np.ndarray):
        return _of_values(identifier)
    return _registry.get(identifier, argument)


def _of_values(given: ArrayLike) -> Initialize:
    values = np.asarray(given)

    def initialize(shape: Shape, dtype: DTypeLike | None = None) -> Array:
        if tuple(shape) != values.shape:
            rule = f"the weight has the shape {tuple(shape)}"
            raise UnstrideError(Reason.KERNEL, rule, argument="initializer.shape", value=values.shape)
        return values.astype(np.float32 if dtype is None else dtype)

    return initialize
