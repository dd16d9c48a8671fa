"""A layer, model or function of any framework as a function from NumPy arrays to NumPy arrays.

Objects are recognised by their classes' names, so that no framework is imported for an object that is not its own.
They are called for inference, without gradients, and left as they are found.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..dialects.spec import Source
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout
from .arrays import as_numpy
from .kinds import type_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

Layouts: TypeAlias = "Callable[[int], tuple[DataLayout, DataLayout]]"
"""number of dimensions of an input -> the order of the axes of input and output"""

_ELEMENTS = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


@dataclass(frozen=True, slots=True, eq=False)
class Called:
    """Something that maps one array to one array, in its own order of axes."""

    function: Callable[[Array], Array]
    name: str
    """what it is, for messages"""
    layouts: Layouts | None = None
    """the orders of its input's and its output's axes; None where nothing tells them"""
    dtype: str = "float32"
    """the element type it computes in"""
    input_shape: tuple[int | None, ...] | None = None
    """the input's shape, None for what is open, where the object states it"""


def channels_first(rank: int | None) -> Layouts:
    """Channels before the spatial axes, of which there are ``rank``; an input without a batch axis is taken too."""
    return partial(_ordered, DataLayout.first, rank)


def channels_last(rank: int | None) -> Layouts:
    """The same with channels after the spatial axes."""
    return partial(_ordered, DataLayout.last, rank)


def _ordered(order: Callable[..., DataLayout], rank: int | None, dimensions: int) -> tuple[DataLayout, DataLayout]:
    batched = rank is None or dimensions != rank + 1
    layout = order(dimensions - (2 if batched else 1), batched=batched)
    return layout, layout


def called(thing: Any) -> Called:
    """``thing`` as a function of one NumPy array.

    It may be a module of PyTorch or an exported program, a built layer or model of Keras, a module of Flax (bound, for
    linen) or Equinox (mapped over the batch), an ONNX model (a file's name, bytes, a ModelProto, or a session of ONNX
    Runtime), or a function on arrays. Raises UnstrideError for anything else, and for a layer without weights.

    >>> called(abs).layouts is None
    True
    """
    if isinstance(thing, Called):
        return thing
    for make, recognise in _KINDS:
        if recognise(thing):
            return make(thing)
    if callable(thing):
        return Called(partial(_function, thing), _function_name(thing))
    hint = "give a layer, a model, an ONNX file or a function of one array"
    raise UnstrideError(
        Reason.ARGUMENT, "cannot be called", argument="layer", value=Source(type_name(thing)), hint=hint
    )


def _is_a(module: str, name: str, thing: object) -> bool:
    """Whether a class of that name, from that package, is among the object's."""
    classes = type(thing).__mro__
    return any(cls.__name__ == name and f"{cls.__module__}.".startswith(f"{module}.") for cls in classes)


def _single(answer: Any, name: str) -> Array:
    """The one array of an answer, as NumPy's; UnstrideError where there are several."""
    if isinstance(answer, dict):
        answer = tuple(answer.values())
    if isinstance(answer, (tuple, list)) and len(answer) == 1:
        (answer,) = answer
    if isinstance(answer, (tuple, list)):
        rule = f"gives {len(answer)} outputs"
        raise UnstrideError(Reason.ARGUMENT, rule, argument=name, hint="wrap it in a function that returns one of them")
    array = as_numpy(answer, name)
    if array is None:
        raise UnstrideError(Reason.ARGUMENT, "gives no array", argument=name, value=Source(type_name(answer)))
    return array


def _function_name(function: Any) -> str:
    inner = getattr(function, "func", function)  # what a partial function calls
    return str(getattr(inner, "__name__", type_name(inner)))


def _function(function: Callable[[Any], Any], x: Array) -> Array:
    """A function of NumPy arrays, or else of PyTorch's tensors, which takes no NumPy arrays."""
    name, torch = _function_name(function), sys.modules.get("torch")
    try:
        answer = function(x)
    except TypeError as error:
        if torch is None:
            raise
        try:
            with torch.no_grad():
                answer = function(torch.from_numpy(x.copy()))
        except TypeError:
            raise error from None
    return _single(answer, name)


def _torch(module: Any) -> Called:
    torch = sys.modules["torch"]
    name = type(module).__name__
    if hasattr(module, "module") and not hasattr(module, "modules"):
        module = module.module()  # an exported program
    sample = next((each for each in (*module.parameters(), *module.buffers()) if each.is_floating_point()), None)
    size = getattr(module, "kernel_size", None)

    dtype = "float32" if sample is None else str(sample.dtype).removeprefix("torch.").replace("bfloat16", "float32")

    def function(x: Array) -> Array:
        modes = [(each, each.training) for each in module.modules()]
        try:
            for each, _ in modes:
                each.training = False
            with torch.no_grad():
                given = torch.from_numpy(x.copy())
                y = _single(module(given if sample is None else given.to(sample.device, sample.dtype)), name)
                return y.astype(dtype, copy=False)
        finally:
            for each, mode in modes:
                each.training = mode

    return Called(function, name, channels_first(len(size) if isinstance(size, tuple) else None), dtype)


