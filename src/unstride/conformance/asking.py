"""One case put to one runtime, in the process that holds it."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..computation import run_canonical
from ..dialects import registry
from ..dialects.refusal import Composition
from ..dialects.spec import Spec
from ..testing.live import Adapter, adapter
from .cases import Array, Case
from .runtimes import Runtime

MESSAGE = 300
"""characters kept of an error"""

_PLACES = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Exception from \S+:\d+:|Check '.*?' failed at \S+:\d+:"
    r"|Exception encountered when calling \S+|\{\{function_node .*?\}\}|\[Op:\w+\].*"
    r"|Non-zero status code returned while running .*? Status Message: |\S+\.(?:cc|cpp|h):\d+ "
)


class Told(NamedTuple):
    """What a runtime made of a case."""

    y: Array | None = None
    """its output, channels first; None where it gave none"""
    message: str | None = None
    """its error, where it raised one, or why it is not asked"""
    asked: bool = True
    steps: tuple[str, ...] = ()
    """what equals the layer, where the framework needs more than one call"""


def ask(runtime: Runtime, case: Case) -> Told:
    """The runtime's answer; whatever it raises is an answer too."""
    if runtime.dialect is not None:
        why = _not_asked(case)
        if why:
            return Told(message=why, asked=False)
        written = registry.write(case.layer(case.readings[0]), runtime.dialect, case.inputs["x"][1][0])
        if not isinstance(written, Spec) and written.composition is None:
            return Told(message=f"cannot be written: {written.rule}")
    try:
        if runtime.dialect is None:
            return Told(_MODELS[runtime.name](case))
        asked = written if isinstance(written, Spec) else written.composition
        y = _layer(asked, case, adapter(runtime.adapter))
        return Told(y, steps=() if isinstance(asked, Spec) or asked is None else asked.steps())
    except Exception as error:
        return Told(message=said(error).replace(str(case.model), case.model.name))


def said(error: BaseException) -> str:
    """The error's kind and message in one line, without the places in the runtime's own source."""
    text = " ".join(_PLACES.sub(" ", " ".join(str(error).split())).split())
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text if len(text) <= MESSAGE else f"{text[: MESSAGE - 1]}…"


def _not_asked(case: Case) -> str | None:
    """Why a framework with arguments of its own cannot be asked about a node."""
    if case.forbidden:
        return "the case is about an attribute of ONNX"
    if case.ambiguous:
        return "the case is about the text of ONNX"
    return None if case.dtype == "float32" else "only models have types; layers are asked in float32"


def _named(case: Case) -> dict[str, Array]:
    """The model's inputs."""
    names = tuple(case.inputs) if case.weights == "input" else ("x",)
    return dict(zip(names, case.load(*names), strict=True))


def _onnxruntime(case: Case) -> Array:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(case.model), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, _named(case))[0])


def _onnx_reference(case: Case) -> Array:
    evaluator: Any = import_module("onnx.reference").ReferenceEvaluator(str(case.model))
    return np.asarray(evaluator.run(None, _named(case))[0])


def _openvino(case: Case) -> Array:
    core: Any = import_module("openvino").Core()
    # the default precision follows the processor, and bfloat16 would round integers
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(str(case.model)), "CPU", settings)
    return np.array(compiled(_named(case))[0])


_MODELS: dict[str, Callable[[Case], Array]] = {
    "onnxruntime": _onnxruntime,
    "onnx-reference": _onnx_reference,
    "openvino": _openvino,
}


def _layer(written: Spec | Composition | None, case: Case, live: Adapter) -> Array:
    """The case's layer as the framework says it, computed by the framework, channels first."""
    x, w = case.load("x", "w")
    bias = case.load("b")[0] if "b" in case.inputs else None
    if written is None:
        raise ValueError("neither a call nor a composition")

    def ask(spec: Spec, given: Array, kernel: Array, addend: Array | None) -> Array:
        return live.evaluate(spec.code(), np.ascontiguousarray(given), np.ascontiguousarray(kernel), addend)

    return run_canonical(written, case.layer(case.readings[0]), x, w, bias, ask)
