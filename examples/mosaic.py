"""A photograph cleaned in tiles, with and without seams: exact tiles, blended windows, dask's ``map_overlap``.

A U-Net learns to take the noise from one photograph and is run on another: whole, and in tiles of 128 pixels four
ways, all on one engine, so that only the tiling differs. The photographs come with scikit-learn.
Run: python examples/mosaic.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice, product
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from pictures import Array, Pairs, crops, noisy, photographs
from seams import draw_seams
from training import Arguments, fix_seed, learner, parse, progress, train
from unstride.network import Graph, evaluate
from unstride.scale.parts import Parts
from unstride.scale.source import network
from unstride.scale.tiles import cut

Net: TypeAlias = Callable[[Array], Array]
"""from pictures ``(batch, 3, height, width)`` to cleaned ones"""

NOISE = 0.15
TILE = 128
STRIDE = 4
"""of the U-Net in all: windows that begin at other pixels are cleaned otherwise"""
RAMP = 32
"""pixels over which neighbouring windows are blended by straight lines"""
DEPTHS = 16, 8, 32, 48
"""pixels of the neighbours that ``map_overlap`` gives each block; the first is drawn"""


class Gap(NamedTuple):
    """How far a picture is from the whole's, of values from 0 to 1."""

    largest: float
    mean: float
    differing: float
    """share of values that are not the same number"""
    visible: float
    """share of values that differ once rounded to 8 bits"""


