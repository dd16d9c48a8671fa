"""Runs the examples as scripts, one after the other in one process, which imports a framework once.

python -m tests.examples.running FRAMEWORK FOLDER STEPS: each example by both engines, into FOLDER/EXAMPLE-ENGINE.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("autoencoder", "segmentation", "upsampler")
ENGINES = ("unstride", "stock")


def main() -> None:
    framework, folder, steps = sys.argv[1:]
    sys.path.insert(0, str(EXAMPLES))  # as `python examples/NAME.py` does
    for name in NAMES:
        for engine in ENGINES:
            output = str(Path(folder) / f"{name}-{engine}")
            words = ["--framework", framework, "--engine", engine, "--steps", steps, "--output", output]
            sys.argv = [name, *words]
            runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


if __name__ == "__main__":
    main()
