"""Configurations written by hand: what each layer becomes, and why what is not understood is opaque."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unstride.dialects import keras as dialect
from unstride.errors import Reason, UnstrideError
from unstride.models import keras
from unstride.network import Activation, Convolution, Graph, Norm, Opaque, Pad, Pool
from unstride.network.evaluate import run

from . import keras_files as files

value = files.value


def read(folder: Path, config: Any, arrays: dict[str, Any] | None = None, **options: Any) -> Graph:
    stored = None if arrays is None else files.weights(arrays)
    path = files.archive(folder / "model.keras", config, stored, **options)
    return keras.read(path, weights=arrays is not None)


def one(folder: Path, *layers: dict[str, Any], given: tuple[int | None, ...] = (8, 8, 3)) -> Graph:
    """The network of a functional model of these layers behind one input."""
    return read(folder, files.functional([files.given("x", *given), *layers]))


def opaque(graph: Graph) -> dict[str, str]:
    return {node.name: node.operation.why for node in graph.nodes if isinstance(node.operation, Opaque)}


def test_a_network_of_integers_is_exact(tmp_path: Path) -> None:
    graph = keras.read(files.small(tmp_path))
    assert [node.name for node in graph.nodes] == ["a", "a/relu", "b", "sum"]
    assert graph.channels_last
    assert graph.inputs[0].size == (None, None)
    x = files.integers(2, 5, 6, 3, seed=7)
    first, second = (files.integers(3, 3, channels, 2, seed=s) for channels, s in ((3, 0), (2, 1)))
    a = np.maximum(convolved(x, first) + files.integers(2), 0)
    assert np.array_equal(run(graph, x), a + convolved(a, second) + files.integers(2, seed=1))
    assert np.array_equal(run(keras.read(files.small(tmp_path, compressed=True)), x), run(graph, x))


def convolved(x: Any, kernel: Any) -> Any:
    """A convolution with a kernel of 3 and a margin of 1, by its definition."""
    wide = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    height, width = x.shape[1:3]
    return sum(wide[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3))


def test_a_convolution_keeps_the_words_of_its_file(tmp_path: Path) -> None:
    entry = files.layer(
        *("Conv2DTranspose", "up", "x"),
        filters=4,
        kernel_size=[3, 5],
        strides=[2, 2],
        padding="same",
        output_padding=[1, 0],
        data_format="channels_last",
        use_bias=False,
        activation="linear",
    )
    graph = one(tmp_path, entry)
    operation = graph.nodes[0].operation
    assert isinstance(operation, Convolution)
    assert operation.spec == dialect.Conv2DTranspose(
        4, (3, 5), strides=2, padding="same", output_padding=(1, 0), use_bias=False
    )
    assert operation.kernel.shape == (3, 5, 4, 3)
    assert operation.bias is None
    assert not operation.kernel.known


def test_the_generation_of_keras_decides_the_dialect(tmp_path: Path) -> None:
    config = files.functional([files.given(), files.conv("c", "x")])
    for version, name in (("2.15.0", "keras2"), ("3.15.1", "keras")):
        operation = read(tmp_path, config, version=version).nodes[0].operation
        assert isinstance(operation, Convolution)
        assert operation.spec.dialect == name


def test_what_says_nothing_at_inference_disappears(tmp_path: Path) -> None:
    names = ("Dropout", "SpatialDropout2D", "GaussianNoise", "Identity", "ActivityRegularization")
    layers = [files.given()]
    for kind in names:
        layers.append(files.layer(kind, kind, layers[-1]["name"], rate=0.5))
    graph = read(tmp_path, files.functional([*layers, files.layer("Activation", "a", names[-1], activation="linear")]))
    assert not graph.nodes
    assert graph.outputs == ("x",)


def test_a_call_in_training_is_opaque(tmp_path: Path) -> None:
    entry = files.layer("Dropout", "d", "x", rate=0.5)
    entry["inbound_nodes"][0]["kwargs"] = {"training": True}
    assert opaque(one(tmp_path, entry)) == {"d": "called with training=True"}


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (files.layer("Lambda", "l", "x"), "not among the layers"),
        (files.layer("PReLU", "l", "x"), "not among the layers"),
        (files.layer("Conv2D", "l", "x", module="mine"), "is no layer of Keras"),
        (files.layer("Softmax", "l", "x", axis=1), "runs along a spatial axis"),
        (files.layer("BatchNormalization", "l", "x", axis=1), "another axis"),
        (files.layer("LayerNormalization", "l", "x", axis=[3]), "normalises each position"),
        (files.layer("Permute", "l", "x", dims=[2, 1, 3]), "moves spatial axes"),
        (files.layer("Reshape", "l", "x", target_shape=[5, -1]), "makes [5, -1] of 192 elements"),
        (files.layer("UpSampling2D", "l", "x", size=[2, 2], interpolation="bicubic"), "interpolation is 'bicubic'"),
        (files.layer("MaxPooling2D", "l", "x", pool_size=[2, 0]), "pool_size is [2, 0]"),
        (files.layer("MaxPooling1D", "l", "x", pool_size=[2]), "takes 1 spatial axes, its input has 2"),
        (files.layer("Activation", "l", "x", activation="wavy"), "the activation 'wavy' is not known"),
        (files.layer("GroupNormalization", "l", "x", groups=2), "does not divide"),
        (files.layer("ReLU", "l", "x", max_value="high"), "max_value is 'high'"),
        (files.conv("l", "x", padding="full"), "padding='full'"),
        (files.conv("l", "x", strides=[2, 2], dilation_rate=[2, 2]), "not supported together"),
        (files.conv("l", "x", dtype={"class_name": "QuantizedDTypePolicy", "config": {}}), "its dtype is"),
        (files.conv("l", "x", quantization_config={}), "it is quantised"),
    ],
    ids=lambda entry: entry["class_name"] + str(len(str(entry))) if isinstance(entry, dict) else "",
)
def test_what_is_not_understood_says_why(tmp_path: Path, entry: dict[str, Any], why: str) -> None:
    graph = one(tmp_path, entry)
    assert why in opaque(graph)["l"]
    assert graph.nodes[0].inputs == ("x",)


def test_an_unknown_activation_leaves_its_convolution(tmp_path: Path) -> None:
    code = {"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"}
    graph = one(tmp_path, files.conv("c", "x", activation=code))
    assert [(node.name, node.operation.kind) for node in graph.nodes] == [
        ("c", "convolution"),
        ("c/activation", "opaque"),
    ]
    operation = graph.nodes[1].operation
    assert isinstance(operation, Opaque)
    assert operation.name == "mine"


def test_behind_an_unknown_step_the_files_own_shapes_are_taken(tmp_path: Path) -> None:
    unknown = files.layer("Mystery", "m", "x")
    seen = files.conv("c", [value("m", shape=[None, 4, 4, 7])])
    assert one(tmp_path, unknown, seen).nodes[1].operation.weights["kernel"].shape == (3, 3, 7, 2)
    built = files.conv("c", "m") | {"build_config": {"input_shape": [None, 4, 4, 5]}}
    assert one(tmp_path, unknown, built).nodes[1].operation.weights["kernel"].shape == (3, 3, 5, 2)
    assert opaque(one(tmp_path, unknown, files.conv("c", "m")))["c"] == "the shape of its input is not known"


def test_an_unknown_step_has_a_node_for_every_output_that_is_used(tmp_path: Path) -> None:
    split = files.layer("Split", "s", "x", module="keras.src.ops.numpy")
    both = files.layer("Add", "a", [[value("s", 0, 0), value("s", 0, 2)]])
    graph = one(tmp_path, split, both)
    assert [node.name for node in graph.nodes] == ["s", "s:2", "a"]


def test_the_first_layer_with_an_order_decides_how_the_model_keeps_its_values(tmp_path: Path) -> None:
    graph = one(tmp_path, files.conv("c", "x", data_format="channels_first"), given=(3, 8, 9))
    assert not graph.channels_last
    assert (graph.inputs[0].channels, graph.inputs[0].size) == (3, (8, 9))


def test_mixed_orders_are_told(tmp_path: Path) -> None:
    first = files.layer("MaxPooling2D", "p", "c", pool_size=[2, 2], data_format="channels_first")
    graph = one(tmp_path, files.conv("c", "x"), first)
    assert opaque(graph) == {"p": "its data_format is channels_first, its input is channels_last"}


def test_a_layer_called_twice_is_two_steps_with_one_kernel(tmp_path: Path) -> None:
    layers = [files.given(), files.conv("c", "x", [value("c")], filters=3, use_bias=False)]
    kernel = files.integers(3, 3, 3, 3)
    graph = read(tmp_path, files.functional(layers, outputs=["c", 1, 0]), {"layers/conv2d/vars/0": kernel})
    assert [(node.name, node.inputs) for node in graph.nodes] == [("c", ("x",)), ("c#2", ("c",))]
    x = files.integers(1, 4, 5, 3)
    assert np.array_equal(run(graph, x), convolved(convolved(x, kernel), kernel))


def test_weights_of_bare_operations_take_no_place(tmp_path: Path) -> None:
    add = files.layer("Conv2D", "op", "a", module="keras.src.ops.nn")
    layers = [files.given(), files.conv("a", "x"), add, files.conv("b", [value("a")])]
    arrays = {
        f"layers/conv2d{n}/vars/{i}": files.integers(*s)
        for n, c in (("", 3), ("_1", 2))
        for i, s in enumerate(((3, 3, c, 2), (2,)))
    }
    assert all(
        stored.known
        for node in read(tmp_path, files.functional(layers), arrays).nodes
        for stored in node.operation.weights.values()
    )


def test_a_sequence_has_an_input_of_its_own_or_the_one_it_was_built_for(tmp_path: Path) -> None:
    stack = [files.conv("c"), files.layer("MaxPooling2D", "p", pool_size=[2, 2], strides=[2, 2], padding="same")]
    built = files.sequence(stack, build_input_shape=[None, 8, 8, 3])
    for config in (files.sequence([files.given("x", 8, 8, 3), *stack]), built):
        graph = read(tmp_path, config)
        assert [node.name for node in graph.nodes] == ["c", "p"]
        assert graph.inputs[0].size == (8, 8)
        assert graph.nodes[1].operation == Pool("max", (2, 2), (2, 2), "same_upper")
    with pytest.raises(UnstrideError, match="no stated shape") as caught:
        read(tmp_path, files.sequence(stack))
    assert caught.value.hint
    assert "build the model" in caught.value.hint


def test_the_first_files_of_this_kind_name_their_groups_differently(tmp_path: Path) -> None:
    config = files.sequence([files.given(), files.conv("c")])
    arrays = {
        f"_layer_checkpoint_dependencies/conv2d/vars/{i}": files.integers(*s)
        for i, s in enumerate(((3, 3, 3, 2), (2,)))
    }
    operation = read(tmp_path, config, arrays, version="2.12.0").nodes[0].operation
    assert operation.weights["kernel"].array.shape == (3, 3, 3, 2)


def test_arithmetic_with_numbers_is_a_norm_that_changes_nothing_else(tmp_path: Path) -> None:
    double = files.layer("Multiply", "m", [2, value("x")], module="keras.src.ops.numpy")
    less = files.layer("Subtract", "s", [1, value("m")], module="keras.src.ops.numpy")
    half = files.layer("TrueDivide", "h", [value("s"), 2], module="keras.src.ops.numpy")
    graph = one(tmp_path, double, less, half)
    assert all(isinstance(node.operation, Norm) for node in graph.nodes)
    x = files.integers(1, 8, 8, 3)
    assert np.array_equal(run(graph, x), (1 - 2 * x) / 2)


def test_the_former_form_of_calls_counts_a_models_own_making_and_holds_numbers(tmp_path: Path) -> None:
    inner = files.functional([files.given("i"), files.layer("ReLU", "r", "i")], ["i", 0, 0], name="m")
    twice = {**inner, "inbound_nodes": [[["x", 0, 0, {}]], [["m", 1, 0, {}]]]}
    less = files.layer("TFOpLambda", "s", function="math.subtract")
    less["inbound_nodes"] = [["_CONSTANT_VALUE", -1, 2, {"y": ["m", 2, 0], "name": None}]]
    other = files.layer("TFOpLambda", "o", function="linalg.inv") | {"inbound_nodes": [["s", 0, 0, {"adjoint": False}]]}
    config = files.functional([files.given(), twice, less, other])
    graph = read(tmp_path, config, version="2.15.0")
    assert [node.name for node in graph.nodes] == ["m/r", "m/r#2", "s", "o"]
    assert set(opaque(graph)) == {"o"}


def test_a_slice_that_keeps_its_ends_is_a_crop(tmp_path: Path) -> None:
    def cut(start: int | None, stop: int | None) -> dict[str, Any]:
        return {"class_name": "__slice__", "config": {"start": start, "stop": stop, "step": None}}

    whole = cut(None, None)
    entry = files.layer(
        "GetItem", "g", [value("x"), [whole, cut(1, None), cut(None, -2), whole]], module="keras.src.ops.numpy"
    )
    assert one(tmp_path, entry).nodes[0].operation == Pad(((-1, 0), (0, -2)))
    entry = files.layer("GetItem", "g", [value("x"), [whole, cut(1, 5)]], module="keras.src.ops.numpy")
    assert "cuts to a fixed size" in opaque(one(tmp_path, entry))["g"] or opaque(one(tmp_path, entry))


def test_older_names_of_arguments_are_known(tmp_path: Path) -> None:
    graph = one(tmp_path, files.layer("LeakyReLU", "l", "x", alpha=0.5))
    assert graph.nodes[0].operation == Activation("leaky_relu", (("negative_slope", 0.5),))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"class_name": "Conv2D", "config": {}}, "is no model made of layers"),
        ({"class_name": "Mine", "module": "mine", "config": {"layers": []}}, "is no model made of layers"),
        ([], "must have a class_name and a config"),
        (files.functional([files.given()], outputs=["y", 0, 0]), "a layer that is not there"),
        (files.functional([files.given()], outputs=["x", 3, 0]), "a value of call 3 of x"),
        (files.functional([files.given(), files.given()]), "two layers have one name"),
        (files.functional([files.given("x", None, None, None)]), "a fixed number of channels"),
        (files.functional([files.given()], inputs=[]), "must have inputs and outputs"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_no_keras_writes_is_refused(tmp_path: Path, config: Any, said: str) -> None:
    with pytest.raises(UnstrideError) as caught:
        read(tmp_path, config)
    assert said in str(caught.value)


def test_a_configuration_with_weights_beside_it(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(files.functional([files.given(), files.conv("c", "x")])))
    assert not keras.read_config(config).nodes[0].operation.weights["kernel"].known
    kernel, bias = files.integers(3, 3, 3, 2), files.integers(2)
    stored = tmp_path / "m.weights.h5"
    stored.write_bytes(files.weights({"layers/conv2d/vars/0": kernel, "layers/conv2d/vars/1": bias}))
    headed = tmp_path / "m.safetensors"
    headed.write_bytes(safetensors({"c/kernel": kernel, "c/bias": bias}))
    for path in (stored, headed):
        found = keras.read_config(config, path).nodes[0].operation.weights
        assert np.array_equal(found["kernel"].array, kernel)
        assert np.array_equal(found["bias"].array, bias)
    headed.write_bytes(safetensors({"c/kernel": kernel, "c/bias": kernel}))
    with pytest.raises(UnstrideError, match="the model needs") as caught:
        keras.read_config(config, headed)
    assert caught.value.reason is Reason.FILE
    with pytest.raises(UnstrideError, match=r"\.weights\.h5"):
        keras.read_config(config, config)


def safetensors(arrays: dict[str, Any]) -> bytes:
    """The format by its description: the header's length, the header, the bytes."""
    header, data = {}, b""
    for name, array in arrays.items():
        start, data = len(data), data + array.tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, len(data)]}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def test_a_norm_with_weights_for_each_position_is_opaque(tmp_path: Path) -> None:
    norm = files.layer("LayerNormalization", "norm", "x", axis=[1, 2, 3], epsilon=1e-3, center=True, scale=True)
    config = files.functional([files.given("x", 5, 6, 2), norm])
    path = "layers/layer_normalization/vars"
    graph = read(tmp_path, config, {f"{path}/{index}": files.integers(5, 6, 2) for index in range(2)})
    assert opaque(graph) == {"norm": "has a scale or an offset for each position"}


@pytest.mark.parametrize("kind", ["GroupNormalization", "BatchNormalization", "Activation"])
def test_channels_first_is_told_by_the_lengths_that_are_open(tmp_path: Path, kind: str) -> None:
    config = {"activation": "relu"} if kind == "Activation" else {"axis": 1, "groups": 2}
    graph = one(tmp_path, files.layer(kind, "y", "x", **config), given=(2, None, None))
    assert not graph.channels_last
    assert (graph.inputs[0].channels, graph.inputs[0].size) == (2, (None, None))
    assert not opaque(graph)


def test_what_layers_say_of_the_order_comes_first(tmp_path: Path) -> None:
    pool = files.layer("MaxPooling2D", "pool", "x", data_format="channels_last")
    with pytest.raises(UnstrideError, match="a fixed number of channels"):
        one(tmp_path, pool, given=(2, None, None))
