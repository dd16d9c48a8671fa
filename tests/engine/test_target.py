"""The CPU that code is made for: read off this machine, or forced, and never one that this machine is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from unstride import UnstrideError
from unstride.engine.jit import binary, target
from unstride.engine.jit.target import CPU_VARIABLE, Target

LINUX, MACOS, WINDOWS = "x86_64-unknown-linux-gnu", "arm64-apple-macosx14.0.0", "x86_64-pc-windows-msvc-elf"
ARM = "aarch64-unknown-linux-gnu"
x86 = pytest.mark.skipif(not target._is_x86(llvm.get_process_triple()), reason="forces x86 CPUs on this machine")


@pytest.fixture(autouse=True)
def unforced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(CPU_VARIABLE, raising=False)
    forget()
    yield
    monkeypatch.undo()
    forget()


def forget() -> None:
    for known in (target.host, target.named, target.fitted):
        known.cache_clear()


def pretend(monkeypatch: pytest.MonkeyPatch, own: Target) -> None:
    monkeypatch.setattr(target, "_native", lambda: own)
    forget()


@pytest.mark.parametrize(
    ("cpu", "vector_bytes", "registers"),
    [
        *[(cpu, 16, 16) for cpu in ("x86-64", "x86-64-v2", "nocona", "nehalem", "sandybridge", "ivybridge", "bdver2")],
        *[(cpu, 32, 16) for cpu in ("haswell", "skylake", "alderlake", "znver1", "znver3", "x86-64-v3", "bdver4")],
        *[(cpu, 64, 32) for cpu in ("skylake-avx512", "icelake-server", "sapphirerapids", "znver4", "x86-64-v4")],
    ],
)
def test_the_vectors_of_an_x86_cpu(cpu: str, vector_bytes: int, registers: int) -> None:
    for triple in (LINUX, WINDOWS):
        found = target.named(triple, cpu)
        assert (found.vector_bytes, found.registers) == (vector_bytes, registers)


@pytest.mark.parametrize("triple", [ARM, MACOS])
@pytest.mark.parametrize("cpu", ["generic", "cortex-a72", "neoverse-v1", "apple-m1"])
def test_every_arm_cpu_is_neon(triple: str, cpu: str) -> None:
    found = target.named(triple, cpu)
    assert (found.vector_bytes, found.registers, found.lanes(4), found.lanes(8)) == (16, 32, 4, 2)


def test_this_machine_is_as_wide_as_its_cpu() -> None:
    own = target.host()
    assert own.triple.startswith(llvm.get_process_triple())
    assert own.cpu == llvm.get_host_cpu_name()
    if sys.platform == "linux" and target._is_x86(own.triple):
        flags = set(Path("/proc/cpuinfo").read_text().split("flags", 1)[1].split("\n", 1)[0].split())
        wide = {"avx512f", "avx512vl"} <= flags
        assert own.vector_bytes == (64 if wide else 32 if {"avx2", "fma"} <= flags else 16)


@pytest.mark.parametrize("triple", [LINUX, WINDOWS, ARM, MACOS])
def test_an_unknown_cpu_is_an_error_not_a_message(triple: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnstrideError, match=r"cpu='quantum-9000': LLVM [\d.]+ knows no such CPU") as caught:
        target.named(triple, "quantum-9000")
    assert caught.value.code == "argument"
    assert "UNSTRIDE_CPU" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_what_others_say_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    said = target._said(lambda: os.write(2, b"'x' is not a recognized processor\nsomething else\n"))
    assert b"not a recognized" in said
    assert capfd.readouterr().err == "something else\n"


UNKNOWN = """
import os
from unstride import UnstrideError
from unstride.engine.jit.target import host, named
{before}
try:
    {act}
except UnstrideError as error:
    print(error.argument, error.value)
"""


def run(act: str, before: str = "", **environment: str) -> tuple[int, str]:
    script = UNKNOWN.format(before=before, act=act)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout.strip()


def test_the_variable_forces_the_cpu() -> None:
    assert run("host()", UNSTRIDE_CPU="quantum-9000") == (0, "cpu quantum-9000")


def test_a_closed_standard_error_is_no_crash() -> None:
    code, said = run(f"print(named({LINUX!r}, 'haswell').vector_bytes)", before="os.close(2)")
    assert (code, said) == (0, "32")
    code, said = run(f"named({LINUX!r}, 'quantum-9000')", before="os.close(2)")
    assert (code, said) == (0, "cpu quantum-9000")
    code, said = run(f"named({LINUX!r}, 'quantum-9000')", before="os.closerange(0, 1); os.close(2)")
    assert (code, said) == (0, "cpu quantum-9000")


@x86
def test_a_forced_cpu_runs_if_this_machine_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CPU_VARIABLE, "nehalem")
    forced = target.host()
    assert (forced.cpu, forced.vector_bytes) == ("nehalem", 16)
    assert target.fitted(forced) is forced
    monkeypatch.delenv(CPU_VARIABLE)
    forget()
    assert target.host() == target._native()


@x86
def test_wider_vectors_than_this_machine_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = target._native()
    pretend(monkeypatch, replace(own, vector_bytes=16))
    with pytest.raises(UnstrideError, match=r"needs vectors of 32 bytes, this machine's .* have 16"):
        target.host("haswell")
    with pytest.raises(UnstrideError, match="needs vectors of 32 bytes"):
        binary.load("never", never, target.named(own.triple, "haswell"))


def never(_: Target) -> ir.Module:
    raise AssertionError("emitted for a machine that cannot run it")


def test_another_architecture_is_refused() -> None:
    other = ARM if target._is_x86(target.host().triple) else LINUX
    with pytest.raises(UnstrideError, match="runs no code for"):
        binary.load("never", never, target.named(other, "generic" if other == ARM else "x86-64"))


def test_where_features_are_not_listed_only_the_baseline_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, target.named(ARM, "cortex-a72"))
    assert target.host("generic").cpu == "generic"
    assert target.host("cortex-a72").cpu == "cortex-a72"
    with pytest.raises(UnstrideError, match="cannot be known"):
        target.host("neoverse-v1")


def swapping(wanted: Target) -> ir.Module:
    """A byte swap of a word in memory: one ``movbe`` where the CPU has it."""
    module, word = ir.Module("swap"), ir.IntType(64)
    module.triple = wanted.triple
    swap = ir.Function(module, ir.FunctionType(word, [word.as_pointer()]), "swap")
    intrinsic = module.declare_intrinsic("llvm.bswap", [word])
    code = ir.IRBuilder(swap.append_basic_block())
    code.ret(code.call(intrinsic, [code.load(swap.args[0])]))
    return module


@x86
def test_code_never_has_an_instruction_this_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    triple = target._native().triple
    free = target.named(triple, "haswell")
    assert "movbe" in binary.assembly(swapping(free), free)
    features = llvm.get_host_cpu_features()
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: type(features)({**features, "movbe": False}))
    pretend(monkeypatch, replace(target._native(), vector_bytes=32))
    fitted = target.host("haswell")
    assert "-movbe" in fitted.features
    assert "movbe" not in binary.assembly(swapping(fitted), fitted).replace("-movbe", "")


@pytest.mark.parametrize(("triple", "cpu"), [(WINDOWS, "haswell"), (LINUX, "skylake-avx512"), (ARM, "neoverse-v1")])
def test_code_for_other_machines_can_be_made_and_read(triple: str, cpu: str) -> None:
    other = target.named(triple, cpu)
    assert "swap" in binary.assembly(swapping(other), other)
    assert binary.object_code(swapping(other), other).startswith(b"\x7fELF")
