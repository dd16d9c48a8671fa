"""Keras's layers with every window, on the backend that KERAS_BACKEND names; ``test_parity_keras`` runs this file.

Small integers are exact in single precision, so that equal means equal, on every backend to the same reference.
"""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from unstride.engine import reference
from unstride.errors import UnstrideError
from unstride.frameworks import keras as ours
from unstride.geometry import Axis, Layer

COUNT = min(int(os.environ.get("UNSTRIDE_PARITY_COUNT", "4")), 400)
SEED = int(os.environ.get("UNSTRIDE_PARITY_SEED", "1905"))
OURS = (ours.Conv1DTranspose, ours.Conv2DTranspose, ours.Conv3DTranspose)
STOCK = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
Draw = np.random.Generator
Array = Any


def integers(draw: Draw, *shape: int) -> Array:
    return draw.integers(-4, 5, shape).astype("float32")


def built(layer: Any, x: Array, draw: Draw) -> Any:
    """The layer with small integers for weights."""
    layer.build(x.shape)
    layer.set_weights([integers(draw, *weight.shape) for weight in layer.weights])
    return layer


def numbers(y: Any) -> Array:
    return np.asarray(ops.convert_to_numpy(y))


def pick(draw: Draw, low: int, high: int, rank: int) -> tuple[int, ...]:
    return tuple(draw.integers(low, high + 1, rank).tolist())


