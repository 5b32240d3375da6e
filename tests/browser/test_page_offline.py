"""One file that asks for nothing, the same bytes each time, within its budgets, on a disk and in a sandboxed frame."""

import gzip
import html
import subprocess

import pytest
from tests.browser.reading import GRIDS, PAGE, SCREENS, WEB, check, go, open_at
from tests.browser.twin import corners

from layerscope.core.errors import LayerscopeError
from layerscope.lab.page import SERVED, offline_html, served
from layerscope.lab.state import described


@pytest.mark.parametrize("screen", SCREENS)
def test_from_a_disk_with_one_request_and_no_message(tab, tmp_path, screen):
    path = tmp_path / "lab.html"
    path.write_text(offline_html(f"#lab={screen}"), "utf-8")
    page = tab()
    page.goto(path.as_uri())
    page.wait_for_selector("h1")
    page.keyboard.press("Tab")
    page.wait_for_timeout(200)
    assert page.requests == [path.as_uri()]
    assert page.said == []
    assert page.evaluate("location.hash") == f"#lab={screen}"
    page.locator("main button:visible:not([aria-disabled=true])").first.click()
    page.click("nav a >> nth=-1")
    page.wait_for_timeout(200)
    assert page.requests == [path.as_uri()]
    assert page.said == []


def test_a_request_is_forbidden_and_would_be_seen(tab):
    page = tab()
    open_at(page, "#lab=pool")
    assert page.evaluate("fetch('https://example.org/').then(() => 'went', () => 'refused')") == "refused"
    assert any("Content Security Policy" in said for said in page.said)


@pytest.mark.parametrize("screen", GRIDS)
def test_in_a_sandboxed_frame(tab, screen):
    page = tab()
    start = f"#lab={screen}"
    page.set_content(
        f'<iframe sandbox="allow-scripts" width="1200" height="2000" srcdoc="{html.escape(offline_html(start))}"></iframe>'
    )
    frame = page.frames[1]
    frame.wait_for_selector("h1")
    check(frame, start)
    frame.click("nav a >> nth=-1")
    assert frame.evaluate(
        "document.querySelector('nav [aria-current]') === [...document.querySelectorAll('nav a')].at(-1)"
    )
    assert page.said == []


def test_where_copying_is_forbidden_the_text_is_shown_to_be_copied_by_hand(tab):
    page = tab()
    page.set_content(
        f'<iframe sandbox="allow-scripts" srcdoc="{html.escape(offline_html("#lab=pool&n=5"))}"></iframe>'
    )
    frame = page.frames[1]
    frame.click("text=Copy Python")
    box = frame.locator("textarea.byhand:visible")
    assert "#lab=pool&n=5" in box.input_value()
    assert frame.evaluate("document.activeElement.className") == "byhand"


def test_two_exports_are_the_same_and_differ_in_their_state_alone():
    given = "#lab=pool&n=5&cell=1,1"
    assert offline_html(given) == offline_html(given[1:])
    assert offline_html(given).replace(html.escape(given), "") == offline_html()
    with pytest.raises(LayerscopeError):
        offline_html("#lab=nothing")


def test_an_exported_state_cannot_become_markup():
    page = offline_html('#lab=pool&n="><script>alert(1)</script>')
    assert "<script>alert" not in page


def test_the_committed_page_is_what_its_sources_make(tmp_path):
    subprocess.run(["node", "build.mjs", str(tmp_path)], cwd=WEB, check=True)
    for name in (*SERVED, "offline.html"):
        assert (tmp_path / name).read_bytes() == (PAGE / name).read_bytes(), f"{name}: run node build.mjs in {WEB}"


def test_budgets_of_bytes():
    assert len(offline_html().encode()) <= 400_000
    assert len(gzip.compress(served("lab.js").read_bytes())) <= 60_000


@pytest.mark.parametrize("screen", SCREENS)
def test_budget_of_nodes(tab, screen):
    page = tab()
    open_at(page, f"#lab={screen}")
    for given in [f"#lab={screen}", *corners(screen, described()["screens"][screen])[:40]]:
        go(page, given)
        count = page.evaluate("document.querySelectorAll('*').length")
        assert count <= 5000, f"{given}: {count} nodes"


def test_only_what_is_served_is_given_out():
    assert {path.name for path in PAGE.iterdir() if path.suffix in (".js", ".css", ".html")} == {
        *SERVED,
        "offline.html",
    }
    with pytest.raises(KeyError):
        served("../settings.json")
