"""Transposed convolutions understood, sized, ported and run: one relation, every framework's dialect.

>>> import unstride
>>> spec = unstride.parse("keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same')")
>>> spec.output_shape((1, 2, 2, 1))
(1, 4, 4, 1)
"""

from importlib import import_module
from typing import TYPE_CHECKING

from .errors import Reason, UnstrideError

if TYPE_CHECKING:
    from .answers import explain, solve
    from .auditing.audit import audit
    from .checkerboards.conversion import from_subpixel, to_subpixel
    from .checkerboards.icnr import icnr
    from .checkerboards.verdict import checkerboard
    from .computation import Gradients, Prepared, gradients, prepare, run
    from .dialects.refusal import Refusal
    from .dialects.spec import Spec
    from .engine.threads import num_threads, set_num_threads
    from .explorer.widget import explore
    from .illustration.verb import draw
    from .live import parse
    from .porting.verb import port
    from .porting.verify import verify
    from .scale.stream import stream

__version__ = "0.1.0"

__all__ = [
    "Gradients",
    "Prepared",
    "Reason",
    "Refusal",
    "Spec",
    "UnstrideError",
    "audit",
    "checkerboard",
    "draw",
    "explain",
    "explore",
    "from_subpixel",
    "gradients",
    "icnr",
    "num_threads",
    "parse",
    "port",
    "prepare",
    "run",
    "set_num_threads",
    "solve",
    "stream",
    "to_subpixel",
    "verify",
]

# a name is imported when first used, so that a command loads only what it needs (NumPy stays out of `unstride shape`)
_HOMES = {
    "Gradients": "computation",
    "Prepared": "computation",
    "Refusal": "dialects.refusal",
    "Spec": "dialects.spec",
    "audit": "auditing.audit",
    "checkerboard": "checkerboards.verdict",
    "draw": "illustration.verb",
    "explain": "answers",
    "explore": "explorer.widget",
    "from_subpixel": "checkerboards.conversion",
    "gradients": "computation",
    "icnr": "checkerboards.icnr",
    "num_threads": "engine.threads",
    "parse": "live",
    "port": "porting.verb",
    "prepare": "computation",
    "run": "computation",
    "set_num_threads": "engine.threads",
    "solve": "answers",
    "stream": "scale.stream",
    "to_subpixel": "checkerboards.conversion",
    "verify": "porting.verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
