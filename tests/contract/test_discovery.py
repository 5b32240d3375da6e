"""The folder is the list: every file of it is found, with examples, under the right name."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields, is_dataclass

import pytest

import layerscope.layers
from layerscope.core.contract import Example, Layer
from layerscope.layers import kinds, layer_class
from layerscope.layers._words import WORDS

from .cases import all_examples, executable_examples, title
from .settings import RANDOM

KINDS = kinds()
DOCUMENT = {
    *("Activation", "Add", "AveragePooling2D", "BedOfNails2D", "Concatenate", "Conv2D", "Conv2DTranspose"),
    *("Cropping2D", "Dense", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"),
    *("InputLayer", "MaxPooling2D", "MaxUnpooling2D", "Opaque", "Reshape", "UpSampling2D", "ZeroPadding2D"),
}

LATER = {"PixelShuffle2D"}


def test_every_file_of_the_folder_is_one_kind():
    folder = os.path.dirname(layerscope.layers.__file__)
    files = [name[:-3] for name in os.listdir(folder) if name.endswith(".py") and not name.startswith("_")]
    assert sorted(name.replace("_", "") for name in files) == sorted(kind.lower() for kind in KINDS)


def test_no_layer_has_been_lost():
    assert set(KINDS) >= DOCUMENT | LATER


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_frozen_dataclass_with_examples(kind):
    cls = KINDS[kind]
    assert issubclass(cls, Layer)
    assert is_dataclass(cls)
    assert cls.__dataclass_params__.frozen
    assert not cls.__dataclass_params__.eq
    examples = cls.examples()
    assert len(examples) >= 1
    assert all(isinstance(example, Example) and type(example.layer) is cls for example in examples)


def test_every_example_of_every_kind_is_tested():
    assert {type(case.layer).__name__ for case in all_examples()} == set(KINDS)
    tested = {type(case.layer).__name__ for case in executable_examples()}
    assert {kind for kind, cls in KINDS.items() if cls.executable} - tested == {"InputLayer"}, "it has no input"


def test_the_table_of_words_is_what_the_layers_say():
    files = {kind.lower() for kind in KINDS}
    said = {word: kind.lower() for kind, cls in KINDS.items() for word in (cls.words.names if cls.words else ())}
    assert {word: plain for word, plain in said.items() if word.replace("_", "") not in files} == WORDS
    own = {word.replace("_", ""): plain for word, plain in said.items() if word.replace("_", "") in files}
    assert all(word == plain for word, plain in own.items()), "the plain name of one layer is no word for another"


def test_a_word_stands_for_one_layer():
    words = [word for cls in KINDS.values() for word in (cls.words.names if cls.words else ())]
    assert sorted(words) == sorted(set(words))


def test_every_spelling_finds_its_layer():
    for kind, cls in KINDS.items():
        for word in (kind, kind.lower(), kind.upper(), *(cls.words.names if cls.words else ())):
            assert layer_class(word) is cls, word


@pytest.mark.parametrize("asked", ["layer_class('dense')", "layer_class('conv')", "MaxPool2D", "Conv2D"])
def test_asking_for_one_layer_loads_no_other(asked):
    code = (
        f"import sys; import layerscope.layers as layers; layers.{asked}; "
        "print(*sorted(m.rpartition('.')[2] for m in sys.modules if m.startswith('layerscope.layers.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    files = [name for name in done.stdout.split() if not name.startswith("_")]
    assert files == [{"layer_class('dense')": "dense", "MaxPool2D": "max_pooling2d"}.get(asked, "conv2d")]


def test_random_settings_are_of_layers_that_exist():
    assert set(RANDOM) <= set(KINDS)


def test_two_layers_with_the_same_settings_are_two_layers():
    one, other = layerscope.layers.Conv2D(16, 3), layerscope.layers.Conv2D(16, 3)
    assert one != other
    assert len({one, other}) == 2
    assert [f.name for f in fields(one)] == [f.name for f in fields(other)]


@pytest.mark.parametrize("case", all_examples(), ids=title)
def test_every_layer_says_what_it_computes_and_keeps_besides_products(case):
    """Only of a layer that nobody described it is unknown; nothing is silently zero."""
    described = type(case.layer).__name__ != "Opaque"
    operations, saved = case.layer.operations(*case.inputs), case.layer.saved(*case.inputs)
    assert (operations is not None, saved is not None) == (described, described)
    assert (case.layer.workspace(*case.inputs) is not None) == described
    if saved is not None:
        assert set(saved.inputs) <= set(range(len(case.inputs)))
        assert set(saved.outputs) <= set(range(len(case.outputs)))
