"""Open sizes of Keras's files: what they are called, and how they are put to numbers."""

from __future__ import annotations

import json

import pytest
from tests.keras_configs import entry, layer, model

import layerscope as ls
from layerscope.cli import main
from layerscope.core import binding
from layerscope.core.errors import UnknownNameError
from layerscope.sources._keras import files as keras_file

OPEN = {
    "picture": ([(None, None, 3)], ["height", "width"]),
    "channels first": ([(3, None, None)], ["height", "width"]),
    "volume": ([(None, None, None, 1)], ["depth", "height", "width"]),
    "sequence": ([(None, 16)], ["length"]),
    "channels first sequence": ([(16, None)], ["length"]),
    "texts": ([(None,)], ["length"]),
    "anything": ([(None, None)], ["length", "channels"]),
    "many axes": ([(None, 2, None, 3, 4)], ["size_1", "size_3"]),
    "one of two open": ([(None, 8, 3), (None,)], ["height", "length"]),
    "the same of two": ([(None, 8, 3), (None, None, 3)], ["in_0_height", "in_1_height", "width"]),
    "texts of two": ([(None,), (None, 4)], ["in_0_length", "in_1_length"]),
}


@pytest.mark.parametrize("case", OPEN)
def test_names_of_open_sizes(case):
    given, names = OPEN[case]
    entries = [entry(f"in_{n}", (None, *shape)) for n, shape in enumerate(given)]
    labels = [one["name"] for one in entries]
    data = model(*entries, inputs=labels, outputs=labels)
    assert binding.names(keras_file.load(data)) == names


def test_an_unknown_size_lists_those_that_are_open():
    graph = keras_file.load(model(entry("image", (None, None, None, 3)), inputs=("image",)))
    with pytest.raises(UnknownNameError) as caught:
        ls.trace(graph, sizes={"xyz": 3})
    assert str(caught.value) == "unknown size 'xyz'. Known: batch, height, width."
    labels = [f"i{n}" for n in range(30)]
    many = keras_file.load(model(*(entry(one, (None, None)) for one in labels), inputs=labels, outputs=labels))
    names = ", ".join(f"i{n}_length" for n in range(24))
    with pytest.raises(UnknownNameError) as caught:
        ls.trace(many, sizes={"xyz": 3})
    assert str(caught.value) == f"unknown size 'xyz'. Open sizes: {names} and 7 more."
    with pytest.raises(UnknownNameError) as caught:
        ls.trace("8 | dense 2", sizes={"xyz": 3})
    assert str(caught.value) == "unknown size 'xyz'. Known: batch. All its sizes are numbers, but for the batch."


def test_the_helps_own_example(tmp_path, capsys):
    path = tmp_path / "model.json"
    image = entry("input_layer_18", (None, None, None, 3))
    conv = layer("Conv2D", "conv", "input_layer_18", shape=[None, None, None, 3], filters=2, kernel_size=[3, 3])
    path.write_text(json.dumps(model(image, conv, inputs=("input_layer_18",))))
    assert main(["trace", str(path), "--set", "height=224", "--set", "batch=1", "--columns", "output"]) == 0
    assert "1 × 222 × (width - 2) × 2" in capsys.readouterr().out


def test_a_class_of_keras_under_its_own_name():
    def traced(kind):
        heads = layer(
            kind, "heads", "x", "x", shape=[None, 5, 8], head_dim=4, num_query_heads=6, num_key_value_heads=2
        )
        return ls.trace(keras_file.load(model(entry("x", (None, 5, 8)), heads))).to_json()

    assert traced("GroupedQueryAttention") == traced("GroupQueryAttention")
    assert traced("GroupedQueryAttention")["layers"][1]["kind"] == "GroupQueryAttention"
