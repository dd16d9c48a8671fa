"""Reading a file that may do harm: what it says, in a process that can hardly allocate anything."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from unstride.errors import Reason, UnstrideError
from unstride.models import keras
from unstride.models.limits import MEBIBYTE
from unstride.network import Graph

MEMORY = 600 * MEBIBYTE
"""bytes of address space that a reading process may have beyond what its imports take"""


def touched(graph: Graph) -> None:
    """Every array of the network is read."""
    for node in graph.nodes:
        for stored in node.operation.weights.values():
            _ = stored.array


def refused(path: Path, reason: Reason | None = None) -> str:
    """The refusal's text; reading, weights and all, must end in one."""
    with pytest.raises(UnstrideError) as caught:
        touched(keras.read(path))
    assert reason is None or caught.value.reason is reason, caught.value
    return str(caught.value)


def in_small_memory(path: Path, *, seconds: float = 20) -> str:
    """What reading says in a process that may hardly allocate anything: ``ok``, or the refusal."""
    script = (
        "import resource, sys, numpy, h5py, unstride.models.keras as keras\n"
        "from unstride.errors import UnstrideError\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]),) * 2)\n"
        "try:\n"
        "    graph = keras.read(sys.argv[1])\n"
        "    [stored.array for node in graph.nodes for stored in node.operation.weights.values()]\n"
        "    print('ok', len(graph.nodes))\n"
        "except UnstrideError as error:\n"
        "    print(error)\n"
    )
    started = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", script, str(path), str(MEMORY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own
    assert done.returncode == 0, done.stderr[-2000:]
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.ru_utime + ended.ru_stime - started.ru_utime - started.ru_stime < seconds
    return done.stdout
