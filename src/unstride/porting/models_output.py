"""A ported model in files: its program, its weights, and the target's own kind of model file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from errno import EISDIR
from os import strerror
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import Reason, UnstrideError
from ..whole import write_whole

if TYPE_CHECKING:
    from .models import ModelPort

SOURCE, WEIGHTS = ".py", ".safetensors"
OWN: Mapping[str, str] = {"torch": ".pt2", "keras": ".keras", "onnx": ".onnx"}
"""the kind of file that holds the framework's whole models"""


def save(found: ModelPort, paths: tuple[Path, ...]) -> tuple[str, ...]:
    """Write every file; a line about each. Raises UnstrideError before anything is written where one cannot be."""
    check(found.to, paths)
    writers = [(path, *_writer(found, path.suffix)) for path in paths]
    for path, write, _ in writers:
        write_whole(path, write)
    return tuple(f"{path}: {told}" for path, _, told in writers)


def check(to: str, paths: tuple[Path, ...]) -> None:
    """UnstrideError where a file is of no kind that the target is written to, or cannot be written."""
    known = (*(() if to == "onnx" else (SOURCE, WEIGHTS)), OWN[to])
    for path in paths:
        if path.suffix not in known:
            rule = f"a model in {to} is written to {', '.join(known)}"
            raise UnstrideError(Reason.FILE, rule, argument="--output", value=str(path))
        if not path.parent.is_dir():
            rule = "cannot be written: its folder does not exist"
            raise UnstrideError(Reason.FILE, rule, argument="--output", value=str(path))
        _check_place(path)


def _check_place(path: Path) -> None:
    """UnstrideError where no file can be made beside the target, as permissions alone do not tell."""
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(EISDIR, strerror(EISDIR))
        with NamedTemporaryFile(dir=target.parent, prefix=".", suffix=".part"):
            pass
    except OSError as error:
        rule = f"cannot be written: {error.strerror or error}"
        raise UnstrideError(Reason.FILE, rule, argument="--output", value=str(path)) from None


def _writer(found: ModelPort, suffix: str) -> tuple[Callable[[BinaryIO], object], str]:
    """What fills the file, and what is in it; all that can fail has been done then."""
    if suffix == SOURCE:
        text = found.source.encode()
        what = "load(path) gives the model with its weights" if b"def load(" in text else "the model, without weights"
        return (lambda stream: stream.write(text)), what
    if suffix == WEIGHTS:
        data, count = _safetensors(found)
        return (lambda stream: stream.write(data)), f"{count} arrays"
    whole = _KINDS[suffix](found)
    return (lambda stream: stream.write(whole)), "the whole model"


def _safetensors(found: ModelPort) -> tuple[bytes, int]:
    try:
        from safetensors.numpy import save
    except ImportError:
        hint = "pip install 'unstride[safetensors]'"
        raise UnstrideError(
            Reason.FILE, "needs the safetensors library", argument="--output", value=WEIGHTS, hint=hint
        ) from None
    arrays = found.arrays
    return bytes(save(arrays)), len(arrays)


def _keras(found: ModelPort) -> bytes:
    """The bytes of a ``.keras`` file; Keras writes to named files only."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        found.build().save(path)
        return path.read_bytes()


def _exported(found: ModelPort) -> bytes:
    """The bytes of a ``.pt2`` archive for the size that the port was made for, any number of examples."""
    from io import BytesIO

    import torch

    written: Any = found.written
    sizes = written.lowered.sizes
    # two examples: torch.export takes an axis of one element for fixed
    shapes = [(2, given.channels, *sizes[given.name]) for given in found.graph.inputs]
    open_batch = tuple({0: torch.export.Dim("batch")} for _ in shapes)
    with torch.no_grad():
        inputs = tuple(torch.zeros(shape, dtype=getattr(torch, written.dtype)) for shape in shapes)
        program = torch.export.export(found.build(), inputs, dynamic_shapes=(open_batch,), strict=False)
    stream = BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def _onnx(found: ModelPort) -> bytes:
    data: bytes = found.build().SerializeToString()
    return data


_KINDS: Mapping[str, Callable[[ModelPort], bytes]] = {".keras": _keras, ".pt2": _exported, ".onnx": _onnx}
