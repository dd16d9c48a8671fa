"""The recorded answers of the real frameworks in the form that the page's arithmetic is held against."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from unstride import UnstrideError, parse
from unstride.answers.coverage import is_even
from unstride.dialects import jax, keras, onnx, tensorflow, torch
from unstride.dialects.spec import Source, Spec
from unstride.explorer.sliders import settings_of
from unstride.geometry import Axis, Layer, canonical
from unstride.geometry.wire import axis_to_wire
from unstride.testing.corpus import Row, load_all

CORPUS = Path(__file__).parent.parent / "corpus"
LISTED = 80
"""Longest axis whose indices are compared one by one."""


@cache
def read() -> tuple[tuple[Row, Spec, Layer], ...]:
    """Every recorded row that is a layer, with its spec and its layer."""
    return tuple(_readable())


def _readable() -> Iterator[tuple[Row, Spec, Layer]]:
    for corpus in load_all(CORPUS):
        for row in corpus.rows:
            try:
                spec = parse(row.code)
                yield row, spec, spec.read(row.input, row.kernel)
            except UnstrideError:
                continue


def wire(axis: Axis) -> dict[str, int]:
    found = axis_to_wire(axis)
    del found["after"]
    return found


def axes() -> list[dict[str, Any]]:
    """Every axis of the corpus, and all that Python says of it."""
    distinct = dict.fromkeys(axis for _, _, layer in read() for axis in layer.axes)
    return [_axis(axis) for axis in distinct]


def _axis(axis: Axis) -> dict[str, Any]:
    larges = range(-2, axis.large + 2) if axis.large <= LISTED else range(-2, 0)
    smalls = range(axis.small if axis.small <= LISTED else 0)
    sizes = axis.large_sizes(3)
    return {
        "axis": wire(axis),
        "span": axis.span,
        "full": axis.full,
        "after": axis.after,
        "products": axis.products,
        "even": is_even(axis),
        "sizes": [sizes.start, sizes.stop - 1],
        "taps": [[[c.small, c.tap, c.large] for c in axis.taps(large)] for large in larges],
        "stamps": [[[c.small, c.tap, c.large] for c in axis.stamp(small)] for small in smalls],
    }


def rows() -> list[dict[str, Any]]:
    """Every row with recorded values on one or two axes: its arrays, and the framework's own numbers."""
    found = ((row, spec, layer) for row, spec, layer in read() if row.values is not None and row.disagrees is None)
    return [_row(row, spec, layer) for row, spec, layer in found if layer.rank <= 2 and 0 not in (row.output or ())]


def _row(row: Row, spec: Spec, layer: Layer) -> dict[str, Any]:
    import numpy as np

    x, kernel, bias = row.arrays()
    assert row.output is not None
    x = spec.data_layout(x.ndim).to_canonical(x.shape).apply(x)
    kernel = spec.weight_layout(layer.rank).to(canonical(layer.rank), layer).apply(kernel)
    y = np.array(row.values).reshape(row.output)
    y = spec.output_layout(y.ndim).to_canonical(y.shape).apply(y)
    if bias is not None:
        y = y - bias.reshape((-1,) + (1,) * layer.rank).astype(int)
    pair = ([Axis(1, 1, 1)] if layer.rank == 1 else []) + list(layer.axes)
    flat = [each.reshape((*each.shape[:2], 1, -1)) if layer.rank == 1 else each for each in (x, kernel, y)]
    arrays = {name: each.astype(int).tolist() for name, each in zip("xwy", flat, strict=True)}
    facts = {"code": row.code, "axes": [wire(axis) for axis in pair], "groups": layer.groups}
    return {**facts, "transposed": layer.transposed, **arrays}


def settings() -> list[dict[str, Any]]:
    """The arguments of every row that the page has controls for, and what its own framework makes of them.

    The page's inputs have at least one element.
    """
    found = []
    transposed = ((spec, layer) for _, spec, layer in read() if layer.transposed)
    for spec, layer in transposed:
        for axis, setting in zip(layer.axes, settings_of(spec, layer) or (), strict=False):
            if axis.small == 0:
                continue
            wanted = [axis.large, axis.before]
            found.append({"dialect": spec.dialect, "axis": wire(axis), "setting": setting, "wanted": wanted})
    return found


def states() -> list[dict[str, Any]]:
    """Every row as Python's answer to the page, whose controls then have to give its layer."""
    return [
        {
            "dialect": spec.dialect,
            "transposed": layer.transposed,
            "axes": [wire(axis) for axis in layer.axes],
            "settings": settings_of(spec, layer),
        }
        for _, spec, layer in read()
        if layer.rank <= 3 and min(layer.input_size) > 0
    ]


