"""The command line where its output cannot be written."""

import os
import subprocess
import sys

import pytest

from layerscope.cli import main

IMAGES = "28x28x1 | conv 1 3 same sigmoid"


@pytest.mark.parametrize(
    ("asked", "unbuffered"), [(["trace", IMAGES], ""), (["trace", IMAGES], "1"), (["--help"], "")], ids=str
)
def test_a_full_disk_is_no_traceback(asked, unbuffered):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "layerscope.cli", *asked], stdout=full, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered}, check=False,
        )  # fmt: skip
    message = "layerscope: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_other_errors_of_the_system_are_not_hidden(monkeypatch):
    def fails(asked):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("layerscope.cli.examples.run", fails)
    with pytest.raises(PermissionError):
        main(["examples"])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_terminals_that_lack_letters(encoding):
    """No letter is lost that a report is written with: others stand for those that the encoding does not have."""
    text = "8x8x1 | conv 2 3 same relu as a_layer_with_a_long_name | upsample 2 | conv 1 5 same"
    asked = ["field", text, "--at", "0,3"]
    done = subprocess.run(
        [sys.executable, "-m", "layerscope.cli", *asked], capture_output=True, check=True,
        env=os.environ | {"PYTHONIOENCODING": encoding, "COLUMNS": "90"},
    )  # fmt: skip
    page = done.stdout.decode(encoding)
    times, minus = {"ascii": ("x", "-"), "latin-1": ("×", "-"), "cp1252": ("×", "-"), "utf-8": ("×", "−")}[encoding]
    dots, rule = {"cp1252": "…", "utf-8": "…"}.get(encoding, "..."), "─" if encoding == "utf-8" else "-"
    title, _, _, line, height, *_ = page.splitlines()
    assert title == f"conv2d of text  16 {times} 16 positions"
    assert set(line) == {rule}
    assert height.split() == ["input_layer", "height", "8", "5", f"{minus}2", "0.5", "2", "no", "0", dots, "2", "(3)"]
    assert len(height) == len(line)
    assert "?" not in page


def test_messages_where_letters_are_missing():
    done = subprocess.run(
        [sys.executable, "-m", "layerscope.cli", "trace", "4x4 | 입력…"], capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C.UTF-8"}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "  4x4 | ??...\n" in done.stderr.decode("ascii")
