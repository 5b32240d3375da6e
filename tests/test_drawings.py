"""Pictures of checks, mirrored encoders and encoders to order: what is drawn, and that all of it can be read."""

import re

import pytest
from tests.commands import layerscope, refused

from layerscope import sources, studies
from layerscope.analyses.design import Wish, design
from layerscope.analyses.mirror import mirror
from layerscope.checking import check
from layerscope.core.errors import OutputError, SettingError
from layerscope.layers import Add, Conv2D, Input
from layerscope.models import Model
from layerscope.report.figures.checked import Cell, Checked, Row
from layerscope.report.figures.designed import Amount, Designs, Proposed
from layerscope.report.figures.mirrored import Facing, Side
from layerscope.report.figures.tensors import MEANT, UNITS, Tensor
from layerscope.studies.drawn_checks import check_picture
from layerscope.studies.drawn_designs import design_picture
from layerscope.studies.drawn_mirrors import mirror_picture

ENCODER = (
    "28x28x1 | conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | conv 4 3 same relu | "
    "maxpool 2 same as code"
)
DOCUMENT = (
    "28x28x1 | [ conv 8 3 same relu | maxpool 2 same ] x3 | [ conv 8 3 same relu | upsample 2 ] x3 | "
    "conv 1 3 same sigmoid"
)
LONG = "64x64x3 | [ conv 8 3 same relu ] x40 | maxpool 2 | [ conv 8 3 same ] x30 | conv 8 40 | flatten | dense 2"
BROKEN = "28x28x1 | conv 8 3 | conv 8 30"


def image(side, channels, *, places=2):
    return Tensor(" × ".join([*[str(side)] * places, str(channels)]), side, channels)


def vector(numbers):
    return Tensor(str(numbers), 1, numbers)


# --- what is drawn ---


def test_a_misfit_stands_between_what_fits_and_each_change():
    found = check("28x28x1 | flatten | dense 392 | reshape 7x7x4 | upsample 4 | conv 1 3 same")
    start, flat = image(28, 1), vector(784)
    assert check_picture(found) == Checked(
        title="text: does not fit",
        about="reshape (Reshape): cannot bring (392,), which has 392 elements, into (7, 7, 4), which has 196",
        panels=(
            ("as it is", ""),
            ("change 1", "dense: units=196 instead of 392 → (28, 28, 1)"),
            ("change 2", "reshape: target_shape=(7, 7, 8) instead of (7, 7, 4) → (28, 28, 1)"),
        ),
        rows=(
            Row("input_layer", "input", (Cell(start), Cell(start, "same"), Cell(start, "same"))),
            Row("flatten", "flatten", (Cell(flat), Cell(flat, "same"), Cell(flat, "same"))),
            Row(
                "dense",
                "dense 392",
                (Cell(vector(392), "feeds"), Cell(vector(196), "edited"), Cell(vector(392), "same")),
            ),
            Row(
                "reshape",
                "reshape 7,7,4",
                (Cell(None, "misfit", "does not fit"), Cell(image(7, 4), "changed"), Cell(image(7, 8), "edited")),
            ),
            Row(
                "up_sampling2d", "upsample 4", (Cell(), Cell(image(28, 4), "changed"), Cell(image(28, 8), "changed"))
            ),
            Row("conv2d", "conv 1 3 same", (Cell(), Cell(start, "changed"), Cell(start, "changed"))),
        ),
        foot=f"{MEANT} Grey: as before; green: other than before. Each change was tried: the whole network fits with it.",
    )


