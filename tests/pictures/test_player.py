"""The page's player in a real browser: every step shows its items, no rule of accessibility is broken."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.explorer.browsing import ARGUMENTS, chromium
from unstride.pictures import page
from unstride.pictures.shapes import Label

from .cases import CASES

Browse = Callable[[str, str], Any]

STEPPED = """
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key }));
const seen = [];
press("Home");
for (let step = 0; step <= Number(document.getElementById("slider").max); step += 1) {
  const shown = [...document.querySelectorAll("#moving > .on text")].map((text) => text.textContent);
  seen.push({ told: document.getElementById("told").textContent, shown: shown.sort() });
  if (step % 2) press("ArrowRight");
  else document.getElementById("next").click();
}
press("Home");
document.getElementById("play").click();
const name = document.getElementById("play").textContent;
setTimeout(() => answer({ seen, name, after: document.getElementById("told").textContent }), 2000);
"""
CHECKED = """
axe.run().then((found) => answer(found.violations.map((each) => each.id)));
"""


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """``browse(page, script)`` opens the page, runs the script in it, and returns what it answers."""
    path = chromium()
    if path is None:
        pytest.skip("no chromium is installed: tools/browser.sh installs it")

    def opened(text: str, script: str) -> Any:
        answer = "const answer = (found) => { document.body.dataset.answer = JSON.stringify(found); };\n"
        (tmp_path / "page.html").write_text(
            text.replace("</body>", f'<script type="module">{answer}{script}</script></body>'), encoding="utf-8"
        )
        options = [*ARGUMENTS, "--headless", "--virtual-time-budget=8000", f"--user-data-dir={tmp_path / 'profile'}"]
        command = [path, *options, "--dump-dom", (tmp_path / "page.html").as_uri()]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603  # our page
        found = re.search(r'data-answer="([^"]*)"', ended.stdout)
        assert found is not None, ended.stderr
        return json.loads(html.unescape(found[1]))

    return opened


@pytest.mark.parametrize("name", ["lecture_torch_zeros", "one_axis"])
def test_the_player_shows_each_step(browse: Browse, name: str) -> None:
    picture = CASES[name]()
    answer = browse(picture.html(), STEPPED)
    shared = set(page._Shared.of(picture.film.frames).words)
    assert len(answer["seen"]) == len(picture.film.frames)
    for step, (seen, drawing, scene) in enumerate(
        zip(answer["seen"], picture.film.frames, picture.film.steps, strict=True), 1
    ):
        labels = [item.text for item in drawing.back if isinstance(item, Label) and item not in shared]
        assert seen["shown"] == sorted(labels)
        assert seen["told"] == f"step {step} of {len(picture.film.frames)}: {scene.notes[0]}"
    assert answer["name"] == "Pause"
    assert answer["after"].startswith("step 3 of")


@pytest.mark.parametrize("name", ["lecture_torch_zeros", "lecture_compare"])
def test_no_rule_of_accessibility_is_broken(browse: Browse, name: str) -> None:
    pytest.importorskip("axe_playwright_python", reason="axe-core comes with it")
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    text = CASES[name]().html().replace("</head>", f"<script>{axe}</script></head>")
    assert browse(text, CHECKED) == []
