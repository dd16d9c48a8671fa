"""Any framework's array as a NumPy array of the same element type: a copy, so that later training leaves it alone."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from ..dialects.spec import Source
from ..errors import Reason, UnstrideError
from .kinds import type_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[Any]

_ABSTRACT = ("ShapeDtypeStruct", "FakeTensor", "KerasTensor", "SymbolicTensor", "UninitializedParameter")
"""classes of arrays that have a shape and no numbers"""


def as_numpy(value: Any, name: str) -> Array | None:
    """The numbers, brought over from any device; None where there are none yet (shapes alone, the meta device).

    Raises UnstrideError where they cannot be read as one array, such as quantised or sparse ones.
    """
    if value is None or any(cls.__name__ in _ABSTRACT for cls in type(value).__mro__):
        return None
    try:
        return _torch(value) if hasattr(value, "is_meta") else _other(value)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _unread(value, name, str(error).partition("\n")[0]) from error


def _unread(value: object, name: str, why: str) -> UnstrideError:
    rule = f"cannot be read as an array of numbers: {why}"
    return UnstrideError(Reason.DTYPE, rule, argument=name, value=Source(type_name(value)))


def _torch(tensor: Any) -> Array | None:
    if tensor.is_meta:
        return None
    if tensor.is_quantized:
        raise TypeError("it is quantised; use dequantize()")
    plain = tensor.detach().resolve_conj().resolve_neg().cpu()
    if str(plain.dtype) == "torch.bfloat16":
        return _as_bfloat16(plain.contiguous().view(import_module("torch").int16).numpy())
    array: Array = plain.numpy().copy()
    return array


def _as_bfloat16(bits: Array) -> Array:
    """Sixteen bits each, as the type that NumPy knows from a package of its own."""
    try:
        kind = import_module("ml_dtypes").bfloat16
    except ImportError:
        raise TypeError("NumPy knows bfloat16 where ml_dtypes is installed; or convert it to float32") from None
    array: Array = bits.copy().view(kind)
    return array


def _other(value: Any) -> Array:
    import numpy as np

    array = np.array(value.numpy() if hasattr(value, "numpy") else value)
    if array.dtype.kind == "O":
        raise TypeError("its elements are Python objects")
    if array.dtype == np.uint16 and "bfloat16" in str(value.dtype):
        return _as_bfloat16(array)  # PaddlePaddle gives the bits
    return array
