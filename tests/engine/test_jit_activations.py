"""Compiled activations: their stated error bounds, the ends of the number range, every width, every CPU."""

import ctypes
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from unstride.engine import activations as defined
from unstride.engine.jit import binary, cache, ir
from unstride.engine.jit.activations import BOUNDS, FUSED, emit
from unstride.engine.jit.emit import Code
from unstride.engine.jit.target import Target, host, named

Array = NDArray[Any]

PARAMETERS: Mapping[str, tuple[float, ...]] = {"leaky_relu": (0.25,), "elu": (1.5,), "celu": (0.75,)}
"""exact in every type"""
ELEMENTS = {np.dtype(np.float32): ir.FloatType(), np.dtype(np.float64): ir.DoubleType()}
SELU = 1.0507009873554805, 1.6732632423543772


@pytest.fixture(autouse=True)
def _nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled is what this file says now."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")


def sweep(name: str | None, element: ir.Type, lanes: int) -> Callable[[Target], ir.Module]:
    """``void sweep(T* x, T* y, i64 count)`` over ``count`` vectors; with no name, a copy."""
    size = 4 if element == ir.FloatType() else 8
    kind = ir.VectorType(element, lanes) if lanes > 1 else element

    def build(_: Target) -> ir.Module:
        module = ir.Module("sweep")
        c = Code(module, "sweep", 3)
        x, y, count = c.arguments
        with c.loop(count) as loop:
            at = c.mul(loop.index, size * lanes)
            value = c.load(c.add(x, at), kind)
            result = emit(c.builder, name, PARAMETERS.get(name, ()), value) if name else value
            c.store(result, c.add(y, at))
        c.done()
        return module

    return build


def compiled(name: str, x: Array, lanes: int = 8, target: Target | None = None) -> Array:
    key = f"test_jit_activations {name} {x.dtype} {lanes}"
    code = binary.load(key, sweep(name, ELEMENTS[x.dtype], lanes), target)
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)(code.address("sweep"))
    count = -(-x.size // lanes)
    padded = np.zeros(count * lanes, x.dtype)
    padded[: x.size] = x
    y = np.empty_like(padded)
    function(padded.ctypes.data, y.ctypes.data, count)
    return y[: x.size]


def numpy_sigmoid(x: Array) -> Array:
    decay = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, decay, 1) / (1 + decay))


def numpy_elu(x: Array, scale: float, alpha: float, slope: float = 1.0) -> Array:
    return np.where(x < 0, scale * np.expm1(np.minimum(x, 0) / alpha), slope * x)


def numpy_gelu(x: Array) -> Array:
    return np.asarray(0.5 * x * [math.erfc(each) for each in (x / -math.sqrt(2)).tolist()])


def numpy_mish(x: Array) -> Array:
    n, t = np.exp(np.minimum(x, 0)), np.exp(-np.abs(x))
    return np.asarray(x * np.where(x < 0, n * (n + 2) / (n * (n + 2) + 2), (1 + 2 * t) / (1 + 2 * t + 2 * t * t)))


def numpy_softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def hard(x: Any) -> Any:
    return np.clip(x + 3, 0, 6) / 6


IN_DOUBLE: Mapping[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.where(x < 0, 0, x),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x < 0, x * 0.25, x),
    "elu": lambda x: numpy_elu(x, 1.5, 1),
    "selu": lambda x: numpy_elu(x, SELU[0] * SELU[1], 1, SELU[0]),
    "celu": lambda x: numpy_elu(x, 0.75, 0.75),
    "exponential": np.exp,
    "sigmoid": numpy_sigmoid,
    "log_sigmoid": lambda x: -numpy_softplus(-x),
    "silu": lambda x: x * numpy_sigmoid(x),
    "gelu": numpy_gelu,
    "gelu_tanh": lambda x: x * numpy_sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)),
    "tanh": np.tanh,
    "softplus": numpy_softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "mish": numpy_mish,
    "hard_sigmoid": hard,
    "hard_silu": lambda x: x * hard(x),
    "hard_tanh": lambda x: np.clip(x, -1, 1),
}
"""to a few units of float64, relative, at every float32"""


