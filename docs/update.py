"""Run the documentation again and write what it prints: console blocks, and Python blocks with an output block.

Run: python docs/update.py (the tests fail when a block prints something else than it shows)
The page on other frameworks needs them: pip install -e '.[dev,oracles]', and KERAS_BACKEND=jax.
"""

import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from layerscope.cli import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
WITH_FRAMEWORKS = [ROOT / "docs" / name for name in ("frameworks.md", "models.md", "onnx.md")]
"""Pages whose Python blocks import other frameworks."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FOLLOWED = re.compile(r"^```python\n((?:(?!```).*\n)*)```\n\n```output\n((?:(?!```).*\n)*)```$", re.MULTILINE)
"""A Python block, and the block of what it prints behind it."""
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


def followed(page: Path) -> Iterator[tuple[str, str]]:
    """The Python blocks of a page that an output block follows, with that."""
    for found in FOLLOWED.finditer(page.read_text("utf-8")):
        yield found[1], found[2]


def ran(code: str) -> str:
    """What a Python block prints, run in a folder of its own; the environment is put back afterwards."""
    before, text = dict(os.environ), io.StringIO()
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(text):
            exec(compile(code, "documentation", "exec"), {})
    finally:
        os.environ.clear()
        os.environ.update(before)
    return text.getvalue()


if __name__ == "__main__":
    for page in PAGES:
        text = page.read_text("utf-8")
        for code, old in followed(page):
            text = text.replace(f"{code}```\n\n```output\n{old}```", f"{code}```\n\n```output\n{ran(code)}```")
        for old in blocks(page, "console"):
            text = text.replace(old, renewed(old))
        page.write_text(text, "utf-8")
