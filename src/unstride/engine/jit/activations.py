"""Activations as LLVM IR on vectors of float or double: no branch, no table, no call of a mathematical library.

They are those of ``engine/activations.py``, at ±∞ and NaN too, but for ``relu(−∞)``, which is 0 as in PyTorch. Every
exponential is of a number that is not positive, so that nothing overflows; what becomes small is kept multiplied by
2**guard until the last step, so that a subnormal result is rounded once.

The polynomials and the rational function are minimax fits (Remez's algorithm in 60 digits) of the functions beside
them, each to the error stated there; the bounds of ``BOUNDS`` are what is left of them after rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log, pi, sqrt

from . import ir


@dataclass(frozen=True, slots=True)
class Format:
    """A floating-point type, and the constants that its precision asks for; polynomials start at the constant."""

    bits: int
    fraction: int
    """stored bits of the significand"""
    bias: int
    guard: int
    """binary places by which small results are kept enlarged; 2**guard and its inverse are normal numbers"""
    ln2: tuple[float, float]
    """ln 2 as a sum whose first part has so few bits that its product with an exponent is exact"""
    expm1: tuple[float, ...]
    """(exp(r) − 1 − r) / r² on |r| ≤ ln 2 / 2"""
    log1p: tuple[float, ...]
    """(atanh(√v) / √v − 1) / v on 0 ≤ v ≤ 1/9"""
    tail: tuple[tuple[float, ...], tuple[float, ...]]
    """numerator and denominator of exp(a²/2) · Φ(−a) on 0 ≤ a ≤ far, Φ the normal distribution's"""
    far: float
    """where a · Φ(−a) is less than half the smallest number"""


SINGLE = Format(
    bits=32,
    fraction=23,
    bias=127,
    guard=64,
    ln2=(float.fromhex("0x1.62e4p-1"), 1.4286068203094173e-06),
    # degree 4: exp(r) − 1 to 1.4e-8 of itself
    expm1=(
        0.50000000619389127,
        0.16666542992182813,
        0.041666282014818506,
        0.0083665839395956158,
        0.0013946450854336676,
    ),
    # degree 3: log(1 + t) to 4.6e-9 of itself
    log1p=(0.33333206572871926, 0.20010849229209805, 0.13999574730702257, 0.14012211170155276),
    # degrees 4 and 5, all coefficients positive: to 6.0e-9 of itself
    tail=(
        (0.50000000295480869, 0.43829492974010832, 0.18323513133773376, 0.040633226988999283, 0.0041163099755525718),
        (
            *(1.0, 1.6744748407598063, 1.2025030952288987, 0.46947061547731836),
            *(0.10185884276595799, 0.010317939227007825),
        ),
    ),
    far=14.5,
)

