"""A served explorer, a headless Chromium, and pages that report every request and every complaint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from .browsing import ARGUMENTS, chromium, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Opener = Callable[..., "Page"]


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a served explorer."""
    pytest.importorskip("uvicorn", reason="the explorer's server needs the extra `explore`")
    with serving() as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; no longer than a module, as its driver keeps an event loop running in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    path = chromium()
    if path is None:
        pytest.skip("no chromium is installed: tools/browser.sh installs it")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Opener]:
    """Opens an address in a new profile; in the end nothing was complained of and no request left this machine."""
    contexts: list[Any] = []
    complaints: list[str] = []
    requests: list[str] = []

    def open_page(address: str, *, wait: bool = True, **options: Any) -> Page:
        settings = {"viewport": {"width": 1280, "height": 900}, "permissions": ["clipboard-read", "clipboard-write"]}
        context = browser.new_context(**{**settings, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        if wait:
            page.wait_for_selector(".frameworks code")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    far = [each for each in requests if urlsplit(each).hostname not in ("127.0.0.1", "localhost", None)]
    assert far == []
