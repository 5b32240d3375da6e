"""The autoencoder's screen in Chromium: drawing by mouse, finger and keys; what is shown is what Python computes for the
link; and the served lab, with a run of one's own and a training that is watched.
"""

import os
import re
import signal
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from tests.browser.access import axe, unnamed_canvases
from tests.browser.reading import OFFLINE, open_at, painted, say

from layerscope import studies
from layerscope.lab import drawing
from layerscope.lab.numbers import text
from layerscope.lab.scenes import scene
from layerscope.lab.state import parse
from layerscope.models import load_model

START = "#lab=autoencoder"
DECODERS = ("nearest", "bilinear", "nails", "unpool", "transpose", "subpixel")
PIXELS = """figure => {
  const canvas = document.querySelector(`figure[data-grid="${figure}"] canvas`);
  const { width, height } = canvas, side = width / 28;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  return Array.from({ length: 784 }, (_, n) => {
    const at = 4 * (Math.floor((Math.floor(n / 28) + 0.5) * side) * width + Math.floor((n % 28 + 0.5) * side));
    return [...data.slice(at, at + 3)];
  });
}"""
TRAINED = "28x28x1 | flatten | dense 12 relu | dense 784 sigmoid | reshape 28x28x1"


def sheet(page):
    return page.locator(".sheet").bounding_box()


def at(box, x, y):
    return box["x"] + box["width"] * x, box["y"] + box["height"] * y