def expected(
    padding: Any, extra: int | None, axis: int, full: int, small: int, stride: int, span: int
) -> tuple[int, int]:
    """(before, large) of one axis, said once more: where no size is asked for."""
    if padding == "same":
        large = small * stride if extra is None else full - 2 * (span // 2) + extra
        return max(full - large, 0) // 2, large
    if padding == "valid" and extra is None:
        return 0, max(full, small * stride)
    before, after = (0, 0) if isinstance(padding, str) else padding[axis]
    return before, full - before - after + (extra or 0)


def referred(layer: Any, x: Array, size: tuple[int, ...] | None = None) -> Array:
    """What the layer has to give, by the definition's loops."""
    last = layer.data_format == "channels_last"
    x = np.moveaxis(x, -1, 1) if last else x
    kernel, *bias = (each.astype(int) for each in layer.get_weights())
    axes = []
    for i, (n, k, s, d) in enumerate(
        zip(x.shape[2:], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    ):
        span = d * (k - 1) + 1
        full = (n - 1) * s + span
        extra = None if layer.output_padding is None else layer.output_padding[i]
        before, large = expected(layer.padding, extra, i, full, n, s, span)
        if size is not None:
            large = size[i]
            before = max(full - large, 0) // 2 if layer.padding == "same" else before
        axes.append(Axis(n, large, k, s, d, before))
    weights = np.moveaxis(kernel, (-1, -2), (0, 1))
    layer_ = Layer(tuple(axes), x.shape[1], layer.filters, layer.groups)
    y = reference.run(layer_, x.astype(int), weights, *bias)
    return np.moveaxis(y, 1, -1) if last else y


def drawn(draw: Draw, rank: int) -> tuple[Any, Array]:
    """A layer with any arguments, and an input."""
    groups, most = int(draw.integers(1, 3)), (3, 3, 2)[rank - 1]
    taps = pick(draw, 1, most + 1, rank)
    padding: Any = ("valid", "same", "full", tuple((int(draw.integers(-1, 2)), 0) for _ in range(rank)))[
        int(draw.integers(4))
    ]
    words = {
        "filters": 2 * groups,
        "kernel_size": taps,
        "strides": pick(draw, 1, 3, rank),
        "padding": padding,
        "output_padding": None if draw.integers(2) else pick(draw, 0, 4, rank),
        "dilation_rate": pick(draw, 1, 3, rank) if draw.integers(2) else 1,
        "groups": groups,
        "data_format": ("channels_first", "channels_last")[int(draw.integers(2))],
        "use_bias": bool(draw.integers(2)),
        "bias_initializer": "ones",
    }
    layer = OURS[rank - 1](**words)
    sizes, channels = pick(draw, 2, most + 1, rank), groups * int(draw.integers(1, 3))
    shape = (*sizes, channels) if words["data_format"] == "channels_last" else (channels, *sizes)
    x = integers(draw, 2, *shape)
    return built(layer, x, draw), x


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_values_are_the_references(rank: int) -> None:
    draw = np.random.default_rng(SEED + rank)
    for _ in range(COUNT):
        layer, x = drawn(draw, rank)
        wanted = referred(layer, x)
        found = numbers(layer(x))
        assert found.shape == layer.compute_output_shape(x.shape) == wanted.shape, layer.get_config()
        assert np.array_equal(found, wanted), layer.get_config()


def sizes_of(layer: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(shape[1:-1] if layer.data_format == "channels_last" else shape[2:])


def shaped(layer: Any, batch: Any, channels: Any, sizes: tuple[Any, ...]) -> tuple[Any, ...]:
    """A shape in the layer's layout."""
    return (batch, *sizes, channels) if layer.data_format == "channels_last" else (batch, channels, *sizes)


def sized(draw: Draw, layer: Any, x: Array) -> tuple[int, ...]:
    """A size that can be asked for: less than a stride from stride · small, or less than a stride more than cropped."""
    sizes = []
    steps = zip(sizes_of(layer, x.shape), layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    for i, (n, k, s, d) in enumerate(steps):
        cropped = 0 if isinstance(layer.padding, str) else sum(layer.padding[i])
        least = n * s - s + 1 if layer.padding == "same" else (n - 1) * s + d * (k - 1) + 1 - cropped
        sizes.append(max(1, least + int(draw.integers(2 * s - 1 if layer.padding == "same" else s))))
    return tuple(sizes)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_wanted_sizes(rank: int) -> None:
    draw = np.random.default_rng(SEED + 10 * rank)
    for _ in range(COUNT):
        layer, x = drawn(draw, rank)
        size = sized(draw, layer, x)
        like = np.zeros(shaped(layer, 2, 5, size), "float32")
        wanted = referred(layer, x, size)
        assert np.array_equal(numbers(layer(x, like=like)), wanted), (layer.get_config(), size)
        assert np.array_equal(numbers(layer(x, output_size=size)), wanted)
        assert layer.compute_output_shape(x.shape, like.shape) == wanted.shape


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_open_sizes(rank: int, tmp_path: Path) -> None:
    """A model that learns its sizes when it runs; and once more as read from its file."""
    draw = np.random.default_rng(SEED + 20 * rank)
    for padding in ("same", "full", ((1, -1),) * rank):
        words: dict[str, Any] = {"padding": padding, "output_padding": 3, "dilation_rate": 2, "groups": 2}
        layer = OURS[rank - 1](2, 3, strides=3, **words)
        x = integers(draw, 2, *pick(draw, 3, 4, rank), 2)
        size = sized(draw, built(layer, x, draw), x)
        like = np.zeros((2, *size, 5), "float32")
        inputs = [keras.Input((*[None] * rank, 2)), keras.Input((*[None] * rank, 5))]
        model = keras.Model(inputs, [layer(inputs[0]), layer(inputs[0], like=inputs[1])])
        assert [y.shape for y in model.outputs] == [(None, *[None] * rank, 2)] * 2
        model.save(tmp_path / "model.keras")
        for each in (model, keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)):
            plain, matched = each.predict([x, like], verbose=0)
            assert np.array_equal(plain, referred(layer, x))
            assert np.array_equal(matched, referred(layer, x, size))


def stock_words(draw: Draw, rank: int) -> dict[str, Any]:
    """What Keras can say, and TensorFlow computes on CPU too."""
    strides = pick(draw, 1, 3 if rank < 3 else 1, rank)  # XLA's compiler dies of some strides in 3-D
    extra = None if draw.integers(2) else tuple(int(draw.integers(s)) for s in strides)
    words = {"strides": strides, "output_padding": extra, "padding": str(draw.choice(["same", "VALID"]))}
    return {"filters": 3, "kernel_size": pick(draw, 1, 4, rank), **words}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_what_keras_can_say_is_keras(rank: int) -> None:
    draw = np.random.default_rng(SEED + 30 * rank)
    for _ in range(COUNT):
        words = stock_words(draw, rank)
        mine, stock = OURS[rank - 1](**words), STOCK[rank - 1](**words)
        x = integers(draw, 2, *pick(draw, 2, 4, rank), 2)
        built(mine, x, draw)
        try:
            wanted = stock(x)
        except Exception:
            assert keras.backend.backend() == "tensorflow"
            assert words["output_padding"] is not None
            continue
        assert [each.shape for each in mine.weights] == [each.shape for each in stock.weights]
        stock.set_weights(mine.get_weights())
        wanted = numbers(stock(x))
        assert mine.compute_output_shape(x.shape) == tuple(stock.compute_output_shape(x.shape)) == wanted.shape
        assert np.array_equal(numbers(mine(x)), wanted), words
        shared = {**mine.get_config(), "name": stock.name}
        assert shared.pop("groups") == 1
        assert shared == stock.get_config()


def test_arguments_are_keras() -> None:
    for mine, stock in zip(OURS, STOCK, strict=True):
        own, theirs = inspect.signature(mine).parameters, inspect.signature(stock).parameters
        assert [each for each in own if each != "groups"] == list(theirs)
        assert all(own[name].default == each.default for name, each in theirs.items())
        assert isinstance(mine(1, 2), stock)


def product_loss(wanted: Any, y: Any) -> Any:
    """Linear in every weight, and its gradients are integers."""
    return ops.sum(y * wanted, axis=tuple(range(1, len(y.shape))))


def trained(layer: Any, x: Array, like: Array, wanted: Array, draw: Draw) -> tuple[Any, list[Array], list[Array]]:
    """The model of a convolution and the layer, its weights, and what one step of gradient descent made of them."""
    inputs = [keras.Input(x.shape[1:]), keras.Input(like.shape[1:])]
    y = keras.layers.Conv2D(x.shape[-1], 1)(inputs[0])
    y = layer(y) if type(layer) in STOCK else layer(y, like=inputs[1])
    model = keras.Model(inputs, y)
    before = [integers(draw, *each.shape) for each in model.weights]
    model.set_weights([each.copy() for each in before])
    # without XLA, TensorFlow may change a variable while the gradient of another still reads it
    model.compile(keras.optimizers.SGD(1.0), loss=product_loss, jit_compile=keras.backend.backend() != "torch")
    model.train_on_batch([x, like], wanted)
    return model, before, [each.copy() for each in model.get_weights()]


def test_one_training_step_is_keras() -> None:
    words: dict[str, Any] = {"filters": 2, "kernel_size": (3, 2), "strides": 2, "padding": "same"}
    made = []
    for kind in (ours.Conv2DTranspose, keras.layers.Conv2DTranspose):
        draw = np.random.default_rng(SEED)
        x, like, wanted = integers(draw, 2, 4, 3, 2), integers(draw, 2, 8, 6, 1), integers(draw, 2, 8, 6, 2)
        made.append(trained(kind(**words), x, like, wanted, draw)[2])
    for one, other in zip(*made, strict=True):
        assert one.tolist() == other.tolist()


def test_gradients_are_the_slopes() -> None:
    """The loss is linear in each weight: a step along a direction changes it by exactly the gradient's part."""
    draw = np.random.default_rng(SEED)
    words: dict[str, Any] = {"strides": (3, 2), "dilation_rate": 2, "groups": 2, "padding": ((1, 0), (0, 2))}
    x, like, wanted = integers(draw, 2, 4, 3, 4), integers(draw, 2, 16, 7, 1), integers(draw, 2, 16, 7, 2)
    model, before, after = trained(ours.Conv2DTranspose(2, (4, 3), **words), x, like, wanted, draw)

    def loss() -> float:
        return float(np.sum(model.predict([x, like], verbose=0) * wanted)) / len(x)

    model.set_weights([each.copy() for each in before])
    level = loss()
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        direction = integers(draw, *old.shape)
        model.set_weights([each + direction if i == j else each for j, each in enumerate(before)])
        slope = np.sum((old - new) * direction)
        assert slope != 0
        assert loss() - level == slope


def unet(size: tuple[int | None, int | None]) -> Any:
    """Poolings that drop the odd element, and layers that give it back."""
    x = inputs = keras.Input((*size, 1))
    skips = []
    for width in (2, 4):
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        skips.append(x)
        x = keras.layers.MaxPooling2D(2)(x)
    for width, skip in zip((4, 2), reversed(skips), strict=True):
        x = ours.Conv2DTranspose(width, 2, strides=2, padding="same", groups=2)(x, like=skip)
        x = keras.layers.Concatenate()([x, skip])
    return keras.Model(inputs, keras.layers.Conv2D(1, 1)(x))


def test_unet_on_odd_sizes(tmp_path: Path) -> None:
    draw = np.random.default_rng(SEED)
    assert unet((11, 7)).output_shape == (None, 11, 7, 1)
    model = unet((None, None))
    assert model.output_shape == (None, None, None, 1)
    x = draw.normal(size=(2, 11, 7, 1)).astype("float32")
    model.compile("adam", loss="mse")
    losses = [float(model.train_on_batch(x, x)) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert losses[2] < losses[0]
    model.save(tmp_path / "unet.keras")
    again = keras.saving.load_model(tmp_path / "unet.keras", safe_mode=True)
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.predict(draw.normal(size=(1, 14, 9, 1)), verbose=0).shape == (1, 14, 9, 1)


def test_configs_survive() -> None:
    words: dict[str, Any] = {"padding": [[1, 0], [0, 2]], "output_padding": (5, 0), "dilation_rate": 2, "groups": 2}
    words |= {"strides": 3, "activation": "relu", "kernel_regularizer": "l2"}
    layer = ours.Conv2DTranspose(4, (3, 2), **words)
    text = keras.saving.serialize_keras_object(layer)
    assert text["registered_name"] == "unstride>Conv2DTranspose"
    again = keras.saving.deserialize_keras_object(text)
    assert again.get_config() == layer.get_config()
    assert again.padding == ((1, 0), (0, 2))
    x = integers(np.random.default_rng(0), 1, 3, 3, 4)
    again.build(x.shape)
    again.set_weights(built(layer, x, np.random.default_rng(1)).get_weights())
    assert np.array_equal(numbers(again(x)), numbers(layer(x)))
    assert numbers(layer(x)).min() == 0


def test_mixed_precision() -> None:
    layer = ours.Conv2DTranspose(4, 3, strides=2, dilation_rate=3, groups=2, dtype="mixed_bfloat16")
    x = integers(np.random.default_rng(0), 1, 3, 3, 2)
    built(layer, x, np.random.default_rng(1))
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == layer(keras.Input((3, 3, 2))).dtype == "bfloat16"
    assert layer.kernel.dtype == "float32"
    assert np.array_equal(numbers(ops.cast(y, "float32")), referred(layer, x))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"groups": 3}, "groups"),
        ({"padding": "reflect"}, "padding"),
        ({"padding": ((1, 0),)}, "padding"),
        ({"output_padding": -1}, "output-padding"),
        ({"dilation_rate": 0}, "dilation"),
    ],
)
def test_refused_arguments(words: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        ours.Conv2DTranspose(4, 3, **words)
    assert caught.value.code == reason


def test_refused_calls() -> None:
    x, like = np.zeros((1, 4, 4, 3), "float32"), np.zeros((1, 11, 8, 3), "float32")
    layer = ours.Conv2DTranspose(4, 3, strides=2, padding="same")
    with pytest.raises(UnstrideError, match="7…9"):
        layer(x, like=like)
    with pytest.raises(UnstrideError, match="7…9"):
        layer(keras.Input((4, 4, 3)), like=keras.Input((11, 8, 3)))
    with pytest.raises(UnstrideError, match="give one of them"):
        layer(x, like=like, output_size=8)
    with pytest.raises(UnstrideError, match="dimensions"):
        layer(x, like=np.zeros((1, 8, 3), "float32"))
    with pytest.raises(UnstrideError, match="crop less"):
        ours.Conv2DTranspose(4, 3, padding=9)(x)
    with pytest.raises(UnstrideError, match="must divide"):
        ours.Conv2DTranspose(4, 3, groups=2)(x)


def test_what_keras_refuses_of_its_own_arguments() -> None:
    """The part of Keras's ``test_bad_init_args`` that holds here too."""
    for words in ({"filters": 0, "kernel_size": 1}, {"filters": 2, "kernel_size": (1, 0)}):
        with pytest.raises(ValueError, match="Received"):
            ours.Conv2DTranspose(**words)
    with pytest.raises(ValueError, match="`strides` argument must be a tuple"):
        ours.Conv2DTranspose(2, 2, strides=(1, 0))
