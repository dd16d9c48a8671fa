"""How long it takes to get started: ``python benchmarks/latency.py``.

The import; the first call of a new layer in a process that has called another, with its code compiled or taken from
disk; the shortest call. Each figure is the median of fresh processes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 9

IMPORT = """
import time
start = time.perf_counter()
import unstride
print((time.perf_counter() - start) * 1e3)
"""

FIRST = """
import json, sys, time
import numpy as np
import unstride
layer = json.loads(sys.argv[1])
spec = unstride.parse(layer["code"])
unstride.run(unstride.parse("Conv1DTranspose(8, 2)"), np.ones((1, 2, 8), "f"), np.ones((2, 8, 8), "f"))
rng = np.random.default_rng(0)
kernel, x = (rng.standard_normal(layer[name], "float32") for name in ("kernel", "input"))
start = time.perf_counter()
unstride.prepare(spec, kernel, input_shape=x.shape)(x)
print((time.perf_counter() - start) * 1e3)
"""

SHORT = """
import timeit
import numpy as np
import unstride
spec = unstride.parse("torch.nn.ConvTranspose2d(1, 1, 3, stride=2)")
x = np.ones((1, 1, 2, 2), "float32")
prepared = unstride.prepare(spec, np.ones((1, 1, 3, 3), "float32"), np.ones(1, "float32"), input_shape=x.shape)
prepared(x)
print(min(timeit.repeat(lambda: prepared(x), number=20_000, repeat=5)) / 20_000 * 1e6)
"""

LAYERS = {
    "U-Net 16×16 128→64, channels last": {
        "code": "keras.layers.Conv2DTranspose(64, 3, strides=2, padding='same', use_bias=False)",
        "input": (1, 16, 16, 128),
        "kernel": (3, 3, 64, 128),
    },
    "U-Net 16×16 128→64, channels first": {
        "code": "torch.nn.ConvTranspose2d(128, 64, 3, stride=2, padding=1, output_padding=1, bias=False)",
        "input": (1, 128, 16, 16),
        "kernel": (128, 64, 3, 3),
    },
}


def asked(source: str, folder: str, *arguments: str) -> float:
    """What a fresh process prints: one number."""
    environment = {**os.environ, "UNSTRIDE_CACHE_DIR": folder}
    command = [sys.executable, "-c", source, *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603 - our own text
    return float(done.stdout)


def median(source: str, folder: str, *arguments: str) -> float:
    """The median of several fresh processes."""
    return statistics.median(asked(source, folder, *arguments) for _ in range(ROUNDS))


def main() -> None:
    """Print every figure."""
    print(f"import unstride: {median(IMPORT, 'off'):.0f} ms")
    for name, layer in LAYERS.items():
        given = json.dumps(layer)
        with tempfile.TemporaryDirectory() as folder:
            compiled = median(FIRST, "off", given)
            asked(FIRST, folder, given)
            loaded = median(FIRST, folder, given)
        print(f"first call, {name}: compiled {compiled:.0f} ms, code from disk {loaded:.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        print(f"a prepared 1×1×2×2 layer: {median(SHORT, folder):.1f} µs a call")


if __name__ == "__main__":
    main()
