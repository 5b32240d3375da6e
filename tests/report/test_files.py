"""Reports as files: the ending says what, two of the same are the same bytes, and mistakes are said."""

import csv
import json
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from tests.report.reading import Page
from tests.table.networks import odd_names, residual

import layerscope as ls
from layerscope.checking import check
from layerscope.cli import main
from layerscope.core.errors import OutputError, SettingError
from layerscope.report import files

ENDINGS = [".html", ".htm", ".svg", ".png", ".pdf", ".md", ".markdown", ".tex", ".csv", ".json", ".txt"]
KNOWN = ".csv, .htm, .html, .json, .markdown, .md, .pdf, .png, .svg, .tex or .txt"


def test_every_ending_is_known():
    assert files.suffixes() == sorted(ENDINGS)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_report_is_the_same_bytes_twice_and_leaves_nothing_beside_it(tmp_path, ending, capsys):
    first, second = tmp_path / f"first{ending.upper()}", tmp_path / f"second{ending}"
    for path in (first, second):
        assert main(["trace", "example:autoencoder", "-o", str(path)]) == 0
        assert capsys.readouterr().out == f"Wrote {path}: the report\n"
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes()) > 700
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name, second.name]


def test_files_hold_what_the_formats_print(tmp_path):
    trace = residual()
    for ending, format in {".md": "markdown", ".tex": "latex", ".json": "json", ".txt": "terminal"}.items():
        trace.report(tmp_path / f"r{ending}", columns=None)
        assert (tmp_path / f"r{ending}").read_text("utf-8") == trace.render(format) + "\n"
    trace.report(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_bytes() == trace.render("csv").encode()
    assert len(list(csv.reader((tmp_path / "r.csv").read_text("utf-8").splitlines()))) == 1 + len(trace)
    assert json.loads((tmp_path / "r.json").read_text("utf-8")) == json.loads(json.dumps(trace.to_json()))


def test_wishes_are_kept(tmp_path):
    trace = ls.trace("example:autoencoder")
    trace.report(tmp_path / "r.html", columns="name,macs", sort="macs", top=3, legend=False)
    page = Page((tmp_path / "r.html").read_text())
    assert page.rows == [
        ["layer", "MACs"],
        ["conv2d_1", "225,792"],
        ["conv2d_5", "225,792"],
        ["conv2d", "112,896"],
        ["… and 11 more", "147,744"],
    ]
    assert not [told for tag, told in page.tags if told.get("class") == "words"]


@pytest.mark.parametrize("width", [70, 84, 174, 183.5])
def test_figures_are_as_wide_as_asked(tmp_path, width):
    trace = ls.trace("example:autoencoder")
    for ending in ("svg", "png", "pdf"):
        trace.report(tmp_path / f"f.{ending}", width_mm=width)
    root = ET.fromstring((tmp_path / "f.svg").read_text("utf-8"))
    assert root.get("width") == f"{width:g}mm"
    height = float(root.get("height").removesuffix("mm"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    across, down = struct.unpack(">II", (tmp_path / "f.png").read_bytes()[16:24])
    assert abs(across - width / 25.4 * 300) <= 1
    assert abs(down - height / 25.4 * 300) <= 1
    (box,) = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", (tmp_path / "f.pdf").read_bytes())
    assert float(box[0]) == pytest.approx(width / 25.4 * 72, abs=0.01)
    assert b"/FontFile2" in (tmp_path / "f.pdf").read_bytes(), "the font is embedded"


def test_figures_have_names_of_any_letters(tmp_path):
    trace = odd_names()
    for ending in ("svg", "png", "pdf"):
        trace.report(tmp_path / f"f.{ending}")
    root = ET.fromstring((tmp_path / "f.svg").read_text("utf-8"))
    assert root.find("{http://www.w3.org/2000/svg}title").text == trace.to_json()["name"]


def test_the_figure_in_the_documentation_is_what_is_drawn(tmp_path):
    ls.trace("example:autoencoder").report(tmp_path / "f.svg", width_mm=84)
    drawn = Path(__file__).parents[2] / "docs" / "pictures" / "autoencoder.svg"
    assert (tmp_path / "f.svg").read_bytes() == drawn.read_bytes()


MISTAKES = {
    "ending": (["trace", "example:autoencoder", "-o", "{tmp}/a.docx"],
               f"cannot write {{tmp}}/a.docx: a report ends in {KNOWN}"),
    "none": (["trace", "example:autoencoder", "-o", "{tmp}/a"],
             f"cannot write {{tmp}}/a: a report ends in {KNOWN}"),
    "folder": (["trace", "example:autoencoder", "-o", "{tmp}/no/a.html"],
               "cannot write {tmp}/no/a.html: there is no folder {tmp}/no; make it first"),
    "narrow": (["trace", "example:autoencoder", "-o", "{tmp}/a.svg", "--width-mm", "30"],
               "a figure is 70 to 1,000 mm wide, not 30; one column of a paper has about 84"),
    "not a number": (["trace", "example:autoencoder", "-o", "{tmp}/a.svg", "--width-mm", "nan"],
                     "a figure is 70 to 1,000 mm wide, not nan; one column of a paper has about 84"),
    "no figure": (["trace", "example:autoencoder", "-o", "{tmp}/a.md", "--width-mm", "84"],
                  "--width-mm is that of a figure, but {tmp}/a.md is none; write a .svg, .png or .pdf"),
    "no file": (["trace", "example:autoencoder", "--width-mm", "84"],
                "--width-mm is that of a figure: name it with -o figure.svg (or .png, .pdf)"),
    "format": (["trace", "example:autoencoder", "-o", "{tmp}/a.md", "--format", "latex"],
               "--format latex and -o {tmp}/a.md do not agree; leave --format out"),
    "quiet": (["trace", "example:autoencoder", "-o", "{tmp}/a.svg", "-q"],
              "-q leaves out what words mean, which a figure does not have"),
    "check": (["check", "example:autoencoder", "-o", "{tmp}/a.doc"],
              f"cannot write {{tmp}}/a.doc: a report ends in {KNOWN}"),
    "train": (["train", "example:autoencoder", "-o", "{tmp}/runs"],
              "cannot write {tmp}/runs: a run's report ends in .html, .md, .tex, .csv, .json or .txt "
              "(the folder of the run is --out)"),
    "train, folder": (["train", "example:autoencoder", "-o", "{tmp}/no/a.html"],
                      "cannot write {tmp}/no/a.html: there is no folder {tmp}/no; make it first"),
    "compare": (["compare", "decoders", "--report", "{tmp}/a.doc"],
                f"cannot write {{tmp}}/a.doc: a report ends in {KNOWN}"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_said_before_anything_is_written(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, message = MISTAKES[name]
    assert main([word.format(tmp=tmp_path) for word in words]) == 2
    out, err = capsys.readouterr()
    assert err == f"layerscope {words[0]}: {message.format(tmp=tmp_path)}\n"
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_page_where_a_folder_is_cannot_be_written(tmp_path):
    (tmp_path / "r.html").mkdir()
    with pytest.raises(OutputError, match=re.escape(f"cannot write {tmp_path / 'r.html'}: Is a directory")):
        ls.trace("example:autoencoder").report(tmp_path / "r.html")
    assert list((tmp_path / "r.html").iterdir()) == []


def test_a_check_is_reported(tmp_path, capsys):
    path = tmp_path / "c.html"
    broken = "28x28x1 | flatten | dense 392 | reshape 7x7x4 | upsample 4 | conv 1 3 same"
    assert main(["check", broken, "-o", str(path)]) == 1
    assert capsys.readouterr().out == f"Wrote {path}: the report\n"
    page = Page(path.read_text())
    assert page.rows == [
        ["layer", "kind", "output", "numbers"],
        ["input_layer", "InputLayer", "28 × 28 × 1", "28·28·1 = 784"],
        ["flatten", "Flatten", "784", "28·28·1 = 784"],
        ["dense", "Dense", "392", "392 = 8·7·7 = 2·14·14"],
    ]
    assert "does not fit" in path.read_text()


def test_a_long_check_is_a_page_too(tmp_path):
    check("28x28x1 | " + "conv 2 3 same | " * 60 + "conv 2 40").report(tmp_path / "c.html")
    page = Page((tmp_path / "c.html").read_text())
    assert ["... 30 layers ..."] in page.rows


def test_formats_of_documents_without_a_journey():
    with pytest.raises(SettingError, match=re.escape("there is no figure of autoencoder; write a table")):
        check("example:autoencoder").render("svg")
