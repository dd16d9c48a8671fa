"""Single calls of torch programs, written by hand: what is followed, what is opaque and in which words."""

from typing import Any

import numpy as np
import pytest

from tests.models.pt2_builders import archive, call, config, named, program, tensor
from unstride.models.pt2 import read_archive
from unstride.models.torch_graph import build
from unstride.network import Activation, Graph, Merge, Norm, Opaque, Pad, Pool
from unstride.network.evaluate import run

SHAPE = ("n", 2, "s", 7)
VECTOR = tensor(2)


def made(
    *calls: dict[str, Any],
    outputs: tuple[str, ...] = (),
    shapes: dict[str, Any] | None = None,
    given: tuple[Any, ...] = SHAPE,
    stored: Any = VECTOR,
    payload: bytes = np.array([3, -2], np.float32).tobytes(),
) -> Graph:
    """The graph of these calls on ``x`` and a stored vector ``w``; values without a shape have that of ``x``."""
    root = program()
    module = root["graph_module"]
    values = {"x": tensor(*given), "w": stored}
    for each in calls:
        for output in each["outputs"]:
            values[output["as_tensor"]["name"]] = tensor(*given)
    wanted = outputs or (calls[-1]["outputs"][0]["as_tensor"]["name"],)
    module["graph"] = {"nodes": list(calls), "tensor_values": values | (shapes or {})}
    module["signature"] = {
        "input_specs": [
            {"buffer": {"arg": {"name": "w"}, "buffer_name": "w", "persistent": True}},
            {"user_input": {"arg": named("x")}},
        ],
        "output_specs": [{"user_output": {"arg": named(name)}} for name in wanted],
    }
    weights = {"config": {"w": config()["config"]["c.weight"] | {"tensor_meta": stored}}}
    return build(read_archive(archive(root, weights, payload)))


def why(graph: Graph) -> str:
    (found,) = [node.operation for node in graph.nodes if isinstance(node.operation, Opaque)]
    return found.why


X = np.arange(-14, 14, dtype=np.float32).reshape(1, 2, 2, 7)


def test_what_is_changed_in_place_is_changed_for_all_its_names() -> None:
    graph = made(
        call("neg.default", "a", self=named("x")),
        call("alias.default", "b", self=named("a")),
        call("relu_.default", "c", self=named("a")),
        call("sub.Tensor", "d", self=named("b"), other=named("x")),
    )
    np.testing.assert_array_equal(run(graph, X), np.maximum(-X, 0) - X)


def test_a_copy_is_not_changed_in_place() -> None:
    graph = made(
        call("neg.default", "a", self=named("x")),
        call("clone.default", "b", self=named("a")),
        call("relu_.default", "c", self=named("a")),
        call("sub.Tensor", "d", self=named("b"), other=named("c")),
    )
    np.testing.assert_array_equal(run(graph, X), -X - np.maximum(-X, 0))


def test_a_value_changed_through_a_view_is_opaque() -> None:
    graph = made(
        call("neg.default", "a", self=named("x")),
        call("slice.Tensor", "b", self=named("a"), dim={"as_int": 2}, start={"as_int": 1}),
        call("relu_.default", "c", self=named("b")),
        call("sigmoid.default", "d", self=named("a")),
    )
    assert why(graph) == "a shares memory that was changed in place"


def test_a_step_that_returns_nothing_may_change_what_it_takes() -> None:
    silent = {**call("x.default", "a", x=named("x")), "target": "torch.ops.mine.update.default", "outputs": []}
    assert why(made(silent, call("relu.default", "y", self=named("x")))) == "x shares memory that was changed in place"
    checked = {**silent, "target": "torch.ops.aten._assert_tensor_metadata.default"}
    assert made(checked, call("relu.default", "y", self=named("x"))).nodes[0].operation == Activation("relu")


def test_random_dropping_is_opaque() -> None:
    for train, expected in ((True, "it drops at random: export the module after eval()"), (False, "")):
        calls = (
            call("dropout.default", "a", input=named("x"), p={"as_float": 0.5}, train={"as_bool": train}),
            call("relu.default", "y", self=named("a")),
        )
        graph = made(*calls)
        assert (why(graph) if train else "") == expected
        assert len(graph.nodes) == 1 + train


