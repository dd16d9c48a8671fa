"""Any model as a network graph: which reader takes a file or an object, and why some files are never opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from sysconfig import get_paths
from traceback import extract_tb
from typing import Any

from ..errors import Reason, UnstrideError
from ..network import Graph
from . import keras

_PICKLE = "holds pickled objects, which run code when they are read"
_EXPORT_TORCH = "torch.export.save(torch.export.export(model.eval(), (x,)), 'model.pt2') writes what can be read"
_EXPORT_KERAS = "keras.models.load_model(...).save('model.keras') writes what can be read"
_REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"), (_PICKLE, _EXPORT_TORCH)),
    **dict.fromkeys((".h5", ".hdf5"), ("is Keras's former format, whose layers may hold code", _EXPORT_KERAS)),
    ".pb": ("is a TensorFlow graph, whose operations are code", _EXPORT_KERAS),
    ".tflite": ("is no format that is read here", "read the model that it was made from"),
    ".npz": ("holds arrays without a model", "give the model's configuration, and its weights beside it"),
}
"""suffixes of files that are not read -> why, and the way out"""
KNOWN = (".keras", ".onnx", ".pt2", ".json", ".safetensors")


def open_model(
    source: Any,
    *,
    weights: str | Path | None = None,
    external_data: bool = False,
    known: bool = True,
    inputs: Sequence[Any] | None = None,
) -> Graph:
    """The network in a model file, or that a live model is; nothing that a file holds is run.

    ``source`` is a path (``.keras``, ``.onnx``, ``.pt2``, a Keras configuration as ``.json`` with its ``weights`` in
    a ``.weights.h5`` or ``.safetensors`` file), a Keras model, a torch module with the shapes of its ``inputs``, an
    exported program, or an ONNX model. ``external_data`` lets an ONNX file take arrays from its own folder;
    ``known=False`` asks for shapes without numbers. Raises UnstrideError with the way out for everything else.
    """
    if not isinstance(source, (str, Path)):
        return _opened_live(source, inputs)
    path = Path(source)
    suffix = ".weights.h5" if path.name.endswith(".weights.h5") else path.suffix.lower()
    if weights is not None and suffix != ".json":
        rule = "is for a Keras configuration, other files hold their own"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="weights", value=str(weights))
    if path.is_dir():
        rule, hint = "is a folder, such as TensorFlow's SavedModel, whose operations are code", _EXPORT_KERAS
        raise UnstrideError(Reason.FILE, rule, argument="file", value=str(source), hint=hint)
    if suffix in (".weights.h5", ".safetensors"):
        return _beside(path, known=known)
    if suffix not in KNOWN:
        raise _refused(path, suffix)
    return _READERS[suffix](path, weights, external_data, known)


def _refused(path: Path, suffix: str) -> UnstrideError:
    usual = f"give one of {', '.join(KNOWN)}, or a live model"
    rule, hint = _REFUSED.get(suffix, ("is of no kind that is read", usual))
    return UnstrideError(Reason.FILE, rule, argument="file", value=str(path), hint=hint)


def _beside(path: Path, *, known: bool) -> Graph:
    """A file of weights, with the configuration that lies beside it."""
    stem = path.name.removesuffix(".weights.h5").removesuffix(".safetensors")
    for name in (f"{stem}.json", "config.json"):
        if (path.parent / name).is_file():
            return _configured(path.parent / name, path, external_data=False, known=known)
    rule = "holds arrays without a model"
    hint = f"put the model's configuration (model.to_json()) beside it as {stem}.json, or give that with these weights"
    raise UnstrideError(Reason.FILE, rule, argument="file", value=str(path), hint=hint)


def _keras(path: Path, weights: Any, external_data: bool, known: bool) -> Graph:
    del weights, external_data
    return keras.read(path, weights=known)


def _configured(path: Path, weights: Any, external_data: bool, known: bool) -> Graph:
    del external_data
    return keras.read_config(path, weights, known=known)


def _onnx(path: Path, weights: Any, external_data: bool, known: bool) -> Graph:
    from . import onnx

    del weights, known
    try:
        return onnx.read(path, external_data=external_data)
    except UnstrideError as error:
        if error.argument != "file":
            raise
        raise UnstrideError(error.reason, error.rule, argument="file", value=str(path), hint=error.hint) from None


def _exported(path: Path, weights: Any, external_data: bool, known: bool) -> Graph:
    from . import torch

    del weights, external_data, known
    return torch.read(path)


_READERS: Mapping[str, Callable[[Path, Any, bool, bool], Graph]] = {
    ".keras": _keras,
    ".json": _configured,
    ".onnx": _onnx,
    ".pt2": _exported,
}


def _opened_live(source: Any, inputs: Sequence[Any] | None) -> Graph:
    """A live model; which framework's is told by the names of its classes."""
    if isinstance(source, Graph):
        return source
    if keras.is_live(source):
        return keras.read_live(source)
    if keras.is_layer(source):
        rule, hint = "is a layer, not a model", "put it into one: keras.Sequential([keras.Input(shape), layer])"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="model", value=type(source).__name__, hint=hint)
    classes = {f"{cls.__module__}.{cls.__name__}" for cls in type(source).__mro__}
    if classes & {"torch.nn.modules.module.Module", "torch.export.exported_program.ExportedProgram"}:
        from . import torch

        return torch.read_live(source, inputs=inputs)
    if any(name.startswith("onnx") and name.endswith(".ModelProto") for name in classes):
        from . import onnx

        return onnx.read(source)
    rule = "is no model that is known"
    hint = f"give a file ({', '.join(KNOWN)}), a Keras model, a torch module or exported program, or an ONNX model"
    raise UnstrideError(Reason.ARGUMENT, rule, argument="model", value=type(source).__name__, hint=hint)


