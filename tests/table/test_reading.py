"""What a table says of open sizes, shared weights, kinds and tensors that are fed twice."""

from __future__ import annotations

import pytest
from tests.table.networks import ALL

import layerscope as ls
from layerscope.core.errors import SizeError
from layerscope.core.graph import Graph, trace_calls
from layerscope.layers import Add, Conv2D, Dense, Input, MultiHeadAttention


def _open() -> ls.Trace:
    return ls.trace("heightxwidthx3 | conv 4 3 stride 2 same | conv 4 3")


def test_sums_in_shapes_stand_in_parentheses():
    rows = _open().render(columns="name,output", width=200).splitlines()
    assert rows[6].split("  ")[-1].strip() == "(floor((height + 1) / 2) - 2) × (floor((width + 1) / 2) - 2) × 4"


def test_open_sizes_are_named_with_the_way_to_put_a_number():
    line = "Open sizes: height, width; --set height=N puts a number in the place of one."
    assert line in _open().render(width=200)
    assert "Open sizes" not in ls.trace("8x8x3 | conv 4 3").render(width=200)


def test_the_batch_that_a_network_states():
    entry = Input((8,), batch_size=5)
    trace = ls.trace(trace_calls([entry], [Dense(2)(entry)], "five"))
    assert trace.render().splitlines()[0] == "five  for a batch of 5, as the network states"


def test_two_sizes_of_the_batch():
    with pytest.raises(SizeError) as raised:
        ls.trace("8 | dense 2", batch=3, sizes={"batch": 2})
    assert str(raised.value) == "the batch is 3 by its own argument and 2 among the sizes; give it once"


def _shared() -> Graph:
    entry = Input((4,))
    layer = Dense(4)
    return trace_calls([entry], [layer(layer(entry))], "twice")


def test_shares_of_parameters_add_up_to_all():
    rows = ls.trace(_shared()).to_json()["layers"]
    assert [row["shared"] for row in rows] == [False, False, True]
    page = ls.trace(_shared()).render("csv", columns="name,parameters,parameters_percent")
    assert page.splitlines()[1:] == ["input_layer,0,0.0", "dense,20,100.0", "dense#2,20,0.0"]


def test_a_tensor_that_is_fed_twice_counts_once():
    entry = Input((6, 8))
    seen = MultiHeadAttention(2, 4)(entry, entry)
    rows = ls.trace(trace_calls([entry], [Add()([seen, entry])], "attention")).layers
    assert [row["ratio"] for row in rows] == [None, 1, 0.5]


def test_kinds_stay_where_names_do_not_say_them():
    def header(*names: str) -> str:
        entry = Input((12, 12, 3), name=names[0])
        value = Conv2D(8, 3, name=names[2])(Conv2D(8, 3, name=names[1])(entry))
        return ls.trace(trace_calls([entry], [value], "two")).render(width=82).splitlines()[2]

    told = header("input_layer", "conv2d", "conv2d_1")
    assert told.split() == ["layer", "output", "parameters", "MACs", "receptive", "field", "data"]
    untold = header("pixels", "first_edges", "second_edges")
    assert untold.split() == ["layer", "kind", "output", "parameters", "MACs", "receptive", "field"]


@pytest.mark.parametrize("name", [name for name in ALL if name != "unknown"])
def test_parameters_less_the_shared_ones_are_the_total(name):
    trace = ALL[name]()
    counted = [row["parameters"] - row["shared_parameters"] for row in trace.layers]
    assert sum(counted) == trace.totals["parameters"]
    assert [row["shared_parameters"] == row["parameters"] > 0 for row in trace.layers] == [
        row["shared"] for row in trace.layers
    ]


def test_shared_parameters():
    rows = ls.trace(_shared()).layers
    assert [(row["parameters"], row["shared_parameters"]) for row in rows] == [(0, 0), (20, 0), (20, 20)]
    unknown = {row["name"]: row["shared_parameters"] for row in ALL["unknown"]().layers}
    assert unknown == {"image": 0, "conv": 0, "mystery": None, "flatten": 0, "head": 0}
