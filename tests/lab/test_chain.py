"""Scenes of dense, checkerboard, field and journey: facts that are known from elsewhere, and texts that are written."""

import json
import math
from collections import Counter
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest
from tests.lab.helpers import grid, settings_at_random, values

import layerscope as ls
from layerscope.lab import net
from layerscope.lab.scene import Text
from layerscope.lab.scenes import journey as journeys
from layerscope.lab.scenes import scene
from layerscope.lab.state import described
from layerscope.layers import Conv2DTranspose

PRESETS = {
    preset["key"].removeprefix(f"{screen}.preset."): preset["value"]
    for screen in ("field", "journey")
    for entry in described()["screens"][screen]
    for preset in entry.get("presets", ())
}
A, B = PRESETS["autoencoder"], PRESETS["transpose"]


def preset(screen, name):
    (entry,) = (e for e in described()["screens"][screen] if e["name"] == "net")
    return next(p["value"] for p in entry["presets"] if p["key"] == f"{screen}.preset.{name}")


def keys(made):
    return [text.key for text in made.why]


# --- dense ---


@pytest.mark.parametrize(("units", "parameters"), [(1, [2, 4]), (3, [6, 3, 4])])
def test_the_boxes_of_the_document_have_six_and_thirteen_parameters(units, parameters):
    assert scene(f"#lab=dense&units={units}").data["parameters"] == parameters


@pytest.mark.parametrize("hash", ["#lab=dense", "#lab=dense&units=3", *settings_at_random("dense", 60)])
def test_dense_is_matrix_products(hash):
    made = scene(hash)
    relu, bias = made.settings["act"] == "relu", made.settings["bias"] == "yes"
    for name in ("", ".other"):
        given = values(made, f"input{name}")
        for number in range(1, made.steps + 1):
            given = given.T if number == made.steps else given
            given = given @ values(made, f"w{number}") + (values(made, f"bias{number}") if bias else 0)
            given = np.maximum(given, 0) if relu and number < made.steps else given
            assert np.array_equal(values(made, f"out{number}{name}"), given)


@pytest.mark.parametrize("hash", settings_at_random("dense", 60))
def test_bars_end_at_the_chosen_number(hash):
    made = scene(hash)
    id, index = made.selected or ("", 0)
    bars = made.data["bars"]
    assert bars[0]["from"] == 0
    assert all(a["to"] == b["from"] for a, b in pairwise(bars))
    assert bars[-1]["to"] == grid(made, id).cells[index].value
    assert made.formula[-1].text == grid(made, id).cells[index].text


def test_one_unit_has_a_blind_spot_and_three_without_activation_only_hide_it():
    for seed in range(40):
        one, three = scene(f"#lab=dense&seed={seed}"), scene(f"#lab=dense&units=3&seed={seed}")
        assert one.data["blind"] == {"stage": 1, "outputs": [True, True]}
        assert not np.array_equal(values(one, "input"), values(one, "input.other"))
        assert three.data["blind"]["outputs"][-1] is True
        assert "dense.why.linear" in keys(three)


def test_weights_are_the_other_way_round_in_torch():
    made = scene("#lab=dense&units=3")
    assert made.data["weights"] == {"keras": [2, 3], "torch": [3, 2]}
    assert made.code["torch"].startswith("torch.nn.Linear(2, 3, bias=False)")


# --- checkerboard ---


def test_kernel_three_stride_two_is_four_to_one():
    made = scene("#lab=checkerboard")
    assert Counter(values(made, "pattern").ravel().tolist()) == Counter([1, 2, 2, 4])
    assert keys(made)[0] == "checkerboard.uneven"
    for way in ("kernel", "resize", "subpixel"):
        inside = values(made, f"fix.{way}")[2:-3, 2:-3]
        assert len(set(inside.ravel().tolist())) == 1