def test_numbers_and_stored_arrays_are_norms() -> None:
    column = tensor(2, 1, 1)
    graph = made(
        call("mul.Tensor", "a", self=named("x"), other=named("w")),
        call("add.Tensor", "b", self=named("a"), other={"as_int": 5}),
        call("rsub.Scalar", "c", self=named("b"), other={"as_float": 1.0}),
        call("add.Tensor", "d", self=named("c"), other={"as_int": 0}),
        stored=column,
    )
    assert [type(node.operation) for node in graph.nodes] == [Norm, Norm, Norm]
    np.testing.assert_array_equal(run(graph, X), 1 - (X * np.array([3, -2]).reshape(2, 1, 1) + 5))


def test_an_array_along_another_axis_is_opaque() -> None:
    graph = made(call("mul.Tensor", "y", self=named("x"), other=named("w")), given=("n", 2, "s", 2))
    assert "is not one number for each channel" in why(graph)


def test_one_stored_number_is_for_all_channels() -> None:
    one = np.array([4], np.float32).tobytes()
    graph = made(call("div.Tensor", "y", self=named("x"), other=named("w")), stored=tensor(1), payload=one)
    np.testing.assert_array_equal(run(graph, X), X / 4)


@pytest.mark.parametrize(
    ("start", "end", "margins"),
    [
        (1, 9, ((0, 0), (-1, 0))),
        (0, 5, ((0, 0), (0, -2))),
        (-3, -1, ((0, 0), (-4, -1))),
        (2, 2**63 - 1, ((0, 0), (-2, 0))),
    ],
)
def test_slices_are_negative_margins(start: int, end: int, margins: object) -> None:
    arguments: dict[str, Any] = {"dim": {"as_int": -1}, "start": {"as_int": start}, "end": {"as_int": end}}
    (node,) = made(call("slice.Tensor", "y", self=named("x"), **arguments)).nodes
    assert isinstance(node.operation, Pad)
    assert node.operation.margins == margins


@pytest.mark.parametrize(("start", "length", "margins"), [(-3, 2, (-4, -1)), (-3, 3, (-4, 0)), (1, 4, (-1, -2))])
def test_a_narrow_part_counts_from_either_end(start: int, length: int, margins: tuple[int, int]) -> None:
    arguments: dict[str, Any] = {"dim": {"as_int": -1}, "start": {"as_int": start}, "length": {"as_int": length}}
    graph = made(call("narrow.default", "y", self=named("x"), **arguments))
    assert graph.nodes[0].operation == Pad(((0, 0), margins))
    np.testing.assert_array_equal(run(graph, X), X[..., start:][..., :length])


def test_an_instance_norm_with_what_it_has_learned_is_a_norm() -> None:
    words: dict[str, Any] = {"use_input_stats": {"as_bool": False}, "eps": {"as_float": 0.0}}
    words |= {"running_mean": named("w"), "running_var": named("w")}
    graph = made(
        call("instance_norm.default", "y", input=named("x"), **words),
        payload=np.array([4, 16], np.float32).tobytes(),
    )
    wanted = np.stack([(X[:, 0] - 4) / 2, (X[:, 1] - 16) / 4], axis=1)
    np.testing.assert_array_equal(run(graph, X), wanted)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dim": {"as_int": 2}, "end": {"as_int": 5}}, "its margins depend on the input's size"),
        ({"dim": {"as_int": 2}, "start": {"as_int": -5}}, "its margins depend on the input's size"),
        ({"dim": {"as_int": 2}, "end": {"as_sym_int": {"as_name": "n"}}}, "its end depends on the input's size"),
        ({"dim": {"as_int": 1}, "end": {"as_int": 1}}, "it takes a part of the channels or of the batch"),
        ({"dim": {"as_int": 3}, "step": {"as_int": 2}}, "it takes every second element or fewer"),
    ],
)
def test_other_slices_say_why_not(arguments: dict[str, Any], words: str) -> None:
    assert why(made(call("slice.Tensor", "y", self=named("x"), **arguments))) == words


