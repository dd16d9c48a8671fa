"""Questions for Keras 2, in the package's own name: what Keras 3 is asked, without its operations."""

from __future__ import annotations

from random import Random

from .corpus_keras import random_conv, random_layer, shared, systematic
from .corpus_shapes import Case


def random(rng: Random, count: int) -> list[Case]:
    """Random layers, both directions; stride and dilation together now and then, which it refuses."""
    drawn = [
        random_conv(rng) if rng.random() < 0.3 else random_layer(rng, both=rng.random() < 0.05) for _ in range(count)
    ]
    return _renamed(drawn)


def _renamed(cases: list[Case]) -> list[Case]:
    return [case._replace(code=case.code.replace("keras.", "tf_keras.", 1)) for case in cases]


def cases(rng: Random) -> list[Case]:
    """All of Keras 2's questions."""
    layers = [case for case in systematic(rng) if case.code.startswith("keras.layers.")]
    rows = [Case("keras.layers.Conv2DTranspose(4, 3, groups=2)", (1, 3, 3, 4), (3, 3, 4, 4), 4)]
    # its forward layers take further leading axes, which are batch axes and nothing that a row could tell
    known = [case for case in shared() if len(case.input) < 5]
    return _renamed(layers + known + rows) + random(rng, 120)
