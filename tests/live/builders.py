"""A line of source as the real framework's layer, its weights set, and what calls it: one function a framework."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unstride.testing.live.onnx_reference import model
from unstride.testing.live.source import read, resolve

Array: TypeAlias = NDArray[Any]
Built: TypeAlias = tuple[Any, Callable[[Array], Array]]
"""what ``find`` takes, and the framework's own call of it"""
Build: TypeAlias = Callable[[str, Array, Array, Array | None], Built]


def torch(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    framework = import_module("torch")
    del x
    line = read(code, {})
    layer = line.call(resolve(line.name))
    arrays = {"weight": kernel} if bias is None else {"weight": kernel, "bias": bias}
    layer.load_state_dict({name: framework.from_numpy(array) for name, array in arrays.items()})
    return layer, lambda given: np.asarray(layer(framework.from_numpy(given)).detach().numpy())


def keras(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    line = read(code, {})
    layer = line.call(resolve(line.name))
    layer.build(x.shape)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    ops = import_module("keras").ops if line.name.startswith("keras.") else None
    if ops is None:
        constant = import_module("tensorflow").constant
        return layer, lambda given: np.asarray(layer(constant(given)).numpy())
    return layer, lambda given: np.asarray(ops.convert_to_numpy(layer(ops.convert_to_tensor(given))))


def flax(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    del x
    if code.startswith("flax.linen."):
        line = read(code, {})
        module = line.call(resolve(line.name))
        params = {"params": {"kernel": kernel} if bias is None else {"kernel": kernel, "bias": bias}}
        return (module, params), lambda given: np.asarray(module.apply(params, given))
    nnx = import_module("flax.nnx")
    line = read(code, {"rngs": nnx.Rngs(0)})
    layer = line.call(resolve(line.name))
    numpy = import_module("jax.numpy")
    layer.kernel[...] = numpy.asarray(kernel)
    if bias is not None:
        layer.bias[...] = numpy.asarray(bias)
    return layer, lambda given: np.asarray(layer(numpy.asarray(given)))


def equinox(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    del x
    framework, jax = import_module("equinox"), import_module("jax")
    line = read(code, {"key": jax.random.PRNGKey(0)})
    layer = line.call(resolve(line.name))
    layer = framework.tree_at(lambda tree: tree.weight, layer, jax.numpy.asarray(kernel))
    if bias is not None:
        layer = framework.tree_at(lambda tree: tree.bias, layer, jax.numpy.asarray(bias.reshape(layer.bias.shape)))
    return layer, lambda given: np.asarray(layer(jax.numpy.asarray(given)))


def haiku(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    framework, jax = import_module("haiku"), import_module("jax")
    line = read(code, {})
    modules: list[Any] = []

    def apply(given: object) -> object:
        modules.append(line.call(resolve(line.name)))
        return modules[-1](given)

    function = framework.without_apply_rng(framework.transform(apply))
    ((name, shapes),) = jax.eval_shape(function.init, jax.random.PRNGKey(0), x).items()
    params = {"w": jax.numpy.asarray(kernel)}
    if bias is not None:
        params["b"] = jax.numpy.asarray(bias.reshape(shapes["b"].shape))
    whole = {name: params}
    return (modules[0], whole), lambda given: np.asarray(function.apply(whole, jax.numpy.asarray(given)))


def onnx(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    runtime = import_module("onnxruntime")
    made = model(code, x, kernel, bias, 22)
    options = runtime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = runtime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return (made, "y"), lambda given: np.asarray(session.run(None, {"x": given})[0])


def mlx(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    core = import_module("mlx.core")
    del x
    line = read(code, {})
    layer = line.call(resolve(line.name))
    layer.weight = core.array(kernel)
    if bias is not None:
        layer.bias = core.array(bias)
    return layer, lambda given: np.array(layer(core.array(given)))


def paddle(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    framework = import_module("paddle")
    del x
    line = read(code, {})
    layer = line.call(resolve(line.name))
    layer.weight.set_value(kernel)
    if bias is not None:
        layer.bias.set_value(bias)
    return layer, lambda given: np.asarray(layer(framework.to_tensor(given)).numpy())


def tinygrad(code: str, x: Array, kernel: Array, bias: Array | None) -> Built:
    tensor = import_module("tinygrad").Tensor
    del x
    line = read(code, {})
    layer = line.call(resolve(line.name))
    layer.weight, layer.bias = tensor(kernel), None if bias is None else tensor(bias)
    return layer, lambda given: np.asarray(layer(tensor(given)).numpy())


BUILDERS: dict[str, Build] = {
    "torch": torch,
    "keras": keras,
    "keras2": keras,
    "flax": flax,
    "equinox": equinox,
    "haiku": haiku,
    "onnx": onnx,
    "mlx": mlx,
    "paddle": paddle,
    "tinygrad": tinygrad,
}
