"""Layers that are out of the ordinary, of the real frameworks: what is found, or the words that refuse them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unstride.testing.live import PACKAGES, installed

pytestmark = pytest.mark.parity

ROOT = Path(__file__).parents[2]
OWN = "has a {} of its own, which may compute anything"

KERAS = {
    "unbuilt": "{}.Conv2DTranspose(2, 3, strides=2)",
    "built": "{}.Conv2DTranspose(2, 3, strides=2, use_bias=False) float32(3, 3, 2, 5)",
    "causal": "{}.Conv1D(2, 3, padding='causal', dilation_rate=2)",
    "channels first": "{}.Conv3D(2, (1, 2, 3), data_format='channels_first')",
    "activation": "{}.Conv2D(2, 3, activation='gelu')",
    "linear": "{}.Conv2D(2, 3)",
    "own activation": "has the activation <lambda>, which is not one of Keras's own functions; set layer.activation",
    "layer activation": "has the activation LeakyReLU, which is not one of Keras's own functions",
    "double": "{}.Conv2D(2, 3, dtype='float64') float64(3, 3, 5, 2) float64(2,)",
    "mixed": "{}.Conv2D(2, 3, dtype='mixed_bfloat16') float32(3, 3, 5, 2) float32(2,)",
    "output padding": "{}.Conv1DTranspose(2, 3, strides=2, output_padding=1)",
    "depthwise": "is a depthwise convolution, which is read as a grouped one only; use Conv2D(channels·",
    "separable": "is two convolutions: one depthwise, one with a single tap; use two Conv1D layers",
    "dense": "Dense: must be a spec or a live layer; live layers are convolutions of torch.nn, keras.layers",
    "subclass": "{}.Conv2DTranspose(2, 3)",
    "own call": OWN.format("call"),
    "another activation elsewhere": "has the activation gelu, which is not one of Keras's own functions",
}
ANSWERS = {
    "keras": {name: words.replace("{}", "keras.layers") for name, words in KERAS.items()}
    | {
        "the same activation elsewhere": "keras.layers.Conv2D(2, 3, activation='tanh')",
        "hard sigmoid": "keras.layers.Conv2D(2, 3, activation='hard_sigmoid')",
        "low rank": "has a low-rank adaptation (LoRA) beside its kernel; build a layer without lora_rank",
    },
    "keras2": {name: words.replace("{}", "tf_keras.layers") for name, words in KERAS.items()}
    | {
        "the same activation elsewhere": "tf_keras.layers.Conv2D(2, 3, activation='relu')",
        "leaky": "tf_keras.layers.Conv2D(2, 3, activation='leaky_relu')",
        "hard sigmoid": "has the activation hard_sigmoid, which Keras 2 computes otherwise",
        "ignored groups": "tf_keras.layers.Conv2DTranspose(2, 3, groups=2)",
    },
    "flax": {
        "shapes alone": "flax.nnx.Conv(2, 2, (3,), rngs=rngs)",
        "words": "flax.nnx.Conv(2, 4, (3,), param_dtype='bfloat16', precision=jax.lax.Precision.HIGHEST, rngs=rngs)"
        " bfloat16(3, 2, 4) bfloat16(4,)",
        "transposed by spacing": "flax.nnx.Conv(2, 2, (3,), padding=1, input_dilation=2, rngs=rngs)"
        " float32(3, 2, 2) float32(2,)",
        "mask": "flax.nnx.Conv(2, 2, (3,), rngs=rngs) float32(3, 2, 2) float32(2,)",
        "own function": OWN.format("conv_general_dilated"),
        "circular": "padding='CIRCULAR': only zero padding belongs to the layer itself",
        "own call": OWN.format("__call__"),
        "held twice": "params=dict: an nnx module holds its weights itself; leave them out",
        "linen": "flax.linen.ConvTranspose(2, (3,), strides=(2,), transpose_kernel=True)",
        "linen with parameters": "flax.linen.ConvTranspose(2, (3,), strides=(2,), transpose_kernel=True)"
        " float16(3, 2, 2) float16(2,) sum 60",
        "bound": "flax.linen.ConvTranspose(2, (3,), strides=(2,), transpose_kernel=True)"
        " float16(3, 2, 2) float16(2,) sum 60",
        "no bias": "bias=None: flax.linen.ConvTranspose adds a bias, and has none here",
        "no kernel": "params=dict: has no kernel, only up; give the parameters of this one layer",
        "no mapping": "params=list: must be a mapping that holds the kernel",
        "masked without parameters": "has a mask, which is part of its kernel; give its parameters beside it",
        "masked": "flax.linen.Conv(2, (3,)) float16(3, 2, 2) float16(2,) sum 40",
        "local": "has other weights at every position, so that it is no convolution",
    },
    "equinox": {
        "named rank": "equinox.nn.ConvTranspose2d(2, 4, 3, stride=2, output_padding=1, padding=1, key=key)"
        " float32(4, 2, 3, 3) float32(4,)",
        "counted rank": "equinox.nn.Conv(1, 2, 4, 3, padding=((1, 2),), use_bias=False, key=key) float32(4, 2, 3)",
        "words": "equinox.nn.Conv2d(2, 4, 3, padding='SAME', dtype='bfloat16', key=key)"
        " bfloat16(4, 2, 3, 3) bfloat16(4,)",
        "circular": "padding_mode='CIRCULAR': only zero padding belongs to the layer itself",
        "shapes alone": "equinox.nn.Conv1d(2, 4, 3, key=key)",
        "own call": OWN.format("__call__"),
    },
    "onnx": {
        "by name": "ConvTranspose('x', 'w', auto_pad='SAME_UPPER', strides=[2]) float32(2, 3, 4) sum 24",
        "by output": "Conv('x', 'v', 'b', strides=[2])",
        "unknown name": "node='sideways': must name one convolution of the graph, such as up, z; give (model, name)",
        "several": "node=None: must name one convolution of the graph, such as up, z; give (model, name)",
        "none": "node=None: the graph has no convolution",
        "one": "ConvTranspose('x', 'w', auto_pad='SAME_UPPER', strides=[2]) float32(2, 3, 4) sum 24",
        "node": "ConvTranspose('x', 'w', auto_pad='SAME_UPPER', strides=[2])",
        "node with initializers": "ConvTranspose('x', 'w', auto_pad='SAME_UPPER', strides=[2]) float32(2, 3, 4) sum 24",
        "node with arrays": "Conv('x', 'w', 'b') float16(1, 2, 3) float16(1,) sum 6",
        "unknown bias": "Conv('x', 'w', 'b')",
        "no initializers": "params=list: must be initializers, or arrays by name",
        "unknown attribute": "has the attributes fuse, which Conv does not have",
        "other domain": "is com.example.ConvTranspose, which is neither Conv nor ConvTranspose",
        "other operator": "is Constant, which is neither Conv nor ConvTranspose",
        "external": "initializer='w': w is kept in a file of its own; load the model with onnx.load",
    },
}


@pytest.mark.parametrize("name", list(ANSWERS))
def test_what_is_found_or_refused(name: str) -> None:
    if not installed("onnx_reference" if name == "onnx" else name):
        pytest.skip(f"{PACKAGES.get(name, name)} is not installed")
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.live.curious", name],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(ANSWERS[name])
    for case, wanted in ANSWERS[name].items():
        refused = found[case].startswith("refused: ")
        assert (wanted in found[case]) if refused else (wanted == found[case]), (case, found[case])
