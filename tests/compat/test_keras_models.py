"""``Sequential``: building, shapes, weights, summary, config."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from unstride import Reason, UnstrideError
from unstride.compat import keras
from unstride.compat.keras import layers


def _autoencoder() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="down"),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid", name="up"),
        ],
        name="autoencoder",
    )


def test_input_builds_at_once() -> None:
    model = _autoencoder()
    assert model.built
    assert (model.input_shape, model.output_shape) == ((None, 8, 8, 1), (None, 8, 8, 1))
    assert model.count_params() == 4 * 9 + 4 + 4 * 9 + 1
    assert [weight.path for weight in model.weights] == ["down/kernel", "down/bias", "up/kernel", "up/bias"]


def test_model_is_its_layers_one_after_the_other() -> None:
    model = _autoencoder()
    x = np.random.default_rng(0).random((3, 8, 8, 1))
    down, up = model.layers
    assert np.array_equal(model(x), up(down(x)))
    assert np.array_equal(model.predict(x), model(x))
    assert model(np.ones((1, 6, 10, 1))).shape == (1, 6, 10, 1)


def test_first_call_builds_and_layers_may_follow() -> None:
    model = keras.Sequential()
    model.add(layers.Conv2D(2, 3))
    with pytest.raises(AttributeError, match="before it is built"):
        model.output_shape  # noqa: B018 - the access is the test
    assert model(np.ones((1, 8, 8, 1))).shape == (1, 6, 6, 2)
    kernel = model.layers[0].get_weights()[0]
    model.add(layers.Conv2DTranspose(1, 3))
    assert model.output_shape == (1, 8, 8, 1)
    assert np.array_equal(model.layers[0].get_weights()[0], kernel)
    assert isinstance(model.pop(), layers.Conv2DTranspose)
    assert model.output_shape == (1, 6, 6, 2)


def test_input_shape_argument_of_the_first_layer_is_an_input() -> None:
    model = keras.Sequential([layers.Conv1D(2, 3, input_shape=(10, 4))])
    assert model.output_shape == (None, 8, 2)


def test_weights_move_between_equal_models() -> None:
    one, other = _autoencoder(), _autoencoder()
    x = np.random.default_rng(1).random((1, 8, 8, 1))
    assert not np.array_equal(one(x), other(x))
    other.set_weights(one.get_weights())
    assert np.array_equal(one(x), other(x))


def test_frozen_layers_count_as_not_trainable() -> None:
    model = _autoencoder()
    model.layers[0].trainable = False
    assert [weight.path for weight in model.trainable_weights] == ["up/kernel", "up/bias"]
    assert [weight.path for weight in model.non_trainable_weights] == ["down/kernel", "down/bias"]
    model.trainable = False
    assert model.trainable_weights == []


def test_config_goes_round_through_json() -> None:
    model = _autoencoder()
    config = model.get_config()
    again = keras.Sequential.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    again.set_weights(model.get_weights())
    x = np.random.default_rng(2).random((1, 8, 8, 1))
    assert np.array_equal(again(x), model(x))


def test_model_in_a_model() -> None:
    inner = keras.Sequential([layers.Conv2D(2, 1, kernel_initializer="ones")], name="inner")
    outer = keras.Sequential([keras.Input((2, 2, 1)), inner])
    assert outer(np.ones((1, 2, 2, 1))).shape == (1, 2, 2, 2)
    assert outer.count_params() == 4
    assert keras.Sequential.from_config(outer.get_config()).output_shape == (None, 2, 2, 2)


SUMMARY = """\
Model: "autoencoder"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┓
┃ Layer (type)             ┃ Output Shape      ┃    Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━┩
│ down (Conv2D)            │ (None, 4, 4, 4)   │         40 │
├──────────────────────────┼───────────────────┼────────────┤
│ up (Conv2DTranspose)     │ (None, 8, 8, 1)   │         37 │
└──────────────────────────┴───────────────────┴────────────┘
 Total params: 77 (308.00 B)
 Trainable params: 77 (308.00 B)
 Non-trainable params: 0 (0.00 B)
"""


def test_summary_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    model = _autoencoder()
    model.summary(line_length=61, print_fn=lines.append)
    assert "".join(lines) == SUMMARY
    model.summary(line_length=61)
    assert capsys.readouterr().out == SUMMARY


def test_summary_before_built_knows_no_shapes() -> None:
    lines: list[str] = []
    keras.Sequential([layers.Conv2D(1, 1, name="later")]).summary(print_fn=lines.append)
    assert "0 (unbuilt)" in lines[0]
    assert "│ ?" in lines[0]


WRONG: dict[str, tuple[Any, str | None]] = {
    "no layers": (lambda: keras.Sequential()(np.ones((1, 2))), None),
    "not a layer": (lambda: keras.Sequential([abs]), "layer"),
    "the same name twice": (
        lambda: keras.Sequential([layers.Conv2D(1, 1, name="a"), layers.Conv2D(1, 1, name="a")]),
        "name",
    ),
    "two inputs": (lambda: keras.Sequential([keras.Input((1, 1)), keras.Input((1, 1))]), "layer"),
    "no such layer": (lambda: _autoencoder().get_layer("nope"), "name"),
    "no shape": (lambda: keras.Sequential([layers.Conv2D(1, 1)]).build(), "input_shape"),
    "nothing to pop": (lambda: keras.Sequential().pop(), None),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_an_argument_error(case: str) -> None:
    call, argument = WRONG[case]
    with pytest.raises(UnstrideError) as caught:
        call()
    assert (caught.value.reason, caught.value.argument) == (Reason.ARGUMENT, argument)


def test_an_unknown_layer_of_a_config_is_named() -> None:
    config = {"name": "m", "layers": [{"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}}]}
    with pytest.raises(UnstrideError, match="Dense") as caught:
        keras.Sequential.from_config(config)
    assert caught.value.reason is Reason.UNSUPPORTED
