"""Archives of torch.export, written by hand."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

WEIGHT = np.arange(2 * 3 * 3 * 3, dtype=np.float32).reshape(2, 3, 3, 3) % 5 - 2


def sizes(*numbers: Any) -> list[Any]:
    return [{"as_int": n} if isinstance(n, int) else {"as_expr": {"expr_str": n, "hint": None}} for n in numbers]


def tensor(*shape: Any, dtype: int = 7, strides: tuple[int, ...] | None = None, offset: int = 0) -> dict[str, Any]:
    steps = strides or tuple(int(np.prod([n for n in shape[i + 1 :] if isinstance(n, int)])) for i in range(len(shape)))
    return {"dtype": dtype, "sizes": sizes(*shape), "strides": sizes(*steps), "storage_offset": {"as_int": offset}}


def call(target: str, output: str, stack: str = "", **arguments: Any) -> dict[str, Any]:
    return {
        "target": f"torch.ops.aten.{target}",
        "inputs": [{"name": name, "arg": arg, "kind": 1} for name, arg in arguments.items()],
        "outputs": [{"as_tensor": {"name": output}}],
        "metadata": {"nn_module_stack": stack} if stack else {},
    }


def named(name: str) -> dict[str, Any]:
    return {"as_tensor": {"name": name}}


def program() -> dict[str, Any]:
    """A convolution and a relu."""
    nodes = [
        call(
            "conv2d.default",
            "conv2d",
            "L__self__c,c,torch.nn.modules.conv.Conv2d",
            input=named("x"),
            weight=named("p_w"),
        ),
        call("relu.default", "relu", self=named("conv2d")),
    ]
    values = {"p_w": tensor(2, 3, 3, 3), "x": tensor("s0", 3, "s1", 9)}
    values |= {"conv2d": tensor("s0", 2, "s1 - 2", 7), "relu": tensor("s0", 2, "s1 - 2", 7)}
    signature = {
        "input_specs": [
            {"parameter": {"arg": {"name": "p_w"}, "parameter_name": "c.weight"}},
            {"user_input": {"arg": named("x")}},
        ],
        "output_specs": [{"user_output": {"arg": named("relu")}}],
    }
    graph = {"inputs": [], "outputs": [], "nodes": nodes, "tensor_values": values, "sym_int_values": {}}
    return {"graph_module": {"graph": graph, "signature": signature}, "schema_version": {"major": 8, "minor": 20}}


def config(**changes: Any) -> dict[str, Any]:
    entry = {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": tensor(2, 3, 3, 3)}
    return {"config": {"c.weight": entry | changes}}


def archive(
    root: Any = None,
    weights: Any = None,
    payload: bytes = WEIGHT.tobytes(),
    compression: int = zipfile.ZIP_STORED,
    extra: dict[str, bytes] | None = None,
) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        made.writestr("a/archive_format", "pt2")
        made.writestr("a/models/model.json", root if isinstance(root, bytes) else json.dumps(root or program()))
        made.writestr("a/data/weights/model_weights_config.json", json.dumps(weights or config()))
        made.writestr("a/data/weights/weight_0", payload)
        for name, content in (extra or {}).items():
            made.writestr(f"a/{name}", content)
    return stream.getvalue()


def changed(path: str, value: Any) -> dict[str, Any]:
    root: Any = program()
    *parents, last = path.split(".")
    place = root
    for key in parents:
        place = place[int(key)] if isinstance(place, list) else place[key]
    place[int(last) if isinstance(place, list) else last] = value
    return dict(root)
