"""From LLVM IR to code in memory, compiled once for each process and kept on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from threading import RLock
from typing import Any, Protocol

import llvmlite
import llvmlite.binding as llvm

from . import cache as disk
from .target import Target, fitted, host, machine


class Module(Protocol):
    """LLVM IR: its text is what ``str`` makes of it."""

    triple: str


_LOADED: dict[tuple[str, Target], Binary] = {}
_GUARDS: dict[tuple[str, Target], Any] = {}
"""a lock for each binary: the same one is made once, two different ones at the same time"""
_COUNT = count()
"""numbers the libraries: their names are not used twice"""


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """Compiled code, loaded; it stays in memory as long as this value does."""

    jit: llvm.LLJIT
    library: str
    """its name in the linker"""
    owners: list[llvm.ResourceTracker]
    """LLVM may unload the code when any one of them goes"""
    addresses: dict[str, int] = field(default_factory=dict)

    def address(self, name: str) -> int:
        """Where a function starts; ``LookupError`` if there is none of that name, or it calls what is not there."""
        found = self.addresses.get(name)
        if found is None:
            try:
                owner = self.jit.lookup(self.library, name)
            except RuntimeError as error:
                raise LookupError(str(error)) from None
            self.owners.append(owner)
            found = self.addresses[name] = int(owner[name])
        return found


def load(key: str, emit: Callable[[Target], Module], target: Target | None = None) -> Binary:
    """The code of the module that ``emit`` makes, from memory, from disk or compiled.

    ``key`` must tell the module from every other. A target that this machine cannot run is an ``UnstrideError``.
    """
    target = host() if target is None else fitted(target)
    found = _LOADED.get((key, target))
    if found is None:
        with _GUARDS.setdefault((key, target), RLock()):
            found = _LOADED.get((key, target))
            if found is None:
                found = _LOADED[key, target] = _made(key, emit, target)
    return found


def object_code(module: Module, target: Target) -> bytes:
    """The module compiled for the target."""
    module.triple = target.triple
    return bytes(machine(target).emit_object(llvm.parse_assembly(str(module))))


def assembly(module: Module, target: Target) -> str:
    """The module as the target's assembly, to look at."""
    module.triple = target.triple
    return str(machine(target).emit_assembly(llvm.parse_assembly(str(module))))


def _made(key: str, emit: Callable[[Target], Module], target: Target) -> Binary:
    identity = repr((key, target, llvmlite.__version__, llvm.llvm_version_info))
    kept = disk.read(identity)
    found = _opened(kept) if kept else None
    if found is None:
        code = object_code(emit(target), target)
        found = _opened(code)
        if found is None:
            raise RuntimeError(f"LLVM refuses its own object code for {key}")
        disk.write(identity, code)
    return found


def _opened(code: bytes) -> Binary | None:
    """The object, to be linked when a function is asked for; none if LLVM finds that it is no object."""
    jit = _linker()
    library, objects = f"unstride{next(_COUNT)}", llvm.JITLibraryBuilder().add_object_img(code)
    try:
        return Binary(jit, library, [objects.add_current_process().link(jit, library)])
    except RuntimeError:
        return None


@cache
def _linker() -> llvm.LLJIT:
    """LLVM's JITLink: it maps code, constants and tables as one block, within reach of the small code model."""
    return llvm.create_lljit_compiler(machine(host(), bare=True), use_jit_link=True, suppress_errors=True)


_LLVM: Any = getattr(llvm.ffi.lib, "_lock", nullcontext())
"""llvmlite's lock, held by whoever is inside LLVM"""


def _before_fork() -> None:
    _LLVM.__enter__()


def _after_fork() -> None:
    _LLVM.__exit__(None, None, None)


def _in_child() -> None:
    _after_fork()
    _GUARDS.clear()  # their holders are threads that the child does not have


if hasattr(os, "register_at_fork"):
    # LLVM is forked when no thread is inside it: its state is whole, and the child can take its lock
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
