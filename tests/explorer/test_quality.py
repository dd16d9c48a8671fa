"""Weight, speed and accessibility of the page."""

from __future__ import annotations

import itertools
import json
import re
import statistics
import time
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

from unstride.explorer.asking import ask
from unstride.explorer.export import page as exported
from unstride.explorer.modules import static

from .conftest import Opener

if TYPE_CHECKING:
    from playwright.sync_api import Page

WEIGHT = 200_000
LOAD_MILLISECONDS = 1000
INTERACTION_MILLISECONDS = 50
REPEATED = 12
LINES, BODY = 400, 40
HEAD = re.compile(
    r"( *)(?:(?:export )?(?:async )?function \w+|(?!if|for|while|switch)(?:async |get )?\w+)\([^;]*\) \{$"
)
"""where a function or a method begins"""


def least(measure: Callable[[], float], limit: float, attempts: int) -> float:
    """The least of so many attempts, or the first below the limit: others use the processor, too."""
    taken: list[float] = []
    while len(taken) < attempts and min(taken, default=limit) >= limit:
        taken.append(measure())
    return min(taken)


def test_the_page_weighs_little(visit: Opener, url: str) -> None:
    page = visit(url)
    sent = page.evaluate("""() => ["resource", "navigation"]
      .flatMap((kind) => performance.getEntriesByType(kind))
      .reduce((sum, entry) => sum + entry.transferSize, 0)""")
    assert 20_000 < sent < WEIGHT
    assert len(exported().encode()) < WEIGHT


def test_it_loads_within_a_second(visit: Opener, url: str) -> None:
    """The fastest of several new profiles, from the request to the first picture."""

    def load() -> float:
        page = visit(url, wait=False)
        page.wait_for_selector(".cell")
        return float(page.evaluate("performance.getEntriesByName('drawn')[0].startTime"))

    assert 0 < least(load, LOAD_MILLISECONDS, attempts=12) < LOAD_MILLISECONDS


INTERACTIONS = {
    "slider": """(k) => {
      const field = document.querySelector("input[type=range][aria-label=strides]");
      field.value = 2 + k % 3;
      field.dispatchEvent(new Event("input"));
    }""",
    "hover": """(k) => document.querySelector(`.panel.output [data-i="${k % 3}"][data-j="1"] rect`)
      .dispatchEvent(new PointerEvent("pointerover", { bubbles: true }))""",
    "step": """() => document.querySelector("[aria-label='Step back']").click()""",
    "view": """(k) => document.querySelectorAll(".tabs button")[k % 6].click()""",
    "numbers": """(k) => {
      const field = document.querySelector(".numbers textarea");
      field.value = `${k} 1`;
      field.dispatchEvent(new Event("input"));
    }""",
}


@pytest.mark.parametrize("name", INTERACTIONS)
@pytest.mark.parametrize("address", ["", "#f=keras&n=195,195&k=7,7&s=3,3&d=1,1&p=same,same&o=,&z=,"])
def test_an_interaction_takes_no_time(visit: Opener, url: str, name: str, address: str) -> None:
    """Handler, drawing and layout: the median of the quietest of a few rounds."""
    page = visit(url + address)
    script = f"""() => {{
      const act = {INTERACTIONS[name]};
      return Array.from({{ length: {REPEATED} }}, (_, k) => {{
        const begun = performance.now();
        act(k);
        document.querySelector(".frame").getBoundingClientRect();
        return performance.now() - begun;
      }});
    }}"""
    found = least(lambda: statistics.median(page.evaluate(script)), INTERACTION_MILLISECONDS, attempts=10)
    assert 0 < found < INTERACTION_MILLISECONDS


@pytest.mark.parametrize("kind", ["read", "explain"])
def test_a_question_is_answered_in_no_time(kind: str) -> None:
    """Python's work for a layer that it has not seen: the least of several."""
    channels = itertools.count(1)

    def answer() -> float:
        line = f"nn.ConvTranspose2d({next(channels)}, 1, 4, stride=2, padding=1)"
        begun = time.process_time()
        assert "error" not in ask({"ask": kind, "line": line, "size": [2, 2], "kernel": [3, 3]})
        return 1000 * (time.process_time() - begun)

    assert least(answer, INTERACTION_MILLISECONDS, attempts=60) < INTERACTION_MILLISECONDS


