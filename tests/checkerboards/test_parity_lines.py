"""The lines of the sub-pixel form, run in the frameworks: exactly what their own transposed convolutions give.

Small integers are exact in single precision, so that equal means equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from unstride import parse, to_subpixel
from unstride.checkerboards.conversion import SubPixel
from unstride.testing.live import adapter, installed

from .layers import Array

pytestmark = pytest.mark.parity

DRAWS = range(12)
Draw = np.random.Generator
Line = tuple[str, tuple[int, ...], tuple[int, ...] | None]
"""code, input shape, and for functions the kernel's shape"""


def pick(draw: Draw, low: int, high: int, rank: int) -> tuple[int, ...]:
    return tuple(draw.integers(low, high + 1, rank).tolist())


def torch_line(draw: Draw, rank: int) -> Line:
    """Any of PyTorch's arguments, with groups."""
    groups, stride, dilation = int(draw.integers(1, 3)), pick(draw, 1, 3, rank), pick(draw, 1, 2, rank)
    if draw.integers(2):
        stride = (stride[0],) * rank  # the same on all axes: a pixel shuffle
    extra = tuple(int(draw.integers(0, max(s, d))) for s, d in zip(stride, dilation, strict=True))
    words = f"stride={stride}, padding={pick(draw, 0, 1, rank)}, output_padding={extra}, dilation={dilation}"
    code = f"torch.nn.ConvTranspose{rank}d({2 * groups}, {3 * groups}, {pick(draw, 2, 4, rank)}, {words}"
    return f"{code}, groups={groups})", (2, 2 * groups, *pick(draw, 3, 5, rank)), None


