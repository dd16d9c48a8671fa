"""Ask the real frameworks, and record what they answer.

    python tools/record_corpus.py torch tensorflow        record these frameworks' files
    python tools/record_corpus.py --list                  the frameworks, and which are installed here
    python tools/record_corpus.py torch --random 40 --seed 7 --output -      forty random questions, to standard output

Keras is recorded once for each backend, ``KERAS_BACKEND=jax python tools/record_corpus.py keras``, and TensorFlow
with and without oneDNN, ``TF_ENABLE_ONEDNN_OPTS=0 python tools/record_corpus.py tensorflow``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.corpus_asking import Worker
from tools.corpus_disagreements import REFERENCES, against, own_fault
from tools.corpus_shapes import Case
from unstride.testing.corpus import Corpus, Row, dump, load
from unstride.testing.live import PACKAGES, installed

QUESTIONS = {**{name: name for name in PACKAGES}, "onnxruntime": "onnx", "onnx_reference": "onnx"}
"""adapter → the module of this folder that holds its questions"""
OPSETS = (11, 22)
FOLDER = Path(__file__).resolve().parents[1] / "tests" / "corpus"


def questions(name: str, count: int | None, seed: int) -> list[Row]:
    """The recorded questions, or ``count`` random ones, without answers."""
    module = importlib.import_module(f"tools.corpus_{QUESTIONS[name]}")
    cases: list[Case] = module.cases(Random(seed)) if count is None else module.random(Random(seed), count)
    safe = [case for case in dict.fromkeys(cases) if not (case.unsafe and _on_onednn(name))]
    if name == "tensorflow" and not _on_onednn(name):
        # the kernels without oneDNN refuse every dilation, which a few rows tell as well as many
        safe = [case for case in safe if "dilations" not in case.code or len(case.code) % 8 == 0]
    return [
        Row(case.code, case.input, case.kernel, case.bias, opset=opset)
        for case in safe
        for opset in _opsets(name, case)
    ]


def _on_onednn(name: str) -> bool:
    keras = name == "keras" and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    return os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") == "1" and (keras or name in {"tensorflow", "keras2"})


def _opsets(name: str, case: Case) -> tuple[int | None, ...]:
    if not name.startswith("onnx"):
        return (None,)
    # half of the questions are asked in both operator sets, by a rule that does not change from run to run
    return OPSETS if len(case.code) % 2 else OPSETS[-1:]


def record(name: str, count: int | None, seed: int) -> Corpus:
    """A framework's answers to all its questions."""
    asked, worker, rows = questions(name, count, seed), Worker(name), []
    for index, question in enumerate(asked):
        if index % 50 == 0 and sys.stderr.isatty():
            print(f"\r{name}: {index}/{len(asked)}", end="", file=sys.stderr, flush=True)
        row = worker.answer(question)
        rows.append(row._replace(disagrees=own_fault(worker.provenance, row)))
    worker.close()
    refused = sum(row.output is None for row in rows)
    print(f"\r{name}: {len(rows)} rows, {refused} refused", file=sys.stderr)
    return Corpus({**worker.provenance, "recorded": datetime.now(UTC).date().isoformat()}, tuple(rows))


def compare(folder: Path) -> None:
    """Mark the rows of a file that contradict the frameworks that its dialect follows."""
    for path in sorted(folder.glob("*.json")):
        corpus = load(path)
        name = str(corpus.provenance["framework"])
        if name in REFERENCES:
            marked = against(corpus, [load(other) for other in sorted(folder.glob(f"{REFERENCES[name]}.json"))])
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
    if options.output != "-" and (options.frameworks or options.compare):
        compare(Path(options.output))


if __name__ == "__main__":
    main()