def test_an_answer_does_not_wait_for_more_to_send(url: str) -> None:
    """A small answer is sent at once: no 40 ms for the other side's acknowledgement."""
    httpx = pytest.importorskip("httpx", reason="httpx asks the server")
    question = {"ask": "read", "line": "nn.ConvTranspose2d(1, 1, 3)", "size": [2, 2], "kernel": [3, 3]}
    taken = []
    with httpx.Client(base_url=url) as client:
        for _ in range(20):
            begun = time.perf_counter()
            client.post("ask", json=question)
            taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.035, taken


# --- accessibility --------------------------------------------------------------------------------------------

STATES = {
    "start": "",
    "compare": "#v=compare",
    "matrix": "#v=matrix",
    "coverage": "#v=coverage",
    "three": "#f=torch&n=2,3,4&k=3,2,1&s=2,1,3&d=1,1,1&p=1,0,0&o=0,0,0&z=,,",
    "refused": "#f=torch&n=2,2&k=3,3&s=2,2&d=1,1&p=0,0&o=3,3&z=,",
}


def violations(page: Page) -> list[str]:
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    page.evaluate(f"() => {{ {axe} }}")
    found: list[dict[str, Any]] = page.evaluate("() => axe.run(document).then((found) => found.violations)")
    return [f"{each['id']}: {json.dumps([node['html'][:160] for node in each['nodes']])}" for each in found]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit: Opener, url: str, width: int, scheme: str) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe-core comes with it")
    for name in STATES if width > 390 else ("start", "compare", "refused"):
        wait = name != "refused"
        page = visit(url + STATES[name], viewport={"width": width, "height": 900}, color_scheme=scheme, wait=wait)
        page.wait_for_selector(".size")
        for summary in page.locator("details:not([hidden]) > summary").all():
            summary.click()
        if name == "start":
            page.get_by_label("First step").click()
            page.get_by_label("Paste the line").fill("nn.ConvTranspose2d(1, 1, 3, strid=2)")
            page.wait_for_selector(".paste .problem pre")
            page.get_by_label("I want an output size of").fill("4")
            page.get_by_role("button", name="Find lines").click()
            page.wait_for_selector(".solutions .pick")
        assert violations(page) == [], name


CONTRAST = """() => {
  const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [red, green, blue] = colour.match(/[0-9.]+/g).map((part) => channel(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const fill = (element) => light(getComputedStyle(element).fill);
  const card = light(getComputedStyle(document.querySelector(".middle")).backgroundColor);
  const found = [...document.querySelectorAll(".frame svg text")].map((text) => {
    const rect = text.parentNode.querySelector(":scope > rect");
    const behind = text.parentNode.matches(".cell") ? fill(rect) : card;
    return [ratio(fill(text), behind), text.parentNode.getAttribute("class"), text.getAttribute("class")];
  });
  return found.sort((a, b) => a[0] - b[0])[0];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_number_of_the_picture_stands_out(visit: Opener, url: str, scheme: str) -> None:
    """Contrast of at least 4.5 : 1 between each text of the picture and what is behind it, in every view."""
    page = visit(url, color_scheme=scheme)
    for view in ("Scatter", "Gather", "Zeros between", "Matrix", "Checkerboard", "Compare crops"):
        page.get_by_role("button", name=view, exact=True).click()
        for step in ("First step", "Step on"):
            if page.get_by_label(step).is_visible():
                page.get_by_label(step).click()
            ratio, *where = page.evaluate(CONTRAST)
            assert ratio >= 4.5, (view, where)
        page.locator(".frame .cell").nth(3).hover()
        ratio, *where = page.evaluate(CONTRAST)
        assert ratio >= 4.5, (view, where)


def test_motion_is_reduced_where_it_is_asked(visit: Opener, url: str) -> None:
    page = visit(url, reduced_motion="reduce")
    moving = """() => [...document.querySelectorAll(".unstride *")].filter((each) => {
      const { transitionDuration, animationName } = getComputedStyle(each);
      return transitionDuration !== "0s" || animationName !== "none";
    }).length"""
    assert page.evaluate(moving) == 0


# --- the source -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(static()))
def test_the_source_stays_readable(name: str) -> None:
    lines = static()[name].splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 140 or name.endswith(".css")
    if not name.endswith(".js"):
        return
    heads = [(number, re.match(HEAD, line)) for number, line in enumerate(lines)]
    for start, head in ((number, found) for number, found in heads if found):
        length = lines[start:].index(f"{head[1]}}}") - 1
        assert length <= BODY, f"{name}:{start + 1} {lines[start]} has {length} lines"


def test_nothing_in_the_source_runs_text() -> None:
    for name, text in static().items():
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "new Function",
            "document.write",
            "http://",
            "https://",
        ):
            found = text.replace("http://www.w3.org/2000/svg", "")
            assert word not in found, f"{name}: {word}"
