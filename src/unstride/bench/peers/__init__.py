"""Who is timed, one competitor a file; a file imports its framework only when a worker starts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, Protocol, cast

from ..jobs import Arrays, Job, Runner

OURS = "unstride"


class Competitor(Protocol):
    """What each file of this package offers."""

    def start(self, threads: int) -> dict[str, Any]:
        """Import the framework and set its threads; what it says of itself."""

    def build(self, job: Job, arrays: Arrays) -> Runner:
        """The job as one call. Raises UnsupportedError where the framework has no way."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the table of competitors."""

    name: str
    distributions: tuple[str, ...]
    """packages of which one must be installed"""
    module: str
    functional: tuple[str, ...]
    """its ways of a functional forward call; the fastest counts"""
    prepared: tuple[str, ...]
    gradient: tuple[str, ...]

    @property
    def version(self) -> str | None:
        """Version installed; None: missing. Nothing is imported to find it."""
        for name in self.distributions:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return None

    def variants(self, direction: str, call: str) -> tuple[str, ...]:
        """Its ways of one kind of call."""
        if direction != "forward":
            return self.gradient if call == "functional" else ()
        return self.functional if call == "functional" else self.prepared


ENTRIES: tuple[Entry, ...] = (
    Entry(OURS, ("unstride",), "ours", ("run",), ("prepare",), ("gradient",)),
    Entry("torch", ("torch",), "torch", ("eager",), ("packed",), ("aten",)),
    Entry(
        "tensorflow",
        ("tensorflow", "tensorflow-cpu"),
        "tensorflow",
        ("graph", "xla"),
        ("graph", "xla"),
        ("graph", "xla"),
    ),
    Entry("jax", ("jax",), "jax", ("jit",), ("jit",), ("vjp",)),
    Entry("onnxruntime", ("onnxruntime",), "onnxruntime", ("inputs",), ("initializers",), ()),
    Entry("openvino", ("openvino",), "openvino", ("parameters",), ("constants",), ()),
)
PEERS = tuple(entry.name for entry in ENTRIES if entry.name != OURS)


def entries(peers: tuple[str, ...]) -> Iterator[Entry]:
    """unstride, and those of the peers that were asked for."""
    return (entry for entry in ENTRIES if entry.name == OURS or entry.name in peers)


def competitor(name: str) -> Competitor:
    """The file of one competitor."""
    module = next(entry.module for entry in ENTRIES if entry.name == name)
    return cast("Competitor", import_module(f".{module}", __name__))