DOUBLE = Format(
    bits=64,
    fraction=52,
    bias=1023,
    guard=256,
    ln2=(float.fromhex("0x1.62e42fefa3800p-1"), 5.497923018708371e-14),
    # degree 9: exp(r) − 1 to 1.8e-17 of itself
    expm1=(
        *(0.500000000000000555, 0.16666666666666686, 0.041666666666573623, 0.0083333333333146011),
        *(0.0013888888932379561, 0.00019841269903009156, 2.4801504445066719e-05, 2.7557227973358035e-06),
        *(2.7626326866554455e-07, 2.5114466935007788e-08),
    ),
    # degree 8: log(1 + t) to 5.0e-17 of itself
    log1p=(
        *(0.33333333333338935, 0.19999999997999224, 0.14285714531556767, 0.11111096328910841, 0.090914103291108548),
        *(0.076820965759240026, 0.067936186110123072, 0.049491737688120899, 0.08874386970662958),
    ),
    # degrees 9 and 10, all coefficients positive: to 5.2e-17 of itself
    tail=(
        (
            *(0.49999999999999997434, 0.77488155104924647, 0.59405764518424037, 0.28934097925053798),
            *(0.097703193050907468, 0.023623629484206625, 0.0040895758102812013, 0.00049045627426827215),
            *(3.7257790264332206e-05, 1.3858682740994148e-06),
        ),
        (
            *(1.0, 2.3476476629013482, 2.5612671148027194, 1.7144151343071847, 0.78206213667531733),
            *(0.25496983800530218, 0.060438101891188471, 0.010344437776640667, 0.0012328654213510244),
            *(9.3391430524712746e-05, 3.4738566007819646e-06),
        ),
    ),
    far=39.0,
)


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """A vector, or one number, of float or double under an instruction builder; its operators emit instructions."""

    builder: ir.IRBuilder
    value: ir.Value

    @property
    def format(self) -> Format:
        """What the elements are."""
        kind = self.value.type
        return SINGLE if getattr(kind, "element", kind) == ir.FloatType() else DOUBLE

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fadd(self.value, self._operand(other)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fsub(self.value, self._operand(other)))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fmul(self.value, self._operand(other)))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fdiv(self.value, self._operand(other)))

    def __rtruediv__(self, other: float) -> Lanes:
        return self._new(self.builder.fdiv(self._operand(other), self.value))

    def __neg__(self) -> Lanes:
        return self._new(self.builder.fneg(self.value))

    def __abs__(self) -> Lanes:
        return self._intrinsic("fabs", self)

    __radd__, __rmul__ = __add__, __mul__

    def times(self, factor: Lanes | float, plus: Lanes | float) -> Lanes:
        """``self · factor + plus``, rounded once where the CPU can."""
        return self._intrinsic("fmuladd", self, factor, plus)

    def with_sign_of(self, other: Lanes) -> Lanes:
        """The magnitude of one, the sign of another."""
        return self._intrinsic("copysign", self, other)

    def where_negative(self, then: Lanes | float, otherwise: Lanes | float) -> Lanes:
        """``then`` where this is below 0; ``otherwise`` at 0, −0 and NaN."""
        below = self.builder.fcmp_ordered("<", self.value, self._operand(0.0))
        return self._new(self.builder.select(below, self._operand(then), self._operand(otherwise)))

    def at_least(self, limit: float) -> Lanes:
        """The limit where this is below it; NaN stays."""
        return self._limited(">", limit)

    def at_most(self, limit: float) -> Lanes:
        """The limit where this is above it; NaN stays."""
        return self._limited("<", limit)

    def polynomial(self, coefficients: tuple[float, ...]) -> Lanes:
        """Horner's rule, from the coefficient of the highest power down."""
        *lower, second, first = coefficients
        result = self._new(self._operand(first)).times(self, second)
        for coefficient in reversed(lower):
            result = result.times(self, coefficient)
        return result

    def exponent_bits(self) -> Lanes:
        """The number whose exponent field is what the lowest bits of this one's significand spell."""
        of, kind = self.format, self.value.type
        whole: ir.Type = ir.IntType(of.bits)
        if isinstance(kind, ir.VectorType):
            whole = ir.VectorType(whole, kind.count)
        moved = self.builder.shl(self.builder.bitcast(self.value, whole), _constant(whole, of.fraction))
        return self._new(self.builder.bitcast(moved, kind))

    def _new(self, value: ir.Value) -> Lanes:
        return Lanes(self.builder, value)

    def _operand(self, number: Lanes | float) -> ir.Value:
        return number.value if isinstance(number, Lanes) else _constant(self.value.type, number)

    def _limited(self, comparison: str, limit: float) -> Lanes:
        bound = self._operand(limit)
        beyond = self.builder.fcmp_ordered(comparison, bound, self.value)
        return self._new(self.builder.select(beyond, bound, self.value))

    def _intrinsic(self, name: str, *numbers: Lanes | float) -> Lanes:
        kind, module = self.value.type, self.builder.module
        lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
        full = f"llvm.{name}.{lanes}f{self.format.bits}"
        function = module.globals.get(full) or ir.Function(module, ir.FunctionType(kind, [kind] * len(numbers)), full)
        return self._new(self.builder.call(function, [self._operand(number) for number in numbers]))


def _constant(kind: ir.Type, number: float) -> ir.Constant:
    return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)


