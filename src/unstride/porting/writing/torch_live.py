"""The live PyTorch module of a written network: its steps are carried out one by one, no text is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..codegen.running import executed, value

if TYPE_CHECKING:
    from .torch import Torch


def live(written: Torch, *, weights: bool) -> Any:
    """The module in evaluation mode, with its weights if these are known and wanted."""
    import torch
    import torch.nn.functional

    scope: Mapping[str, Any] = {"torch": torch, "F": torch.nn.functional, "float": float}
    names, sizes, body = written.inputs, written.sizes, written.body

    class Network(torch.nn.Module):  # type: ignore[misc]  # torch ships no types that are followed here
        def __init__(self) -> None:
            super().__init__()
            for name, constructor in written.constructors:
                self.add_module(name, value(constructor, scope))
            self.to(getattr(torch, written.dtype))

        def forward(self, *inputs: Any) -> Any:
            if len(inputs) != len(names):
                raise TypeError(f"takes {len(names)} inputs, got {len(inputs)}")
            for name, allowed, given in zip(names, sizes, inputs, strict=True):
                size = tuple(given.shape[2:])
                if size not in allowed:
                    raise ValueError(f"{name} of size {size}: must be of {allowed.words}")
            return executed(body, {**scope, "self": self, **dict(zip(names, inputs, strict=True))})

    Network.__name__ = Network.__qualname__ = written.name
    Network.__doc__ = "\n".join(written.doc)
    module = Network()
    if weights:
        arrays = {name: torch.from_numpy(array.copy()) for name, array in written.arrays().items()}
        module.load_state_dict(arrays)
    return module.eval()
