"""The product family: exact on integers in both layouts, for every end, type and order of the weights; its bounds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unstride.engine import activations, execute
from unstride.engine.jit import activations as compiled
from unstride.engine.jit import cache, plans, tables
from unstride.engine.jit.ends import End
from unstride.engine.jit.kernels_product import Form
from unstride.engine.jit.target import host
from unstride.geometry import Axis, Layer
from unstride.testing.strategies import layers

from . import pages
from .product import Numbers, computed, cut, defined, orders, square

Array = NDArray[Any]

LAYOUTS = pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
DOTS = {
    "to one channel": square(6, 4, 2, 1, 19, 1),
    "to an image": square(7, 4, 2, 1, 40, 3),
    "a convolution to one": Layer((Axis(5, 9, 3, 2, 1, 1),) * 2, 1, 20, transposed=False),
    "few columns of a group": Layer((Axis(6, 6, 3, 1, 1, 1),) * 2, 4, 34, 2, transposed=False),
}
"""layers with few columns, whose lanes are products"""
KNOWN = {
    "to three channels": square(6, 4, 2, 1, 5, 3),
    "phases together": square(5, 4, 2, 1, 4, 6),
    "phases together, a block of them cut": Layer((Axis(4, 10, 3, 3, 1, 0),), 1, 11),
    "two blocks of columns": square(4, 3, 2, 1, 9, 70),
    "depthwise": square(7, 4, 2, 1, 21, 21, 21),
    "grouped": square(4, 3, 3, 0, 10, 14, 2),
    "no tap for some outputs": square(4, 2, 3, 0, 3, 5),
    "a long row": Layer((Axis(700, 1400, 4, 2, 1, 1),), 3, 2),
    "space": Layer((Axis(3, 5, 3, 2, 1, 1),) * 3, 4, 5),
    "a convolution": Layer((Axis(5, 9, 3, 2, 1, 1),) * 2, 7, 6, transposed=False),
    "dilated": Layer((Axis(5, 13, 3, 2, 3, 1),) * 2, 6, 4),
    **DOTS,
}


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Inputs of so many bytes at a time, as if the cache were no larger."""

    def force(size: int) -> None:
        monkeypatch.setattr(tables, "CACHED", size)
        monkeypatch.setattr(tables, "LEAST", min(size, tables.LEAST))
        plans.bind.cache_clear()

    return force


