"""The table as a terminal shows it: whole pages, and what becomes of it where there is little room."""

import json
import re

import pytest
from tests.table.networks import ALL, residual, stack, switches, traced, unknown

import layerscope as ls
from layerscope import Input
from layerscope.layers import Add, Dense
from layerscope.report.formats.terminal import shortened, wide
from layerscope.telling import View, describe

SWITCHES = """\
text  per example (the batch size is open)

layer            kind            output                weights                 parameters   MACs  receptive field  data
──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
input_layer      InputLayer      8 × 8 × 1                                                                  1 × 1
conv2d           Conv2D          8 × 8 × 2             kernel 3×3×1×2, bias 2          20  1,152            3 × 3  enrich ×2
max_pooling2d    MaxPooling2D    4 × 4 × 2 + switches                                                       4 × 4  condense ÷4
max_unpooling2d  MaxUnpooling2D  8 × 8 × 2                                                                  4 × 4  enrich ×4
conv2d_1         Conv2D          8 × 8 × 1             kernel 3×3×2×1, bias 1          19  1,152            6 × 6  condense ÷2
──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
parameters    39
MACs          2,304
operations    192 bias, 128 pointwise, 128 pooling
memory        weights 156 bytes, inputs 256 bytes, outputs 1.54 kB
at inference  768 bytes alive at once, in conv2d
in training   1.41 kB kept for the backward pass

MAC: one multiply and add in a product with weights; products with padding count.
Receptive field: input positions that one output position depends on, per axis, on an unbounded input.
Data: numbers out ÷ numbers in; below 1 a layer condenses the data, above 1 it enriches it.
Memory: of tensors, 1 kB = 1,000 bytes; what is alive or kept comes on top of the weights."""

UNKNOWN = """\
unknown
per example (the batch size is open)

layer    output     parameters     MACs
───────────────────────────────────────
image    4 × 4 × 1
conv     2 × 2 × 2          20       72
mystery  2 × 2 × 2     unknown  unknown
flatten  8
head     3                  27       24
───────────────────────────────────────
parameters    at least 47
MACs          at least 96
operations    at least 11 bias
memory        weights 188 bytes, inputs
              64 bytes, outputs 76 bytes
at inference  at least 96 bytes alive at
              once, in conv
in training   at least 96 bytes kept for
              the backward pass

MAC: one multiply and add in a product
  with weights; products with padding
  count.
Memory: of tensors, 1 kB = 1,000 bytes;
  what is alive or kept comes on top of
  the weights.
Unknown is not zero: totals leave
  unknown layers out and say so.
Not shown for want of width: weights,
  data, kind, receptive field (--columns
  chooses them, --format json has all)."""


def plain(text):
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_whole_pages():
    assert plain(switches().render(width=130)) == SWITCHES
    assert plain(unknown().render(width=40)) == UNKNOWN


def test_a_folded_row_stands_in_one_line_where_there_is_room_and_in_two_where_not():
    assert residual().render(width=110).splitlines()[17].rstrip() == (
        "stage1_block3: the same 5 layers              8 × 8 × 4           296  18,432          25 × 25  ="
    )
    narrow = residual().render(width=60).splitlines()
    place = narrow.index("stage2_block3 … stage2_block5: 3 times the same 5 layers")
    assert narrow[place + 1] == "                      4 × 4 × 8         3,504  55,296"


def test_folded_models_have_their_number_of_layers():
    assert [line.rstrip() for line in stack().render(depth=1, width=110).splitlines()[2:9]] == [
        "layer    kind        output  weights             layers  parameters    MACs  receptive field  data",
        "─────────────────────────────────────────────────────────────────────────────────────────────────────────────",
        "tokens   InputLayer  6 × 8                            1                                    1",
        "block_0  3 layers    6 × 8                            3         552   3,072                1  =",
        "block_1 … block_5: 5 times the same 3 layers         15       2,760  15,360                1  =",
        "head     Dense       6 × 3   kernel 8×3, bias 3       1          27     144                1  condense ÷2.667",
        "─────────────────────────────────────────────────────────────────────────────────────────────────────────────",
    ]  # fmt: skip


VIEWS = ({}, {"top": 3}, {"depth": 1}, {"columns": "all"}, {"depth": 1, "columns": "+memory"})


