"""A layer's page in Markdown: definition, shape law, picture, an example that ran, costs, settings, equivalents."""

from __future__ import annotations

import re

from layerscope.core.contract import Layer
from layerscope.report.document import count
from layerscope.report.explained import facts, picture

FORMULA = re.compile(r"^[\w'ᵢ]+(\[[^]]*\])?('?) (\+=|=) |^[a-zσ][\w', ]* = ")
"""How a line of a docstring begins that is a formula."""
BEHIND = re.compile(r"(?:, (?=then )|\. (?=[A-Z]))(.*)$")
"""Where the words begin that a sentence has behind its formula."""


def page(cls: type[Layer], drawn: str, code: str, printed: str, lab: str = "") -> str:
    """The page. `drawn` is where the picture lies, `code` the example, `printed` what it printed; `lab` a link's hash
    that opens the layer in the lab.
    """
    name, words = cls.__name__, facts.words(cls)
    parts = [f"# {name}", prose(words.first)]
    if not cls.executable:
        parts.append(
            "*Described: it is traced, with shapes, parameters and costs, but not computed or trained here.*"
        )
    parts += [_paragraph(paragraph) for paragraph in words.paragraphs]
    parts.append("\n".join(f"- **{title}**: {prose(text)}" for title, text in words.fields))
    parts += ["## Shape law", "\n".join(f"    {law.strip()}" for law in cls.law.split(";  "))]
    parts += ["## Picture", f"![{name}]({drawn})", picture.caption(cls)]
    if lab:
        parts.append(f"Cell by cell, to be changed by hand: `layerscope lab export '{lab}'`, or `layerscope lab`.")
    parts += ["## Example", f"```python\n{code}```", f"```output\n{printed}```"]
    parts += ["## What it costs", _costs(cls), "## Settings", _settings(cls), "## Elsewhere", _elsewhere(cls)]
    return "\n\n".join(part for part in parts if part) + "\n"


def prose(text: str) -> str:
    """Text of a docstring; what Markdown would take for markup is written as it stands."""
    return re.sub(r"(?<!`)([*_<\[])(?!`)", r"\\\1", text) if "`" not in text else _around_code(text)


def _around_code(text: str) -> str:
    pieces = text.split("`")
    return "`".join(piece if n % 2 else re.sub(r"([*_<\[])", r"\\\1", piece) for n, piece in enumerate(pieces))


def _paragraph(text: str) -> str:
    """A paragraph; its formulas as code, one a line, and what a sentence says behind one as text."""
    blocks: list[tuple[bool, list[str]]] = []
    for line in text.split("\n"):
        formula = bool(FORMULA.match(line))
        behind = BEHIND.search(line) if formula else None
        for is_formula, part in (
            (formula, line[: behind.start()] if behind else line),
            (False, behind and behind[1]),
        ):
            if not part:
                continue
            if blocks and blocks[-1][0] == is_formula:
                blocks[-1][1].append(part)
            else:
                blocks.append((is_formula, [part if part is line else part[0].upper() + part[1:]]))
    return "\n\n".join(
        "\n".join(f"    {line}" for line in lines) if formula else prose("\n".join(lines))
        for formula, lines in blocks
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; bars within cells are escaped."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _costs(cls: type[Layer]) -> str:
    head = ("layer", "in", "out", "parameters", "MACs", "other operations", "bytes kept for the backward pass")
    rows: list[tuple[str, ...]] = []
    for example in cls.examples():
        found = facts.cost(example)
        kept = "unknown" if found.kept is None else count(found.kept)
        macs = "unknown" if found.macs is None else count(found.macs)
        rows.append(
            (
                f"`{found.call}`", found.inputs, found.outputs, count(found.parameters), macs,
                facts.operations_in_words(found.operations), kept,
            )
        )  # fmt: skip
    return table(head, rows)


def _settings(cls: type[Layer]) -> str:
    return table(("setting", "default"), [(f"`{name}`", f"`{default}`") for name, default in facts.settings(cls)])


def _elsewhere(cls: type[Layer]) -> str:
    rows = [
        (title, f"`{name}`" if name else "no such layer", prose(note)) for title, name, note in facts.elsewhere(cls)
    ]
    if cls.words:
        places = " ".join(place.upper() for place in cls.words.places)
        others = ", ".join(f"`{name}`" for name in cls.words.names[1:])
        rows.append(
            ("One line of text", f"`{cls.words.names[0]} {places}`".replace(" `", "`"), others and f"also {others}")
        )
    return table(("", "name", "differences"), rows)
