"""Reports of runs and comparisons: each number is that of the history, each picture that of the folder."""

import base64
import csv
import json

import pytest
from tests.report.reading import Page

from layerscope import studies
from layerscope.core.errors import OutputError
from layerscope.studies import reporting, runs

TEXT = "28x28x1 | conv 4 3 same relu | maxpool 2 | upsample 2 | conv 1 3 same sigmoid"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    place = tmp_path_factory.mktemp("reported")
    return studies.train(TEXT, "digits", epochs=3, batch_size=64, out=place / "run", verbose=0)


def test_the_folder_has_the_page(run):
    text = (run.folder / runs.REPORT).read_text()
    page = Page(text)
    assert page.rows[0] == ["epoch", "loss", "val_loss"]
    assert [float(row[2]) for row in page.rows[1:]] == pytest.approx(run.history.history["val_loss"], rel=1e-5)
    pictures = [told["src"] for tag, told in page.tags if tag == "img"]
    png = (run.folder / "pictures" / "reconstructions.png").read_bytes()
    assert pictures == [f"data:image/png;base64,{base64.b64encode(png).decode()}"]
    assert [row["layer"] for row in page.table(1)] == [node.label for node in run.model.graph.nodes]
    assert "digits: 1,437 to train, 360 to test, each (28, 28, 1)" in text


def test_other_files_hold_the_history(run, tmp_path):
    history = run.history.history
    for ending in ("csv", "json", "md", "tex", "txt"):
        run.report(tmp_path / f"r.{ending}")
    rows = list(csv.DictReader((tmp_path / "r.csv").read_text("utf-8").splitlines()))
    assert [float(row["loss"]) for row in rows] == history["loss"]
    told = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert told["history"] == history
    assert told["settings"]["network"] == TEXT
    assert f"| 3 | {history['loss'][2]:#.6g} | {history['val_loss'][2]:#.6g} |" in (tmp_path / "r.md").read_text(
        "utf-8"
    )


def test_the_same_run_gives_the_same_bytes(run, tmp_path):
    run.report(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_bytes() == (run.folder / runs.REPORT).read_bytes()


def test_a_run_that_goes_on_is_reported_anew(run, tmp_path):
    again = studies.resume(run.folder, 4, verbose=0)
    assert Page((run.folder / runs.REPORT).read_text()).rows[-1][0] == "4"
    assert again.history.history["loss"][:3] == pytest.approx(run.history.history["loss"][:3])


def test_other_endings_are_refused(run, tmp_path):
    with pytest.raises(OutputError) as caught:
        run.report(tmp_path / "r.svg")
    assert str(caught.value) == (
        f"cannot write {tmp_path / 'r.svg'}: a run's report ends in .html, .md, .tex, .csv, .json or .txt"
    )


def test_metrics_have_a_panel_each_and_losses_that_are_not_finite_a_gap():
    history = {
        "loss": [1.0, 0.5],
        "accuracy": [0.1, 0.9],
        "val_loss": [float("nan"), 0.6],
        "val_accuracy": [0.2, 0.8],
    }
    loss, accuracy = reporting.panels([1, 2], history)
    assert [line.name for line in loss.lines] == ["training", "validation"]
    assert (loss.rising, accuracy.rising) == (False, True)
    assert list(accuracy.lines[1].values) == [0.2, 0.8]
    assert reporting.panels([], {}) == []


def test_a_comparison_is_reported(tmp_path):
    found = studies.compare_decoders(
        "digits", encoder="conv 4 3 same relu | maxpool 2 same as code", decoders="nearest,unpool", seeds=1, epochs=1,
        batch_size=256, out=tmp_path / "c", verbose=0,
    )  # fmt: skip
    text = (tmp_path / "c" / "report.html").read_text()
    page = Page(text)
    document = found.document()
    assert page.rows == [
        [column.title for column in document.columns],
        *([row.cells[column.key] for column in document.columns] for row in document.rows),
    ]
    assert [tag for tag, _ in page.tags].count("img") == 1
    (errors,) = [
        {n: row["n"].get(str(column["i"])) for n, row in enumerate(table["rows"])}
        for table in page.data["tables"]
        for column in table["columns"]
        if column["title"] == "MSE"
    ]
    assert list(errors.values()) == pytest.approx(
        [row.numbers("mse").mean for row in (*found.rows, found.baseline)], abs=1e-5
    )
    found.report(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == text
    found.report(tmp_path / "pictures.svg")
    assert (tmp_path / "pictures.svg").read_text("utf-8").startswith("<?xml")
    assert found._repr_html_().startswith('<iframe sandbox="allow-scripts" title="decoders on digits"')
