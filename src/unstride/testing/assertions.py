"""Assertions for tests of ports: one line in a test, and the difference in words where it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def assert_same_layer(
    a: Any,
    b: Any,
    *,
    input_shape: Sequence[int] | None = None,
    kernel_shape: Sequence[int] | None = None,
    weights: tuple[ArrayLike, ArrayLike | None] | None = None,
    layouts: str | tuple[str | None, str | None] | None = None,
    sizes: Sequence[Sequence[int]] = (),
    ulps: float | None = None,
    seed: int = 0,
) -> None:
    """Raise AssertionError, saying how they differ, unless ``b`` computes what ``a`` does.

    The arguments are those of ``unstride.verify``: two live layers, models, ONNX files or functions, and the input's
    shape in a's data layout. In a test:

        def test_the_port_is_the_layer():
            assert_same_layer(keras_layer, torch_layer, input_shape=(1, 8, 8, 3))

    >>> from unstride import parse
    >>> one, other = parse("torch.nn.ConvTranspose1d(1, 1, 3)"), parse("torch.nn.ConvTranspose1d(1, 1, 3, bias=False)")
    >>> assert_same_layer(one, one, input_shape=(1, 1, 4))
    >>> assert_same_layer(one, other, input_shape=(1, 1, 4))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    AssertionError: different
      bias missing: b adds none
    ...
    """
    __tracebackhide__ = True
    from ..porting.verify import ULPS, verify

    verdict = verify(
        a,
        b,
        input_shape=input_shape,
        kernel_shape=kernel_shape,
        weights=weights,
        layouts=layouts,
        sizes=sizes,
        ulps=ULPS if ulps is None else ulps,
        seed=seed,
    )
    if not verdict:
        raise AssertionError(verdict.text())
