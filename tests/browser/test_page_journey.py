"""The journey on the page: every number of its table, what does not fit, and the changes that help."""

import pytest
from tests.browser.reading import OFFLINE, STRINGS, open_at, painted, say

from layerscope.lab.scenes import scene
from layerscope.lab.state import spell

NETS = [
    "28x28x1 | conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | flatten | dense 10",
    "4x2 | dense 3 nobias | dense 1 nobias | reshape 4 | dense 1 nobias",
    "9x9x3 | conv 4 3 stride 2 relu | convt 4 3 stride 2 relu | upsample 2 | conv 1 3 same",
]
WRONG = "28x28x1 | conv 16 3 relu | maxpool 4 | conv 8 9 relu | flatten | dense 10"
ROWS = """() => [...document.querySelectorAll(".path tbody tr")].map((row) => ({
  kind: row.className, cells: [...row.querySelectorAll("th, td:not(.box)")].map((cell) => cell.textContent),
  current: row.getAttribute("aria-current"),
}))"""


def link(net, **more):
    return spell("journey", {"net": net, **more})


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_number_of_the_table(tab, net, lang):
    page, given = tab(), link(net, lang=lang)
    open_at(page, given)
    data, shown = scene(given).data, page.evaluate(ROWS)
    assert [row["cells"][0] for row in shown] == [row["words"] for row in data["rows"]]
    assert [row["cells"][1] for row in shown] == ["×".join(map(str, row["shape"])) or "1" for row in data["rows"]]
    assert [row["cells"][3] for row in shown] == [f"{row['parameters']:,}" for row in data["rows"]]
    assert [row["cells"][4] for row in shown] == [f"{row['macs']:,}" for row in data["rows"]]
    for row, told in zip(shown, data["rows"], strict=True):
        wide = [
            one if one is None else (f"{one[0]}" if one[0] == one[1] else f"{one[0]}–{one[1]}")
            for one in told["field"]
        ]
        assert row["cells"][5] == "×".join("·" if one is None else one for one in wide)
        before, after = (told["ratio"] or (1, 1))[::-1]
        assert row["kind"] == ("keeps" if before == after else "enriches" if after > before else "condenses")
    assert page.inner_text(".path tfoot").split("\t")[-4:-2] == [
        f"{data['totals']['parameters']:,}", f"{data['totals']['macs']:,}",
    ]  # fmt: skip
    assert page.inner_text("h1") == say(scene(given).title, lang)


def test_what_does_not_fit_is_said_marked_and_mended(tab):
    page = tab()
    open_at(page, link(WRONG))
    data = scene(link(WRONG)).data
    assert page.inner_text(".wrong") == say(data["trouble"]["why"], "en")
    assert page.inner_text("mark") == "conv 8 9 relu"
    kinds = [row["kind"] for row in page.evaluate(ROWS)]
    assert kinds[-3:] == ["breaks", "unread", "unread"]
    count = page.locator(".fixes button").count()
    assert count > 1
    for number in range(count):
        open_at(page, link(WRONG))
        page.locator(".fixes button").nth(number).click()
        mended = scene(page.evaluate("location.hash"))
        assert mended.settings["net"] != WRONG
        assert mended.data["trouble"] is None
        assert page.locator(".trouble").is_hidden()
        page.go_back()
        assert page.inner_text("mark") == "conv 8 9 relu"


def test_rows_are_stepped_through_by_mouse_key_and_bar(tab):
    page = tab()
    open_at(page, link(NETS[0]))
    rows = page.locator(".path tbody tr")
    formula = "[...document.querySelectorAll('.formula .cluster')].map((one) => one.textContent).join(' ')"
    for number in (2, 4):
        expected = " ".join(token.text for token in scene(link(NETS[0], step=number)).formula)
        rows.nth(number).hover()
        assert page.evaluate(formula) == expected
        assert rows.nth(number).get_attribute("aria-current") == "step"
    rows.nth(1).locator("button").click()
    assert page.evaluate("location.hash") == link(NETS[0], step=1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == link(NETS[0], step=2)
    page.click(f"button[aria-label='{STRINGS['page.step.on']['en']}']")
    assert page.evaluate("location.hash") == link(NETS[0], step=3)


def test_a_layer_leads_to_its_own_screen(tab):
    page = tab()
    open_at(page, link(NETS[0], lang="ko", theme="dark"))
    links = page.locator(".path tbody a")
    assert links.count() > 0
    target = links.first.get_attribute("href")
    links.first.click()
    assert page.evaluate("location.hash") == f"{target}&lang=ko&theme=dark"
    assert page.locator("figure[data-grid]").count() > 0


def test_typing_a_network_changes_the_table_and_is_one_step_back(tab):
    page = tab()
    page.goto(OFFLINE + "#lab=pool")
    open_at(page, link(NETS[0]))
    page.locator("#set-net").press("Control+a")
    page.locator("#set-net").press_sequentially("8x8x1 | maxpool 2")
    painted(page)
    assert [row["cells"][1] for row in page.evaluate(ROWS)] == ["8×8×1", "4×4×1"]
    page.locator("h1").click()
    assert page.evaluate("location.hash") == link("8x8x1 | maxpool 2")
    page.go_back()
    painted(page)
    assert len(page.evaluate(ROWS)) == len(scene(link(NETS[0])).data["rows"])


def test_a_table_that_goes_on_is_seen_to_and_keys_scroll_it(tab):
    page = tab(viewport={"width": 390, "height": 900})
    open_at(page, "#lab=journey")
    path = page.locator(".path")
    assert path.get_attribute("data-more") == "right"
    assert "linear-gradient" in path.evaluate("box => getComputedStyle(box).maskImage")
    path.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.path').dataset.more === 'left right'")
    path.evaluate("box => { box.scrollLeft = box.scrollWidth; }")
    page.wait_for_function("() => document.querySelector('.path').dataset.more === 'left'")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function("() => !document.querySelector('.path').dataset.more")
    assert path.evaluate("box => getComputedStyle(box).maskImage") == "none"
