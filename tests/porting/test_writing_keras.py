"""Networks as Keras models on every backend: live, saved and from their source; each in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.network.builders import unet
from unstride.network import Activation, Graph, Input, Node, Pool
from unstride.porting.writing.common_writing import write
from unstride.porting.writing.keras import Keras
from unstride.testing.live import installed

from .zoo import everything

ROOT = Path(__file__).parents[2]
SHARES = {"tensorflow": (6, 1), "torch": (6, 1), "jax": (2, 5)}
"""backend -> how many random networks, and every how many-th operation; JAX compiles each shape anew"""


@pytest.mark.parity
@pytest.mark.parametrize("backend", SHARES)
def test_every_operation_and_random_networks(backend: str) -> None:
    for name in ("keras", backend):
        if not installed(name):
            pytest.skip(f"{name} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
    count, step = SHARES[backend]
    found = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(ROOT / "tests" / "porting" / "keras_writing.py"), str(count), str(step)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    told = json.loads(found.stdout.splitlines()[-1])
    assert told["wrong"] == []
    assert told["counts"]["exact"] + told["counts"]["rounded"] == len([*everything()][::step]) + count
    assert min(told["counts"].values()) > 2


def test_the_source_reads_as_one_would_write_it() -> None:
    found = write(unet(output_padding=1), "keras")
    assert isinstance(found, Keras)
    lines = found.source().splitlines()
    for line in (
        '    x = keras.Input((None, None, 3), name="x")',
        '    down = keras.layers.Conv2D(4, 3, padding="same", name="down")(x)',
        '    up_full = keras.layers.Conv2DTranspose(4, 3, strides=2, name="up")(pool)',
        '    up = keras.layers.Cropping2D(((1, 0), (1, 0)), name="up_cropped")(up_full)',
        '    skip = keras.layers.Concatenate(name="skip")([relu, up])',
    ):
        assert line in lines


def test_an_axis_that_is_not_always_exact_is_fixed() -> None:
    found = write(everything()["lower"], "keras")
    assert isinstance(found, Keras)
    assert "keras.Input((4, 3, 3)" in found.source()


def test_weights_bear_the_names_of_the_layers() -> None:
    found = write(everything()["grouped up"], "keras")
    assert isinstance(found, Keras)
    assert {name: array.shape for name, array in found.arrays().items()} == {
        "y_1/kernel": (3, 3, 3, 2),
        "y_1/bias": (3,),
        "y_2/kernel": (3, 3, 3, 2),
        "y_2/bias": (3,),
    }


def test_names_of_layers_are_valid_on_every_backend_and_distinct() -> None:
    relu = Activation("relu")
    pool = Pool("max", (3, 3), (2, 2), ((1, 1), (1, 1)))
    names = ("m.0", "m_0", "a/b", "_a-b", "m.0_padded", "m_0_2_padded", "7")
    nodes = tuple(
        Node(name, pool if name == "m_0" else relu, (before,))
        for before, name in zip(("x.in", *names), names, strict=False)
    )
    found = write(Graph("g", (Input("x.in", 2, (8, 8)),), nodes, (names[-1],)), "keras")
    assert isinstance(found, Keras)
    made = re.findall(r'name="([^"]*)"', found.source())
    assert made[0] == "x_in"
    assert len(set(made)) == len(made)
    # torch takes no dot in a parameter's name, TensorFlow no underscore ahead of a scope's
    assert all(re.fullmatch(r"[A-Za-z][\w-]*", name) for name in made[:-1])
