"""Random layers that are not in the corpus, asked of the installed frameworks now.

Each framework answers in a process of its own, through the corpus's recorder, so that what it prints, warns about or
crashes of stays there. ``UNSTRIDE_PARITY_SEED`` asks other questions, ``UNSTRIDE_PARITY_COUNT`` more of them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.corpus_asking import UNWRITTEN

from unstride.testing.corpus import Corpus, Row, load_all, replay
from unstride.testing.live import PACKAGES, installed

ROOT = Path(__file__).parents[2]
SEED = os.environ.get("UNSTRIDE_PARITY_SEED", "1905")
COUNT = os.environ.get("UNSTRIDE_PARITY_COUNT", "50")
BACKENDS = ("jax", "tensorflow", "torch")

pytestmark = pytest.mark.parity

RECORDER = [sys.executable, str(ROOT / "tools" / "record_corpus.py")]


def needs(*names: str) -> None:
    for name in names:
        if not installed(name):
            pytest.skip(f"{PACKAGES[name]} is not installed")


def start(name: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    command = [*RECORDER, name, "--random", COUNT, "--seed", SEED, "--output", str(folder)]
    return subprocess.Popen(  # noqa: S603 - our own script
        command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, complaint = process.communicate()
    assert process.returncode == 0, complaint[-2000:]


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


def failed(row: Row) -> bool:
    """Whether the framework raised or died, rather than answering: unwritten memory is an answer."""
    return row.error is not None and row.error != UNWRITTEN


def adds_bias_along_last_axis(row: Row) -> bool:
    """Whether Keras's ``add`` on TensorFlow takes the last axis for the channels, having the bias's size.

    Source: keras/src/backend/tensorflow/numpy.py, ``add``.
    """
    first = "data_format='channels_first'" in row.code
    return first and row.output is not None and 1 < row.bias == row.output[-1]


@pytest.fixture(scope="module")
def recorded() -> set[object]:
    return {(row.code, row.input, row.kernel) for corpus in load_all(ROOT / "tests" / "corpus") for row in corpus.rows}


@pytest.mark.parametrize(
    "name", ["torch", "tensorflow", "jax", "onnxruntime", "openvino", "keras2", "flax", "haiku", "equinox"]
)
def test_random_layers_agree_exactly(name: str, tmp_path: Path, recorded: set[object]) -> None:
    needs(name)
    finish(start(name, tmp_path))
    (corpus,) = load_all(tmp_path)
    check(corpus)
    fresh = [row for row in corpus.rows if (row.code, row.input, row.kernel) not in recorded]
    assert len(fresh) >= 0.8 * len(corpus.rows)


def test_random_keras_layers_agree_with_most_backends(tmp_path: Path) -> None:
    needs("keras", *BACKENDS)
    folders = {backend: tmp_path / backend for backend in BACKENDS}
    for folder in folders.values():
        folder.mkdir()
    for process in [start("keras", folder, KERAS_BACKEND=backend) for backend, folder in folders.items()]:
        finish(process)
    for path in [path for folder in folders.values() for path in folder.glob("*.json")]:
        path.rename(tmp_path / path.name)
    subprocess.run([*RECORDER, "--compare", "--output", str(tmp_path)], check=True)  # noqa: S603 - our own script
    found = {str(corpus.provenance["backend"]): corpus for corpus in load_all(tmp_path)}
    assert set(found) == set(BACKENDS)
    for backend, corpus in found.items():
        check(corpus)
        outvoted = [row for row in corpus.rows if row.disagrees is not None]
        assert len(outvoted) <= (len(corpus.rows) // 4 if backend == "tensorflow" else 0)
        unexplained = [row for row in outvoted if not (failed(row) or adds_bias_along_last_axis(row))]
        assert not unexplained, "\n".join(map(str, unexplained))
