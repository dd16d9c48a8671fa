"""A run with real processes: its numbers, its threads, and what happens when a process is lost or wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from unstride.bench import measure, peers
from unstride.bench.jobs import Expected
from unstride.bench.measure import Measurement, Settings
from unstride.bench.peers import OURS
from unstride.bench.results import Group, Key

from .tiny import TINY

SETTINGS = Settings((TINY,), (), (1,), ("first",), ("forward",), ("functional", "prepared"), rounds=3)


def silent(_what: str, _part: float) -> None:
    pass


def run(settings: Settings, tell: Callable[[str, float], None] = silent) -> Group:
    with Measurement(settings) as measurement:
        (group,) = measurement.groups(tell)
    return group


def test_every_round_has_its_number() -> None:
    group = run(SETTINGS)
    assert {timing.key.call for timing in group.timings} == {"functional", "prepared"}
    for timing in group.timings:
        assert len(timing.taken) == 3
        assert all(time > 0 for time in timing.taken)
        assert timing.quartiles[0] <= timing.median <= timing.quartiles[1]
    assert not group.absences
    copy = group.limit("copy", 1)
    assert copy is not None
    assert copy.median > 0.05


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system cannot keep a process on some CPUs")
def test_each_number_of_threads_has_its_own_process() -> None:
    counts = tuple(range(1, min(2, len(os.sched_getaffinity(0))) + 1))
    with Measurement(replace(SETTINGS, threads=counts)) as measurement:
        told = measurement.crew.told
    for count in counts:
        assert told[OURS, count]["cpus"] == told[OURS, count]["threads"] == count


def test_a_lost_process_loses_its_own_call_only() -> None:
    killed: list[str] = []
    with Measurement(SETTINGS) as measurement:

        def tell(what: str, part: float) -> None:
            """Kill our process when the first round is over."""
            if part > 0.5 and not killed and "expected" not in what:
                worker = measurement.crew._workers[OURS, 1]
                worker._process.kill()
                worker._process.wait()
                killed.append(what)

        (group,) = measurement.groups(tell)
    assert killed
    (absence,) = group.absences
    assert absence.kind == "lost"
    assert "SIGKILL" in absence.reason or "exit code" in absence.reason
    (timing,) = group.timings
    assert timing.key.call != absence.key.call
    assert len(timing.taken) == 3


def test_wrong_values_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Expected.of

    def shifted(*arguments: Any) -> Expected:
        expected = right(*arguments)
        return Expected(np.roll(expected.values, 1, axis=-1), expected.bound)

    monkeypatch.setattr(Expected, "of", shifted)
    group = run(SETTINGS)
    assert not group.timings
    assert {absence.kind for absence in group.absences} == {"wrong"}


def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(peers.ENTRIES[1], name="absent", distributions=("no-such-distribution",))
    monkeypatch.setattr(peers, "ENTRIES", (peers.ENTRIES[0], absent))
    with Measurement(replace(SETTINGS, peers=("absent",))) as measurement:
        assert measurement.missing == {"absent": "not installed"}
        assert measurement.versions.keys() == {OURS}


def test_a_peer_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = replace(peers.ENTRIES[0], name="broken")  # its process knows no competitor of this name
    monkeypatch.setattr(peers, "ENTRIES", (peers.ENTRIES[0], broken))
    with Measurement(replace(SETTINGS, peers=("broken",))) as measurement:
        assert "StopIteration" in measurement.missing["broken"]
        (group,) = measurement.groups(silent)
    assert len(group.timings) == 2


def test_a_budget_sets_the_rounds() -> None:
    group = run(replace(SETTINGS, rounds=None, seconds=0.001))
    assert {len(timing.nanoseconds) for timing in group.timings} == {measure.LEAST_ROUNDS}


def test_far_slower_peers_sit_out_and_we_never_do() -> None:
    measurement = Measurement(replace(SETTINGS, seconds=1))
    with measurement:
        keys = [Key(name, "", "first", "functional", 1) for name in (OURS, "torch", "jax")]
        handles = [
            measure.Handle(key, number, {"job": {}}, seconds=seconds)
            for number, (key, seconds) in enumerate(zip(keys, (2.0, 0.001, 0.5), strict=True))
        ]
        assert measurement._hopeless(handles) == {2}