def torch_model() -> Any:
    """Two levels down by strides and two up by transposed convolutions; sizes that 4 divides."""
    import torch
    from torch import Tensor, nn

    class UNet(nn.Module):  # type: ignore[misc]  # torch is not typed here
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 16, 3, padding=1)
            self.down = nn.ModuleList((nn.Conv2d(16, 32, 4, 2, padding=1), nn.Conv2d(32, 48, 4, 2, padding=1)))
            self.middle = nn.ModuleList(nn.Conv2d(48, 48, 3, padding=each, dilation=each) for each in (1, 2, 4))
            self.up = nn.ModuleList((nn.ConvTranspose2d(48, 32, 4, 2, padding=1), nn.ConvTranspose2d(32, 16, 4, 2, 1)))
            self.join = nn.ModuleList((nn.Conv2d(64, 32, 3, padding=1), nn.Conv2d(32, 16, 3, padding=1)))
            self.last = nn.Conv2d(16, 3, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            def bent(x: Tensor) -> Tensor:
                return nn.functional.leaky_relu(x, 0.1)

            skips = [bent(self.first(x))]
            for down in self.down:
                skips.append(bent(down(skips[-1])))
            deep = skips.pop()
            for layer in self.middle:
                deep = deep + bent(layer(deep))
            for up, join in zip(self.up, self.join, strict=True):
                deep = bent(join(torch.cat([bent(up(deep)), skips.pop()], 1)))
            return x + self.last(deep)

    return UNet()


def learnt(arguments: Arguments, given: Array, wanted: Array) -> Graph:
    """The U-Net after learning what is wanted of these pictures."""
    fix_seed(arguments)
    net = torch_model()
    model = learner(net, "mse", 2e-3, arguments)
    train(model, crops(Pairs(given, wanted), 64, 64, 8, arguments.seed), arguments.steps, "U-Net")
    return network(net.eval(), inputs=[(1, 3, 64, 64)])


def exact_tiles(graph: Graph, x: Array) -> Array:
    """Each tile of the output from the window of the input that it needs: nothing overlaps in the output."""
    tiling = cut(graph, {graph.inputs[0].name: x.shape[2:]}, tile=(1, TILE, TILE))
    parts, y = Parts(graph.channels_last), np.empty(tiling.output_shape, x.dtype)
    for tile in progress(list(tiling), "exact tiles"):
        rows, columns = tile.windows[graph.inputs[0].name]
        window = x[:, :, rows.start : rows.stop, columns.start : columns.stop]
        y[tile.place(graph.channels_last)] = parts.tile(tiling, tile, {graph.inputs[0].name: window})
    return y


def starts(length: int, step: int) -> list[int]:
    """Where windows of ``TILE`` begin, at most ``step`` apart and evenly spread, at multiples of the U-Net's stride."""
    count = -(-(length - TILE) // step)
    return [each * (length - TILE) // count // STRIDE * STRIDE for each in range(count + 1)]


def windows(height: int, width: int, step: int) -> Iterator[tuple[slice, slice]]:
    """Windows of ``TILE × TILE`` that cover a picture."""
    for top, left in product(starts(height, step), starts(width, step)):
        yield slice(top, top + TILE), slice(left, left + TILE)


def blended(net: Net, x: Array, weight: Array, step: int) -> Array:
    """Windows computed each by itself and averaged where they overlap: ``Σ wᵢ yᵢ / Σ wᵢ``, in double precision."""
    total, weights = np.zeros(x.shape), np.zeros(x.shape[2:])
    share = weight[:, None] * weight
    for rows, columns in progress(list(windows(x.shape[2], x.shape[3], step)), "blended windows"):
        total[:, :, rows, columns] += share * net(x[:, :, rows, columns])
        weights[rows, columns] += share
    return (total / weights).astype(x.dtype)


def ramp() -> Array:
    """Weights that rise and fall by straight lines over ``RAMP`` pixels at both ends of a window."""
    from_end = np.minimum(np.arange(TILE), np.arange(TILE)[::-1]) + 1
    rising: Array = np.minimum(from_end / (RAMP + 1), 1)
    return rising


def bell() -> Array:
    """Weights of a normal curve over a window, its standard deviation an eighth of the window."""
    curve: Array = np.exp(-0.5 * ((np.arange(TILE) - (TILE - 1) / 2) / (TILE / 8)) ** 2)
    return curve


def mapped(net: Net, x: Array, depth: int) -> Array:
    """Dask's blocks, each with ``depth`` pixels of its neighbours, which are trimmed off the result."""
    blocks = import_module("dask.array").from_array(x, chunks=(1, 3, TILE, TILE))
    depths = {0: 0, 1: 0, 2: depth, 3: depth}
    made = blocks.map_overlap(net, depth=depths, boundary="none", dtype=x.dtype, meta=np.empty((0,) * 4, x.dtype))
    found: Array = made.compute(scheduler="synchronous")
    return found


def gap(found: Array, whole: Array) -> Gap:
    """How far a picture is from the whole's."""
    far = np.abs(found.astype(float) - whole)
    levels = (np.round(np.clip(each, 0, 1) * 255) for each in (found, whole))
    visible = np.not_equal(*levels).mean()
    return Gap(float(far.max()), float(far.mean()), float((found != whole).mean()), float(visible))


def reach(graph: Graph, size: tuple[int, ...]) -> tuple[int, int]:
    """Pixels before and behind a tile in the middle that its values depend on."""
    tiling = cut(graph, {graph.inputs[0].name: size}, tile=(1, TILE, TILE))
    (tile,) = (each for each in tiling if each.index[1:] == (1, 2))
    own, read = tile.output[1], tile.windows[graph.inputs[0].name][1]
    return own.start - read.start, read.stop - own.stop


def main() -> None:
    """Learn on the flower, clean the temple, and show where each way of tiling leaves its seams."""
    arguments = parse(__doc__, "mosaic", steps=300, frameworks=("torch",))
    clear = photographs()[:, :424]
    given = noisy(clear, NOISE, arguments.seed)
    graph = learnt(arguments, given[1:], clear[1:])
    x = np.ascontiguousarray(np.moveaxis(given[:1], -1, 1))

    def net(window: Array) -> Array:
        return np.asarray(evaluate.run(graph, np.ascontiguousarray(window)))

    whole = net(x)
    made = {
        "exact tiles": exact_tiles(graph, x),
        f"blended by lines over {RAMP}": blended(net, x, ramp(), TILE - RAMP),
        "blended by a bell over half": blended(net, x, bell(), TILE // 2),
    }
    made |= {f"map_overlap, depth {depth}": mapped(net, x, depth) for depth in progress(DEPTHS, "map_overlap")}
    gaps = {name: gap(picture, whole) for name, picture in made.items()}
    for name, each in gaps.items():
        sys.stdout.write(
            f"{name:28} largest {each.largest:.1e}, mean {each.mean:.1e}, "
            f"{each.differing:.1%} of values differ, {each.visible:.2%} in 8 bits\n"
        )
    before, behind = reach(graph, x.shape[2:])
    text = json.dumps({name: each._asdict() for name, each in gaps.items()}, indent=1)
    (arguments.output / "gaps.json").write_text(text, encoding="utf-8")
    draw_seams(x, whole, dict(islice(made.items(), 4)), TILE, arguments.output / "seams.png")
    errors = [float(np.square(each - np.moveaxis(clear[:1], -1, 1)).mean()) for each in (x, whole)]
    sys.stdout.write(
        f"{arguments.title}: squared error {errors[0]:.5f} with the noise, {errors[1]:.5f} without; "
        f"a tile depends on {before} pixels before it and {behind} behind; see {arguments.output}\n"
    )


if __name__ == "__main__":
    main()
