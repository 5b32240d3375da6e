"""layerscope lab export: every format, every mistake."""

import json
import re
from pathlib import Path
from xml.sax.saxutils import unescape

import pytest
from PIL import Image

from layerscope.cli import main
from layerscope.core.errors import OutputError
from layerscope.lab.exporting import export, opened
from layerscope.lab.painting.layout import paint
from layerscope.lab.scenes import scene
from layerscope.lab.state import described
from layerscope.report.figures.painted import families

DOCS = Path(__file__).parents[2] / "docs"


def run(capsys, *arguments):
    code = main(["lab", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf", "html", "json", "txt"])
def test_two_exports_are_the_same_bytes(suffix, tmp_path, capsys):
    for name in ("a", "b"):
        code, out, err = run(capsys, "export", "#lab=convt&n=3&view=stamp", "-o", str(tmp_path / f"{name}.{suffix}"))
        assert (code, err) == (0, "")
        assert out.startswith(f"Wrote {tmp_path / name}.{suffix}: ")
        assert "#lab=convt&n=3&view=stamp" in out
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{suffix}", f"b.{suffix}"]


def test_a_png_is_as_wide_as_asked(tmp_path):
    export("#lab=conv", tmp_path / "a.png", width_mm=84, dpi=100)
    with Image.open(tmp_path / "a.png") as made:
        assert abs(made.width - 84 / 25.4 * 100) <= 1
        assert made.info["Comment"] == "#lab=conv"
        assert len(made.getcolors(1_000_000) or []) > 20


def test_the_scene_as_data(tmp_path):
    export("#lab=pool&n=4", tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == json.loads(
        json.dumps(scene("#lab=pool&n=4").to_json())
    )


def test_the_page_opens_on_the_state(tmp_path):
    export("pool", tmp_path / "a.html", lang="ko")
    page = (tmp_path / "a.html").read_text("utf-8")
    assert 'content="#lab=pool&amp;lang=ko"' in page
    assert "default-src 'none'" in page


def test_words_around_a_link_are_taken_off():
    expected = scene("#lab=convt&n=3").to_json()
    for given in (
        "lab=convt&n=3",
        "convt&n=3",
        " #lab=convt&n=3\n",
        "http://127.0.0.1:8000/#lab=convt&n=3",
        "file:///a/lab.html#lab=convt&n=3",
    ):
        assert opened(given).to_json() == expected
    assert opened("convt").to_json() == scene("#lab=convt").to_json()
    assert opened("convt&theme=light", theme="dark", lang="ko").settings["theme"] == "dark"


def test_what_could_not_be_as_asked_is_said(tmp_path, capsys):
    code, out, _ = run(capsys, "export", "#lab=convt&n=3&op=3&size=9&view=stamp", "-o", str(tmp_path / "a.svg"))
    assert code == 0
    assert out.splitlines()[1:] == [
        "size=9: this screen has no such setting",
        "op=3 → 1: output padding must be smaller than the stride, 2: a larger one would be the size of a larger input",
    ]


def test_cells_that_are_too_small_for_their_numbers_are_named(tmp_path, capsys):
    code, out, _ = run(
        capsys,
        "export",
        "#lab=convt&n=8&k=5&s=4&d=3&op=0&p=0&view=stamp",
        "-o",
        str(tmp_path / "a.svg"),
        "--width-mm",
        "84",
    )
    assert code == 0
    assert out.splitlines()[1] == "Cells too small for their numbers: Plane 41×41: stamps add up; Output 41×41"


def test_without_a_file_it_prints(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = run(capsys, "export", "#lab=upsampling&n=2", "--bare")
    assert (code, err) == (0, "")
    assert out.startswith("Upsampling, three ways: 2×2 → 4×4\n")
    assert "Keras" not in out
    code, out, _ = run(capsys, "export", "#lab=upsampling&n=2&lang=ko")
    assert "못판 업샘플링" in out
    assert "layerscope.keras.BedOfNails2D(2)(code)" in out


MISTAKES = {
    "no export": (["-o", "a.svg"], "-o belongs to export: layerscope lab export '#lab=convt&n=4' -o figure.svg"),
    "no state": (["export"], "say what to export, such as: layerscope lab export '#lab=convt&n=4' -o figure.svg"),
    "screen": (
        ["export", "#lab=convtr", "-o", "a.svg"],
        "unknown screen of the lab 'convtr'. Did you mean 'convt' or 'conv'?",
    ),
    "suffix": (
        ["export", "convt", "-o", "a.gif"],
        "cannot tell what to write from the name 'a.gif': end it in .svg, .png, .pdf, .html, .json or .txt",
    ),
    "width": (["export", "convt", "-o", "a.svg", "--width-mm", "8"], "--width-mm is 8; 40 to 1000 is possible"),
    "nan": (["export", "convt", "-o", "a.svg", "--width-mm", "nan"], "--width-mm is nan; 40 to 1000 is possible"),
    "dots": (["export", "convt", "-o", "a.png", "--dpi", "9999"], "--dpi is 9999; 36 to 2400 is possible"),
    "no hash": (["export", "#n=4", "-o", "a.svg"], "a link of the lab starts with its screen: #lab="),
    "long": (["export", "#lab=convt&x=" + "1," * 3000, "-o", "a.svg"], "the link has 6,012 characters; the lab writes at most 4,000"),
    "folder": (["export", "convt", "-o", "/proc/nothing/a.svg"], "cannot write /proc/nothing/a.svg: there is no folder /proc/nothing; make it first"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, expected = MISTAKES[name]
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"layerscope lab: {expected}"), err
    assert list(tmp_path.iterdir()) == []


def test_korean_without_a_font_is_refused_with_the_way_out(monkeypatch, tmp_path):
    from matplotlib import font_manager

    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    with pytest.raises(
        OutputError, match=r"^no font on this machine has Korean letters; install one .*fonts-noto-cjk"
    ):
        export("#lab=pool&lang=ko", tmp_path / "a.png")
    assert families(paint(scene("#lab=pool"))) == ["DejaVu Sans"]
    assert list(tmp_path.iterdir()) == []


def test_all_screens_can_be_exported(tmp_path):
    for screen in described()["screens"]:
        for suffix in ("svg", "png", "txt"):
            assert export(screen, tmp_path / f"{screen}.{suffix}", dpi=72).startswith("Wrote ")


@pytest.mark.parametrize("name", ["lab-convt.svg", "lab-upsampling.svg"])
def test_figures_of_the_documentation_are_their_own_state_exported(name, tmp_path):
    """Each carries its link; `layerscope lab export LINK -o docs/pictures/NAME` makes it again."""
    held = (DOCS / "pictures" / name).read_text("utf-8")
    link = re.search("<metadata>(.*)</metadata>", held)
    assert link is not None
    export(unescape(link[1]), tmp_path / name)
    assert (tmp_path / name).read_text("utf-8") == held