def layers() -> list[list[dict[str, int]]]:
    """The axes of every transposed layer of the corpus, once each."""
    distinct = dict.fromkeys(layer.axes for _, _, layer in read() if layer.transposed and layer.rank <= 3)
    return [[wire(axis) for axis in each] for each in distinct if min(axis.small for axis in each) > 0]


# --- settings drawn at random ---------------------------------------------------------------------------------


def drawn(count: int, seed: int) -> list[dict[str, Any]]:
    """Settings of each dialect, legal or not, and what Python makes of them; None where it refuses."""
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    return [_drawn(dice, name) for name in _MAKERS for _ in range(count)]


def _drawn(dice: random.Random, dialect: str) -> dict[str, Any]:
    small, kernel, stride = dice.randint(1, 6), dice.randint(1, 6), dice.randint(1, 5)
    taps = {"small": small, "kernel": kernel, "stride": stride, "dilation": dice.choice((1, 1, 2, 3))}
    size = dice.choice((None, dice.randint(1, 30)))
    pair = [dice.randint(0, 4), dice.randint(0, 4)]
    setting = _SETTINGS[dialect](dice, pair, size)
    try:
        layer = _MAKERS[dialect](taps, setting)
        wanted = [layer.axes[0].large, layer.axes[0].before]
    except UnstrideError:
        wanted = None
    return {"dialect": dialect, "axis": taps, "setting": setting, "wanted": wanted}


_SETTINGS: dict[str, Any] = {
    "keras": lambda dice, _p, _s: _setting(dice.choice(("same", "valid")), dice.choice((None, 0, 1, 2, 3, 4))),
    "torch": lambda dice, pair, size: _setting(pair[0], 0 if size else dice.randint(0, 4), size),
    "tensorflow": lambda dice, _p, size: _setting(dice.choice(("SAME", "VALID")), None, size or dice.randint(1, 20)),
    "jax": lambda dice, pair, _s: _setting(dice.choice(("SAME", "VALID", [pair[0], -pair[1]], pair)), None),
    "onnx": lambda dice, pair, size: _setting(
        dice.choice(("SAME_UPPER", "SAME_LOWER", pair, pair)), dice.randint(0, 2), size
    ),
}


def _setting(padding: object, extra: int | None, size: int | None = None) -> dict[str, Any]:
    return {"padding": padding, "extra": extra, "size": size}


def _keras(taps: dict[str, int], setting: dict[str, Any]) -> Layer:
    spec = keras.Conv1DTranspose(
        1, taps["kernel"], taps["stride"], setting["padding"], setting["extra"], dilation_rate=taps["dilation"]
    )
    return spec.read((1, taps["small"], 1))


def _torch(taps: dict[str, int], setting: dict[str, Any]) -> Layer:
    words = {"stride": taps["stride"], "padding": setting["padding"], "dilation": taps["dilation"]}
    spec = torch.ConvTranspose1d(
        1, 1, taps["kernel"], output_padding=setting["extra"], output_size=setting["size"], **words
    )
    return spec.read((1, 1, taps["small"]))


def _tensorflow(taps: dict[str, int], setting: dict[str, Any]) -> Layer:
    shape = (1, setting["size"], 1)
    x, w = Source("x"), Source("w")
    spec = tensorflow.conv1d_transpose(x, w, shape, taps["stride"], setting["padding"], dilations=taps["dilation"])
    return spec.read((1, taps["small"], 1), (taps["kernel"], 1, 1))


def _jax(taps: dict[str, int], setting: dict[str, Any]) -> Layer:
    padding = setting["padding"]
    pads = padding if isinstance(padding, str) else (tuple(padding),)
    x, w = Source("x"), Source("w")
    spec = jax.conv_transpose(x, w, (taps["stride"],), pads, rhs_dilation=(taps["dilation"],))
    return spec.read((1, taps["small"], 1), (taps["kernel"], 1, 1))


def _onnx(taps: dict[str, int], setting: dict[str, Any]) -> Layer:
    padding = setting["padding"]
    words: dict[str, Any] = {"auto_pad": padding} if isinstance(padding, str) else {"pads": tuple(padding)}
    if setting["size"]:
        words["output_shape"] = (setting["size"],)
    spec = onnx.ConvTranspose(
        Source("X"),
        Source("W"),
        strides=(taps["stride"],),
        dilations=(taps["dilation"],),
        output_padding=(setting["extra"],),
        **words,
    )
    return spec.read((1, 1, taps["small"]), (1, 1, taps["kernel"]))


_MAKERS: dict[str, Any] = {"keras": _keras, "torch": _torch, "tensorflow": _tensorflow, "jax": _jax, "onnx": _onnx}
