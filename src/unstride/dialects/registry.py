"""Every dialect by name, and which calls it knows: a static table, so that a command imports only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Protocol, cast

from ..errors import Reason, UnstrideError
from ..geometry import Layer
from .refusal import Refusal
from .spec import Spec


class Module(Protocol):
    """What every dialect's module holds."""

    FORMS: tuple[type[Spec], ...]

    def propose(self, layer: Layer, batch: int = 1) -> Iterable[Callable[[], Spec]]:
        """Ways to say ``layer``, best first."""

    def write(self, layer: Layer, batch: int = 1) -> Spec | Refusal:
        """The layer in the dialect's words, or why not."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One framework's dialect: its name, its calls, and the shorter prefixes people write before them."""

    name: str
    title: str
    calls: Mapping[str, tuple[str, ...]]
    """full prefix -> the names of the forms under it"""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """another prefix people write -> the full prefix"""
    methods: str = ""
    """the full prefix whose forms may be written as methods of an array: ``x.conv2d(w)``"""
    foreign: bool = False
    """whether a layer is also written otherwise than as its call; its module has ``as_python(text) -> str``"""

    def module(self) -> Module:
        """The dialect's module, imported on first use."""
        return cast("Module", import_module(f".{self.name}", __package__))

    def full_names(self, prefix: str, name: str) -> Iterator[str]:
        """The forms that ``prefix.name`` may mean here; an empty prefix means any."""
        for full, names in self.calls.items():
            spelled = prefix in ("", full) or self.aliases.get(prefix) == full
            if name in names and spelled:
                yield f"{full}.{name}" if full else name

    def form(self, full_name: str) -> type[Spec]:
        """The spec class of one form."""
        return next(form for form in self.module().FORMS if form.call == full_name)


def _ranks(*patterns: str) -> tuple[str, ...]:
    return tuple(pattern.format(rank) for pattern in patterns for rank in (1, 2, 3))


_KERAS_LAYERS = _ranks("Conv{}D", "Conv{}DTranspose")

