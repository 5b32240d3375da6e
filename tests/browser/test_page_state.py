"""The link is the state: back and forward, drags, languages, themes, and links that mean harm."""

import pytest
from tests.browser.reading import SCREENS, STRINGS, check, open_at, painted, read

from layerscope.lab.painting.words import say
from layerscope.lab.scene import Text
from layerscope.lab.scenes import scene
from layerscope.lab.state import LONGEST


def hash_of(page):
    return page.evaluate("location.hash")


def test_back_undoes_a_step_and_a_whole_drag(tab):
    page = tab()
    open_at(page, "#lab=pool")
    slider = page.locator("input[type=range]").first
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + box["height"] / 2)
    page.mouse.down()
    for part in range(20, 150, 4):
        page.mouse.move(box["x"] + part, box["y"] + box["height"] / 2)
    page.mouse.up()
    dragged = hash_of(page)
    assert dragged != "#lab=pool"
    check(page, dragged)
    page.check("#set-pad-same", force=True)
    assert hash_of(page) == f"{dragged}&pad=same"
    page.go_back()
    check(page, dragged)
    page.go_back()
    assert hash_of(page) == "#lab=pool"
    check(page, "#lab=pool")
    page.go_forward()
    check(page, dragged)


def test_a_fast_drag_is_not_throttled_by_the_browser(tab):
    page = tab()
    open_at(page, "#lab=pool")
    page.evaluate("""() => {
      const slider = document.querySelector("input[type=range]");
      for (let i = 0; i < 400; i++) { slider.value = 2 + i % 11; slider.dispatchEvent(new Event("input")); }
      slider.dispatchEvent(new Event("change"));
    }""")
    page.wait_for_function("() => location.hash === '#lab=pool&n=5'")
    painted(page)
    assert page.said == []
    assert hash_of(page) == "#lab=pool&n=5"


@pytest.mark.parametrize("screen", SCREENS)
def test_language_and_theme_are_kept_from_screen_to_screen(tab, screen):
    page = tab()
    open_at(page, f"#lab={screen}")
    page.click("#language")
    assert page.evaluate("[document.documentElement.lang, document.activeElement.id]") == ["ko", "language"]
    page.select_option("#theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") in ("dark", "light dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    for link in page.locator("nav a").all():
        link.click()
        assert hash_of(page).endswith("&lang=ko&theme=dark")
    page.click("#language")
    assert "lang=" not in hash_of(page)


def test_a_screen_is_found_as_it_was_left(tab):
    page = tab()
    open_at(page, "#lab=pool&n=9")
    others = [screen for screen in SCREENS if screen != "pool"]
    page.click(f"nav >> text='{STRINGS[f'page.screen.{others[0]}']['en']}'")
    page.click(f"nav >> text='{STRINGS['page.screen.pool']['en']}'")
    assert hash_of(page) == "#lab=pool&n=9"


def test_no_link_at_all_follows_the_readers_language(tab):
    page = tab(locale="ko-KR")
    open_at(page, "")
    assert hash_of(page).endswith("&lang=ko")
    page = tab(locale="en-GB")
    open_at(page, "")
    assert "lang" not in hash_of(page)


HOSTILE = [
    "#", "#lab", "#lab=", "#lab=nothing", "#lab=__proto__", "#lab=constructor", "#lab=toString", "#%00", "#lab=pool%00",
    "#lab=pool&n=%00", "#lab=pool&n=<script>window.harm=1</script>", "#lab=pool&n=%3Cimg%20src%3Dx%20onerror%3Dharm()%3E",
    "#lab=<svg onload=window.harm=1>", "#lab=pool&<b>=1", "#lab=pool&__proto__=1&constructor=2&prototype=3",
    "#lab=pool&cell=99999,-99999", "#lab=pool&cell=1e9,NaN", "#lab=pool&n=1e308", "#lab=pool&n=-99999999999",
    "#lab=pool&" + "&".join(f"a{i}=1" for i in range(500)), "#lab=pool&n=" + "9" * (LONGEST + 1), "#" + "x" * 200_000,
    "#lab=pool&n=%ff%fe", "#lab=pool&lang=xx&theme=<i>", "#lab=pool&lang=__proto__", "#javascript:window.harm=1",
    "#lab=convt&x=" + "9," * 900, "#lab=convt&w=<script>&step=-5", "#lab=journey&net=" + "%7C" * 900,
]  # fmt: skip


@pytest.mark.parametrize("hash", HOSTILE, ids=lambda hash: hash[:30])
def test_links_that_mean_harm_do_none(tab, hash):
    page = tab()
    open_at(page, hash)
    assert page.said == []
    assert page.evaluate("window.harm === undefined && ({}).n === undefined")
    assert page.locator("script:not([type])").count() == 1
    assert page.locator("main svg, main canvas").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("nav a")
    assert page.said == []


def test_what_is_refused_is_said(tab):
    page = tab()
    open_at(page, "#lab=nothing")
    assert read(page)["notice"] == STRINGS["refused.screen"]["en"].format(screen="nothing")
    open_at(page, "#lab=pool&x=" + "1" * 5000)
    assert "5,011" in read(page)["notice"]


def test_what_is_copied_leads_back(tab, tmp_path):
    page = tab(permissions=["clipboard-read", "clipboard-write"])
    open_at(page, "#lab=pool&n=7&cell=1,2")
    clipboard = "navigator.clipboard.readText()"
    page.click("text=Copy link")
    assert page.evaluate(clipboard).endswith("offline.html#lab=pool&n=7&cell=1,2")
    page.click("text=Copy Python")
    printed = {}
    exec(page.evaluate(clipboard), {"print": lambda made: printed.update(made)})
    assert printed["settings"]["n"] == 7
    page.click("text=Copy as SVG")
    drawn = page.evaluate(clipboard)
    other = tab()
    (tmp_path / "figure.svg").write_text(drawn, "utf-8")
    other.goto((tmp_path / "figure.svg").as_uri())
    assert other.said == []
    assert drawn.count("<rect") == 1 + sum(len(grid.cells) for grid in scene("#lab=pool&n=7").grids)


@pytest.mark.parametrize("hash", ["#lang=ko&theme=dark&n=4", "#lang=ko&theme=dark&lab=nothing"])
def test_a_link_without_a_screen_keeps_its_language_and_theme(tab, hash):
    page = tab()
    open_at(page, hash)
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == ["ko", "dark"]
    key, screen = ("refused.screenless", "") if "lab" not in hash else ("refused.screen", "nothing")
    assert page.locator(".notice p").all_inner_texts() == [say(Text(key, {"screen": screen}), "ko")]


def test_language_and_theme_alone_are_the_first_screen(tab):
    page = tab()
    open_at(page, "#theme=dark&lang=ko")
    assert hash_of(page) == "#lab=journey&lang=ko&theme=dark"
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == ["ko", "dark"]
    assert page.locator(".notice p").count() == 0


def test_what_a_link_gives_in_vain_is_said_until_it_is_changed(tab):
    page = tab()
    open_at(page, "#lab=pool&cell=99,-1&n=4&n=5&foo=1")
    assert page.locator(".notice p").all_inner_texts() == [
        "n = 4 is ignored: the link says n more than once, and the last one counts.",
        "foo = 1 is ignored: this screen has no such setting.",
        "cell = 99,-1 is not possible, 1,0 is shown: rows 0 to 1 and columns 0 to 1 are there.",
    ]
    page.check("#set-pad-same", force=True)
    assert len(page.locator(".notice p").all_inner_texts()) == 2  # what was said of the link's cell stays
