"""An ONNX model as all written networks are used: as text, arrays and a live model, run by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import Reason, UnstrideError
from .common import CannotRunError
from .onnx import Onnx

if TYPE_CHECKING:
    from numpy.typing import NDArray


class OnnxModel(Onnx):
    """A network in ONNX's steps; its live form is the ``onnx.ModelProto``."""

    def source(self) -> str:
        """The graph in lines of text, without the numbers of its weights."""
        from onnx import helper

        return f"{helper.printable_graph(self.proto.graph)}\n"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The initializers by their names; UnstrideError where the weights are not known."""
        from onnx import numpy_helper

        return {each.name: numpy_helper.to_array(each) for each in self.proto.graph.initializer}

    def build(self) -> Any:
        """The model."""
        return self.proto

    def call(self, model: Any, inputs: tuple[NDArray[Any], ...]) -> tuple[NDArray[Any], ...]:
        """What ONNX Runtime makes of canonical arrays; CannotRunError where it lacks a step in this element type."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        named = {given.name: x for given, x in zip(self.graph.inputs, inputs, strict=True)}
        data, asked = model.SerializeToString(), [each.name for each in model.graph.output]
        try:
            session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            return tuple(session.run(asked, named))
        except Exception as error:  # each kind of its errors is a class of its own, without a common base
            why = str(error).strip().rpartition(" : ")[2].partition("\n")[0]
            if "NOT_IMPLEMENTED" in str(error):
                raise CannotRunError(f"ONNX Runtime: {why}") from None
            rule = f"ONNX Runtime does not take the model: {why}"
            raise UnstrideError(Reason.UNSUPPORTED, rule, argument="to", value="onnx") from None
