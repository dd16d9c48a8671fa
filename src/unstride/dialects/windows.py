"""The few rules by which frameworks pick ``large`` and ``before``, each a closed form on one axis with its reasons.

``full = (small − 1)·stride + span`` with ``span = dilation·(kernel − 1) + 1``. A transposed rule starts from the
small size, a forward rule from the large one. Every rule returns a Window: the axis, the derivation with the
numbers in it, and the large sizes that the same words could have meant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import Reason, UnstrideError
from ..geometry import Axis


@dataclass(frozen=True, slots=True)
class Window:
    """One axis as a framework's rule chose it, and why."""

    axis: Axis
    steps: tuple[str, ...]
    """the derivation, one formula with its numbers a line"""
    alternatives: range
    """the large sizes that share the small size under the same padding rule (the ambiguity)"""

    def because(self, *steps: str) -> Window:
        """The same window, with the framework's own words put before the derivation."""
        return replace(self, steps=steps + self.steps)


@dataclass(frozen=True, slots=True)
class Taps:
    """Kernel, stride and dilation of one axis: what a rule needs besides the size."""

    kernel: int
    stride: int = 1
    dilation: int = 1

    @property
    def span(self) -> int:
        """Extent of the dilated kernel."""
        return self.dilation * (self.kernel - 1) + 1

    def full(self, small: int) -> int:
        """Extent that the stamps of ``small`` elements cover."""
        return (small - 1) * self.stride + self.span

    def sizes(self, small: int, padding: int = 0) -> range:
        """The large sizes that a convolution padded by ``padding`` in all maps to ``small``: ``stride`` of them."""
        least = self.full(small) - padding
        return range(least, least + self.stride)

    def truncated_sizes(self, small: int, padding: int) -> range:
        """As ``sizes``, where the convolution's division rounds towards zero, as C's does.

        Small size 1 then has ``stride − 1`` smaller large sizes more, and small size 0 has no larger ones.
        """
        sizes = self.sizes(small, padding)
        if small > 1:
            return sizes
        return range(max(sizes.start - self.stride + 1, 0), max(sizes.stop if small else sizes.start + 1, 0))

    def axis(self, small: int, large: int, before: int) -> Axis:
        """The axis with these taps; UnstrideError where a size would be negative."""
        for side, size in (("large", large), ("small", small)):
            if size < 0:
                raise UnstrideError(
                    Reason.SIZE,
                    f"the {side} side would have a negative size",
                    argument=f"{side}_size",
                    value=size,
                    hint="use a larger input, less padding, or a kernel that fits",
                )
        return Axis(small, large, self.kernel, self.stride, self.dilation, before)

    def spanned(self) -> str:
        """How the dilated extent comes about, empty where the dilation is 1."""
        if self.dilation == 1:
            return f"span = kernel = {self.kernel}"
        return f"span = dilation·(kernel − 1) + 1 = {self.dilation}·({self.kernel} − 1) + 1 = {self.span}"

    def extended(self, small: int) -> str:
        """The full extent with its numbers."""
        return f"full = (small − 1)·stride + span = ({small} − 1)·{self.stride} + {self.span} = {self.full(small)}"


# --- transposed: small size known, choose the large window ----------------------------------------------------


def crop(taps: Taps, small: int, before: int, after: int, extra: int = 0) -> Window:
    """Crop ``before`` and ``after`` elements of the full extent (negative: extend): large = full − before − after.

    ``extra`` elements are given back behind, as ``output_padding`` does: they lessen ``after``, but not the padding
    of the forward convolution.
    """
    full, legal = taps.full(small), taps.sizes(small, before + after)
    after -= extra
    large = full - before - after
    shown = f"large = full − before − after = {full} − {signed(before)} − {signed(after)} = {large}"
    steps = (taps.spanned(), taps.extended(small), shown)
    return Window(taps.axis(small, large, before), steps, legal)


def extend_valid(taps: Taps, small: int) -> Window:
    """The full extent, and at least one stride per small element: large = (small − 1)·stride + max(span, stride)."""
    longest = max(taps.span, taps.stride)
    large = (small - 1) * taps.stride + longest
    shown = (
        f"large = (small − 1)·stride + max(span, stride) = ({small} − 1)·{taps.stride} + {longest} = {large}",
        "before = 0: nothing is cropped",
    )
    return Window(taps.axis(small, large, 0), (taps.spanned(), *shown), taps.sizes(small))


