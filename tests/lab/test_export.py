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
from layerscope.lab.painting.cells import READABLE
from layerscope.lab.painting.layout import paint
from layerscope.lab.painting.pages import SHARES, scaled
from layerscope.lab.scenes import scene
from layerscope.lab.state import described
from layerscope.report.figures.painted import families
from layerscope.report.papers import PAGE

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
        "cannot write a.gif: an export of the lab ends in .svg, .png, .pdf, .html, .json or .txt",
    ),
    "width": (["export", "convt", "-o", "a.svg", "--width-mm", "8"], "a figure is 70 to 1,000 mm wide, not 8; one column of a paper has about 84"),
    "nan": (["export", "convt", "-o", "a.svg", "--width-mm", "nan"], "a figure is 70 to 1,000 mm wide, not nan; one column of a paper has about 84"),
    "dots": (["export", "convt", "-o", "a.png", "--dpi", "9999"], "--dpi is 9999; 36 to 2400 is possible"),
    "no hash": (["export", "#n=4", "-o", "a.svg"], "a link of the lab starts with its screen: #lab="),
    "long": (["export", "#lab=convt&x=" + "1," * 3000, "-o", "a.svg"], "the link has 6,012 characters; the lab writes at most 4,000"),
    "no ending": (["export", "convt", "-o", "figure"], "cannot write figure: an export of the lab ends in .svg, .png, .pdf, .html, .json or .txt"),
    "wide": (["export", "convt", "-o", "a.svg", "--width-mm", "2000"], "a figure is 70 to 1,000 mm wide, not 2000; one column of a paper has about 84"),
    "no network": (["export", "#lab=journey&net=x%7Cy", "-o", "a.svg"], "there is nothing to draw: The lab needs numbers as sizes, such as 28x28x1."),
    "large planes": (["export", "#lab=field&net=1920x1080x3|conv 8 3", "-o", "a.svg"], "there is nothing to draw: Planes with more than 32 cells along an axis are not drawn; choose a smaller input to see them."),
    "high": (["export", "#lab=convt&n=8&k=5&s=4&d=3&op=0&p=0", "-o", "a.svg"], "the figure would be 174 × 411 mm, but a page is 240 mm high, and with smaller letters it could not be read: choose --width-mm 209, or a state with fewer or smaller grids; .html and .txt have no pages"),
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
            assert export(screen, tmp_path / f"{screen}.{suffix}", dpi=72).said.startswith("Wrote ")


@pytest.mark.parametrize("name", ["lab-convt.svg", "lab-upsampling.svg"])
def test_figures_of_the_documentation_are_their_own_state_exported(name, tmp_path):
    """Each carries its link; `layerscope lab export LINK -o docs/pictures/NAME` makes it again."""
    held = (DOCS / "pictures" / name).read_text("utf-8")
    link = re.search("<metadata>(.*)</metadata>", held)
    assert link is not None
    export(unescape(link[1]), tmp_path / name)
    assert (tmp_path / name).read_text("utf-8") == held


BROKEN = "#lab=journey&net=28x28x1 | conv 8 3 | conv 8 30"
WRONG = "the network does not fit: Conv2D: the kernel covers 30 cells along the height, but the input has only 26."


def test_a_network_that_breaks_is_drawn_up_to_there_and_the_exit_code_says_so(tmp_path, capsys):
    code, out, err = run(capsys, "export", BROKEN, "-o", str(tmp_path / "a.svg"))
    assert (code, err) == (2, f"layerscope lab: {WRONG}\n")
    assert out.startswith(f"Wrote {tmp_path / 'a.svg'}: 174 × ")
    drawn = (tmp_path / "a.svg").read_text("utf-8")
    assert "26×26×8" in drawn
    assert "conv 8 30" in drawn
    code, out, err = run(capsys, "export", BROKEN)
    assert (code, err) == (2, f"layerscope lab: {WRONG}\n")
    assert "26×26×8" in out


def test_a_network_that_fits_and_does_not_come_back_to_its_input_is_no_mistake(tmp_path, capsys):
    code, _, err = run(capsys, "export", "#lab=journey&net=8x8x1|conv 1 3|upsample 2", "-o", str(tmp_path / "a.svg"))
    assert (code, err) == (0, "")