def decimal_logistic(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def decimal_expm1(x: Decimal) -> Decimal:
    return x + x * x / 2 if abs(x) < Decimal("1e-20") else x.exp() - 1


def decimal_softplus(x: Decimal) -> Decimal:
    n = x.exp()
    return n - n * n / 2 if n < Decimal("1e-20") else (1 + n).ln()


def decimal_pi() -> Decimal:
    """Machin's formula."""

    def arctangent(n: int) -> Decimal:
        return sum((Decimal((-1) ** k) / ((2 * k + 1) * Decimal(n) ** (2 * k + 1)) for k in range(60)), Decimal(0))

    return 16 * arctangent(5) - 4 * arctangent(239)


def decimal_upper(a: Decimal) -> Decimal:
    """Φ(−a) of a ≥ 0: the series of Φ(a) − 1/2, or the continued fraction a + 1/(a + 2/(a + 3/(a + …)))."""
    density = (-a * a / 2).exp() / (2 * decimal_pi()).sqrt()
    if a < 6:
        term = total = a
        for k in range(1, 130):
            term = term * a * a / (2 * k + 1)
            total += term
        return Decimal("0.5") - density * total
    fraction = a
    for k in range(90, 0, -1):
        fraction = a + k / fraction
    return density / fraction


def decimal_gelu(x: Decimal) -> Decimal:
    return x * (1 - decimal_upper(x)) if x > 0 else x * decimal_upper(-x)


def decimal_mish(x: Decimal) -> Decimal:
    n = x.exp() * (x.exp() + 2)
    return x * n / (n + 2)


def decimal_gelu_tanh(x: Decimal) -> Decimal:
    scale = 2 * (2 / decimal_pi()).sqrt()
    z = scale * (x + Decimal("0.044715") * x**3)
    return x * decimal_logistic(max(z, Decimal(-10_000)))  # beyond, Decimal itself overflows


def decimal_tanh(x: Decimal) -> Decimal:
    m = decimal_expm1(2 * x)
    return m / (m + 2)


IN_DECIMAL: Mapping[str, Callable[[Decimal], Decimal]] = {
    "elu": lambda x: x if x > 0 else Decimal("1.5") * decimal_expm1(x),
    "selu": lambda x: Decimal(SELU[0]) * (x if x > 0 else Decimal(SELU[1]) * decimal_expm1(x)),
    "celu": lambda x: x if x > 0 else Decimal("0.75") * decimal_expm1(x / Decimal("0.75")),
    "exponential": Decimal.exp,
    "sigmoid": decimal_logistic,
    "log_sigmoid": lambda x: -decimal_softplus(-x),
    "silu": lambda x: x * decimal_logistic(x),
    "gelu": decimal_gelu,
    "gelu_tanh": decimal_gelu_tanh,
    "tanh": decimal_tanh,
    "softplus": decimal_softplus,
    "softsign": lambda x: x / (1 + abs(x)),
    "mish": decimal_mish,
    "hard_sigmoid": lambda x: min(max(x + 3, Decimal(0)), Decimal(6)) / 6,
    "hard_silu": lambda x: x * min(max(x + 3, Decimal(0)), Decimal(6)) / 6,
}


def every_exponent() -> Array:
    """About 10⁶ float32: bit patterns 8191 apart, so of both signs, all exponents, subnormals and NaN; and near 0."""
    patterns = np.arange(0, 2**32, 8191, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return np.concatenate([patterns, np.linspace(-20, 20, 400_001), np.linspace(-110, 110, 100_003)], dtype=np.float32)


def doubles(seed: int, count: int) -> Array:
    random = np.random.default_rng(seed)
    spread = [random.uniform(-width, width, count) for width in (1, 8, 40, 750)]
    small = np.exp2(random.uniform(-1000, 0, count)) * random.choice([-1, 1], count)
    return np.concatenate([*spread, small])


SINGLES = every_exponent()


def allowed(name: str, x: Array, true: Array, information: Any) -> Array:
    scale = np.maximum(np.abs(true), float(information.smallest_normal))
    if name == "gelu_tanh":
        scale = np.maximum(scale, np.minimum(np.abs(x), 1) / 16)
    return BOUNDS[name] * float(information.eps) * scale


def test_every_activation_has_its_bound() -> None:
    assert set(FUSED) == set(BOUNDS) == set(IN_DOUBLE)
    assert set(FUSED) - set(IN_DECIMAL) == {name for name in FUSED if BOUNDS[name] <= 0.5}


@pytest.mark.parametrize("cpu", ["host", "x86-64"])
@pytest.mark.parametrize("name", FUSED)
def test_single_precision_is_within_the_bound(name: str, cpu: str) -> None:
    target = host()
    if cpu != "host":
        if not target.triple.startswith(cpu.replace("-", "_")):
            pytest.skip("another architecture")
        target = named(target.triple, cpu)
    with np.errstate(all="ignore"):
        true = IN_DOUBLE[name](SINGLES.astype(np.float64))
        rounded = true.astype(np.float32)
        got = compiled(name, SINGLES, target=target)
        error = np.abs(got.astype(np.float64) - true)
        limit = allowed(name, SINGLES, true, np.finfo(np.float32))
        if name == "gelu" and cpu != "host":  # no fused multiply-add gives the square's rounding error
            limit *= 1 + np.square(SINGLES.astype(np.float64)) / 4 / BOUNDS[name]
        numbers = np.isfinite(rounded)
        assert np.all(error[numbers] <= limit[numbers])
    np.testing.assert_array_equal(got[~numbers], rounded[~numbers])
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(true)[numbers])


@pytest.mark.parametrize("name", IN_DECIMAL)
def test_double_precision_is_within_the_bound(name: str) -> None:
    x = doubles(seed=FUSED.index(name), count=160)
    got = compiled(name, x, lanes=4)
    with localcontext() as context:
        context.prec = 60
        true = [IN_DECIMAL[name](Decimal(each)) for each in x.tolist()]
        rounded = np.array([float(each) for each in true])
        limit = allowed(name, x, rounded, np.finfo(np.float64)).tolist()
        for each, result, exact, most in zip(x.tolist(), got.tolist(), true, limit, strict=True):
            if math.isfinite(float(exact)):
                assert abs(Decimal(result) - exact) <= Decimal(most) * Decimal("1.000001"), each
            else:
                assert result == float(exact), each


@pytest.mark.parametrize("name", FUSED)
def test_it_is_what_the_numpy_way_defines(name: str) -> None:
    x = np.concatenate([doubles(seed=5, count=500), [0.0, -0.0, np.inf, -np.inf, np.nan]])
    function = defined.BY_NAME[name.removesuffix("_tanh") if name == "gelu_tanh" else name]
    with np.errstate(all="ignore"):
        expected = function(x, *PARAMETERS.get(name, ()), **({"approximate": True} if name == "gelu_tanh" else {}))
    got = compiled(name, x)
    if name == "relu":  # the NumPy way multiplies −∞ by a slope of 0
        expected[x == -np.inf] = 0
    # where gelu is small, the NumPy way cancels: exact to eps · |x| only
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


AT_MINUS_INFINITY = {
    **dict.fromkeys(FUSED, 0.0),
    **dict.fromkeys(("silu", "gelu", "gelu_tanh", "mish", "hard_silu"), math.nan),  # −∞ · 0, as in PyTorch
    **dict.fromkeys(("tanh", "hard_tanh"), -1.0),
    **dict.fromkeys(("leaky_relu", "log_sigmoid"), -math.inf),
    "elu": -1.5,
    "celu": -0.75,
    "selu": -SELU[0] * SELU[1],
    "softsign": math.nan,
}


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", FUSED)
def test_the_ends_of_the_number_range(name: str, dtype: np.dtype[Any]) -> None:
    largest = np.finfo(dtype).max
    x = np.array([np.nan, np.inf, largest, -largest, 1e30, -1e30, 0.0, -0.0], dtype)
    with np.errstate(all="ignore"):
        expected = IN_DOUBLE[name](x.astype(np.float64)).astype(dtype)
    got = compiled(name, x)
    np.testing.assert_allclose(got, expected, rtol=2 * float(np.finfo(dtype).eps))
    np.testing.assert_array_equal(np.signbit(got[1:]), np.signbit(expected[1:]))
    ends = compiled(name, np.array([-np.inf], dtype))
    np.testing.assert_array_equal(ends, np.array([AT_MINUS_INFINITY[name]], dtype))


@pytest.mark.parametrize("dtype", ELEMENTS)
@pytest.mark.parametrize("name", FUSED)
def test_every_width_gives_the_same(name: str, dtype: np.dtype[Any]) -> None:
    x = np.concatenate([np.linspace(-40, 40, 1009), [np.nan, np.inf, -np.inf, 1e-40, -1e-40, -0.0]]).astype(dtype)
    expected = compiled(name, x, lanes=1)
    for lanes in (2, 4, 8, 16):
        np.testing.assert_array_equal(compiled(name, x, lanes), expected)


JUMP = r"^\s+(?:j[a-z]+|b(?:\.[a-z]+)?|cbn?z|tbn?z)\s"
X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"


@pytest.mark.parametrize(
    ("triple", "cpu", "wide"),
    [(X86, "haswell", "ymm"), (X86, "skylake-avx512", "zmm"), (X86, "x86-64", "xmm"), (ARM, "neoverse-n1", ".4s")],
)
@pytest.mark.parametrize("name", FUSED)
def test_no_cpu_needs_a_library_or_a_branch(name: str, triple: str, cpu: str, wide: str) -> None:
    target = named(triple, cpu)
    text = binary.assembly(sweep(name, ir.FloatType(), target.lanes(4))(target), target)
    assert wide in text
    assert not re.search(r"^\s+(call\w*|bl|blr)\s", text, re.MULTILINE)
    plain = binary.assembly(sweep(None, ir.FloatType(), target.lanes(4))(target), target)
    assert len(re.findall(JUMP, text, re.MULTILINE)) == len(re.findall(JUMP, plain, re.MULTILINE)), "the loop's own"
