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
    """Each stop of the tab key and how many pixels around it change when the focus goes."""
    stops = []
    for _ in range(most):
        page.keyboard.press("Tab")
        found = page.evaluate("""() => {
          const one = document.activeElement;
          if (!one || one === document.body) return null;
          one.scrollIntoView({ block: "center" });
          const box = one.getBoundingClientRect();
          return [one.outerHTML.slice(0, 80), box.x, box.y, box.width, box.height];
        }""")
        if not found:
            break
        name, x, y, width, height = found
        x, y = max(x - 8, 0), max(y - 8, 0)
        clip = {
            "x": x,
            "y": y,
            "width": max(min(width + 16, 1270 - x), 1),
            "height": max(min(height + 16, 890 - y), 1),
        }
        with_focus = page.screenshot(clip=clip, caret="initial")
        page.evaluate("document.activeElement.blur()")
        stops.append((name, difference(with_focus, page.screenshot(clip=clip))))
    return stops


def difference(a, b):
    """Pixels of two pictures that clearly differ."""
    first, second = (np.asarray(Image.open(io.BytesIO(one)).convert("RGB"), int) for one in (a, b))
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
