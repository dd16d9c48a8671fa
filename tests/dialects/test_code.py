"""Pasted text: the layer is found wherever it stands, nothing is run, and errors point at the place."""

from __future__ import annotations

import pytest

from unstride import Reason, UnstrideError, parse

UP = "torch.nn.ConvTranspose2d(16, 33, 3, stride=2)"


@pytest.mark.parametrize(
    "text",
    [
        "nn.ConvTranspose2d(16, 33, 3, stride=2)",
        "self.up = nn.ConvTranspose2d(16, 33, 3, stride=2)  # doubles",
        "return nn.ConvTranspose2d(16, 33, 3, stride=2)(x)",
        "nn.ConvTranspose2d(16, 33, 3, stride=2),",
        "nn.Sequential(nn.ConvTranspose2d(16, 33, 3, stride=2), nn.ReLU(True))",
        "nn.ConvTranspose2d(16, 33, 3, stride=2), nn.Tanh()",
        "up = lambda x: nn.ConvTranspose2d(16, 33, 3, stride=2)(x)",
        "layers.append(nn.ConvTranspose2d(in_channels=16, out_channels=33, kernel_size=3, stride=2))",
        "(0): ConvTranspose2d(16, 33, kernel_size=3, stride=2)",
        ">>> m = nn.ConvTranspose2d(16, 33, 3, stride=2)",
        "k = 3\nm = nn.ConvTranspose2d(4 * 4, 66 // 2, k, stride=k - 1)",
        "m = nn.ConvTranspose2d(\n    16,\n    33,\n    kernel_size=3,\n    stride=2,\n)",
    ],
)
def test_the_layer_is_found_wherever_it_stands(text: str) -> None:
    assert parse(text).code() == UP


def test_variables_may_be_given_values() -> None:
    assert parse("nn.ConvTranspose2d(c, c * 2 + 1, k, stride=2)", names={"c": 16, "k": 3}).code() == UP


@pytest.mark.parametrize(
    ("reason", "text", "said"),
    [
        (Reason.ARGUMENT, "Conv2DTranspose(64, 3, stride=2)", "did you mean strides?"),
        (Reason.ARGUMENT, "nn.ConvTranspose2d(64, 3, 3, strides=2)", "did you mean stride?"),
        (Reason.UNKNOWN_CALL, "nn.ConvTranpose2d(1, 1, 3)", "did you mean torch.nn.ConvTranspose2d"),
        (Reason.SYNTAX, "nn.Sequential(nn.Conv2d(1, 1, 3), nn.ConvTranspose2d(1, 1, 3))", "holds 2 layers"),
        (Reason.EXPRESSION, "nn.ConvTranspose2d(c, 1, 3)", "--set c="),
        (Reason.EXPRESSION, "nn.ConvTranspose2d(2**8, 1, 3)", "the expression 2 ** 8"),
        (Reason.EXPRESSION, "nn.ConvTranspose2d(f(), 1, 3)", "the call f(...)"),
        (Reason.SYNTAX, "nn.ConvTranspose2d", "holds no call"),
        (Reason.GROUPS, "keras.layers.Conv2DTranspose(2, 3, groups=2)", "no such argument"),
        (Reason.PADDING, "keras.layers.Conv2DTranspose(2, 3, padding='full')", "'valid' undoes"),
    ],
)
def test_what_is_wrong_is_said(reason: Reason, text: str, said: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        parse(text)
    assert caught.value.reason is reason
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("nn.ConvTranspose(3, (3, 3), strides=(2, 2))", "flax"),
        ("nn.ConvTranspose(features=3, kernel_size=(3, 3))", "flax"),
        ("nnx.ConvTranspose(2, 3, (3, 3), rngs=rngs)", "flax"),
        ("nn.ConvTranspose2d(1, 2, 3, key=key)", "equinox"),
        ("hk.Conv2DTranspose(3, 3, stride=2)", "haiku"),
        ("tf.keras.layers.Conv2DTranspose(3, 3)", "keras"),
        ("tf_keras.layers.Conv2DTranspose(3, 3)", "keras2"),
        ("ConvTranspose(strides=[2, 2])", "onnx"),
        ("x.conv_transpose2d(w, stride=2)", "tinygrad"),
        ("F.conv_transpose2d(x, w)", "torch"),
        ("transposedConv2dLayer([3 3], 16, 'Stride', 2)", "matlab"),
        ("mx.conv_transpose2d(x, w)", "mlx"),
    ],
)
def test_the_dialect_is_known_by_the_words(text: str, dialect: str) -> None:
    assert parse(text).dialect == dialect


def test_a_named_dialect_settles_shared_words() -> None:
    assert parse("tf.keras.layers.Conv2DTranspose(3, 3)", dialect="keras2").dialect == "keras2"
    assert parse("tf.keras.layers.Conv2DTranspose(3, 3)", dialect="tf_keras").dialect == "keras2"
