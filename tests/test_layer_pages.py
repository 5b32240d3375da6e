"""Every layer has a page, and each page says what its layer says."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from layerscope.layers import kinds, layer_class
from layerscope.report.explained import facts, picture, trial

DOCS = Path(__file__).parent.parent / "docs"
SECTIONS = ["Shape law", "Picture", "Example", "What it costs", "Settings", "Elsewhere"]
KINDS = sorted(kinds())


@pytest.fixture(scope="module")
def pages():
    """docs/layers.py, which makes them."""
    sys.path.insert(0, str(DOCS))
    try:
        spec = importlib.util.spec_from_file_location("layer_pages", DOCS / "layers.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(DOCS))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_what_its_layer_makes(kind, pages):
    for path, text in pages.files(layer_class(kind)).items():
        found = (pages.FOLDER / path).read_text("utf-8") if (pages.FOLDER / path).is_file() else None
        assert found == text, f"{path} is not up to date: run python docs/layers.py"


def test_the_list_is_up_to_date_and_there_is_no_page_of_nothing(pages):
    assert (pages.FOLDER / "README.md").read_text("utf-8") == pages.index()
    assert sorted(path.stem for path in pages.FOLDER.glob("*.md")) == sorted([*KINDS, "README"])
    assert sorted(path.stem for path in (pages.FOLDER / pages.PICTURES).glob("*.svg")) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_all_its_parts(kind):
    text = (DOCS / "layers" / f"{kind}.md").read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    for number, part in enumerate(re.split(r"^## .*$", text, flags=re.MULTILINE)):
        assert len(part.strip()) > 2, ["the head", *SECTIONS][number]
    assert re.search(r"^```python\n.*?^```\n\n```output\n.*\S.*^```$", text, re.MULTILINE | re.DOTALL)


COMPUTED = [kind for kind in KINDS if layer_class(kind).executable and layer_class(kind).examples()[0].inputs]


@pytest.mark.parametrize("kind", COMPUTED)
def test_what_a_picture_leaves_out_is_not_read(kind):
    """All values that are not marked are changed at once; the marked output value stays."""
    example = layer_class(kind).examples()[0]
    found = facts.dependence(example)
    random = np.random.default_rng(0)
    weights = {
        name: random.random(weight.shape) + 0.5
        for name, weight in example.layer.weight_types(*example.inputs).items()
    }
    place = (0, *found.position)
    for number, box in enumerate(found.inputs):
        if number in example.layer.integer_inputs:
            continue
        arrays = [
            np.zeros(type.shape, np.int64) if n in example.layer.integer_inputs else random.normal(size=type.shape)
            for n, type in enumerate(example.inputs)
        ]
        before = example.layer.define(*arrays, **weights)[0][0][place]
        outside = np.ones(arrays[number][0].shape, bool)
        if box is not None:
            outside[np.ix_(*(list(indices(part)) for part in box))] = False
        arrays[number][0][outside] += random.normal(size=int(outside.sum()))
        assert example.layer.define(*arrays, **weights)[0][0][place] == before
        if box is not None and not example.layer.integer_inputs:
            after = []
            for shift in (1.5, -1.5):
                changed = [array.copy() for array in arrays]
                changed[number][0][~outside] += shift * (1 + random.random(int((~outside).sum())))
                after.append(example.layer.define(*changed, **weights)[0][0][place])
            assert any(found != before for found in after), "what is marked is not read"


def indices(part):
    return [n for low, high in part.intervals for n in range(low, high + 1)]


def test_captions_count_what_is_marked():
    assert picture.caption(layer_class("conv2dtranspose")).endswith(
        "the value of the output at (14, 14, 8), orange, depends on 2 × 2 × 8 = 32 values of the input, blue."
    )
    assert picture.caption(layer_class("flatten")) == (
        "`Flatten()`: the value of the output at (98), orange, depends on 1 value of the input, blue."
    )
    assert picture.caption(layer_class("activation")).startswith("The function, for inputs from -4 to 4")


def test_flatten_says_which_number_comes_where():
    """Number 98 of 7 × 7 × 4 in row-major order is (3, 3, 2)."""
    found = facts.dependence(layer_class("flatten").examples()[0])
    assert [part.intervals for part in found.inputs[0]] == [((3, 3),), ((3, 3),), ((2, 2),)]


def test_nails_show_a_value_that_is_not_empty():
    found = facts.dependence(layer_class("nails").examples()[0])
    assert all(place % 2 == 0 for place in found.position[:2])
    assert found.inputs[0] is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_docstring_has_a_first_line_and_says_its_shapes(kind):
    words = facts.words(layer_class(kind))
    assert words.first.endswith((".", ":"))
    assert "Shapes" in dict(words.fields)


def test_examples_are_small():
    for kind in COMPUTED:
        for type in trial.shrunk(layer_class(kind).examples()[0]):
            assert type.elements <= 784
