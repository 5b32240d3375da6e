"""Python and the TypeScript twin, asked the same."""

import atexit
import json
import random
import shutil
import subprocess
import tempfile
import threading
from functools import cache
from itertools import product
from pathlib import Path
from urllib.parse import quote

from layerscope.lab.state import described

WEB = Path(__file__).parents[2] / "src" / "layerscope" / "lab" / "web"
SCREENS = tuple(described()["screens"])


@cache
def twin():
    """The twin as it is now, in one process for all tests: it answers each line of questions with a line."""
    assert shutil.which("node"), "these tests need Node 20"
    assert (WEB / "node_modules").is_dir(), f"run npm ci in {WEB} first"
    place = Path(tempfile.mkdtemp())
    built = place / "twin.mjs"
    subprocess.run(["node", "build.mjs", "twin", str(built)], cwd=WEB, check=True)
    process = subprocess.Popen(
        ["node", str(built)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )

    def end():
        process.kill()
        process.communicate()
        shutil.rmtree(place)

    atexit.register(end)
    return process


def ask(questions):
    """What the twin answers to each question, one by one, while it computes the next."""
    lines = [json.dumps(question) + "\n" for question in questions]
    process = twin()
    writer = threading.Thread(target=lambda: [process.stdin.write(line) for line in lines])
    writer.start()
    for line in lines:
        answer = process.stdout.readline()
        assert answer, f"the twin has ended at {line}"
        yield json.loads(answer)
    writer.join()


def plain(scene):
    """A scene as JSON has it; its cells are that already."""
    made = scene.to_json()
    cells = [grid.pop("cells") for grid in made["grids"]]
    made = json.loads(json.dumps(made))
    for grid, own in zip(made["grids"], cells, strict=True):
        grid["cells"] = own
    return compared(made)


def compared(made):
    """A scene without what the page and Python may say differently: the changes that would mend a network, of which
    Python finds more (tests/browser/test_net_twins.py holds the page's to be right).
    """
    if made.get("screen") == "journey":
        made["data"].pop("fixes")
    return made


def hashes(screen, count, seed=7):
    """Settings at the corners, then at random until there are `count`: now and then beyond what is possible."""
    entries, draw = described()["screens"][screen], random.Random(f"{screen} {seed}")
    found = [f"#lab={screen}", *corners(screen, entries)]
    while len(found) < count:
        given = [f"{e['name']}={drawn(e, draw)}" for e in entries if draw.random() < 0.85]
        found.append("#" + "&".join([f"lab={screen}", *given]))
    return found


def corners(screen, entries):
    """Each setting at each end alone, and the numbers two at a time, by both ends."""
    ends = {e["name"]: end(e) for e in entries}
    alone = [f"#lab={screen}&{name}={value}" for name, values in ends.items() for value in values]
    numbers = [e["name"] for e in entries if e["kind"] == "int"]
    pairs = [
        f"#lab={screen}&{a}={x}&{b}={y}"
        for i, a in enumerate(numbers)
        for b in numbers[i + 1 :]
        for x, y in product(ends[a], ends[b])
    ]
    return [*alone, *(f"#lab={screen}&" + "&".join(f"{n}={ends[n][i]}" for n in numbers) for i in (0, 1)), *pairs]


def end(entry):
    match entry["kind"]:
        case "int":
            return entry["min"], entry["max"]
        case "choice":
            return tuple(entry["choices"])
        case "cell":
            return "0,0", "99,99", "-1,-1"
    return tuple(map(quote, examples(entry)))


def drawn(entry, draw):
    match entry["kind"]:
        case "int":
            low, high = entry["min"], min(entry["max"], entry["min"] + 99)
            return draw.randint(low, high) if draw.random() < 0.95 else draw.choice((low - 3, high + 4, "x", ""))
        case "choice":
            return draw.choice(entry["choices"])
        case "cell":
            return f"{draw.randint(-1, 12)},{draw.randint(-1, 12)}"
    return quote(draw.choice(examples(entry) or ("",)))


def examples(entry):
    """Values of a text that are worth a try: those that it lists, or its presets."""
    return entry.get("examples") or tuple(preset["value"] for preset in entry.get("presets", ()))
