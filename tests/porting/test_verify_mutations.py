"""Every wrong port from the list is caught, on any layer whose map it changes, and named wherever the map tells."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from unstride.geometry import Axis, Layer
from unstride.porting.comparing import Kind
from unstride.porting.verify import Verdict, verify
from unstride.testing.strategies import layers

from .mutations import MUTATIONS, Made, made, mutants

seeds = st.integers(0, 2**16)


def judged(right: Made, wrong: Made) -> Verdict:
    return verify(right, wrong, input_shape=right.input_shape, layouts="NC" + "DHW"[3 - right.layer.rank :])


def telling(axis: Axis) -> bool:
    """Whether the map shows every tap of the axis, and how far apart two stamps lie."""
    seen = [len(axis.smalls(tap)) for tap in range(axis.kernel)]
    return min(seen) > 0 and (axis.small == 1 or max(seen) > 1)


def determined(*given: Made) -> bool:
    return all(telling(axis) for each in given for axis in each.layer.axes)


def has_elements(layer: Layer) -> bool:
    return 0 not in (*layer.input_size, *layer.output_size, layer.in_channels, layer.out_channels)


@settings(max_examples=30)
@given(layers(max_rank=2, max_group_channels=3), seeds)
def test_a_mutant_is_caught_exactly_when_its_map_differs_and_named_wherever_the_map_tells(
    layer: Layer, seed: int
) -> None:
    assume(has_elements(layer))
    right = made(layer, seed)
    found = [(name, wrong, wrong.affine) for name, wrong in mutants(right) if has_elements(wrong.layer)]
    for name, wrong, affine in found:
        verdict = judged(right, wrong)
        assert verdict.same == (affine == right.affine), name
        if not verdict.same and determined(right, wrong):
            # mutants with one map are one difference, by whichever name
            kinds = set().union(*(MUTATIONS[other][1] for other, _, same in found if same == affine))
            assert {each.kind for each in verdict.differences} & kinds, f"{name}\n{verdict}"


UPSAMPLING = {
    1: Layer((Axis(5, 10, 3, 2, before=1),), 4, 6, groups=2),
    2: Layer((Axis(4, 8, 4, 2, before=0), Axis(5, 15, 4, 3, before=1)), 3, 3),
    3: Layer((Axis(3, 3, 2), Axis(3, 6, 2, 2), Axis(2, 5, 3, 2)), 2, 2),
}


@pytest.mark.parametrize("rank", UPSAMPLING)
@pytest.mark.parametrize("transposed", [True, False])
def test_each_mutant_of_a_usual_layer_has_its_own_name(rank: int, *, transposed: bool) -> None:
    layer = UPSAMPLING[rank]
    right = made(Layer(layer.axes, layer.small_channels, layer.large_channels, layer.groups, transposed), 0)
    named: Counter[str] = Counter()
    for name, wrong in mutants(right):
        if wrong.affine != right.affine and determined(right, wrong):
            verdict = judged(right, wrong)
            assert {each.kind for each in verdict.differences} <= MUTATIONS[name][1], f"{name}\n{verdict}"
            named[name] += 1
    wanted = {"shift", "flip", "dropped bias", "bias permuted"}
    wanted |= {"shorter", "clamped output_padding"} if transposed else set()
    wanted |= {"wrong group order"} if layer.groups > 1 else {"input channels permuted", "output channels permuted"}
    assert wanted <= set(named)


def test_two_mistakes_at_once_are_both_named() -> None:
    right = made(UPSAMPLING[2], 0)
    (flip, *_), (bias, *_) = (list(MUTATIONS[name][0](right)) for name in ("flip", "bias permuted"))
    wrong = Made(right.layer, flip.weights, bias.bias)
    assert [each.kind for each in judged(right, wrong).differences] == [Kind.FLIP, Kind.BIAS]