def test_a_target_is_drawn_below_what_misses_it_and_what_meets_it():
    picture = check_picture(check(DOCUMENT, "input"))
    assert picture.about == "the output is (32, 32, 1), but should be (28, 28, 1)"
    last = {row.name: row.cells for row in picture.rows[-5:]}
    end, wide = image(28, 1), image(32, 1)
    assert last == {
        "conv2d_5": (Cell(image(16, 8)), Cell(image(14, 8), "edited"), Cell(image(16, 8), "same")),
        "up_sampling2d_2": (Cell(image(32, 8)), Cell(image(28, 8), "changed"), Cell(image(32, 8), "same")),
        "conv2d_6": (Cell(wide, "feeds"), Cell(end, "changed"), Cell(wide, "same")),
        "cropping2d": (Cell(), Cell(), Cell(end, "edited")),
        "wanted": (Cell(end, "wanted"), Cell(end, "met"), Cell(end, "met")),
    }


def test_layers_that_are_put_in_and_taken_out_stand_where_they_are():
    found = check("28x28 | conv 8 3 relu | maxpool 2 | dense 10 softmax", 10)
    names = [row.name for row in check_picture(found).rows]
    assert names == [
        "input_layer", "reshape", "conv2d", "max_pooling2d", "flatten", "dense", "global_average_pooling2d",
    ]  # fmt: skip
    found = check("28x28x1 | flatten | conv 8 3")
    assert [fix.edits[0].action for fix in found.advice.fixes] == ["insert", "remove"]
    row = next(row for row in check_picture(found).rows if row.name == "flatten")
    assert row.cells == (Cell(vector(784), "feeds"), Cell(vector(784), "same"), Cell(None, "edited", "taken out"))


def test_nothing_found_is_said():
    found = check("28x28x1 | conv 8 3 | conv 8 30 | conv 8 50 | conv 3 70 | conv 9 80 | conv 3 100 | conv 4 99")
    picture = check_picture(found)
    assert [panel[0] for panel in picture.panels] == ["as it is"]
    assert picture.foot == f"{MEANT} None of up to three small changes that were tried makes it fit."


def test_warnings_stand_at_their_layers():
    found = check("example:autoencoder-transpose", optimizer="adadelta", learning_rate=0.001)
    picture = check_picture(found)
    assert picture.title == "autoencoder-transpose: fits, 3 warnings"
    at = {row.name: [id for id, _ in row.notes] for row in picture.rows if row.notes}
    assert at == {"input_layer": ["LS104"], "conv2d_1": ["LS104"]}
    assert [id for id, _ in picture.notes] == ["LS106"]
    assert [row.cells[0].tensor.words for row in picture.rows[:3]] == ["28 × 28 × 1", "26 × 26 × 16", "13 × 13 × 16"]
    assert check_picture(check("3 | dense 2")) == Checked(
        "text: fits, no warnings",
        "All sizes fit, and there is no warning.",
        (("", ""),),
        (
            Row("input_layer", "input", (Cell(Tensor("3", 3, None)),)),
            Row("dense", "dense 2", (Cell(Tensor("2", 2, None)),)),
        ),
        UNITS,
    )


def test_of_many_layers_the_first_the_last_and_those_that_matter_are_drawn():
    picture = check_picture(check(LONG))
    assert [row.name for row in picture.rows] == [
        "input_layer", "conv2d", "… 38 layers …", "conv2d_39", "max_pooling2d", "conv2d_40", "… 27 layers …",
        "conv2d_68", "conv2d_69", "conv2d_70", "flatten", "dense",
    ]  # fmt: skip
    tones = {row.name: [cell.tone for cell in row.cells] for row in picture.rows if row.cells}
    assert tones["max_pooling2d"] == ["", "same", "same", "edited"]
    assert tones["conv2d_70"] == ["misfit", "edited", "edited", "changed"]


def test_open_sizes_and_channels_that_stand_first():
    picture = check_picture(check("heightxwidthx3 | conv 8 3 same | gap"))
    assert [row.cells[0].tensor for row in picture.rows] == [
        Tensor("height × width × 3", None, 3), Tensor("height × width × 8", None, 8), vector(8),
    ]  # fmt: skip
    picture = check_picture(check("3x64x64 | conv 8 3 data_format=channels_first"))
    assert [(row.cells[0].tensor.side, row.cells[0].tensor.channels) for row in picture.rows] == [(64, 3), (62, 8)]