@pytest.mark.parametrize("view", VIEWS, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_no_line_is_longer_than_the_width(name, view):
    trace = ALL[name]()
    document = describe(trace.graph, trace.journey, View(**view))
    fixed = [column for column in document.columns[1:] if not column.rank]
    cells = [row.cells[column.key] for row in document.rows for column in fixed if not column.least]
    # what cannot be made shorter: the beginning of a name, and beside it a cell of a column that was asked for
    least = 16 + 2 + max(map(len, [*cells, *(column.title for column in fixed)])) if fixed else 0
    for width in (40, 47, 60, 72, 80, 100, 120, 200):
        page = trace.render(width=width, **view).splitlines()
        assert max(map(len, page)) <= max(width, least)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_numbers_are_never_shortened(width):
    page = residual().render(width=width, columns="from,macs,parameters,output", full=True)
    assert re.search(r"… |\+\d", page)
    for step in residual().journey.steps:
        assert step.macs == 0 or re.search(rf" {step.macs:,}\b", page)
        assert step.parameters == 0 or re.search(rf" {step.parameters:,}\b", page)


def test_names_are_shortened_in_the_middle():
    assert shortened("features/block_12/attention/query", 17) == "featur…tion/query"
    assert len(shortened("features/block_12/attention/query", 17)) == 17
    assert shortened("short", 17) == "short"
    assert [shortened("abcdef", width) for width in (1, 2, 3, 6)] == ["…", "…f", "…ef", "abcdef"]


def test_shortened_names_stay_different():
    page = residual().render(width=60, columns="output,macs,parameters,live_bytes", full=True).splitlines()
    names = [line.split()[0] for line in page[4:50]]
    assert any("…" in name for name in names)
    assert len(set(names)) == len(names)


def test_colours_add_nothing_but_colours():
    for name in ("residual", "twins"):
        trace = ALL[name]()
        painted = trace.render(width=70, colour=True)
        assert re.sub(r"\033\[\d+m", "", painted) == trace.render(width=70)
        assert painted != trace.render(width=70)


def test_names_cannot_move_the_cursor():
    page = ALL["odd names"]().render(width=200)
    assert all(line.isprintable() for line in page.splitlines())
    assert "_first_�second�[31m`tick`'s" in page


def test_letters_that_take_two_columns():
    image = Input((2,), name="입력")
    page = traced([image], [Dense(1, name="출력층")(image)]).render(columns="macs").splitlines()
    assert page[2:6] == ["layer   MACs", "────────────", "입력", "출력층     2"]
    assert shortened("가나다라마바사", 7) == "가…바사"
    assert wide("가…바사") == 7


# --- open sizes ---


WIDE = "heightxwidthx3 | conv 16 3 stride 2 same relu | conv 32 3 stride 2 | maxpool 2 | conv 64 5 stride 3 same"
CUT = "Long expressions are cut where … stands; --format json has them whole."


@pytest.mark.parametrize("columns", [None, "macs", "output,macs,parameters", "+memory", "all", "+operations,-kind"])
@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_expressions_are_cut_to_the_width(width, columns):
    trace = ls.trace(WIDE)
    lines = trace.render(width=width, columns=columns).splitlines()
    table = lines[: next(n for n, line in enumerate(lines) if line.startswith("parameters  "))]
    weights = 29 + len("kernel 5×5×32×64, bias 64")  # a cell that was asked for and is no expression
    assert max(map(len, lines)) <= (max(width, weights) if columns == "all" else width)
    page = "\n".join(lines)
    said = CUT in " ".join(page.split())
    assert said == any("…" in line.replace("max_p…ing2d", "") for line in table)


def test_a_table_of_open_sizes():
    page = ls.trace(WIDE).render(width=80, columns="macs,parameters", legend=False).splitlines()
    assert page[2:10] == [
        "layer                                                           MACs  parameters",
        "────────────────────────────────────────────────────────────────────────────────",
        "input_layer",
        "conv2d            432·floor((height + 1) / 2)·floor((width + 1) / 2)         448",
        "conv2d_1       4608·floor((height +…08·floor((width + 3) / 4) + 4608       4,640",
        "max_pooling2d",
        "conv2d_2       51200·floor((height …) / 24)·floor((width + 15) / 24)      51,264",
        "────────────────────────────────────────────────────────────────────────────────",
    ]
    wide_page = ls.trace(WIDE).render(width=200, columns="macs")
    assert "4608·floor((height + 3) / 4)·floor((width + 3) / 4) - 4608·floor((height + 3) / 4) - 4608" in wide_page
    assert CUT not in wide_page


def test_numbers_beside_expressions_stay_whole():
    """Of sizes so large that a number is longer than what expressions are cut to."""
    text = "heightx8x9223372036854775807 | dense 9223372036854775807 nobias"
    page = ls.trace(text).render(width=60, columns="parameters,macs")
    assert " 85,070,591,730,234,615,847,396,907,784,232,501,249" in page


# --- layers that read several ---


def _reading(count):
    image = Input((4,), name="pixels")
    values = [Dense(4, name=f"branch_{n}_of_the_network")(image) for n in range(count)]
    return traced([image], [Add(name="sum")(values)], "many")


@pytest.mark.parametrize(
    ("count", "width", "cell"),
    [
        (2, 120, "branch_0_of_the_network, branch_1_of_the_network"),
        (2, 60, "branch_0_of_the_network +1"),
        (2, 40, "bran…_network +1"),
        (3, 90, "branch_0_of_the_network, branch_1_of_the_network +1"),
        (4, 200, ", ".join(f"branch_{n}_of_the_network" for n in range(4))),
        (9, 200, "branch_0_of_the_network, branch_1_of_the_network, branch_2_of_the_network, 6 more"),
        (9, 90, "branch_0_of_the_network, branch_1_of_the_network +7"),
        (9, 50, "branch_0…f_the_network +8"),
    ],
)
def test_several_inputs_are_seen_to_be_several(count, width, cell):
    (line,) = (
        one for one in _reading(count).render(width=width, columns="from").splitlines() if one.startswith("sum")
    )
    assert line.removeprefix("sum").strip() == cell


# --- the legend, and terminals of other encodings ---


def test_without_the_legend():
    page = switches().render(width=130, legend=False)
    assert plain(page) == SWITCHES.partition("\n\nMAC: ")[0]
    assert "Not shown for want of width: " in switches().render(width=60, legend=False)
    for format in ("markdown", "latex", "html"):
        assert "MAC: one multiply" in switches().render(format)
        assert "MAC: one multiply" not in switches().render(format, legend=False)
        assert "Memory: of tensors" not in switches().render(format, legend=False)
    assert switches().render("json", legend=False) == switches().render("json")


def test_the_legend_is_of_the_columns_shown():
    legend = switches().render(width=120, columns="output").splitlines()[-1:]
    assert legend == ["Memory: of tensors, 1 kB = 1,000 bytes; what is alive or kept comes on top of the weights."]
    assert "\nMAC: " not in switches().render(width=120, columns="output")
    assert "\nMAC: " in switches().render(width=120, columns="macs_percent")


ASCII = """\
layer            output                data
--------------------------------------------------
input_layer      8 x 8 x 1
conv2d           8 x 8 x 2             enrich x2
max_pooling2d    4 x 4 x 2 + switches  condense /4
max_unpooling2d  8 x 8 x 2             enrich x4
conv2d_1         8 x 8 x 1             condense /2
--------------------------------------------------"""


def test_letters_of_a_terminal_in_ascii():
    page = switches().render(columns="output,data", encoding="ascii", legend=False)
    assert page.isascii()
    assert plain(page).split("\n\n")[1].rpartition("\nparameters")[0] == ASCII
    assert switches().render(columns="output,data", encoding="no such encoding") == switches().render(
        columns="output,data"
    )


def test_cut_names_are_aligned_in_ascii():
    image = Input((4,), name="a")
    long = traced([image], [Dense(4, name="a_very_long_name_of_a_layer")(Dense(4)(image))], "long")
    page = long.render(width=34, columns="macs,parameters", encoding="ascii").splitlines()
    assert page[0] == "long"
    rows = [line for line in page if line.startswith(("a_", "dense"))]
    assert any("..." in row for row in rows)
    assert len({len(row) for row in rows if row[-1].isdigit()}) == 1


def test_json_where_letters_are_missing():
    image = Input((2,), name="입력𝄞×")
    trace = traced([image], [Dense(1)(image)], "net")
    text = trace.render("json", encoding="latin-1")
    assert text.isascii()
    assert json.loads(text) == trace.to_json()
    assert "입력𝄞×" in trace.render("json")
