"""Files: what is in them, how large they may be, and that they are whole or untouched."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unstride import UnstrideError, draw
from unstride.pictures import Picture, page, raster, views
from unstride.pictures.convolving import STEPS_LIMIT
from unstride.pictures.shapes import Rectangle
from unstride.pictures.svg import item_text
from unstride.pictures.theme import THEMES
from unstride.pictures.views import CELLS_LIMIT

from .cases import CASES, KERNEL, LECTURE, X

HUGE = "torch.nn.ConvTranspose2d(1, 1, 7, stride=3, padding=2)"


@pytest.fixture
def lecture() -> Picture:
    return draw(LECTURE, x=X, kernel=KERNEL, view="gather")


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_png_has_two_pixels_to_a_unit(lecture: Picture) -> None:
    image = opened(lecture.png())
    assert image.format == "PNG"
    assert image.size == (round(2 * lecture.drawing.width), round(2 * lecture.drawing.height))


def test_png_shows_the_theme(lecture: Picture) -> None:
    light, dark = (opened(lecture.png(theme)).convert("RGB").getpixel((1, 1)) for theme in ("light", "dark"))
    assert (light, dark) == ((255, 255, 255), (0x16, 0x19, 0x1D))


def test_gif_has_a_frame_for_each_step_and_goes_round(lecture: Picture) -> None:
    image = opened(lecture.gif())
    assert getattr(image, "n_frames", 0) == len(lecture.film.steps) == 16
    assert image.info["loop"] == 0
    assert image.info["duration"] == 1000 * raster.STEP_SECONDS


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        (".html", ["steps computed", "frames laid out"]),
        (".gif", ["steps computed", "frames laid out", "frames painted"]),
        (".svg", []),
    ],
)
def test_animations_tell_how_far_they_are(lecture: Picture, tmp_path: Path, kind: str, parts: list[str]) -> None:
    told: list[tuple[str, int, int]] = []
    path = lecture.save(tmp_path / f"lecture{kind}", progress=lambda *each: told.append(each))
    assert told == [(part, done, 16) for part in parts for done in range(1, 17)]
    assert path.read_bytes() == lecture.save(tmp_path / f"untold{kind}").read_bytes()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_gif_keeps_the_colours_of_the_theme(lecture: Picture, theme: str) -> None:
    image = opened(lecture.gif(theme))
    image.seek(len(lecture.film.steps) - 1)
    gif = np.asarray(image.convert("RGB"), int)
    painted = np.asarray(raster._painted(lecture.film.frames[-1], THEMES[theme], raster.GIF_SCALE), int)
    flat = np.zeros(painted.shape[:2], bool)
    for colour in map(raster._parts, THEMES[theme].fills.values()):
        flat |= (painted == colour).all(axis=2)
    assert flat.mean() > 0.8
    assert np.abs(gif - painted)[flat].max() <= 8  # Pillow looks colours up in steps of four levels


def test_a_gif_that_is_too_long_is_drawn_smaller(lecture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lecture.gif()
    monkeypatch.setattr(raster, "GIF_BYTES", len(whole) - 1)
    smaller = lecture.gif()
    assert len(smaller) < len(whole)
    assert opened(smaller).width < opened(whole).width


def test_a_large_png_is_drawn_smaller(lecture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raster, "PIXELS_LIMIT", 50_000)
    width, height = opened(lecture.png()).size
    assert width * height <= 51_000


def test_without_pillow_the_error_says_what_to_do(lecture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(UnstrideError, match=r"unstride\[pictures\]") as caught:
        lecture.png()
    assert caught.value.code == "file"


def test_a_font_that_lacks_signs_gets_others(lecture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    raster._font.cache_clear()
    monkeypatch.setattr(raster, "FONTS", dict.fromkeys(raster.FONTS, ("no-such-font.ttf",)))
    assert opened(lecture.png()).format == "PNG"
    raster._font.cache_clear()


def frames_of(html: str) -> dict[str, list[list[int]]]:
    found = re.search(r'<script type="application/json" id="frames">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    document: dict[str, list[list[int]]] = json.loads(found[1])
    return document


def test_the_page_asks_nothing_of_any_other_place(lecture: Picture) -> None:
    html = lecture.html()
    assert set(re.findall(r"https?://[^\"' <]+", html)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in html
    assert not re.search(r"\b(src|href)=", html)


@pytest.mark.parametrize("name", ["lecture_torch_gather", "lecture_torch_zeros", "lecture_keras_scatter", "one_axis"])
def test_every_frame_of_the_page_shows_the_items_of_its_step(name: str) -> None:
    picture = CASES[name]()
    html = picture.html()
    group = re.search(r'<g id="moving">\n(.*?)\n</g>\n', html, re.DOTALL)
    assert group is not None
    moving = [re.sub(r"^<g[^>]*>|</g>$", "", line) for line in group[1].split("\n")]
    outside = html.replace(group[1], "")
    document = frames_of(html)
    assert len(document["frames"]) == len(document["words"]) == len(picture.film.frames)
    for shown, drawing in zip(document["frames"], picture.film.frames, strict=True):
        wanted = {item_text(item) for item in drawing.back}
        assert {line for line in wanted if line not in outside} == {moving[at] for at in shown}


@pytest.mark.parametrize("name", ["lecture_torch_zeros", "dilation", "convolution_scatter"])
def test_nothing_on_the_page_covers_text(name: str) -> None:
    shared = page._Shared.of(CASES[name]().film.frames)
    kinds = [isinstance(item, Rectangle) for item in (*shared.moving, *shared.words)]
    assert kinds == sorted(kinds, reverse=True)
    assert all(isinstance(item, Rectangle) for item in shared.ground)


def test_a_page_that_is_too_long_keeps_its_first_steps_and_the_end(
    lecture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = frames_of(lecture.html())["words"]
    monkeypatch.setattr(page, "PAGE_BYTES", len(lecture.html()) - 8_000)
    kept = frames_of(lecture.html())["words"]
    assert 2 <= len(kept) < len(whole)
    assert kept == [*whole[: len(kept) - 1], whole[-1]]


@pytest.mark.parametrize("view", ["scatter", "gather", "zeros", "matrix", "coverage"])
@pytest.mark.parametrize("size", [50, 1_000_000_000])
def test_a_huge_layer_is_a_small_file(view: str, size: int) -> None:
    picture = draw(HUGE, (1, 1, size, size), view=view)
    assert len(picture.svg()) < 200_000
    assert len(views.steps(picture.view, picture.examples)) <= STEPS_LIMIT


def test_a_long_animation_is_a_small_page() -> None:
    picture = draw(HUGE, (1, 1, 20, 20), view="gather")
    cells = sum(len(grid.cells) for grid in picture.film.steps[0].grids)
    assert len(picture.film.steps) == CELLS_LIMIT // cells < STEPS_LIMIT
    assert len(picture.html()) < 500_000


def test_a_kernel_of_many_taps_is_drawn_at_once() -> None:
    assert draw("torch.nn.ConvTranspose1d(1, 1, 1000000007, stride=3)", (1, 1, 10**9)).text()
    assert draw("torch.nn.Conv1d(1, 1, 1000000007, stride=3)", (1, 1, 10**9 + 100), view="gather").text()


@pytest.mark.parametrize("kind", ["svg", "png", "gif", "html", "txt"])
def test_files_are_written_by_their_ending(lecture: Picture, tmp_path: Path, kind: str) -> None:
    path = lecture.save(tmp_path / f"picture.{kind.upper()}")
    starts = {"svg": b"<svg", "png": b"\x89PNG", "gif": b"GIF89a", "html": b"<!doctype html>", "txt": b"torch"}
    assert path.read_bytes().startswith(starts[kind])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_another_ending_is_rejected(lecture: Picture, tmp_path: Path) -> None:
    with pytest.raises(UnstrideError, match=r"must end in \.svg"):
        lecture.save(tmp_path / "picture.pdf")


def test_a_file_that_cannot_be_written_is_left_alone(lecture: Picture, tmp_path: Path) -> None:
    with pytest.raises(UnstrideError, match="cannot be written"):
        lecture.save(tmp_path / "missing" / "picture.svg")
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(UnstrideError, match="cannot be written"):
        lecture.save(tmp_path / "taken.svg")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken.svg"]


def test_a_link_is_followed_and_permissions_stay(lecture: Picture, tmp_path: Path) -> None:
    kept = tmp_path / "kept.svg"
    kept.write_text("old")
    kept.chmod(0o640)
    (tmp_path / "link.svg").symlink_to(kept)
    lecture.save(tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink()
    assert kept.read_text() == lecture.svg()
    assert kept.stat().st_mode & 0o777 == 0o640


def test_a_disk_that_is_full_leaves_the_old_file(
    lecture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.svg").write_text("old")

    def full(self: Path, target: Path) -> Path:
        del self, target
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UnstrideError, match="No space left"):
        lecture.save(tmp_path / "old.svg")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("old.svg", "old")]


def test_notebooks_get_svg_and_a_player(lecture: Picture) -> None:
    assert lecture._repr_svg_() == lecture.svg()
    assert 'sandbox="allow-scripts"' in lecture._repr_html_()
    assert draw(LECTURE, x=X, kernel=KERNEL, view="matrix")._repr_html_().startswith("<svg")


def test_an_unknown_theme_is_rejected(lecture: Picture) -> None:
    with pytest.raises(UnstrideError, match="must be one of auto, light, dark"):
        lecture.svg("sepia")


def test_json_holds_the_cells(lecture: Picture) -> None:
    document = json.loads(json.dumps(lecture.as_json(), allow_nan=False))
    output = document["panels"][-1]["grids"][0]
    assert output["boxes"] == [{"name": "", "start": [0, 0], "stop": [4, 4]}]
    kept = [cell["value"] for cell in output["cells"] if min(cell["index"]) >= 0]
    assert kept == [0, 4, 0, 1, 10, 7, 6, 3, 0, 7, 0, 2, 6, 3, 4, 2]
