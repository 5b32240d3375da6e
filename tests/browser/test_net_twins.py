"""Random networks in one line of text, read by Python and by the page: the same facts, the same troubles."""

import random
from collections import Counter
from urllib.parse import quote

import pytest
from tests.browser import net_texts
from tests.browser.twin import ask, compared, plain

from layerscope.lab import net
from layerscope.lab.scenes import scene
from layerscope.lab.state import described

COUNT = 340


def asked(screen, count=COUNT):
    """Hashes of random networks with the screen's other settings drawn as well."""
    draw = random.Random(f"nets {screen}")
    made = []
    for _ in range(count):
        step = f"&step={draw.randrange(9)}" if screen == "journey" else f"&layer={draw.randrange(-1, 7)}"
        more = f"&mode={draw.choice(('back', 'forward'))}&cell={draw.randrange(14)},{draw.randrange(14)}"
        target = f"&target={draw.choice(('auto', 'input', 'none'))}"
        made.append(f"#lab={screen}&net={quote(net_texts.text(draw))}{step}{target if screen == 'journey' else more}")
    return made


def offline(made):
    """Whether the page says that only Python computes a layer."""
    return "net.offline" in {text["key"] for text in made["why"]}


@pytest.mark.parametrize("screen", ["field", "journey"])
def test_random_networks_are_the_same(screen):
    hashes = asked(screen)
    troubles = Counter()
    for given, twin in zip(hashes, ask({"hash": given} for given in hashes), strict=True):
        if offline(twin):
            troubles["offline"] += 1
            continue
        assert compared(twin) == plain(scene(given)), given
        trouble = twin["data"]["trouble"]
        troubles[(trouble or {"key": None}).get("key", (trouble or {}).get("why", {}).get("key"))] += 1
    assert sum(troubles.values()) - troubles["offline"] >= 300
    assert troubles[None] > 40, "too few networks that fit"
    assert len(troubles) > 20, "too few kinds of trouble"
    assert troubles["offline"] < COUNT / 20


def test_the_page_says_which_layers_only_python_computes():
    for text in ("8x3 | lstm 4", "8x8x1 | relu 6", "8x8x1 | conv 2 3 data_format=channels_first"):
        (made,) = ask([{"hash": f"#lab=journey&net={quote(text)}"}])
        assert offline(made), text
        assert made["data"]["trouble"]["stage"] == 1


def test_the_pages_fixes_fit_and_are_pythons_where_one_change_is_enough():
    """Each is a text that fits; where Python has one of a single change, so has the page."""
    (entry,) = (e for e in described()["screens"]["journey"] if e["name"] == "net")
    draw = random.Random("fixes")
    texts = [preset["value"] for preset in entry["presets"]] + [net_texts.text(draw) for _ in range(120)]
    answers = ask({"hash": f"#lab=journey&net={quote(text)}"} for text in texts)
    found = missed = 0
    for text, twin in zip(texts, answers, strict=True):
        for fix in twin["data"]["fixes"]:
            assert net.read(fix["net"]).trouble is None, fix
        single = [fix for fix in plain_fixes(text) if len(fix["changes"]) == 1]
        found += bool(single and twin["data"]["fixes"])
        missed += bool(single and not twin["data"]["fixes"])
    assert found >= 20
    assert missed <= found / 8


def plain_fixes(text):
    return scene(f"#lab=journey&net={quote(text)}").data["fixes"]


def test_the_documents_broken_decoder_is_mended_in_the_same_way():
    (entry,) = (e for e in described()["screens"]["journey"] if e["name"] == "net")
    text = next(p["value"] for p in entry["presets"] if p["key"] == "journey.preset.broken")
    (twin,) = ask([{"hash": f"#lab=journey&net={quote(text)}"}])
    first, second = twin["data"]["fixes"]
    assert first["changes"] == [
        {"key": "journey.fix.set",
         "args": {"layer": "conv2d_5", "setting": "padding", "before": "same", "after": "valid"}}]  # fmt: skip
    assert second["changes"] == [{"key": "journey.fix.insert.end", "args": {"words": "crop 2,2x2,2"}}]
