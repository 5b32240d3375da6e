"""`layerscope check`: its report, its warnings, each against what is so."""

import json

import numpy as np
import pytest

import layerscope as ls
from layerscope import studies
from layerscope.analyses.warnings import RULES, Training, warn
from layerscope.checking import check
from layerscope.cli import main
from layerscope.core.errors import LayerscopeError
from layerscope.layers import Conv2D, Conv2DTranspose, Dense, Flatten, Input
from layerscope.models import Model, Sequential

BROKEN = "28x28x1 | flatten | dense 392 | reshape 7x7x4 | upsample 4"


def ids(what, **settings):
    """The identifiers of the warnings and the layers that they name."""
    return [(one.id, one.layer) for one in check(what, **settings).warnings]


# --- the command ---


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")


def test_the_report_of_a_network_that_does_not_fit(capsys):
    assert main(["check", BROKEN]) == 1
    assert capsys.readouterr().out == (
        "text  does not fit\n\n"
        "layer        kind        output       numbers\n"
        "───────────────────────────────────────────────────────────\n"
        "input_layer  InputLayer  28 × 28 × 1  28·28·1 = 784\n"
        "flatten      Flatten     784          28·28·1 = 784\n"
        "dense        Dense       392          392 = 8·7·7 = 2·14·14\n"
        "───────────────────────────────────────────────────────────\n"
        "does not fit  reshape (Reshape): cannot bring (392,), which has 392 elements, into (7, 7, 4), which has 196\n"
        "change 1      dense: units=196 instead of 392 → (28, 28, 4)\n"
        "change 2      reshape: target_shape=(7, 7, 8) instead of (7, 7, 4) → (28, 28, 8)\n\n"
        "Numbers: of one example; of one axis, also the images (channels·side·side) that they could be.\n"
        "Each change, with all that stands beside its number, was tried: the whole network fits with it and gives the "
        "output\n  behind the arrow. The smallest is the first.\n"
    )


