"""The page in headless Chromium: what a learner does in the first minute, and what an engineer does in the next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .browsing import SEED, artefacts
from .conftest import Opener

if TYPE_CHECKING:
    from playwright.sync_api import Page

FULL = [[2, 4, 3, 2, 1], [4, 0, 4, 0, 1], [3, 10, 7, 6, 3], [6, 0, 7, 0, 2], [0, 6, 3, 4, 2]]
KERAS = [row[:4] for row in FULL[:4]]
LECTURE = [row[1:] for row in FULL[1:]]


@pytest.fixture
def page(visit: Opener, url: str) -> Page:
    return visit(url)


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    return artefacts(tmp_path)


def paste(page: Page, line: str) -> None:
    page.get_by_label("Paste the line").fill(line)
    page.keyboard.press("Enter")


def size(page: Page) -> str:
    return page.locator(".size").inner_text()


def settled(page: Page, shown: str) -> None:
    page.wait_for_function("(text) => document.querySelector('.size').innerText === text", arg=shown)


def grid(page: Page, panel: int) -> list[list[str]]:
    """The numbers of one panel, row by row."""
    script = """(panel) => {
      const rows = new Map();
      for (const cell of panel.querySelectorAll(".cell")) {
        const row = rows.get(cell.dataset.i) ?? [];
        rows.set(cell.dataset.i, [...row, cell.querySelector("text")?.textContent ?? ""]);
      }
      return [...rows.values()];
    }"""
    found: list[list[str]] = page.locator(".panel").nth(panel).evaluate(script)
    return found


def written(rows: list[list[int]]) -> list[list[str]]:
    return [[str(entry) for entry in row] for row in rows]


# --- the first minute -----------------------------------------------------------------------------------------


def test_the_seed_s_line_gives_four_by_four_one_pixel_from_the_lecture(page: Page, shots: Path) -> None:
    paste(page, SEED)
    settled(page, "2 × 2 → 4 × 4")
    assert "(2 − 1) · 2 + 3 − 0 − 1 = 4" in page.locator(".formula").inner_text()
    assert grid(page, 2) == written(FULL)
    assert "the lecture" in page.locator(".elsewhere").inner_text().lower()
    page.get_by_role("button", name="Compare", exact=True).click()
    assert grid(page, 1) == written(KERAS)
    assert grid(page, 2) == written(LECTURE)
    caption = page.locator(".caption").inner_text()
    assert caption.startswith("Same size, 1 pixel apart. Of 5 columns of stamps, yours keeps 0…3")
    assert "keep 1…4" in caption
    assert page.locator(".box.output").count() == 1
    assert page.locator(".box.other").count() == 1
    page.screenshot(path=shots / "compare.png", full_page=True)


def test_the_animation_steps_to_its_end(page: Page) -> None:
    page.get_by_label("First step").click()
    assert grid(page, 2) == written([[2, 4, 2, 0, 0], [4, 0, 2, 0, 0], [0, 4, 2, 0, 0], [0] * 5, [0] * 5])
    for number in (2, 3, 4):
        page.get_by_label("Step on").click()
        assert page.locator(".steps").inner_text() == f"stamp {number} of 4"
    assert grid(page, 2) == written(FULL)
    page.get_by_label("Step on").click()
    assert page.locator(".steps").inner_text() == "all 4 stamps"
    page.get_by_label("Step back").click()
    assert page.locator(".steps").inner_text() == "stamp 4 of 4"


def test_it_plays_and_pauses(page: Page) -> None:
    page.get_by_role("button", name="▶ Play").click()
    assert page.locator(".steps").inner_text() == "stamp 1 of 4"
    page.get_by_role("button", name="❚❚ Pause").click()
    stopped = page.locator(".steps").inner_text()
    page.wait_for_timeout(900)
    assert page.locator(".steps").inner_text() == stopped
    page.get_by_role("button", name="▶ Play").click()
    page.wait_for_function("() => document.querySelector('.steps').textContent === 'all 4 stamps'")


def test_a_cell_tells_its_sum(page: Page) -> None:
    page.locator('.panel.output [data-i="2"][data-j="2"]').hover()
    said = page.locator(".sum").inner_text()
    assert said.startswith("output[2, 2] = input[1, 1]·kernel[0, 0] + ")
    assert said.endswith("= 2·1 + 3·1 + 1·0 + 2·1 = 7")
    assert page.locator(".panel.input .lit").count() == 4
    assert page.locator(".panel.kernel .lit").count() == 4
    page.locator('.panel.input [data-i="0"][data-j="1"]').hover()
    assert (
        page.locator(".sum").inner_text()
        == "input[0, 1] = 1 stamps 1 × kernel onto 6 output cells; 3 more are cropped away"
    )
    assert page.locator(".panel.output .lit").count() == 9


def test_every_view_shows_the_same_output(page: Page, shots: Path) -> None:
    for view, title in {"gather": "Gather", "zeros": "Zeros between"}.items():
        page.get_by_role("button", name=title).click()
        assert grid(page, 2) == written(FULL), view
    page.get_by_role("button", name="Matrix").click()
    flat = [[str(entry)] for row in KERAS for entry in row]
    assert page.locator(".panel").nth(2).locator("text.title").text_content() == "output"
    assert page.locator(".panel").nth(2).locator(".cell").all_text_contents() == [entry for [entry] in flat]
    assert grid_shape(page, 0) == (16, 4)
    assert grid_shape(page, 3) == (4, 16)
    page.get_by_role("button", name="Checkerboard").click()
    assert [row[:4] for row in grid(page, 0)[:4]] == written([[1, 1, 2, 1], [1, 1, 2, 1], [2, 2, 4, 2], [1, 1, 2, 1]])
    assert "Kernel 2 or 4 would be even" in page.locator(".caption").inner_text()
    page.screenshot(path=shots / "checkerboard.png", full_page=True)


def grid_shape(page: Page, panel: int) -> tuple[int, int]:
    script = """(panel) => {
      const cells = [...panel.querySelectorAll(".cell rect")];
      return ["y", "x"].map((name) => new Set(cells.map((cell) => cell.getAttribute(name))).size);
    }"""
    rows, columns = page.locator(".panel").nth(panel).evaluate(script)
    return rows, columns


# --- lines, links, sizes --------------------------------------------------------------------------------------


def copied(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_the_pytorch_line_is_copied(page: Page) -> None:
    page.get_by_label("Copy the PyTorch line").click()
    assert copied(page) == "y = torch.nn.ConvTranspose2d(1, 1, 3, stride=2)\ny = y[:, :, :-1, :-1]"
    refusal = page.locator('[data-dialect="torch"] .reason').inner_text()
    assert refusal.startswith("Not in one call: padding crops as much after as before")
    paste(page, "nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)")
    page.wait_for_function(
        "() => document.querySelector('[data-dialect=keras] code').textContent.includes('4, strides=2')"
    )
    page.get_by_label("Copy the PyTorch line").click()
    assert copied(page) == "torch.nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)"


def test_a_shared_link_restores_what_was_seen(page: Page, visit: Opener) -> None:
    paste(page, "nn.ConvTranspose2d(16, 33, (3, 5), stride=(2, 1), padding=(1, 2), output_padding=(1, 0))")
    settled(page, "2 × 2 → 4 × 2")
    page.get_by_role("button", name="Gather").click()
    page.get_by_label("First step").click()
    page.get_by_label("Step on").click()
    page.get_by_label("kernel", exact=True).last.fill("1 -1\n0 3")
    page.get_by_label("First step").click()
    page.get_by_label("Step on").click()
    page.get_by_label("Copy a link").click()
    other = visit(copied(page))
    settled(other, "2 × 2 → 4 × 2")
    assert other.locator(".steps").inner_text() == "output 2 of 8"
    assert other.get_by_role("button", name="Gather").get_attribute("aria-pressed") == "true"
    assert [grid(other, k) for k in range(3)] == [grid(page, k) for k in range(3)]
    line = other.get_by_label("Paste the line").input_value()
    assert line.startswith("nn.ConvTranspose2d(16, 33, (3, 5)")


def test_a_link_may_hold_the_line_alone(visit: Opener, url: str) -> None:
    page = visit(f"{url}#line=nn.ConvTranspose2d(1,+1,+4,+stride%3D3)")
    settled(page, "2 × 2 → 7 × 7")
    assert page.get_by_label("framework").input_value() == "torch"


@pytest.mark.parametrize(
    "address",
    [
        "#f=keras&n=0,0&k=3,3&s=2,2&d=1,1&p=same,same&o=,&z=,",
        "#f=evil&v=<script>&x=1;;;&w=a",
        "#n=9999999999999999999&i=-4",
        "#%%%",
    ],
)
def test_a_garbled_link_shows_the_start(visit: Opener, url: str, address: str) -> None:
    assert size(visit(url + address)) == "2 × 2 → 4 × 4"


def test_sliders_move_the_picture_and_the_line(page: Page) -> None:
    page.get_by_label("strides", exact=True).fill("3")
    settled(page, "2 × 2 → 5 × 5")
    assert page.get_by_label("Paste the line").input_value() == (
        "keras.layers.Conv2DTranspose(1, 3, strides=3, padding='same', output_padding=1)"
    )
    page.get_by_label("framework").select_option("torch")
    page.get_by_label("padding", exact=True).fill("0")
    page.get_by_label("input size", exact=True).fill("4")
    page.get_by_label("output_padding", exact=True).fill("2")
    settled(page, "4 × 4 → 14 × 14")
    page.get_by_label("axes", exact=True).select_option("1")
    settled(page, "4 → 14")
    page.get_by_label("axes", exact=True).select_option("3")
    settled(page, "4 × 4 × 4 → 14 × 14 × 14")
    assert "Drawn are two of the three axes" in page.locator(".caption").inner_text()
    page.get_by_label("set each axis by itself").check()
    page.get_by_label("depth: input size", exact=True).fill("2")
    settled(page, "2 × 4 × 4 → 8 × 14 × 14")


def test_what_a_framework_forbids_is_said(page: Page) -> None:
    page.get_by_label("framework").select_option("torch")
    page.get_by_label("output_padding, as a number").fill("9")
    assert (
        "output_padding must be smaller than either stride or dilation" in page.locator(".result .problem").inner_text()
    )
    assert size(page) == "no output"
    page.get_by_label("output_padding, as a number").fill("0")
    assert size(page) != "no output"


def test_another_size_is_one_click_away(page: Page) -> None:
    assert "turns 3 and 4 both into 2" in page.locator(".sizes").inner_text()
    page.get_by_role("button", name="3 output_padding=0").click()
    settled(page, "2 × 2 → 3 × 3")


def test_the_wanted_size_is_solved_and_picked(page: Page) -> None:
    page.get_by_label("I want an output size of").fill("6")
    page.get_by_role("button", name="Find lines").click()
    page.wait_for_selector(".solutions .pick")
    line = page.locator(".solutions .pick").first.inner_text()
    page.locator(".solutions .pick").first.click()
    settled(page, "2 × 2 → 6 × 6")
    assert page.get_by_label("Paste the line").input_value() == line
    page.get_by_label("I want an output size of").fill("999")
    page.get_by_role("button", name="Find lines").click()
    page.wait_for_function(
        "() => document.querySelector('.solver [role=status]').textContent.startsWith('No line gives 999')"
    )


def test_a_convolution_is_drawn_the_other_way_round(page: Page) -> None:
    paste(page, "nn.Conv2d(1, 1, 3, stride=2, padding=1)")
    settled(page, "2 × 2 → 1 × 1")
    page.get_by_label("input size", exact=True).fill("5")
    settled(page, "5 × 5 → 3 × 3")
    page.locator('.panel.output [data-i="0"][data-j="0"]').hover()
    assert page.locator(".sum").inner_text().endswith("= 0·1 + 0·2 + 0·1 + 0·2 + 2·0 + 1·1 + 0·0 + 3·2 + 2·1 = 9")
    assert page.get_by_role("button", name="Zeros between").is_hidden()


def test_own_numbers_are_computed_with(page: Page) -> None:
    page.get_by_label("input", exact=True).last.fill("-1")
    page.get_by_label("kernel", exact=True).last.fill("1 2\n3 4")
    assert grid(page, 2)[0] == ["−1", "−2", "−2", "−2", "−1"]
    page.get_by_label("kernel", exact=True).last.fill("many")
    assert page.get_by_label("kernel", exact=True).last.get_attribute("aria-invalid") == "true"
    assert grid(page, 2)[0] == ["−1", "−2", "−2", "−2", "−1"]


# --- the keyboard ---------------------------------------------------------------------------------------------


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent")
    return name


def test_the_keyboard_reaches_and_does_everything(page: Page) -> None:
    page.locator("body").press("Tab")
    seen = []
    for _ in range(60):
        seen.append(focused(page))
        if seen[-1] == "Picture of the layer":
            break
        page.keyboard.press("Tab")
    assert {"framework", "strides", "padding", "Scatter", "Compare crops", "▶ Play", "Step on", "Step"} <= set(seen)
    page.keyboard.press("ArrowRight")
    assert page.locator(".sum").inner_text().startswith("output[0, 0] =")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.locator(".sum").inner_text() == "output[1, 1] = input[0, 0]·kernel[1, 1] = 2·0 = 0"
    page.keyboard.press("i")
    assert page.locator(".sum").inner_text().startswith("input[0, 0] = 2 stamps")
    page.keyboard.press("Escape")
    assert page.locator(".sum").inner_text().startswith("Point at a number")
    page.keyboard.press(" ")
    page.keyboard.press(" ")
    assert page.locator(".steps").inner_text().startswith("stamp")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert focused(page).startswith("Cop")


# --- what nobody should paste ---------------------------------------------------------------------------------


def complaint(page: Page) -> str:
    page.wait_for_selector(".paste .problem p")
    return page.locator(".paste .problem").inner_text()


def test_a_wrong_line_is_underlined(page: Page) -> None:
    paste(page, "nn.ConvTranspose2d(16, 33, 3, strid=2)")
    assert "did you mean stride?" in complaint(page)
    assert "^^^^" in complaint(page)
    assert size(page) == "2 × 2 → 4 × 4"


def test_script_in_a_line_is_text(page: Page) -> None:
    for line in ("<script>document.title='x'</script>", "<img src=x onerror=alert(1)>('\"><svg onload=alert(1)>')"):
        paste(page, line)
        page.wait_for_function(
            "(line) => document.querySelector('.paste .problem').innerText.includes(line.slice(0, 8))", arg=line
        )
    assert page.title() == "unstride: see a transposed convolution"
    assert page.locator(".paste img, .paste script, .paste svg").count() == 0


def test_a_megabyte_is_refused(page: Page) -> None:
    page.evaluate(
        """() => {
          const field = document.querySelector(".paste textarea");
          field.value = "x".repeat(1_000_000);
          field.dispatchEvent(new Event("input"));
        }"""
    )
    assert "at most 10,000 characters" in complaint(page)


def test_a_billion_elements_are_elided(page: Page) -> None:
    page.get_by_label("input size, as a number").fill("1000000000")
    settled(page, "1,000,000,000 × 1,000,000,000 → 2,000,000,000 × 2,000,000,000")
    assert 50 < page.locator(".cell").count() < 300
    page.get_by_role("button", name="Show the end").click()
    assert "1999999999" in page.locator(".panel.output .tick").all_text_contents()
    page.locator('.panel.output [data-i="1999999999"][data-j="1999999999"]').hover()
    assert (
        page.locator(".sum")
        .inner_text()
        .startswith("output[1999999999, 1999999999] = input[999999999, 999999999]·kernel[1, 1]")
    )
    page.get_by_label("kernel_size, as a number").fill("999999999")
    assert page.get_by_label("kernel_size, as a number").get_attribute("aria-invalid") == "true"


def test_a_kernel_too_long_to_draw_is_said(page: Page) -> None:
    paste(page, "nn.ConvTranspose1d(1, 1, 100000, stride=7)")
    settled(page, "2 → 100,007")
    assert "is not drawn; the sizes are exact" in page.locator(".frame").inner_text()


# --- narrow, and in the dark ----------------------------------------------------------------------------------

LAYERS = {
    "seed": "",
    "sparse": "#f=torch&n=3,3&k=2,2&s=4,4&d=1,1&p=0,0&o=1,1&z=,",
    "dilated": "#f=torch&n=3,3&k=3,3&s=2,2&d=3,3&p=2,2&o=0,0&z=,",
    "negative": "#f=&n=3,3&k=3,3&s=2,2&d=1,1&p=1:-2,-1:1&o=,&z=,",
    "flat": "#f=torch&n=6&k=4&s=3&d=2&p=1&o=0&z=&v=gather",
    "large": "#f=keras&n=195,195&k=5,5&s=3,3&d=1,1&p=same,same&o=,&z=,",
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_fits_a_phone_and_the_dark(visit: Opener, url: str, shots: Path, name: str) -> None:
    for width, scheme in ((390, "light"), (1280, "dark")):
        page = visit(url + LAYERS[name], viewport={"width": width, "height": 844}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        clipped = page.evaluate(
            "[...document.querySelectorAll('.frame svg')].some((each) => each.clientWidth > innerWidth)"
        )
        assert not clipped
        page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
