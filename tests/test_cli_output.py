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
