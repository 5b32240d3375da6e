"""What the tests of scenes ask of them."""

import random

import numpy as np

from layerscope.lab.state import described


def grid(made, name):
    return next(g for g in made.grids if g.id == name)


def values(made, name):
    """A grid's values as an array; None is NaN."""
    found = grid(made, name)
    return np.array([c.value for c in found.cells], float).reshape(found.rows, found.columns)


def settings_at_random(screen, count, seed=11):
    """Hashes with all numbers and choices drawn, texts left as they are."""
    draw = random.Random(f"{screen} {seed}")
    return [
        "&".join([f"#lab={screen}", *(f"{e['name']}={_drawn(e, draw)}" for e in described()["screens"][screen] if e["kind"] != "text")])
        for _ in range(count)
    ]  # fmt: skip


def _drawn(entry, draw):
    if entry["kind"] == "int":
        return draw.randint(entry["min"], entry["max"])
    if entry["kind"] == "choice":
        return draw.choice(entry["choices"])
    return f"{draw.randint(0, 9)},{draw.randint(0, 9)}"
