"""The explorer in a notebook: the page's own modules as one, and Python answering through the widget's channel."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from ..geometry import Layer
from ..geometry.wire import axis_to_wire
from ..live import Live, as_spec
from .asking import ask
from .modules import STYLE, bundle, static

if TYPE_CHECKING:
    from anywidget import AnyWidget

_READ = {"size": [2, 2], "kernel": [3, 3]}


def explore(layer: Spec | Layer | Live | str | None = None, input_shape: tuple[int, ...] | None = None) -> AnyWidget:
    """The explorer as a notebook widget, opened at a line of source, a spec or a layer, also a framework's live one.

    ``input_shape`` is in its own layout.

    Raises UnstrideError where the line cannot be read, or where anywidget is not installed.

    >>> from unstride import explore
    >>> widget = explore("nn.ConvTranspose2d(1, 1, 3, stride=2)", (1, 1, 4, 4))  # doctest: +SKIP
    """
    return _class()(_first(layer, input_shape))


@cache
def _class() -> type[AnyWidget]:
    try:
        from anywidget import AnyWidget
        from traitlets import Dict
    except ImportError as error:
        rule = f"the notebook widget needs {error.name or 'anywidget'}"
        raise UnstrideError(Reason.UNSUPPORTED, rule, hint="pip install 'unstride[notebook]'") from None

    class Explorer(AnyWidget):
        """The widget: its first layer is its only state; everything else is asked."""

        _esm = f"{bundle('widget')}\nexport default {{ render: $widget.render }};\n"
        _css = static()[STYLE]
        first = Dict().tag(sync=True)

        def __init__(self, first: dict[str, Any]) -> None:
            super().__init__(first=first)
            self.on_msg(self._answer)

        def _answer(self, _widget: object, message: object, _buffers: object) -> None:
            if isinstance(message, dict) and "question" in message:
                self.send({"id": message.get("id"), "answer": ask(message["question"])})

    return Explorer


def _first(layer: Spec | Layer | Live | str | None, input_shape: tuple[int, ...] | None) -> dict[str, Any]:
    if layer is None:
        return {}
    if isinstance(layer, Layer):
        axes = [axis_to_wire(axis) for axis in layer.axes]
        return {"code": None, "settings": None, "transposed": layer.transposed, "axes": axes}
    line = layer if isinstance(layer, str) else as_spec(layer).code()
    found = ask({"ask": "read", "line": line, **_READ, "shape": list(input_shape) if input_shape else None})
    if "error" in found:
        error = found["error"]
        rule, hint, where = error["rule"], error["hint"], error["where"]
        raise UnstrideError(Reason(error["code"]), rule, argument=error["argument"], hint=hint, where=where)
    return found
