"""``assert_same_layer``: quiet where two are the same, the difference in words where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from unstride import UnstrideError, parse
from unstride.testing import assert_same_layer

pytest_plugins = ("pytester",)

KERAS = parse("keras.layers.Conv2DTranspose(2, 3, strides=2, padding='same')")
TORCH = parse("torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)")


def test_the_same_layer_passes() -> None:
    assert_same_layer(KERAS, KERAS, input_shape=(1, 4, 4, 3), sizes=[(3, 5)])


def test_another_fails_with_the_verdicts_words() -> None:
    with pytest.raises(AssertionError) as failure:
        assert_same_layer(KERAS, TORCH, input_shape=(1, 4, 4, 3))
    told = str(failure.value).splitlines()
    assert told[0] == "different"
    assert told[1].startswith("  shifted by (-1, -1): b's output is a's moved 1 row up and 1 column left")
    assert f"b: {TORCH.code()}" in told


def test_what_cannot_be_compared_is_an_error_and_no_failure() -> None:
    with pytest.raises(UnstrideError, match="nothing tells the order"):
        assert_same_layer(np.abs, np.abs, input_shape=(1, 4, 4, 3))


def test_inside_pytest_the_helpers_own_lines_are_hidden(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import numpy as np
        from unstride.testing import assert_same_layer

        def test_port():
            assert_same_layer(lambda x: x, lambda x: np.roll(x, 1, 1), input_shape=(1, 4, 4, 1), layouts="NHWC")
        """
    )
    output = pytester.runpytest_inprocess("-p", "no:cacheprovider", "--color=no").stdout
    output.fnmatch_lines(["E *AssertionError: different", "E *shifted by (1, 0): b's output is a's moved 1 row down"])
    output.no_fnmatch_line("*verdict = verify(*")
    output.no_fnmatch_line("*__tracebackhide__*")