@pytest.mark.parametrize(
    ("k", "s", "d", "even"), [(4, 2, 1, True), (3, 3, 1, True), (2, 2, 2, False), (5, 2, 1, False), (6, 3, 1, True)]
)
def test_the_stride_divides_the_kernel_exactly_where_it_is_even(k, s, d, even):
    made = scene(f"#lab=checkerboard&k1={k}&s1={s}&d={d}")
    assert (len(set(values(made, "pattern").ravel().tolist())) == 1) is even
    assert ("checkerboard.trap" in keys(made)) is even
    assert ("checkerboard.dilation" in keys(made)) is (k % s == 0 and not even)


@pytest.mark.parametrize("hash", settings_at_random("checkerboard", 40))
def test_maps_are_ones_through_transposed_convolutions_of_ones(hash):
    made = scene(hash)
    told = made.settings
    x = np.ones((1, told["n"], told["n"], 1))
    for n in range(1, told["layers"] + 1):
        k = told[f"k{n}"]
        layer = Conv2DTranspose(1, k, told[f"s{n}"], told["pad"], dilation_rate=told["d"], use_bias=False)
        ((x,), _) = layer.define(x, kernel=np.ones((k, k, 1, 1)))
        assert np.array_equal(values(made, f"map{n}"), x[0, :, :, 0])
    for fix in (g for g in made.grids if g.id.startswith("fix.")):
        assert (fix.rows, fix.columns) == x.shape[1:3]


# --- field ---


def test_receptive_fields_of_the_documents_autoencoders():
    for text, sizes, unbounded, unread in ((A, [27, 28], [46, 54], 0), (B, [22, 26], [30, 34], 108)):
        data = scene(f"#lab=field&net={text}").data
        assert data["sizes"]["rows"] == data["sizes"]["columns"] == sizes
        assert data["unbounded"] == [unbounded, unbounded]
        assert data["unread"] == unread


@pytest.mark.parametrize("name", ["transpose", "unpool"])
def test_back_and_forward_are_one_relation(name):
    """A cell depends on exactly the cells of the input that reach it."""
    text = preset("field", name)
    made = scene(f"#lab=field&net={text}&cell=3,5")
    found = net.read(text)
    rows, columns = found.types[0][0].shape[1:3]
    last = len(found.steps) - 1
    reached = {
        (a, b)
        for a in range(rows)
        for b in range(columns)
        if lit(scene(f"#lab=field&net={text}&mode=forward&cell={a},{b}"), last)[3, 5]
    }
    assert reached == {(int(a), int(b)) for a, b in np.argwhere(lit(made, 0))}


def lit(made, stage):
    return values(made, f"stage{stage}") > 0


def test_rows_say_what_the_grids_show():
    made = scene(f"#lab=field&net={preset('field', 'dilation')}&cell=8,8")
    for row in made.data["rows"]:
        shown = np.argwhere(lit(made, row["stage"]))
        low, high = shown.min(0), shown.max(0)
        assert row["count"] == len(shown)
        assert row["hull"] == [*low.tolist(), *(high - low + 1).tolist()]
    assert [row["holes"] for row in made.data["rows"]] == [True, True, False]
    assert "field.holes" in keys(made)


def test_any_plane_can_be_asked_and_large_ones_are_told_in_numbers():
    made = scene("#lab=field&net=40x40x1 | maxpool 4 | flatten | dense 3&layer=1&cell=9,9")
    assert {g.id: g.select for g in made.grids} == {
        "stage1": "cell", "stage3": "cell&layer=3"}  # fmt: skip
    assert made.data["rows"][0] == {
        "stage": 0, "words": "40x40x1", "plane": [40, 40], "count": 16, "hull": [36, 36, 4, 4], "holes": False,
        "grid": ""}  # fmt: skip


def test_a_field_of_a_wrong_text_says_what_is_wrong():
    assert list(scene("#lab=field&net=nothing").why) == [Text("net.open")]
    assert keys(scene("#lab=field&net=2x2x2x2"))[0] == "field.axes"


# --- journey ---


