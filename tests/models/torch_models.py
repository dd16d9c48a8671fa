"""Small PyTorch models as people write them, saved by the real torch with what they answer.

``record FOLDER`` saves them with torch, reads them live and keeps both answers; ``check FOLDER`` reads the files in a
process that cannot import torch. Both print one line a case.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from unstride.errors import UnstrideError
from unstride.models import torch as reader
from unstride.network import Graph, Opaque
from unstride.network.evaluate import run
from unstride.network.sizes import freed


@dataclass(frozen=True)
class Case:
    """A module, the shape it is exported with, and the shapes it is asked for."""

    name: str
    module: Any
    shape: tuple[int, ...]
    asked: tuple[tuple[int, ...], ...]
    exact: bool = False
    """whether all is integers, so that nothing may differ"""
    free: bool = True
    """whether the file keeps the sizes open"""
    lowered: bool = False
    """whether the program is brought to the core operators first; it is then read live as a program"""


def cases() -> list[Case]:
    from .torch_zoo import ZOO

    return [Case(name, module, shape, asked, **words) for name, module, shape, asked, words in ZOO()]


def settle(case: Case, torch: Any) -> None:
    """Inference, with small integers for weights; norms get scales and statistics that are not special."""
    torch.manual_seed(len(case.name))
    module = case.module.eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if case.exact:
                parameter.copy_(torch.randint(-2, 3, parameter.shape).float())
            elif name.endswith("bias"):
                parameter.uniform_(-1, 1)
            elif parameter.ndim == 1 or name.endswith("original0"):  # a norm's scale, a weight norm's lengths
                parameter.uniform_(0.5, 2)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.uniform_(-1, 1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)


def given(shape: tuple[int, ...]) -> Any:
    return np.random.default_rng(sum(shape)).integers(-3, 4, shape).astype(np.float32)


def answers(module: Any, shapes: tuple[tuple[int, ...], ...], torch: Any) -> list[list[Any]]:
    found = []
    for shape in shapes:
        with torch.no_grad():
            y = module(torch.from_numpy(given(shape)))
        found.append([each.numpy().copy() for each in (y if isinstance(y, tuple) else (y,))])
    return found


def exported(case: Case, torch: Any) -> Any:
    auto = torch.export.Dim.AUTO
    free = {axis: auto for axis in range(len(case.shape)) if axis != 1 and case.shape[axis] > 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.export.export(
            case.module, (torch.zeros(case.shape),), dynamic_shapes=(free,) if case.free else None
        )
        return made.run_decompositions() if case.lowered else made


def difference(case: dict[str, Any], graph: Graph, expected: list[list[Any]]) -> list[str]:
    """What of the graph's answers is not the framework's."""
    found = [f"opaque {node.name}: {node.operation}" for node in graph.nodes if isinstance(node.operation, Opaque)]
    if found:
        return found
    for shape, wanted in zip(case["asked"], expected, strict=True):
        try:
            made = run(freed(graph), given(tuple(shape)))
        except UnstrideError as error:
            found.append(f"{shape}: {error}")
            continue
        for one, two in zip(made if isinstance(made, tuple) else (made,), wanted, strict=True):
            if one.shape != two.shape or one.dtype != two.dtype:
                found.append(f"{shape}: {one.shape} {one.dtype}, not {two.shape} {two.dtype}")
                continue
            off = float(np.abs(one - two).max(initial=0))
            bound = 0 if case["exact"] else 1e-5 * max(1.0, float(np.abs(two).max(initial=0)))
            if not off <= bound:
                found.append(f"{shape}: off by {off}")
    return found


def record(folder: Path) -> None:
    import torch

    described = []
    for case in cases():
        settle(case, torch)
        program = exported(case, torch)
        torch.export.save(program, folder / f"{case.name}.pt2")
        expected = answers(case.module, case.asked, torch)
        arrays = {f"{i}.{j}": y for i, row in enumerate(expected) for j, y in enumerate(row)}
        np.savez(folder / f"{case.name}.npz", **arrays)
        entry: dict[str, Any] = {"name": case.name, "asked": case.asked, "exact": case.exact}
        modes = [each.training for each in case.module.train().modules()]
        graph = reader.read_live(program if case.lowered else case.module, inputs=case.shape)
        entry["live"] = difference(entry, graph, expected)
        if [each.training for each in case.module.modules()] != modes:
            entry["live"].append("the module's modes have changed")
        described.append(entry)
    (folder / "cases.json").write_text(json.dumps(described))
    (folder / "refusals.json").write_text(json.dumps(refusals(torch)))


def refusals(torch: Any) -> dict[str, str]:
    """What is said of things that cannot be read live."""

    class Branching(torch.nn.Module):  # type: ignore[misc]  # torch's own types are not read here
        def forward(self, x: Any) -> Any:
            return x * 2 if x.sum() > 0 else x

    branching, relu = (cast("Any", kind)() for kind in (Branching, torch.nn.ReLU))
    asked: dict[str, Callable[[], object]] = {
        "no module": lambda: reader.read_live(relu.forward, inputs=(1, 2)),
        "no shape": lambda: reader.read_live(relu),
        "an empty shape": lambda: reader.read_live(relu, inputs=()),
        "a negative size": lambda: reader.read_live(relu, inputs=(1, 3, -2)),
        "the values decide": lambda: reader.read_live(branching, inputs=(1, 2)),
        "another shape": lambda: reader.read_live(torch.nn.Conv2d(3, 4, 3), inputs=(1, 5, 8, 8)),
    }
    found = {}
    for name, ask in asked.items():
        try:
            found[name] = f"read: {ask()}"
        except UnstrideError as error:
            found[name] = f"{error.code}: {error.rule}"
    return found


def check(folder: Path) -> None:
    sys.modules["torch"] = None  # type: ignore[assignment]  # whoever imports it fails
    found = {}
    for case in json.loads((folder / "cases.json").read_text()):
        with np.load(folder / f"{case['name']}.npz") as arrays:
            expected: list[list[Any]] = [[] for _ in case["asked"]]
            for key in arrays.files:
                expected[int(key.split(".")[0])].append(arrays[key])
        found[case["name"]] = difference(case, reader.read(folder / f"{case['name']}.pt2"), expected)
    (folder / "read.json").write_text(json.dumps(found))


if __name__ == "__main__":
    {"record": record, "check": check}[sys.argv[1]](Path(sys.argv[2]))
