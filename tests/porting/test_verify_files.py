"""``verify`` on lines and model files, and on shapes that the model states or leaves open."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

from unstride import UnstrideError, parse, verify
from unstride.cli import main
from unstride.live.calling import Called, channels_first, channels_last
from unstride.models import keras
from unstride.porting.subjects import resolved

EXAMPLES = Path(__file__).parents[2] / "examples"
UNET = EXAMPLES / "unet.keras"
TORCH = "torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, output_padding=1)"
KERAS = "keras.layers.Conv2DTranspose(2, 3, strides=2, padding='same')"


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["verify", *arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_lines_are_read_as_the_command_reads_them() -> None:
    assert verify(TORCH, parse(TORCH), input_shape=(1, 3, 4, 4))
    assert str(verify(TORCH, KERAS, input_shape=(1, 3, 4, 4))) == str(
        verify(parse(TORCH), parse(KERAS), input_shape=(1, 3, 4, 4))
    )


def test_a_keras_file_is_a_network(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    verdict = verify(UNET, keras.read(UNET), input_shape=(1, 16, 16, 3))
    assert verdict
    assert verdict.names == ("unet.keras", "unet")
    code, out, _ = asked(capsys, str(UNET), str(UNET), "--input", "1,16,16,3", "--json")
    assert (code, json.loads(out)["same"]) == (0, True)
    with ZipFile(tmp_path / "broken.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    code, _, err = asked(capsys, str(UNET), str(tmp_path / "broken.keras"), "--input", "1,16,16,3")
    assert (code, err.startswith("error: ")) == (1, True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("weights.pt", "pickled objects"),
        ("model.h5", "former format"),
        ("missing.keras", "missing.keras"),
        ("missing.pt2", "missing.pt2"),
        ("missing.onnx", "is no ONNX file"),
    ],
)
def test_a_file_that_is_not_read_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    code, _, err = asked(capsys, name, KERAS, "--input", "1,4,4,3")
    assert code == 1
    assert words in err
    assert "holds no call" not in err
    with pytest.raises(UnstrideError, match=words):
        verify(name, KERAS, input_shape=(1, 4, 4, 3))


def stating(*shape: int | None, first: bool = True) -> Called:
    ordered = (channels_first if first else channels_last)(len(shape) - 2)
    return Called(lambda x: x, "net", ordered, input_shape=shape)


def test_a_shape_that_either_states_need_not_be_given() -> None:
    assert verify(stating(None, 3, 4, 5), stating(None, 3, 4, 5)).probes[0].startswith("(1, 3, 4, 5): ")
    open_, whole = stating(None, 3, None, None), stating(2, 4, 5, 3, first=False)
    assert verify(open_, whole).probes[0].startswith("(2, 3, 4, 5): ")
    assert verify(np.asarray, whole, layouts=("NCHW", None)).probes[0].startswith("(2, 3, 4, 5): ")


def test_a_shape_that_is_needed_is_asked_for_in_the_things_own_layout(capsys: pytest.CaptureFixture[str]) -> None:
    hints = {
        stating(None, 5, None, None): r"such as \(1, 5, 8, 8\), in a's data layout, NCHW",
        stating(None, None, 5, first=False): r"such as \(1, 8, 5\), in a's data layout, NWC",
        Called(lambda x: x, "net", channels_first(3)): r"such as \(1, 3, 8, 8, 8\), in a's data layout, NCDHW",
        Called(lambda x: x, "net", channels_first(None)): r"such as \(1, 3, 8, 8\), in a's data layout, NCHW",
        parse("torch.nn.Conv1d(7, 1, 3)"): r"such as \(1, 7, 8\), in a's data layout, NCW",
    }
    for thing, words in hints.items():
        with pytest.raises(UnstrideError, match=f"input_shape.*{words}"):
            verify(thing, thing)
    _, _, err = asked(capsys, TORCH, KERAS)
    assert "--input=None: is needed: a does not state it" in err
    assert "such as --input 1,3,8,8, in a's data layout, NCHW" in err
    _, _, err = asked(capsys, str(UNET), str(UNET))
    assert "--input=(1, None, None, 3): is needed: a leaves these sizes open" in err
    assert "such as --input 1,8,8,3, in a's data layout, NHWC" in err


def test_a_path_is_no_line(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("nn.Conv2d(1, 1, 3)")
    with pytest.raises(UnstrideError, match="no kind that is read"):
        resolved(tmp_path / "notes")
    with pytest.raises(UnstrideError, match="no kind that is read"):
        resolved(str(tmp_path / "notes"))
