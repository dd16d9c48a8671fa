"""PyTorch models as network graphs: ``.pt2`` files without torch, and live modules through ``torch.export``.

Source: torch/export, torch/_export/serde (torch 2.13).
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Reason, UnstrideError
from ..network import Graph, Input, Opaque
from ..network.sizes import Sizes, propagate
from .pt2 import read_archive
from .torch_graph import build

Shapes = tuple[int, ...] | Sequence[tuple[int, ...]]


def read(path: str | Path) -> Graph:
    """The network in a file that ``torch.export.save`` wrote; weights are read when they are asked for.

    Nothing is unpickled, and torch is not needed. Raises UnstrideError where the file is damaged, too large, or of
    another kind; what is not understood is an opaque node.
    """
    return build(read_archive(path))


def read_live(module: Any, *, inputs: Shapes | None = None) -> Graph:
    """The network that a live ``torch.nn.Module`` or ``ExportedProgram`` is at inference, with copies of its weights.

    ``inputs`` is the shape of the module's input, ``(batch, channels, *size)``, or one shape for each of several. Sizes
    stay open where torch.export can leave them open and every step is understood so, else they are those given.
    Raises UnstrideError where torch.export cannot follow the module.
    """
    torch = _torch()
    if isinstance(module, torch.export.ExportedProgram):
        return _through_archive(torch, module, "program")
    if not isinstance(module, torch.nn.Module):
        rule = "must be a torch.nn.Module or a torch.export.ExportedProgram"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="module", value=type(module).__name__)
    shapes = _checked_shapes(inputs)
    found = []
    with _at_inference(module):
        for dynamic in (True, False):
            try:
                program = _exported(torch, module, shapes, dynamic=dynamic)
                found.append(_through_archive(torch, program, type(module).__name__))
            except UnstrideError:
                if not dynamic and not found:
                    raise
            if found and not _opaque(found[0]):
                break
    return _settled(min(found, key=_opaque), shapes)


LONGER = 64
"""how many lengths from twice the given one on are tried"""


def _settled(graph: Graph, shapes: tuple[tuple[int, ...], ...]) -> Graph:
    """The graph with the given lengths on every open axis on which no length of at least twice as much fits."""
    given = {each.name: shape[2:] for each, shape in zip(graph.inputs, shapes, strict=False)}
    if len(given) < len(graph.inputs) or any(len(given[each.name]) != len(each.size) for each in graph.inputs):
        return graph
    if not _fits(graph, given):
        return graph
    fixed = {axis for axis in range(graph.rank) if not _grows(graph, given, axis)}

    def lengths(each: Input) -> tuple[int | None, ...]:
        pairs = zip(each.size, given[each.name], strict=True)
        return tuple(had if axis in fixed else length for axis, (length, had) in enumerate(pairs))

    return replace(graph, inputs=tuple(replace(each, size=lengths(each)) for each in graph.inputs))


def _grows(graph: Graph, given: Sizes, axis: int) -> bool:
    """Whether the network takes inputs that are at least twice as long on an axis."""
    open_ = {each.name for each in graph.inputs if axis < len(each.size) and each.size[axis] is None}
    shortest = min((given[name][axis] for name in open_), default=0)
    for more in range(shortest, shortest + LONGER):
        longer = {
            name: (*size[:axis], size[axis] + more * size[axis] // shortest, *size[axis + 1 :])
            if name in open_
            else size
            for name, size in given.items()
        }
        if _fits(graph, longer):
            return True
    return False


def _fits(graph: Graph, sizes: Sizes) -> bool:
    """Whether every step that is understood takes what it gets."""
    return all(isinstance(graph.by_name[misfit.node].operation, Opaque) for misfit in propagate(graph, sizes).misfits)


def _opaque(graph: Graph) -> int:
    return sum(isinstance(node.operation, Opaque) for node in graph.nodes)


def _torch() -> Any:
    try:
        import torch
        import torch.export
    except ImportError:
        raise UnstrideError(Reason.ARGUMENT, "reading live modules needs torch", hint="pip install torch") from None
    return torch


def _checked_shapes(inputs: Shapes | None) -> tuple[tuple[int, ...], ...]:
    given = () if inputs is None else tuple(inputs)
    shapes = (given,) if given and all(isinstance(each, int) for each in given) else given
    found = tuple(tuple(shape) if isinstance(shape, (tuple, list)) else () for shape in shapes)
    if not found or not all(shape and all(type(n) is int and n > 0 for n in shape) for shape in found):
        rule = "must be the shape of the module's input, or one shape for each input"
        hint = "such as inputs=(1, 3, 64, 64)"
        raise UnstrideError(Reason.SIZE, rule, argument="inputs", value=inputs, hint=hint)
    return found


@contextmanager
def _at_inference(module: Any) -> Iterator[None]:
    """The module and all in it in ``eval`` mode; afterwards each as it was."""
    modes = [(each, each.training) for each in module.modules()]
    try:
        for each, _ in modes:
            each.training = False
        yield
    finally:
        for each, mode in modes:
            each.training = mode


def _exported(torch: Any, module: Any, shapes: tuple[tuple[int, ...], ...], *, dynamic: bool) -> Any:
    """The program that torch.export makes of the module; batch and spatial sizes open if ``dynamic``."""
    first = next(iter((*module.parameters(), *module.buffers())), torch.zeros(()))
    dtype = first.dtype if first.dtype.is_floating_point else torch.float32
    # a size of 1 would be taken for a fixed one
    sizes = [(max(shape[0], 2), *shape[1:]) if dynamic else shape for shape in shapes]
    given = tuple(torch.zeros(size, dtype=dtype, device=first.device) for size in sizes)
    auto = torch.export.Dim.AUTO
    free = tuple({axis: auto for axis in range(len(size)) if axis != 1 and size[axis] > 1} for size in sizes)
    with _following(type(module).__name__), torch.no_grad():
        return torch.export.export(module, given, dynamic_shapes=free if dynamic else None)


def _through_archive(torch: Any, program: Any, name: str) -> Graph:
    """The program saved in memory, and read as a file of it would be."""
    stream = io.BytesIO()
    with _following(name):
        torch.export.save(program, stream)
    return build(replace(read_archive(stream.getvalue()), name=name))


@contextmanager
def _following(name: str) -> Iterator[None]:
    """torch.export, quiet: it warns, logs and prints, and raises what the module raises or errors of many kinds."""
    silent = logging.root.manager.disable
    try:
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            logging.disable(logging.ERROR)
            yield
    except Exception as error:
        rule = f"torch.export cannot follow it: {str(error).strip().partition(chr(10))[0]}"
        hint = "give the inputs' shapes that it is called with, or export it yourself and give the program"
        raise UnstrideError(Reason.UNSUPPORTED, rule, argument="module", value=name, hint=hint) from None
    finally:
        logging.disable(silent)
