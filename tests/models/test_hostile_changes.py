"""Files changed at random, in their bytes and in their configuration: read, or refused, and nothing else."""

from __future__ import annotations

import copy
import json
import zipfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unstride.errors import UnstrideError
from unstride.models import keras

from . import keras_files as files
from .harm import touched

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sound(path: Path) -> bool:
    """Whether the file is read, weights and all; any error but a refusal fails the test."""
    try:
        touched(keras.read(path))
    except UnstrideError:
        return False
    return True


cuts = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=12), st.integers(0, 12)), max_size=4)


def changed(data: bytes, changes: list[tuple[float, bytes, int]]) -> bytes:
    for share, new, dropped in changes:
        at = int(share * len(data))
        data = data[:at] + new + data[at + dropped :]
    return data


@FUZZ
@given(cuts, st.booleans())
def test_changed_archives_are_refused_or_read(
    tmp_path: Path, changes: list[tuple[float, bytes, int]], compressed: bool
) -> None:
    path = files.small(tmp_path, compressed=compressed)
    path.write_bytes(changed(path.read_bytes(), changes))
    sound(path)


@FUZZ
@given(cuts)
def test_changed_weights_are_refused_or_read(tmp_path: Path, changes: list[tuple[float, bytes, int]]) -> None:
    with zipfile.ZipFile(files.small(tmp_path)) as members:
        config, stored = json.loads(members.read("config.json")), members.read("model.weights.h5")
    sound(files.archive(tmp_path / "changed.keras", config, changed(stored, changes)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["x", "a", "same"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["class_name", "config"]), inner),
    max_leaves=4,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON tree."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(deeper for key, value in entries for deeper in places(value, (*path, key)))]


@FUZZ
@given(st.data())
def test_changed_configurations_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    with zipfile.ZipFile(files.small(tmp_path)) as members:
        config, stored = json.loads(members.read("config.json")), members.read("model.weights.h5")
    config = copy.deepcopy(config)
    *path, last = data.draw(st.sampled_from(places(config)[1:]))
    owner = config
    for key in path:
        owner = owner[key]
    if data.draw(st.booleans()):
        owner[last] = data.draw(VALUES)
    else:
        del owner[last]
    sound(files.archive(tmp_path / "changed.keras", config, stored))


def test_the_file_that_is_changed_is_sound(tmp_path: Path) -> None:
    assert sound(files.small(tmp_path))
    assert sound(files.small(tmp_path, compressed=True))
