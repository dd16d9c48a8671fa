"""Keras: a stack of its own layers, which saves and loads without any code of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ...dialects.arguments import Pairs
from ...dialects.refusal import Composition, compose, ways
from ...dialects.spec import Spec
from ...errors import Reason, UnstrideError
from ...geometry import Layer
from ..plan import Plan
from .program import Assign, Call, Do, Each, Expression, Index, Name, Program, Return, Statement, call, method
from .steps import BIAS, KERNEL, building, construct, heading, needs_numpy, prepared, unwritten

ACTIVATIONS = (
    *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh"),
    *("leaky_relu", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink"),
    *("softmax", "softplus", "softsign", "squareplus", "swish", "tanh", "tanh_shrink"),
)


def written(layer: Layer, batch: int) -> Spec | Composition | None:
    """The layer as Keras's layers say it on every backend, or the composition of them that equals it."""
    for spec in ways(layer, _propose, batch):
        return spec
    return compose(layer, _propose, batch)


def _propose(layer: Layer, batch: int) -> Iterator[Callable[[], Spec]]:
    from ...dialects import keras

    return (partial(_everywhere, build, layer) for build in keras.propose(layer, batch))


def _everywhere(build: Callable[[], Spec], layer: Layer) -> Spec:
    """The spec, unless it is a function, which holds no weights, or not for every backend.

    TensorFlow refuses a size that no forward convolution of the same padding maps back to the input's.
    """
    spec = build()
    if spec.functional:
        raise UnstrideError(Reason.UNSUPPORTED, "a function holds no weights", argument="call", value=spec.call)
    if layer.transposed:
        same = str(getattr(spec, "padding", "")) == "same"
        for axis in layer.axes:
            least = (axis.small - 1) * axis.stride + 1 if same else axis.full
            if not least <= axis.large < least + axis.stride:
                rule = "on TensorFlow, no forward convolution maps this size back"
                raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output size", value=axis.large)
    return spec


def _spatial(kind: str, pairs: Pairs) -> Expression:
    return call(f"keras.layers.{kind}{len(pairs)}D", pairs if len(pairs) > 1 else pairs[0])


def before(plan: Plan) -> tuple[Expression, ...]:
    """The layers that the input goes through first."""
    found = [_spatial("ZeroPadding", plan.grown)] if any(map(any, plan.grown)) else []
    return (*found, *([_spatial("Cropping", plan.dropped)] if any(map(any, plan.dropped)) else []))


def convolution(plan: Plan) -> Expression:
    """The layer that takes the weights, with the activation where nothing comes between."""
    spec: Any = plan.spec
    return construct(replace(spec, activation=plan.activation) if _fused(plan) else spec)


def after(plan: Plan) -> tuple[Expression, ...]:
    """The layers that the output goes through."""
    found = [_spatial("Cropping", plan.cropped)] if any(map(any, plan.cropped)) else []
    if plan.activation and not _fused(plan):
        found.append(call("keras.layers.Activation", plan.activation) if _last(plan) else _softmax(plan))
    return tuple(found)


def _fused(plan: Plan) -> bool:
    return plan.activation is not None and plan.plain and _last(plan)


def _last(plan: Plan) -> bool:
    """Whether the activation is each element's own, or sums along the last axis."""
    return "softmax" not in str(plan.activation) or plan.activation_axis == len(plan.result.order) - 1


def _softmax(plan: Plan) -> Expression:
    return call("keras.layers.Softmax", axis=plan.activation_axis)


def check(plan: Plan) -> None:
    """UnstrideError unless ``written`` could have given the plan's composition."""
    if plan.spec.functional or plan.outer_bias:
        raise unwritten(plan, "Keras's layers hold their weights, and add their bias")


def lines(plan: Plan, x: Expression, made: str = "layers") -> tuple[Statement, ...]:
    """From the tensor ``x`` to the tensor ``y``, in the functional style; groups' layers are called ``made``."""
    check(plan)
    found: list[Statement] = []
    for each in before(plan):
        found.append(Assign(Name("x"), Call(each, (x,))))
        x = Name("x")
    if plan.split == 1:
        found.append(Assign(Name("y"), Call(convolution(plan), (x,))))
    else:
        parts = call("keras.ops.split", x, plan.split, axis=-1)
        copies = Each(convolution(plan), ("_",), (Call(Name("range"), (plan.split,)),))
        each_part = Each(Call(Name("layer"), (Name("part"),)), ("layer", "part"), (Name(made), parts))
        found.append(Assign(Name(made), copies))
        found.append(Assign(Name("y"), Call(call("keras.layers.Concatenate"), (each_part,))))
    return (*found, *(Assign(Name("y"), Call(each, (Name("y"),))) for each in after(plan)))


def weights(plan: Plan) -> list[Expression]:
    """What ``set_weights`` takes, of the arrays that ``prepared`` leaves."""
    if plan.split == 1:
        return [KERNEL, *([BIAS] if plan.inner_bias else [])]
    names = ("kernels", *(("biases",) if plan.inner_bias else ()))
    return [Index(Name(name), index) for index in range(plan.split) for name in names]


def program(plan: Plan) -> Program:
    """The layer, a ``Sequential`` of it and its neighbours, or a functional model where groups are split apart."""
    check(plan)
    shape, stack = plan.target_input_shape[1:], (*before(plan), convolution(plan), *after(plan))
    if plan.split > 1:
        title, name = "model", Name("model")
        inputs = Assign(Name("inputs"), call("keras.Input", shape))
        model = Assign(name, call("keras.Model", Name("inputs"), Name("y")))
        made: tuple[Statement, ...] = (inputs, *lines(plan, Name("inputs")), model)
    elif len(stack) > 1:
        title, name = "model", Name("model")
        made = (Assign(name, call("keras.Sequential", [call("keras.Input", shape), *stack])),)
    else:
        title, name = plan.spec.call.rpartition(".")[2], Name("layer")
        made = (Assign(name, stack[0]), Do(method(name, "build", (None, *shape))))
    filled = Do(method(name, "set_weights", weights(plan)))
    body = (*prepared(plan, contiguous=True), *made, filled, Return(name))
    imports = ("keras", *(("numpy",) if needs_numpy(body) else ()))
    return Program(heading(plan, "Keras"), imports, (building(plan, title, body),))
