"""What is on disk is used only if it is whole, ours and private."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import pytest

from unstride.engine.jit import binary, cache, target

from .compiled import Emitter, again, posix


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "cache"
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(place))
    monkeypatch.setattr(binary, "_LOADED", {})
    yield place
    if place.is_dir() and not place.is_symlink():
        place.chmod(0o700)


def entry(folder: Path) -> Path:
    (only,) = folder.iterdir()
    return only


def test_a_binary_is_made_once_then_comes_from_memory_then_from_disk(folder: Path) -> None:
    emit = Emitter()
    first = binary.load("sums", emit)
    assert binary.load("sums", emit) is first
    assert emit.calls == 1
    assert again(emit) == 0
    assert re.fullmatch(r"[0-9a-f]{64}", entry(folder).name)


@posix
def test_folder_and_files_are_private(folder: Path) -> None:
    again(Emitter())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entry(folder).stat().st_mode) == 0o600


def test_a_flipped_bit_anywhere_is_a_recompilation(folder: Path) -> None:
    emit = Emitter()
    again(emit)
    whole = entry(folder).read_bytes()
    identity = whole[: len(cache._MAGIC) + 2 * cache._CHECKSUM]
    places = [*range(0, len(identity), 7), *range(len(identity), len(whole), 61), len(whole) - 1]
    for count, place in enumerate(places):
        entry(folder).write_bytes(whole[:place] + bytes([whole[place] ^ (1 << count % 8)]) + whole[place + 1 :])
        assert again(emit) == 1, place
        assert entry(folder).read_bytes() == whole
    assert again(emit) == 0


@pytest.mark.parametrize("kept", [0, 1, 17, 50, 81, 82, 83, 500, -1])
def test_a_truncated_or_longer_file_is_a_recompilation(folder: Path, kept: int) -> None:
    emit = Emitter()
    again(emit)
    whole = entry(folder).read_bytes()
    entry(folder).write_bytes(whole[:kept])
    assert again(emit) == 1
    entry(folder).write_bytes(whole + b"\0")
    assert again(emit) == 1
    assert again(emit) == 0


@pytest.mark.parametrize("content", [b"", b"not an object", b"\x7fELF" + bytes(60)])
def test_what_llvm_refuses_is_a_recompilation_even_with_a_right_checksum(folder: Path, content: bytes) -> None:
    emit = Emitter()
    again(emit)
    whole = entry(folder).read_bytes()
    head = whole[: len(cache._MAGIC) + cache._CHECKSUM]
    entry(folder).write_bytes(head + sha256(content).digest() + content)
    assert again(emit) == 1
    assert again(emit) == 0


def test_another_entry_under_this_name_is_not_loaded(folder: Path) -> None:
    emit, other = Emitter(), Emitter((1, 2, 3, 4))
    again(emit)
    mine = entry(folder)
    again(other, "other")
    (theirs,) = set(folder.iterdir()) - {mine}
    mine.write_bytes(theirs.read_bytes())
    assert again(emit) == 1


def test_too_large_a_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    emit = Emitter()
    again(emit)
    monkeypatch.setattr(cache, "OBJECT_LIMIT", 100)
    assert again(emit) == 1


@pytest.mark.parametrize("changed", ["version", "source", "llvm", "key", "target"])
def test_whatever_decides_the_code_tells_it_apart(folder: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    emit = Emitter()
    again(emit)
    key = "sums"
    match changed:
        case "version":
            monkeypatch.setattr(cache, "__version__", "0.0.0")
        case "source":
            monkeypatch.setattr(cache, "sources", lambda: "edited")
        case "llvm":
            monkeypatch.setattr(llvm, "llvm_version_info", (1, 0, 0))
        case "key":
            key = "products"
        case "target":
            generic = target.named(
                target.host().triple, "x86-64" if target._is_x86(target.host().triple) else "generic"
            )
            monkeypatch.setattr(binary, "host", lambda: target.fitted(generic))
    assert again(emit, key) == 1
    assert again(emit, key) == 0
    assert len(list(folder.iterdir())) == 2


def test_the_source_of_the_generator_is_digested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "unstride" / "engine" / "jit"
    inside.mkdir(parents=True)
    monkeypatch.setattr(cache, "__file__", str(inside / "cache.py"))
    digests = []
    for text in ("a = 1\n", "a = 2\n"):
        (inside / "kernel.py").write_text(text)
        digests.append(cache.sources.__wrapped__())
    assert len({*digests, None}) == 3
    (inside / "kernel.py").unlink()
    assert cache.sources.__wrapped__() is None


def test_without_the_source_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "sources", lambda: None)
    assert [again(emit := Emitter()), again(emit)] == [1, 1]
    assert not folder.exists()


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_is_not_used(folder: Path, mode: int) -> None:
    emit = Emitter()
    again(emit)
    folder.chmod(mode)
    assert again(emit) == 1
    found = cache.state()
    assert (found.usable, found.remark) == (False, "other users may write in it")
    folder.chmod(0o755)
    assert again(emit) == 0


@posix
@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_file_that_others_may_write_is_replaced(folder: Path, mode: int) -> None:
    emit = Emitter()
    again(emit)
    entry(folder).chmod(mode)
    assert again(emit) == 1
    assert stat.S_IMODE(entry(folder).stat().st_mode) == 0o600


@posix
def test_what_another_user_owns_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emit = Emitter()
    again(emit)
    monkeypatch.setattr(os, "getuid", lambda: folder.stat().st_uid + 1)
    assert again(emit) == 1
    assert cache.state().remark == "belongs to another user"


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_another_user_owns_is_replaced(folder: Path) -> None:
    emit = Emitter()
    again(emit)
    os.chown(entry(folder), 65534, -1)
    assert again(emit) == 1
    assert entry(folder).stat().st_uid == os.getuid()


@posix
def test_links_pipes_and_folders_are_not_entries(folder: Path, tmp_path: Path) -> None:
    emit = Emitter()
    again(emit)
    path, outside = entry(folder), tmp_path / "outside"
    path.rename(outside)
    path.symlink_to(outside)
    assert [again(emit), path.is_symlink(), again(emit)] == [1, False, 0]
    path.unlink()
    os.mkfifo(path)
    assert [again(emit), again(emit)] == [1, 0]
    path.unlink()
    path.mkdir()
    assert [again(emit), again(emit), path.is_dir()] == [1, 1, True]
    assert list(folder.iterdir()) == [path], "an unfinished file is left"


@posix
def test_a_linked_folder_is_not_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    folder.symlink_to(tmp_path / "real")
    emit = Emitter()
    assert [again(emit), again(emit)] == [1, 1]
    assert not list((tmp_path / "real").iterdir())
    assert cache.state().remark == "not a folder, or a link to one"


def test_a_file_in_place_of_the_folder_is_no_error(folder: Path) -> None:
    folder.write_text("mine")
    emit = Emitter()
    assert [again(emit), again(emit)] == [1, 1]
    assert folder.read_text() == "mine"
    assert not cache.state().usable


@posix
def test_a_read_only_folder_is_read(folder: Path) -> None:
    emit = Emitter()
    again(emit)
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user writes everywhere")
    assert again(emit) == 0
    assert again(emit, "more") == 1
    assert (cache.state().usable, cache.state().remark) == (True, "cannot be written")


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_folder_that_takes_no_files_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    folder.mkdir(mode=0o700)
    emit, opened = Emitter(), os.open

    def refuse(path: Any, flags: int, *rest: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(code, os.strerror(code))
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    assert [again(emit), again(emit)] == [1, 1]
    assert not list(folder.iterdir())


def test_an_unfinished_write_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(Path, "replace", refuse)
    assert again(Emitter()) == 1
    assert not list(folder.iterdir())


@pytest.mark.parametrize("off", ["", "off"])
def test_it_can_be_switched_off(folder: Path, monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setenv(cache.FOLDER_VARIABLE, off)
    assert [again(emit := Emitter()), again(emit)] == [1, 1]
    assert (cache.folder(), cache.state().usable) == (None, False)
    assert not folder.exists()


def test_the_platform_decides_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cache.FOLDER_VARIABLE)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    found: dict[tuple[str, str], Path | None] = {}
    for platform in ("linux", "darwin", "win32"):
        for xdg in (str(tmp_path / "xdg"), "relative", ""):
            monkeypatch.setattr(sys, "platform", platform)
            monkeypatch.setenv("XDG_CACHE_HOME", xdg)
            found[platform, xdg] = cache.folder()
    monkeypatch.undo()
    assert found["linux", str(tmp_path / "xdg")] == tmp_path / "xdg" / "unstride"
    assert found["linux", "relative"] == found["linux", ""] == tmp_path / "home" / ".cache" / "unstride"
    assert found["darwin", ""] == tmp_path / "home" / "Library" / "Caches" / "unstride"
    assert found["win32", ""] == tmp_path / "local" / "unstride"


def test_no_home_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv(cache.FOLDER_VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", homeless)
    assert cache.folder() is None
    assert again(Emitter()) == 1


def test_the_folder_stays_within_its_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    emit = Emitter()
    again(emit, "first")
    first = entry(folder)
    (folder / "notes.txt").write_bytes(bytes(10_000))
    (folder / f"{'a' * 64}.{'b' * 16}.tmp").write_bytes(bytes(100))
    for name in ("notes.txt", f"{'a' * 64}.{'b' * 16}.tmp"):
        os.utime(folder / name, (1, 1))
    monkeypatch.setattr(cache, "SELDOM", 1)
    monkeypatch.setattr(cache, "LIMIT", 3 * first.stat().st_size)
    for index in range(6):
        for age, path in enumerate(sorted(folder.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(path, (1000 + age, 1000 + age))
        again(emit, f"more {index}")
    ours = [path for path in folder.iterdir() if path.name != "notes.txt"]
    assert len(ours) == 3
    assert not first.exists()
    assert (folder / "notes.txt").stat().st_size == 10_000
    assert again(emit, "more 5") == 0
    assert again(emit, "first") == 1


def test_what_is_used_counts_as_new(folder: Path) -> None:
    emit = Emitter()
    again(emit)
    os.utime(entry(folder), (1000, 1000))
    assert again(emit) == 0
    assert entry(folder).stat().st_mtime > time.time() - 60


def test_the_state_is_told(folder: Path) -> None:
    before = cache.state()
    assert (before.folder, before.usable, before.remark) == (folder, True, "not created yet")
    assert not folder.exists()
    again(Emitter())
    (folder / "notes.txt").write_text("not ours")
    size = next(path for path in folder.iterdir() if path.name != "notes.txt").stat().st_size
    assert cache.state() == cache.State(folder, usable=True, remark=None, entries=1, bytes=size)
