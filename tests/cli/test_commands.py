from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from unstride import __version__, num_threads
from unstride.engine import execute
from unstride.geometry.wire import AXIS_KEYS

from .conftest import Unstride

SAME = "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='same', output_padding=1)"
X = np.array([[2, 1], [3, 2]])
KERNEL = np.array([[1, 2, 1], [2, 0, 1], [0, 2, 1]])


def test_shape_prints_the_shape(unstride: Unstride) -> None:
    ended = unstride("shape", SAME, "--input", "1,2,2,1")
    assert (ended.status, ended.out) == (0, "(1, 4, 4, 1)\n")


def test_shape_as_json_has_the_keys_of_the_design(unstride: Unstride) -> None:
    document = unstride("shape", SAME, "--input", "1,2,2,1", "--json").document
    assert document["output_shape"] == [1, 4, 4, 1]
    axis = {"small": 2, "large": 4, "kernel": 3, "stride": 2, "dilation": 1, "before": 0, "after": 1}
    assert document["axes"] == [axis, axis]
    assert tuple(document["axes"][0]) == AXIS_KEYS


def test_shape_takes_a_function_with_its_kernel(unstride: Unstride) -> None:
    code = "tf.nn.conv2d_transpose(x, w, output_shape=[1, 6, 6, 1], strides=2, padding='VALID')"
    assert unstride("shape", code, "--input", "1,2,2,1", "--kernel", "3,3,1,1").out == "(1, 6, 6, 1)\n"


@pytest.mark.parametrize("spelled", ["1,2,2,1", "1x2x2x1", "(1, 2, 2, 1)", "[1,2,2,1]"])
def test_shapes_may_be_written_as_people_write_them(unstride: Unstride, spelled: str) -> None:
    assert unstride("shape", SAME, "--input", spelled).out == "(1, 4, 4, 1)\n"


def test_code_may_come_from_standard_input(unstride: Unstride, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO(SAME + "\n"))
    assert unstride("shape", "-", "--input", "1,2,2,1").out == "(1, 4, 4, 1)\n"


def test_explain_tells_the_size_and_the_relation(unstride: Unstride) -> None:
    ended = unstride("explain", SAME, "--input", "1,2,2,1")
    assert ended.status == 0
    assert "(1, 4, 4, 1)" in ended.out
    assert "large = stride" in ended.out


def test_explain_as_json(unstride: Unstride) -> None:
    document = unstride("explain", SAME, "--input", "1,2,2,1", "--json").document
    assert document["output_shape"] == [1, 4, 4, 1]
    assert document["axes"][0]["before"] == 0


def test_solve_lists_ways_that_hold(unstride: Unstride) -> None:
    ended = unstride("solve", "--small", "20", "--large", "195", "--kernel", "3", "--stride", "10")
    assert ended.status == 0
    assert "output_padding" in ended.out


def test_solve_as_json_holds_every_row(unstride: Unstride) -> None:
    command = (
        "solve",
        "--small",
        "2",
        "--large",
        "4",
        "--kernel",
        "3",
        "--stride",
        "2",
        "--dialect",
        "torch",
        "--json",
    )
    document = unstride(*command).document
    assert any("padding=1" in row["code"] for row in document["solutions"])


def test_port_says_the_layer_exactly(unstride: Unstride) -> None:
    code = "keras.layers.Conv2DTranspose(1, 3, strides=2, padding='valid')"
    ended = unstride("port", code, "--to", "torch", "--input", "1,2,2,1")
    assert ended.status == 0
    assert ended.out.splitlines()[0] == "torch.nn.ConvTranspose2d(1, 1, 3, stride=2)"


