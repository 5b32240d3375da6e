"""Which columns a table has, in which order its rows stand, and what is said of wishes that mean nothing."""

import csv
import io
from fractions import Fraction
from pathlib import Path

import pytest
from tests.table.networks import open_sizes, residual, stack, twins, unknown

import layerscope as ls
from layerscope.cli import trace as command
from layerscope.core.errors import LayerscopeError
from layerscope.telling import words
from layerscope.telling.amounts import Amount, Unit, memory
from layerscope.telling.columns import BY_KEY, GROUPS, USUAL, chosen

ROOT = Path(__file__).parent.parent.parent


def keys(wish):
    return [fact.key for fact in chosen(wish)]


def test_wishes():
    assert keys(None) == list(USUAL)
    assert keys("macs") == ["name", "macs"]
    assert keys("name, Output ,macs") == ["name", "output", "macs"]
    assert keys(["output", "params"]) == ["name", "output", "parameters"]
    assert keys("all") == list(BY_KEY)
    assert keys("all,-kind,-from") == [key for key in BY_KEY if key not in ("kind", "from")]
    assert keys("+memory,-kind") == [*(k for k in USUAL if k != "kind"), "output_bytes", "live_bytes", "saved_bytes"]
    assert keys("-weights") == [key for key in USUAL if key != "weights"]
    assert keys("operations") == ["name", "bias", "pointwise", "normalisation", "pooling"]
    assert keys("field") == ["name", "receptive_field", "start", "jump", "phases", "holes"]
    assert keys("macs,macs,name") == ["name", "macs"]


