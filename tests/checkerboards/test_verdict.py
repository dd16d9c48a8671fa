"""The verdict, its remedies and its command."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import ArrayLike

from unstride import Reason, UnstrideError, checkerboard, explain, parse
from unstride.answers.coverage import is_even, measure_coverage
from unstride.checkerboards.remedies import even_layers
from unstride.cli import main
from unstride.dialects import registry
from unstride.dialects.spec import Spec
from unstride.geometry import Axis, Layer
from unstride.testing.strategies import layers

KERAS = "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same')"
LECTURE = np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]])[:, :, None, None]
REAL = "torch.nn.ConvTranspose3d(4, 2, 3, stride=(2, 1, 3), padding=1)"


def real_kernel() -> ArrayLike:
    return np.random.default_rng(0).normal(size=(4, 2, 3, 3, 3))


@pytest.mark.parametrize(
    ("name", "code", "kernel", "input_shape"),
    [
        ("lecture", KERAS, LECTURE, (1, 8, 8, 1)),
        ("no_weights", "torch.nn.ConvTranspose1d(4, 2, 3, stride=10)", None, (1, 4, 20)),
        ("real_3d", REAL, real_kernel(), (1, 4, 5, 6, 3)),
        ("forward", "torch.nn.Conv2d(1, 1, 3, stride=2, padding=1)", LECTURE.transpose(2, 3, 0, 1), (1, 1, 9, 9)),
        ("stride_1", "torch.nn.ConvTranspose2d(1, 1, 3)", LECTURE.transpose(2, 3, 0, 1), (1, 1, 9, 9)),
    ],
)
def test_what_is_told(
    name: str, code: str, kernel: ArrayLike | None, input_shape: tuple[int, ...], golden: Callable[[str, str], None]
) -> None:
    golden(f"checkerboard_{name}", str(checkerboard(parse(code), kernel, input_shape=input_shape)))


def test_both_numbers_are_there_and_apart() -> None:
    even = parse("keras.layers.Conv2DTranspose(1, 4, strides=2, padding='same')")
    found = checkerboard(even, np.arange(16).reshape(4, 4, 1, 1), input_shape=(1, 8, 8, 1))
    assert found.even
    assert found.coverage.alternation == 0
    assert found.gain is not None
    assert found.gain.alternation > 0
    uneven = checkerboard(
        parse(KERAS), np.array([1, 2, 1])[:, None, None, None] * [[[1]], [[2]], [[1]]], input_shape=(1, 8, 8, 1)
    )
    assert not uneven.even
    assert uneven.coverage.alternation == Fraction(19, 100)
    assert uneven.gain is not None
    assert uneven.gain.alternation == 0


def test_nothing_is_to_be_done_where_nothing_alternates() -> None:
    even = parse("keras.layers.Conv2DTranspose(1, 2, strides=2)")
    assert checkerboard(even, np.ones((2, 2, 1, 1)), input_shape=(1, 8, 8, 1)).remedies == ()
    assert checkerboard(even, input_shape=(1, 8, 8, 1)).remedies != ()
    assert checkerboard(parse("torch.nn.ConvTranspose2d(1, 1, 3)"), input_shape=(1, 1, 8, 8)).remedies == ()


def test_the_activation_is_not_forgotten() -> None:
    active = parse("keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same', activation='relu')")
    told = {each.name: each.lines[-1] for each in checkerboard(active, input_shape=(1, 8, 8, 1)).remedies}
    assert told["kernel"] == told["sub-pixel"] == "# then apply relu"


def test_json_says_the_same() -> None:
    document = checkerboard(parse(KERAS), LECTURE, input_shape=(1, 8, 8, 1)).as_json()
    assert json.loads(json.dumps(document, allow_nan=False))["coverage"]["alternation"] == 0.19
    assert document["coverage"]["phase_range"] == [1, 4]
    assert document["gain"]["alternation"] == pytest.approx(9 / 34)
    assert document["gain"]["strength"] == ((3.0, 4.0), (3.0, 0.0))
    assert [remedy["name"] for remedy in document["remedies"]] == ["kernel", "kernel", "initialise", "sub-pixel"]


def test_explain_gives_the_number_too() -> None:
    document = explain(parse(KERAS), (1, 8, 8, 1)).as_json()
    assert document["coverage_alternation"] == 0.19
    assert [axis["alternation"] for axis in document["coverage"]] == [0.1, 0.1]


@given(layers(max_group_channels=1))
def test_an_even_layer_has_the_same_sizes_and_reaches_as_much(layer: Layer) -> None:
    found = even_layers(layer, "torch")
    assert (found == ()) == all(map(is_even, layer.axes))
    for each in found:
        assert all(map(is_even, each.layer.axes))
        assert measure_coverage(each.layer).alternation == 0
        assert (each.layer.input_size, each.layer.output_size) == (layer.input_size, layer.output_size)
        assert each.layer.stride == layer.stride
        assert all(shift in (Fraction(-1, 2), 0, Fraction(1, 2)) for shift in each.shift)
        for old, new in zip(layer.axes, each.layer.axes, strict=True):
            assert new.before >= min(0, old.before)
            assert new.after >= min(0, old.after)
        if isinstance(each.outcome.written, Spec):
            spec = each.outcome.written
            assert spec.read(spec.input_shape(each.layer), spec.kernel_shape(each.layer)) == each.layer


def test_a_smaller_kernel_may_not_leave_elements_without_a_stamp() -> None:
    whole = Layer((Axis(8, 17, kernel=3, stride=2),), 1, 1)
    assert [each.layer.kernel for each in even_layers(whole, "torch")] == [(4,)]
    cropped = Layer((Axis(8, 16, kernel=3, stride=2, before=1),), 1, 1)
    assert [each.layer.kernel for each in even_layers(cropped, "torch")] == [(4,), (2,)]


def test_a_common_factor_of_stride_and_dilation_is_removed() -> None:
    layer = Layer((Axis(5, 21, kernel=3, stride=2, dilation=2),), 1, 1)
    larger = even_layers(layer, "torch")[0].layer.axes[0]
    assert (larger.kernel, larger.dilation) == (6, 1)


@pytest.mark.parametrize("dialect", registry.NAMES)
def test_every_dialect_gets_its_remedies(dialect: str) -> None:
    layer = Layer((Axis(8, 15, kernel=3, stride=2, before=1),) * 2, 2, 3)
    written = registry.write(layer, dialect)
    spec = written if isinstance(written, Spec) else written.composition and written.composition.spec
    assert spec
    kernel = spec.kernel_shape(layer) if spec.functional else None
    read = layer if isinstance(written, Spec) else written.composition and written.composition.layer
    assert read
    found = checkerboard(spec, input_shape=spec.input_shape(read), kernel_shape=kernel)
    assert {"kernel", "sub-pixel"} <= {remedy.name for remedy in found.remedies}
    assert all(remedy.lines and all(remedy.lines) for remedy in found.remedies)


def test_functions_need_a_kernel_or_its_shape() -> None:
    spec = parse("tf.nn.conv2d_transpose(x, w, output_shape=[1, 6, 6, 1], strides=2, padding='VALID')")
    with pytest.raises(UnstrideError) as raised:
        checkerboard(spec, input_shape=(1, 2, 2, 1))
    assert raised.value.reason is Reason.KERNEL
    given_shape = checkerboard(spec, input_shape=(1, 2, 2, 1), kernel_shape=(3, 3, 1, 1))
    assert given_shape.coverage == checkerboard(spec, LECTURE, input_shape=(1, 2, 2, 1)).coverage


def test_a_stride_too_long_to_list_is_rejected() -> None:
    spec = parse("torch.nn.ConvTranspose1d(1, 1, 3, stride=1000000)")
    with pytest.raises(UnstrideError) as raised:
        checkerboard(spec, input_shape=(1, 1, 8))
    assert raised.value.reason is Reason.TOO_LARGE


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["checkerboard", *arguments])
    return int(str(stopped.value.code))


def test_the_command_reads_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "w.npy", LECTURE)
    assert command(KERAS, "--input", "1,8,8,1", "--weights", str(tmp_path / "w.npy")) == 0
    told = capsys.readouterr().out
    assert told == f"{checkerboard(parse(KERAS), LECTURE, input_shape=(1, 8, 8, 1))}\n"
    assert command(KERAS, "--input", "1,8,8,1", "--weights", str(tmp_path / "w.npy"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["gain"]["energy_alternation"] > 0


def test_the_command_needs_no_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(KERAS, "--input", "1,8,8,1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["gain"] is None


def test_the_command_rejects_weights_of_another_layer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "w.npy", LECTURE[:2])
    assert command(KERAS, "--input", "1,8,8,1", "--weights", str(tmp_path / "w.npy")) == 1
    assert "(3, 3, 1, 1)" in capsys.readouterr().err
