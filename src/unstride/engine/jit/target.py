"""The machine that code is generated for: its name for LLVM, and what decides the size of a tile."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from threading import Lock

import llvmlite.binding as llvm

from ...errors import Reason, UnstrideError

CPU_VARIABLE = "UNSTRIDE_CPU"
"""environment variable that forces LLVM's name of the CPU, such as ``haswell`` or ``skylake-avx512``"""

FEW_REGISTERS = 16
"""vector registers that the sums of eight positions fill with a vector of columns: more hold two sums for each"""

_BASELINE = "+64bit,+sse2"
"""what every x86-64 CPU has; without it LLVM ends the process over a CPU that it does not know"""

_UNKNOWN = b"is not a recognized processor"
_STDERR = 2
_STDERR_LOCK = Lock()


@dataclass(frozen=True, slots=True)
class Target:
    """A CPU as LLVM names it.

    >>> host().lanes(4) >= 4
    True
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    """bytes of a vector register"""
    registers: int
    """number of vector registers"""

    @property
    def halves(self) -> bool:
        """Whether it converts half precision itself; on x86, every CPU with AVX2 does."""
        return self.vector_bytes > 16 or not _is_x86(self.triple)

    def lanes(self, itemsize: int) -> int:
        """Elements in a vector register."""
        return self.vector_bytes // itemsize


@lru_cache(maxsize=8)
def host(cpu: str | None = None) -> Target:
    """This machine, or this machine as if its CPU were ``cpu`` (by default, what ``UNSTRIDE_CPU`` says at first).

    ``UnstrideError`` for a CPU that LLVM does not know, or whose vectors are wider than this machine's.
    """
    forced = cpu or os.environ.get(CPU_VARIABLE)
    return fitted(named(_native().triple, forced)) if forced else _native()


@lru_cache(maxsize=32)
def named(triple: str, cpu: str) -> Target:
    """A CPU by LLVM's name, whether or not this machine is one: its code can be read, and run where it fits."""
    _initialize_all()
    _check_known(triple, cpu)
    if _is_x86(triple):
        level = _x86_level(triple, cpu)
        # prefer-256-bit would make LLVM split the vectors we ask for
        text = f"{_BASELINE},-prefer-256-bit" if level == 64 else _BASELINE
        return Target(triple, cpu, text, level, _registers(triple, wide=level == 64))
    return Target(triple, cpu, "-sve", 16, _registers(triple, wide=False))


@lru_cache(maxsize=32)
def fitted(target: Target) -> Target:
    """The target without any instruction that this machine lacks; ``UnstrideError`` where too little is left."""
    own = _native()
    if target == own:
        return target
    if target.triple != own.triple:
        raise _rejected(target.cpu, f"this machine is {own.triple} and runs no code for {target.triple}")
    if target.vector_bytes > own.vector_bytes:
        widths = f"vectors of {target.vector_bytes} bytes, this machine's ({own.cpu}) have {own.vector_bytes}"
        raise _rejected(target.cpu, f"needs {widths}")
    if not _is_x86(own.triple):
        # elsewhere LLVM does not list the features that a host lacks: only names that say too little are safe
        if target.cpu not in ("generic", own.cpu):
            raise _rejected(target.cpu, f"whether this machine ({own.cpu}) has its instructions cannot be known")
        return target
    lacking = ",".join(f"-{name}" for name, there in sorted(llvm.get_host_cpu_features().items()) if not there)
    if target.features.endswith(lacking):
        return target
    return replace(target, features=",".join(filter(None, (target.features, lacking))))


def machine(target: Target, *, bare: bool = False) -> llvm.TargetMachine:
    """LLVM's code generator for the target; a bare one, made faster, only loads code."""
    _initialize()
    if target.triple != _native().triple:
        _initialize_all()
    cpu, features = ("", "") if bare else (target.cpu, target.features)
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small", jit=False
    )


@cache
def _native() -> Target:
    _initialize()
    # LLVM's in-memory loader takes ELF objects on Windows
    triple = llvm.get_process_triple() + ("-elf" if os.name == "nt" else "")
    features = llvm.get_host_cpu_features()
    wide = bool(features.get("avx512f") and features.get("avx512vl"))
    vector_bytes = 64 if wide else 32 if features.get("avx2") and features.get("fma") else 16
    ours = "-prefer-256-bit" if wide else "" if _is_x86(triple) else "-sve"
    text = ",".join(filter(None, (features.flatten(), ours)))
    return Target(triple, llvm.get_host_cpu_name(), text, vector_bytes, _registers(triple, wide=wide))


def _is_x86(triple: str) -> bool:
    return triple.startswith(("x86_64", "amd64"))


def _registers(triple: str, *, wide: bool) -> int:
    return 32 if wide or triple.startswith(("aarch64", "arm64")) else 16


def _check_known(triple: str, cpu: str) -> None:
    """LLVM says that it does not know a CPU on standard error only, and later ends the process over it."""
    target = llvm.Target.from_triple(triple)
    with _STDERR_LOCK:
        said = _said(lambda: target.create_target_machine(cpu=cpu))
    if _UNKNOWN in said:
        version = ".".join(map(str, llvm.llvm_version_info))
        raise _rejected(cpu, f"LLVM {version} knows no such CPU for {triple}")


def _rejected(cpu: str, rule: str) -> UnstrideError:
    hint = f"set {CPU_VARIABLE} to another CPU's name, or to nothing for this machine's own"
    return UnstrideError(Reason.ARGUMENT, rule, argument="cpu", value=cpu, hint=hint)


def _said(act: Callable[[], object]) -> bytes:
    """What LLVM writes to standard error meanwhile; what others write is passed on."""
    try:
        shown = os.dup(_STDERR)
    except OSError:  # closed: LLVM would end the process because it cannot write
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDERR)
        shown = os.dup(_STDERR)
    source, sink = os.pipe()
    try:
        os.dup2(sink, _STDERR)
        act()
    finally:
        os.dup2(shown, _STDERR)
        os.close(shown)
        os.close(sink)
    with os.fdopen(source, "rb") as pipe:
        lines = pipe.read().splitlines(keepends=True)
    for line in lines:
        if _UNKNOWN not in line:
            os.write(_STDERR, line)
    return b"".join(lines)


def _x86_level(triple: str, cpu: str) -> int:
    """Vector bytes of an x86 CPU, read off the code LLVM generates: AVX-512 of bytes and words, AVX2 with FMA, SSE."""
    source = """
        define <32 x i16> @add(<32 x i16> %a, <32 x i16> %b) {
          %c = add <32 x i16> %a, %b
          ret <32 x i16> %c
        }
        define <8 x float> @fma(<8 x float> %a, <8 x float> %b) {
          %c = call <8 x float> @llvm.fma.v8f32(<8 x float> %a, <8 x float> %b, <8 x float> %b)
          ret <8 x float> %c
        }
        declare <8 x float> @llvm.fma.v8f32(<8 x float>, <8 x float>, <8 x float>)
    """
    code = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=f"{_BASELINE},-prefer-256-bit", opt=1
    )
    add, fma = str(code.emit_assembly(llvm.parse_assembly(source))).split("fma:", 1)
    if "vfmadd" not in fma:
        return 16
    sums = [line for line in add.splitlines() if "vpaddw" in line]
    return 64 if any("zmm" in line for line in sums) else 32 if any("ymm" in line for line in sums) else 16


@cache
def _initialize() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@cache
def _initialize_all() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
