"""Checks of access that tests and seeded faults share."""

import io

import numpy as np
from PIL import Image
from tests.browser.reading import WEB

AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Canvas and SVG letters are measured by reading.check_contrast, which knows what is under them.
RUN = """tags => axe.run(document, { runOnly: { type: "tag", values: tags } }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`))"""


def axe(page):
    """What axe-core finds, with the tag wcag22aa asked for."""
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(RUN, TAGS)


def tab_walk(page, most=120):
    """Each stop of the tab key and how many pixels around it differ from the page without any focus.

    The window is as high as the page, so that nothing scrolls and one picture without focus is enough.
    """
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": 1280, "height": height})
    page.evaluate("document.activeElement.blur()")
    bare = picture(page.screenshot())
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate("""() => {
          const one = document.activeElement;
          if (!one || one === document.body) return null;
          const box = one.getBoundingClientRect();
          return [one.outerHTML.slice(0, 80), box.x, box.y, box.width, box.height];
        }""")
        if not found:
            break
        name, x, y, wide, high = found
        x, y = max(round(x - 8), 0), max(round(y - 8), 0)
        clip = {
            "x": x,
            "y": y,
            "width": max(min(round(wide) + 16, 1280 - x), 1),
            "height": max(min(round(high) + 16, height - y), 1),
        }
        seen = picture(page.screenshot(clip=clip, caret="initial"))
        stops.append((name, changed(seen, bare[y : y + seen.shape[0], x : x + seen.shape[1]])))
    return stops


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), int)


def difference(a, b):
    """Pixels of two pictures that clearly differ."""
    return changed(picture(a), picture(b))


def changed(first, second):
    return int((np.abs(first - second).max(axis=2) > 40).sum()) if first.shape == second.shape else first.size


def unnamed_canvases(page):
    return page.evaluate("""() => [...document.querySelectorAll("canvas")]
      .filter((one) => !one.getAttribute("aria-label") && one.getAttribute("aria-hidden") !== "true")
      .map((one) => one.outerHTML)""")


def record_listeners(page):
    """Before a page is opened: remember who listens for what."""
    page.add_init_script("""
      window.heard = new Map();
      const add = EventTarget.prototype.addEventListener;
      EventTarget.prototype.addEventListener = function (type, ...rest) {
        if (this instanceof Element) heard.set(this, [...(heard.get(this) ?? []), type]);
        return add.call(this, type, ...rest);
      };
    """)


def mouse_only(page):
    """Elements that hear the mouse, and neither take the focus nor hear keys or focus."""
    return page.evaluate("""() => {
      const mouse = /^(click|dblclick|mouse|pointer)/, keys = /^(key|focus|input|change)/;
      const native = "a[href],button,input,select,textarea,summary,[tabindex]";
      return [...heard].filter(([one, types]) => document.contains(one) && types.some((type) => mouse.test(type))
        && !one.matches(native) && !types.some((type) => keys.test(type))).map(([one]) => one.outerHTML.slice(0, 120));
    }""")
