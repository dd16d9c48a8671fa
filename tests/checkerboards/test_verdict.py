"""The verdict, its remedies and its command."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import ArrayLike, NDArray

from unstride import Reason, UnstrideError, checkerboard, explain, parse, to_subpixel
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


@pytest.mark.parametrize(("value", "said"), [(np.nan, "is NaN"), (-np.inf, "is infinite"), (1e200, "is too large")])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.complex64])
def test_the_first_weight_that_is_not_finite_is_named(
    value: float, said: str, dtype: type, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights: NDArray[Any] = np.ones((3, 3, 1, 1), dtype)
    with np.errstate(over="ignore"):
        weights[1, 2] = weights[2, 1] = value
    said = "is infinite" if value == 1e200 and dtype is not np.float64 else said
    with pytest.raises(UnstrideError, match=said) as caught:
        checkerboard(parse(KERAS), weights, input_shape=(1, 8, 8, 1))
    assert caught.value.argument == "kernel[1, 2, 0, 0]"
    assert caught.value.hint == "2 of the 9 weights are not"
    np.save(tmp_path / "w.npy", weights)
    with pytest.raises(SystemExit):
        main(["checkerboard", KERAS, "--input", "1,8,8,1", "--weights", str(tmp_path / "w.npy")])
    told = capsys.readouterr().err
    assert "kernel[1, 2, 0, 0]=" in told
    assert f"in --weights {tmp_path / 'w.npy'}" in told


def test_a_name_of_no_weights_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "a.npz", k=np.ones((3, 3, 1, 1)), b=np.ones(1))
    for name, said in (("", "must end in .npy"), (f"{tmp_path / 'a.npz'}:x", "'x' is not in it: it holds b, k")):
        with pytest.raises(SystemExit):
            main(["checkerboard", KERAS, "--input", "1,8,8,1", "--weights", name])
        assert said in capsys.readouterr().err


def test_random_weights_have_a_baseline_that_is_told() -> None:
    line = "torch.nn.ConvTranspose2d(64, 64, 4, stride=2, padding=1)"
    weights = np.random.default_rng(1).normal(size=(64, 64, 4, 4))
    found = checkerboard(parse(line), weights, input_shape=(1, 64, 8, 8))
    assert found.gain is not None
    assert abs(float(found.gain.alternation) - 0.75) < 0.02
    assert "independent random weights alternate by 1 − 1/4 = 75 %" in found.text()


def test_the_map_shows_signs_and_says_what_its_pair_and_its_channels_are() -> None:
    line = "torch.nn.ConvTranspose1d(1, 2, 2, stride=2)"
    text = checkerboard(parse(line), np.array([[[-40, 30], [1, -1]]]), input_shape=(1, 1, 8)).text()
    assert "−██ −40   ▓▓ 30" in text
    assert "from input channel 0 to output channel 0, the pair whose gains differ most" in text
    assert "channels by the share of their own energy that alternates, all their pairs together: 1 (100 %), 0" in text


def test_even_weights_do_not_hide_uneven_coverage() -> None:
    even = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1]], float) / 4
    even[1] *= 2
    even[:, 1] *= 2
    found = checkerboard(parse(KERAS), even[:, :, None, None], input_shape=(1, 8, 8, 1))
    assert found.gain is not None
    assert found.gain.alternation == 0
    assert "Both numbers must be 0 for no checkerboard: here coverage is still uneven" in found.text()
    uneven = checkerboard(
        parse(KERAS.replace("3", "4", 1)), np.arange(16).reshape(4, 4, 1, 1), input_shape=(1, 8, 8, 1)
    )
    assert "here weights are still uneven" in uneven.text()


def test_a_pasted_line_is_taken_and_a_missing_shape_is_asked_for() -> None:
    line = "torch.nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1, bias=False)"
    kernel, shape = np.ones((8, 5, 4, 4)), (1, 8, 16, 16)
    assert str(to_subpixel(line, kernel, input_shape=shape)) == str(to_subpixel(parse(line), kernel, input_shape=shape))
    assert str(checkerboard(line, kernel, input_shape=shape)) == str(
        checkerboard(parse(line), kernel, input_shape=shape)
    )
    for asked in (to_subpixel, checkerboard):
        with pytest.raises(UnstrideError, match=r"such as input_shape=\(1, 8, 8, 8\) \[size\]$"):
            asked(line, kernel)


@pytest.mark.parametrize(
    ("line", "shape", "kernel_shape", "bias", "wanted"),
    [
        (
            "torch.nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1)",
            (1, 8, 4, 4),
            (8, 5, 4, 4),
            5,
            '# conv.load_state_dict({"weight": torch.tensor(sub.kernel), "bias": torch.tensor(sub.bias)})',
        ),
        (KERAS, (1, 4, 4, 1), (3, 3, 1, 1), None, "# conv.kernel.assign(sub.kernel)"),
        (KERAS, (1, 4, 4, 1), (3, 3, 1, 1), 1, "# conv.kernel.assign(sub.kernel); conv.bias.assign(sub.bias)"),
        ("tf.nn.conv2d_transpose(x, w, (1, 8, 8, 1), 2)", (1, 4, 4, 1), (3, 3, 1, 1), None, "y = "),
    ],
)
def test_a_sub_pixel_form_says_how_its_weights_are_loaded(
    line: str, shape: tuple[int, ...], kernel_shape: tuple[int, ...], bias: int | None, wanted: str
) -> None:
    addend = None if bias is None else np.zeros(bias)
    found = to_subpixel(line, np.ones(kernel_shape), addend, input_shape=shape)
    assert str(found).splitlines()[-1].startswith(wanted)
