"""PyTorch: the functional form in inference mode, weights reordered for oneDNN, and the gradients' own operator.

Sources: https://docs.pytorch.org/tutorials/intermediate/memory_format_tutorial.html (channels last),
torch/_inductor/mkldnn_lowerings.py (reordered weights). TorchScript's freezing leaves a transposed convolution
as it is, and ``torch.compile`` needs a C++ compiler, so neither is a way of its own here.
"""

from __future__ import annotations

from typing import Any

from ..jobs import Arrays, Job, Runner, UnsupportedError

_LAST = {2: "channels_last", 3: "channels_last_3d"}


def start(threads: int) -> dict[str, Any]:
    """Set the threads; gradients are asked for by name, so that autograd stays off in this process."""
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    torch.inference_mode().__enter__()
    return {"version": torch.__version__, "threads": torch.get_num_threads()}


def build(job: Job, arrays: Arrays) -> Runner:
    """The job on tensors in the layout's memory format."""
    import torch

    case = job.case
    if job.last and case.rank not in _LAST:
        raise UnsupportedError("PyTorch has no channels-last memory format for one spatial axis")
    memory = getattr(torch, _LAST[case.rank]) if job.last else torch.contiguous_format
    x, weights, grad = (
        torch.from_numpy(each.copy()).contiguous(memory_format=memory)
        for each in (arrays.x, arrays.weights, arrays.grad)
    )
    bias = torch.from_numpy(arrays.bias)
    if job.variant == "packed":
        return _packed(job, x, weights, bias)
    if job.direction != "forward":
        return _gradient(job, x, weights, grad)
    function = getattr(torch.nn.functional, f"conv_transpose{case.rank}d")
    numbers = (case.stride, case.padding, case.output_padding, case.groups, case.dilation)
    return Runner(lambda: function(x, weights, bias, *numbers), lambda y: y.numpy())


def _gradient(job: Job, x: Any, weights: Any, grad: Any) -> Runner:
    """Only the gradient that is asked for."""
    import torch

    case = job.case
    which = 0 if job.direction == "input_gradient" else 1
    mask = [which == 0, which == 1, False]
    operator = torch.ops.aten.convolution_backward.default
    numbers = (None, case.stride, case.padding, case.dilation, True, case.output_padding, case.groups, mask)
    return Runner(lambda: operator(grad, x, weights, *numbers)[which], lambda y: y.numpy())


def _packed(job: Job, x: Any, weights: Any, bias: Any) -> Runner:
    """Weights reordered once for oneDNN, as the compiler of PyTorch does with frozen weights on axes of two."""
    import torch

    case = job.case
    if case.rank != 2 or job.dtype != "float32":
        raise UnsupportedError("PyTorch reorders weights once for two spatial axes in float32 only")
    if any(extra >= stride for extra, stride in zip(case.output_padding, case.stride, strict=True)):
        raise UnsupportedError("oneDNN takes an output padding below the stride only")
    pack = torch.ops.mkldnn._reorder_convolution_transpose_weight  # noqa: SLF001 - the only name it has
    run = torch.ops.mkldnn._convolution_transpose_pointwise  # noqa: SLF001 - the only name it has
    numbers = (case.padding, case.output_padding, case.stride, case.dilation, case.groups)
    packed = pack(weights, *numbers, list(case.data_shape))
    return Runner(lambda: run(x, packed, bias, *numbers, "none", [], ""), lambda y: y.to_dense().numpy())
