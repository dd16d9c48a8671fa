"""Figures follow from the times by the rules that the report states."""

from __future__ import annotations

import pytest

from unstride.bench import compare
from unstride.bench.compare import Table
from unstride.bench.results import Absence, Group, Key, Limit, Timing, quartiles, ratio

from .tiny import DEPTHWISE, TINY

FORWARD = Table(1, "forward", "prepared")


def timing(name: str, layout: str, call: str, *times: float | None, threads: int = 1) -> Timing:
    return Timing(Key(name, "", layout, call, threads), times)


def group(*timings: Timing, direction: str = "forward", case: object = TINY) -> Group:
    limits = (
        Limit("peak", 1, "fma", (90.0, 100.0, 110.0)),
        Limit("copy", 1, "plain", (10.0,)),
        Limit("copy-large", 1, "numpy", (4.0, 5.0, 6.0)),
    )
    return Group(TINY if case is TINY else DEPTHWISE, direction, "float32", timings, (), limits)


def test_a_ratio_is_paired_by_round() -> None:
    ours, theirs = timing("unstride", "first", "prepared", 1, 10, 100), timing("torch", "first", "prepared", 2, 30, 400)
    assert ratio(ours, theirs) == 3  # of 2, 3 and 4
    assert ratio(ours, timing("jax", "first", "prepared", 5, None, None)) == 5


def test_quartiles() -> None:
    assert quartiles([1, 2, 3, 4, 5]) == (2, 4)
    assert quartiles([7]) == (7, 7)


def test_a_row_is_held_against_the_fastest_peer_and_its_own_layout() -> None:
    measured = group(
        timing("unstride", "first", "prepared", 1000, 1000),
        timing("torch", "first", "prepared", 9000, 9000),
        timing("torch", "first", "functional", 4000, 4000),  # a prepared layer's peer may do without preparing
        timing("torch", "last", "prepared", 500, 500),
        timing("jax", "last", "prepared", 250, 250),
    )
    (row,) = compare.rows([measured], FORWARD)
    assert (row.best_peer, row.best_ratio, row.torch_ratio) == ("jax last", 0.25, 4)
    assert row.gflops == 2 * TINY.multiply_accumulates / 1000
    assert row.peak_share == pytest.approx(row.gflops / 100)
    assert row.copy_share == pytest.approx(TINY.elements * 4 / 1000 / 10)
    assert row.memory_share == pytest.approx(TINY.elements * 4 / 1000 / 5)


def test_a_functional_call_is_not_held_against_prepared_ones() -> None:
    measured = group(timing("unstride", "first", "functional", 10), timing("torch", "first", "prepared", 1))
    (row,) = compare.rows([measured], Table(1, "forward", "functional"))
    assert (row.best_peer, row.best_ratio, row.torch_ratio) == (None, None, None)


def test_a_summary_takes_the_best_layouts() -> None:
    first = group(
        timing("unstride", "first", "prepared", 8),
        timing("unstride", "last", "prepared", 2),
        timing("torch", "first", "prepared", 16),
        timing("torch", "last", "prepared", 1),
    )
    second = group(timing("unstride", "last", "prepared", 1), timing("jax", "first", "prepared", 8), case=DEPTHWISE)
    summary = compare.summarize([first, second], FORWARD)
    assert summary.best == pytest.approx(2)  # of 1/2 and 8
    assert (summary.faster, summary.cases) == (1, 2)
    assert summary.worst[0] == ("tiny", 0.5)
    assert summary.torch_first == 2
    assert summary.torch_least == ("tiny last", 0.5)


def test_scaling_compares_the_same_layout_and_leaves_out_short_calls() -> None:
    measured = group(
        timing("unstride", "first", "prepared", 4e6),
        timing("unstride", "first", "prepared", 2e6, threads=2),
        timing("unstride", "last", "prepared", 1e3),
        timing("unstride", "last", "prepared", 1e3, threads=2),
    )
    (scaling,) = compare.scalings([measured])
    assert (scaling.threads, scaling.calls, scaling.mean) == (2, 1, 2)


def test_tables_are_those_that_were_timed() -> None:
    measured = [
        group(timing("unstride", "first", "functional", 1)),
        group(timing("unstride", "first", "functional", 1), direction="input_gradient"),
    ]
    assert list(compare.tables(measured)) == [
        Table(1, "forward", "functional"),
        Table(1, "input_gradient", "functional"),
    ]


def test_absences_keep_their_reason() -> None:
    key = Key("jax", "jit", "first", "functional", 1)
    assert Absence(key, "failed", "no memory").as_json()["reason"] == "no memory"
