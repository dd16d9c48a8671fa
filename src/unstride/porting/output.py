"""A port in files: its source, and its weights in the target's layouts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Reason, UnstrideError
from ..whole import write_whole
from .verb import Port

if TYPE_CHECKING:
    from numpy.typing import NDArray

STANDARD_OUTPUT = "-"
_ARRAYS = (".npy", ".npz", ".safetensors")


def write(found: Port, outputs: tuple[str, ...], weights: str | None) -> tuple[str, ...]:
    """Write the source to every ``.py`` file, the weights to every other; a line about each.

    ``weights`` names the files of the source's kernel and bias, with a comma between them. Raises UnstrideError,
    before anything is written, where there is no source, or a file's kind is not known.
    """
    for name in outputs:
        _check(name, weights)
    if found.source is None:
        found.check()
    arrays = _arrays(found, weights) if weights else {}
    return tuple(_written(found, name, arrays) for name in outputs)


def _check(name: str, weights: str | None) -> None:
    suffix = Path(name).suffix
    if suffix not in (".py", *_ARRAYS) and name != STANDARD_OUTPUT:
        rule = f"must end in .py for the source, or in {', '.join(_ARRAYS)} for the weights"
        raise UnstrideError(Reason.FILE, rule, argument="--output", value=name)
    if suffix in _ARRAYS and not weights:
        rule, hint = "the weights are needed to write weights", "give the source's with --weights"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="--output", value=name, hint=hint)


def _arrays(found: Port, weights: str) -> dict[str, NDArray[Any]]:
    """The target's arrays by name: the kernel, and the bias where there is one."""
    from ..files import load

    kernel, _, bias = weights.partition(",")
    given = found.arrays(load(kernel), load(bias) if bias else None)
    arrays = {"kernel": found.weights(given[0])}
    return arrays if given[1] is None else {**arrays, "bias": given[1]}


def _written(found: Port, name: str, arrays: dict[str, NDArray[Any]]) -> str:
    if name == STANDARD_OUTPUT:
        return str(found.source).rstrip("\n")
    path = Path(name)
    if path.suffix == ".py":
        write_whole(path, lambda stream: stream.write(str(found.source).encode()), value=name)
        return f"{name}: build(kernel, bias) gives the layer"
    if path.suffix == ".npy":
        arrays = {"kernel": arrays["kernel"]}
    write_whole(path, lambda stream: stream.write(_packed(path.suffix, arrays)), value=name)
    return f"{name}: {', '.join(f'{key} {array.shape}' for key, array in arrays.items())}"


def _packed(suffix: str, arrays: dict[str, NDArray[Any]]) -> bytes:
    """The arrays as a file of that kind."""
    from io import BytesIO

    import numpy as np

    stream = BytesIO()
    if suffix == ".npy":
        np.save(stream, arrays["kernel"], allow_pickle=False)
    elif suffix == ".npz":
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # names none of savez's own parameters
    else:
        from safetensors.numpy import save

        return bytes(save({key: np.ascontiguousarray(array) for key, array in arrays.items()}))
    return stream.getvalue()
