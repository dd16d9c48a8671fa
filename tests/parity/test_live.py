"""Random layers that are not in the corpus, asked of the installed frameworks now.

Each framework answers in a process of its own, through the corpus's recorder, so that what it prints, warns about or
crashes of stays there. ``UNSTRIDE_PARITY_SEED`` asks other questions, ``UNSTRIDE_PARITY_COUNT`` more of them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unstride.testing.corpus import Corpus, load_all, replay
from unstride.testing.live import PACKAGES, installed

ROOT = Path(__file__).parents[2]
SEED = os.environ.get("UNSTRIDE_PARITY_SEED", "1905")
COUNT = os.environ.get("UNSTRIDE_PARITY_COUNT", "60")
BACKENDS = ("jax", "tensorflow", "torch")

pytestmark = pytest.mark.parity


def ask(name: str, folder: Path, **environment: str) -> None:
    for needed in (name, *environment.values()):
        if not installed(needed):
            pytest.skip(f"{PACKAGES[needed]} is not installed")
    command = [sys.executable, str(ROOT / "tools" / "record_corpus.py"), name]
    options = ["--random", COUNT, "--seed", SEED, "--output", str(folder)]
    asked = subprocess.run(  # noqa: S603 - our own script
        [*command, *options], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0, asked.stderr[-2000:]


def check(corpus: Corpus) -> None:
    failures = []
    for row in corpus.rows:
        try:
            replay(row)
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, f"{len(failures)} of {len(corpus.rows)} rows differ:\n" + "\n".join(failures[:10])
    answered = [row for row in corpus.rows if row.output is not None]
    assert len(answered) >= 0.6 * len(corpus.rows) >= 0.6 * 40
    assert sum(row.values is not None and any(row.values) for row in answered) >= 0.5 * len(answered)


@pytest.fixture(scope="module")
def recorded() -> set[object]:
    return {(row.code, row.input, row.kernel) for corpus in load_all(ROOT / "tests" / "corpus") for row in corpus.rows}


@pytest.mark.parametrize(
    "name", ["torch", "tensorflow", "jax", "onnxruntime", "openvino", "keras2", "flax", "haiku", "equinox"]
)
def test_random_layers_agree_exactly(name: str, tmp_path: Path, recorded: set[object]) -> None:
    ask(name, tmp_path)
    (corpus,) = load_all(tmp_path)
    check(corpus)
    fresh = [row for row in corpus.rows if (row.code, row.input, row.kernel) not in recorded]
    assert len(fresh) >= 0.8 * len(corpus.rows)


def test_random_keras_layers_agree_with_most_backends(tmp_path: Path) -> None:
    for backend in BACKENDS:
        ask("keras", tmp_path, KERAS_BACKEND=backend)
    found = {str(corpus.provenance["backend"]): corpus for corpus in load_all(tmp_path)}
    assert set(found) == set(BACKENDS)
    for backend, corpus in found.items():
        check(corpus)
        outvoted = sum(row.disagrees is not None for row in corpus.rows)
        assert outvoted <= (len(corpus.rows) // 4 if backend == "tensorflow" else 0)
