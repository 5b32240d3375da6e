"""Pages of reports for the tests in Chromium, and what is read off them."""

import os
from pathlib import Path

from tests import networks
from tests.table.networks import odd_names

import layerscope as ls
from layerscope.core.types import TensorType

ROOT = Path(__file__).parents[2]
AXE = Path(
    os.environ.get("LAYERSCOPE_AXE")
    or ROOT / "src" / "layerscope" / "lab" / "web" / "node_modules" / "axe-core" / "axe.min.js"
)
"""axe-core 4.14: npm install in the folder of the lab's page, or LAYERSCOPE_AXE."""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """tags => axe.run(document, { runOnly: { type: "tag", values: tags } }).then(({ violations }) =>
  violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`))"""
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{}"
LONG = "28x28x1 | [ conv 8 3 same relu | maxpool 1 ] x6 | flatten | dense 300 | dense 10"


def hostile():
    """A network whose layers' names would be markup, and translations, if they could."""
    text = "8x8x1 | conv 2 3 as A | conv 2 3 as B | flatten | dense 3"
    graph = ls.trace(text).to_json()
    assert [layer["name"] for layer in graph["layers"]][1:3] == ["A", "B"]
    from layerscope.layers import Conv2D, Dense, Flatten, Input
    from layerscope.models import Model

    image = Input((8, 8, 1), name="everything")
    x = Conv2D(2, 3, name=HOSTILE)(image)
    x = Conv2D(2, 3, name="__proto__")(x)
    return ls.trace(Model(image, Dense(3, name="constructor")(Flatten()(x))))


NETWORKS = {
    "autoencoder": lambda: ls.trace("example:autoencoder"),
    "folded": lambda: ls.trace(LONG),
    "unet": lambda: ls.trace(networks.unet()),
    "hostile": hostile,
    "odd names": odd_names,
}


def saved(trace, path, **view):
    """The page of a trace in a file, and its address."""
    trace.report(path, **view)
    return path.as_uri()


def cells(page, table=0):
    """The texts of a table's head and body as they are shown."""
    return page.evaluate(
        """number => [...document.querySelector(`#table-${number}`).rows].map((row) =>
        [...row.cells].map((cell) => cell.textContent))""",
        table,
    )


def axe(page):
    """What axe-core finds, with the tag wcag22aa asked for."""
    assert AXE.is_file(), f"axe-core is not in {AXE}"
    page.evaluate(AXE.read_text("utf-8"))
    assert page.evaluate("axe.version").startswith("4.14.")
    return page.evaluate(RUN, TAGS)


__all__ = ["HOSTILE", "NETWORKS", "TensorType", "axe", "cells", "hostile", "saved"]
