"""Random layers, ported between every two live frameworks: exactly equal on integers, or refused; never anything else.

``UNSTRIDE_PARITY_SEED`` asks about other layers, ``UNSTRIDE_PARITY_COUNT`` about more of them; each framework runs in
processes of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import product
from random import Random

import pytest
from tools.port_layers import draw
from tools.port_pairs import Pair, pairs, questions, table
from tools.port_worker import LIVE

from unstride.testing.live import installed

SEED = int(os.environ.get("UNSTRIDE_PARITY_SEED", "1905"))
# every layer is run in nine places
COUNT = max(2, int(os.environ.get("UNSTRIDE_PARITY_COUNT", "50")) // 12)


@pytest.fixture(scope="module")
def found() -> list[Pair]:
    for framework in LIVE.values():
        if not installed(framework.adapter):
            pytest.skip(f"{framework.adapter} is not installed")
    return list(pairs(tuple(LIVE), COUNT, SEED))


@pytest.mark.parity
def test_every_port_is_exact_or_refused(found: list[Pair], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{table(found, tuple(LIVE))}")
    bad = [pair for pair in found if pair.outcome in ("WRONG", "raised")]
    assert not bad, "\n".join(map(str, bad[:10]))


@pytest.mark.parity
def test_every_pair_was_asked_and_most_frameworks_answered(found: list[Pair]) -> None:
    asked = Counter((pair.source, pair.target) for pair in found)
    assert asked == {(source, target): COUNT for source in LIVE for target in LIVE}
    outcomes = Counter(pair.outcome for pair in found)
    assert outcomes["one call"] + outcomes["composed"] >= 0.8 * len(found)
    assert outcomes["composed"] > 0


def test_the_layers_are_of_every_kind() -> None:
    random = Random(SEED)  # noqa: S311 - a test's cases
    layers = [draw(random) for _ in range(300)]
    axes = [axis for layer in layers for axis in layer.axes]
    assert {layer.rank for layer in layers} == {1, 2, 3}
    either = (True, False)
    assert {(layer.transposed, layer.bias, layer.groups > 1) for layer in layers} == set(product(either, repeat=3))
    assert any(axis.before != axis.after for axis in axes)
    assert any(axis.stride > axis.span for axis in axes)
    assert any(axis.before < 0 for axis in axes)
    assert any(axis.dilation > 1 < axis.stride for axis in axes)


@pytest.mark.parametrize("name", LIVE)
def test_each_framework_says_its_layers_and_the_seed_decides_which(name: str) -> None:
    first, again = questions(name, 12, SEED), questions(name, 12, SEED)
    assert first == again != questions(name, 12, SEED + 1)
    assert len({question.code for question in first}) >= 8