@pytest.mark.parametrize(
    ("target", "arguments", "words"),
    [
        ("batch_norm", {"input": named("x"), "training": {"as_bool": True}}, "export the module after eval()"),
        ("mean.dim", {"self": named("x"), "dim": {"as_ints": [2]}}, "other than all spatial axes"),
        ("softmax.int", {"self": named("x"), "dim": {"as_int": 3}}, "another axis than the channels"),
        (
            "cat",
            {"tensors": {"as_tensors": [{"name": "x"}] * 2}, "dim": {"as_int": 3}},
            "another axis than the channels",
        ),
        ("clamp", {"self": named("x"), "min": {"as_float": 0.5}}, "it cuts to 0.5 … None"),
        (
            "upsample_nearest2d.vec",
            {"input": named("x"), "scale_factors": {"as_floats": [1.5, 2.0]}},
            "no whole numbers",
        ),
        (
            "upsample_nearest2d.vec",
            {"input": named("x"), "output_size": {"as_sym_ints": [{"as_name": "n"}, {"as_int": 3}]}},
            "its output_size depends on the input's size",
        ),
        ("conv1d", {"input": named("x"), "weight": named("w")}, "no batch axis"),
        ("conv2d", {"input": named("x"), "weight": named("x")}, "its weight is computed from the input"),
        ("add.Tensor", {"self": named("x"), "other": named("x"), "alpha": {"as_int": 3}}, "alpha=3"),
        ("view", {"self": named("x")}, "it changes the batch axis"),
    ],
)
def test_steps_outside_the_list_say_why(target: str, arguments: dict[str, Any], words: str) -> None:
    shapes = {"y": tensor(14, "s")} if target == "view" else {}
    assert words in why(made(call(target, "y", **arguments), shapes=shapes))


def test_an_output_padding_that_depends_on_the_size_is_told() -> None:
    extra = {"as_sym_ints": [{"as_name": "n"}, {"as_int": 0}]}
    up = call("conv_transpose2d.input", "y", input=named("x"), weight=named("w"), output_padding=extra)
    assert why(made(up, stored=tensor(2, 1, 1, 1))) == "its output_padding depends on the input's size"


def test_another_element_type_is_opaque() -> None:
    graph = made(call("softmax.int", "y", self=named("x"), dim={"as_int": 1}), shapes={"y": tensor(*SHAPE, dtype=8)})
    assert why(graph) == "it computes float64 from float32"


def test_permuted_axes_cancel_or_are_told() -> None:
    there = call("permute.default", "a", self=named("x"), dims={"as_ints": [0, 2, 3, 1]})
    back = call("permute.default", "c", self=named("b"), dims={"as_ints": [0, 3, 1, 2]})
    inner = call("relu.default", "b", self=named("a"))
    assert [node.name for node in made(there, inner, back).nodes] == ["b"]
    assert why(made(there, inner)) == "the axes of its input are permuted"


def test_further_outputs_are_opaque_where_they_are_used() -> None:
    pool = call("max_pool2d_with_indices.default", "a", self=named("x"), kernel_size={"as_ints": [2]})
    pool["outputs"].append({"as_tensor": {"name": "i"}})
    (node,) = made(pool, outputs=("a",)).nodes
    assert isinstance(node.operation, Pool)
    assert why(made(pool, outputs=("a", "i"))) == "only its first output is understood"


def test_names_are_the_modules_and_unique() -> None:
    relu = "L__self__act,act,torch.nn.modules.activation.ReLU"
    again, box = "L__self__act@1,act,torch.nn.modules.activation.ReLU", "L__self__box,box,mine.Box"
    graph = made(
        call("relu.default", "a", relu, self=named("x")),
        call("relu.default", "b", again, self=named("a")),
        call("add.Tensor", "act", self=named("a"), other=named("b")),
        call("tanh.default", "t", box, self=named("act")),
        call("neg.default", "x", box, self=named("t")),
        call("neg.default", "last", self=named("x")),
    )
    assert [node.name for node in graph.nodes] == ["act", "act@1", "act_1", "box.t", "box.x", "last"]


def test_what_no_output_needs_is_left_out() -> None:
    graph = made(call("weird.default", "a", self=named("x")), call("relu.default", "y", self=named("x")))
    assert [node.operation for node in graph.nodes] == [Activation("relu")]


def test_inputs_without_channels_are_kept_and_told() -> None:
    graph = made(call("relu.default", "y", self=named("x")), given=("n",))
    assert (graph.inputs[0].channels, graph.inputs[0].size) == (1, ())
    assert why(graph) == "x has no axes for batch and channels"


def test_a_kernel_that_is_computed_from_nothing_is_told() -> None:
    for target, words in (
        ("sum", "aten.sum takes no stored array"),
        ("rand", "aten.rand of stored arrays is not understood"),
    ):
        kernel = call(target, "k")
        assert why(made(kernel, call("conv2d", "y", input=named("x"), weight=named("k")))) == words


def test_two_values_are_merged() -> None:
    graph = made(
        call("maximum.default", "a", self=named("x"), other=named("x")),
        call("sub.Tensor", "b", self=named("a"), other=named("x")),
    )
    assert [node.operation for node in graph.nodes] == [Merge("maximum"), Merge("subtract")]
