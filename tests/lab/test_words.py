"""Every text of every screen in both languages; every role and setting that a painter or the page names."""

import re
import string

import pytest
from tests.lab.helpers import settings_at_random

from layerscope.lab.painting import words
from layerscope.lab.painting.cells import BORDERS, MARKED
from layerscope.lab.scene import Text
from layerscope.lab.scenes import scene
from layerscope.lab.state import described

SCREENS = tuple(described()["screens"])
HANGUL = re.compile("[가-힣]")


def placeholders(said):
    return {name for _, name, _, _ in string.Formatter().parse(said) if name is not None}


def texts(made):
    """All that a scene says."""
    yield made.title
    yield from made.why
    yield from (clamp.why for clamp in made.clamped)
    for grid in made.grids:
        yield grid.title
        if grid.summary:
            yield grid.summary


@pytest.mark.parametrize("screen", SCREENS)
def test_every_text_can_be_said_in_both_languages(screen):
    for given in [f"#lab={screen}&n=99&nothing=1", *settings_at_random(screen, 60)]:
        for told in texts(scene(given)):
            assert isinstance(told, Text)
            for lang in words.LANGUAGES:
                said = words.say(told, lang)
                assert said
                assert "{" not in said


def test_both_languages_fill_in_the_same():
    for key, said in words.strings().items():
        assert set(said) == set(words.LANGUAGES), key
        assert placeholders(said["en"]) == placeholders(said["ko"]), key


def test_korean_is_korean():
    """What has words in English has Hangul in Korean, names that are everywhere the same apart."""
    same = {key for key, said in words.strings().items() if said["en"] == said["ko"]}
    for key, said in words.strings().items():
        if key not in same and re.search("[A-Za-z]{4}", said["en"]):
            assert HANGUL.search(said["ko"]), key
    assert not any(
        HANGUL.search(said["en"]) for key, said in words.strings().items() if not key.startswith("page.lang")
    )


def test_marks_are_named():
    for role in (*MARKED, *BORDERS):
        assert words.say(Text(f"role.{role}"), "en")
