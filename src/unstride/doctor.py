"""What this installation can do: versions, engines, optional libraries, and the frameworks found beside it."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

from . import __version__
from .dialects.registry import DIALECTS
from .engine import execute
from .engine.memory import available_bytes

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
LIBRARIES = ("numpy", "click", "rich", "safetensors")


def examine() -> dict[str, Any]:
    """The report, as JSON values; nothing is imported to find a framework's version."""
    return {
        "unstride": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
        "memory_available": available_bytes(),
        "engines": [{"name": engine.name, "available": engine.available()} for engine in execute.ENGINES],
        "libraries": {name: _version(name) for name in LIBRARIES},
        "frameworks": {name: version for name in FRAMEWORKS if (version := _version(name))},
        "dialects": [dialect.name for dialect in DIALECTS],
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def table(found: dict[str, Any]) -> RenderableType:
    """The report for a terminal."""
    from rich.table import Table

    rows = Table.grid(padding=(0, 3))
    engines = ", ".join(f"{e['name']}{'' if e['available'] else ' (not available)'}" for e in found["engines"])
    libraries = ", ".join(f"{name} {version or 'missing'}" for name, version in found["libraries"].items())
    frameworks = ", ".join(f"{name} {version}" for name, version in found["frameworks"].items())
    rows.add_row("unstride", f"{found['unstride']} on Python {found['python']}, {found['platform']}")
    rows.add_row("machine", f"{found['cores']} cores, {found['memory_available'] / 2**30:.1f} GiB of memory")
    rows.add_row("engines", engines)
    rows.add_row("libraries", libraries)
    rows.add_row("frameworks", frameworks or "none installed; none is needed")
    rows.add_row("dialects", ", ".join(found["dialects"]))
    return rows
