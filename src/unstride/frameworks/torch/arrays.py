"""PyTorch's tensors as NumPy arrays over the same memory, and back; the threads follow PyTorch's."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...engine import threads
from ...engine.jit import memory
from ...engine.jit import run as jit

Array = NDArray[Any]

PLAIN = (torch.float32, torch.float64, torch.float16)
"""element types that NumPy has too"""
HALF_PAGE = 2048
"""bytes"""
LARGE = 2**18
"""bytes of an output from which on its place matters to the operators behind it"""


@cache
def bfloat16() -> np.dtype[Any] | None:
    """NumPy's type for bfloat16, where the package ml_dtypes brings it."""
    if find_spec("ml_dtypes") is None:
        return None
    import ml_dtypes  # type: ignore[import-not-found, unused-ignore]  # ships no types, or is absent

    kind: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return kind


def computable(tensor: torch.Tensor) -> bool:
    """Whether the engine can read the tensor where it lies."""
    known = tensor.dtype in PLAIN or (tensor.dtype is torch.bfloat16 and bfloat16() is not None)
    return known and tensor.device.type == "cpu" and tensor.layout is torch.strided


def as_array(tensor: torch.Tensor) -> Array:
    """The tensor's memory as an array."""
    held = tensor.detach().resolve_neg()
    if held.dtype is torch.bfloat16:
        bits: Array = held.view(torch.int16).numpy()
        return bits.view(bfloat16() or np.int16)
    array: Array = held.numpy()
    return array


def as_tensor(array: Array) -> torch.Tensor:
    """The array's memory as a tensor."""
    if array.dtype == bfloat16():
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def follow() -> None:
    """Use as many threads as PyTorch does, and the same, unless the user gave this library a number; and its memory."""
    threads.follow(torch.get_num_threads(), _team())
    _follow_memory()


@cache
def _follow_memory() -> None:
    """Outputs lie in PyTorch's memory, and what either frees is kept for the next call."""
    memory.keep_freed()
    if jit.available():
        memory.follow(apart)


def apart(size: int) -> Array:
    """So many bytes of new memory; many begin half a page from where PyTorch's own outputs of whole pages do.

    An operator that reads one output and writes another next to it, a few bytes behind modulo a page, waits for itself.
    """
    shift = HALF_PAGE if size >= LARGE else 0
    whole: Array = torch.empty(size + 2 * shift, dtype=torch.uint8, device="cpu").numpy()
    return whole[shift : shift + size]


@cache
def _team() -> threads.Team | None:
    """PyTorch's threads, where they are OpenMP's and can be found."""
    loaded = getattr(os, "RTLD_NOLOAD", None)
    if loaded is None or "OpenMP" not in torch.__config__.parallel_info():
        return None
    for path in sorted(Path(torch.__file__).parent.glob("lib/*omp*.so*")):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(path), mode=loaded | os.RTLD_NOW)
            functions = (library.GOMP_parallel, library.omp_get_thread_num)
            return threads.Team(*(ctypes.cast(each, ctypes.c_void_p).value or 0 for each in functions))
    return None


def lies_last(tensor: torch.Tensor) -> bool:
    """Whether the channels of ``(batch, channels, *spatial)`` lie side by side, positions apart."""
    return tensor.shape[1] > 1 and tensor.stride(1) == 1 and not tensor.is_contiguous()


def new_output(like: torch.Tensor, channels: int, size: tuple[int, ...] | list[int]) -> torch.Tensor:
    """An empty output whose channels lie as those of the input do."""
    if lies_last(like):
        return like.new_empty((like.shape[0], *size, channels)).movedim(-1, 1)
    return like.new_empty((like.shape[0], channels, *size))
