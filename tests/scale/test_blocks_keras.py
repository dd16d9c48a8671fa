"""A Keras model as what computes blocks."""

from __future__ import annotations

import os

import dask.array as da
import numpy as np
import pytest

from unstride.scale.blocks import function
from unstride.scale.dask import apply
from unstride.scale.source import network

os.environ.setdefault("KERAS_BACKEND", "torch")  # read when Keras is imported
keras = pytest.importorskip("keras", reason="the network that is fed is Keras's")

pytestmark = pytest.mark.parity


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own, on PyTorch
def test_a_keras_model_computes_blocks() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((None, None, 2)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.MaxPooling2D(2),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2DTranspose(3, 4, strides=2, padding="same"),
        ]
    )
    x = np.random.default_rng(0).standard_normal((2, 38, 54, 2)).astype(np.float32)
    ask = function(model)
    whole = ask(x)
    np.testing.assert_array_equal(whole, ask(x))
    lazy = da.from_array(x, chunks=(1, 17, 20, 2))
    graph = network(model)
    ours, theirs = apply(model, lazy), apply(graph, lazy, function=model)
    assert ours.name != theirs.name
    assert apply(graph, lazy, function=model).name == theirs.name
    for made in (ours, theirs):
        np.testing.assert_allclose(made.compute(scheduler="threads"), whole, rtol=1e-4, atol=1e-5)