def test_port_refuses_with_what_equals_it(unstride: Unstride) -> None:
    ended = unstride("port", SAME, "--to", "torch", "--input", "1,2,2,1", "--json")
    assert ended.status == 3
    assert ended.document["exact"] is False
    assert ended.document["composition"][-1] == "y = y[:, :, :-1, :-1]"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_run_computes_files(unstride: Unstride, tmp_path: Path, suffix: str) -> None:
    np.save(tmp_path / "x.npy", X.reshape(1, 2, 2, 1))
    np.savez(tmp_path / "w.npz", kernel=KERNEL.reshape(3, 3, 1, 1), other=X)
    output = tmp_path / f"y{suffix}"
    arguments = ["--x", str(tmp_path / "x.npy"), "--kernel", f"{tmp_path / 'w.npz'}:kernel", "--output", str(output)]
    assert unstride("run", SAME, *arguments).status == 0
    from unstride.files import load

    assert load(str(output))[0, :, :, 0].tolist() == [[2, 4, 3, 2], [4, 0, 4, 0], [3, 10, 7, 6], [6, 0, 7, 0]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.npz", "x.npy", f"y{suffix}"]


def test_a_written_file_has_the_permissions_of_any_new_file(unstride: Unstride, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.reshape(1, 2, 2, 1))
    np.save(tmp_path / "w.npy", KERNEL.reshape(3, 3, 1, 1))
    arrays = ["--x", str(tmp_path / "x.npy"), "--kernel", str(tmp_path / "w.npy")]
    assert unstride("run", SAME, *arrays, "--output", str(tmp_path / "y.npy")).status == 0
    assert (tmp_path / "y.npy").stat().st_mode == (tmp_path / "x.npy").stat().st_mode


def test_run_prints_the_numbers_as_a_picture(unstride: Unstride, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.reshape(1, 2, 2, 1))
    np.save(tmp_path / "w.npy", KERNEL.reshape(3, 3, 1, 1))
    ended = unstride("run", SAME, "--x", str(tmp_path / "x.npy"), "--kernel", str(tmp_path / "w.npy"))
    assert ended.out.splitlines()[:2] == ["(1, 4, 4, 1) int64", "[[ 2  4  3  2]"]


def test_variables_are_given_on_the_command_line(unstride: Unstride) -> None:
    command = ["shape", "nn.ConvTranspose2d(c, c // 2, k, stride=2)", "--input", "1,16,4,4"]
    assert unstride(*command, "--set", "c=16", "--set", "k=(3, 5)").out == "(1, 8, 9, 11)\n"
    assert unstride(*command, "--set", "c=open('x')").status == 1


def test_a_call_that_states_its_size_needs_no_input(unstride: Unstride) -> None:
    assert unstride("shape", "conv_utils.deconv_length(20, 10, 3, 'same', None)").out == "(200,)\n"
    assert unstride("shape", SAME).status == 1


def test_port_says_that_an_activation_is_left(unstride: Unstride) -> None:
    code = "keras.layers.Conv2DTranspose(4, 3, strides=2, padding='valid', activation='relu')"
    ended = unstride("port", code, "--to", "pytorch", "--input", "1,8,8,2")
    assert ended.out.splitlines()[-1].startswith("then apply relu")


def test_solve_without_an_answer_says_so_by_its_exit_code(unstride: Unstride) -> None:
    assert unstride("solve", "--small", "4", "--large", "400", "--kernel", "3", "--stride", "2").status == 3


def test_demo_tells_both_answers(unstride: Unstride) -> None:
    document = unstride("demo", "--json").document
    assert document["keras"]["output"] == [[2, 4, 3, 2], [4, 0, 4, 0], [3, 10, 7, 6], [6, 0, 7, 0]]
    assert document["lecture"]["output"] == [[0, 4, 0, 1], [10, 7, 6, 3], [0, 7, 0, 2], [6, 3, 4, 2]]
    assert all(found["code"] or found["composition"] for found in document["ports"])


def test_demo_fits_on_one_screen(unstride: Unstride) -> None:
    lines = unstride("demo").out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120


def test_doctor_knows_its_version_and_engines(unstride: Unstride) -> None:
    document = unstride("doctor", "--json").document
    assert document["unstride"] == __version__
    assert [engine["name"] for engine in document["engines"]] == ["jit", "blas", "reference"]
    assert {"name": "blas", "available": True} in document["engines"]
    assert document["libraries"]["numpy"] == np.__version__
    assert unstride("doctor").status == 0


def test_doctor_knows_what_code_is_compiled_for(
    unstride: Unstride, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    llvmlite = pytest.importorskip("llvmlite")
    from unstride.engine.jit.target import host

    monkeypatch.setenv("UNSTRIDE_CACHE_DIR", str(tmp_path / "kept"))
    document, target = unstride("doctor", "--json").document, host()
    assert {"name": "jit", "available": True} in document["engines"]
    assert document["libraries"]["llvmlite"] == llvmlite.__version__
    assert document["threads"] == num_threads()
    bits, registers = 8 * target.vector_bytes, target.registers
    assert document["target"] == {"cpu": target.cpu, "vector_bits": bits, "vector_registers": registers}
    kept = {"folder": str(tmp_path / "kept"), "usable": True, "remark": "not created yet", "entries": 0, "bytes": 0}
    assert document["cache"] == kept
    shown = " ".join(unstride("doctor").out.split())
    assert f"target {target.cpu}, {registers} vector registers of {bits} bits cache 0 objects, 0.0 MiB in" in shown
    assert "not created yet" in shown


def test_doctor_says_what_an_engine_lacks(unstride: Unstride, monkeypatch: pytest.MonkeyPatch) -> None:
    absent = [replace(row, available=lambda: False) if row.name == "jit" else row for row in execute.ENGINES]
    monkeypatch.setattr(execute, "ENGINES", tuple(absent))
    document = unstride("doctor", "--json").document
    assert {"name": "jit", "available": False, "remedy": "pip install 'unstride[jit]'"} in document["engines"]
    assert document["target"] is None
    shown = unstride("doctor").out
    assert "jit (not available: pip install 'unstride[jit]'), blas, reference" in shown
    assert "\ntarget" not in shown


def test_doctor_reports_settings_that_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked when something is wrong: it never ends over what it examines."""
    for variable in ("UNSTRIDE_NUM_THREADS", "UNSTRIDE_CPU"):
        monkeypatch.setenv(variable, "abacus")
    monkeypatch.setenv("UNSTRIDE_CACHE_DIR", "off")
    command = [sys.executable, "-m", "unstride.cli", "doctor"]
    answer = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)  # noqa: S603 - our own
    document = json.loads(answer.stdout)
    assert "UNSTRIDE_NUM_THREADS" in document["threads"]["error"]
    assert not document["cache"]["usable"]
    if document["target"] is not None:  # without llvmlite no CPU is asked for
        assert "UNSTRIDE_CPU" in document["target"]["error"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    shown = " ".join(answer.stdout.split())
    assert "must be an integer from 1" in shown
    assert "not used: switched off by UNSTRIDE_CACHE_DIR" in shown


def test_dialects_lists_every_call(unstride: Unstride) -> None:
    document = unstride("dialects", "--json").document
    assert "keras.layers.Conv2DTranspose" in document["keras"]
    assert len(document) >= 20


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(unstride: Unstride, shell: str) -> None:
    assert "_UNSTRIDE_COMPLETE" in unstride("completion", shell).out


@pytest.mark.parametrize("command", ["shape", "explain", "solve", "port", "run", "demo", "doctor", "dialects"])
def test_every_command_has_help_and_json(unstride: Unstride, command: str) -> None:
    ended = unstride(command, "--help")
    assert ended.status == 0
    assert "--json" in ended.out


def test_no_colour_reaches_a_pipe() -> None:
    for arguments in (["demo"], ["doctor"], ["explain", SAME, "--input", "1,2,2,1"]):
        piped = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "unstride.cli", *arguments], capture_output=True, text=True, check=True
        )
        assert "\x1b" not in piped.stdout


def processor_time(command: list[str]) -> float:
    """Seconds of processor time of one process, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own commands
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_shape_is_quick_from_a_cold_start() -> None:
    """At most three times what Python takes to start and import the command-line library alone.

    That is about 50 ms on an idle machine of 2026, so three times is 150 ms; a ratio from one interleaved run says
    the same on a busy or a slower one.
    """
    shape = [sys.executable, "-m", "unstride.cli", "shape", SAME, "--input", "1,2,2,1", "--json"]
    library = [sys.executable, "-c", "import click"]
    ratios = [processor_time(shape) / processor_time(library) for _ in range(9)]
    assert median(ratios) < 3


def test_shape_imports_only_what_it_needs() -> None:
    program = (
        "import sys; from unstride.cli import main\n"
        f"try: main(['shape', {SAME!r}, '--input', '1,2,2,1'])\n"
        "except SystemExit: print(*sorted(sys.modules))"
    )
    answer = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(answer.stdout.split())
    heavy = {"numpy", "llvmlite", "rich", "torch", "keras", "unstride.engine", "unstride.dialects.onnx"}
    assert "unstride.geometry" in loaded
    assert loaded.isdisjoint(heavy)


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("import unstride", {"numpy", "llvmlite", "unstride.engine"}),
        ("import unstride; unstride.set_num_threads(2); assert unstride.num_threads() == 2", {"numpy", "llvmlite"}),
        ("import unstride; unstride.run", {"llvmlite"}),
    ],
)
def test_importing_the_package_imports_only_what_it_needs(program: str, heavy: set[str]) -> None:
    answer = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", f"{program}\nimport sys; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(answer.stdout.split())
    assert "unstride.errors" in loaded
    assert loaded.isdisjoint(heavy)
