"""The page as one file: from a file host, from a folder, with nobody to ask."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unstride.explorer.export import page as exported
from unstride.explorer.export import write
from unstride.explorer.modules import bundle, static

from .conftest import Opener


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("site") / "deep")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def hosted(site: Path) -> Iterator[str]:
    """The exported folder on a plain file host."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site.parent))) as host:
        thread = threading.Thread(target=host.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{host.server_port}/"
        host.shutdown()
        thread.join()


def test_one_file_with_everything_in_it() -> None:
    text = exported()
    assert 'src="' not in text
    assert 'href="data:,"' in text
    assert text.count('href="') == 1
    assert "import {" not in text
    assert "'unsafe-inline'" not in text


def test_every_module_is_joined_as_it_is() -> None:
    joined = bundle("page", "copy", "widget")
    for name in static():
        if name.endswith(".js"):
            assert joined.count(f"const ${name.removesuffix('.js')} = (() => {{") == 1


def test_the_page_names_every_module_that_it_will_load() -> None:
    """They are fetched side by side, not one after the other as each is read."""
    named = set(re.findall(r'(?:href|src)="(\w+)\.js"', static()["index.html"]))
    assert named == set(re.findall(r"^const \$(\w+) = ", bundle("page"), re.MULTILINE))


def test_a_module_that_cannot_be_joined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(static(), "odd.js", 'export default 3;\nimport * as all from "./relation.js";\n')
    with pytest.raises(ValueError, match=r"odd\.js imports or exports"):
        bundle("odd")


@pytest.mark.parametrize("where", ["folder", "host"])
def test_it_works_without_a_server(visit: Opener, site: Path, hosted: str, where: str) -> None:
    page = visit(site.as_uri() if where == "folder" else hosted)
    assert page.locator(".size").inner_text() == "2 × 2 → 4 × 4"
    assert "PyTorch" in page.locator(".elsewhere").inner_text()
    page.get_by_role("button", name="Compare", exact=True).click()
    assert page.locator(".caption").inner_text().startswith("Same size, 1 pixel apart.")
    assert (
        page.locator(".frameworks .note, .card .note")
        .first.inner_text()
        .startswith("This copy of the page has no Python")
    )
    lines = page.locator(".frameworks code").all_text_contents()
    assert "y = torch.nn.ConvTranspose2d(1, 1, 3, stride=2)\ny = y[:, :, :-1, :-1]" in lines
    page.get_by_label("framework").select_option("torch")
    page.get_by_label("stride", exact=True).fill("4")
    page.wait_for_function(
        "() => document.querySelector('[data-dialect=keras] code')?.textContent.includes('strides=4')"
    )


def test_sizes_are_solved_here_too(visit: Opener, hosted: str) -> None:
    page = visit(hosted)
    page.get_by_label("I want an output size of").fill("5")
    page.get_by_role("button", name="Find lines").click()
    page.locator(".solutions .pick").first.click()
    page.wait_for_function("() => document.querySelector('.size').innerText === '2 × 2 → 5 × 5'")
    page.locator(".chips button").first.click()
    page.wait_for_function("() => document.querySelector('.size').innerText !== '2 × 2 → 5 × 5'")


def test_a_pasted_line_says_what_it_needs(visit: Opener, hosted: str) -> None:
    page = visit(hosted)
    page.get_by_label("Paste the line").fill("nn.ConvTranspose2d(1, 1, 3)")
    page.wait_for_selector(".paste .problem p")
    assert "unstride explore" in page.locator(".paste .problem").inner_text()
