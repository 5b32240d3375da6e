"""The table as a terminal shows it: whole pages, and what becomes of it where there is little room."""

import re

import pytest
from tests.table.networks import ALL, residual, stack, switches, traced, unknown

from layerscope import Input
from layerscope.layers import Dense
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
    assert "…" in page
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
