"""One framework in a process of its own: it evaluates layers of its own, and ports layers of others to itself.

python tools/port_worker.py torch        reads questions as JSON lines, writes answers as JSON lines
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from unstride import UnstrideError, parse, port
from unstride.testing.live import adapter

Array = NDArray[Any]


class Framework(NamedTuple):
    """A live framework: its dialect, the adapter that evaluates its own lines, and what it needs around it."""

    dialect: str
    adapter: str
    environment: dict[str, str]


LIVE = {
    "torch": Framework("torch", "torch", {}),
    "keras-tensorflow": Framework("keras", "keras", {"KERAS_BACKEND": "tensorflow"}),
    "keras-jax": Framework("keras", "keras", {"KERAS_BACKEND": "jax"}),
    "keras-torch": Framework("keras", "keras", {"KERAS_BACKEND": "torch"}),
    "tensorflow": Framework("tensorflow", "tensorflow", {}),
    "jax": Framework("jax", "jax", {}),
    "flax": Framework("flax", "flax", {}),
    "onnxruntime": Framework("onnx", "onnxruntime", {}),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A line, the shapes of its arrays, and the seed of their integers."""

    code: str
    dialect: str
    input: tuple[int, ...]
    kernel: tuple[int, ...]
    bias: int
    """elements of the bias; 0 where there is none"""
    seed: int
    ported: bool = False
    """whether the line is ported to this framework, rather than evaluated as it stands"""

    def arrays(self) -> tuple[Array, Array, Array | None]:
        """Input, kernel and bias: integers from −5 to 5."""
        draw = np.random.default_rng(self.seed)
        x, kernel = (draw.integers(-5, 6, shape).astype(np.float32) for shape in (self.input, self.kernel))
        return x, kernel, draw.integers(-5, 6, self.bias).astype(np.float32) if self.bias else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question; the values are in the source's own layout."""

    outcome: str
    """``evaluated``, ``one call``, ``composed``, ``refused`` or ``raised``"""
    shape: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    text: str = ""
    """the refusal's or the framework's words"""


def answer(name: str, question: Question) -> Answer:
    """The framework's answer; what it raises is an answer too."""
    try:
        return _ported(name, question) if question.ported else _evaluated(name, question)
    except Exception as error:  # whatever a framework raises
        return Answer("raised", text=f"{type(error).__name__}: {error}"[:300])


def _evaluated(name: str, question: Question) -> Answer:
    y = adapter(LIVE[name].adapter).evaluate(question.code, *question.arrays())
    return _answer("evaluated", y)


def _ported(name: str, question: Question) -> Answer:
    spec = parse(question.code, question.dialect)
    found = port(spec, to=LIVE[name].dialect, input_shape=question.input, kernel_shape=question.kernel)
    if found.source is None:
        return Answer("refused", text=_refusal(found.build))
    x, kernel, bias = question.arrays()
    given = np.ascontiguousarray(found.plan.incoming.apply(x))
    y = _CALLS[LIVE[name].adapter](found.build(kernel, bias), given)
    return _answer("composed" if found.composed else "one call", found.plan.outgoing.apply(np.asarray(y)))


def _refusal(build: Callable[[], object]) -> str:
    try:
        build()
    except UnstrideError as error:
        return str(error)
    return "no source, but something is built"


def _answer(outcome: str, y: Array) -> Answer:
    return Answer(outcome, y.shape, tuple(y.reshape(-1).tolist()))


def _torch(layer: Any, x: Array) -> Array:
    import torch

    with torch.no_grad():
        return np.asarray(layer(torch.from_numpy(x)).numpy())


def _keras(layer: Any, x: Array) -> Array:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(x))))


def _tensorflow(layer: Any, x: Array) -> Array:
    import tensorflow as tf

    return np.asarray(layer(tf.constant(x)).numpy())


def _jax(layer: Any, x: Array) -> Array:
    import jax

    return np.asarray(layer(jax.numpy.asarray(x)))


_CALLS: dict[str, Callable[[Any, Array], Array]] = {
    "torch": _torch,
    "keras": _keras,
    "tensorflow": _tensorflow,
    "jax": _jax,
    "flax": _jax,
    "onnxruntime": lambda layer, x: np.asarray(layer(x)),
}


def _read(line: str) -> Question:
    content = json.loads(line)
    shapes = {key: tuple(content[key]) for key in ("input", "kernel")}
    return Question(**{**content, **shapes})


def serve(name: str, questions: IO[str], answers: IO[str]) -> None:
    """Answer line by line."""
    for line in questions:
        print(json.dumps(asdict(answer(name, _read(line)))), file=answers, flush=True)


def main(name: str) -> None:
    """Answer questions from standard input; what the framework prints goes nowhere."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, Path(os.devnull).open("w", encoding="utf-8") as sink:
        os.dup2(sink.fileno(), 1)
        warnings.simplefilter("ignore")
        serve(name, sys.stdin, answers)


if __name__ == "__main__":
    main(sys.argv[1])
