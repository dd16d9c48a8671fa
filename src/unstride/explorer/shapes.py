"""The array shapes that a line needs to be read, where only spatial sizes are known: channels as few as will do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from ..dialects.spec import Spec
from ..errors import Reason, UnstrideError
from ..geometry import DataLayout

TRIED = 256
"""Largest input size that is tried for a line whose output size belongs to another one."""

_CHANNELS = ("in_channels", "in_features", "num_in_channels")


def fit(spec: Spec, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Input shape and, for a function, kernel shape with which ``spec`` can be read for this spatial size.

    Both sizes are repeated or cut to the line's rank. A line that states its own input keeps it; one whose output
    size cannot come from ``size`` gets the least input size that gives it. Raises the UnstrideError of the first try.

    >>> from unstride import parse
    >>> fit(parse("torch.nn.ConvTranspose2d(16, 33, 3, stride=2)"), (12, 12), (3, 3))
    ((1, 16, 12, 12), None)
    """
    if spec.known_input_shape is not None:
        return spec.known_input_shape, None
    complaints: list[UnstrideError] = []
    for shapes in _candidates(spec, size, kernel):
        try:
            spec.read(*shapes)
        except UnstrideError as error:
            complaints.append(error)
        else:
            return shapes
    sized = next((each for each in complaints if each.reason is Reason.OUTPUT_SHAPE), None)
    found = _other_size(spec, kernel) if sized else None
    if found is not None:
        return found
    if not complaints:
        raise UnstrideError(Reason.RANK, "takes no 1-D, 2-D or 3-D input", argument="line", value=spec.code())
    raise sized or complaints[0]


def _other_size(spec: Spec, kernel: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None] | None:
    for each in range(1, TRIED + 1):
        for shapes in _candidates(spec, (each,), kernel):
            try:
                spec.read(*shapes)
            except UnstrideError:
                continue
            return shapes
    return None


def _candidates(
    spec: Spec, size: tuple[int, ...], kernel: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...] | None]]:
    for data in _layouts(spec, len(size)):
        spatial, taps = _cycled(size, data.rank), _cycled(kernel, data.rank)
        for small, large, groups in _channels(spec):
            channels = small if spec.transposed else large
            shape = data.join(1, channels, spatial)
            if not spec.functional:
                yield shape, None
                continue
            yield shape, spec.weight_layout(data.rank).shape_of(taps, small, large, groups)


def _layouts(spec: Spec, rank: int) -> Iterator[DataLayout]:
    """The data layouts that the line takes, the rank that is asked for first."""
    for each in dict.fromkeys((rank, 2, 1, 3)):
        try:
            layout = spec.data_layout(each + (2 if spec.batched else 1))
        except UnstrideError:
            continue
        if layout.rank == each:
            yield layout


def _channels(spec: Spec) -> Iterator[tuple[int, int, int]]:
    """(small, large, groups) of the fewest channels first: the line's own where it has them."""
    for name in _CHANNELS:
        own = getattr(spec, name, None)
        if type(own) is int:
            yield own, own, 1
            return
    groups = next((g for name in ("groups", "group", "feature_group_count") if (g := getattr(spec, name, 1)) != 1), 1)
    groups = groups if type(groups) is int and groups > 0 else 1
    yield groups, groups, groups
    # what a stated output shape may hold as channels
    stated = {entry for field in fields(spec) for entry in _integers(getattr(spec, field.name))}
    for made in sorted(stated - {0, groups}):
        pair = (groups, made) if spec.transposed else (made, groups)
        yield (*pair, groups)


def _integers(value: object) -> Iterator[int]:
    if isinstance(value, tuple):
        yield from (entry for entry in value if type(entry) is int and entry > 0)


def _cycled(values: tuple[int, ...], rank: int) -> tuple[int, ...]:
    return tuple(values[axis % len(values)] for axis in range(rank))
