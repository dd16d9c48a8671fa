"""Inside JAX: ``lax``'s own values and errors, derivatives of both modes and any order, every transformation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest

from unstride import UnstrideError

jax = pytest.importorskip("jax")
unstride_jax = pytest.importorskip("unstride.frameworks.jax")
calls = pytest.importorskip("tests.frameworks.jax_calls")
case, cut, everything, integers, pick, same = (
    getattr(calls, name) for name in ("case", "cut", "everything", "integers", "pick", "same")
)
jnp, lax = jax.numpy, jax.lax

pytestmark = pytest.mark.parity

Array = Any


@pytest.fixture(autouse=True)
def compiled_fast() -> Iterator[None]:
    """Small integers need no optimised code."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", val=True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_values_and_derivatives_are_laxs(seed: int, rank: int) -> None:
    draw = np.random.default_rng([seed, rank])
    x, kernel, words = case(draw, rank)
    stock, mine = (partial(each, **words) for each in (cut, unstride_jax.conv_transpose))
    y = integers(draw, *jax.eval_shape(stock, x, kernel).shape)
    given = (x, kernel, y, integers(draw, *x.shape), integers(draw, *kernel.shape))
    found = jax.jit(lambda *arrays: [everything(layer, *arrays) for layer in (mine, stock)])(*given)
    same(*found)
    same(found[0][0], lax.conv_transpose(x, kernel, **words))


@pytest.mark.parametrize(
    ("strides", "dilation", "padding"),
    [((4,), (1,), ((4, 2),)), ((3,), (3,), ((2, -1),)), ((2,), (2,), ((1, 0),)), ((5,), (1,), ((9, 9),))],
)
def test_windows_that_few_stamps_reach(strides: Any, dilation: Any, padding: Any) -> None:
    draw = np.random.default_rng(7)
    words = {"strides": strides, "rhs_dilation": dilation, "padding": padding}
    x, kernel = integers(draw, 2, 2, 1), integers(draw, 2, 1, 2)
    stock, mine = (partial(each, **words) for each in (cut, unstride_jax.conv_transpose))
    y = integers(draw, *jax.eval_shape(stock, x, kernel).shape)
    given = (x, kernel, y, integers(draw, *x.shape), integers(draw, *kernel.shape))
    same(*(everything(layer, *given) for layer in (mine, stock)))