def _reduced(v: Lanes, rest: Lanes | None, raised: int) -> tuple[Lanes, Lanes]:
    """``exp(r) − 1`` and ``2**(k + raised)`` with ``v + rest = k · ln 2 + r`` and ``|r| ≤ ln 2 / 2``.

    Adding ``1.5 · 2**fraction`` rounds to an integer and leaves it, biased, in the lowest bits. The power is 0 where
    its biased exponent is.
    """
    of = v.format
    shift = 1.5 * 2**of.fraction + of.bias + raised
    biased = v.times(1 / log(2), shift)
    k = biased - shift
    r = k.times(-of.ln2[0], v)
    r = k.times(-of.ln2[1], r) if rest is None else r + k.times(-of.ln2[1], rest)
    return (r * r).times(r.polynomial(of.expm1), r), biased.exponent_bits()


def _raised_exp(v: Lanes, rest: Lanes | None = None) -> Lanes:
    """``2**guard · exp(v + rest)`` for v of at most 0, and not so far below that the exponent's field is exceeded."""
    less, power = _reduced(v, rest, v.format.guard)
    return less.times(power, power)


def _decay(x: Lanes) -> tuple[Lanes, Lanes]:
    """``exp(−|x|)``, raised by 2**guard and as it is; 0 at the end of the exponent's field."""
    raised = _raised_exp((-abs(x)).at_least(-(x.format.guard + x.format.bias) * log(2)))
    return raised, _lowered(raised)


def _lowered(x: Lanes) -> Lanes:
    return x * 2.0**-x.format.guard


def _expm1(v: Lanes) -> Lanes:
    """``exp(v) − 1`` for v of at most 0."""
    less, power = _reduced(v.at_least(-(v.format.fraction + 3) * log(2)), None, 0)
    return less.times(power, power - 1.0)


def _relu(x: Lanes) -> Lanes:
    return x.at_least(0.0)


def _relu6(x: Lanes) -> Lanes:
    return x.at_least(0.0).at_most(6.0)


def _leaky_relu(x: Lanes, negative_slope: float) -> Lanes:
    return x.where_negative(x * negative_slope, x)


def _elu(x: Lanes, alpha: float) -> Lanes:
    return x.where_negative(_expm1(x) * alpha, x)


def _selu(x: Lanes) -> Lanes:
    scale, alpha = 1.0507009873554805, 1.6732632423543772  # fixed point of mean 0, variance 1 (Klambauer et al. 2017)
    return x.where_negative(_expm1(x) * (scale * alpha), x * scale)


def _celu(x: Lanes, alpha: float) -> Lanes:
    return x.where_negative(_expm1(x * (1 / alpha)) * alpha, x)


def _exponential(x: Lanes) -> Lanes:
    raised, _ = _decay(x)
    return x.where_negative(_lowered(raised), 1 / raised * 2.0**x.format.guard)


def _sigmoid(x: Lanes) -> Lanes:
    _, decay = _decay(x)
    return x.where_negative(decay, 1.0) / (decay + 1)


def _gated(x: Lanes, z: Lanes) -> Lanes:
    """``x · sigmoid(z)`` for z of x's sign."""
    raised, decay = _decay(z)
    return x.where_negative(_lowered(x * raised), x) / (decay + 1)


def _silu(x: Lanes) -> Lanes:
    return _gated(x, x)


def _gelu(x: Lanes) -> Lanes:
    """``x − |x| · Φ(−|x|)`` above 0, ``−|x| · Φ(−|x|)`` below; the square's rounding error is put back."""
    numerator, denominator = x.format.tail
    a = abs(x).at_most(x.format.far)
    square = a * a
    raised = _raised_exp(square * -0.5, a.times(a, -square) * -0.5)
    small = _lowered(a * raised * a.polynomial(numerator) / a.polynomial(denominator))
    return x.where_negative(x * 0.0, x) - small


def _gelu_tanh(x: Lanes) -> Lanes:
    """``x · (1 + tanh(z / 2)) / 2 = x · sigmoid(z)``."""
    scale = 2 * sqrt(2 / pi)
    return _gated(x, x * (x * x).times(0.044715 * scale, scale))


