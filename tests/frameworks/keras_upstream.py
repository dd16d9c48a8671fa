"""Keras's own tests of its transposed convolutions, as shipped with it, on these layers; ``test_parity_keras`` runs it.

Left out, with the reason: ``test_bad_init_args``, which asserts that an ``output_padding`` of at least ``strides`` and
strides with dilation are refused: here they are computed. The rest of it is in ``keras_layers``.
"""

from __future__ import annotations

from types import SimpleNamespace

import keras.src
import pytest

from unstride.frameworks import keras as ours

pytestmark = pytest.mark.filterwarnings("default")

_stock = keras.src.layers
keras.src.layers = SimpleNamespace(**{**vars(_stock), **{name: getattr(ours, name) for name in ours.__all__}})
try:  # the tests' parameters hold the layers' names as they are when the module is imported
    from keras.src.layers.convolutional import conv_transpose_test as upstream
finally:
    keras.src.layers = _stock


class TestBasic(upstream.ConvTransposeBasicTest):  # type: ignore[misc]  # Keras is not typed
    test_bad_init_args = None


class TestCorrectness(upstream.ConvTransposeCorrectnessTest):  # type: ignore[misc]  # Keras is not typed
    """All of them."""

    def test_these_layers_are_tested(self) -> None:
        assert upstream.layers.Conv2DTranspose is ours.Conv2DTranspose