@pytest.mark.parametrize("piece", [0, 1 << 60], ids=["interleaved", "depth to space"])
@pytest.mark.parametrize("seed", range(4))
def test_both_ways_to_make_phases(seed: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unstride.frameworks.jax.phases.PIECE", piece)
    jax.clear_caches()
    for rank in (1, 2):
        draw = np.random.default_rng([seed, rank, 1])
        x, kernel, words = case(draw, rank)
        words |= {
            "rhs_dilation": (1,) * rank,
            "strides": pick(draw, 2, 4, rank),
            "padding": ("SAME", "VALID")[seed % 2],
        }
        stock, mine = (partial(each, **words) for each in (cut, unstride_jax.conv_transpose))
        y = integers(draw, *jax.eval_shape(stock, x, kernel).shape)
        same(
            *jax.jit(lambda *arrays, each=(mine, stock): [jax.vjp(f, *arrays[:2])[1](arrays[2]) for f in each])(
                x, kernel, y
            )
        )
    jax.clear_caches()


X, K = np.ones((1, 4, 4, 2), "float32"), np.ones((3, 3, 2, 3), "float32")

REFUSED = [
    (X, K[..., :1, :], ((2, 2), "SAME"), {}),
    (X, K, ((2, 2), "same"), {}),
    (X, K, ((2, 2), "FULL"), {"use_consistent_padding": True}),
    (X, K, ((2, 2), ((1, 1),)), {}),
    (X, K, ((2,), "SAME"), {}),
    (X, K, ((2, 2), "SAME", (0, 1)), {}),
    (X, K, ((0, 2), "SAME"), {}),
    (X, K, ((2, 2), "SAME", None, ("NHWC", "HWIO")), {}),
    (X, K, ((2, 2), "SAME", None, ("NHWC", "HWOO", "NHWC")), {}),
    (X, K, ((2, 2), "SAME"), {"precision": "exact"}),
    (X, K, ((2, 2), ((-9, -9), (1, 1))), {}),
    (X, K, ((2, 2), [[1, 1], [1, 1]]), {"use_consistent_padding": True}),
    (X, K.astype("int32"), ((2, 2), "SAME"), {}),
    (X, K[0], ((2, 2), "SAME"), {}),
    (X, K, ((2, 2), 1), {}),
    ([1.0], K, ((2, 2), "SAME"), {}),
    (X, K, ((2, 2), "SAME"), {"preferred_element_type": "int8"}),
]


@pytest.mark.parametrize("call", REFUSED, ids=range(len(REFUSED)))
def test_errors_are_laxs(call: Any) -> None:
    x, kernel, words, named = call
    with pytest.raises(Exception) as wanted:  # noqa: PT011 - whatever lax raises
        lax.conv_transpose(x, kernel, *words, **named)
    with pytest.raises(type(wanted.value)) as raised:
        unstride_jax.conv_transpose(x, kernel, *words, **named)
    assert str(raised.value) == str(wanted.value)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("order", [None, ("NCHW", "OIHW", "NHCW")])
def test_groups_are_layers_side_by_side(turned: bool, order: Any) -> None:
    draw = np.random.default_rng(5)
    groups, words = 3, {"strides": (2, 3), "padding": "SAME", "transpose_kernel": turned, "dimension_numbers": order}
    shape = {"H": 3, "W": 4, "I": 2, "O": 6}
    x = integers(draw, *({"N": 2, "C": 6, "H": 3, "W": 4}[each] for each in (order or ("NHWC",))[0]))
    kernel = integers(draw, *(shape[each] for each in (order or ("", "HWIO"))[1]))
    places = [order[0].index("C"), order[1].index("O"), order[2].index("C")] if order else [3, 3, 3]

    def apart(x: Array, kernel: Array) -> Array:
        parts = zip(jnp.split(x, groups, places[0]), jnp.split(kernel, groups, places[1]), strict=True)
        return jnp.concatenate([lax.conv_transpose(*pair, **words) for pair in parts], places[2])

    mine = partial(unstride_jax.conv_transpose, **words, feature_group_count=groups)
    y = integers(draw, *jax.eval_shape(apart, x, kernel).shape)
    given = (x, kernel, y, integers(draw, *x.shape), integers(draw, *kernel.shape))
    same(*jax.jit(lambda *arrays: [everything(layer, *arrays) for layer in (mine, apart)])(*given))


@pytest.mark.parametrize(("groups", "axis"), [(0, 3), (2, 3), (4, 3)])
def test_groups_must_divide_the_channels(groups: int, axis: int) -> None:
    x, kernel = jnp.ones((1, 4, 4, 4)), jnp.ones((3, 3, 2, 3))
    with pytest.raises(UnstrideError, match=f"feature_group_count={groups}: must divide axis {axis} of"):
        unstride_jax.conv_transpose(x, kernel, (2, 2), "SAME", feature_group_count=groups)


PADDINGS: list[tuple[Any, bool]] = [("SAME", False), ("VALID", False), (((1, 0), (0, 2)), True)]


@pytest.mark.parametrize(("padding", "consistent"), PADDINGS)
def test_every_size_undoes_the_forward_convolution(padding: Any, consistent: bool) -> None:
    """Each size that a forward convolution maps to the input's, and no other; the values are its gradient."""
    draw = np.random.default_rng(3)
    kernel, strides = integers(draw, 3, 4, 3, 2), (2, 3)
    forward = partial(
        lax.conv_general_dilated, window_strides=strides, padding=padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    mine = partial(unstride_jax.conv_transpose, strides=strides, padding=padding, transpose_kernel=True)
    mine, x = partial(mine, use_consistent_padding=consistent), integers(draw, 2, 3, 2, 2)
    matched = 0
    for large in product(range(4, 9), range(4, 11)):
        skip = jnp.zeros((2, *large, 3))
        try:
            fits = jax.eval_shape(forward, skip, kernel).shape == x.shape
        except ValueError:
            fits = False
        if not fits:
            with pytest.raises(UnstrideError, match="can only have an output size of"):
                mine(x, kernel, output_size=large)
            continue
        wanted = jax.linear_transpose(partial(forward, rhs=kernel), skip)(x)[0]
        same([mine(x, kernel, output_size=large), mine(x, kernel, like=skip)], [wanted, wanted])
        matched += 1
    assert matched == 6


def test_like_is_read_in_the_outputs_order() -> None:
    call = partial(unstride_jax.conv_transpose, jnp.ones((1, 2, 4, 5)), jnp.ones((3, 3, 2, 3)), (2, 2), "SAME")
    orders = ("NCHW", "HWIO", "WHNC")
    assert call(dimension_numbers=orders, like=jax.ShapeDtypeStruct((9, 7, 1, 8), "float32")).shape == (9, 7, 1, 3)
    assert call(dimension_numbers=orders, output_size=(7, 9)).shape == (9, 7, 1, 3)
    for wanted in ({"output_size": (7,)}, {"like": jnp.ones((7, 9))}):
        with pytest.raises(UnstrideError, match="must have 2 spatial axes"):
            call(dimension_numbers=orders, **wanted)
    with pytest.raises(UnstrideError, match="give one of them"):
        call(output_size=(7, 9), like=jnp.ones((1, 7, 9, 1)))


def test_derivatives_are_finite_differences() -> None:
    from jax.test_util import check_grads

    with jax.enable_x64(True):  # noqa: FBT003 - its only argument
        draw = np.random.default_rng(1)
        x, kernel = draw.standard_normal((1, 2, 2, 2)), draw.standard_normal((3, 2, 1, 2))
        layer = partial(unstride_jax.conv_transpose, strides=(2, 3), padding="SAME", feature_group_count=2)
        check_grads(jax.jit(layer), (x, kernel), order=2, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)


def hessians(layer: Any, x: Array, kernel: Array) -> Any:
    """Second derivatives, backward over forward and forward over backward."""

    def loss(x: Array, kernel: Array) -> Array:
        return (layer(x, kernel) ** 2).sum()

    modes = (jax.jacrev(jax.jacfwd(loss, (0, 1)), (0, 1)), jax.jacfwd(jax.grad(loss, (0, 1)), (0, 1)))
    twice = jax.grad(lambda x, kernel: sum((each**2).sum() for each in jax.grad(loss, (0, 1))(x, kernel)), (0, 1))
    return [each(x, kernel) for each in (*modes, twice)]


def test_second_derivatives_are_laxs() -> None:
    draw = np.random.default_rng(2)
    x, kernel = integers(draw, 1, 3, 2), integers(draw, 3, 2, 1)
    layers = [partial(f, strides=(2,), padding="SAME") for f in (unstride_jax.conv_transpose, lax.conv_transpose)]
    same(*jax.jit(lambda x, kernel: [hessians(layer, x, kernel) for layer in layers])(x, kernel))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("axes", [(1, None), (None, 2), (-1, 0)])
def test_mapped_over_a_batch(axes: Any, groups: int) -> None:
    draw = np.random.default_rng(4)
    words = {"strides": (2,), "padding": "SAME", "feature_group_count": groups}
    layer = partial(unstride_jax.conv_transpose, **words)
    alone = (integers(draw, 3, 2, 4, 4), integers(draw, 3, 3, 4 // groups, 6))
    x, kernel = (
        jnp.moveaxis(each, 0, axis) if axis is not None else each[0] for each, axis in zip(alone, axes, strict=True)
    )
    y = integers(draw, 3, 2, 8, 6)

    def slopes(x: Array, kernel: Array, y: Array) -> Any:
        value, back = jax.vjp(layer, x, kernel)
        return value, *back(y)

    def one_by_one(x: Array, kernel: Array, y: Array) -> Any:
        taken = [
            [
                jnp.take(each, i, axis) if axis is not None else each
                for each, axis in zip((x, kernel, y), (*axes, 0), strict=True)
            ]
            for i in range(3)
        ]
        return [jnp.stack(each) for each in zip(*(slopes(*pair) for pair in taken), strict=True)]

    both = jax.jit(lambda *given: [jax.vmap(slopes, (*axes, 0))(*given), one_by_one(*given)])
    same(*both(x, kernel, y))
    mapped = jax.jit(jax.grad(lambda x, kernel: (jax.vmap(layer, axes)(x, kernel) * y).sum(), (0, 1)))(x, kernel)
    for slope, axis, wanted in zip(mapped, axes, one_by_one(x, kernel, y)[1:], strict=True):
        same(slope, wanted.sum(0) if axis is None else jnp.moveaxis(wanted, 0, axis))


def dilations(call: Any, *arrays: Array) -> set[str]:
    """The input dilations in the program that XLA is given."""
    return set(re.findall(r"lhs_dilate = \[([\d, ]+)\]", jax.jit(call).lower(*arrays).as_text()))


def test_no_zero_is_stuffed() -> None:
    x, kernel = jnp.ones((1, 3, 4, 2)), jnp.ones((3, 5, 2, 3))
    words = {"strides": (2, 3), "padding": "VALID", "rhs_dilation": (1, 2)}
    mine, stock = (partial(f, **words) for f in (unstride_jax.conv_transpose, lax.conv_transpose))

    def loss(layer: Any, x: Array, kernel: Array) -> Array:
        return (layer(x, kernel) ** 2).sum()

    assert dilations(stock, x, kernel) == {"2, 3"}
    assert "2, 3" in dilations(jax.grad(partial(loss, stock), (0, 1)), x, kernel)
    slopes = jax.grad(partial(loss, mine), (0, 1))
    twice = jax.grad(lambda x, kernel: sum(each.sum() for each in slopes(x, kernel)), (0, 1))
    for call in (mine, slopes, twice, lambda *given: jax.jvp(mine, given, given)):
        assert dilations(call, x, kernel) <= {"1, 1"}
    mapped: Any = jax.vmap(slopes, (0, None))
    assert dilations(mapped, jnp.ones((2, *x.shape)), kernel) <= {"1, 1"}


TYPES = ["bfloat16", "float16", "int8", "int32", "uint8", "complex64"]


@pytest.mark.parametrize("name", TYPES)
def test_types_are_laxs(name: str) -> None:
    draw = np.random.default_rng(6)
    x, kernel = (jnp.asarray(draw.integers(0, 3, shape), name) for shape in ((1, 4, 2), (3, 2, 3)))
    wider = {"bfloat16": "float32", "int8": "int32"}.get(name)
    for words in ({}, {"preferred_element_type": wider}, {"precision": ("high", "highest")}):
        layers = [
            partial(f, strides=(2,), padding="SAME", **words) for f in (unstride_jax.conv_transpose, lax.conv_transpose)
        ]
        same(*(layer(x, kernel) for layer in layers))


def test_gradients_keep_the_arrays_types() -> None:
    x, kernel = jnp.ones((1, 4, 2), "bfloat16"), jnp.ones((3, 2, 3), "bfloat16")
    layer = partial(unstride_jax.conv_transpose, strides=(2,), padding="SAME", preferred_element_type="float32")
    y, back = jax.vjp(layer, x, kernel)
    assert y.dtype == jnp.float32
    assert {each.dtype.name for each in back(y)} == {"bfloat16"}


@pytest.mark.parametrize(
    ("x", "kernel"), [((0, 4, 2), (3, 2, 3)), ((1, 0, 2), (3, 2, 3)), ((1, 4, 0), (3, 0, 3)), ((1, 4, 2), (3, 2, 0))]
)
@pytest.mark.parametrize("padding", ["SAME", "VALID", ((5, 5),)])
def test_empty_arrays(x: Any, kernel: Any, padding: Any) -> None:
    arrays = jnp.ones(x), jnp.ones(kernel)
    layers = [partial(f, strides=(2,), padding=padding) for f in (unstride_jax.conv_transpose, lax.conv_transpose)]
    same(*(layer(*arrays) for layer in layers))


def test_inside_other_transformations() -> None:
    draw = np.random.default_rng(8)
    x, kernel = integers(draw, 2, 3, 2), integers(draw, 4, 2, 2)
    mine, stock = (partial(f, strides=(1,), padding="SAME") for f in (unstride_jax.conv_transpose, lax.conv_transpose))

    def repeated(layer: Any, x: Array, kernel: Array) -> Array:
        step = jax.checkpoint(lambda held, _: (layer(held, kernel), None))
        return lax.scan(step, x, length=2)[0].sum()

    same(*(jax.grad(partial(repeated, layer), (0, 1))(x, kernel) for layer in (mine, stock)))
    exported = jax.export.export(jax.jit(mine))(x, kernel)
    same(jax.export.deserialize(exported.serialize()).call(x, kernel), stock(x, kernel))


@pytest.mark.parametrize("kind", ["Auto", "Explicit"])
def test_split_over_devices(kind: str) -> None:
    """``shard_map``: the kernel's gradient is summed over the devices."""
    sharding = jax.sharding
    draw, part = np.random.default_rng(9), sharding.PartitionSpec("batch")
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(sharding.AxisType[kind],))
    x, kernel = integers(draw, 2, 3, 2), integers(draw, 4, 2, 2)
    mine, stock = (partial(f, strides=(2,), padding="SAME") for f in (unstride_jax.conv_transpose, lax.conv_transpose))

    def each(x: Array, kernel: Array) -> Array:
        return lax.psum((mine(x, kernel) ** 2).sum(), "batch")

    whole = jax.grad(lambda x, kernel: (stock(x, kernel) ** 2).sum(), (0, 1))(x, kernel)
    placed = jax.device_put(x, sharding.NamedSharding(mesh, part))
    with jax.set_mesh(mesh):
        same(jax.jit(mine)(placed, kernel), stock(x, kernel))
        split = jax.shard_map(each, in_specs=(part, sharding.PartitionSpec()), out_specs=sharding.PartitionSpec())
        same(jax.jit(jax.grad(split, (0, 1)))(placed, kernel), whole)


def test_symbolic_shapes_are_left_to_lax() -> None:
    from jax import export

    shape = export.symbolic_shape("batch, size, 2")
    layer = jax.jit(partial(unstride_jax.conv_transpose, strides=(2,), padding="SAME"))
    program = export.export(layer)(jax.ShapeDtypeStruct(shape, "float32"), jnp.ones((3, 2, 3)))
    assert program.call(jnp.ones((2, 5, 2)), jnp.ones((3, 2, 3))).shape == (2, 10, 3)