def facing(picture):
    return [
        (row.encoder and row.encoder.name, row.equal, row.decoder and row.decoder.name, bool(row.decoder.extra))
        for row in picture.rows
    ]


def test_encoder_and_decoder_face_each_other():
    picture = mirror_picture(mirror(sources.read(ENCODER)))
    assert picture.title == "Mirrored by nearest: 28 × 28 × 1 → 4 × 4 × 4 → 28 × 28 × 1"
    assert picture.about == (
        "Decoder: 1,609 parameters. Crops and pads: none. The enlarged image lies 2 × 2 pixels off its place, which "
        "the convolutions have to learn."
    )
    assert facing(picture) == [
        ("input_layer", True, "conv2d_5", False),
        ("conv2d", None, "up_sampling2d_2", False),
        ("max_pooling2d", True, "conv2d_4", False),
        ("conv2d_1", None, "up_sampling2d_1", False),
        ("max_pooling2d_1", False, "conv2d_3", False),
        ("conv2d_2", None, "up_sampling2d", False),
    ]
    assert picture.code == Side("code", "maxpool 2 same", image(4, 4))
    assert picture.foot == f"{MEANT} =: equal shapes. ≠: different ones."
    assert picture.rows[4] == Facing(
        Side("max_pooling2d_1", "maxpool 2 same", image(7, 8)),
        Side("conv2d_3", "conv 8 3 same relu", image(8, 8)),
        False,
    )


def test_crops_are_marked_and_all_twins_equal_in_place():
    picture = mirror_picture(mirror(sources.read(ENCODER), in_place=True))
    assert facing(picture)[4:] == [
        ("max_pooling2d_1", True, "conv2d_3", False),
        ("conv2d_2", None, "cropping2d", True),
        (None, None, "up_sampling2d", False),
    ]
    assert picture.about == "Decoder: 1,609 parameters. Crops and pads: 1 (cropping2d)."
    assert picture.foot == f"{MEANT} =: equal shapes. Orange: a layer that only crops or pads."


def test_what_is_left_out_and_blocks_of_many_layers():
    picture = mirror_picture(mirror(sources.read("9x9x2 | zeropad 1 | conv 4 3 relu as code")))
    assert facing(picture) == [
        ("input_layer", None, "nothing: left out", False),
        ("zero_padding2d", False, "conv2d", False),
    ]
    image = x = Input((8, 8, 4))
    for number in range(7):
        x = Conv2D(4, 3, padding="same", name=f"deep_{number}")(x)
    code = Conv2D(2, 1, name="code")(Add(name="add")([image, x]))
    picture = mirror_picture(mirror(Model(image, code).graph))
    assert [row.encoder and row.encoder.name for row in picture.rows] == [
        "input_layer", "deep_0", "deep_1", "… 3 layers …", "deep_5", "deep_6", "add",
    ]  # fmt: skip


def test_tensors_of_twins_are_those_of_the_graph():
    """Whatever the way of enlarging: the last twin is the image, and names stand at their own sizes."""
    for up in ("nearest", "nails", "transpose", "subpixel", "unpool"):
        found = mirror(sources.read("29x31x3 | conv 8 3 relu | maxpool 2 | conv 4 3 same relu | maxpool 2 same"), up)
        picture = mirror_picture(found)
        first = picture.rows[0]
        assert first.equal is True
        assert first.encoder.tensor == first.decoder.tensor
        drawn = [row.decoder.name for row in picture.rows if row.decoder]
        assert drawn == [node.label for node in reversed(found.graph.nodes[found.decoder :])]


