"""A browser opens every page of the documentation, at the width of a desk and of a telephone.

``DJ_TEST_SITE`` names a site that is built already; else the tests build it, and every block of
Python of its pages is executed for that.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # with the time to build the site
    pytest.mark.skipif(
        not (ROOT / "src").exists(), reason="the tests of the source build the site"
    ),
    pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome on the path"),
]


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Iterator[str]:
    """The address of the site, laid out and served as the workflow publishes it."""
    root = tmp_path_factory.mktemp("published")
    (root / "versions.json").write_text(json.dumps(["main", "v0.1"]), "utf-8")
    if "DJ_TEST_SITE" in os.environ:
        shutil.copytree(os.environ["DJ_TEST_SITE"], root / "main")
    else:
        build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2"]
        subprocess.run([*build, str(DOCS), str(root / "main")], check=True)
    handler = partial(Quiet, directory=str(root))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/main/"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing of each request."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture(scope="module")
def visits(published, browser) -> dict[str, dict[str, Any]]:
    """What each page that can be reached from the first one holds, and said on the console."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    errors: list[str] = []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    seen: dict[str, dict[str, Any]] = {}
    waiting = [published + "index.html"]
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        errors.clear()
        page.goto(address, wait_until="load")
        seen[address] = page.evaluate(LOOK) | {"errors": list(errors)}
        links = (urldefrag(link)[0] for link in seen[address]["links"])
        waiting += [link for link in links if is_page(link, published) and link not in seen]
    page.close()
    return seen


# Pictures that load lazily are asked for at once, so that each is there or broken.
LOOK = """async () => {
    for (const image of document.images) {
        image.loading = "eager";
        await image.decode().catch(() => 0);
    }
    return {
        links: [...document.querySelectorAll("a[href]")].map(link => link.href),
        names: [...document.querySelectorAll("[id]")].map(element => element.id),
        pictures: [...document.images].map(image => [image.src, image.naturalWidth]),
        width: document.documentElement.scrollWidth,
    };
}"""


def is_page(link: str, published: str) -> bool:
    return link.startswith(published) and link.endswith(".html")


def test_every_page_of_the_sources_can_be_reached(visits, published):
    sources = {
        path.relative_to(DOCS).with_suffix(".html").as_posix() for path in DOCS.rglob("*.md")
    }
    excluded = {"data/README.html"}

    assert {published + name for name in sources - excluded} <= set(visits)


def test_no_page_says_an_error_on_the_console(visits):
    assert {page: seen["errors"] for page, seen in visits.items() if seen["errors"]} == {}


def test_every_picture_is_there(visits):
    pictures = [picture for seen in visits.values() for picture in seen["pictures"]]

    assert len(pictures) >= 5
    assert [source for source, width in pictures if not width] == []


def test_no_link_is_broken(visits):
    names = {address: {"", *seen["names"]} for address, seen in visits.items()}
    links = {(page, *urldefrag(link)) for page, seen in visits.items() for link in seen["links"]}
    broken = [
        (page, target, anchor)
        for page, target, anchor in links
        if target in names and unquote(anchor) not in names[target]
    ]

    assert broken == []


def test_every_file_that_is_linked_is_there(visits, published, page):
    links = {urldefrag(link)[0] for seen in visits.values() for link in seen["links"]}
    files = {link for link in links if link.startswith(published)} - set(visits)

    assert {link for link in files if page.request.get(link).status != 200} == set()


def test_no_page_is_wider_than_a_telephone(visits):
    assert {page: seen["width"] for page, seen in visits.items() if seen["width"] > 390} == {}


def test_a_version_is_chosen_in_the_sidebar(page, published):
    page.goto(published + "index.html")
    choice = page.locator(".versions select")

    assert choice.locator("option").all_inner_texts() == ["main", "v0.1"]
    assert choice.input_value() == published
    assert urlsplit(choice.locator("option").nth(1).get_attribute("value") or "").path == "/v0.1/"
