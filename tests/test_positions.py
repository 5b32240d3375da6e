"""What one layer sees from one position, what one position of an input reaches: Python, JSON and the command line."""

import json
from fractions import Fraction

import pytest

import layerscope as ls
from layerscope.analyses import positions
from layerscope.cli import main
from layerscope.core.errors import ShapeError, UnknownNameError
from layerscope.core.indices import Indices
from layerscope.layers import Add, Conv2D, Dense, Flatten, Input, UpSampling2D, ZeroPadding2D
from layerscope.models import Model

B = "example:autoencoder-transpose"


def printed(capsys, *arguments):
    assert main(["field", *arguments]) == 0
    return capsys.readouterr().out


def test_the_field_of_a_layer_everywhere():
    seen = ls.trace(B).receptive_field("conv2d_2")
    assert (seen.layer, seen.sizes, seen.position) == ("conv2d_2", (3, 3), None)
    (one,) = seen.inputs
    (extent, other) = one.extents
    assert extent == other
    assert (extent.min, extent.max, extent.exact) == (18, 18, True)
    assert (extent.start, extent.jump, extent.phases, extent.holes) == (0, Fraction(4), 1, False)
    assert one.indices is one.box is one.slices is None
    assert repr(seen) == "conv2d_2, 3 × 3 positions\n  of input_layer, 28 × 28, it sees 18 × 18"


def test_the_field_of_a_position():
    seen = ls.trace(B).receptive_field(position=(0, 27))
    assert seen["input_layer"].box == ((0, 21), (4, 25))
    assert seen["input_layer"].slices == (slice(0, 22), slice(4, 26))
    assert repr(seen) == (
        "conv2d_transpose_3, 28 × 28 positions\n"
        "  of input_layer, 28 × 28, it sees 30–34 × 30–34\n"
        "    at (0, 27) 0 … 21 × 4 … 25 (22 × 22)"
    )
    assert seen["input_layer"].box == ls.trace(B).receptive_field(position=(0, 0, 27, 0))["input_layer"].box


def test_a_position_that_nothing_sees():
    """Reference document, autoencoder B: rows and columns 26 and 27 of the image are never read."""
    found = ls.trace(B)
    for line in range(28):
        reached = found.projective_field((line, 5))["conv2d_transpose_3"]
        assert (reached.box is None) == (line > 25)
    assert repr(found.projective_field((27, 10))) == (
        "input_layer, 28 × 28, at (27, 10)\n  reaches of conv2d_transpose_3, 28 × 28, nothing"
    )


@pytest.mark.parametrize("name", ["example:autoencoder", B])
def test_seeing_and_being_reached_are_inverse(name):
    found = ls.trace(name)
    back = {p: found.receptive_field(position=(p, 0)).inputs[0].indices[0] for p in range(28)}
    for line in range(28):
        reached = found.projective_field((line, 5)).layers[0].indices
        rows = Indices(()) if reached is None else reached[0]
        seeing = [p for p, rows in back.items() if any(low <= line <= high for low, high in rows.intervals)]
        assert [p for low, high in rows.intervals for p in range(low, high + 1)] == seeing


def test_a_layer_in_the_middle_is_reached():
    reached = ls.trace("9x9x1 | conv 1 3 as a | conv 1 3 stride 2 as b").projective_field((4, 0), "a")
    assert reached["a"].box == ((2, 4), (0, 0))
    assert reached["a"].slices == (slice(2, 5), slice(0, 1))
    assert repr(reached) == "input_layer, 9 × 9, at (4, 0)\n  reaches of a, 7 × 7, 2 … 4 × 0 … 0 (3 × 1)"
    with pytest.raises(
        UnknownNameError,
        match=r"^unknown layer 'b'\. Known: a\. layerscope trace lists the layers \(--full: all of them\)\.$",
    ):
        reached["b"]


def two_inputs():
    left, right = Input((8, 6, 1), name="left"), Input((4, 3, 2), name="right")
    grown = UpSampling2D(2)(Conv2D(1, 3, padding="same", name="small")(right))
    joined = Add(name="sum")([left, grown])
    return Model([left, right], [joined, Dense(2, name="class")(Flatten()(grown))], name="two")


