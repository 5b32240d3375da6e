"""Run the console blocks of the documentation again and write what they print.

Run: python docs/update.py (the tests fail when a block prints something else than it shows)
"""

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from layerscope.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WIDTH = "120"


def blocks(page: Path, language: str) -> Iterator[str]:
    """The blocks of one language in a page."""
    for found in BLOCK.finditer(page.read_text("utf-8")):
        if found[1] == language:
            yield found[2]


def printed(command: str) -> str:
    """What `layerscope ...` prints in a terminal of WIDTH columns, without spaces at the ends of lines."""
    words = shlex.split(command)
    assert words[0] == "layerscope", command
    os.environ["COLUMNS"] = WIDTH
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        main(words[1:])
    return "".join(line.rstrip() + "\n" for line in text.getvalue().splitlines())


def renewed(block: str) -> str:
    """A console block with its command's output as it is now."""
    command = block.splitlines()[0].removeprefix("$ ")
    return f"$ {command}\n{printed(command)}"


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text("utf-8")
        for old in blocks(page, "console"):
            text = text.replace(old, renewed(old))
        page.write_text(text, "utf-8")
