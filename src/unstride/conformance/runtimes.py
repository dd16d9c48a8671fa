"""Who can be asked: runtimes that take the ONNX file, and frameworks that get the layer through our dialects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from ..errors import Reason, UnstrideError


@dataclass(frozen=True, slots=True)
class Runtime:
    """One column of the matrix."""

    name: str
    package: str
    """what is imported"""
    adapter: str
    """the live adapter that knows its version, and evaluates its lines"""
    dialect: str | None = None
    """the dialect the layer is written in; None: it takes the ONNX file itself"""
    environment: Mapping[str, str] = field(default_factory=dict)
    """for its process"""
    distribution: str | None = None
    """what pip installs, where it is not called as the package"""

    @property
    def installed(self) -> bool:
        """Whether it can be imported here."""
        backend = self.environment.get("KERAS_BACKEND", self.package)
        return find_spec(self.package) is not None and find_spec(backend) is not None


def _keras(backend: str) -> Runtime:
    return Runtime(f"keras-{backend}", "keras", "keras", "keras", {"KERAS_BACKEND": backend})


RUNTIMES = (
    Runtime("onnxruntime", "onnxruntime", "onnxruntime"),
    Runtime("onnx-reference", "onnx", "onnx_reference", distribution="onnx"),
    Runtime("openvino", "openvino", "openvino"),
    Runtime("torch", "torch", "torch", "torch"),
    Runtime("tensorflow", "tensorflow", "tensorflow", "tensorflow"),
    Runtime("jax", "jax", "jax", "jax"),
    _keras("tensorflow"),
    _keras("jax"),
    _keras("torch"),
)

NAMES = tuple(runtime.name for runtime in RUNTIMES)


def chosen(names: tuple[str, ...]) -> tuple[Runtime, ...]:
    """The runtimes of those names, or all that are installed; UnstrideError for a name or package that is missing."""
    if not names:
        return tuple(runtime for runtime in RUNTIMES if runtime.installed)
    known = {runtime.name: runtime for runtime in RUNTIMES}
    for name in names:
        if name not in known:
            rule = f"must be one of {', '.join(NAMES)}"
            raise UnstrideError(Reason.ARGUMENT, rule, argument="--runtime", value=name)
        if not known[name].installed:
            wanted = known[name].distribution or known[name].package
            rule, hint = "is not installed here", f"pip install {wanted}"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="--runtime", value=name, hint=hint)
    return tuple(known[name] for name in dict.fromkeys(names))