def names_callable(text: str) -> bool:
    """Whether the text has the form ``module:callable``."""
    module, colon, name = text.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *name.split(".")))


def call_model(target: str) -> Any:
    """What ``module:callable`` names, called without arguments where it is no model yet: this runs the user's code.

    Raises UnstrideError where there is no such module or name in it, and where the user's code raises.
    """
    if not names_callable(target):
        rule, hint = "must be module:callable", "for example models.segmentation:build"
        raise UnstrideError(Reason.ARGUMENT, rule, argument="model", value=target, hint=hint)
    module, _, name = target.partition(":")
    with _users_code(target):
        found = _imported(module)
        for part in name.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                raise _MissingError(
                    Reason.ARGUMENT, f"{module} has no {name}", argument="model", value=target
                ) from None
        made = isinstance(found, type) or not _is_model(found)
        return found() if made and callable(found) else found


class _MissingError(UnstrideError):
    """What ``module:callable`` names is not there: no error of the code that is."""


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        rule, hint = f"cannot be imported: {error}", "start in the folder that holds it, or install its package"
        raise _MissingError(Reason.ARGUMENT, rule, argument="model", value=module, hint=hint) from None


@contextmanager
def _users_code(target: str) -> Iterator[None]:
    """Whatever the user's module or callable raises, told as theirs: its type, its message, and the line."""
    try:
        yield
    except _MissingError:
        raise
    except (Exception, SystemExit) as error:
        rule = f"your code raised {type(error).__name__}: {error}"
        where = _last_line(error)
        raise UnstrideError(Reason.ARGUMENT, rule, argument="model", value=target, where=where) from None


def _last_line(error: BaseException) -> str | None:
    """The last line of the traceback that is in the user's files, else in any; None where only ours are."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {(error.text or '').strip()}"
    lines = [
        line
        for line in extract_tb(error.__traceback__)
        if line.filename != __file__ and not line.filename.startswith("<frozen ")
    ]
    installed = tuple(get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    users = [line for line in lines if not line.filename.startswith(installed)] or lines
    return f"{users[-1].filename}, line {users[-1].lineno}, in {users[-1].name}: {users[-1].line}" if users else None


def _is_model(thing: Any) -> bool:
    """Whether it is a model or a layer already, though it can be called."""
    ready = ("torch.nn.", "torch.export.")
    return (
        keras.is_live(thing)
        or keras.is_layer(thing)
        or any(cls.__module__.startswith(ready) for cls in type(thing).__mro__)
    )
