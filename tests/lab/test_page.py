"""The page's files and words, as far as they can be checked without a browser."""

import base64
import hashlib
import json
import re
from importlib.resources import files

import pytest

from layerscope.lab.page import SERVED, offline_html, served
from layerscope.lab.state import described

SCREENS = described()["screens"]


def pairs_once(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})
    return dict(pairs)


TEXT = files("layerscope.lab").joinpath("strings.json").read_text("utf-8")


def test_no_word_is_given_twice_and_both_languages_have_all():
    strings = json.loads(TEXT, object_pairs_hook=pairs_once)
    for key, told in strings.items():
        assert set(told) == {"en", "ko"}, key
        assert all(told.values()), key
        places = [set(re.findall(r"{(\w+)}", words)) for words in told.values()]
        assert places[0] == places[1], key


def test_every_screen_and_setting_has_words():
    strings = json.loads(TEXT)
    for screen, entries in SCREENS.items():
        assert f"page.screen.{screen}" in strings
        assert f"page.lead.{screen}" in strings
        for entry in entries:
            if entry["kind"] == "cell" or entry["name"] == "step":
                continue  # the grids and the step bar themselves
            name = entry["name"]
            assert f"{screen}.set.{name}" in strings or f"set.{name}" in strings, f"{screen}: {name}"
            for preset in entry.get("presets", []):
                assert preset["key"] in strings


def test_the_offline_page_allows_its_own_script_and_style_and_no_request():
    page = offline_html()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    for tag in ("script", "style"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"""(src|href)=["'](?!#)""", re.sub(r"<script.*?</script>", "", page, flags=re.S))


def test_the_state_is_written_into_the_page_and_nothing_else_changes():
    given = "#lab=pool&n=5"
    assert '<meta name="layerscope-state" content="#lab=pool&amp;n=5">' in offline_html(given)
    assert offline_html(given).replace("#lab=pool&amp;n=5", "", 1) == offline_html()


def test_what_is_served_is_there_and_has_no_style_nor_script_of_its_own():
    page = served("index.html").read_text("utf-8")
    assert 'src="lab.js"' in page
    assert 'href="lab.css"' in page
    assert set(re.findall(r"<script([^>]*)>", page)) >= {' src="lab.js"'}
    assert "<style" not in page
    for name in SERVED:
        assert served(name).read_bytes()
    with pytest.raises(KeyError):
        served("offline.html/../index.html")
