"""Where the output lies in the full extent: by Keras's words, by pairs, or by the size that is wanted.

Sizes may be a graph's: numbers that are not known yet, on which only arithmetic is done.

Source: keras/src/backend/common/backend_utils.py (Keras 3.15).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ...dialects.arguments import Pairs, pad_pairs
from ...dialects.keras_rules import same_given
from ...dialects.windows import Taps, crop, extend_valid, multiply_same, spelled
from ...errors import Reason, UnstrideError

Padding: TypeAlias = str | Pairs
"""``valid``, ``same``, ``full``, or (before, after) of each axis"""

WORDS = ("valid", "same", "full")


class Window(NamedTuple):
    """The output's place on one axis."""

    before: Any
    """elements of the full extent before it"""
    size: Any
    margins: tuple[int, int]
    """zeros to put around the full extent, so that the window lies inside whatever the sizes are"""


@dataclass(frozen=True)
class Crop:
    """What one axis of a layer drops from the full extent: no matter how large the input is, always the same."""

    taps: Taps
    before: int
    after: int
    """negative where the output goes on behind the last stamp"""
    dropped: int
    """elements that the smallest size that can be asked for drops"""
    sizes: int
    """how many sizes can be asked for"""
    centred: bool
    """whether a size that is asked for is cropped evenly, or from ``before`` on"""

    def size(self, small: Any) -> Any:
        """The output size where none is asked for; UnstrideError where nothing is left."""
        full = self.taps.full(small)
        found = full - self.before - self.after
        if isinstance(found, int) and found < 1:
            rule = f"the output would have a size of {found}: the stamps of {small} elements cover {full}"
            hint = "crop less, or use a larger input"
            raise UnstrideError(Reason.SIZE, rule, argument="padding", value=(self.before, self.after), hint=hint)
        return found

    def window(self, small: Any, wanted: Any = None) -> Window:
        """The output's place, of the wanted size if there is one; UnstrideError for a size that it cannot have."""
        if wanted is None:
            return Window(self.before, self.size(small), (max(-self.before, 0), max(-self.after, 0)))
        self.check(small, wanted)
        beyond = max(self.sizes - 1 - self.dropped + (0 if self.centred else self.before), 0)
        if not self.centred:
            return Window(self.before, wanted, (max(-self.before, 0), beyond))
        excess = self.taps.full(small) - wanted
        # max(n, 0) is (n + |n|) / 2, which a graph's numbers can do too
        return Window((excess + abs(excess)) // 4, wanted, (0, beyond))

    def check(self, small: Any, wanted: Any) -> None:
        """UnstrideError where both sizes are known and do not fit each other."""
        if not (isinstance(small, int) and isinstance(wanted, int)):
            return
        least = self.taps.full(small) - self.dropped
        legal = range(max(least, 1), least + self.sizes)
        if wanted not in legal:
            rule = f"an input size of {small} with {self._shown()} gives {spelled(legal) if legal else 'no size'}"
            hint = "change strides, kernel_size or padding, or resize one of the two"
            raise UnstrideError(Reason.OUTPUT_SHAPE, rule, argument="output_size", value=wanted, hint=hint)

    def _shown(self) -> str:
        words = f"kernel_size={self.taps.kernel}, strides={self.taps.stride}, dilation_rate={self.taps.dilation}"
        return f"{words}, padding='same'" if self.centred else words


def crop_of(taps: Taps, padding: str | tuple[int, int], extra: int | None) -> Crop:
    """The crop of one axis; ``padding`` is a word or its pair, ``extra`` its output padding.

    >>> crop_of(Taps(3, 2), "same", None).window(4)
    Window(before=0, size=8, margins=(0, 0))
    >>> crop_of(Taps(3, 2), "same", None).window(4, 9)
    Window(before=0, size=9, margins=(0, 0))
    >>> crop_of(Taps(4, 2), (1, 0), 3).window(4)
    Window(before=1, size=12, margins=(0, 3))
    """
    # what is dropped does not depend on the size, which only has to be large enough here
    small = taps.span
    if padding == "same":
        axis = (multiply_same(taps, small) if extra is None else same_given(taps, small, extra)).axis
        # every size less than a stride from stride · small: what poolings and convolutions of either rounding come from
        return Crop(taps, axis.before, axis.after, taps.span - 1, 2 * taps.stride - 1, centred=True)
    if padding == "valid":
        axis = (extend_valid(taps, small) if extra is None else crop(taps, small, 0, 0, extra)).axis
        return Crop(taps, axis.before, axis.after, 0, taps.stride, centred=False)
    before, after = (0, 0) if isinstance(padding, str) else padding
    return Crop(taps, before, after - (extra or 0), before + after, taps.stride, centred=False)


def padding_of(padding: Any, rank: int) -> Padding:
    """The padding as a word in lower case, or pairs as tuples; UnstrideError for anything else.

    >>> padding_of("Full", 2), padding_of([[1, 0], [2, 2]], 2), padding_of(1, 1)
    ('full', ((1, 0), (2, 2)), ((1, 1),))
    """
    if not isinstance(padding, str):
        return pad_pairs(padding, rank, "padding", least=None)
    if padding.lower() in WORDS:
        return padding.lower()
    rule = f"must be {', '.join(map(repr, WORDS))}, or a pair (before, after) of integers for each axis, {rank} in all"
    raise UnstrideError(Reason.PADDING, rule, argument="padding", value=padding)
