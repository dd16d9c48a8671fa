"""Settings that frameworks are known to compute differently, with the versions that did.

Each rule asks whether a layer is exactly such a setting; nothing here is a guess about similar ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..dialects.spec import Spec
from ..geometry import Axis, Layer


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Who computes the layer differently, and how."""

    says: str
    fix: str
    source: str


Rule = Callable[[Spec, Layer], Iterator[Disagreement]]


def disagreements(spec: Spec, layer: Layer) -> tuple[Disagreement, ...]:
    """All that are known for exactly this layer, none twice."""
    found = (each for rule in RULES.get(spec.dialect, ()) for each in rule(spec, layer))
    return tuple(dict.fromkeys(found))


def _keras_on_torch(spec: Spec, layer: Layer) -> Iterator[Disagreement]:
    """Keras up to 3.14 gave PyTorch a padding and an output_padding, which cannot say every window."""
    if not layer.transposed or str(getattr(spec, "padding", "")).lower() != "same":
        return
    for axis, extra in zip(layer.axes, _per_axis(getattr(spec, "output_padding", None), layer.rank), strict=True):
        odd = axis.span % 2
        wanted = axis.stride - odd if extra is None else extra
        crop = max((axis.span - odd - wanted + 1) // 2, 0)
        behind = 2 * crop + odd - axis.span + wanted
        if behind >= axis.stride:
            says = "Keras 3.0–3.12 on its torch backend refuses this layer, and 3.13–3.14 make its output shorter"
        elif crop != axis.before:
            says = (
                f"Keras 3.0–3.14 on its torch backend crops {crop} before instead of {axis.before}: "
                "weights trained there give values shifted by one elsewhere"
            )
        else:
            continue
        fix = "train and load with Keras 3.15 or newer, or with padding='valid' and a Cropping layer"
        yield Disagreement(says, fix, "https://github.com/keras-team/keras/pull/22876")
        return


def _keras_even_same(spec: Spec, layer: Layer) -> Iterator[Disagreement]:
    same = layer.transposed and str(getattr(spec, "padding", "")).lower() == "same"
    if same and any(
        extra == 0 and axis.span % 2 == 0 and axis.small > 1
        for axis, extra in zip(layer.axes, _per_axis(getattr(spec, "output_padding", None), layer.rank), strict=True)
    ):
        says = "Keras 3.15.1 on its TensorFlow backend refuses an even kernel with padding='same' and output_padding=0"
        fix = "leave output_padding out, or use padding='valid' and a Cropping layer"
        yield Disagreement(says, fix, "https://github.com/keras-team/keras/issues/19909")


def _onnx_same(spec: Spec, layer: Layer) -> Iterator[Disagreement]:
    """The operator's text wants ``small·stride``, whatever the kernel and output_padding."""
    if not layer.transposed or not _word(spec).startswith("SAME") or _sized(spec):
        return
    for axis, extra in zip(layer.axes, _per_axis(_extras(spec), layer.rank), strict=True):
        text = axis.small * axis.stride
        inferred = axis.full + (extra or 0) - max(axis.span - axis.stride, 0)
        if {axis.large, inferred} != {text}:
            says = (
                f"{_word(spec)} gives {axis.large} elements in ONNX Runtime 1.31.1, {text} by the operator's text and "
                f"in the reference evaluator, {inferred} in shape inference (onnx 1.23.2)"
            )
            yield Disagreement(says, _PADS, "https://github.com/onnx/onnx/issues/4299")
            return
        if extra:
            says = (
                f"output_padding={extra} with {_word(spec)} moves the window by {-(-extra // 2)} in ONNX Runtime 1.31.1"
            )
            yield Disagreement(says, _PADS, "https://github.com/microsoft/onnxruntime/issues/11927")
            return


def _onnx_sized(spec: Spec, layer: Layer) -> Iterator[Disagreement]:
    """What is cropped for output_shape: an odd element goes to either side, and one runtime crops nothing."""
    if not layer.transposed or not _sized(spec):
        return
    totals = [
        axis.full + (extra or 0) - axis.large
        for axis, extra in zip(layer.axes, _per_axis(_extras(spec), layer.rank), strict=True)
    ]
    word = _word(spec)
    odd = next((total for total in totals if total > 0 and total % 2), None)
    if odd is not None and word == "SAME_UPPER":
        says = f"output_shape crops {odd}: ONNX Runtime 1.31.1 takes the odd one behind, OpenVINO 2026.4.1 ahead"
        yield Disagreement(says, _PADS, _OPERATOR)
    elif odd is not None:
        says = f"output_shape crops {odd}: ONNX Runtime takes the odd one before since 1.14, behind until then"
        yield Disagreement(says, _PADS, "https://github.com/microsoft/onnxruntime/pull/13311")
    if min(totals) < 0 and word == "SAME_UPPER":
        says = "output_shape is longer than the full extent: onnx 1.23.2's reference evaluator puts zeros ahead, too"
        yield Disagreement(says, _PADS, _OPERATOR)
    if max(totals) > 0 and not word.startswith("SAME"):
        says = "onnx 1.23.2's reference evaluator crops nothing for output_shape without SAME_*, and fails"
        yield Disagreement(says, _PADS, _OPERATOR)


def _onnx_groups(spec: Spec, layer: Layer) -> Iterator[Disagreement]:
    del spec
    several = max(layer.small_channels, layer.large_channels) > layer.groups
    if layer.transposed and layer.groups > 1 and (layer.bias or several):
        says = "onnx 1.23.2's reference evaluator fails on groups of several channels, and on groups with a bias"
        fix = "check with ONNX Runtime instead, or with a newer onnx"
        yield Disagreement(says, fix, "https://github.com/onnx/onnx/pull/8446")


def _torch_elsewhere(spec: Spec, layer: Layer) -> Iterator[Disagreement]:
    del spec
    if not layer.transposed:
        return
    for axis in layer.axes:
        padding, extra = axis.before, axis.before - axis.after
        if extra >= axis.stride:
            says = (
                f"output_padding={extra} is at least the stride {axis.stride}: "
                "ONNX Runtime 1.31.1 refuses the ConvTranspose that it is exported as"
            )
            fix = "pad the output instead, or use a smaller output_padding"
            yield Disagreement(says, fix, "https://github.com/microsoft/onnxruntime/pull/29446")
            return
        if extra > padding and _coreml_differs(axis, padding, extra):
            says = (
                f"coremltools 9.0 converts output_padding={extra} with padding={padding} to another size, or refuses it"
            )
            fix = "use a padding of at least output_padding and crop, or pad the output"
            yield Disagreement(says, fix, "https://github.com/apple/coremltools/pull/2711")
            return


def _coreml_differs(axis: Axis, padding: int, extra: int) -> bool:
    """Its converter pads the input instead, which has the right length only where (op − p)·(s − 2) = p."""
    return padding == 0 or (extra - padding) * (axis.stride - 2) != padding


_OPERATOR = "https://onnx.ai/onnx/operators/onnx__ConvTranspose.html"
_PADS = "write the crop as numbers in pads (unstride port --to onnx does)"

RULES: dict[str, tuple[Rule, ...]] = {
    "keras": (_keras_on_torch, _keras_even_same),
    "onnx": (_onnx_same, _onnx_sized, _onnx_groups),
    "torch": (_torch_elsewhere,),
}
"""the rules for the dialect that a model is written in"""


def _per_axis(value: Any, rank: int) -> tuple[int | None, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def _word(spec: Spec) -> str:
    return str(getattr(spec, "auto_pad", ""))


def _sized(spec: Spec) -> bool:
    return getattr(spec, "output_shape_", None) is not None


def _extras(spec: Spec) -> Any:
    return getattr(spec, "output_padding", None) or 0
