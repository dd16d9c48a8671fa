"""The solver finds everything within its bounds, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstride import Reason, UnstrideError, solve
from unstride.answers.coverage import is_even
from unstride.dialects import keras, torch
from unstride.dialects.registry import NAMES
from unstride.dialects.spec import Spec
from unstride.geometry import Axis

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 14))


def within(axis: Axis) -> bool:
    """The solver's stated bound on the crops."""
    beyond = max(axis.stride, axis.dilation) - 1
    return 0 <= axis.before < axis.span and -beyond <= axis.after < axis.span


def read(build: object, shape: tuple[int, ...]) -> tuple[Spec, Axis] | None:
    try:
        spec: Spec = build()  # type: ignore[operator]  # a constructor with its arguments bound
        return spec, spec.read(shape).axes[0]
    except UnstrideError:
        return None


def torch_lines(small: int, transposed: bool, large: int) -> Iterator[tuple[Spec, Axis]]:
    """Every constructor call with small arguments, tried one by one."""
    for kernel, stride, dilation, padding in product(range(1, 5), range(1, 5), (1, 2), range(8)):
        extras = range(max(stride, dilation)) if transposed else (0,)
        for extra in extras:
            if transposed:
                found = read(
                    lambda k=kernel, s=stride, d=dilation, p=padding, e=extra: torch.ConvTranspose2d(
                        1, 1, k, stride=s, padding=p, output_padding=e, dilation=d
                    ),
                    (1, 1, small, small),
                )
            else:
                found = read(
                    lambda k=kernel, s=stride, d=dilation, p=padding: torch.Conv2d(
                        1, 1, k, stride=s, padding=p, dilation=d
                    ),
                    (1, 1, large, large),
                )
            if found:
                yield found


def keras_lines(small: int, transposed: bool, large: int) -> Iterator[tuple[Spec, Axis]]:
    for kernel, stride, dilation, padding in product(range(1, 5), range(1, 5), (1, 2), ("valid", "same")):
        extras = (None, *range(stride)) if transposed else (None,)
        for extra in extras:
            if transposed:
                found = read(
                    lambda k=kernel, s=stride, d=dilation, p=padding, e=extra: keras.Conv2DTranspose(
                        1, k, strides=s, padding=p, output_padding=e, dilation_rate=d
                    ),
                    (1, small, small, 1),
                )
            else:
                found = read(
                    lambda k=kernel, s=stride, d=dilation, p=padding: keras.Conv2D(
                        1, k, strides=s, padding=p, dilation_rate=d
                    ),
                    (1, large, large, 1),
                )
            if found:
                yield found


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize(("dialect", "lines"), [("torch", torch_lines), ("keras", keras_lines)])
@given(sizes=SIZES)
@settings(max_examples=12)
def test_every_constructor_call_within_the_bounds_is_found(
    dialect: str, lines: object, transposed: bool, sizes: tuple[int, int]
) -> None:
    small, large = sizes
    tried = [
        (spec, axis)
        for spec, axis in lines(small, transposed, large)  # type: ignore[operator]  # one of the two above
        if (axis.small, axis.large) == sizes and within(axis)
    ]
    found = solve(
        small=small,
        large=large,
        max_kernel=4,
        max_stride=4,
        max_dilation=2,
        dialects=[dialect],
        transposed=transposed,
    )
    layers = {solution.axes for solution in found if "ops" not in solution.code}
    assert {(axis, axis) for _, axis in tried} == layers
    if dialect == "torch":
        assert {spec.code() for spec, _ in tried} <= {solution.code for solution in found}


@given(sizes=SIZES, transposed=st.booleans())
@settings(max_examples=10)
def test_every_line_gives_the_wanted_size(sizes: tuple[int, int], transposed: bool) -> None:
    small, large = sizes
    found = solve(small=small, large=large, max_kernel=3, max_stride=4, dialects=NAMES[:6], transposed=transposed)
    lines = [(solution.code, solution.axes) for solution in found]
    assert len(lines) == len(set(lines))
    for solution in found:
        layer = found_layer(solution.spec, solution.axes, transposed)
        assert layer == solution.axes
        assert all((axis.small, axis.large) == sizes for axis in layer)
        assert solution.even == all(map(is_even, solution.axes))
    evens = [solution.even for solution in found]
    assert evens == sorted(evens, reverse=True)


