"""Every block of the documentation runs, and prints what it shows."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from layerscope.cli import main
from layerscope.layers import kinds
from layerscope.report import formats
from layerscope.sources.examples import CASES

pytestmark = pytest.mark.usefixtures("one_cache")
ROOT = Path(__file__).parent.parent
spec = importlib.util.spec_from_file_location("update", ROOT / "docs" / "update.py")
assert spec is not None
assert spec.loader is not None
update = importlib.util.module_from_spec(spec)
spec.loader.exec_module(update)


PLAIN = [page for page in update.PAGES if page not in update.WITH_FRAMEWORKS]
"""The blocks of the other pages run in tests/conformance, where the frameworks are."""


def found(language, pages=PLAIN):
    return [
        pytest.param(block, id=f"{page.name}-{number}")
        for page in pages
        for number, block in enumerate(update.blocks(page, language))
    ]


@pytest.mark.parametrize("block", found("console"))
def test_console_blocks_print_what_they_show(block, monkeypatch):
    monkeypatch.setenv("COLUMNS", update.WIDTH)
    assert update.renewed(block) == block


PRINTED = [
    pytest.param(code, output, id=f"{page.name}-{number}")
    for page in PLAIN
    for number, (code, output) in enumerate(update.followed(page))
]


@pytest.mark.parametrize(("code", "output"), PRINTED)
def test_python_blocks_print_what_the_block_behind_shows(code, output):
    assert update.ran(code) == output


def test_every_output_block_stands_behind_a_python_block():
    assert len(found("output")) == len(PRINTED) > 0


@pytest.mark.parametrize("block", found("python"))
def test_python_blocks_run(block):
    if block not in [param.values[0] for param in PRINTED]:
        assert update.ran(block)


@pytest.mark.parametrize("block", found("sh"))
def test_shell_blocks(block, tmp_path, monkeypatch, capsys):
    """layerscope commands run; make and scripts are shown to be there (running them would run this test)."""
    monkeypatch.chdir(tmp_path)
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["layerscope"]:
            assert main(words[1:]) == 0, capsys.readouterr().err
        elif words[:1] == ["make"]:
            assert set(words[1:]) <= targets
        else:
            assert words[0] == "bash"
            assert (ROOT / words[1]).is_file()


def test_all_languages_of_blocks_are_run():
    languages = {match[1] for page in update.PAGES for match in update.BLOCK.finditer(page.read_text("utf-8"))}
    assert languages <= {"console", "output", "python", "sh"}
    for page in update.PAGES:
        plain = re.findall(r"^```$", page.read_text("utf-8"), re.MULTILINE)
        total = len(list(update.BLOCK.finditer(page.read_text("utf-8"))))
        # a block without a language is a drawing; it opens and closes with the same mark
        assert (len(plain) - total) % 2 == 0, page


def test_links_lead_somewhere():
    for page in update.PAGES:
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_changelog_names_every_layer():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    missing = [kind for kind in kinds() if kind not in text and kind not in ("InputLayer", "Opaque")]
    assert missing == []


def test_every_layer_says_what_it_is():
    for kind, cls in kinds().items():
        text = cls.__doc__ or ""
        assert "Shapes:" in text, kind
        assert cls.law, kind
        assert set(cls.spellings) == {"keras", "torch", "onnx"}, kind
        assert cls.examples(), kind


def test_examples_and_formats_are_known():
    assert [case.name for case in CASES] == [
        "boxes-condense", "boxes-enrich", "image-dense", "image-conv", "autoencoder", "autoencoder-transpose",
    ]  # fmt: skip
    assert formats.names() == ["csv", "html", "json", "latex", "markdown", "svg", "terminal"]
