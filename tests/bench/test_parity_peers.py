"""Every peer that is installed gives our values, in every direction, layout and call it has."""

from __future__ import annotations

import pytest

from unstride.bench.cases import Case
from unstride.bench.measure import Measurement, Settings
from unstride.bench.peers import ENTRIES, PEERS

from .tiny import DEPTHWISE, SHORT, SOLID, TINY

DIRECTIONS = ("forward", "input_gradient", "weight_gradient")


@pytest.mark.parity
@pytest.mark.parametrize(
    ("cases", "directions"),
    [((TINY,), DIRECTIONS), ((DEPTHWISE, SHORT, SOLID), DIRECTIONS[:1])],
    ids=["plane", "others"],
)
def test_live_peers_agree(cases: tuple[Case, ...], directions: tuple[str, ...]) -> None:
    pytest.importorskip("torch")
    installed = {entry.name for entry in ENTRIES if entry.version}
    settings = Settings(cases, PEERS, (1,), ("first", "last"), directions, ("functional", "prepared"), rounds=1)
    with Measurement(settings) as measurement:
        groups = list(measurement.groups(lambda _what, _part: None))
        assert {name for name, _ in measurement.crew.told} - {"machine"} == installed
    for group in groups:
        assert not [absence for absence in group.absences if absence.kind != "unsupported"]
        answered = {timing.key.competitor for timing in group.timings}
        gradients = installed - {"onnxruntime", "openvino"}
        assert answered == (installed if group.direction == "forward" else gradients)