MISTAKES = {
    "unknown": (
        {"columns": "name,nonsense"},
        "unknown column 'nonsense'. layerscope trace --help lists them.",
    ),
    "misspelt": (
        {"columns": "+paramters"},
        "unknown column 'paramters'. Did you mean 'parameters' or 'params' or 'parameters_percent'? "
        "layerscope trace --help lists them.",
    ),
    "without the name": ({"columns": "-name"}, "columns: the layer's name always stays; leave -name out"),
    "none": ({"columns": " , "}, "columns: ' , ' names no column; try 'name,output,macs' or '+memory,-kind'"),
    "an empty list": ({"columns": []}, "columns: [] names no column; try 'name,output,macs' or '+memory,-kind'"),
    "depth": ({"depth": 0}, "depth must be at least 1, not 0"),
    "depth that is no number": ({"depth": "two"}, "depth must be a whole number, not 'two'"),
    "top": ({"top": -3}, "top must be at least 1, not -3"),
    "order": (
        {"sort": "speed"},
        "unknown column to sort by 'speed'. Did you mean 'shared'? layerscope trace --help lists them.",
    ),
    "order by words": (
        {"sort": "kind"},
        "rows cannot be sorted by kind, which is no number; sort by one of layers, parameters, trainable, shared, "
        "parameters_percent, macs, macs_percent, bias, pointwise, normalisation, pooling, output_bytes, live_bytes, "
        "saved_bytes, receptive_field, capacity, unread, discarded",
    ),
    "format": ({"format": "xls"}, "unknown format 'xls'. Known: csv, html, json, latex, markdown, svg, terminal."),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    view, message = MISTAKES[name]
    with pytest.raises(LayerscopeError) as found:
        ls.trace("3x3x1").render(**view)
    assert str(found.value) == message


def table(trace, *columns, **view):
    text = trace.render("csv", columns=columns, **view)
    return list(csv.reader(io.StringIO(text)))


def test_order_is_largest_first_and_as_it_came_among_equals():
    trace = ls.trace("example:autoencoder")
    assert table(trace, "macs", sort="macs", top=4) == [
        ["name", "macs"],
        ["conv2d_1", "225792"],
        ["conv2d_5", "225792"],
        ["conv2d", "112896"],
        ["conv2d_6", "112896"],
    ]
    assert [row[1] for row in table(trace, "live_bytes", sort="memory", top=2)[1:]] == ["62720", "62720"]
    everything = table(trace, "parameters", sort="parameters")
    assert len(everything) == 1 + len(trace)
    numbers = [int(row[1]) for row in everything[1:]]
    assert numbers == sorted(numbers, reverse=True)


def test_top_alone_is_by_macs():
    trace = ls.trace("example:autoencoder")
    assert trace.render(top=3) == trace.render(sort="macs", top=3)


def test_a_row_sums_what_is_left_out():
    page = (
        ls.trace("example:autoencoder")
        .render(columns="parameters,macs,live_bytes,receptive_field", top=2)
        .split("\n")
    )
    assert page[:8] == [
        "autoencoder  per example (the batch size is open), sorted by MACs",
        "",
        "layer          parameters     MACs  live kB  receptive field",
        "────────────────────────────────────────────────────────────",
        "conv2d_1            1,160  225,792    18.82            8 × 8",
        "conv2d_5            1,168  225,792    20.74    46–54 × 46–54",
        "… and 12 more       1,041  260,640    62.72",
        "────────────────────────────────────────────────────────────",
    ]


def test_everything_is_the_largest_receptive_field():
    names = [row[0] for row in table(residual(), "receptive_field", sort="receptive_field", top=3)[1:]]
    assert names == ["pool", "head", "stage2_block5_2_conv"]


def test_unknown_rows_stand_between_the_known_and_zeros():
    assert table(unknown(), "macs", sort="macs") == [
        ["name", "macs"], ["conv", "72"], ["head", "24"], ["mystery", ""], ["image", "0"], ["flatten", "0"],
    ]  # fmt: skip


def test_open_sizes_are_ordered_as_if_they_were_large():
    assert [row[0] for row in table(open_sizes(), "macs", sort="macs")[1:]] == ["conv", "last", "image"]


def test_the_column_of_the_order_is_shown():
    assert "saved kB" in residual().render(sort="saved_bytes", width=60)
    assert "layers" in stack().render(depth=1, width=100).splitlines()[2]


def test_plain_numbers_of_all_columns():
    found = dict(zip(*table(twins(), "all")[::8], strict=True))
    assert found == {
        "name": "block_0/add#2", "kind": "Add", "from": "right, block_0/down#2",
        "input": "(batch, 6, 8); (batch, 6, 8)", "output": "(batch, 6, 8)", "dtype": "float32", "layers": "1",
        "weights": "", "parameters": "0", "trainable": "0", "shared": "0", "parameters_percent": "0.0", "macs": "0",
        "macs_percent": "0.0", "bias": "0", "pointwise": "48", "normalisation": "0", "pooling": "0",
        "output_bytes": "192", "live_bytes": "768", "saved_bytes": "0", "receptive_field": "right: (1,)",
        "start": "right: (0,)", "jump": "right: (1,)", "phases": "right: (1,)", "holes": "no", "ratio": "0.5",
            "capacity": "48", "unread": "0", "dropped": "", "discarded": "0.0",
    }  # fmt: skip


def test_shares_are_of_the_total():
    trace = ls.trace("example:autoencoder")
    rows = table(trace, "macs", "macs_percent", "parameters", "parameters_percent")[1:]
    for _, macs, part, parameters, other in rows:
        assert float(part) == pytest.approx(100 * int(macs) / trace.totals["macs"])
        assert float(other) == pytest.approx(100 * int(parameters) / trace.totals["parameters"])
    assert sum(float(row[2]) for row in rows) == pytest.approx(100)


def test_help_and_definitions_name_every_column():
    page = (ROOT / "docs" / "definitions.md").read_text("utf-8")
    for key in BY_KEY:
        assert key in command.EPILOG.replace("\n", " ").replace(",", " ").split(), key
        assert f"`{key}`" in page, key
    for group in GROUPS:
        assert group in command.EPILOG, group


def test_wished_columns_do_not_give_way():
    wide = residual().render(columns="all", width=100)
    assert "Not shown" not in wide
    titles = [line.split("  ") for line in wide.splitlines() if line.startswith("layer ")]
    assert len(titles) > 1
    assert sum(len([title for title in row if title.strip()]) - 1 for row in titles) == len(BY_KEY) - 1
    some = residual().render(columns="+memory", width=80)
    assert all(title in some for title in ("output kB", "live kB", "saved kB"))
    assert "Not shown for want of width: weights, data, kind" in some


def test_ratios_in_words():
    told = {
        Fraction(1): "=", Fraction(16): "enrich ×16", Fraction(1, 4): "condense ÷4", Fraction(49, 16): "enrich ×3.062",
        Fraction(12500, 12501): "condense ÷1.0001", Fraction(10**9 + 1, 10**9): "enrich ×1.000000001",
        Fraction(1, 25088): "condense ÷25,088", Fraction(50177, 2): "enrich ×25,088",
    }  # fmt: skip
    assert {value: words.ratio(value) for value in told} == told


def test_bytes_in_words():
    sizes = (0, 1, 784, 999, 1000, 9994, 9995, 99_949, 99_950, 999_499, 999_500, 10**9, 1_234 * 10**12)
    assert [memory(size) for size in sizes] == [
        "0 bytes", "1 byte", "784 bytes", "999 bytes", "1.00 kB", "9.99 kB", "10.0 kB", "99.9 kB", "100 kB", "999 kB",
        "1.00 MB", "1.00 GB", "1,234 TB",
    ]  # fmt: skip


def test_the_unit_of_a_column_is_that_of_its_largest_number():
    unit = Unit.of([Amount(3), Amount(2_500_000), Amount(None)])
    assert (unit.name, unit.decimals) == ("MB", 3)
    amounts = (Amount(2_500_000), Amount(3), Amount(500), Amount(0), Amount(None), Amount(1_000, True))
    assert [unit.words(amount) for amount in amounts] == ["2.500", "< 0.001", "0.001", "", "unknown", "≥ 0.001"]
    assert Unit.of([Amount(999)]).name == "bytes"
    assert Unit.of([]).words(Amount(0)) == ""


def test_numbers_beyond_all_floats():
    huge = 10**400
    assert Unit.of([Amount(huge)]).words(Amount(huge)) == f"{huge:,}"
    assert words.real(Fraction(huge, 3)) == round(Fraction(huge, 3))
    assert words.ratio(Fraction(huge)) == f"enrich ×{huge:,}"
    assert words.ratio(Fraction(1, huge)) == f"condense ÷{huge:,}"
    assert memory(huge) == "about 10^400 bytes"