def test_encoders_to_order_are_drawn_with_their_limits():
    found = design(Wish((28, 28, 1), 64, 20, 10_000, None, depth=3, filters=(8, 16)), 1)
    picture = design_picture(found)
    line = (
        "28x28x1 | conv 8 3 same relu | maxpool 2 same | conv 8 3 stride 2 same relu | conv 8 3 same relu | "
        "maxpool 2 same | flatten | dense 64 as code"
    )
    assert picture == Designs(
        "Encoders of 28 × 28 × 1 to 64 numbers",
        "The smallest of all 2,954 chains of 1 to 3 convolutions, by parameters and then by MACs.",
        (
            Proposed(
                (
                    image(28, 1),
                    image(28, 8),
                    image(14, 8),
                    image(7, 8),
                    image(7, 8),
                    image(4, 8),
                    vector(128),
                    vector(64),
                ),
                7,
                line,
            ),
        ),
        (
            Amount("parameters", "at most 10,000", (9504,), 10_000),
            Amount("MACs", "", (121_088,)),
            Amount("receptive field", "at least 20", (20,), 20),
        ),
        f"{MEANT} Black: the code. MACs: of one example. Red: what was asked.",
    )
    whole = design_picture(found, "nearest")
    assert whole.amounts[3].name == "with nearest"
    assert whole.networks[0].code == 7
    assert whole.networks[0].tensors[-1] == image(28, 1)
    assert Amount("parameters", "at most 10,000", (484,), 10_000).drawn is None


# --- the commands ---


def words(path):
    """All text of an SVG, in the order of the file."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))


COMMANDS = {
    "check": ([BROKEN], ["does not fit", "change 1", "conv2d_1"], 1),
    "mirror": (
        ["28x28x1 | conv 8 3 relu | maxpool 2"],
        ["encoder ↓", "conv 8 3 relu", "26 × 26 × 8", "13 × 13 × 8"],
        0,
    ),
    "design": (
        ["--input", "12x12x1", "--code", "16", "--depth", "2", "--count", "2"],
        ["Encoders of 12 × 12 × 1 to 16 numbers", "receptive field"],
        0,
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_draw(name, capsys, tmp_path):
    arguments, expected, code = COMMANDS[name]
    path = tmp_path / "a.svg"
    found, out, err = layerscope(capsys, name, *arguments, "-o", str(path))
    assert (found, err) == (code, "")
    assert out.endswith(f"\n\nWrote {path}: the picture\n")
    told = words(path)
    assert [one for one in expected if one not in told] == []
    first = path.read_bytes()
    assert layerscope(capsys, name, *arguments, "-o", str(path), "--format", "json")[1].endswith("}\n")
    assert path.read_bytes() == first


def test_no_encoder_no_picture(capsys, tmp_path):
    path = tmp_path / "a.png"
    arguments = ["--input", "28x28x1", "--code", "16", "--params", "10", "--depth", "2"]
    code, out, err = layerscope(capsys, "design", *arguments, "-o", str(path))
    assert (code, err) == (1, f"layerscope design: {path} is not written, as there is no encoder to draw\n")
    assert "none" in out
    assert not path.exists()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "check"])  # which writes reports, too
def test_a_file_that_is_no_picture_is_refused_at_once(name, capsys, tmp_path):
    message = f"layerscope {name}: cannot write {tmp_path}/a.txt: a picture ends in .png, .svg or .pdf\n"
    assert refused(capsys, name, *COMMANDS[name][0], "-o", f"{tmp_path}/a.txt") == message


def test_what_cannot_be_drawn(tmp_path):
    with pytest.raises(SettingError) as caught:
        studies.draw("28x28x1 | conv 8 3", tmp_path / "a.png")
    assert str(caught.value) == "what check, mirror or design found can be drawn, not str"
    with pytest.raises(SettingError) as caught:
        studies.draw(design(Wish((9, 9, 1), 3, parameters=5, depth=1)), tmp_path / "a.png")
    assert str(caught.value) == "there is no encoder to draw: none satisfies all that is asked"
    with pytest.raises(OutputError) as caught:
        studies.draw(check(BROKEN), tmp_path / "none" / "a.png")
    assert (
        str(caught.value) == f"cannot write {tmp_path}/none/a.png: there is no folder {tmp_path}/none; make it first"
    )
    assert list(tmp_path.iterdir()) == []