def _tanh(x: Lanes) -> Lanes:
    """With ``m = exp(−2|x|) − 1``: ``−m / (2 + m)``, and x's sign."""
    m = _expm1(-abs(x + x))
    return (m / (m + 2)).with_sign_of(x)


def _softplus(x: Lanes) -> Lanes:
    """``max(x, 0) + log(1 + t)`` with ``t = exp(−|x|)``; the logarithm is ``2 · atanh(t / (2 + t))``."""
    _, t = _decay(x)
    double = (t + t) / (t + 2)
    v = double * double * 0.25
    return _relu(x) + (double * v).times(v.polynomial(x.format.log1p), double)


def _log_sigmoid(x: Lanes) -> Lanes:
    return -_softplus(-x)


def _mish(x: Lanes) -> Lanes:
    """With ``n = exp(x)``: ``tanh(log(1 + n)) = n (n + 2) / (n (n + 2) + 2)``; above 0 divided through by n²."""
    raised, t = _decay(x)
    share = x.where_negative(t * (t + 2), t + t + 1)
    other = x.where_negative(2.0, t * t * 2)
    return x.where_negative(_lowered(x * raised * (t + 2)), x * (t + t + 1)) / (share + other)


def _hard_sigmoid(x: Lanes) -> Lanes:
    return _relu6(x + 3) * (1 / 6)


def _hard_silu(x: Lanes) -> Lanes:
    return x * _hard_sigmoid(x)


def _hard_tanh(x: Lanes) -> Lanes:
    return x.at_least(-1.0).at_most(1.0)


def _softsign(x: Lanes) -> Lanes:
    return x / (abs(x) + 1)


_RULES: Mapping[str, Callable[..., Lanes]] = {
    "relu": _relu,
    "relu6": _relu6,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "selu": _selu,
    "celu": _celu,
    "exponential": _exponential,
    "sigmoid": _sigmoid,
    "log_sigmoid": _log_sigmoid,
    "silu": _silu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "tanh": _tanh,
    "softplus": _softplus,
    "softsign": _softsign,
    "mish": _mish,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": _hard_silu,
    "hard_tanh": _hard_tanh,
}

FUSED = tuple(_RULES)
"""the activations there are, by Keras's names; ``gelu_tanh`` is ``gelu`` with ``approximate=True``"""

BOUNDS: Mapping[str, float] = {
    "relu": 0,
    "relu6": 0,
    "leaky_relu": 0.5,
    "elu": 1.25,
    "selu": 1.5,
    "celu": 1.75,
    "exponential": 1.25,
    "sigmoid": 1.75,
    "log_sigmoid": 2,
    "silu": 2,
    "gelu": 4.5,
    "gelu_tanh": 4.5,
    "tanh": 1.75,
    "softplus": 2,
    "softsign": 1.25,
    "mish": 3,
    "hard_sigmoid": 1.25,
    "hard_silu": 1.75,
    "hard_tanh": 0,
}
"""the largest error, in units of ``eps · max(|true value|, smallest normal number)``, eps that of the type

For ``gelu_tanh``, whose argument of the exponential is rounded, the greatest of these two and ``min(|x|, 1) / 16``.
Parameters are those of the type. A CPU without fused multiply-add keeps these bounds too, but for ``gelu`` below 0,
where it adds ``x² / 4`` units.
"""


def emit(builder: ir.IRBuilder, name: str, parameters: tuple[float, ...], value: ir.Value) -> ir.Value:
    """The activation of each lane; parameters: ``(negative_slope,)`` of leaky_relu, ``(alpha,)`` of elu and celu.

    >>> code = ir.Function(ir.Module(), ir.FunctionType(ir.FloatType(), [ir.FloatType()]), "f")
    >>> _ = (builder := ir.IRBuilder(code.append_basic_block())).ret(emit(builder, "relu", (), code.args[0]))
    """
    return _RULES[name](Lanes(builder, value), *parameters).value