@pytest.mark.parametrize("screen", described()["screens"])
def test_one_column_is_no_longer_than_a_page(screen, tmp_path):
    """Every screen as it opens, in both widths of a paper."""
    for width in (70, 84, 174):
        export(screen, tmp_path / "a.svg", width_mm=width)
        size = re.search('width="([0-9.]+)mm" height="([0-9.]+)mm"', (tmp_path / "a.svg").read_text("utf-8"))
        assert float(size[1]) == width
        assert float(size[2]) <= PAGE
        smallest = min(
            float(one) for one in re.findall('font-size="([0-9.]+)"', (tmp_path / "a.svg").read_text("utf-8"))
        )
        assert smallest >= READABLE * min(SHARES)


def test_a_smaller_figure_is_the_same_figure(tmp_path):
    drawing = paint(scene("#lab=convt"), 100)
    half = scaled(drawing, 0.5)
    assert (half.width, half.height) == (50, drawing.height / 2)
    assert [type(shape) for shape in half.marks] == [type(shape) for shape in drawing.marks]
    for large, small in zip(drawing.marks, half.marks, strict=True):
        for name, value in vars(large).items():
            if name == "points":
                assert small.points == [(x / 2, y / 2) for x, y in value]
            elif isinstance(value, float):
                assert getattr(small, name) == value / 2


def test_text_cuts_nothing_off(tmp_path):
    made = scene("#lab=convt&n=8&k=5&s=4&d=3&op=0&p=0")
    export("#lab=convt&n=8&k=5&s=4&d=3&op=0&p=0", tmp_path / "a.txt")
    lines = (tmp_path / "a.txt").read_text("utf-8").splitlines()
    output = next(grid for grid in made.grids if grid.id == "output")
    for row in range(output.rows):
        numbers = [cell.text for cell in output.cells[row * output.columns : (row + 1) * output.columns]]
        assert any(re.findall("−?[0-9]+", line)[-output.columns :] == numbers for line in lines if "│" in line), row
    export("#lab=journey", tmp_path / "b.txt")
    assert "…" not in (tmp_path / "b.txt").read_text("utf-8")


def test_the_journeys_figure_has_the_totals_that_the_page_has(tmp_path):
    net = "28x28x1 | conv 16 3 same relu | flatten | dense 10"
    export(f"#lab=journey&net={net}&lang=ko", tmp_path / "a.svg")
    said = re.findall(">([^<>]+)</text>", (tmp_path / "a.svg").read_text("utf-8"))
    assert said[said.index("모두 합해서") :][:3] == ["모두 합해서", "125,610", "238,336"]
    export(f"#lab=journey&net={net}", tmp_path / "a.txt")
    text = (tmp_path / "a.txt").read_text("utf-8")
    assert "\n4 stages\n" in text
    assert re.search(r"All together +125,610 +238,336", text)
    export("#lab=journey&net=28x28x1", tmp_path / "a.txt")
    assert "\n1 stage\n" in (tmp_path / "a.txt").read_text("utf-8")


def test_links_say_what_they_cannot_keep(tmp_path):
    given = "#lab=pool&cell=99,-1&n=4&n=5&foo=1"
    assert export(given, tmp_path / "a.txt").said.splitlines()[1:] == [
        "n=4: the link says n more than once, and the last one counts",
        "foo=1: this screen has no such setting",
        "cell=99,-1 → 1,0: rows 0 to 1 and columns 0 to 1 are there",
    ]
    assert export(given, tmp_path / "a.txt", lang="ko").said.splitlines()[1:] == [
        "n=4: 링크에 n이 여러 번 있어 마지막 것만 씁니다",
        "foo=1: 이 화면에 없는 설정입니다",
        "cell=99,-1 → 1,0: 행은 0부터 1까지, 열은 0부터 1까지 있습니다",
    ]
    assert scene("#lab=pool&n=2").clamped == ()  # its cell was not asked for
    assert opened("#lang=ko&theme=dark").to_json() == scene("#lab=journey&lang=ko&theme=dark").to_json()
