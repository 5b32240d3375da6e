"""The blocks of docs/frameworks.md, which need the frameworks, run and print what they show."""

from __future__ import annotations

import pytest

import test_documentation
from test_documentation import found, update

PAGES = update.WITH_FRAMEWORKS
PRINTED = [pair for page in PAGES for pair in update.followed(page)]


@pytest.mark.filterwarnings("ignore")  # of the frameworks, about themselves and each other
@pytest.mark.parametrize("block", found("python", PAGES))
def test_python_blocks(block):
    pytest.importorskip("keras")
    shown = dict(PRINTED).get(block)
    made = update.ran(block)
    assert shown is None or made == shown


def test_every_output_block_stands_behind_a_python_block():
    assert len(found("output", PAGES)) == len(PRINTED) > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", found("sh", PAGES))
def test_shell_blocks(block, tmp_path, monkeypatch, capsys):
    test_documentation.test_shell_blocks(block, tmp_path, monkeypatch, capsys)