def test_json_has_the_way_the_cause_and_the_changes(capsys):
    assert main(["check", BROKEN, "--format", "json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["layer"] == "reshape"
    assert data["cause"] == "cannot bring (392,), which has 392 elements, into (7, 7, 4), which has 196"
    assert [row["numbers"] for row in data["journey"]] == [
        "28·28·1 = 784",
        "28·28·1 = 784",
        "392 = 8·7·7 = 2·14·14",
    ]
    assert data["changes"][1] == {
        "edits": [
            {
                "action": "set",
                "layer": "reshape",
                "setting": "target_shape",
                "before": [7, 7, 4],
                "after": [7, 7, 8],
                "becomes": "Reshape(target_shape=(7, 7, 8))",
                "words": "reshape: target_shape=(7, 7, 8) instead of (7, 7, 4)",
            }
        ],
        "outputs": [[28, 28, 8]],
    }


@pytest.mark.parametrize("format", ["markdown", "latex", "html", "csv"])
def test_other_formats_have_the_changes(format, capsys):
    assert main(["check", BROKEN, "--format", format]) == 1
    out = capsys.readouterr().out
    assert "196" in out
    assert "392" in out


def test_the_first_change_is_saved_and_fits(tmp_path, capsys):
    path = tmp_path / "mended.json"
    assert main(["check", BROKEN, "--save", str(path)]) == 1
    assert main(["check", str(path), "--target", "28x28x4"]) == 0
    assert main(["trace", str(path)]) == 0
    capsys.readouterr()
    assert main(["check", str(path), "--save", str(tmp_path / "no.json")]) == 2
    assert capsys.readouterr().err == "layerscope check: no change number 1 to be saved: there are none\n"
    assert not (tmp_path / "no.json").exists()


def test_warnings_are_no_failure_unless_strict(capsys):
    assert main(["check", "example:image-dense"]) == 0
    assert main(["check", "example:image-dense", "--strict"]) == 1
    assert main(["check", "example:image-dense", "--strict", "--silence", "ls102"]) == 0
    out = capsys.readouterr().out
    assert out.count("image-dense  fits, 1 warning\n") == 2
    assert out.count("image-dense  fits, no warnings\n") == 1


MISTAKES = {
    ("--silence", "LS999"): "unknown warning 'LS999'. Known: " + ", ".join(RULES) + ".",
    ("--target", "4xa"): "a target is the sizes of one example's output, such as 28x28x1, or 'input', not '4xa'",
    ("--target", "0x3"): "a target is the sizes of one example's output, such as 28x28x1, or 'input', not '0x3': "
    "a size of the target must be at least 1, not 0",
    ("--loss", "hinge"): "the loss must be one of binary_crossentropy, categorical_crossentropy, "
    "sparse_categorical_crossentropy, mean_squared_error, mean_absolute_error, not 'hinge'",
    ("--learning-rate", "-1"): "the learning rate must be a number of at least 0, not -1.0",
}


@pytest.mark.parametrize("asked", MISTAKES)
def test_mistakes(asked, capsys):
    assert main(["check", "4x4x1 | flatten | dense 2", *asked]) == 2
    assert capsys.readouterr().err == f"layerscope check: {MISTAKES[asked]}\n"


def test_what_is_no_network_is_refused_as_ever(capsys):
    assert main(["check", "28x28x1 | conf 3"]) == 2
    assert capsys.readouterr().err.startswith("layerscope check: unknown layer 'conf'.")


# --- whatever holds a network ---

MODULE = """
import layerscope as ls
from layerscope.layers import Add, Conv2D, Input

def branches():
    print("called")
    x = Input((16, 16, 3))
    a = Conv2D(8, 3, name="a")(x)
    return ls.Model(x, Conv2D(1, 1, name="end")(Add(name="sum")([a, Conv2D(8, 3, padding="same", name="b")(x)])))

def compiled():
    x = Input((4,))
    model = ls.Model(x, ls.layers.Dense(1)(x))
    model.compile("adam", "binary_crossentropy")
    return model
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "checked_networks.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_function_is_called_again_so_that_all_of_it_is_known(module, capsys):
    found = check("checked_networks:branches")
    assert found.whole
    assert found.advice.layer == "sum"
    assert [node.name for node in found.advice.fixes[0].graph.nodes][-1] == "end"
    assert found.advice.fixes[0].outputs[0].shape[1:] in {(14, 14, 1), (16, 16, 1)}
    assert capsys.readouterr().out == "called\n"


def test_a_function_that_makes_a_compiled_model(module):
    assert ids("checked_networks:compiled") == [("LS108", "dense")]


def test_models_files_and_runs_say_how_they_are_trained(tmp_path):
    x = Input((8, 8, 1))
    model = Model(x, Dense(1)(Flatten()(x)))
    assert ids(model) == []
    model.compile(ls.optimizers.Adadelta(learning_rate=0.001), "binary_crossentropy")
    expected = [("LS106", None), ("LS108", "dense")]
    assert ids(model) == expected
    model.save(tmp_path / "model.npz")
    assert ids(tmp_path / "model.npz") == expected
    line = "28x28x1 | flatten | dense 4 | dense 784 | reshape 28x28x1"
    studies.train(line, "digits", epochs=1, learning_rate=0.001, out=tmp_path / "run", verbose=0)
    assert ids(tmp_path / "run") == [("LS106", None)]


# --- each warning, where it is due and where it is not ---

TRANSPOSED = "7x7x4 | convt 8 {} same | conv 1 3 same"
WARNED = [
    ("LS101", "10 | dense 4", {"examples": 10}, None),
    ("LS102", "64x64x3 | flatten | dense 8", {}, "dense"),
    ("LS102", "64x64x3 | flatten | dropout 0.5 | dense 8", {}, "dense"),
    ("LS103", "16x16x1 | [ conv 8 3 same | maxpool 2 ] x3 | conv 8 3 same", {}, "conv2d_3"),
    ("LS104", "11x11x1 | maxpool 2", {}, "input_layer"),
    ("LS104", "12x12x1 | conv 4 3 same | conv 4 1 stride 2", {}, "conv2d"),
    ("LS105", TRANSPOSED.format("3 stride 2"), {}, "conv2d_transpose"),
    ("LS106", "4 | dense 4", {"optimizer": "adadelta", "learning_rate": 0.001}, None),
    ("LS106", "4 | dense 4", {"optimizer": "sgd", "learning_rate": 0}, None),
    ("LS106", "4 | dense 4", {"optimizer": "adam", "learning_rate": 1.0}, None),
    ("LS106", "4 | dense 4", {"optimizer": "adam", "learning_rate": 1e-9}, None),
    ("LS107", "4 | dense 3 softmax", {"loss": "mse"}, "dense"),
    ("LS107", "4 | dense 3 softmax", {"loss": "binary_crossentropy"}, "dense"),
    ("LS107", "4 | dense 3 sigmoid", {"loss": "categorical_crossentropy"}, "dense"),
    ("LS108", "4 | dense 3", {"loss": "binary_crossentropy"}, "dense"),
    ("LS108", "4 | dense 3 | relu | reshape 3x1", {"loss": "binary_crossentropy"}, "activation"),
    ("LS109", "4 | dense 1 softmax", {}, "dense"),
    ("LS110", "4 | dense 3 softmax", {"loss": "categorical_crossentropy", "from_logits": True}, "dense"),
]
SILENT = [
    ("LS101", "10 | dense 4", {"examples": 11}),
    ("LS102", "57x58x3 | flatten | dense 8", {}),
    ("LS102", "64x64x3 | conv 8 64 | flatten | dense 8", {}),
    ("LS103", "22x22x1 | [ conv 8 3 same | maxpool 2 ] x3 | conv 8 3 same", {}),
    ("LS103", "16x16x1 | [ conv 8 3 same | maxpool 2 ] x3 | conv 8 3 same | upsample 8", {}),
    ("LS104", "12x12x1 | maxpool 2", {}),
    ("LS104", "11x11x1 | maxpool 2 same", {}),
    ("LS104", "11x11x1 | crop 1 | conv 4 3", {}),
    ("LS105", TRANSPOSED.format("4 stride 2"), {}),
    ("LS105", TRANSPOSED.format("3"), {}),
    ("LS106", "4 | dense 4", {"optimizer": "adadelta", "learning_rate": 1.0}),
    ("LS106", "4 | dense 4", {"optimizer": "adam", "learning_rate": 0.01}),
    ("LS106", "4 | dense 4", {"learning_rate": 1e-9}),
    ("LS107", "4 | dense 3 softmax", {"loss": "sparse_categorical_crossentropy"}),
    ("LS107", "4 | dense 3 sigmoid", {"loss": "mse"}),
    ("LS108", "4 | dense 3", {"loss": "binary_crossentropy", "from_logits": True}),
    ("LS108", "4 | dense 3", {"loss": "mse"}),
    ("LS109", "4 | dense 2 softmax", {}),
    ("LS110", "4 | dense 3", {"loss": "categorical_crossentropy", "from_logits": True}),
]


@pytest.mark.parametrize(("id", "line", "settings", "layer"), WARNED)
def test_a_warning_where_it_is_due(id, line, settings, layer):
    found = ids(line, **settings)
    assert (id, layer) in found
    assert ids(line, silence=[id], **settings) == [one for one in found if one[0] != id]


@pytest.mark.parametrize(("id", "line", "settings"), SILENT)
def test_no_warning_where_it_is_not_due(id, line, settings):
    assert id not in dict(ids(line, **settings))


def test_every_warning_is_tested_and_has_its_section(request):
    assert {id for id, *_ in WARNED} == {id for id, *_ in SILENT} == set(RULES)
    page = (request.config.rootpath / "docs" / "check.md").read_text("utf-8")
    assert [line[4:9] for line in page.splitlines() if line.startswith("### LS")] == list(RULES)


def test_the_documents_autoencoder_b_never_reads_108_pixels():
    (first, second) = check("example:autoencoder-transpose").warnings
    assert first.message == "108 of its 784 positions (28 × 28) reach no output"
    assert second.layer == "conv2d_1"


def test_positions_that_nothing_reads_change_nothing():
    """A pool of 2 drops the last row and column of 11; the first 10 of each matter."""
    model = Sequential([Input((11, 11, 1)), ls.layers.AveragePooling2D(2)])
    assert check(model).warnings[0].message == "21 of its 121 positions (11 × 11) reach no output"
    x = np.zeros((1, 11, 11, 1), np.float32)
    plain = model.predict(x, verbose=0)
    changes = []
    for row in range(11):
        for column in range(11):
            poked = x.copy()
            poked[0, row, column] = 1
            changes.append(bool((model.predict(poked, verbose=0) != plain).any()))
    assert changes.count(False) == 21


def test_uneven_stamping_is_what_ones_show():
    """A kernel of ones on an image of ones counts the cells that each output gets; at the border fewer."""
    layer = Conv2DTranspose(1, 3, strides=2, kernel_initializer="ones")
    model = Sequential([Input((6, 6, 1)), layer])
    (warning,) = check(model).warnings
    inner = model.predict(np.ones((1, 6, 6, 1), np.float32), verbose=0)[0, 3:-3, 3:-3, 0]
    assert warning.numbers == {"most": inner.max(), "least": inner.min()} == {"most": 4, "least": 1}


def test_a_rate_drowns_every_initial_weight():
    model = Sequential([Input((4,)), Dense(4)])
    bound = np.abs(model.get_weights()[0]).max()
    (warning,) = warn(model.graph, Training(optimizer="adam", settings={"learning_rate": 1.0}))
    assert "no initial weight is above 0.87" in warning.message
    assert bound <= np.sqrt(6 / 8) < 0.87


def test_the_parameters_beyond_the_data_are_those_of_the_model():
    model = Sequential([Input((12, 12, 1)), Conv2D(4, 3), Flatten(), Dense(2)])
    (warning,) = check(model, examples=100).warnings
    assert warning.numbers == {"parameters": model.count_params(), "examples": 100, "outputs": 2}
    assert model.count_params() > 200


def test_open_sizes_are_no_reason_to_fail():
    found = check("96x96x3 | conv 4 3 | gap | dense 2")
    assert found.fits
    start = Input((None, None, 3))
    model = Model(start, Conv2D(2, 3, strides=2)(start))
    assert check(model).fits
    assert ids(model, sizes={"height": 8, "width": 8}) == [("LS104", "input_layer")] * 2


def test_an_error_beside_sizes_is_raised(tmp_path):
    (tmp_path / "bad.json").write_text('{"layerscope": 1, "nodes": []}')
    with pytest.raises(LayerscopeError, match='"nodes" must be a list with at least one node'):
        check(tmp_path / "bad.json")


def test_what_would_read_lost_rows_depends_on_why_they_are_lost():
    dropped = check("11x11x1 | maxpool 2").warnings[1]
    assert dropped.advice == "to have them read, use padding='same' or a size that the stride divides"
    (skipped,) = check("12x12x1 | conv 4 3 same | conv 4 1 stride 2").warnings
    assert skipped.message == (
        "6 of 12 rows and 6 of 12 columns of its output are read by nothing: conv2d_1 skips them"
    )
    assert skipped.advice == (
        "to have them read, use a kernel at least as large as the stride, or a pool in place of the stride"
    )
    for mended in ("11x11x1 | maxpool 2 same", "12x12x1 | conv 4 3 same | conv 4 2 stride 2",
                   "12x12x1 | conv 4 3 same | maxpool 2 | conv 4 1"):  # fmt: skip
        assert check(mended).warnings == []
