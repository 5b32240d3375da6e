"""Pictures of every screen, theme, language and width, to be looked at: python -m tests.browser.screenshots FOLDER"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.browser.conftest import CHROMIUM
from tests.browser.reading import SCREENS, open_at

WIDTHS = (390, 1280)
MOST = 6000
"""Pixels of height; the window is as high as the page, so that nothing sticks to its edge."""


def main(folder, screens):
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for screen in screens:
            for theme in ("light", "dark", "forced"):
                for lang in ("en", "ko"):
                    for width in WIDTHS:
                        path = folder / f"{screen}-{theme}-{lang}-{width}.png"
                        take(browser, path, screen, theme, lang, width)
                        print(path)
        browser.close()


def take(browser, path, screen, theme, lang, width):
    page = browser.new_page(
        viewport={"width": width, "height": 900}, forced_colors="active" if theme == "forced" else "none"
    )
    open_at(page, f"#lab={screen}&lang={lang}" + ("" if theme == "forced" else f"&theme={theme}"))
    height = min(page.evaluate("document.documentElement.scrollHeight"), MOST)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(100)
    page.screenshot(path=path)
    page.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or SCREENS)