def test_several_inputs_and_outputs():
    found = ls.trace(two_inputs())
    seen = found.receptive_field("sum", (3, 0))
    assert {one.input: one.box for one in seen.inputs} == {"left": ((3, 3), (0, 0)), "right": ((0, 2), (0, 1))}
    assert [one.input for one in found.receptive_field("class").inputs] == ["right"]
    with pytest.raises(UnknownNameError, match=r"^unknown input of class 'left'\. Known: right\.$"):
        found.receptive_field("class")["left"]
    reached = found.projective_field((0, 0), input="right")
    assert [(one.layer, one.box) for one in reached.layers] == [("sum", ((0, 3), (0, 3))), ("class", ((0, 1),))]
    reached = found.projective_field((0, 0), input="left")
    assert [(one.layer, one.box) for one in reached.layers] == [("sum", ((0, 0), (0, 0))), ("class", None)]
    with pytest.raises(ShapeError, match=r"^there are 2 inputs, left, right: say which one$"):
        found.projective_field((0, 0))
    with pytest.raises(UnknownNameError, match=r"^unknown input 'lift'\. Did you mean 'left'\?$"):
        found.projective_field((0, 0), input="lift")


MISTAKES = {
    (1,): "conv2d has 4 × 4 positions, so one of them has 2 numbers, not 1: (1,)",
    (1, 2, 3): "conv2d has 4 × 4 positions, so one of them has 2 numbers, not 3: (1, 2, 3)",
    (0, 4): "(0, 4) is outside of conv2d: 4 × 4 positions, counted from 0",
    (-1, 0): "(-1, 0) is outside of conv2d: 4 × 4 positions, counted from 0",
    (0, 0, 0, 7): "(0, 0, 0, 7) is outside of conv2d: 1 × 4 × 4 × 3 positions, counted from 0",
}


@pytest.mark.parametrize("position", MISTAKES)
def test_positions_that_are_not_there(position):
    with pytest.raises(ShapeError) as caught:
        ls.trace("6x6x1 | conv 3 3").receptive_field(position=position)
    assert str(caught.value) == MISTAKES[position]


def test_open_sizes_have_fields_but_no_boxes():
    start = Input((None, 6, 1))
    found = ls.trace(Model(start, Conv2D(1, 3, name="c")(ZeroPadding2D(1)(start))))
    assert [extent.start for extent in found.receptive_field().inputs[0].extents] == [-1, -1]
    with pytest.raises(ShapeError) as caught:
        found.receptive_field(position=(0, 0))
    assert str(caught.value) == (
        "the size height is open; give it a number, by sizes= in Python or --set on the command line"
    )
    found = ls.trace(found.graph, sizes={"height": 9})
    assert found.receptive_field(position=(8, 0)).inputs[0].box == ((7, 8), (0, 1))


def test_open_sizes_on_the_command_line(capsys, tmp_path):
    start = Input((None, 6, 1))
    path = tmp_path / "open.json"
    ls.trace(Model(start, Conv2D(1, 3)(start))).save(path)
    assert main(["field", str(path), "--at", "3,0"]) == 2
    assert "--set" in capsys.readouterr().err
    text = printed(capsys, str(path), "--at", "3,0", "--set", "height=9", "--format", "csv")
    assert text.splitlines()[1] == "input_layer,height,9,3,3,yes,0,1,1,no,3,5,3"


def test_a_layer_that_sees_everything():
    seen = ls.trace("6x6x1 | flatten | dense 3 as d").receptive_field(position=(2,))
    assert seen.inputs[0].extents == (None, None)
    assert repr(seen) == (
        "d, 3 positions\n  of input_layer, 6 × 6, it sees everything\n    at (2,) 0 … 5 × 0 … 5 (6 × 6)"
    )