def draw(page, *points):
    """A stroke of the mouse through points in parts of the sheet."""
    box = sheet(page)
    page.mouse.move(*at(box, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*at(box, *point), steps=8)
    page.mouse.up()


def drawn(page):
    """The pixels in the link: strokes are computed after the ink."""
    painted(page)
    page.wait_for_function("() => location.hash.includes('drawn=')")
    return drawing.read(parse(page.evaluate("location.hash")).settings["drawn"])


def titles(page):
    """What stands over each reconstruction: the decoder and its error."""
    return [page.locator(f'figure[data-grid="made.{name}"] .title').inner_text() for name in DECODERS]


def expected(link):
    made = scene(link)
    found = {grid.id: grid for grid in made.grids}
    return [say(found[f"made.{name}"].title, made.settings["lang"]) for name in DECODERS]


def test_a_stroke_of_the_mouse_changes_every_reconstruction(tab):
    page = tab()
    open_at(page, START)
    before = {name: page.evaluate(PIXELS, f"made.{name}") for name in DECODERS}
    assert titles(page) == expected(START)
    draw(page, (0.25, 0.2), (0.7, 0.2), (0.45, 0.8))
    pixels = drawn(page)
    assert sum(level > 0 for level in pixels) > 60
    inked = [divmod(n, 28) for n, level in enumerate(pixels) if level == 15]
    assert min(row for row, _ in inked) in (5, 6)
    assert max(row for row, _ in inked) in (21, 22)
    link = page.evaluate("location.hash")
    page.wait_for_function("title => document.querySelector('figure[data-grid=\"made.nails\"] .title').textContent === title",
                           arg=expected(link)[2])  # fmt: skip
    assert titles(page) == expected(link)
    for name in DECODERS:
        assert page.evaluate(PIXELS, f"made.{name}") != before[name]
    assert [message for message in page.said if "getImageData" not in message] == []  # which this test calls


def test_what_is_painted_is_ordered_as_the_numbers_are(tab):
    """Cividis grows lighter with the value, so the order of lightness is that of the values in Python's scene."""
    page = tab()
    link = f"{START}&digit=5&decoder=subpixel&theme=light"
    open_at(page, link)
    made = {grid.id: [cell.value for cell in grid.cells] for grid in scene(link).grids}
    chosen = 13 * 28 + 13  # an outline stands over it, on an element of its own
    for name in ["input", *(f"made.{decoder}" for decoder in DECODERS)]:
        light = [0.2 * r + 0.7 * g + 0.1 * b for r, g, b in page.evaluate(PIXELS, name)]
        pairs = sorted(zip(made[name], light, range(784), strict=True))
        for (low, dark, _), (high, bright, n) in pairwise(pairs):
            assert bright >= dark - 1.5 or high - low < 0.004 or n == chosen, (name, n)
        assert max(light) - min(light) > 100


def test_a_finger_draws_and_the_page_stays(tab):
    page = tab(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    open_at(page, START)
    page.locator(".sheet").scroll_into_view_if_needed()
    top, box = page.evaluate("scrollY"), sheet(page)
    wire = page.context.new_cdp_session(page)
    points = [(0.5, 0.15 + 0.07 * n) for n in range(11)]
    for kind, (x, y) in [("touchStart", points[0]), *(("touchMove", point) for point in points[1:])]:
        x, y = at(box, x, y)
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
    wire.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    pixels = drawn(page)
    rows = {n // 28 for n, level in enumerate(pixels) if level == 15}
    assert min(rows) <= 5
    assert max(rows) >= 22
    assert page.evaluate("scrollY") == top


def test_keys_draw_erase_and_take_back(tab):
    page = tab()
    open_at(page, START)
    page.locator(".sheet").focus()
    page.keyboard.press("Space")
    dot = drawn(page)
    assert dot[13 * 28 + 13] == 15
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    page.wait_for_function("before => location.hash !== before", arg=f"{START}&drawn={drawing.written(dot)}")
    line = drawn(page)
    assert [line[row * 28 + 13] for row in range(13, 20)] == [15] * 7
    page.keyboard.press("Shift+Space")
    page.wait_for_function("before => location.hash !== before", arg=f"{START}&drawn={drawing.written(line)}")
    assert drawn(page)[19 * 28 + 13] == 0
    page.keyboard.press("Control+z")
    page.wait_for_function("link => location.hash === link", arg=f"{START}&drawn={drawing.written(line)}")
    page.keyboard.press("Delete")
    page.wait_for_function("link => location.hash === link", arg=f"{START}&drawn=A")
    assert page.locator(".pen").is_visible()


def test_a_drawing_begins_on_a_new_sheet_and_undo_brings_the_digit_back(tab):
    page = tab()
    open_at(page, f"{START}&digit=8")
    draw(page, (0.5, 0.3), (0.5, 0.7))
    assert all(13 <= n % 28 <= 15 or level < 15 for n, level in enumerate(drawn(page)))
    draw(page, (0.1, 0.1), (0.2, 0.1))
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function(f"() => location.hash === '{START}&digit=8'")
    page.get_by_role("button", name="MNIST’s digit 2").click()
    page.wait_for_function(f"() => location.hash === '{START}&digit=2'")
    page.go_back()
    page.wait_for_function(f"() => location.hash === '{START}&digit=8'")


def test_the_eraser_is_a_button_that_says_whether_it_is_on(tab):
    page = tab()
    open_at(page, START)
    draw(page, (0.2, 0.5), (0.8, 0.5))
    before = sum(drawn(page))
    eraser = page.get_by_role("button", name="Eraser")
    eraser.click()
    assert eraser.get_attribute("aria-pressed") == "true"
    link = page.evaluate("location.hash")
    draw(page, (0.5, 0.3), (0.5, 0.7))
    page.wait_for_function("before => location.hash !== before", arg=link)
    assert 0 < sum(drawn(page)) < before


def test_a_reconstruction_that_is_chosen_is_the_one_that_is_explained(tab):
    page = tab()
    open_at(page, START)
    page.get_by_role("button", name="max unpooling", exact=True).click()
    page.wait_for_function("() => location.hash.includes('decoder=unpool')")
    assert "7,152 bits" in page.locator(".why").inner_text()
    page.locator(".layer").nth(6).press("Enter")
    page.wait_for_function("() => location.hash.includes('layer=6')")
    assert page.locator('figure[data-grid="map"] .title').inner_text() == "code (MaxPooling2D): map 1 of 4"
    page.locator(".layer").nth(6).press("ArrowRight")
    page.wait_for_function("() => location.hash.includes('map=1')")
    assert page.locator(".layer").nth(6).get_attribute("aria-pressed") == "true"


def test_a_hostile_drawing_is_refused_in_words(tab):
    page = tab()
    open_at(page, f"{START}&drawn=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert "<img src=x onerror=alert(1)>" in page.locator(".notice").inner_text()
    assert page.locator("img").count() == 0
    assert titles(page) == expected(START)
    assert page.said == []


def test_offline_nothing_is_offered_that_needs_a_server(tab):
    page = tab()
    open_at(page, START)
    assert page.locator(".live").count() == 0
    assert page.requests == [OFFLINE]


# --- served ---


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The real command with a run of one's own; its process and the address that it prints."""
    place = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        studies.train(TRAINED, "digits", epochs=2, batch_size=64, optimizer="adam", out=place / "own", verbose=0)
        process = subprocess.Popen(
            [sys.executable, "-m", "layerscope.cli", "lab", str(place / "own"), "--no-browser"],
            stdout=subprocess.PIPE, text=True, env=dict(os.environ),
        )  # fmt: skip
        address = re.fullmatch(
            r"The lab is at (http://127\.0\.0\.1:\d+/)#lab=autoencoder\n", process.stdout.readline()
        )[1]
        yield process, address, place / "own"
        process.kill()
        process.communicate()


def test_a_run_of_ones_own_gives_the_drawing_back(tab, lab):
    page, model = tab(), load_model(lab[2] / "model.npz")
    open_at(page, START, lab[1])
    for link in (START, None):
        if link is None:
            draw(page, (0.25, 0.2), (0.7, 0.2), (0.45, 0.8))
            drawn(page)
            link = page.evaluate("location.hash")
        given = next(grid for grid in scene(link).grids if grid.id == "input")
        image = np.array([round(cell.value * 15) for cell in given.cells]).reshape(1, 28, 28, 1) / 15
        error = np.square(model.predict(image.astype(np.float32), verbose=0) - image).mean()
        page.wait_for_function(
            "said => document.querySelector('.live h3').textContent === said",
            arg=f"Your digit through your run: error {text(float(error))}",
        )
    assert page.said == []


def test_the_own_network_is_a_journey(tab, lab):
    page = tab()
    open_at(page, "#lab=journey&net=own", lab[1])
    rows = page.locator(".path tbody tr")
    assert rows.count() == 5
    assert "dense 12 relu" in rows.nth(2).inner_text()
    assert page.said == []


def test_a_training_is_started_watched_and_stopped(tab, lab):
    page, other = tab(), tab()
    open_at(page, START, lab[1])
    network = page.get_by_label("Network: one line of text")
    assert network.input_value() == "own"  # the run folder's name
    network.fill(TRAINED)
    page.get_by_label("Epochs").fill("1000")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    page.wait_for_function(
        "() => /^Loss over [2-9]/.test(document.querySelector('.curve').getAttribute('aria-label') ?? '')"
    )
    assert page.locator(".curve .loss").get_attribute("d").count("L") >= 1
    assert page.locator(".liveresult canvas").count() == 16
    assert f"layerscope train '{TRAINED}' --data digits --epochs 1000" in page.locator(".keep").inner_text()
    assert axe(page) == []
    assert unnamed_canvases(page) == []
    open_at(other, START, lab[1])  # a second browser sees the same training
    other.get_by_role("button", name="Stop", exact=True).click()
    for one in (page, other):
        one.wait_for_function("() => document.querySelector('.status').textContent.startsWith('Stopped after ')")
        one.get_by_role("button", name="Start", exact=True).wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.live h3')].some(one => one.textContent.startsWith('Your digit through this network'))"
    )
    assert page.said == other.said == []


@pytest.mark.parametrize("settings", ["&lang=ko&theme=dark", "&theme=light"])
def test_axe_finds_nothing_where_it_is_served(tab, lab, settings):
    page = tab(viewport={"width": 390, "height": 800})
    open_at(page, START + settings, lab[1])
    page.locator(".live button[type=submit]").wait_for()
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_mistakes_are_said_in_the_page(tab, lab):
    page = tab()
    open_at(page, START, lab[1])
    page.get_by_label("Network: one line of text").fill("28x28x1 | konv 3")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function("() => document.querySelector('.status').textContent.startsWith(\"unknown layer 'konv'\")")


def test_the_page_stays_useful_when_the_server_is_gone(tab, lab):
    process, address, _ = lab
    page = tab()
    open_at(page, START, address)
    page.get_by_role("button", name="Start", exact=True).wait_for()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    draw(page, (0.25, 0.2), (0.7, 0.2), (0.45, 0.8))
    drawn(page)
    page.wait_for_function(
        "() => document.querySelector('.status').textContent.startsWith('The server does not answer')"
    )
    link = page.evaluate("location.hash")
    page.wait_for_function("title => document.querySelector('figure[data-grid=\"made.nails\"] .title').textContent === title",
                           arg=expected(link)[2])  # fmt: skip
    assert titles(page) == expected(link)
