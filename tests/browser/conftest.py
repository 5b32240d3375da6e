"""Chromium for the tests of pages, and pages that record what they should not do."""

import os
import shutil

import pytest
from playwright.sync_api import sync_playwright
from tests.browser.reading import RECORD

CHROMIUM = os.environ.get("LAYERSCOPE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def chromium():
    assert CHROMIUM, "these tests need Chromium: apt-get install chromium, or set LAYERSCOPE_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    """Makes pages; each has `requests` and `said`: every request, and every console message and error."""
    contexts = []

    def make(**options):
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(f"(() => {{{RECORD}}})()")
        page.set_default_timeout(60_000)  # of a loaded machine
        page.requests, page.said = [], []
        page.on("request", lambda request: page.requests.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