@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("autoencoder", 3369, 712_224),
        ("transpose", 3369, 529_776),
        ("condense", 6, 12),
        ("enrich", 13, 40),
        ("image_dense", 6_220_800, 6_220_800),
        ("image_conv", 1200 + 1_327_104, 384 * 216 * 16 * 75 + 1_327_104),
    ],
)
def test_the_networks_of_the_document(name, parameters, macs):
    made = scene(f"#lab=journey&net={preset('journey', name)}")
    assert made.data["totals"] == {"parameters": parameters, "macs": macs}
    assert made.data["trouble"] is None
    assert made.data["fixes"] == []


@pytest.mark.parametrize(
    "text", [*PRESETS.values(), "9x9x2 | convt 3 4 stride 3 | crop 1,2x0,0 | pad 1 | nails 2 | gap"]
)
def test_a_shape_law_is_true_and_ends_with_the_shape(text):
    """Read as Python, with floor and ceil, both sides of the sign are equal."""
    found = net.read(text)
    checked = 0
    for number in range(1, len(found.steps)):
        tokens = [t.text for t in scene(f"#lab=journey&net={text}&step={number}").law]
        if "=" not in tokens:
            continue
        written = "".join(tokens).replace("·", "*").replace("−", "-").replace("=", "==")
        assert eval(written, {"floor": math.floor, "ceil": math.ceil, "max": max}), written
        checked += 1
    assert checked or "conv" not in text


def test_a_decoder_that_ends_at_32_is_said_and_mended():
    made = scene(f"#lab=journey&net={preset('journey', 'broken')}")
    assert made.why[0] == Text("journey.off", {"out": "32x32x1", "in": "28x28x1"})
    first, second = made.data["fixes"]
    assert first["changes"] == [
        Text("journey.fix.set", {"layer": "conv2d_5", "setting": "padding", "before": "same", "after": "valid"})]  # fmt: skip
    assert second["changes"] == [Text("journey.fix.insert.end", {"words": "crop 2"})]
    assert scene(f"#lab=journey&net={preset('journey', 'broken')}&target=none").data["trouble"] is None


@pytest.mark.parametrize("text", [preset("journey", "wrong"), "28x28x1 | flatten | conv 3 3", "28x28 | conv 8 3"])
def test_fixes_are_texts_that_fit(text):
    made = scene(f"#lab=journey&net={text}")
    assert made.data["trouble"]["stage"] is not None
    assert made.data["fixes"]
    for fix in made.data["fixes"]:
        assert net.read(fix["net"]).trouble is None


def test_a_network_of_the_users_own_is_a_journey():
    made = journeys.of_trace(ls.trace("example:autoencoder"))
    assert made.data["totals"] == {"parameters": 3369, "macs": 712_224}
    assert [row["words"] for row in made.data["rows"]][:3] == ["28×28×1", "conv 16 3 same relu", "maxpool 2 same"]
    assert [row["inputs"] for row in made.data["rows"]][:3] == [[], [0], [1]]
    assert json.loads(json.dumps(made.to_json()))["screen"] == "journey"


def test_steps_link_to_screens_that_there_are():
    made = scene(f"#lab=journey&net={A}")
    links = [row["link"] for row in made.data["rows"] if row["link"]]
    assert len(links) == 13
    for link in links:
        assert scene(link).clamped == ()


# --- words ---


def texts(data):
    """Every Text in a scene as plain data."""
    if isinstance(data, dict):
        if set(data) == {"key", "args"}:
            yield data
        for value in data.values():
            yield from texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value)


@pytest.mark.parametrize("screen", ["dense", "checkerboard", "field", "journey"])
def test_every_text_is_written_in_both_languages_with_its_arguments(screen):
    strings = json.loads(files("layerscope.lab").joinpath("strings.json").read_text("utf-8"))
    nets = [f"&net={text}" for text in PRESETS.values()] if screen in ("field", "journey") else [""]
    asked = [h + n for h in settings_at_random(screen, 12) for n in nets]
    for hash in asked:
        for text in texts(json.loads(json.dumps(scene(hash).to_json()))):
            for language in ("en", "ko"):
                said = strings[text["key"]][language].format_map(text["args"])
                assert said.strip(), text