def multiply_same(taps: Taps, small: int) -> Window:
    """One stride per small element: large = small·stride; an odd excess is cropped behind."""
    excess = max(taps.span - taps.stride, 0)
    large = small * taps.stride
    steps = (
        taps.spanned(),
        taps.extended(small),
        f"large = small·stride = {small}·{taps.stride} = {large}",
        f"before = ⌊max(span − stride, 0) / 2⌋ = ⌊{excess} / 2⌋ = {excess // 2}",
    )
    return Window(taps.axis(small, large, excess // 2), steps, same_sizes(taps, small))


def invert_same(taps: Taps, small: int, large: int, name: str = "output_shape") -> Window:
    """The large size is the caller's; legal where a forward SAME convolution maps it to ``small``."""
    legal = same_sizes(taps, small)
    check_inverse(taps, small, large, legal, name, "SAME")
    excess = max(taps.full(small) - large, 0)
    steps = (
        f"large = {large}, given by {name}; legal because ⌈large / stride⌉ = ⌈{large} / {taps.stride}⌉ = {small}",
        taps.spanned(),
        taps.extended(small),
        f"before = ⌊max(full − large, 0) / 2⌋ = ⌊{excess} / 2⌋ = {excess // 2}",
    )
    return Window(taps.axis(small, large, excess // 2), steps, legal)


def invert_valid(taps: Taps, small: int, large: int, name: str = "output_shape") -> Window:
    """The large size is the caller's; legal where a forward VALID convolution maps it to ``small``."""
    return invert_pads(taps, small, large, 0, 0, name, "VALID")


def invert_pads(
    taps: Taps, small: int, large: int, before: int, after: int, name: str = "output_shape", padding: str = "explicit"
) -> Window:
    """The large size is the caller's; legal where a convolution padded by ``before`` and ``after`` gives ``small``."""
    legal = taps.sizes(small, before + after)
    check_inverse(taps, small, large, legal, name, padding)
    fits = f"⌊(large + {before + after} − span) / stride⌋ + 1 = {small}"
    steps = (
        f"large = {large}, given by {name}; legal because {fits}",
        taps.spanned(),
        taps.extended(small),
        f"before = {before}",
    )
    return Window(taps.axis(small, large, before), steps, legal)


def same_sizes(taps: Taps, small: int) -> range:
    """The large sizes that a forward SAME convolution maps to ``small``: ⌈large / stride⌉ = small."""
    return range((small - 1) * taps.stride + 1, small * taps.stride + 1)


def check_inverse(taps: Taps, small: int, large: int, legal: range, name: str, padding: str) -> None:
    """UnstrideError unless ``large`` is one of the sizes that the forward convolution maps to ``small``."""
    if large not in legal:
        raise UnstrideError(
            Reason.OUTPUT_SHAPE,
            f"input size {small} with kernel {taps.kernel}, stride {taps.stride}, dilation {taps.dilation} "
            f"and padding {padding} can only have an output size of {spelled(legal)}",
            argument=name,
            value=large,
            hint=f"choose {spelled(legal)}, or change stride or padding",
        )


def missing(taps: Taps, small: int, large: int, pads: tuple[int, int], padding: object) -> int:
    """The output padding that lengthens the size that ``pads`` gives to ``large``, which ``output_size`` asks for."""
    legal = taps.sizes(small, sum(pads))
    check_inverse(taps, small, large, legal, "output_size", repr(padding))
    return large - legal.start


# --- forward: large size known, the small size follows --------------------------------------------------------


def pad(taps: Taps, large: int, before: int, after: int) -> Window:
    """Pad by ``before`` and ``after``: small = ⌊(large + before + after − span) / stride⌋ + 1."""
    room = large + before + after - taps.span
    small = room // taps.stride + 1
    shown = (
        f"small = ⌊(large + before + after − span) / stride⌋ + 1 = "
        f"⌊({large} + {signed(before)} + {signed(after)} − {taps.span}) / {taps.stride}⌋ + 1 = {small}"
    )
    return Window(taps.axis(small, large, before), (taps.spanned(), shown), taps.sizes(small, before + after))


def pad_truncated(taps: Taps, large: int, before: int, after: int) -> Window:
    """As ``pad``, but the division rounds towards zero: a kernel too long by less than a stride gives one element."""
    room = large + before + after - taps.span
    small = 1 + (room // taps.stride if room >= 0 else -(-room // taps.stride))
    sizes = taps.truncated_sizes(small, before + after)
    if room >= 0:
        return replace(pad(taps, large, before, after), alternatives=sizes)
    shown = (
        f"small = (large + before + after − span) / stride + 1, rounded towards zero = "
        f"({room}) / {taps.stride} + 1 = {small}"
    )
    return Window(taps.axis(small, large, before), (taps.spanned(), shown), sizes)


def pad_same(taps: Taps, large: int, *, extra_before: bool = False) -> Window:
    """Pad so that small = ⌈large / stride⌉; an odd total puts its extra element behind, or before on request."""
    small = -(-large // taps.stride)
    total = max(taps.full(small) - large, 0)
    before = (total + extra_before) // 2
    halved = "⌈total / 2⌉" if extra_before else "⌊total / 2⌋"
    steps = (
        taps.spanned(),
        f"small = ⌈large / stride⌉ = ⌈{large} / {taps.stride}⌉ = {small}",
        f"total padding = max((small − 1)·stride + span − large, 0) = {total}",
        f"before = {halved} = {before}",
    )
    return Window(taps.axis(small, large, before), steps, same_sizes(taps, small))


# --- words ----------------------------------------------------------------------------------------------------


def spelled(sizes: range) -> str:
    """A range of sizes in words.

    >>> spelled(range(22, 29)), spelled(range(5, 6))
    ('22…28', '5')
    """
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}…{sizes[-1]}"


def signed(number: int) -> str:
    """A number as it stands in a sum: negative ones in brackets."""
    return str(number) if number >= 0 else f"({number})"
