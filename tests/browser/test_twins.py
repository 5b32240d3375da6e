"""The lab in Python and in TypeScript: the same scenes, the same links, the same numbers."""

import json
import math
import random
import string
import struct
from dataclasses import asdict

import pytest
from tests.browser.twin import SCREENS, ask, compared, hashes, plain

from layerscope.core.errors import LayerscopeError
from layerscope.lab.numbers import text
from layerscope.lab.painting import words
from layerscope.lab.scene import Text
from layerscope.lab.scenes import scene
from layerscope.lab.state import described, parse, spell

COUNT = 300


@pytest.mark.parametrize("screen", SCREENS)
def test_scenes_are_the_same(screen):
    asked = hashes(screen, COUNT)
    assert len(asked) >= 300
    for given, twin in zip(asked, ask({"hash": given} for given in asked), strict=True):
        assert compared(twin) == plain(scene(given)), given


@pytest.mark.parametrize("screen", SCREENS)
def test_links_are_spelled_the_same_and_read_back(screen):
    states = [parse(given) for given in hashes(screen, 300, seed=8)]
    spelled = [spell(state.screen, state.settings) for state in states]
    assert list(ask({"spell": [state.screen, dict(state.settings)]} for state in states)) == spelled
    for state, link in zip(states, spelled, strict=True):
        again = parse(link)
        assert (again.screen, again.settings, again.clamped) == (state.screen, state.settings, ())


HOSTILE = [
    "", "#", "lab=", "#lab=nothing", "#lab=__proto__", "#lab=constructor", "#n=4", "#lab=pool&lab=pool", "#lab=pool&n",
    "#lab=pool&n=", "#lab=pool&n=1e3", "#lab=pool&n=+4", "#lab=pool&n=%34", "#lab=pool&n=-0", "#lab=pool&n=99999999",
    "#lab=pool&__proto__=1", "#lab=pool&cell=1", "#lab=pool&cell=1,2,3", "#lab=pool&cell=a,b", "#lab=pool&pad=SAME",
    "#lang=ko", "#lang=ko&theme=dark", "#theme=fr", "#lang=ko&n=4", "#lang=ko&lab=", "#lab=pool&cell=99,99",
    "#lab=pool&cell=-1,0&n=2", "#lab=journey&step=99&step=1&cell=1,1", "#lab=pool&lab=conv", "#lab=autoencoder&cell=28,3",
    "#lab=pool&lang=fr", "#lab=pool&n=4&n=5", "#lab=pool&x=%", "#lab=pool&x=%zz", "#lab=pool&&&n=4", "##lab=pool",
    "#lab=pool&x=한글+말", "#lab=pool&x=%ff%e2%82&y=a=b", "#lab=pool&n=４", "#lab=pool&x=" + "a" * 5000,
]  # fmt: skip


def test_hostile_links_are_taken_the_same():
    for given, twin in zip(HOSTILE, ask({"hash": given} for given in HOSTILE), strict=True):
        try:
            expected = plain(scene(given))
        except LayerscopeError:
            assert twin["refused"].startswith("refused."), given
        else:
            assert compared(twin) == expected, given


def test_numbers_are_printed_the_same():
    draw = random.Random(5)
    values = [0.0, 1.0, -1.0, 99999.0, 100000.0, 0.0001, 0.00012345, 0.125, 2.5, -0.0625, 1e21, 1.005, 999.5, 0.9995]
    values += [draw.uniform(-20, 20) for _ in range(2000)] + [
        draw.uniform(-1, 1) * 10 ** draw.randint(-9, 12) for _ in range(2000)
    ]
    values += [
        value for value in (struct.unpack("<d", draw.randbytes(8))[0] for _ in range(2000)) if math.isfinite(value)
    ]
    answers = ask({"number": value} for value in values)
    for value, answer in zip(values, answers, strict=True):
        assert answer == text(value), value


ARGUMENTS = ("3", "8", "relu", "kernel", "Conv2D", "(None, 4)", "커널", "日本", 0, 1, 8, 1000, 113000, -5, 0.125, 2.5)


def test_texts_are_said_the_same():
    """Every string in both languages, with numbers, words and texts in it: amounts, particles, plurals."""
    inner = Text("kind.Conv2D")
    asked = [
        (Text(key, {name: value for _, name, _, _ in string.Formatter().parse(said["en"]) if name}), lang)
        for key, said in words.strings().items()
        for lang in words.LANGUAGES
        for value in (*ARGUMENTS, inner)
    ]
    answers = ask({"say": [asdict(told), lang]} for told, lang in asked)
    for (told, lang), twin in zip(asked, answers, strict=True):
        assert twin == words.say(told, lang), told


def test_the_comparison_can_fail():
    """One changed number in one cell is seen."""
    made = plain(scene(f"#lab={SCREENS[0]}"))
    changed = json.loads(json.dumps(made))
    changed["grids"][0]["cells"][0]["text"] += "0"
    assert [compared(twin) for twin in ask([{"hash": f"#lab={SCREENS[0]}"}])] == [made] != [changed]


def test_every_kind_of_setting_is_one_that_is_drawn():
    kinds = {entry["kind"] for entries in described()["screens"].values() for entry in entries}
    assert kinds <= {"int", "choice", "cell", "text"}