def found_layer(spec: Spec, axes: tuple[Axis, ...], transposed: bool) -> tuple[Axis, ...]:
    size = tuple(axis.small if transposed else axis.large for axis in axes)
    shape = spec.data_layout(len(axes) + (2 if spec.batched else 1)).join(1, 1, size)
    kernel = spec.weight_layout(len(axes)).shape_of(tuple(axis.kernel for axis in axes), 1, 1)
    return spec.read(shape, kernel).axes


def test_twenty_to_195() -> None:
    """The thread's question: which line makes 195 × 195 from 20 × 20 with kernel 3 and stride 10."""
    codes = {solution.code for solution in solve(small=20, large=195, kernel=3, stride=10)}
    assert codes >= {
        "keras.layers.Conv2DTranspose(1, 3, strides=10, padding='same', output_padding=4)",
        "keras.layers.Conv2DTranspose(1, 3, strides=10, output_padding=2)",
        "torch.nn.ConvTranspose2d(1, 1, 3, stride=10, output_padding=2)",
    }
    assert any(code.startswith("tf.nn.conv2d_transpose(") and "195" in code for code in codes)
    shown = solve(small=20, large=195, kernel=3, stride=10).text()
    assert "tf.nn.conv2d_transpose" in shown
    assert "padding='same', output_padding=4" in shown


def test_checkerboard_free_comes_first() -> None:
    found = solve(small=20, large=40, dialects=["torch"])
    first = next(iter(found))
    assert (first.code, first.even, first.extra) == ("torch.nn.ConvTranspose2d(1, 1, 2, stride=2)", True, False)
    assert first.why == "even coverage, no output_padding or output size"


def test_sizes_may_differ_between_axes() -> None:
    found = solve(small=(20, 30), large=(40, 61), kernel=(2, 3), stride=2, dialects=["torch"])
    assert [solution.code for solution in found][:1] == ["torch.nn.ConvTranspose2d(1, 1, (2, 3), stride=2)"]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_size_goes_on_every_axis(rank: int) -> None:
    found = solve(small=4, large=8, kernel=2, stride=2, dialects=["torch"], rank=rank)
    assert next(iter(found)).code == f"torch.nn.ConvTranspose{rank}d(1, 1, 2, stride=2)"


def test_nothing_found_says_what_can_be_reached() -> None:
    found = solve(small=20, large=195, kernel=3, stride=4)
    assert not found.found
    assert found.nearest == (82,)
    assert "no line within the bounds; the nearest large sizes that can be reached: 82" in found.text()
    assert found.as_json()["nearest"] == [82]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"small": 0, "large": 4}, Reason.SIZE),
        ({"small": 2, "large": -4}, Reason.SIZE),
        ({"small": (2, 2, 2), "large": (4, 4)}, Reason.RANK),
        ({"small": 2, "large": 4, "kernel": 0}, Reason.KERNEL),
        ({"small": 2, "large": 4, "stride": (1, 2, 3)}, Reason.STRIDE),
        ({"small": 2, "large": 4, "max_dilation": 0}, Reason.DILATION),
        ({"small": 2, "large": 4, "dialects": ["brainfuck"]}, Reason.ARGUMENT),
        ({"small": 2, "large": 4, "max_kernel": 10**6}, Reason.TOO_LARGE),
        ({"small": 2, "large": 4, "kernel": 10**9, "stride": 1}, Reason.TOO_LARGE),
    ],
)
def test_bad_questions_are_rejected(arguments: dict[str, object], reason: Reason) -> None:
    with pytest.raises(UnstrideError) as caught:
        solve(**arguments)  # type: ignore[arg-type]  # wrong on purpose
    assert caught.value.reason is reason


def test_open_searches_answer_at_once() -> None:
    started = time.perf_counter()
    for small, large in ((2, 4), (20, 195), (10**9, 2 * 10**9)):
        assert solve(small=small, large=large).text()
    assert time.perf_counter() - started < 2