def _keras(layer: Any) -> Called:
    if not layer.built:
        rule, hint = "has no weights yet", "build it, or call it once"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="layer", value=Source(type_name(layer)), hint=hint)
    package = next(cls.__module__.partition(".")[0] for cls in type(layer).__mro__ if _from_keras(cls))
    keras, first = sys.modules[package], next(_formats(layer), "channels_last") == "channels_first"
    shape = getattr(layer, "input_shape", None) if hasattr(layer, "layers") else None
    shape = shape if isinstance(shape, tuple) else None
    rank = getattr(layer, "rank", None) if shape is None else len(shape) - 2

    def function(x: Array) -> Array:
        torch = sys.modules.get("torch")
        if torch is None or keras.backend.backend() != "torch":
            return _single(_inferred(layer, _tensor(keras, x)), layer.name)
        with torch.no_grad():
            return _single(_inferred(layer, _tensor(keras, x)), layer.name)

    dtype = str(layer.compute_dtype or "float32")
    ordered = channels_first(rank) if first else channels_last(rank)
    return Called(function, type(layer).__name__, ordered, dtype, shape)


def _tensor(keras: Any, x: Array) -> Any:
    return keras.ops.convert_to_tensor(x) if hasattr(keras, "ops") else sys.modules["tensorflow"].constant(x)


def _inferred(layer: Any, x: Any) -> Any:
    return layer(x, training=False) if hasattr(layer, "layers") or _takes_training(layer) else layer(x)


def _takes_training(layer: Any) -> bool:
    from inspect import signature

    return "training" in signature(layer.call).parameters


def _from_keras(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("keras", "tf_keras") and cls.__name__ == "Layer"


def _formats(layer: Any) -> Iterator[str]:
    """The ``data_format`` of a layer, or of the layers in it."""
    if getattr(layer, "data_format", None) is not None:
        yield layer.data_format
    for inner in getattr(layer, "layers", ()):
        yield from _formats(inner)


def _nnx(module: Any) -> Called:
    nnx, jax = import_module("flax.nnx"), import_module("jax")
    name, size = type(module).__name__, getattr(module, "kernel_size", None)
    leaves = [leaf.dtype for leaf in jax.tree.leaves(nnx.state(module)) if hasattr(leaf, "dtype")]
    dtype = "float64" if "float64" in map(str, leaves) else "float32"

    def function(x: Array) -> Array:
        copy = nnx.clone(module)
        copy.eval()
        return _single(copy(jax.numpy.asarray(x)), name)

    return Called(function, name, channels_last(len(size) if isinstance(size, tuple) else None), dtype)


def _linen(module: Any) -> Called:
    if module.scope is None:
        hint = "give module.bind(variables)"
        value = Source(type_name(module))
        raise UnstrideError(Reason.ARGUMENT, "has no weights of its own", argument="layer", value=value, hint=hint)
    jax, name = import_module("jax"), type(module).__name__
    size = getattr(module, "kernel_size", None)
    rank = len(size) if isinstance(size, tuple) else None
    return Called(lambda x: _single(module(jax.numpy.asarray(x)), name), name, channels_last(rank))


def _equinox(module: Any) -> Called:
    equinox, jax = import_module("equinox"), import_module("jax")
    name, copy = type(module).__name__, equinox.nn.inference_mode(module)
    leaves = [leaf.dtype for leaf in jax.tree.leaves(module) if hasattr(leaf, "dtype")]
    dtype = "float64" if "float64" in map(str, leaves) else "float32"

    def function(x: Array) -> Array:
        return _single(jax.vmap(copy)(jax.numpy.asarray(x)), name)

    return Called(function, name, channels_first(None), dtype)


def _is_onnx(thing: object) -> bool:
    return isinstance(thing, (bytes, str, PathLike)) or _is_a("onnx", "ModelProto", thing)


def _onnx(model: Any) -> Called:
    source = model if isinstance(model, (bytes, str, PathLike)) else model.SerializeToString()
    if isinstance(source, (str, PathLike)):
        path = Path(source)
        if path.suffix.lower() != ".onnx" or not path.is_file():
            hint = "a layer's source line is read with unstride.parse(...)"
            raise UnstrideError(Reason.FILE, "is no ONNX file", argument="layer", value=str(source), hint=hint)
        source = str(path)
    try:
        onnxruntime = import_module("onnxruntime")
    except ImportError:
        rule, hint = "an ONNX model is run by ONNX Runtime, which is not installed", "pip install onnxruntime"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="layer", hint=hint) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime's exceptions share no base but Exception
        name = Path(source).name if isinstance(source, str) else "ONNX model"
        text = str(error).partition("\n")[0]
        raise UnstrideError(Reason.FILE, f"ONNX Runtime rejects it: {text}", argument="layer", value=name) from None
    return _session(session, Path(source).name if isinstance(source, str) else "ONNX model")


def _session(session: Any, name: str = "ONNX session") -> Called:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        rule = f"has {len(inputs)} inputs and {len(outputs)} outputs: one of each is compared"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="layer", value=name)
    (given,) = inputs
    shape = tuple(size if isinstance(size, int) else None for size in given.shape)
    dtype = _ELEMENTS.get(given.type, "float32")

    def function(x: Array) -> Array:
        return _single(session.run(None, {given.name: x.astype(dtype)}), name)

    return Called(function, name, channels_first(len(shape) - 2 if shape else None), dtype, shape or None)


_KINDS: tuple[tuple[Callable[[Any], Called], Callable[[Any], bool]], ...] = (
    (_onnx, _is_onnx),
    (_session, partial(_is_a, "onnxruntime", "InferenceSession")),
    # before torch: on that backend Keras's layers are PyTorch's modules too
    (_keras, lambda thing: any(_from_keras(cls) for cls in type(thing).__mro__)),
    (_torch, partial(_is_a, "torch", "Module")),
    (_torch, partial(_is_a, "torch.export", "ExportedProgram")),
    (_nnx, partial(_is_a, "flax.nnx", "Module")),
    (_linen, partial(_is_a, "flax.linen", "Module")),
    (_equinox, partial(_is_a, "equinox", "Module")),
)
"""(how it is called, whether an object is of the kind)"""
