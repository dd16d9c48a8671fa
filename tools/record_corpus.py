"""Ask the real frameworks, and record what they answer.

    python tools/record_corpus.py torch tensorflow        record these frameworks' files
    python tools/record_corpus.py --list                  the frameworks, and which are installed here
    python tools/record_corpus.py torch --random 40 --seed 7 --output -      forty random questions, to standard output

Keras is recorded once for each backend, ``KERAS_BACKEND=jax python tools/record_corpus.py keras``, and TensorFlow
with and without oneDNN, ``TF_ENABLE_ONEDNN_OPTS=0 python tools/record_corpus.py tensorflow``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from random import Random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# TensorFlow turns oneDNN on by the processor's model; only with it do its CPU kernels dilate and group
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from tools.corpus_disagreements import REFERENCES, against, own_fault
from tools.corpus_shapes import Case
from unstride.testing.corpus import Corpus, Row, dump, load
from unstride.testing.live import PACKAGES, adapter, installed

QUESTIONS = {
    "torch": "torch",
    "keras": "keras",
    "keras2": "keras2",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "flax": "flax",
    "haiku": "haiku",
    "equinox": "equinox",
    "onnxruntime": "onnx",
    "onnx_reference": "onnx",
    "openvino": "openvino",
    "litert": "litert",
    "paddle": "paddle",
    "mlx": "mlx",
    "tinygrad": "tinygrad",
}
"""adapter → the module of this folder that holds its questions"""

OPSETS = (11, 22)
UNWRITTEN = "garbage: an output of numbers that are no integers"
LARGEST = 500
"""elements of an output whose values are recorded; larger ones keep their shape only"""
FOLDER = Path(__file__).resolve().parents[1] / "tests" / "corpus"


def ask(name: str, case: Case, opset: int | None = None) -> Row:
    """One question to a framework, with its answer or the beginning of its error."""
    row = Row(case.code, case.input, case.kernel, case.bias, opset=opset)
    options = {} if opset is None else {"opset": opset}
    x, kernel, bias = row.arrays()
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")
            answer = adapter(name).evaluate(case.code, x, kernel, bias, **options)
    except Exception as error:  # noqa: BLE001 - whatever a framework raises is its answer
        return row._replace(error=f"{type(error).__name__}: {_shortened(str(error))}"[:160])
    if answer.size > LARGEST:
        return row._replace(output=answer.shape)
    values = answer.reshape(-1)
    if not np.array_equal(values, np.rint(values)) or np.abs(values).max(initial=0) > 2**24:
        # oneDNN leaves outputs unwritten here and there; what integers cannot sum to is no answer
        return row._replace(error=UNWRITTEN)
    return row._replace(output=answer.shape, values=tuple(values.astype(np.int64).tolist()))


def _shortened(message: str) -> str:
    """The message on one line, without TensorFlow's prefixes and colours."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|\{\{.*?\}\} ?|Exception encountered when calling [^ ]* ", "", message).split())


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what a framework prints, from Python or from C++."""
    with Path(os.devnull).open("w", encoding="utf-8") as sink:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def questions(name: str, count: int | None, seed: int) -> list[Case]:
    """The recorded questions, or ``count`` random ones."""
    module = importlib.import_module(f"tools.corpus_{QUESTIONS[name]}")
    cases: list[Case] = module.cases(Random(seed)) if count is None else module.random(Random(seed), count)
    return list(dict.fromkeys(cases))


def record(name: str, count: int | None, seed: int) -> Corpus:
    """A framework's answers to all its questions."""
    chosen = [case for case in questions(name, count, seed) if not (case.unsafe and _on_onednn(name))]
    asked = [(case, opset) for case in chosen for opset in _opsets(name, case)]
    rows = []
    for index, (case, opset) in enumerate(asked):
        if index % 50 == 0:
            print(f"\r{name}: {index}/{len(asked)}", end="", file=sys.stderr, flush=True)
        row = ask(name, case, opset)
        rows.append(row._replace(disagrees=own_fault(name, row)))
    refused = sum(row.output is None for row in rows)
    print(f"\r{name}: {len(rows)} rows, {refused} refused", file=sys.stderr)
    return Corpus(_provenance(name), tuple(rows))


def _opsets(name: str, case: Case) -> tuple[int | None, ...]:
    if not name.startswith("onnx"):
        return (None,)
    # half of the questions are asked in both operator sets, by a rule that does not change from run to run
    return OPSETS if len(case.code) % 2 else OPSETS[-1:]


def _on_onednn(name: str) -> bool:
    keras = name == "keras" and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    return os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1" and (keras or name in {"tensorflow", "keras2"})


def _provenance(name: str) -> dict[str, object]:
    provenance: dict[str, object] = {"framework": name, "version": adapter(name).version()}
    if name == "keras":
        provenance["backend"] = importlib.import_module("unstride.testing.live.keras").backend()
    if name == "tensorflow":
        provenance["backend"] = "onednn" if os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1" else "eigen"
    return {**provenance, "python": platform.python_version(), "recorded": date.today().isoformat()}  # noqa: DTZ011


def compare(folder: Path) -> None:
    """Mark the rows of a file that contradict the frameworks that its dialect follows."""
    for path in sorted(folder.glob("*.json")):
        corpus = load(path)
        name = str(corpus.provenance["framework"])
        if name in REFERENCES:
            marked = against(corpus, [load(other) for other in sorted(folder.glob(f"{REFERENCES[name]}-*.json"))])
            path.write_text(dump(marked), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Record, list, or ask random questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("frameworks", nargs="*", metavar="framework", help=f"any of {', '.join(QUESTIONS)}")
    parser.add_argument("--list", action="store_true", help="show the frameworks and whether they are installed")
    parser.add_argument("--random", type=int, metavar="COUNT", help="ask this many random questions only")
    parser.add_argument("--seed", type=int, default=20, help="of the random part (default 20)")
    parser.add_argument("--output", default=str(FOLDER), help="a folder, or - for standard output")
    parser.add_argument("--compare", action="store_true", help="only mark recorded rows that contradict each other")
    options = parser.parse_args(arguments)
    if options.list:
        for name in QUESTIONS:
            print(f"{name:16}{'installed' if installed(name) else f'{PACKAGES[name]} is not installed'}")
    for name in options.frameworks:
        if name not in QUESTIONS:
            parser.error(f"unknown framework {name!r}; choose from {', '.join(QUESTIONS)}")
        corpus = record(name, options.random, options.seed)
        if options.output == "-":
            sys.stdout.write(dump(corpus))
        else:
            (Path(options.output) / f"{corpus.title}.json").write_text(dump(corpus), encoding="utf-8")
    if options.output != "-":
        compare(Path(options.output))


if __name__ == "__main__":
    main()