def test_the_command(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert printed(capsys, "28x28x1 | conv 3 3 dilation 2 as c | nails 3", "c", "--at", "1,0").splitlines()[:8] == [
        "c of text  24 × 24 positions",
        "",
        "input        axis    size  receptive field  start  jump  phases  holes  at (1, 0)",
        "─────────────────────────────────────────────────────────────────────────────────",
        "input_layer  height    28                5      0     1       1  yes    1 … 5 (5)",
        "input_layer  width     28                5      0     1       1  yes    0 … 4 (5)",
        "─────────────────────────────────────────────────────────────────────────────────",
        "input_layer  5 × 5",
    ]
    text = printed(capsys, "28x28x1 | conv 3 3 dilation 2 | nails 3 as n", "--at", "1,1")
    assert "input_layer  height    28              0–5      0  0.3333       3  yes      nothing\n" in text
    assert printed(capsys, B, "--of-input", "27,10").splitlines()[:5] == [
        "input_layer of autoencoder-transpose  28 × 28 positions",
        "",
        "layer               axis    size  reached from (27, 10)",
        "───────────────────────────────────────────────────────",
        "conv2d_transpose_3  height    28                nothing",
    ]


def test_the_command_as_json(capsys):
    found = json.loads(printed(capsys, "9x3 | flatten | dense 2 as d", "--at", "1", "--format", "json"))
    assert found == {
        "layer": "d",
        "sizes": [2],
        "position": [1],
        "inputs": {"input_layer": {"sizes": [9], "receptive_field": ["everything"], "box": [[0, 8]], "read": 9}},
    }
    found = json.loads(printed(capsys, "9x9x1 | convt 1 1 stride 2 as t", "--format", "json"))
    extent = {"min": 0, "max": 1, "exact": True, "start": 0, "jump": 0.5, "phases": 2, "holes": False}
    assert found["inputs"] == {"input_layer": {"sizes": [9, 9], "receptive_field": [extent, extent]}}
    found = json.loads(printed(capsys, "9x9x1 | convt 1 1 stride 2 as t", "--of-input", "1,4", "--format", "json"))
    assert found == {
        "input": "input_layer",
        "sizes": [9, 9],
        "position": [1, 4],
        "layers": {"t": {"sizes": [18, 18], "box": [[2, 2], [8, 8]], "read": 1}},
    }


def test_results_are_plain_values():
    found = ls.trace("6x6x1 | conv 3 3")
    assert found.receptive_field(position=(1, 1)) == found.receptive_field(position=(1, 1))
    assert isinstance(found.receptive_field(), positions.ReceptiveField)


REFUSED = {
    "layer": (
        ["example:autoencoder", "conv2d_22"],
        "unknown layer 'conv2d_22'. Did you mean 'conv2d_2' or 'conv2d_6' or 'conv2d_5'? "
        "layerscope trace lists the layers (--full: all of them).",
    ),
    "outside": (
        ["example:autoencoder", "conv2d_3", "--at", "3,4"],
        "(3, 4) is outside of conv2d_3: 4 × 4 positions, counted from 0",
    ),
    "other axes": (
        ["10x3 | flatten | dense 4", "--at", "1,2"],
        "dense has 4 positions, so one of them has 1 number, not 2: (1, 2)",
    ),
    "input without a position": (
        ["example:autoencoder", "--input", "input_layer"],
        "--input says which input --of-input speaks of; give --of-input ROW,COLUMN, too",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_on_the_command_line(name, capsys):
    arguments, message = REFUSED[name]
    assert main(["field", *arguments]) == 2
    assert capsys.readouterr() == ("", f"layerscope field: {message}\n")


def test_a_position_that_is_no_position(capsys):
    with pytest.raises(SystemExit):
        main(["field", "example:autoencoder", "--at", "3,x"])
    assert capsys.readouterr().err == (
        "layerscope field: argument --at: numbers with commas between are needed, such as 3,4, not '3,x'\n"
        "Try: layerscope field --help\n"
    )


def test_plain_rows(capsys):
    rows = printed(capsys, "9x9x1 | convt 1 1 stride 2 as t", "--at", "1,4", "--format", "csv").splitlines()
    assert rows[:3] == [
        "input,axis,size,min,max,exact,start,jump,phases,holes,first,last,count",
        "input_layer,height,9,0,1,yes,0,0.5,2,no,,,0",
        "input_layer,width,9,0,1,yes,0,0.5,2,no,,,0",
    ]
    rows = printed(capsys, "9x3 | flatten | dense 2 as d", "--at", "1", "--format", "csv").splitlines()
    assert rows[1] == "input_layer,length,9,,,,,,,,0,8,9"
    rows = printed(capsys, "9x9x1 | convt 1 1 stride 2 as t", "--of-input", "1,4", "--format", "csv").splitlines()
    assert rows[:3] == ["layer,axis,size,first,last,count", "t,height,18,2,2,1", "t,width,18,8,8,1"]