def tensorflow_line(draw: Draw, rank: int) -> Line:
    """``SAME`` and ``VALID``, to a size that the forward convolution maps back."""
    large, step, taps = pick(draw, 5, 9, rank), int(draw.integers(2, 4)), pick(draw, 2, 4, rank)
    padding = str(draw.choice(["SAME", "VALID"]))
    small = tuple(-(-n // step) if padding == "SAME" else (n - k) // step + 1 for n, k in zip(large, taps, strict=True))
    code = f"tf.nn.conv{rank}d_transpose(x, w, {(2, *large, 3)}, {step}, '{padding}')"
    return code, (2, *small, 2), (*taps, 3, 2)


def keras_line(draw: Draw, rank: int) -> Line:
    """Layers with and without an output padding."""
    stride = pick(draw, 2, 3, rank)
    padding, extra = draw.choice(["same", "valid"]), ", output_padding=1" if draw.integers(2) else ""
    words = f"strides={stride}, padding='{padding}'{extra}"
    return (
        f"keras.layers.Conv{rank}DTranspose(3, {pick(draw, 3, 4, rank)}, {words})",
        (2, *pick(draw, 3, 4, rank), 2),
        None,
    )


def keras2_line(draw: Draw, rank: int) -> Line:
    """Keras 2's layers, the same stride on all axes."""
    words = f"strides={int(draw.integers(2, 4))}, padding='{draw.choice(['same', 'valid'])}'"
    code = f"tf_keras.layers.Conv{rank}DTranspose(3, {pick(draw, 3, 4, rank)}, {words})"
    return code, (2, *pick(draw, 3, 4, rank), 2), None


def flax_line(draw: Draw, rank: int) -> Line:
    """``nnx`` modules."""
    padding = str(draw.choice(["SAME", "VALID"]))
    words = f"strides={pick(draw, 1, 3, rank)}, padding='{padding}', rngs=rngs"
    return f"flax.nnx.ConvTranspose(2, 3, {pick(draw, 2, 4, rank)}, {words})", (2, *pick(draw, 3, 4, rank), 2), None


def equinox_line(draw: Draw, rank: int) -> Line:
    """Modules without a batch axis."""
    words = f"stride={pick(draw, 1, 3, rank)}, padding={int(draw.integers(2))}, key=key"
    return (
        f"equinox.nn.ConvTranspose{rank}d(2, 3, {pick(draw, 3, 4, rank)}, {words})",
        (2, *pick(draw, 3, 4, rank)),
        None,
    )


LINES = {
    "torch": torch_line,
    "tensorflow": tensorflow_line,
    "keras": keras_line,
    "keras2": keras2_line,
    "flax": flax_line,
    "equinox": equinox_line,
}


def place(framework: str, array: Array) -> Any:
    """The array as the framework's own."""
    if framework == "torch":
        return import_module("torch").from_numpy(np.ascontiguousarray(array))
    if framework in ("tensorflow", "keras2"):
        return import_module("tensorflow").constant(array)
    if framework == "keras":
        return import_module("keras").ops.convert_to_tensor(array)
    return import_module("jax.numpy").asarray(array)


def modules(framework: str) -> Iterator[tuple[str, Any]]:
    """The names that the lines begin with."""
    roots = {"torch": ("torch",), "tensorflow": ("tensorflow",), "keras2": ("tensorflow",), "keras": ("keras",)}
    for name in roots.get(framework, ("jax", "jax.numpy")):
        yield {"tensorflow": "tf"}.get(name, name.partition(".")[0]), import_module(name.partition(".")[0])


def computed(found: SubPixel, x: Array) -> Array:
    """The lines, one after the other; a layer is built with its weights when it is called."""
    framework, kernel, bias = found.dialect, found.kernel.astype(np.float32), found.bias
    added = None if bias is None else bias.astype(np.float32)
    names: dict[str, Any] = dict(modules(framework)) | {"x": place(framework, x)}
    names |= dict.fromkeys(("w", "weight", "filters"), place(framework, kernel))
    names |= {} if added is None else {"bias": place(framework, added)}
    made = ""
    for line in found.lines:
        if line.startswith("conv = "):
            made = line.removeprefix("conv = ")
        elif line == "y = conv(x)":
            names["y"] = place(framework, adapter(framework).evaluate(made, np.asarray(names["x"]), kernel, added))
        else:
            exec(line, names)  # noqa: S102 - a line that this package wrote
    return np.asarray(names["y"])


def check(framework: str, line: Line, seed: int) -> SubPixel:
    """Fail unless the lines give what the framework's transposed convolution gives."""
    code, input_shape, kernel_shape = line
    draw, spec = np.random.default_rng(seed), parse(code)
    layer = spec.read(input_shape, kernel_shape)
    x, kernel = (draw.integers(-4, 5, shape).astype(np.float32) for shape in (input_shape, spec.kernel_shape(layer)))
    bias = draw.integers(-4, 5, layer.out_channels).astype(np.float32) if layer.bias else None
    found = to_subpixel(spec, kernel, bias, input_shape=input_shape)
    real = adapter(spec.dialect).evaluate(spec.code() if framework != "tensorflow" else code, x, kernel, bias)
    here = computed(found, x)
    assert here.shape == real.shape, f"{code}\n{found}"
    assert np.array_equal(here, real), f"{code}\n{found}"
    assert here.any()
    return found


@pytest.mark.parametrize("seed", DRAWS)
@pytest.mark.parametrize("framework", LINES)
def test_the_lines_equal_the_frameworks_own_layer(framework: str, seed: int) -> None:
    if not installed(framework):
        pytest.skip(f"{framework} is not installed")
    draw = np.random.default_rng(seed)
    check(framework, LINES[framework](draw, seed % 3 + 1), seed)


def test_the_frameworks_own_shuffles_are_among_them() -> None:
    if not installed("torch") or not installed("tensorflow"):
        pytest.skip("torch or tensorflow is not installed")
    torch = check("torch", ("torch.nn.ConvTranspose2d(2, 3, 4, stride=2, padding=1)", (2, 2, 3, 4), None), 1)
    assert any("pixel_shuffle" in line for line in torch.lines)
    tensorflow = check("tensorflow", ("tf.nn.conv2d_transpose(x, w, (2, 6, 8, 3), 2)", (2, 3, 4, 2), (4, 4, 3, 2)), 1)
    assert any("depth_to_space" in line for line in tensorflow.lines)


def test_jax_takes_its_arrays_with_channels_first() -> None:
    if not installed("jax"):
        pytest.skip("jax is not installed")
    code, kernel_shape = "jax.lax.conv_transpose(x, w, (2, 3), 'SAME')", (3, 4, 2, 3)
    draw, spec = np.random.default_rng(1), parse(code)
    x, kernel = (draw.integers(-4, 5, shape).astype(np.float32) for shape in ((2, 3, 4, 2), kernel_shape))
    found = to_subpixel(spec, kernel, input_shape=x.shape)
    real = adapter("jax").evaluate(code, x, kernel, None)
    assert np.array_equal(computed(found, x.transpose(0, 3, 1, 2)), real.transpose(0, 3, 1, 2))


def test_groups_keep_tensorflow_from_its_own_shuffle() -> None:
    if not installed("torch") or not installed("tensorflow"):
        pytest.skip("torch or tensorflow is not installed")
    code = "torch.nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2)"
    draw = np.random.default_rng(1)
    x, kernel, bias = (draw.integers(-4, 5, n).astype(np.float32) for n in ((2, 4, 3, 5), (4, 3, 3, 3), (6,)))
    found = to_subpixel(parse(code), kernel, bias, input_shape=x.shape, to="tensorflow")
    real = adapter("torch").evaluate(code, x, kernel, bias)
    assert not any("depth_to_space" in line for line in found.lines)
    assert np.array_equal(computed(found, x.transpose(0, 2, 3, 1)), real.transpose(0, 2, 3, 1))
