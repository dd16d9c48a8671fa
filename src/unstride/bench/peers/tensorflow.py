"""TensorFlow: the operators behind ``tf.nn.conv*_transpose`` and their gradients, as graphs and compiled by XLA.

The operators are called by their own names because the public functions accept fewer paddings than these do;
what they run is the same. Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...geometry import Axis, Layer
from ..jobs import Array, Arrays, Job, Runner, UnsupportedError, to_first, to_last


def start(threads: int) -> dict[str, Any]:
    """Set both thread pools before TensorFlow makes them."""
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return {"version": tf.__version__, "threads": tf.config.threading.get_intra_op_parallelism_threads()}


def build(job: Job, arrays: Arrays) -> Runner:
    """The job as a concrete function; weights are arguments, or constants of it where they are prepared."""
    import tensorflow as tf

    if not job.last:
        raise UnsupportedError("TensorFlow's convolutions on CPUs take data channels last")
    form = _Form.of(job.case.layer)
    x, grad = (form.data(each) for each in (arrays.x, arrays.grad))
    weights, bias = form.weights(arrays.weights), arrays.bias
    xla = job.variant == "xla"
    if job.direction == "input_gradient":
        return _runner(form.convolve, (grad, weights), form.undo_data, xla=xla)
    if job.direction == "weight_gradient":
        sizes = weights.shape
        return _runner(lambda data, given: form.filter_of(data, given, sizes), (x, grad), form.undo_weights, xla=xla)
    sizes = grad.shape
    if job.call == "prepared":
        return _runner(
            lambda data: tf.nn.bias_add(form.transpose(data, tf.constant(weights), sizes), tf.constant(bias)),
            (x,),
            form.undo_data,
            xla=xla,
        )
    return _runner(
        lambda data, factors, addend: tf.nn.bias_add(form.transpose(data, factors, sizes), addend),
        (x, weights, bias),
        form.undo_data,
        xla=xla,
    )


def _runner(
    function: Callable[..., Any], given: tuple[Array, ...], undo: Callable[[Array], Array], *, xla: bool
) -> Runner:
    import tensorflow as tf

    tensors = tuple(tf.constant(array) for array in given)
    specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in tensors]
    concrete = tf.function(function, jit_compile=xla).get_concrete_function(*specs)
    return Runner(lambda: concrete(*tensors), lambda y: undo(y.numpy()))


@dataclass(frozen=True, slots=True)
class _Form:
    """How TensorFlow's operators take a layer: one axis becomes two, and some axes are mirrored.

    Three axes have no explicit padding: ``SAME`` leaves the odd element behind, so an axis that has it before
    is given mirrored data and weights, which is the same layer seen from the other end.
    """

    layer: Layer
    axes: tuple[Axis, ...]
    padding: str
    explicit: tuple[int, ...]
    mirrored: tuple[int, ...]

    @classmethod
    def of(cls, layer: Layer) -> _Form:
        axes = (Axis(1, 1, 1), *layer.axes) if layer.rank == 1 else layer.axes
        depthwise = layer.groups == layer.small_channels == layer.large_channels
        if layer.groups > 1 and not (depthwise and len(axes) == 2):
            raise UnsupportedError("TensorFlow has no gradient of grouped convolutions on CPUs but the depthwise one")
        if len(axes) == 3:
            return cls(layer, axes, *_same_or_valid(axes))
        pads = [number for axis in axes for number in (axis.before, max(0, axis.after))]
        if any(axis.before < 0 or axis.after <= -axis.stride for axis in axes):
            raise UnsupportedError("TensorFlow takes an output padding below the stride only")
        if depthwise and layer.groups > 1 and len(set(layer.stride)) > 1:
            raise UnsupportedError("TensorFlow's depthwise convolutions take equal strides only")
        return cls(layer, axes, "EXPLICIT", (0, 0, *pads, 0, 0), ())

    def data(self, array: Array) -> Array:
        """Canonical data as the operators take it."""
        moved = np.flip(to_last(array), tuple(1 + axis for axis in self.mirrored))
        return np.ascontiguousarray(
            moved.reshape(len(moved), *(1,) * (len(self.axes) - self.layer.rank), *moved.shape[1:])
        )

    def undo_data(self, array: Array) -> Array:
        """The inverse of ``data``."""
        moved = np.flip(array, tuple(1 + axis for axis in self.mirrored))
        return to_first(moved.reshape(len(moved), *moved.shape[1 + len(self.axes) - self.layer.rank :]))

    def weights(self, array: Array) -> Array:
        """Canonical weights as ``(*taps, large, small)``; depthwise as ``(*taps, channels, 1)``."""
        order = (0, 1) if self.layer.groups > 1 else (1, 0)
        moved = np.flip(array.transpose(*range(2, array.ndim), *order), self.mirrored)
        return np.ascontiguousarray(moved.reshape(*(1,) * (len(self.axes) - self.layer.rank), *moved.shape))

    def undo_weights(self, array: Array) -> Array:
        """The inverse of ``weights``."""
        rank = self.layer.rank
        moved = np.flip(array.reshape(array.shape[len(self.axes) - rank :]), self.mirrored)
        return moved.transpose(*((rank, rank + 1) if self.layer.groups > 1 else (rank + 1, rank)), *range(rank))

    def transpose(self, x: Any, weights: Any, sizes: tuple[int, ...]) -> Any:
        """The transposed convolution, without bias."""
        import tensorflow as tf

        if len(self.axes) == 3:
            return tf.raw_ops.Conv3DBackpropInputV2(
                input_sizes=sizes, filter=weights, out_backprop=x, **self._numbers("NDHWC")
            )
        operator = tf.raw_ops.Conv2DBackpropInput
        if self.layer.groups > 1:
            operator = tf.raw_ops.DepthwiseConv2dNativeBackpropInput
        return operator(input_sizes=sizes, filter=weights, out_backprop=x, **self._numbers("NHWC"))

    def convolve(self, grad: Any, weights: Any) -> Any:
        """The gradient for the input: the convolution whose gradient the layer is."""
        import tensorflow as tf

        if len(self.axes) == 3:
            return tf.raw_ops.Conv3D(input=grad, filter=weights, **self._numbers("NDHWC"))
        operator = tf.raw_ops.DepthwiseConv2dNative if self.layer.groups > 1 else tf.raw_ops.Conv2D
        return operator(input=grad, filter=weights, **self._numbers("NHWC"))

    def filter_of(self, x: Any, grad: Any, sizes: tuple[int, ...]) -> Any:
        """The gradient for the weights."""
        import tensorflow as tf

        if len(self.axes) == 3:
            return tf.raw_ops.Conv3DBackpropFilterV2(
                input=grad, filter_sizes=sizes, out_backprop=x, **self._numbers("NDHWC")
            )
        operator = tf.raw_ops.Conv2DBackpropFilter
        if self.layer.groups > 1:
            operator = tf.raw_ops.DepthwiseConv2dNativeBackpropFilter
        return operator(input=grad, filter_sizes=sizes, out_backprop=x, **self._numbers("NHWC"))

    def _numbers(self, data_format: str) -> dict[str, Any]:
        explicit = {"explicit_paddings": list(self.explicit)} if self.explicit else {}
        return {
            "strides": [1, *(axis.stride for axis in self.axes), 1],
            "dilations": [1, *(axis.dilation for axis in self.axes), 1],
            "padding": self.padding,
            "data_format": data_format,
            **explicit,
        }


def _same_or_valid(axes: tuple[Axis, ...]) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    """``VALID`` or ``SAME``, no explicit padding, and the axes to be mirrored for it."""
    if all(axis.before == 0 and -axis.stride < axis.after <= 0 for axis in axes):
        return "VALID", (), ()
    mirrored = []
    for number, axis in enumerate(axes):
        total = max(0, axis.before + axis.after)
        behind = total - total // 2
        if axis.small != -(-axis.large // axis.stride) or axis.before not in (total // 2, behind):
            raise UnsupportedError("TensorFlow's convolutions on three axes pad by SAME or VALID only")
        if axis.before != total // 2:
            mirrored.append(number)
    return "SAME", (), tuple(mirrored)