DIALECTS: tuple[Dialect, ...] = (
    Dialect(
        "keras",
        "Keras 3",
        {"keras.layers": _KERAS_LAYERS, "keras.ops": ("conv", "conv_transpose")},
        {
            "layers": "keras.layers",
            "tf.keras.layers": "keras.layers",
            "tensorflow.keras.layers": "keras.layers",
            "kl": "keras.layers",
            "ops": "keras.ops",
            "tf.keras.ops": "keras.ops",
        },
    ),
    Dialect(
        "torch",
        "PyTorch",
        {
            "torch.nn": _ranks("Conv{}d", "ConvTranspose{}d"),
            "torch.nn.functional": _ranks("conv{}d", "conv_transpose{}d"),
        },
        {
            "nn": "torch.nn",
            "F": "torch.nn.functional",
            "nn.functional": "torch.nn.functional",
            "torch": "torch.nn.functional",
        },
    ),
    Dialect(
        "tensorflow",
        "TensorFlow",
        {"tf.nn": (*_ranks("conv{}d", "conv{}d_transpose"), "conv_transpose", "convolution")},
        {"nn": "tf.nn", "tensorflow.nn": "tf.nn"},
    ),
    Dialect(
        "jax",
        "JAX",
        {"jax.lax": ("conv_transpose", "conv_general_dilated")},
        {"lax": "jax.lax"},
    ),
    Dialect(
        "onnx",
        "ONNX",
        {"": ("Conv", "ConvTranspose")},
        {"onnx": "", "op": "", "opset": "", **{f"opset{version}": "" for version in range(1, 23)}},
        foreign=True,
    ),
    Dialect(
        "flax",
        "Flax",
        {"flax.nnx": ("Conv", "ConvTranspose"), "flax.linen": ("Conv", "ConvTranspose")},
        {"nnx": "flax.nnx", "linen": "flax.linen", "nn": "flax.linen"},
    ),
    Dialect(
        "keras2",
        "Keras 2",
        {
            "tf_keras.layers": _KERAS_LAYERS,
            "tf_keras.utils.conv_utils": ("deconv_output_length", "deconv_length"),
        },
        {
            "keras2.layers": "tf_keras.layers",
            "tf.compat.v1.keras.layers": "tf_keras.layers",
            "tf.keras.layers": "tf_keras.layers",
            "keras.layers": "tf_keras.layers",
            "layers": "tf_keras.layers",
            "conv_utils": "tf_keras.utils.conv_utils",
            "keras.utils.conv_utils": "tf_keras.utils.conv_utils",
            "keras.conv_utils": "tf_keras.utils.conv_utils",
        },
    ),
    Dialect(
        "haiku",
        "Haiku",
        {"haiku": _ranks("Conv{}D", "Conv{}DTranspose")},
        {"hk": "haiku"},
    ),
    Dialect(
        "equinox",
        "Equinox",
        {"equinox.nn": (*_ranks("Conv{}d", "ConvTranspose{}d"), "Conv", "ConvTranspose")},
        {"eqx.nn": "equinox.nn", "eqx": "equinox.nn", "nn": "equinox.nn"},
    ),
    Dialect(
        "openvino",
        "OpenVINO",
        {
            "openvino.opset13": (
                "convolution",
                "group_convolution",
                "convolution_backprop_data",
                "group_convolution_backprop_data",
            )
        },
        {
            "opset13": "openvino.opset13",
            "opset": "openvino.opset13",
            "ops": "openvino.opset13",
            "ov.opset13": "openvino.opset13",
        },
    ),
    Dialect("tflite", "LiteRT", {"": ("CONV_2D", "TRANSPOSE_CONV")}, {"tflite": "", "tfl": "", "litert": ""}),
    Dialect(
        "coreml",
        "Core ML",
        {"mb": ("conv", "conv_transpose")},
        {"coremltools.converters.mil.Builder": "mb"},
    ),
    Dialect(
        "paddle",
        "PaddlePaddle",
        {
            "paddle.nn": _ranks("Conv{}D", "Conv{}DTranspose"),
            "paddle.nn.functional": _ranks("conv{}d", "conv{}d_transpose"),
        },
        {"nn": "paddle.nn", "F": "paddle.nn.functional", "nn.functional": "paddle.nn.functional"},
    ),
    Dialect(
        "mlx",
        "MLX",
        {
            "mlx.nn": _ranks("Conv{}d", "ConvTranspose{}d"),
            "mlx.core": (*_ranks("conv{}d", "conv_transpose{}d"), "conv_general"),
        },
        {"nn": "mlx.nn", "mx": "mlx.core"},
    ),
    Dialect(
        "tinygrad",
        "tinygrad",
        {
            "tinygrad.Tensor": ("conv2d", "conv_transpose2d"),
            "tinygrad.nn": ("Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"),
        },
        {"Tensor": "tinygrad.Tensor", "nn": "tinygrad.nn"},
        methods="tinygrad.Tensor",
    ),
    Dialect(
        "mxnet",
        "MXNet",
        {"mx.sym": ("Convolution", "Deconvolution")},
        dict.fromkeys(
            ("mx.nd", "mx.ndarray", "mx.symbol", "nd", "sym", "mxnet.nd", "mxnet.ndarray", "mxnet.sym", "mxnet.symbol"),
            "mx.sym",
        ),
    ),
    Dialect("caffe", "Caffe", {"caffe.layers": ("Convolution", "Deconvolution")}, {"L": "caffe.layers"}, foreign=True),
    Dialect(
        "theano",
        "Theano",
        {"theano.tensor.nnet": ("conv2d", "conv2d_transpose", "conv3d")},
        {"T.nnet": "theano.tensor.nnet", "nnet": "theano.tensor.nnet", "tt.nnet": "theano.tensor.nnet"},
    ),
    Dialect(
        "matlab",
        "MATLAB",
        {"": (*_ranks("transposedConv{}dLayer"), *_ranks("convolution{}dLayer"))},
        foreign=True,
    ),
    Dialect("onednn", "oneDNN", {"dnnl": ("convolution_forward", "deconvolution_forward")}, {"onednn": "dnnl"}),
)

NICKNAMES = {
    "tf": "tensorflow",
    "tf.nn": "tensorflow",
    "keras3": "keras",
    "tf.keras": "keras",
    "tf_keras": "keras2",
    "pt": "torch",
    "onnxruntime": "onnx",
    "ort": "onnx",
    "nnx": "flax",
    "linen": "flax",
    "hk": "haiku",
    "eqx": "equinox",
    "ov": "openvino",
    "dnnl": "onednn",
}
"""other names people use -> the dialect's name"""

NAMES: tuple[str, ...] = tuple(dialect.name for dialect in DIALECTS)


def named(name: str) -> Dialect:
    """The dialect of that name, title or nickname; UnstrideError with the known names otherwise."""
    wanted = NICKNAMES.get(name.lower(), name.lower())
    for dialect in DIALECTS:
        if wanted in (dialect.name, dialect.title.lower()):
            return dialect
    raise UnstrideError(Reason.ARGUMENT, f"must be one of {', '.join(NAMES)}", argument="dialect", value=name)


def write(layer: Layer, to: str, batch: int = 1) -> Spec | Refusal:
    """``layer`` in the words of the dialect called ``to``, or a Refusal with the nearest exact composition."""
    return named(to).module().write(layer, batch)