@given(
    layer=st.one_of(layers(), layers(max_group_channels=40, max_groups=2, max_rank=2)),
    dtype=st.sampled_from(["float32", "float32", "float64"]),
    first=st.booleans(),
    added=st.sampled_from([(0, 0), (1, 1)]),
    size=st.sampled_from([1, 64, 500, 4000, 1 << 18]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_sums_are_exact(layer: Layer, dtype: str, first: bool, added: tuple[int, int], size: int, seed: int) -> None:
    if not layer.in_channels * layer.out_channels:
        return
    x, weights, *others = Numbers(seed).arrays(layer, dtype)
    bias, residual = (array if wanted else None for array, wanted in zip(others, added, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CACHED", size)
        patch.setattr(tables, "LEAST", min(size, 300))
        found = computed(layer, x, weights, bias, residual, first=first)
    np.testing.assert_array_equal(found, defined(layer, x, weights, bias, residual))


@st.composite
def few(draw: st.DrawFn) -> Layer:
    """A layer with one to twelve columns in a group, widened or not."""
    sizes, transposed, count = layers(max_rank=3, max_groups=1, max_group_channels=1), draw(st.booleans()), st.integers
    groups, columns, inputs = draw(count(1, 3)), draw(count(1, plans.FEW_MORE)), draw(count(1, 40))
    channels = (inputs * groups, columns * groups) if transposed else (columns * groups, inputs * groups)
    axes = draw(sizes).axes
    if draw(st.booleans()):
        small, stride, taps, before = draw(count(1, 9)), draw(count(2, 3)), draw(count(1, 2)), draw(count(0, 2))
        last = Axis(small, max(1, (small - 1) * stride + stride * taps - 2 * before), stride * taps, stride, 1, before)
        axes = (*axes[:-1], last)
    return Layer(axes, *channels, groups, transposed=transposed)


@given(
    layer=few(),
    dtype=st.sampled_from(["float32", "float64", "float16"]),
    first=st.booleans(),
    added=st.sampled_from([(0, 0), (1, 0), (1, 1)]),
    size=st.sampled_from([1, 500, 4000, 1 << 18]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25)
def test_sums_over_lanes_are_exact(
    layer: Layer, dtype: str, first: bool, added: tuple[int, int], size: int, seed: int
) -> None:
    kind = "float64" if dtype == "float64" else "float32"
    x, weights, *others = Numbers(seed).arrays(layer, kind)
    bias, residual = (array if wanted else None for array, wanted in zip(others, added, strict=True))
    end = End(bias is not None, residual is not None, stored="float16" if dtype == "float16" else None)
    data, addend = x.astype(dtype), None if residual is None else residual.astype(dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CACHED", size)
        patch.setattr(tables, "LEAST", min(size, 300))
        # also where other lanes would be faster, as long as the layout allows it
        patch.setattr(plans, "_suits_dot", lambda *_: True)
        found = computed(layer, data, weights, bias, addend, first=first, end=end)
        if not first and not (layer.groups == layer.in_channels == layer.out_channels > 1):
            assert cut(layer, kind, end, host(), first=first).form.flavour == "dot"
    np.testing.assert_array_equal(found, defined(layer, x, weights, bias, residual).astype(dtype))


@pytest.mark.parametrize("name", DOTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_tile_changes_a_bit(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, numbers = DOTS[name], np.random.RandomState(7)
    arrays = [numbers.standard_normal(each.shape).astype(dtype) for each in Numbers(7).arrays(layer)]
    monkeypatch.setattr(plans, "_suits_dot", lambda *_: True)
    form = cut(layer, dtype, End(), host(), first=False).form
    assert form.flavour == "dot"
    whole = computed(layer, *arrays, first=False)
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")
    for positions in range(1, form.positions(host())):
        monkeypatch.setattr(Form, "positions", lambda *_, most=positions: most)
        monkeypatch.setattr(Form, "key", f"product {form} {positions}")
        assert computed(layer, *arrays, first=False).tobytes() == whole.tobytes()


@LAYOUTS
@pytest.mark.parametrize("layer", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("size", [200, 3000, 1 << 18])
def test_chunks_of_any_size(layer: Layer, size: int, first: bool, small_chunks: Callable[[int], None]) -> None:
    small_chunks(size)
    arrays = Numbers(size).arrays(layer, batch=3)
    found = computed(layer, *arrays, first=first, threads=2)
    np.testing.assert_array_equal(found, defined(layer, *arrays))


@pytest.mark.parametrize("name", KNOWN)
def test_weights_in_any_order(name: str) -> None:
    layer = KNOWN[name]
    x, weights, *added = Numbers(2).arrays(layer)
    for said, array in orders(weights).items():
        for first in (False, True):
            found = computed(layer, x, array, *added, first=first)
            np.testing.assert_array_equal(found, defined(layer, x, array, *added), said)


def test_compiled_code_knows_every_fused_activation() -> None:
    assert set(activations.FUSED) <= set(compiled.FUSED)


def applied(name: str, parameters: tuple[float, ...], sums: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(activations.BY_NAME[name](sums, *parameters))


def numpys_error(x: Array, y: Array) -> Array:
    """What NumPy's activations in double precision may be wrong by."""
    worst: Array = 8 * np.finfo(np.float64).eps * np.maximum(1, np.maximum(np.abs(x), np.abs(y)))
    return worst


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, "float32") for name in activations.FUSED), ("gelu", "float64"), ("tanh", "float64")]
)
def test_activations(name: str, dtype: str) -> None:
    layer, first = square(4, 3, 2, 1, 3, 5), len(name) % 2 == 0
    x, weights, bias, residual = Numbers(4).arrays(layer, dtype)
    weights, bias, residual = weights / 8, bias / 8, residual / 8
    parameters = activations.DEFAULTS.get(name, ())
    end = End(bias=True, residual=True, activation=name, parameters=parameters)
    found = computed(layer, x, weights, bias, residual, first=first, end=end)
    # eighths of small integers: the sums are exact
    sums = defined(layer, x, weights, bias, residual).astype(np.float64)
    limits = np.finfo(dtype)
    given = tuple(float(np.dtype(dtype).type(value)) for value in parameters)
    true = applied(name, given, sums)
    bound = compiled.BOUNDS[name] * float(limits.eps) * np.maximum(np.abs(true), float(limits.tiny))
    assert np.all(np.abs(found - true) <= bound + numpys_error(sums, true))
    assert found.dtype == dtype


@pytest.mark.parametrize("name", [None, "gelu"])
@pytest.mark.parametrize("stored", ["float16", "bfloat16"])
@LAYOUTS
def test_half_precision(stored: str, first: bool, name: str | None) -> None:
    kind: Any = (
        np.float16 if stored == "float16" else pytest.importorskip("ml_dtypes", reason="bfloat16 is its").bfloat16
    )
    for layer in (KNOWN["phases together"], KNOWN["depthwise"]):
        x, weights, bias, residual = Numbers(5).arrays(layer)
        end = End(bias=True, residual=True, activation=name, stored=stored)
        data, added = x.astype(kind), (residual / 4).astype(kind)
        found = computed(layer, data, weights, bias, added, first=first, end=end)
        sums = defined(layer, x, weights, bias, added.astype(np.float32))
        assert found.dtype == kind
        if name == "gelu":
            true = applied(name, (), sums.astype(np.float64))
            # half a unit of the last place for the store, beside which the activation's own error is small
            unit = 2.0 ** (-11 if stored == "float16" else -8)
            smallest = 2.0**-25 if stored == "float16" else 2.0**-134
            close = unit * 1.001 * np.abs(true) + smallest + numpys_error(sums, true)
            assert np.all(np.abs(found.astype(np.float64) - true) <= close)
        else:
            np.testing.assert_array_equal(found.astype(np.float32), sums.astype(kind).astype(np.float32))


@LAYOUTS
@pytest.mark.parametrize("name", ["phases together", "depthwise", "space"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_output_has_the_type_and_layout_of_the_input(name: str, dtype: str, first: bool) -> None:
    layer = KNOWN[name]
    x, weights, bias, residual = (each.astype(dtype) for each in Numbers(6).arrays(layer))
    last = (0, *range(2, x.ndim), 1)
    back = (0, x.ndim - 1, *range(1, x.ndim - 1))
    data = x if first else np.ascontiguousarray(x.transpose(last)).transpose(back)
    other = np.ascontiguousarray(residual.transpose(last)).transpose(back) if first else residual
    for added in (residual, other):
        found = execute.run(layer, data, weights, bias, residual=added, activation="relu", engine="jit")
        wanted = execute.run(layer, x, weights, bias, residual=residual, activation="relu", engine="blas")
        np.testing.assert_array_equal(found, wanted)
        assert found.dtype == dtype
        assert (found if first else found.transpose(last)).flags.c_contiguous


@LAYOUTS
@pytest.mark.parametrize("seed", range(6))
def test_what_is_no_product_is_not_multiplied(seed: int, first: bool) -> None:
    for name in ("phases together", "two blocks of columns", "depthwise", "grouped", "no tap for some outputs", *DOTS):
        layer, numbers = KNOWN[name], Numbers(seed)
        x, weights, bias, residual = numbers.arrays(layer, batch=1)
        weights.flat[numbers.random.randint(weights.size)] = (np.inf, -np.inf, np.nan)[seed % 3]
        if seed % 2:
            x.flat[numbers.random.randint(x.size)] = np.inf
        wanted = execute.run(layer, x, weights, bias, residual=residual, engine="reference")
        found = computed(layer, x, weights, bias, residual, first=first)
        np.testing.assert_array_equal(found, wanted, name)
        assert np.isfinite(wanted).any()
        assert not np.isfinite(wanted).all()


@LAYOUTS
@pytest.mark.parametrize("name", KNOWN)
def test_rounding(name: str, first: bool) -> None:
    layer, numbers = KNOWN[name], np.random.RandomState(8)
    x, weights, bias, residual = (
        numbers.standard_normal(array.shape).astype(np.float32) for array in Numbers(8).arrays(layer)
    )
    found = computed(layer, x, weights, bias, residual, first=first)
    wide = [array.astype(np.float64) for array in (x, weights, bias, residual)]
    magnitude = defined(layer, *map(np.abs, wide))
    count = defined(layer, *(np.ones_like(array) for array in wide))
    # of k terms summed in any order, each is rounded k times at most (Higham 2002, section 4.2); a product once more
    bound = (count + 1) * float(np.finfo(np.float32).eps) / 2 * magnitude
    assert np.all(np.abs(found - defined(layer, *wide)) <= bound)


@LAYOUTS
@pytest.mark.parametrize("name", ["phases together", "two blocks of columns", "depthwise", "to an image"])
def test_threads_do_not_change_a_bit(name: str, first: bool, small_chunks: Callable[[int], None]) -> None:
    small_chunks(500)
    layer, numbers = KNOWN[name], np.random.RandomState(3)
    arrays = [numbers.standard_normal(each.shape).astype(np.float32) for each in Numbers(3).arrays(layer)]
    one = computed(layer, *arrays, first=first)
    for threads in (2, 3):
        assert computed(layer, *arrays, first=first, threads=threads).tobytes() == one.tobytes()


@LAYOUTS
def test_the_forms_that_are_met(first: bool) -> None:
    """The layers above have columns in every way there is: lanewise, cropped, cut, in several blocks, over lanes."""
    shapes = [cut(layer, "float32", End(), host(), first=first) for layer in KNOWN.values()]
    assert {shape.form.flavour for shape in shapes} == {"broadcast", "lanewise", "dot"}
    assert any(shape.blocks > 1 for shape in shapes)
    assert {shape.form.cropped for shape in shapes} == {False, True}
    # one channel is where it belongs in either layout
    assert {shape.form.unpacks for shape in shapes} == {False, first}


MEMORY = """
import sys
import numpy as np
from unstride import set_num_threads
from unstride.engine import execute
from unstride.engine.jit import memory, plans
from unstride.engine.jit.ends import End
from unstride.engine.jit.target import host
from unstride.geometry import Axis, Layer

first, threads = sys.argv[1] == "first", 2
set_num_threads(threads)
layer = Layer((Axis(96, 192, 4, 2, 1, 1),) * 2, 64, 64)
x = np.ones((4, 64, 96, 96) if first else (4, 96, 96, 64), np.float32)
x = x if first else x.transpose(0, 3, 1, 2)
prepared = execute.prepare(layer, np.ones((64, 64, 4, 4), np.float32), engine="jit")
output = prepared(x).nbytes
memory._FREE.clear()
scratch = plans.bind(layer, 4, "float32", End(), channels_first=first).family.tables.scratch * threads
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")  # the peak starts anew

def status(name):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

before = status("VmRSS")
prepared(x)
print(status("VmHWM") - before, output, scratch)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's account of a process's memory")
@pytest.mark.parametrize("layout", ["first", "last"])
def test_memory_is_the_output_and_a_tile_for_each_thread(layout: str) -> None:
    command = [sys.executable, "-c", MEMORY, layout]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own script
    if "clear_refs" in said.stderr:
        pytest.skip("the peak cannot be reset here")
    grown, output, scratch = map(int, said.stdout.split())
    # scratch is taken in powers of two; the kernel counts its pages late, a few hundred KiB at a time
    assert output * 0.95 <= grown <= output + 2 * scratch + 2**20


PAGES = """
import itertools, resource, statistics
import numpy as np
from unstride import set_num_threads
from unstride.engine import execute
from unstride.geometry import Axis, Layer
set_num_threads(1)
layer = Layer((Axis(128, 256, 4, stride=2, before=1),) * 2, 16, 16, groups=16)
x, weights = np.ones((1, 16, 128, 128), np.float32), np.ones((16, 1, 4, 4), np.float32)
asked = [0]
for _ in range(30):
    held = [execute.run(layer, x, weights) for _ in range(2)]
    del held
    asked.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(statistics.median(after - before for before, after in itertools.pairwise(asked)))
"""
OUTPUT_PAGES = 16 * 256 * 256 * 4 // 4096


@pages.glibc
def test_pages_of_outputs_are_not_asked_for_again() -> None:
    assert pages.printed(PAGES) < OUTPUT_PAGES // 4
