"""How long the lab's page takes from a key, a drag or a pointer's move to the next paint, with the processor slowed.

    python benchmarks/lab_page.py                  every screen, four times slowed
    python benchmarks/lab_page.py --screens conv   these only
    python benchmarks/lab_page.py --slowed 1

Needs Playwright for Python and Chromium. Chromium's own Event Timing measures, in steps of 8 ms; a busy machine shows
in it. "busy" is what it does not show in: milliseconds of processor time of the page's thread for each interaction,
not slowed, painting included.
"""

import argparse
import json
import os
import shutil
import statistics
from importlib.resources import files

from playwright.sync_api import sync_playwright

BUDGET_MS = 100
OBSERVE = """() => {
  window.taken = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.name.startsWith("pointer") || /^(input|keydown|click|mouse)/.test(entry.name)) {
        taken.push([entry.name, entry.startTime, entry.duration]);
      }
    }
  }).observe({ type: "event", durationThreshold: 16, buffered: true });
}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screens", nargs="*", default=[])
    parser.add_argument("--slowed", type=float, default=4.0)
    asked = parser.parse_args()
    described = json.loads(files("layerscope.lab").joinpath("settings.json").read_text("utf-8"))
    screens = asked.screens or list(described["screens"])
    with sync_playwright() as playwright:
        chromium = os.environ.get("LAYERSCOPE_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        print(f"{'screen':14} {'interactions':>12} {'median':>7} {'98 %':>7} {'worst':>7} {'busy':>7}  ms")
        for screen in screens:
            found = sorted(measured(browser, screen, asked.slowed))
            if not found:
                continue
            most = found[min(int(len(found) * 0.98), len(found) - 1)]
            over = "" if most <= BUDGET_MS else f"  over {BUDGET_MS}"
            row = f"{screen:14} {len(found):12} {statistics.median(found):7.0f} {most:7.0f} {found[-1]:7.0f}"
            print(f"{row} {busy(browser, screen):7.1f}{over}")
        browser.close()


def busy(browser, screen):
    """Milliseconds of processor time an interaction, not slowed."""
    page = opened(browser, screen)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        return next(
            one["value"] for one in session.send("Performance.getMetrics")["metrics"] if one["name"] == "TaskDuration"
        )

    before = spent()
    count = interact(page)
    taken = (spent() - before) * 1000 / max(count, 1)
    page.close()
    return taken


def opened(browser, screen):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"file://{files('layerscope.lab.page').joinpath('offline.html')}#lab={screen}")
    page.wait_for_selector("h1")
    page.wait_for_timeout(300)
    return page


def measured(browser, screen, slowed):
    """Milliseconds of each interaction; one that is too short to be listed counts as 16."""
    page = opened(browser, screen)
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    page.evaluate(OBSERVE)
    count = interact(page)
    page.wait_for_timeout(600)
    taken = {}
    for _, start, duration in page.evaluate("taken"):
        key = round(start)  # events of one interaction start together
        taken[key] = max(taken.get(key, 0), duration)
    page.close()
    return [*taken.values(), *[16.0] * max(count - len(taken), 0)]


def interact(page):
    """Drag sliders, move over cells, walk by keys; how many interactions there were."""
    count = 0
    for slider in page.locator("input[type=range]:visible").all()[:6]:
        slider.focus()
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"):
            slider.press(key)
            page.wait_for_timeout(120)
            count += 1
    for plane in page.locator(".plane.choosable:visible, .plane:visible").all()[:6]:
        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()
        for part in (0.2, 0.35, 0.5, 0.65, 0.8):
            page.mouse.move(box["x"] + box["width"] * part, box["y"] + box["height"] * part)
            page.wait_for_timeout(120)
            count += 1
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        for key in ("ArrowLeft", "ArrowUp", " "):
            page.keyboard.press(key)
            page.wait_for_timeout(120)
            count += 1
    return count


if __name__ == "__main__":
    main()
