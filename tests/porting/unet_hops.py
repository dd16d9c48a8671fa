"""A U-Net built and trained a little in Keras, ported to other frameworks and back; prints how far apart they are.

Run in a process of its own, for Keras runs on one backend only: ``python unet_hops.py FOLDER WHICH``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from unstride.network.evaluate import run
from unstride.porting.models import ModelPort, port_model

Array = NDArray[Any]


def down(x: Any, filters: int, *, dropout: float = 0.0, pooled: bool = True, padding: str = "same") -> tuple[Any, Any]:
    """Two convolutions, a dropout and a pooling: what goes down, and what is kept for the way up."""
    for _ in range(2):
        x = keras.layers.Conv2D(filters, 3, activation="relu", padding=padding, kernel_initializer="he_normal")(x)
    if dropout:
        x = keras.layers.Dropout(dropout)(x)
    return (keras.layers.MaxPooling2D(2)(x) if pooled else x), x


def up(x: Any, skip: Any, filters: int) -> Any:
    """A transposed convolution that doubles the size, joined with what was kept, and two convolutions."""
    x = keras.layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)
    x, _ = down(keras.layers.concatenate([x, skip], axis=3), filters, pooled=False)
    return x


def unet(shape: tuple[int | None, ...], filters: int, classes: int) -> Any:
    """Four levels down and up; the deepest two with dropout."""
    given = x = keras.Input(shape, name="image")
    skips = []
    for level in range(4):
        x, skip = down(x, filters * 2**level, dropout=0.3 if level == 3 else 0.0)
        skips.append(skip)
    x, _ = down(x, filters * 16, dropout=0.3, pooled=False)
    for level in reversed(range(4)):
        x = up(x, skips[level], filters * 2**level)
    x = keras.layers.Conv2D(filters, 3, activation="relu", padding="same", kernel_initializer="he_normal")(x)
    return keras.Model(given, keras.layers.Conv2D(classes, 1, padding="same")(x), name="unet")


def open_unet(filters: int, classes: int) -> Any:
    """One level without padding on the way down, its skip connection cropped: for sizes with any odd part that fits."""
    given = keras.Input((None, None, 3), name="image")
    x = keras.layers.Conv2D(filters, 3, padding="valid", activation="relu")(given)
    low = keras.layers.Conv2D(2 * filters, 3, strides=2, padding="valid")(x)
    low = keras.layers.BatchNormalization()(low)
    low = keras.layers.LeakyReLU(negative_slope=0.1)(low)
    high = keras.layers.Conv2DTranspose(filters, 3, strides=2, padding="valid")(low)
    x = keras.layers.concatenate([keras.layers.Conv2D(filters, 1)(x), high])
    return keras.Model(given, keras.layers.Conv2D(classes, 1, activation="softmax")(x), name="open")


def trained(model: Any, size: tuple[int, int], classes: int, steps: int = 3) -> Any:
    """The model after a few steps on noise, so that neither its weights nor its biases are special."""
    draw = np.random.default_rng(0)
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(steps):
        made = model.compute_output_shape((2, *size, 3))
        labels = draw.integers(0, classes, made[:-1])
        model.train_on_batch(draw.standard_normal((2, *size, 3)).astype(np.float32), labels)
    return model


# --- hops -----------------------------------------------------------------------------------------------------


def images(batch: int, size: tuple[int, ...]) -> Array:
    return np.random.default_rng(batch).standard_normal((batch, *size, 3)).astype(np.float32)


def by_keras(model: Any, x: Array) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))


def by_torch(module: Any, x: Array) -> Array:
    with torch.no_grad():
        made = module(torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1))))
    return np.moveaxis(made.numpy(), 1, -1)


def by_onnx(path: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    (made,) = session.run(None, {given.name: np.ascontiguousarray(np.moveaxis(x, -1, 1))})
    return np.moveaxis(made, 1, -1)


def apart(a: Array, b: Array) -> float:
    """The largest difference, as a share of the largest number."""
    assert a.shape == b.shape
    return float(np.abs(a - b).max() / np.abs(a).max())


def exact(found: ModelPort) -> ModelPort:
    assert found.exact, found.text()
    assert found.verified is not None
    assert found.verified.agrees
    return found


def hops(model: Any, folder: Path, sizes: tuple[tuple[int, ...], ...]) -> dict[str, float]:
    """Keras to PyTorch and to ONNX and back; every hop starts from the file that the one before wrote."""
    saved = folder / "model.keras"
    model.save(saved)
    to_torch, to_onnx = (exact(port_model(saved, to=to)) for to in ("torch", "onnx"))
    to_torch.save(folder / "model.py", folder / "model.safetensors")
    to_onnx.save(folder / "model.onnx")
    names: dict[str, Any] = {}
    exec((folder / "model.py").read_text(), names)  # noqa: S102 - the source just written, run as a user runs it
    module = names["load"](str(folder / "model.safetensors"))
    from_onnx = exact(port_model(folder / "model.onnx", to="keras")).build()
    found: dict[str, float] = {}
    for at in sizes:
        from_torch = exact(port_model(module, to="keras", size=at, inputs=[(2, 3, *at)])).build()
        for batch in (1, 4):
            x = images(batch, at)
            y = by_keras(model, x)
            made = {
                "torch": by_torch(module, x),
                "torch → keras": by_keras(from_torch, x),
                "onnx": by_onnx(folder / "model.onnx", x),
                "onnx → keras": by_keras(from_onnx, x),
            }
            shown = f"{batch}×{'×'.join(map(str, at))}"
            found |= {f"{shown}: keras → {hop}": apart(y, each) for hop, each in made.items()}
    x = images(1, sizes[0])
    found["keras → numpy"] = apart(by_keras(model, x), np.asarray(run(to_torch.graph, x)))
    return found


def main(folder: Path, which: str) -> None:
    keras.utils.set_random_seed(1)
    if which == "unet":
        model = trained(unet((96, 128, 3), 32, 23), (96, 128), 23)
        print(json.dumps(hops(model, folder, ((96, 128),)), ensure_ascii=False))
    else:
        model = trained(open_unet(4, 5), (21, 25), 5)
        print(json.dumps(hops(model, folder, ((21, 25), (33, 17), (19, 45))), ensure_ascii=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
