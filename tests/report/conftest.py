"""A real browser, offline, that remembers what a page asked for and what it complained of."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.report.chromium import find, surroundings

QUIET = (
    "--no-sandbox",  # the pages are our own, and a container's root has no other way
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@dataclass
class Visit:
    """A page that is open.

    Attributes:
        asked: addresses that it asked for, its own aside.
        complaints: errors on its console, and exceptions.
        failed: addresses that it did not get, and why.
    """

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, if there is one."""
    path = find()
    if path is None:
        pytest.skip("there is no Chromium: install one, or run python tests/report/chromium.py")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=QUIET, env=surroundings(path))
        yield found
        found.close()


@pytest.fixture
def visit(browser):
    """Opens a file: `with visit(path, width=390) as seen: ...`."""

    @contextmanager
    def opened(path: Path, ready: str = "", width: int = 1280, scheme: str = "light") -> Iterator[Visit]:
        size = {"width": width, "height": 800}
        with browser.new_context(viewport=size, color_scheme=scheme, offline=True) as context:
            seen, own = Visit(context.new_page()), path.resolve().as_uri()
            seen.page.on("request", lambda asked: seen.asked.append(asked.url) if asked.url != own else None)
            seen.page.on("requestfailed", lambda asked: seen.failed.update({asked.url: asked.failure}))
            seen.page.on("console", lambda m: seen.complaints.append(m.text) if m.type == "error" else None)
            seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
            seen.page.goto(own)
            if ready:
                seen.page.wait_for_selector(f"{ready}[data-ready=true]", timeout=60_000)
            yield seen

    return opened
