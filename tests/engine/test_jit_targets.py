"""The code for other CPUs, read as assembly: full vectors, fused, nothing spilled; and run where this machine can."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field

import llvmlite.binding as llvm
import numpy as np
import pytest

from unstride.engine.jit import cache, kernels_product
from unstride.engine.jit.binary import object_code
from unstride.engine.jit.ends import End
from unstride.engine.jit.kernels_product import UNROLL, Form
from unstride.engine.jit.target import CPU_VARIABLE, Target, fitted, host, machine, named

from .product import Numbers, computed, cut, defined, square

LINUX, ARM, APPLE = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "arm64-apple-macosx14.0.0"
FUSED = (
    *((LINUX, cpu) for cpu in ("haswell", "znver3", "skylake-avx512", "sapphirerapids", "znver5")),
    *((ARM, cpu) for cpu in ("neoverse-n1", "cortex-a76")),
    (APPLE, "apple-m1"),
)
"""CPUs with fused multiply-adds"""
EVERY = ("haswell", "skylake-avx512", "neoverse-n1")
"""those that meet every case: one for each number and width of registers; the others have instructions of their own"""
BASELINE = (LINUX, "x86-64")
CASES = {
    "64 channels last": (square(32, 3, 2, 1, 64, 64), False, "float32", None),
    "64 channels first": (square(32, 3, 2, 1, 64, 64), True, "float32", "float16"),
    "21 columns": (square(32, 3, 2, 1, 64, 21), False, "float64", None),
    "3 columns": (square(32, 3, 2, 1, 8, 3), True, "float32", None),
    "6 columns, phases together": (square(32, 4, 2, 1, 8, 6), False, "float32", None),
    "21 depthwise": (square(32, 3, 2, 1, 21, 21, 21), False, "float32", None),
    "1 column, products": (square(32, 3, 1, 1, 67, 1), False, "float32", None),
    "2 columns, products": (square(32, 4, 2, 1, 64, 1), False, "float32", "float16"),
    "3 columns, products": (square(32, 3, 2, 1, 64, 3), False, "float32", None),
    "4 columns, products": (square(32, 4, 2, 1, 64, 2), False, "float32", None),
    "5 columns, products": (square(32, 3, 1, 1, 128, 5), False, "float64", None),
    "6 columns, products": (square(32, 4, 2, 1, 67, 3), False, "float32", None),
    "64 depthwise": (square(32, 3, 2, 1, 64, 64, 64), True, "float64", None),
}
"""layer, channels first, type of the sums, type in memory"""
PAIRS = [
    (name, *each) for each in FUSED for name in CASES if each[1] in EVERY or name in ("21 columns", "21 depthwise")
]

_BLOCK = re.compile(r"^(?:\.?L(?P<head>BB\w+)|[#/;]+ %bb\.\d+):")
_FUNCTION = re.compile(r"^_?(?P<name>[a-z]\w*):")
_REMARK = re.compile(r"^\s+(?:#|//|;) ")
_WITHIN = re.compile(r"in Loop: Header=(BB\w+)")
_INNERMOST = "Inner Loop Header"
_PRODUCT = re.compile(r"v?fn?madd\w*|fmla|v?mul[ps][sd]|fmul")
_WHOLE = {64: "zmm", 32: "ymm", 16: r"\.(?:4s|2d)"}
"""what names a whole register, by its bytes"""


@dataclass
class Block:
    """A basic block, with what LLVM remarks on it and on its instructions."""

    function: str
    head: str
    remarks: str = ""
    code: list[str] = field(default_factory=list)

    @property
    def loop(self) -> str:
        """The innermost loop around it."""
        found = _WITHIN.search(self.remarks)
        return self.head if _INNERMOST in self.remarks else found[1] if found else ""


@dataclass
class Loop:
    """The instructions of an innermost loop."""

    function: str
    code: list[str]

    def of(self, pattern: str) -> list[str]:
        return [line for line in self.code if re.match(pattern, line)]

    @property
    def products(self) -> list[str]:
        return [line for line in self.code if _PRODUCT.match(line)]

    @property
    def saved(self) -> list[str]:
        """Instructions that save or reload a register, or work on one that was saved."""
        return [line for line in self.code if "Spill" in line or "Reload" in line]


def loops(form: Form, target: Target) -> list[Loop]:
    """The innermost loops of the tiles that multiply."""
    module, code = kernels_product.emit(form, target), machine(target)
    module.triple = target.triple
    code.set_asm_verbosity(True)
    blocks = _blocks(str(code.emit_assembly(llvm.parse_assembly(str(module)))))
    innermost = {block.head: block.function for block in blocks if _INNERMOST in block.remarks}
    found = (
        Loop(function, [line for block in blocks if block.loop == head for line in block.code])
        for head, function in innermost.items()
    )
    return [loop for loop in found if loop.function.startswith("tile") and loop.products]


def _blocks(text: str) -> list[Block]:
    blocks = [Block("", "")]
    for line in text.splitlines():
        function, block = _FUNCTION.match(line), _BLOCK.match(line)
        if function or block:
            within = function["name"] if function else blocks[-1].function
            blocks.append(Block(within, (block and block["head"]) or "", line))
        elif _REMARK.match(line):
            blocks[-1].remarks += line
        elif line.startswith("\t") and not line.startswith("\t."):
            blocks[-1].code.append(line.strip())
    return blocks


def form_of(name: str, target: Target) -> Form:
    layer, first, sums, stored = CASES[name]
    return cut(layer, sums, End(stored=stored), target, first=first).form


@pytest.mark.parametrize(("name", "triple", "cpu"), PAIRS)
def test_the_inner_loops(name: str, triple: str, cpu: str) -> None:
    target = named(triple, cpu)
    form = form_of(name, target)
    met: dict[str, set[int]] = {f"tile{count}": set() for count in range(1, form.positions(target) + 1)}
    for loop in loops(form, target):
        assert not loop.saved, loop
        assert not loop.of(r"call|blr?\b"), loop
        # no test but that of the loop's end
        assert len(loop.of(r"j[^m]\w*\b|b\.|cbn?z|tbn?z")) <= 1, loop
        # fused, and on whole registers
        assert all(line.startswith(("vfmadd", "vfnmadd", "fmla")) for line in loop.products), loop
        assert all(re.search(_WHOLE[target.vector_bytes], line) for line in loop.products), loop
        met[loop.function].add(len(loop.products))
    turns = (1, UNROLL.get(form.vectors, 2)) if form.flavour == "broadcast" else (1,)
    sums = form.last if form.flavour == "dot" else form.vectors
    assert met == {f"tile{n}": {n * sums * turn for turn in turns} for n in range(1, len(met) + 1)}
    # four columns leave no lane of four idle
    full = form.last % target.lanes(8 if form.dtype == "float64" else 4) == 0
    assert (form.flavour == "dot") == ("products" in name and not full)


def test_without_fused_multiply_adds_nothing_is_called() -> None:
    target = named(*BASELINE)
    for name in ("64 channels last", "21 depthwise", "64 depthwise"):
        found = loops(form_of(name, target), target)
        assert found
        for loop in found:
            assert not loop.of("call"), loop
            assert len(loop.of(r"j[^m]\w*\b")) <= 1, loop
            assert all(re.match(r"mulp[sd]\b", line) for line in loop.products), loop


@pytest.mark.parametrize(
    ("triple", "cpu", "chains"), [(LINUX, "znver5", 2), (ARM, "neoverse-n1", 2), (LINUX, "haswell", 1)]
)
def test_a_lone_vector_has_two_sums_where_registers_allow_it(triple: str, cpu: str, chains: int) -> None:
    target = named(triple, cpu)
    form = form_of("3 columns", target)
    assert (form.vectors, form.chains) == (1, chains)
    assert form_of("64 channels last", target).chains == 1


@pytest.mark.parametrize(("triple", "cpu"), [(LINUX, "haswell"), (ARM, "neoverse-n1")])
def test_too_large_a_tile_would_be_seen(triple: str, cpu: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = named(triple, cpu)
    monkeypatch.setattr(Form, "positions", lambda form, target: target.registers // form.vectors)
    saved = Counter(loop.function for loop in loops(form_of("64 channels last", target), target) if loop.saved)
    assert f"tile{target.registers // 2}" in saved


@pytest.mark.parametrize(("triple", "cpu"), FUSED[5:])
def test_arm_code_assembles(triple: str, cpu: str) -> None:
    target = named(triple, cpu)
    for name in ("64 channels first", "21 depthwise"):
        code = object_code(kernels_product.emit(form_of(name, target), target), target)
        magic, machine_at, expected = (
            (b"\xcf\xfa\xed\xfe", 4, b"\x0c\x00\x00\x01") if triple == APPLE else (b"\x7fELF", 18, b"\xb7\x00")
        )
        assert code.startswith(magic)
        assert code[machine_at:].startswith(expected)


@pytest.mark.parametrize("cpu", ["x86-64", "haswell", "skylake-avx512"])
@pytest.mark.parametrize("first", [False, True], ids=["channels last", "channels first"])
def test_values_on_another_cpu(cpu: str, first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not host().triple.startswith("x86_64"):
        pytest.skip("forces x86 CPUs on this machine")
    target = named(host().triple, cpu)
    if target.vector_bytes > host().vector_bytes:
        pytest.skip(f"this machine's vectors have {host().vector_bytes} bytes, {cpu}'s {target.vector_bytes}")
    monkeypatch.setenv(cache.FOLDER_VARIABLE, "off")
    for seed, (layer, _, sums, _) in enumerate(CASES.values()):
        small = square(5, layer.kernel[0], 2, 1, layer.in_channels, layer.out_channels, layer.groups)
        arrays = Numbers(seed).arrays(small, sums)
        found = computed(small, *arrays, first=first, target=fitted(target))
        np.testing.assert_array_equal(found, defined(small, *arrays), str(small))


SCRIPT = """
import numpy as np
from unstride import UnstrideError
from unstride.engine import execute
from unstride.engine.jit.target import host
from unstride.geometry import Axis, Layer
numbers = np.random.RandomState(0)
layer = Layer((Axis(5, 9, 3, 2, 1, 1),) * 2, 20, 11)
x, weights = (numbers.randint(-3, 4, shape).astype("f4") for shape in ((2, 20, 5, 5), (20, 11, 3, 3)))
try:
    for data in (x, np.ascontiguousarray(np.moveaxis(x, 1, -1)).transpose(0, 3, 1, 2)):
        found, wanted = (execute.run(layer, data, weights, engine=name) for name in ("jit", "blas"))
        assert np.array_equal(found, wanted)
    print(host().cpu, host().vector_bytes)
except UnstrideError as error:
    print(error.code, error.argument, error.value)
"""


@pytest.mark.parametrize("cpu", ["x86-64", "haswell", "skylake-avx512"])
def test_the_variable_decides_for_a_process(cpu: str) -> None:
    if not host().triple.startswith("x86_64"):
        pytest.skip("forces x86 CPUs on this machine")
    wide = named(host().triple, cpu).vector_bytes
    environment = {**os.environ, CPU_VARIABLE: cpu}
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own script
    refused = f"argument cpu {cpu}"
    assert said.stdout.strip() == (f"{cpu} {wide}" if wide <= host().vector_bytes else refused)
    assert said.stderr == ""
