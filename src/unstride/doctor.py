"""What this installation can do: versions, engines, optional libraries, and the frameworks found beside it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from typing import TYPE_CHECKING, Any

from . import __version__
from .dialects.registry import DIALECTS
from .engine import execute
from .engine.jit import cache
from .engine.memory import available_bytes
from .engine.threads import num_threads
from .errors import UnstrideError

if TYPE_CHECKING:
    from rich.console import RenderableType

FRAMEWORKS = (
    "torch",
    "tensorflow",
    "tensorflow-cpu",
    "tf_keras",
    "keras",
    "jax",
    "flax",
    "dm-haiku",
    "equinox",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "paddlepaddle",
    "mlx",
    "tinygrad",
)
LIBRARIES = ("numpy", "click", "rich", "safetensors", "llvmlite", "zarr", "dask")
REMEDIES = {"jit": "pip install 'unstride[jit]'"}
"""what makes an engine available that is not"""


def examine() -> dict[str, Any]:
    """The report, as JSON values; no framework is imported to find its version, llvmlite is, to know the CPU."""
    engines = [_engine(row) for row in execute.ENGINES]
    compiled = any(engine["available"] for engine in engines if engine["name"] == "jit")
    return {
        "unstride": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_available": available_bytes(),
        "threads": _said(num_threads),
        "engines": engines,
        "target": _said(_target) if compiled else None,
        "cache": _cache(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "frameworks": {name: version for name in FRAMEWORKS if (version := _version(name))},
        "dialects": [dialect.name for dialect in DIALECTS],
    }


def _engine(row: execute.Engine) -> dict[str, Any]:
    """An engine's row; of one that is not available, what would make it so."""
    found: dict[str, Any] = {"name": row.name, "available": row.available()}
    return found if found["available"] else {**found, "remedy": REMEDIES.get(row.name)}


def _target() -> dict[str, Any]:
    """The CPU that code is compiled for: its name for LLVM, and the bits of its vectors."""
    from .engine.jit.target import host

    target = host()
    return {"cpu": target.cpu, "vector_bits": 8 * target.vector_bytes, "vector_registers": target.registers}


def _cache() -> dict[str, Any]:
    """The compiled objects kept on disk."""
    found = cache.state()
    return {**asdict(found), "folder": None if found.folder is None else str(found.folder)}


def _said(examined: Callable[[], Any]) -> Any:
    """What a setting comes to, or why it is rejected: the report is made for those whose settings are wrong."""
    try:
        return examined()
    except UnstrideError as error:
        return {"error": str(error)}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def table(found: dict[str, Any]) -> RenderableType:
    """The report for a terminal."""
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 3))
    for name, line in _lines(found):
        rows.add_row(name, Text(line))  # brackets are no markup
    return rows


def _lines(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "unstride", f"{found['unstride']} on Python {found['python']}, {found['platform']}"
    yield "machine", f"{found['cores']} cores, {found['memory_available'] / 2**30:.1f} GiB of memory"
    yield "threads", _shown(found["threads"], str)
    yield "engines", ", ".join(map(_engine_line, found["engines"]))
    if found["target"]:
        yield "target", _shown(found["target"], _target_line)
        yield "cache", _cache_line(found["cache"])
    yield "libraries", ", ".join(f"{name} {version or 'missing'}" for name, version in found["libraries"].items())
    frameworks = ", ".join(f"{name} {version}" for name, version in found["frameworks"].items())
    yield "frameworks", frameworks or "none installed; none is needed"
    yield "dialects", ", ".join(found["dialects"])


def _shown(value: Any, line: Callable[[Any], str]) -> str:
    rejected = isinstance(value, dict) and "error" in value
    return str(value["error"]) if rejected else line(value)


def _engine_line(engine: dict[str, Any]) -> str:
    name = str(engine["name"])
    if engine["available"]:
        return name
    return f"{name} (not available{': ' + engine['remedy'] if engine['remedy'] else ''})"


def _target_line(target: dict[str, Any]) -> str:
    return f"{target['cpu']}, {target['vector_registers']} vector registers of {target['vector_bits']} bits"


def _cache_line(kept: dict[str, Any]) -> str:
    held = f"{kept['entries']} objects, {kept['bytes'] / 2**20:.1f} MiB" if kept["usable"] else "not used"
    where = f" in {kept['folder']}" if kept["folder"] else ""
    return f"{held}{where}{': ' + kept['remark'] if kept['remark'] else ''}"
