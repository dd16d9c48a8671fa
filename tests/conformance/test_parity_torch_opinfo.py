"""PyTorch's own samples of its transposed convolutions (OpInfo), and its own oracle for them.

The samples' numbers are rounded to integers, so that equal means equal.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from unstride import parse, run
from unstride.testing.live import installed

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

COUNTS = {1: 10, 2: 12, 3: 10}
"""samples, batched and unbatched"""


@cache
def samples(rank: int) -> list[tuple[Any, Any, Any, dict[str, Any]]]:
    """Input, weight, bias and keywords."""
    torch = import_module("torch")
    methods = import_module("torch.testing._internal.common_methods_invocations")
    (info,) = (each for each in methods.op_db if each.name == f"nn.functional.conv_transpose{rank}d")
    torch.manual_seed(0)
    found = []
    for each in info.sample_inputs("cpu", torch.float64):
        weight, bias = each.args
        found.append((each.input.round(), weight.round(), None if bias is None else bias.round(), each.kwargs))
    return found


def needs_torch() -> None:
    if not installed("torch"):
        pytest.skip("torch is not installed")
    pytest.importorskip("expecttest", reason="PyTorch's samples need expecttest")


@pytest.mark.parametrize(("rank", "number"), [(rank, n) for rank, count in COUNTS.items() for n in range(count)])
def test_the_samples_hold(rank: int, number: int) -> None:
    needs_torch()
    functional = import_module("torch.nn.functional")
    x, weight, bias, keywords = samples(rank)[number]
    words = "".join(f", {name}={value!r}" for name, value in keywords.items())
    code = f"torch.nn.functional.conv_transpose{rank}d(x, w{'' if bias is None else ', b'}{words})"
    expected = getattr(functional, f"conv_transpose{rank}d")(x, weight, bias, **keywords).numpy()
    y = run(parse(code), x.numpy(), weight.numpy(), None if bias is None else bias.numpy())
    assert expected.any()
    assert np.array_equal(y, expected), code


def test_no_sample_is_left_out() -> None:
    needs_torch()
    assert {rank: len(samples(rank)) for rank in COUNTS} == COUNTS


@pytest.mark.parametrize("rank", COUNTS)
def test_their_oracle_says_the_same(rank: int) -> None:
    needs_torch()
    functional = import_module("torch.nn.functional")
    oracle = import_module("torch.testing._internal.common_methods_invocations").conv_transpose_ref
    call, unanswered = getattr(functional, f"conv_transpose{rank}d"), 0
    for x, weight, bias, keywords in samples(rank):
        words = "".join(f", {name}={value!r}" for name, value in keywords.items())
        spec = parse(f"torch.nn.functional.conv_transpose{rank}d(x, w{'' if bias is None else ', b'}{words})")
        arrays = (x.numpy(), weight.numpy(), None if bias is None else bias.numpy())
        try:
            expected = oracle(*arrays, **keywords, fn=call).numpy()
        except RuntimeError:  # a convolution's gradient cannot say an output padding of the stride or more
            assert max(keywords["output_padding"]) >= min(keywords["stride"])
            unanswered += 1
            continue
        assert np.array_equal(run(spec, *arrays), expected)
    assert unanswered == (0 if rank == 1 else 2)
